import { type FormEvent, useId, useState } from "react";
import type { ApiKey } from "@/api/types";
import { Button } from "@/components/ui/button";
import {
  Dialog,
  DialogClose,
  DialogContent,
  DialogDescription,
  DialogFooter,
  DialogTitle,
} from "@/components/ui/dialog";
import { Label } from "@/components/ui/label";
import { NativeSelect } from "@/components/ui/native-select";
import { useRotateKey } from "./api";
import { NewKey } from "./secret";

const DAY_SECONDS = 86_400;
const OVERLAPS: [label: string, seconds: number][] = [
  ["is refused at once", 0],
  ["works for another hour", 3_600],
  ["works for another day", DAY_SECONDS],
  ["works for another week", 7 * DAY_SECONDS],
];

/** Makes a key in the place of another one, which goes on for a while. */
export function RotateKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const rotate = useRotateKey();
  const [seconds, setSeconds] = useState(DAY_SECONDS);
  const id = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rotate.mutate({ key: apiKey, overlap: { overlap_seconds: seconds } });
  };
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()}>
      <DialogContent>
        {rotate.data ? (
          <NewKey created={rotate.data} onDone={onClose} />
        ) : (
          <>
            <DialogTitle>Rotate the key {apiKey.name}?</DialogTitle>
            <DialogDescription>
              A new key takes its place and may do the same. Change over to it while the old one still works.
            </DialogDescription>
            <form onSubmit={submit} className="grid gap-4">
              <div className="grid gap-1.5">
                <Label htmlFor={id}>The old key</Label>
                <NativeSelect
                  id={id}
                  value={seconds}
                  onChange={(event) => setSeconds(Number(event.target.value))}
                >
                  {OVERLAPS.map(([label, overlap]) => (
                    <option key={overlap} value={overlap}>
                      {label}
                    </option>
                  ))}
                </NativeSelect>
              </div>
              {rotate.error && (
                <p role="alert" className="text-destructive">
                  {rotate.error.message}
                </p>
              )}
              <DialogFooter>
                <DialogClose asChild>
                  <Button variant="outline">Cancel</Button>
                </DialogClose>
                <Button type="submit" disabled={rotate.isPending}>
                  {rotate.isPending ? "Rotating…" : "Rotate"}
                </Button>
              </DialogFooter>
            </form>
          </>
        )}
      </DialogContent>
    </Dialog>
  );
}
