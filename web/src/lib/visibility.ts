/** Resolves when the tab is seen, at once if it is; or when `stop` says that nobody waits any more. */
export function seen(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal: stop });
    stop.addEventListener("abort", () => resolve());
  });
}

/** Of a tab that is seen: aborts when it no longer is, or with `stop`. */
export function untilHidden(stop: AbortSignal): AbortSignal {
  const hidden = new AbortController();
  document.addEventListener("visibilitychange", () => hidden.abort(), { once: true, signal: stop });
  return AbortSignal.any([stop, hidden.signal]);
}
