import json
import os
import urllib.request

events = [
    {
        "id": "0193a5b0-7c1d-7000-8000-0000000000e1",
        "tenant_id": "org_001",
        "resource": "billing",
        "feature": "invoice_generate",
        "quantity": 1,
        "timestamp": "2025-11-20T10:31:00Z",
        "metadata": {"user": "u_123"},
    }
]
request = urllib.request.Request(
    os.environ["METERD_URL"] + "/v1/meter/events",
    data=json.dumps(events).encode(),
    headers={
        "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
        "Content-Type": "application/json",
    },
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
