"""Whether a new version says something else than the one before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.corrections import corrects, moved

Tree = dict[str, Any]
CODED: Tree = {"system": "s", "code": "1"}


def observation(value: str = "140", **more: Any) -> Tree:
    made: Tree = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "s", "code": "c"}]}}
    return made | ({"valueQuantity": {"value": Decimal(value)}} if value else {}) | more


def up_to(words: str) -> Tree:
    """Judged by a range that ends at 14, as its laboratory words that."""
    return observation(referenceRange=[{"high": {"value": 14}} | ({"text": words} if words else {})])


def report(conclusion: str = "", **more: Any) -> Tree:
    made: Tree = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "CT"}}
    return made | ({"conclusion": conclusion} if conclusion else {}) | more


def a_file(data: str) -> Tree:
    return {"resourceType": "Binary", "contentType": "application/pdf", "data": data}


def flag(code: str, system: str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation") -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def specimen(**more: Any) -> Tree:
    return {"resourceType": "Specimen", "status": "available"} | more


def pressure(value: int, **more: Any) -> Tree:
    return observation("", component=[{"code": {"text": "Systolisk"}, "valueInteger": value} | more])


NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"
NATIONAL: Tree = {"system": NLK, "code": "NPU03429"}
LOCAL: Tree = {"system": "urn:oid:2.16.578.1.12.4.1.1.8212", "code": "NA"}
HEADING: Tree = {"system": "urn:oid:2.16.578.1.12.4.1.1.8243", "code": "FU"}
SUSCEPTIBLE: Tree = {"system": "urn:oid:2.16.578.1.12.4.1.1.8271", "code": "S"}
UCUM = "http://unitsofmeasure.org"


def measured(unit: str = "", code: str = "", value: str = "140") -> Tree:
    quantity: Tree = {"value": Decimal(value)} | ({"unit": unit} if unit else {})
    return observation("", valueQuantity=quantity | ({"system": UCUM, "code": code} if code else {}))


def coded(*codings: Tree, text: str = "") -> Tree:
    return observation("", valueCodeableConcept={"coding": [*codings]} | ({"text": text} if text else {}))


def about(*codings: Tree, text: str = "", **more: Any) -> Tree:
    return observation(code={"coding": [*codings]} | ({"text": text} if text else {}), **more)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (about(NATIONAL), about(NATIONAL | {"system": "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk"})),
        (about(NATIONAL), about(NATIONAL, LOCAL)),
        (about(NATIONAL | {"display": "Natrium"}), about(NATIONAL)),
        (about(text="Natrium"), about(NATIONAL, text="Natrium")),
        (measured("mmol/L"), measured("mmol/L", "mmol/L")),
        (measured("mmol/L"), measured("mmol/l")),
        (measured("mmol/l", "mmol/l"), measured("mmol/L", "mmol/L")),
        (measured("10^9/L"), measured("10*9/L", value="140.0")),
        (measured("fl"), measured("fL", "fL")),
        (measured(), measured(code="1")),
        (measured("µmol/L", "umol/L"), measured("umol/L", "umol/L")),
        (coded(LOCAL | {"display": "Ingen vekst"}), coded(LOCAL)),
        (coded(LOCAL, text="Ingen vekst"), coded(NATIONAL, LOCAL, text="Ingen vekst")),
        (coded(NATIONAL), coded(NATIONAL | {"system": NLK[8:]}, LOCAL)),
        (coded(LOCAL | {"display": "Ingen vekst"}), observation("", valueCodeableConcept={"text": "Ingen vekst"})),
        (pressure(151), observation("", component=[{"code": {"text": " systolisk "}, "valueInteger": 151}])),
        (
            observation(referenceRange=[{"low": {"value": 137, "unit": "mmol/l"}}]),
            observation(referenceRange=[{"low": {"value": 137, "unit": "mmol/L", "code": "mmol/L"}}]),
        ),
        (observation(method={"coding": [NATIONAL]}), observation(method={"coding": [NATIONAL | {"system": NLK[8:]}]})),
        (observation(method={"coding": [NATIONAL]}), observation(method={"coding": [NATIONAL, LOCAL]})),
        (
            observation(specimen={"reference": "Specimen/a"}),
            observation(specimen={"reference": "Specimen/a/_history/2"}),
        ),
        (
            report(result=[{"reference": "Observation/a"}]),
            report(result=[{"reference": "Observation/a/_history/2"}]),
        ),
        (
            report(conclusionCode=[{"coding": [NATIONAL | {"display": "Brudd"}]}]),
            report(conclusionCode=[{"coding": [NATIONAL]}]),
        ),
    ],
)
def test_another_spelling_is_no_correction(before: Tree, after: Tree) -> None:
    assert not corrects(before, after)
    assert not corrects(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (about(NATIONAL, LOCAL), about(NATIONAL | {"code": "NPU01459"}, LOCAL)),
        (about(NATIONAL), about(NATIONAL | {"system": LOCAL["system"]})),
        (about(text="Natrium"), about(LOCAL, text="Kalium")),
        (measured("mmol/L"), measured("umol/L")),
        (measured("mmol/L", "mmol/L"), measured("mmol/L", "umol/L")),
        (measured("mmol/L", "mmol/L"), measured("umol/L", "mmol/L")),
        (measured("mg/L"), measured("Mg/L")),
        (measured("mol/L"), measured("mmol/L")),
        (measured("mmol/L"), measured()),
        (measured(), measured(code="mmol/L")),
        (measured("mmol/L"), measured(code="1")),
        (measured("10^9/L"), measured("10^6/L")),
        (coded(NATIONAL), coded(NATIONAL | {"code": "x"})),
        (coded(NATIONAL, LOCAL), coded(NATIONAL, LOCAL | {"code": "x"})),
        (coded(LOCAL | {"display": "Positiv"}), coded(LOCAL | {"display": "Negativ"})),
        (coded(LOCAL, text="Positiv"), coded(LOCAL, text="Negativ")),
        (coded(NATIONAL, HEADING), coded(LOCAL, HEADING)),
        (coded(HEADING), coded(LOCAL, HEADING)),
        (coded(NATIONAL, text="E. coli"), coded(NATIONAL, SUSCEPTIBLE, text="E. coli")),
        (coded(SUSCEPTIBLE, text="0.5"), coded(SUSCEPTIBLE)),
        (pressure(151), observation("", component=[{"code": {"text": "Diastolisk"}, "valueInteger": 151}])),
        (
            observation(method={"coding": [NATIONAL, LOCAL]}),
            observation(method={"coding": [NATIONAL | {"code": "x"}, LOCAL]}),
        ),
        (
            observation(specimen={"reference": "Specimen/a/_history/2"}),
            observation(specimen={"reference": "Specimen/b/_history/2"}),
        ),
    ],
)
def test_what_only_looks_like_another_spelling_is_a_correction(before: Tree, after: Tree) -> None:
    assert corrects(before, after)
    assert corrects(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (observation(), observation("151")),
        (observation(), observation("151", status="corrected")),
        (observation(status="preliminary"), observation("151")),
        (observation(), observation(status="entered-in-error")),
        (observation(), observation("", status="cancelled")),
        (observation(status="entered-in-error"), observation()),
        (observation(), observation("", status="corrected")),
        (observation(""), observation(status="corrected")),
        (observation(), observation(code={"coding": [{"system": "s", "code": "d"}]})),
        (pressure(151), pressure(141)),
        (report("Normalt"), report("Brudd")),
        (report("Normalt"), report("Normalt", status="entered-in-error")),
        (report("Normalt"), report(status="amended")),
        (report(presentedForm=[{"data": "QQ=="}]), report(presentedForm=[{"data": "Qg=="}])),
        (report(presentedForm=[{"url": "Binary/a"}]), report()),
        (report(result=[{"reference": "Observation/a"}]), report(result=[])),
        (a_file("QQ=="), a_file("Qg==")),
        (observation(interpretation=[flag("H")]), observation()),
        (observation(), observation(interpretation=[flag("H")])),
        (observation(interpretation=[flag("H")]), observation(interpretation=[flag("HH")])),
        (observation(referenceRange=[{"low": {"value": 137}}]), observation(referenceRange=[{"low": {"value": 130}}])),
        (observation(referenceRange=[{"text": "< 12"}]), observation(referenceRange=[{"text": "<= 12"}])),
        (up_to("under 14"), up_to("inntil 14")),
        (up_to("mindre enn 14"), up_to("<= 14")),
        (up_to("< 14"), up_to("")),
        (observation(effectiveDateTime="2026-11-20"), observation(effectiveDateTime="2026-11-21")),
        (observation(effectivePeriod={"start": "2026-11-20"}), observation(effectivePeriod={"start": "2026-11-19"})),
        (observation(), observation(effectiveDateTime="2026-11-21")),
        (observation(method={"text": "Gammel"}), observation(method={"text": "Ny"})),
        (
            observation(method={"text": "ELISA", "coding": [CODED]}),
            observation(method={"text": "ELISA", "coding": [CODED | {"code": "2"}]}),
        ),
        (observation(method={"text": "ELISA", "coding": [CODED]}), observation(method={"text": "PCR"})),
        (observation(interpretation=[{"text": "Høy"}]), observation(interpretation=[{"text": "Lav", **flag("L")}])),
        (
            observation(interpretation=[{"text": "Utenfor", **flag("H")}]),
            observation(interpretation=[{"text": "Utenfor", **flag("L")}]),
        ),
        (observation("", valueString="a\nb"), observation("", valueString="a b")),
        (observation(specimen={"reference": "Specimen/a"}), observation(specimen={"reference": "Specimen/b"})),
        (pressure(151), pressure(151, interpretation=[flag("H")])),
        (report("Normalt", effectiveDateTime="2026-11-20"), report("Normalt", effectiveDateTime="2026-11-21")),
        (specimen(type={"text": "Serum"}), specimen(type={"text": "Plasma"})),
        (
            specimen(collection={"collectedDateTime": "2026-11-20"}),
            specimen(collection={"collectedDateTime": "2026-11-21"}),
        ),
    ],
)
def test_what_says_something_else_is_a_correction(before: Tree, after: Tree) -> None:
    assert corrects(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (observation(), observation("140.0", status="corrected")),
        (observation(status="preliminary"), observation()),
        (observation("", status="registered"), observation()),
        (observation(), observation(note=[{"text": "x"}])),
        (observation(), observation(code={"coding": [{"system": "s", "code": "c", "display": "Navn"}]})),
        (observation(status="cancelled"), observation("151", status="entered-in-error")),
        (report(status="partial"), report("Normalt")),
        (report(presentedForm=[{"data": "QQ=="}]), report(presentedForm=[{"data": "Qg=="}, {"data": "QQ=="}])),
        (
            report(result=[{"reference": "Observation/a"}]),
            report(result=[{"reference": "/Observation/a"}, {"reference": "b"}]),
        ),
        (a_file("QQ=="), a_file("QQ==")),
        (
            observation(interpretation=[flag("H")]),
            observation(interpretation=[flag("1", "urn:oid:2.16.578.1.12.4.1.1.8244")]),
        ),
        (observation(referenceRange=[{"text": "28 - 40"}]), observation(referenceRange=[{"text": "28-40"}])),
        (up_to("under 14"), up_to("< 14")),
        (up_to("inntil 14"), up_to("<= 14")),
        (
            observation(referenceRange=[{"low": {"value": Decimal(5)}}]),
            observation(referenceRange=[{"low": {"value": Decimal("5.0")}, "text": "fra 5"}]),
        ),
        (observation(effectiveDateTime="2026-11-20"), observation(effectiveDateTime="2026-11-20T08:00:00+01:00")),
        (
            observation(effectiveDateTime="2026-11-20T07:00:00Z"),
            observation(effectiveInstant="2026-11-20T08:00:00+01:00"),
        ),
        (observation(specimen={"reference": "Specimen/a"}), observation(specimen={"reference": "/fhir/R4/Specimen/a"})),
        (observation(status="preliminary"), observation(interpretation=[flag("H")])),
        (observation(method={"text": "ELISA"}), observation(method={"text": "ELISA", "coding": [CODED]})),
        (specimen(type={"text": "Serum", "coding": [CODED]}), specimen(type={"text": " serum"})),
        (
            observation(interpretation=[{"text": "Høy"}]),
            observation(interpretation=[{"text": "Høy", **flag("H")}]),
        ),
        (
            observation(referenceRange=[{"low": {"value": 100}}, {"text": "gravide"}]),
            observation(referenceRange=[{"low": {"value": 100}}]),
        ),
        (observation("", valueString="Ingen vekst"), observation("", valueString="Ingen  vekst ")),
        (
            observation("", valueCodeableConcept={"text": "Ingen vekst"}),
            observation("", valueCodeableConcept={"text": "Ingen vekst "}),
        ),
        (report("Normalt"), report("Normalt ")),
        (observation("", status="registered"), observation("", status="registered", effectiveDateTime="2026-11-21")),
        (specimen(type={"text": "Serum"}), specimen(type={"text": "Serum"}, note=[{"text": "x"}])),
        (
            {"resourceType": "Specimen", "status": "available"},
            {"resourceType": "Specimen", "status": "unavailable"},
        ),
    ],
)
def test_what_says_the_same_or_only_waited_is_none(before: Tree, after: Tree) -> None:
    assert not corrects(before, after)


@pytest.mark.parametrize("status", ["entered-in-error", "unsatisfactory"])
def test_that_a_specimen_is_no_good_is_told_and_that_it_is_good_after_all(status: str) -> None:
    good, spoiled = specimen(status="available"), specimen(status=status)
    assert corrects(good, spoiled) and corrects(spoiled, good)
    unfinished = observation(status="preliminary", specimen={"beside": True, "status": "available"})
    assert moved(unfinished, unfinished | {"specimen": {"beside": True, "status": status}}) == {"sample"}
