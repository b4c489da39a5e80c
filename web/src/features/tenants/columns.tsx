import { Link } from "@tanstack/react-router";
import type { TenantUsage } from "@/api/types";
import { type Column, NUMERIC } from "@/components/data-table";
import type { Compared } from "@/features/usage";
import { change, formatChange, formatExact, formatShare, type Quantity, share } from "@/lib/number";
import { formatInstant } from "@/lib/time";

export interface RankedTenant {
  tenant: string;
  usage: Quantity;
  events: Quantity;
  share: number;
  before: Quantity;
  /** Infinite where there was nothing before, so that newcomers sort first. */
  change: number;
}

/** Tenants of the range, and those of the range before that have gone quiet. */
export function rankedTenants({ current, previous }: Compared): RankedTenant[] {
  const before = new Map(previous.data.map((row) => [row.tenant_id ?? "", row.total_quantity]));
  const total = current.totals?.total_quantity ?? 0;
  const active = current.data.map((row): RankedTenant => {
    const { total_quantity: usage, event_count: events } = row;
    const tenant = row.tenant_id ?? "";
    const earlier = before.get(tenant) ?? 0;
    before.delete(tenant);
    const ratio = change(usage, earlier) ?? (Number(usage) === 0 ? 0 : Number.POSITIVE_INFINITY);
    return { tenant, usage, events, share: share(usage, total), before: earlier, change: ratio };
  });
  const quiet = [...before].map(
    ([tenant, earlier]): RankedTenant => ({
      tenant,
      usage: 0,
      events: 0,
      share: 0,
      before: earlier,
      change: Number(earlier) === 0 ? 0 : -1,
    }),
  );
  return [...active, ...quiet];
}

function ToTenant({ tenant }: { tenant: string }) {
  return (
    <Link
      to="/tenants/$tenant"
      params={{ tenant }}
      title={tenant}
      className="font-medium outline-none after:absolute after:inset-0 focus-visible:underline"
    >
      {tenant}
    </Link>
  );
}

export const RANKED_COLUMNS: Column<RankedTenant>[] = [
  {
    accessorKey: "tenant",
    header: "Tenant",
    sortFn: "basic",
    cell: ({ row: { original } }) => <ToTenant tenant={original.tenant} />,
  },
  {
    accessorKey: "usage",
    header: "Usage",
    sortFn: "basic",
    meta: NUMERIC,
    cell: ({ row: { original } }) => formatExact(original.usage),
  },
  {
    accessorKey: "share",
    header: "Share",
    sortFn: "basic",
    meta: NUMERIC,
    cell: ({ row: { original } }) => (
      <span className="inline-flex items-center gap-2">
        <span aria-hidden className="hidden h-1.5 w-20 rounded-full bg-muted sm:block">
          <span
            className="block h-full rounded-full bg-chart-1"
            style={{ width: `${original.share * 100}%` }}
          />
        </span>
        <span className="inline-block w-12">{formatShare(original.share)}</span>
      </span>
    ),
  },
  {
    accessorKey: "events",
    header: "Events",
    sortFn: "basic",
    meta: NUMERIC,
    cell: ({ row: { original } }) => formatExact(original.events),
  },
  {
    accessorKey: "before",
    header: "Before",
    sortFn: "basic",
    meta: NUMERIC,
    cell: ({ row: { original } }) => (
      <span className="text-muted-foreground">{formatExact(original.before)}</span>
    ),
  },
  {
    accessorKey: "change",
    header: "Change",
    sortFn: "basic",
    meta: NUMERIC,
    cell: ({ row: { original } }) =>
      Number.isFinite(original.change) ? formatChange(original.change) : "new",
  },
];

export function listedColumns(zone: string): Column<TenantUsage>[] {
  return [
    {
      accessorKey: "tenant_id",
      header: "Tenant",
      cell: ({ row: { original } }) => <ToTenant tenant={original.tenant_id} />,
    },
    {
      accessorKey: "total_quantity",
      header: "Usage",
      meta: NUMERIC,
      cell: ({ row: { original } }) => formatExact(original.total_quantity),
    },
    {
      accessorKey: "event_count",
      header: "Events",
      meta: NUMERIC,
      cell: ({ row: { original } }) => formatExact(original.event_count),
    },
    {
      accessorKey: "last_seen",
      header: "Last seen",
      meta: NUMERIC,
      cell: ({ row: { original } }) => formatInstant(original.last_seen, zone),
    },
  ];
}
