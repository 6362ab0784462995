"""Requests straight to the application: ten thousands of them need no client's addresses, cookies and redirects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

PORT: Final = 8000
HEADERS: Final = {"host": f"127.0.0.1:{PORT}", "accept": "*/*", "cid": "the-same"}


@dataclass(frozen=True)
class Heard:
    """What came back."""

    status_code: int
    headers: tuple[tuple[str, str], ...]
    text: str
    content: bytes = b""

    def json(self) -> Any:
        return json.loads(self.content)

    def header(self, name: str) -> str:
        """One header by its name in small letters."""
        return dict(self.headers)[name]


async def sent(application: Any, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Heard:
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
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
    content = b"".join(part.get("body", b"") for part in parts)
    told = tuple((name.decode(), said.decode()) for name, said in start["headers"])
    return Heard(start["status"], told, content.decode("utf-8", "replace"), content)


@dataclass(frozen=True)
class Straight:
    """A client of one application that asks as `sent` does: of an address as it was told, also with its host."""

    application: Any

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | str = b"",
        json: Any = None, data: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None,
    ) -> Heard:  # fmt: skip
        at, more = urlsplit(url), dict(headers or {})
        query = urlencode(params) if params else at.query
        body = content.encode() if isinstance(content, str) else content
        if json is not None:
            body, more = _json(json), {"content-type": "application/json"} | more
        elif data is not None:
            body, more = urlencode(data).encode(), {"content-type": "application/x-www-form-urlencoded"} | more
        return await sent(self.application, method, f"{at.path}?{query}" if query else at.path, more, body)

    async def get(self, url: str, **more: Any) -> Heard:
        return await self.request("GET", url, **more)

    async def post(self, url: str, **more: Any) -> Heard:
        return await self.request("POST", url, **more)

    async def delete(self, url: str, **more: Any) -> Heard:
        return await self.request("DELETE", url, **more)


def _json(tree: Any) -> bytes:
    """Without blanks, as most clients write it: a body is kept, and told, as it came."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
