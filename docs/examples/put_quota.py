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


quota = call(
    "PUT",
    "/v1/meter/quotas",
    {
        "tenant_id": "org_001",
        "feature": "invoice_generate",
        "limit": 100,
        "period": "monthly",
        "timezone": "Europe/Berlin",
        "alert_threshold": 80,
    },
)
print(json.dumps(quota, indent=2))
