"""What a message needs to know and to hold: one look, one claim; a claim on what has changed since takes nothing."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from kjerne.access import Choice, Grant
from kjerne.errors import Fault
from kjerne.exchange import Stale
from kjerne.store import arrivals, chains, followup, messages, people, records
from kjerne.store.arrivals import Arrival, Claim, Sent, claim, look
from kjerne.store.chains import Chains, Kept, Source, Version
from kjerne.store.pool import locked

from .conftest import NOW, Desk

RAW = b"<Message/>"


def row(desk: Desk, name: str, *faults: Fault) -> tuple[Any, ...]:
    copy = desk.store.copies.refused("1", name, RAW, ())
    return messages.row(copy, sender="1", message=name, raw=RAW, at=NOW, receipt=b"ok", faults=faults)


async def digest_of(desk: Desk, patient: int) -> bytes:
    return (await desk.store.people.digests(desk.store.pool, patient))[0]


async def kept(desk: Desk, grant: Grant, number: bytes, name: str) -> Sent:
    """One version under a number, in a chain of the same name."""
    patient = grant.subject.patient
    source, version = Source(NOW, name, b"<the report/>"), Version(number, NOW, name, patient, b"sealed")
    async with desk.store.pool.acquire() as conn:
        await Chains(desk.store.records).keep(conn, grant, Kept(number, [source], [], False, [version]))
    return Sent(NOW, name, patient, number, patient, b"sealed")


async def claimed(
    desk: Desk, name: str, grants: Sequence[Grant], number: bytes, newcomers: Sequence[bytes] = ()
) -> tuple[Sent, ...] | None:
    """What had come under the number when a claim was taken, None where it was not; what it took is committed."""
    async with desk.store.pool.acquire() as conn:
        try:
            async with locked(conn, [number, *newcomers]):
                known = await claim(conn, Claim(row(desk, name), [name], grants, [number], newcomers))
        except Stale:
            return None
    return known.get(number, ())


async def test_a_look_tells_the_person_and_what_came_under_the_number(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    number, grant = secrets.token_bytes(16), await desk.grant(one, "file")
    sent = {await kept(desk, grant, number, name) for name in ("a", "b")}
    async with desk.store.pool.acquire() as conn:
        named = [(await digest_of(desk, other), number), (b"nobody", b"no report")]
        seen, (arrival, unknown) = await look(conn, "1", "never", RAW, named)
    assert seen is None
    assert (arrival.person, set(arrival.known), arrival.crowded) == (other, sent, False)
    assert unknown == Arrival(None, ())


async def test_a_number_with_more_versions_than_a_report_has_is_crowded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, grant = secrets.token_bytes(16), await desk.grant(await desk.person(), "file")
    for name in ("a", "b", "c"):
        await kept(desk, grant, number, name)
    for most, crowded in ((3, False), (2, True), (1, True)):
        monkeypatch.setattr("kjerne.store.arrivals.VERSIONS_LOOKED_AT", most)
        async with desk.store.pool.acquire() as conn:
            _, (arrival,) = await look(conn, "1", "never", RAW, [(b"nobody", number)])
        assert (arrival.crowded, len(arrival.known)) == (crowded, min(3, most + 1))


async def test_a_look_finds_what_the_same_message_was_answered(desk: Desk) -> None:
    async with desk.store.pool.acquire() as conn:
        await messages.keep(conn, row(desk, "known"))
        seen, _ = await look(conn, "1", "known", RAW, [(b"", b"")])
        other, _ = await look(conn, "1", "known", b"<Other/>", [(b"", b"")])
    assert seen is not None
    assert (seen.status, seen.receipt, seen.same) == ("accepted", b"ok", True)
    assert other is not None
    assert not other.same


async def test_a_claim_is_taken_once_and_ends_what_could_not_be_read(desk: Desk) -> None:
    grant, report = await desk.grant(await desk.person(), "file"), secrets.token_bytes(16)
    async with desk.store.pool.acquire() as conn:
        await messages.keep(conn, row(desk, messages.unread_name("twice", "0a0b"), Fault("no XML")))
    assert await claimed(desk, "twice", [grant], report) == ()
    assert await claimed(desk, "twice", [grant], report) is None
    async with desk.store.pool.acquire() as conn:
        assert [one for one in await messages.rejected(conn, "1") if one.message.startswith("twice")] == []


async def test_a_claim_on_what_changed_since_takes_nothing(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    grant, report = await desk.grant(one, "file"), secrets.token_bytes(16)
    sent = await kept(desk, grant, report, "a")
    assert await claimed(desk, "newcomer", [grant], report, [await digest_of(desk, other)]) is None
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, one, Choice("opt-out", "results", "", "", NOW, None))
    assert await claimed(desk, "stamp", [grant], report) is None
    names = ["stamp", "newcomer"]
    assert await desk.store.pool.fetchval("SELECT count(*) FROM message_in WHERE message = ANY($1)", names) == 0
    assert await claimed(desk, "taken", [await desk.grant(one, "file")], report) == (sent,)


async def test_what_fails_inside_a_locked_transaction_leaves_no_row_and_a_usable_connection(desk: Desk) -> None:
    async def broken() -> None:
        async with desk.store.pool.acquire() as conn, locked(conn, [b"somebody"]):
            await messages.keep(conn, row(desk, "broken"))
            raise Stale

    with pytest.raises(Stale):
        await broken()
    async with desk.store.pool.acquire() as conn:
        assert not conn.is_in_transaction()
        seen, _ = await look(conn, "1", "broken", RAW, [(b"", b"")])
    assert seen is None


async def test_who_waits_for_a_person_sees_what_was_done_to_her_until_then(desk: Desk) -> None:
    one, number = await desk.person(), secrets.token_bytes(16)
    grant = await desk.grant(one, "file")

    async def filed(name: str) -> int:
        """How many versions of the report lay there before this one, which came under a number of its own."""
        async with desk.store.pool.acquire() as conn, locked(conn, [name.encode() * 8], [one]):
            version = Kept(number, [Source(NOW, name, b"<the report/>")], [], orphan=False)
            known = await Chains(desk.store.records).sources(conn, grant, [number])
            await asyncio.sleep(0.05)
            await Chains(desk.store.records).keep(conn, grant, version)
            return len(known[number])

    assert sorted(await asyncio.gather(*(filed(name) for name in "abc"))) == [0, 1, 2]


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's own step and all below it."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from steps(inner)


BEFORE = (
    (arrivals._claiming, arrivals._seen, 17), (people._entering, people._nothing, 11), (chains._kept, chains._found, 16),
)  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        arrivals._LOOK, arrivals._CLAIM, chains._KEEP, records._HOLD, records._write((followup._inbox, 3)),
        records._write_if(BEFORE, (followup._inbox, 3)),
    ],
    ids=["look", "claim", "keep", "hold", "write", "all at once"],
)  # fmt: skip
async def test_a_message_finds_its_rows_by_their_whole_keys_though_the_plan_was_made_on_empty_tables(
    desk: Desk, statement: str
) -> None:
    count = max(map(int, re.findall(r"\$(\d+)", statement)))
    async with desk.store.pool.acquire() as conn:
        await conn.execute(f"PREPARE planned AS {statement}")
        nothing = ", ".join(["NULL"] * count)
        (explained,) = json.loads(await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({nothing})"))
        await conn.execute("DEALLOCATE planned")
    looks = list(steps(explained["Plan"]))
    assert [one["Relation Name"] for one in looks if one["Node Type"] == "Seq Scan"] == []
    conditions = [one["Index Cond"] for one in looks if one.get("Index Name") == "locator_pkey"]
    conditions += [one["Index Cond"] for one in looks if one.get("Index Name") == "record_pkey"]
    assert all("digest" in one or "id = " in one for one in conditions)
