import type { EventSourceMessage } from "eventsource-parser";
import { useEffect, useReducer, useState } from "react";
import { ApiProblem } from "@/api/client";
import { readStream } from "@/api/stream";
import type { UsageEvent } from "@/api/types";
import type { Subject } from "@/features/usage";
import { parseJson } from "@/lib/json";
import { resolveRange } from "@/lib/range";
import { seen, untilHidden } from "@/lib/visibility";
import { conditions } from "./api";
import { type Arrivals, arrive, NONE } from "./arrivals";

const STREAM = "/v1/meter/events/stream";
/** Rows come in batches, so that a burst is drawn ten times a second, not once an event. */
const BATCH_MS = 100;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 10_000;

export type Missed = "behind" | "trimmed";

export interface Tail extends Pick<Arrivals, "rows" | "waitingCount"> {
  connection: "opening" | "open" | "lost";
  /** Why some events did not come by the stream; the list has them. */
  missed: Missed | undefined;
  dismiss: () => void;
}

/** What happens from now on. `relist` reads the list anew, where the stream does not have everything, and says whether it could. */
export function useTail(
  subject: Subject,
  metadata: string | undefined,
  held: boolean,
  relist: () => Promise<boolean>,
): Tail {
  const [arrivals, change] = useReducer(arrive, NONE);
  const [connection, setConnection] = useState<Tail["connection"]>("opening");
  const [missed, setMissed] = useState<Missed>();
  useEffect(() => change({ type: "held", held }), [held]);
  useEffect(() => {
    const stop = new AbortController();
    let batch: UsageEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      clearTimeout(timer);
      timer = undefined;
      const { from, to } = resolveRange(subject.range, subject.zone, new Date());
      const inRange = ({ timestamp }: UsageEvent) => {
        const at = Date.parse(timestamp);
        // Until now means: what a clock that is a little ahead has sent, too.
        return at >= from.getTime() && (!subject.range.to || at < to.getTime());
      };
      const events = batch.filter(inRange);
      batch = [];
      if (events.length > 0) change({ type: "arrived", events });
    };
    // What has come until then is older than what the list will have, and must not stay on top of it.
    const lose = () => {
      flush();
      change({ type: "lost" });
    };
    change({ type: "begun" });
    setConnection("opening");
    setMissed(undefined);
    void followOn(conditions(subject, metadata), stop.signal, {
      onOpen: (resumed) => {
        setConnection("open");
        // What happened between the list and the stream, or while there was no stream.
        if (!resumed) lose();
      },
      onLost: () => setConnection("lost"),
      onMessage: ({ event, data }) => {
        if (event === "dropped") {
          setMissed((parseJson(data) as { reason: Missed }).reason);
          return lose();
        }
        batch.push(parseJson(data) as unknown as UsageEvent);
        timer ??= setTimeout(flush, BATCH_MS);
      },
    });
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [subject, metadata]);
  const { rows, waitingCount, gaps, closed } = arrivals;
  // biome-ignore lint/correctness/useExhaustiveDependencies: of the rows, those that were there when the list was asked for
  useEffect(() => {
    if (held || gaps === closed) return;
    void relist().then((done) => done && change({ type: "listed", rows, gaps }));
  }, [held, gaps, closed, relist]);
  return { rows, waitingCount, connection, missed, dismiss: () => setMissed(undefined) };
}

interface Listener {
  /** Whether it goes on where it was. */
  onOpen: (resumed: boolean) => void;
  onMessage: (message: EventSourceMessage) => void;
  onLost: () => void;
}

/**
 * Follows the stream, and again where it was when it breaks, until `stop` says so or meterd refuses. A browser has
 * six connections to a host for all of its tabs: one that nobody sees leaves its own to the others.
 */
async function followOn(
  query: Record<string, string | number | undefined>,
  stop: AbortSignal,
  listener: Listener,
): Promise<void> {
  let signal: AbortSignal | undefined;
  let place: string | undefined;
  let wait = FIRST_WAIT_MS;
  while (!stop.aborted) {
    if (!signal || signal.aborted) {
      await seen(stop);
      signal = untilHidden(stop);
    }
    const lastEventId = place;
    let open = false;
    const onPlace = (id: string) => {
      place = id;
      wait = FIRST_WAIT_MS;
      if (!open) listener.onOpen(lastEventId !== undefined);
      open = true;
    };
    try {
      await readStream(STREAM, { query, lastEventId, signal, onMessage: listener.onMessage, onPlace });
    } catch (error) {
      if (signal.aborted) continue;
      // Refused: it would be again. The list, which asks the same, says why.
      if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) return;
    }
    listener.onLost();
    await pause(wait, signal);
    wait = Math.min(2 * wait, MAX_WAIT_MS);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
