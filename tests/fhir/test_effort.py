"""The check of a resource is held to a sum of steps, whatever its expressions and faults are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from counting import growth
from kjerne.fhir.effort import STEPS_AT_ONCE, STEPS_LIMIT, TooCostly, kept, limited, spend, summed, work
from kjerne.fhir.validate import check

NOTHING: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def rules(tree: dict[str, Any]) -> list[str]:
    return [fault.rule for fault in check(tree, tree["resourceType"])]


def test_steps_are_spent_until_there_are_none() -> None:
    with limited(3):
        spend(3)
        with pytest.raises(TooCostly):
            spend(1)
    spend(10 * STEPS_LIMIT)


def test_several_checks_are_summed_and_none_is_cut_short_by_it() -> None:
    with summed(5) as effort:
        with limited(4):
            spend(3)
        assert effort.left == 2
        with pytest.raises(TooCostly), limited(4):
            spend(5)
        assert effort.left == -3
    with limited(4):
        spend(4)
    assert effort.left == -3


def test_what_is_kept_is_made_once_for_each_check() -> None:
    made: list[object] = []
    part: dict[str, Any] = {}
    for _ in range(2):
        with limited(1):
            kept(part, made.append)
            kept(part, made.append)
    assert len(made) == 2


def coded(size: int) -> list[str]:
    codings = [{"system": "urn:x", "code": f"a{place}"} for place in range(size)]
    components = [{"code": {"coding": [{"system": "urn:x", "code": f"b{place}"}]}} for place in range(size)]
    return rules(NOTHING | {"code": {"coding": codings}, "component": components, "valueString": "x"})


def grouped(size: int) -> list[str]:
    groups = [{"id": f"g{place}", "name": "x"} for place in range(size)]
    resources = [{"reference": {"reference": "Patient/1"}, "groupingId": f"g{place}"} for place in range(size)]
    return rules(
        {
            "resourceType": "ImplementationGuide",
            "url": "urn:x",
            "name": "X",
            "status": "draft",
            "packageId": "a",
            "fhirVersion": ["4.0.1"],
            "definition": {"grouping": groups, "resource": resources},
        }
    )


def led(size: int) -> list[str]:
    people = [{"resourceType": "Practitioner", "id": f"p{place}"} for place in range(size)]
    participants = [
        {"member": {"reference": f"#p{place}"}, "onBehalfOf": {"reference": "Organization/1"}} for place in range(size)
    ]
    return rules({"resourceType": "CareTeam", "contained": people, "participant": participants})


def asked(size: int) -> list[str]:
    items = [{"linkId": f"{place}", "type": "string"} for place in range(size)]
    return rules({"resourceType": "Questionnaire", "status": "draft", "item": items})


def pathed(size: int) -> list[str]:
    elements = [{"path": "Patient.extension", "id": f"Patient.extension:{place}"} for place in range(size)]
    top = {"path": "Patient", "id": "Patient"}
    return rules(
        {
            "resourceType": "StructureDefinition",
            "url": "urn:x",
            "name": "X",
            "status": "draft",
            "kind": "resource",
            "abstract": False,
            "type": "Patient",
            "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
            "derivation": "constraint",
            "differential": {"element": [top, *elements]},
        }
    )


@pytest.mark.parametrize("work", [coded, grouped, led, asked, pathed], ids=lambda work: work.__name__)
def test_the_work_of_an_invariant_grows_as_the_resource_does(work: Any) -> None:
    assert work(60) == []
    assert growth(work, 60) < 2.5


def test_the_sides_that_do_not_change_still_decide() -> None:
    coding = {"system": "urn:x", "code": "a"}
    tree = NOTHING | {"code": {"coding": [coding]}, "component": [{"code": {"coding": [coding]}}], "valueString": "x"}
    assert rules(tree) == ["obs-7"]
    guide = {"definition": {"grouping": [{"id": "a", "name": "x"}], "resource": [{"groupingId": "b"}]}}
    assert "ig-1" in rules({"resourceType": "ImplementationGuide", **guide})


def test_more_expressions_than_the_steps_allow_are_too_costly() -> None:
    items = [{"linkId": f"{place}", "type": "string"} for place in range(15_000)]
    form = {"resourceType": "Questionnaire", "id": "q", "status": "draft", "item": items}
    note = {"text": "x", "authorReference": {"reference": "#q"}}
    (found,) = check(NOTHING | {"contained": [form], "note": [note]}, "Observation")
    assert (found.where, found.code, found.rule) == ("Observation", "too-costly", "validation-steps")


def test_more_faults_than_the_steps_allow_are_too_costly() -> None:
    inner: dict[str, Any] = {
        "url": "urn:x",
        "extension": [{"url": "urn:x", "valueReference": {"reference": "#x"}}] * 30_000,
    }
    for _ in range(26):
        inner = {"url": "urn:x", "extension": [inner]}
    assert rules(NOTHING | {"extension": [inner]}) == ["validation-steps"]


def test_a_great_result_costs_nothing_like_it() -> None:
    assert rules(NOTHING | {"component": [{"code": {"text": "x"}, "valueQuantity": {"value": 1}}] * 20_000}) == []


def test_work_lets_others_have_their_turn_and_ends() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(other())
        with limited(STEPS_AT_ONCE * 10), pytest.raises(TooCostly):
            while True:
                await work(7)
        beside.cancel()

    asyncio.run(both())
    assert 9 <= turns <= 12
