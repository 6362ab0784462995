"""What a message's reservation withholds ends by a message that says that nothing is (9603, N), and by none that says nothing."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest

from kjerne.access import Label

from .conftest import LAB, Ward, fresh_number
from .kith.conftest import Kith
from .test_withheld import RESERVED, Record, Reporting, reserved, resource
from .test_withheld_ended import LATE, OBSERVATION, delayed, opens
from .test_withheld_spreads import report, seen

CODES = ("NORS", "NORN_KUT", "NORN_FORANS", "NORN_UNGDOM")
SAME = Kith.item(id_="1", value=Kith.number("31"), service="H")


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


@pytest.fixture
def reporting(record: Record) -> Reporting:
    return Reporting(record)


async def results(record: Record) -> list[str]:
    """The ids of her results."""
    key = (await record.ward.grant(record.number)).subject.patient
    rows = await record.ward.house.store.pool.fetch(
        "SELECT id FROM record WHERE patient = $1 AND type = $2", key, OBSERVATION
    )
    return [str(row["id"]) for row in rows]


async def labels(record: Record) -> set[Label]:
    """What the person's results are withheld by."""
    key = (await record.ward.grant(record.number)).subject.patient
    rows = await record.ward.house.store.pool.fetch(
        "SELECT labels FROM record WHERE patient = $1 AND type = $2", key, OBSERVATION
    )
    return {Label(row["labels"]) for row in rows}


def test_normal_is_a_code_of_9603_that_withholds_nothing() -> None:
    assert reserved("N") == reserved("n") == Label(0)


@pytest.mark.parametrize("code", CODES)
async def test_a_version_that_says_that_nothing_is_withheld_opens_all_of_the_report(
    reporting: Reporting, code: str
) -> None:
    await reporting.send("31", 2, code)
    assert await labels(reporting.record) != {Label(0)}
    await reporting.send("31", 3, "N", service="M", items=SAME)
    assert await labels(reporting.record) == {Label(0)}
    assert await reporting.seen() == (1, 1)
    await reporting.send("12", 4, service="M")
    assert await reporting.seen() == (1, 1), "it stays open over corrections that say nothing"
    await reporting.send("12", 5, code, service="M")
    assert await labels(reporting.record) != {Label(0)}, "and is shut by what asks for it anew"


async def test_a_delay_ends_so_too_and_the_days_of_the_discipline_do_not(reporting: Reporting) -> None:
    await reporting.send("31", 2, "NORU", until="2027-01-01")
    assert await reporting.seen() == (0, 1)
    await reporting.send("31", 3, "N", service="M", items=SAME)
    assert await reporting.seen() == (1, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_when_the_messages_were_made_counts_and_not_when_they_came(
    reporting: Reporting, order: tuple[int, ...]
) -> None:
    sent: list[dict[str, Any]] = [
        {"value": "31", "day": 2, "reserved": "NORN_KUT"},
        {"value": "32", "day": 3, "reserved": "NORS", "service": "M"},
        {"value": "33", "day": 4, "reserved": "N", "service": "M"},
        {"value": "34", "day": 5, "reserved": "NORN_UNGDOM", "service": "M"},
    ]
    for place in order:
        await reporting.send(**sent[place])
    assert await labels(reporting.record) == {Label.WITHHELD_FROM_YOUTH}


async def test_beside_a_reservation_normal_ends_nothing(reporting: Reporting) -> None:
    """A message of two requests, or one that contradicts itself, withholds what any of it does."""
    await reporting.send("31", 2, "NORN_KUT")
    head = "".join(
        f"<ServReq><Id>Q1</Id><Reservation V='{code}' S='{Kith.OID}9603'/></ServReq>" for code in ("N", "NORS")
    )
    inside = Kith.report(
        patient=Kith.person(Kith.SAMPLE + SAME, number=reporting.number), service="M", head=head,
        id_=f"{reporting.number[-5:]}-17",
    )  # fmt: skip
    raw = Kith.message(inside, id_=f"{reporting.number[-5:]}-both", generated="2026-03-03T12:00:00")
    ward = reporting.record.ward
    assert (await ward.house.intake.take(raw, LAB, ward.admit())).accepted
    assert await labels(reporting.record) == {Label.RESTRICTED | Label.WITHHELD_FROM_CITIZEN}


async def test_normal_without_its_code_system_ends_nothing(reporting: Reporting) -> None:
    await reporting.send("31", 2, "NORN_KUT")
    head = "<ServReq><Id>Q1</Id><Reservation V='N'/></ServReq>"
    inside = Kith.report(
        patient=Kith.person(Kith.SAMPLE + SAME, number=reporting.number), service="M", head=head,
        id_=f"{reporting.number[-5:]}-17",
    )  # fmt: skip
    raw = Kith.message(inside, id_=f"{reporting.number[-5:]}-bare", generated="2026-03-03T12:00:00")
    ward = reporting.record.ward
    assert (await ward.house.intake.take(raw, LAB, ward.admit())).accepted
    assert await labels(reporting.record) == {Label.WITHHELD_FROM_CITIZEN}


@pytest.mark.parametrize("then", ["N", "NORU"])
async def test_what_a_report_by_fhir_withholds_stays_when_the_messages_reservation_ends(
    reporting: Reporting, then: str
) -> None:
    record = reporting.record
    first, until = ("NORN_KUT", "") if then == "N" else ("NORU", "2027-01-01")
    await reporting.send("31", 2, first, until=until)
    (result,) = await results(record)
    shut = "NORN_KUT" if then == "N" else ""
    by_fhir = report(shut, "", result)
    if then == "NORU":
        by_fhir |= {"meta": delayed(LATE)["meta"]}
    await record.file(by_fhir)
    await reporting.send("31", 3, then, until="2026-03-01" if then == "NORU" else "", service="M", items=SAME)
    assert await reporting.seen() == (0, 1)
    if then == "NORU":
        assert await opens(record) == {datetime.fromisoformat(f"{LATE}T00:00+02:00")}


async def test_what_a_report_by_fhir_delays_stays_between_what_messages_asked_for_and_the_days_of_the_discipline(
    record: Record,
) -> None:
    async def sent(day: int, until: str, service: str) -> None:
        head = RESERVED.format("NORU", until)
        patient = Kith.person(Kith.SAMPLE + Kith.item(id_="1", service=service), number=record.number)
        inside = Kith.report(
            patient=patient, service=service, head=head, id_=f"{record.number[-5:]}-17", discipline="HIST"
        )
        raw = Kith.message(inside, id_=f"{record.number[-5:]}-{day}", generated=f"2026-03-0{day}T12:00:00")
        assert (await record.ward.house.intake.take(raw, LAB, record.ward.admit())).accepted

    await sent(2, "2026-03-18", "N")
    (result,) = await results(record)
    await record.file(report("", "", result) | {"meta": delayed("2026-03-17")["meta"]})
    await sent(3, "2026-03-01", "M")
    assert await opens(record) == {datetime.fromisoformat("2026-03-17T00:00+01:00")}


async def test_what_a_version_by_fhir_says_of_a_messages_result_stays_when_the_reservation_ends(
    reporting: Reporting,
) -> None:
    record = reporting.record
    await reporting.send("31", 2, "NORS")
    (result,) = await results(record)
    assert await record.change(result, resource("Observation", "NORN_KUT"), 1) == 200
    assert await labels(record) == {Label.RESTRICTED | Label.WITHHELD_FROM_CITIZEN}
    await reporting.send("31", 3, "N", service="M", items=SAME)
    assert await labels(record) == {Label.WITHHELD_FROM_CITIZEN}


async def test_what_the_patient_restricts_a_message_does_not_open(reporting: Reporting) -> None:
    record = reporting.record
    await reporting.send("31", 2, "NORS")
    (result,) = await results(record)
    pool = record.ward.house.store.pool
    await pool.execute("UPDATE record SET labels = labels | $2 WHERE id = $1", result, int(Label.RESTRICTED_HERE))
    await reporting.send("31", 3, "N", service="M", items=SAME)
    assert await labels(record) == {Label.RESTRICTED_HERE}


async def test_by_fhir_normal_is_taken_and_withholds_nothing(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORN_ALL"))
    assert await record.change(id_, resource("Observation", "N"), 1) == 200
    assert await seen(record, "Observation") == (1, 1)


async def test_a_version_by_fhir_that_says_normal_ends_no_reservation_of_a_message(reporting: Reporting) -> None:
    record = reporting.record
    await reporting.send("31", 2, "NORN_KUT")
    (result,) = await results(record)
    assert await record.change(result, resource("Observation", "N"), 1) == 200
    assert await reporting.seen() == (0, 1)
