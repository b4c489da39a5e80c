import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { toast } from "sonner";
import type { Quota } from "@/api/types";
import { ConfirmDelete } from "@/components/confirm";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Button } from "@/components/ui/button";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { quotasQuery, useDeleteQuota } from "./api";
import { Meter } from "./meter";
import { QuotaDialog } from "./quota-dialog";

/** What a tenant may use, and what of that it has used. */
export function QuotasPanel({ tenant }: { tenant: string }) {
  const query = useQuery({ ...quotasQuery(tenant), refetchInterval: useLiveInterval() });
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
              <li key={`${row.quota.id} ${row.use?.feature}`}>
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
