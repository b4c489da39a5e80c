import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { DataTable } from "@/components/data-table";
import { LiveToggle, useLiveInterval } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { Panel } from "@/components/panel";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group";
import { deadLettersQuery, STATES } from "@/features/dead-letters/api";
import { letterColumns } from "@/features/dead-letters/columns";
import { LetterSheet } from "@/features/dead-letters/letter-sheet";
import { useSetSearch, useZone } from "@/lib/search";

const route = getRouteApi("/app/dead-letters");

export function DeadLetters() {
  const search = route.useSearch();
  const setSearch = useSetSearch();
  const zone = useZone();
  const state = STATES.find((name) => name === search.state) ?? "open";
  const query = useInfiniteQuery({ ...deadLettersQuery(state), refetchInterval: useLiveInterval() });
  const { data, hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.data) ?? [], [data]);
  const columns = useMemo(() => letterColumns(zone), [zone]);
  const open = rows.find(({ id }) => String(id) === search.letter);
  return (
    <Page title="Dead letters" controls={<LiveToggle />}>
      <Panel
        title="Records that cannot count, latest first"
        query={query}
        isEmpty={() => rows.length === 0}
        empty={
          <Empty>
            <EmptyTitle>{state === "open" ? "No dead letters" : `None were ${state}`}</EmptyTitle>
            <EmptyDescription>
              {state === "open" && "Everything in the log has been counted, or dealt with."}
            </EmptyDescription>
          </Empty>
        }
        actions={
          <ToggleGroup
            type="single"
            aria-label="State"
            value={state}
            onValueChange={(to) => to && setSearch({ state: to === "open" ? undefined : to })}
          >
            {STATES.map((name) => (
              <ToggleGroupItem key={name} value={name} className="capitalize">
                {name}
              </ToggleGroupItem>
            ))}
          </ToggleGroup>
        }
      >
        {() => (
          <DataTable
            label="Dead letters"
            className="-mx-4 -mb-4"
            rows={rows}
            rowKey={(letter) => String(letter.id)}
            columns={columns}
            onEnd={() => {
              if (hasNextPage && !isFetching && !isFetchNextPageError) void fetchNextPage();
            }}
          />
        )}
      </Panel>
      {open && <LetterSheet letter={open} onClose={() => setSearch({ letter: undefined })} />}
    </Page>
  );
}
