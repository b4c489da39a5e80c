import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Explain } from "@/components/explain";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { groupsQuery, groupsRequest, type Name, type Subject } from "@/features/usage";
import { Bar } from "./bar";

const TOP = 8;

const NOUNS: Record<Name, { plural: string; parameter: "tenant" | "resource" | "feature" }> = {
  tenant_id: { plural: "tenants", parameter: "tenant" },
  resource: { plural: "resources", parameter: "resource" },
  feature: { plural: "features", parameter: "feature" },
};

/** The largest groups, their bars, and what the rest adds up to. */
export function Top({ subject, by }: { subject: Subject; by: Name }) {
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
          explanation={`The ${TOP} ${plural} with the largest sum of quantities in the range, and all others together.`}
          request={() => groupsRequest(subject, by, TOP, new Date())}
        />
      }
    >
      {({ data, totals }) => {
        const total = totals?.total_quantity ?? 0;
        const most = data[0]?.total_quantity ?? 0;
        return (
          <ol className="flex flex-col gap-2.5 pt-1">
            {data.map((row) =>
              row.other ? (
                <li key="other" className="text-muted-foreground">
                  <Bar name={`All other ${plural}`} quantity={row.total_quantity} total={total} most={0} />
                </li>
              ) : (
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
              ),
            )}
          </ol>
        );
      }}
    </Panel>
  );
}
