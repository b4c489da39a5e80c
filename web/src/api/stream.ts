import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type Query, send } from "./client";

export interface Following {
  query: Query;
  /** Where an earlier stream ended. */
  lastEventId: string | undefined;
  signal: AbortSignal;
  onMessage: (message: EventSourceMessage) => void;
  /** How far the stream is, after each message and now and then; from the first one on nothing is missed. */
  onPlace: (id: string) => void;
}

/** Reads server-sent events until the server ends them. Errors: as `send`, and whatever breaks a connection. */
export async function readStream(path: string, following: Following): Promise<void> {
  const { query, lastEventId, signal, onMessage, onPlace } = following;
  const headers = { Accept: "text/event-stream", ...(lastEventId && { "Last-Event-ID": lastEventId }) };
  const { body } = await send(path, { query, signal, headers });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string>).getReader();
  const parser = createParser({ onEvent: onMessage });
  let rest = "";
  let id: string | undefined;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      parser.feed(`${line}\n`);
      // The parser keeps an id without data to itself. It counts from the blank line on, as the data does.
      if (line.startsWith("id: ")) id = line.slice("id: ".length);
      else if (line === "" && id !== undefined) onPlace(id);
    }
  }
}
