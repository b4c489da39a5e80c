import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { DataTable } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { Panel } from "@/components/panel";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import type { Subject } from "@/features/usage";
import { tenantListQuery, tenantListRequest } from "./api";
import { listedColumns } from "./columns";

/** All there are, however many, a page at a time. */
export function Listing({ subject, find }: { subject: Subject; find: string }) {
  const query = useInfiniteQuery(tenantListQuery(subject, find));
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = query;
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.data) ?? [], [query.data]);
  const columns = useMemo(() => listedColumns(subject.zone), [subject.zone]);
  return (
    <Panel
      title="All tenants"
      query={query}
      isEmpty={() => rows.length === 0}
      empty={
        <Empty>
          <EmptyTitle>{find ? "No tenant of that name" : "No tenants"}</EmptyTitle>
          <EmptyDescription>A tenant is here once it has used anything.</EmptyDescription>
        </Empty>
      }
      actions={
        <Explain
          what="this list"
          explanation="Every tenant that has ever used anything, with what it used in the range. Follow next_cursor for the next page."
          request={() => tenantListRequest(subject, find, new Date())}
        />
      }
    >
      {() => (
        <DataTable
          label="Tenants by name"
          className="-mx-4 -mb-4"
          rows={rows}
          rowKey={(row) => row.tenant_id}
          columns={columns}
          onEnd={() => {
            if (hasNextPage && !isFetching && !isFetchNextPageError) void fetchNextPage();
          }}
          footer={
            hasNextPage ? null : (
              <p role="status" className="p-3 text-center text-muted-foreground text-xs">
                {rows.length === 1 ? "One tenant" : `All ${rows.length.toLocaleString("en")} tenants`}
              </p>
            )
          }
        />
      )}
    </Panel>
  );
}
