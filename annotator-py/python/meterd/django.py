"""Django: `"meterd.django.MeterdMiddleware"` in MIDDLEWARE, `METERD_RESOURCE` in the settings."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from meterd._decision import DeniedError
from meterd._web import EXCLUDED, TENANT_HEADER, RequestMeter

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

_DEFAULT_RESOURCE = "django"


class MeterdMiddleware:
    """Records every request under WSGI and ASGI, its route as the feature.

    Settings: `METERD_RESOURCE` (the service's name), `METERD_TENANT` (a function of the request, or
    its import path; without it the header X-Tenant-Id), `METERD_EXCLUDED` (paths). A `DeniedError`
    of a view is answered.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        from django.conf import settings
        from django.utils.module_loading import import_string

        tenant = getattr(settings, "METERD_TENANT", None)
        self._meter = RequestMeter(
            getattr(settings, "METERD_RESOURCE", _DEFAULT_RESOURCE),
            tenant=import_string(tenant) if isinstance(tenant, str) else tenant,
            excluded=getattr(settings, "METERD_EXCLUDED", EXCLUDED),
        )
        self._get_response = get_response
        self._is_async = inspect.iscoroutinefunction(get_response)
        if self._is_async:
            from asgiref.sync import markcoroutinefunction

            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self._is_async:
            return self._answer_async(request)
        if self._meter.excludes(request.path):
            return self._get_response(request)
        begun = self._begin(request)
        try:
            response: Any = self._get_response(request)
            self._record(begun[0], request, response.status_code)
            return response
        finally:
            self._meter.leave(begun)

    async def _answer_async(self, request: HttpRequest) -> Any:
        answer: Any = self._get_response
        if self._meter.excludes(request.path):
            return await answer(request)
        begun = self._begin(request)
        try:
            response = await answer(request)
            self._record(begun[0], request, response.status_code)
            return response
        finally:
            self._meter.leave(begun)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """What Django calls with what a view has raised."""
        del request
        if not isinstance(error, DeniedError):
            return None
        from django.http import HttpResponse

        status, headers, body = error.decision.problem()
        response: HttpResponseBase = HttpResponse(body, status=status, headers=headers)
        return response

    def _begin(self, request: HttpRequest) -> Any:
        header = request.headers.get(TENANT_HEADER)
        return self._meter.begin(self._meter.tenant_of(request, header))

    def _record(self, begun: Any, request: HttpRequest, status: int) -> None:
        match = request.resolver_match
        route = None if match is None else match.route
        self._meter.record(begun, request.method or "GET", route, status)
