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
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from kjerne.registries.receivers import Receiver
from kjerne.wire.hooks import NotTaken

ANSWER_LIMIT_BYTES: Final = 2_000_000
SECONDS: Final = 20.0


KEPT_SECONDS: Final = 15.0
KEPT_AT_ONCE: Final = 16
Name = tuple[str, str, str, str]
"""A receiver's name, the scheme and host that it is asked at, and the authority that its certificate is held to."""


@dataclass
class _Client:
    """The connections of one name, how many questions use them now, and whether they are given up when the last has ended."""

    asks: httpx.AsyncClient
    used: int = 0
    given_up: bool = False


class Connections:
    """Connections that are kept between questions, for whoever asks the same few servers again and again.

    Those of one name are never used for another, though it leads to the same address: with a connection its certificate is
    checked. Where a name leads, and whether it may, is looked at before each question. How many there are is for whoever asks to
    bound: a limit here would have one receiver wait for another that has the same host.
    """

    def __init__(self) -> None:
        self._clients: dict[Name, _Client] = {}
        self._looked_up: dict[tuple[str, int], asyncio.Task[list[Any]]] = {}

    @contextlib.asynccontextmanager
    async def of(self, name: Name) -> AsyncIterator[httpx.AsyncClient]:
        """The client of one name, for a block."""
        one = self._clients.get(name)
        if one is None:
            limits = httpx.Limits(
                max_connections=None, max_keepalive_connections=KEPT_AT_ONCE, keepalive_expiry=KEPT_SECONDS
            )
            one = self._clients[name] = _Client(_client(name[1], name[3], limits))
        one.used += 1
        try:
            yield one.asks
        finally:
            one.used -= 1
            if one.given_up and not one.used:
                await one.asks.aclose()

    async def give_up(self, receiver: Receiver) -> None:
        """After an answer that is none: what else came by the connection would be taken for the answer to the next question. Who
        asks by another of the same name is answered first."""
        one = self._clients.pop(name_of(receiver), None)
        if one is not None:
            one.given_up = True
            if not one.used:
                await one.asks.aclose()

    async def addresses(self, host: str, port: int) -> list[Any]:
        """Where a name leads. It is looked up once for all who ask at the time: each look-up takes a thread until it ends, and a
        name that is not answered would take them from every other."""
        found = self._looked_up.get((host, port))
        if found is None or found.get_loop() is not asyncio.get_running_loop():
            found = self._looked_up[host, port] = asyncio.create_task(_looked_up(host, port))
            found.add_done_callback(lambda done: self._found(host, port, done))
        return await asyncio.shield(found)

    def _found(self, host: str, port: int, done: asyncio.Task[list[Any]]) -> None:
        if self._looked_up.get((host, port)) is done:
            del self._looked_up[host, port]
        if not done.cancelled():
            done.exception()  # whoever waited has heard of it, or nobody waits any more

    async def close(self) -> None:
        """Gives up every connection."""
        while self._clients:
            await self._clients.popitem()[1].asks.aclose()


def name_of(receiver: Receiver) -> Name:
    """What connections to a receiver are kept by."""
    parts = urlsplit(receiver.url)
    return receiver.client, parts.scheme, parts.netloc, receiver.ca


async def _looked_up(host: str, port: int) -> list[Any]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _client(scheme: str, ca: str, limits: httpx.Limits) -> httpx.AsyncClient:
    verify = _context(ca) if scheme == "https" else False
    made = httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=verify, limits=limits)
    # A cookie that one question was answered with would go with the next, which another asks about somebody else.
    made.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return made


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
    found = await (kept.addresses(host, port) if kept is not None else _looked_up(host, port))
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
            client = await stack.enter_async_context(kept.of(name_of(receiver)))
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
