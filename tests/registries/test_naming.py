"""How a resource names whose record it is: what is taken, and what can be nobody's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.searchparams import parameters
from kjerne.fhir.validate import check
from kjerne.registries.homes import SERVICE_BY_TYPE
from kjerne.registries.naming import (
    check_kept,
    check_names,
    is_national,
    number_in,
    subject_element,
    subject_parameter,
)

NUMBER = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "13897512345"}


def about(inside: dict[str, Any]) -> dict[str, Any]:
    """An Observation whose subject is contained."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "contained": [{"id": "p", **inside}],
        "subject": {"reference": "#p"},
    }


def checked(tree: dict[str, Any]) -> str:
    """The number that names the subject, once the names have held."""
    check_names(json.dumps(tree).encode(), tree)
    return number_in(tree)


@pytest.mark.parametrize(
    "inside",
    [
        {"resourceType": "Bundle", "type": "collection", "identifier": {"value": "1"}},
        {"resourceType": "QuestionnaireResponse", "status": "completed", "identifier": NUMBER},
        {"resourceType": "Location", "identifier": [{"system": "urn:x", "value": "77"}]},
    ],
    ids=lambda inside: str(inside["resourceType"]),
)
def test_what_can_be_nobodys_record_is_no_subject(inside: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        checked(about(inside))
    assert (refused.value.status, refused.value.where) == (422, "Observation.subject")


@pytest.mark.parametrize(
    ("inside", "number"),
    [
        ({"resourceType": "Patient", "identifier": [NUMBER]}, NUMBER["value"]),
        ({"resourceType": "Patient"}, ""),
    ],
)
def test_a_contained_subject_names_the_patient_where_it_has_her_number(inside: dict[str, Any], number: str) -> None:
    assert checked(about(inside)) == number


@given(
    start=st.sampled_from(["", "urn:oid:", "urn:uid:"]),
    kind=st.sampled_from("123"),
    changed=st.sampled_from([str, str.upper, str.title, " {} ".format]),
)
def test_a_national_system_is_one_however_its_address_is_spelled(
    start: str, kind: str, changed: Callable[[str], str]
) -> None:
    assert is_national(changed(f"{start}2.16.578.1.12.4.1.4.{kind}"))


@pytest.mark.parametrize(
    "system",
    [
        "urn:uid:2.16.578.1.12.4.1.4.4",
        "urn:uid:2.16.578.1.12.4.1.4.11",
        "urn:uuid:2.16.578.1.12.4.1.4.1",
        "urn:uid:",
        " ",
        "urn:oid:urn:uid:2.16.578.1.12.4.1.4.1",
        "urn:oid:1.2.752.129.2.1.3.1",
        3,
        None,
    ],
)
def test_another_system_is_no_national_one(system: object) -> None:
    assert not is_national(system)


LOCAL = {"system": "urn:example:local", "value": "77"}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"subject": {"identifier": NUMBER}}, {}, "takes the subject away"),
        ({"subject": {"identifier": NUMBER}}, {"subject": {"display": "x"}}, "takes the subject away"),
        ({"subject": {"reference": "Patient/1"}}, {"subject": {"display": "x"}}, "takes the subject away"),
        (about({"resourceType": "Patient", "identifier": [NUMBER]}), {"subject": {"reference": "#p"}}, "takes the"),
        ({"subject": {"reference": "Patient/1"}}, {"subject": {"reference": "Patient/2"}}, "another subject"),
        ({"subject": {"identifier": LOCAL}}, {"subject": {"identifier": LOCAL | {"value": "78"}}}, "another subject"),
        (
            about({"resourceType": "Patient", "identifier": [LOCAL]}),
            about({"resourceType": "Patient", "identifier": [LOCAL | {"value": "78"}]}),
            "another subject",
        ),
    ],
)
def test_an_update_that_loses_or_changes_the_subject_is_refused(
    before: dict[str, Any], after: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refusal) as refused:
        check_kept("Observation", before, after)
    assert (refused.value.status, refused.value.where) == (422, "Observation.subject")
    assert says in refused.value.says
    assert NUMBER["value"] not in refused.value.says + refused.value.todo


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({}, {"subject": {"reference": "Patient/1"}}),
        ({"subject": {"display": "x"}}, {}),
        ({"subject": {"reference": "Patient/1"}}, {"subject": {"reference": "Patient/1", "display": "x"}}),
        ({"subject": {"reference": "Patient/1"}}, {"subject": {"identifier": NUMBER}}),
        ({"subject": {"identifier": NUMBER}}, about({"resourceType": "Patient", "identifier": [NUMBER]})),
    ],
)
def test_an_update_may_name_the_same_subject_better(before: dict[str, Any], after: dict[str, Any]) -> None:
    check_kept("Observation", before, after)


NOT_OF_A_SUBJECT = {"Binary", "PractitionerRole"}


@pytest.mark.parametrize("name", sorted(SERVICE_BY_TYPE.keys() - NOT_OF_A_SUBJECT))
def test_whom_a_type_is_about_stands_where_its_own_search_parameter_looks(name: str) -> None:
    found = {leaf.path.partition("[")[0] for leaf in parameters(name)[subject_parameter(name)].leaves}
    assert found == {subject_element(name)}
    assert "Patient" in parameters(name)[subject_parameter(name)].targets


def test_a_type_without_an_element_for_its_patient_is_not_served() -> None:
    assert {
        name for name in SERVICE_BY_TYPE if not parameters(name).keys() & {"patient", "subject"}
    } == NOT_OF_A_SUBJECT


def meeting(*actors: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A valid Appointment of these."""
    met = [{"actor": one, "status": "accepted"} for one in actors]
    tree = {"resourceType": "Appointment", "status": "proposed", "participant": met} | more
    assert check(tree, "Appointment") == []
    return tree


PATIENT = {"type": "Patient", "identifier": NUMBER}
DOCTOR = {"type": "Practitioner", "identifier": NUMBER | {"value": "13897512426"}}
UNKNOWN = {"identifier": NUMBER | {"value": "13897512426"}}
CONTAINED = {"resourceType": "Patient", "id": "p", "identifier": [NUMBER]}
ROOM = {"identifier": {"value": "77"}, "display": "Room 7"}


@pytest.mark.parametrize(
    ("tree", "number"),
    [
        (meeting(DOCTOR, PATIENT, ROOM), NUMBER["value"]),
        (meeting(DOCTOR, ROOM), ""),
        (meeting(ROOM, UNKNOWN), UNKNOWN["identifier"]["value"]),
        (meeting(DOCTOR, {"reference": "https://a.example/Patient/1", "identifier": NUMBER}), NUMBER["value"]),
        (meeting({"reference": "#p"}, contained=[CONTAINED]), NUMBER["value"]),
        ({"resourceType": "Task", "for": PATIENT, "focus": {"reference": "Encounter/1"}}, NUMBER["value"]),
        ({"resourceType": "AppointmentResponse", "actor": PATIENT}, NUMBER["value"]),
        ({"resourceType": "SupplyRequest", "deliverTo": PATIENT}, NUMBER["value"]),
        ({"resourceType": "Device", "patient": PATIENT}, NUMBER["value"]),
    ],
)
def test_the_patient_is_found_where_the_type_names_her(tree: dict[str, Any], number: str) -> None:
    assert checked(tree) == number


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (meeting(PATIENT, {"type": "Patient", "display": "a second"}), "two or more"),
        (meeting(PATIENT, UNKNOWN), "two or more"),
        ({"resourceType": "Task", "for": {"reference": "Organization/1"}}, "about Organization"),
        (
            {"resourceType": "Task", "for": {"reference": "https://a.example/fhir/Encounter/1/_history/2"}},
            "about Encounter",
        ),
        ({"resourceType": "AppointmentResponse", "actor": {"type": "Practitioner"}}, "about Practitioner"),
        ({"resourceType": "SupplyRequest", "deliverTo": {"reference": "Location/ward"}}, "about Location"),
        ({"resourceType": "List", "subject": {"type": "Group", "identifier": NUMBER}}, "about Group"),
        ({"resourceType": "AdverseEvent", "subject": {"reference": "RelatedPerson/1"}}, "about RelatedPerson"),
    ],
)
def test_what_is_about_no_one_patient_is_refused_at_the_element_that_says_so(tree: dict[str, Any], says: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked(tree)
    name = tree["resourceType"]
    assert (refused.value.status, refused.value.where) == (422, f"{name}.{subject_element(name)}")
    assert says in refused.value.says
    assert NUMBER["value"] not in refused.value.says + refused.value.todo


def test_a_new_version_of_an_appointment_keeps_its_patient() -> None:
    check_kept("Appointment", meeting(PATIENT, DOCTOR), meeting(DOCTOR, ROOM, PATIENT))
    with pytest.raises(Refusal, match=r"takes the participant\.actor away"):
        check_kept("Appointment", meeting(PATIENT, DOCTOR), meeting(DOCTOR, ROOM))
