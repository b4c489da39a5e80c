import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { type Query, request } from "@/api/client";
import type { EventList, EventWithTrace } from "@/api/types";
import type { Subject } from "@/features/usage";
import { resolveRange } from "@/lib/range";

const EVENTS = "/v1/meter/events";
const PAGE = 100;

/** `key=value` as a parameter; anything else is no condition. */
function metadataFilter(text: string | undefined): Query {
  const at = text?.indexOf("=") ?? -1;
  return text && at > 0 && at < text.length - 1
    ? { [`metadata.${text.slice(0, at)}`]: text.slice(at + 1) }
    : {};
}

export function isMetadataFilter(text: string): boolean {
  return Object.keys(metadataFilter(text)).length > 0;
}

/** Which events, whenever they were: what the list and the stream both ask for. */
export function conditions({ filters }: Subject, metadata: string | undefined): Query {
  return {
    tenant_id: filters.tenant,
    resource: filters.resource,
    feature: filters.feature,
    ...metadataFilter(metadata),
  };
}

export function eventsRequest(subject: Subject, metadata: string | undefined, now: Date) {
  const { range, zone } = subject;
  const { from, to } = resolveRange(range, zone, now);
  const query: Query = {
    from: from.toISOString(),
    // Until now means: what a clock that is a little ahead has sent, too.
    ...(range.to ? { to: to.toISOString() } : {}),
    ...conditions(subject, metadata),
  };
  return { path: EVENTS, query };
}

/** Newest first, a page at a time. */
export function eventsQuery(subject: Subject, metadata: string | undefined) {
  return infiniteQueryOptions({
    queryKey: ["events", subject, metadata],
    queryFn: async ({ pageParam, signal }) => {
      // The cursor knows the bounds that the first page was asked with, and wants the same query.
      const { path, query } = pageParam ?? eventsRequest(subject, metadata, new Date());
      const page = await request<EventList>(path, { query: { limit: PAGE, ...query }, signal });
      const next = page.next_cursor ? { path, query: { ...query, cursor: page.next_cursor } } : null;
      return { ...page, next };
    },
    initialPageParam: null as { path: string; query: Query } | null,
    getNextPageParam: (page) => page.next,
    // The stream goes on where it was when the tab was hidden.
    refetchOnWindowFocus: false,
  });
}

export function eventQuery(tenant: string, id: string) {
  return queryOptions({
    queryKey: ["event", tenant, id],
    queryFn: ({ signal }) =>
      request<EventWithTrace>(`${EVENTS}/${encodeURIComponent(id)}`, {
        query: { tenant_id: tenant },
        signal,
      }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
