"""What a source withholds stays withheld whichever standard door it came in by, and nobody else changes it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Caller, Label
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call
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
        self, method: str, path: str, tree: dict[str, Any], *, by: Caller = LAB, **more: str
    ) -> tuple[Answer, dict[str, str]]:
        route = next(one for one in self.ward.house.routes() if (one.method, one.path) == (method, path))
        headers = {"person-id": self.number, "content-type": "application/fhir+ndjson"}
        headers |= {"if-match": more.pop("version")} if "version" in more else {}
        parameters = {"type": tree["resourceType"], **more}
        made = Call(
            method, path, self.ward.house.clock.now(), "test", by, self.ward.admit(by), parameters,
            headers=headers, body=json.dumps(tree).encode(), base_url="http://kjerne.example",
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


async def test_an_update_adds_a_label_and_lifts_none(record: Record) -> None:
    id_ = await record.file(resource("DiagnosticReport"))
    assert await record.seen() == 1
    assert await record.change(id_, resource("DiagnosticReport", "NORN_FFL"), 1) == 200
    assert await record.seen() == 0
    assert await record.change(id_, resource("DiagnosticReport"), 2) == 200
    assert await record.labels() == [Label.WITHHELD_FROM_CITIZEN]


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
    for by in (other, replace(LAB, organisation="")):
        with pytest.raises(Refusal) as refused:
            await record.change(id_, resource(), 1, by=by)
        assert refused.value.status == 404
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
