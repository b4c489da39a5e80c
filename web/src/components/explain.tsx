import { Link } from "@tanstack/react-router";
import { CircleHelp } from "lucide-react";
import { type Query, toUrl } from "@/api/client";
import { Button } from "@/components/ui/button";
import { Sheet, SheetContent, SheetDescription, SheetTitle, SheetTrigger } from "@/components/ui/sheet";
import { CodeBlock } from "./code-block";

/** Where a number comes from: the request that answers it, and the events it adds up. */
export function Explain({
  what,
  explanation,
  request,
}: {
  /** Completes "Where … comes from". */
  what: string;
  explanation: string;
  request: () => { path: string; query: Query };
}) {
  return (
    <Sheet>
      <SheetTrigger asChild>
        <Button variant="ghost" size="icon" aria-label={`Where ${what} comes from`}>
          <CircleHelp aria-hidden className="text-muted-foreground" />
        </Button>
      </SheetTrigger>
      <SheetContent>
        <SheetTitle>Where {what} comes from</SheetTitle>
        <SheetDescription>{explanation}</SheetDescription>
        <Requests {...request()} />
      </SheetContent>
    </Sheet>
  );
}

function Requests({ path, query }: { path: string; query: Query }) {
  const url = location.origin + toUrl(path, query);
  const curl = `curl -H "Authorization: Bearer $METERD_API_KEY" \\\n  '${url}'`;
  const named = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const python = `import os, json, urllib.parse, urllib.request

query = urllib.parse.urlencode({
${named.map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(String(value))},`).join("\n")}
})
request = urllib.request.Request(
    "${location.origin}${path}?" + query,
    headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
)
print(json.load(urllib.request.urlopen(request)))`;
  const events = {
    from: String(query.from),
    to: String(query.to),
    ...(query.timezone ? { tz: String(query.timezone) } : {}),
    ...(query.tenant_id ? { tenant: String(query.tenant_id) } : {}),
    ...(query.resource ? { resource: String(query.resource) } : {}),
    ...(query.feature ? { feature: String(query.feature) } : {}),
  };
  return (
    <>
      <h3 className="font-medium">The request, with curl</h3>
      <CodeBlock code={curl} label="the request with curl" />
      <h3 className="font-medium">The same in Python</h3>
      <CodeBlock code={python} label="the request in Python" />
      <h3 className="font-medium">The events behind it</h3>
      <p className="text-muted-foreground">
        The number is the sum of the quantities of these events, each counted once, and equals it at every
        moment.
      </p>
      <Button asChild variant="outline" size="sm" className="self-start">
        <Link to="/events" search={events}>
          Show the events
        </Link>
      </Button>
    </>
  );
}
