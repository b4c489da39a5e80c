"""What metering costs a Python service, beside what others cost, in one run.

    python bench/annotator.py            prints a table
    python bench/annotator.py --gate 1   also fails if a bar is missed

Every figure is the processor's time of the calling thread, the least of many runs, over the same
call without any of it. What a bar compares takes turns in one process, every other case runs in one
of its own. Peers that are not installed are left out of the table, never of the gate. The server is
a sink in another process that takes everything.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CALLS = 20_000
RUNS = 25
SINK = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while (line := self.rfile.readline()) not in (b"\\r\\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            body = b'{"accepted":0,"rejected":[],"partialSuccess":{}}'
            self.wfile.write(b"HTTP/1.1 202 Accepted\\r\\nContent-Type: application/json\\r\\n"
                b"Content-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True
server = Server(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
"""

# A case makes, from the sink's URL, a bare function and one that does the same and records.
Case = Callable[[str], tuple[Callable[..., Any], Callable[..., Any]]]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def add(make: Case) -> Case:
        CASES[name] = make
        return make

    return add


def bare(x: int) -> int:
    return x


async def bare_async(x: int) -> int:
    return x


def calling(record: Callable[[], Any]) -> Callable[[int], int]:
    def call(x: int) -> int:
        record()
        return x

    return call


def configured(url: str, delivers: bool = False) -> Any:
    import meterd

    # Without a key nothing is sent: what a call costs and what a delivery costs are two figures.
    api_key = "key" if delivers else None
    meterd.configure(endpoint=url, api_key=api_key, spool_dir=tempfile.mkdtemp())
    meterd.set_tenant("org_1")
    return meterd


@case("empty decorator (functools.wraps)")
def _(url: str) -> Any:
    @functools.wraps(bare)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return bare(*args, **kwargs)

    return bare, wrapper


@case("meterd: @meter, durable, tenant of the context")
def _(url: str) -> Any:
    return bare, configured(url).meter(bare, resource="bench", feature="call")


@case("meterd: Meter.add()")
def _(url: str) -> Any:
    return bare, calling(configured(url).Meter("bench", "call").add)


@case("meterd: record() with metadata")
def _(url: str) -> Any:
    meterd = configured(url)
    metadata = {"user": "u_123"}
    return bare, calling(lambda: meterd.record("bench", "call", metadata=metadata))


@case("empty async decorator (functools.wraps)")
def _(url: str) -> Any:
    @functools.wraps(bare_async)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await bare_async(*args, **kwargs)

    return bare_async, wrapper


@case("meterd: @meter on a coroutine")
def _(url: str) -> Any:
    return bare_async, configured(url).meter(bare_async, resource="bench", feature="call")


def prometheus() -> Any:
    from prometheus_client import CollectorRegistry, Counter

    names = ["tenant", "resource", "feature"]
    return Counter("usage", "Usage.", names, registry=CollectorRegistry())


@case("prometheus_client: bound child inc()")
def _(url: str) -> Any:
    return bare, calling(prometheus().labels("org_1", "bench", "call").inc)


@case("prometheus_client: labels(...).inc()")
def _(url: str) -> Any:
    counter = prometheus()
    return bare, calling(lambda: counter.labels("org_1", "bench", "call").inc())


@case("OpenTelemetry: counter.add()")
def _(url: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    exporter = OTLPMetricExporter(f"{url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1000)
    counter = MeterProvider([reader]).get_meter("bench").create_counter("usage")
    labels = {"tenant": "org_1", "resource": "bench", "feature": "call"}
    return bare, calling(lambda: counter.add(1, labels))


@case("segment: track()")
def _(url: str) -> Any:
    client = segment(url)
    return bare, calling(lambda: client.track("org_1", "call", {"resource": "bench"}))


@case("posthog: capture()")
def _(url: str) -> Any:
    client = posthog(url)
    properties = {"resource": "bench"}
    return bare, calling(lambda: client.capture("call", distinct_id="org_1", properties=properties))


def segment(url: str) -> Any:
    from segment.analytics import Client

    return Client("key", host=url, max_queue_size=10_000_000)


def posthog(url: str) -> Any:
    from posthog import Posthog

    return Posthog("phc_key", host=url, max_queue_size=10_000_000)


def asgi_call(app: Any) -> Callable[[int], Any]:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None: ...

    async def call(x: int) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/items/1",
            "raw_path": b"/items/1",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"x-tenant-id", b"org_1")],
        }
        await app(scope, receive, send)

    return call


@case("meterd: FastAPI middleware, a request")
def _(url: str) -> Any:
    from fastapi import FastAPI

    configured(url)
    import meterd.fastapi

    def make(metered: bool) -> Any:
        app = FastAPI()

        @app.get("/items/{item}")
        async def item(item: int) -> dict[str, int]:
            return {"id": item}

        if metered:
            meterd.fastapi.install(app, resource="api")
        return asgi_call(app)

    return make(False), make(True)


@case("meterd: Flask middleware, a request")
def _(url: str) -> Any:
    from flask import Flask

    configured(url)
    from meterd.flask import Metering

    def make(metered: bool) -> Any:
        app = Flask("bench")

        @app.get("/items/<int:item>")
        def item(item: int) -> dict[str, int]:
            return {"id": item}

        if metered:
            Metering(app, resource="api")
        environ = app.test_request_context("/items/1", headers={"X-Tenant-Id": "org_1"})
        environ = environ.request.environ

        def call(x: int) -> None:
            body = app.wsgi_app(dict(environ), lambda *_: lambda _: None)
            for _ in body:
                pass
            if hasattr(body, "close"):
                body.close()

        return call

    return make(False), make(True)


def measure(call: Callable[..., Any], calls: int) -> float:
    """Nanoseconds of this thread's processor time for one call."""
    repeat = range(calls)
    if asyncio.iscoroutinefunction(call):

        async def run_async() -> int:
            before = time.thread_time_ns()
            for _ in repeat:
                await call(1)
            return time.thread_time_ns() - before

        return asyncio.run(run_async()) / calls
    before = time.thread_time_ns()
    for _ in repeat:
        call(1)
    return (time.thread_time_ns() - before) / calls


def compare(names: list[str], url: str) -> dict[str, float]:
    """Nanoseconds of each case that is installed, over its bare call. They take turns, so that a
    machine that is busy for a moment is so for all of them."""
    pairs = {}
    for name in names:
        # Of a peer only: without meterd there is nothing to measure.
        with suppress(() if name.startswith("meterd") else ModuleNotFoundError):
            pairs[name] = CASES[name](url)
    slow = any(measure(second, 200) > 10_000 for _, second in pairs.values())
    calls, runs = (200, 15) if slow else (CALLS, RUNS)
    least = {name: (float("inf"), float("inf")) for name in pairs}
    gc.disable()
    for _ in range(runs):
        for name, (first, second) in pairs.items():
            before = least[name]
            now = measure(first, calls), measure(second, calls)
            least[name] = min(before[0], now[0]), min(before[1], now[1])
    return {name: second - first for name, (first, second) in least.items()}


# Total processor time, every thread's, from the first event to the last one delivered.
DELIVERIES = {"meterd": 1_000_000, "segment": 5_000, "posthog": 5_000}


def deliver(name: str, url: str) -> dict[str, float]:
    count = DELIVERIES[name]
    if name == "meterd":
        meterd = configured(url, delivers=True)
        record = meterd.Meter("bench", "call", tenant="org_1")._add
        calls: Callable[[], Any] = lambda: record(1)  # noqa: E731
        flush: Callable[[], Any] = lambda: meterd.flush(120)  # noqa: E731
    elif name == "segment":
        client = segment(url)
        calls = lambda: client.track("org_1", "call", {"resource": "bench"})  # noqa: E731
        flush = client.flush
    else:
        client = posthog(url)
        calls = lambda: client.capture("call", distinct_id="org_1")  # noqa: E731
        flush = client.flush
    before = time.process_time_ns()
    for _ in range(count):
        calls()
    flush()
    return {f"deliver {name}": (time.process_time_ns() - before) / count}


def in_a_process(*arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, timeout=300
    )
    if "ModuleNotFoundError" in done.stderr and arguments[-1] != "meterd":
        return {}
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


BARS = [
    ("@meter / an empty decorator", "meterd: @meter, durable, tenant of the context",
     "empty decorator (functools.wraps)", 1.0),
    ("@meter async / an empty async decorator", "meterd: @meter on a coroutine",
     "empty async decorator (functools.wraps)", 1.0),
    ("@meter / prometheus' bound child", "meterd: @meter, durable, tenant of the context",
     "prometheus_client: bound child inc()", 0.25),
]  # fmt: skip
LIMITS_US = [
    ("FastAPI, a request", "meterd: FastAPI middleware, a request", 6.0),
    ("Flask, a request", "meterd: Flask middleware, a request", 10.0),
    ("delivered event, in total", "deliver meterd", 1.0),
]


def groups() -> list[list[str]]:
    """The cases of one process: those that a bar compares, and each other one by itself."""
    together: dict[str, list[str]] = {}
    for _, ours, theirs, _ in BARS:
        together.setdefault(ours, [ours]).append(theirs)
    compared = {name for names in together.values() for name in names}
    return [*together.values(), *([name] for name in CASES if name not in compared)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gate", type=float, help="fail if a bar is exceeded so many times")
    parser.add_argument("--sink", help=argparse.SUPPRESS)
    parser.add_argument("--cases", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--deliver", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        found = compare(options.cases, options.sink) if options.cases else None
        print(json.dumps(found or deliver(options.deliver, options.sink)), flush=True)
        os._exit(0)
    with subprocess.Popen(
        [sys.executable, "-c", SINK],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as sink:
        assert sink.stdout is not None
        url = sink.stdout.readline().strip()
        found = {}
        print(f"CPython {sys.version.split()[0]}, {os.cpu_count()} processors\n")
        print("ns per call, over the bare call")
        for names in groups():
            found |= in_a_process("--sink", url, "--cases", *names)
        for name in CASES:
            if name in found:
                print(f"  {found[name]:12,.0f}  {name}")
        print("\nns of processor time per delivered event, all threads")
        for name in DELIVERIES:
            found |= in_a_process("--sink", url, "--deliver", name)
            if f"deliver {name}" in found:
                print(f"  {found[f'deliver {name}']:12,.0f}  {name}")
        sink.kill()
    return judge(found, options.gate or float("inf"))


def judge(found: dict[str, float], slack: float) -> int:
    """Prints the bars; 1 if one is exceeded by more than `slack` times."""
    missed = 0
    print("\nbars")
    for what, ours, theirs, most in BARS:
        ratio = found[ours] / found[theirs]
        missed |= ratio > most * slack
        print(f"  {ratio:6.2f}  <= {most:4.2f}  {what}")
    for what, ours, most in LIMITS_US:
        microseconds = found[ours] / 1000
        missed |= microseconds > most * slack
        print(f"  {microseconds:6.2f}  <= {most:4.2f} us  {what}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
