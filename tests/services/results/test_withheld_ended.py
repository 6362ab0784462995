"""What a source withholds ends where its next version says so no more, and what withholds the record beside that stays."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Label
from kjerne.fhir.definitions import type_number

from .conftest import NOW, Ward, fresh_number
from .test_withheld import LABELS, Record, Reporting, resource
from .test_withheld_spreads import FILE, report, seen

SOON, LATE = "2026-03-07", "2026-04-01"
OBSERVATION = type_number("Observation")


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


@pytest.fixture
def reporting(record: Record) -> Reporting:
    return Reporting(record)


def delayed(until: str, type_: str = "Observation", **more: Any) -> dict[str, Any]:
    """A resource that the citizen is to see from a day on, or some days from now where `until` is empty."""
    mark = {"system": LABELS, "code": "NORU"} | ({"display": until} if until else {})
    return resource(type_, **more) | {"meta": {"security": [mark]}}


async def opens(record: Record) -> set[datetime | None]:
    """When the person's results open."""
    key = (await record.ward.grant(record.number)).subject.patient
    rows = await record.ward.house.store.pool.fetch(
        "SELECT release_at FROM record WHERE patient = $1 AND type = $2", key, OBSERVATION
    )
    return {row[0] for row in rows}


CODES = ("NORS", "NORN_KUT", "NORN_ALL", "NORN_FORANS", "NORN_UNGDOM")


@pytest.mark.parametrize("code", CODES)
async def test_a_label_that_the_next_version_leaves_out_is_lifted(record: Record, code: str) -> None:
    id_ = await record.file(resource("Observation", code))
    assert await record.labels() != [Label(0)]
    assert await record.change(id_, resource("Observation"), 1) == 200
    assert await record.labels() == [Label(0)]
    assert await seen(record, "Observation") == (1, 1)
    assert await record.change(id_, resource("Observation", code), 2) == 200
    assert await record.labels() != [Label(0)]


async def test_of_two_labels_the_one_that_is_said_again_stays(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORS", "NORN_ALL"))
    assert await record.change(id_, resource("Observation", "NORN_UNGDOM", "NORS"), 1) == 200
    assert await record.labels() == [Label.RESTRICTED | Label.WITHHELD_FROM_YOUTH]


async def test_a_patch_that_takes_the_label_away_lifts_it(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORN_ALL"))
    said = {"type": "delete", "path": "Observation.meta.security[0]"}
    parts = [{"name": name, "valueCode" if name == "type" else "valueString": value} for name, value in said.items()]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    answer, _ = await record.call("PATCH", "/fhir/R4/{type}/{id}", patch, type="Observation", id=id_, version='W/"1"')
    assert answer.status == 200
    assert await seen(record, "Observation") == (1, 1)


@pytest.mark.parametrize(
    ("first", "then", "at"),
    [
        (delayed(LATE), delayed(SOON), datetime(2026, 3, 6, 23, tzinfo=UTC)),
        (delayed(SOON), delayed(LATE), datetime(2026, 3, 31, 22, tzinfo=UTC)),
        (delayed(LATE), delayed("2026-01-01"), datetime(2025, 12, 31, 23, tzinfo=UTC)),
        (delayed(LATE), resource("Observation"), None),
        (delayed(""), resource("Observation"), None),
        (delayed(""), delayed(""), NOW + timedelta(days=14)),
        (delayed(LATE), delayed(""), NOW + timedelta(days=15)),
        (resource("Observation"), delayed(""), NOW + timedelta(days=15)),
    ],
)
async def test_a_delay_is_what_the_newest_version_asks_for(
    record: Record, first: dict[str, Any], then: dict[str, Any], at: datetime | None
) -> None:
    clock: Any = record.ward.house.clock
    id_ = await record.file(first)
    clock.at = NOW + timedelta(days=1)
    assert await record.change(id_, then, 1) == 200
    assert await opens(record) == {at}


async def test_the_days_of_a_discipline_are_no_label_and_stay(record: Record) -> None:
    issued = {"discipline": "HIST", "issued": NOW.isoformat()}
    id_ = await record.file(delayed(LATE, **issued))
    assert await record.change(id_, resource("Observation", **issued), 1) == 200
    assert await opens(record) == {NOW + timedelta(days=14)}


async def test_what_has_opened_is_not_shut_again_by_its_discipline(record: Record) -> None:
    clock: Any = record.ward.house.clock
    id_ = await record.file(delayed(SOON))
    clock.at = NOW + timedelta(days=20)
    fresh = resource("Observation", discipline="HIST", issued=clock.at.isoformat())
    assert await record.change(id_, fresh, 1) == 200
    assert await record.seen("Observation") == 1


async def test_the_version_that_was_withheld_stays_so_in_the_history(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORN_ALL", valueString="Før"))
    assert await record.change(id_, resource("Observation", valueString="Etter"), 1) == 200
    answer, _ = await record.call(
        "GET", "/fhir/R4/{type}/{id}/_history", resource("Observation"), id=id_, by=record.citizen
    )
    assert [one["resource"]["valueString"] for one in json.loads(answer.body)["entry"]] == ["Etter"]


async def test_a_version_that_lifts_a_label_has_its_row_in_the_log(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORN_ALL"))
    assert await record.change(id_, resource("Observation"), 1) == 200
    rows = await record.ward.house.store.pool.fetch(
        "SELECT action, versions FROM audit WHERE $1::uuid = ANY(ids) AND action IN ('file', 'correct') ORDER BY at",
        id_,
    )
    assert [(row["action"], list(row["versions"])) for row in rows] == [("file", [1]), ("correct", [2])]


@pytest.mark.parametrize("code", ["NORS", "NORN_ALL"])
async def test_a_report_that_is_lifted_opens_what_it_shows_and_what_it_showed(record: Record, code: str) -> None:
    former = await record.file(resource("Observation"))
    member = await record.file(resource("Observation"))
    group = await record.file(resource("Observation", hasMember=[{"reference": f"Observation/{member}"}]))
    file = await record.file(FILE)
    id_ = await record.file(report(code, "", group, former, presentedForm=[{"url": f"Binary/{file}"}]))
    assert await record.change(id_, report(code, "", group), 1) == 200
    assert await record.change(group, resource("Observation"), 1) == 200
    assert {int(one) for one in await record.labels()} == {1 if code == "NORS" else 2}
    assert await record.change(id_, report("", "", group), 2) == 200
    assert {int(one) for one in await record.labels()} == {0}


async def test_a_report_that_opens_sooner_opens_its_results_then(record: Record) -> None:
    result = await record.file(resource("Observation"))
    later = await record.file(delayed("2026-03-20"))
    named = {"result": [{"reference": f"Observation/{one}"} for one in (result, later)]}
    id_ = await record.file(delayed(LATE, "DiagnosticReport", **named))
    assert await opens(record) == {datetime(2026, 3, 31, 22, tzinfo=UTC)}
    assert await record.change(id_, delayed(SOON, "DiagnosticReport", **named), 1) == 200
    assert await opens(record) == {datetime(2026, 3, 6, 23, tzinfo=UTC), datetime(2026, 3, 19, 23, tzinfo=UTC)}


async def test_what_a_result_says_of_itself_stays_when_its_report_is_lifted(record: Record) -> None:
    result = await record.file(resource("Observation", "NORN_ALL"))
    id_ = await record.file(report("NORN_ALL", "", result))
    assert await record.change(id_, report("", "", result), 1) == 200
    assert await seen(record, "DiagnosticReport") == (1, 1)
    assert await seen(record, "Observation") == (0, 1)


async def test_what_a_report_withholds_stays_when_its_result_says_nothing_of_itself_any_more(record: Record) -> None:
    result = await record.file(resource("Observation", "NORN_ALL"))
    await record.file(report("NORN_ALL", "", result))
    assert await record.change(result, resource("Observation"), 1) == 200
    assert await seen(record, "Observation") == (0, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_result_opens_with_the_last_that_withholds_it(record: Record, order: tuple[int, ...]) -> None:
    result = await record.file(resource("Observation", "NORN_ALL"))
    reports = [await record.file(report("NORN_ALL", "", result)) for _ in range(2)]
    for place in order:
        assert await seen(record, "Observation") == (0, 1)
        if place < 2:
            assert await record.change(reports[place], report("", "", result), 1) == 200
        else:
            assert await record.change(result, resource("Observation"), 1) == 200
    assert await seen(record, "Observation") == (1, 1)


@pytest.mark.parametrize("shown", [True, False])
async def test_its_sender_hears_where_a_result_stays_withheld(record: Record, shown: bool) -> None:
    result = await record.file(resource("Observation", "NORN_ALL"))
    await record.file(report("NORN_ALL", "", *([result] if shown else [])))
    answer, _ = await record.call(
        "PUT", "/fhir/R4/{type}/{id}", resource("Observation") | {"id": result}, id=result, version='W/"1"',
        prefer="return=OperationOutcome",
    )  # fmt: skip
    issues = json.loads(answer.body)["issue"]
    assert [one["expression"] for one in issues if "stays withheld" in one["diagnostics"]] == (
        [["Observation.meta.security"]] if shown else []
    )


async def test_what_the_patient_restricts_no_version_of_the_source_lifts(record: Record) -> None:
    id_ = await record.file(resource("Observation", "NORS"))
    pool = record.ward.house.store.pool
    await pool.execute("UPDATE record SET labels = labels | $2 WHERE id = $1", id_, int(Label.RESTRICTED_HERE))
    assert await record.change(id_, resource("Observation"), 1) == 200
    assert await record.labels() == [Label.RESTRICTED_HERE]


async def deleted(record: Record, id_: str, version: int) -> None:
    answer, _ = await record.call(
        "DELETE", "/fhir/R4/{type}/{id}", resource("DiagnosticReport"), id=id_, version=f'W/"{version}"'
    )
    assert answer.status == 204


async def test_what_a_report_withheld_that_was_deleted_stays_until_a_report_that_says_so_says_it_no_more(
    record: Record,
) -> None:
    result = await record.file(resource("Observation"))
    first = await record.file(report("NORN_ALL", "", result))
    await deleted(record, first, 1)
    assert await seen(record, "Observation") == (0, 1)
    await record.file(report("", "", result))
    assert await seen(record, "Observation") == (0, 1), "one that never said it has ended nothing"
    again = await record.file(report("NORN_ALL", "", result))
    assert await record.change(again, report("", "", result), 1) == 200
    assert await seen(record, "Observation") == (1, 1)


async def test_a_label_that_is_taken_off_before_the_report_is_deleted_is_off(record: Record) -> None:
    result = await record.file(resource("Observation"))
    first = await record.file(report("NORN_ALL", "", result))
    assert await record.change(first, report("", "", result), 1) == 200
    await deleted(record, first, 2)
    assert await seen(record, "Observation") == (1, 1)


async def test_what_was_lifted_before_its_deletion_is_so_when_a_message_brings_it_again(record: Record) -> None:
    grant = await record.ward.grant(record.number)
    id_ = await record.file(resource("Observation", "NORN_ALL"))
    assert await record.change(id_, delayed(LATE), 1) == 200
    place = (OBSERVATION, record.ward.house.store.ids.parse(id_))
    await record.call("DELETE", "/fhir/R4/{type}/{id}", resource("Observation"), id=id_, version='W/"2"')
    async with record.ward.house.store.pool.acquire() as conn:
        (gone,) = (await record.ward.house.store.records.taken_out(conn, grant, [place])).values()
    assert (gone.labels, gone.release_at) == (Label(0), datetime(2026, 3, 31, 22, tzinfo=UTC))


async def test_a_version_by_fhir_that_says_nothing_lifts_no_reservation_of_a_message(reporting: Reporting) -> None:
    record = reporting.record
    await reporting.send("31", 2, "NORN_KUT")
    key = (await record.ward.grant(record.number)).subject.patient
    pool = record.ward.house.store.pool
    id_ = await pool.fetchval("SELECT id FROM record WHERE patient = $1 AND type = $2", key, OBSERVATION)
    assert await record.change(str(id_), resource("Observation"), 1) == 200
    assert await reporting.seen() == (0, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_of_the_delays_that_messages_ask_for_the_newest_counts_in_whatever_order_they_come(
    reporting: Reporting, order: tuple[int, ...]
) -> None:
    sent: list[dict[str, Any]] = [
        {"value": "31", "day": 2, "reserved": "NORU", "until": "2027-01-01"},
        {"value": "32", "day": 3, "reserved": "NORU", "until": "2026-03-01", "service": "M"},
        {"value": "33", "day": 4, "service": "M"},
    ]
    for place in order:
        await reporting.send(**sent[place])
    assert await reporting.seen() == (1, 1)
