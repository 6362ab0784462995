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
    receiver: Receiver, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
) -> AsyncIterator[httpx.Response]:
    """An answer whose body is not read yet; `seconds` for each step of the way. `NotTaken` where its name leads to an address
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
    verify = _context(receiver.ca) if parts.scheme == "https" else False
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=seconds, verify=verify) as client,
        client.stream(
            method, target, headers={**headers, "host": parts.netloc}, content=body,
            extensions={"sni_hostname": host} if verify else {},
        ) as answer,
    ):  # fmt: skip
        if 300 <= answer.status_code < 400:
            raise NotTaken(f"it answered {answer.status_code}, and nothing is asked where it points to")
        yield answer


@cache
def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
