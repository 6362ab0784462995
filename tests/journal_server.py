"""A journal with a FHIR server: a real HTTP server on this machine with records, and subscribers that it tells what is new."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

Tree = dict[str, Any]
AUTHORIZATION = "Bearer of-the-journal"


@dataclass
class Journal:
    """What lies in it, by `Type/id`, and what was asked of it. `is_down` answers 503; `points_to` answers 302.
    `says` is asked first what a GET of an address (without the base) is answered with; None: what lies there."""

    url: str = ""
    records: dict[str, Tree] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_down: bool = False
    points_to: str = ""
    says: Callable[[str], tuple[int, bytes] | None] = lambda _: None

    def write(self, tree: Tree, id_: str) -> None:
        """A record is written there, and who subscribes is told its address."""
        address = f"{tree['resourceType']}/{id_}"
        self.records[address] = tree | {
            "id": id_,
            "meta": {"lastUpdated": "2026-11-27T10:00:00Z"} | tree.get("meta", {}),
        }
        self.tell(address)

    def delete(self, address: str) -> None:
        del self.records[address]
        self.tell(address)

    def tell(self, address: str) -> int:
        """The status that the first subscriber answers with; 0 where there is none."""
        for one in [one for key, one in self.records.items() if key.startswith("Subscription/")]:
            return notify(one, f"{self.url}{address}")
        return 0


def notify(subscription: Tree, focus: str, authorization: str = "", body: Tree | None = None) -> int:
    """Tells a subscriber of an event, as the backport does, or with another body; the status of its answer. Without a focus the
    message is empty."""
    channel = subscription["channel"]
    headers = dict(one.split(": ", 1) for one in channel["header"])
    if authorization:
        headers["Authorization"] = authorization
    event = {"name": "notification-event", "part": [{"name": "focus", "valueReference": {"reference": focus}}]}
    status = {"resourceType": "Parameters", "parameter": [event]}
    bundle = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
    sent_body = json.dumps(body or bundle).encode() if body or focus else b""
    sent = Request(channel["endpoint"], sent_body, headers | {"Content-Type": "application/fhir+json"})
    try:
        with urlopen(sent, timeout=20) as answer:
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


class Server:
    """`with Server() as journal:`"""

    def __init__(self) -> None:
        self.journal = journal = Journal()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if said := journal.says(self.path.removeprefix("/fhir/")):
                    self.answer(said[0], said[1])
                    return
                parts = urlsplit(self.path.removeprefix("/fhir/"))
                if "/" in parts.path:
                    found = journal.records.get(parts.path)
                    self.answer(200 if found else 404, found or {"resourceType": "OperationOutcome", "issue": []})
                    return
                held = [one for key, one in journal.records.items() if key.startswith(parts.path + "/")]
                self.answer(
                    200, {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in held]}
                )

            def do_POST(self) -> None:
                self.keep(json.loads(self.rfile.read(int(self.headers["content-length"]))) | {"id": "subscribed"}, 201)

            def do_PUT(self) -> None:
                self.keep(json.loads(self.rfile.read(int(self.headers["content-length"]))), 200)

            def keep(self, tree: Tree, status: int) -> None:
                if not journal.is_down:
                    journal.records[f"Subscription/{tree['id']}"] = tree | {"status": "active"}
                self.answer(status, tree)

            def answer(self, status: int, tree: Tree | bytes) -> None:
                journal.asked.append(f"{self.command} {self.path}")
                body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
                known = self.headers.get("authorization") == AUTHORIZATION
                status = 503 if journal.is_down else status if known else 401
                self.send_response(302 if journal.points_to else status)
                if journal.points_to:
                    self.send_header("location", journal.points_to)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        journal.url = f"http://127.0.0.1:{self.server.server_port}/fhir/"

    def __enter__(self) -> Journal:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self.journal

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
