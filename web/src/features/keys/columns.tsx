import { RefreshCw, Trash2 } from "lucide-react";
import type { ApiKey } from "@/api/types";
import type { Column } from "@/components/data-table";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { formatAgo, formatInstant } from "@/lib/time";

interface Actions {
  onRotate: (key: ApiKey) => void;
  onDelete: (key: ApiKey) => void;
}

export function keyColumns(zone: string, now: Date, { onRotate, onDelete }: Actions): Column<ApiKey>[] {
  const isExpired = ({ expires_at }: ApiKey) => expires_at != null && new Date(expires_at) <= now;
  return [
    {
      accessorKey: "name",
      header: "Name",
      cell: ({ row: { original: key } }) => (
        <>
          <span className="font-medium" title={key.name}>
            {key.name}
          </span>
          <span className="ml-2 font-mono text-muted-foreground text-xs">mk_{key.id}_…</span>
        </>
      ),
    },
    {
      accessorKey: "scopes",
      header: "Scopes",
      cell: ({ row: { original: key } }) => (
        <span className="-my-1 flex gap-1">
          {key.scopes.map((scope) => (
            <Badge key={scope} variant={scope === "admin" ? "warning" : "default"}>
              {scope}
            </Badge>
          ))}
        </span>
      ),
    },
    {
      accessorKey: "tenant_id",
      header: "Tenant",
      cell: ({ row: { original: key } }) =>
        key.tenant_id ?? <span className="text-muted-foreground">all</span>,
    },
    {
      accessorKey: "created_at",
      header: "Created",
      cell: ({ row: { original: key } }) => <Ago at={key.created_at} zone={zone} now={now} />,
    },
    {
      accessorKey: "last_used_at",
      header: "Last used",
      cell: ({ row: { original: key } }) =>
        key.last_used_at ? (
          <Ago at={key.last_used_at} zone={zone} now={now} />
        ) : (
          <span className="text-muted-foreground">never</span>
        ),
    },
    {
      accessorKey: "expires_at",
      header: "Expires",
      cell: ({ row: { original: key } }) => {
        if (!key.expires_at) return <span className="text-muted-foreground">never</span>;
        if (isExpired(key)) return <Badge variant="destructive">expired</Badge>;
        return <Ago at={key.expires_at} zone={zone} now={now} />;
      },
    },
    {
      id: "actions",
      header: () => <span className="sr-only">Rotate or delete</span>,
      cell: ({ row: { original: key } }) => (
        <span className="flex justify-end">
          {!isExpired(key) && (
            <Button
              variant="ghost"
              size="icon"
              className="-my-1.5"
              aria-label={`Rotate the key ${key.name}`}
              onClick={() => onRotate(key)}
            >
              <RefreshCw aria-hidden className="text-muted-foreground" />
            </Button>
          )}
          <Button
            variant="ghost"
            size="icon"
            className="-my-1.5"
            aria-label={`Delete the key ${key.name}`}
            onClick={() => onDelete(key)}
          >
            <Trash2 aria-hidden className="text-destructive" />
          </Button>
        </span>
      ),
    },
  ];
}

function Ago({ at, zone, now }: { at: string; zone: string; now: Date }) {
  return (
    <time dateTime={at} title={formatInstant(at, zone)}>
      {formatAgo(at, now)}
    </time>
  );
}
