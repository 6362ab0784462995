"""What a shortcut reads is what the engine finds, or it says that the engine must be asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.fhirpath.calling import Environment
from kjerne.fhir.fhirpath.navigating import root
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.views.columns import Misfit, simple
from kjerne.fhir.views.definition import Column, Select
from kjerne.fhir.views.running import runner
from kjerne.fhir.views.shelf import names, shipped
from kjerne.fhir.views.shortcuts import Otherwise
from spoiled import spoiled

SEED = 20261126
NOW = datetime(2026, 1, 2, tzinfo=UTC)
QUANTITY = {"value": Decimal("5.50"), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
CONCEPT = {"coding": [{"system": "urn:a", "code": "A", "display": "Alpha"}, {"code": "B"}], "text": "alpha"}
PERIOD = {"start": "2024-03-01T10:00:00+01:00", "end": "2024-03-02"}
REPORT = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-diagnostic-report-ref"
EXAMPLES: dict[str, dict[str, Any]] = {
    "Patient": {
        "gender": "female",
        "birthDate": "1980-02",
        "address": [{"use": "home", "postalCode": "0150", "country": "NO"}, {"use": "work", "postalCode": "5003"}],
        "meta": {"lastUpdated": "2024-01-01T00:00:00Z"},
    },
    "Observation": {
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "extension": [{"url": REPORT, "valueReference": {"reference": "DiagnosticReport/r1"}}, {"url": "urn:other"}],
        "category": [CONCEPT],
        "code": CONCEPT,
        "effectiveDateTime": "2024-03-14T08:15:00+01:00",
        "valueQuantity": QUANTITY,
        "interpretation": [CONCEPT],
        "referenceRange": [{"low": QUANTITY, "text": "low"}],
        "component": [{"code": CONCEPT, "valueCodeableConcept": {"coding": [{"code": "X", "display": "x"}]}}],
    },
    "Encounter": {"period": PERIOD, "class": {"code": "AMB"}, "type": [CONCEPT], "reasonCode": [CONCEPT, CONCEPT]},
    "MedicationRequest": {
        "medicationCodeableConcept": CONCEPT,
        "authoredOn": "2024",
        "dosageInstruction": [{"text": "one", "doseAndRate": [{"doseQuantity": QUANTITY}]}],
    },
    "Procedure": {"performedPeriod": PERIOD, "code": CONCEPT, "bodySite": [CONCEPT]},
}


def top_columns(select: Select) -> Iterator[Column]:
    if not select.mode:
        yield from select.columns
        for one in (*select.selects, *select.unions):
            yield from top_columns(one)


def both(column: Column, tree: dict[str, Any]) -> None:
    node = root(tree)
    assert column.path.direct is not None
    try:
        found = column.path.direct(tree)
    except Otherwise:
        return
    try:
        items = column.path.run([node], Environment(node, node, context=[node]))
    except Misuse:
        items = ["the engine refuses"]
    wanted = [value for item in items if (value := simple(item)) is not None]
    assert found == wanted, (column.path.text, tree)


@pytest.mark.parametrize("name", names())
def test_shortcut_reads_what_the_engine_finds(name: str) -> None:
    view, draw = shipped(name), random.Random(SEED)
    tree = {"resourceType": view.resource, "id": "a1", **EXAMPLES.get(view.resource, {})}
    columns = [one for select in view.selects for one in top_columns(select) if one.path.direct]
    # The runner takes a shortcut for elements of its type alone.
    own = {"resourceType": view.resource}
    trees = [tree, *(spoiled(tree, draw) | own for _ in range(150 if view.resource in EXAMPLES else 5))]
    assert columns
    for one in columns:
        for changed in trees:
            both(one, changed)


@pytest.mark.parametrize("name", [name for name in names() if shipped(name).resource in EXAMPLES])
def test_a_spoiled_resource_has_rows_or_a_refusal(name: str) -> None:
    view, draw = shipped(name), random.Random(SEED)
    tree = {"resourceType": view.resource, "id": "a1", **EXAMPLES[view.resource]}
    for typed in (False, True):
        run, ended = runner(view, NOW, typed=typed), set[bool]()
        assert run(tree) or name == "encounter_diagnoses"
        for _ in range(100):
            try:
                run({**spoiled(tree, draw), "resourceType": view.resource})
                ended.add(True)
            except Misfit as misfit:
                assert misfit.where.startswith("ViewDefinition.select")
                ended.add(False)
        assert True in ended


def test_most_columns_of_the_shipped_views_have_a_shortcut() -> None:
    columns = [one for name in names() for one in shipped(name).columns]
    with_one = [one for one in columns if one.path.direct]
    assert len(with_one) / len(columns) > 0.8
