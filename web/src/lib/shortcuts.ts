import { useEffect } from "react";
import { DEFAULT_PRESET, PRESETS, type Preset } from "./range";
import { useSetSearch } from "./search";
import { createStore } from "./store";

/** One letter a range. */
export const RANGE_KEYS: Record<string, Preset> = {
  h: "1h",
  d: "24h",
  w: "7d",
  m: "30d",
  q: "90d",
  t: "today",
};

export const SHORTCUTS: [keys: string, what: string][] = [
  ["Ctrl K", "Go to a page, a tenant or a range"],
  ["/", "Filter"],
  ...Object.entries(RANGE_KEYS).map(([key, preset]): [string, string] => [key, PRESETS[preset]]),
  ["?", "These shortcuts"],
];

const ITEM = "meterd-single-keys";

/** Speech input types letters by accident: single keys can be switched off. */
export const singleKeys = createStore(localStorage.getItem(ITEM) !== "off");
singleKeys.subscribe(() => localStorage.setItem(ITEM, singleKeys.get() ? "on" : "off"));

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=menu]") !== null
  );
}

export function useShortcuts({ palette, shortcuts }: { palette: () => void; shortcuts: () => void }) {
  const setSearch = useSetSearch();
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const run = (action: () => void) => {
        event.preventDefault();
        action();
      };
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k")
        return run(palette);
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (!singleKeys.get() || event.repeat || isTyping(event.target)) return;
      if (event.key === "?") return run(shortcuts);
      if (event.key === "/") {
        const filter = document.querySelector<HTMLElement>("[data-filter]");
        return filter ? run(() => filter.focus()) : undefined;
      }
      const range = RANGE_KEYS[event.key];
      if (range)
        run(() =>
          setSearch({ range: range === DEFAULT_PRESET ? undefined : range, from: undefined, to: undefined }),
        );
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [palette, shortcuts, setSearch]);
}
