import { CodeBlock } from "@/components/code-block";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";

const SET_KEY = "export METERD_API_KEY=";

function curl(url: string): string {
  return `curl '${url}/v1/meter/events' \\
  -H "Authorization: Bearer $METERD_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"tenant_id": "org_001", "resource": "billing", "feature": "invoice_generate", "quantity": 1}'`;
}

function python(url: string): string {
  return `python3 - <<'EOF'
import json, os, urllib.request, uuid

event = {
    "id": str(uuid.uuid4()),  # sent again with the same id, it counts once
    "tenant_id": "org_001",
    "resource": "billing",
    "feature": "invoice_generate",
    "quantity": 1,
}
request = urllib.request.Request(
    "${url}/v1/meter/events",
    data=json.dumps(event).encode(),
    headers={
        "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
        "Content-Type": "application/json",
    },
)
print(json.load(urllib.request.urlopen(request)))
EOF`;
}

/** Ways to send a first event, with this server's address and the new key in them. */
export function Snippets({ secret = "…" }: { secret?: string | undefined }) {
  const snippets = [
    { id: "curl", name: "curl", code: curl(location.origin) },
    { id: "python", name: "Python", code: python(location.origin) },
  ];
  return (
    <Tabs defaultValue="curl" className="grid gap-3">
      <TabsList aria-label="Language">
        {snippets.map(({ id, name }) => (
          <TabsTrigger key={id} value={id}>
            {name}
          </TabsTrigger>
        ))}
      </TabsList>
      {snippets.map(({ id, name, code }) => (
        <TabsContent key={id} value={id} className="min-w-0">
          <CodeBlock code={`${SET_KEY}${secret}\n\n${code}`} label={`a first event with ${name}`} />
        </TabsContent>
      ))}
    </Tabs>
  );
}
