"""A record of another's that names a patient, by the ways of `/fhir/R4` beside a search and a read (law, K143)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Caller, Wish
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.settings import Settings
from kjerne.store import audit, in_anothers, participation
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares
from participating import a_row

from .conftest import HOSPITAL, LAB, NOW, Ward, Worker
from .mother_and_child import FHIR, Two, mother_and_child


@pytest.fixture
async def two(ward: Ward) -> Two:
    return await mother_and_child(ward)


@pytest.fixture
async def several(dsn: str, tmp_path: Path) -> AsyncIterator[Ward]:
    """A ward whose house has the record and critical information too."""
    services, keys = ("record", "critical-information"), Keys(b"w" * 32, b"p" * 32, b"s" * 32)
    store = await open_store(dsn, keys, Shares.made(tmp_path / NAME, keys, ["results", *services]), pool_size=6)
    async with store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM participation WHERE service = 'record'"):
            parts = [a_row(HOSPITAL, service=service) for service in services]
            await participation.add(conn, [*parts, a_row(LAB.organisation, "source", service="record")])
    yield Ward(House(Settings(data=Path("unused"), dsn=dsn), store, FixedClock(NOW)))
    await store.close()


def onward(tree: dict[str, Any]) -> str:
    """The next page of a Bundle, as a path; empty where there is none."""
    return next((one["url"].partition(f"{FHIR}/")[2] for one in tree["link"] if one["relation"] == "next"), "")


def ids(tree: dict[str, Any], mode: str = "match") -> list[str]:
    return [one["resource"]["id"] for one in tree.get("entry", ()) if one["search"]["mode"] == mode]


async def everything(two: Two, about: str, query: str = "", caller: Caller | None = None) -> list[list[str]]:
    """The ids of Observations on each page of all that there is of somebody."""
    path, pages = f"Patient/$everything?_type=Observation{query}", list[list[str]]()
    while path:
        status, tree = await two.ask("GET", path, caller or two.ward.doctor(about), about)
        assert status == 200, tree
        pages.append(ids(tree))
        path = onward(tree)
    return pages


async def test_everything_of_the_child_has_the_mothers_that_names_it_behind_its_own(two: Two) -> None:
    own = await two.file(two.naming(""), two.child)
    id_ = await two.file(two.naming(two.child), two.mother)
    await two.file(two.naming(""), two.mother)
    assert await everything(two, two.child) == [[own, id_]]
    assert [(row["rule"], row["ids"]) for row in await two.log(two.child)] == [
        ("care", [UUID(own)]), (audit.ELSEWHERE, []),
    ]  # fmt: skip
    (row,) = await two.log(two.mother)
    assert (row["rule"], row["ids"], row["decision"]) == ("named", [UUID(id_)], "")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
async def test_its_pages_hold_each_once_and_end(two: Two, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_anothers, "LOOKED_AT_ONCE", 2)
    own = {await two.file(two.naming("", 2.0 + n), two.child) for n in range(2)}
    theirs = {await two.file(two.naming(two.child, 5.0 + n), two.mother) for n in range(3)}
    pages = await everything(two, two.child, f"&_count={count}")
    every = [id_ for page in pages for id_ in page]
    assert (len(every), set(every[:2]), set(every[2:])) == (5, own, theirs)
    assert [len(page) for page in pages] == [min(count, 5 - n) for n in range(0, 5, count)]
    named = [id_ for row in await two.log(two.mother) for id_ in row["ids"]]
    assert len(named) == 3 and {str(one) for one in named} == theirs


async def test_a_page_that_its_own_fill_tells_of_no_other_where_the_mother_has_shut_hers(
    workers: tuple[Worker, Worker],
) -> None:
    two = await mother_and_child(workers[0])
    await two.file(two.naming(""), two.child)
    await two.file(two.naming(two.child), two.mother)
    assert [len(page) for page in await everything(two, two.child, "&_count=1")] == [1, 1]
    await workers[0].choose(two.mother, Wish("restriction"))
    before = len(await two.log(two.mother))
    assert [len(page) for page in await everything(two, two.child, "&_count=1")] == [1]
    assert len(await two.log(two.mother)) == before


async def test_what_is_shut_between_two_pages_is_not_on_the_second(workers: tuple[Worker, Worker]) -> None:
    two = await mother_and_child(workers[0])
    await two.file(two.naming(""), two.child)
    for value in (7.25, 8.25):
        await two.file(two.naming(two.child, value), two.mother)
    doctor = two.ward.doctor(two.child)
    tree = (await two.ask("GET", "Patient/$everything?_type=Observation&_count=2", doctor, two.child))[1]
    assert len(ids(tree)) == 2
    await workers[0].choose(two.mother, Wish("restriction"))
    status, rest = await two.ask("GET", onward(tree), doctor, two.child)
    assert (status, rest.get("entry"), onward(rest)) == (200, None, "")
    assert [row["rule"] for row in await two.log(two.child)] == ["care", audit.ELSEWHERE, "care"]


async def test_type_since_and_days_of_care_narrow_what_lies_with_others_too(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    assert await everything(two, two.child, "&start=2026-03-01&end=2026-03-31") == [[id_]]
    assert await everything(two, two.child, "&start=2026-04-01") == [[]]
    assert await everything(two, two.child, "&_since=2099-01-01") == [[]]
    assert (await two.ask("GET", "Patient/$everything?_type=Specimen", two.ward.doctor(two.child), two.child))[1][
        "total"
    ] == 0


async def test_an_include_leads_to_her_patient_by_what_names_her_and_not_by_whom_it_is_about(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    own = await two.file(two.naming("", code={"text": "x"}), two.child)

    async def brought(query: str) -> list[str]:
        status, tree = await two.ask("GET", f"Observation?{query}", two.ward.doctor(two.child), two.child)
        assert status == 200, tree
        found = [one["resource"] for one in tree["entry"] if one["search"]["mode"] == "include"]
        return [f"{one['resourceType']}/{one['id']}" for one in found]

    hers = [two.address(two.child)]
    for by in ("subject", "patient"):
        assert await brought(f"_id={id_}&_include=Observation:{by}") == []
        assert await brought(f"_id={own}&_include=Observation:{by}") == hers
    assert await brought(f"_id={id_}&_include=Observation:focus") == hers
    assert await brought(f"_id={own}&_include=Observation:focus") == []
    assert await brought(f"_id={id_}&_include=*") == hers


async def changed(two: Two, id_: str, tree: dict[str, Any], version: int) -> None:
    """A later version of a record of the mother's by the laboratory; `version` is the one before."""
    tree = two.of(two.mother) | tree | {"id": id_}
    answer = await two.ask("PUT", f"Observation/{id_}", LAB, tree=tree, if_match=f'W/"{version}"')
    assert answer[0] == 200, answer


async def versions(two: Two, id_: str, query: str = "") -> list[list[tuple[str, float]]]:
    """What a doctor of the child's is told of a record's history, page by page: version and value."""
    path, pages = f"Observation/{id_}/_history{query}", list[list[tuple[str, float]]]()
    while path:
        status, tree = await two.ask("GET", path, two.ward.doctor(two.child), two.child)
        if status != 200:
            return [[(str(status), 0)]]
        found = [one["resource"] for one in tree.get("entry", ())]
        pages.append([(one["meta"]["versionId"], one["valueQuantity"]["value"]) for one in found])
        path = onward(tree)
    return pages


async def test_a_history_in_the_childs_record_tells_the_versions_that_name_it(two: Two) -> None:
    id_ = await two.file(two.naming(two.child, 1.5), two.mother)
    for value, named in ((2.5, ""), (3.5, two.child), (4.5, two.child)):
        await changed(two, id_, two.naming(named, value), int(value) - 1)
    assert await versions(two, id_) == [[("4", 4.5), ("3", 3.5), ("1", 1.5)]]
    assert await versions(two, id_, "?_count=2") == [[("4", 4.5), ("3", 3.5)], [("1", 1.5)]]
    rows = [row for row in await two.log(two.mother, "history") if row["outcome"] == audit.GIVEN]
    assert [(row["rule"], row["versions"]) for row in rows] == [
        ("named", [4, 3, 1]), ("named", [4, 3]), ("named", [1]),
    ]  # fmt: skip
    assert [row["rule"] for row in await two.log(two.child, "history")] == [audit.ELSEWHERE] * 3


async def test_a_version_is_read_there_where_it_names_the_child_and_the_current_one_does(two: Two) -> None:
    id_ = await two.file(two.naming(two.child, 1.5), two.mother)
    await changed(two, id_, two.naming("", 2.5), 1)
    await changed(two, id_, two.naming(two.child, 3.5), 2)

    async def read(version: int) -> int:
        path = f"Observation/{id_}/_history/{version}"
        return int((await two.ask("GET", path, two.ward.doctor(two.child), two.child))[0])

    assert [await read(version) for version in range(1, 5)] == [200, 404, 200, 404]
    await changed(two, id_, two.naming("", 4.5), 3)
    assert [await read(version) for version in range(1, 5)] == [404] * 4
    assert await versions(two, id_) == [[("404", 0)]]
    given = [row for row in await two.log(two.mother, "history") if row["outcome"] == audit.GIVEN]
    assert [row["versions"] for row in given] == [[1], [3]]


async def test_what_the_mother_has_restricted_has_no_history_there(workers: tuple[Worker, Worker]) -> None:
    two = await mother_and_child(workers[0])
    id_ = await two.file(two.naming(two.child, 1.5), two.mother)
    await changed(two, id_, two.naming(two.child, 2.5), 1)
    assert await versions(two, id_) == [[("2", 2.5), ("1", 1.5)]]
    held = await workers[0].choose(two.mother, Wish("record", record=id_))
    assert await versions(two, id_) == [[("404", 0)]]
    await workers[0].lift(two.mother, held)
    assert await versions(two, id_) == [[("2", 2.5), ("1", 1.5)]]


async def test_by_their_own_number_a_history_is_the_whole_of_it(two: Two) -> None:
    id_ = await two.file(two.naming(two.child, 1.5), two.mother)
    await changed(two, id_, two.naming("", 2.5), 1)
    status, tree = await two.ask("GET", f"Observation/{id_}/_history", two.ward.doctor(two.mother), two.mother)
    assert (status, tree["total"]) == (200, 2)


async def test_the_last_of_each_kind_are_hers_and_behind_them_each_others(two: Two) -> None:
    older, newer = [
        await two.file(two.naming("", 2.5, effectiveDateTime=day), two.child) for day in ("2026-03-01", "2026-03-02")
    ]
    theirs = [
        await two.file(two.naming(two.child, 7.5, effectiveDateTime=day), two.mother)
        for day in ("2026-03-03", "2026-03-04")
    ]
    path, doctor = "Observation/$lastn?code=NPU03230", two.ward.doctor(two.child)
    assert ids((await two.ask("GET", path, doctor, two.child))[1]) == [newer, theirs[1]]
    assert ids((await two.ask("GET", f"{path}&max=2", doctor, two.child))[1]) == [newer, older, *theirs[::-1]]
    assert [[str(id_) for id_ in row["ids"]] for row in await two.log(two.mother)] == [[theirs[1]], theirs[::-1]]
    assert [row["rule"] for row in await two.log(two.child)] == ["care", audit.ELSEWHERE] * 2


def report(*results: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "prøver"},
        "result": [{"reference": f"Observation/{one}"} for one in results],
    } | more  # fmt: skip


async def brought(two: Two, path: str, caller: Caller | None = None) -> tuple[list[str], list[str]]:
    """The matches of a search in the child's record, and what it brings along."""
    status, tree = await two.ask("GET", path, caller or two.ward.doctor(two.child), two.child)
    assert status == 200, tree
    return ids(tree), ids(tree, "include")


async def test_an_include_leads_from_her_own_report_to_the_mothers_result_that_names_her(two: Two) -> None:
    hers = await two.file(two.naming(two.child), two.mother)
    private = await two.file(two.naming(""), two.mother)
    own = await two.file(two.naming(""), two.child)
    made = await two.file(report(own, hers, private), two.child)
    path = "DiagnosticReport?_include=DiagnosticReport:result"
    matches, found = await brought(two, path)
    assert (matches, set(found)) == ([made], {own, hers})
    (row,) = await two.log(two.mother)
    assert (row["rule"], row["ids"]) == ("named", [UUID(hers)])
    assert [(row["rule"], set(row["ids"])) for row in await two.log(two.child)] == [
        ("care", {UUID(own), UUID(made)}), (audit.ELSEWHERE, set()),
    ]  # fmt: skip


async def test_a_reverse_include_leads_to_what_points_at_her_own_and_names_her(two: Two) -> None:
    own = await two.file(two.naming(""), two.child)
    hers = await two.file(two.naming(two.child, derivedFrom=[{"reference": f"Observation/{own}"}]), two.mother)
    await two.file(two.naming("", derivedFrom=[{"reference": f"Observation/{own}"}]), two.mother)
    path = f"Observation?_id={own}&_revinclude=Observation:derived-from"
    assert await brought(two, path) == ([own], [hers])


async def test_from_the_mothers_that_names_her_an_include_leads_to_nothing_else_of_the_mothers(two: Two) -> None:
    private = await two.file(two.naming(""), two.mother)
    hers = await two.file(two.naming(two.child, hasMember=[{"reference": f"Observation/{private}"}]), two.mother)
    further = await two.file(two.naming(two.child, hasMember=[{"reference": f"Observation/{hers}"}]), two.mother)
    path = f"Observation?_id={further}&_include:iterate=Observation:has-member"
    assert await brought(two, path) == ([further], [hers])
    assert {id_ for row in await two.log(two.mother) for id_ in row["ids"]} == {UUID(hers), UUID(further)}


async def test_what_the_mother_has_shut_is_brought_by_no_include(workers: tuple[Worker, Worker]) -> None:
    two = await mother_and_child(workers[0])
    hers = await two.file(two.naming(two.child), two.mother)
    made = await two.file(report(hers), two.child)
    path = "DiagnosticReport?_include=DiagnosticReport:result"
    assert await brought(two, path) == ([made], [hers])
    await workers[0].choose(two.mother, Wish("restriction"))
    assert await brought(two, path) == ([made], [])
    assert [row["rule"] for row in await two.log(two.mother)] == ["named"]


@pytest.mark.parametrize("query", ["", "&_sort=code", "&_count=1", "&_sort=-code&_count=1", "&_summary=count"])
async def test_a_type_of_two_services_has_it_in_the_service_that_keeps_it(several: Ward, query: str) -> None:
    """By a token that opens both."""
    two = await mother_and_child(several)
    sender = replace(LAB, scopes=LAB.scopes | {"kjerne:record-write"})
    scopes = frozenset({"kjerne:record-read", "nhn:critical-information/api"})
    doctor = replace(two.ward.doctor(two.child), scopes=scopes)

    async def file(about: str, **more: Any) -> str:
        tree = {"resourceType": "Condition", "code": {"text": "gulsott"}} | more
        subject = {"reference": two.address(about)}
        status, made = await two.ask("POST", "Condition", sender, about, tree | {"subject": subject})
        assert status == 201, made
        return str(made["id"])

    own = await file(two.child)
    hers = await file(two.mother, evidence=[{"detail": [{"reference": two.address(two.child)}]}])
    await file(two.mother)
    path, found, first = f"Condition?code:text=gulsott{query}", list[str](), True
    while path:
        status, tree = await two.ask("GET", path, doctor, two.child)
        assert status == 200, tree
        found += ids(tree)
        if first and query != "&_count=1":
            assert tree["total"] == 2
        path, first = onward(tree), False
    assert sorted(found) == ([] if "summary" in query else sorted([own, hers]))
    rows = [row for row in await two.log(two.mother) if row["service"] == "record"]
    assert {row["rule"] for row in rows} == {"named"}
    assert {id_ for row in rows for id_ in row["ids"]} == (set() if "summary" in query else {UUID(hers)})
