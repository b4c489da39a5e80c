import { Link } from "@tanstack/react-router";
import type { DeadLetter } from "@/api/types";
import type { Column } from "@/components/data-table";
import { Badge } from "@/components/ui/badge";
import { formatInstant } from "@/lib/time";

export function letterColumns(zone: string): Column<DeadLetter>[] {
  return [
    {
      accessorKey: "created_at",
      header: "Time",
      cell: ({ row: { original: letter } }) => (
        <Link
          to="."
          search={(before) => ({ ...before, letter: String(letter.id) })}
          className="tabular-nums outline-none after:absolute after:inset-0 focus-visible:underline"
        >
          {formatInstant(letter.created_at, zone)}
        </Link>
      ),
    },
    {
      accessorKey: "tenant_id",
      header: "Tenant",
      cell: ({ row: { original: letter } }) =>
        letter.tenant_id ?? <span className="text-muted-foreground">not readable</span>,
    },
    {
      accessorKey: "code",
      header: "Reason",
      cell: ({ row: { original: letter } }) => <Badge variant="outline">{letter.code}</Badge>,
    },
    {
      accessorKey: "detail",
      header: "Detail",
      cell: ({ row: { original: letter } }) => <span title={letter.detail}>{letter.detail}</span>,
    },
  ];
}
