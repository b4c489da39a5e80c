import type { UseQueryResult } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, Minus } from "lucide-react";
import type { ReactNode } from "react";
import { Failure } from "@/components/panel";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { type Compared, MAX_GROUPS } from "@/features/usage";
import {
  change,
  formatChange,
  formatCompact,
  formatDuration,
  formatExact,
  type Quantity,
} from "@/lib/number";
import { cn } from "@/lib/utils";

/** From here on a number is shortened, on narrow screens sooner; its title is exact. */
const WIDE = 100_000_000_000;
const WIDE_ON_NARROW = 10_000_000;

/** The four figures at the top. */
export function Cards({
  usage,
  freshness,
  period,
  ofOneTenant = false,
  explain,
}: {
  usage: UseQueryResult<Compared>;
  freshness: UseQueryResult<{ seconds: number } | null>;
  /** Completes "compared with …". */
  period: string;
  ofOneTenant?: boolean;
  explain: ReactNode;
}) {
  const { data } = usage;
  if (!data && usage.error) {
    return (
      <Card>
        <Failure error={usage.error} retry={() => usage.refetch()} />
      </Card>
    );
  }
  const count = data?.current.data.length ?? 0;
  return (
    <div className={cn("grid grid-cols-2 gap-3", ofOneTenant ? "lg:grid-cols-3" : "lg:grid-cols-4")}>
      <Figure title="Total usage" actions={explain}>
        {data && (
          <Compare
            now={data.current.totals?.total_quantity}
            before={data.previous.totals?.total_quantity}
            period={period}
          />
        )}
      </Figure>
      {!ofOneTenant && (
        <Figure title="Active tenants">
          {data && (
            <Compare
              now={count}
              before={data.previous.data.length}
              period={period}
              atLeast={count >= MAX_GROUPS}
            />
          )}
        </Figure>
      )}
      <Figure title="Events">
        {data && (
          <Compare
            now={data.current.totals?.event_count}
            before={data.previous.totals?.event_count}
            period={period}
          />
        )}
      </Figure>
      <Figure title="Freshness">
        {freshness.data !== undefined ? (
          <Freshness seconds={freshness.data?.seconds} />
        ) : freshness.error ? (
          "–"
        ) : undefined}
      </Figure>
    </div>
  );
}

function Figure({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <Card aria-label={title} className="gap-1 px-4 py-3" aria-busy={!children}>
      <div className="flex h-6 items-center justify-between">
        <h2 className="font-medium text-[0.8125rem] text-muted-foreground">{title}</h2>
        {actions}
      </div>
      {children || (
        <>
          <Skeleton className="h-8 w-28" />
          <Skeleton className="mt-1 h-4 w-20" />
        </>
      )}
    </Card>
  );
}

const BIG = "truncate text-xl sm:text-2xl font-semibold tracking-tight tabular-nums";

function Compare({
  now = 0,
  before = 0,
  period,
  atLeast,
}: {
  now?: Quantity | undefined;
  before?: Quantity | undefined;
  period: string;
  atLeast?: boolean;
}) {
  const exact = formatExact(now);
  return (
    <>
      <p className={BIG} title={exact}>
        {atLeast && "≥ "}
        <span className={cn(now >= WIDE_ON_NARROW && "max-sm:hidden", now >= WIDE && "hidden")}>{exact}</span>
        {now >= WIDE_ON_NARROW && <span className={cn(now < WIDE && "sm:hidden")}>{formatCompact(now)}</span>}
      </p>
      {!atLeast && <Change now={now} before={before} period={period} />}
    </>
  );
}

function Change({ now, before, period }: { now: Quantity; before: Quantity; period: string }) {
  const ratio = change(now, before);
  const Icon = ratio === undefined || ratio === 0 ? Minus : ratio > 0 ? ArrowUp : ArrowDown;
  return (
    <p
      className="flex min-w-0 items-start gap-1 text-muted-foreground text-xs"
      title={`${formatExact(before)} in ${period}`}
    >
      <Icon aria-hidden className="mt-px size-3.5 shrink-0" />
      <span>
        {ratio === undefined ? (
          "nothing before"
        ) : (
          <>
            <span className="font-medium text-foreground tabular-nums">{formatChange(ratio)}</span> vs{" "}
            {period}
          </>
        )}
      </span>
    </p>
  );
}

/** Later than this is worth a colour: the promise is 3 s. */
const LATE_SECONDS = 3;

function Freshness({ seconds }: { seconds: number | undefined }) {
  if (seconds === undefined) return <p className="py-1 text-muted-foreground">No event in 90 days</p>;
  return (
    <>
      <p className={BIG}>{formatDuration(seconds)}</p>
      <p
        className="flex min-w-0 items-center gap-1.5 text-muted-foreground text-xs"
        title="Of the newest event"
      >
        <span
          aria-hidden
          className={cn(
            "size-2 shrink-0 rounded-full",
            seconds <= LATE_SECONDS ? "bg-success" : "bg-warning",
          )}
        />
        <span>from request to visible</span>
      </p>
    </>
  );
}
