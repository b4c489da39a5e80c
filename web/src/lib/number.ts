/** An exact integer: a bigint where a number would round. */
export type Quantity = number | bigint;

const EXACT = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const ONE_DIGIT = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 } as const;
const PERCENT = new Intl.NumberFormat("en", ONE_DIGIT);
const SIGNED_PERCENT = new Intl.NumberFormat("en", { ...ONE_DIGIT, signDisplay: "exceptZero" });

/** Every digit: `12,345,678,901,234,567,890`. */
export function formatExact(quantity: Quantity): string {
  return EXACT.format(quantity);
}

/** For axes and narrow places: `1.23M`. */
export function formatCompact(quantity: Quantity): string {
  return COMPACT.format(quantity);
}

export function formatShare(ratio: number): string {
  return ratio > 0 && ratio < 0.001 ? "<0.1%" : PERCENT.format(ratio);
}

/** A change as `+12.5%`; from a thousandfold on as `×1,234`. */
export function formatChange(ratio: number): string {
  if (ratio >= 1000) return `×${EXACT.format(Math.round(ratio + 1))}`;
  return SIGNED_PERCENT.format(ratio).replace("-", "−");
}

/** part / total, as near as it is shown; 0 of nothing is 0. */
export function share(part: Quantity, total: Quantity): number {
  return Number(total) === 0 ? 0 : Number(part) / Number(total);
}

/** The change from `before` to `now`; `undefined` where there was nothing before. */
export function change(now: Quantity, before: Quantity): number | undefined {
  if (Number(before) === 0) return undefined;
  return share(now, before) - 1;
}

/** A duration: `0.8 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(seconds < 0.095 ? 2 : 1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
