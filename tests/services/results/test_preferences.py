"""What a patient has chosen, lived by: on two workers, over parts, single reports and their corrections, over any history."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest

from kjerne.access import SHUT_BY_PATIENT, Caller, Grant, Held, Label, Wish
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.exchange import Denied, PatientRef, granted
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.jobs import Job
from kjerne.policy.choosing import Choosing
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings
from kjerne.store.erasing import KIND, Eraser
from kjerne.store.house import open_store
from kjerne.store.reading import Record, Span
from kjerne.store.registers import PractitionerRow, fill
from kjerne.store.shares import NAME, Shares
from pages.test_live import with_a_file

from .conftest import LAB, NOW, THIRD_LAB, Ward, fresh_number
from .kith.conftest import Kith

TYPES = [type_number(name) for name in ("DiagnosticReport", "Observation")]
OTHERS = replace(LAB, organisation=THIRD_LAB)
DOCTORS = ("9144889", "9144900")
REGRET = timedelta(days=30)
T = TypeVar("T")


@dataclass
class Worker(Ward):
    """A process: its own store and memory over the same database and key shares."""

    def __post_init__(self) -> None:
        self.choosing = Choosing(self.house.store, self.house.reader, types_by_service())
        self.doors: dict[tuple[str, ...], Any] = {}

    async def sees(self, number: str, hpr: str = DOCTORS[0], basis: str = "", **more: Any) -> list[str] | str:
        """The values that a hospital's health worker sees of somebody, or the rule that refused. Facts are remembered."""
        caller = self.doctor(number, hpr)
        attestation = replace(caller.attestation, **{"purpose": "ETREAT", **more})  # type: ignore[type-var]
        caller = replace(caller, attestation=attestation, authorization=attestation.authorization)
        as_whom = hpr, attestation.authorization, attestation.decision_id
        admit = self.doors.setdefault(as_whom, self.admit(caller))

        async def use(grant: Grant) -> list[Record]:
            async with self.house.store.pool.acquire() as conn:
                return await self.house.reader.current_of(conn, grant, TYPES, 1000)

        try:
            ref = PatientRef(digest=self.house.digest(number))
            found = await granted(admit, ref, "results", "search", use, basis=basis, proven=True)
        except Denied as denied:
            return denied.denial.rule
        trees = [decode(one.raw) for one in found]
        return sorted(str(tree["valueQuantity"]["value"]) for tree in trees if "valueQuantity" in tree)

    async def as_herself(self, number: str, use: Callable[[Grant], Awaitable[T]]) -> T:
        digest = self.house.digest(number)
        citizen = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
        return await granted(self.admit(citizen), PatientRef(digest=digest), "results", "choose", use)

    async def choose(self, number: str, wish: Wish) -> Held:
        return await self.as_herself(number, lambda grant: self.choosing.make(grant, wish))

    async def lift(self, number: str, held: Held) -> Held:
        return await self.as_herself(number, lambda grant: self.choosing.lift(grant, held.number))

    async def take(self, raw: bytes, sender: Caller = LAB) -> None:
        taken = await self.house.intake.take(raw, sender, self.admit(sender))
        assert taken.accepted, taken.faults

    async def report_of(self, number: str, value: str) -> str:
        """The id of the report with an observation of this value."""
        key = await self.house.store.pool.fetchval(
            "SELECT patient FROM person_identifier WHERE digest = $1", self.house.digest(number)
        )
        grant = await self.grant(number)
        async with self.house.store.pool.acquire() as conn:
            found = await self.house.reader.current_of(conn, replace(grant, hides=Label(0)), TYPES, 1000)
        trees = {str(one.id): decode(one.raw) for one in found if one.patient == key}
        (own,) = [id_ for id_, tree in trees.items() if str(tree.get("valueQuantity", {}).get("value")) == value]
        (report,) = [
            id_ for id_, tree in trees.items() if tree["resourceType"] == "DiagnosticReport" and own in str(tree)
        ]
        return report


@pytest.fixture
async def workers(ward: Ward, dsn: str, shares: Shares, tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    keys = ward.house.store.keys
    if not await ward.house.store.pool.fetchval("SELECT count(*) FROM practitioner"):
        rows = [
            PractitionerRow(hpr, secrets.token_bytes(16), "Navn", ("LE",), date(2000, 1, 1), None) for hpr in DOCTORS
        ]
        async with ward.house.store.pool.acquire() as conn:
            await fill(conn, rows, [])
    store = await open_store(dsn, keys, Shares(tmp_path / NAME, keys), pool_size=4)
    settings = Settings(data=Path("unused"), dsn=dsn)
    yield Worker(ward.house), Worker(House(settings, store, ward.house.clock))
    await store.close()


def message(number: str, value: str, discipline: str = "CLIN", id_: str = "", **more: str) -> bytes:
    inside = Kith.person(Kith.SAMPLE + Kith.item("NPU03230", Kith.number(value)), number=number)
    report = Kith.report(patient=inside, discipline=discipline, id_=id_ or secrets.token_hex(6), **more)
    return Kith.message(report, id_=secrets.token_hex(8), generated=GENERATED[bool(more)])


GENERATED = {False: "2026-03-02T12:00:05", True: "2026-03-03T12:00:05"}


async def test_a_change_holds_on_the_next_request_of_every_worker(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    for wish, refused in (
        (Wish("block", hpr=DOCTORS[0]), "blocked-by-name"),
        (Wish("restriction"), "restricted"),
        (Wish("restriction", role="doctors"), "restricted"),
        (Wish("restriction", organisation="100000008"), "restricted"),
        (Wish("opt-out"), "opted-out"),
    ):
        assert await one.sees(number) == await other.sees(number) == ["4.1"]
        held = await one.choose(number, wish)
        assert await other.sees(number) == await one.sees(number) == refused
        await other.lift(number, held)
    assert await one.sees(number) == await other.sees(number) == ["4.1"]


async def test_a_restricted_kind_is_hidden_and_the_rest_is_open(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    await one.take(message(number, "7.7", "PAT"))
    held = await one.choose(number, Wish("restriction", part="pathology"))
    assert await other.sees(number) == await one.sees(number) == ["4.1"]
    await other.take(message(number, "8.8", "HIST"))
    await other.take(message(number, "4.2"))
    assert await one.sees(number) == ["4.1", "4.2"]
    assert await one.sees(number, basis="AKUTT") == ["4.1", "4.2", "7.7", "8.8"]
    await one.lift(number, held)
    assert await other.sees(number) == ["4.1", "4.2", "7.7", "8.8"]


async def test_what_one_laboratory_sent_is_restricted_against_one_profession(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    await one.take(message(number, "5.5"), OTHERS)
    await one.choose(number, Wish("restriction", source=OTHERS.organisation, role="nurses"))
    await other.take(message(number, "5.6"), OTHERS)
    assert await one.sees(number) == ["4.1", "5.5", "5.6"]
    assert await one.sees(number, authorization="SP") == ["4.1"]


async def test_a_restricted_report_stays_so_over_corrections_and_new_results(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1", id_="31"))
    await one.take(message(number, "6.6"))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "4.1")))
    assert await other.sees(number) == ["6.6"]
    await other.take(message(number, "4.9", id_="31", service="M"))
    assert await one.sees(number) == ["6.6"]
    assert await one.sees(number, basis="AKUTT") == ["6.6"]
    assert await one.sees(number, basis="FORHOYET_SAMTYKKE") == ["4.9", "6.6"]
    await one.lift(number, held)
    assert await other.sees(number) == ["4.9", "6.6"]


DISCIPLINES = "urn:oid:2.16.578.1.12.4.1.1.8202"
KINDS = {"laboratory": "CLIN", "radiology": "RAD", "genetics": "MGEN"}


async def filed(worker: Worker, number: str, type_: str, kind: str = "", **fields: Any) -> str:
    """The id of a resource that the laboratory files by FHIR."""
    own: dict[str, Any] = {"resourceType": type_, **fields}
    if type_ != "Binary":
        own |= {"status": "final", "code": {"text": "Prøve"}}
    if kind:
        own["category"] = [{"coding": [{"system": DISCIPLINES, "code": KINDS[kind]}]}]
    async with worker.client(LAB) as client:
        answer = await client.post(f"/fhir/R4/{type_}", json=own, headers={"person-id": number})
    assert answer.status_code == 201, answer.text
    return str(decode(answer.content)["id"])


async def opens(worker: Worker, number: str, type_: str, id_: str) -> set[bool]:
    """Whether a doctor gets a record, by each way that there is."""
    async with worker.client(worker.doctor(number)) as client:
        place = f"/fhir/R4/{type_}/{id_}"
        read = [(await client.get(place + more)).status_code for more in ("", "/_history", "/_history/1")]
        listed = await client.get(f"/fhir/R4/{type_}", headers={"person-id": number})
    assert set(read) <= {200, 404}
    return {*(status == 200 for status in read), id_ in listed.text}


def a_file(id_: str, before: str = "") -> list[dict[str, str]]:
    return [{"contentType": "image/png", "url": f"{before}Binary/{id_}"}]


PICTURE = {"contentType": "image/png", "data": "iVBORw0K"}


@pytest.mark.parametrize("before", ["", "https://kjerne.example/fhir/R4/"])
async def test_the_file_of_a_restricted_report_is_restricted_with_it(
    workers: tuple[Worker, Worker], number: str, before: str
) -> None:
    one, other = workers
    await one.person(number)
    file = await filed(one, number, "Binary", **PICTURE)
    report = await filed(one, number, "DiagnosticReport", "laboratory", presentedForm=a_file(file, before))
    assert await opens(one, number, "Binary", file) == {True}
    held = await one.choose(number, Wish("record", record=report))
    assert await opens(other, number, "DiagnosticReport", report) == {False}
    assert await opens(other, number, "Binary", file) == {False}
    await one.lift(number, held)
    assert await opens(other, number, "Binary", file) == {True}


async def test_a_file_is_of_the_kinds_of_the_reports_that_show_it_and_of_every_kind_where_none_does(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    file, shared, alone = [await filed(one, number, "Binary", **PICTURE) for _ in range(3)]
    await filed(one, number, "DiagnosticReport", "laboratory", presentedForm=a_file(file) + a_file(shared))
    await filed(one, number, "DiagnosticReport", "genetics", presentedForm=a_file(shared))
    for part, shut in (("radiology", {alone}), ("laboratory", {file, shared, alone}), ("genetics", {shared, alone})):
        held = await one.choose(number, Wish("restriction", part=part))
        for id_ in (file, shared, alone):
            assert await opens(other, number, "Binary", id_) == {id_ not in shut}, part
        await one.lift(number, held)


async def test_a_file_that_came_in_a_message_goes_with_its_report(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    await one.take(with_a_file(message(number, "4.1"), b"%PDF-1.4 skannet"))
    rows = "SELECT id FROM record WHERE patient = $1 AND type = $2"
    file = str(await one.house.store.pool.fetchval(rows, key, type_number("Binary")))
    for wish, is_open in (
        (Wish("record", record=await one.report_of(number, "4.1")), False),
        (Wish("restriction", part="laboratory"), False),
        (Wish("restriction", part="radiology"), True),
    ):
        held = await one.choose(number, wish)
        assert await opens(other, number, "Binary", file) == {is_open}
        await one.lift(number, held)


GENETICS = Wish("restriction", part="genetics")


def results(*ids: str) -> list[dict[str, str]]:
    return [{"reference": f"Observation/{id_}"} for id_ in ids]


async def test_what_leads_to_a_restricted_part_belongs_to_it_whenever_it_was_filed(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)

    async def file() -> tuple[str, str]:
        own = await filed(one, number, "Observation", "genetics")
        fields = {"conclusion": "En patogen variant", "result": results(own)}
        return own, await filed(one, number, "DiagnosticReport", "laboratory", **fields)

    before = await file()
    held = await one.choose(number, GENETICS)
    for own, report in (before, await file()):
        assert await opens(other, number, "Observation", own) == {False}
        assert await opens(other, number, "DiagnosticReport", report) == {False}
    plain = await filed(one, number, "Observation", "laboratory")
    of_it = await filed(one, number, "DiagnosticReport", "laboratory", result=results(plain))
    for type_, id_ in (("Observation", plain), ("DiagnosticReport", of_it)):
        assert await opens(other, number, type_, id_) == {True}
    await one.lift(number, held)
    assert await opens(other, number, "DiagnosticReport", before[1]) == {True}


async def test_an_import_is_marked_as_one_that_was_created(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.choose(number, GENETICS)
    own, plain = [await filed(one, number, "Observation", kind) for kind in ("genetics", "laboratory")]
    subject = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}}
    coded = [{"coding": [{"system": DISCIPLINES, "code": "LAB"}]}]
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Prøve"}, "category": coded}
    lines = [encode(report | {"subject": subject, "result": results(id_)}) for id_ in (own, plain)]
    async with one.client(LAB) as client:
        answer = await client.post(
            "/fhir/R4/$import", content=b"\n".join(lines), headers={"content-type": "application/fhir+ndjson"}
        )
    assert answer.status_code == 200, answer.text
    ids = re.findall(r"DiagnosticReport/([0-9a-f-]{36})/_history/1", answer.text)
    assert [await opens(other, number, "DiagnosticReport", id_) for id_ in ids] == [{False}, {True}]


async def test_an_update_that_leads_to_what_is_restricted_is_so_too(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    plain, own, late = [
        await filed(one, number, "Observation", kind) for kind in ("laboratory", "genetics", "laboratory")
    ]
    reports = [await filed(one, number, "DiagnosticReport", "laboratory", result=results(plain)) for _ in range(2)]

    async def add(report: str, *more: str) -> None:
        place = f"/fhir/R4/DiagnosticReport/{report}"
        coded = [{"coding": [{"system": DISCIPLINES, "code": "LAB"}]}]
        tree = {"resourceType": "DiagnosticReport", "id": report, "status": "corrected", "code": {"text": "Prøve"}}
        async with one.client(LAB) as client:
            sent = tree | {"category": coded, "result": results(plain, *more)}
            answer = await client.put(place, json=sent, headers={"if-match": 'W/"1"', "person-id": number})
        assert answer.status_code == 200, answer.text

    await one.choose(number, GENETICS)
    await add(reports[0], own)
    assert await other.sees(number) == []
    assert await opens(other, number, "DiagnosticReport", reports[0]) == {False}
    await one.choose(number, Wish("record", record=reports[1]))
    assert await opens(other, number, "Observation", late) == {True}
    await add(reports[1], late)
    assert await opens(other, number, "Observation", late) == {False}


async def test_a_file_is_of_the_kinds_of_a_report_that_comes_after_it(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.choose(number, Wish("restriction", part="radiology"))
    files = [await filed(one, number, "Binary", **PICTURE) for _ in range(2)]
    assert [await opens(other, number, "Binary", id_) for id_ in files] == [{False}, {False}]
    for kind, id_ in zip(("laboratory", "radiology"), files, strict=True):
        await filed(one, number, "DiagnosticReport", kind, presentedForm=a_file(id_))
    assert [await opens(other, number, "Binary", id_) for id_ in files] == [{True}, {False}]


async def test_what_a_source_added_by_a_correction_is_restricted_with_the_rest_of_it(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)

    def version(service: str, *values: str) -> bytes:
        items = "".join(
            Kith.item(f"NPU0323{place}", Kith.number(value), id_=str(place), service="N" if place else service)
            for place, value in enumerate(values)
        )
        inside = Kith.person(Kith.SAMPLE + items, number=number)
        report = Kith.report(patient=inside, id_="31", service=service)
        day = f"2026-03-0{1 + len(values)}T12:00:05"
        return Kith.message(report, id_=secrets.token_hex(8), generated=day)

    await one.take(version("N", "4.1"), OTHERS)
    await one.take(version("M", "4.1", "5.5"), OTHERS)
    held = await one.choose(number, Wish("restriction", source=OTHERS.organisation))
    assert await other.sees(number) == []
    await one.take(version("M", "4.1", "5.5", "6.6"), OTHERS)
    assert await other.sees(number) == []
    await one.lift(number, held)
    assert await other.sees(number) == ["4.1", "5.5", "6.6"]


async def test_lifting_it_leaves_what_the_source_restricted(workers: tuple[Worker, Worker], number: str) -> None:
    one, _ = workers
    key = await one.person(number)
    await one.take(message(number, "4.1"))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "4.1")))
    await one.house.store.pool.execute("UPDATE record SET labels = labels | 1 WHERE patient = $1", key)
    await one.lift(number, held)
    assert await one.sees(number) == []


@pytest.mark.parametrize(("kind", "by_source", "left"), [("record", 0, 2), ("part", 0, 2), ("record", 1, 1)])
async def test_lifting_it_opens_the_former_versions_too_save_what_the_source_restricted(
    workers: tuple[Worker, Worker], number: str, kind: str, by_source: int, left: int
) -> None:
    one, _ = workers
    own = secrets.token_hex(6)
    key = await one.person(number)
    await one.take(message(number, "4.1", "PAT", id_=own))
    report = await one.report_of(number, "4.1")
    held = await one.choose(
        number, Wish("record", record=report) if kind == "record" else Wish("restriction", part="pathology")
    )
    await one.house.store.pool.execute("UPDATE record SET labels = labels | $2 WHERE patient = $1", key, by_source)
    await one.take(message(number, "4.9", "PAT", id_=own, service="M"))
    id_ = await one.house.store.pool.fetchval("SELECT id FROM record WHERE patient = $1 AND type = $2", key, TYPES[1])

    async def known() -> int:
        grant = replace(await one.grant(number), hides=SHUT_BY_PATIENT)
        async with one.house.store.pool.acquire() as conn:
            found = await one.house.reader.history(conn, grant, TYPES[1], id_, Span(), 10)
        return found.total if found else 0

    assert await known() == 0
    await one.lift(number, held)
    assert await known() == left


async def test_what_is_lifted_is_not_lifted_again(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    held = await one.choose(number, Wish("restriction"))
    await other.lift(number, held)
    with pytest.raises(Refusal) as refusal:
        await one.lift(number, held)
    assert (refusal.value.status, refusal.value.where) == (404, "number")


async def test_a_record_of_nobody_or_of_another_cannot_be_restricted(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, _ = workers
    others = fresh_number()
    for who in (number, others):
        await one.person(who)
        await one.take(message(who, "4.1"))
    for id_ in (await one.report_of(others, "4.1"), str(one.house.store.ids.make(7))):
        with pytest.raises(Refusal) as refusal:
            await one.choose(number, Wish("record", record=id_))
        assert (refusal.value.status, refusal.value.where) == (404, "record")


@pytest.mark.parametrize("code", ["NORN_FFL", "NORU"])
async def test_a_record_that_is_hidden_from_her_cannot_be_told_from_one_that_is_not_there(
    workers: tuple[Worker, Worker], number: str, code: str
) -> None:
    one, other = workers
    await one.person(number)
    marks = [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": code, "display": "2026-12-01"}]
    ids = one.house.store.ids
    hidden = await filed(one, number, "Observation", "laboratory", meta={"security": marks})
    report = await filed(one, number, "DiagnosticReport", "laboratory", result=results(hidden))
    told = []
    for id_ in (hidden, str(ids.make(ids.patient(UUID(hidden))))):
        with pytest.raises(Refusal) as refusal:
            await one.choose(number, Wish("record", record=id_))
        told.append((refusal.value.status, str(refusal.value), refusal.value.where, refusal.value.rule))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert await opens(other, number, "Observation", hidden) == {True}
    await one.choose(number, Wish("record", record=report))
    assert await opens(other, number, "Observation", hidden) == {False}


async def test_while_another_key_of_hers_is_not_marked_all_is_shut(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    former = fresh_number()
    keys = [await one.person(number), await one.person(former)]
    await one.take(message(number, "4.1"))
    await one.choose(number, Wish("restriction", part="pathology"))
    assert await other.sees(number) == ["4.1"]
    async with one.house.store.pool.acquire() as conn:
        await one.house.store.people.link(conn, *keys, "register", "same", NOW)
    assert await other.sees(number) == await one.sees(number) == "restricted"
    assert await one.sees(number, basis="SAMTYKKE") == ["4.1"]


async def test_a_consent_withdrawn_is_over_at_once(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    midwife = {"authorization": "JO", "purpose": "TREAT"}
    assert await one.sees(number, **midwife) == "consent-missing"
    held = await one.choose(number, Wish("consent", organisation="100000008", course="decision-1"))
    assert await other.sees(number, **midwife) == ["4.1"]
    assert await other.sees(number, **midwife, decision_id="decision-2") == "consent-missing"
    await other.lift(number, held)
    assert await one.sees(number, **midwife) == "consent-missing"


async def test_every_change_is_kept_with_who_and_when(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    held = await one.choose(number, Wish("restriction"))
    await other.lift(number, held)
    await one.choose(number, Wish("restriction", part="genetics"))
    found = await one.as_herself(number, lambda grant: one.choosing.held(grant, ended=True))
    assert {(one.choice.part, one.set_by, one.ended_by) for one in found} == {
        ("genetics", "own-choices", ""),
        ("", "own-choices", "own-choices"),
    }
    rows = await one.house.store.pool.fetch("SELECT set_by, ended_by FROM privacy_choice WHERE patient = $1", key)
    assert {row["set_by"] for row in rows} == {key}
    assert await one.house.store.pool.fetchval(
        "SELECT count(*) FROM audit WHERE patient = $1 AND action = 'choose' AND outcome = 0", key
    ) == 3  # fmt: skip


async def test_regretted_within_thirty_days_all_is_back_whole(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    await one.take(message(number, "4.1", id_="31"))
    await one.take(message(number, "4.2", id_="31", service="M"))
    before = await one.house.store.pool.fetch("SELECT * FROM record WHERE patient = $1 ORDER BY type, id", key)
    held = await one.choose(number, Wish("opt-out"))
    due = "SELECT due_at FROM job WHERE kind = $1 AND key = $2"
    job = KIND, f"{key}:{held.number}"
    assert await one.house.store.pool.fetchval(due, *job) == NOW + REGRET
    await other.lift(number, held)
    assert await one.house.store.pool.fetchval(due, *job) is None
    assert await one.house.store.pool.fetch("SELECT * FROM record WHERE patient = $1 ORDER BY type, id", key) == before
    assert await one.sees(number) == await other.sees(number) == ["4.2"]


async def test_deletion_while_others_read_and_a_message_arrives(workers: tuple[Worker, Worker], number: str) -> None:
    """Readers see all or nothing, the message is in before or not kept at all, and nothing of hers is left."""
    one, other = workers
    key = await one.person(number)
    for value in ("4.1", "4.2", "4.3"):
        await one.take(message(number, value))
    held = await one.choose(number, Wish("opt-out"))
    clock = FixedClock(NOW + REGRET)
    eraser = Eraser(one.house.store.pool, clock, types_by_service(), one.house.store.wrap.shares)
    citizen = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=one.house.digest(number), level=4)

    async def read(worker: Worker) -> set[int]:
        async def use(grant: Grant) -> int:
            async with worker.house.store.pool.acquire() as conn:
                return len(await worker.house.reader.current_of(conn, grant, TYPES, 1000))

        counts = set()
        for _ in range(20):
            try:
                ref = PatientRef(digest=worker.house.digest(number))
                counts.add(await granted(worker.admit(citizen), ref, "results", "search", use))
            except Refusal as refusal:
                assert refusal.status == 503
        return counts

    async def send(worker: Worker) -> list[bool]:
        return [
            (await worker.house.intake.take(message(number, f"9.{n}"), LAB, worker.admit(LAB))).accepted
            for n in range(5)
        ]

    job = Job(KIND, f"{key}:{held.number}", NOW + REGRET)
    read_one, read_other, sent, *_ = await asyncio.gather(
        read(one), read(other), send(other), eraser.erase(job), eraser.erase(job)
    )
    assert read_one | read_other <= {0, 6}
    assert sent == [False] * 5
    for table in ("record", "record_history", "report_source", "report_version"):
        assert await one.house.store.pool.fetchval(f"SELECT count(*) FROM {table} WHERE patient = $1", key) == 0
    kept = await one.house.store.pool.fetch(
        "SELECT sealed FROM message_in WHERE about && $1::bytea[] AND sealed <> ''", [one.house.digest(number)]
    )
    assert kept == []
    assert await one.house.store.pool.fetchval("SELECT destroyed FROM person WHERE patient = $1", key) == ["results"]


SEED = 20261126


class Model:
    """What is in force, written down the plainest way, and what a doctor, a nurse and a second doctor then see."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.filed: dict[str, str] = {}

    def sees(self, hpr: str, role: str) -> list[str] | str:
        def against(choice: Any) -> bool:
            return choice.role in ("", {"LE": "doctors", "SP": "nurses"}[role])

        choices = [one.choice for one in self.held]
        if any(choice.kind == "block" and choice.hpr == hpr for choice in choices):
            return "blocked-by-name"
        if any(choice.kind == "opt-out" for choice in choices):
            return "opted-out"
        restricted = [choice for choice in choices if choice.kind == "restriction" and against(choice)]
        if any(not choice.part for choice in restricted):
            return "restricted"
        shut = {choice.part for choice in restricted}
        return sorted(value for value, kind in self.filed.items() if kind not in shut)


WISHES = (
    *(Wish("block", hpr=hpr) for hpr in DOCTORS),
    Wish("restriction"), Wish("opt-out"),
    *(Wish("restriction", role=role) for role in ("doctors", "nurses")),
    *(Wish("restriction", part=part, role=role) for part in ("laboratory", "pathology") for role in ("", "nurses")),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_of_choices_is_lived_by(workers: tuple[Worker, Worker], number: str, seed: int) -> None:
    chance, model = Random(SEED + seed), Model()
    await workers[0].person(number)
    for step in range(25):
        worker = chance.choice(workers)
        deed = chance.choice(("choose", "choose", "lift", "lift", "file"))
        if deed == "file" and not any(one.choice.kind == "opt-out" for one in model.held):
            kind = chance.choice(("laboratory", "pathology"))
            value = f"{step + 1}.5"
            await worker.take(message(number, value, {"laboratory": "CLIN", "pathology": "PAT"}[kind]))
            model.filed[value] = kind
        elif deed == "choose":
            wish = chance.choice(WISHES)
            try:
                model.held.append(await worker.choose(number, wish))
            except Refusal as refusal:
                assert refusal.rule == "choice-in-force"
        elif deed == "lift" and model.held:
            held = model.held.pop(chance.randrange(len(model.held)))
            await worker.lift(number, held)
        for hpr, role in ((DOCTORS[0], "LE"), (DOCTORS[1], "LE"), (DOCTORS[0], "SP")):
            reader = chance.choice(workers)
            assert await reader.sees(number, hpr, authorization=role) == model.sees(hpr, role), (step, deed)
