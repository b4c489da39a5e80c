"""Clients: the default one that every call uses unless it names another."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypedDict

from meterd import _native
from meterd._config import resolve
from meterd._tenant import REQUEST, TENANT

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_log = logging.getLogger("meterd")
_dumps = json.JSONEncoder(allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode


class Stats(TypedDict):
    """What happened to the events of this process.

    `recorded = delivered + dead_lettered + dropped + pending`; the events of dead processes that
    this one sent for them are `adopted` and `delivered`, but were never `recorded` here.
    """

    recorded: int
    pending: int
    delivered: int
    dead_lettered: int
    dropped: int
    invalid: int
    without_tenant: int
    metadata_dropped: int
    adopted: int
    denied: int
    undecided: int
    requests: int
    failures: int
    queue: str
    queue_bytes: int
    failing: bool
    last_error: str | None


class Client:
    """A queue and its delivery. Most programs use the default one, through the functions of
    `meterd`; others give a client as `client=`."""

    def __init__(self, **settings: Any) -> None:
        self._native = _native.Client(TENANT, REQUEST, self._configure_late, _dumps, _log.warning)
        self.exit_timeout = 1.0
        self.fail_open = True
        self.decision_timeout = 0.2
        # Features that nobody may use, with the transport `memory`.
        self.denied: set[str] = set()
        self.settings: dict[str, Any] | None = None
        self._configuring = threading.Lock()
        self._meters: dict[tuple[str, str], _native.BoundMeter] = {}
        if settings:
            self.configure(**settings)

    def configure(self, *, on_drop: Callable[[int], object] | None = None, **settings: Any) -> None:
        """See `meterd.configure`."""
        resolved = resolve(settings)
        self._native.configure(resolved, on_drop)
        self.settings = {**settings, "on_drop": on_drop}
        self.exit_timeout = float(resolved["exit_timeout"])
        self.fail_open = bool(resolved["fail_open"])
        self.decision_timeout = float(resolved["decision_timeout"])
        _at_exit(self)

    def configured(self) -> Client:
        """Itself, configured by the environment unless it was by hand."""
        if self.settings is None:
            self._configure_late()
        return self

    def _configure_late(self) -> None:
        """The first event came before `configure`."""
        with self._configuring:
            try:
                self.configure()
            except ValueError as error:
                # Wrong in the environment, met in the middle of a call: the events wait on the disk
                # for a process that is configured well.
                _log.error("meterd sends nothing: %s", error)
                self._native.configure(resolve({}, {}), None)

    def meter(self, resource: str, feature: str, tenant: str | None = None) -> _native.BoundMeter:
        """A meter of this client, the cheapest way to record again and again."""
        return _native.BoundMeter(self._native, resource, feature, tenant)

    def record(
        self,
        resource: str,
        feature: str,
        quantity: int = 1,
        *,
        tenant: object = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | None = None,
        id: object = None,  # noqa: A002
    ) -> None:
        """See `meterd.record`."""
        meter = self._meters.get((resource, feature))
        if meter is None:
            meter = self.meter(resource, feature)
            if len(self._meters) < _MOST_METERS:
                self._meters[resource, feature] = meter
        micros = None
        if timestamp is not None:
            micros = _micros(timestamp)
            if micros is None:
                self._native.count_invalid("timestamp must be a datetime with a time zone")
                return
        meter.add(
            quantity,
            None if tenant is None else str(tenant),
            metadata,
            micros,
            None if id is None else str(id),
        )

    def flush(self, timeout: float = 5.0) -> bool:
        """See `meterd.flush`."""
        return self._native.flush(timeout)

    async def aflush(self, timeout: float = 5.0) -> bool:
        """See `meterd.aflush`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._native.flush, timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        """See `meterd.shutdown`."""
        return self._native.close(self.exit_timeout if timeout is None else timeout)

    def drain(self, timeout: float = 30.0) -> bool:
        """Sends what dead processes left behind; false if `timeout` seconds were not enough."""
        return self._native.drain(timeout)

    def stats(self) -> Stats:
        """See `meterd.stats`."""
        return self._native.stats()

    def recorded(self, *, clear: bool = False) -> list[dict[str, Any]]:
        """What the transport `memory` recorded; with `clear` it is forgotten."""
        return [json.loads(event) for event in self._native.recorded(clear)]


# Features come from callers; beyond this many, a meter is made for each call.
_MOST_METERS = 10_000


def _micros(timestamp: object) -> int | None:
    if not isinstance(timestamp, datetime) or timestamp.utcoffset() is None:
        return None
    return (timestamp - _EPOCH) // timedelta(microseconds=1)


_closing: list[Client] = []


def _at_exit(client: Client) -> None:
    if client not in _closing:
        if not _closing:
            atexit.register(_shutdown_all)
        _closing.append(client)


def _shutdown_all() -> None:
    for client in _closing:
        client.shutdown()


os.register_at_fork(before=_native.before_fork, after_in_parent=_native.after_fork)

default = Client()
