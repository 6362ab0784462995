"""Production takes nothing about somebody who is made up, on any way in (law, K200)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from kjerne.app import House
from kjerne.errors import Refusal
from kjerne.registries.identifiers import OID_PERSON
from kjerne.services.critical.abroad.settling import Brought
from kjerne.transferring import abroad_of, book_of
from services.critical.foreign import allergy, document

from .conftest import LAB, Ward
from .kith.conftest import Kith
from .test_intake import a_report

REAL = "30108299920"
"""From the tax administration's published examples."""
FHIR = {"content-type": "application/fhir+json"}
MARKED = {"meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}}
FILES = replace(LAB, scopes=frozenset({"nhn:pps/provesvar-write", "nhn:pps/provesvar-read"}))


@pytest.fixture
async def production(ward: Ward) -> AsyncIterator[Ward]:
    """The same store as production serves it."""
    house = ward.house
    yield Ward(House(house.settings.model_copy(update={"mode": "production"}), house.store, house.clock))


def observation(number: str = "", **more: Any) -> dict[str, Any]:
    about = {"subject": {"identifier": {"system": f"{OID_PERSON}1", "value": number}}} if number else {}
    return {
        "resourceType": "Observation", "status": "final", **about, **more,
        "code": {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU03230"}]},
        "effectiveDateTime": "2026-03-02T08:00:00+01:00", "valueQuantity": {"value": 4.1, "unit": "mmol/L"},
    }  # fmt: skip


async def known(ward: Ward, number: str) -> bool:
    async with ward.house.store.pool.acquire() as conn:
        return await ward.house.store.people.key_of(conn, ward.house.digest(number)) is not None


async def told(ward: Ward, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    async with ward.client(FILES) as client:
        sent = {**FHIR, **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer = await client.request(method, path, content=body, headers=sent)
    return answer.status_code, answer.text


async def test_a_message_about_somebody_made_up_is_refused_and_registers_nobody(
    production: Ward, kith: Kith, number: str
) -> None:
    taken = await production.house.intake.take(a_report(kith, number, kith.item()), LAB, production.admit())
    (fault,) = taken.faults
    assert (taken.status, "Patient/OffId line" in fault.where, number in fault.says) == (422, True, False)
    assert number.encode() not in taken.receipt
    assert not await known(production, number)


async def test_a_message_that_names_somebody_real_by_a_made_up_number_as_well_is_refused(
    production: Ward, kith: Kith, number: str
) -> None:
    beside = f"<AdditionalId><Id>{number}</Id><Type V='FNR'/></AdditionalId>"
    patient = kith.person(kith.SAMPLE + kith.item(), number=REAL, relation=beside)
    taken = await production.house.intake.take(
        a_report(kith, REAL, "", patient=patient, id_=f"M-{number}"), LAB, production.admit()
    )
    assert (taken.status, "Patient/AdditionalId line" in taken.faults[0].where) == (422, True)


async def test_a_message_about_somebody_real_is_taken_by_production_and_by_no_sandbox(
    ward: Ward, production: Ward, kith: Kith
) -> None:
    report = a_report(kith, REAL, kith.item(), id_="M-REAL")
    assert (await ward.house.intake.take(report, LAB, ward.admit())).status == 422
    assert (await production.house.intake.take(report, LAB, production.admit())).accepted
    assert await known(production, REAL)
    # Other tests count who in this store is real.
    whose = "patient = (SELECT patient FROM person_identifier WHERE digest = $1)"
    change = f"UPDATE person SET synthetic = true WHERE NOT synthetic AND {whose} RETURNING patient"
    assert await production.house.store.pool.fetchval(change, production.house.digest(REAL))


async def test_an_installation_may_keep_out_months_with_40(ward: Ward) -> None:
    said = {"mode": "production", "month_40": "synthetic"}
    house = House(ward.house.settings.model_copy(update=said), ward.house.store, ward.house.clock)
    with pytest.raises(Refusal, match="synthetic person"):
        house.identify("13417404" + "072")
    ward.house.identify("13417404072")


async def test_every_way_of_fhir_refuses_the_number_and_the_label_by_their_places(
    production: Ward, number: str
) -> None:
    await production.person(number)
    plain, marked = json.dumps(observation(number)).encode(), json.dumps(observation(REAL, **MARKED)).encode()
    entries = [
        {"fullUrl": "urn:uuid:4f9e3f4e-0f4e-4f0e-8f0e-0f0e0f0e0f0e", "resource": observation(number), "request": {
            "method": "POST", "url": "Observation"}}
    ]  # fmt: skip
    bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
    line = {"content_type": "application/fhir+ndjson"}
    for asked, where in (
        (told(production, "POST", "/fhir/R4/Observation", plain), "Observation.subject.identifier.value"),
        (told(production, "POST", "/fhir/R4/Observation", marked), "Observation.meta.security"),
        (
            told(production, "POST", "/fhir/R4/Observation", json.dumps(observation()).encode(), person_id=number),
            "person-id",
        ),
        (told(production, "POST", "/fhir/R4", bundle), "subject.identifier.value"),
        (told(production, "POST", "/fhir/R4/$import", plain, **line), "subject.identifier.value"),
        (told(production, "POST", "/fhir/R4/$import", marked, **line), "line 1: Observation.meta.security"),
        (
            told(production, "POST", "/fhir/R4/$import", json.dumps(observation()).encode(), **line, person_id=number),
            "line 1",
        ),
        (told(production, "GET", "/fhir/R4/Observation", person_id=number), "person-id"),
    ):
        status, text = await asked
        assert (status, where in text, number in text) == (422, True, False), text
    async with production.house.store.pool.acquire() as conn:
        held = await conn.fetchval(
            "SELECT count(*) FROM record WHERE patient = (SELECT patient FROM person_identifier WHERE digest = $1)",
            production.house.digest(number),
        )
    assert held == 0


async def test_validation_tells_it_beforehand(production: Ward, number: str) -> None:
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "mode", "valueCode": "create"}, {"name": "resource", "resource": observation(number)}]}  # fmt: skip
    status, text = await told(production, "POST", "/fhir/R4/Observation/$validate", json.dumps(body).encode())
    assert (status, "production takes none" in text, number in text) == (200, True, False), text


async def test_a_summary_from_abroad_that_is_marked_as_test_data_is_refused_by_its_place(production: Ward) -> None:
    house = production.house
    book = book_of(house.store, house.reader, house.identify)
    room = abroad_of(house.store, book, house.guides, house.parse_foreign, house.identify)
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "Svensson"}], "birthDate": "1975-01-12"}
    for tree, where in (
        (document(patient, **MARKED), "Bundle.meta.security"),
        (document(patient | MARKED), "Bundle.entry[1].resource.meta.security"),
        (document(patient, allergy(**MARKED)), "Bundle.entry[3].resource.meta.security"),
    ):
        brought = Brought(json.dumps(tree).encode(), "application/fhir+json", "SE", "abroad", frozenset())
        with pytest.raises(Refusal, match="marked as test data") as caught:
            await room.understood(brought, house.clock.now())
        assert caught.value.where == where
    plain = Brought(json.dumps(document(patient)).encode(), "application/fhir+json", "SE", "abroad", frozenset())
    assert (await room.understood(plain, house.clock.now())).person["id"] == "p"


async def test_every_address_that_names_a_patient_refuses_her_alike(production: Ward, number: str) -> None:
    """Personnel's searches, the documents of others, and what a message of FHIR says."""
    await production.person(number)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for method, path, body, headers in (
        ("POST", "/pps/v2/Observation/_search", b"code=NPU27300", {"person-id": number, **form}),
        ("GET", "/fhir/R4/Patient", b"", {"person-id": number}),
        ("GET", "/fhir/R4/Observation/_history", b"", {"person-id": number}),
    ):
        async with production.client(production.doctor(number)) as client:
            answer = await client.request(method, path, content=body, headers=headers)
        assert (answer.status_code, number in answer.text) == (422, False), (path, answer.text)
        assert "production takes none" in answer.text
