import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useId, useState } from "react";
import { ApiProblem, request } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Input } from "@/components/ui/input";
import { Label } from "@/components/ui/label";
import { session } from "@/lib/session";

/** Asks for a key and tries it. */
export function Login() {
  const navigate = useNavigate();
  const { next } = useSearch({ from: "/login" });
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const ids = { key: useId(), hint: useId(), problem: useId() };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    const pasted = key.trim();
    try {
      await request("/v1/meter/aggregates", { query: { window: "none" }, key: pasted });
      session.set(pasted);
      await navigate({ href: next ?? "/", replace: true });
    } catch (error) {
      setProblem(explain(error));
      setBusy(false);
    }
  };
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <title>Log in · meterd</title>
      <Card className="w-full max-w-md gap-5 p-6 shadow-sm">
        <div className="flex items-center gap-3">
          <img src="/icon.svg" alt="" width={36} height={36} />
          <div>
            <h1 className="font-semibold text-lg leading-tight">meterd</h1>
            <p className="text-muted-foreground">Who used what, how often</p>
          </div>
        </div>
        <form onSubmit={submit} className="grid gap-2">
          <Label htmlFor={ids.key}>API key</Label>
          <Input
            id={ids.key}
            type="password"
            name="meterd-api-key"
            autoComplete="off"
            autoFocus
            required
            spellCheck={false}
            placeholder="mk_…"
            className="font-mono"
            value={key}
            aria-invalid={problem !== undefined}
            aria-describedby={problem ? `${ids.problem} ${ids.hint}` : ids.hint}
            onChange={(event) => setKey(event.target.value)}
          />
          {problem && (
            <p id={ids.problem} role="alert" className="text-destructive">
              {problem}
            </p>
          )}
          <Button type="submit" disabled={busy} className="mt-1">
            {busy ? "Trying the key…" : "Log in"}
          </Button>
        </form>
        <p id={ids.hint} className="text-[0.8125rem] text-muted-foreground">
          A key with the scope <code>read</code>, or <code>admin</code> to manage keys. <code>meterd up</code>{" "}
          writes a first one to <code>admin.key</code> in its data directory and prints the path. The key
          stays in this tab and is forgotten when you close it.
        </p>
      </Card>
    </main>
  );
}

function explain(error: unknown): string {
  if (!(error instanceof ApiProblem)) return "meterd does not answer. Check that it runs, then try again.";
  switch (error.code) {
    case "invalid_key":
    case "unauthenticated":
      return "This key is not valid: mistyped, deleted or expired.";
    case "missing_scope":
      return "This key may not read. Use one with the scope read or admin.";
    default:
      return error.detail;
  }
}
