"""The tenant is never another's: tasks, threads, pools, copied contexts, greenlets."""

from __future__ import annotations

import asyncio
import collections
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import meterd
from meterd._web import feature, template_of
from meterd.asgi import MeterdASGIMiddleware
from meterd.pytest import Metered
from support import Sink, environment, run

READS = 200_000


def check(metered: Metered) -> int:
    """How many events there are; each of them names its tenant twice."""
    events = metered.events
    wrong = [event for event in events if event["tenant_id"] != event["metadata"]["tenant"]]
    assert wrong == []
    return len(events)


def record(tenant: str) -> None:
    meterd.record("tenant", "read", metadata={"tenant": tenant})


def test_tasks_and_threads(metered: Metered) -> None:
    each = READS // 4 // 100

    async def task(tenant: str) -> None:
        meterd.set_tenant(tenant)
        for number in range(each // 2):
            record(tenant)
            if number % 50 == 0:
                await asyncio.sleep(0)
        with meterd.tenant(f"{tenant}-inner"):
            await asyncio.to_thread(record, f"{tenant}-inner")
        for _ in range(each // 2 - 1):
            record(tenant)

    async def everyone() -> None:
        await asyncio.gather(*(task(f"org_{number}") for number in range(100)))

    asyncio.run(everyone())
    assert check(metered) == READS // 4
    assert meterd.current_tenant() is None

    def work(tenant: str) -> None:
        with meterd.tenant(tenant):
            for _ in range(each):
                record(tenant)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, (f"org_{number}" for number in range(100))))
    assert check(metered) == READS // 2


def test_first_events_of_many_threads_without_a_tenant(sink: Sink, tmp_path: Path) -> None:
    """They meet in the one warning, which must not have them wait for each other for ever."""
    program = """
import meterd, sys, threading
sys.setswitchinterval(1e-6)
start = threading.Barrier(32)
def work():
    start.wait()
    meterd.record("first", "event")
threads = [threading.Thread(target=work) for _ in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    for life in range(5):
        run("-c", program, env=environment(sink.url, tmp_path / str(life)), within=30)
    assert sink.has(5 * 32)["tenants"] == {"default": 5 * 32}


class OtherTenants:
    """Middleware outside that copies contexts, as BaseHTTPMiddleware does."""

    def __init__(self, app: Any) -> None:
        from starlette.middleware.base import BaseHTTPMiddleware

        async def call(request: Any, call_next: Any) -> Any:
            meterd.set_tenant("outside")
            return await call_next(request)

        self.app = BaseHTTPMiddleware(app, dispatch=call)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_requests_through_copied_contexts(metered: Metered) -> None:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    each = 100

    async def endpoint(request: Any) -> Any:
        tenant = request.path_params["tenant"]
        await asyncio.sleep(0)
        await asyncio.to_thread(meterd.set_tenant, tenant)
        for _ in range(each):
            record(tenant)
        return PlainTextResponse(tenant)

    inner = Starlette(routes=[Route("/read/{tenant}", endpoint)])
    app = OtherTenants(
        MeterdASGIMiddleware(Starlette(routes=[Mount("/v1", inner)]), resource="asgi")
    )

    async def request(tenant: str) -> None:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/v1/read/{tenant}",
            "raw_path": f"/v1/read/{tenant}".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [],
        }
        await app(scope, receive, send)
        assert sent[0]["status"] == 200

    async def everyone() -> None:
        for first in range(0, 1000, 50):
            await asyncio.gather(*(request(f"org_{first + n}") for n in range(50)))

    asyncio.run(everyone())
    requests = [event for event in metered.events if event["resource"] == "asgi"]
    # The request itself is for the tenant that the endpoint found, in whichever thread.
    assert collections.Counter(event["tenant_id"] for event in requests) == {
        f"org_{number}": 1 for number in range(1000)
    }
    assert {event["feature"] for event in requests} == {"GET:/v1/read/:tenant"}
    reads = [event for event in metered.events if event["resource"] == "tenant"]
    assert len(reads) == READS // 2
    assert all(event["tenant_id"] == event["metadata"]["tenant"] for event in reads)


def test_greenlets(sink: Sink, spool: Path) -> None:
    program = """
from gevent import monkey; monkey.patch_all()
import gevent, meterd
def work(tenant):
    with meterd.tenant(tenant):
        for number in range(100):
            meterd.record("greenlet", tenant)
            if number % 10 == 0:
                gevent.sleep(0)
gevent.joinall([gevent.spawn(work, f"org_{number}") for number in range(100)])
"""
    run("-c", program, env=environment(sink.url, spool))
    report = sink.has(10_000)
    assert report["tenants"] == report["features"]
    assert set(report["tenants"].values()) == {100}


def test_many_tenants_each_has_its_own(metered: Metered) -> None:
    """More tenants than are known by their address, and addresses that are used again."""
    client = meterd.Client(transport="memory", strict=True)
    for number in range(20_000):
        client.record("many", "event", tenant=f"org_{number % 5000}")
    counts = collections.Counter(event["tenant_id"] for event in client.recorded())
    assert counts == {f"org_{number}": 4 for number in range(5000)}


def test_many_tenants_in_the_queue(sink: Sink, spool: Path) -> None:
    program = """
import meterd
meter = meterd.Meter("many", "event")
for number in range(20_000):
    with meterd.tenant(f"org_{number % 5000}"):
        meter.add(number % 5000)
"""
    env = environment(sink.url, spool, exit_timeout="20")
    run("-c", program, env=env)
    report = sink.has(20_000)
    assert report["tenants"] == {f"org_{number}": 4 for number in range(5000)}
    assert all(event["tenant_id"] == f"org_{event['quantity']}" for event in report["events"])


def test_nobody_set_a_tenant(sink: Sink, spool: Path) -> None:
    program = """
import meterd
for _ in range(3): meterd.record("r", "f")
meterd.record("r", "f", tenant="org_1")
print("without:", meterd.stats()["without_tenant"])
"""
    out = run("-c", program, env=environment(sink.url, spool))
    assert out.count("no tenant is set") == 1
    assert "without: 3\n" in out
    assert sink.has(4)["tenants"] == {"default": 3, "org_1": 1}


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("/invoices/{invoice_id}", "/invoices/:invoice_id"),
        ("/files/{path:path}", "/files/:path"),
        ("/items/<int:item>", "/items/:item"),
        ("/items/<item>", "/items/:item"),
        ("items/<int:pk>/", "/items/:pk/"),
        (r"^reports/(?P<year>[0-9]{4})/$", "/reports/:year/"),
        ("/", "/"),
    ],
)
def test_templates(route: str, template: str) -> None:
    assert template_of(route) == template


def test_features_are_identifiers() -> None:
    assert feature("get", "/a b/é..x") == "GET:/a-b/-.x"
    long = feature("GET", "/" + "a" * 200)
    assert len(long) == 128
    assert long != feature("GET", "/" + "a" * 201)
    assert feature("GET", None) == "GET:unmatched"


def test_the_fixture_starts_empty_under_xdist(tmp_path: Path) -> None:
    test = tmp_path / "test_isolated.py"
    test.write_text(
        "import meterd, pytest\n"
        "@pytest.mark.parametrize('n', range(20))\n"
        "def test_one(metered, n):\n"
        "    assert metered.events == []\n"
        "    meterd.record('r', 'f', n)\n"
        "    assert metered.total('r') == n\n"
    )
    out = run(
        "-m", "pytest", "-n", "2", "-q", test, env=environment("http://127.0.0.1:1", tmp_path)
    )
    assert "20 passed" in out
    assert list(tmp_path.glob("*.segment")) == []
