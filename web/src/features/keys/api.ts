import { infiniteQueryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ApiKey, ApiKeyList, CreatedApiKey, NewKey, Overlap } from "@/api/types";
import { session } from "@/lib/session";

const KEYS = "/v1/meter/keys";
const QUERY_KEY = ["keys"];

export function keysQuery() {
  return infiniteQueryOptions({
    queryKey: QUERY_KEY,
    queryFn: ({ pageParam: cursor, signal }) =>
      request<ApiKeyList>(KEYS, { query: { cursor, limit: 200 }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
  });
}

export function useCreateKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: NewKey) => request<CreatedApiKey>(KEYS, { method: "POST", body: key }),
    onSuccess: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}

export function useRotateKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ key, overlap }: { key: ApiKey; overlap: Overlap }) =>
      request<CreatedApiKey>(`${KEYS}/${encodeURIComponent(key.id)}/rotate`, {
        method: "POST",
        body: overlap,
      }),
    onSuccess: (created, { key }) => {
      // Who rotates the key that this session uses goes on with the new one, and sees its secret.
      if (session.get()?.startsWith(`mk_${key.id}_`)) session.set(created.secret);
      return queries.invalidateQueries({ queryKey: QUERY_KEY });
    },
  });
}

export function useDeleteKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: ApiKey) => request<void>(`${KEYS}/${encodeURIComponent(id)}`, { method: "DELETE" }),
    // One that somebody else has deleted goes from the list as well.
    onSettled: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}
