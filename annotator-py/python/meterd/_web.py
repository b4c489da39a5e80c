"""What all middleware agrees on: the names of requests, and which are not metered."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from meterd import _client
from meterd._native import BoundMeter
from meterd._tenant import REQUEST, TENANT, Request

# What infrastructure asks, nobody uses.
EXCLUDED = ("/health", "/healthz", "/livez", "/readyz", "/metrics", "/favicon.ico")
TENANT_HEADER = "x-tenant-id"
# Where no route matched: paths are free text, and each would be another feature.
UNMATCHED = "unmatched"
_LONGEST = 128
_MOST_FEATURES = 10_000

_PARAMETER = re.compile(r"[{<](?:[^{}<>]*:)?([A-Za-z_][A-Za-z0-9_]*)[^{}<>]*[}>]")
_REGULAR = re.compile(r"\(\?P<([A-Za-z_][A-Za-z0-9_]*)>(?:[^()]|\([^()]*\))*\)")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._:@/|+=~%-]+")


def template_of(route: str) -> str:
    """A framework's spelling of a route as `/invoices/:id`."""
    route = _REGULAR.sub(r":\1", route)
    # FastAPI says {id:int}, Flask and Django <int:id>: the name is what stays.
    route = re.sub(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::[^{}]*)?\}", r":\1", route)
    route = _PARAMETER.sub(r":\1", route)
    route = route.strip("^$").replace(r"\Z", "")
    return route if route.startswith("/") else f"/{route}"


@functools.lru_cache(maxsize=_MOST_FEATURES)
def feature(method: str, route: str | None) -> str:
    """`GET:/invoices/:id`, of characters that a feature may have and no longer than one may be."""
    name = f"{method.upper()}:{UNMATCHED if route is None else template_of(route)}"
    name = re.sub(r"\.{2,}", ".", _FORBIDDEN.sub("-", name))
    if len(name) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"{name[: _LONGEST - 17]}-{digest}"
    return name


class RequestMeter:
    """Records requests as `resource` (the service) and `feature` (method and route template).

    `tenant` is who a request is for: the header X-Tenant-Id unless a function of the framework's
    request decides, or the code that answers calls `meterd.set_tenant`. A header says what its
    sender likes: behind anything but an own gateway, set the tenant after authentication.
    `excluded` paths are not recorded; `errors` says whether requests that fail in the server (5xx)
    are.
    """

    def __init__(
        self,
        resource: str,
        *,
        tenant: Callable[[Any], object] | None = None,
        excluded: Iterable[str] = EXCLUDED,
        errors: bool = False,
        client: _client.Client | None = None,
    ) -> None:
        self.tenant = tenant
        self._resource = resource
        self._excluded = frozenset(excluded)
        self._errors = errors
        self._client = client or _client.default
        self._meters: dict[tuple[str, str | None], BoundMeter] = {}

    def excludes(self, path: str) -> bool:
        return path in self._excluded

    def begin(self, tenant: object) -> tuple[Request, Any, Any]:
        """A request begins; what it is given back goes to `end`."""
        request = Request(None if tenant is None else str(tenant))
        # What this thread did for another request before is not this one's tenant.
        return request, REQUEST.set(request), TENANT.set(None)

    def tenant_of(self, request: Any, header: str | None) -> object:
        """The tenant at the beginning. Raises nothing."""
        if self.tenant is None:
            return header
        try:
            return self.tenant(request)
        except Exception as error:
            self._client._native.count_invalid(f"{self._resource}: {error!r}")
            return None

    def leave(self, begun: tuple[Request, Any, Any]) -> None:
        """The request ends in the context in which it began."""
        _, request, tenant = begun
        TENANT.reset(tenant)
        REQUEST.reset(request)

    async def flush_at_exit(self) -> None:
        """Waits as long as the end of the process may."""
        await self._client.aflush(self._client.exit_timeout)

    def record(self, request: Request, method: str, route: str | None, status: int) -> None:
        """The request has been answered."""
        if status >= 500 and not self._errors:
            return
        meter = self._meters.get((method, route))
        if meter is None:
            meter = self._client.meter(self._resource, feature(method, route))
            if len(self._meters) < _MOST_FEATURES:
                self._meters[method, route] = meter
        meter.add(1, request.tenant)
