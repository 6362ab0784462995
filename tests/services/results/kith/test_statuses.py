"""The two status tables, every cell by name."""

from __future__ import annotations

import pytest

from kjerne.services.results.kith.statuses import observation_status, report_status

COLUMNS = ("N", "M", "C", "H", "A")
REPORT = """
planned             | S | registered  amended  cancelled unknown unknown
preliminary         | P | preliminary amended  cancelled unknown unknown
final               | F | final       amended  cancelled unknown unknown
addition            | A | unknown     appended cancelled unknown unknown
comment-is-no-code  | K | unknown     unknown  cancelled unknown unknown
"""
OBSERVATION = """
none-given          |    | final       amended    cancelled final       final
revised             | 1  | unknown     amended    cancelled amended     unknown
preliminary         | 2  | preliminary amended    cancelled preliminary preliminary
final               | 3  | final       amended    cancelled final       final
addition            | 4  | final       amended    cancelled final       final
referral-registered | 5  | registered  unknown    cancelled unknown     registered
procedure-planned   | 6  | registered  registered cancelled unknown     registered
appointment-given   | 7  | registered  registered cancelled unknown     registered
examination-done    | 8  | preliminary unknown    cancelled unknown     preliminary
dictated            | 9  | preliminary unknown    cancelled unknown     preliminary
written-unsigned    | 10 | preliminary unknown    cancelled unknown     preliminary
signed              | 11 | final       amended    cancelled unknown     final
corrected-unsigned  | 12 | unknown     amended    cancelled unknown     preliminary
corrected-signed    | 13 | final       amended    cancelled unknown     final
examination-deleted | 14 | unknown     unknown    cancelled unknown     unknown
in-process          | 15 | registered  registered cancelled final       registered
"""


def cells(table: str) -> list[tuple[str, str, str, str]]:
    found = []
    for line in table.strip().splitlines():
        name, row, statuses = (part.strip() for part in line.split("|"))
        found += [(name, row, column, status) for column, status in zip(COLUMNS, statuses.split(), strict=True)]
    return found


@pytest.mark.parametrize(("name", "row", "column", "status"), cells(REPORT))
def test_report_status_follows_the_table(name: str, row: str, column: str, status: str) -> None:
    assert report_status(row, column) == status, name


@pytest.mark.parametrize(("name", "row", "column", "status"), cells(OBSERVATION))
def test_observation_status_follows_the_table(name: str, row: str, column: str, status: str) -> None:
    assert observation_status(row, column) == status, name


def test_a_code_outside_the_tables_is_unknown() -> None:
    assert observation_status("77", "N") == "unknown"
    assert observation_status("3", "X") == "unknown"
    assert report_status("F", "") == "unknown"
