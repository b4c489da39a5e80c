"""Metering the tokens that a streamed answer reports, within the limit that a tenant has.

python model_server.py &
MODEL_URL=http://127.0.0.1:PORT python chat.py org_acme "How are you?"
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import meterd


@meterd.meter(
    resource="llm",
    feature="tokens",
    quantity=meterd.Result("usage.total_tokens"),
    metadata=lambda call: {"model": call.args["model"]},
    # Held while the model answers; what it really took is committed afterwards.
    check="reserve",
    estimate=lambda call: len(call.args["question"].split()) + call.args["max_tokens"],
)
def chat(
    url: str, question: str, max_tokens: int = 100, model: str = "parrot-1"
) -> Iterator[dict[str, Any]]:
    """Yields the answer's chunks. The last one says how many tokens it took. Raises DeniedError
    before the first one, if the tenant has not as many left as it could take."""
    asked = {
        "model": model,
        "stream": True,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": question}],
    }
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        for line in response:
            data = line.strip().removeprefix(b"data: ")
            if data and data != b"[DONE]":
                yield json.loads(data)


def main(tenant: str, question: str) -> None:
    with meterd.tenant(tenant):
        for chunk in chat(os.environ["MODEL_URL"], question):
            for choice in chunk["choices"]:
                print(choice["delta"]["content"], end="", flush=True)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:3])
