"""What a source withholds follows a report into another discipline and under another number, in whatever order they come."""

from __future__ import annotations

import itertools
import secrets

import pytest

from .conftest import LAB, NOW, Ward, fresh_number
from .kith.conftest import Kith
from .test_restriction_follows import version
from .test_withheld import RESERVED, WITHHOLDING, Record

ORDERS = [(0, 1), (1, 0)]


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


async def take(record: Record, *raws: bytes) -> None:
    for raw in raws:
        taken = await record.ward.house.intake.take(raw, LAB, record.ward.admit())
        assert taken.accepted, taken.faults


async def seen(record: Record) -> tuple[int, int]:
    """How many results the citizen sees, and how many her doctor."""
    return await record.seen("Observation"), await record.seen_by_doctor("Observation")


def asked(code: str, until: str, request: str) -> str:
    return RESERVED.format(code, until).replace("Q1", request)


def plain(request: str) -> str:
    return f"<ServReq><Id>{request}</Id></ServReq>"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("code", "until", "shut"), WITHHOLDING)
async def test_a_correction_into_another_discipline_takes_no_reservation_off(
    record: Record, code: str, until: str, shut: tuple[int, int], order: tuple[int, int]
) -> None:
    id_, old = secrets.token_hex(6), "2026-01-02T08:00:00"
    first = version(record.number, "RAD", "7.7", id_=id_, head=asked(code, until, id_), issued=old)
    later = version(record.number, "CLIN", "7.7", "8.8", service="M", id_=id_, head=plain("other"), issued=old)
    await take(record, *([first, later][place] for place in order))
    assert await seen(record) == (3 * shut[0], 3 * shut[1])


@pytest.mark.parametrize("order", ORDERS)
async def test_a_correction_into_another_discipline_waits_as_long_as_what_it_corrects(
    record: Record, order: tuple[int, int]
) -> None:
    id_, day = secrets.token_hex(6), NOW.date().isoformat() + "T08:00:00"
    first = version(record.number, "PAT", "7.7", id_=id_, issued=day)
    later = version(record.number, "CLIN", "8.8", service="M", id_=id_, issued=day)
    await take(record, *([first, later][place] for place in order))
    assert await seen(record) == (0, 2)
    await take(record, version(record.number, "CLIN", "8.8", "9.9", service="M", id_=id_, issued=day))
    assert await seen(record) == (0, 3)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("discipline", ["CLIN", "RAD"])
async def test_a_change_under_its_own_number_is_withheld_as_what_has_its_request(
    record: Record, discipline: str, order: tuple[int, int]
) -> None:
    request, old = secrets.token_hex(5), "2026-01-02T08:00:00"
    head = asked("NORS", "", request)
    first = version(record.number, "CLIN", "7.7", id_=secrets.token_hex(6), head=head, issued=old)
    change = Kith.item("NPU19748", Kith.number("8.8"), id_="another", service="M")
    inside = Kith.person(Kith.SAMPLE + change, number=record.number)
    report = Kith.report(
        patient=inside, id_=secrets.token_hex(6), service="M", discipline=discipline, head=plain(request)
    )
    later = Kith.message(report, id_=secrets.token_hex(8), generated="2026-03-04T12:00:05")
    await take(record, *([first, later][place] for place in order))
    assert await seen(record) == (2, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_change_withholds_no_other_report_of_its_request_in_whatever_order_they_come(
    record: Record, order: tuple[int, ...]
) -> None:
    request, numbers = secrets.token_hex(5), (secrets.token_hex(6), secrets.token_hex(6))

    def sent(number: str, code: str, day: int, head: str, service: str = "N") -> bytes:
        inside = Kith.person(Kith.SAMPLE + Kith.item(code, id_="1", service=service), number=record.number)
        issued = f"2026-01-0{day}T08:00:00"
        report = Kith.report(patient=inside, id_=number, service=service, head=head, issued=issued)
        return Kith.message(report, id_=secrets.token_hex(8), generated=issued)

    every = (
        sent(numbers[0], "NPU03230", 2, plain(request)), sent(numbers[1], "NPU03429", 3, plain(request)),
        sent(numbers[1], "NPU03429", 4, asked("NORS", "", request), "M"),
    )  # fmt: skip
    await take(record, *(every[place] for place in order))
    assert await seen(record) == (2, 1)


async def test_what_is_of_another_number_and_request_is_withheld_by_none_of_it(record: Record) -> None:
    head = asked("NORS", "", "a")
    await take(
        record,
        version(record.number, "RAD", "7.7", id_=secrets.token_hex(6), head=head, issued="2026-01-02T08:00:00"),
        version(record.number, "CLIN", "4.1", id_=secrets.token_hex(6), head=plain("b"), issued="2026-01-03T08:00:00"),
    )
    assert await seen(record) == (2, 1)
