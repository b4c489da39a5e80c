import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { parseRange, type RangeSearch } from "./range";
import { BROWSER_ZONE, isZone } from "./time";

/** What every page's URL may hold. */
export interface AppSearch extends RangeSearch {
  /** An IANA zone; without it UTC. */
  tz?: string | undefined;
  tenant?: string | undefined;
  resource?: string | undefined;
  feature?: string | undefined;
}

/** Whose usage is looked at; a name that is missing means all. */
export type Filters = Pick<AppSearch, "tenant" | "resource" | "feature">;

/** The parameters that stay when one goes to another page. */
export const SHARED: (keyof AppSearch)[] = ["range", "from", "to", "tz"];

const UTC = "UTC";

export function parseAppSearch(search: Record<string, unknown>): AppSearch {
  const tz = search.tz;
  return {
    ...parseRange(search),
    tz: typeof tz === "string" && tz !== UTC && isZone(tz) ? tz : undefined,
    ...texts(search, "tenant", "resource", "feature"),
  };
}

/** Those of `names` that hold a text; the router keeps what is not overwritten, so the others are there, undefined. */
export function texts<N extends string>(
  search: Record<string, unknown>,
  ...names: N[]
): { [K in N]?: string | undefined } {
  const found: { [K in N]?: string | undefined } = {};
  for (const name of names) {
    const value = search[name];
    found[name] = typeof value === "string" && value !== "" ? value : undefined;
  }
  return found;
}

/** `?a=b&c=d`, nothing but texts: links that one can read and write by hand. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === "string" && value !== "") params.set(name, value);
  }
  // What a query may hold as it is stays readable.
  const text = params.toString().replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

const app = getRouteApi("/app");

export function useAppSearch(): AppSearch {
  return app.useSearch();
}

export function useZone(): string {
  return useAppSearch().tz ?? UTC;
}

/** Changes some of the URL's parameters, as a step that the back button undoes. */
export function useSetSearch() {
  const navigate = useNavigate();
  return useCallback(
    (patch: Record<string, string | undefined>, options?: { replace: boolean }) =>
      navigate({
        to: ".",
        search: ((before: Record<string, unknown>) => ({ ...before, ...patch })) as never,
        ...options,
      }),
    [navigate],
  );
}

export function zoneLabel(zone: string): string {
  return zone === BROWSER_ZONE && zone !== UTC ? `${zone} (this browser)` : zone;
}
