import type { UseQueryResult } from "@tanstack/react-query";
import { RotateCw, TriangleAlert, Unplug } from "lucide-react";
import type { ReactNode } from "react";
import { ApiProblem, Unreachable } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Card, CardContent, CardHeader, CardTitle } from "@/components/ui/card";
import { Empty, EmptyDescription, EmptyTitle } from "@/components/ui/empty";
import { Skeleton } from "@/components/ui/skeleton";
import { cn } from "@/lib/utils";

/** A card around the answer to one query: its skeleton, its error, its emptiness, or its content. */
export function Panel<T>({
  title,
  actions,
  query,
  isEmpty,
  empty,
  height = "min-h-48",
  className,
  children,
}: {
  title: string;
  actions?: ReactNode;
  query: Pick<UseQueryResult<T>, "data" | "error" | "refetch">;
  isEmpty?: (data: T) => boolean;
  empty?: ReactNode;
  height?: string;
  className?: string;
  children: (data: T) => ReactNode;
}) {
  return (
    <Card className={className} aria-label={title} aria-busy={query.data === undefined && !query.error}>
      <CardHeader>
        <CardTitle>{title}</CardTitle>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </CardHeader>
      <CardContent className={cn("min-w-0 flex-1", height)}>
        <Answer query={query} isEmpty={isEmpty} empty={empty} height={height}>
          {children}
        </Answer>
      </CardContent>
    </Card>
  );
}

export function Answer<T>({
  query,
  isEmpty,
  empty,
  height,
  children,
}: {
  query: Pick<UseQueryResult<T>, "data" | "error" | "refetch">;
  isEmpty?: ((data: T) => boolean) | undefined;
  empty?: ReactNode;
  height?: string;
  children: (data: T) => ReactNode;
}) {
  if (query.data === undefined) {
    if (query.error) return <Failure error={query.error} retry={() => query.refetch()} />;
    return <Skeleton className={cn("w-full", height)} />;
  }
  if (isEmpty?.(query.data)) return empty ?? <NoUsage />;
  return children(query.data);
}

/** What went wrong, in a sentence, and a way on. */
export function Failure({ error, retry }: { error: Error; retry: () => void }) {
  const away = error instanceof Unreachable;
  const Icon = away ? Unplug : TriangleAlert;
  return (
    <Empty role="alert">
      <Icon aria-hidden className="size-5 text-destructive" />
      <EmptyTitle>{away ? "meterd does not answer" : "This could not be loaded"}</EmptyTitle>
      <EmptyDescription>
        {away ? "Check that it runs and that this machine can reach it." : error.message}
        {error instanceof ApiProblem && error.requestId && (
          <span className="mt-1 block font-mono text-xs">
            {error.code} · request {error.requestId}
          </span>
        )}
      </EmptyDescription>
      <Button variant="outline" size="sm" className="mt-2" onClick={retry}>
        <RotateCw aria-hidden /> Try again
      </Button>
    </Empty>
  );
}

function NoUsage() {
  return (
    <Empty>
      <EmptyTitle>No usage in this range</EmptyTitle>
      <EmptyDescription>Choose a longer range, or remove a filter.</EmptyDescription>
    </Empty>
  );
}
