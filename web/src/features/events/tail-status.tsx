import { ArrowUp, X } from "lucide-react";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import type { Missed as Reason, Tail } from "./tail";

/** What has arrived while someone reads further down, and whether anything can arrive. */
export function News({ tail, waits, onShow }: { tail: Tail; waits: boolean; onShow: () => void }) {
  return (
    <>
      <span role="status" className="empty:sr-only">
        {tail.connection === "lost" && <Badge variant="warning">Reconnecting…</Badge>}
      </span>
      {waits && tail.waitingCount > 0 && (
        <Button variant="outline" size="sm" onClick={onShow}>
          <ArrowUp aria-hidden /> {tail.waitingCount.toLocaleString("en")} new
        </Button>
      )}
    </>
  );
}

const WHY: Record<Reason, string> = {
  behind: "This browser was too slow for the stream",
  trimmed: "This page was without a connection for longer than the log is kept",
};

/** That events were left out of the stream; the list has them. */
export function Missed({ reason, onDismiss }: { reason: Reason; onDismiss: () => void }) {
  return (
    <p
      role="status"
      className="flex items-center justify-between gap-2 rounded-md border border-warning/40 bg-warning/10 py-1 pr-1 pl-3"
    >
      {WHY[reason]}: some events did not come by it. The list has been read anew.
      <Button variant="ghost" size="icon" aria-label="Dismiss" onClick={onDismiss}>
        <X aria-hidden />
      </Button>
    </p>
  );
}
