"""Sends usage with the official CloudEvents SDK in each mode; prints what is answered, a line each."""

import json
import os
import sys
import urllib.request
from datetime import UTC, datetime

from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent


def event(number: int, event_id: str) -> CloudEvent:
    attributes = {
        "id": event_id,
        "source": "/printers/ü 3",
        "type": "com.example.pdf",
        "subject": "auth0|org%1",
        "time": datetime(2025, 11, 20, 10, 31, tzinfo=UTC),
        "datacontenttype": "application/json",
        "extension": "passed over",
    }
    return CloudEvent(attributes, {"feature": "render", "quantity": number, "colour": "grün"})


def send(headers: dict[str, str], body: bytes) -> None:
    key = {"Authorization": f"Bearer {os.environ['METERD_API_KEY']}"}
    request = urllib.request.Request(sys.argv[1] + "/v1/meter/events", body, headers | key)
    with urllib.request.urlopen(request) as answer:
        print(answer.read().decode())


structured = http.to_structured_event(event(1, "A-1"))
send(structured.headers, structured.body)
binary = http.to_binary_event(event(2, "0193a5b0-7c1d-7000-8000-00000000000a"))
send(binary.headers, binary.body)
# The SDK has no batches; one is an array of what it makes.
batch = [json.loads(http.to_structured_event(event(n, f"A-{n}")).body) for n in (3, 4)]
send({"Content-Type": "application/cloudevents-batch+json"}, json.dumps(batch).encode())
# In another mode it is the same event.
again = http.to_binary_event(event(1, "A-1"))
send(again.headers, again.body)
