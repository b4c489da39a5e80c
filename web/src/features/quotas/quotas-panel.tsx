import { useQuery } from "@tanstack/react-query";
import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { toast } from "sonner";
import type { Quota } from "@/api/types";
import { ConfirmDelete } from "@/components/confirm";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { formatExact, formatShare, share } from "@/lib/number";
import { formatInstant } from "@/lib/time";
import { cn } from "@/lib/utils";
import { ANY, type QuotaUse, quotasQuery, useDeleteQuota } from "./api";
import { QuotaDialog } from "./quota-dialog";

/** Each look is a record in the log. */
const LOOK_MS = 30_000;

/** What a tenant may use, and what of that it has used. */
export function QuotasPanel({ tenant }: { tenant: string }) {
  const query = useQuery({ ...quotasQuery(tenant), refetchInterval: useLiveInterval(LOOK_MS) });
  const [edited, setEdited] = useState<Quota | "new">();
  const remove = useDeleteQuota();
  const [doomed, setDoomed] = useState<Quota>();
  const confirm = (quota: Quota) =>
    remove.mutate(quota, {
      onSuccess: () => {
        toast.success(`The quota on ${quota.feature} is deleted.`);
        setDoomed(undefined);
      },
    });
  return (
    <>
      <Panel
        title="Quotas"
        query={query}
        height="min-h-24"
        isEmpty={(quotas) => quotas.length === 0}
        empty={
          <Empty className="min-h-24">
            <EmptyTitle>No quotas</EmptyTitle>
            <EmptyDescription>This tenant may use as much as it likes.</EmptyDescription>
          </Empty>
        }
        actions={
          <Button variant="outline" size="sm" onClick={() => setEdited("new")}>
            Set a quota
          </Button>
        }
      >
        {(quotas) => (
          <ul className="grid gap-x-8 gap-y-4 md:grid-cols-2">
            {quotas.map((row) => (
              <li key={row.quota.id}>
                <Meter {...row} onEdit={setEdited} onDelete={setDoomed} />
              </li>
            ))}
          </ul>
        )}
      </Panel>
      {doomed && (
        <ConfirmDelete
          title={`Delete the quota on ${doomed.feature}?`}
          mutation={remove}
          onConfirm={() => confirm(doomed)}
          onClose={() => setDoomed(undefined)}
        >
          From then on it allows everything. What was used stays counted.
        </ConfirmDelete>
      )}
      {edited && (
        <QuotaDialog
          tenant={tenant}
          quota={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
    </>
  );
}

function Meter({
  quota,
  use,
  onEdit,
  onDelete,
}: QuotaUse & { onEdit: (quota: Quota) => void; onDelete: (quota: Quota) => void }) {
  const used = BigInt(use?.used ?? 0) + BigInt(use?.reserved ?? 0);
  const ratio = share(used, quota.limit);
  const threshold = quota.alert_threshold;
  const level =
    ratio >= 1 ? "bg-destructive" : threshold && ratio * 100 >= threshold ? "bg-warning" : "bg-chart-1";
  const what = quota.feature === ANY ? "each feature" : quota.feature;
  return (
    <section aria-label={`Quota on ${what}, ${quota.period}`}>
      <div className="flex items-center gap-2">
        <span className="min-w-0 truncate font-medium">{what}</span>
        <Badge variant="outline">{quota.period}</Badge>
        {quota.enforcement !== "hard" && <Badge>{quota.enforcement}</Badge>}
        {quota.tenant_id === ANY && <Badge>every tenant</Badge>}
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
          className={cn("block h-full rounded-full", level)}
          style={{ width: `${Math.min(ratio, 1) * 100}%` }}
        />
        {threshold && (
          <span
            title={`Alert at ${threshold} %`}
            className="absolute -top-0.5 h-3 w-0.5 bg-foreground/60"
            style={{ left: `${threshold}%` }}
          />
        )}
      </div>
      <p className="mt-1 flex flex-wrap justify-between gap-x-3 text-muted-foreground text-xs tabular-nums">
        <span>
          {use
            ? `${formatExact(used)} of ${formatExact(quota.limit)} (${formatShare(ratio)})`
            : `${formatExact(quota.limit)} of each`}
        </span>
        {use?.reset_at && <span>begins anew {formatInstant(use.reset_at, quota.timezone)}</span>}
      </p>
    </section>
  );
}
