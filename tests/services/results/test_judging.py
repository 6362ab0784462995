"""What a value is judged by: a normal range of everybody, in its own unit, and a flag whose letters are known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kjerne.fhir.corrections import corrects
from kjerne.pages import formats
from kjerne.services.results import points, trends
from kjerne.services.results.judging import Flag, OtherRange, Range, range_of
from pages import resources as r

NORMAL = {"low": {"value": Decimal(135)}, "high": {"value": Decimal(145)}}
TYPE = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
YEARS = {"unit": "år", "system": "http://unitsofmeasure.org", "code": "a"}


def sodium(*ranges: r.Resource, value: str = "140", unit: str = "mmol/L", **more: object) -> r.Resource:
    made = r.observation("1", "P-Natrium", "NPU03429", "2026-10-01", value=r.quantity(value, unit))
    return made | {"referenceRange": list(ranges)} | more


def only(row: r.Resource) -> points.Point:
    (one,) = trends.series([row])
    return one.latest


def in_unit(low: str, high: str, unit: str) -> r.Resource:
    return {"low": r.quantity(low, unit), "high": r.quantity(high, unit)}


def test_a_range_in_another_unit_flags_nothing_and_is_told_with_it() -> None:
    found = only(sodium(in_unit("0.1", "0.2", "mol/L")))
    assert (found.flag, found.inside, found.range.low, found.range.high) == (None, False, None, None)
    assert formats.span(found.range, "nb") == "0,1\N{EN DASH}0,2 mol/L"


@pytest.mark.parametrize(
    ("unit", "limit"), [("mmol/L", "mmol/l"), ("10^9/L", "10E9/L"), ("mmol/L", ""), ("", "1"), ("0", "")]
)
def test_another_spelling_of_the_unit_and_a_limit_without_one_are_the_values(unit: str, limit: str) -> None:
    assert only(sodium(in_unit("1", "2", limit), unit=unit)).flag == Flag("high", ours=True)


def test_a_value_without_a_unit_is_not_judged_by_a_range_that_has_one() -> None:
    assert only(sodium(in_unit("1", "2", "mmol/L"), unit="")).flag is None


def test_of_several_ranges_the_one_in_the_values_unit_is_its_own() -> None:
    found = only(sodium(in_unit("0.135", "0.145", "mol/L"), in_unit("135", "145", "mmol/L")))
    assert (found.inside, formats.span(found.range, "nb")) == (True, "135\N{EN DASH}145")


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ({"appliesTo": [{"text": "Gravide"}]}, "Gravide: 10\N{EN DASH}20"),
        ({"age": {"low": {"value": 18, **YEARS}}}, "alder ≥\N{NARROW NO-BREAK SPACE}18 år: 10\N{EN DASH}20"),
        ({"type": {"coding": [{"system": TYPE, "code": "treatment"}]}}, "behandlingsmål: 10\N{EN DASH}20"),
        ({"type": {"text": "Etter måltid"}}, "Etter måltid: 10\N{EN DASH}20"),
    ],
    ids=["whom", "age", "type", "type-in-words"],
)
def test_a_range_for_some_or_of_another_meaning_is_told_and_judges_nothing(condition: r.Resource, told: str) -> None:
    theirs = {"low": {"value": Decimal(10)}, "high": {"value": Decimal(20)}} | condition
    alone = only(sodium(theirs))
    assert (alone.flag, alone.inside, alone.range.low) == (None, False, None)
    assert formats.span(alone.range, "nb") == told
    beside = only(sodium(theirs, NORMAL))
    assert (beside.flag, beside.inside) == (None, True)
    assert formats.span(beside.range, "nb") == f"135\N{EN DASH}145; {told}"


def test_a_range_that_says_that_it_is_normal_is_her_own() -> None:
    typed = NORMAL | {"type": {"coding": [{"system": TYPE, "code": "normal"}]}}
    assert only(sodium(typed, value="150")).flag == Flag("high", ours=True)


def test_a_component_is_judged_in_its_own_unit() -> None:
    part = {"code": {"text": "Natrium"}, "valueQuantity": r.quantity("140", "mmol/L")}
    row = sodium() | {"component": [part | {"referenceRange": [in_unit("0.1", "0.2", "mol/L")]}]}
    assert [one.flag for one in only(row).parts] == [None]


def test_the_range_that_judges_is_the_one_whose_correction_is_told() -> None:
    theirs = NORMAL | {"appliesTo": [{"text": "Gravide"}]}
    assert not corrects(sodium(NORMAL), sodium(theirs, NORMAL))
    assert corrects(sodium(theirs), sodium(NORMAL))
    assert corrects(sodium(in_unit("1", "2", "mmol/L")), sodium(in_unit("1", "2", "mol/L")))


def test_what_a_conditional_range_is_called_stays_its_laboratorys_words() -> None:
    sent = {"referenceRange": [{"text": "10-20", "appliesTo": [{"coding": [{"display": "Gravide"}]}]}]}
    assert range_of(sent) == Range(others=(OtherRange(text="10-20", whom=("Gravide",)),))
