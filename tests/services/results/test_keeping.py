"""What was changed or deleted by FHIR stands until a newer message says something of it, in whatever order they come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.access import Label
from kjerne.exchange import PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.registries.withholding import OF_SOURCE
from kjerne.store.changing import Next
from kjerne.store.pool import moment
from kjerne.store.records import Current

from .conftest import LAB, NOW, Ward
from .test_filing import Kith, Lab, new_lab

OBSERVATION, REPORT = type_number("Observation"), type_number("DiagnosticReport")
SIX: Final = {"valueQuantity": {"value": 6, "unit": "pmol/L"}}
VOID: Final = {"status": "entered-in-error"}
BEFORE, SINCE = 3, 6
"""Days of March on which a message is older and newer than what is written by FHIR, at noon of the fifth."""


@pytest.fixture
async def lab(ward: Ward, kith: Kith) -> Lab:
    return await new_lab(ward, kith)


def one(
    lab: Lab, value: str, day: int, service: str = "N", *, other: str = "", status: str = "F", ids: bool = True
) -> bytes:
    """A version of the report with the first result, another one where `other` has a value, or both; with `ids` of them."""
    kith, kind = lab.kith, service if service in ("M", "C") else "N"
    state = "2" if status == "P" else "3"
    items = (
        kith.item("NPU03579", kith.number(value, "pmol/L"), id_="1" * ids, service=kind, state=state) if value else ""
    )
    items += kith.item("NPU01944", kith.number(other), id_="2" * ids, service=kind, state=state) if other else ""
    return lab.version("ann", value, items=items, day=day, service=service, status=status)


async def written(lab: Lab, of: int, fields: dict[str, Any] | None) -> None:
    """The report, or its first result, corrected by FHIR; deleted where `fields` is None."""
    grant = await lab.ward.admit(LAB)(
        PatientRef(digest=lab.ward.house.digest(lab.numbers["ann"])), "results", "correct"
    )
    store = lab.ward.house.store
    first = next(id_ for id_, tree in (await _records(lab)).items() if _is(tree, of))
    changer = lab.ward.changer([of])

    def make(current: Current) -> Next:
        tree = decode(current.raw) | (fields or {})
        return Next.of(encode(tree), tree, NOW)

    async with store.pool.acquire() as conn, conn.transaction():
        if fields is None:
            assert await changer.take_away(conn, grant, (of, first), None)
        else:
            assert await changer.change(conn, grant, (of, first), None, make)


def _is(tree: dict[str, Any], of: int) -> bool:
    return type_number(tree["resourceType"]) == of and (of == REPORT or "NPU03579" in str(tree["code"]))


async def _records(lab: Lab) -> dict[Any, dict[str, Any]]:
    grant = await lab.ward.grant(lab.numbers["ann"])
    async with lab.ward.house.store.pool.acquire() as conn:
        found = [one for one, _ in await lab.ward.house.reader.all_of(conn, grant, [OBSERVATION, REPORT], 1000)]
    return {one.id: decode(one.raw) | {"marked": bool(one.labels & Label.WITHDRAWN_WITH_REPORT)} for one in found}


async def state(lab: Lab) -> dict[str, str]:
    """What stands of each result, of several of one analysis all, and of the report with the number of its results."""
    found = {}
    for tree in (await _records(lab)).values():
        void = tree["marked"] or tree["status"] in ("entered-in-error", "cancelled")
        if tree["resourceType"] == "DiagnosticReport":
            found["report"] = ("void " if void else "") + str(len(tree["result"]))
        else:
            name = "first" if _is(tree, OBSERVATION) else "other"
            says = "void" if void else str(tree["valueQuantity"]["value"])
            found[name] = " ".join(sorted(filter(None, (found.get(name), says))))
    return found


@pytest.mark.parametrize(
    ("of", "by_fhir", "comes", "stands"),
    [
        (REPORT, VOID, ("4", 1, "N", "", "P"), {"report": "void 1", "first": "void"}),
        (REPORT, VOID, ("4", 1, "N", "9", "P"), {"report": "void 2", "first": "void", "other": "void"}),
        (REPORT, VOID, ("", SINCE, "A", "9", "A"), {"report": "void 1", "first": "void", "other": "9"}),
        (REPORT, VOID, ("5", SINCE, "M", "", "F"), {"report": "1", "first": "5"}),
        (REPORT, None, ("4", 1, "N", "", "P"), {"first": "void"}),
        (REPORT, None, ("5", SINCE, "M", "", "F"), {"report": "1", "first": "5"}),
        (REPORT, {"conclusion": "Sett"}, ("", SINCE, "A", "9", "A"), {"report": "2", "first": "5", "other": "9"}),
        (OBSERVATION, VOID, ("", SINCE, "A", "9", "A"), {"report": "2", "first": "void", "other": "9"}),
        (OBSERVATION, VOID, ("5", BEFORE, "M", "", "F"), {"report": "1", "first": "void"}),
        (OBSERVATION, VOID, ("5", SINCE, "M", "", "F"), {"report": "1", "first": "5"}),
        (OBSERVATION, SIX, ("4", 1, "N", "", "P"), {"report": "1", "first": "6"}),
        (OBSERVATION, SIX, ("", SINCE, "A", "9", "A"), {"report": "2", "first": "6", "other": "9"}),
        (OBSERVATION, SIX, ("", SINCE, "M", "9", "F"), {"report": "2", "first": "6", "other": "9"}),
        (OBSERVATION, SIX, ("7", SINCE, "M", "", "F"), {"report": "1", "first": "7"}),
        (OBSERVATION, SIX, ("", SINCE, "C", "", "F"), {"report": "void 1", "first": "void"}),
        (OBSERVATION, None, ("4", 1, "N", "", "P"), {"report": "1"}),
        (OBSERVATION, None, ("", SINCE, "A", "9", "A"), {"report": "2", "other": "9"}),
        (OBSERVATION, None, ("7", SINCE, "M", "", "F"), {"report": "1", "first": "7"}),
    ],
)
async def test_only_a_newer_message_that_says_something_of_it_takes_the_place_of_what_was_written_by_fhir(
    lab: Lab, of: int, by_fhir: dict[str, Any] | None, comes: tuple[Any, ...], stands: dict[str, str]
) -> None:
    await lab.take(one(lab, "5", 2))
    await written(lab, of, by_fhir)
    value, day, service, other, status = comes
    await lab.take(one(lab, value, day, service, other=other, status=status))
    assert await state(lab) == stands


async def test_what_an_addition_leaves_as_it_was_is_told_to_nobody(lab: Lab) -> None:
    await lab.take(one(lab, "5", 2))
    await written(lab, REPORT, {"conclusion": "Sett"})
    await written(lab, OBSERVATION, SIX)
    await state(lab)  # somebody reads
    count = "SELECT count(*) FROM notice WHERE hpr = '9144889'"
    before = await lab.ward.house.store.pool.fetchval(count)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    [report] = [tree for tree in (await _records(lab)).values() if "conclusion" in tree]
    assert (report["conclusion"], report["status"], len(report["result"])) == ("Sett", "final", 2)
    assert await lab.ward.house.store.pool.fetchval(count) == before


async def shut(lab: Lab, of: int) -> set[tuple[int, datetime | None]]:
    """What the source withholds the patient's records of a type by, and until when."""
    rows = await lab.ward.house.store.pool.fetch(
        "SELECT r.labels, r.release_at FROM record r JOIN person_identifier i USING (patient) "
        "WHERE i.digest = $1 AND r.type = $2",
        lab.ward.house.digest(lab.numbers["ann"]), of,
    )  # fmt: skip
    return {(row[0] & int(OF_SOURCE), moment(row[1])) for row in rows}


async def taken_away(lab: Lab, of: int) -> None:
    """The only record of a type deleted by FHIR."""
    who = PatientRef(digest=lab.ward.house.digest(lab.numbers["ann"]))
    grant = await lab.ward.admit(LAB)(who, "results", "correct")
    store = lab.ward.house.store
    [row] = await store.pool.fetch("SELECT id FROM record WHERE patient = $1 AND type = $2", grant.subject.patient, of)
    async with store.pool.acquire() as conn, conn.transaction():
        assert await lab.ward.changer([of]).take_away(conn, grant, (of, row["id"]), None)


ORDER: Final = "<ServReq><Id>Q1</Id></ServReq>"
FILE: Final = (
    "<RefDoc><MsgType V='A'/><MimeType>application/pdf</MimeType><Description>Svar</Description><Content><Base64Container "
    "xmlns='http://www.kith.no/xmlstds/base64container'>JVBERi0xLjQ=</Base64Container></Content></RefDoc>"
)
KINDS: Final = [*map(type_number, ("Observation", "DiagnosticReport", "Specimen", "ServiceRequest", "Binary"))]
OPENS: Final = datetime(2026, 11, 30, 23, tzinfo=UTC)


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("of", KINDS)
@pytest.mark.parametrize(
    ("code", "label", "opens"),
    [("NORS", Label.RESTRICTED, None), ("NORN_FFL", Label.WITHHELD_FROM_CITIZEN, None), ("NORU", 0, OPENS)],
)
async def test_what_fhir_withholds_no_message_takes_off(
    lab: Lab, of: int, code: str, label: int, opens: datetime | None, deleted: bool
) -> None:
    def message(value: str, day: int, service: str) -> bytes:
        return lab.version("ann", value, day=day, service=service, head=ORDER, tail=FILE)

    await lab.take(message("5", 2, "N"))
    named = {"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": code, "display": "2026-12-01"}
    await lab.correct("ann", type_=of, meta={"security": [named]})
    if deleted:
        await taken_away(lab, of)
    for value in ("7", "8"):
        await lab.take(message(value, SINCE, "M"))
        assert await shut(lab, of) == {(int(label), opens)}


@pytest.mark.parametrize(("service", "day"), [("A", BEFORE), ("A", SINCE), ("M", SINCE)])
async def test_a_result_that_a_message_brings_is_withheld_with_the_report_that_fhir_withheld(
    lab: Lab, service: str, day: int
) -> None:
    await lab.take(one(lab, "5", 2))
    named = {"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORS"}
    await lab.correct("ann", type_=REPORT, meta={"security": [named]})
    await lab.take(one(lab, "", day, service, other="9"))
    assert len(await _records(lab)) == 0
    assert await shut(lab, OBSERVATION) == await shut(lab, REPORT) == {(int(Label.RESTRICTED), None)}


@pytest.mark.parametrize("first", ["cancelled", "corrected"])
async def test_a_result_that_was_corrected_by_fhir_goes_with_a_report_whose_older_cancellation_comes(
    lab: Lab, first: str
) -> None:
    await lab.take(one(lab, "5", 2, other="9"))
    cancellation = one(lab, "", BEFORE, "C")
    if first == "cancelled":
        await lab.take(cancellation)
    await written(lab, OBSERVATION, SIX | {"status": "corrected"})
    if first == "corrected":
        await lab.take(cancellation)
    assert await state(lab) == {"report": "void 2", "first": "void", "other": "void"}


@pytest.mark.parametrize("first", ["cancelled", "written"])
async def test_a_report_that_fhir_wrote_on_goes_with_its_results_when_an_older_cancellation_comes(
    lab: Lab, first: str
) -> None:
    await lab.take(one(lab, "5", 2))
    cancellation = one(lab, "", BEFORE, "C")
    if first == "cancelled":
        await lab.take(cancellation)
    await written(lab, REPORT, {"conclusion": "Sett"})
    if first == "written":
        await lab.take(cancellation)
    assert await state(lab) == {"report": "void 1", "first": "void"}
    reports = [one for one in (await _records(lab)).values() if one["resourceType"] == "DiagnosticReport"]
    assert [one["conclusion"] for one in reports] == ["Sett"]


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize(("by_fhir", "first"), [(VOID, "void"), (SIX, "6"), (None, "gone")])
async def test_what_fhir_wrote_stands_though_the_report_was_another_persons_for_a_while(
    lab: Lab, by_fhir: dict[str, Any] | None, first: str, place: int
) -> None:
    messages = [
        lab.version(who, "5", day=day, service=service)
        for who, day, service in (("ann", 2, "N"), ("bea", 3, "M"), ("ann", 4, "M"))
    ]
    order = messages if place != 2 else [messages[0], messages[2], messages[1]]
    await lab.take(*order[:place])
    await written(lab, OBSERVATION, by_fhir)
    await lab.take(*order[place:])
    assert (await state(lab)).get("first", "gone") == first
    await lab.take(lab.version("ann", "7", day=SINCE, service="M"))
    assert await state(lab) == {"report": "1", "first": "7"}


LABELLED: Final = {"meta": {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}}
SHUT: Final = (int(Label.WITHHELD_FROM_CITIZEN), None)


@pytest.mark.parametrize(
    ("of", "by_fhir", "stands"),
    [
        (OBSERVATION, SIX, {"report": "1", "first": "6"}),
        (OBSERVATION, VOID, {"report": "1", "first": "void"}),
        (OBSERVATION, None, {"report": "1"}),
        (OBSERVATION, LABELLED, {"report": "1", "first": "5"}),
        (REPORT, VOID, {"report": "void 1", "first": "void"}),
        (REPORT, {"conclusion": "Sett"}, {"report": "1", "first": "5"}),
    ],
)
@pytest.mark.parametrize("number", ["17", "18"])
async def test_what_fhir_wrote_of_a_result_goes_along_where_an_older_message_gives_it_another_id(
    lab: Lab, of: int, by_fhir: dict[str, Any] | None, stands: dict[str, str], number: str
) -> None:
    """Of the same number without ids of results; of another number, where what was there changes this."""

    def message(value: str, day: int, service: str) -> bytes:
        named = number if service == "N" else "17"
        items = lab.kith.item(
            "NPU03579", lab.kith.number(value, "pmol/L"), id_="" if (named, day) == ("17", 1) else "1",
            service=service,
        )  # fmt: skip
        return lab.version("ann", items=items, day=day, service=service, request="Q1", number=named)

    await lab.take(message("5", BEFORE, "M"))
    before = set(await _records(lab))
    await written(lab, of, by_fhir)
    for day in (2, 1):
        await lab.take(message("4", day, "N"))
        assert await state(lab) == stands
    assert by_fhir is None or before - set(await _records(lab))
    if by_fhir is LABELLED:
        assert await shut(lab, OBSERVATION) == {SHUT}
    await lab.take(message("7", SINCE, "M"))
    assert await state(lab) == {"report": "1", "first": "7"}


async def test_a_result_of_a_deleted_report_does_not_stand_again_under_another_id(lab: Lab) -> None:
    await lab.take(one(lab, "5", 2))
    await written(lab, REPORT, None)
    await lab.take(one(lab, "4", 1, status="P", ids=False))
    assert await state(lab) == {}
    await lab.take(one(lab, "7", SINCE, "M"))
    assert await state(lab) == {"report": "1", "first": "7"}


OLD: Final = {
    "bare": ("2", 1, "N", "", "P"), "preliminary": ("4", 1, "N", "", "P"), "new": ("5", 2, "N", "", "F"),
    "added": ("", 3, "A", "9", "A"), "changed": ("7", 4, "M", "", "F"),
}  # fmt: skip
NEW: Final = {"added since": ("", 6, "A", "8", "A"), "changed since": ("3", 6, "M", "", "F")}
WRITES: Final = {
    "corrected": (OBSERVATION, SIX), "taken back": (OBSERVATION, VOID), "deleted": (OBSERVATION, None),
    "report taken back": (REPORT, VOID),
}  # fmt: skip


def told(lab: Lab, name: str) -> bytes:
    value, day, service, other, status = (OLD | NEW)[name]
    return one(lab, value, day, service, other=other, status=status, ids=name != "bare")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_the_end_is_by_when_each_was_made_and_not_by_the_order_of_arrival(
    ward: Ward, kith: Kith, data: st.DataObject
) -> None:
    """What was made before the write by FHIR comes around it in any order, what was made since after it."""
    write = data.draw(st.sampled_from(sorted(WRITES)))
    lists = st.lists(st.sampled_from(sorted(OLD)), unique=True, min_size=1)
    names = data.draw(lists.filter(lambda found: {*OLD} - {"added"} & {*found}))
    since = data.draw(st.sampled_from([[], ["added since"], ["changed since"]]))
    late = data.draw(st.permutations(names))
    # Before the write came what it was written on.
    least = 1 + min(late.index(name) for name in names if name != "added")
    reached = data.draw(st.integers(least, len(late)))
    ends = []
    for order, place in ((sorted(names, key=[*OLD].index), len(names)), (late, reached)):
        lab = await new_lab(ward, kith)
        for name in order[:place]:
            await lab.take(told(lab, name))
        await written(lab, *WRITES[write])
        for name in (*order[place:], *since):
            await lab.take(told(lab, name))
        ends.append(await state(lab))
    assert ends[0] == ends[1]
    if "changed since" in since:
        assert ends[0]["first"] == "3"
    elif write == "corrected":
        assert ends[0]["first"] == "6"
    else:
        assert ends[0].get("first", "void") == "void"
