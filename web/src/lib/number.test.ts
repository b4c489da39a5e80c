import { describe, expect, it } from "vitest";
import {
  change,
  formatChange,
  formatCompact,
  formatDuration,
  formatExact,
  formatShare,
  share,
} from "./number";

const HUGE = 12_345_678_901_234_567_890n;

describe("quantities", () => {
  it("show every digit, beyond 2^53 too", () => {
    expect(formatExact(0)).toBe("0");
    expect(formatExact(9_007_199_254_740_993n)).toBe("9,007,199,254,740,993");
    expect(formatExact(HUGE)).toBe("12,345,678,901,234,567,890");
  });

  it("are shortened for axes", () => {
    expect(formatCompact(1_234_567)).toBe("1.23M");
    expect(formatCompact(HUGE)).toMatch(/^12[.,\d]*[TE]/);
  });
});

describe("ratios", () => {
  it("are shares of a total", () => {
    expect(share(1, 4)).toBe(0.25);
    expect(share(HUGE / 2n, HUGE)).toBeCloseTo(0.5, 5);
    expect(share(0, 0)).toBe(0);
    expect(formatShare(0.0004)).toBe("<0.1%");
    expect(formatShare(share(3, HUGE))).toBe("<0.1%");
    expect(formatShare(0)).toBe("0.0%");
  });

  it("are changes, of which nothing before has none", () => {
    expect(change(3, 2)).toBe(0.5);
    expect(change(5, 0)).toBeUndefined();
    expect(formatChange(0.125)).toBe("+12.5%");
    expect(formatChange(-0.047)).toBe("−4.7%");
    expect(formatChange(0)).toBe("0.0%");
    expect(formatChange(1233)).toBe("×1,234");
  });
});

it("durations have the digits one reads", () => {
  expect([0.04, 0.83, 9.96, 42.4, 185, 7800].map(formatDuration)).toEqual([
    "0.04 s",
    "0.8 s",
    "10.0 s",
    "42 s",
    "3 min 5 s",
    "2 h 10 min",
  ]);
});
