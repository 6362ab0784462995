"""What a register says of two people of the sandbox, for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from kjerne.access import Tie
from kjerne.registries.identifiers import digest
from platform_fixture import Standing


def key_of(platform: Standing, part: str) -> int:
    """The person key of somebody in the cast."""
    store = platform.application._edge.store
    # Asked for here: it may ask the platform, which cannot answer while its loop waits.
    number = platform.nin(part)

    async def found() -> int | None:
        async with store.pool.acquire() as conn:
            key: int | None = await store.people.key_of(conn, digest(store.keys.derived("identifier"), number))
            return key

    key = platform.run(found())
    assert key is not None
    return key


@contextmanager
def tied(
    platform: Standing, patient: str, other: str, kind: Any, *, areas: tuple[str, ...] = (), form: str = "",
    since: date | None = None, until: date | None = None,
) -> Iterator[None]:  # fmt: skip
    """While a register has this tie between two of the cast."""
    store, own = platform.application._edge.store, key_of(platform, patient)
    tie = Tie(kind, key=key_of(platform, other), since=since, until=until, areas=areas, form=form)

    async def add() -> None:
        async with store.pool.acquire() as conn:
            await store.people.add_ties(conn, [(own, tie)])

    async def end() -> None:
        async with store.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "DELETE FROM person_tie WHERE patient = $1 AND other = $2 AND kind = $3 AND areas = $4",
                own, tie.key, kind, list(areas),
            )  # fmt: skip
            await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", own)

    platform.run(add())
    try:
        yield
    finally:
        platform.run(end())


@contextmanager
def untied(platform: Standing, patient: str, other: str, kind: str) -> Iterator[None]:
    """While a register no longer has this tie of the cast's: as of today."""
    store, own = platform.application._edge.store, key_of(platform, patient)
    on, named = platform.clock.now().date(), key_of(platform, other)

    async def until(day: date | None) -> None:
        async with store.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "UPDATE person_tie SET until = $4 WHERE patient = $1 AND other = $2 AND kind = $3",
                own,
                named,
                kind,
                day,
            )
            await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", own)

    platform.run(until(on))
    try:
        yield
    finally:
        platform.run(until(None))
