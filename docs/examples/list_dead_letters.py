import json
import os
import urllib.request

request = urllib.request.Request(
    os.environ["METERD_URL"] + "/v1/meter/dead-letters?state=open&limit=10",
    headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
