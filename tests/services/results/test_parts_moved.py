"""One tube of a report was another patient's: what was taken from her goes to her, and the rest stays as it was."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from kjerne.access import Wish

from .conftest import Ward, Worker, fresh_number
from .test_intake import take as take_in
from .test_joined import notices, report_of, trees
from .test_opted_out import opts_out
from .test_samplings import AGAIN, APART, EIGHT, HB, NINE, RIGHT_AGAIN, stands, version
from .test_withheld import LABELS, Record
from .test_withheld_follows import record, take

__all__ = ["record"]  # a fixture

Kith = Any


def without_the_first(raw: bytes) -> bytes:
    """A change whose first result is taken back, and whose others are repeated."""
    return raw.replace(b"<ServType V='H'/>", b"<ServType V='C'/>", 1)


def together(kith: Kith, wrong: str) -> list[bytes]:
    return [version(kith, wrong, HB, AGAIN)]


def joined(kith: Kith, wrong: str) -> list[bytes]:
    return [
        *(version(kith, wrong, *of, day=2 + day) for day, (_, of) in enumerate(APART)),
        version(kith, wrong, HB, AGAIN, day=4),
    ]


def repairs(kith: Kith, wrong: str, right: str) -> dict[str, list[bytes]]:
    def hers(day: int, kind: str) -> bytes:
        return version(kith, right, HB, day=day, kind=kind, item="N" if kind == "N" else "H", of=wrong)

    def taken_back(day: int) -> bytes:
        return without_the_first(version(kith, wrong, HB, AGAIN, day=day, kind="M", item="H"))

    return {
        "changed": [hers(5, "M")],
        "changed, and the rest sent again": [hers(5, "M"), version(kith, wrong, AGAIN, day=6)],
        "changed, and the rest changed": [hers(5, "M"), version(kith, wrong, AGAIN, day=6, kind="M", item="H")],
        "changed, then taken back": [hers(5, "M"), taken_back(6)],
        "taken back, then sent to her": [taken_back(5), hers(6, "N")],
        "sent to her, then taken back": [hers(5, "N"), taken_back(6)],
    }


REPAIRS = [
    "changed", "changed, and the rest sent again", "changed, and the rest changed", "changed, then taken back",
    "taken back, then sent to her", "sent to her, then taken back",
]  # fmt: skip
ENDS = [("16", NINE)], [("14", EIGHT)]


@pytest.mark.parametrize("begun", [together, joined])
@pytest.mark.parametrize("how", REPAIRS)
async def test_of_one_tube_that_was_anothers_the_result_is_hers_and_the_rest_stays(
    ward: Ward, kith: Kith, how: str, begun: Any
) -> None:
    ends = []
    for turn in (1, -1):
        wrong, right = fresh_number(), fresh_number()
        await ward.person(wrong)
        await ward.person(right)
        raws = [*begun(kith, wrong), *repairs(kith, wrong, right)[how]]
        await take_in(ward, *raws[::turn])
        ends.append((await stands(ward, wrong), await stands(ward, right)))
    assert ends == [ENDS, ENDS]


async def test_samplings_of_a_wrong_patient_are_put_right_one_by_one(ward: Ward, kith: Kith) -> None:
    for begun, order in itertools.product((together, joined), ((0, 1), (1, 0))):
        wrong, right = fresh_number(), fresh_number()
        await ward.person(wrong)
        await ward.person(right)
        first = begun(kith, wrong)
        own = [
            version(kith, right, of, day=2 + len(first) + day, kind="M", item="H", of=wrong)
            for day, of in enumerate((HB, AGAIN))
        ]
        await take_in(ward, *first, *(own[place] for place in order))
        assert (await stands(ward, wrong), await stands(ward, right)) == ([], [("14", EIGHT), ("16", NINE)])
        if begun is together:
            await take_in(ward, version(kith, right, HB, RIGHT_AGAIN, day=5, kind="M", of=wrong))
            assert (await stands(ward, wrong), await stands(ward, right)) == ([], [("14", EIGHT), ("17", NINE)])


async def test_one_sampling_goes_to_another_and_comes_back(ward: Ward, kith: Kith) -> None:
    wrong, right = fresh_number(), fresh_number()
    await ward.person(wrong)
    await ward.person(right)
    gone = version(kith, right, HB, day=3, kind="M", item="H", of=wrong)
    back = version(kith, wrong, HB, AGAIN, day=4, kind="M", item="H")
    await take_in(ward, *together(kith, wrong), gone, back)
    assert (await stands(ward, wrong), await stands(ward, right)) == ([("14", EIGHT), ("16", NINE)], [])
    await take_in(ward, version(kith, right, HB, day=5, kind="M", item="H", of=wrong))
    assert (await stands(ward, wrong), await stands(ward, right)) == ENDS


@pytest.mark.parametrize("begun", [together, joined])
async def test_who_read_both_is_told_that_one_was_anothers_and_nothing_of_the_other(
    record: Record, kith: Kith, begun: Any
) -> None:
    right = fresh_number()
    await record.ward.person(right)
    await take(record, *begun(kith, record.number))
    read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    await take(record, version(kith, right, HB, day=5, kind="M", item="H", of=record.number))
    assert [(read[id_], kind) for id_, kind in await notices(record) if id_ in read] == [(EIGHT, "withdrawn")]
    await take(record, version(kith, record.number, RIGHT_AGAIN, day=6, kind="M", item="M"))
    told = sorted((read[id_], kind) for id_, kind in await notices(record) if id_ in read)
    assert told == [(EIGHT, "withdrawn"), (NINE, "corrected")]


async def test_what_fhir_said_of_the_sampling_that_stays_stands(record: Record, kith: Kith) -> None:
    right = fresh_number()
    await record.ward.person(right)
    await take(record, *together(kith, record.number))
    [again] = [one for one in await trees(record, "Observation") if one["effectiveDateTime"].startswith(NINE)]
    assert await record.change(again["id"], {**again, "valueQuantity": {"value": 33, "unit": "g/dL"}}, 1) == 200
    await take(record, version(kith, right, HB, day=5, kind="M", item="H", of=record.number))
    assert await stands(record.ward, record.number) == [("33", NINE)]
    assert await stands(record.ward, right) == [("14", EIGHT)]


@pytest.mark.parametrize(("code", "seen"), [("NORS", (1, 0)), ("NORN_KUT", (0, 1))])
async def test_what_withholds_the_report_withholds_what_stays_of_it(
    record: Record, kith: Kith, code: str, seen: tuple[int, int]
) -> None:
    right = fresh_number()
    await record.ward.person(right)
    await take(record, *together(kith, record.number))
    report = await report_of(record, NINE)
    report["meta"] = {"security": [{"system": LABELS, "code": code}]}
    assert await record.change(report["id"], report, 1) == 200
    await take(record, version(kith, right, HB, day=5, kind="M", item="H", of=record.number))
    assert (await record.seen("Observation"), await record.seen_by_doctor("Observation")) == seen


async def test_what_its_patient_restricted_stays_so_when_one_sampling_is_found_to_be_anothers(
    workers: tuple[Worker, Worker], number: str, kith: Kith
) -> None:
    one, other = workers
    right = fresh_number()
    await one.person(number)
    await one.person(right)
    await one.take(*together(kith, number))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "16")))
    assert await one.sees(number) == []
    await other.take(version(kith, right, HB, day=5, kind="M", item="H", of=number))
    assert await one.sees(number) == []
    await one.lift(number, held)
    assert await one.sees(number) == ["16"]


async def test_one_sampling_is_taken_from_the_wrong_person_though_the_right_one_has_opted_out(
    ward: Ward, kith: Kith
) -> None:
    wrong, right = fresh_number(), fresh_number()
    await ward.person(wrong)
    await opts_out(ward, await ward.person(right))
    moved = version(kith, right, HB, day=3, kind="M", item="H", of=wrong)
    *_, refused = await take_in(ward, *together(kith, wrong), moved)
    assert not refused.accepted
    assert await stands(ward, wrong) == [("16", NINE)]
    await take_in(ward, version(kith, wrong, RIGHT_AGAIN, day=4, kind="M"))
    assert await stands(ward, wrong) == [("17", NINE)]


@pytest.mark.parametrize("ids", ["counted", "none"])
@pytest.mark.parametrize("begun", ["apart", "together"])
@pytest.mark.parametrize("turn", [1, -1])
async def test_a_record_stays_of_its_result_when_what_was_put_right_one_by_one_is_sent_whole(
    record: Record, kith: Kith, ids: str, begun: str, turn: int
) -> None:
    wrong = fresh_number()
    await record.ward.person(wrong)
    first = (
        together(kith, wrong) if begun == "together" else [version(kith, wrong, HB, day=1), version(kith, wrong, AGAIN)]
    )
    moves = [
        version(kith, record.number, of, day=3 + day, kind="M", item="H", of=wrong)
        for day, of in enumerate([HB, AGAIN][::turn])
    ]
    await take(record, *(with_ids(raw, ids) for raw in (*first, *moves)))
    read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    await take(record, with_ids(version(kith, record.number, HB, AGAIN, day=5, kind="M", item="H", of=wrong), ids))
    now = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    assert sorted(now.values()) == sorted(read.values()) == [EIGHT, NINE]
    assert [(read[id_], now[id_]) for id_ in read.keys() & now.keys() if read[id_] != now[id_]] == []
    assert await notices(record) == []


def with_ids(raw: bytes, ids: str) -> bytes:
    """Its results with ids that count within it, or with none."""
    number = itertools.count(1)
    return re.sub(
        rb"(<IdResultItem>)[^<]*(?=<)",
        lambda found: found[1] + (b"%d" % next(number) if ids == "counted" else b""),
        raw,
    )
