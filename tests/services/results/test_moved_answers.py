"""An answer of a tube that two persons have parts of goes to whom it is named for last, and who read it elsewhere is told."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.store import followup

from .conftest import NOW, Ward, fresh_number
from .test_intake import take as take_in
from .test_joined import asked, notices, trees
from .test_samplings import AGAIN, BLOOD, EIGHT, GLUCOSE, HB, NINE, stands, version
from .test_withheld import Record
from .test_withheld_follows import record, take

__all__ = ["record"]  # a fixture

Kith = Any
SUGAR, SUGAR_AGAIN = (GLUCOSE, EIGHT, "5"), (GLUCOSE, NINE, "8")


def seen_in_two_steps(kith: Kith, wrong: str, right: str) -> list[bytes]:
    """A tube of which one result is found to be the other's, and the rest is sent again as the receipt says."""
    return [
        version(kith, wrong, HB, SUGAR),
        version(kith, right, HB, day=3, kind="M", item="H", of=wrong),
        version(kith, wrong, SUGAR, day=4),
    ]


async def reads(record: Record, value: str) -> str:
    """Her doctor opens the result with this value: its id."""
    every = [one for one in await trees(record, "Observation") if "valueQuantity" in one]
    [found] = [one for one in every if str(one["valueQuantity"]["value"]) == value]
    await asked(record, "GET", found, record.ward.doctor(record.number))
    return str(found["id"])


async def opened(record: Record) -> list[str]:
    """Who by name had opened what was withdrawn from her."""
    grant = await record.ward.grant(record.number, caller=record.citizen)
    async with record.ward.house.store.pool.acquire() as conn:
        return [one.name for one in await followup.opened_by(conn, grant, NOW)]


@pytest.mark.parametrize(("results", "kind"), [([SUGAR], "M"), ([HB, SUGAR], "M"), ([HB, SUGAR], "N")])
async def test_who_read_what_was_sent_again_is_told_when_it_too_is_anothers(
    record: Record, kith: Kith, results: Any, kind: str
) -> None:
    right = fresh_number()
    await record.ward.person(right)
    await take(record, *seen_in_two_steps(kith, record.number, right))
    read = await reads(record, "5")
    before = await notices(record)
    item = "N" if kind == "N" else "H"
    [receipt] = await take_in(
        record.ward, version(kith, right, *results, day=5, kind=kind, item=item, of=record.number)
    )
    assert (receipt.faults, receipt.idle) == ((), ())
    assert await stands(record.ward, record.number) == []
    assert await stands(record.ward, right) == [("14", EIGHT), ("5", EIGHT)]
    assert [one for one in await notices(record) if one not in before] == [(read, "withdrawn")]
    assert await opened(record) == ["Lege Legesen"]


async def test_an_answer_that_is_corrected_as_it_goes_stands_with_both_and_the_sender_is_told_what_to_do(
    record: Record, kith: Kith
) -> None:
    right, of = fresh_number(), record.number
    await record.ward.person(right)
    await take(record, *seen_in_two_steps(kith, of, right))
    corrected = version(kith, right, HB, (GLUCOSE, EIGHT, "6"), day=5, kind="M", item="H", of=of)
    [receipt] = await take_in(record.ward, corrected)
    [told] = receipt.idle
    assert "stands with that one too" in told.says
    assert of not in told.says
    assert await stands(record.ward, of) == [("5", EIGHT)]
    assert await stands(record.ward, right) == [("14", EIGHT), ("6", EIGHT)]
    [receipt] = await take_in(record.ward, version(kith, of, SUGAR, day=6, kind="C"))
    assert receipt.idle == ()
    assert await stands(record.ward, of) == [("cancelled", EIGHT)]
    assert await stands(record.ward, right) == [("14", EIGHT), ("6", EIGHT)]


async def test_a_change_of_the_firsts_own_answers_is_told_nothing_of_the_others(record: Record, kith: Kith) -> None:
    right, of = fresh_number(), record.number
    await record.ward.person(right)
    own = (BLOOD, EIGHT, "12")
    await take(record, version(kith, of, HB, SUGAR), version(kith, right, HB, SUGAR, day=3, kind="M", of=of))
    await take(record, version(kith, of, own, day=4))
    [receipt] = await take_in(record.ward, version(kith, of, own, (GLUCOSE, EIGHT, "6"), day=5, kind="M"))
    assert receipt.idle == ()


async def test_the_second_step_may_come_in_any_order(ward: Ward, kith: Kith) -> None:
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 3, 2, 0)):
        wrong, right = fresh_number(), fresh_number()
        await ward.person(wrong)
        await ward.person(right)
        raws = [
            *seen_in_two_steps(kith, wrong, right),
            version(kith, right, HB, SUGAR, day=5, kind="M", item="H", of=wrong),
        ]
        await take_in(ward, *(raws[place] for place in order))
        assert (await stands(ward, wrong), await stands(ward, right)) == ([], [("14", EIGHT), ("5", EIGHT)])


@pytest.mark.parametrize("results", [[HB], [HB, SUGAR]])
async def test_a_mistaken_first_step_is_taken_back_by_one_or_by_all(record: Record, kith: Kith, results: Any) -> None:
    right = fresh_number()
    other = Record(record.ward, right)
    await record.ward.person(right)
    await take(record, *seen_in_two_steps(kith, record.number, right))
    read = await reads(other, "14")
    await take(record, version(kith, record.number, *results, day=5, kind="M", item="H"))
    assert await stands(record.ward, record.number) == [("14", EIGHT), ("5", EIGHT)]
    assert await stands(record.ward, right) == []
    assert (read, "withdrawn") in await notices(other)


async def test_what_the_first_took_back_in_a_series_brings_none_of_hers_to_nobody(record: Record, kith: Kith) -> None:
    right, of = fresh_number(), record.number
    await record.ward.person(right)
    whole = version(kith, of, HB, SUGAR, AGAIN, SUGAR_AGAIN, day=4, kind="M", item="H")
    await take(
        record,
        version(kith, of, HB, SUGAR, AGAIN, SUGAR_AGAIN),
        version(kith, right, HB, day=3, item="N", of=of),
        whole.replace(b"<ServType V='H'/>", b"<ServType V='C'/>", 1),
    )
    hers = [("16", NINE), ("5", EIGHT), ("8", NINE), ("cancelled", EIGHT)]
    assert await stands(record.ward, of) == hers
    await reads(record, "5")
    before = await notices(record)
    [receipt] = await take_in(record.ward, version(kith, right, (BLOOD, EIGHT, "15"), day=5, kind="M", of=of))
    assert (receipt.faults, receipt.idle) == ((), ())
    assert await stands(record.ward, of) == hers
    assert await stands(record.ward, right) == [("15", EIGHT)]
    assert await notices(record) == before


@pytest.mark.parametrize("begun", ["together", "apart"])
@pytest.mark.parametrize("rest", [[SUGAR], [SUGAR, AGAIN, SUGAR_AGAIN]])
async def test_who_read_it_in_a_series_is_told_and_of_what_stays_nothing(
    record: Record, kith: Kith, begun: str, rest: Any
) -> None:
    right, of = fresh_number(), record.number
    await record.ward.person(right)
    first = [(HB, SUGAR, AGAIN, SUGAR_AGAIN)] if begun == "together" else [(HB, SUGAR), (AGAIN, SUGAR_AGAIN)]
    await take(
        record,
        *(version(kith, of, *results, day=1 + day) for day, results in enumerate(first)),
        version(kith, right, HB, day=3, kind="M", item="H", of=of),
        version(kith, of, *rest, day=4),
    )
    read = await reads(record, "5")
    await reads(record, "16")
    before = await notices(record)
    await take(record, version(kith, right, HB, SUGAR, day=5, kind="M", item="H", of=of))
    assert await stands(record.ward, of) == [("16", NINE), ("8", NINE)]
    assert await stands(record.ward, right) == [("14", EIGHT), ("5", EIGHT)]
    assert [one for one in await notices(record) if one not in before] == [(read, "withdrawn")]
    assert await opened(record) == ["Lege Legesen"]


@pytest.mark.parametrize(
    ("again", "told"), [([SUGAR], False), ([(GLUCOSE, EIGHT, "6")], False), ([SUGAR, ("NPU03429", EIGHT, "140")], True)]
)
async def test_a_change_that_sends_again_what_went_along_is_told_nothing(
    ward: Ward, kith: Kith, again: Any, told: bool
) -> None:
    wrong, right = fresh_number(), fresh_number()
    await ward.person(wrong)
    await ward.person(right)
    first, moved, _ = seen_in_two_steps(kith, wrong, right)
    *_, receipt = await take_in(ward, first, moved, version(kith, wrong, *again, day=4, kind="M", item="H"))
    assert any("no report was found" in one.says for one in receipt.idle) is told
    assert await stands(ward, wrong) == sorted((value, time) for _, time, value in again)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
async def test_the_firsts_own_answers_of_that_time_come_in_two_steps_and_the_other_keeps_hers(
    record: Record, kith: Kith, order: tuple[int, ...]
) -> None:
    right, of = fresh_number(), record.number
    other = Record(record.ward, right)
    await record.ward.person(right)
    own, rest = (BLOOD, EIGHT, "12"), (GLUCOSE, EIGHT, "6")
    raws = [
        version(kith, of, HB, SUGAR),
        version(kith, right, HB, SUGAR, day=3, kind="M", item="H", of=of),
        version(kith, of, own, day=4),
        version(kith, of, own, rest, day=5, kind="M", item="H"),
    ]
    await take(record, *(raws[place] for place in order))
    assert await stands(record.ward, of) == [("12", EIGHT), ("6", EIGHT)]
    assert await stands(record.ward, right) == [("14", EIGHT), ("5", EIGHT)]
    assert not [one for one in await notices(other) if one[1] == "withdrawn"]
