"""Among records of several people each says whose it is, where its type has room for that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.fhir.definitions import type_number
from kjerne.store.saying_whose import saying_whose

HERS = {"reference": "Patient/1"}
INSIDE = {"contained": [{"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/2"}}]}


def said(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    tree = {"resourceType": name, **fields}
    sent = json.dumps(tree).encode()
    found = saying_whose(type_number(name), sent, json.dumps(HERS).encode())
    kept: dict[str, Any] = json.loads(found)
    if kept == tree:
        assert found is sent, "what says it leaves as it came"
    return kept


@pytest.mark.parametrize(
    ("name", "fields", "where", "value"),
    [
        ("Observation", {}, "subject", HERS), ("Observation", INSIDE, "subject", HERS),
        ("Observation", {"code": {"text": "subject"}}, "subject", HERS), ("Encounter", {}, "subject", HERS),
        ("Observation", {"subject": {"display": "Kari"}}, "subject", {"display": "Kari"} | HERS),
        ("Task", {}, "for", HERS), ("SupplyRequest", {}, "deliverTo", HERS), ("Device", {}, "patient", HERS),
        ("Account", {}, "subject", [HERS]), ("Account", {"subject": [{"display": "x"}]}, "subject", [{"display": "x"} | HERS]),
    ],
)  # fmt: skip
def test_what_names_nobody_gets_her(name: str, fields: dict[str, Any], where: str, value: Any) -> None:
    assert said(name, fields) == {"resourceType": name, **fields, where: value}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Observation", {"subject": {"reference": "Patient/2"}}), ("Observation", INSIDE | {"subject": {"reference": "#p"}}),
        ("Observation", {"subject": {"type": "Patient", "identifier": {"value": "x"}}}),
        ("SupplyRequest", {"deliverTo": {"reference": "Location/1"}}), ("Appointment", {"participant": []}),
    ],
)  # fmt: skip
def test_what_names_somebody_is_left(name: str, fields: dict[str, Any]) -> None:
    assert said(name, fields) == {"resourceType": name, **fields}
