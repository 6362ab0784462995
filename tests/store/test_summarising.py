"""What a summary is made of: the newest records of each type, those that a token finds however old, and no row by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kjerne.access import Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.search import plan
from kjerne.store import summarising
from kjerne.store.reading import Reader
from kjerne.store.summarising import Gathered
from kjerne.wire import search as wire_search

from .conftest import NOW, Desk
from .test_finding import NLK, file, observation

OBSERVATION = type_number("Observation")
REPORT = type_number("DiagnosticReport")


async def gather(desk: Desk, grant: Grant, most: dict[int, int], *rest: Any) -> Gathered:
    async with desk.store.pool.acquire() as conn:
        reader = Reader(desk.store.wrap, desk.store.dictionaries)
        return await summarising.gather(conn, grant, reader, most, *rest)


def ids(found: Gathered) -> list[str]:
    return [str(one.id) for one in found.records]


def report(day: int) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, "effectiveDateTime": f"2026-01-{day:02}"
    }  # fmt: skip


async def test_the_newest_of_each_type_are_gathered_and_it_is_told_where_there_are_more(desk: Desk) -> None:
    patient = await desk.person()
    filed = await file(desk, patient, *(report(day) for day in (1, 3, 2)), observation("NPU03230", 5))
    grant = await desk.grant(patient, "search")
    found = await gather(desk, grant, {REPORT: 2, OBSERVATION: 2})
    assert sorted(ids(found)) == sorted([filed[1], filed[2], filed[3]])
    assert found.more == frozenset({REPORT})
    assert (await gather(desk, grant, {REPORT: 3})).more == frozenset()
    assert not await desk.store.pool.fetchval(
        "SELECT count(*) FROM audit WHERE patient = $1 AND action = 'search'", patient
    )


async def test_what_a_token_finds_comes_along_once_however_old_it_is(desk: Desk) -> None:
    patient = await desk.person()
    old, *_, new = await file(desk, patient, observation("NPU1", 1), *(observation("NPU2", day) for day in range(5, 9)))
    search = wire_search.parse("Observation", (("code", f"{NLK}|NPU1"),), page_size=50, page_size_limit=1000)
    tokens = [one for some in plan(search, at=NOW).all_of for one in some]
    grant = await desk.grant(patient, "search")
    found = ids(await gather(desk, grant, {OBSERVATION: 1}, OBSERVATION, tokens, 10))
    assert old in found
    assert new in found
    assert len(found) == len(set(found)) == 3
    assert ids(await gather(desk, grant, {OBSERVATION: 9}, OBSERVATION, tokens, 10)).count(old) == 1


async def test_what_the_grant_hides_is_not_gathered_by_type_or_by_token(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1), labels=Label.RESTRICTED)
    (open_,) = await file(desk, patient, observation("NPU1", 2))
    search = wire_search.parse("Observation", (("code", f"{NLK}|NPU1"),), page_size=50, page_size_limit=1000)
    tokens = [one for some in plan(search, at=NOW).all_of for one in some]
    grant = await desk.grant(patient, "search", hides=Label.RESTRICTED)
    assert ids(await gather(desk, grant, {OBSERVATION: 5}, OBSERVATION, tokens, 10)) == [open_]


async def test_a_grant_about_nobody_gathers_nothing(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1))
    grant = await desk.grant(patient, "search")
    nobody = replace(grant, subject=replace(grant.subject, keys=(), wrapped=(), stamp=0))
    assert ids(await gather(desk, nobody, {OBSERVATION: 5}, OBSERVATION, [1], 5)) == []


async def test_facts_that_have_changed_are_found_by_the_look(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, observation("NPU1", 1))
    grant = await desk.grant(patient, "search")
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    with pytest.raises(Stale):
        await gather(desk, grant, {OBSERVATION: 5})
