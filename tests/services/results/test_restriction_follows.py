"""What a patient has restricted stays restricted over every version of it: no correction takes a restriction away."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from kjerne.access import SHUT_BY_PATIENT, Label, Wish
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode

from .conftest import LAB, NOW, OTHER_LAB, Worker, fresh_number
from .kith.conftest import Kith
from .test_preferences_reach import filed, opens

PATHOLOGY = Wish("restriction", part="pathology")


def version(
    number: str, discipline: str, *values: str, service: str = "N", id_: str, day: str = "", **more: Any
) -> bytes:
    """A report whose items are numbered by their place, later than a version of fewer."""
    fresh = "N" if service == "N" else "M"
    items = "".join(
        Kith.item(f"NPU0323{place}", Kith.number(value), id_=f"i{value}", service=fresh)
        for place, value in enumerate(values)
    )
    inside = Kith.person(Kith.SAMPLE + items, number=number)
    report = Kith.report(patient=inside, id_=id_, service=service, discipline=discipline, **more)
    day = day or f"2026-03-0{1 + len(values) + (service != 'N')}"
    return Kith.message(report, id_=secrets.token_hex(8), generated=f"{day}T12:00:05")


async def open_rows(worker: Worker, number: str) -> list[int]:
    """Types of what lies in her record without a mark of hers."""
    rows = await worker.house.store.pool.fetch(
        "SELECT r.type FROM record r JOIN person_identifier i USING (patient) WHERE i.digest = $1 AND r.labels & $2 = 0",
        worker.house.digest(number), int(SHUT_BY_PATIENT),
    )  # fmt: skip
    return sorted(row[0] for row in rows)


@pytest.mark.parametrize("became", ["CLIN", "RAD"])
async def test_a_correction_into_another_discipline_opens_no_restricted_part(
    workers: tuple[Worker, Worker], number: str, became: str
) -> None:
    one, other = workers
    await one.person(number)
    id_ = secrets.token_hex(6)
    await one.take(version(number, "PAT", "7.7", id_=id_))
    held = await one.choose(number, PATHOLOGY)
    await other.take(version(number, became, "7.7", "8.8", service="M", id_=id_))
    await other.take(version(number, became, "7.7", "8.8", "9.9", service="M", id_=id_))
    assert await one.sees(number) == []
    assert await open_rows(one, number) == []
    assert set(await one.sees(number, basis="AKUTT")) == {"7.7", "8.8", "9.9"}
    await one.lift(number, held)
    assert "9.9" in await other.sees(number)


@pytest.mark.parametrize("wish", ["part", "record"])
async def test_a_correction_under_a_number_of_its_own_and_in_another_discipline_is_restricted_with_what_it_corrects(
    workers: tuple[Worker, Worker], number: str, wish: str
) -> None:
    one, other = workers
    await one.person(number)
    request = f"<ServReq><Id>{secrets.token_hex(5)}</Id></ServReq>"
    old = {"head": request, "issued": "2026-01-02T08:00:00"}
    await one.take(version(number, "PAT", "7.7", id_=secrets.token_hex(6), **old))
    await one.take(version(number, "CLIN", "4.1", id_=secrets.token_hex(6), issued="2026-01-01T08:00:00"))
    await one.choose(number, PATHOLOGY if wish == "part" else Wish("record", record=await one.report_of(number, "7.7")))
    await other.take(version(number, "CLIN", "8.8", service="M", id_=secrets.token_hex(6), head=request))
    assert await one.sees(number) == ["4.1"]


async def test_a_result_that_is_restricted_by_itself_stays_so_when_a_correction_puts_another_in_its_place(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    id_ = secrets.token_hex(6)
    await one.take(version(number, "CLIN", "7.7", id_=id_))
    await one.take(version(number, "CLIN", "1.1", id_=secrets.token_hex(6)))
    report = await one.report_of(number, "7.7")
    await one.choose(number, Wish("record", record=report))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "1.1")))
    await other.take(version(number, "RAD", "8.8", service="M", id_=id_))
    assert await one.sees(number) == []
    await one.lift(number, held)
    assert await other.sees(number) == ["1.1"]


async def test_what_a_correction_moved_stays_restricted_when_something_else_is_filed(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    id_ = secrets.token_hex(6)
    await one.take(version(number, "PAT", "7.7", id_=id_))
    await one.choose(number, PATHOLOGY)
    await other.take(version(number, "CLIN", "8.8", service="M", id_=id_))
    await filed(one, number, "Observation", "laboratory")
    assert await one.sees(number) == []
    assert len(await open_rows(one, number)) == 1


async def test_what_is_of_another_number_is_none_of_it(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(version(number, "PAT", "7.7", id_=secrets.token_hex(6)))
    await one.choose(number, PATHOLOGY)
    await other.take(version(number, "CLIN", "4.1", id_=secrets.token_hex(6)))
    assert await one.sees(number) == ["4.1"]


async def test_a_change_that_came_before_what_it_changes_stays_restricted_when_they_become_one(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(version(number, "CLIN", "7.7", service="M", id_=secrets.token_hex(6)))
    await one.choose(number, Wish("record", record=await one.report_of(number, "7.7")))
    await other.take(version(number, "CLIN", "7.7", id_=secrets.token_hex(6), day="2026-03-01"))
    assert await one.sees(number) == []


async def test_an_update_that_says_no_kind_any_more_opens_nothing(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    own = await filed(one, number, "Observation", "genetics")
    await one.choose(number, Wish("restriction", part="genetics"))
    tree = {"resourceType": "Observation", "id": own, "status": "corrected", "code": {"text": "Prøve"}}
    async with one.client(LAB) as client:
        answer = await client.put(
            f"/fhir/R4/Observation/{own}", json=tree, headers={"if-match": 'W/"1"', "person-id": number}
        )
    assert answer.status_code == 200, answer.text
    plain = await filed(one, number, "Observation", "laboratory")
    await filed(one, number, "DiagnosticReport", "laboratory", result=[{"reference": f"Observation/{own}"}])
    assert await opens(other, number, "Observation", own) == {False}
    assert await opens(other, number, "Observation", plain) == {True}


async def result_of(worker: Worker, number: str, value: str) -> str:
    """The id of the only result with this value."""
    grant = replace(await worker.grant(number), hides=Label(0))
    async with worker.house.store.pool.acquire() as conn:
        found = await worker.house.reader.current_of(conn, grant, [type_number("Observation")], 100)
    (own,) = [one.id for one in found if str(decode(one.raw).get("valueQuantity", {}).get("value")) == value]
    return str(own)


@pytest.mark.parametrize("wish", ["result", "report"])
async def test_a_result_that_is_restricted_by_itself_stays_so_in_another_discipline(
    workers: tuple[Worker, Worker], number: str, wish: str
) -> None:
    one, other = workers
    await one.person(number)
    id_ = secrets.token_hex(6)
    await one.take(version(number, "LAB", "7.7", "6.6", id_=id_))
    restricted = await (result_of(one, number, "7.7") if wish == "result" else one.report_of(number, "7.7"))
    held = await one.choose(number, Wish("record", record=restricted))
    await other.take(version(number, "CLIN", "8.8", "6.6", "5.5", service="M", id_=id_))
    assert "8.8" not in await one.sees(number)
    await one.lift(number, held)
    assert "8.8" in await other.sees(number)


@pytest.mark.parametrize("wish", ["result", "report"])
async def test_a_change_under_its_own_number_opens_nothing_that_is_restricted_by_itself(
    workers: tuple[Worker, Worker], number: str, wish: str
) -> None:
    one, other = workers
    await one.person(number)
    request = f"<ServReq><Id>{secrets.token_hex(5)}</Id></ServReq>"
    old = {"head": request, "issued": "2026-01-02T08:00:00"}
    await one.take(version(number, "CLIN", "7.7", id_=secrets.token_hex(6), **old))
    restricted = await (result_of(one, number, "7.7") if wish == "result" else one.report_of(number, "7.7"))
    await one.choose(number, Wish("record", record=restricted))
    await other.take(version(number, "CLIN", "8.8", service="M", id_=secrets.token_hex(6), head=request))
    assert await one.sees(number) == []


@pytest.mark.parametrize("wish", ["result", "report"])
@pytest.mark.parametrize("same_number", [True, False])
async def test_what_is_restricted_by_itself_stays_so_in_a_change_under_another_number_of_hers(
    workers: tuple[Worker, Worker], number: str, wish: str, same_number: bool
) -> None:
    one, other = workers
    newer, id_ = fresh_number(), secrets.token_hex(6)
    keys = await one.person(number), await one.person(newer)
    async with one.house.store.pool.acquire() as conn:
        await one.house.store.people.link(conn, *keys, "register", "same", NOW)
    request = f"<ServReq><Id>{secrets.token_hex(5)}</Id></ServReq>"
    await one.take(version(number, "CLIN", "7.7", id_=id_, head=request, issued="2026-01-02T08:00:00"))
    restricted = await (result_of(one, number, "7.7") if wish == "result" else one.report_of(number, "7.7"))
    await one.choose(number, Wish("record", record=restricted))
    changed = id_ if same_number else secrets.token_hex(6)
    await other.take(version(newer, "CLIN", "8.8", service="M", id_=changed, head=request))
    assert await one.sees(newer) == []


@pytest.mark.parametrize("again", [False, True])
async def test_a_record_is_of_every_kind_that_any_of_its_versions_said(
    workers: tuple[Worker, Worker], number: str, again: bool
) -> None:
    one, other = workers
    await one.person(number)
    own, plain = [await filed(one, number, "Observation", kind) for kind in ("genetics", "laboratory")]
    code = {"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "CLIN"}
    tree = {"resourceType": "Observation", "id": own, "status": "corrected", "code": {"text": "Prøve"}}
    async with one.client(LAB) as client:
        answer = await client.put(
            f"/fhir/R4/Observation/{own}", json=tree | {"category": [{"coding": [code]}]},
            headers={"if-match": 'W/"1"', "person-id": number},
        )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert await opens(other, number, "Observation", own) == {True}
    held = await one.choose(number, Wish("restriction", part="genetics"))
    if again:
        await filed(one, number, "Observation", "laboratory")
    assert await opens(other, number, "Observation", own) == {False}
    assert await opens(other, number, "Observation", plain) == {True}
    async with one.client(one.doctor(number)) as client:
        assert (await client.get(f"/fhir/R4/Observation/{own}/_history/1")).status_code == 404
    await one.lift(number, held)
    assert await opens(other, number, "Observation", own) == {True}


IDENTIFIED = {"identifier": [{"system": "urn:lab", "value": "N1"}]}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("wish", [{"kind": "record"}, {"kind": "restriction", "part": "genetics"}])
async def test_what_is_filed_once_more_by_its_identifier_is_restricted_as_the_first_is(
    workers: tuple[Worker, Worker], number: str, wish: dict[str, str], first: bool
) -> None:
    """The sender names it by a number of its own and another kind; whether it is there before the choice is the same."""
    one, other = workers
    await one.person(number)
    # Genetics is not yet hers to see, and so not hers to restrict by itself.
    own = await filed(one, number, "Observation", wish.get("part", "laboratory"), **IDENTIFIED)
    choose = Wish(**wish | ({"record": own} if wish["kind"] == "record" else {}))  # type: ignore[arg-type]
    held = await one.choose(number, choose) if first else None
    again = await filed(one, number, "Observation", "laboratory", **IDENTIFIED)
    plain = await filed(one, number, "Observation", "laboratory", identifier=[{"system": "urn:lab", "value": "N2"}])
    local = await filed(
        one, number, "Observation", "laboratory", identifier=[{"system": "ResultItemId", "value": "N1"}]
    )
    held = held or await one.choose(number, choose)
    for id_, shown in ((own, False), (again, False), (plain, True), (local, True)):
        assert await opens(other, number, "Observation", id_) == {shown}
    await filed(one, number, "Observation", "laboratory")
    assert await opens(other, number, "Observation", again) == {False}, "the next write opens nothing"
    await one.lift(number, held)
    assert await opens(other, number, "Observation", again) == {True}


async def test_another_sources_record_of_the_same_identifier_is_another(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    own = await filed(one, number, "Observation", "laboratory", **IDENTIFIED)
    await one.choose(number, Wish("record", record=own))
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | IDENTIFIED
    async with one.client(replace(LAB, organisation=OTHER_LAB)) as client:
        answer = await client.post("/fhir/R4/Observation", json=tree, headers={"person-id": number})
    assert answer.status_code == 201, answer.text
    assert await opens(other, number, "Observation", answer.json()["id"]) == {True}


@pytest.mark.parametrize("way", ["update", "create"])
async def test_what_is_deleted_and_filed_again_by_its_identifier_stays_restricted_by_itself(
    workers: tuple[Worker, Worker], number: str, way: str
) -> None:
    one, _ = workers
    await one.person(number)
    named, person = {"identifier": [{"system": "urn:lab", "value": "N1"}]}, {"person-id": number}
    own, plain = (
        await filed(one, number, "Observation", "laboratory", **named),
        {"status": "final", "code": {"text": "x"}},
    )
    held = await one.choose(number, Wish("record", record=own))
    tree = {"resourceType": "Observation"} | plain | named
    async with one.client(LAB) as client:
        assert (await client.delete(f"/fhir/R4/Observation/{own}", headers=person)).status_code == 204
        if way == "update":
            answer = await client.put("/fhir/R4/Observation?identifier=urn:lab|N1", json=tree, headers=person)
        else:
            answer = await client.post("/fhir/R4/Observation", json=tree, headers=person)
    assert answer.status_code == 201, answer.text
    again, another = answer.json()["id"], await filed(one, number, "Observation", "laboratory")
    async with one.client(one.doctor(number)) as client:
        assert (await client.get(f"/fhir/R4/Observation/{again}")).status_code == 404
        assert (await client.get(f"/fhir/R4/Observation/{another}")).status_code == 200
        await one.lift(number, held)
        assert (await client.get(f"/fhir/R4/Observation/{again}")).status_code == 200
