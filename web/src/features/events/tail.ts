import type { EventSourceMessage } from "eventsource-parser";
import { useEffect, useReducer, useState } from "react";
import { ApiProblem } from "@/api/client";
import { readStream } from "@/api/stream";
import type { UsageEvent } from "@/api/types";
import type { Subject } from "@/features/usage";
import { parseJson } from "@/lib/json";
import { resolveRange } from "@/lib/range";
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
    change({ type: "begun" });
    setConnection("opening");
    setMissed(undefined);
    void followOn(conditions(subject, metadata), stop.signal, {
      onOpen: (resumed) => {
        setConnection("open");
        // What happened between the list and the stream, or while there was no stream.
        if (!resumed) change({ type: "lost" });
      },
      onLost: () => setConnection("lost"),
      onMessage: ({ event, data }) => {
        if (event === "dropped") {
          setMissed((parseJson(data) as { reason: Missed }).reason);
          change({ type: "lost" });
          return;
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

/** Follows the stream, and again where it was when it breaks, until `signal` says so or meterd refuses. */
async function followOn(
  query: Record<string, string | number | undefined>,
  signal: AbortSignal,
  listener: Listener,
): Promise<void> {
  let lastEventId: string | undefined;
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    const resumed = lastEventId !== undefined;
    try {
      await readStream(STREAM, {
        query,
        lastEventId,
        signal,
        onOpen: () => {
          wait = FIRST_WAIT_MS;
          listener.onOpen(resumed);
        },
        onMessage: (message) => {
          lastEventId = message.id ?? lastEventId;
          listener.onMessage(message);
        },
      });
    } catch (error) {
      if (signal.aborted) return;
      // Refused: it would be again. The list, which asks the same, says why.
      if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) return;
    }
    listener.onLost();
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(2 * wait, MAX_WAIT_MS);
  }
}
