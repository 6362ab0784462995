"""Messages posted to the addresses of receivers: HTTP/1.1 over connections that are kept, and nothing else.

A client library follows redirects, takes proxies from the environment and asks for a name twice; here a name is looked up once,
every address that it leads to must be let, and the connection goes to the one that was looked at. What a receiver answers is
its status; its body is read to its end, so that the connection can be used again, and thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from kjerne.registries.receivers import Receiver

AT_ONCE: Final = 16
"""Connections to one receiver."""
HEAD_LIMIT_BYTES: Final = 16_000
BODY_LIMIT_BYTES: Final = 64_000
IDLE_SECONDS: Final = 15.0
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n]*)?")

Header = tuple[str, str]


class NotTaken(Exception):
    """A message was not taken; the text says why in words of our own."""


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_at: float = 0.0


@dataclass
class _Place:
    """What is known of one receiver: connections that idle, and how many may be in work."""

    idle: list[_Connection] = field(default_factory=list)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class Hooks:
    """Posts to receivers; one for a program."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, int, Receiver], _Place] = defaultdict(_Place)

    async def send(
        self, receiver: Receiver, url: str, headers: Sequence[Header], body: bytes, seconds: float,
        until: float = float("inf"), method: str = "POST",
    ) -> None:  # fmt: skip
        """Raises `NotTaken` unless the receiver answers with 2xx within the time; `TimeoutError` where it could not be begun
        before the loop's time `until`, since others were in front."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", f"host: {parts.netloc}", f"content-length: {len(body)}"]
        raw = (
            "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers)]).encode("latin-1")
            + b"\r\n\r\n"
            + body
        )
        place = self._places[parts.scheme, host, port, receiver]
        async with place.room:
            if asyncio.get_running_loop().time() > until:
                raise TimeoutError
            try:
                async with asyncio.timeout(seconds):
                    status = await self._answered(place, receiver, (parts.scheme, host, port), raw)
            except TimeoutError:
                raise NotTaken(f"it did not answer within {seconds:g} seconds") from None
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise NotTaken(f"it could not be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            more = ", and nothing is sent where it points to" if 300 <= status < 400 else ""
            raise NotTaken(f"it answered {status}{more}")

    async def _answered(self, place: _Place, receiver: Receiver, to: tuple[str, str, int], raw: bytes) -> int:
        loop = asyncio.get_running_loop()
        while place.idle:
            one = place.idle.pop()
            if loop.time() - one.used_at > IDLE_SECONDS or one.reader.at_eof() or one.writer.is_closing():
                one.writer.close()
                continue
            try:
                return await self._asked(place, one, raw)
            except (ConnectionError, asyncio.IncompleteReadError):
                # It was closed while it idled. The message may have been taken: it is known by its number.
                break
        return await self._asked(place, await self._connected(receiver, *to), raw)

    async def _connected(self, receiver: Receiver, scheme: str, host: str, port: int) -> _Connection:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(one[4][0]) for one in found]
        if not addresses or not all(map(receiver.lets, addresses)):
            raise NotTaken("its name leads to an address that no operator has let it lead to")
        context = _context(receiver.ca) if scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            addresses[0], port, ssl=context, server_hostname=host if context else None, limit=HEAD_LIMIT_BYTES
        )
        return _Connection(reader, writer)

    async def _asked(self, place: _Place, one: _Connection, raw: bytes) -> int:
        with _closed_if_broken(one):
            one.writer.write(raw)
            await one.writer.drain()
            status, headers = 100, dict[bytes, bytes]()
            while status < 200:
                status, headers, old = _head(await one.reader.readuntil(b"\r\n\r\n"))
            kept = (
                not old and headers.get(b"connection", b"").lower() != b"close" and b"transfer-encoding" not in headers
            )
            length = headers.get(b"content-length", b"0" if status in (204, 304) else b"")
            if kept and length.isdigit() and len(length) < 7 and int(length) <= BODY_LIMIT_BYTES:
                if int(length):
                    await one.reader.readexactly(int(length))
                one.used_at = asyncio.get_running_loop().time()
                place.idle.append(one)
            else:
                one.writer.close()
        return status

    def close(self) -> None:
        """Gives up every connection that idles."""
        for place in self._places.values():
            while place.idle:
                place.idle.pop().writer.close()


@contextlib.contextmanager
def _closed_if_broken(one: _Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        one.writer.close()
        raise


def _head(raw: bytes) -> tuple[int, dict[bytes, bytes], bool]:
    """Status, headers, and whether it is HTTP/1.0."""
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise NotTaken("what it answered is no HTTP/1.1")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    return int(status[2]), headers, status[1] == b"0"


@cache
def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
