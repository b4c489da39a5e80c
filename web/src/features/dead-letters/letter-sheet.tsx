import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { toast } from "sonner";
import type { DeadLetter } from "@/api/types";
import { ConfirmDelete } from "@/components/confirm";
import { JsonViewer } from "@/components/json-viewer";
import { Button } from "@/components/ui/button";
import { Sheet, SheetContent, SheetDescription, SheetTitle } from "@/components/ui/sheet";
import { formatExact } from "@/lib/number";
import { useZone } from "@/lib/search";
import { formatInstant } from "@/lib/time";
import { useDiscard } from "./api";
import { ReplayForm } from "./replay-form";

/** One dead letter: why it does not count, what it holds, and what can be done. */
export function LetterSheet({ letter, onClose }: { letter: DeadLetter; onClose: () => void }) {
  const zone = useZone();
  return (
    <Sheet open onOpenChange={(open) => !open && onClose()}>
      <SheetContent>
        <SheetTitle>Dead letter</SheetTitle>
        <SheetDescription>
          {letter.code}: {letter.detail}
        </SheetDescription>
        <p>{letter.hint}</p>
        <p className="text-muted-foreground text-xs">
          {formatInstant(letter.created_at, zone)}, partition {letter.partition}, sequence{" "}
          {formatExact(letter.seq)}
          {letter.index != null && `, record ${letter.index}`}
        </p>
        {letter.event && <JsonViewer value={letter.event} label="event" />}
        {letter.state === "open" ? (
          <>
            {letter.event && <ReplayForm letter={letter} onDone={onClose} />}
            <Discard letter={letter} onDone={onClose} />
          </>
        ) : (
          <p>
            {letter.state === "replayed" ? "Replayed" : "Discarded"}
            {letter.resolved_at && ` ${formatInstant(letter.resolved_at, zone)}`}
            {letter.replayed_as && letter.tenant_id && (
              <Link
                to="/events"
                search={{ open: letter.replayed_as, of: letter.tenant_id }}
                className="ml-2 text-primary underline-offset-4 hover:underline"
              >
                Show the event
              </Link>
            )}
          </p>
        )}
      </SheetContent>
    </Sheet>
  );
}

function Discard({ letter, onDone }: { letter: DeadLetter; onDone: () => void }) {
  const discard = useDiscard();
  const [asks, setAsks] = useState(false);
  const confirm = () =>
    discard.mutate(letter, {
      onSuccess: () => {
        toast.success("The letter is discarded.");
        onDone();
      },
    });
  return (
    <>
      <Button variant="outline" size="sm" className="self-start" onClick={() => setAsks(true)}>
        Discard
      </Button>
      {asks && (
        <ConfirmDelete
          title="Discard this letter?"
          mutation={discard}
          onConfirm={confirm}
          onClose={() => setAsks(false)}
        >
          What it stands for will not be counted. It stays in the list of those that were discarded.
        </ConfirmDelete>
      )}
    </>
  );
}
