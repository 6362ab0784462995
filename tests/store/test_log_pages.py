"""A page of the log holds the lines that its reader can come to, and its total counts no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kjerne.access import Attestation, Caller, Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.fhir.search import Bound
from kjerne.policy import insight
from kjerne.policy.access_log import AccessLog
from kjerne.store import audit
from kjerne.store.log_pages import LogPage
from kjerne.store.looks import Place, Wanted
from kjerne.store.records import Change
from kjerne.store.shares import Gone

from .conftest import NOW, Desk

HOUR = timedelta(hours=1)
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"}}'
LAB = Caller("system", "lab", frozenset(), organisation="999999903")
MOTHER = Caller("citizen", "app", frozenset(), digest=b"a mother 16 byte", name="Mor Prøve")
NEIGHBOUR = Caller("citizen", "app", frozenset(), digest=b"neighbour 16 byt", name="Ola Nabo")


async def line(desk: Desk, patient: int, action: str = "read", *, hour: int, caller: Caller | None = None) -> None:
    more = {"caller": caller} if caller else {}
    grant = await desk.grant(patient, action, at=NOW - hour * HOUR, **more)  # type: ignore[arg-type]
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant))


async def filed(desk: Desk, patient: int, label: Label, *, hour: int) -> UUID:
    grant = await desk.grant(patient, "file", at=NOW - hour * HOUR, caller=LAB)
    change = Change(type_number("Observation"), desk.store.ids.make(patient), RAW, index(decode(RAW)), labels=label)
    async with desk.store.pool.acquire() as conn:
        return (await desk.store.records.create(conn, grant, change)).id


async def a_history(desk: Desk) -> int:
    """Looks by a doctor, a mother and a neighbour, a filing that may be known of and one that may not, hour by hour back."""
    patient = await desk.person()
    await line(desk, patient, hour=1)
    await filed(desk, patient, Label(0), hour=2)
    await filed(desk, patient, Label.WITHHELD_FROM_PARENTS, hour=3)
    await line(desk, patient, hour=4, caller=MOTHER)
    await line(desk, patient, hour=5, caller=NEIGHBOUR)
    return patient


async def readers(desk: Desk, patient: int) -> dict[str, Grant]:
    own = await desk.grant(patient, "insight", hides=Label(0))
    own = replace(
        own, caller=replace(MOTHER, digest=next(iter(own.subject.digests))), purpose="PATRQT",
        subject=replace(own.subject, caller_key=patient),
    )  # fmt: skip
    parent = replace(
        await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_PARENTS, caller=MOTHER), purpose="FAMRQT"
    )
    proxy = replace(await desk.grant(patient, "insight", hides=Label(0), caller=NEIGHBOUR), purpose="PWATRNY")
    keeper = replace(await desk.grant(patient, "insight", hides=Label(0), caller=LAB), purpose="")
    return {"own": own, "parent": parent, "proxy": proxy, "keeper": keeper}


def wanted(**more: object) -> Wanted:
    return replace(Wanted(NOW - 24 * HOUR, NOW), **more)  # type: ignore[arg-type]


def hours(page: LogPage) -> list[int]:
    return [(NOW - entry.at) // HOUR for entry in page.entries]


async def test_each_reader_gets_the_lines_that_are_hers_and_their_number(desk: Desk) -> None:
    patient = await a_history(desk)
    log = AccessLog(desk.store)
    expected = {"own": [1, 2, 3, 4, 5], "parent": [1, 2, 4, 5], "proxy": [1, 2, 3, 5], "keeper": [1, 2, 3, 4, 5]}
    for who, grant in (await readers(desk, patient)).items():
        page = await log.page(grant, wanted(), 10)
        assert (hours(page), page.total) == (expected[who], len(expected[who])), who
        async with desk.store.pool.acquire() as conn:
            rows = await audit.of_patient(conn, grant, desk.store.wrap, NOW - 24 * HOUR, NOW, 100)
            hidden = await audit.hidden_from(conn, grant)
        told = insight.entries(rows, grant, organisations={}, type_name=str, hidden=hidden)
        assert [entry.at for entry in told] == [entry.at for entry in page.entries], who


async def test_pages_follow_each_other_and_the_total_stays(desk: Desk) -> None:
    patient = await a_history(desk)
    parent, log = (await readers(desk, patient))["parent"], AccessLog(desk.store)
    first = await log.page(parent, wanted(), 2)
    second = await log.page(parent, wanted(), 2, first.after)
    assert (hours(first), hours(second)) == ([1, 2], [4, 5])
    assert (first.total, second.total, second.after) == (4, 4, None)
    nothing = await log.page(parent, wanted(), 0)
    assert (nothing.entries, nothing.total, nothing.after) == ((), 4, None)


async def test_pages_go_on_from_where_the_former_ended_whatever_is_written_meanwhile(desk: Desk) -> None:
    """New looks, the readings of the log itself, and an older line whose transaction ends between two pages."""
    patient = await a_history(desk)
    own, log = (await readers(desk, patient))["own"], AccessLog(desk.store)
    late = await desk.grant(patient, "read", at=NOW - 3.5 * HOUR)
    async with desk.store.pool.acquire() as conn:
        writing = conn.transaction()
        await writing.start()
        await audit.insert(conn, audit.given(late))
        first = await log.page(own, replace(wanted(), until=None), 2)
        await writing.commit()
    await line(desk, patient, hour=0)
    met, page = [*first.entries], first
    while page.after:
        page = await log.page(own, replace(wanted(), until=None, mark=first.mark), 2, page.after)
        assert (page.newer, page.total) == (len(met), 5)
        met += page.entries
    assert [(NOW - one.at) / HOUR for one in met] == [1, 2, 3, 4, 5]
    again = await log.page(own, wanted(), 20)
    assert again.total == 6, "who begins anew meets it"


async def test_lines_of_one_instant_are_on_one_page_each(desk: Desk) -> None:
    patient = await desk.person()
    for _ in range(5):
        await line(desk, patient, hour=1)
    own, log = (await readers(desk, patient))["own"], AccessLog(desk.store)
    met, after = [], None
    while True:
        page = await log.page(own, wanted(), 2, after)
        met += [entry.origin.number for entry in page.entries]
        after = page.after
        if after is None:
            break
    assert len(met) == len(set(met)) == 5


async def test_bounds_and_one_line_alone(desk: Desk) -> None:
    patient = await a_history(desk)
    own, log = (await readers(desk, patient))["own"], AccessLog(desk.store)
    since = (Bound("date_from", ">=", NOW - 4 * HOUR), Bound("date_to", "<=", NOW - HOUR))
    assert hours(await log.page(own, wanted(bounds=((since,),)), 10)) == [2, 3, 4]
    (first, *_) = (await log.page(own, wanted(), 10)).entries
    one = await log.line(own, Place(first.at, first.origin.number))
    assert one and one.origin.number == first.origin.number
    assert await log.line(own, Place(first.at, UUID(int=1))) is None


async def test_the_reading_is_a_row_and_a_changed_fact_stops_it(desk: Desk) -> None:
    patient = await a_history(desk)
    own, log = (await readers(desk, patient))["own"], AccessLog(desk.store)
    await log.page(own, wanted(), 10)
    count = "SELECT count(*) FROM audit WHERE patient = $1 AND action = 'insight'"
    assert await desk.store.pool.fetchval(count, patient) == 1
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    with pytest.raises(Stale):
        await log.page(own, wanted(), 10)
    assert await desk.store.pool.fetchval(count, patient) == 1


async def both(desk: Desk, grant: Grant) -> tuple[list[int], int]:
    """What the log tells, by the hour, and counts: alike with what a page is narrowed by and without."""
    log = AccessLog(desk.store)
    plain, chosen = await log.page(grant, wanted(), 50), await log.page(grant, wanted(), 50, choices=True)
    assert (plain.entries, plain.total) == (chosen.entries, chosen.total)
    assert (plain.organisations, plain.services) == ((), frozenset())
    return hours(plain), plain.total


async def test_a_linked_persons_lines_are_of_her_log_and_counted(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    await line(desk, one, hour=1)
    await line(desk, other, hour=2)
    await filed(desk, other, Label.WITHHELD_FROM_PARENTS, hour=3)
    grant = replace(
        await desk.grant(one, "insight", hides=Label.WITHHELD_FROM_PARENTS, caller=MOTHER), purpose="FAMRQT"
    )
    assert await both(desk, grant) == ([1], 1)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "Drift", "samme menneske", NOW)
    grant = replace(
        await desk.grant(one, "insight", hides=Label.WITHHELD_FROM_PARENTS, caller=MOTHER), purpose="FAMRQT"
    )
    assert await both(desk, grant) == ([1, 2], 2)


async def test_what_is_not_released_has_no_line_yet_and_what_was_withdrawn_keeps_its_own(desk: Desk) -> None:
    patient = await desk.person()
    await filed(desk, patient, Label(0), hour=1)
    later = await filed(desk, patient, Label(0), hour=2)
    await filed(desk, patient, Label.WITHDRAWN, hour=3)
    await desk.store.pool.execute("UPDATE record SET release_at = $2 WHERE id = $1", later, NOW + HOUR)
    own = (await readers(desk, patient))["own"]
    waiting = replace(own, released_only=True)
    assert await both(desk, waiting) == ([1, 3], 2)
    assert await both(desk, replace(waiting, at=NOW + 2 * HOUR)) == ([1, 2, 3], 3)


async def test_a_destroyed_key_empties_the_words_and_takes_no_line(desk: Desk) -> None:
    patient = await desk.person()
    looks = await desk.grant(patient, "read", at=NOW - HOUR)
    said = Attestation(
        looks.caller.digest, "9144889", "LE", "999999999", "999999999", "", None, "BTG", None, "d", "Bevisstløs", False, (), NOW
    )  # fmt: skip
    looks = audit.with_words(replace(looks, caller=replace(looks.caller, attestation=said)), desk.store.wrap)
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(looks))
    log, own = AccessLog(desk.store), (await readers(desk, patient))["own"]
    assert [entry.reason for entry in (await log.page(own, wanted(), 5)).entries] == ["Bevisstløs"]
    desk.store.wrap.shares.destroy([Gone("results", patient, 0, NOW, NOW)])
    assert await both(desk, own) == ([1], 1)
    assert [entry.reason for entry in (await log.page(own, wanted(), 5)).entries] == [""]
