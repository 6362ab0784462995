"""A whole sandbox in this process, peopled once for the session: called straight at the application, or over the wire.

Its clock can be moved forward, never back, so that what grows old (page links, attestations) can be seen to.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import httpx
import msgspec
import pytest
import structlog
import uvicorn
import uvloop

from kjerne import app, server
from kjerne.client import Client, Known
from kjerne.fhir.encode import decode
from kjerne.sandbox import platform as sandbox_platform
from kjerne.sandbox import seeding
from kjerne.sandbox.people import Population
from kjerne.sandbox.seeding import Made
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM
from kjerne.store.keys import Keys
from kjerne.wire import journal
from settling import settled

PEOPLE: Final = 15
SEED: Final = 20261123
START_SECONDS: Final = 30
# What a request may take here. A machine on which many other things run is no fault, and what never comes is told all the same.
PATIENCE_SECONDS: Final = 300

T = TypeVar("T")
Form = Sequence[tuple[str, str]]
Tree = dict[str, Any]


@dataclass
class MovedClock:
    """The machine's clock, moved forward by `ahead`."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, by: timedelta) -> None:
        self.ahead += by


class Straight(httpx.BaseTransport):
    """Hands requests to the application on the loop it runs on, past the socket."""

    def __init__(self, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = httpx.ASGITransport(application)
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return asyncio.run_coroutine_threadsafe(self._answered(request), self._loop).result(PATIENCE_SECONDS)

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        answer = await self._transport.handle_async_request(request)
        body = b"".join([piece async for piece in answer.aiter_raw()])  # packed as it is: the client unpacks it
        return httpx.Response(answer.status_code, headers=answer.headers, content=body)


@dataclass(frozen=True)
class Standing:
    """The platform while it stands. `client` goes straight to the application, `over_wire` through a real server."""

    url: str
    clock: MovedClock
    population: Population
    dsn: str
    written: io.StringIO
    application: Any
    loop: asyncio.AbstractEventLoop
    http: httpx.Client
    client: Client
    over_wire: Client
    _queries: list[asyncpg.Connection] = field(default_factory=list)

    def persona(self, name: str) -> Known:
        return next(one for one in self.client.personas() if one.name == name)

    def nin(self, name: str) -> str:
        """The person number of a persona, or of somebody in the cast."""
        known = next((one.nin for one in self.client.personas() if one.name == name), "")
        return known or self.population.by_key[self.population.cast[name]].nin  # type: ignore[index]

    def search(self, type_: str, form: Form = (), *, as_: str = "gp", about: str = "citizen", **more: Any) -> Answered:
        """A PPS search as somebody about somebody (a name, or a number)."""
        about = about if about.isdigit() else self.nin(about)
        return Answered(self.client.call("POST", f"/pps/v2/{type_}/_search", as_=as_, patient=about, form=form, **more))

    def get(self, path: str, *, as_: str = "gp", about: str = "citizen", **more: Any) -> Answered:
        """A FHIR R4 read as somebody about somebody."""
        about = about if about.isdigit() else self.nin(about)
        return Answered(self.client.call("GET", f"/fhir/R4/{path}", as_=as_, patient=about, **more))

    def send(self, message: bytes, *, as_: str = "lab", **more: Any) -> httpx.Response:
        """A laboratory's message in."""
        headers = {"content-type": "application/xml", **more.pop("headers", {})}
        return self.client.call("POST", "/pps/in", as_=as_, body=message, headers=headers, **more)

    def rows(self, statement: str, *values: Any) -> list[Mapping[str, Any]]:
        """What a statement finds in the platform's database."""

        async def fetched() -> list[Mapping[str, Any]]:
            return [dict(row) for row in await (await self._connection()).fetch(statement, *values)]

        return self.run(fetched())

    async def _connection(self) -> asyncpg.Connection:
        if not self._queries:
            self._queries.append(await asyncpg.connect(self.dsn))
        return self._queries[0]

    def settled(self) -> None:
        """Waits until what reads in the order of transactions reads all that was written."""

        async def settle() -> None:
            await settled(await self._connection())

        self.run(settle())

    def audited(self, answer: httpx.Response) -> list[Mapping[str, Any]]:
        """The audit rows of one request, found by its correlation id."""
        return self.rows("SELECT * FROM audit WHERE correlation = $1", answer.headers["x-correlation-id"])

    def run(self, work: Coroutine[Any, Any, T], seconds: float = PATIENCE_SECONDS) -> T:
        """Does something on the loop that the application runs on."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)


@dataclass(frozen=True)
class Answered:
    """An answer of a FHIR API, taken apart."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def tree(self) -> Tree:
        return decode(self.response.content)

    def resources(self, mode: str = "match") -> list[Tree]:
        return [entry["resource"] for entry in self.tree.get("entry", ()) if entry["search"]["mode"] == mode]

    def ids(self, mode: str = "match") -> list[str]:
        return [resource["id"] for resource in self.resources(mode)]

    @property
    def every_id(self) -> set[str]:
        """Of all records that left: found, included, or versions in a history, whose entries have no mode."""
        entries = self.tree.get("entry", ())
        return {one["resource"]["id"] for one in entries if one.get("search", {}).get("mode") != "outcome"}

    def link(self, relation: str) -> str:
        return next((one["url"] for one in self.tree.get("link", ()) if one["relation"] == relation), "")

    @property
    def issue(self) -> Tree:
        """The first issue of an OperationOutcome that is the answer, or stands in it."""
        tree = self.tree
        if tree["resourceType"] == "Bundle":
            (tree,) = self.resources("outcome")
        assert tree["resourceType"] == "OperationOutcome"
        issue: Tree = tree["issue"][0]
        return issue

    @property
    def outcome(self) -> str:
        """The code of the privacy outcome in the answer."""
        return str(self.issue["details"]["coding"][0]["code"])


def _peopled(settings: Settings, clock: MovedClock) -> Made:
    known = Made(PEOPLE, SEED, clock.now().date())

    async def seeded() -> None:
        async with app.opened(settings, Keys.in_folder(settings.data), clock) as house:
            await seeding.seed(house, known, lambda *_: None)

    asyncio.run(seeded())
    (settings.data / sandbox_platform.MADE).write_bytes(msgspec.json.encode(known))
    return known


@contextlib.contextmanager
def _served(application: Any, listener: Any) -> Iterator[asyncio.AbstractEventLoop]:
    """uvicorn on a thread of its own; the application lives on its loop, whichever way it is called."""
    loop = uvloop.new_event_loop()
    running = uvicorn.Server(server.configuration(application))
    thread = threading.Thread(target=lambda: loop.run_until_complete(running.serve([listener])), daemon=True)
    thread.start()
    until = time.monotonic() + START_SECONDS
    while not running.started:
        assert thread.is_alive() and time.monotonic() < until, "the platform did not start"
        time.sleep(0.02)
    try:
        yield loop
    finally:
        running.should_exit = True
        thread.join(START_SECONDS)
        loop.close()


@contextlib.contextmanager
def standing(dsn: str, data: Path) -> Iterator[Standing]:
    """A platform over an empty, migrated database, until the block ends."""
    clock, written = MovedClock(), io.StringIO()
    before = journal.log
    with contextlib.closing(server.listening(Settings(port=1).model_copy(update={"port": 0}))) as listener:
        port = listener.getsockname()[1]
        settings = Settings(data=data, dsn=dsn, port=port, people=PEOPLE, request_seconds=PATIENCE_SECONDS)
        known = _peopled(settings, clock)
        journal.log = structlog.wrap_logger(
            structlog.WriteLogger(written),
            [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
            wrapper_class=structlog.BoundLogger,  # whatever level a command line in this process has set
        )
        application = sandbox_platform.build(settings, clock)
        url = f"http://127.0.0.1:{port}"
        with (
            _served(application, listener) as loop,
            httpx.Client(transport=Straight(application, loop)) as straight,
            httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as wire,
        ):
            found = Standing(
                url, clock, known.population(), dsn, written, application, loop, straight,
                Client(url, http=straight, clock=clock), Client(url, http=wire, clock=clock),
            )  # fmt: skip
            yield found
            for connection in found._queries:
                found.run(connection.close())
        journal.log = before


@contextlib.contextmanager
def where_no_choice_is_told(platform: Standing) -> Iterator[Standing]:
    """The same people and records under the law of EHDS: another application over one database, until the block ends."""
    with contextlib.closing(server.listening(Settings(port=1).model_copy(update={"port": 0}))) as listener:
        port = listener.getsockname()[1]
        of_law = {"jurisdiction": "EHDS", "port": port}
        application = sandbox_platform.build(
            platform.application._edge.settings.model_copy(update=of_law), platform.clock
        )
        url = f"http://127.0.0.1:{port}"
        with (
            _served(application, listener) as loop,
            httpx.Client(transport=Straight(application, loop)) as straight,
        ):
            client = Client(url, http=straight, clock=platform.clock)
            found = replace(
                platform,
                url=url,
                application=application,
                loop=loop,
                http=straight,
                client=client,
                over_wire=client,
                _queries=[],
            )
            yield found
            for connection in found._queries:
                found.run(connection.close())


@pytest.fixture(scope="session")
def platform(platforms_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """The sandbox with its cast of fifteen on PostgreSQL 18, for the whole session."""
    name = "whole_platform"
    platforms_cluster.create(name)
    with standing(platforms_cluster.server.dsn(PROGRAM, name), tmp_path_factory.mktemp("platform")) as found:
        yield found
    platforms_cluster.drop(name)
