"""What the driver costs on the way to the database: what one connection has asked of types, the next one knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from asyncpg.protocol import protocol as driver

from kjerne.store.pool import open_pool

ECHO = "SELECT $1::uuid[] AS ids, $2::bytea[] AS bodies, $3::timestamptz[] AS times, $4::text[] AS words"
GIVEN: Sequence[Any] = ([UUID(int=1)], [b"a", None], [datetime(2026, 11, 26, tzinfo=UTC)], [])
ASKED = "typeinfo_tree"


async def test_a_second_connection_does_not_ask_the_server_of_types_again(dsn: str) -> None:
    pool = await open_pool(dsn, 2)
    pool._kinds.clear()  # the tests' pools know what others asked before them
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


async def test_a_statement_that_is_known_goes_straight_to_the_server_and_says_the_same(dsn: str) -> None:
    pool = await open_pool(dsn, 1)
    async with pool.acquire() as conn:
        first, second = [await conn.fetch("SELECT $1::integer + 1 AS n", 1) for _ in range(2)]
        assert first == second and [row["n"] for row in second] == [2]
        with pytest.raises(asyncpg.DataError):
            await conn.fetch("SELECT $1::integer + 1 AS n", "a word")
        assert (await conn.fetch("SELECT $1::integer + 1 AS n", 2))[0]["n"] == 3
        queries: list[str] = []
        conn.add_query_logger(lambda record: queries.append(record.query))
        await conn.fetch("SELECT $1::integer + 1 AS n", 1)
        await asyncio.sleep(0)  # it tells its listeners a moment later
        assert queries == ["SELECT $1::integer + 1 AS n"]
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await conn.fetch("SELECT $1::integer + 1 AS n", 1)


async def test_a_known_statement_is_stopped_when_its_time_is_up_and_stands_alone(dsn: str) -> None:
    pool = await open_pool(dsn, 1)
    async with pool.acquire() as conn:
        await conn.fetch("SELECT pg_sleep($1)", 0.0)
        with pytest.raises(TimeoutError):
            await conn.fetch("SELECT pg_sleep($1)", 20.0, timeout=0.05)
        waiting = asyncio.create_task(conn.fetch("SELECT pg_sleep($1)", 0.2))
        await asyncio.sleep(0)  # it is sent, and no answer is read before this task waits
        with pytest.raises(asyncpg.InterfaceError, match="another operation"):
            await conn.fetch("SELECT pg_sleep($1)", 0.0)
        await waiting
    await pool.close()


async def test_a_known_statement_is_prepared_anew_when_its_table_has_changed(dsn: str) -> None:
    pool = await open_pool(dsn, 1)
    async with pool.acquire() as conn:
        await conn.execute("CREATE TEMPORARY TABLE shelf (a integer)")
        await conn.execute("INSERT INTO shelf VALUES (1)")
        assert [tuple(row) for row in await conn.fetch("SELECT * FROM shelf")] == [(1,)]
        await conn.execute("ALTER TABLE shelf ADD b integer DEFAULT 2")
        assert [tuple(row) for row in await conn.fetch("SELECT * FROM shelf")] == [(1, 2)]
        await conn.execute("ALTER TABLE shelf DROP a")
        with pytest.raises(asyncpg.InvalidCachedStatementError):
            async with conn.transaction():
                await conn.fetch("SELECT * FROM shelf")
        assert [tuple(row) for row in await conn.fetch("SELECT * FROM shelf")] == [(2,)]
    await pool.close()
