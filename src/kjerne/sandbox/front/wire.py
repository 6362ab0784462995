"""The platform as a client meets it: every request goes over HTTP to its own address, and what went over is written down.

Nothing of the integrator's pages calls the platform in any other way, so what they show is what her own program will see.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import httpx

from kjerne.client import Client
from kjerne.clock import Clock
from kjerne.errors import Refusal

SECONDS: Final = 30
THREADS: Final = 8
T = TypeVar("T")
ANSWER_LIMIT_BYTES: Final = 100_000
"""Of an answer, what is kept to be shown."""
AS_IT_IS: Final = {"accept-encoding": "identity", "user-agent": "kjerne-sandbox"}
"""So that the answer that is shown is the answer that came."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its answer, as they went over the wire; `milliseconds` from the first byte out to the last byte in."""

    method: str
    url: str
    sent: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    answer: bytes = field(repr=False)
    milliseconds: float
    length_bytes: int
    """Of the whole answer, of which `answer` may be the beginning."""

    def header(self, name: str) -> str:
        """A header of the answer; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


class _Recording(httpx.BaseTransport):
    """Hands requests on, and keeps what went over."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.steps: list[Step] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        begun = time.perf_counter()
        answer = self._inner.handle_request(request)
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        step = Step(
            request.method,
            str(request.url),
            tuple(request.headers.multi_items()),
            body,
            answer.status_code,
            tuple(answer.headers.multi_items()),
            content[:ANSWER_LIMIT_BYTES],
            took,
            len(content),
        )
        self.steps.append(step)
        return answer

    def close(self) -> None:
        self._inner.close()


class Wire:
    """HTTP to the platform at `url`. For threads: nothing here may run on the loop that answers."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url.rstrip("/")
        self.clock = clock
        self._trusted = ssl.create_default_context()
        self._described: dict[str, Any] = {}
        self._threads = ThreadPoolExecutor(THREADS, "sandbox")

    async def apart(self, work: Callable[..., T], *given: Any) -> T:
        """Does what waits for the platform in a thread of our own: a call that waits long holds up nobody but who made it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *given))

    @contextlib.contextmanager
    def recorded(self) -> Iterator[tuple[httpx.Client, list[Step]]]:
        """A client of its own, and what it sends and gets. `Refusal` 503 where the platform's own address does not answer."""
        recording = _Recording(httpx.HTTPTransport(verify=self._trusted))
        try:
            with httpx.Client(transport=recording, trust_env=False, timeout=SECONDS, headers=AS_IT_IS) as http:
                yield http, recording.steps
        except httpx.TransportError as error:
            says = f"nothing answers at {self.url}, which is the platform's own address"
            raise Refusal(503, says, todo="Set KJERNE_PUBLIC_URL to an address that this machine reaches.") from error

    def client(self, http: httpx.Client) -> Client:
        """The client for tests (`kjerne.client`) over one of `recorded`."""
        return Client(self.url, http=http, clock=self.clock)

    def described(self) -> dict[str, Any]:
        """The platform's OpenAPI document."""
        if not self._described:
            with self.recorded() as (http, _):
                self._described = self.client(http).openapi()
        return self._described
