import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Explain } from "@/components/explain";
import { FilterBar } from "@/components/filter-bar";
import { LiveToggle, useLiveInterval } from "@/components/live-toggle";
import { Page } from "@/components/page";
import { RangePicker } from "@/components/range-picker";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { ByMetadata } from "@/features/dashboard/by-metadata";
import { Cards } from "@/features/dashboard/cards";
import { Top } from "@/features/dashboard/top";
import { Trend } from "@/features/dashboard/trend";
import { AlertsPanel } from "@/features/quotas/alerts-panel";
import { previousPeriod, useSubject } from "@/features/subject";
import { freshnessQuery, groupsRequest, MAX_GROUPS, tenantsQuery } from "@/features/usage";
import { useSetSearch } from "@/lib/search";

const route = getRouteApi("/app/");

export function Dashboard() {
  const subject = useSubject();
  const { window, compare, by } = route.useSearch();
  const setSearch = useSetSearch();
  const refetchInterval = useLiveInterval();
  const usage = useQuery({ ...tenantsQuery(subject), refetchInterval });
  const freshness = useQuery({ ...freshnessQuery(), refetchInterval });
  return (
    <Page
      title="Dashboard"
      controls={
        <>
          <LiveToggle />
          <RangePicker />
        </>
      }
    >
      <FilterBar subject={subject} />
      {freshness.data === null && (
        <Card className="flex-row flex-wrap items-center justify-between gap-3 p-4">
          <p>There are no events yet, or none in the last 90 days.</p>
          <Button asChild size="sm">
            <Link to="/start">Send a first one</Link>
          </Button>
        </Card>
      )}
      <Cards
        usage={usage}
        freshness={freshness}
        period={previousPeriod(subject)}
        explain={
          <Explain
            what="the total"
            explanation="The sum of the quantities of all counted events in the range: “totals” in the answer. Its rows are the tenants, whose number is that of the active ones. Edges are those of the quarter-hour."
            request={() => groupsRequest(subject, "tenant_id", MAX_GROUPS, new Date())}
          />
        }
      />
      <Trend
        subject={subject}
        window={window}
        compare={compare !== "off"}
        period={previousPeriod(subject)}
        onWindow={(to) => setSearch({ window: to })}
        onCompare={(on) => setSearch({ compare: on ? undefined : "off" })}
      />
      <div className="grid gap-4 lg:grid-cols-3">
        <Top subject={subject} by="resource" />
        <Top subject={subject} by="feature" />
        <Top subject={subject} by="tenant_id" />
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <ByMetadata subject={subject} member={by} onMember={(to) => setSearch({ by: to })} />
        <AlertsPanel tenant={subject.filters.tenant} linked />
      </div>
    </Page>
  );
}
