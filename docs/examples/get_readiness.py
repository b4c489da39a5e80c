import json
import os
import urllib.request

with urllib.request.urlopen(os.environ["METERD_URL"] + "/readyz") as answer:
    print(json.dumps(json.load(answer), indent=2))
