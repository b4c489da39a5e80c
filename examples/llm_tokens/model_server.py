"""A model server of the kind that streams: it answers with the words of the question, one by one,
and says at the end how many tokens that took.

    python model_server.py
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = [word for message in asked["messages"] for word in message["content"].split()]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        answer = words[: asked.get("max_tokens")]
        for word in answer:
            self.say({"choices": [{"delta": {"content": f"{word} "}}], "usage": None})
        tokens = {"prompt_tokens": len(words), "completion_tokens": len(answer)}
        self.say({"choices": [], "usage": {**tokens, "total_tokens": len(words) + len(answer)}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def say(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        pass


def serve(port: int = 0) -> ThreadingHTTPServer:
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = serve()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
