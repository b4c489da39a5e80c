import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { ApiKey } from "@/api/types";
import { DataTable } from "@/components/data-table";
import { Page } from "@/components/page";
import { Panel } from "@/components/panel";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { keysQuery } from "@/features/keys/api";
import { keyColumns } from "@/features/keys/columns";
import { CreateKey } from "@/features/keys/create-dialog";
import { DeleteKey } from "@/features/keys/delete-dialog";
import { RotateKey } from "@/features/keys/rotate-dialog";
import { useZone } from "@/lib/search";

export function Keys() {
  const query = useInfiniteQuery(keysQuery());
  const zone = useZone();
  const [doomed, setDoomed] = useState<ApiKey>();
  const [rotated, setRotated] = useState<ApiKey>();
  const { data, dataUpdatedAt, hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.data) ?? [], [data]);
  const columns = useMemo(
    () => keyColumns(zone, new Date(dataUpdatedAt), { onRotate: setRotated, onDelete: setDoomed }),
    [zone, dataUpdatedAt],
  );
  return (
    <Page title="API keys" controls={<CreateKey />}>
      <Panel
        title="Keys, newest first"
        query={query}
        isEmpty={() => rows.length === 0}
        empty={
          <Empty>
            <EmptyTitle>No keys</EmptyTitle>
            <EmptyDescription>Create one for each program that sends or reads.</EmptyDescription>
          </Empty>
        }
      >
        {() => (
          <DataTable
            label="API keys"
            className="-mx-4 -mb-4"
            rows={rows}
            rowKey={(key) => key.id}
            columns={columns}
            onEnd={() => {
              if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
            }}
          />
        )}
      </Panel>
      {rotated && <RotateKey apiKey={rotated} onClose={() => setRotated(undefined)} />}
      {doomed && <DeleteKey apiKey={doomed} onClose={() => setDoomed(undefined)} />}
    </Page>
  );
}
