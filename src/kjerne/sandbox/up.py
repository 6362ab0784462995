"""`kjerne up`: the whole platform in one process, on its own PostgreSQL, with synthetic people, until Ctrl-C.

The first start makes the database and its people; later ones find them again. Whatever was begun and not finished
(a Ctrl-C while people are made) is taken up by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import httpx
import msgspec

from kjerne import app, fetching, housekeeping
from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.gathering import signer_of
from kjerne.registries.guides import Guides
from kjerne.sandbox import dangers, platform, seeding
from kjerne.sandbox.institutions import first_units
from kjerne.sandbox.seeding import Made, Progress
from kjerne.sandbox.sources.delivering import deliver
from kjerne.sandbox.sources.furnishing import Furnished, furnished
from kjerne.sandbox.sources.running import running
from kjerne.server import listening, serve, while_it_stands
from kjerne.settings import Settings
from kjerne.sharing import public_url
from kjerne.store import key_marks, migrate
from kjerne.store.checkpoints import Checkpoints, made_key
from kjerne.store.comparing import Comparer
from kjerne.store.embedded import Embedded
from kjerne.store.keys import Keys
from kjerne.store.pool import UNREACHED, open_pool
from kjerne.subscribing import Deliverer, ready

BEGUN: Final = "people.json.part"
"""In the data directory while the people are put in; named `platform.MADE` when all are there."""


@dataclass(frozen=True)
class Standing:
    """What a person who has just started the platform wants to know."""

    url: str
    people: int
    seconds: float
    patient: str
    """The synthetic number of the citizen whose record has something to show."""
    note: str = ""
    """What was asked for and is not as it stands."""
    sources: tuple[tuple[str, str], ...] = ()
    """Title and address of each document source, which answer a moment later."""


async def run(settings: Settings, progress: Progress, standing: Callable[[Standing], None]) -> None:
    """Start everything, call `standing` when it answers, and stop everything when told to."""
    begun = datetime.now(UTC)
    Guides.of(settings).state()
    async with _database(settings) as (connected, server):
        with contextlib.closing(listening(connected)) as listener:
            people = await _peopled(connected, progress)

            sources = await _sources(connected, server)
            async with running(sources, partial(deliver, sources, settings.data)) as begin, _at_work(connected):

                async def tell() -> None:
                    url = public_url(connected)
                    patient = await _demo_patient(url)
                    seconds = (datetime.now(UTC) - begun).total_seconds()
                    named = tuple((one.place.title, one.url) for one in sources)
                    standing(Standing(url, people, seconds, patient, _note(settings, people), named))
                    begin()

                await while_it_stands(server.ended(), serve(platform.build(connected), listener, tell))


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[tuple[Settings, Embedded]]:
    """The settings with the addresses of our own database at its newest layout. Refusal 409 where they name another: no
    synthetic person is ever put among real ones."""
    if settings.dsn:
        raise Refusal(
            409,
            "a database is named, and kjerne up fills one of its own with synthetic people",
            where="KJERNE_DSN",
            todo="Unset it, or start `kjerne serve`.",
        )
    if not settings.data.exists():
        listening(settings).close()  # a port that is taken is told before anything is made
    server = Embedded(settings.data, settings.postgres_bin)
    dsn, owner_dsn = await server.start()
    try:
        await migrate.upgrade(owner_dsn)
        await key_marks.checked(dsn, Keys.in_folder(settings.data))
        yield settings.model_copy(update={"dsn": dsn, "owner_dsn": owner_dsn}), server
    finally:
        await server.stop()


async def _sources(settings: Settings, server: Embedded) -> tuple[Furnished, ...]:
    """The document sources that stand beside the platform; none where an operator's own file says who is asked."""
    if settings.document_sources:
        return ()
    metadata = signer_of(settings, SystemClock()).metadata()
    return await furnished(settings, server, metadata, first_units())


@contextlib.asynccontextmanager
async def _at_work(settings: Settings) -> AsyncIterator[None]:
    """The work by the clock, beside the requests."""
    clock, keys = SystemClock(), Keys.in_folder(settings.data)
    shares = await housekeeping.shares_of(settings, keys, clock)
    pool = await open_pool(settings.dsn, 7)
    checkpoints = Checkpoints(settings.checkpoint_file, made_key(settings.audit_key)).ready()
    worker = housekeeping.worker(pool, clock, checkpoints, keys, shares)
    teller = housekeeping.teller(pool, clock, keys, settings)
    comparer = Comparer(pool, clock, checkpoints)
    deliverer = await ready(Deliverer(pool, clock, keys, shares, settings))
    async with app.opened(settings.model_copy(update={"pool_size": 2}), keys, clock) as house:
        working = asyncio.gather(
            worker.run_forever(), teller.run_forever(), comparer.run_forever(), deliverer.run_forever(),
            fetching.of(house).run_forever(),
        )  # fmt: skip
        try:
            yield
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError, *UNREACHED):
                await working
        with contextlib.suppress(*UNREACHED):
            await pool.close()


async def _peopled(settings: Settings, progress: Progress) -> int:
    """Make the synthetic people unless all are there; how many there are.

    What decides them is written down first, so that a start that was broken off is taken up on another day as the same.
    """
    data, clock = settings.data, SystemClock()
    known = platform.made(data)
    if known is None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        begun = data / BEGUN
        if not begun.exists():
            begun.write_bytes(msgspec.json.encode(Made(settings.people, settings.seed, clock.now().date())))
        known = msgspec.json.decode(begun.read_bytes(), type=Made)
        async with app.opened(settings, Keys.in_folder(data), clock) as house:
            await seeding.seed(house, known, progress)
            await dangers.seed(house, known, progress)
        begun.rename(data / platform.MADE)
    else:
        # A sandbox from before there was a register of participation.
        async with app.opened(settings, Keys.in_folder(data), clock) as house:
            await seeding.take_part(house, known.population())
    return known.people


def _note(settings: Settings, people: int) -> str:
    """What is not as it was asked for."""
    own_file = "KJERNE_DOCUMENT_SOURCES names a file of your own, so no document source is started."
    skipped = own_file if settings.sources and settings.document_sources else ""
    return " ".join(filter(None, (other_number(settings, people), skipped)))


def other_number(settings: Settings, people: int) -> str:
    """A sentence where another number of people was asked for than the data have."""
    if "people" not in settings.model_fields_set or settings.people == people:
        return ""
    return (
        f"The data have {people} people already: the number asked for ({settings.people}) holds for a first start only."
    )


async def _demo_patient(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        told: dict[str, Any] = (await client.get("/sandbox/personas.json")).raise_for_status().json()
    return next((str(one["nin"]) for one in told["personas"] if one["name"] == "citizen"), "")
