import json
import os
import urllib.request

URL = os.environ["METERD_URL"] + "/v1/meter/dead-letters"
HEADERS = {"Authorization": "Bearer " + os.environ["METERD_API_KEY"]}

with urllib.request.urlopen(urllib.request.Request(URL, headers=HEADERS)) as answer:
    letter = json.load(answer)["data"][0]
request = urllib.request.Request(f"{URL}/{letter['id']}", method="DELETE", headers=HEADERS)
urllib.request.urlopen(request).close()
