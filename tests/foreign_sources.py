"""Sources of documents on real sockets: our own, served in the test's process, and one that answers whatever a test likes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import uvicorn

from documents_at_hand import HOME
from kjerne.registries.document_sources import DocumentSource
from kjerne.registries.receivers import Receiver
from kjerne.wire.asking import Connections
from sources import AUDIENCE, GATEWAY

HERE: Final = (ip_network("127.0.0.0/8"),)
ORGANISATION: Final = "999999905"
OPEN: Final[list[Connections]] = []
"""Connections of federations that tests have made: closed at the end of each (`gateway/conftest.py`)."""


def known(port: int, name: str = "sundvika", **changes: Any) -> DocumentSource:
    """A source on this machine, as an operator's file would have it."""
    receiver = Receiver(name, f"http://127.0.0.1:{port}{GATEWAY}", HERE)
    said: dict[str, Any] = {
        "name": name, "title": name.title(), "organisation": ORGANISATION, "home": HOME, "audience": AUDIENCE, "seconds": 2.0,
        "receiver": receiver,
    }  # fmt: skip
    return DocumentSource(**(said | changes))


@dataclass
class Listed:
    """What stands in an operator's file."""

    entries: tuple[DocumentSource, ...]

    def all(self) -> tuple[DocumentSource, ...]:
        return self.entries


@contextlib.asynccontextmanager
async def served(application: Any) -> AsyncIterator[int]:
    """An application on a port of this machine, in the test's own loop."""
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    working = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await working


Reply = tuple[str, bytes]
"""Content type and body; the content type `hangs` never answers, `half` is broken off in the middle."""


@dataclass
class Odd:
    """A source that answers as it is told to, and remembers how often it was asked."""

    answers: Callable[[bytes], Reply]
    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            raw = await reader.readexactly(length)
            self.asked.append(raw)
            kind, body = self.answers(raw)
            if kind == "hangs":
                await self.over.wait()
            claimed = len(body) + (100 if kind.startswith("half") else 0)
            kind = kind.removeprefix("half ")
            writer.write(
                f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {claimed}\r\n\r\n".encode() + body
            )
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def files_held() -> int:
    """How many files of documents that came from sources this process has open, also where they have no name any more."""
    held = [one.readlink() for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return sum("/coming-" in str(one) for one in held)


@contextlib.asynccontextmanager
async def odd(answers: Callable[[bytes], Reply]) -> AsyncIterator[Odd]:
    """A source on a real socket that answers with what `answers` makes of each request."""
    made = Odd(answers)
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.over.set()
        server.close()
        await asyncio.sleep(0.01)
