"""Meter Python functions and web services.

    import meterd

    meterd.configure(endpoint="http://127.0.0.1:8686", api_key="...")

    @meterd.meter(resource="billing", feature="invoice_generate")
    def process_invoice(order_id): ...

Events are written to a local queue that survives the process, and delivered in the background.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from meterd import _client
from meterd._call import Arg, Call, Result
from meterd._client import Client, Stats
from meterd._decision import Decision, DeniedError, Reservation, avalidate, reserve, validate
from meterd._meter import Block, Metering, meter
from meterd._native import __version__
from meterd._tenant import current_tenant, set_tenant, tenant

__all__ = [
    "Arg",
    "Block",
    "Call",
    "Client",
    "Decision",
    "DeniedError",
    "Meter",
    "Metering",
    "Reservation",
    "Result",
    "Stats",
    "__version__",
    "aflush",
    "avalidate",
    "configure",
    "current_tenant",
    "flush",
    "meter",
    "record",
    "reserve",
    "set_tenant",
    "shutdown",
    "stats",
    "tenant",
    "validate",
]


def configure(
    *,
    endpoint: str | None = None,
    api_key: str | None = None,
    transport: Literal["batch", "async", "sync", "memory", "noop"] | None = None,
    batch_size: int | None = None,
    batch_bytes: int | None = None,
    flush_interval: float | None = None,
    max_retries: int | None = None,
    timeout: float | None = None,
    compression: Literal["zstd", "gzip", "none"] | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_max_bytes: int | None = None,
    durability: Literal["process", "power"] | None = None,
    on_full: Literal["drop_oldest", "drop_newest", "block"] | None = None,
    exit_timeout: float | None = None,
    default_tenant: str | None = None,
    disabled: bool | None = None,
    strict: bool | None = None,
    fail_open: bool | None = None,
    decision_timeout: float | None = None,
    on_drop: Callable[[int], object] | None = None,
) -> None:
    """Configures the default client. What is None is read from METERD_<NAME> in the environment,
    else it is the default; the same call again changes nothing. Raises ValueError.

    - `endpoint`: the server's URL, http://127.0.0.1:8686. `api_key`: without one, events wait.
    - `transport`: `batch` sends batches; `async` sends every event at once; `sync` returns when the
      server has the event, or failed; `memory` keeps events for tests; `noop` does nothing.
    - `batch_size` (1000 events), `batch_bytes` (524288 bytes of JSON), `flush_interval` (1.0 s):
      the first that is reached sends a batch. `compression`: `zstd`, `gzip` or `none`.
    - `max_retries` (3) times a failed request is sent again, each at most `timeout` (5.0 s) long;
      then its events stay in the queue and the server is probed.
    - `spool_dir`: the queue's directory, $XDG_STATE_HOME/meterd. `spool_max_bytes` (2**28, of all
      processes together; an event takes 32 bytes). `on_full`: `drop_oldest`, `drop_newest` or
      `block`; `on_drop(count)` is called after events were dropped.
    - `durability`: events survive the process; with `power` a power cut too, and a call takes as
      long as the disk.
    - `exit_timeout` (1.0 s): how long the end of the process may wait for the server.
    - `default_tenant`: where no other is set. `disabled`: like `noop`. `strict`: bad input raises.
    - `fail_open` (True): whether a tenant may use more where nobody can say so within
      `decision_timeout` (0.2 s; the server's own deadline is 0.15 s).
    """
    settings = {name: value for name, value in locals().items() if name != "on_drop"}
    _client.default.configure(on_drop=on_drop, **settings)


def record(
    resource: str,
    feature: str,
    quantity: int = 1,
    *,
    tenant: object = None,
    metadata: Mapping[str, Any] | None = None,
    timestamp: datetime | None = None,
    id: object = None,  # noqa: A002
    client: Client | None = None,
) -> None:
    """Records one event. `tenant` is the context's unless it is given; `timestamp` (with a time
    zone) is now; `id` (a UUID) is made here. Bad input is counted in `stats()`, never raised,
    unless the client is strict."""
    chosen = client or _client.default
    chosen.record(
        resource, feature, quantity, tenant=tenant, metadata=metadata, timestamp=timestamp, id=id
    )


class Meter:
    """What is recorded again and again: `Meter("llm", "tokens").add(812)`."""

    __slots__ = ("_add",)

    def __init__(
        self,
        resource: str,
        feature: str,
        *,
        tenant: object = None,
        client: Client | None = None,
    ) -> None:
        name = None if tenant is None else str(tenant)
        self._add = (client or _client.default).meter(resource, feature, name).add

    def add(self, quantity: int = 1, /, **metadata: Any) -> None:
        """Records `quantity` units, with metadata if there is any."""
        self._add(quantity, None, metadata or None)


def flush(timeout: float = 5.0) -> bool:
    """Waits until what was recorded so far is with the server; false after `timeout` seconds."""
    return _client.default.flush(timeout)


async def aflush(timeout: float = 5.0) -> bool:
    """`flush`, without blocking the event loop."""
    return await _client.default.aflush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """Flushes for `timeout` seconds (`exit_timeout` unless given) and stops the thread; what was
    not sent stays queued. Runs by itself at exit. A later event starts everything again."""
    return _client.default.shutdown(timeout)


def stats() -> Stats:
    """What happened to the events of this process so far."""
    return _client.default.stats()


def __getattr__(name: str) -> Any:
    # Frameworks' modules are loaded by those who use them.
    if name == "MeterdASGIMiddleware":
        from meterd.asgi import MeterdASGIMiddleware

        return MeterdASGIMiddleware
    if name == "MeterdWSGIMiddleware":
        from meterd.wsgi import MeterdWSGIMiddleware

        return MeterdWSGIMiddleware
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
