"""Whose usage it is: a value of the context, and what a request in progress knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Request:
    """A request in progress. Copies of its context, in tasks and threads, share it."""

    __slots__ = ("tenant",)

    def __init__(self, tenant: str | None = None) -> None:
        self.tenant = tenant


TENANT: ContextVar[str | None] = ContextVar("meterd.tenant", default=None)
REQUEST: ContextVar[Request | None] = ContextVar("meterd.request", default=None)


def set_tenant(tenant: object) -> None:
    """Counts what this context does from now on for `tenant`, any object whose text is an id.

    Within a request it also becomes the tenant of the request itself, even if it is set in another
    thread or task than the one that answers.
    """
    name = str(tenant)
    TENANT.set(name)
    request = REQUEST.get()
    if request is not None:
        request.tenant = name


@contextmanager
def tenant(tenant: object) -> Iterator[None]:
    """Counts what the block does for `tenant`."""
    token = TENANT.set(str(tenant))
    try:
        yield
    finally:
        TENANT.reset(token)


def current_tenant() -> str | None:
    """The tenant that an event would have now, unless its meter names one."""
    found = TENANT.get()
    if found is None:
        request = REQUEST.get()
        found = request.tenant if request is not None else None
    return found
