"""Middleware for any ASGI application: Starlette, FastAPI, Django, Quart, Litestar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from meterd import _client
from meterd._decision import Decision, DeniedError
from meterd._web import EXCLUDED, TENANT_HEADER, RequestMeter

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADER = TENANT_HEADER.encode()


class MeterdASGIMiddleware:
    """Records every HTTP request when its answer has been sent, and every WebSocket when it ends.

    `resource` is the service's name. `tenant(scope)` says who a request is for; without it the
    header X-Tenant-Id does. A `DeniedError` that nobody has handled is answered, unless an answer
    has begun. The other arguments are those of `meterd._web.RequestMeter`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        resource: str,
        tenant: Callable[[Scope], object] | None = None,
        excluded: Iterable[str] = EXCLUDED,
        errors: bool = False,
        client: _client.Client | None = None,
    ) -> None:
        self.app = app
        self._meter = RequestMeter(
            resource, tenant=tenant, excluded=excluded, errors=errors, client=client
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        meter = self._meter
        kind = scope["type"]
        if kind == "lifespan":
            send = self._flush_at_shutdown(send)
        if kind not in ("http", "websocket") or meter.excludes(scope["path"]):
            await self.app(scope, receive, send)
            return
        # None yet, and with a WebSocket none to come.
        status = 0 if kind == "http" else 101
        method = scope.get("method", "WS")

        def watch(message: Message) -> Awaitable[None]:
            # No coroutine of its own around the one that is awaited anyway.
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        begun = meter.begin(meter.tenant_of(scope, _header(scope)))
        try:
            await self.app(scope, receive, watch)
        except DeniedError as denied:
            if status:
                meter.record(begun[0], method, _route(scope), 500)
                raise
            await _deny(denied.decision, watch)
            meter.record(begun[0], method, _route(scope), status)
        except BaseException:
            # Whoever catches it answers 500, unless the answer had begun.
            meter.record(begun[0], method, _route(scope), max(status, 500))
            raise
        else:
            meter.record(begun[0], method, _route(scope), status or 500)
        finally:
            meter.leave(begun)

    def _flush_at_shutdown(self, send: Send) -> Send:
        """Servers end by the signal that stopped them, which leaves no time for an exit handler."""

        async def watch(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await self._meter.flush_at_exit()
            await send(message)

        return watch


async def _deny(decision: Decision, send: Send) -> None:
    status, headers, body = decision.problem()
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _header(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == _HEADER:
            text: str = value.decode("latin-1")
            return text
    return None


def _route(scope: Scope) -> str | None:
    """The template that the router left in the scope, below the prefixes of what is mounted."""
    route = scope.get("route")
    if route is None:
        return None
    path: str | None = getattr(route, "path_format", None) or getattr(route, "path", None)
    inner = scope.get("root_path")
    if not inner or path is None:
        return path
    root = scope.get("app_root_path", "")
    return f"{inner[len(root) :]}{path}" if inner.startswith(root) else path
