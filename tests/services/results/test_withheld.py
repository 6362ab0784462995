"""What a source withholds stays withheld whichever standard door it came in by, and nobody else changes it."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Caller, Label
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied
from kjerne.fhir.definitions import type_number
from kjerne.registries.withholding import DELAY_DAYS, LABEL_BY_CODE
from kjerne.services.results import release

from .conftest import LAB, NOW, Ward, fresh_number
from .kith.conftest import Kith

LABELS = "urn:oid:2.16.578.1.12.4.1.1.9603"
DISCIPLINES = "urn:oid:2.16.578.1.12.4.1.1.8202"
DOORS = ("create", "import")


def resource(type_: str = "DiagnosticReport", *marks: str, discipline: str = "", **more: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {"resourceType": type_, "status": "final", "code": {"text": "Prøve"}} | more
    if marks:
        tree["meta"] = {"security": [{"system": LABELS, "code": mark} for mark in marks]}
    if discipline:
        tree["category"] = [{"coding": [{"system": DISCIPLINES, "code": discipline}]}]
    return tree


class Record:
    """One person's record, written by laboratories and read by herself and her doctor."""

    def __init__(self, ward: Ward, number: str) -> None:
        self.ward = ward
        self.number = number
        self.citizen = Caller(
            "citizen", "app", frozenset({"kjerne:citizen"}), ward.house.digest(number), "Prøve", level=4
        )

    async def call(
        self, method: str, path: str, tree: dict[str, Any], *others: dict[str, Any], by: Caller = LAB, **more: str
    ) -> tuple[Answer, dict[str, str]]:
        route = next(one for one in self.ward.house.routes() if (one.method, one.path) == (method, path))
        kind = "ndjson" if path.endswith("$import") else "json"
        headers = {"person-id": self.number, "content-type": f"application/fhir+{kind}"}
        headers |= {"if-match": more.pop("version")} if "version" in more else {}
        headers |= {"prefer": more.pop("prefer")} if "prefer" in more else {}
        parameters = {"type": tree["resourceType"], **more}
        made = Call(
            method, path, self.ward.house.clock.now(), "test", by, self.ward.admit(by), parameters,
            headers=headers, body="\n".join(map(json.dumps, (tree, *others))).encode(), base_url="http://kjerne.example",
        )  # fmt: skip
        return await route.handler(made), parameters

    async def file(self, tree: dict[str, Any], door: str = "create") -> str:
        """The id it got."""
        path = "/fhir/R4/{type}" if door == "create" else "/fhir/R4/$import"
        answer, _ = await self.call("POST", path, tree)
        body = json.loads(answer.body)
        if door == "create":
            return str(body["id"])
        location = next(one["valueUri"] for one in body["parameter"] if one["name"] == "location")
        return str(location.split("/")[1])

    async def change(self, id_: str, tree: dict[str, Any], version: int, *, by: Caller = LAB) -> int:
        answer, _ = await self.call(
            "PUT", "/fhir/R4/{type}/{id}", tree | {"id": id_}, by=by, id=id_, version=f'W/"{version}"'
        )
        return answer.status

    async def seen(self, type_: str = "DiagnosticReport", caller: Caller | None = None) -> int:
        grant = await self.ward.grant(self.number, caller=caller or self.citizen)
        async with self.ward.house.store.pool.acquire() as conn:
            return len(await self.ward.house.reader.all_of(conn, grant, [type_number(type_)], 100))

    async def seen_by_doctor(self, type_: str = "DiagnosticReport") -> int:
        return await self.seen(type_, self.ward.doctor(self.number))

    async def labels(self) -> list[Label]:
        async with self.ward.house.store.pool.acquire() as conn:
            key = (await self.ward.grant(self.number)).subject.patient
            return [Label(row[0]) for row in await conn.fetch("SELECT labels FROM record WHERE patient = $1", key)]


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


@pytest.mark.parametrize("door", DOORS)
async def test_the_citizen_does_not_see_what_would_endanger_a_life(record: Record, door: str) -> None:
    await record.file(resource("DiagnosticReport", "NORN_FFL"), door)
    assert (await record.seen(), await record.seen_by_doctor()) == (0, 1)


@pytest.mark.parametrize("turned", [False, True])
async def test_a_report_withholds_the_results_that_are_imported_with_it(record: Record, turned: bool) -> None:
    """By where its links lead, as of a transaction (K66)."""
    report = resource("DiagnosticReport", "NORN_FFL", result=[{"reference": "Observation/r"}])
    lines = [report, resource("Observation", id="r")]
    await record.call("POST", "/fhir/R4/$import", *(reversed(lines) if turned else lines))
    assert (await record.seen("Observation"), await record.seen_by_doctor("Observation")) == (0, 1)


@pytest.mark.parametrize("door", DOORS)
async def test_the_doctor_does_not_see_what_the_citizen_has_shut(record: Record, door: str) -> None:
    await record.file(resource("DiagnosticReport", "NORS"), door)
    assert (await record.seen(), await record.seen_by_doctor()) == (1, 0)


@pytest.mark.parametrize("door", DOORS)
async def test_every_code_of_9603_gets_its_label(record: Record, door: str) -> None:
    await record.file(resource("Observation", *LABEL_BY_CODE), door)
    assert await record.labels() == [
        Label.RESTRICTED | Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS | Label.WITHHELD_FROM_YOUTH
    ]


@pytest.mark.parametrize("door", DOORS)
async def test_a_code_of_9603_that_nobody_knows_is_refused(record: Record, door: str) -> None:
    with pytest.raises(Refusal) as refused:
        await record.file(resource("Observation", "NORX"), door)
    assert refused.value.status == 422 and refused.value.where.endswith("Observation.meta.security")
    assert await record.labels() == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("type_", ["DiagnosticReport", "Observation"])
@pytest.mark.parametrize("discipline", sorted(DELAY_DAYS))
async def test_what_can_change_a_life_waits_by_its_discipline(
    record: Record, door: str, type_: str, discipline: str
) -> None:
    fresh, old = (NOW - timedelta(days=days) for days in (13, 14))
    await record.file(resource(type_, discipline=discipline, issued=old.isoformat()), door)
    assert await record.seen(type_) == 1
    await record.file(resource(type_, discipline=discipline, issued=fresh.isoformat()), door)
    assert (await record.seen(type_), await record.seen_by_doctor(type_)) == (1, 2)


@pytest.mark.parametrize("door", DOORS)
async def test_a_source_may_delay_a_single_result(record: Record, door: str) -> None:
    dated = resource("Observation")
    dated["meta"] = {"security": [{"system": LABELS, "code": "NORU", "display": "2026-03-07"}]}
    clock: Any = record.ward.house.clock
    await record.file(dated, door)
    assert await record.seen("Observation") == 0
    clock.at = datetime(2026, 3, 6, 23, tzinfo=UTC)
    assert await record.seen("Observation") == 1


async def test_a_later_version_of_what_is_open_does_not_shut_it_again(record: Record) -> None:
    old = (NOW - timedelta(days=20)).isoformat()
    id_ = await record.file(resource(discipline="HIST", issued=old))
    assert await record.change(id_, resource(discipline="HIST", issued=NOW.isoformat()), 1) == 200
    assert await record.seen() == 1


async def test_only_the_organisation_that_filed_a_record_changes_it(record: Record) -> None:
    id_ = await record.file(resource())
    other = replace(LAB, client="other-lab", organisation="100000999")
    with pytest.raises(Refusal) as refused:
        await record.change(id_, resource(), 1, by=other)
    assert refused.value.status == 404
    with pytest.raises(Denied) as denied:
        await record.change(id_, resource(), 1, by=replace(LAB, organisation=""))
    assert denied.value.denial.rule == "sender-takes-no-part"
    assert await record.change(id_, resource(), 1) == 200
    assert await record.change(id_, resource(), 2, by=replace(LAB, client="another-system-of-the-lab")) == 200
    with pytest.raises(Refusal):
        await record.change(id_, resource(), 3, by=other)


def reserved(code: str, system: str = f"{Kith.OID}9603") -> Label:
    reservation = f"<Reservation V='{code}' S='{system}'/>"
    request = f"<ServReq><IssueDate V='2026-03-01'/><Id>1</Id>{reservation}</ServReq>"
    return release.labels_of(Kith.understood(Kith.message(Kith.report(Kith.item(), head=request))).reports[0])


def test_a_reservation_in_a_laboratory_message_is_the_same_label() -> None:
    assert reserved("NORN_FORANS") == Label.WITHHELD_FROM_PARENTS
    assert reserved("NORU") == Label(0)
    assert reserved("1", f"{Kith.OID}7319") == Label(0)
    with pytest.raises(Refusal) as refused:
        reserved("NORX")
    assert re.fullmatch(r"ServReq/Reservation line \d+", refused.value.where)


RESERVED = f"<ServReq><Id>Q1</Id><Reservation V='{{}}' S='{Kith.OID}9603' OT='{{}}'/></ServReq>"


class Reporting:
    """One laboratory's report about one person, sent again and again."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.number = record.number

    async def send(
        self, value: str, day: int, reserved: str = "", *, until: str = "", service: str = "N", whom: str = "",
        items: str | None = None, report: str = "17",
    ) -> None:  # fmt: skip
        item = Kith.item(id_="1", value=Kith.number(value), service=service) if items is None else items
        patient = Kith.person(Kith.SAMPLE + item, number=whom or self.number)
        head = RESERVED.format(reserved, until) if reserved else "<ServReq><Id>Q1</Id></ServReq>"
        inside = Kith.report(patient=patient, service=service, head=head, id_=f"{self.number[-5:]}-{report}")
        raw = Kith.message(inside, id_=f"{self.number[-5:]}-{day}-{report}", generated=f"2026-03-0{day}T12:00:00")
        taken = await self.record.ward.house.intake.take(raw, LAB, self.record.ward.admit())
        assert taken.accepted, taken.faults

    async def seen(self) -> tuple[int, int]:
        """How many results the citizen sees, and how many her doctor."""
        return await self.record.seen("Observation"), await self.record.seen_by_doctor("Observation")


@pytest.fixture
def reporting(record: Record) -> Reporting:
    return Reporting(record)


WITHHOLDING = [("NORS", "", (1, 0)), ("NORN_KUT", "", (0, 1)), ("NORU", "2027-01-01", (0, 1)), ("NORU", "", (0, 1))]


@pytest.mark.parametrize(("code", "until", "seen"), WITHHOLDING)
async def test_a_correction_without_the_reservation_opens_nothing(
    reporting: Reporting, code: str, until: str, seen: tuple[int, int]
) -> None:
    await reporting.send("31", 2, code, until=until)
    assert await reporting.seen() == seen
    await reporting.send("12", 3, service="M")
    assert await reporting.seen() == seen


@pytest.mark.parametrize(("code", "until", "seen"), WITHHOLDING)
async def test_a_late_older_version_withholds_what_was_open(
    reporting: Reporting, code: str, until: str, seen: tuple[int, int]
) -> None:
    await reporting.send("12", 3, service="M")
    assert await reporting.seen() == (1, 1)
    await reporting.send("31", 2, code, until=until)
    assert await reporting.seen() == seen


@pytest.mark.parametrize(("code", "until", "seen"), WITHHOLDING)
async def test_a_reservation_that_comes_later_shuts_also_the_results_it_does_not_change(
    reporting: Reporting, code: str, until: str, seen: tuple[int, int]
) -> None:
    unchanged = Kith.item(id_="1", value=Kith.number("31"), service="H")
    await reporting.send("31", 2)
    await reporting.send("31", 3, service="M", items=unchanged)
    assert await reporting.seen() == (1, 1)
    await reporting.send("31", 4, code, until=until, service="M", items=unchanged)
    assert await reporting.seen() == seen


async def test_a_reservation_goes_with_the_report_to_the_right_patient(reporting: Reporting) -> None:
    other = fresh_number()
    key = await reporting.record.ward.person(other)
    await reporting.send("31", 2, "NORN_KUT")
    await reporting.send("31", 3, service="M", whom=other)
    labels = await reporting.record.ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", key)
    assert {row["labels"] for row in labels} == {int(Label.WITHHELD_FROM_CITIZEN)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_withdrawal_from_a_wrong_patient_withholds_nothing_from_the_right_one(
    reporting: Reporting, order: tuple[int, ...]
) -> None:
    sent: list[dict[str, Any]] = [
        {"value": "31", "day": 2, "whom": fresh_number()}, {"value": "31", "day": 3},
        {"value": "", "day": 4, "service": "C", "items": "", "reserved": "NORS"},
    ]  # fmt: skip
    sent[2]["whom"] = sent[0]["whom"]
    await reporting.record.ward.person(sent[0]["whom"])
    for place in order:
        await reporting.send(**sent[place])
    assert await reporting.seen() == (1, 1)


async def test_a_reservation_of_one_report_is_not_anothers_under_the_same_number(reporting: Reporting) -> None:
    other = fresh_number()
    key = await reporting.record.ward.person(other)
    await reporting.send("31", 2, "NORN_KUT")
    later = Kith.item(id_="9")
    patient = Kith.person(Kith.SAMPLE.replace("2026-03-02T08", "2026-03-03T08") + later, number=other)
    inside = Kith.report(patient=patient, id_=f"{reporting.number[-5:]}-17", issued="2026-03-03T12:00:00")
    raw = Kith.message(inside, id_=f"{other[-5:]}-own", generated="2026-03-03T12:00:00")
    assert (await reporting.record.ward.house.intake.take(raw, LAB, reporting.record.ward.admit())).accepted
    labels = await reporting.record.ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", key)
    assert {row["labels"] for row in labels} == {0}


async def test_a_change_under_its_own_number_does_not_open_the_report_it_belongs_to(reporting: Reporting) -> None:
    await reporting.send("31", 2, "NORS")
    await reporting.send("12", 3, service="M", report="18")
    assert await reporting.seen() == (1, 0)
