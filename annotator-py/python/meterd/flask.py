"""Flask: `meterd.flask.Metering(app, resource="shop")`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from meterd import _client
from meterd._decision import DeniedError
from meterd._web import EXCLUDED
from meterd.wsgi import Environ, MeterdWSGIMiddleware

if TYPE_CHECKING:
    from flask import Flask


class Metering:
    """Records every request of a Flask application, the route's rule as its feature.

    A view or a `before_request` function that knows the tenant calls `meterd.set_tenant`. A
    `DeniedError` of a view is answered, unless the application has a handler of its own for it.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        resource: str,
        tenant: Callable[[Environ], object] | None = None,
        excluded: Iterable[str] = EXCLUDED,
        errors: bool = False,
        client: _client.Client | None = None,
    ) -> None:
        self._resource = resource
        self._tenant = tenant
        self._excluded = tuple(excluded)
        self._errors = errors
        self._client = client
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """For applications that are made by a function."""
        # Flask answers whatever is raised before the middleware around it could.
        app.register_error_handler(DeniedError, _denied)
        app.wsgi_app = MeterdWSGIMiddleware(  # type: ignore[method-assign]
            app.wsgi_app,
            resource=self._resource,
            tenant=self._tenant,
            route=_rule,
            excluded=self._excluded,
            errors=self._errors,
            client=self._client,
        )


def _denied(denied: DeniedError) -> tuple[bytes, int, dict[str, str]]:
    status, headers, body = denied.decision.problem()
    return body, status, headers


def _rule(environ: Environ) -> str | None:
    """The rule that matched: a Flask request leaves itself in its environment."""
    rule = getattr(environ.get("werkzeug.request"), "url_rule", None)
    return None if rule is None else rule.rule
