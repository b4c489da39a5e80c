import { infiniteQueryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { Changes, DeadLetter, DeadLetterList, Replayed } from "@/api/types";

const DEAD_LETTERS = "/v1/meter/dead-letters";
const QUERY_KEY = ["dead-letters"];

export const STATES = ["open", "replayed", "discarded"] as const;
export type State = (typeof STATES)[number];

/** Latest first. */
export function deadLettersQuery(state: State) {
  return infiniteQueryOptions({
    queryKey: [...QUERY_KEY, state],
    queryFn: ({ pageParam: cursor, signal }) =>
      request<DeadLetterList>(DEAD_LETTERS, { query: { state, cursor }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** Sends a letter's event again, changed; sent twice it counts once. */
export function useReplay() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ letter, changes }: { letter: DeadLetter; changes: Changes }) =>
      request<Replayed>(`${DEAD_LETTERS}/${letter.id}/replay`, { method: "POST", body: changes }),
    onSuccess: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}

export function useDiscard() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: DeadLetter) => request<void>(`${DEAD_LETTERS}/${id}`, { method: "DELETE" }),
    // One that somebody else has dealt with goes from the list as well.
    onSettled: () => queries.invalidateQueries({ queryKey: QUERY_KEY }),
  });
}
