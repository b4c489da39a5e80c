"""Celery: `meterd.celery.install(app)` carries the tenant from whoever sends a task to its worker.

A task is metered like any function, by `meterd.meter` above or below `app.task`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from meterd._tenant import TENANT, current_tenant

if TYPE_CHECKING:
    from celery import Celery

HEADER = "meterd_tenant"


def install(app: Celery) -> None:
    """Tasks run for the tenant for whom they were sent."""
    from celery.signals import before_task_publish, task_postrun, task_prerun

    del app
    # Kept by name, so that installing twice connects once.
    before_task_publish.connect(_publish, weak=False, dispatch_uid="meterd.publish")
    task_prerun.connect(_begin, weak=False, dispatch_uid="meterd.begin")
    task_postrun.connect(_end, weak=False, dispatch_uid="meterd.end")


def _publish(headers: dict[str, Any] | None = None, **_: Any) -> None:
    tenant = current_tenant()
    if headers is not None and tenant is not None:
        headers.setdefault(HEADER, tenant)


def _begin(task: Any = None, **_: Any) -> None:
    tenant = getattr(task.request, HEADER, None)
    task.request.meterd_token = TENANT.set(tenant)


def _end(task: Any = None, **_: Any) -> None:
    token = getattr(task.request, "meterd_token", None)
    if token is not None:
        TENANT.reset(token)
