"""Processes for the tests: the sink, a real meterd, and programs that meter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
METERD = TARGET / "release" / "meterd"

T = TypeVar("T")


def eventually(probe: Callable[[], T | None], what: str, within: float = 30.0) -> T:
    """What `probe` says once it says something other than None or False."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.02)


def http(
    url: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10.0,
    method: str | None = None,
) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json", **(headers or {})}, method=method
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.loads(response.read() or b"null")


class Sink:
    """The server of sink.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "sink.py"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def fail(self, mode: str, **how: Any) -> None:
        http(f"{self.url}/fail", {"mode": mode, **how})

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = http(f"{self.url}/report")
        return report

    def has(self, unique: int, within: float = 30.0) -> dict[str, Any]:
        """The report once there are `unique` events."""
        return eventually(
            lambda: report if (report := self.report())["unique"] >= unique else None,
            f"{unique} events in the sink",
            within,
        )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Meterd:
    """A real `meterd up` with servers of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [METERD, "up", "--data-dir", home, "--listen", "127.0.0.1:0"],
            cwd=REPOSITORY,
            # Several may run at once, on a disk that others fill too.
            env={**os.environ, "METERD_LOG_MAX_BYTES": str(1 << 28)},
            stdout=subprocess.DEVNULL,
            stderr=(home.parent / "meterd.log").open("w"),
        )
        ready = eventually(self._ready, "meterd up", 120)
        self.url: str = ready["url"]
        self.key = (home / "admin.key").read_text().strip()

    def _ready(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, (self.home.parent / "meterd.log").read_text()
        try:
            found: dict[str, Any] = json.loads((self.home / "ready.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def get(self, path: str) -> Any:
        return http(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"})

    def limit(self, feature: str, limit: int, **quota: Any) -> None:
        """Sets a quota of a feature, every tenant's unless `tenant_id` says whose."""
        quota = {"tenant_id": "*", "feature": feature, "limit": limit, "period": "yearly", **quota}
        headers = {"Authorization": f"Bearer {self.key}"}
        http(f"{self.url}/v1/meter/quotas", quota, headers, 30, "PUT")

    def left(self, tenant: str, feature: str) -> int:
        """Units that a tenant may still use."""
        body = {"tenant_id": tenant, "feature": feature}
        headers = {"Authorization": f"Bearer {self.key}"}

        def ask() -> tuple[int] | None:
            try:
                return (http(f"{self.url}/v1/meter/validate", body, headers)["remaining"],)
            except urllib.error.HTTPError as error:
                # It does not know in time; a machine that is busy with tests may be slow.
                if error.code != 503:
                    raise
                return None

        return eventually(ask, "a decision")[0]

    def total(self, resource: str) -> tuple[int, int]:
        """Quantity and count of a resource's events in the last day."""
        rows = self.get(f"/v1/meter/aggregates?window=day&resource={resource}")["data"]
        return (
            sum(row["total_quantity"] for row in rows),
            sum(row["event_count"] for row in rows),
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def counted(meterd: Meterd, resource: str, at_least: int) -> int:
    """How many events the server has counted once these are among them."""

    def count() -> int | None:
        now = meterd.total(resource)[1]
        return now if now >= at_least else None

    return eventually(count, f"{at_least} events counted")


def environment(endpoint: str, spool: Path, **settings: str) -> dict[str, str]:
    """For a program that meters. The key is the sink's; a real server's is given."""
    given = {f"METERD_{name.upper()}": value for name, value in settings.items()}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("METERD_")},
        "METERD_ENDPOINT": endpoint,
        "METERD_API_KEY": "a-key",
        "METERD_SPOOL_DIR": str(spool),
        "PYTHONPATH": str(HERE / "programs"),
        **given,
    }


def python(*arguments: Any, env: dict[str, str], **how: Any) -> subprocess.Popen[str]:
    """Starts Python with text pipes."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **how,
    )


def run(*arguments: Any, env: dict[str, str], within: float = 60.0, code: int = 0) -> str:
    """Runs Python to its end and returns its output."""
    process = python(*arguments, env=env)
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, f"{process.returncode}\n{out}\n{err}"
    return out + err


def drain(env: dict[str, str], within: float = 60.0) -> str:
    """Sends what dead processes left."""
    return run("-m", "meterd", "drain", "--timeout", "30", env=env, within=within)
