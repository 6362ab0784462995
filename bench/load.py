"""The load generator: keep-alive HTTP/1.1 on raw sockets, one request in flight for each lane.

A program of its own: it reads a `Load` from standard input and writes an `Outcome` to standard output (both
MessagePack), so that its CPU time is counted apart from the server's. Each request that needs a proof of possession gets
one signed for it at that moment; none is made ahead.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import re
import resource
import secrets
import subprocess
import sys
import time
from binascii import b2a_base64
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final

import msgspec
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from kjerne.wire.jws import SigningKey

GIVE_UP_SECONDS: Final = 60
"""How long requests already sent may still be answered before the run is called broken."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PLACE: Final = re.compile(rb"\r\nlocation: *([^\r]*)", re.IGNORECASE)
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_ES256: Final = ec.ECDSA(Prehashed(hashes.SHA256()))


class Request(msgspec.Struct, frozen=True):
    """One request; `headers` are those beside host, length and proof."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""


class Lane(msgspec.Struct, frozen=True):
    """One connection and what it asks for, in turn. With a `key` (private JWK) each request carries `token` and proof."""

    requests: list[Request]
    token: str = ""
    key: dict[str, str] | None = None


class Load(msgspec.Struct, frozen=True):
    """What to do: all lanes at once, round and round for `seconds`, or each request once where that is 0.

    With a `rate` so many requests a second are begun by all lanes together, and no more."""

    host: str
    port: int
    lanes: list[Lane]
    seconds: float
    keep_places: bool = False
    keep_bodies: bool = False
    rate: float = 0.0


class Outcome(msgspec.Struct, frozen=True):
    """What came back. `places` are Location headers, `bodies` the answers, by lane in order, where they were asked for."""

    done: int
    seconds: float
    client_cpu_seconds: float
    statuses: dict[int, int]
    median_ms: float
    p99_ms: float
    refusal: bytes = b""
    """The body of one answer that was no success."""
    places: list[list[str]] = []
    bodies: list[list[bytes]] = []

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.done / self.seconds if self.seconds else 0.0


def drive(load: Load) -> Outcome:
    """Runs the generator as its own process and waits for what it found."""
    ended = subprocess.run(
        [sys.executable, __file__],
        input=msgspec.msgpack.encode(load),
        stdout=subprocess.PIPE,
        timeout=load.seconds + 10 * GIVE_UP_SECONDS,
        check=True,
    )
    return msgspec.msgpack.decode(ended.stdout, type=Outcome)


class Signer:
    """Signs DPoP proofs (RFC 9449) with one key for one token: what does not change is written once."""

    def __init__(self, jwk: dict[str, str], token: str) -> None:
        key = SigningKey.from_jwk(jwk)
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk()}
        self._sign = key.key.sign
        self._head = _encoded(msgspec.json.encode(header)) + b"."
        self._ath = _encoded(hashlib.sha256(token.encode()).digest()).decode()

    def proof(self, method: str, url: str) -> bytes:
        """One proof, for one request, signed now."""
        said = {"jti": secrets.token_hex(12), "htm": method, "htu": url, "iat": int(time.time()), "ath": self._ath}
        signed = self._head + _encoded(msgspec.json.encode(said))
        r, s = decode_dss_signature(self._sign(hashlib.sha256(signed).digest(), _ES256))
        return signed + b"." + _encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _encoded(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL)


class Connection(asyncio.Protocol):
    """One lane at work: sends, waits for the whole answer, sends the next."""

    def __init__(self, load: Load, lane: Lane, ends_at: float) -> None:
        self._load = load
        self._ends_at = ends_at
        self._origin = f"http://{load.host}:{load.port}"
        self._signer = Signer(lane.key, lane.token) if lane.key else None
        self._next: Iterator[tuple[bytes, bytes, Request]] = iter(_written(load, lane))
        if load.seconds:
            self._next = cycle(self._next)
        self._received = bytearray()
        self._wanted = 0
        self._sent_at = 0.0
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.refusal = b""
        self.places: list[str] = []
        self.bodies: list[bytes] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pace = len(load.lanes) / load.rate if load.rate else 0.0
        self._due = time.perf_counter() + secrets.randbelow(1000) / 1000 * self._pace

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        # A long answer comes in hundreds of parts: it is looked at again when all of it is there.
        if len(self._received) < self._wanted:
            return
        received = self._received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(received[: end + 2])
        status = int(head[9:12])
        length = _LENGTH.search(head)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(received) < size:
            self._wanted = size
            return
        self._received, self._wanted = bytearray(), 0
        self.latencies.append(time.perf_counter() - self._sent_at)
        self.statuses[status] += 1
        if status >= 400:
            self.refusal = bytes(received[end + 4 :])
        if self._load.keep_places:
            place = _PLACE.search(head)
            self.places.append(place[1].decode() if place else "")
        if self._load.keep_bodies:
            self.bodies.append(bytes(received[end + 4 :]))
        self._due += self._pace
        wait = self._due - time.perf_counter()
        if self._pace and wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send)
        else:
            self._send()

    def _send(self) -> None:
        now = time.perf_counter()
        following = next(self._next, None) if not self._load.seconds or now < self._ends_at else None
        if following is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        head, rest, request = following
        self._sent_at = now
        if self._signer:
            url = self._origin + request.path.partition("?")[0]
            head += b"dpop: " + self._signer.proof(request.method, url) + b"\r\n"
        self._transport.write(head + rest)


def _written(load: Load, lane: Lane) -> list[tuple[bytes, bytes, Request]]:
    """The bytes of each request before and after the place for its proof."""
    written = []
    for request in lane.requests:
        lines = [f"{request.method} {request.path} HTTP/1.1", f"host: {load.host}:{load.port}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if lane.token:
            lines.append(f"authorization: DPoP {lane.token}")
        if request.body:
            lines.append(f"content-length: {len(request.body)}")
        written.append(("\r\n".join(lines).encode() + b"\r\n", b"\r\n" + request.body, request))
    return written


async def _driven(load: Load) -> Outcome:
    loop = asyncio.get_running_loop()
    began, cpu_began = time.perf_counter(), _cpu_seconds()
    ends_at = began + load.seconds
    made = [
        await loop.create_connection(lambda lane=lane: Connection(load, lane, ends_at), load.host, load.port)  # type: ignore[misc]
        for lane in load.lanes
    ]
    at_work: list[Connection] = [connection for _, connection in made]
    async with asyncio.timeout(load.seconds + GIVE_UP_SECONDS if load.seconds else 10 * GIVE_UP_SECONDS):
        await asyncio.gather(*(connection.ended for connection in at_work))
    seconds = time.perf_counter() - began
    latencies = sorted(latency for connection in at_work for latency in connection.latencies)
    return Outcome(
        done=len(latencies),
        seconds=seconds,
        client_cpu_seconds=_cpu_seconds() - cpu_began,
        statuses=dict(sum((connection.statuses for connection in at_work), Counter())),
        median_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[len(latencies) * 99 // 100],
        refusal=next((connection.refusal for connection in at_work if connection.refusal), b""),
        places=[connection.places for connection in at_work] if load.keep_places else [],
        bodies=[connection.bodies for connection in at_work] if load.keep_bodies else [],
    )


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    load = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Load)
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.msgpack.encode(runner.run(_driven(load))))


if __name__ == "__main__":
    main()
