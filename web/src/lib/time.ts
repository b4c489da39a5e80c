import { TZDate, tzOffset } from "@date-fns/tz";

const WINDOWS = ["minute", "hour", "day", "week", "month"] as const;
export type Window = (typeof WINDOWS)[number];

export function isWindow(text: unknown): text is Window {
  return WINDOWS.some((window) => window === text);
}

export const BROWSER_ZONE: string = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export const ZONES: readonly string[] = Intl.supportedValuesOf("timeZone");

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** `UTC+05:30` at that instant. */
export function offsetLabel(zone: string, at: Date): string {
  const minutes = tzOffset(zone, at);
  if (minutes === 0) return "UTC";
  const two = (n: number) => String(n).padStart(2, "0");
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(at: Date, zone: string, options: Intl.DateTimeFormatOptions): string {
  const key = zone + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    formats.set(key, found);
  }
  return found.format(at);
}

/** `24 Nov 2026, 14:16:29` */
export function formatInstant(at: Date | string, zone: string): string {
  return format(new Date(at), zone, {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
}

export function formatDay(at: Date | string, zone: string): string {
  return format(new Date(at), zone, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
}

/** A window's start on an axis. */
export function formatTick(at: Date | string, window: Window, zone: string): string {
  const date = new Date(at);
  switch (window) {
    case "minute":
    case "hour": {
      const time = format(date, zone, { hour: "2-digit", minute: "2-digit" });
      return time === "00:00" ? format(date, zone, { day: "numeric", month: "short" }) : time;
    }
    case "month":
      return format(date, zone, { month: "short", year: "numeric" });
    default:
      return format(date, zone, { day: "numeric", month: "short" });
  }
}

/** A window whole, with its offset where hours are shown: on a day of change 02:00 comes twice. */
export function formatWindow(start: Date | string, end: Date | string, window: Window, zone: string): string {
  const [from, to] = [new Date(start), new Date(end)];
  const time = (at: Date) => format(at, zone, { hour: "2-digit", minute: "2-digit" });
  switch (window) {
    case "minute":
    case "hour":
      return `${formatDay(from, zone)}, ${time(from)}–${time(to)} ${offsetLabel(zone, from)}`;
    case "day":
      return formatDay(from, zone);
    case "week":
      return `${formatDay(from, zone)} – ${formatDay(new Date(to.getTime() - 1), zone)}`;
    case "month":
      return format(from, zone, { month: "long", year: "numeric" });
  }
}

/** How long ago, in the largest unit: `5 min ago`. */
export function formatAgo(at: Date | string, now: Date): string {
  const seconds = Math.round((now.getTime() - new Date(at).getTime()) / 1000);
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  if (Math.abs(seconds) < 60) return relative.format(-seconds, "second");
  if (Math.abs(seconds) < 3600) return relative.format(-Math.round(seconds / 60), "minute");
  if (Math.abs(seconds) < 86_400) return relative.format(-Math.round(seconds / 3600), "hour");
  return relative.format(-Math.round(seconds / 86_400), "day");
}

/** The wall clock of `zone` as an `<input type="datetime-local">` holds it. */
export function toLocalInput(at: Date, zone: string): string {
  const local = new TZDate(at.getTime(), zone);
  const two = (n: number) => String(n).padStart(2, "0");
  const date = `${String(local.getFullYear()).padStart(4, "0")}-${two(local.getMonth() + 1)}-${two(local.getDate())}`;
  return `${date}T${two(local.getHours())}:${two(local.getMinutes())}`;
}

/** The instant a wall clock of `zone` shows; one that is skipped when clocks go forward is the hour after. */
export function fromLocalInput(text: string, zone: string): Date | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)/.exec(text)?.slice(1).map(Number);
  if (!parts) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = parts;
  const instant = new Date(new TZDate(year, month - 1, day, hour, minute, zone).getTime());
  return Number.isNaN(instant.getTime()) ? undefined : instant;
}
