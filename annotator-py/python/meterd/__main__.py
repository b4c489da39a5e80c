"""`python -m meterd drain|status`: what processes that are gone have left in the local queue."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from meterd import _client, _native
from meterd._config import resolve


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m meterd",
        description="The local queue of usage events. Settings come from METERD_* variables.",
        epilog="exit codes: 0 done, 1 something is left, 2 wrong arguments",
    )
    parser.add_argument("--spool-dir", help="the queue's directory (METERD_SPOOL_DIR)")
    commands = parser.add_subparsers(dest="command", required=True)
    draining = commands.add_parser("drain", help="send what dead processes left, then end")
    draining.add_argument("--timeout", type=float, default=60.0, help="seconds, 60 unless given")
    commands.add_parser("status", help="print what the queue holds as JSON")
    options = parser.parse_args(arguments)
    try:
        settings = resolve({"spool_dir": options.spool_dir})
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.command == "status":
        return _status(settings)
    return _drain(settings, options.timeout)


def _drain(settings: dict[str, Any], timeout: float) -> int:
    if settings["api_key"] is None:
        print("an API key is needed: set METERD_API_KEY", file=sys.stderr)
        return 2
    # The queue is what is to be sent, whatever the program that filled it did besides.
    client = _client.Client(**{**settings, "transport": "batch", "disabled": False})
    drained = client.drain(timeout)
    stats = client.stats()
    client.shutdown()
    print(
        f"{stats['adopted']} events sent, {stats['dead_lettered']} refused by the server"
        f" ({settings['spool_dir']})"
    )
    if not drained:
        print(f"not everything could be sent: {stats['last_error']}", file=sys.stderr)
    return 0 if drained else 1


def _status(settings: dict[str, Any]) -> int:
    directory = Path(settings["spool_dir"] or "/nonexistent")
    segments = sorted(directory.glob("*.segment"))
    letters = directory / "dead-letters.jsonl"
    lines = letters.read_bytes().count(b"\n") if letters.exists() else 0
    status = {
        "spool_dir": settings["spool_dir"],
        "segments": len(segments),
        "bytes": sum(segment.stat().st_size for segment in segments),
        "pending": _native.pending_in(directory),
        "dead_letters": lines,
    }
    print(json.dumps(status, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
