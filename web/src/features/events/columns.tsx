import { Link } from "@tanstack/react-router";
import type { UsageEvent } from "@/api/types";
import { type Column, FILLING, NUMERIC } from "@/components/data-table";
import { formatOneLine } from "@/lib/json";
import { formatExact } from "@/lib/number";
import { formatInstant } from "@/lib/time";

/** The columns there are, in order. */
export const COLUMNS = {
  timestamp: "Time",
  tenant_id: "Tenant",
  resource: "Resource",
  feature: "Feature",
  quantity: "Quantity",
  metadata: "Metadata",
  id: "Id",
} as const;

export type ColumnId = keyof typeof COLUMNS;
export const COLUMN_IDS = Object.keys(COLUMNS) as ColumnId[];

const DEFAULT: ColumnId[] = ["timestamp", "tenant_id", "resource", "feature", "quantity", "metadata"];

/** From the URL; the time always shows, it opens the event. */
export function parseColumns(text: string | undefined): Record<ColumnId, boolean> {
  const chosen = text?.split(",") ?? DEFAULT;
  return Object.fromEntries(
    COLUMN_IDS.map((id) => [id, id === "timestamp" || chosen.includes(id)]),
  ) as Record<ColumnId, boolean>;
}

/** For the URL; nothing where it is the default. */
export function formatColumns(visible: Record<ColumnId, boolean>): string | undefined {
  const chosen = COLUMN_IDS.filter((id) => visible[id]).join(",");
  return chosen === DEFAULT.join(",") ? undefined : chosen;
}

export function eventColumns(zone: string): Column<UsageEvent>[] {
  return [
    {
      accessorKey: "timestamp",
      header: COLUMNS.timestamp,
      cell: ({ row: { original: event } }) => (
        <Link
          to="."
          search={(before) => ({ ...before, open: event.id, of: event.tenant_id })}
          className="tabular-nums outline-none after:absolute after:inset-0 focus-visible:underline"
        >
          {formatInstant(event.timestamp, zone)}
        </Link>
      ),
    },
    { accessorKey: "tenant_id", header: COLUMNS.tenant_id },
    { accessorKey: "resource", header: COLUMNS.resource },
    { accessorKey: "feature", header: COLUMNS.feature },
    {
      accessorKey: "quantity",
      header: COLUMNS.quantity,
      meta: NUMERIC,
      cell: ({ row: { original: event } }) => formatExact(event.quantity),
    },
    {
      accessorKey: "metadata",
      header: COLUMNS.metadata,
      meta: FILLING,
      cell: ({ row: { original: event } }) => (
        <span className="font-mono text-muted-foreground text-xs">{preview(event.metadata)}</span>
      ),
    },
    {
      accessorKey: "id",
      header: COLUMNS.id,
      cell: ({ row: { original: event } }) => <span className="font-mono text-xs">{event.id}</span>,
    },
  ];
}

const PREVIEW_CHARS = 120;

function preview(metadata: UsageEvent["metadata"]): string {
  const text = formatOneLine(metadata);
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
}
