"""Middleware for any WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, TypeAlias

from meterd import _client
from meterd._decision import DeniedError
from meterd._tenant import Request
from meterd._web import EXCLUDED, RequestMeter

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
WSGIApp: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_HEADER = "HTTP_X_TENANT_ID"


class MeterdWSGIMiddleware:
    """Records every request when its answer has been sent.

    WSGI has no place for the template of the route that matched: `route(environ)` says it when the
    answer begins. `tenant(environ)` says who a request is for; without it the header X-Tenant-Id
    does. A `DeniedError` that nobody has handled is answered, unless an answer has begun.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        resource: str,
        tenant: Callable[[Environ], object] | None = None,
        route: Callable[[Environ], str | None] = lambda _: None,
        excluded: Iterable[str] = EXCLUDED,
        errors: bool = False,
        client: _client.Client | None = None,
    ) -> None:
        self.app = app
        self._route = route
        self._meter = RequestMeter(
            resource, tenant=tenant, excluded=excluded, errors=errors, client=client
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        meter = self._meter
        if meter.excludes(environ.get("PATH_INFO", "")):
            return self.app(environ, start_response)
        begun = meter.begin(meter.tenant_of(environ, environ.get(_HEADER)))
        answer = _Answer(meter, self._route, begun[0], environ, start_response)
        try:
            answer.body = self.app(environ, answer.start)
        except DeniedError as denied:
            if answer.status:
                answer.record()
                raise
            status, headers, body = denied.decision.problem()
            line = f"{status} {HTTPStatus(status).phrase}"
            answer.start(line, list(headers.items()))
            answer.body = [body]
        except BaseException:
            # Whoever catches it answers 500.
            answer.status = "500"
            answer.record()
            raise
        finally:
            meter.leave(begun)
        return answer


class _Answer:
    """An answer on its way; the request has ended when the server closes it."""

    __slots__ = (
        "_environ",
        "_meter",
        "_request",
        "_route",
        "_start_response",
        "_template",
        "body",
        "status",
    )

    def __init__(
        self,
        meter: RequestMeter,
        route: Callable[[Environ], str | None],
        request: Request,
        environ: Environ,
        start_response: StartResponse,
    ) -> None:
        self._meter: RequestMeter | None = meter
        self._route = route
        self._request = request
        self._environ = environ
        self._start_response = start_response
        # Empty until the answer begins.
        self.status = ""
        self.body: Iterable[bytes] = ()
        self._template: str | None = None

    def start(self, status: str, *rest: Any) -> Any:
        """What the application calls to begin its answer."""
        self.status = status
        self._template = self._route(self._environ)
        return self._start_response(status, *rest)

    def record(self) -> None:
        """Records the request, once."""
        meter, self._meter = self._meter, None
        if meter is not None:
            method = self._environ["REQUEST_METHOD"]
            meter.record(self._request, method, self._template, int(self.status[:3] or 500))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def __len__(self) -> int:
        # Servers ask it to set Content-Length for a body of one piece.
        return len(self.body)  # type: ignore[arg-type]

    def close(self) -> None:
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.record()
