import json
import os
import urllib.request
import uuid


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


reservation = str(uuid.uuid4())
call(
    "POST",
    "/v1/meter/validate",
    {
        "tenant_id": "org_003",
        "feature": "tokens",
        "quantity": 500,
        "mode": "reserve",
        "id": reservation,
    },
)
answer = call("POST", f"/v1/meter/reservations/{reservation}/commit", {"tenant_id": "org_003", "quantity": 420})
print(json.dumps(answer, indent=2))
