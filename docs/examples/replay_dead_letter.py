import json
import os
import urllib.request

URL = os.environ["METERD_URL"] + "/v1/meter/dead-letters"
HEADERS = {
    "Authorization": "Bearer " + os.environ["METERD_API_KEY"],
    "Content-Type": "application/json",
}

with urllib.request.urlopen(urllib.request.Request(URL, headers=HEADERS)) as answer:
    letter = json.load(answer)["data"][0]
change = json.dumps({"quantity": 1}).encode()
request = urllib.request.Request(f"{URL}/{letter['id']}/replay", data=change, headers=HEADERS)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer), indent=2))
