import {
  type ColumnDef,
  columnVisibilityFeature,
  createSortedRowModel,
  rowSortingFeature,
  sortFn_basic,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { type ReactNode, type RefObject, type UIEventHandler, useEffect, useRef } from "react";
import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from "@/components/ui/table";
import { cn } from "@/lib/utils";

export const features = tableFeatures({
  columnVisibilityFeature,
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic },
});

// Cells of a table have values of different types.
// biome-ignore lint/suspicious/noExplicitAny: the library's own way to say so
export type Column<Row extends object> = ColumnDef<typeof features, Row, any>;

/** Numbers stand right-aligned under their heading. */
export const NUMERIC = { align: "right" } as const;
/** Takes what width the other columns leave, and is cut off there. */
export const FILLING = { width: "rest" } as const;

export interface Sorting {
  id: string;
  desc: boolean;
}

const ROW_PX = 37;
/** Rows kept beyond what is seen. */
const OVERSCAN = 12;
/** So near to the end more is fetched. */
const NEAR_END = 20;

/** Rows of which only those in sight are in the document; headers sort where `onSort` is given. */
export function DataTable<Row extends object>({
  label,
  rows,
  rowKey,
  columns,
  visible,
  sorting,
  onSort,
  onEnd,
  footer,
  className,
  box: given,
  onScroll,
}: {
  label: string;
  rows: Row[];
  rowKey: (row: Row) => string;
  columns: Column<Row>[];
  visible?: Record<string, boolean>;
  sorting?: Sorting | undefined;
  onSort?: (sorting: Sorting) => void;
  onEnd?: () => void;
  footer?: ReactNode;
  className?: string;
  /** What scrolls. */
  box?: RefObject<HTMLElement | null>;
  onScroll?: UIEventHandler<HTMLElement>;
}) {
  const table = useTable({
    features,
    columns,
    data: rows,
    getRowId: rowKey,
    state: { sorting: sorting ? [sorting] : [], columnVisibility: visible ?? {} },
    enableSorting: onSort !== undefined,
  });
  const own = useRef<HTMLElement>(null);
  const box = given ?? own;
  const sorted = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => sorted[index]?.id ?? index,
    overscan: OVERSCAN,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= sorted.length - NEAR_END) onEnd?.();
  }, [last, sorted.length, onEnd]);
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <section
      ref={box}
      {...(onScroll && { onScroll })}
      tabIndex={0}
      aria-label={label}
      className={cn("max-h-[calc(100dvh-14rem)] min-h-40 overflow-auto", className)}
    >
      <Table aria-rowcount={sorted.length + 1}>
        <TableHeader>
          {table.getHeaderGroups().map((group) => (
            <TableRow key={group.id} className="hover:bg-transparent">
              {group.headers.map((header) => (
                <Head
                  key={header.id}
                  numeric={header.column.columnDef.meta === NUMERIC}
                  sorting={sorting?.id === header.column.id ? sorting : undefined}
                  onSort={
                    onSort && header.column.getCanSort()
                      ? () =>
                          onSort({
                            id: header.column.id,
                            desc: !(sorting?.id === header.column.id && sorting.desc),
                          })
                      : undefined
                  }
                >
                  <table.FlexRender header={header} />
                </Head>
              ))}
            </TableRow>
          ))}
        </TableHeader>
        <TableBody>
          {above > 0 && <tr aria-hidden style={{ height: above }} />}
          {items.map((item) => {
            const row = sorted[item.index];
            return row ? (
              <TableRow
                key={row.id}
                aria-rowindex={item.index + 2}
                className="relative"
                style={{ height: ROW_PX }}
              >
                {row.getVisibleCells().map((cell) => (
                  <TableCell
                    key={cell.id}
                    className={cn(
                      "max-w-80 truncate whitespace-nowrap",
                      cell.column.columnDef.meta === NUMERIC && "text-right tabular-nums",
                      cell.column.columnDef.meta === FILLING && "w-full min-w-48 max-w-0",
                    )}
                  >
                    <table.FlexRender cell={cell} />
                  </TableCell>
                ))}
              </TableRow>
            ) : null;
          })}
          {below > 0 && <tr aria-hidden style={{ height: below }} />}
        </TableBody>
      </Table>
      {footer}
    </section>
  );
}

function Head({
  numeric,
  sorting,
  onSort,
  children,
}: {
  numeric: boolean;
  sorting: Sorting | undefined;
  onSort: (() => void) | undefined;
  children: ReactNode;
}) {
  const Icon = sorting?.desc ? ArrowDown : ArrowUp;
  return (
    <TableHead
      className={cn(numeric && "text-right")}
      aria-sort={sorting ? (sorting.desc ? "descending" : "ascending") : undefined}
    >
      {onSort ? (
        <button
          type="button"
          onClick={onSort}
          className="inline-flex items-center gap-1 rounded-sm outline-none hover:text-foreground focus-visible:ring-2 focus-visible:ring-ring"
        >
          {children}
          {sorting && <Icon aria-hidden className="size-3.5" />}
        </button>
      ) : (
        children
      )}
    </TableHead>
  );
}
