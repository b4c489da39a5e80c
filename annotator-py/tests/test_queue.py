"""The queue's limits: its size, the disk's, no directory at all; and every drop is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import meterd
from support import HERE, Sink, environment, eventually, run

SMALL = 1 << 20


def client(url: str, spool: Path, **settings: Any) -> meterd.Client:
    defaults: dict[str, Any] = {
        "api_key": "a-key",
        "spool_dir": spool,
        "flush_interval": 0.05,
        "default_tenant": "org_1",
        "spool_max_bytes": SMALL,
    }
    return meterd.Client(endpoint=url, **{**defaults, **settings})


def size(spool: Path) -> int:
    return sum(path.stat().st_size for path in spool.glob("*.segment"))


@pytest.mark.parametrize("on_full", ["drop_oldest", "drop_newest"])
def test_a_full_queue_drops_and_counts(sink: Sink, spool: Path, on_full: str) -> None:
    sink.fail("status", status=503)
    drops: list[int] = []
    metering = client(sink.url, spool, on_full=on_full, on_drop=drops.append)
    sent = 200_000
    for number in range(sent):
        metering.record("full", "event", number)
    # One segment more than the limit while the oldest is on its way.
    assert size(spool) <= SMALL * 5 // 4
    dropped = metering.stats()["dropped"]
    assert sent - dropped <= SMALL * 5 // 4 // 32
    assert sum(drops) == dropped > 0
    sink.fail("none")
    assert metering.flush(60)
    stats = metering.stats()
    assert (stats["recorded"], stats["delivered"] + stats["dropped"]) == (sent, sent)
    report = sink.report()
    assert report["unique"] == report["received"] == stats["delivered"]
    quantities = [event["quantity"] for event in report["events"]]
    assert quantities[-1] == sent - 1 if on_full == "drop_oldest" else quantities[-1] < sent - 1
    metering.shutdown()
    assert size(spool) == 0


def test_a_full_queue_blocks(sink: Sink, spool: Path) -> None:
    sink.fail("status", status=503)
    metering = client(sink.url, spool, on_full="block")
    done = threading.Event()

    def produce() -> None:
        for _ in range(60_000):
            metering.record("block", "event")
        done.set()

    threading.Thread(target=produce, daemon=True).start()
    limit = SMALL // 32 - 4 * 128
    eventually(lambda: metering.stats()["recorded"] > limit - 1000, "a full queue")
    assert not done.is_set()
    assert size(spool) <= SMALL
    sink.fail("none")
    assert done.wait(60)
    assert metering.flush(60)
    assert metering.stats()["dropped"] == 0
    assert sink.report()["unique"] == 60_000
    metering.shutdown()


FULL_DISK = """
import json, sys, meterd
meter = meterd.Meter("disk", "event", tenant="org_1")
for _ in range(300_000):
    meter.add()
print(json.dumps(meterd.stats()))
sys.stdout.flush()
sys.stdin.read()
flushed = meterd.flush(60)
print(json.dumps(meterd.stats()))
"""


@pytest.mark.parametrize("bytes_of_disk", [2 << 20, 64 << 10])
def test_a_full_disk(sink: Sink, tmp_path: Path, bytes_of_disk: int) -> None:
    """A disk with room for some segments, and one with room for none: no SIGBUS, exact counts."""
    disk = tmp_path / "disk"
    disk.mkdir()
    sink.fail("status", status=503)
    env = environment(sink.url, disk, spool_max_bytes=str(4 << 20), flush_interval="0.05")
    # A file system of its own, in a mount namespace of its own: it goes with the process.
    script = f'mount -t tmpfs -o size={bytes_of_disk} none "$0" && exec "$@"'
    process = subprocess.Popen(
        [
            *["unshare", "--mount", "--map-root-user", "sh", "-c"],
            *(script, disk, sys.executable, "-c", FULL_DISK),
        ],
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    full = json.loads(process.stdout.readline())
    assert full["recorded"] == 300_000
    assert full["dropped"] == 300_000 - full["pending"] > 0
    assert full["queue"] == ("disk" if bytes_of_disk > SMALL else "memory")
    sink.fail("none")
    rest, _ = process.communicate("")
    assert process.returncode == 0
    stats = json.loads(rest)
    assert stats["delivered"] == 300_000 - stats["dropped"] == sink.report()["unique"]


@pytest.mark.parametrize("place", ["read-only", "a file", "no home"])
def test_without_a_directory_the_queue_is_memory(sink: Sink, tmp_path: Path, place: str) -> None:
    spool = tmp_path / "spool"
    if place == "a file":
        spool.write_text("")
    program = """
import json, meterd
for _ in range(5000):
    meterd.record("memory", "event", tenant="t")
meterd.flush()
print(json.dumps(meterd.stats()))
"""
    env = environment(sink.url, spool)
    command = [sys.executable, "-c", program]
    if place == "read-only":
        script = (
            'mkdir "$0" && mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        )
        command = [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            script,
            str(spool),
            *command,
        ]
    if place == "no home":
        del env["METERD_SPOOL_DIR"]
        env["XDG_STATE_HOME"] = "/proc/nowhere"
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)
    assert (stats["queue"], stats["delivered"]) == ("memory", 5000)
    assert done.stderr.count("do not survive") == 1
    assert sink.report()["unique"] == 5000


def test_durability_power_syncs_every_event(sink: Sink, spool: Path) -> None:
    metering = client(sink.url, spool, durability="power")
    for _ in range(20):
        metering.record("power", "event", metadata={"wide": True})
        metering.record("power", "event")
    assert metering.flush()
    assert sink.report()["unique"] == 40
    metering.shutdown()


def test_fields_arrive_as_they_were_given(sink: Sink, spool: Path) -> None:
    from datetime import datetime, timedelta, timezone

    metering = client(sink.url, spool)
    at = datetime(2025, 11, 20, 12, 31, 0, 123456, timezone(timedelta(hours=2)))
    event_id = "0193a5b0-7c1d-7000-8000-00000000000a"
    metadata = {"user": "u_123", "text": 'é"\\\n', "n": [1, 2.5, None, True]}
    metering.record(
        "billing", "invoice_generate", 3, tenant=42, metadata=metadata, timestamp=at, id=event_id
    )
    metering.record("billing", "plain", 0, tenant="auth0|507f1f77bcf86cd799439020")
    assert metering.flush()
    wide, plain = sink.report()["events"]
    assert wide == {
        "id": event_id,
        "tenant_id": "42",
        "resource": "billing",
        "feature": "invoice_generate",
        "quantity": 3,
        "timestamp": "2025-11-20T10:31:00.123456Z",
        "metadata": metadata,
    }
    assert (plain["quantity"], plain["tenant_id"]) == (0, "auth0|507f1f77bcf86cd799439020")
    # UUIDv8: the milliseconds, the version, the variant.
    then = datetime.fromisoformat(plain["timestamp"].replace("Z", "+00:00"))
    assert int(plain["id"].replace("-", "")[:12], 16) == int(then.timestamp() * 1000)
    assert (plain["id"][14], plain["id"][19]) == ("8", plain["id"][19])
    assert plain["id"][19] in "89ab"
    metering.shutdown()


def test_bad_input_is_counted_and_raises_only_if_strict(sink: Sink, spool: Path) -> None:
    from datetime import datetime

    bad: list[dict[str, Any]] = [
        {"quantity": "many"},
        {"quantity": -1},
        {"quantity": None},
        {"tenant": "no tenant"},
        {"tenant": ""},
        {"id": "nope"},
        {"id": "00000000-0000-0000-0000-000000000000"},
        {"timestamp": datetime(2025, 1, 1)},
        {"timestamp": 1},
        {"resource": "a b"},
        {"feature": "x" * 129},
    ]
    metering = client(sink.url, spool)
    strict = client(sink.url, spool, strict=True)
    for wrong in bad:
        arguments = {"resource": "r", "feature": "f", **wrong}
        metering.record(**arguments)
        with pytest.raises(ValueError):
            strict.record(**arguments)
    with pytest.raises(ValueError):
        strict.record("r", "f", metadata={"x": object()})
    metering.record("r", "f", metadata={"x": object()})
    assert metering.stats()["invalid"] == strict.stats()["invalid"] == len(bad)
    assert metering.stats()["metadata_dropped"] == 1
    assert metering.stats()["recorded"] == 1
    for closing in (metering, strict):
        closing.shutdown()


def test_settings_are_explicit_then_environment_then_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from meterd._config import DEFAULTS, resolve

    monkeypatch.setenv("METERD_BATCH_SIZE", "17")
    monkeypatch.setenv("METERD_STRICT", "yes")
    settings = resolve({"batch_size": 18, "timeout": None})
    assert (settings["batch_size"], settings["strict"]) == (18, True)
    assert resolve({})["batch_size"] == 17
    assert resolve({})["timeout"] == DEFAULTS["timeout"]
    for wrong in (
        {"transport": "pigeon"},
        {"endpoint": "ftp://x"},
        {"batch_size": 0},
        {"batch_size": 10_001},
        {"flush_interval": 0.0},
        {"flush_interval": float("nan")},
        {"timeout": -1.0},
        {"decision_timeout": -1.0},
        {"decision_timeout": float("nan")},
        {"spool_max_bytes": 1},
        {"compression": "rar"},
        {"on_full": "explode"},
        {"durability": "eternal"},
        {"default_tenant": "no tenant"},
        {"api_key": "line\nbreak"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            meterd.Client(spool_dir=tmp_path, **wrong)
    monkeypatch.setenv("METERD_BATCH_SIZE", "seventeen")
    with pytest.raises(ValueError, match="METERD_BATCH_SIZE"):
        resolve({})
    # In the middle of a call nothing is raised: the event waits for a process that is configured.
    program = "import meterd; meterd.record('r', 'f', tenant='t'); print(meterd.stats()['pending'])"
    env = environment("http://127.0.0.1:1", tmp_path / "spool", batch_size="seventeen")
    out = run("-c", program, env={**env, "XDG_STATE_HOME": str(tmp_path)})
    assert "1\n" in out
    assert "METERD_BATCH_SIZE" in out


def test_status_and_drain_from_the_command_line(sink: Sink, spool: Path) -> None:
    env = environment(sink.url, spool)
    program = (
        "import meterd, os\nfor _ in range(7): meterd.record('r', 'f', tenant='t')\nos._exit(0)"
    )
    run("-c", program, env={**env, "METERD_ENDPOINT": "http://127.0.0.1:9"})
    status = json.loads(run("-m", "meterd", "status", env=env))
    assert (status["segments"], status["pending"]) == (1, 7)
    # Another server's events are none of this one's business.
    run("-m", "meterd", "drain", "--timeout", "6", env=env)
    assert json.loads(run("-m", "meterd", "status", env=env))["pending"] == 7
    run("-c", program, env=env)
    assert "7 events sent" in run("-m", "meterd", "drain", env=env)
    assert sink.report()["unique"] == 7
    keyless = {name: value for name, value in env.items() if name != "METERD_API_KEY"}
    assert "METERD_API_KEY" in run("-m", "meterd", "drain", env=keyless, code=2)


def test_import_is_quiet_and_cheap(tmp_path: Path) -> None:
    """It starts no thread, opens no socket, writes no file, loads nobody else's module."""
    out = run(
        HERE / "programs" / "import_audit.py", env=environment("http://127.0.0.1:1", tmp_path)
    )
    seen = json.loads(out)
    assert seen["events"] == []
    assert seen["threads"] == 1
    assert seen["strangers"] == []
    times = sorted(
        json.loads(
            run(
                HERE / "programs" / "first_event.py",
                env=environment("http://127.0.0.1:1", tmp_path),
            )
        )["cpu_ms"]
        for _ in range(5)
    )
    assert times[0] < 20, times


def test_configuring_again_changes_nothing(sink: Sink, spool: Path) -> None:
    metering = client(sink.url, spool)
    settings = {"endpoint": sink.url, "api_key": "a-key", "spool_dir": spool}
    metering.configure(**settings)
    metering.record("again", "event", tenant="t")
    threads = len(os.listdir("/proc/self/task"))
    for _ in range(10):
        metering.configure(**settings)
        metering.record("again", "event", tenant="t")
    assert len(os.listdir("/proc/self/task")) == threads
    assert len(list(spool.glob("*.segment"))) == 1
    assert metering.flush()
    assert sink.report()["unique"] == 11
    metering.shutdown()
