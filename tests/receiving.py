"""A receiver of messages: a real HTTP server on this machine that keeps what it was sent and answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Inbox:
    """What was sent to each path, in order. `answers` are the statuses to give next; then 200."""

    url: str = ""
    sent: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    else_: int = 200
    location: str = ""
    delay: float = 0.0
    connections: int = 0

    def bundles(self, kind: str = "event-notification") -> list[dict[str, Any]]:
        """The Bundles of one kind."""
        told = [tree for _, _, tree in self.sent if tree.get("resourceType") == "Bundle"]
        return [tree for tree in told if status_of(tree)["type"] == kind]


def status_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """What the first entry says, by name; events as a list of their parts by name."""
    found: dict[str, Any] = {"events": []}
    for one in bundle["entry"][0]["resource"]["parameter"]:
        if one["name"] == "notification-event":
            found["events"].append({part["name"]: _value(part) for part in one["part"]})
        else:
            found[one["name"]] = _value(one)
    return found


def _value(parameter: dict[str, Any]) -> Any:
    return next(value for name, value in parameter.items() if name.startswith("value"))


class Receiver:
    """`with Receiver() as inbox:`"""

    def __init__(self, context: Any = None) -> None:
        self.inbox = inbox = Inbox()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                inbox.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                time.sleep(inbox.delay)
                inbox.sent.append((self.path, dict(self.headers.items()), json.loads(body or b"{}")))
                self.send_response(inbox.answers.pop(0) if inbox.answers else inbox.else_)
                if inbox.location:
                    self.send_header("location", inbox.location)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_PUT(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        inbox.url = f"{scheme}://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Inbox:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self.inbox

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
