import { type FormEvent, useId, useState } from "react";
import { toast } from "sonner";
import type { Changes, DeadLetter } from "@/api/types";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/input";
import { Label } from "@/components/ui/label";
import { useReplay } from "./api";

const FIELDS = {
  tenant_id: "Tenant",
  resource: "Resource",
  feature: "Feature",
  quantity: "Quantity",
  timestamp: "Time",
} as const satisfies Record<keyof Changes, string>;

type Field = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Field[];

/** What the event holds, as far as it could be read. */
function asTexts({ event }: DeadLetter): Record<Field, string> {
  return Object.fromEntries(NAMES.map((name) => [name, String(event?.[name] ?? "")])) as Record<
    Field,
    string
  >;
}

/** The letter's event as a form: what is changed is what is sent. */
export function ReplayForm({ letter, onDone }: { letter: DeadLetter; onDone: () => void }) {
  const before = asTexts(letter);
  const [texts, setTexts] = useState(before);
  const replay = useReplay();
  const id = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const changed = NAMES.filter((name) => texts[name].trim() !== before[name]);
    const changes: Changes = Object.fromEntries(
      changed.map((name) => [name, name === "quantity" ? Number(texts[name]) : texts[name].trim()]),
    );
    replay.mutate(
      { letter, changes },
      {
        onSuccess: ({ tenant_id }) => {
          toast.success(`It is in the log again, as an event of ${tenant_id}.`);
          onDone();
        },
      },
    );
  };
  return (
    <form onSubmit={submit} aria-label="Replay" className="grid grid-cols-[7rem_1fr] items-center gap-2">
      {NAMES.map((name) => (
        <div key={name} className="contents">
          <Label htmlFor={`${id}-${name}`}>{FIELDS[name]}</Label>
          <Input
            id={`${id}-${name}`}
            required
            spellCheck={false}
            {...(name === "quantity" ? { type: "number", min: 0, step: 1 } : { maxLength: 128 })}
            value={texts[name]}
            onChange={(event) => setTexts({ ...texts, [name]: event.target.value })}
          />
        </div>
      ))}
      {replay.error && (
        <p role="alert" className="col-span-2 text-destructive">
          {replay.error.message}
        </p>
      )}
      <Button type="submit" className="col-start-2 justify-self-start" disabled={replay.isPending}>
        {replay.isPending ? "Replaying…" : "Replay"}
      </Button>
    </form>
  );
}
