import { type Query, send } from "./client";

export const FORMATS = {
  csv: { label: "CSV", type: "text/csv" },
  ndjson: { label: "NDJSON", type: "application/x-ndjson" },
} as const;

export type Format = keyof typeof FORMATS;

/** An export broke off: what has arrived is not whole. */
class BrokenOff extends Error {
  constructor() {
    super("The export broke off before its end. Try again.");
  }
}

/** Saves all rows as a file; the browser keeps what has arrived on disk. Errors: as `send`, [`BrokenOff`]. */
export async function download(path: string, query: Query, format: Format): Promise<void> {
  const response = await send(path, { query, headers: { Accept: FORMATS[format].type } });
  const file = await response.blob().catch(() => {
    throw new BrokenOff();
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `meterd-${path.split("/").at(-1)}.${format}`;
  link.click();
  URL.revokeObjectURL(link.href);
}
