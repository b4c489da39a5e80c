"""Formatting, lints and types of the package, its tests, its examples and its benchmark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import REPOSITORY

OURS = [
    "annotator-py/python",
    "annotator-py/tests",
    "bench/annotator.py",
    "examples/fastapi_invoices",
    "examples/flask_shop",
    "examples/llm_tokens",
    "scripts/newcomer",
]


@pytest.mark.parametrize("command", ["ruff format --check", "ruff check"])
def test_ruff(command: str, tmp_path: Path) -> None:
    cache = f"--cache-dir={tmp_path}"
    check("-m", *command.split(), cache, *OURS, directory=REPOSITORY)


def test_mypy(tmp_path: Path) -> None:
    check("-m", "mypy", f"--cache-dir={tmp_path}", directory=REPOSITORY / "annotator-py")


def check(*command: str, directory: Path) -> None:
    done = subprocess.run([sys.executable, *command], cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
