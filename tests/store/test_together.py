"""Work that waits is done in one transaction, and each is done whole or not at all as if it had come alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kjerne.store import together as module
from kjerne.store.house import Store
from kjerne.store.pool import Connection
from kjerne.store.together import AT_ONCE, MOST, Together, Work

COUNT = 6


class Book:
    """Work that writes a row of its own, and in which transaction each row was written in the end."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.tries: list[str] = []

    def writes(self, name: str, then: Callable[[], None] = lambda: None) -> Work:
        async def work(conn: Connection) -> None:
            self.tries.append(name)
            await conn.execute(
                "INSERT INTO repeat_noted (number, sealed) VALUES (gen_random_uuid(), $1)", name.encode()
            )
            then()

        return work

    async def written(self) -> dict[str, int]:
        """The number of the transaction by name."""
        rows = await self.store.pool.fetch("SELECT sealed, xmin::text::bigint FROM repeat_noted")
        return {bytes(row[0]).decode(): row[1] for row in rows if bytes(row[0]).decode() in self.tries}


@pytest.fixture
def book(store: Store) -> Book:
    return Book(store)


def names(count: int = COUNT) -> list[str]:
    mark = secrets.token_hex(4)
    return [f"{mark}-{place}" for place in range(count)]


async def at_once(book: Book, named: Sequence[str], works: Sequence[Work], *, held: bytes = b"") -> list[Any]:
    """What came of works that wait together, each holding a digest of its own unless `held` is all's."""
    together = Together(book.store.pool)
    return await asyncio.gather(
        *(
            together.do([held or secrets.token_bytes(16)], place, work)
            for place, (_, work) in enumerate(zip(named, works, strict=True))
        ),
        return_exceptions=True,
    )


async def test_what_waits_is_done_in_one_transaction(book: Book) -> None:
    named = names()
    assert await at_once(book, named, [book.writes(name) for name in named]) == [None] * COUNT
    assert len(set((await book.written()).values())) == 1
    assert book.tries == named


async def test_one_transaction_takes_no_more_than_its_most(book: Book) -> None:
    named = names(MOST * 3)
    await at_once(book, named, [book.writes(name) for name in named])
    written = list((await book.written()).values())
    assert len(written) == MOST * 3
    assert max(written.count(one) for one in written) == MOST


async def test_one_that_fails_leaves_nothing_and_takes_no_other_with_it(book: Book) -> None:
    def fails() -> None:
        raise LookupError(named[2])

    named = names()
    works = [book.writes(name, *([fails] if place == 2 else [])) for place, name in enumerate(named)]
    found = await at_once(book, named, works)
    assert [type(one) for one in found] == [type(None)] * 2 + [LookupError] + [type(None)] * 3
    written = await book.written()
    assert sorted(written) == sorted({*named} - {named[2]})
    assert len(set(written.values())) == COUNT - 1  # each in one of its own, the second time


async def test_what_holds_the_same_is_never_in_one_transaction(book: Book) -> None:
    named = names()
    assert await at_once(book, named, [book.writes(name) for name in named], held=b"the same report!") == [None] * COUNT
    assert len(set((await book.written()).values())) == COUNT


async def test_a_database_that_is_gone_is_told_to_all_and_not_asked_again(book: Book) -> None:
    def gone() -> None:
        raise ConnectionResetError("the database closed the connection")

    named = names()
    found = await at_once(book, named, [book.writes(name, gone) for name in named])
    assert {type(one) for one in found} == {ConnectionResetError}
    assert len(book.tries) == 1
    assert await book.written() == {}


async def test_whose_waiter_has_gone_before_its_turn_is_not_done(book: Book) -> None:
    together, started, let = Together(book.store.pool), asyncio.Event(), asyncio.Event()

    async def slow(_: Connection) -> None:
        started.set()
        await let.wait()

    under_way = [asyncio.create_task(together.do([secrets.token_bytes(16)], 0, slow))]
    await started.wait()
    under_way += [asyncio.create_task(together.do([secrets.token_bytes(16)], 0, slow)) for _ in range(AT_ONCE - 1)]
    await asyncio.sleep(0.05)
    [left, stays] = names(2)
    leaves = asyncio.create_task(together.do([secrets.token_bytes(16)], 0, book.writes(left)))
    remains = asyncio.create_task(together.do([secrets.token_bytes(16)], 0, book.writes(stays)))
    await asyncio.sleep(0)
    leaves.cancel()
    let.set()
    await asyncio.gather(*under_way, remains)
    assert book.tries == [stays]


async def test_work_that_comes_the_moment_other_work_ends_is_done(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    together, named = Together(book.store.pool), names()
    async with asyncio.timeout(20):
        for name in named:
            await together.do([secrets.token_bytes(16)], 0, book.writes(name))
    assert sorted(await book.written()) == sorted(named)
