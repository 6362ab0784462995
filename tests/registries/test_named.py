"""Whom a document of any shape names as a patient by a national number."""

from __future__ import annotations

import json
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.registries.named import named_in, numbers_of
from kjerne.sandbox.numbers import person_number as made
from shapes import ANYTHING

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
NUMBER = made(Random(7), date(1970, 5, 1), "female", set())
HERS: dict[str, Any] = {"identifier": {"system": FNR, "value": NUMBER}}


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        ({"resourceType": "AllergyIntolerance", "patient": HERS}, "patient.identifier"),
        ({"resourceType": "AllergyIntolerance", "patient": HERS | {"reference": "Patient/1"}}, "patient.identifier"),
        ({"resourceType": "Composition", "subject": HERS}, "subject.identifier"),
        ({"resourceType": "Composition", "section": [{}, {"focus": HERS | {"type": "Patient"}}]}, "section[1].focus.identifier"),
        ({"resourceType": "Coverage", "beneficiary": HERS}, "beneficiary.identifier"),
        ({"resourceType": "SupplyRequest", "deliverTo": HERS}, "deliverTo.identifier"),
        ({"resourceType": "Task", "for": HERS}, "for.identifier"),
        ({"resourceType": "Appointment", "participant": [{"actor": HERS}]}, "participant[0].actor.identifier"),
        ({"resourceType": "ResearchSubject", "individual": HERS}, "individual.identifier"),
        ({"resourceType": "DocumentReference", "context": {"sourcePatientInfo": HERS}}, "context.sourcePatientInfo.identifier"),
        ({"resourceType": "Patient", "link": [{"other": HERS}]}, "link[0].other.identifier"),
        ({"resourceType": "Patient", "identifier": [{"value": "1"}, HERS["identifier"]]}, "identifier"),
        ({"resourceType": "Flag", "contained": [{"resourceType": "Patient", **HERS}]}, "contained[0].identifier"),
        ({"resourceType": "Device", "extension": [{"valueReference": HERS | {"type": "Patient"}}]},
         "extension[0].valueReference.identifier"),
        ({"resourceType": "Condition", "asserter": HERS | {"reference": "https://a.example/Patient/1"}}, "asserter.identifier"),
        ({"resourceType": "Condition", "subject": {"reference": f"Patient/{NUMBER}"}}, "subject.reference"),
        ({"resourceType": "Condition", "subject": {"reference": f"Patient?identifier={FNR}|{NUMBER}"}}, "subject.reference"),
        ({"resourceType": "MyOwn", "patient": [HERS]}, "patient.identifier"),
    ],
)  # fmt: skip
def test_a_patient_is_named_wherever_a_reference_to_her_stands(tree: dict[str, Any], where: str) -> None:
    assert list(named_in(tree)) == [(where, NUMBER)]
    inside = {"resourceType": "Bundle", "entry": [{"resource": tree}]}
    assert list(named_in(inside, "Bundle")) == [(f"Bundle.entry[0].resource.{where}", NUMBER)]


@pytest.mark.parametrize(
    "tree",
    [
        {"resourceType": "Practitioner", **HERS},
        {"resourceType": "Condition", "asserter": HERS, "recorder": HERS | {"type": "Practitioner"}},
        {"resourceType": "Encounter", "participant": [{"individual": HERS}]},
        {"resourceType": "RelatedPerson", **HERS},
        {"resourceType": "Patient", "identifier": [{"system": "https://abroad.example/id", "value": NUMBER}]},
        {"resourceType": "Condition", "subject": {"reference": "urn:uuid:7b1f9d1e-0c5a-4d39-8f1d-15887099829b"}},
    ],
)
def test_who_has_done_something_and_a_number_of_another_system_name_no_patient(tree: dict[str, Any]) -> None:
    assert list(named_in(tree)) == []


@pytest.mark.parametrize("written", ["{0} {1}", "{0}-{1}", "{0}.{1}", " {0}{1} ", "{0} - {1}", "{0}\u2013{1}"])
@pytest.mark.parametrize("system", [FNR, FNR.upper(), FNR.removeprefix("urn:oid:"), ""])
def test_a_number_is_read_however_it_is_set_apart(written: str, system: str) -> None:
    value = written.format(NUMBER[:6], NUMBER[6:])
    assert numbers_of({"system": system, "value": value}) == {NUMBER}
    assert numbers_of({"system": system, "value": value.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))}) == {
        NUMBER
    }


def test_control_digits_count_under_no_system_alone() -> None:
    wrong = NUMBER[:10] + str((int(NUMBER[10]) + 1) % 10)
    assert numbers_of({"system": FNR, "value": wrong}) == {wrong}
    assert (numbers_of({"value": wrong}), numbers_of({"value": wrong}, strict=False)) == (frozenset(), {wrong})
    spoken = int("9" + NUMBER[1:])
    assert numbers_of({"system": FNR, "value": spoken}) == {str(spoken)}


@given(ANYTHING)
def test_a_tree_of_any_shape_names_somebody_or_nobody(tree: object) -> None:
    assert all(len(number) == len(NUMBER) for _, number in named_in(tree))


@given(ANYTHING, st.randoms())
def test_a_number_is_found_whatever_stands_beside_it(beside: object, chance: Any) -> None:
    members = [("patient", HERS), ("beside", beside), ("resourceType", "Flag")]
    chance.shuffle(members)
    assert NUMBER in {number for _, number in named_in(json.loads(json.dumps(dict(members))))}
