"""What an accepted message could not do: its sender is told, in the receipt and in what JSON is made of."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Ward, fresh_number
from .test_intake import a_report, opened, take, values

Kith = Any
ALONE = b"no report was found that this"


@pytest.mark.parametrize("items", ["", "same"])
async def test_a_cancellation_under_a_number_of_its_own_that_finds_no_report_is_told_so(
    ward: Ward, kith: Kith, number: str, items: str
) -> None:
    await ward.person(number)
    inside = kith.item(id_="other", service="C") if items else ""
    own = {"issued": "2026-03-04T10:00:00", "service": "C", "generated": "2026-03-04T12:00:05"}
    first, second = await take(
        ward,
        a_report(kith, number, kith.item(id_="1"), id_="N"),
        a_report(kith, number, inside, id_="C", report=f"C-{number[-5:]}", **own),
    )
    assert (first.idle, b'<Status V="1"' in first.receipt) == ((), True)
    assert (second.accepted, [one.where.startswith("ServReport line ") for one in second.idle]) == (True, [True])
    assert (b'<Status V="3"' in second.receipt, ALONE + b" cancellation" in second.receipt) == (True, True)
    assert values(await opened(ward, number)) == ["140"]


async def test_a_cancellation_in_another_discipline_than_its_report_is_told_that_it_found_none(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    first, second = await take(
        ward,
        a_report(kith, number, kith.item(id_="1"), id_="N"),
        a_report(kith, number, "", id_="C", service="C", discipline="MBIO", generated="2026-03-04T12:00:05"),
    )
    assert (first.idle, ALONE in second.receipt) == ((), True)


async def test_the_receipt_of_what_found_no_report_comes_again_as_it_was(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    raw = a_report(kith, number, "", service="C")
    first, again = await take(ward, raw, raw)
    assert (ALONE in first.receipt, again.duplicate, again.receipt) == (True, True, first.receipt)
    assert [f"{one.says} ({one.where})" for one in first.idle] == [one.says for one in again.idle] != []


async def test_a_cancellation_that_finds_its_report_by_what_they_share_is_told_nothing(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    for id_, items in (("bare", ""), ("whole", kith.item(id_="1", service="C"))):
        report = f"{id_}-{number[-5:]}"
        issued = {"bare": "2026-03-02T10:00:01", "whole": "2026-03-02T10:00:02"}[id_]
        given = a_report(kith, number, kith.item(id_="1"), id_=f"{id_}-N", report=report, issued=issued)
        cancelled = a_report(
            kith, number, items, id_=f"{id_}-C", report=f"C-{report}", issued=issued, service="C",
            generated="2026-03-04T12:00:05",
        )  # fmt: skip
        (_, taken) = await take(ward, given, cancelled)
        assert (taken.idle, b'<Status V="1"' in taken.receipt) == ((), True)


async def test_a_change_that_moves_nothing_from_another_patient_is_told_so(ward: Ward, kith: Kith, number: str) -> None:
    other, report = fresh_number(), f"R-{number[-5:]}"
    await ward.person(number)
    await ward.person(other)
    sample = kith.SAMPLE.replace("2026-03-02", "2026-02-27")
    assert sample != kith.SAMPLE
    item = kith.item(id_="1", value=kith.number("120"), service="M")
    inside = kith.person(sample + item, number=other)
    changed = kith.report(patient=inside, id_=report, service="M", issued="2026-03-04T10:00:00")
    first, second = await take(
        ward,
        a_report(kith, number, kith.item(id_="1"), report=report),
        kith.message(changed, id_=f"{report}-M", generated="2026-03-04T12:00:05"),
    )
    assert (first.idle, len(second.idle), ALONE + b" change" in second.receipt) == ((), 1, True)
    assert values(await opened(ward, number)) == ["140"]
    again = a_report(
        kith, other, kith.item(id_="1", value=kith.number("121"), service="M"), id_="M2", report=report, service="M",
        generated="2026-03-04T12:00:06",
    )  # fmt: skip
    (third,) = await take(ward, again)
    assert third.idle == ()


async def test_a_correction_and_a_cancellation_that_do_what_they_say_are_told_nothing(
    ward: Ward, kith: Kith, number: str
) -> None:
    other, report = fresh_number(), f"R-{number[-5:]}"
    await ward.person(number)
    await ward.person(other)
    raws = [
        a_report(kith, whose, items, id_=f"{day}", report=report, service=service, generated=f"2026-03-0{day}T12:00:05")
        for day, whose, service, items in (
            (2, number, "N", kith.item(id_="1")),
            (3, other, "M", kith.item(id_="1", service="M")),
            (4, number, "C", ""),  # the report has gone: it is done already
        )
    ]
    assert [taken.idle for taken in await take(ward, *raws)] == [(), (), ()]
    assert (values(await opened(ward, number)), values(await opened(ward, other))) == ([], ["140"])


async def test_what_a_change_without_its_first_version_is_told_holds_when_that_comes_later(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    corrected = kith.item(id_="1", value=kith.number("77"), service="M")
    change, first = await take(
        ward,
        a_report(kith, number, corrected, id_="M", service="M", generated="2026-03-04T12:00:05"),
        a_report(kith, number, kith.item(id_="1"), id_="N"),
    )
    told = change.receipt.decode()
    assert all(
        words in told for words in ("here by now", "if that comes later", "never sent here, nothing is to be done")
    )
    assert (first.idle, values(await opened(ward, number))) == ((), ["77"])


async def test_a_change_in_which_a_diagnosis_stands_and_its_measure_is_withdrawn_is_called_no_cancellation(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    measure = kith.item("NPU03230", "", id_="2", service="C")
    diagnosis = kith.item("", kith.text("Malignt melanom", "DI"), id_="1", service="M", inside=measure)
    (taken,) = await take(ward, a_report(kith, number, diagnosis, service="M", discipline="PAT"))
    assert [(ALONE + b" change").decode() in one.says for one in taken.idle] == [True]
    assert b"cancellation" not in taken.receipt


TOLD = b"of its answers are not given to that one"
URINE, WOUND = ("U", "Ingen vekst"), ("S", "Rikelig vekst")


def grown(kith: Kith, number: str, *of: tuple[str, str], kind: str = "N", day: int = 2, first: str = "") -> bytes:
    """What grew in materials that were all taken at one time."""
    tubes = "".join(
        str(kith.SAMPLE).replace(">P1<", f">{place}<").replace("V='S' DN='Serum'", f"V='{material}' DN='Of {material}'")
        for place, (material, _) in enumerate(of, 1)
    )
    items = "".join(
        str(kith.item("NPU10001", kith.text(says), id_=material, service="H" if kind == "M" else kind)).replace(
            "</ResultItem>", f"<RefAnalysedSubject>{place}</RefAnalysedSubject></ResultItem>"
        )
        for place, (material, says) in enumerate(of, 1)
    )
    return a_report(
        kith, number, "", id_=f"{day}{kind}", service=kind, discipline="MBIO", report=f"R-{(first or number)[-5:]}",
        generated=f"2026-03-0{day}T12:00:05", issued=f"2026-03-0{day}T12:00:00",
        head=f"<ServReq><Id>Q{(first or number)[-5:]}</Id></ServReq>", patient=kith.person(tubes + items, number=number),
    )  # fmt: skip


@pytest.mark.parametrize("turn", [1, -1])
async def test_an_answer_that_goes_along_to_another_patient_unnamed_is_told_to_its_sender(
    ward: Ward, kith: Kith, number: str, turn: int
) -> None:
    right = fresh_number()
    for one in (number, right):
        await ward.person(one)
    sent = [grown(kith, number, URINE, WOUND), grown(kith, right, WOUND, kind="M", day=3, first=number)]
    first, second = await take(ward, *sent[::turn])
    assert (TOLD in first.receipt, TOLD in second.receipt) == (False, True)
    assert b"and 1 of its" in second.receipt
    [again] = await take(ward, grown(kith, number, URINE, day=4))
    assert TOLD not in again.receipt
    assert [len(await opened(ward, one)) for one in (number, right)] == [1, 1]


async def test_a_report_that_goes_to_another_patient_with_all_its_answers_is_told_nothing(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    for one in (number, right):
        await ward.person(one)
    both = grown(kith, number, URINE, WOUND), grown(kith, right, URINE, WOUND, kind="M", day=3, first=number)
    assert [one.idle for one in await take(ward, *both)] == [(), ()]


async def test_what_was_sent_again_already_is_with_somebody_and_nothing_is_told_of_it(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    for one in (number, right):
        await ward.person(one)
    late = grown(kith, right, WOUND, kind="M", day=3, first=number)
    *_, told = await take(ward, grown(kith, number, URINE, WOUND), grown(kith, number, URINE, day=4), late)
    assert told.idle == ()
    assert len(await opened(ward, right)) == 1


async def test_an_answer_that_is_taken_back_beside_the_first_patients_own_of_that_time_stays_with_the_right_one(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    for one in (number, right):
        await ward.person(one)
    both = grown(kith, number, URINE, WOUND, kind="M", day=4)
    both = both.replace(b"<ServType V='H'/>", b"<ServType V='C'/>", 2).replace(b"V='C'", b"V='H'", 1)
    moved = grown(kith, right, WOUND, kind="M", day=3, first=number)
    *_, told = await take(ward, grown(kith, number, URINE, WOUND), moved, both)
    assert TOLD not in told.receipt
    standing = [
        [tree["valueCodeableConcept"]["text"] for tree in await opened(ward, one) if tree["status"] != "cancelled"]
        for one in (number, right)
    ]
    assert standing == [["Ingen vekst"], ["Rikelig vekst"]]


async def test_a_report_that_was_moved_and_then_cancelled_is_told_nothing_in_whatever_order_it_comes(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    for one in (number, right):
        await ward.person(one)
    moved = grown(kith, right, WOUND, kind="M", day=3, first=number)
    cancelled = grown(kith, right, WOUND, kind="C", day=4, first=number)
    *_, last = await take(ward, cancelled, moved, grown(kith, number, WOUND))
    assert TOLD not in last.receipt
