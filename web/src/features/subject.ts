import { useMemo } from "react";
import { DEFAULT_PRESET, PRESETS } from "@/lib/range";
import { useAppSearch, useZone } from "@/lib/search";
import type { Subject } from "./usage";

/** What the URL asks to look at. */
export function useSubject(): Subject {
  const { range, from, to, tenant, resource, feature } = useAppSearch();
  const zone = useZone();
  return useMemo(
    () => ({
      range: { ...(range && { range }), ...(from && { from }), ...(to && { to }) },
      zone,
      filters: { ...(tenant && { tenant }), ...(resource && { resource }), ...(feature && { feature }) },
    }),
    [range, from, to, tenant, resource, feature, zone],
  );
}

/** The period before the one that is shown, in words. */
export function previousPeriod({ range }: Subject): string {
  if (range.from) return "the period before";
  const preset = range.range ?? DEFAULT_PRESET;
  if (preset === "today") return "yesterday by now";
  if (preset === "month") return "last month by now";
  return `the ${PRESETS[preset].replace(/^Last /, "")} before`;
}
