"""What the driver costs on the way to the database: what one connection has asked of types, the next one knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg.protocol import protocol as driver

from kjerne.store.pool import open_pool

ECHO = "SELECT $1::uuid[] AS ids, $2::bytea[] AS bodies, $3::timestamptz[] AS times, $4::text[] AS words"
GIVEN: Sequence[Any] = ([UUID(int=1)], [b"a", None], [datetime(2026, 11, 26, tzinfo=UTC)], [])
ASKED = "typeinfo_tree"


async def test_a_second_connection_does_not_ask_the_server_of_types_again(dsn: str) -> None:
    pool = await open_pool(dsn, 2)
    said: list[list[str]] = []
    async with pool.acquire() as first, pool.acquire() as second:
        for conn in (first, second):
            queries: list[str] = []
            conn.add_query_logger(lambda record, to=queries: to.append(record.query))
            assert list((await conn.fetch(ECHO, *GIVEN))[0].values()) == list(GIVEN)
            said.append(queries)
    await pool.close()
    assert [any(ASKED in query for query in queries) for queries in said] == [True, False]


async def test_an_array_is_told_by_being_a_list_or_a_tuple(dsn: str) -> None:
    # The names are the driver's own: where it has others one day, arrays are as dear as they were, and this tells.
    assert driver.IterableABC == driver.SizedABC == (list, tuple)  # type: ignore[attr-defined]
    assert driver.MappingABC is dict  # type: ignore[attr-defined]
    pool = await open_pool(dsn, 1)
    found = await pool.fetchrow("SELECT $1::text[] AS plain, $2::integer[] AS nested", ("a", "b"), [[1, 2], [3, 4]])
    await pool.close()
    assert found is not None and (found["plain"], found["nested"]) == (["a", "b"], [[1, 2], [3, 4]])
