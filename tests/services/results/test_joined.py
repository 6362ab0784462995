"""What hangs on the records of a report goes along when it is taken into another."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.access import Caller, Label
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.store import followup

from .conftest import LAB, NOW, fresh_number
from .test_samplings import AGAIN, APART, EIGHT, HB, NINE, RIGHT, RIGHT_AGAIN, version
from .test_withheld import LABELS, Record
from .test_withheld_follows import record, take

__all__ = ["record"]  # a fixture

Tree = dict[str, Any]
Told = set[tuple[str, str]]
CRP = ("NPU19748", NINE, "99")


async def apart(record: Record, kith: Any) -> None:
    """A report of eight o'clock and one of nine, each with a version of its own."""
    await take(record, *(version(kith, record.number, *of, day=2 + day) for day, (_, of) in enumerate(APART)))


async def trees(record: Record, type_: str) -> list[Tree]:
    """All of this type in the record, with id and version."""
    grant = await record.ward.grant(record.number)
    async with record.ward.house.store.pool.acquire() as conn:
        found = await record.ward.house.reader.current_of(conn, grant, [type_number(type_)], 100)
    return [decode(one.raw) | {"id": str(one.id)} for one in found]


async def report_of(record: Record, time: str) -> Tree:
    """The report that has the result of this time."""
    [result] = [one for one in await trees(record, "Observation") if one["effectiveDateTime"].startswith(time)]
    [found] = [one for one in await trees(record, "DiagnosticReport") if result["id"] in str(one["result"])]
    return found


async def notices(record: Record) -> list[tuple[str, str]]:
    """What her doctor is told of: the id of what he read, and what happened to it."""
    key = (await record.ward.grant(record.number)).subject.patient
    async with record.ward.house.store.pool.acquire() as conn:
        found = await followup.notices(conn, "9144889", 1000)
    return [(str(one.id), one.kind) for one in found if one.patient == key]


@pytest.mark.parametrize(("code", "seen"), [("NORS", (3, 0)), ("NORN_KUT", (0, 3))])
async def test_what_withholds_the_report_of_one_sampling_withholds_what_both_become(
    record: Record, kith: Any, code: str, seen: tuple[int, int]
) -> None:
    await apart(record, kith)
    report = await report_of(record, NINE)
    report["meta"] = {"security": [{"system": LABELS, "code": code}]}
    assert await record.change(report["id"], report, 1) == 200
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    await take(record, version(kith, record.number, CRP, day=5, kind="A"))
    assert (await record.seen("Observation"), await record.seen_by_doctor("Observation")) == seen
    assert (await record.seen(), await record.seen_by_doctor()) == (seen[0] // 3, seen[1] // 3)


JOINERS = [("N", ""), ("M", "H")]


@pytest.mark.parametrize("joiner", JOINERS)
@pytest.mark.parametrize(
    ("last", "moved", "told"),
    [
        (("M", [HB, AGAIN]), True, {(EIGHT, "withdrawn"), (NINE, "withdrawn")}),
        (("M", [HB, RIGHT_AGAIN]), False, {(NINE, "corrected")}),
        (("M", [RIGHT, AGAIN]), False, {(EIGHT, "corrected")}),
        (("C", []), False, {(EIGHT, "corrected"), (NINE, "corrected")}),
    ],
)
@pytest.mark.parametrize("again", [False, True])
async def test_who_read_a_sampling_is_told_once_of_what_comes_after_it_became_one_with_another(
    record: Record, kith: Any, joiner: tuple[str, str], last: tuple[str, Any], moved: bool, told: Told, again: bool
) -> None:
    await apart(record, kith)
    read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    kind, item = joiner
    await take(record, version(kith, record.number, HB, AGAIN, day=4, kind=kind, item=item))
    if again:
        read |= {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    whom = fresh_number() if moved else record.number
    await record.ward.person(whom)
    await take(record, version(kith, whom, *last[1], day=5, kind=last[0], of=record.number))
    assert sorted((read[id_], kind) for id_, kind in await notices(record) if id_ in read) == sorted(told)


async def test_a_former_id_says_which_one_its_result_and_report_have_since(record: Record, kith: Any) -> None:
    await apart(record, kith)
    report = await report_of(record, NINE)
    [former] = [one for one in await trees(record, "Observation") if one["effectiveDateTime"].startswith(NINE)]
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    [now] = [one for one in await trees(record, "Observation") if one["effectiveDateTime"].startswith(NINE)]
    joint = await report_of(record, NINE)
    for old, new in ((former, now), (report, joint)):
        for method, caller in (("GET", record.ward.doctor(record.number)), ("PUT", LAB)):
            with pytest.raises(Refusal) as refused:
                await asked(record, method, old, caller)
            assert refused.value.status == 410
            assert refused.value.says == f"the record has another id now, {new['resourceType']}/{new['id']}"
    assert await record.change(now["id"], {**now, "valueQuantity": {"value": 44}}, 1) == 200


async def test_a_former_id_says_nothing_of_a_result_that_was_shut_since(record: Record, kith: Any) -> None:
    await apart(record, kith)
    [former] = [one for one in await trees(record, "Observation") if one["effectiveDateTime"].startswith(NINE)]
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    joint = await report_of(record, NINE)
    joint["meta"] = {"security": [{"system": LABELS, "code": "NORS"}]}
    assert await record.change(joint["id"], joint, 2) == 200
    with pytest.raises(Refusal) as refused:
        await asked(record, "GET", former, record.ward.doctor(record.number))
    assert (refused.value.status, refused.value.says) == (410, "the record was deleted")


async def asked(record: Record, method: str, tree: Tree, by: Caller) -> None:
    await record.call(method, "/fhir/R4/{type}/{id}", tree, by=by, id=tree["id"], version='W/"1"')


async def says(record: Record) -> tuple[list[tuple[str, str, bool]], list[tuple[str, int]]]:
    """Time, status and whether it was taken back with its report, of each result; status and number of results of each report."""
    grant = await record.ward.grant(record.number)
    async with record.ward.house.store.pool.acquire() as conn:
        found = await record.ward.house.reader.current_of(conn, grant, [type_number("Observation")], 100)
    marked = {str(one.id): bool(one.labels & Label.WITHDRAWN_WITH_REPORT) for one in found}
    results = [
        (one["effectiveDateTime"][:19], one["status"], marked[one["id"]]) for one in await trees(record, "Observation")
    ]
    reports = [(one["status"], len(one["result"])) for one in await trees(record, "DiagnosticReport")]
    return sorted(results), sorted(reports)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("time", [EIGHT, NINE])
async def test_what_fhir_takes_back_with_one_of_two_reports_alone_stays_so_as_they_become_one(
    record: Record, kith: Any, time: str, deleted: bool
) -> None:
    await apart(record, kith)
    report = await report_of(record, time)
    if deleted:
        await record.call("DELETE", "/fhir/R4/{type}/{id}", report, id=report["id"], version='W/"1"')
    else:
        assert await record.change(report["id"], report | {"status": "entered-in-error"}, 1) == 200
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    other = NINE if time == EIGHT else EIGHT
    stands = sorted([(time, "entered-in-error", False), (other, "final", False)])
    assert await says(record) == (stands, [("final", 2)])
    await take(record, version(kith, record.number, HB, AGAIN, day=6))
    assert await says(record) == ([(EIGHT, "final", False), (NINE, "final", False)], [("final", 2)])


async def test_two_reports_that_fhir_took_back_become_one_that_is_taken_back(record: Record, kith: Any) -> None:
    await apart(record, kith)
    for time in (EIGHT, NINE):
        report = await report_of(record, time)
        assert await record.change(report["id"], report | {"status": "entered-in-error"}, 1) == 200
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    results, reports = await says(record)
    assert [mark for _, _, mark in results] == [True, True]
    assert reports == [("entered-in-error", 2)]


async def test_who_opened_a_sampling_before_it_became_one_with_another_is_listed_where_it_was_anothers(
    record: Record, kith: Any
) -> None:
    ward, other = record.ward, fresh_number()
    await ward.person(other)
    key = (await ward.grant(record.number)).subject.patient
    first, second = (version(kith, record.number, *of, day=2 + day) for day, (_, of) in enumerate(APART))
    await take(record, first)
    query = "SELECT id FROM record WHERE patient = $1 AND type = $2 AND id <> ALL($3::uuid[])"
    eight = [row[0] for row in await ward.house.store.pool.fetch(query, key, type_number("Observation"), [])]
    await take(record, second)
    [nine] = [row[0] for row in await ward.house.store.pool.fetch(query, key, type_number("Observation"), eight)]
    await asked(record, "GET", {"resourceType": "Observation", "id": str(nine)}, ward.doctor(record.number))
    await take(record, version(kith, record.number, HB, AGAIN, day=4))
    await take(record, version(kith, other, HB, AGAIN, day=5, kind="M", of=record.number))
    grant = await ward.grant(record.number, caller=record.citizen)
    async with ward.house.store.pool.acquire() as conn:
        opened = await followup.opened_by(conn, grant, NOW)
    assert [one.name for one in opened] == ["Lege Legesen"]
