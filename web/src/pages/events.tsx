import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Columns3 } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { DataTable } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { FilterBar } from "@/components/filter-bar";
import { LiveToggle, useLiveInterval } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { Panel } from "@/components/panel";
import { RangePicker } from "@/components/range-picker";
import { Button } from "@/components/ui/button";
import {
  DropdownMenu,
  DropdownMenuCheckboxItem,
  DropdownMenuContent,
  DropdownMenuTrigger,
} from "@/components/ui/dropdown-menu";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { Input } from "@/components/ui/input";
import { eventsQuery, eventsRequest, isMetadataFilter } from "@/features/events/api";
import { COLUMN_IDS, COLUMNS, eventColumns, formatColumns, parseColumns } from "@/features/events/columns";
import { EventSheet } from "@/features/events/event-sheet";
import { useSubject } from "@/features/subject";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/events");

/** Between two looks for newer events. */
const LOOK_MS = 500;

export function Events() {
  const subject = useSubject();
  const { metadata, columns, open, of } = route.useSearch();
  const setSearch = useSetSearch();
  const refetchInterval = useLiveInterval(LOOK_MS);
  const query = useInfiniteQuery({
    ...eventsQuery(subject, metadata),
    // Whoever has scrolled on reads: nothing moves under their eyes.
    refetchInterval: ({ state }) => ((state.data?.pages.length ?? 0) > 1 ? false : refetchInterval),
  });
  const { fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage, isFetchNextPageError]);
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.data) ?? [], [query.data]);
  const shown = useMemo(() => eventColumns(subject.zone), [subject.zone]);
  const visible = parseColumns(columns);
  return (
    <Page
      title="Events"
      controls={
        <>
          <LiveToggle />
          <RangePicker />
        </>
      }
    >
      <div className="flex flex-wrap items-center gap-2">
        <FilterBar subject={subject} />
        <MetadataFilter value={metadata ?? ""} onChange={(text) => setSearch({ metadata: text })} />
      </div>
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
            rows={rows}
            rowKey={(event) => `${event.tenant_id} ${event.id}`}
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

function ColumnMenu({
  visible,
  onChange,
}: {
  visible: ReturnType<typeof parseColumns>;
  onChange: (visible: ReturnType<typeof parseColumns>) => void;
}) {
  return (
    <DropdownMenu>
      <DropdownMenuTrigger asChild>
        <Button variant="outline" size="sm">
          <Columns3 aria-hidden /> Columns
        </Button>
      </DropdownMenuTrigger>
      <DropdownMenuContent align="end">
        {COLUMN_IDS.filter((id) => id !== "timestamp").map((id) => (
          <DropdownMenuCheckboxItem
            key={id}
            checked={visible[id]}
            // Several can be changed without opening it again.
            onSelect={(event) => event.preventDefault()}
            onCheckedChange={(checked) => onChange({ ...visible, [id]: checked })}
          >
            {COLUMNS[id]}
          </DropdownMenuCheckboxItem>
        ))}
      </DropdownMenuContent>
    </DropdownMenu>
  );
}

function MetadataFilter({
  value,
  onChange,
}: {
  value: string;
  onChange: (text: string | undefined) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const trimmed = text.trim();
  const wrong = trimmed !== "" && !isMetadataFilter(trimmed);
  const apply = () => {
    if (!wrong && trimmed !== value) onChange(trimmed || undefined);
  };
  return (
    <form
      className="min-w-40 flex-1 sm:max-w-64"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <Input
        type="search"
        className="h-8 font-mono text-xs"
        aria-label="Metadata, as key=value"
        aria-invalid={wrong}
        placeholder="metadata: key=value"
        title="Events whose metadata has this value at this key"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onBlur={apply}
      />
    </form>
  );
}
