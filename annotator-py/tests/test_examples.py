"""An example with the real server: a model's tokens, held before and counted as they were used."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from meterd import Client, DeniedError, tenant
from meterd import _client as clients
from support import REPOSITORY, Meterd

EXAMPLE = REPOSITORY / "examples" / "llm_tokens"


def test_tokens_are_held_and_counted_as_used(
    meterd: Meterd, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(endpoint=meterd.url, api_key=meterd.key, spool_dir=spool, decision_timeout=30.0)
    monkeypatch.setattr(clients, "default", client)
    spec = importlib.util.spec_from_file_location("chat", EXAMPLE / "chat.py")
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    model = subprocess.Popen(
        [sys.executable, EXAMPLE / "model_server.py"], stdout=subprocess.PIPE, text=True
    )
    assert model.stdout is not None
    url = model.stdout.readline().strip()
    meterd.limit("tokens", 20, tenant_id="org_chat")
    try:
        with tenant("org_chat"):
            answer = example.chat(url, "one two three", max_tokens=10)
            next(answer)
            assert meterd.left("org_chat", "tokens") == 20 - 13
            list(answer)
            assert meterd.left("org_chat", "tokens") == 20 - 6
            with pytest.raises(DeniedError):
                next(example.chat(url, "one two three", max_tokens=12))
    finally:
        model.kill()
        model.communicate()
    assert client.flush()
    assert meterd.left("org_chat", "tokens") == 20 - 6
    client.shutdown()
