"""What the national interface writes on a record itself: people, times, and what nobody but a publisher changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.corrections import is_in_error
from kjerne.fhir.encode import encode
from kjerne.fhir.validate import check
from kjerne.registries.recorders import changed, registered
from kjerne.services.critical.keeping import settled, shown, withdrawn

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
Tree = dict[str, Any]


def doctor(hpr: str = "9001") -> Caller:
    return Caller("practitioner", "epj", frozenset(), hpr=hpr, authorization="LE", organisation="100000999")


def flag(**more: Any) -> Tree:
    return {"resourceType": "Flag", "status": "active", "code": {"text": "-"}, "subject": {"display": "-"}} | more


def ids(tree: Tree) -> list[str]:
    return [one["id"] for one in tree.get("contained", ())]


def test_what_is_written_is_valid_and_names_who_and_when() -> None:
    made = registered(flag(id="mine"), doctor(), NOW)
    assert check(made, "Flag") == [] and "id" not in made
    assert made["author"] == {"reference": "#recorder"} and ids(made) == ["recorder"]
    assert [one.get("valueDateTime") for one in made["extension"]] == [None, "2026-03-03T12:00:00Z"]


def test_nothing_that_is_contained_is_left_over_and_nothing_of_the_senders_is_lost() -> None:
    """A sender contains its own people for recorder and updater, one of whom something else refers to."""
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"}}
    person = {"resourceType": "Practitioner", "id": "p", "identifier": [{"system": HPR, "value": "9001"}]}
    other = {"resourceType": "Practitioner", "id": "recorder"}
    sent = flag(
        contained=[role, person, other],
        author={"reference": "#r"},
        extension=[{"url": "https://epj.example", "valueReference": {"reference": "#recorder"}}],
    )
    made = registered(sent, doctor(), NOW)
    assert ids(made) == ["recorder", "recorder-1"]
    assert made["author"]["reference"] == "#recorder-1"
    again = made
    for number in range(3):
        again = changed(again, again, doctor(f"900{number}"), NOW)
    assert ids(again) == ["recorder", "recorder-1", "updater"]


def test_whoever_is_contained_as_a_recorder_by_fhir_stays_once_over_versions() -> None:
    device = {"resourceType": "Device", "id": "d"}
    before = flag(contained=[device], author={"reference": "#d"})
    after = changed(before, before, doctor(), NOW)
    assert after["author"] == {"reference": "#d"}
    assert ids(changed(after, after, doctor("9002"), NOW)) == ["d", "updater"]
    with pytest.raises(Refusal) as caught:
        changed(flag(contained=[{"resourceType": "Patient", "id": "p"}], subject={"reference": "#p"}), flag(
            contained=[device | {"parent": {"reference": "#p"}}, {"resourceType": "Device", "id": "p"}],
            author={"reference": "#d"},
        ), doctor(), NOW)  # fmt: skip
    assert (caught.value.status, caught.value.where) == (422, "Flag.contained")


def test_a_record_without_a_recorder_gets_none_by_being_changed() -> None:
    """Who changes it is not who registered it."""
    after = changed(flag(), flag(), doctor(), NOW)
    assert "author" not in after and ids(after) == ["updater"]


def test_an_error_is_said_once_in_the_element_that_has_it() -> None:
    gone = withdrawn(flag(), doctor(), NOW)
    assert gone["status"] == "entered-in-error" and is_in_error(gone)
    with pytest.raises(Refusal) as caught:
        withdrawn(gone, doctor(), NOW)
    assert caught.value.status == 410
    active = {"coding": [{"code": "active"}]}
    allergy = {"resourceType": "AllergyIntolerance", "clinicalStatus": active, "patient": {"display": "-"}}
    gone = withdrawn(allergy, doctor(), NOW)
    assert check(gone, "AllergyIntolerance") == [] and "clinicalStatus" not in gone
    assert settled(gone | {"clinicalStatus": active}) == gone
    assert settled(allergy) is allergy


@pytest.mark.parametrize(
    ("end", "status"),
    [("2026-03-02", "inactive"), ("2026-03-03", "active"), ("2026-03-03T12:59:59+01:00", "inactive"), (None, "active")],
)
def test_a_flag_is_over_when_the_last_instant_of_its_period_is(end: str | None, status: str) -> None:
    period = {"start": "2026-01-01"} | ({"end": end} if end else {})
    served = encode(flag(period=period))
    assert f'"status":"{status}"'.encode() in shown("Flag", served, NOW)
    completed = encode(flag(period=period, status="entered-in-error"))
    assert shown("Flag", completed, NOW) is completed


@pytest.mark.parametrize("wrong", [["AllergyIntolerance"], 7, None, "AllergyIntolerance"])
def test_what_has_another_shape_is_left_for_the_validator_to_refuse(wrong: Any) -> None:
    for status in (wrong, {"coding": wrong}, {"coding": [wrong]}, {"coding": [{"code": wrong}]}):
        tree = {"resourceType": wrong, "clinicalStatus": wrong, "verificationStatus": status}
        assert settled(tree) is tree
