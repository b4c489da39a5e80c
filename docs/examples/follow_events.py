import itertools
import os
import urllib.request

request = urllib.request.Request(
    os.environ["METERD_URL"] + "/v1/meter/events/stream?tenant_id=org_001",
    headers={"Authorization": "Bearer " + os.environ["METERD_API_KEY"]},
)
with urllib.request.urlopen(request) as answer:
    for line in itertools.islice(answer, 4):
        print(line.decode().rstrip())
