import json
import os
import urllib.parse
import urllib.request

query = urllib.parse.urlencode(
    {
        "window": "day",
        "timezone": "Asia/Kolkata",
        "group_by": "tenant_id,feature",
        "from": "2025-11-19T18:30:00Z",
        "to": "2025-11-21T18:30:00Z",
    }
)
request = urllib.request.Request(
    os.environ["METERD_URL"] + "/v1/meter/aggregates?" + query,
    headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
