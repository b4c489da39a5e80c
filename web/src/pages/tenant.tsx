import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { Explain } from "@/components/explain";
import { LiveToggle, useLiveInterval } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { RangePicker } from "@/components/range-picker";
import { Button } from "@/components/ui/button";
import { Cards } from "@/features/dashboard/cards";
import { Top } from "@/features/dashboard/top";
import { Trend } from "@/features/dashboard/trend";
import { AlertsPanel } from "@/features/quotas/alerts-panel";
import { QuotasPanel } from "@/features/quotas/quotas-panel";
import { previousPeriod, useSubject } from "@/features/subject";
import { Daily } from "@/features/tenants/daily";
import { freshnessQuery, groupsRequest, tenantsQuery } from "@/features/usage";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/tenants/$tenant");

export function Tenant() {
  const { tenant } = route.useParams();
  const { window, compare } = route.useSearch();
  const page = useSubject();
  const setSearch = useSetSearch();
  const refetchInterval = useLiveInterval();
  const subject = useMemo(() => ({ ...page, filters: { ...page.filters, tenant } }), [page, tenant]);
  const usage = useQuery({ ...tenantsQuery(subject), refetchInterval });
  const freshness = useQuery({ ...freshnessQuery(tenant), refetchInterval });
  return (
    <Page
      title={tenant}
      controls={
        <>
          <Button asChild variant="outline" size="sm">
            <Link to="/events" search={(before) => ({ ...before, tenant })}>
              Events
            </Link>
          </Button>
          <LiveToggle />
          <RangePicker />
        </>
      }
    >
      <Cards
        usage={usage}
        freshness={freshness}
        period={previousPeriod(subject)}
        ofOneTenant
        explain={
          <Explain
            what="the total"
            explanation="The sum of the quantities of this tenant's counted events in the range."
            request={() => groupsRequest(subject, "tenant_id", 1, new Date())}
          />
        }
      />
      <QuotasPanel tenant={tenant} />
      <Trend
        subject={subject}
        window={window}
        compare={compare !== "off"}
        period={previousPeriod(subject)}
        onWindow={(to) => setSearch({ window: to })}
        onCompare={(on) => setSearch({ compare: on ? undefined : "off" })}
      />
      <div className="grid gap-4 lg:grid-cols-2">
        <Top subject={subject} by="resource" />
        <Top subject={subject} by="feature" />
      </div>
      <Daily subject={subject} />
      <AlertsPanel tenant={tenant} />
    </Page>
  );
}
