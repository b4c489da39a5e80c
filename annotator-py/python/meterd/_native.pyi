from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, final

from meterd._client import Stats
from meterd._tenant import Request

__version__: str

@final
class Client:
    def __new__(
        cls,
        tenant: ContextVar[str | None],
        request: ContextVar[Request | None],
        configure_late: Callable[[], None],
        dumps: Callable[[Any], str],
        log: Callable[[str], object],
    ) -> Client: ...
    def configure(
        self, settings: Mapping[str, Any], on_drop: Callable[[int], object] | None = None
    ) -> None: ...
    def flush(self, timeout: float) -> bool: ...
    def close(self, timeout: float) -> bool: ...
    def drain(self, timeout: float) -> bool: ...
    def stats(self) -> Stats: ...
    def recorded(self, clear: bool) -> list[str]: ...
    def count_invalid(self, why: str) -> None: ...

@final
class BoundMeter:
    def __new__(
        cls, client: Client, resource: str, feature: str, tenant: str | None = None
    ) -> BoundMeter: ...
    def record(self) -> None: ...
    def add(
        self,
        quantity: object,
        tenant: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None: ...

def before_fork() -> None: ...
def after_fork() -> None: ...
def pending_in(directory: str | bytes | object) -> int: ...
