import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Explain } from "@/components/explain";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { type Grouping, groupsQuery, groupsRequest, type Subject } from "@/features/usage";
import { difference, formatExact, formatShare, type Quantity, share } from "@/lib/number";

const TOP = 8;

const NOUNS: Record<Grouping, { plural: string; parameter: "tenant" | "resource" | "feature" }> = {
  tenant_id: { plural: "tenants", parameter: "tenant" },
  resource: { plural: "resources", parameter: "resource" },
  feature: { plural: "features", parameter: "feature" },
};

/** The largest groups, their bars, and what the rest adds up to. */
export function Top({ subject, by }: { subject: Subject; by: Grouping }) {
  const { plural, parameter } = NOUNS[by];
  const query = useQuery({ ...groupsQuery(subject, by, TOP), refetchInterval: useLiveInterval() });
  return (
    <Panel
      title={`Top ${plural}`}
      query={query}
      isEmpty={({ data }) => data.length === 0}
      actions={
        <Explain
          what={`the ranking of ${plural}`}
          explanation={`The ${TOP} ${plural} with the largest sum of quantities in the range.`}
          request={() => groupsRequest(subject, by, TOP, new Date())}
        />
      }
    >
      {({ data, totals }) => {
        const total = totals?.total_quantity ?? 0;
        const most = data[0]?.total_quantity ?? 0;
        const listed = data.reduce<Quantity>((sum, row) => BigInt(sum) + BigInt(row.total_quantity), 0);
        const rest = difference(total, listed);
        return (
          <ol className="flex flex-col gap-2.5">
            {data.map((row) => (
              <li key={row[by]}>
                <Link
                  to="."
                  search={(before) => ({ ...before, [parameter]: row[by] })}
                  title={`Show only ${row[by]}`}
                  className="group block rounded-sm outline-none focus-visible:ring-2 focus-visible:ring-ring"
                >
                  <Bar name={row[by] ?? ""} quantity={row.total_quantity} total={total} most={most} />
                </Link>
              </li>
            ))}
            {Number(rest) > 0 && (
              <li className="text-muted-foreground">
                <Bar name={`All other ${plural}`} quantity={rest} total={total} most={0} />
              </li>
            )}
          </ol>
        );
      }}
    </Panel>
  );
}

function Bar({
  name,
  quantity,
  total,
  most,
}: {
  name: string;
  quantity: Quantity;
  total: Quantity;
  most: Quantity;
}) {
  return (
    <>
      <span className="flex items-baseline justify-between gap-3 text-[0.8125rem]">
        <span className="truncate group-hover:underline">{name}</span>
        <span className="shrink-0 tabular-nums">
          {formatExact(quantity)}
          <span className="ml-2 inline-block w-12 text-right text-muted-foreground text-xs">
            {formatShare(share(quantity, total))}
          </span>
        </span>
      </span>
      {Number(most) > 0 && (
        <span aria-hidden className="mt-1 block h-1.5 rounded-full bg-muted">
          <span
            className="block h-full min-w-0.5 rounded-full bg-chart-1"
            style={{ width: `${share(quantity, most) * 100}%` }}
          />
        </span>
      )}
    </>
  );
}
