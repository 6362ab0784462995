"""Expressions as R4 uses them; what cannot be read says so, and nothing sent in runs away."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.fhirpath.compiling import compiled, evaluate
from kjerne.fhir.fhirpath.navigating import root
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.fhirpath.values import Temporal, plain

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "birthDate": "1974-12-25",
    "address": [{"period": {"start": "2024-03-01"}}],
    "link": [{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
    "_birthDate": {"extension": [{"url": "urn:time", "valueTime": "14:35:00"}]},
    "name": [{"use": "official", "given": ["Ola", "Per"]}, {"use": "usual", "given": ["Ole"]}],
    "deceasedBoolean": False,
    "multipleBirthInteger": 2,
    "generalPractitioner": [{"reference": "#p"}],
}


def values(expression: str) -> list[Any]:
    found = [plain(one) for one in evaluate(expression, root(PATIENT))]
    return [one.text if isinstance(one, Temporal) else one for one in found]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("name.given", ["Ola", "Per", "Ole"]),
        ("Patient.name.where(use = 'usual').given.first()", ["Ole"]),
        ("Observation.name", []),
        ("deceased.exists() and deceased.not()", [True]),
        ("multipleBirth is integer", [True]),
        ("multipleBirth is boolean", [False]),
        ("birthDate.extension('urn:time').value.exists()", [True]),
        ("birthDate < @1975", [True]),
        ("birthDate < @1974-12", []),
        ("name.given.count() + multipleBirth", [5]),
        ("name.select(given.first() & '-' & use)", ["Ola-official", "Ole-usual"]),
        ("name.all(given.exists()) implies false", [False]),
        ("{} implies true", [True]),
        ("(1 | 2 | 2).sum()", None),
        ("iif(name.exists(), 'yes', 'no')", ["yes"]),
        ("1.0 'g' = 1000 'mg'", [True]),
        ("'2024-02-30'.convertsToDate()", [False]),
        ("name.given.aggregate($total & $this, '')", ["OlaPerOle"]),
        ("5 div 2 + 5 mod 2", [3]),
        ("1 / 0", []),
        ("2.5.round()", [Decimal(3)]),
        ("name.given.join('-')", ["Ola-Per-Ole"]),
        ("name.family.join('-')", [""]),
        ("address.period.lowBoundary()", ["2024-03-01T00:00:00.000+14:00"]),
        ("address.period.highBoundary()", []),
        ("generalPractitioner.getReferenceKey()", []),
        ("link.other.getReferenceKey(Patient)", ["p2"]),
        ("link.other.getReferenceKey(Person)", []),
        ("getResourceKey()", ["p1"]),
    ],
)
def test_an_expression_has_its_value(expression: str, wanted: list[Any] | None) -> None:
    if wanted is None:
        with pytest.raises(ValueError, match="no function"):
            values(expression)
    else:
        assert values(expression) == wanted


@pytest.mark.parametrize("text", ["", "1 +", "name.", "(1", "name.given)", "'open", "a b", "is(Nothing)", "(" * 100])
def test_what_is_no_expression_cannot_be_compiled(text: str) -> None:
    with pytest.raises(ValueError):
        compiled(text)


@pytest.mark.parametrize(
    "text", ["name.given.single()", "name.given = 1 or (name.given > 1)", "1 + 'a'", "%nothing", "now()"]
)
def test_what_cannot_be_evaluated_says_so(text: str) -> None:
    with pytest.raises(Misuse):
        values(text)


@pytest.mark.parametrize("text", [" and ".join(["true"] * 2_000), "a" + ".a" * 2_000, "-" * 500 + "1", "'a" * 9_000])
def test_a_long_expression_is_refused_and_not_run_into_the_ground(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError):
        compiled(text)
    assert time.process_time() - started < 1


def test_an_extension_that_is_no_object_is_none_that_is_asked_for() -> None:
    for odd in ("text", [None, 1], None):
        tree = {"resourceType": "Patient", "extension": odd, "_extension": {"id": "a"}}
        assert evaluate("extension('urn:a').exists()", root(tree)) == [False]
