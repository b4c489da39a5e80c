"""A proxy that hands requests on and can lose the answers: the server has the events, and nobody
was told."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Proxy:
    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.lost = 0
        self._to_lose = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                names = ("Authorization", "Content-Type", "Content-Encoding")
                headers = {name: self.headers[name] for name in names if self.headers[name]}
                request = urllib.request.Request(proxy.upstream + self.path, body, headers)
                try:
                    answer = urllib.request.urlopen(request, timeout=10)
                except urllib.error.HTTPError as error:
                    answer = error
                text = answer.read()
                if answer.status < 300 and proxy._to_lose > 0:
                    proxy._to_lose -= 1
                    proxy.lost += 1
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def lose_answers(self, count: int) -> None:
        """The next `count` requests that are done, nobody hears about."""
        self._to_lose = count

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
