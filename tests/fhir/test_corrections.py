"""Whether a new version says something else than the one before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.corrections import corrects

Tree = dict[str, Any]


def observation(value: str = "140", **more: Any) -> Tree:
    made: Tree = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "s", "code": "c"}]}}
    return made | ({"valueQuantity": {"value": Decimal(value)}} if value else {}) | more


def report(conclusion: str = "", **more: Any) -> Tree:
    made: Tree = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "CT"}}
    return made | ({"conclusion": conclusion} if conclusion else {}) | more


def a_file(data: str) -> Tree:
    return {"resourceType": "Binary", "contentType": "application/pdf", "data": data}


def pressure(value: int) -> Tree:
    return observation("", component=[{"code": {"text": "Systolisk"}, "valueInteger": value}])


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
            {"resourceType": "Specimen", "status": "available"},
            {"resourceType": "Specimen", "status": "entered-in-error"},
        ),
    ],
)
def test_what_says_the_same_or_only_waited_is_none(before: Tree, after: Tree) -> None:
    assert not corrects(before, after)
