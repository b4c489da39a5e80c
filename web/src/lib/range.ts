import { tz } from "@date-fns/tz";
import {
  addDays,
  differenceInCalendarDays,
  startOfDay,
  startOfHour,
  startOfMonth,
  subMonths,
} from "date-fns";
import type { Window } from "./time";

export const PRESETS = {
  "1h": "Last hour",
  "24h": "Last 24 hours",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  today: "Today",
  month: "This month",
} as const;

export type Preset = keyof typeof PRESETS;
export const DEFAULT_PRESET: Preset = "7d";

/** What of the URL says which time is looked at. */
export interface RangeSearch {
  range?: Preset | undefined;
  /** A range of its own; RFC 3339. Both or neither. */
  from?: string | undefined;
  to?: string | undefined;
}

export interface Range {
  from: Date;
  to: Date;
  window: Window;
  /** As many hours, days or months before it, up to the same point. */
  previous: { from: Date; to: Date };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export function isPreset(text: unknown): text is Preset {
  return typeof text === "string" && Object.hasOwn(PRESETS, text);
}

/** What is no range is left out, so that a mistyped link still opens. */
export function parseRange(search: Record<string, unknown>): RangeSearch {
  const instant = (value: unknown) => {
    const date = typeof value === "string" ? new Date(value) : undefined;
    return date && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
  };
  const [from, to] = [instant(search.from), instant(search.to)];
  if (from && to && from < to) return { range: undefined, from, to };
  const range = isPreset(search.range) && search.range !== DEFAULT_PRESET ? search.range : undefined;
  return { range, from: undefined, to: undefined };
}

/** The range at `now`, its edges where the days of `zone` begin. */
export function resolveRange(search: RangeSearch, zone: string, now: Date): Range {
  const inZone = { in: tz(zone) };
  const back = (date: Date, days: number) => new Date(addDays(date, -days, inZone).getTime());
  if (search.from && search.to) return customRange(new Date(search.from), new Date(search.to), zone);
  const days = (count: number): Range => {
    const from = back(startOfDay(now, inZone), count - 1);
    return { from, to: now, window: "day", previous: { from: back(from, count), to: back(now, count) } };
  };
  const preset = search.range ?? DEFAULT_PRESET;
  switch (preset) {
    case "1h":
      return shifted(new Date(now.getTime() - HOUR), now, HOUR, "minute");
    case "24h":
      return shifted(new Date(startOfHour(now).getTime() - 23 * HOUR), now, DAY, "hour");
    case "today": {
      const from = new Date(startOfDay(now, inZone).getTime());
      return { from, to: now, window: "hour", previous: { from: back(from, 1), to: back(now, 1) } };
    }
    case "month": {
      const from = new Date(startOfMonth(now, inZone).getTime());
      const before = (date: Date) => new Date(subMonths(date, 1, inZone).getTime());
      return { from, to: now, window: "day", previous: { from: before(from), to: before(now) } };
    }
    default:
      return days(Number.parseInt(preset, 10));
  }
}

function shifted(from: Date, to: Date, ms: number, window: Window): Range {
  const previous = { from: new Date(from.getTime() - ms), to: new Date(to.getTime() - ms) };
  return { from, to, window, previous };
}

function customRange(from: Date, to: Date, zone: string): Range {
  const inZone = { in: tz(zone) };
  const length = to.getTime() - from.getTime();
  const window: Window =
    length <= 2 * HOUR
      ? "minute"
      : length <= 3 * DAY
        ? "hour"
        : length <= 120 * DAY
          ? "day"
          : length <= 3 * 366 * DAY
            ? "week"
            : "month";
  const wholeDays =
    startOfDay(from, inZone).getTime() === from.getTime() &&
    startOfDay(to, inZone).getTime() === to.getTime();
  if (!wholeDays) return shifted(from, to, length, window);
  // Days before a change of clocks are as many, not as long.
  const count = differenceInCalendarDays(to, from, inZone);
  return {
    from,
    to,
    window,
    previous: { from: new Date(addDays(from, -count, inZone).getTime()), to: from },
  };
}

/** The windows that make a readable line of this range. */
export function windowChoices({ from, to }: Range): Window[] {
  const length = to.getTime() - from.getTime();
  const choices: [Window, number, number][] = [
    ["minute", 0, 6 * HOUR],
    ["hour", 2 * HOUR, 15 * DAY],
    ["day", 2 * DAY, 400 * DAY],
    ["week", 21 * DAY, 3000 * DAY],
    ["month", 62 * DAY, Number.POSITIVE_INFINITY],
  ];
  return choices.filter(([, least, most]) => length >= least && length <= most).map(([window]) => window);
}
