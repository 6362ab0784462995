"""Paths that lead to places: what the language has, what it does not, and where each step leads."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.places import parse, root_of, walk

TREE: dict[str, Any] = {
    "resourceType": "Observation",
    "contained": [{"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}],
    "status": "final",
    "valueQuantity": {"value": 5, "unit": "it's"},
    "component": [{"valueInteger": 1}, {"valueInteger": 2}, {"valueBoolean": True, "interpretation": [{"text": "x"}]}],
}


def values(path: str) -> list[Any]:
    root, steps = parse(path)
    return [place.value for place in walk([root_of(TREE, root)], steps)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("Observation.status", ["final"]),
        ("DomainResource.status", ["final"]),
        ("Observation.component.value", [1, 2, True]),
        ("Observation.component.value.ofType(boolean)", [True]),
        ("Observation.component.where(value = 2).value", [2]),
        ("Observation.component.where(value = true and interpretation.text = 'x').value", [True]),
        ("Observation.component.where(interpretation.exists()).interpretation[0].text", ["x"]),
        ("Observation.component.where(value = 'x')", []),
        (r"Observation.value.where(unit = 'it\'s').value", [5]),
        ("Observation.value.where(unit = 'it\\u0027s' and value = 5.0).value", [5]),
        ("Observation.contained[0].birthDate", ["1980-01-01"]),
        ("Observation.contained.where(id = 'p').birthDate.where(id.exists())", []),
        ("Observation.contained.where(birthDate = @1980-01-01).id", ["p"]),
        ("Observation . component [ 7 ] . value", []),
    ],
)
def test_a_path_leads_where_it_says(path: str, found: list[Any]) -> None:
    assert values(path) == found


@pytest.mark.parametrize(
    "path",
    [
        "", "Observation.", "Observation..status", "Observation.status[x]", "Observation.status[-1]", "Observation.status[",
        "Observation.component.where()", "Observation.component.where(value > 1)", "Observation.component.where(value = x)",
        "Observation.component.where(value = 1 or value = 2)", "Observation.subject.resolve()", "Observation.children()",
        "Observation.repeat(component)", "'Observation'.status", "Observation.status | Observation.code", "%resource.status",
        "Observation.status extra", "Observation.extension(url)", "Observation.where(status = 'x", "Observation" + ".a" * 2000,
        "Patient.name", "Observation.name", "Observation.contained[0].nothing",
    ],
)  # fmt: skip
def test_what_is_not_in_the_language_or_not_in_r4_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        values(path)
