import { KeyRound } from "lucide-react";
import { ApiProblem } from "@/api/client";
import { Button } from "@/components/ui/button";
import { useCreateKey } from "@/features/keys/api";
import { Secret } from "@/features/keys/secret";

/** Makes a key for the snippets below. */
export function FirstKey({ onSecret }: { onSecret: (secret: string) => void }) {
  const create = useCreateKey();
  if (create.data) {
    return (
      <div className="grid max-w-2xl gap-2">
        <Secret secret={create.data.secret} />
        <p className="text-[0.8125rem] text-muted-foreground">
          It may send events and nothing else. It is not shown again; the snippets below have it in them.
        </p>
      </div>
    );
  }
  const make = () =>
    create.mutate({ name: "first key", scopes: ["ingest"] }, { onSuccess: ({ secret }) => onSecret(secret) });
  const forbidden = create.error instanceof ApiProblem && create.error.status === 403;
  return (
    <div className="flex flex-wrap items-center gap-3">
      <Button size="sm" disabled={create.isPending} onClick={make}>
        <KeyRound aria-hidden /> Create an ingest key
      </Button>
      {create.error ? (
        <p role="alert" className="text-destructive">
          {forbidden
            ? "The key that you are logged in with may not make keys. Ask for one with the scope ingest."
            : create.error.message}
        </p>
      ) : (
        <p className="text-muted-foreground">Or use one that you have.</p>
      )}
    </div>
  );
}
