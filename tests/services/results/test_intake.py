"""A laboratory's message in: filed once, in any order, on the right person; or refused whole with a reason."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kjerne.access import Choice, Grant, Label
from kjerne.exchange import Denied, PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.services.results import intake
from kjerne.services.results.intake import Taken
from kjerne.store import followup

from .conftest import LAB, NOW, Ward, fresh_number

Kith = Any
Tree = dict[str, Any]
OBSERVATION = type_number("Observation")
SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "kith"


async def take(ward: Ward, *raws: bytes) -> list[Taken]:
    return [await ward.house.intake.take(raw, LAB, ward.admit()) for raw in raws]


async def opened(ward: Ward, number: str, type_: str = "Observation") -> list[Tree]:
    """What a doctor at the patient's hospital sees, through the law."""
    grant = await ward.grant(number)
    async with ward.house.store.pool.acquire() as conn:
        records = [one for one, _ in await ward.house.reader.all_of(conn, grant, [type_number(type_)], 1000)]
    return sorted((decode(r.raw) | {"id": str(r.id), "version": r.version} for r in records), key=lambda t: t["id"])


async def opened_by_lab(ward: Ward, number: str) -> list[int]:
    """The reports of a person whom the intake registered: no doctor has a tie to her."""
    rows = await ward.house.store.pool.fetch(
        "SELECT r.version FROM record r JOIN person_identifier i USING (patient) WHERE i.digest = $1 AND r.type = $2",
        ward.house.digest(number), type_number("DiagnosticReport"),
    )  # fmt: skip
    return [row["version"] for row in rows]


def values(trees: list[Tree]) -> list[str]:
    return sorted(str(tree["valueQuantity"]["value"]) for tree in trees if "valueQuantity" in tree)


def a_report(
    kith: Kith,
    number: str,
    items: str,
    *,
    id_: str = "M-1",
    generated: str = "2026-03-02T12:00:05",
    report: str = "",
    **more: Any,
) -> bytes:
    """A message about the person with this number; ids carry its last digits, since tests share a database."""
    patient = more.pop("patient", "") or kith.person(kith.SAMPLE + items, number=number)
    inside = kith.report(patient=patient, id_=report or f"R-{number[-5:]}", **more)
    return kith.message(inside, id_=f"{number[-5:]}-{id_}", generated=generated)


async def test_a_message_is_filed_and_read_back_with_the_digits_it_came_with(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    (taken,) = await take(ward, a_report(kith, number, kith.item(value=kith.number("140.10"))))
    assert (taken.accepted, taken.reports, taken.observations) == (True, 1, 1)
    assert values(await opened(ward, number)) == ["140.10"]
    assert b"AppRec" in taken.receipt


async def test_the_same_message_again_gets_the_same_receipt_and_changes_nothing(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    raw = a_report(kith, number, kith.item())
    first, second = await take(ward, raw, raw)
    assert second.duplicate
    assert second.receipt == first.receipt
    assert [tree["version"] for tree in await opened(ward, number)] == [1]


async def test_many_at_once_of_the_same_message_are_filed_once(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    raw = a_report(kith, number, kith.item())
    taken = await asyncio.gather(*(ward.house.intake.take(raw, LAB, ward.admit()) for _ in range(5)))
    assert all(one.accepted for one in taken)
    assert len({one.receipt for one in taken}) == 1
    assert [tree["version"] for tree in await opened(ward, number)] == [1]


async def test_another_message_with_a_used_id_is_refused(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    first, second = await take(
        ward, a_report(kith, number, kith.item()), a_report(kith, number, kith.item(value=kith.number("1")))
    )
    assert first.accepted
    assert (second.accepted, second.status) == (False, 409)
    assert values(await opened(ward, number)) == ["140"]


async def test_a_copy_to_another_receiver_that_says_something_else_is_refused(
    ward: Ward, kith: Kith, number: str
) -> None:
    await ward.person(number)
    elsewhere = {"requester": kith.REQUESTER.replace("88001", "88002").replace("<Inst>", "<Inst>\n")}
    raw = a_report(kith, number, kith.item(id_="1"))
    copy = a_report(kith, number, kith.item(id_="1"), **elsewhere)
    other = a_report(kith, number, kith.item(id_="1") + kith.item("NPU01944", id_="2"), **elsewhere)
    taken = await take(ward, raw, other, copy)
    assert [(one.status, one.accepted) for one in taken] == [(200, True), (409, False), (200, True)]
    assert [fault.where for fault in taken[1].faults] == ["Message/MsgId"]
    cancelled = a_report(kith, number, "", service="C", id_="M-2", generated="2026-03-03T12:00:05")
    assert (await take(ward, cancelled))[0].accepted
    assert [tree["status"] for tree in await opened(ward, number)] == ["cancelled"]


async def test_one_message_id_for_two_people_under_one_number_is_refused(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    raw = a_report(kith, number, kith.item(id_="1"))
    right = fresh_number()
    other = raw.replace(number.encode(), right.encode()).replace(b"88001", b"88002")
    assert [one.status for one in await take(ward, raw, other)] == [200, 409]
    assert values(await opened(ward, number)) == ["140"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_versions_in_any_order_end_in_the_same_state(
    ward: Ward, kith: Kith, number: str, order: tuple[int, ...]
) -> None:
    await ward.person(number)
    preliminary = a_report(kith, number, kith.item(id_="1", state="2"), status="P", generated="2026-03-02T12:00:05")
    final = a_report(
        kith,
        number,
        kith.item(id_="1", value=kith.number("141")),
        id_="M-2",
        service="M",
        generated="2026-03-03T12:00:05",
    )
    corrected = a_report(
        kith, number, kith.item(id_="1", value=kith.number("151"), service="M"), id_="M-3", service="M",
        generated="2026-03-04T12:00:05",
    )  # fmt: skip
    raws = (preliminary, final, corrected)
    await take(ward, *(raws[place] for place in order))
    (observation,) = await opened(ward, number)
    (report,) = await opened(ward, number, "DiagnosticReport")
    assert values([observation]) == ["151"]
    assert (observation["status"], report["status"]) == ("amended", "amended")


async def test_a_corrected_number_moves_the_report_and_tells_who_had_read_it(
    ward: Ward, kith: Kith, number: str
) -> None:
    other = fresh_number()
    wrong, right = await ward.person(number), await ward.person(other)
    await take(ward, a_report(kith, number, kith.item(), id_="M-1"))
    seen = await opened(ward, number)
    moved = a_report(
        kith, other, kith.item(value=kith.number("141"), service="M"), id_="M-2", service="M",
        generated="2026-03-04T12:00:05", report=f"R-{number[-5:]}",
    )  # fmt: skip
    (taken,) = await take(ward, moved)
    assert taken.accepted
    assert await opened(ward, number) == []
    assert values(await opened(ward, other)) == ["141"]
    assert {tree["id"] for tree in await opened(ward, other)}.isdisjoint(tree["id"] for tree in seen)
    labels = await ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", wrong)
    assert all(row["labels"] & Label.WITHDRAWN for row in labels)
    async with ward.house.store.pool.acquire() as conn:
        told = [notice for notice in await followup.notices(conn, "9144889") if notice.patient == wrong]
    assert {notice.kind for notice in told} == {"withdrawn"}
    assert str(told[0].id) in {tree["id"] for tree in seen}
    assert right != wrong


async def test_a_late_older_version_does_not_move_the_report_back(ward: Ward, kith: Kith, number: str) -> None:
    other = fresh_number()
    await ward.person(number)
    await ward.person(other)
    report = f"R-{number[-5:]}"

    def version(whose: str, service: str, generated: str, value: str) -> bytes:
        item = kith.item(id_="1", value=kith.number(value), service=service)
        inside = kith.person(kith.SAMPLE + item, number=whose)
        known = kith.report(patient=inside, id_=report, service=service)
        return kith.message(known, id_=f"{report}-{service}", generated=generated)

    await take(
        ward, version(other, "M", "2026-03-04T12:00:00", "141"), version(number, "N", "2026-03-02T12:00:00", "140")
    )
    assert await opened(ward, number) == []
    assert values(await opened(ward, other)) == ["141"]


@pytest.mark.parametrize("made", ["2026-03-02T12:00:04", "2026-03-02"])
async def test_a_cancellation_that_is_older_than_what_it_means_is_told_to_its_sender(
    ward: Ward, kith: Kith, number: str, made: str
) -> None:
    await ward.person(number)
    for turn in (1, -1):
        report = f"R-{number[-5:]}-{turn}"
        own = {"report": report}
        raws = [
            a_report(kith, number, kith.item(id_="1"), id_=f"{report}-N", generated="2026-03-02T12:00:05", **own),
            a_report(kith, number, "", id_=f"{report}-C", generated=made, service="C", **own),
        ]
        first, second = await take(ward, *raws[::turn])
        # Where the cancellation comes first, it is told that it finds nothing.
        assert (first.accepted, len(first.idle), second.accepted) == (True, 0 if turn == 1 else 1, True)
        assert [one.where.startswith("ServReport line ") for one in second.idle] == [True]
        assert b'<Status V="3"' in second.receipt
        assert b"send it again with a later GenDate" in second.receipt
        late = a_report(kith, number, "", id_=f"{report}-C2", generated="2026-03-02T12:00:06", service="C", **own)
        (third,) = await take(ward, late)
        assert (third.idle, b'<Status V="1"' in third.receipt) == ((), True)
    assert values(await opened(ward, number)) == []


async def test_readers_are_told_of_a_correction_and_not_of_a_first_report(ward: Ward, kith: Kith, number: str) -> None:
    key = await ward.person(number)
    await take(ward, a_report(kith, number, kith.item(id_="1")))
    await opened(ward, number)
    await take(
        ward,
        a_report(
            kith, number, kith.item(id_="1", value=kith.number("151"), service="M"), id_="M-2", service="M",
            generated="2026-03-04T12:00:05",
        ),
    )  # fmt: skip
    async with ward.house.store.pool.acquire() as conn:
        told = [notice for notice in await followup.notices(conn, "9144889") if notice.patient == key]
    assert [notice.kind for notice in told] == ["corrected"]


async def test_a_message_about_nobody_known_makes_a_person_where_the_settings_say_so(
    ward: Ward, kith: Kith, number: str
) -> None:
    (taken,) = await take(ward, a_report(kith, number, kith.item()))
    assert taken.accepted
    key = await ward.house.store.pool.fetchval(
        "SELECT patient FROM person_identifier WHERE digest = $1", ward.house.digest(number)
    )
    assert await ward.house.store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", key) > 0


async def test_a_newborns_result_is_filed_with_its_label(ward: Ward, kith: Kith, number: str) -> None:
    key = await ward.person(number)
    child = (
        f"<Patient><DateOfBirth V='2026-03-01'/><Name>Prøve, Nyfødt</Name><Relation V='BA' DN='Barn'/>"
        f"{kith.item(value=kith.number('180'))}</Patient>"
    )
    inside = kith.person(kith.SAMPLE + kith.item() + child, number=number)
    (taken,) = await take(
        ward, kith.message(kith.report(patient=inside, id_=f"N-{number[-5:]}"), id_=f"N-{number[-5:]}")
    )
    assert taken.accepted, taken.faults
    rows = await ward.house.store.pool.fetch(
        "SELECT labels & $3 AS apart FROM record WHERE patient = $1 AND type = $2",
        key,
        OBSERVATION,
        int(Label.NOT_THE_MOTHERS),
    )
    assert sorted(row["apart"] for row in rows) == [0, int(Label.NOT_THE_MOTHERS)]


async def test_tissue_opens_for_the_citizen_after_fourteen_days(ward: Ward, kith: Kith, number: str) -> None:
    key = await ward.person(number)
    await take(ward, a_report(kith, number, kith.item(), discipline="HIST"))
    opens = await ward.house.store.pool.fetchval("SELECT min(release_at) FROM record WHERE patient = $1", key)
    assert NOW < opens < NOW + timedelta(days=14)


async def test_nobody_without_a_tie_reads_what_was_filed(ward: Ward, kith: Kith, number: str) -> None:
    await ward.house.intake.take(a_report(kith, number, kith.item()), LAB, ward.admit())
    with pytest.raises(Denied):
        await ward.grant(number)


async def test_a_report_that_comes_back_to_its_first_patient_is_open_there_again(
    ward: Ward, kith: Kith, number: str
) -> None:
    other, report = fresh_number(), f"R-{number[-5:]}"
    await ward.person(number)
    await ward.person(other)
    for day, whose in ((2, number), (3, other), (4, number)):
        (taken,) = await take(
            ward,
            a_report(
                kith, whose, kith.item(id_="1"), id_=f"day-{day}", generated=f"2026-03-0{day}T12:00:05", report=report
            ),
        )
        assert taken.accepted, taken.faults
    assert values(await opened(ward, number)) == ["140"]
    assert await opened(ward, other) == []


def three_numbers_of_one_report(kith: Kith, number: str) -> list[bytes]:
    """New, changed and cancelled, each under a ServProvId of its own; what they share is the issue time."""
    mark = number[-5:]
    first = kith.item("NOR05863", id_="1") + kith.item(id_="2")
    second = kith.item("NOR05863", "", id_="1", service="C") + kith.item(id_="2", value=kith.number("151"), service="M")
    return [
        a_report(kith, number, items, id_=f"M-{day}", generated=f"2026-03-0{day}T12:00:05", report=f"{mark}-{day}",
                 service=service, subjects=kith.SAMPLE)
        for day, service, items in ((2, "N", first), (3, "M", second), (4, "C", ""))
    ]  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_report_whose_number_changes_with_each_message_ends_cancelled_in_any_order(
    ward: Ward, kith: Kith, number: str, order: tuple[int, ...]
) -> None:
    await ward.person(number)
    raws = three_numbers_of_one_report(kith, number)
    assert all(taken.accepted for taken in await take(ward, *(raws[place] for place in order)))
    (report,) = await opened(ward, number, "DiagnosticReport")
    found = await opened(ward, number)
    assert report["status"] == "cancelled"
    assert [tree["status"] for tree in found] == ["cancelled", "cancelled"]
    assert {tree["code"]["coding"][0]["code"] for tree in found} == {"NOR05863", "NPU03429"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_two_new_reports_of_one_request_stay_apart_and_a_guessed_cancellation_is_taken_back(
    ward: Ward, kith: Kith, number: str, order: tuple[int, ...]
) -> None:
    await ward.person(number)
    mark = number[-5:]
    parts = (("N", kith.item(id_="1")), ("N", kith.item("NPU01944", id_="2")), ("C", ""))
    raws = [
        a_report(kith, number, items, id_=f"M-{place}", report=f"{mark}-{place}", service=service)
        for place, (service, items) in enumerate(parts)
    ]
    await take(ward, *(raws[place] for place in order))
    assert [tree["status"] for tree in await opened(ward, number)] == ["final", "final"]
    assert len(await opened(ward, number, "DiagnosticReport")) == 3


async def test_a_report_that_moves_leaves_its_stray_change_standing_alone(ward: Ward, kith: Kith, number: str) -> None:
    other, mark = fresh_number(), number[-5:]
    await ward.person(number)
    await ward.person(other)
    new, changed, _ = three_numbers_of_one_report(kith, number)
    moved = a_report(
        kith, other, kith.item(id_="2", value=kith.number("160")), id_="moved", generated="2026-03-05T11:00:00",
        report=f"{mark}-2", service="M",
    )  # fmt: skip
    assert all(taken.accepted for taken in await take(ward, new, changed, moved))
    assert {tree["status"] for tree in await opened(ward, number)} == {"amended", "cancelled"}
    assert "160" in values(await opened(ward, other))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the public samples of ../shared are not beside this checkout")
async def test_all_samples_are_accepted_and_the_cancelled_report_ends_cancelled(ward: Ward) -> None:
    three = [ward.house.read(path.read_bytes()).reports[0] for path in sorted(SAMPLES.glob("fagmelding*.xml"))]
    number = three[0].patient.number
    await ward.person(number)
    # By name: the change and the cancellation come before what they change.
    taken = await take(ward, *(path.read_bytes() for path in sorted(SAMPLES.glob("*.xml"))))
    assert [one.faults for one in taken if not one.accepted] == []
    ids = {one.id for one in three}
    reports = [
        tree
        for tree in await opened(ward, number, "DiagnosticReport")
        if ids & {identifier["value"] for identifier in tree["identifier"]}
    ]
    assert [tree["status"] for tree in reports] == ["cancelled"]
    own = {reference["reference"].partition("/")[2] for reference in reports[0]["result"]}
    found = [tree for tree in await opened(ward, number) if tree["id"] in own]
    assert (len(found), {tree["status"] for tree in found}) == (8, {"cancelled"})


async def test_what_is_refused_because_the_law_changed_meanwhile_registers_nobody(
    ward: Ward, kith: Kith, number: str
) -> None:
    unknown = fresh_number()
    people = ward.house.store.people
    key = await ward.person(number)
    admit = ward.admit()

    async def overtaken(patient: PatientRef, *asked: Any, **more: Any) -> Grant:
        """The law says yes; before anything is filed she opts out."""
        grant = await admit(patient, *asked, **more)
        if grant.subject.patient == key and not grant.subject.choices:
            async with ward.house.store.pool.acquire() as conn:
                await people.add_choice(conn, key, Choice("opt-out", "results", "", "", NOW, None))
        return grant

    reports = "".join(
        kith.report(patient=kith.person(kith.item(), number=whose), id_=f"{whose[-5:]}-late")
        for whose in (unknown, number)
    )
    raw = kith.message(reports, id_=f"overtaken-{number[-5:]}", version="1.3")
    taken = await ward.house.intake.take(raw, LAB, overtaken)
    assert (taken.accepted, taken.status) == (False, 403)
    async with ward.house.store.pool.acquire() as conn:
        assert await people.key_of(conn, ward.house.digest(unknown)) is None


async def test_many_at_once_about_nobody_known_make_one_person(ward: Ward, kith: Kith, number: str) -> None:
    raws = [a_report(kith, number, kith.item(), id_=f"M-{n}", report=f"R-{number[-5:]}-{n}") for n in range(5)]
    taken = await asyncio.gather(*(ward.house.intake.take(raw, LAB, ward.admit()) for raw in raws))
    assert all(one.accepted for one in taken)
    keys = await ward.house.store.pool.fetch(
        "SELECT patient FROM person_identifier WHERE digest = $1", ward.house.digest(number)
    )
    assert len(keys) == 1
    assert len(await opened_by_lab(ward, number)) == 5


async def test_both_reports_of_one_message_about_nobody_known_are_filed_on_one_person(
    ward: Ward, kith: Kith, number: str
) -> None:
    reports = "".join(
        kith.report(patient=kith.person(kith.item(), number=number), id_=f"R-{number[-5:]}-{n}") for n in range(2)
    )
    (taken,) = await take(ward, kith.message(reports, id_=f"both-{number[-5:]}", version="1.3"))
    assert (taken.accepted, taken.reports) == (True, 2)
    assert len(await opened_by_lab(ward, number)) == 2


async def test_two_reports_of_a_message_with_one_number_stand_apart(ward: Ward, kith: Kith, number: str) -> None:
    await ward.person(number)
    same = kith.report(patient=kith.person(kith.item(), number=number), id_=f"R-{number[-5:]}")
    (taken,) = await take(ward, kith.message(same + same, id_=f"twins-{number[-5:]}", version="1.3"))
    assert (taken.accepted, taken.reports) == (True, 2)
    assert len(await opened(ward, number)) == 2


async def test_the_audit_row_names_exactly_the_versions_that_were_filed(ward: Ward, kith: Kith, number: str) -> None:
    key = await ward.person(number)
    first = a_report(kith, number, kith.item(id_="1") + kith.item("NPU01944", id_="2"), id_="M-1")
    second = a_report(
        kith, number, kith.item(id_="1") + kith.item("NPU01944", id_="2", value=kith.number("9")), id_="M-2",
        generated="2026-03-02T13:00:00", service="M",
    )  # fmt: skip
    await take(ward, first, second)
    rows = await ward.house.store.pool.fetch(
        "SELECT types, ids, versions FROM audit WHERE patient = $1 AND action IN ('file', 'correct')", key
    )
    told = sorted((*one,) for row in rows for one in zip(row["types"], row["ids"], row["versions"], strict=True))
    there = await ward.house.store.pool.fetch(
        "SELECT type, id, version FROM record WHERE patient = $1 "
        "UNION ALL SELECT type, id, version FROM record_history WHERE patient = $1", key
    )  # fmt: skip
    assert told == sorted(tuple(row) for row in there)
    assert {version for _, _, version in told} == {1, 2}


async def test_a_report_costs_the_same_few_statements_however_many_results_it_has(
    ward: Ward, kith: Kith, number: str
) -> None:
    said: list[str] = []
    async with ward.house.store.pool.acquire() as conn:  # one after another they all use this connection
        conn.add_query_logger(lambda record: said.append(record.query))
    counts, admit = [], ward.admit()
    # About one person first, so that the driver knows every statement when those about the other are counted.
    for whose, place, results in itertools.product((fresh_number(), number), (0, 1, 2), (1, 40)):
        before = len(said)
        items = "".join(kith.item(id_=str(n)) for n in range(results))
        name = f"{place}-{results}"
        raw = a_report(kith, whose, items, id_=name, report=f"R-{whose[-5:]}-{name}")
        taken = await ward.house.intake.take(raw, LAB, admit)
        assert (taken.accepted, taken.observations) == (True, results)
        counts.append(len(said) - before)
    # A look, a beginning, the filing with all that belongs to it (the new person too), an end; once the facts about the person
    # who is known, which are remembered.
    assert counts[6:] == [4, 5, 4, 4, 4, 4]


async def test_the_sender_learns_where_a_moved_report_was_opened_and_not_by_whom(
    ward: Ward, kith: Kith, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def named(_: object, numbers: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(numbers, "Fjellet sykehus")

    monkeypatch.setattr(intake, "organisation_names", named)
    other = fresh_number()
    await ward.person(number)
    await ward.person(other)
    await take(ward, a_report(kith, number, kith.item(), id_="M-1"))
    await opened(ward, number)
    await take(
        ward,
        a_report(
            kith, other, kith.item(), id_="M-2", generated="2026-03-04T12:00:05", report=f"R-{number[-5:]}", service="M"
        ),
    )
    withdrawn = await ward.house.intake.withdrawn(LAB)
    (moved,) = [one for one in withdrawn if one.message.startswith(other[-5:])]
    assert moved.opened == (("Fjellet sykehus", "LE", 1),)
    monkeypatch.setattr(intake, "is_protected", lambda _: True)
    withdrawn = await ward.house.intake.withdrawn(LAB)
    (moved,) = [one for one in withdrawn if one.message.startswith(other[-5:])]
    assert moved.opened == (("", "LE", 1),), "where somebody with a protected address is treated is told to nobody"
    assert "9144889" not in str(moved)
    stranger = type(LAB)("system", "lab", LAB.scopes, organisation="100000999")
    assert await ward.house.intake.withdrawn(stranger) == []


async def test_a_report_its_requester_withholds_from_the_citizen_is_filed_with_that_label(
    ward: Ward, kith: Kith, number: str
) -> None:
    key = await ward.person(number)
    head = "<ServReq><Id>Q-1</Id><Reservation V='NORN_FFL' S='2.16.578.1.12.4.1.1.9603'/></ServReq>"
    (taken,) = await take(ward, a_report(kith, number, kith.item(), head=head))
    assert taken.accepted, taken.faults
    labels = await ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", key)
    assert {row["labels"] for row in labels} == {int(Label.WITHHELD_FROM_CITIZEN)}


async def test_a_reservation_of_the_requests_own_code_table_withholds_nothing(
    ward: Ward, kith: Kith, number: str
) -> None:
    key = await ward.person(number)
    head = "<ServReq><Id>Q-1</Id><Reservation V='R'/></ServReq>"
    (taken,) = await take(ward, a_report(kith, number, kith.item(), head=head))
    assert taken.accepted, taken.faults
    assert {
        r["labels"] for r in await ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", key)
    } == {0}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Lind, Kari Marie", "Kari Marie Lind"),
        ("Kari Marie Lind", "Kari Marie Lind"),
        ("Lind,", "Lind,"),
        ("Lind, Kari, død", "Lind, Kari, død"),
        ("", ""),
    ],
)
def test_who_is_registered_by_a_message_is_named_forename_first_as_registers_name(sent: str, kept: str) -> None:
    assert intake.forename_first(sent) == kept
