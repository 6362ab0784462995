"""What is refused at the intake of messages: kept in the queue, or not even that; nothing of it filed."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kjerne.access import Once, Tie
from kjerne.errors import Refusal
from kjerne.registries.identifiers import control_digits
from kjerne.services.results.intake import Intake, Taken
from kjerne.store import messages
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.proofs import note_values
from kjerne.store.subjects import PersonDetail

from .conftest import HOSPITAL, LAB, NOW, Ward, fresh_number
from .test_intake import Kith, a_report, opened, take


async def test_a_number_that_is_not_synthetic_is_refused_in_a_sandbox(ward: Ward, kith: Kith) -> None:
    real = "02013299997"  # a published test vector without a raised month
    (taken,) = await take(ward, kith.message(kith.report(patient=kith.person(kith.item(), number=real)), id_="real"))
    assert (taken.accepted, taken.status) == (False, 422)
    assert "synthetic" in taken.faults[0].says
    assert real.encode() not in taken.receipt


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"not xml", 400),
        (b"<a/>", 422),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 400),
        (b"<?xml version='1.0' encoding='UTF-8'?><a>\xe6</a>", 400),
    ],
)
async def test_what_is_no_message_is_refused_with_a_receipt_and_kept_in_the_queue(
    ward: Ward, raw: bytes, status: int
) -> None:
    (taken,) = await take(ward, raw)
    assert (taken.accepted, taken.status) == (False, status)
    assert b"AppRec" in taken.receipt
    async with ward.house.store.pool.acquire() as conn:
        queue = await messages.rejected(conn, LAB.organisation)
    assert taken.faults[0].says in {fault.says for one in queue for fault in one.faults}


async def test_of_a_message_with_one_good_and_one_bad_report_nothing_is_filed(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    good = kith.report(patient=kith.person(kith.item(), number=number), id_="G")
    bad = kith.report(patient=kith.person(kith.item(), number="123"), id_="B")
    (taken,) = await take(ward, kith.message(good + bad, id_=f"two-{number[-5:]}", version="1.3"))
    assert not taken.accepted
    assert "line" in taken.faults[0].where
    assert await opened(ward, number) == []


async def test_a_refused_message_can_be_sent_again_under_the_same_id(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    good = a_report(kith, number, kith.item())
    bad = good.replace(f"<OffId>{number}".encode(), b"<OffId>123")
    first, second = await take(ward, bad, good)
    assert (first.accepted, second.accepted) == (False, True)


async def test_a_sender_without_the_right_to_file_gets_nothing_filed(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    gateway = type(LAB)("system", "gateway", frozenset({"nhn:pmd/write"}), organisation="100000999")
    taken = await ward.house.intake.take(a_report(kith, number, kith.item()), gateway, ward.admit(gateway))
    assert (taken.accepted, taken.status) == (False, 403)
    assert await opened(ward, number) == []


async def test_a_sender_outside_does_not_learn_who_is_registered(ward: Ward, kith: Kith, number: str) -> None:
    """Where unknown persons are refused, that is said to those alone who may file."""
    await ward.person(number)
    house, unknown = ward.house, fresh_number()
    strict = house.settings.model_copy(update={"unknown_person": "refuse"})
    intake = Intake(house.store, house.clock, strict, house.read, house.digest, house.made_up)
    outside = replace(LAB, organisation="100000032")
    told = {
        (taken.status, taken.faults, taken.rule)
        for whom in (number, unknown)
        for taken in [await intake.take(a_report(kith, whom, kith.item()), outside, ward.admit(outside))]
    }
    ((status, faults, rule),) = told
    assert (status, rule) == (403, "sender-takes-no-part")
    assert faults[0].says.startswith(
        "Virksomheten som ville sende inn, deltar ikke i delingen av disse opplysningene. Den står ikke"
    )
    inside = await intake.take(a_report(kith, unknown, kith.item()), LAB, ward.admit())
    assert (inside.status, inside.faults[0].says) == (422, "no register knows this person")
    async with house.store.pool.acquire() as conn:
        assert await house.store.people.key_of(conn, house.digest(unknown)) is None


async def test_of_a_request_whose_proof_was_used_nothing_is_filed_and_nothing_kept(
    ward: Ward, kith: Kith, number: str
) -> None:
    async def refuse() -> Any:
        raise Refusal(401, "used before")

    async def sent(raw: bytes, once: Once) -> Taken:
        return await ward.house.intake.take(raw, LAB, ward.admit(), once=once)

    await ward.person(number)
    proofs = [note_values(secrets.token_bytes(16), int(NOW.timestamp())) for _ in range(2)]
    broken = a_report(kith, number, kith.item(), id_="M-0")[:-30]
    assert (await sent(a_report(kith, number, kith.item()), Once(proofs[0], refuse))).accepted
    assert (await sent(broken, Once(proofs[1], refuse))).status == 400
    stolen = [a_report(kith, number, kith.item(), id_=id_, report=id_) for id_ in ("M-2", "M-3")]
    for raw, used in itertools.product((*stolen, broken[:-30]), proofs):
        with pytest.raises(Refusal, match="used before"):
            await sent(raw, Once(used, refuse))
    kept = await ward.house.store.pool.fetchval(
        "SELECT count(*) FROM message_in WHERE message LIKE $1", f"{number[-5:]}%"
    )
    assert (kept, len(await opened(ward, number))) == (2, 1)


async def test_a_sender_without_the_right_to_file_registers_nobody(ward: Ward, kith: Kith, number: str) -> None:
    gateway = type(LAB)("system", "gateway", frozenset({"nhn:pmd/write"}), organisation="100000999")
    taken = await ward.house.intake.take(a_report(kith, number, kith.item()), gateway, ward.admit(gateway))
    assert taken.status == 403
    async with ward.house.store.pool.acquire() as conn:
        assert await ward.house.store.people.key_of(conn, ward.house.digest(number)) is None


async def test_a_mistyped_number_is_refused_in_the_sandbox_too(ward: Ward, kith: Kith, number: str) -> None:
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    (taken,) = await take(ward, a_report(kith, wrong, kith.item()))
    assert (taken.status, "OffId line" in taken.faults[0].where) == (422, True)


async def test_a_message_from_the_future_is_refused_with_element_and_line(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    soon = a_report(kith, number, kith.item(), id_="soon", generated="2026-03-06T12:00:00Z")
    far = a_report(kith, number, kith.item(), id_="far", generated="2026-03-06T12:00:01Z")
    accepted, refused = await take(ward, soon, far)
    assert accepted.accepted
    assert (refused.status, refused.faults[0].where) == (422, "Message/GenDate line 3")


async def test_a_good_message_ends_the_unreadable_one_with_its_id(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    good = a_report(kith, number, kith.item(), id_="M/1")

    async def waiting() -> list[str]:
        async with ward.house.store.pool.acquire() as conn:
            return [
                one.message for one in await messages.rejected(conn, LAB.organisation) if number[-5:] in one.message
            ]

    neighbour = good.replace(b"M/1<", b"M/10<")[:-30]
    await take(ward, good[:-30], neighbour)
    assert len(await waiting()) == 2
    await take(ward, good)
    assert [name.partition(".")[0] for name in await waiting()] == [f"{number[-5:]}-M/10"]


async def test_the_receipt_of_a_bare_message_has_the_organisation_number_of_the_installation(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    house = ward.house
    settings = house.settings.model_copy(update={"organisation_number": "974631326"})
    intake = Intake(house.store, house.clock, settings, house.read, house.digest, house.made_up)
    taken = [
        await intake.take(raw, LAB, ward.admit())
        for raw in (a_report(kith, number, kith.item()), a_report(kith, "123", kith.item()))
    ]
    assert [one.accepted for one in taken] == [True, False]
    for one in taken:
        assert b'<Id>974631326</Id><TypeId V="ENH"' in one.receipt.partition(b"<Receiver>")[0]


def named_twice(kith: Kith, number: str, other: str, kind: str = "FNR") -> bytes:
    beside = f"<AdditionalId><Id>{other}</Id><Type V='{kind}'/></AdditionalId>"
    patient = kith.person(beside + kith.SAMPLE + kith.item(), number=number)
    return kith.message(kith.report(patient=patient, id_=f"R-{number[-5:]}"), id_=f"twice-{number[-5:]}")


def born(day: int, individual: int, month: int = 81, year: int = 73) -> str:
    """A number that no other test has: of somebody born in 1973."""
    nines = (f"{day:02}{month:02}{year}{one}" for one in range(individual, 500))
    return next(nine + control_digits(nine) for nine in nines if control_digits(nine))


async def test_national_numbers_of_two_registered_persons_are_refused(ward: Ward, kith: Kith) -> None:
    hers, his = born(2, 100), born(2, 200)
    await ward.person(hers)
    await ward.person(his)
    (taken,) = await take(ward, named_twice(kith, hers, his))
    assert (taken.accepted, taken.status, taken.faults[0].code) == (False, 422, "E31")
    assert "AdditionalId line" in taken.faults[0].where
    assert hers.encode() not in taken.receipt
    assert his.encode() not in taken.receipt
    assert await opened(ward, hers) == []


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("day", "accepted"), [(48, True), (49, False)])
async def test_a_d_number_that_was_not_linked_stops_no_report_and_shows_nothing_of_the_other_record(
    ward: Ward, kith: Kith, day: int, swapped: bool, accepted: bool
) -> None:
    start = 100 + 40 * swapped + 80 * accepted
    numbers = born(8, start), born(day, start)
    named, beside = numbers[::-1] if swapped else numbers
    await ward.person(named)
    await ward.person(beside)
    raw = named_twice(kith, named, beside, "FNR" if swapped else "DNR")
    (taken,) = await take(ward, raw)
    assert taken.accepted is accepted
    assert await opened(ward, beside) == []
    reports = await opened(ward, named, "DiagnosticReport")
    assert len(reports) == accepted
    assert all("another national number" in str(one["extension"]) for one in reports)


async def test_two_numbers_that_the_register_knows_as_one_persons_are_taken(ward: Ward, kith: Kith) -> None:
    old, new = born(43, 100), born(4, 100)  # a D-number, and what followed with a corrected birth date
    detail = PersonDetail(name="Prøve Person", birth_date=date(1973, 1, 4))
    numbers = tuple(
        Identifier(ward.house.digest(one), kind, one, date(1973, 1, 4)) for one, kind in ((old, "DNR"), (new, "FNR"))
    )
    person = NewPerson(detail, numbers, synthetic=True, ties=(Tie("care", organisation=HOSPITAL),))
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.register(conn, [person], NOW)
    (taken,) = await take(ward, named_twice(kith, new, old, "DNR"))
    assert taken.accepted
    (report,) = await opened(ward, new, "DiagnosticReport")
    assert any("another national number" in str(one.get("valueString")) for one in report["extension"])


@pytest.mark.parametrize(
    ("number", "other", "accepted"),
    [
        (born(5, 100), born(6, 100), False),
        (born(7, 100), born(47, 100), True),  # a D-number with the same birth date may be hers
    ],
)
async def test_numbers_that_no_register_knows_are_two_persons_by_their_birth_dates(
    ward: Ward, kith: Kith, number: str, other: str, accepted: bool
) -> None:
    (taken,) = await take(ward, named_twice(kith, number, other))
    assert taken.accepted == accepted
    if not accepted:
        assert taken.faults[0].code == "E31"


@pytest.mark.parametrize("date", ["24.12.2026", "20261224"])
async def test_a_delay_until_a_date_that_cannot_be_read_is_refused_with_its_line(
    ward: Ward, kith: Kith, number: str, date: str
) -> None:
    await ward.person(number)
    asked = f"<Reservation V='NORU' S='{kith.OID}9603' OT='{date}'/>"
    head = f"<ServReq><Id>Q-1</Id>{asked}</ServReq>"
    (taken,) = await take(ward, a_report(kith, number, kith.item(), id_=f"delayed-{number[-5:]}", head=head))
    assert (taken.accepted, taken.status) == (False, 422)
    assert "Reservation line" in taken.faults[0].where
    assert await opened(ward, number) == []
