import { Pencil, Trash2 } from "lucide-react";
import type { Consumption, Quota } from "@/api/types";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { formatExact, formatShare, type Quantity, share } from "@/lib/number";
import { formatDay, formatInstant } from "@/lib/time";
import { cn } from "@/lib/utils";
import { ANY, type QuotaUse } from "./api";

/** A quota as a bar: what is used of it, where it warns, and where it leads. */
export function Meter({
  quota,
  use,
  onEdit,
  onDelete,
}: QuotaUse & { onEdit: (quota: Quota) => void; onDelete: (quota: Quota) => void }) {
  const used = use?.used ?? 0;
  const projected = use?.projected;
  const ratio = share(used, quota.limit);
  const threshold = quota.alert_threshold;
  const level =
    ratio >= 1 ? "bg-destructive" : threshold && ratio * 100 >= threshold ? "bg-warning" : "bg-chart-1";
  const feature = use?.feature ?? quota.feature;
  const what = feature === ANY ? "each feature" : feature;
  const exceeds = projected != null && ratio < 1 && share(projected, quota.limit) > 1;
  return (
    <section aria-label={`Quota on ${what}, ${quota.period}`}>
      <div className="flex items-center gap-2">
        <span className="min-w-0 truncate font-medium">{what}</span>
        <Badge variant="outline">{quota.period}</Badge>
        {quota.enforcement !== "hard" && <Badge>{quota.enforcement}</Badge>}
        {quota.tenant_id === ANY && <Badge>every tenant</Badge>}
        {quota.status === "warming" && <Badge variant="outline">counting its past</Badge>}
        {exceeds && <Badge variant="warning">will not last</Badge>}
        <span className="ml-auto flex">
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Edit the quota on ${what}`}
            onClick={() => onEdit(quota)}
          >
            <Pencil aria-hidden className="text-muted-foreground" />
          </Button>
          <Button
            variant="ghost"
            size="icon"
            aria-label={`Delete the quota on ${what}`}
            onClick={() => onDelete(quota)}
          >
            <Trash2 aria-hidden className="text-muted-foreground" />
          </Button>
        </span>
      </div>
      <div aria-hidden className="relative mt-1 h-2 rounded-full bg-muted">
        <span
          className={cn("absolute inset-y-0 left-0 rounded-full opacity-30", level)}
          style={{ width: `${Math.min(share(projected ?? 0, quota.limit), 1) * 100}%` }}
        />
        <span
          className={cn("relative block h-full rounded-full", level)}
          style={{ width: `${Math.min(ratio, 1) * 100}%` }}
        />
        {threshold && (
          <span
            title={`Alert at ${threshold}%`}
            className="absolute -top-0.5 h-3 w-0.5 bg-foreground/60"
            style={{ left: `${threshold}%` }}
          />
        )}
      </div>
      <p className="mt-1 flex flex-wrap justify-between gap-x-3 text-muted-foreground text-xs tabular-nums">
        <span>
          {quota.feature === ANY && !use
            ? `${formatExact(quota.limit)} of each`
            : `${formatExact(used)} of ${formatExact(quota.limit)} (${formatShare(ratio)})`}
        </span>
        {use?.reset_at && <span>begins anew {formatInstant(use.reset_at, quota.timezone)}</span>}
        {projected != null && (
          <span className="w-full">
            At this pace {formatExact(projected)} by then ({formatShare(share(projected, quota.limit))})
            {exceeds && use && `, the limit on ${formatDay(reachedAt(use, projected), quota.timezone)}`}
          </span>
        )}
      </p>
    </section>
  );
}

/** When the limit is used up, if it goes on as since the window began. */
function reachedAt({ window_start, reset_at, limit }: Consumption, projected: Quantity): Date {
  const start = Date.parse(window_start);
  const length = reset_at ? Date.parse(reset_at) - start : 0;
  return new Date(start + length * share(limit, projected));
}
