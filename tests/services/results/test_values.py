"""What a result says, whatever value[x] its sender chose; and a result of several values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.encode import decode
from kjerne.services.results import answers, judging, points, trends, values
from kjerne.services.results.values import Value, When
from pages import resources as r


def amount(number: str, unit: str = "") -> dict[str, Any]:
    return {"value": Decimal(number)} | ({"unit": unit} if unit else {})


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"valueInteger": 0}, Value(Decimal(0))),
        ({"valueBoolean": False}, Value(truth=False)),
        ({"valueTime": "08:15:00"}, Value(text="08:15")),
        ({"valueTime": "08:15:30"}, Value(text="08:15:30")),
        ({"valueTime": "08:15:00.5"}, Value(text="08:15:00.5")),
        ({"valueDateTime": "2026"}, Value(on=When(date(2026, 1, 1), part="year"))),
        ({"valueDateTime": "2026-03"}, Value(on=When(date(2026, 3, 1), part="month"))),
        ({"valueDateTime": "2026-03-11"}, Value(on=When(date(2026, 3, 11)))),
        ({"valueDateTime": "0001-01-01T00:00:00Z"}, Value(on=When(date(1, 1, 1)))),
        ({"valueDateTime": "9999-12-31T23:59:59Z"}, Value(on=When(date(9999, 12, 31)))),
        (
            {"valueRatio": {"numerator": amount("1"), "denominator": amount("64")}},
            Value(ends=(Value(Decimal(1)), Value(Decimal(64))), joint="ratio"),
        ),
        (
            {"valueRange": {"low": amount("3", "mg"), "high": amount("7", "mg")}},
            Value(unit="mg", ends=(Value(Decimal(3)), Value(Decimal(7))), joint="range"),
        ),
        (
            {"valueRange": {"low": amount("3", "mg"), "high": amount("1", "g")}},
            Value(ends=(Value(Decimal(3), unit="mg"), Value(Decimal(1), unit="g")), joint="range"),
        ),
        ({"valueRange": {"low": amount("3")}}, Value(ends=(Value(Decimal(3)), None), joint="range")),
        (
            {"valuePeriod": {"end": "2026-03"}},
            Value(ends=(None, Value(on=When(date(2026, 3, 1), part="month"))), joint="period"),
        ),
        ({"valueRatio": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}, None),
        ({}, None),
    ],
    ids=str,
)
def test_every_kind_of_value_is_read(sent: dict[str, Any], found: Value | None) -> None:
    assert values.value_of(sent) == found


def test_what_was_sampled_is_told_by_number_and_limits() -> None:
    sampled: dict[str, Any] = {
        "origin": amount("1", "mV"), "period": 10, "factor": Decimal("0.5"), "dimensions": 1, "data": "2 -4 E 7 U L",
    }  # fmt: skip
    ends = Value(Decimal("-1.0")), Value(Decimal("4.5"))
    assert values.value_of({"valueSampledData": sampled}) == Value(unit="mV", ends=ends, joint="samples", count=6)
    of_two = sampled | {"dimensions": 2}
    assert values.value_of({"valueSampledData": of_two}) == Value(joint="samples", count=3)
    nothing = sampled | {"data": "E U"}
    assert values.value_of({"valueSampledData": nothing}) == Value(joint="samples", count=2)


@pytest.mark.parametrize(
    "data", ["1 ? 3", "a", "-", "1,2", "sNaN", "NaN", "Infinity", "1E1000000000", "1e999999", "1e-999999", "0e999999"]
)
def test_samples_that_nobody_could_read_are_no_value_and_break_nothing(data: str) -> None:
    value = {"valueSampledData": {"origin": amount("0"), "period": 10, "dimensions": 1, "data": data}}
    assert values.value_of(value) is None
    stored = r.observation("1", "EKG", "", "2026-11-20") | value | {"component": [{"code": {"text": "x"}, **value}]}
    former = r.change("corrected", "2026-11-21T08:00:00+01:00", **value)
    corrected = r.observation("2", "EKG", "", "2026-11-20", text="Normal", status="amended", extension=(former,))
    for one in (stored, corrected):
        assert points.point_of(one)


@pytest.mark.parametrize("number", ["1e999999", "-1e999999", "1e-999999", "NaN", "1" * 1000, "0." + "0" * 1000])
def test_a_number_that_would_fill_the_page_is_no_value(number: str) -> None:
    far = {"value": Decimal(number)}
    factor = {"origin": amount("1"), "factor": Decimal(number), "dimensions": 1, "data": "2"}
    assert values.value_of({"valueQuantity": far}) is None
    assert values.value_of({"valueRange": {"low": far}}) is None
    assert values.value_of({"valueRatio": {"numerator": far, "denominator": far}}) is None
    assert values.value_of({"valueSampledData": factor}) is None
    assert judging.range_of({"referenceRange": [{"low": far, "high": far}]}) == judging.Range()


def test_samples_that_are_far_out_only_together_are_no_value() -> None:
    sampled = {"origin": amount("0"), "factor": Decimal("1e100"), "dimensions": 1, "data": "1e99"}
    assert values.value_of({"valueSampledData": sampled}) is None


def test_a_number_read_from_bytes_keeps_its_digits() -> None:
    sent = decode(b'{"valueRatio": {"numerator": {"value": 1.50}, "denominator": {"value": 2}}}')
    value = values.value_of(sent)
    assert value and value.ends and value.ends[0]
    assert str(value.ends[0].number) == "1.50"


def pressure(**more: Any) -> dict[str, Any]:
    def part(name: str, number: str, **inside: Any) -> dict[str, Any]:
        return {"code": {"text": name}, "valueQuantity": amount(number, "mm[Hg]")} | inside

    high = {
        "interpretation": [{"coding": [{"system": r.DEVIATION, "code": "1"}]}],
        "referenceRange": [{"high": amount("140")}],
    }
    unread = {"code": {"text": "Middeltrykk"}, "dataAbsentReason": {"coding": [{"code": "not-performed"}]}}
    made = r.observation("bp", "Blodtrykk", "", "2026-11-20T09:00:00+01:00")
    return made | {"component": [part("Systolisk", "151", **high), part("Diastolisk", "84"), unread]} | more


def test_a_result_of_several_values_has_each_with_name_unit_flag_and_reason() -> None:
    point = points.point_of(pressure())
    assert point and point.tells and not point.value.told
    assert [(p.name, p.value.number, p.value.unit, p.absent) for p in point.parts] == [
        ("Systolisk", Decimal(151), "mm[Hg]", ""),
        ("Diastolisk", Decimal(84), "mm[Hg]", ""),
        ("Middeltrykk", None, "", "not-performed"),
    ]
    assert point.parts[0].flag == point.flag == judging.Flag("high", ours=False)
    assert point.parts[0].range.high == Decimal(140)


def test_the_flag_of_a_results_own_value_stands_whatever_its_parts_say() -> None:
    point = points.point_of(pressure(valueQuantity=amount("1"), referenceRange=[{"low": amount("0")}]))
    assert point and point.flag is None and point.parts[0].flag


def test_a_result_of_several_values_stands_in_the_table_and_in_no_chart() -> None:
    (one,) = trends.series([pressure()])
    assert (one.name, len(one.points), one.numeric) == ("Blodtrykk", 1, False)


def test_several_values_in_a_report_that_is_read_stand_with_their_heading() -> None:
    report = r.report("rep", "RAD", "Røntgen", "2026-11-20", ("bp",))
    (answer,) = answers.answers([report], [pressure(valueCodeableConcept={"text": "Målt liggende"})])
    (finding,) = answer.findings
    assert (finding.value.text, len(finding.parts)) == ("Målt liggende", 3)
