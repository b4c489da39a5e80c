import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { type Query, request } from "@/api/client";
import type { AggregateList, EventList, EventWithTrace } from "@/api/types";
import { type RangeSearch, resolveRange } from "@/lib/range";
import type { Filters } from "@/lib/search";
import type { Window } from "@/lib/time";

const AGGREGATES = "/v1/meter/aggregates";
const EVENTS = "/v1/meter/events";

/** More groups are not counted, nor ranked. */
export const MAX_GROUPS = 1000;

/** Where nothing has happened for longer, nothing is fresh. */
const NEWEST_WITHIN_MS = 90 * 86_400_000;

/** What a panel is about: whose usage, when, in days of which zone. */
export interface Subject {
  range: RangeSearch;
  zone: string;
  filters: Filters;
}

export type Name = "tenant_id" | "resource" | "feature";
export type Grouping = Name | `metadata.${string}`;

/** Two periods, one after the other. */
export interface Compared {
  current: AggregateList;
  previous: AggregateList;
}

function parameters({ zone, filters }: Subject, bounds: { from: Date; to: Date }): Query {
  return {
    from: bounds.from.toISOString(),
    to: bounds.to.toISOString(),
    timezone: zone === "UTC" ? undefined : zone,
    tenant_id: filters.tenant,
    resource: filters.resource,
    feature: filters.feature,
  };
}

/** The sum by group over the whole range, largest first, then what all others add up to. */
export function groupsRequest(subject: Subject, by: Grouping, top: number, now: Date) {
  const range = resolveRange(subject.range, subject.zone, now);
  const query = { window: "none", group_by: by, top, other: "true", ...parameters(subject, range) };
  return { path: AGGREGATES, query };
}

export function trendRequest(subject: Subject, window: Window, now: Date) {
  const range = resolveRange(subject.range, subject.zone, now);
  return { path: AGGREGATES, query: { window, fill: "zero", ...parameters(subject, range) } };
}

export function groupsQuery(subject: Subject, by: Grouping, top: number) {
  return queryOptions({
    queryKey: ["usage", "groups", subject, by, top],
    queryFn: ({ signal }) => {
      const { path, query } = groupsRequest(subject, by, top, new Date());
      return request<AggregateList>(path, { query, signal });
    },
    placeholderData: keepPreviousData,
  });
}

/** By tenant, beside the period before. */
export function tenantsQuery(subject: Subject) {
  return queryOptions({
    queryKey: ["usage", "tenants", subject],
    queryFn: async ({ signal }): Promise<Compared> => {
      const range = resolveRange(subject.range, subject.zone, new Date());
      const ask = (bounds: { from: Date; to: Date }) => {
        const query = {
          window: "none",
          group_by: "tenant_id",
          top: MAX_GROUPS,
          ...parameters(subject, bounds),
        };
        return request<AggregateList>(AGGREGATES, { query, signal });
      };
      const [current, previous] = await Promise.all([ask(range), ask(range.previous)]);
      return { current, previous };
    },
    placeholderData: keepPreviousData,
  });
}

/** By window; `previous` only if asked for. */
export function trendQuery(subject: Subject, window: Window, compare: boolean) {
  return queryOptions({
    queryKey: ["usage", "trend", subject, window, compare],
    queryFn: async ({ signal }) => {
      const range = resolveRange(subject.range, subject.zone, new Date());
      const ask = (bounds: { from: Date; to: Date }) => {
        const query = { window, fill: "zero", ...parameters(subject, bounds) };
        return request<AggregateList>(AGGREGATES, { query, signal });
      };
      const [current, previous] = await Promise.all([ask(range), compare ? ask(range.previous) : null]);
      return { current, previous };
    },
    placeholderData: keepPreviousData,
  });
}

/** The newest event by its time, with its way; null where there is none. */
export function newestQuery(tenant?: string) {
  return queryOptions({
    queryKey: ["usage", "newest", tenant],
    queryFn: async ({ signal }): Promise<EventWithTrace | null> => {
      const from = new Date(Date.now() - NEWEST_WITHIN_MS).toISOString();
      const query = { limit: 1, from, tenant_id: tenant };
      const { data } = await request<EventList>(EVENTS, { query, signal });
      const newest = data[0];
      if (!newest) return null;
      const path = `${EVENTS}/${newest.id}`;
      return request<EventWithTrace>(path, { query: { tenant_id: newest.tenant_id }, signal });
    },
  });
}

/** How long the newest event took from its request to being readable. */
export function freshnessQuery(tenant?: string) {
  return queryOptions({
    ...newestQuery(tenant),
    select: (newest) => {
      if (!newest) return null;
      const { received_at, persisted_at } = newest.trace;
      return { seconds: Math.max(0, (Date.parse(persisted_at) - Date.parse(received_at)) / 1000) };
    },
  });
}
