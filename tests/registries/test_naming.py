"""How a resource names whose record it is: what is taken, and what can be nobody's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.validate import check
from kjerne.registries.naming import check_kept, check_names, number_in

NUMBER = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "13897512345"}


def about(inside: dict[str, Any]) -> dict[str, Any]:
    """A valid Observation whose subject is contained."""
    tree = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "contained": [{"id": "p", **inside}],
        "subject": {"reference": "#p"},
    }
    assert check(tree, "Observation") == []
    return tree


def checked(tree: dict[str, Any]) -> str:
    """The number that names the subject, once the names have held."""
    check_names(json.dumps(tree).encode(), tree)
    return number_in(tree)


@pytest.mark.parametrize(
    "inside",
    [
        {"resourceType": "Bundle", "type": "collection", "identifier": {"value": "1"}},
        {"resourceType": "QuestionnaireResponse", "status": "completed", "identifier": NUMBER},
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
        ({"resourceType": "Location", "identifier": [{"system": "urn:x", "value": "77"}]}, ""),
    ],
)
def test_a_contained_subject_names_the_patient_where_it_has_her_number(inside: dict[str, Any], number: str) -> None:
    assert checked(about(inside)) == number


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
