import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiProblem, request } from "@/api/client";
import type { AlertList, Consumption, NewQuota, Quota, QuotaList, TenantDetail } from "@/api/types";

const QUOTAS = "/v1/meter/quotas";
const QUERY_KEY = ["quotas"];
const DAY_MS = 86_400_000;
/** The tenant or feature of a quota for each of them. */
export const ANY = "*";

export interface QuotaUse {
  quota: Quota;
  /** Missing where the tenant has used nothing of a quota of every tenant. */
  use: Consumption | undefined;
}

/** The quotas of a tenant and of every tenant, with what this one has used of them; for each feature a row. */
export function quotasQuery(tenant: string) {
  return queryOptions({
    queryKey: [...QUERY_KEY, tenant],
    queryFn: async ({ signal }): Promise<QuotaUse[]> => {
      const [{ data }, uses] = await Promise.all([
        request<QuotaList>(QUOTAS, { signal }),
        consumption(tenant, signal),
      ]);
      return data
        .filter(({ tenant_id }) => tenant_id === tenant || tenant_id === ANY)
        .flatMap((quota): QuotaUse[] => {
          const mine = uses.filter(({ quota_id }) => quota_id === quota.id);
          return mine.length > 0 ? mine.map((use) => ({ quota, use })) : [{ quota, use: undefined }];
        });
    },
  });
}

/** Of a tenant that has sent nothing yet: nothing. */
async function consumption(tenant: string, signal: AbortSignal): Promise<Consumption[]> {
  const path = `/v1/meter/tenants/${encodeURIComponent(tenant)}`;
  // Its quotas are those of now; the days, which it has as well, are not wanted.
  const query = { from: new Date(Date.now() - DAY_MS).toISOString() };
  try {
    return (await request<TenantDetail>(path, { query, signal })).quotas;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return [];
    throw error;
  }
}

/** The latest first; of a tenant, or of all. */
export function alertsQuery(tenant: string | undefined) {
  return queryOptions({
    queryKey: ["alerts", tenant],
    queryFn: ({ signal }) => request<AlertList>("/v1/meter/alerts", { query: { tenant_id: tenant }, signal }),
  });
}

export function usePutQuota() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (quota: NewQuota) => request<Quota>(QUOTAS, { method: "PUT", body: quota }),
    onSuccess: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}

export function useDeleteQuota() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: Quota) => request<void>(`${QUOTAS}/${id}`, { method: "DELETE" }),
    onSettled: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}
