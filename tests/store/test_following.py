"""Who follows is told of each version once, in the order in which it was written, whatever is done to records beside that."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from kjerne.access import Label
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.store import chains, following, marking
from kjerne.store.following import FIRST, Place, Position, Stretch, Told
from kjerne.store.reading import Reader

from .conftest import NOW, Desk
from .test_records import OBSERVATION, change, create, potassium

SEVERAL = Label.WITHDRAWN | Label.RESTRICTED | Label.RESTRICTED_HERE
Kind = tuple[UUID, int, bool]


def reader(desk: Desk) -> Reader:
    return Reader(desk.store.wrap, desk.store.dictionaries)


async def look(
    desk: Desk, patient: int, behind: Position, limit: int = 100, *, now: datetime = NOW, **grant: object
) -> tuple[list[Told], Position]:
    """One page of what is behind a position, and the position behind it."""
    given = await desk.grant(patient, "history", **grant)  # type: ignore[arg-type]
    async with desk.store.pool.acquire() as conn:
        stretch = Stretch(behind, await following.upto(conn), now)
        found = await following.followed(conn, given, reader(desk), [OBSERVATION], stretch, limit + 1)
    page = found[:limit]
    return page, stretch.after(page, all_of_it=len(found) <= limit)


def kinds(found: list[Told]) -> list[Kind]:
    return [(one.event.id, one.event.version, one.gone) for one in found]


async def update(desk: Desk, patient: int, id_: UUID, raw: bytes, conn: asyncpg.Connection | None = None) -> None:
    grant = await desk.grant(patient, "correct")
    if conn is not None:
        await desk.store.records.put(conn, grant, [change(desk.store, patient, raw, id_)])
        return
    async with desk.store.pool.acquire() as own:
        await desk.store.records.put(own, grant, [change(desk.store, patient, raw, id_)])


async def remove(desk: Desk, patient: int, id_: UUID) -> None:
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.remove(conn, await desk.grant(patient, "correct"), [(OBSERVATION, id_)])


async def marked(desk: Desk, patient: int, id_: UUID, label: Label, *, off: bool = False) -> None:
    grant = await desk.grant(patient, "choose")
    async with desk.store.pool.acquire() as conn:
        if off:
            await conn.execute(marking._UNMARK, [patient], int(label), [OBSERVATION], [id_])
        else:
            await marking.lay_on(conn, grant, [(OBSERVATION, id_)], label)


async def test_each_version_is_told_once_page_by_page_in_the_order_of_writing(desk: Desk) -> None:
    patient = await desk.person()
    first, second = await create(desk, patient, potassium("1")), await create(desk, patient, potassium("2"))
    await update(desk, patient, first.id, potassium("3"))
    seen, position = list[Kind](), Position()
    while True:
        page, position = await look(desk, patient, position, 1)
        if not page:
            break
        seen += kinds(page)
    assert seen == [(first.id, 1, False), (second.id, 1, False), (first.id, 2, False)]
    await remove(desk, patient, second.id)
    page, position = await look(desk, patient, position)
    assert kinds(page) == [(second.id, 2, True)]
    assert await look(desk, patient, position) == ([], position)


async def test_who_begins_now_is_told_what_a_record_is_and_of_a_deleted_one_that_alone(desk: Desk) -> None:
    patient = await desk.person()
    gone, kept = await create(desk, patient, potassium("1")), await create(desk, patient, potassium("2"))
    await remove(desk, patient, gone.id)
    assert kinds((await look(desk, patient, Position()))[0]) == [(kept.id, 1, False), (gone.id, 2, True)]
    later, position = await look(desk, patient, Position(since=NOW + timedelta(seconds=1)))
    assert later == []
    # What was asked for is of before she began: after that everything is told, whatever its time.
    again = await create(desk, patient, potassium("3"))
    assert kinds((await look(desk, patient, position))[0]) == [(again.id, 1, False)]


@pytest.mark.parametrize("former", [False, True], ids=["as it stands", "followed by another version"])
async def test_a_mark_that_is_put_on_and_taken_off_tells_nothing_twice_and_nothing_anew(
    desk: Desk, former: bool
) -> None:
    patient = await desk.person()
    one = await create(desk, patient, potassium("1"))
    page, seen = await look(desk, patient, Position(), hides=SEVERAL)
    assert kinds(page) == [(one.id, 1, False)]
    await marked(desk, patient, one.id, Label.RESTRICTED_HERE)
    page, _ = await look(desk, patient, seen, hides=SEVERAL)
    assert page == []
    await marked(desk, patient, one.id, Label.RESTRICTED_HERE, off=True)
    expected = []
    if former:
        await update(desk, patient, one.id, potassium("2"))
        expected = [(one.id, 2, False)]
    page, _ = await look(desk, patient, seen, hides=SEVERAL)
    assert kinds(page) == expected
    # Who begins now is told each version where it was written.
    assert kinds((await look(desk, patient, Position(), hides=SEVERAL))[0]) == [(one.id, 1, False), *expected]


async def test_what_was_shut_when_it_was_passed_is_not_told_when_it_is_opened(desk: Desk) -> None:
    patient = await desk.person()
    shut, open_ = await create(desk, patient, potassium("1")), await create(desk, patient, potassium("2"))
    await marked(desk, patient, shut.id, Label.RESTRICTED_HERE)
    page, position = await look(desk, patient, Position(), hides=SEVERAL)
    assert kinds(page) == [(open_.id, 1, False)]
    last = await create(desk, patient, potassium("3"))
    await marked(desk, patient, last.id, Label.RESTRICTED_HERE)
    page, position = await look(desk, patient, position, hides=SEVERAL)
    assert page == []
    for one in (shut, last):
        await marked(desk, patient, one.id, Label.RESTRICTED_HERE, off=True)
    assert (await look(desk, patient, position, hides=SEVERAL))[0] == []


async def test_no_page_is_shorter_for_what_is_shut(desk: Desk) -> None:
    patient = await desk.person()
    every = [await create(desk, patient, potassium(str(number))) for number in range(6)]
    for one in every[1:4]:
        await marked(desk, patient, one.id, Label.RESTRICTED_HERE)
    page, position = await look(desk, patient, Position(), 2, hides=SEVERAL)
    assert kinds(page) == [(every[0].id, 1, False), (every[4].id, 1, False)]
    assert kinds((await look(desk, patient, position, 2, hides=SEVERAL))[0]) == [(every[5].id, 1, False)]


async def test_what_is_taken_from_a_wrong_person_is_told_as_deleted_once(desk: Desk) -> None:
    patient = await desk.person()
    one = await create(desk, patient, potassium("1"))
    _, position = await look(desk, patient, Position())
    grant = replace(await desk.grant(patient, "correct"), at=NOW + timedelta(hours=2))
    async with desk.store.pool.acquire() as conn:
        await chains.Chains.withdraw(None, conn, grant, [(OBSERVATION, one.id)])  # type: ignore[arg-type]
    assert (await look(desk, patient, Position()))[0] == [], "who begins was never told of it"
    page, position = await look(desk, patient, position)
    assert kinds(page) == [(one.id, 0, True)], "of no version: the last one stays what it was"
    assert [told.at for told in page] == [NOW + timedelta(hours=2)]
    await marked(desk, patient, one.id, Label.RESTRICTED_HERE)
    await marked(desk, patient, one.id, Label.RESTRICTED_HERE, off=True)
    assert (await look(desk, patient, position))[0] == []


async def test_what_waits_for_its_release_is_told_when_that_comes_each_once(desk: Desk) -> None:
    patient = await desk.person()
    soon, later = NOW + timedelta(days=1), NOW + timedelta(days=2)
    waits = [await create(desk, patient, potassium("1"), release_at=soon) for _ in range(3)]
    last = await create(desk, patient, potassium("2"), release_at=later)
    page, position = await look(desk, patient, Position(), released_only=True)
    assert page == []
    at_once = await create(desk, patient, potassium("3"))
    released, seen = soon + timedelta(hours=1), list[Kind]()
    for _ in range(5):
        page, position = await look(desk, patient, position, 1, released_only=True, at=released, now=released)
        seen += kinds(page)
    assert seen == [(one.id, 1, False) for one in [*waits, at_once]]
    page, position = await look(desk, patient, position, released_only=True, at=later, now=later)
    assert kinds(page) == [(last.id, 1, False)]
    # To whom nothing is held back it came when it was written.
    assert len((await look(desk, patient, Position()))[0]) == 5


async def test_a_writer_that_began_before_another_of_the_same_record_is_told_behind_it(desk: Desk, dsn: str) -> None:
    patient = await desk.person()
    one = await create(desk, patient, potassium("1"))
    _, position = await look(desk, patient, Position())
    early = await asyncpg.connect(dsn)
    try:
        transaction = early.transaction()
        await transaction.start()
        own = int(await early.fetchval("SELECT pg_current_xact_id()"))
        await update(desk, patient, one.id, potassium("2"))
        page, passed = await look(desk, patient, position)
        assert page == []
        await update(desk, patient, one.id, potassium("3"), early)
        await transaction.commit()
    finally:
        await early.close()
    page, _ = await look(desk, patient, passed)
    assert kinds(page) == [(one.id, 2, False), (one.id, 3, False)]
    assert page[1].place.xid == page[0].place.xid > own


async def test_a_choice_that_was_made_meanwhile_is_found_out(desk: Desk) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "history")
    async with desk.store.pool.acquire() as conn:
        await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
        stretch = Stretch(Position(), await following.upto(conn), NOW)
        with pytest.raises(Stale):
            await following.followed(conn, grant, reader(desk), [OBSERVATION], stretch, 1)


async def test_of_everybody_both_directions_find_the_same_and_each_index_its_part(desk: Desk) -> None:
    people = [await desk.person() for _ in range(2)]
    async with desk.store.pool.acquire() as conn:
        begun = await following.upto(conn)
    for patient in people:
        one, other = await create(desk, patient, potassium("1")), await create(desk, patient, potassium("2"))
        await update(desk, patient, one.id, potassium("3"))
        await marked(desk, patient, one.id, Label.RESTRICTED_HERE)
        await update(desk, patient, one.id, potassium("4"))
        await remove(desk, patient, other.id)
        await marked(desk, patient, one.id, Label.RESTRICTED_HERE, off=True)
    async with desk.store.pool.acquire() as conn:
        end = await following.upto(conn)
        seen = list[following.Written]()
        while some := await following.written(conn, [OBSERVATION], seen[-1].place if seen else begun, end, EARLIEST, 3):
            seen += some
        back = await following.written(conn, [OBSERVATION], begun, end, EARLIEST, 100, backward=True)
        assert await following.written(conn, [OBSERVATION], begun, end, LATEST, 100) == []
        assert await following.anything(conn, None, Position(begun), NOW)
        assert not await following.anything(conn, None, Position(end), NOW)
    assert back == seen[::-1]
    assert len(seen) == 2 * 5  # the version of the one that was deleted, too: whoever opens it passes it over
    assert [one.owner for one in seen] == [people[0]] * 5 + [people[1]] * 5
    assert len({one.place for one in seen}) == len(seen)


def test_a_position_is_kept_in_as_many_bytes_whatever_it_is() -> None:
    every = [
        Position(), Position(since=NOW), Position(Place(2**62, 2**62, 32_767, UUID(int=2**128 - 1), 2**31 - 1), NOW),
        Position(Place(7).before, LATEST, FIRST),
    ]  # fmt: skip
    assert {len(one.packed()) for one in every} == {following.PACKED_BYTES}
    assert [Position.unpacked(one.packed()) for one in every] == every
    with pytest.raises(ValueError, match="no position"):
        Position.unpacked(b"")


async def test_of_writers_at_once_a_reader_that_follows_loses_nothing_doubles_nothing_and_keeps_each_records_order(
    desk: Desk,
) -> None:
    chance = random.Random(58)
    patient = await desk.person()
    done, told = asyncio.Event(), list[Told]()
    ids = [(await create(desk, patient, potassium(str(number)))).id for number in range(6)]

    async def writes() -> None:
        for _ in range(25):
            id_ = chance.choice(ids)
            deed = chance.random()
            if deed < 0.2:
                await marked(desk, patient, id_, Label.RESTRICTED_HERE)
            elif deed < 0.4:
                await marked(desk, patient, id_, Label.RESTRICTED_HERE, off=True)
            elif deed < 0.5:
                await remove(desk, patient, id_)
            else:
                await update(desk, patient, id_, potassium(str(chance.random())))

    async def follows() -> None:
        position = Position()
        while True:
            over = done.is_set()
            page, position = await look(desk, patient, position, chance.randint(1, 4))
            told.extend(page)
            if over and not page:
                return

    async def all_write() -> None:
        await asyncio.gather(*(writes() for _ in range(3)))
        done.set()

    await asyncio.gather(all_write(), follows())
    versions = defaultdict[UUID, list[tuple[int, bool]]](list)
    for one in told:
        versions[one.place.id].append((one.place.version, one.gone))
    for id_, seen in versions.items():
        await held(desk, id_, seen)
    assert set(versions) == set(ids)


async def held(desk: Desk, id_: UUID, seen: list[tuple[int, bool]]) -> None:
    """What was told of a record against all that was written of it."""
    assert seen == sorted(set(seen)), "each once, and in order"
    rows = await desk.store.pool.fetch(
        "SELECT version, false AS deleted FROM record WHERE id = $1 UNION ALL "
        "SELECT version, deleted FROM record_history WHERE id = $1", id_,
    )  # fmt: skip
    written = {(row["version"], row["deleted"]) for row in rows}
    last = max(written)
    assert last in seen and set(seen) <= written, "what stands is told; of what is deleted, its deletion"
    again = max((version for version, deleted in written if deleted), default=0)
    assert {one for one in written if one[0] > again} <= set(seen), "nothing is lost of what stands"
