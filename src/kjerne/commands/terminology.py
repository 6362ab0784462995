"""`kjerne load terminology`: code systems and value sets from their publishers' files into the database of the settings."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from kjerne.clock import SystemClock
from kjerne.commands.console import loading as bars
from kjerne.commands.database import on_database
from kjerne.errors import Refusal
from kjerne.registries.code_files.recognising import Definition, Found, Given, System, found
from kjerne.registries.code_files.sources import Meter, Step
from kjerne.services.warnings.kin import SUBSTANCE_MAP
from kjerne.services.warnings.kin import check as check_map
from kjerne.settings import Settings
from kjerne.store import loading, terminology
from kjerne.store.pool import Connection, Pool

T = TypeVar("T")
SECONDS: Final = 3_600.0
"""What one statement may take: a release is put together in one."""


def done(
    settings: Settings, paths: Sequence[Path], address: str, version: str, remove: str, *, quiet: bool
) -> list[dict[str, Any]]:
    """What the command was asked: something kept no more, files loaded, or all that is loaded shown."""
    if remove:
        return removed(settings, remove)
    if not paths:
        return listed(settings)
    with bars(quiet=quiet) as step:
        return loaded(settings, paths, Given(address, version), step)


def loaded(settings: Settings, paths: Sequence[Path], given: Given, step: Step) -> list[dict[str, Any]]:
    """Keeps what is in the files, all of it or nothing, and says of each what became of it."""
    every = found(paths, given)
    places = [(type(one).__name__, *_place(one)) for one in every]
    if twice := next((one for one in places if places.count(one) > 1), None):
        raise Refusal(422, "two files have the same system in the same version", where="|".join(twice[1:]))

    async def use(conn: Connection) -> list[dict[str, Any]]:
        async with conn.transaction():
            # Two loads at once would both find nothing there.
            await conn.execute("LOCK TABLE code_system IN SHARE ROW EXCLUSIVE MODE")
            return [await _kept(conn, one, step) for one in every]

    return _run(settings, use)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """What is loaded."""

    async def use(conn: Connection) -> list[dict[str, Any]]:
        return [{**one, "loaded_at": one["loaded_at"].isoformat()} for one in await terminology.every(conn)]

    return _run(settings, use)


def removed(settings: Settings, canonical: str) -> list[dict[str, Any]]:
    """A version kept no more; `Refusal` (404) where it is not there."""
    url, _, version = canonical.partition("|")

    async def use(conn: Connection) -> list[dict[str, Any]]:
        async with conn.transaction():
            gone = [await loading.removed(conn, url, version), await loading.remove_definition(conn, url, version)]
        if not any(gone):
            todo = "See kjerne load terminology, without a path."
            raise Refusal(404, "no such version is loaded", where=canonical, todo=todo)
        return [{"url": url, "version": version, "state": "removed"}]

    return _run(settings, use)


def told(rows: Sequence[dict[str, Any]]) -> str:
    """As lines for a terminal."""
    lines = []
    for one in rows:
        place = f"{one['url']}|{one['version']}" if one["version"] else one["url"]
        codes = f"{one['concepts']} codes" if one.get("concepts") is not None else ""
        lines.append(": ".join([place, ", ".join(filter(None, (one.get("kind"), codes, one.get("state"))))]))
    return "\n".join([*lines, f"{len(rows)} in all"])


async def _kept(conn: Connection, one: Found, step: Step) -> dict[str, Any]:
    at, began = SystemClock().now(), time.monotonic()
    url, version = _place(one)
    if isinstance(one, Definition):
        if url == SUBSTANCE_MAP and one.resource["resourceType"] == "ConceptMap":
            check_map(one.resource)
        state = await loading.keep_definition(conn, one.resource, at)
        return {"url": url, "version": version, "kind": one.resource["resourceType"], "state": state}
    of = loading.Of(url, version, one.name, one.kind, one.digest)
    count = await loading.is_there(conn, of)
    state = "unchanged"
    if count is None:
        state = "replaced" if await terminology.has(conn, url, version) else "loaded"
        count = await _read(conn, one, of, step)
    seconds = round(time.monotonic() - began, 1)
    return {"url": url, "version": version, "kind": one.kind, "concepts": count, "state": state, "seconds": seconds}


async def _read(conn: Connection, one: System, of: loading.Of, step: Step) -> int:
    meter, place = Meter(sum(source.size for source in one.used), step), str(one.used[0].path)
    try:
        return await loading.load(conn, of, one.parts(meter), SystemClock().now(), step)
    except Refusal as refusal:
        # What is wrong with all of it together is wrong with these files.
        if refusal.where.startswith(("code ", of.url)):
            raise Refusal(422, refusal.says, where=f"{place}: {refusal.where}", todo=refusal.todo) from None
        raise
    except (asyncpg.DataError, UnicodeEncodeError):
        raise Refusal(422, "a code or a text in it has a character that no text has", where=place) from None


def _place(one: Found) -> tuple[str, str]:
    if isinstance(one, Definition):
        return str(one.resource["url"]), str(one.resource.get("version", ""))
    return one.url, one.version


def _run(settings: Settings, use: Callable[[Connection], Awaitable[T]]) -> T:
    async def work(pool: Pool) -> T:
        async with pool.acquire() as conn:
            return await use(conn)

    return on_database(settings, work, seconds=SECONDS)
