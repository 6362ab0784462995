"""What a shortcut reads is what the engine finds, or it says that the engine must be asked."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.fhirpath.calling import Environment
from kjerne.fhir.fhirpath.navigating import root
from kjerne.fhir.fhirpath.operators import Misuse
from kjerne.fhir.views.columns import simple
from kjerne.fhir.views.definition import Column, Select
from kjerne.fhir.views.shelf import names, shipped
from kjerne.fhir.views.shortcuts import Otherwise

SEED = 20261126
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
ODD = (None, [], {}, "text", 7, True, [None], [None, "x"], {"text": 1}, [[{"code": "A"}]], Decimal(1), "2024-13-01")


def top_columns(select: Select) -> Iterator[Column]:
    if not select.mode:
        yield from select.columns
        for one in (*select.selects, *select.unions):
            yield from top_columns(one)


def mutated(tree: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The tree with one place in it changed to what R4 does not foresee, left out, or given a `_name`."""
    tree = copy.deepcopy(tree)
    inside: Any = tree
    while True:
        name = draw.choice(list(inside)) if type(inside) is dict else draw.randrange(len(inside))
        deeper = inside[name]
        if type(deeper) in (dict, list) and deeper and draw.random() < 0.7:
            inside = deeper
            continue
        if type(inside) is dict and draw.random() < 0.3:
            inside[f"_{name}"] = draw.choice([{"extension": [{"url": "urn:x"}]}, {"id": "a"}, None])
        inside[name] = draw.choice(ODD)
        return tree


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
    trees = [tree, *(mutated(tree, draw) | own for _ in range(150 if view.resource in EXAMPLES else 5))]
    assert columns
    for one in columns:
        for changed in trees:
            both(one, changed)


def test_most_columns_of_the_shipped_views_have_a_shortcut() -> None:
    columns = [one for name in names() for one in shipped(name).columns]
    with_one = [one for one in columns if one.path.direct]
    assert len(with_one) / len(columns) > 0.8
