"""Among records of several people each says whose it is, where its type has room for that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.splice import splice
from kjerne.store.reading import Record
from kjerne.store.saying_whose import of_somebody, saying_whose
from kjerne.store.sealed_id import SealedIds

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
        ("Observation", {"subject": {"identifier": {"use": "usual"}}}, "subject", {"identifier": {"use": "usual"}} | HERS),
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


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "fields",
    [{"subject": {"display": "x"}, "status": "final"}, {"id": "a", "meta": {"versionId": "7"}, "subject": {}}, {}],
)
def test_what_leaves_is_json_with_the_id_and_version_of_here_however_it_was_spaced(
    fields: dict[str, Any], indent: int | None
) -> None:
    raw, id_ = json.dumps({"resourceType": "Observation"} | fields, indent=indent).encode(), UUID(int=5)
    record = Record(7, type_number("Observation"), id_, 3, Label(0), datetime.now(UTC), None, raw, splice(raw))
    served = json.loads(of_somebody(SealedIds(bytes(16)), record).served)
    assert (served["id"], served["meta"]["versionId"]) == (str(id_), "3")
    assert served["subject"]["reference"].startswith("Patient/")
