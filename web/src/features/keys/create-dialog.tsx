import { Plus } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import type { Scope } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/checkbox";
import {
  Dialog,
  DialogContent,
  DialogDescription,
  DialogFooter,
  DialogTitle,
  DialogTrigger,
} from "@/components/ui/dialog";
import { Input } from "@/components/ui/input";
import { Label } from "@/components/ui/label";
import { NativeSelect } from "@/components/ui/native-select";
import { useCreateKey } from "./api";
import { NewKey } from "./secret";

const SCOPES: Record<Scope, string> = {
  ingest: "send events",
  read: "read events and usage",
  validate: "ask whether a quota allows something",
  admin: "everything, and manage keys",
};

const DAY_MS = 86_400_000;
const LIFETIMES: [label: string, days: number | null][] = [
  ["never", null],
  ["in 30 days", 30],
  ["in 90 days", 90],
  ["in a year", 365],
];

/** Makes a key and shows its secret, once. */
export function CreateKey() {
  const [open, setOpen] = useState(false);
  const create = useCreateKey();
  const change = (next: boolean) => {
    setOpen(next);
    if (!next) create.reset();
  };
  return (
    <Dialog open={open} onOpenChange={change}>
      <DialogTrigger asChild>
        <Button size="sm">
          <Plus aria-hidden /> Create a key
        </Button>
      </DialogTrigger>
      <DialogContent>
        {create.data ? (
          <NewKey created={create.data} onDone={() => change(false)} />
        ) : (
          <>
            <DialogTitle>Create a key</DialogTitle>
            <DialogDescription>
              Give each program a key of its own, and no more than it needs.
            </DialogDescription>
            <KeyForm create={create} />
          </>
        )}
      </DialogContent>
    </Dialog>
  );
}

function KeyForm({ create }: { create: ReturnType<typeof useCreateKey> }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["ingest"]);
  const [tenant, setTenant] = useState("");
  const [days, setDays] = useState<string>("");
  const ids = { name: useId(), tenant: useId(), expiry: useId(), scopes: useId() };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate({
      name: name.trim(),
      scopes,
      ...(tenant.trim() && { tenant_id: tenant.trim() }),
      ...(days && { expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() }),
    });
  };
  return (
    <form onSubmit={submit} className="grid gap-4">
      <div className="grid gap-1.5">
        <Label htmlFor={ids.name}>Name</Label>
        <Input
          id={ids.name}
          required
          maxLength={128}
          placeholder="billing service"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </div>
      <fieldset className="grid gap-2">
        <legend className="mb-1.5 font-medium text-[0.8125rem]">It may</legend>
        {(Object.keys(SCOPES) as Scope[]).map((scope) => (
          <Label key={scope} className="flex items-center gap-2.5 font-normal">
            <Checkbox
              checked={scopes.includes(scope)}
              onCheckedChange={(checked) =>
                setScopes(checked === true ? [...scopes, scope] : scopes.filter((other) => other !== scope))
              }
            />
            <span>
              <span className="font-medium">{scope}</span>
              <span className="text-muted-foreground">: {SCOPES[scope]}</span>
            </span>
          </Label>
        ))}
      </fieldset>
      <div className="grid gap-1.5">
        <Label htmlFor={ids.tenant}>Only for the tenant</Label>
        <Input
          id={ids.tenant}
          maxLength={128}
          placeholder="all tenants"
          spellCheck={false}
          value={tenant}
          onChange={(event) => setTenant(event.target.value)}
        />
      </div>
      <div className="grid gap-1.5">
        <Label htmlFor={ids.expiry}>Expires</Label>
        <NativeSelect id={ids.expiry} value={days} onChange={(event) => setDays(event.target.value)}>
          {LIFETIMES.map(([label, lifetime]) => (
            <option key={label} value={lifetime ?? ""}>
              {label}
            </option>
          ))}
        </NativeSelect>
      </div>
      {create.error && (
        <p role="alert" className="text-destructive">
          {create.error.message}
        </p>
      )}
      <DialogFooter>
        <Button type="submit" disabled={create.isPending || scopes.length === 0}>
          {create.isPending ? "Creating…" : "Create"}
        </Button>
      </DialogFooter>
    </form>
  );
}
