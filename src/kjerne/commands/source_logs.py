"""`kjerne source-log`: the log of a document source as lines of JSON, all of it or one patient's, beside the source that runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from typing import Any, Final

import asyncpg
import msgspec

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM, Embedded
from kjerne.store.pool import reaching

PAGE_ROWS: Final = 1_000


def run(settings: Settings, since: str, *, of_one: bool) -> None:
    """Writes the rows, oldest first. Of one patient where asked: her number is read from standard input, so that it stands in no
    history of commands and no list of processes. `Refusal` 400 where number or date is none, 503 where no source answers."""
    number = identifiers.parse(sys.stdin.readline().strip()).value if of_one else ""
    asyncio.run(_write(settings, number, _day(since)))


async def _write(settings: Settings, number: str, since: datetime | None) -> None:
    if not settings.dsn and not (settings.data / "postgres").exists():
        raise Refusal(
            503, f"no source has run in {settings.data}", where="--data", todo="Name the folder of a source that runs."
        )
    dsn = settings.dsn or Embedded(settings.data, settings.postgres_bin).dsn(PROGRAM)
    with reaching():
        conn = await asyncpg.connect(dsn)
    try:
        async for row in rows_of(conn, number, since):
            sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
        sys.stdout.buffer.flush()
    finally:
        await conn.close()


async def rows_of(conn: Any, number: str, since: datetime | None) -> AsyncIterator[dict[str, Any]]:
    """The rows of the log in their order, each as the table has it."""
    seen = 0
    while True:
        found = await conn.fetch(
            "SELECT * FROM audit WHERE seq > $1 AND ($2 = '' OR starts_with(patient, $2 || '^')) "
            "AND ($3::timestamptz IS NULL OR at >= $3) ORDER BY seq LIMIT $4",
            seen, number, since, PAGE_ROWS,
        )  # fmt: skip
        for row in found:
            yield dict(row)
        if len(found) < PAGE_ROWS:
            return
        seen = found[-1]["seq"]


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError:
        raise Refusal(400, "--since is a day, YYYY-MM-DD.", where="--since") from None
