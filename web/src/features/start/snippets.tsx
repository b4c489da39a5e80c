import { CodeBlock } from "@/components/code-block";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";

const SET_KEY = "export METERD_API_KEY=";

function curl(url: string): string {
  return `curl '${url}/v1/meter/events' \\
  -H "Authorization: Bearer $METERD_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"tenant_id": "org_001", "resource": "billing", "feature": "invoice_generate", "quantity": 1}'`;
}

/** The wheel is that of `make wheel`; it reads key and endpoint from the environment. */
function install(url: string, also = ""): string {
  return `export METERD_ENDPOINT=${url}
${also}pip install --no-index --find-links dist meterd`;
}

function python(url: string): string {
  return `${install(url)}

cat > quickstart.py <<'EOF'
import meterd


@meterd.meter(resource="billing", feature="invoice_generate")
def process_invoice(order_id):
    print("invoice for", order_id)


meterd.set_tenant("org_001")
process_invoice("ord_456")
EOF
python quickstart.py`;
}

function fastapi(url: string): string {
  return `${install(url, "pip install fastapi uvicorn\n")}

cat > app.py <<'EOF'
import meterd.fastapi
from fastapi import FastAPI

app = FastAPI()
meterd.fastapi.install(app, resource="shop")


@app.get("/invoices/{number}")
def invoice(number: int):
    return {"number": number}
EOF
uvicorn app:app --port 8000 &
curl --retry 5 --retry-connrefused -H 'X-Tenant-Id: org_001' http://127.0.0.1:8000/invoices/1`;
}

function flask(url: string): string {
  return `${install(url, "pip install flask\n")}

cat > app.py <<'EOF'
from flask import Flask
from meterd.flask import Metering

app = Flask(__name__)
Metering(app, resource="shop")


@app.get("/invoices/<int:number>")
def invoice(number):
    return {"number": number}
EOF
flask --app app run --port 8000 &
curl --retry 5 --retry-connrefused -H 'X-Tenant-Id: org_001' http://127.0.0.1:8000/invoices/1`;
}

/** Ways to send a first event, with this server's address and the new key in them. */
export function Snippets({ secret = "…" }: { secret?: string | undefined }) {
  const snippets = [
    { id: "curl", name: "curl", code: curl(location.origin) },
    { id: "python", name: "Python", code: python(location.origin) },
    { id: "fastapi", name: "FastAPI", code: fastapi(location.origin) },
    { id: "flask", name: "Flask", code: flask(location.origin) },
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
