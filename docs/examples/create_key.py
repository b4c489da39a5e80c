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


key = call(
    "POST",
    "/v1/meter/keys",
    {"name": "billing service", "scopes": ["ingest"], "tenant_id": "org_001"},
)
print(json.dumps(key, indent=2))
