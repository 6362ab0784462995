"""What FHIR said of a whole report holds for what stays when one of its tubes was another patient's, and not for that one."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.services.results import answers

from .conftest import fresh_number
from .test_joined import notices, report_of, says, trees
from .test_parts_moved import joined, together
from .test_samplings import AGAIN, EIGHT, HB, NINE, RIGHT_AGAIN, stands, version
from .test_withheld import Record
from .test_withheld_follows import record, take

__all__ = ["record"]  # a fixture

Kith = Any
Tree = dict[str, Any]
VOID, CONCLUDED = {"status": "entered-in-error"}, {"conclusion": "Anemi."}


async def begun_and_changed(record: Record, kith: Kith, begun: Any, by_fhir: Tree | None) -> str:
    """The right person's number, where the report of two tubes was changed by FHIR; deleted where `by_fhir` is None."""
    right = fresh_number()
    await record.ward.person(right)
    raws = begun(kith, record.number)
    await take(record, *raws)
    report = await report_of(record, NINE)
    reached = 2 if len(raws) > 1 else 1
    if by_fhir is None:
        await record.call("DELETE", "/fhir/R4/{type}/{id}", report, id=report["id"], version=f'W/"{reached}"')
    else:
        assert await record.change(report["id"], report | by_fhir, reached) == 200
    return right


def goes(kith: Kith, record: Record, right: str) -> bytes:
    return version(kith, right, HB, day=5, kind="M", item="H", of=record.number)


HERS = ([(EIGHT, "final", False)], [("amended", 1)])
"""What the right person has."""


@pytest.mark.parametrize("begun", [together, joined])
@pytest.mark.parametrize(("by_fhir", "report"), [(VOID, [("entered-in-error", 1)]), (None, [])])
async def test_what_stays_of_a_report_that_fhir_took_back_is_taken_back_and_the_other_has_hers(
    record: Record, kith: Kith, begun: Any, by_fhir: Tree | None, report: Any
) -> None:
    right = await begun_and_changed(record, kith, begun, by_fhir)
    assert (await says(record))[0] == [(EIGHT, "final", True), (NINE, "final", True)]
    await take(record, goes(kith, record, right))
    assert await says(record) == ([(NINE, "final", True)], report)
    assert await says(Record(record.ward, right)) == HERS
    await take(record, version(kith, record.number, RIGHT_AGAIN, day=6, kind="M"))
    assert await says(record) == ([(NINE, "amended", False)], [("amended", 1)])
    assert await stands(record.ward, record.number) == [("17", NINE)]
    assert await says(Record(record.ward, right)) == HERS


@pytest.mark.parametrize("begun", [together, joined])
async def test_what_fhir_concluded_of_a_report_stays_with_what_stays_and_says_that_it_may_be_about_the_other(
    record: Record, kith: Kith, begun: Any
) -> None:
    right = await begun_and_changed(record, kith, begun, CONCLUDED)
    await take(record, goes(kith, record, right))
    assert await says(record) == ([(NINE, "final", False)], [("final", 1)])
    [hers] = await trees(record, "DiagnosticReport")
    assert hers["conclusion"] == "Anemi."
    [answer] = answers.answers([hers], [])
    assert answer.parted
    [others] = await trees(Record(record.ward, right), "DiagnosticReport")
    assert "conclusion" not in others
    assert not answers.answers([others], [])[0].parted
    await take(record, version(kith, record.number, HB, AGAIN, day=6, kind="M", item="H"))
    assert await says(record) == ([(EIGHT, "final", False), (NINE, "final", False)], [("amended", 2)])


@pytest.mark.parametrize("by_fhir", [VOID, None])
async def test_what_fhir_took_back_with_its_report_is_so_too_when_the_other_part_comes_back(
    record: Record, kith: Kith, by_fhir: Tree | None
) -> None:
    right = await begun_and_changed(record, kith, together, by_fhir)
    await take(record, goes(kith, record, right))
    old = version(kith, record.number, HB, AGAIN, day=6, kind="M", item="H")
    await take(record, old)
    assert await says(record) == ([(EIGHT, "final", False), (NINE, "final", False)], [("amended", 2)])
    assert await says(Record(record.ward, right)) == ([], [])


@pytest.mark.parametrize("by_fhir", [VOID, None])
async def test_who_read_what_stays_is_told_once_that_it_was_taken_back(
    record: Record, kith: Kith, by_fhir: Tree | None
) -> None:
    right = fresh_number()
    await record.ward.person(right)
    await take(record, *together(kith, record.number))
    read = {tree["id"]: tree["effectiveDateTime"][:19] for tree in await trees(record, "Observation")}
    report = await report_of(record, NINE)
    if by_fhir is None:
        await record.call("DELETE", "/fhir/R4/{type}/{id}", report, id=report["id"], version='W/"1"')
    else:
        assert await record.change(report["id"], report | by_fhir, 1) == 200
    before = sorted((read[id_], kind) for id_, kind in await notices(record) if id_ in read)
    assert before == [(EIGHT, "corrected"), (NINE, "corrected")]
    await take(record, goes(kith, record, right))
    told = sorted((read[id_], kind) for id_, kind in await notices(record) if id_ in read)
    assert told == sorted([*before, (EIGHT, "withdrawn")])


async def test_what_a_message_says_of_a_whole_report_is_marked_where_a_part_of_it_was_another_patients(
    record: Record, kith: Kith
) -> None:
    right = fresh_number()
    await record.ward.person(right)
    comment = "<Comment>Sterkt hemolytisk.</Comment>"
    [raw] = together(kith, record.number)
    await take(record, raw.replace(b"<ServReq>", comment.encode() + b"<ServReq>", 1), goes(kith, record, right))
    [hers], [others] = [await trees(of, "DiagnosticReport") for of in (record, Record(record.ward, right))]
    assert [one.parted for one in answers.answers([hers, others], [])] == [True, False]
    await take(record, version(kith, record.number, RIGHT_AGAIN, day=6, kind="M"))
    [hers] = await trees(record, "DiagnosticReport")
    assert not answers.answers([hers], [])[0].parted
