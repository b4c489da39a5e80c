import os
import urllib.request

with urllib.request.urlopen(os.environ["METERD_URL"] + "/metrics") as answer:
    print(answer.read().decode())
