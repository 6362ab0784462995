"""The history of many records in two looks: one moment's order, then what still stands open of one page, with its audit row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kjerne.access import Choice, Label
from kjerne.exchange import Stale
from kjerne.store import past
from kjerne.store.past import Event, Outline
from kjerne.store.reading import Reader, Record, Span

from .conftest import NOW, Desk
from .test_records import OBSERVATION, audit_of, change, create, potassium

DAY = timedelta(days=1)
ALL = Span()


async def laid(desk: Desk, patient: int, span: Span = ALL, behind: Event | None = None, limit: int = 10) -> Outline:
    async with desk.store.pool.acquire() as conn:
        grant = await desk.grant(patient, "history")
        return await past.outline(conn, grant, reader(desk), [OBSERVATION], span, behind, limit)


async def opened(desk: Desk, patient: int, found: Outline) -> list[Record]:
    async with desk.store.pool.acquire() as conn:
        return await past.opened(conn, await desk.grant(patient, "history"), reader(desk), found.events)


def reader(desk: Desk) -> Reader:
    return Reader(desk.store.wrap, desk.store.dictionaries)


async def two_in_turn(desk: Desk) -> tuple[int, list[tuple[object, int]]]:
    """A patient with two records, changed in turn, a day between: (id, version), the newest first."""
    patient = await desk.person()
    first, second = await create(desk, patient, potassium("1.1")), await create(desk, patient, potassium("2.1"))
    for day, one in enumerate((first, second, first), 1):
        async with desk.store.pool.acquire() as conn:
            new = change(desk.store, patient, potassium(f"{day}.2"), one.id)
            await desk.store.records.put(conn, await desk.grant(patient, "write", at=NOW + day * DAY), [new])
    at_once = sorted([(first.id, 1), (second.id, 1)], reverse=True)
    return patient, [(first.id, 3), (second.id, 2), (first.id, 2), *at_once]


def named(events: list[Event]) -> list[tuple[object, int]]:
    return [(one.id, one.version) for one in events]


async def test_versions_of_many_records_stand_in_one_order_page_by_page(desk: Desk) -> None:
    patient, order = await two_in_turn(desk)
    seen, behind = list[tuple[object, int]](), None
    while (page := await laid(desk, patient, behind=behind, limit=2)).events:
        assert page.total == 5
        records = await opened(desk, patient, page)
        assert {(one.id, one.version) for one in records} == set(named(page.events))
        row = (await audit_of(desk, patient))[-1]
        assert sorted(zip(row["ids"], row["versions"], strict=True)) == sorted(named(page.events))
        seen += named(page.events)
        behind = past.placed(page.events[-1].place)
    assert seen == order


async def test_a_time_is_asked_of_each_record_by_itself(desk: Desk) -> None:
    patient, order = await two_in_turn(desk)
    assert named((await laid(desk, patient, Span(since=NOW + 2 * DAY))).events) == order[:2]
    current = await laid(desk, patient, Span(first=NOW + 3 * DAY / 2, last=NOW + 7 * DAY / 4))
    assert set(named(current.events)) == {order[2], next(one for one in order[3:] if one[0] == order[1][0])}


async def test_nothing_is_logged_before_something_leaves(desk: Desk) -> None:
    patient, _ = await two_in_turn(desk)
    before = len(await audit_of(desk, patient))
    await laid(desk, patient)
    assert len(await audit_of(desk, patient)) == before
    assert await opened(desk, patient, Outline([], 0)) == []
    assert (await audit_of(desk, patient))[-1]["ids"] == []


async def test_what_is_shut_between_the_looks_does_not_leave(desk: Desk) -> None:
    patient, order = await two_in_turn(desk)
    page = await laid(desk, patient)
    kept, hidden = order[0][0], order[1][0]
    await desk.store.pool.execute("UPDATE record SET labels = $2 WHERE id = $1", hidden, int(Label.WITHDRAWN))
    assert {one.id for one in await opened(desk, patient, page)} == {kept}
    assert set((await audit_of(desk, patient))[-1]["ids"]) == {kept}
    grant = await desk.grant(patient, "history")
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, patient, Choice("block", "", "9144889", "", NOW, None))
        with pytest.raises(Stale):
            await past.opened(conn, grant, reader(desk), page.events)
        with pytest.raises(Stale):
            await past.outline(conn, grant, reader(desk), [OBSERVATION], Span(), None, 10)


async def test_a_version_that_became_a_former_one_between_the_looks_leaves_all_the_same(desk: Desk) -> None:
    patient, order = await two_in_turn(desk)
    page = await laid(desk, patient)
    async with desk.store.pool.acquire() as conn:
        new = change(desk.store, patient, potassium("9.9"), order[0][0])  # type: ignore[arg-type]
        await desk.store.records.put(conn, await desk.grant(patient, "write", at=NOW + 9 * DAY), [new])
    assert {(one.id, one.version) for one in await opened(desk, patient, page)} == set(order)


async def test_a_deletion_is_told_to_whom_the_patient_has_shut_nothing_since(desk: Desk) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("1.1"))
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.remove(
            conn, await desk.grant(patient, "write", at=NOW + 2 * DAY), [(OBSERVATION, written.id)]
        )

    async def ended(hides: Label) -> list[tuple[object, int]]:
        async with desk.store.pool.acquire() as conn:
            grant = await desk.grant(patient, "history", hides=hides, at=NOW + 9 * DAY)
            found = await past.outline(conn, grant, reader(desk), [OBSERVATION], ALL, None, 10)
            assert all(one.gone for one in found.events) and found.total == len(found.events)
            assert await past.opened(conn, grant, reader(desk), found.events) == []
        return named(found.events)

    shut, opened_by_consent = Label.WITHDRAWN | Label.RESTRICTED_HERE, Label.WITHDRAWN
    assert await ended(shut) == [(written.id, 2)]
    for day, told in ((1, [(written.id, 2)]), (3, [])):
        other = desk.store.ids.make(patient)
        async with desk.store.pool.acquire() as conn:
            chosen = Choice("record", "results", "", "", NOW + day * DAY, None, record=other)
            await desk.store.people.add_choice(conn, patient, chosen)
        assert await ended(shut) == told
        assert await ended(opened_by_consent) == [(written.id, 2)]


@pytest.mark.parametrize(("day", "tells"), [(1, True), (5, False)])
async def test_a_deletion_before_the_release_is_never_told_to_who_waits_for_that(
    desk: Desk, day: int, tells: bool
) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("1.1"), release_at=NOW + day * DAY)
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.remove(
            conn, await desk.grant(patient, "write", at=NOW + 2 * DAY), [(OBSERVATION, written.id)]
        )
        for waits in (True, False):
            grant = await desk.grant(patient, "history", released_only=waits, at=NOW + 9 * DAY)
            found = await past.outline(conn, grant, reader(desk), [OBSERVATION], ALL, None, 10)
            assert [one.gone for one in found.events] == [True] * (tells or not waits)
            gone = await reader(desk).is_deleted(conn, grant, OBSERVATION, written.id)
            assert gone == (tells or not waits)
