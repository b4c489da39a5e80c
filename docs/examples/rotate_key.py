import json
import os
import urllib.request

URL = os.environ["METERD_URL"] + "/v1/meter/keys"
HEADERS = {
    "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
    "Content-Type": "application/json",
}


def post(url, body):
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=HEADERS)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


old = post(URL, {"name": "rotated", "scopes": ["ingest"]})
new = post(f"{URL}/{old['id']}/rotate", {"overlap_seconds": 3600})
print(json.dumps(new, indent=2))
