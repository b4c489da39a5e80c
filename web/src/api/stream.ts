import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type Query, send } from "./client";

export interface Following {
  query: Query;
  /** Where an earlier stream ended. */
  lastEventId: string | undefined;
  signal: AbortSignal;
  /** From here on nothing is missed. */
  onOpen: () => void;
  onMessage: (message: EventSourceMessage) => void;
}

/** Reads server-sent events until the server ends them. Errors: as `send`, and whatever breaks a connection. */
export async function readStream(path: string, following: Following): Promise<void> {
  const { query, lastEventId, signal, onOpen, onMessage } = following;
  const headers = { Accept: "text/event-stream", ...(lastEventId && { "Last-Event-ID": lastEventId }) };
  const { body } = await send(path, { query, signal, headers });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string>).getReader();
  const parser = createParser({ onEvent: onMessage });
  let head: string | undefined = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (head !== undefined) {
      // The parser keeps an id without data to itself; the first one says that the stream has begun.
      head += value;
      if (/^id:/m.test(head)) {
        head = undefined;
        onOpen();
      }
    }
    parser.feed(value);
  }
}
