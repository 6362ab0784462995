"""Which records are told to say nobody's name, and could."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.fhir.definitions import type_number
from kjerne.store.saying_whose import names_nobody

INSIDE = {"contained": [{"resourceType": "Specimen", "id": "s", "subject": {"display": "x"}}]}


@pytest.mark.parametrize(
    ("name", "fields", "does_not"),
    [
        ("Observation", {}, True), ("Observation", INSIDE, True), ("Encounter", {}, True), ("Communication", {}, True),
        ("Observation", {"subject": {"display": "Kari"}}, False),
        ("Observation", INSIDE | {"subject": {"reference": "Patient/1"}}, False),
        # These say it by another element, or by several.
        ("AllergyIntolerance", {}, False), ("Task", {}, False), ("Appointment", {}, False), ("Group", {}, False),
    ],
)  # fmt: skip
def test_a_record_names_nobody_where_it_has_a_subject_for_it_and_none_at_its_top(
    name: str, fields: dict[str, Any], does_not: bool
) -> None:
    assert names_nobody(type_number(name), json.dumps({"resourceType": name, **fields}).encode()) == does_not
