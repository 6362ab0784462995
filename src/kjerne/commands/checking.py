"""`kjerne check`: whether everything that a start needs is there, each with what to do where it is not."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kjerne.errors import Refusal
from kjerne.settings import Settings

if TYPE_CHECKING:
    from kjerne.store.restoring import State
    from kjerne.store.shares import Shares


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `ok` is None where it could not be."""

    what: str
    ok: bool | None
    says: str

    def told(self) -> dict[str, Any]:
        return asdict(self)


def findings(settings: Settings) -> list[Finding]:
    """Everything, in the order in which a start needs it."""
    return [
        Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0]),
        _definitions(),
        _assets(),
        *(_production(settings) if settings.dsn else [_embedded(settings), *_sandbox(settings)]),
    ]


def _definitions() -> Finding:
    folder = files("kjerne") / "fhir" / "data"
    made = folder.is_dir() and any(True for _ in folder.iterdir())
    return Finding("FHIR definitions", made, "FHIR R4" if made else "run `make definitions` in the checkout")


def _assets() -> Finding:
    folder = files("kjerne") / "pages" / "static" / "vendor"
    made = (folder / "theme.css").is_file()
    return Finding("page assets", made, "there" if made else "run `make assets` in the checkout")


def _embedded(settings: Settings) -> Finding:
    from kjerne.store.programs import find, runner

    data = settings.data
    try:
        programs = find(settings.postgres_bin, runner(data / "postgres"))
    except Refusal as refusal:
        return Finding("PostgreSQL", False, str(refusal))
    if programs.copied_to is not None:
        import shutil

        shutil.rmtree(programs.copied_to)
    place = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding("PostgreSQL", False, f"the data directory {data} cannot be written")
    return Finding("PostgreSQL", True, f"{programs.major}, embedded in {Path(data)}")


def _production(settings: Settings) -> list[Finding]:
    """What `kjerne serve` needs, where a database is named: its settings, the tables, and the keys they were made with."""
    from kjerne.commands.production import checked

    try:
        checked(settings)
        complete = Finding("settings", True, "complete")
    except Refusal as refusal:
        complete = Finding("settings", False, str(refusal))
    database = _database(settings)
    if not database.ok:
        return [complete, database]
    keys = [_keys(settings)] if complete.ok else []
    return [complete, database, *keys, _shares(settings), _participants(settings.dsn)]


def _sandbox(settings: Settings) -> list[Finding]:
    """The database of the data directory and who takes part there, or why they were not looked at."""
    from kjerne.store.embedded import PROGRAM, Embedded
    from kjerne.store.pool import UNREACHED

    server = Embedded(settings.data, settings.postgres_bin)
    if not server.cluster.exists():
        return [Finding("database", None, f"not looked at: KJERNE_DSN names none, and {settings.data} has none yet")]
    standing = settings.model_copy(update={"dsn": server.dsn(PROGRAM)})
    try:
        participants = _participants(standing.dsn)
    except UNREACHED:
        says = f"not looked at: KJERNE_DSN names none, and no `kjerne up` runs in {settings.data}"
        return [Finding("database", None, says)]
    return [_database(standing), participants]


def _keys(settings: Settings) -> Finding:
    from kjerne.store import key_marks
    from kjerne.store.keys import Keys

    try:
        asyncio.run(key_marks.checked(settings.dsn, Keys.parse(settings.keys.get_secret_value())))
    except Refusal as refusal:
        return Finding("keys", False, str(refusal))
    return Finding("keys", True, "the database's own")


def _participants(dsn: str) -> Finding:
    """How many take part: none is no fault, but then nothing is served."""
    takes = asyncio.run(_taking_part(dsn))
    sources, consumers = takes.get("source", 0), takes.get("consumer", 0)
    said = f"{consumers} organisations take part as consumers, {sources} as sources"
    return Finding("participation", True, said if takes else f"{said}: nothing is served (kjerne participation open)")


async def _taking_part(dsn: str) -> dict[str, int]:
    import asyncpg

    from kjerne.clock import SystemClock
    from kjerne.store import participation

    conn = await asyncpg.connect(dsn)
    try:
        return await participation.counts(conn, SystemClock().now())
    finally:
        await conn.close()


def _shares(settings: Settings) -> Finding:
    """Whether the list of destroyed keys is there and no older than the database, and what a start will delete again."""
    from kjerne.store.keys import Keys
    from kjerne.store.pool import UNREACHED
    from kjerne.store.restoring import shares_path
    from kjerne.store.shares import Shares

    path = shares_path(settings.data, settings.key_shares)
    secret = settings.keys.get_secret_value()
    try:
        keys = Keys.parse(secret) if secret else Keys.in_folder(settings.data)
        state = asyncio.run(_compared(settings.dsn, Shares(path, keys) if path.exists() else None))
    except Refusal as refusal:
        return Finding("key shares", False, str(refusal))
    except UNREACHED as error:
        return Finding("key shares", False, f"the database does not answer: {type(error).__name__}")
    if state is None:
        return Finding("key shares", True, "the first start makes them")
    if state.fault:
        return Finding("key shares", False, str(state.fault))
    waiting = f", {len(state.waiting)} of them are deleted again by the next start" if state.waiting else ""
    return Finding("key shares", True, f"{state.destroyed} keys are destroyed{waiting}")


async def _compared(dsn: str, shares: Shares | None) -> State | None:
    import asyncpg

    from kjerne.store.pool import SESSION
    from kjerne.store.restoring import state_of

    conn = await asyncpg.connect(dsn, server_settings=SESSION)
    try:
        return await state_of(conn, shares)
    finally:
        await conn.close()


def _database(settings: Settings) -> Finding:
    from kjerne.store import migrate
    from kjerne.store.pool import UNREACHED

    try:
        stands = asyncio.run(migrate.current(settings.dsn))
    except UNREACHED as error:
        return Finding("database", False, f"does not answer: {type(error).__name__}")
    if stands != migrate.head():
        return Finding("database", False, f"stands at layout {stands or 'none'}, this program needs {migrate.head()}")
    return Finding("database", True, f"stands at layout {stands}")
