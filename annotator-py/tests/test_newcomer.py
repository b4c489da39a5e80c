"""The README's way to a metered program, in a fresh virtual environment, with a clock."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support import REPOSITORY, TARGET, Meterd


def test_from_nothing_to_a_visible_event(
    meterd: Meterd, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "newcomer", TARGET / "python-tests"],
        env={**os.environ, "METERD_URL": meterd.url, "METERD_DATA_DIR": str(meterd.home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    with capsys.disabled():
        print(done.stdout, end="")
    assert "invoice for ord_456" in done.stdout
