import { formatExact, formatShare, type Quantity, share } from "@/lib/number";

/** A group of a ranking: its sum, its share of the total, and its length beside the largest; without that no bar. */
export function Bar({
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
