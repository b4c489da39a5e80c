import json
import os
import urllib.parse
import urllib.request

query = urllib.parse.urlencode(
    {
        "search": "org_",
        "from": "2025-11-20T00:00:00Z",
        "to": "2025-11-21T00:00:00Z",
    }
)
request = urllib.request.Request(
    os.environ["METERD_URL"] + "/v1/meter/tenants?" + query,
    headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
