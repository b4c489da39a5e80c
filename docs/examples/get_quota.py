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
    {"tenant_id": "org_002", "feature": "export", "limit": 5, "period": "daily"},
)
print(json.dumps(call("GET", "/v1/meter/quotas/" + quota["id"]), indent=2))
