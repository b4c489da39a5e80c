import json
import os
import urllib.request


def call(method, path, body=None):
    request = urllib.request.Request(
        os.environ["METERD_URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


answer = call(
    "POST",
    "/v1/meter/validate",
    {"tenant_id": "org_001", "feature": "invoice_generate", "quantity": 1, "mode": "check"},
)
print(json.dumps(answer, indent=2))
