"""Whom a resource names beside its subject, and by which of its elements."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from kjerne.fhir.definitions import TYPES
from kjerne.registries.homes import KEPT
from kjerne.registries.identifiers import control_digits
from kjerne.registries.naming import subject_element
from kjerne.registries.others import NAMED_LIMIT, NOBODY, RELATIVE, open_paths, others_in, telling
from kjerne.registries.others import whose as every_ones

CHILD = f"Patient/{uuid4()}"
NUMBER = next(nine + ends for nine in (f"128175{n}" for n in range(100, 200)) if (ends := control_digits(nine)))
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"


def to(address: str) -> dict[str, Any]:
    return {"reference": address}


def whose(name: str) -> dict[str, Any]:
    """The element by which a type says whose it is, with another's address."""
    return {subject_element(name): to(f"Patient/{uuid4()}")}


NAMING: list[tuple[str, dict[str, Any]]] = [
    ("Observation", {"focus": [to(CHILD)]}),
    ("Observation", {"focus": [to("Device/1"), to(f"https://a.example/fhir/{CHILD}/_history/2")]}),
    ("Communication", {"about": [to(CHILD)]}),
    ("Communication", {"payload": [{"contentString": "x"}, {"contentReference": to(CHILD)}]}),
    ("List", {"entry": [{"item": to(CHILD)}]}),
    ("Task", {"for": to("Patient/1"), "focus": to(CHILD)}),
    ("DetectedIssue", {"evidence": [{"detail": [to(CHILD)]}]}),
    ("FamilyMemberHistory", {"extension": [{"url": RELATIVE, "valueReference": to(CHILD)}]}),
]
NOT_NAMING: list[tuple[str, dict[str, Any]]] = [
    ("Observation", {"subject": to(CHILD)}),
    ("Observation", {"performer": [to(CHILD)]}),
    ("Observation", {"focus": [to("Practitioner/1"), to("Patient/1"), to("#p"), {"display": CHILD}]}),
    ("Observation", {"focus": [{"type": "Practitioner", "identifier": {"system": FNR, "value": NUMBER}}]}),
    ("Observation", {"focus": [{"identifier": {"system": FNR, "value": NUMBER}}]}),
    ("Observation", {"focus": [{"type": "Patient", "identifier": {"system": "urn:x", "value": NUMBER}}]}),
    ("Observation", {"focus": [{"type": "Patient", "identifier": {"system": FNR, "value": f"{NUMBER[:-1]}x"}}]}),
    ("Observation", {"extension": [{"url": RELATIVE, "valueReference": to(CHILD)}]}),
    ("AllergyIntolerance", {"asserter": to(CHILD), "recorder": to(CHILD)}),
    ("QuestionnaireResponse", {"subject": to(CHILD), "source": to(CHILD)}),
    ("Task", {"for": to(CHILD), "owner": to(CHILD)}),
    ("Binary", {"securityContext": to(CHILD)}),
    ("Observation", {"contained": [{"resourceType": "Observation", "focus": [to(CHILD)]}]}),
]


@pytest.mark.parametrize(("name", "fields"), NAMING)
def test_what_a_record_is_about_names_a_patient(name: str, fields: dict[str, Any]) -> None:
    found = others_in({"resourceType": name, **whose(name), **fields})
    assert [one.partition("/_history")[0][-len(CHILD) :] for one in found.addresses] == [CHILD]
    assert not found.numbers


@pytest.mark.parametrize(("name", "fields"), NOT_NAMING)
def test_its_subject_and_who_did_something_in_it_do_not(name: str, fields: dict[str, Any]) -> None:
    tree = {"resourceType": name, **whose(name), **fields}
    assert (others_in(tree), telling(tree)) == (NOBODY, frozenset())


def test_among_several_peoples_each_keeps_whose_it_is() -> None:
    assert every_ones({"resourceType": "Task"}) == {"for"}


def test_a_part_keeps_the_contained_patient_by_which_it_says_whose_it_is() -> None:
    tree = {"resourceType": "Observation", "subject": to("#p"), "contained": [{"resourceType": "Patient", "id": "p"}]}
    assert every_ones(tree) == {"subject", "contained"}
    assert telling(tree | {"focus": [to(CHILD)]}) >= {"subject", "focus", "contained"}


def test_no_part_of_what_names_another_goes_without_whose_it_is_and_whom_it_names() -> None:
    assert telling({"resourceType": "Observation", "focus": [to(CHILD)], **whose("Observation")}) == {
        "subject",
        "focus",
    }
    relative = {"resourceType": "FamilyMemberHistory", "extension": [{"url": RELATIVE, "valueReference": to(CHILD)}]}
    assert {"patient", "extension"} <= telling(relative | whose("FamilyMemberHistory"))


def test_a_number_names_where_it_is_said_to_be_a_patients() -> None:
    focus = [{"type": "Patient", "identifier": {"system": FNR, "value": NUMBER}}]
    assert others_in({"resourceType": "Observation", "focus": focus, **whose("Observation")}).numbers == {NUMBER}


def test_a_list_of_a_wards_patients_is_nobodys() -> None:
    def named(count: int) -> int:
        entries = [{"item": to(f"Patient/{uuid4()}")} for _ in range(count)]
        return len(others_in({"resourceType": "List", "entry": entries, **whose("List")}).addresses)

    assert (named(NAMED_LIMIT), named(NAMED_LIMIT + 1)) == (NAMED_LIMIT, 0)


def test_the_elements_are_told_by_r4_and_every_kept_type_has_been_looked_at() -> None:
    assert open_paths("Observation") == (("focus",),)
    assert set(open_paths("CarePlan")) == {("supportingInfo",), ("activity", "outcomeReference")}
    assert open_paths("Specimen") == ()
    assert {name for name, _ in KEPT} <= set(TYPES)
    assert sum(len(open_paths(name)) for name in {name for name, _ in KEPT}) == 43
