"""Every invariant of R4's definitions evaluates; the short ways to an answer give the answer of the expression itself."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.fhir import definitions, invariants
from kjerne.fhir.fhirpath.calling import Environment
from kjerne.fhir.fhirpath.compiling import compiled
from kjerne.fhir.fhirpath.navigating import children, members, root
from kjerne.fhir.fhirpath.operators import Misuse, truth
from kjerne.fhir.fhirpath.values import Node
from kjerne.fhir.rulebook import rules
from kjerne.fhir.validate import check
from kjerne.wire import json

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "r4-official-examples-dev.tgz"
LOOSER = {"per-1", "rng-2"}
"""Where what is less precise, or in another unit, is not compared."""
CANNOT: dict[str, str] = {}
"""Invariants of the definitions that cannot be evaluated, each with the reason. There is none."""


def every() -> Iterator[tuple[str, str, str]]:
    for path, constraints in rules().constraints.items():
        for one in constraints:
            yield path, one.key, invariants.MENDED.get(one.key, one.expression)


def truth_of(type: str, expression: str, element: Any) -> bool | None:
    node = Node(element, type)
    return truth(compiled(expression)([node], Environment(node, node, context=[node])))


def test_every_invariant_of_the_definitions_evaluates() -> None:
    failed = set()
    for path, key, expression in every():
        type = path if path in definitions.table().elements else "Element"
        try:
            truth_of(type, expression, {})
        except (ValueError, Misuse):
            failed.add(key)
    assert failed == set(CANNOT)
    assert len({key for _, key, _ in every()}) >= 237


def structures(tree: Any, type: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a resource with its type."""
    rest: list[Node] = [root(tree)]
    while rest:
        node = rest.pop()
        if isinstance(node.value, dict):
            yield node.type, node.value
            rest.extend(children([node]))


@pytest.mark.skipif(not EXAMPLES.exists(), reason="../shared is not beside the checkout")
def test_every_invariant_evaluates_on_the_official_examples_and_short_ways_agree() -> None:
    with tarfile.open(EXAMPLES) as archive:
        files = [archive.extractfile(one) for one in archive if one.name.endswith(".json") and one.size < 40_000]
        trees = [json.parse(file.read(), limit_bytes=10_000_000) for file in files if file]
    expressions: dict[str, list[tuple[str, str]]] = {}
    for path, key, expression in every():
        expressions.setdefault(path, []).append((key, expression))
    seen = 0
    for tree in trees:
        for type, element in structures(tree, tree["resourceType"]):
            ours = {one.key: one for one in invariants.of_type(type)}
            for key, expression in expressions.get(type, ()):
                if key in ours and ours[key].within is None and key not in LOOSER:
                    seen += 1
                    assert ours[key].broken(element) == (truth_of(type, expression, element) is False), key
    assert seen > 4_000


NAMES = st.sampled_from(
    "value _value code system unit start end low high text data contentType use id dataAbsentReason component".split()
)
INNER = st.sampled_from(["x", "", Decimal(1), {"value": Decimal(2)}, {"coding": [{"code": "x"}]}, {"text": "x"}])


@given(
    st.sampled_from(["Quantity", "ContactPoint", "Attachment", "Observation.referenceRange"]),
    st.dictionaries(NAMES, INNER),
)
@settings(max_examples=200, deadline=None)
def test_what_is_written_out_says_what_the_definitions_say(type: str, element: dict[str, Any]) -> None:
    known = {key for found in members(type).values() for name, _ in found for key in (name, f"_{name}")}
    element = {name: value for name, value in element.items() if name in known}
    for path, key, expression in every():
        if path == type and key in invariants.WRITTEN:
            assert invariants.WRITTEN[key](element) == (truth_of(type, expression, element) is False)


def broken(tree: dict[str, Any]) -> set[str]:
    return {fault.rule for fault in check(tree, tree["resourceType"])}


CODE = {"text": "x"}


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"resourceType": "Observation", "status": "final", "code": CODE, "valueString": "x", "dataAbsentReason": CODE}, "obs-6"),
        ({"resourceType": "Appointment", "status": "booked", "participant": [{"actor": CODE, "status": "accepted"}]}, "app-3"),
        ({"resourceType": "List", "status": "current", "mode": "snapshot", "entry": [{"deleted": True, "item": CODE}]}, "lst-2"),
        ({"resourceType": "Organization", "active": True}, "org-1"),
        ({"resourceType": "Organization", "name": "x", "address": [{"use": "home", "city": "x"}]}, "org-2"),
        ({"resourceType": "Linkage", "item": [{"type": "source", "resource": {"display": "x"}}]}, "lnk-1"),
        ({"resourceType": "Group", "type": "person", "actual": False, "member": [{"entity": {"display": "x"}}]}, "grp-1"),
        ({"resourceType": "Bundle", "type": "document", "identifier": {"system": "urn:x", "value": "y"}}, "bdl-10"),
        ({"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:1", "request": CODE}]}, "bdl-3"),
        (
            {
                "resourceType": "RiskAssessment",
                "status": "final",
                "subject": {"display": "x"},
                "prediction": [{"probabilityRange": {"low": {"value": 1, "code": "kg", "system": "http://unitsofmeasure.org"}}}],
            },
            "ras-1",
        ),
        (
            {
                "resourceType": "CareTeam",
                "participant": [{"member": {"reference": "Patient/1"}, "onBehalfOf": {"display": "x"}}],
            },
            "ctm-1",
        ),
    ],
)  # fmt: skip
def test_an_invariant_that_is_broken_is_named(tree: dict[str, Any], key: str) -> None:
    assert key in broken(tree)


def test_an_invariant_looks_at_the_resource_around_its_element() -> None:
    team = {
        "resourceType": "CareTeam",
        "contained": [{"resourceType": "Practitioner", "id": "p", "active": True}],
        "participant": [{"member": {"reference": "#p"}, "onBehalfOf": {"display": "x"}}],
    }
    assert broken(team) == set()


def test_what_cannot_be_told_breaks_nothing() -> None:
    """Of 2024 and 2024-03 nobody knows which comes first."""
    task = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "order",
        "authoredOn": "2024-03",
        "lastModified": "2024",
    }
    assert broken(task) == set()


def narrowed() -> list[str]:
    """The members of R4's own types that are quantities without a comparator."""
    return [path for path, key, _ in every() if key == invariants.BARE and path.rpartition(".")[0] != ""]


def test_a_quantity_that_r4_narrows_has_no_comparator_wherever_it_stands() -> None:
    assert len(narrowed()) > 50
    for path in narrowed():
        place, _, name = path.rpartition(".")
        looks = [one.broken for one in invariants.of_type(place) if one.key == invariants.BARE]
        expression = f"{name.removesuffix('[x]')}.all(comparator.empty())"
        for key, of in members(place)[name.removesuffix("[x]")]:
            values: tuple[Any, ...] = (
                ({"value": 1}, {"value": 1, "comparator": "<"}) if of == "Quantity" else ({"id": "x"},)
            )
            for one in values:
                many = {element.name for element in definitions.elements(place).values() if element.many}
                element = {key: [one, one] if name in many else one}
                broken = any(look(element) for look in looks)
                assert broken is (truth_of(place, expression, element) is False), (path, key, one)
        assert not any(look({}) for look in looks)


@pytest.mark.parametrize(
    ("limits", "wrong"),
    [
        ({"low": {"value": 1}, "high": {"value": 2}}, []),
        ({"low": {"value": 1, "comparator": "<"}}, [("Observation.referenceRange[0]", "sqty-1")]),
        ({"high": {"_comparator": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}},
         [("Observation.referenceRange[0]", "sqty-1")]),
    ],
)  # fmt: skip
def test_a_limit_of_a_reference_range_has_no_comparator(limits: dict[str, Any], wrong: list[tuple[str, str]]) -> None:
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "referenceRange": [limits]}
    assert [(one.where, one.rule) for one in check(tree, "Observation")] == wrong
