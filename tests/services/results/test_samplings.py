"""Reports whose tubes are numbered anew and whose samplings come one by one: each result stands once, and as it was said last."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import UUID

import pytest

from kjerne.exchange import PatientRef
from kjerne.fhir.encode import decode, encode
from kjerne.store import followup
from kjerne.store.changing import Next
from kjerne.store.records import Current

from .conftest import LAB, NOW, Ward, fresh_number
from .test_intake import OBSERVATION, a_report, opened, take

Kith = Any
EIGHT, NINE = "2026-03-02T08:00:00", "2026-03-02T09:00:00"
BLOOD, GLUCOSE = "NPU02319", "NPU22089"

Result = tuple[str, str, str]
"""An analysis, when its sample was taken, and the value."""


def version(
    kith: Kith, number: str, *results: Result, day: int = 2, kind: str = "N", item: str = "", of: str = ""
) -> bytes:
    """A version whose specimens are numbered in the order of its results, and these by ids that last. All are of one request."""
    times = list(dict.fromkeys(time for _, time, _ in results))
    items = "".join(
        kith.item(
            code, kith.number(value), id_=f"{code}{time[11:13]}", service=item or kind,
        ).replace("</ResultItem>", f"<RefAnalysedSubject>{times.index(time) + 1}</RefAnalysedSubject></ResultItem>")
        for code, time, value in results
    )  # fmt: skip
    tubes = "".join(
        kith.SAMPLE.replace(">P1<", f">{place}<").replace("2026-03-02T08:15:00", time)
        for place, time in enumerate(times, 1)
    )
    return a_report(
        kith, number, "", id_=f"{day}{kind}", service=kind,
        generated=f"2026-03-0{day}T12:00:05", issued=f"2026-03-0{day}T12:00:00",
        head=f"<ServReq><Id>Q{(of or number)[-5:]}</Id></ServReq>", patient=kith.person(tubes + items, number=number),
        report=f"R-{(of or number)[-5:]}",
    )  # fmt: skip


async def stands(ward: Ward, number: str) -> list[tuple[str, str]]:
    """Value or status, and sample time, of all that is in the record."""
    return sorted(
        (
            str(tree["valueQuantity"]["value"]) if "valueQuantity" in tree else tree["status"],
            tree["effectiveDateTime"][:19],
        )
        for tree in await opened(ward, number)
    )


HB, AGAIN, SUGAR = (BLOOD, EIGHT, "14"), (BLOOD, NINE, "16"), (GLUCOSE, NINE, "7")
RIGHT, RIGHT_AGAIN = (BLOOD, EIGHT, "15"), (BLOOD, NINE, "17")
RENUMBERED, APART = [("N", [HB]), ("N", [SUGAR, HB])], [("N", [HB]), ("N", [AGAIN])]
NONE = [("cancelled", EIGHT), ("cancelled", NINE)]
STORIES: dict[str, tuple[list[tuple[str, list[Result]]], list[tuple[str, str]]]] = {
    "a new tube first in the list": (RENUMBERED, [("14", EIGHT), ("7", NINE)]),
    "and its correction": ([*RENUMBERED, ("M", [SUGAR, RIGHT])], [("15", EIGHT), ("7", NINE)]),
    "and its cancellation": ([*RENUMBERED, ("C", [])], NONE),
    "two samplings, corrected together": ([*APART, ("M", [AGAIN, RIGHT])], [("15", EIGHT), ("16", NINE)]),
    "two samplings, both corrected": ([*APART, ("M", [RIGHT_AGAIN, RIGHT])], [("15", EIGHT), ("17", NINE)]),
    "two samplings, sent together": ([*APART, ("N", [AGAIN, HB])], [("14", EIGHT), ("16", NINE)]),
    "two samplings, cancelled": ([*APART, ("C", [])], NONE),
    "two samplings, one corrected": ([*APART, ("M", [RIGHT])], [("15", EIGHT), ("16", NINE)]),
}


@pytest.mark.parametrize("story", STORIES)
async def test_each_result_stands_once_in_whatever_order_its_versions_come(ward: Ward, kith: Kith, story: str) -> None:
    sent, end = STORIES[story]
    for order in itertools.permutations(range(len(sent))):
        number = fresh_number()
        await ward.person(number)
        raws = [version(kith, number, *told, day=2 + day, kind=kind) for day, (kind, told) in enumerate(sent)]
        await take(ward, *(raws[place] for place in order))
        assert await stands(ward, number) == end


async def test_a_report_with_its_tubes_numbered_anew_goes_whole_to_the_right_patient(ward: Ward, kith: Kith) -> None:
    for order in itertools.permutations(range(3)):
        wrong, right = fresh_number(), fresh_number()
        await ward.person(wrong)
        await ward.person(right)
        raws = (
            version(kith, wrong, HB),
            version(kith, wrong, SUGAR, HB, day=3),
            version(kith, right, (BLOOD, EIGHT, "15"), SUGAR, day=4, kind="M", of=wrong),
        )
        await take(ward, *(raws[place] for place in order))
        assert (await stands(ward, wrong), await stands(ward, right)) == ([], [("15", EIGHT), ("7", NINE)])


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (("M", [RIGHT, AGAIN]), {EIGHT}),
        (("M", [HB, RIGHT_AGAIN]), {NINE}),
        (("C", []), {EIGHT, NINE}),
        (("N", [AGAIN, HB]), set()),
    ],
)
async def test_who_read_one_of_two_samplings_is_told_what_is_corrected_where_they_become_one(
    ward: Ward, kith: Kith, number: str, last: tuple[str, list[Result]], told: set[str]
) -> None:
    key = await ward.person(number)
    await take(ward, *(version(kith, number, *of, day=2 + day) for day, (_, of) in enumerate(APART)))
    read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await opened(ward, number)}
    await take(ward, version(kith, number, *last[1], day=4, kind=last[0]))
    async with ward.house.store.pool.acquire() as conn:
        notices = [one for one in await followup.notices(conn, "9144889") if one.patient == key]
    assert {read[str(one.id)] for one in notices if str(one.id) in read} == told
    assert all(one.read_version == 1 for one in notices)


@pytest.mark.parametrize("last", [("N", [AGAIN, HB]), ("M", [RIGHT, AGAIN])])
async def test_what_fhir_said_of_one_of_two_samplings_stands_when_they_become_one(
    ward: Ward, kith: Kith, number: str, last: tuple[str, list[Result]]
) -> None:
    await ward.person(number)
    await take(ward, *(version(kith, number, *of, day=2 + day) for day, (_, of) in enumerate(APART)))
    store, grant = (
        ward.house.store,
        await ward.admit(LAB)(PatientRef(digest=ward.house.digest(number)), "results", "file"),
    )
    [again] = [tree["id"] for tree in await opened(ward, number) if tree["effectiveDateTime"].startswith(NINE)]

    def make(current: Current) -> Next:
        tree = decode(current.raw) | {"valueQuantity": {"value": 33, "unit": "g/dL"}}
        return Next.of(encode(tree), tree, NOW)

    async with store.pool.acquire() as conn, conn.transaction():
        assert await ward.changer([OBSERVATION]).change(conn, grant, (OBSERVATION, UUID(again)), None, make)
    await take(ward, version(kith, number, *last[1], day=4, kind=last[0]))
    assert ("33", NINE) in await stands(ward, number)
    await take(ward, version(kith, number, HB, RIGHT_AGAIN, day=6, kind="M"))
    assert ("17", NINE) in await stands(ward, number)


async def test_of_joined_samplings_the_one_that_was_anothers_goes_to_her_and_the_other_stays(
    ward: Ward, kith: Kith
) -> None:
    for order in itertools.islice(itertools.permutations(range(4)), 0, None, 3):
        wrong, right = fresh_number(), fresh_number()
        key = await ward.person(wrong)
        await ward.person(right)
        raws = (
            version(kith, wrong, HB),
            version(kith, wrong, AGAIN, day=3),
            version(kith, wrong, HB, AGAIN, day=4),
            version(kith, right, HB, day=5, kind="M", item="H", of=wrong),
        )
        await take(ward, *(raws[place] for place in order[:-1]))
        read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await opened(ward, wrong)}
        await take(ward, raws[order[-1]])
        assert (await stands(ward, wrong), await stands(ward, right)) == ([("16", NINE)], [("14", EIGHT)])
        if order[-1] == 3:
            async with ward.house.store.pool.acquire() as conn:
                notices = [one for one in await followup.notices(conn, "9144889") if one.patient == key]
            assert EIGHT in {read[str(one.id)] for one in notices if str(one.id) in read}
        await take(ward, version(kith, wrong, RIGHT_AGAIN, day=6, kind="M"))
        assert (await stands(ward, wrong), await stands(ward, right)) == ([("17", NINE)], [("14", EIGHT)])
