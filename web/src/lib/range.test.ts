import { describe, expect, it } from "vitest";
import { parseRange, type RangeSearch, resolveRange, windowChoices } from "./range";
import { parseAppSearch, parseSearch, stringifySearch } from "./search";

const BERLIN = "Europe/Berlin";

function resolved(search: RangeSearch, zone: string, now: string) {
  const { from, to, window, previous } = resolveRange(search, zone, new Date(now));
  return [from, to, previous.from, previous.to]
    .map((date) => date.toISOString().replace(":00.000Z", "Z"))
    .concat(window);
}

describe("a range", () => {
  it("of days begins where a day of the zone begins", () => {
    expect(resolved({}, BERLIN, "2026-11-24T14:00:00Z")).toEqual([
      "2026-11-17T23:00Z",
      "2026-11-24T14:00Z",
      "2026-11-10T23:00Z",
      "2026-11-17T14:00Z",
      "day",
    ]);
  });

  it("over a change of clocks compares as many days, at the same time of day", () => {
    // Clocks went back on 25 October: seven days before are an hour longer than seven times 24.
    expect(resolved({}, BERLIN, "2026-10-28T14:00:00Z")).toEqual([
      "2026-10-21T22:00Z",
      "2026-10-28T14:00Z",
      "2026-10-14T22:00Z",
      "2026-10-21T13:00Z",
      "day",
    ]);
  });

  it("of today is compared with yesterday by now", () => {
    expect(resolved({ range: "today" }, "Asia/Kolkata", "2026-11-24T14:00:00Z").slice(0, 4)).toEqual([
      "2026-11-23T18:30Z",
      "2026-11-24T14:00Z",
      "2026-11-22T18:30Z",
      "2026-11-23T14:00Z",
    ]);
  });

  it("of hours begins with a whole one", () => {
    expect(resolved({ range: "24h" }, "UTC", "2026-11-24T14:25:00Z")).toEqual([
      "2026-11-23T15:00Z",
      "2026-11-24T14:25Z",
      "2026-11-22T15:00Z",
      "2026-11-23T14:25Z",
      "hour",
    ]);
  });

  it("of one's own in whole days is compared with as many before", () => {
    const range = { from: "2026-03-28T23:00:00.000Z", to: "2026-03-30T22:00:00.000Z" };
    expect(resolved(range, BERLIN, "2026-11-24T00:00:00Z").slice(2)).toEqual([
      "2026-03-26T23:00Z",
      "2026-03-28T23:00Z",
      "hour",
    ]);
  });

  it("offers the windows that make a readable line", () => {
    const range = resolveRange({ range: "7d" }, "UTC", new Date("2026-11-24T14:00:00Z"));
    expect(windowChoices(range)).toEqual(["hour", "day"]);
  });
});

describe("the URL", () => {
  const roundTrip = (query: string) =>
    stringifySearch(parseAppSearch(parseSearch(query)) as Record<string, unknown>);

  it("comes back as it was", () => {
    for (const query of [
      "?range=24h&tz=Asia/Kolkata&tenant=auth0%7C507f",
      "?from=2026-11-01T00:00:00.000Z&to=2026-11-02T00:00:00.000Z&feature=GET:/invoices/:id",
      "?resource=123",
      "",
    ]) {
      expect(roundTrip(query)).toBe(query);
    }
  });

  it("forgets what means nothing, and the defaults", () => {
    expect(roundTrip("?range=7d&tz=UTC")).toBe("");
    expect(roundTrip("?range=forever&tz=Middle/Earth&from=2026-11-02")).toBe("");
    expect(parseRange({ from: "2026-11-02T00:00:00Z", to: "2026-11-01T00:00:00Z" })).toEqual({
      range: undefined,
      from: undefined,
      to: undefined,
    });
  });
});
