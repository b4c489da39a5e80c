import { toast } from "sonner";
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
import { useDeleteKey } from "./api";

/** Asks before a key stops working. */
export function DeleteKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const remove = useDeleteKey();
  const confirm = () =>
    remove.mutate(apiKey, {
      onSuccess: () => {
        toast.success(`The key ${apiKey.name} is deleted.`);
        onClose();
      },
    });
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()}>
      <DialogContent>
        <DialogTitle>Delete the key {apiKey.name}?</DialogTitle>
        <DialogDescription>
          Whatever uses it is refused within seconds. This cannot be undone.
          {apiKey.last_used_at === null && " It has not been used yet."}
        </DialogDescription>
        {remove.error && (
          <p role="alert" className="text-destructive">
            {remove.error.message}
          </p>
        )}
        <DialogFooter>
          <DialogClose asChild>
            <Button variant="outline">Keep it</Button>
          </DialogClose>
          <Button variant="destructive" disabled={remove.isPending} onClick={confirm}>
            Delete
          </Button>
        </DialogFooter>
      </DialogContent>
    </Dialog>
  );
}
