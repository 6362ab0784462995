"""What is valid, and refused because nobody here could act on it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.fhir.understood import not_understood

TURNS = [{"url": "http://example.org/not", "valueBoolean": True}]
OTHERS: list[dict[str, Any]] = [
    {"extension": TURNS},
    {"note": [{"text": "modifierExtension"}]},
    {"valueString": "\u00e5"},
]


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"modifierExtension": TURNS * 2}, ["modifierExtension[0]", "modifierExtension[1]"]),
        ({"component": [{}, {"modifierExtension": TURNS}]}, ["component[1].modifierExtension[0]"]),
        ({"contained": [{"id": "s", "modifierExtension": TURNS}]}, ["contained[0].modifierExtension[0]"]),
        *((more, []) for more in OTHERS),
    ],
)
def test_what_turns_the_meaning_of_an_element_is_named_with_its_place(more: dict[str, Any], where: list[str]) -> None:
    tree = {"resourceType": "Observation", **more}
    found = not_understood(json.dumps(tree).encode(), tree)
    assert [(one.where, one.rule) for one in found] == [(f"Observation.{one}", "modifier-extension") for one in where]


def test_a_name_that_is_spelled_by_code_points_is_found_too() -> None:
    raw = json.dumps({"resourceType": "Observation", "modifierExtension": TURNS}).replace(
        "modifierE", "modifier\\u0045"
    )
    assert not_understood(raw.encode(), json.loads(raw))


@pytest.mark.parametrize("type_", ["Observation", "QuestionnaireResponse", "Media"])
def test_a_finding_that_is_contained_is_named_and_who_or_what_is_not(type_: str) -> None:
    inside = [{"resourceType": "Specimen", "id": "s"}, {"resourceType": type_, "id": "c"}]
    tree = {"resourceType": "DiagnosticReport", "contained": inside, "result": [{"reference": "#c"}]}
    (found,) = not_understood(json.dumps(tree).encode(), tree)
    assert (found.where, found.rule) == ("DiagnosticReport.contained[1]", "contained-finding")
    del inside[1]
    assert not_understood(json.dumps(tree).encode(), tree) == []
