"""What stays on a record of critical information over versions that any sender writes: who registered it, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.access import Caller
from kjerne.fhir.validate import check
from kjerne.registries.kj_profiles import BASE
from kjerne.registries.recorders import DATES, RECORDERS, UPDATED, UPDATER, changed, put_back, registered

FIRST = datetime(2026, 3, 3, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 4, 12, tzinfo=UTC)
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
Tree = dict[str, Any]


def doctor(hpr: str = "9001") -> Caller:
    return Caller("practitioner", "epj", frozenset(), hpr=hpr, authorization="LE", organisation="100000999")


def forged(tree: Tree) -> Tree:
    """With another's number wherever the recorder stands."""
    contained = [one | {"practitioner": {"identifier": {"system": HPR, "value": "7777"}}} for one in tree["contained"]]
    return tree | {"contained": contained}


def people(tree: Tree, element: str) -> tuple[list[str], list[str]]:
    """The numbers of recorder and updater."""
    by_id = {
        f"#{one['id']}": one["practitioner"]["identifier"]["value"]
        for one in tree["contained"]
        if "practitioner" in one
    }
    updaters = [one["valueReference"]["reference"] for one in tree["extension"] if one["url"] == UPDATER]
    return [by_id[tree[element]["reference"]]], [by_id[one] for one in updaters]


@pytest.mark.parametrize("name", RECORDERS)
def test_a_forged_recorder_and_time_are_put_back_and_the_updater_is_who_wrote(name: str) -> None:
    element, date = RECORDERS[name], DATES.get(name)
    before = registered({"resourceType": name}, doctor(), FIRST)
    sent = forged(before) | ({date: "2001-01-01T00:00:00Z"} if date else {})
    after = put_back(sent, before, doctor("9002"), LATER)
    assert people(after, element) == (["9001"], ["9002"])
    assert [one["valueDateTime"] for one in after["extension"] if one["url"] == UPDATED] == ["2026-03-04T12:00:00Z"]
    assert date is None or after[date] == before[date]


def test_what_plain_fhir_wrote_keeps_its_recorder_too_and_gets_no_updater() -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"display": "Lege A"}}
    before = {
        "resourceType": "AllergyIntolerance", "contained": [role], "recorder": {"reference": "#r"}, "recordedDate": "2020",
    }  # fmt: skip
    other = before | {"contained": [role | {"practitioner": {"display": "Lege B"}}], "recordedDate": "2001"}
    taken = {"resourceType": "AllergyIntolerance"}
    for sent in (other, taken, taken | {"recorder": {"display": "Lege B"}}):
        after = put_back(sent, before, doctor(), LATER)
        assert (after["contained"], after["recorder"], after["recordedDate"]) == ([role], {"reference": "#r"}, "2020")
        assert "extension" not in after


def test_what_a_publisher_writes_by_fhir_stands_as_it_was_sent() -> None:
    before = registered({"resourceType": "Flag", "code": {"text": "-"}}, doctor(), FIRST)
    info = {"url": f"{BASE}KjCodeInfoText", "valueString": "Fra utgiveren"}
    sent = before | {"extension": [*before["extension"], info], "code": {"text": "-", "extension": [info]}}
    after = put_back(sent, before, doctor(), LATER)
    assert (after["extension"].count(info), after["code"]) == (1, sent["code"])


def test_what_says_it_already_stays_as_it_was_sent() -> None:
    by = {"system": HPR, "value": doctor().hpr}
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"display": "Lege A", "identifier": by}}
    before: Tree = {"resourceType": "Flag", "contained": [role], "author": {"reference": "#r"}}
    renamed: Tree = {"resourceType": "Flag", "contained": [role | {"id": "q"}], "author": {"reference": "#q"}}
    for sent in (before, renamed):
        assert put_back(sent, before, doctor(), LATER) is sent
    nobody = {"resourceType": "Flag"}
    assert put_back(before, nobody, doctor(), LATER) is before


def test_a_system_that_changes_a_record_is_its_updater_by_its_organisation() -> None:
    system = Caller("system", "epj", frozenset(), organisation="100000999")
    before = registered(
        {"resourceType": "Flag", "status": "active", "code": {"text": "-"}, "subject": {"display": "-"}},
        doctor(),
        FIRST,
    )
    after = changed(before, before, system, LATER)
    (updater,) = [one for one in after["contained"] if one["id"] == "updater"]
    assert set(updater) == {"resourceType", "id", "organization"}
    assert check(after, "Flag") == []
