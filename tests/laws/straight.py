"""One request straight to the application: ten thousands of them need no client's addresses, cookies and redirects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PORT: Final = 8000
HEADERS: Final = {"host": f"127.0.0.1:{PORT}", "accept": "*/*", "cid": "the-same"}


@dataclass(frozen=True)
class Heard:
    """What came back."""

    status_code: int
    headers: tuple[tuple[str, str], ...]
    text: str


async def sent(application: Any, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Heard:
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "server": ("127.0.0.1", PORT), "client": ("127.0.0.1", 123),
        "headers": [
            (name.encode(), said.encode())
            for name, said in (HEADERS | {"content-length": str(len(body))} | dict(headers)).items()
        ],
    }  # fmt: skip
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await application(scope, receive, send)
    start, *parts = messages
    text = b"".join(part.get("body", b"") for part in parts).decode("utf-8", "replace")
    return Heard(start["status"], tuple((name.decode(), said.decode()) for name, said in start["headers"]), text)
