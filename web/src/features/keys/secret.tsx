import type { CreatedApiKey } from "@/api/types";
import { CopyButton } from "@/components/copy-button";
import { Button } from "@/components/ui/button";
import { DialogDescription, DialogFooter, DialogTitle } from "@/components/ui/dialog";
import { Input } from "@/components/ui/input";

/** A key that is shown this once. */
export function Secret({ secret }: { secret: string }) {
  return (
    <div className="flex items-center gap-2">
      <Input
        readOnly
        aria-label="The new key"
        className="font-mono text-xs"
        value={secret}
        onFocus={(event) => event.target.select()}
      />
      <CopyButton text={secret} label="Copy the key">
        Copy
      </CopyButton>
    </div>
  );
}

/** What a dialog shows when a key has been made. */
export function NewKey({ created, onDone }: { created: CreatedApiKey; onDone: () => void }) {
  return (
    <>
      <DialogTitle>{created.name}</DialogTitle>
      <DialogDescription>Copy the key now: it is not stored and will not be shown again.</DialogDescription>
      <Secret secret={created.secret} />
      <DialogFooter>
        <Button onClick={onDone}>Done</Button>
      </DialogFooter>
    </>
  );
}
