from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import meterd
from meterd.pytest import Metered

HERE = Path(__file__).parent


@pytest.fixture
def model_url() -> Iterator[str]:
    """The model server, in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, HERE / "model_server.py"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.kill()
    server.communicate()


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("chat", HERE / "chat.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_stream_counts_the_tokens_it_reports(
    model_url: str, example: Any, metered: Metered, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("MODEL_URL", model_url)
    example.main("org_acme", "one two three")
    assert capsys.readouterr().out == "one two three \n"
    (event,) = metered.events
    assert (event["tenant_id"], event["quantity"]) == ("org_acme", 6)
    assert event["metadata"] == {"model": "parrot-1"}


def test_without_tokens_left_the_model_is_not_asked(
    example: Any, metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered.deny("tokens")
    # Nobody is there who could be asked.
    monkeypatch.setenv("MODEL_URL", "http://127.0.0.1:9")
    with pytest.raises(meterd.DeniedError):
        example.main("org_acme", "one two three")
    assert metered.events == []


def test_a_reader_that_leaves_early_reported_nothing(
    model_url: str, example: Any, metered: Metered
) -> None:
    answer = example.chat(model_url, "one two three")
    next(answer)
    # The server has not said yet what it took: there is no number to meter, and that is counted.
    with pytest.raises(ValueError, match="quantity"):
        answer.close()
    assert metered.events == []
