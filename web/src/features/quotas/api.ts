import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  AlertList,
  NewQuota,
  Quota,
  QuotaAnswer,
  QuotaLimit,
  QuotaList,
  QuotaRequest,
} from "@/api/types";

const QUOTAS = "/v1/meter/quotas";
const QUERY_KEY = ["quotas"];
/** The tenant or feature of a quota for each of them. */
export const ANY = "*";

export interface QuotaUse {
  quota: Quota;
  /** Missing where the quota counts each feature of its own. */
  use: QuotaLimit | undefined;
}

/** The quotas of a tenant and of every tenant, with what this one has used of them. */
export function quotasQuery(tenant: string) {
  return queryOptions({
    queryKey: [...QUERY_KEY, tenant],
    queryFn: async ({ signal }): Promise<QuotaUse[]> => {
      const { data } = await request<QuotaList>(QUOTAS, { signal });
      const quotas = data.filter(({ tenant_id }) => tenant_id === tenant || tenant_id === ANY);
      return Promise.all(quotas.map(async (quota) => ({ quota, use: await used(tenant, quota, signal) })));
    },
  });
}

/** Asks as a program asks that is about to use one more, and takes nothing. */
async function used(tenant: string, quota: Quota, signal: AbortSignal): Promise<QuotaLimit | undefined> {
  if (quota.feature === ANY) return undefined;
  const body: QuotaRequest = {
    tenant_id: tenant,
    feature: quota.feature,
    ...(quota.resource && { resource: quota.resource }),
    quantity: 1,
    mode: "check",
  };
  const { limits } = await request<QuotaAnswer>("/v1/meter/validate", { method: "POST", body, signal });
  return limits.find(({ quota_id }) => quota_id === quota.id);
}

export function alertsQuery(tenant: string) {
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
