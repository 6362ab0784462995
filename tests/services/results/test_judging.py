"""What a value is judged by: a normal range of everybody, in its own unit, and a flag whose letters are known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kjerne.fhir.corrections import corrects
from kjerne.pages import formats
from kjerne.pages.words import say
from kjerne.services.results import points, trends
from kjerne.services.results.judging import Flag, OtherRange, Range, range_of
from kjerne.services.results.kith.map_values import deviation
from kjerne.services.results.kith.model import Code
from pages import resources as r
from services.results.kith.conftest import Kith

NORMAL = {"low": {"value": Decimal(135)}, "high": {"value": Decimal(145)}}
TYPE = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"
V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
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
    assert (found.inside, formats.span(found.range, "nb")) == (True, "135\N{EN DASH}145; 0,135\N{EN DASH}0,145 mol/L")


@pytest.mark.parametrize(
    ("condition", "told", "judged"),
    [
        ({"appliesTo": [{"text": "Gravide"}]}, "Gravide: 10\N{EN DASH}20", False),
        ({"age": {"low": {"value": 18, **YEARS}}}, "alder ≥\N{NARROW NO-BREAK SPACE}18 år: 10\N{EN DASH}20", False),
        ({"type": {"coding": [{"system": TYPE, "code": "treatment"}]}}, "behandlingsmål: 10\N{EN DASH}20", True),
        ({"type": {"text": "Etter måltid"}}, "Etter måltid: 10\N{EN DASH}20", False),
    ],
    ids=["whom", "age", "type", "type-in-words"],
)
def test_a_range_for_some_or_of_another_meaning_is_told_and_judges_nothing(
    condition: r.Resource, told: str, judged: bool
) -> None:
    theirs = {"low": {"value": Decimal(10)}, "high": {"value": Decimal(20)}} | condition
    alone = only(sodium(theirs))
    assert (alone.flag, alone.inside, alone.range.low) == (None, False, None)
    assert formats.span(alone.range, "nb") == told
    beside = only(sodium(theirs, NORMAL))
    assert (beside.flag, beside.inside) == (None, judged), (
        "where it may be the patient's, the other judges nothing either"
    )
    both = ("135\N{EN DASH}145", told) if judged else (told, "135\N{EN DASH}145")
    assert formats.span(beside.range, "nb") == "; ".join(both)


@pytest.mark.parametrize("value", ["1", "4", "7", "20"])
def test_of_two_ranges_of_a_message_none_judges_and_both_are_told(value: str) -> None:
    ranges = "".join(f"<RefInterval><Descr>{one}</Descr></RefInterval>" for one in ("3 - 5", "Gravide: 6 - 9"))
    (row,) = Kith.observed(Kith.item(value=Kith.number(value), extra=ranges))
    found = only(row)
    assert (found.flag, found.inside, found.range.low, found.range.high) == (None, False, None, None)
    assert formats.span(found.range, "nb") == "3\N{EN DASH}5; Gravide: 6 - 9"
    flagged_by_them = only(row | {"interpretation": [deviation(Code("1"))]})
    assert flagged_by_them.flag == Flag("high", ours=False)


def test_a_range_that_is_sent_twice_is_one() -> None:
    found = only(sodium(NORMAL, NORMAL | {"text": "135 - 145"}, value="150"))
    assert (found.flag, formats.span(found.range, "nb")) == (Flag("high", ours=True), "135\N{EN DASH}145")


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


def flagged(*codings: r.Resource, text: str = "") -> r.Resource:
    concept: r.Resource = {"coding": list(codings)} if codings else {}
    return sodium(NORMAL, interpretation=[concept | ({"text": text} if text else {})])


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (r.DEVIATION, "1"),
        ("2.16.578.1.12.4.1.1.8244", "1"),
        ("http://ehelse.no/fhir/CodeSystem/no-kodeverk-8244", "1"),
        (V3, "H"),
        ("http://hl7.org/fhir/v3/ObservationInterpretation", "H"),
        ("urn:oid:2.16.840.1.113883.5.83", "H"),
        ("http://terminology.hl7.org/CodeSystem/v2-0078", "H"),
    ],
)
def test_a_flag_of_a_system_that_we_know_is_an_arrow_however_that_is_spelled(system: str, code: str) -> None:
    found = only(flagged({"system": system, "code": code}))
    assert (found.flag, found.words) == (Flag("high", ours=False), "")


@pytest.mark.parametrize(
    ("coding", "told"),
    [
        ({"system": "urn:lokal", "code": "1", "display": "Innenfor"}, "Innenfor"),
        ({"system": "urn:lokal", "code": "H", "display": "Hemolyse"}, "Hemolyse"),
        ({"code": "H"}, "H"),
        ({"system": V3, "code": "POS", "display": "Positiv"}, "Positiv"),
    ],
)
def test_a_flag_of_another_system_is_shown_as_its_laboratory_calls_it(coding: r.Resource, told: str) -> None:
    found = only(flagged(coding) | {"valueQuantity": r.quantity("150", "mmol/L")})
    assert (found.flag, found.words, found.inside) == (None, told, False)


def test_a_flag_in_words_is_shown_as_it_is_and_is_not_told_to_be_inside() -> None:
    found = only(flagged(text="Kritisk høy"))
    assert (found.flag, found.words, found.inside) == (None, "Kritisk høy", False)


def test_words_that_only_repeat_the_code_say_nothing_more_and_others_are_kept() -> None:
    high = {"system": V3, "code": "H", "display": "High"}
    assert only(flagged(high, text="High")).words == ""
    assert only(flagged(high, text="Ring lege")).words == "Ring lege"
    assert only(flagged({"system": V3, "code": "N"})).inside


@pytest.mark.parametrize(("code", "kind"), [("HH", "high"), ("LL", "low"), ("AA", "outside")])
def test_a_critical_flag_is_called_so(code: str, kind: str) -> None:
    flag = only(flagged({"system": V3, "code": code})).flag
    assert flag
    assert (flag.kind, flag.name) == (kind, f"critical-{kind}")
    for language in ("nb", "nn", "en"):
        assert say(language, f"value.{flag.name}") != say(language, f"value.{kind}")
        assert say(language, f"plain.{flag.name}") != say(language, f"plain.{kind}")


def test_a_critical_flag_is_graver_than_any_other() -> None:
    both = ({"system": r.DEVIATION, "code": "1"}, {"system": V3, "code": "AA"})
    assert only(flagged(*both)).flag == Flag("outside", ours=False, critical=True)


def test_a_local_flag_that_becomes_a_national_one_is_corrected() -> None:
    local, national = flagged({"system": "urn:lokal", "code": "1"}), flagged({"system": r.DEVIATION, "code": "1"})
    assert corrects(local, national)
    assert not corrects(national, flagged({"system": "http://hl7.org/fhir/v3/ObservationInterpretation", "code": "H"}))


def test_a_messages_flag_of_another_system_keeps_that() -> None:
    assert (
        deviation(Code("1", "http://lab.example/flags", "Innenfor"))["coding"][0]["system"]
        == "http://lab.example/flags"
    )
    assert deviation(Code("1"))["coding"][0]["system"] == r.DEVIATION
