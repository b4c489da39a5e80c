import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { DataTable, type Sorting } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { LiveToggle, useLiveInterval } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { Panel } from "@/components/panel";
import { RangePicker } from "@/components/range-picker";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { Input } from "@/components/ui/input";
import { previousPeriod, useSubject } from "@/features/subject";
import { TENANT_COLUMNS, tenantUsage } from "@/features/tenants/columns";
import { groupsRequest, MAX_GROUPS, tenantsQuery } from "@/features/usage";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/tenants");

/** `usage` ascending, `-usage` descending. */
function parseSorting(text = "-usage"): Sorting {
  return text.startsWith("-") ? { id: text.slice(1), desc: true } : { id: text, desc: false };
}

export function Tenants() {
  const subject = useSubject();
  const { find = "", sort } = route.useSearch();
  const setSearch = useSetSearch();
  const query = useQuery({ ...tenantsQuery(subject), refetchInterval: useLiveInterval() });
  const all = useMemo(() => (query.data ? tenantUsage(query.data) : []), [query.data]);
  const rows = useMemo(
    () => all.filter(({ tenant }) => tenant.toLowerCase().includes(find.trim().toLowerCase())),
    [all, find],
  );
  const cut = (query.data?.current.data.length ?? 0) >= MAX_GROUPS;
  return (
    <Page
      title="Tenants"
      controls={
        <>
          <LiveToggle />
          <RangePicker />
        </>
      }
    >
      <Panel
        title={cut ? `The ${MAX_GROUPS} largest tenants` : "Usage by tenant"}
        query={query}
        isEmpty={() => all.length === 0}
        actions={
          <>
            <Input
              data-filter=""
              type="search"
              className="h-8 w-44 text-[0.8125rem]"
              aria-label="Find a tenant"
              placeholder="Find a tenant"
              value={find}
              onChange={(event) => setSearch({ find: event.target.value || undefined }, { replace: true })}
            />
            <Explain
              what="this table"
              explanation={`Each tenant's sum of quantities in the range. “Before” is the same over ${previousPeriod(subject)}.`}
              request={() => groupsRequest(subject, "tenant_id", MAX_GROUPS, new Date())}
            />
          </>
        }
      >
        {() =>
          rows.length === 0 ? (
            <Empty>
              <EmptyTitle>No tenant of that name</EmptyTitle>
              <EmptyDescription>Of {all.length} with usage in this range or the one before.</EmptyDescription>
            </Empty>
          ) : (
            <DataTable
              label="Tenants and their usage"
              className="-mx-4 -mb-4"
              rows={rows}
              rowKey={(row) => row.tenant}
              columns={TENANT_COLUMNS}
              sorting={parseSorting(sort)}
              onSort={({ id, desc }) =>
                setSearch({ sort: desc ? (id === "usage" ? undefined : `-${id}`) : id })
              }
            />
          )
        }
      </Panel>
    </Page>
  );
}
