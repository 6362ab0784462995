"""R4's own bindings beyond its required lists: extensible ones are advice, and what nobody lists is asked of a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from guide_packages import joined
from kjerne.fhir.core_bindings import CoreBindings, requiring
from kjerne.fhir.judging import EXTENSIBLE, UNTOLD
from kjerne.fhir.value_sets import Has, Listed, OutOfReach

LISTED = CoreBindings(Listed(joined([])))
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
IDENTIFIERS = "http://terminology.hl7.org/CodeSystem/v2-0203"


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def advised(tree: dict[str, Any], bindings: CoreBindings = LISTED) -> list[tuple[str, str]]:
    found = bindings.judge(tree)
    assert found.faults == []
    return [(one.where, one.rule) for one in found.advice]


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"interpretation": [coded(INTERPRETATIONS, "H")]}, []),
        ({"interpretation": [{"text": "high"}]}, []),
        ({"interpretation": [coded("urn:s", "high")]}, ["interpretation[0]"]),
        ({"component": [{"code": {"text": "x"}, "interpretation": [coded("urn:s", "x")]}]}, ["component[0].interpretation[0]"]),
        ({"identifier": [{"type": coded(IDENTIFIERS, "MR"), "value": "x"}]}, []),
        ({"identifier": [{"type": coded(IDENTIFIERS, "XX"), "value": "x"}]}, ["identifier[0].type"]),
        ({"subject": {"identifier": {"type": coded("urn:s", "x")}}}, ["subject.identifier.type"]),
        ({"extension": [{"url": "urn:x", "valueIdentifier": {"type": coded("urn:s", "x")}}]},
         ["extension[0].valueIdentifier.type"]),
        ({"contained": [OBSERVATION | {"dataAbsentReason": coded("urn:s", "x")}]}, ["contained[0].dataAbsentReason"]),
        ({"category": [coded("urn:s", "x")]}, []),
    ],
)  # fmt: skip
def test_a_code_beside_an_extensible_value_set_of_r4_is_advised_against(
    members: dict[str, Any], where: list[str]
) -> None:
    assert advised(OBSERVATION | members) == [(f"Observation.{one}", EXTENSIBLE) for one in where]


def test_the_advice_names_the_value_set() -> None:
    (advice,) = LISTED.judge(OBSERVATION | {"interpretation": [coded("urn:s", "high")]}).advice
    assert "http://hl7.org/fhir/ValueSet/observation-interpretation" in advice.says


@pytest.mark.parametrize(("unit", "wrong"), [("a", []), ("kg", [("Condition.onsetAge", EXTENSIBLE)])])
def test_an_age_is_in_a_unit_of_time(unit: str, wrong: list[tuple[str, str]]) -> None:
    age = {"value": 4, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    assert advised({"resourceType": "Condition", "subject": {"display": "x"}, "onsetAge": age}) == wrong


def test_an_entry_of_a_bundle_is_held_to_the_bindings_of_its_type() -> None:
    entry = {"resource": OBSERVATION | {"interpretation": [coded("urn:s", "high")]}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert advised(bundle) == [("Bundle.entry[0].resource.interpretation[0]", EXTENSIBLE)]


@dataclass(frozen=True)
class Store(Listed):
    """Has `a` of every value set that nobody lists, not `b`, and knows of no other; `asked` counts by value set."""

    asked: Counter[str] = field(default_factory=Counter)

    def asking(self, canonical: str) -> Has | None:
        def has(_system: str, code: str) -> bool | None:
            self.asked[canonical] += 1
            return {"a": True, "b": False}.get(code)

        return has


@pytest.mark.parametrize(("code", "rules"), [("a", []), ("b", [EXTENSIBLE]), ("c", [UNTOLD])])
def test_what_r4_does_not_list_is_asked_of_the_store(code: str, rules: list[str]) -> None:
    encounter = {"resourceType": "Encounter", "status": "planned", "class": {"system": "urn:s", "code": code}}
    store = Store(joined([]))
    assert advised(encounter, CoreBindings(store)) == [("Encounter.class", rule) for rule in rules]
    assert store.asked == {"http://terminology.hl7.org/ValueSet/v3-ActEncounterCode": 1}
    assert advised(encounter) == []
    assert advised(encounter, CoreBindings(OutOfReach(joined([])))) == [("Encounter.class", UNTOLD)]


@pytest.mark.parametrize(("code", "faults"), [("a", []), ("b", ["required-binding"]), ("c", [])])
def test_a_required_value_set_that_r4_does_not_list_is_asked_of_the_store_too(code: str, faults: list[str]) -> None:
    variant = {"variantType": coded("urn:s", code)}
    tree = {"resourceType": "MolecularSequence", "coordinateSystem": 0, "structureVariant": [variant]}
    assert "MolecularSequence" in requiring()
    assert [one.rule for one in CoreBindings(Store(joined([]))).judge(tree).faults] == faults


def test_what_is_too_costly_to_hold_to_bindings_is_left_as_it_is() -> None:
    many = [{"text": "x", "coding": [{"system": "urn:s", "code": "x"}] * 30_000}] * 10
    assert advised(OBSERVATION | {"interpretation": many}) == []
