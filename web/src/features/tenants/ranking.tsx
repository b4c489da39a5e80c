import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { DataTable, type Sorting } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { ExportMenu } from "@/components/export-menu";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { previousPeriod } from "@/features/subject";
import { groupsRequest, MAX_GROUPS, type Subject, tenantsQuery } from "@/features/usage";
import { RANKED_COLUMNS, rankedTenants } from "./columns";

/** `usage` ascending, `-usage` descending. */
function parseSorting(text = "-usage"): Sorting {
  return text.startsWith("-") ? { id: text.slice(1), desc: true } : { id: text, desc: false };
}

/** Those with usage in the range or the one before, the largest first. */
export function Ranking({
  subject,
  find,
  sort,
  onSort,
}: {
  subject: Subject;
  find: string;
  sort: string | undefined;
  onSort: (sort: string | undefined) => void;
}) {
  const query = useQuery({ ...tenantsQuery(subject), refetchInterval: useLiveInterval() });
  const all = useMemo(() => (query.data ? rankedTenants(query.data) : []), [query.data]);
  const rows = useMemo(
    () => all.filter(({ tenant }) => tenant.toLowerCase().includes(find.toLowerCase())),
    [all, find],
  );
  const cut = (query.data?.current.data.length ?? 0) >= MAX_GROUPS;
  const request = () => groupsRequest(subject, "tenant_id", MAX_GROUPS, new Date());
  return (
    <Panel
      title={cut ? `The ${MAX_GROUPS} largest tenants` : "Usage by tenant"}
      query={query}
      isEmpty={() => all.length === 0}
      actions={
        <>
          <ExportMenu what="usage by tenant" request={request} />
          <Explain
            what="this table"
            explanation={`Each tenant's sum of quantities in the range. “Before” is the same over ${previousPeriod(subject)}.`}
            request={request}
          />
        </>
      }
    >
      {() =>
        rows.length === 0 ? (
          <Empty>
            <EmptyTitle>No tenant of that name</EmptyTitle>
            <EmptyDescription>
              Of {all.length} with usage in this range or the one before. “By name” has the others.
            </EmptyDescription>
          </Empty>
        ) : (
          <DataTable
            label="Tenants and their usage"
            className="-mx-4 -mb-4"
            rows={rows}
            rowKey={(row) => row.tenant}
            columns={RANKED_COLUMNS}
            sorting={parseSorting(sort)}
            onSort={({ id, desc }) => onSort(desc ? (id === "usage" ? undefined : `-${id}`) : id)}
          />
        )
      }
    </Panel>
  );
}
