"""Which results are taken back with their reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import NO_LABEL
from kjerne.store import pointing
from kjerne.store.pointing import OBSERVATION, REPORT
from kjerne.store.reading import Record

from .conftest import NOW

LAB, OTHER = ("999999990", ""), ("999999991", "")
A, B, C, R, S = (UUID(int=number) for number in range(1, 6))


def a_record(type_: int, id_: UUID, tree: dict[str, Any]) -> tuple[Record, dict[str, Any]]:
    return Record(1, type_, id_, 1, NO_LABEL, NOW, None, b"", ()), tree  # type: ignore[arg-type]


def report(id_: UUID, *results: UUID, status: str = "final") -> tuple[Record, dict[str, Any]]:
    named = [{"reference": f"Observation/{one}"} for one in results]
    return a_record(REPORT, id_, {"resourceType": "DiagnosticReport", "status": status, "result": named})


def result(id_: UUID, *members: UUID, status: str = "final") -> tuple[Record, dict[str, Any]]:
    named = [{"reference": f"http://her/fhir/R4/Observation/{one}/_history/1"} for one in members]
    return a_record(OBSERVATION, id_, {"resourceType": "Observation", "status": status, "hasMember": named})


VOID = "entered-in-error"
SENT = {(OBSERVATION, one): LAB for one in (A, B, C)} | {(REPORT, one): LAB for one in (R, S)}


@pytest.mark.parametrize(
    ("records", "void"),
    [
        ([report(R, A), result(A)], set()),
        ([report(R, A, status=VOID), result(A), result(B)], {A}),
        ([report(R, A, status="cancelled"), result(A, B), result(B, C), result(C)], {A, B, C}),
        ([report(R, A, B, status=VOID), report(S, B), result(A), result(B)], {A}),
        ([report(R, A, status=VOID), report(S, A, status=VOID), result(A)], {A}),
        ([report(R, A, status=VOID), report(S, C), result(A, B), result(B), result(C, B)], {A}),
        ([report(R, A, status=VOID), result(A, status=VOID)], set()),
        ([report(R, A, status=VOID), result(A, B), result(B, A)], {A, B}),
    ],
    ids=["live", "withdrawn", "nested", "shared", "both", "shared below", "taken back itself", "in a circle"],
)
def test_a_result_is_taken_back_with_the_last_report_that_leads_to_it(records: list[Any], void: set[UUID]) -> None:
    assert pointing.withdrawn(records, SENT) == void


def test_nobody_takes_back_anothers_result_and_anothers_live_report_keeps_it() -> None:
    records = [report(R, A, status=VOID), result(A)]
    assert pointing.withdrawn(records, SENT | {(REPORT, R): OTHER}) == set()
    kept = [*records, report(S, A)]
    assert pointing.withdrawn(kept, SENT | {(REPORT, S): OTHER}) == set()
    given_up = [*records, report(S, A, status=VOID)]
    assert pointing.withdrawn(given_up, SENT | {(REPORT, S): OTHER}) == {A}


def since(hours: int, one: tuple[Record, dict[str, Any]], version: int) -> tuple[Record, dict[str, Any]]:
    return one[0]._replace(version=version, at=NOW + timedelta(hours=hours)), one[1]


GONE = {"status": VOID}
GROUP, MEMBER, TIDY = result(A, B), result(B), result(A)


@pytest.mark.parametrize(
    ("records", "void"),
    [
        ([since(0, report(R, A), 1), since(1, report(R, status=VOID), 2)], {A, B}),
        (
            [since(0, report(R, A), 1), since(1, report(R, A, status=VOID), 2), since(2, report(R, status=VOID), 3)],
            {A, B},
        ),
        ([since(0, report(R, A), 1), since(1, report(R), 2), since(2, report(R, status=VOID), 3)], set()),
        ([since(0, report(R), 1), since(1, report(R, status=VOID), 2), since(2, report(R, A, status=VOID), 3)], {A, B}),
        ([since(0, report(R, A), 1), since(1, (report(R)[0], GONE), 2)], {A, B}),
        (
            [since(0, report(R, A), 1), since(1, report(R, A, status=VOID), 2), since(2, (report(R)[0], GONE), 3)],
            {A, B},
        ),
        ([since(0, report(R, A), 1), since(1, report(R, status=VOID), 2), report(S, B)], {A}),
    ],
    ids=["left out", "tidied", "let go before", "named since", "deleted", "withdrawn and deleted", "kept by another"],
)
def test_a_withdrawn_report_leads_to_what_it_led_to_while_it_stood(records: list[Any], void: set[UUID]) -> None:
    assert pointing.withdrawn([*records, GROUP, MEMBER], SENT) == void


@pytest.mark.parametrize(
    ("group", "taken"),
    [
        ([since(0, GROUP, 1), since(2, TIDY, 2)], True),
        ([since(0, GROUP, 1), since(2, (TIDY[0], GONE), 2)], True),
        ([since(-2, GROUP, 1), since(-1, (TIDY[0], GONE), 2)], True),
        ([since(-2, GROUP, 1), since(-1, TIDY, 2)], False),
        ([since(-2, GROUP, 1), since(-1, result(A, status=VOID), 2)], True),
    ],
    ids=["tidied", "deleted after it", "deleted before it", "let go before", "taken back itself before"],
)
def test_a_group_of_a_withdrawn_report_leads_to_what_it_led_to_then(group: list[Any], taken: bool) -> None:
    reports = [since(-3, report(R, A), 1), since(1, report(R, A, status=VOID), 2)]
    assert (B in pointing.withdrawn([*reports, *group, MEMBER], SENT)) is taken


@pytest.mark.parametrize(
    ("before", "after", "touches"),
    [
        (None, report(R, A)[1], False),
        (None, report(R, A, status=VOID)[1], True),
        (report(R, A)[1], report(R, A, B)[1], False),
        (report(R, A, B)[1], report(R, A)[1], True),
        (report(R, A)[1], report(R, A, status=VOID)[1], True),
        (result(A, B)[1], result(A)[1], True),
        (report(R, A, status=VOID)[1], report(R, A, B, status=VOID)[1], True),
        (report(R, A, status=VOID)[1], report(R, A, status="cancelled")[1], False),
        (None, {"resourceType": "Specimen"}, False),
    ],
)
def test_only_what_may_change_a_result_is_looked_into(before: Any, after: Any, touches: bool) -> None:
    assert pointing.touches(before, after) is touches
