"""No row joins two units, whatever kind of value stands in it or stood there; its heading is of what stands."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results import trends, values
from kjerne.services.results.kith import map_values
from kjerne.services.results.kith.model import Amount
from kjerne.services.results.values import Value
from pages import resources as r

Sent = dict[str, Any]
HB = ("B-Hemoglobin", "NPU28309")


def amount(number: str, unit: str) -> r.Resource:
    return map_values.quantity(Amount(Decimal(number), unit))


def text(words: str, unit: str) -> Sent:
    url = "http://kjerne.example/fhir/StructureDefinition/unit"
    held: r.Resource = {"extension": [{"url": url, "valueString": unit}]} if unit else {}
    return {"valueCodeableConcept": held | {"text": words}}


def sampled(unit: str) -> Sent:
    return {"valueSampledData": {"origin": amount("0", unit), "period": Decimal(1), "dimensions": 1, "data": "1 2"}}


def result(number: str, sent: Sent, *former: Sent, day: int = 1, **more: Any) -> r.Resource:
    told = tuple(
        r.change("corrected", f"2026-03-{28 - place}T08:00:00+01:00", **one) for place, one in enumerate(former)
    )
    return r.observation(number, *HB, f"2026-01-{day:02}", extension=told, **more) | sent


def rows(*found: r.Resource) -> dict[str, list[str]]:
    return {one.unit: [point.id for point in one.points] for one in trends.series(found)}


SHAPES: list[Any] = [
    lambda unit: {"valueQuantity": amount("7", unit)},
    lambda unit: {"valueRange": {"low": amount("5", unit), "high": amount("10", unit)}},
    lambda unit: {"valueRange": {"high": amount("10", unit)}},
    lambda unit: text("Spor", unit),
    sampled,
]
UNITLESS: list[Sent] = [
    {"valueInteger": 7},
    {"valueString": "7"},
    {"valueBoolean": True},
    {"valueRatio": {"numerator": amount("1", ""), "denominator": amount("64", "")}},
    {"valueDateTime": "2026-01-01"},
]
TWO = {"valueRange": {"low": amount("5", "mg/L"), "high": amount("10", "g/L")}}
RATIO = {"valueRatio": {"numerator": amount("2", "mg"), "denominator": amount("3", "mmol")}}
of_a_unit = st.builds(
    lambda shape, unit: (shape(unit), unit),
    st.sampled_from(SHAPES),
    st.sampled_from(["mg/L", "g/L", "%", "poeng", "0", ""]),
)
any_value = st.one_of(
    of_a_unit,
    st.sampled_from(UNITLESS).map(lambda sent: (sent, "")),
    st.sampled_from([(TWO, "mg/L to g/L"), (RATIO, "mg of mmol")]),
)
a_result = st.tuples(
    st.one_of(st.none(), any_value), st.lists(any_value, max_size=2), st.sampled_from(["final", "amended", "cancelled"])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(a_result, min_size=1, max_size=6))
def test_no_row_ever_joins_two_units_whatever_its_values_are(found: list[Any]) -> None:
    sent, units = [], {}
    for place, (now, former, status) in enumerate(found):
        sent.append(
            result(str(place), now[0] if now else {}, *(one[0] for one in former), day=place + 1, status=status)
        )
        units[str(place)] = (now[1] if now else "", former[0][1] if former else now[1] if now else "")
    for one in trends.series(sent):
        shown = {units[p.id][0] if p.value.told else units[p.id][1] for p in one.points if p.value.told or p.old}
        assert len(shown) <= 1, (one.unit, shown)
        if shown <= {"mg/L", "g/L", "%", "poeng"}:
            assert shown <= {one.unit}
        else:
            assert not one.unit
        drawn = {p.value.unit for p in one.points if p.value.number is not None}
        assert drawn <= {one.unit}


@pytest.mark.parametrize(
    ("sent", "former", "unit"),
    [
        ({"valueQuantity": amount("2.5", "0")}, {"valueQuantity": amount("70", "%")}, ""),
        ({"valueQuantity": amount("140", "")}, {"valueQuantity": amount("14", "g/dL")}, ""),
        (
            {"valueRange": {"low": amount("5", "g/L"), "high": amount("10", "g/L")}},
            {"valueQuantity": amount("7", "mg/L")},
            "g/L",
        ),
        (text("Spor", ""), {"valueQuantity": amount("7", "mg/L")}, ""),
        ({}, {"valueQuantity": amount("7", "mg/L")}, "mg/L"),
    ],
    ids=["no unit, and said so", "no unit", "range", "text", "no value"],
)
def test_a_corrected_result_stands_in_the_row_of_what_it_says_now(sent: Sent, former: Sent, unit: str) -> None:
    (one,) = trends.series([result("1", sent, former, status="amended")])
    assert one.unit == unit
    assert one.latest.old == Value(
        Decimal(str(former["valueQuantity"]["value"])), "", former["valueQuantity"].get("unit", "")
    )


def test_a_value_without_a_unit_is_not_drawn_beside_those_that_have_one() -> None:
    wrong = result("1", {"valueQuantity": amount("140", "")}, {"valueQuantity": amount("14", "g/dL")}, status="amended")
    assert rows(wrong, result("2", {"valueQuantity": amount("13.5", "g/dL")}, day=2)) == {"": ["1"], "g/dL": ["2"]}


def test_a_result_by_fhir_that_was_taken_back_stands_in_the_unit_of_what_is_struck() -> None:
    gone = result(
        "1", {"valueQuantity": amount("140", "")}, {"valueQuantity": amount("14", "g/dL")}, status="entered-in-error"
    )
    assert rows(gone) == {"g/dL": ["1"]}, "the old value is what is shown"


def test_rows_that_show_no_unit_say_why() -> None:
    units = {"1": amount("1", "0"), "2": amount("2", ""), "3": amount("3", "g/dL")}
    sent = [result(number, {"valueQuantity": one}, day=int(number)) for number, one in units.items()]
    sent.append(result("4", TWO, day=4))
    told = {row.series.latest.id: row.apart[0] for row in trends.cumulative(trends.series(sent)).rows}
    assert told == {"1": ("unitless", ""), "2": ("unit", ""), "3": ("unit", "g/dL"), "4": ("unit", "mg/L – g/L")}


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        (Value(Decimal(7)), True),
        (Value(Decimal(7), unit="mg/L"), False),
        (Value(ends=(Value(Decimal(5)), None), joint="range"), True),
        (Value(ends=(Value(Decimal(5)), Value(Decimal(10))), joint="range", unit="mg/L"), False),
        (Value(ends=(Value(Decimal(5), unit="mg/L"), Value(Decimal(1), unit="g/L")), joint="range"), False),
        (Value(ends=(Value(Decimal(1)), Value(Decimal(64))), joint="ratio"), False),
        (Value(text="Negativ"), False),
    ],
    ids=str,
)
def test_a_measure_that_has_no_unit_is_told_from_what_needs_none(value: Value, bare: bool) -> None:
    assert value.bare is bare


AT_ODDS = r.quantity("180", "mg/dL", code="mmol/L")


def test_a_unit_that_is_at_odds_with_its_code_is_shown_as_both_and_joined_with_neither() -> None:
    sound = [r.quantity("10", "mmol/L", code="mmol/L"), r.quantity("180", "mg/dL", code="mg/dL")]
    sent = [result(str(day), {"valueQuantity": one}, day=day) for day, one in enumerate([*sound, AT_ODDS, AT_ODDS], 1)]
    assert rows(*sent) == {"mmol/L": ["1"], "mg/dL": ["2"], "mg/dL (UCUM mmol/L)": ["3", "4"]}


def test_a_unit_that_is_at_odds_with_its_code_is_judged_by_no_range_of_either() -> None:
    sent = result("1", {"valueQuantity": AT_ODDS})
    sent["referenceRange"] = [{"high": r.quantity("7", "mmol/L", code="mmol/L")}]
    (one,) = trends.series([sent])
    assert (one.latest.flag, one.latest.inside, one.latest.range.others[0].unit) == (None, False, "mmol/L")


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("10E9/L", "10*9/L"),
        ("mmHg", "mm[Hg]"),
        ("beats/minute", "/min"),
        ("INR", "1"),
        ("E/L", "U/L"),
        ("mcg/L", "ug/L"),
        ("mL/min/1,73 m2", "mL/min/{1.73_m2}"),
        ("poeng", "{score}"),
        ("grader", "Cel"),
    ],
)
def test_another_spelling_of_a_unit_is_not_at_odds_with_its_code(unit: str, code: str) -> None:
    assert values.unit_code(r.quantity("7", unit, code=code)) == code
