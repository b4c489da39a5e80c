"""Services as they run: gunicorn, uvicorn, Celery; processes that fork, preload and are stopped."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import HERE, Sink, environment, eventually, http, run

REQUESTS = 1000


@contextmanager
def service(*command: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program of the virtual environment; ended hard if the test did not end it."""
    program = Path(sys.executable).parent / command[0]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *command[1:]], env=env, cwd=HERE / "programs", stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        http(url, timeout=1)
    except OSError as error:
        return hasattr(error, "code")
    return True


def stop(process: subprocess.Popen[bytes]) -> float:
    """Seconds that it took to end."""
    before = time.monotonic()
    process.terminate()
    process.wait(30)
    return time.monotonic() - before


@pytest.mark.parametrize("worker", ["sync", "gevent"])
def test_gunicorn_with_four_preloaded_workers(
    sink: Sink, spool: Path, tmp_path: Path, worker: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(sink.url, spool) | {"HOME": str(tmp_path)}
    log = tmp_path / "gunicorn.log"
    command = f"gunicorn --preload --workers 4 --worker-class {worker} --bind 127.0.0.1:{port}"
    with service(*command.split(), "gunicorn_app:app", env=env, log=log) as process:
        eventually(lambda: answers(f"{url}/nowhere"), "gunicorn")
        with ThreadPoolExecutor(8) as pool:

            def ask(number: int) -> int:
                headers = {"X-Tenant-Id": f"org_{number % 10}"}
                item: int = http(f"{url}/items/{number}", headers=headers)["item"]
                return item

            assert list(pool.map(ask, range(REQUESTS))) == list(range(REQUESTS))
        took = stop(process)
    # gevent's workers look once a second whether they are to stop.
    assert took < (2 if worker == "sync" else 3), log.read_text()
    report = sink.report()
    unmatched = report["features"].pop("GET:unmatched")
    assert report["features"] == {
        "loaded": 1,
        "GET:/items/:item": REQUESTS,
        "decorated": REQUESTS,
    }
    assert report["received"] == report["unique"]
    for number in range(10):
        assert report["tenants"][f"org_{number}"] == 2 * REQUESTS // 10
    assert report["tenants"]["nobody"] == 1 + unmatched
    assert "Traceback" not in log.read_text()
    assert list(spool.glob("*.segment")) == []


def test_uvicorn_and_the_tenant_of_a_dependency(sink: Sink, spool: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(sink.url, spool)
    command = f"uvicorn asgi_app:app --port {port} --log-level warning"
    with service(*command.split(), env=env, log=tmp_path / "uvicorn.log") as process:
        eventually(lambda: answers(f"{url}/healthz"), "uvicorn")
        with ThreadPoolExecutor(8) as pool:

            def ask(number: int) -> str:
                headers = {"Authorization": f"Bearer org_{number % 10}"}
                answer: str = http(f"{url}/accounts/a/invoices/{number}", headers=headers)["who"]
                return answer

            assert list(pool.map(ask, range(200)))[:2] == ["Bearer org_0", "Bearer org_1"]
        assert not answers_well(f"{url}/broken")
        assert not answers_well(f"{url}/nowhere")
        stop(process)
    report = sink.has(401)
    assert report["features"] == {
        "GET:/accounts/:account_id/invoices/:invoice": 200,
        "work": 200,
        "GET:unmatched": 1,
    }
    assert {name: count for name, count in report["tenants"].items() if name != "default"} == {
        f"org_{number}": 40 for number in range(10)
    }


def answers_well(url: str) -> bool:
    try:
        http(url)
    except OSError:
        return False
    return True


def test_celery_prefork(sink: Sink, spool: Path, tmp_path: Path) -> None:
    """Its pool forks, and each child closes every descriptor it does not know."""
    queues = tmp_path / "queues"
    queues.mkdir()
    env = environment(sink.url, spool, flush_interval="0.1")
    env |= {"BROKER": "filesystem://", "QUEUES": str(queues)}
    log = tmp_path / "celery.log"
    command = "celery --app tasks worker --pool prefork --concurrency 2 --loglevel INFO"
    send = """
import meterd, tasks
for number in range(50):
    with meterd.tenant(f"org_{number % 5}"):
        tasks.work.delay(number)
"""
    with service(*command.split(), env=env, log=log) as process:
        eventually(lambda: b"ready." in log.read_bytes(), "a Celery worker")
        run("-c", send, env=env)
        # Two programs have loaded the tasks.
        report = sink.has(52)
        assert process.poll() is None
        stop(process)
    assert report["features"] == {"loaded": 2, "task": 50}
    assert report["tenants"] == {"nobody": 2, **{f"org_{number}": 10 for number in range(5)}}
    text = log.read_text()
    assert "panicked" not in text
    assert "Traceback" not in text, text


def test_descriptors_closed_behind_its_back(sink: Sink, spool: Path) -> None:
    """A child that closes everything, and opens other files under the same numbers."""
    program = """
import meterd, os, sys
meterd.record("fds", "parent", tenant="t")
meterd.flush()
pid = os.fork()
if pid == 0:
    meterd.record("fds", "child", tenant="t")
    meterd.flush()
    top = max(map(int, os.listdir("/proc/self/fd"))) + 5
    os.closerange(3, top)
    others = [os.open("/dev/zero", os.O_RDONLY) for _ in range(20)]
    meterd.record("fds", "child", tenant="t")
    assert meterd.flush(20), meterd.stats()
    meterd.shutdown()
    for other in others:
        assert os.read(other, 1) == b"\\0"
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
meterd.record("fds", "parent", tenant="t")
"""
    run("-c", program, env=environment(sink.url, spool))
    assert sink.has(4)["features"] == {"parent": 2, "child": 2}


def test_django(sink: Sink, spool: Path) -> None:
    program = """
import asyncio, django, meterd
from django.conf import settings
from django.http import JsonResponse
from django.urls import include, path, re_path

settings.configure(
    SECRET_KEY="k", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], METERD_RESOURCE="django-shop",
    MIDDLEWARE=["meterd.django.MeterdMiddleware"],
)
django.setup()

def item(request, item):
    meterd.set_tenant(f"org_{item}")
    return JsonResponse({})

async def report(request, year):
    return JsonResponse({})

urlpatterns = [
    path("items/<int:item>/", item),
    path("v1/", include([re_path(r"^reports/(?P<year>[0-9]{4})/$", report)])),
    path("healthz", item),
]
from django.test import AsyncClient, Client
assert Client().get("/items/7/").status_code == 200
assert Client().get("/items/8/", HTTP_X_TENANT_ID="org_9").status_code == 200
assert Client().get("/nowhere").status_code == 404
asyncio.run(AsyncClient().get("/v1/reports/2025/", headers={"X-Tenant-Id": "org_9"}))
"""
    run("-c", program, env=environment(sink.url, spool))
    report = sink.has(4)
    assert report["features"] == {
        "GET:/items/:item/": 2,
        "GET:/v1/reports/:year/": 1,
        "GET:unmatched": 1,
    }
    assert report["tenants"] == {"org_7": 1, "org_8": 1, "org_9": 1, "default": 1}
