import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { AggregateRow } from "@/api/types";
import { type Column, DataTable, NUMERIC } from "@/components/data-table";
import { Explain } from "@/components/explain";
import { ExportMenu } from "@/components/export-menu";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { type Subject, trendQuery, trendRequest } from "@/features/usage";
import { formatExact, type Quantity, share } from "@/lib/number";
import { formatDay } from "@/lib/time";

/** What a tenant used on each day, the latest first. */
export function Daily({ subject }: { subject: Subject }) {
  const query = useQuery({ ...trendQuery(subject, "day", false), refetchInterval: useLiveInterval() });
  const days = useMemo(() => query.data?.current.data.toReversed() ?? [], [query.data]);
  const columns = useMemo(() => dayColumns(days, subject.zone), [days, subject.zone]);
  const request = () => trendRequest(subject, "day", new Date());
  return (
    <Panel
      title="Daily breakdown"
      query={query}
      isEmpty={({ current }) => Number(current.totals?.event_count ?? 0) === 0}
      actions={
        <>
          <ExportMenu what="the daily breakdown" request={request} />
          <Explain
            what="the daily breakdown"
            explanation={`The sum of quantities on each day of the range, by the clock of ${subject.zone}.`}
            request={request}
          />
        </>
      }
    >
      {() => (
        <DataTable
          label="Usage by day"
          className="-mx-4 -mb-4 max-h-96"
          rows={days}
          rowKey={(row) => row.window_start ?? ""}
          columns={columns}
        />
      )}
    </Panel>
  );
}

function dayColumns(days: AggregateRow[], zone: string): Column<AggregateRow>[] {
  const most = days.reduce<Quantity>((max, row) => (row.total_quantity > max ? row.total_quantity : max), 0);
  return [
    {
      id: "day",
      header: "Day",
      cell: ({ row: { original: day } }) => formatDay(day.window_start ?? "", zone),
    },
    {
      id: "bar",
      header: () => <span className="sr-only">Compared with the most of these days</span>,
      cell: ({ row: { original: day } }) => (
        <span aria-hidden className="hidden h-1.5 w-40 rounded-full bg-muted sm:block">
          <span
            className="block h-full rounded-full bg-chart-1"
            style={{ width: `${share(day.total_quantity, most) * 100}%` }}
          />
        </span>
      ),
    },
    {
      id: "usage",
      header: "Usage",
      meta: NUMERIC,
      cell: ({ row: { original: day } }) => formatExact(day.total_quantity),
    },
    {
      id: "events",
      header: "Events",
      meta: NUMERIC,
      cell: ({ row: { original: day } }) => formatExact(day.event_count),
    },
  ];
}
