import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Badge } from "@/components/ui/badge";
import { formatExact } from "@/lib/number";
import { useZone } from "@/lib/search";
import { formatInstant } from "@/lib/time";
import { alertsQuery } from "./api";

/** When a tenant came near to a limit, the latest first; of all tenants where none is given. */
export function AlertsPanel({ tenant, linked = false }: { tenant: string | undefined; linked?: boolean }) {
  const query = useQuery({ ...alertsQuery(tenant), refetchInterval: useLiveInterval() });
  const zone = useZone();
  return (
    <Panel
      title="Alerts"
      height="min-h-16"
      query={query}
      isEmpty={({ data }) => data.length === 0}
      empty={<p className="py-4 text-muted-foreground">None so far.</p>}
    >
      {({ data }) => (
        <ul className="max-h-72 divide-y overflow-y-auto text-[0.8125rem]">
          {data.map((alert) => (
            <li key={alert.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2">
              <span className="tabular-nums text-muted-foreground">
                {formatInstant(alert.raised_at, zone)}
              </span>
              {linked && (
                <Link
                  to="/tenants/$tenant"
                  params={{ tenant: alert.tenant_id }}
                  className="min-w-0 truncate text-primary underline-offset-4 hover:underline"
                >
                  {alert.tenant_id}
                </Link>
              )}
              <span className="min-w-0 truncate font-medium">{alert.feature}</span>
              <span className="tabular-nums">
                {formatExact(BigInt(alert.used))} of {formatExact(alert.limit)}, alert at{" "}
                {alert.alert_threshold}%
              </span>
              <Badge variant="outline" className="ml-auto">
                {alert.delivered_at ? "delivered" : "recorded"}
              </Badge>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
