"""Searching finds what R4 says it finds, case by case; `test_search_judged.py` asks a judge about random ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.index import index
from kjerne.fhir.search import Include, Order, Plan, ordered, plan, references, reverse_tokens
from kjerne.wire.search import parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UCUM = "http://unitsofmeasure.org"

Tree = dict[str, Any]
Pairs = list[tuple[str, str]]
Finds = Callable[[Pairs, Tree], bool]


def planned(pairs: Pairs) -> Plan:
    return plan(parse("Observation", pairs, page_size=50, page_size_limit=1000), at=NOW)


def observation(**elements: Any) -> Tree:
    return {"resourceType": "Observation", "status": "final", **elements}


def potassium(value: str, code: str = "mmol/L", **more: Any) -> Tree:
    quantity = {"value": Decimal(value), "unit": code, "system": UCUM, "code": code, **more}
    return observation(code={"coding": [{"system": "urn:oid:1.2", "code": "NPU03230"}]}, valueQuantity=quantity)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("4.1", True),
        ("4.10", True),
        ("4", True),
        ("4.11", False),
        ("ne4.1", False),
        ("gt4.1", False),
        ("ge4.1", True),
        ("lt4.11", True),
        ("ap4.4", True),
        ("ap5", False),
        (f"4100|{UCUM}|umol/L", True),
        (f"lt4200|{UCUM}|umol/L", True),
        (f"4.1|{UCUM}|mol/L", False),
        (f"gt0|{UCUM}|g/L", False),
        ("4.1||mmol/L", True),
        ("4.1||mg", False),
        ("4.1|urn:oid:1.2|mmol/L", False),
        ("410e-2", True),
    ],
)
def test_a_quantity_is_compared_in_base_units(finds: Finds, asked: str, found: bool) -> None:
    assert finds([("value-quantity", asked)], potassium("4.10")) is found


@pytest.mark.parametrize(
    ("value", "unit", "asked", "found"),
    [
        ("48", "mmol/mol", "mmol/mol", True),
        ("0.048", "mol/mol", "mmol/mol", True),
        ("1.1", "1", "mmol/mol", False),
        ("1.1", "{INR}", "mmol/mol", False),
        ("6.5", "%", "mmol/mol", False),
        ("30", "mg/g", "mmol/mol", False),
        ("48", "mmol/mol", "1", False),
        ("0.45", "1", "%", True),
    ],
)
def test_a_share_is_found_in_its_own_unit_and_not_among_plain_numbers(
    finds: Finds, value: str, unit: str, asked: str, found: bool
) -> None:
    for pair in (f"gt0.001|{UCUM}|{asked}", f"lt1000|{UCUM}|{asked}", f"ne7|{UCUM}|{asked}"):
        assert finds([("value-quantity", pair)], potassium(value, unit)) is found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("5", False),
        ("lt5", True),
        ("lt3", True),
        ("ge5", False),
        ("le5", True),
        ("eb5", True),
        ("gt4", True),
        ("ne5", True),
    ],
)
def test_less_than_five_is_not_five(finds: Finds, asked: str, found: bool) -> None:
    assert finds([("value-quantity", asked)], potassium("5", comparator="<")) is found


@pytest.mark.parametrize(
    ("written", "asked", "found"),
    [
        ("2024-03-14", "2024-03-14", True),
        ("2024-03-14", "2024", True),
        ("2024", "2024-03-14", False),
        ("2024-03-14T00:30:00+01:00", "2024-03-14", True),
        ("2024-03-13T23:30:00Z", "2024-03-14", True),
        ("2024-03-14T23:30:00Z", "2024-03-14", False),
        ("2024-03-14", "ge2024-03-14", True),
        ("2024-03-14", "gt2024-03-14", False),
        ("2024-03-14", "sa2024-03-13", True),
        ("2024-03-14", "lt2024-03-14T12:00", True),
        ("2024-03-14T10:00:00.123456Z", "2024-03-14T10:00:00.123Z", True),
        ("2015-06-30T23:59:60Z", "2015-07-01T00:00:00Z", True),
        ("2025-06-01", "ap2025-06-10", True),
        ("2020-06-01", "ap2025-06-10", False),
    ],
)
def test_a_date_is_an_interval_in_norwegian_time(finds: Finds, written: str, asked: str, found: bool) -> None:
    assert finds([("date", asked)], observation(effectiveDateTime=written)) is found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("2025-06-01", True),
        ("2025-06-01T12:00:00.123Z", True),
        ("gt2025-06-01T12:00:00.123Z", False),
        ("ge2025-06-02", False),
        ("lt2025-06-02", True),
        ("ne2025", False),
        ("eb2025-06-02", True),
        ("sa2025-05-31", True),
    ],
)
def test_the_update_time_is_searched_as_a_point(finds: Finds, asked: str, found: bool) -> None:
    assert finds([("_lastUpdated", asked)], observation()) is found


def test_a_timing_stands_for_its_outer_limits(finds: Finds) -> None:
    tree = observation(effectiveTiming={"event": ["2024-03-14", "2024-03-20"]})
    assert finds([("date", "2024-03")], tree)
    assert not finds([("date", "2024-03-14")], tree)


def test_an_open_period_reaches_for_ever(finds: Finds) -> None:
    tree = observation(effectivePeriod={"start": "2020"})
    assert finds([("date", "gt2200")], tree)
    assert not finds([("date", "lt2019")], tree)


def test_a_composite_needs_both_parts_in_the_same_component(finds: Finds) -> None:
    def part(code: str, value: int) -> Tree:
        return {"code": {"coding": [{"code": code}]}, "valueQuantity": {"value": value}}

    tree = observation(component=[part("sys", 140), part("dia", 80)])
    assert finds([("component-code-value-quantity", "sys$gt120")], tree)
    assert not finds([("component-code-value-quantity", "dia$gt120")], tree)
    assert finds([("combo-code-value-quantity", "dia$80")], tree)
    assert not finds([("code-value-quantity", "sys$140")], tree)


def test_a_code_is_found_in_a_panels_components_by_the_combined_parameter_alone(finds: Finds) -> None:
    tree = observation(code={"coding": [{"code": "panel"}]}, component=[{"code": {"coding": [{"code": "K"}]}}])
    assert finds([("combo-code", "K")], tree)
    assert not finds([("code", "K")], tree)


def test_whose_record_it_is_goes_to_the_callers_door() -> None:
    made = planned([("subject", "Patient/1"), ("patient", "2")])
    assert len(made.patients) == 2
    assert made.exact_in_sql


def test_a_search_by_code_and_date_is_answered_by_sql_alone() -> None:
    assert planned([("code", "NPU03230"), ("date", "ge2024"), ("_sort", "-date")]).exact_in_sql
    assert not planned([("value-quantity", "4.1")]).exact_in_sql
    assert not planned([("_sort", "value-quantity")]).exact_in_sql


def test_several_id_criteria_leave_what_they_share() -> None:
    assert planned([("_id", "a,b"), ("_id", "b,c")]).ids == ("b",)
    assert planned([]).ids is None


def sorted_by(order: tuple[Order, ...], rows: list[tuple[int, bytes, Tree]]) -> list[int]:
    def key(one: Order, values: bytes, tree: Tree) -> Any:
        return one.key(values) if one.key else one.tree_key(tree) if one.tree_key else None

    return ordered([(tuple(key(one, values, tree) for one in order), number) for number, values, tree in rows], order)


def test_rows_are_sorted_with_unknown_values_last_both_ways() -> None:
    trees = [potassium("4"), observation(), potassium("300", "umol/L"), potassium("5")]
    rows = [(number, index(tree).values, tree) for number, tree in enumerate(trees)]
    for direction, expected in (("value-quantity", [2, 0, 3, 1]), ("-value-quantity", [3, 0, 2, 1])):
        order = planned([("_sort", direction)]).order
        assert sorted_by(order, rows) == expected


def test_includes_follow_the_references_of_one_parameter() -> None:
    tree = observation(
        specimen={"reference": "Specimen/1"},
        basedOn=[{"reference": "ServiceRequest/2"}, {"reference": "#x"}, {"display": "y"}],
    )
    assert references(tree, "specimen") == ["Specimen/1"]
    assert references(tree, "based-on") == ["ServiceRequest/2"]
    assert references(tree, "code") == references(tree, "nothing") == []
    tokens = reverse_tokens(Include("Observation", "specimen"), ["Specimen/1"])
    assert set(tokens) & set(index(tree).tokens)
