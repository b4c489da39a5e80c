import { type InfiniteData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { UsageEvent } from "@/api/types";
import { DataTable } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { ExportMenu } from "@/components/export-menu";
import { FilterBar } from "@/components/filter-bar";
import { LiveToggle, useLive } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { Panel } from "@/components/panel";
import { RangePicker } from "@/components/range-picker";
import { Button } from "@/components/ui/button";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { eventsQuery, eventsRequest } from "@/features/events/api";
import { COLUMN_IDS, eventColumns, formatColumns, parseColumns } from "@/features/events/columns";
import { ColumnMenu, MetadataFilter } from "@/features/events/controls";
import { EventSheet } from "@/features/events/event-sheet";
import { useTail } from "@/features/events/tail";
import { Missed, News } from "@/features/events/tail-status";
import { useSubject } from "@/features/subject";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/events");

export function Events() {
  const subject = useSubject();
  const { metadata, columns, open, of } = route.useSearch();
  const setSearch = useSetSearch();
  const options = useMemo(() => eventsQuery(subject, metadata), [subject, metadata]);
  const query = useInfiniteQuery(options);
  const queries = useQueryClient();
  const { refetch } = query;
  const relist = useCallback(async () => {
    // Pages further down come again when they are scrolled to.
    queries.setQueryData(options.queryKey, (list) => list && firstPage(list));
    return (await refetch()).isSuccess;
  }, [queries, options, refetch]);
  const box = useRef<HTMLElement>(null);
  const [scrolled, setScrolled] = useState(false);
  // Other events are another list, which begins at its top.
  // biome-ignore lint/correctness/useExhaustiveDependencies: what changes them, not what is read
  useEffect(() => setScrolled(false), [options]);
  const live = useLive();
  const tail = useTail(subject, metadata, !live || scrolled, relist);
  const { fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError]);
  const rows = useMemo(
    () => distinct([...tail.rows, ...(query.data?.pages.flatMap((page) => page.data) ?? [])]),
    [tail.rows, query.data],
  );
  const shown = useMemo(() => eventColumns(subject.zone), [subject.zone]);
  const visible = parseColumns(columns);
  return (
    <Page
      title="Events"
      controls={
        <>
          <LiveToggle waiting={tail.waitingCount} />
          <RangePicker />
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <FilterBar subject={subject} />
        <MetadataFilter value={metadata ?? ""} onChange={(text) => setSearch({ metadata: text })} />
      </div>
      {tail.missed && <Missed reason={tail.missed} onDismiss={tail.dismiss} />}
      <Panel
        title="Newest first"
        query={query}
        isEmpty={() => rows.length === 0}
        empty={
          <Empty>
            <EmptyTitle>No events in this range</EmptyTitle>
            <EmptyDescription>Choose a longer range, or remove a filter.</EmptyDescription>
          </Empty>
        }
        actions={
          <>
            <News
              tail={tail}
              waits={live && scrolled}
              onShow={() => box.current?.scrollTo({ top: 0, behavior: "instant" })}
            />
            <ExportMenu
              what="these events"
              request={() => {
                const { path, query } = eventsRequest(subject, metadata, new Date());
                return {
                  path,
                  query: { ...query, columns: COLUMN_IDS.filter((id) => visible[id]).join(",") },
                };
              }}
            />
            <ColumnMenu visible={visible} onChange={(next) => setSearch({ columns: formatColumns(next) })} />
            <Explain
              what="this list"
              explanation="The raw events as they were accepted, each counted once. Follow next_cursor for the next page."
              request={() => eventsRequest(subject, metadata, new Date())}
            />
          </>
        }
      >
        {() => (
          <DataTable
            label="Events, newest first"
            className="-mx-4 -mb-4"
            box={box}
            onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 0)}
            rows={rows}
            rowKey={eventKey}
            columns={shown}
            visible={visible}
            onEnd={more}
            footer={
              <p role="status" className="p-3 text-center text-muted-foreground text-xs">
                {isFetchNextPageError ? (
                  <Button variant="link" onClick={() => fetchNextPage()}>
                    More could not be loaded. Try again
                  </Button>
                ) : hasNextPage ? (
                  "Loading more…"
                ) : (
                  `${rows.length === 1 ? "One event" : `All ${rows.length.toLocaleString("en")} events`} of this range`
                )}
              </p>
            }
          />
        )}
      </Panel>
      {open && of && (
        <EventSheet tenant={of} id={open} onClose={() => setSearch({ open: undefined, of: undefined })} />
      )}
    </Page>
  );
}

function eventKey(event: UsageEvent): string {
  return `${event.tenant_id} ${event.id}`;
}

/** An event that came by the stream is in the list as well once that is read. */
function distinct(events: UsageEvent[]): UsageEvent[] {
  return [...new Map(events.map((event) => [eventKey(event), event])).values()];
}

function firstPage<Page, Param>({ pages, pageParams }: InfiniteData<Page, Param>): InfiniteData<Page, Param> {
  return { pages: pages.slice(0, 1), pageParams: pageParams.slice(0, 1) };
}
