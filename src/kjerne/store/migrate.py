"""Brings a database to the newest table layout: the plain SQL files in `migrations/`, in order, run by alembic.

`0001_floor.sql`, `0002_roles.sql` ...: the number orders them, and a file that has run anywhere is never edited. All
that are missing run in one transaction under one lock, so two programs that start at once do not meet, and a file that
fails leaves nothing behind.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import asyncpg
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import ResolutionError, RevisionMap
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from kjerne.errors import Refusal

FOLDER: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "schema_version"
LOCK: Final = 0x6B6A65726E65  # "kjerne"; any number no other program takes


def head(folder: Path | None = None) -> str:
    """The number of the newest file: what a database must say to be served by this program."""
    return _files(folder)[-1].name[:4]


async def upgrade(owner_dsn: str, folder: Path | None = None) -> str:
    """Run what is missing, as the owner role; the number reached. Refusal 503 if a newer kjerne made the tables.

    `folder` is another house's layout (the document source's) in a database of its own."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(owner_dsn), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, folder)
    except (ResolutionError, CommandError) as error:
        raise Refusal(
            503, "the database was made by a newer kjerne than this one", todo="Start that version, or upgrade kjerne."
        ) from error
    except asyncpg.RaiseError as error:  # a sentence of our own, from a file
        raise Refusal(409, str(error), where="KJERNE_OWNER_DSN") from error
    finally:
        await engine.dispose()
    return head(folder)


async def current(dsn: str) -> str:
    """The number the database stands at; empty before the first migration."""
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
            return ""
        return str(await connection.fetchval("SELECT version_num FROM schema_version") or "")
    finally:
        await connection.close()


def _upgrade(connection: Connection, folder: Path | None) -> None:
    scripts = _scripts(connection, folder)

    def missing(revision: str, _: MigrationContext) -> list[object]:
        return list(scripts._upgrade_revs("head", revision))  # noqa: SLF001 - as alembic.command.upgrade does

    context = MigrationContext.configure(connection, opts={"fn": missing, "version_table": VERSION_TABLE})
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()


def _scripts(connection: Connection, folder: Path | None) -> ScriptDirectory:
    """alembic's view of the SQL files: each a revision that follows the one before."""
    scripts = ScriptDirectory(str(folder or FOLDER))
    revisions: list[Script] = []
    for path in _files(folder):
        module = ModuleType(path.stem)
        follows = revisions[-1].revision if revisions else None
        module.__dict__.update(down_revision=follows, upgrade=partial(_run, connection, path))
        revisions.append(Script(module, path.name[:4], path))
    scripts.revision_map = RevisionMap(lambda: iter(revisions))
    return scripts


def _run(connection: Connection, path: Path) -> None:
    # The driver's own `execute` takes a whole script, SQLAlchemy's one statement. Same connection and transaction.
    driver: Any = connection.connection.driver_connection
    await_only(driver.execute(path.read_text(encoding="utf-8")))


def _files(folder: Path | None) -> list[Path]:
    return sorted((folder or FOLDER).glob("[0-9][0-9][0-9][0-9]_*.sql"))
