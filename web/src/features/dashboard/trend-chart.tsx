import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { formatCompact, formatExact, type Quantity } from "@/lib/number";
import { formatTick, formatWindow, type Window } from "@/lib/time";

export interface TrendPoint {
  start: string;
  end: string;
  quantity: Quantity;
  events: Quantity;
  previous: { start: string; end: string; quantity: Quantity } | undefined;
}

interface Plotted extends TrendPoint {
  whole: number | null;
  /** The window that still fills, and the one before it where the dashes begin. */
  filling: number | null;
  before: number | null;
}

export default function TrendChart({
  points,
  window,
  zone,
}: {
  points: TrendPoint[];
  window: Window;
  zone: string;
}) {
  const now = Date.now();
  const fills = (point: TrendPoint | undefined) => point !== undefined && Date.parse(point.end) > now;
  const plotted = points.map((point, index): Plotted => {
    const height = Number(point.quantity);
    return {
      ...point,
      whole: fills(point) ? null : height,
      filling: fills(point) || fills(points[index + 1]) ? height : null,
      before: point.previous ? Number(point.previous.quantity) : null,
    };
  });
  const highest = points.reduce<Quantity>((most, { quantity }) => (quantity > most ? quantity : most), 0);
  const line = { type: "linear", isAnimationActive: false, strokeWidth: 2 } as const;
  const dot = points.length === 1 ? { r: 3 } : false;
  return (
    <div
      role="img"
      aria-label={`${points.length} values by ${window}, the highest ${formatExact(highest)}. The table shows each.`}
      className="h-72 w-full [&_.recharts-surface]:outline-none"
    >
      <ResponsiveContainer width="100%" height="100%">
        <LineChart
          data={plotted}
          margin={{ top: 8, right: 12, bottom: 0, left: 0 }}
          accessibilityLayer={false}
        >
          <CartesianGrid vertical={false} stroke="var(--border)" />
          <XAxis
            dataKey="start"
            tickFormatter={(start: string) => formatTick(start, window, zone)}
            minTickGap={32}
            tickLine={false}
            axisLine={{ stroke: "var(--border)" }}
            tick={{ fill: "var(--muted-foreground)", fontSize: 12 }}
          />
          <YAxis
            tickFormatter={formatCompact}
            width="auto"
            allowDecimals={false}
            tickLine={false}
            axisLine={false}
            tick={{ fill: "var(--muted-foreground)", fontSize: 12 }}
          />
          <Tooltip
            isAnimationActive={false}
            cursor={{ stroke: "var(--input)" }}
            content={({ active, payload }) => {
              const point = payload?.[0]?.payload as Plotted | undefined;
              return active && point ? <Values point={point} window={window} zone={zone} /> : null;
            }}
          />
          <Line
            {...line}
            dataKey="before"
            stroke="var(--chart-2)"
            strokeWidth={1.5}
            dot={false}
            activeDot={false}
          />
          <Line
            {...line}
            dataKey="filling"
            stroke="var(--chart-1)"
            strokeDasharray="3 4"
            dot={dot}
            activeDot={{ r: 3 }}
          />
          <Line {...line} dataKey="whole" stroke="var(--chart-1)" dot={dot} activeDot={{ r: 4 }} />
        </LineChart>
      </ResponsiveContainer>
    </div>
  );
}

function Values({ point, window, zone }: { point: Plotted; window: Window; zone: string }) {
  return (
    <div className="rounded-md border bg-popover px-3 py-2 text-popover-foreground text-xs shadow-lg">
      <p className="font-medium">{formatWindow(point.start, point.end, window, zone)}</p>
      <p className="mt-1 flex items-center gap-2 tabular-nums">
        <span className="h-0.5 w-3 bg-chart-1" /> {formatExact(point.quantity)}
        <span className="text-muted-foreground">in {formatExact(point.events)} events</span>
        {point.whole === null && <span className="text-muted-foreground">so far</span>}
      </p>
      {point.previous && (
        <p className="mt-1 flex items-center gap-2 text-muted-foreground tabular-nums">
          <span className="h-0.5 w-3 bg-chart-2" /> {formatExact(point.previous.quantity)}
          <span>{formatWindow(point.previous.start, point.previous.end, window, zone)}</span>
        </p>
      )}
    </div>
  );
}
