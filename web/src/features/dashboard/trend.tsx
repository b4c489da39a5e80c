import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Explain } from "@/components/explain";
import { ExportMenu } from "@/components/export-menu";
import { useLiveInterval } from "@/components/live-toggle";
import { Panel } from "@/components/panel";
import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { ToggleGroup, ToggleGroupItem } from "@/components/ui/toggle-group";
import { type Subject, trendQuery, trendRequest } from "@/features/usage";
import { formatExact } from "@/lib/number";
import { resolveRange, windowChoices } from "@/lib/range";
import { formatWindow, isWindow, type Window } from "@/lib/time";
import type { TrendPoint } from "./trend-chart";

const TrendChart = lazy(() => import("./trend-chart"));

/** Usage by window as a line, beside that of the period before; or the same as a table. */
export function Trend({
  subject,
  window: asked,
  compare,
  period,
  onWindow,
  onCompare,
}: {
  subject: Subject;
  /** The name of what it is compared with. */
  period: string;
  /** Where it makes no readable line of the range, the range's own. */
  window: Window | undefined;
  compare: boolean;
  onWindow: (window: Window) => void;
  onCompare: (compare: boolean) => void;
}) {
  const [asTable, setAsTable] = useState(false);
  const range = resolveRange(subject.range, subject.zone, new Date());
  const choices = windowChoices(range);
  const window = asked && choices.includes(asked) ? asked : range.window;
  const query = useQuery({ ...trendQuery(subject, window, compare), refetchInterval: useLiveInterval() });
  return (
    <Panel
      title="Usage over time"
      height="min-h-72"
      query={query}
      isEmpty={({ current }) => Number(current.totals?.event_count ?? 0) === 0}
      actions={
        <>
          <ToggleGroup
            type="single"
            value={window}
            aria-label="By"
            onValueChange={(to) => to && onWindow(to as Window)}
          >
            {choices.map((choice) => (
              <ToggleGroupItem key={choice} value={choice} className="capitalize">
                {choice}
              </ToggleGroupItem>
            ))}
          </ToggleGroup>
          <Button variant="outline" size="sm" aria-pressed={compare} onClick={() => onCompare(!compare)}>
            {compare ? "Hide previous" : "Compare"}
          </Button>
          <Button variant="outline" size="sm" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            {asTable ? "As chart" : "As table"}
          </Button>
          <ExportMenu what="usage over time" request={() => trendRequest(subject, window, new Date())} />
          <Explain
            what="the trend"
            explanation={`The sum of quantities in each ${window} of the range, its edges by the clock of ${subject.zone}.`}
            request={() => trendRequest(subject, window, new Date())}
          />
        </>
      }
    >
      {({ current, previous }) => {
        const points = current.data.map((row, index): TrendPoint => {
          const before = previous?.data[index];
          return {
            start: row.window_start ?? "",
            end: row.window_end ?? "",
            quantity: row.total_quantity,
            events: row.event_count,
            previous: before && {
              start: before.window_start ?? "",
              end: before.window_end ?? "",
              quantity: before.total_quantity,
            },
          };
        });
        // Until the next answer is here, the last one stays, in its own windows.
        const shown = isWindow(current.window) ? current.window : window;
        if (asTable) return <TrendTable points={points} window={shown} zone={subject.zone} />;
        return (
          <Suspense fallback={<Skeleton className="h-72 w-full" />}>
            {previous && <Legend period={period} />}
            <TrendChart points={points} window={shown} zone={subject.zone} />
          </Suspense>
        );
      }}
    </Panel>
  );
}

function Legend({ period }: { period: string }) {
  return (
    <ul className="flex flex-wrap gap-x-4 text-muted-foreground text-xs">
      <li className="flex items-center gap-1.5">
        <span aria-hidden className="h-0.5 w-4 bg-chart-1" /> this range
      </li>
      <li className="flex items-center gap-1.5">
        <span aria-hidden className="h-0.5 w-4 bg-chart-2" /> {period}
      </li>
    </ul>
  );
}

function TrendTable({ points, window, zone }: { points: TrendPoint[]; window: Window; zone: string }) {
  return (
    <section className="max-h-72 overflow-auto" aria-label="Usage over time as a table" tabIndex={0}>
      <Table>
        <TableHeader>
          <TableRow>
            <TableHead className="capitalize">{window}</TableHead>
            <TableHead className="text-right">Usage</TableHead>
            <TableHead className="text-right">Events</TableHead>
            <TableHead className="text-right">Previous</TableHead>
          </TableRow>
        </TableHeader>
        <TableBody>
          {points.map((point) => (
            <TableRow key={point.start}>
              <TableCell className="whitespace-nowrap">
                {formatWindow(point.start, point.end, window, zone)}
              </TableCell>
              <TableCell className="text-right tabular-nums">{formatExact(point.quantity)}</TableCell>
              <TableCell className="text-right tabular-nums">{formatExact(point.events)}</TableCell>
              <TableCell className="text-right text-muted-foreground tabular-nums">
                {point.previous ? formatExact(point.previous.quantity) : "–"}
              </TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </section>
  );
}
