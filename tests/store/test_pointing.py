"""Which results are taken back with their reports."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("before", "after", "touches"),
    [
        (None, report(R, A)[1], False),
        (None, report(R, A, status=VOID)[1], True),
        (report(R, A)[1], report(R, A, B)[1], False),
        (report(R, A, B)[1], report(R, A)[1], True),
        (report(R, A)[1], report(R, A, status=VOID)[1], True),
        (result(A, B)[1], result(A)[1], True),
        (None, {"resourceType": "Specimen"}, False),
    ],
)
def test_only_what_may_change_a_result_is_looked_into(before: Any, after: Any, touches: bool) -> None:
    assert pointing.touches(before, after) is touches
