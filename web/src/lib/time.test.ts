import { describe, expect, it } from "vitest";
import {
  formatAgo,
  formatTick,
  formatWindow,
  fromLocalInput,
  isZone,
  offsetLabel,
  toLocalInput,
} from "./time";

const BERLIN = "Europe/Berlin";
const iso = (text: string, zone: string) => fromLocalInput(text, zone)?.toISOString();

describe("a wall clock", () => {
  it("is read in the zone that is shown, not the browser's", () => {
    expect(iso("2026-11-24T10:00", "UTC")).toBe("2026-11-24T10:00:00.000Z");
    expect(iso("2026-11-24T10:00", "Asia/Kolkata")).toBe("2026-11-24T04:30:00.000Z");
    expect(toLocalInput(new Date("2026-11-24T04:30:00Z"), "Asia/Kolkata")).toBe("2026-11-24T10:00");
  });

  it("that is skipped in spring is the hour after", () => {
    expect(iso("2026-03-29T02:30", BERLIN)).toBe("2026-03-29T01:30:00.000Z");
    expect(iso("2026-03-08T02:30", "America/New_York")).toBe("2026-03-08T07:30:00.000Z");
  });

  it("that comes twice in autumn is one of both", () => {
    expect(["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]).toContain(
      iso("2026-10-25T02:30", BERLIN),
    );
  });

  it("of nonsense is nothing", () => {
    expect(iso("", "UTC")).toBeUndefined();
    expect(iso("tomorrow", "UTC")).toBeUndefined();
  });
});

describe("a window", () => {
  it("says which of two equal hours it is", () => {
    const label = (start: string, end: string) => formatWindow(start, end, "hour", BERLIN);
    expect(label("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z")).toBe(
      "Sun, 25 Oct 2026, 02:00–02:00 UTC+02:00",
    );
    expect(label("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z")).toBe(
      "Sun, 25 Oct 2026, 02:00–03:00 UTC+01:00",
    );
  });

  it("of a day of 23 hours is that day", () => {
    expect(formatWindow("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "day", BERLIN)).toBe(
      "Sun, 29 Mar 2026",
    );
  });

  it("of a week ends on its last day", () => {
    const week = formatWindow("2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z", "week", BERLIN);
    expect(week).toBe("Mon, 23 Nov 2026 – Sun, 29 Nov 2026");
  });

  it("has the date for a tick at midnight", () => {
    expect(formatTick("2026-11-24T00:00:00Z", "hour", "UTC")).toBe("24 Nov");
    expect(formatTick("2026-11-24T05:00:00Z", "hour", "UTC")).toBe("05:00");
    expect(formatTick("2026-11-01T00:00:00Z", "month", "UTC")).toBe("Nov 2026");
  });
});

it("offsets have a sign and minutes", () => {
  const summer = new Date("2026-07-01T00:00:00Z");
  expect(["UTC", "Asia/Kolkata", "America/St_Johns"].map((zone) => offsetLabel(zone, summer))).toEqual([
    "UTC",
    "UTC+05:30",
    "UTC−02:30",
  ]);
});

it("zones are those that there are", () => {
  expect(isZone("Europe/Berlin")).toBe(true);
  expect(isZone("Middle/Earth")).toBe(false);
});

it("ages are in their largest unit", () => {
  const now = new Date("2026-11-24T12:00:00Z");
  expect(formatAgo("2026-11-24T11:59:30Z", now)).toBe("30 sec. ago");
  expect(formatAgo("2026-11-24T09:00:00Z", now)).toBe("3 hr. ago");
  expect(formatAgo("2026-11-20T12:00:00Z", now)).toBe("4 days ago");
});
