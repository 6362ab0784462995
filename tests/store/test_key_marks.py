"""A database answers to the keys it was made with, and to no others."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from kjerne.errors import Refusal
from kjerne.store import key_marks
from kjerne.store.house import open_store
from kjerne.store.keys import Keys

from .conftest import Desk

OWN = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
OTHERS = [replace(OWN, permanent=b"x" * 32), replace(OWN, wrap=b"x" * 32)]


@pytest.mark.parametrize("keys", OTHERS, ids=["permanent", "wrap"])
async def test_other_keys_are_refused_before_a_row_is_read(desk: Desk, dsn: str, keys: Keys) -> None:
    with pytest.raises(Refusal) as refused:
        await open_store(dsn, keys, desk.store.wrap.shares, pool_size=2)
    assert (refused.value.status, keys.permanent.hex() in str(refused.value)) == (409, False)
    with pytest.raises(Refusal):
        await key_marks.checked(dsn, keys)


async def test_keys_for_links_and_cookies_may_change_any_night(desk: Desk, dsn: str) -> None:
    store = await open_store(dsn, replace(OWN, session=b"n" * 32), desk.store.wrap.shares, pool_size=2)
    await store.close()
    await key_marks.checked(dsn, OWN)


async def test_a_database_from_before_marks_is_tried_with_somebodys_key(desk: Desk, dsn: str, owner_dsn: str) -> None:
    await desk.person()
    owner = await asyncpg.connect(owner_dsn)
    await owner.execute("DELETE FROM key_mark")
    with pytest.raises(Refusal):
        await key_marks.hold(desk.store.pool, OTHERS[1])
    assert await owner.fetchval("SELECT count(*) FROM key_mark") == 0
    await key_marks.hold(desk.store.pool, OWN)
    assert await owner.fetchval("SELECT count(*) FROM key_mark") == 2
    await owner.close()


async def test_of_two_first_starts_with_different_keys_one_is_refused(desk: Desk, owner_dsn: str) -> None:
    owner = await asyncpg.connect(owner_dsn)
    await owner.execute("DELETE FROM key_mark; DELETE FROM person")
    begun = [key_marks.hold(desk.store.pool, keys) for keys in (OWN, OTHERS[0])]
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["NoneType", "Refusal"]
    await owner.execute("DELETE FROM key_mark")
    await owner.close()
