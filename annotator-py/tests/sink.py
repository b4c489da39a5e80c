"""A server in a process of its own that takes events, and fails when it is told to.

`python sink.py` prints its URL. Events go to POST /v1/meter/events; POST /fail sets how the next
requests fail: `{"mode": "status", "status": 503, "headers": {}, "count": 3, "seconds": 8}` and
so on. GET /report tells what arrived.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import zstandard

lock = threading.Lock()
quantities: dict[str, int] = {}
seen: Counter[str] = Counter()
tenants: Counter[str] = Counter()
features: Counter[str] = Counter()
last_events: list[dict[str, Any]] = []
counted = {"events": 0}
requests: list[dict[str, Any]] = []
failure: dict[str, Any] = {"mode": "none"}
released = threading.Event()

DECODERS = {
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
    "gzip": gzip.decompress,
    None: lambda body: body,
}


def current_failure() -> dict[str, Any]:
    """The failure that this request meets; counts it."""
    with lock:
        if time.monotonic() > failure.get("until", float("inf")) or failure.get("count") == 0:
            failure.clear()
            failure["mode"] = "none"
        if "count" in failure:
            failure["count"] -= 1
        return dict(failure)


def take(events: list[dict[str, Any]], only: int | None = None) -> None:
    with lock:
        for event in events[:only]:
            seen[event["id"]] += 1
            if event["id"] not in quantities:
                quantities[event["id"]] = event.get("quantity", 1)
                tenants[event["tenant_id"]] += 1
                features[event["feature"]] += 1
                last_events.append(event)
        del last_events[:-1000]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/fail":
            told = json.loads(body)
            with lock:
                failure.clear()
                failure.update(told)
                if "seconds" in told:
                    failure["until"] = time.monotonic() + told["seconds"]
            if told["mode"] == "none":
                released.set()
            else:
                released.clear()
            self.answer(200, {})
            return
        if self.path != "/v1/meter/events":
            self.decide(current_failure())
            return
        text = DECODERS[self.headers.get("Content-Encoding")](body)
        failing = current_failure()
        if failing["mode"] == "count":
            # For millions of them: only how many there are.
            with lock:
                counted["events"] += text.count(b'{"id":')
            self.answer(202, {})
            return
        events = json.loads(text)
        log = {
            "at": time.monotonic(),
            "events": len(events),
            "bytes": len(body),
            "mode": failing["mode"],
            "encoding": self.headers.get("Content-Encoding"),
            "authorization": self.headers.get("Authorization"),
        }
        with lock:
            requests.append(log)
        self.fail_or_take(failing, events)

    def decide(self, failing: dict[str, Any]) -> None:
        """Answers a question: yes, unless told to fail."""
        with lock:
            requests.append({"at": time.monotonic(), "mode": failing["mode"], "path": self.path})
        if failing["mode"] == "hang":
            released.wait()
        elif failing["mode"] == "lost":
            self.close_connection = True
            return
        elif failing["mode"] == "status":
            self.answer(failing["status"], failing.get("body", {}), failing.get("headers", {}))
            return
        self.answer(200, {"allowed": True})

    def fail_or_take(self, failing: dict[str, Any], events: list[dict[str, Any]]) -> None:
        mode = failing["mode"]
        if mode == "hang":
            released.wait()
        elif mode == "status":
            body = failing.get("body", {"code": "unavailable", "detail": "told to fail"})
            self.answer(failing["status"], body, failing.get("headers", {}))
            return
        elif mode == "reject":
            take(events[1:])
            # Twice, and one that was not asked for: a client must not count on a server's care.
            one = {"index": 0, "code": "timestamp_in_future", "detail": "told to reject"}
            rejected = [one, {**one, "index": 10**6}, one]
            self.answer(202, {"accepted": len(events) - 1, "duplicates": 0, "rejected": rejected})
            return
        elif mode == "reset":
            # Everything is taken, and the answer breaks off in the middle.
            take(events)
            self.wfile.write(b'HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{"acc')
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            return
        elif mode == "lost":
            take(events)
            self.close_connection = True
            return
        take(events)
        self.answer(202, {"accepted": len(events), "duplicates": 0, "rejected": []})

    def do_GET(self) -> None:
        with lock:
            report = {
                "unique": len(quantities),
                "counted": counted["events"],
                "received": sum(seen.values()),
                "quantity": sum(quantities.values()),
                "tenants": dict(tenants),
                "features": dict(features),
                "requests": requests,
                "events": last_events,
            }
            body = json.dumps(report).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
