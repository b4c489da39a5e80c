"""The code in docs/python.md runs as it stands, and the bars of the benchmark hold."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import meterd
from meterd.pytest import Metered
from support import REPOSITORY


def blocks() -> list[str]:
    text = (REPOSITORY / "docs" / "python.md").read_text()
    return [part.partition("\n```")[0] for part in text.split("```python\n")[1:]]


def test_the_documentation_is_true(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[object] = []
    scope: dict[str, object] = {"meterd": meterd}
    code = blocks()
    assert len(code) == 6
    for block in code:
        # The first block names a server that is not there; the rest records into the fixture.
        if "meterd.configure" in block:
            monkeypatch.setattr(meterd, "configure", lambda **given: configured.append(given))
        exec(compile(block, "docs/python.md", "exec"), scope)
    assert len(configured) == 1
    assert metered.total("storage", "load") == 3
    assert metered.total("llm", "tokens") == 6 + 312 + 812
    assert metered.total("exports", "rows") == 1200
    assert metered.total("billing", "invoice_generate", tenant="org_002") == 1
    meterd._tenant.TENANT.set(None)
    metered.clear()
    test = scope["test_an_invoice_is_metered"]
    assert callable(test)
    test(metered)


def test_the_tests_that_the_documentation_names_are_there() -> None:
    text = (REPOSITORY / "docs" / "python.md").read_text()
    named = re.findall(r"(?:::test|…)(_\w+)`", text)
    assert len(named) > 20
    tests = "".join(path.read_text() for path in (REPOSITORY / "annotator-py/tests").glob("test_*"))
    assert [name for name in named if f"{name}(" not in tests] == []


def test_stubs_say_what_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "meterd._native", "--ignore-missing-stub"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bars_hold() -> None:
    """Machines of continuous integration are shared: there a bar may be missed by a half."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "bench" / "annotator.py", "--gate", "1.5"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
