"""The rejected queue page by page: every message once, also where many came in one moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kjerne.errors import Fault, Refusal
from kjerne.store import messages

from .conftest import NOW, Desk


async def keep(desk: Desk, sender: str, name: str, minute: int, *faults: Fault) -> None:
    at = NOW + timedelta(minutes=minute)
    copy = desk.store.copies.refused(sender, name, b"<a/>", ())
    row = messages.row(copy, sender=sender, message=name, raw=b"<a/>", at=at, receipt=b"", faults=faults)
    async with desk.store.pool.acquire() as conn:
        await messages.keep(conn, row)


async def test_pages_of_the_queue_hold_each_message_once_newest_first(desk: Desk) -> None:
    for number in range(7):
        await keep(desk, "paged", f"m{number}", number // 4, Fault("wrong"))
    await keep(desk, "paged", "taken", 0)
    await keep(desk, "other", "m0", 0, Fault("wrong"))
    found, after = [], ""
    async with desk.store.pool.acquire() as conn:
        while page := await messages.rejected(conn, "paged", 2, after):
            assert len(page) <= 2
            found += page
            after = page[-1].place
        assert await messages.rejected_total(conn, "paged") == 7
        assert await messages.rejected_total(conn, "nobody") == 0
    assert {one.message for one in found[:3]} == {"m4", "m5", "m6"}
    assert sorted(one.message for one in found) == [f"m{number}" for number in range(7)]


async def test_message_that_comes_while_one_pages_moves_nothing_on_the_pages_to_come(desk: Desk) -> None:
    for number in range(4):
        await keep(desk, "moved", f"m{number}", number, Fault("wrong"))
    async with desk.store.pool.acquire() as conn:
        first = await messages.rejected(conn, "moved", 2)
        await keep(desk, "moved", "late", 9, Fault("wrong"))
        second = await messages.rejected(conn, "moved", 2, first[-1].place)
    assert [one.message for one in (*first, *second)] == ["m3", "m2", "m1", "m0"]


@pytest.mark.parametrize(
    "place", ["x", "1", "1.", ".1", "-1.1", "1.1.1", "1.12345678901234567", "123456789012345.1", "1.1\n"]
)
async def test_place_that_no_page_gave_is_refused(desk: Desk, place: str) -> None:
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Refusal) as refused:
            await messages.rejected(conn, "paged", 2, place)
    assert (refused.value.status, refused.value.where) == (400, "_after")


async def test_place_at_the_ends_of_time_is_a_place(desk: Desk) -> None:
    async with desk.store.pool.acquire() as conn:
        for place in ("0.0", "f" * 14 + "." + "f" * 16):
            assert await messages.rejected(conn, "nobody", 2, place) == []
