"""Questions to registered servers: a name is looked up once, every address it leads to must be let, and nothing is followed.

As `wire.hooks`, which sends and throws away what is answered; here the answer is read, up to a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from kjerne.registries.receivers import Receiver
from kjerne.wire.hooks import NotTaken

ANSWER_LIMIT_BYTES: Final = 2_000_000
SECONDS: Final = 20.0


KEPT_SECONDS: Final = 15.0
KEPT_AT_ONCE: Final = 16


class Connections:
    """Connections that are kept between questions, for whoever asks the same few servers again and again.

    Those of one name are never used for another, though it leads to the same address: with a connection its certificate is
    checked. Where a name leads, and whether it may, is looked at before each question.
    """

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str, str], httpx.AsyncClient] = {}

    def of(self, scheme: str, netloc: str, ca: str) -> httpx.AsyncClient:
        """The client of one name."""
        found = self._clients.get((scheme, netloc, ca))
        if found is None:
            limits = httpx.Limits(
                max_connections=KEPT_AT_ONCE, max_keepalive_connections=KEPT_AT_ONCE, keepalive_expiry=KEPT_SECONDS
            )
            found = self._clients[scheme, netloc, ca] = _client(scheme, ca, limits)
        return found

    async def close(self) -> None:
        """Gives up every connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()


def _client(scheme: str, ca: str, limits: httpx.Limits) -> httpx.AsyncClient:
    verify = _context(ca) if scheme == "https" else False
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=verify, limits=limits)


class Answered(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    location: str


async def ask(receiver: Receiver, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answered:
    """`NotTaken` where the address is not the receiver's, it cannot be reached in time, it points elsewhere, or answers more than
    is read."""
    if not receiver.leads_to(url):
        raise NotTaken("the address is not one that an operator has registered")
    try:
        async with asyncio.timeout(SECONDS):
            return await _asked(receiver, method, url, headers, body)
    except TimeoutError:
        raise NotTaken(f"it did not answer within {SECONDS:g} seconds") from None
    except (OSError, httpx.HTTPError) as error:
        raise NotTaken(f"it could not be reached: {type(error).__name__}") from None


async def _asked(receiver: Receiver, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
    async with asking(receiver, method, url, {"accept-encoding": "identity", **headers}, body, SECONDS) as answer:
        read = bytearray()
        async for piece in answer.aiter_bytes():
            read += piece
            if len(read) > ANSWER_LIMIT_BYTES:
                raise NotTaken(f"it answered more than {ANSWER_LIMIT_BYTES} bytes")
        return Answered(answer.status_code, bytes(read), answer.headers.get("location", ""))


@contextlib.asynccontextmanager
async def asking(
    receiver: Receiver, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float,
    kept: Connections | None = None,
) -> AsyncIterator[httpx.Response]:  # fmt: skip
    """An answer whose body is not read yet; `seconds` for each step of the way. With `kept` by a connection that was used before,
    where there is one: the question must be one that may be asked twice. `NotTaken` where its name leads to an address
    that is not let, or it points elsewhere; `OSError` and `httpx.HTTPError` are the network's."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not all(map(receiver.lets, addresses)):
        raise NotTaken("its name leads to an address that no operator has let it lead to")
    first = addresses[0]
    there = f"[{first}]" if ipaddress.ip_address(first.partition("%")[0]).version == 6 else first
    target = httpx.URL(parts._replace(netloc=f"{there}:{port}").geturl())
    extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
    async with contextlib.AsyncExitStack() as stack:
        if kept is None:
            client = await stack.enter_async_context(_client(parts.scheme, receiver.ca, httpx.Limits()))
        else:
            client = kept.of(parts.scheme, parts.netloc, receiver.ca)
        request = client.build_request(
            method,
            target,
            headers={**headers, "host": parts.netloc},
            content=body,
            timeout=seconds,
            extensions=extensions,
        )
        answer = await _begun(client, request)
        stack.push_async_callback(answer.aclose)
        if 300 <= answer.status_code < 400:
            raise NotTaken(f"it answered {answer.status_code}, and nothing is asked where it points to")
        yield answer


async def _begun(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The head of an answer. Where a connection that was used before turns out to be closed, by another."""
    connected = False

    async def trace(event: str, _: Mapping[str, object]) -> None:
        nonlocal connected
        connected |= event.startswith("connection.connect")

    request.extensions["trace"] = trace
    try:
        return await client.send(request, stream=True)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        if connected:
            raise
        return await client.send(request, stream=True)


@cache
def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
