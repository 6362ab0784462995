"""`kjerne source`: a document source in one process, on a folder of its own and the PostgreSQL in it, or at a DSN."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from kjerne import server
from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.source import migrations
from kjerne.source.app import Application
from kjerne.source.configured import Configured, configured
from kjerne.source.files import Files
from kjerne.source.house import Source
from kjerne.store import migrate
from kjerne.store.embedded import Embedded
from kjerne.store.hold import Hold
from kjerne.store.pool import open_pool, reaching
from kjerne.wire.saml import Assertions

ASSERTION_SECONDS: Final = 3_600
"""How old an assertion may be; a gateway asks for a list and then for documents with the same one."""
LAYOUT: Final = Path(migrations.__file__).parent


def run(settings: Settings, *, as_json: bool) -> None:
    """Answer requests until told to stop."""
    server.log_to()
    server.run(_run(settings, as_json=as_json))


async def _run(settings: Settings, *, as_json: bool) -> None:
    said = configured(settings.data)
    url = settings.public_url or f"http://{settings.host}:{settings.port}"
    with contextlib.closing(server.listening(settings)) as listener:
        async with _database(settings) as (dsn, database):
            pool = await open_pool(dsn, settings.pool_size, seconds=settings.request_seconds)
            clock = SystemClock()
            assertions = Assertions(said.believed, said.audiences, clock, seconds=ASSERTION_SECONDS)
            source = Source(said, Files(settings.data), pool, assertions, clock)

            await source.swept()

            async def tell() -> None:
                _say(url, said, as_json=as_json)

            try:
                serving = server.serve(Application(source, url), listener, tell)
                await (server.while_it_stands(database.ended(), serving) if database else serving)
            finally:
                await pool.close()


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[tuple[str, Embedded | None]]:
    """The address of the source's database at the newest layout, and its server where that is our own."""
    if settings.dsn:
        with reaching():
            if settings.owner_dsn:
                await migrate.upgrade(settings.owner_dsn, LAYOUT)
            stands = await migrate.current(settings.dsn)
        if stands != migrate.head(LAYOUT):
            raise Refusal(
                409, f"the database stands at layout {stands or 'none'}, a source needs {migrate.head(LAYOUT)}",
                where="KJERNE_DSN", todo="Name the owner's address in KJERNE_OWNER_DSN, and a database of the source's own.",
            )  # fmt: skip
        hold = Hold.take(settings.data)
        try:
            yield settings.dsn, None
        finally:
            hold.release()
        return
    own = Embedded(settings.data, settings.postgres_bin)
    dsn, owner_dsn = await own.start()
    try:
        await migrate.upgrade(owner_dsn, LAYOUT)
        yield dsn, own
    finally:
        await own.stop()


def _say(url: str, said: Configured, *, as_json: bool) -> None:
    told = {"url": url, "home": said.home, "repository": said.repository, "issuers": len(said.believed)}
    warned = "" if said.believed else " It believes nobody's assertions yet: see source.toml."
    print(json.dumps(told) if as_json else f"kjerne source {said.home} at {url}.{warned}", flush=True)
