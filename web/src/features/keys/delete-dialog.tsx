import { toast } from "sonner";
import type { ApiKey } from "@/api/types";
import { ConfirmDelete } from "@/components/confirm";
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
    <ConfirmDelete
      title={`Delete the key ${apiKey.name}?`}
      mutation={remove}
      onConfirm={confirm}
      onClose={onClose}
    >
      Whatever uses it is refused within seconds. This cannot be undone.
      {apiKey.last_used_at === null && " It has not been used yet."}
    </ConfirmDelete>
  );
}
