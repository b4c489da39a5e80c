import { infiniteQueryOptions, keepPreviousData } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { TenantList } from "@/api/types";
import type { Subject } from "@/features/usage";
import { resolveRange } from "@/lib/range";

const TENANTS = "/v1/meter/tenants";
const PAGE = 200;

export function tenantListRequest({ range, zone }: Subject, search: string, now: Date) {
  const { from, to } = resolveRange(range, zone, now);
  const query = { search, from: from.toISOString(), to: to.toISOString(), limit: PAGE };
  return { path: TENANTS, query };
}

/** Everyone who has ever used anything, by name. */
export function tenantListQuery(subject: Subject, search: string) {
  return infiniteQueryOptions({
    queryKey: ["tenants", subject, search],
    queryFn: async ({ pageParam: cursor, signal }) => {
      const { path, query } = tenantListRequest(subject, search, new Date());
      return request<TenantList>(path, { query: { ...query, cursor }, signal });
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}
