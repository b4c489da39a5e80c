"""FastAPI and Starlette: `meterd.fastapi.install(app, resource="shop")`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from meterd import _client
from meterd._web import EXCLUDED
from meterd.asgi import MeterdASGIMiddleware, Scope


class _Application(Protocol):
    def add_middleware(self, middleware_class: Any, /, **options: Any) -> None: ...


def install(
    app: _Application,
    *,
    resource: str,
    tenant: Callable[[Scope], object] | None = None,
    excluded: Iterable[str] = EXCLUDED,
    errors: bool = False,
    client: _client.Client | None = None,
) -> None:
    """Records every request of `app`; see `MeterdASGIMiddleware`. A dependency or a handler that
    knows the tenant calls `meterd.set_tenant`. A `DeniedError` of a handler is answered."""
    app.add_middleware(
        MeterdASGIMiddleware,
        resource=resource,
        tenant=tenant,
        excluded=excluded,
        errors=errors,
        client=client,
    )
