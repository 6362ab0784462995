"""What a message needs to know and to hold: one look, one claim; a claim on what has changed since takes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import pytest

from kjerne.access import Choice, Grant
from kjerne.errors import Fault
from kjerne.exchange import Stale
from kjerne.store import messages
from kjerne.store.arrivals import Arrival, claim, look
from kjerne.store.chains import Chains, Source
from kjerne.store.pool import locked

from .conftest import NOW, Desk

RAW = b"<Message/>"


def row(desk: Desk, name: str, *faults: Fault) -> tuple[Any, ...]:
    return messages.row(desk.store.messages, sender="1", message=name, raw=RAW, at=NOW, receipt=b"ok", faults=faults)


async def digest_of(desk: Desk, patient: int) -> bytes:
    return (await desk.store.people.digests(desk.store.pool, patient))[0]


async def claimed(
    desk: Desk, name: str, grants: Sequence[Grant], report: bytes, owner: int | None, newcomers: Sequence[bytes] = ()
) -> bool:
    """Whether a claim was taken; what it took is committed."""
    async with desk.store.pool.acquire() as conn:
        try:
            async with locked(conn, [report, *newcomers]):
                await claim(conn, row(desk, name), [name], grants, {report: owner}, newcomers)
        except Stale:
            return False
    return True


async def test_a_look_tells_the_person_the_owner_and_the_number_of_versions(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    report, grant = secrets.token_bytes(16), await desk.grant(one, "file")
    async with desk.store.pool.acquire() as conn:
        for name in ("a", "b"):
            source = Source(NOW, name, b"<the report/>")
            await Chains(desk.store.records).keep(conn, grant, report, [source], [], orphan=False)
        named = [(await digest_of(desk, other), report), (b"nobody", b"no report")]
        seen, arrivals = await look(conn, None, "1", "never", RAW, named)
    assert seen is None
    assert arrivals == [Arrival(other, one, 2), Arrival(None, None, 0)]


async def test_a_look_finds_what_the_same_message_was_answered(desk: Desk) -> None:
    async with desk.store.pool.acquire() as conn:
        await messages.keep(conn, row(desk, "known"))
        seen, _ = await look(conn, None, "1", "known", RAW, [(b"", b"")])
        other, _ = await look(conn, None, "1", "known", b"<Other/>", [(b"", b"")])
    assert seen is not None
    assert (seen.status, seen.receipt, seen.same) == ("accepted", b"ok", True)
    assert other is not None
    assert not other.same


async def test_a_claim_is_taken_once_and_ends_what_could_not_be_read(desk: Desk) -> None:
    grant, report = await desk.grant(await desk.person(), "file"), secrets.token_bytes(16)
    async with desk.store.pool.acquire() as conn:
        await messages.keep(conn, row(desk, messages.unread_name("twice", "0a0b"), Fault("no XML")))
    assert await claimed(desk, "twice", [grant], report, None)
    assert not await claimed(desk, "twice", [grant], report, None)
    async with desk.store.pool.acquire() as conn:
        assert [one for one in await messages.rejected(conn, "1") if one.message.startswith("twice")] == []


async def test_a_claim_on_what_changed_since_takes_nothing(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    grant, report = await desk.grant(one, "file"), secrets.token_bytes(16)
    async with desk.store.pool.acquire() as conn:
        await Chains(desk.store.records).keep(conn, grant, report, [Source(NOW, "a", b"<r/>")], [], orphan=False)
    assert not await claimed(desk, "owner", [grant], report, None)
    assert not await claimed(desk, "owner", [grant], report, other)
    assert not await claimed(desk, "newcomer", [grant], report, one, [await digest_of(desk, other)])
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, one, Choice("opt-out", "results", "", "", NOW, None))
    assert not await claimed(desk, "stamp", [grant], report, one)
    kept = await desk.store.pool.fetchval("SELECT count(*) FROM message_in WHERE message = ANY($1)", ["owner", "stamp"])
    assert kept == 0
    assert await claimed(desk, "owner", [await desk.grant(one, "file")], report, one)


async def test_what_fails_inside_a_locked_transaction_leaves_no_row_and_a_usable_connection(desk: Desk) -> None:
    async def broken() -> None:
        async with desk.store.pool.acquire() as conn, locked(conn, [b"somebody"]):
            await messages.keep(conn, row(desk, "broken"))
            raise Stale

    with pytest.raises(Stale):
        await broken()
    async with desk.store.pool.acquire() as conn:
        assert not conn.is_in_transaction()
        seen, _ = await look(conn, None, "1", "broken", RAW, [(b"", b"")])
    assert seen is None
