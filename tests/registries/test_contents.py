"""Which kind of critical information a resource is: by category, profile or code, and nobody's where it does not say."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.exchange import OtherKind
from kjerne.policy.services import SERVICES
from kjerne.registries.contents import KINDS_SYSTEM, check_content, content_of, must_register, service_of, what_of

KJ = "http://nhn.no/kj/fhir/"


def a(type_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type_, **more}


def coded(code: str, system: str = KINDS_SYSTEM) -> list[dict[str, Any]]:
    return [{"coding": [{"system": system, "code": code}]}]


def several(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://snomed.info/sct", "code": code} for code in codes]}


ONGOING = coded("6", f"{KJ}CodeSystem/Category")[0]


def profile(name: str) -> dict[str, Any]:
    return {"profile": [f"{KJ}StructureDefinition/{name}|1.0"]}


@pytest.mark.parametrize(
    ("tree", "kinds"),
    [
        (a("AllergyIntolerance", category=["medication"]), {"drug-reaction"}),
        (a("AllergyIntolerance", category=["food", "environment"]), {"other-allergen"}),
        (a("AllergyIntolerance", category=["medication", "biologic"]), {"drug-reaction", "other-allergen"}),
        (a("Condition", category=coded("5", f"{KJ}CodeSystem/Category")), {"critical-condition"}),
        (a("Condition", category=coded("7", f"{KJ}CodeSystem/Category")), {"transplant"}),
        (a("Condition", meta=profile("KjConditionInfection")), {"infection"}),
        (a("Condition", meta=profile("KjConditionIntubationProblem")), {"intubation-problem"}),
        (a("Condition", category=coded("anaesthesia-problem")), {"anaesthesia-problem"}),
        (a("DeviceUseStatement"), {"implant"}),
        (a("Procedure", code=coded("108290001", "http://snomed.info/sct")[0]), {"radiotherapy"}),
        (a("Procedure", category=coded("265764009", "http://snomed.info/sct")[0]), {"dialysis"}),
        (a("Procedure", category=coded("6", f"{KJ}CodeSystem/Category")[0]), {"other-treatment"}),
        (a("Procedure", meta=profile("KjProcedure"), code=coded("367336001", "http://snomed.info/sct")[0]), {"cytostatics"}),
        (a("Procedure", category=ONGOING, code=several("182764009", "265764009")), {"dialysis", "other-treatment"}),
        (
            a("Procedure", category={"coding": [*ONGOING["coding"], *several("265764009")["coding"]]}, code=several("182764009")),
            {"dialysis", "other-treatment"},
        ),
        (
            a("Procedure", meta=profile("KjProcedure"), code={"coding": [*several("71192002")["coding"], {"code": "B01AA03"}]}),
            {"dialysis", "other-treatment"},
        ),
        (a("Procedure", category=ONGOING, code=several("71192002", "367336001")), {"dialysis", "cytostatics"}),
        (a("Flag", category=coded("9", f"{KJ}CodeSystem/Category")), {"procedure-change"}),
        (a("Flag", category=coded("crisis-plan")), {"crisis-plan"}),
        (a("Observation", category=coded("dialysis")), set()),
    ],
)  # fmt: skip
def test_a_resource_is_of_the_kind_that_it_says(tree: dict[str, Any], kinds: set[str]) -> None:
    assert content_of(tree) == kinds
    check_content(tree, content_of(tree))


@pytest.mark.parametrize(
    "tree",
    [
        a("AllergyIntolerance"),
        a("Condition", category=coded("crisis-plan")),
        a("Condition", category=coded("verification")),
        a("Condition", meta=profile("KjNobodysOwn")),
        a("Procedure", category=coded("1", f"{KJ}CodeSystem/Category")[0]),
        a("Flag"),
    ],
)
def test_what_does_not_say_its_kind_is_refused_with_the_place_and_what_to_send(tree: dict[str, Any]) -> None:
    assert content_of(tree) == frozenset()
    with pytest.raises(Refusal, match="does not say which kind") as refused:
        check_content(tree, content_of(tree))
    assert (refused.value.status, refused.value.where) == (422, f"{tree['resourceType']}.category")
    assert "Send a category" in refused.value.todo


@pytest.mark.parametrize(
    "tree",
    [
        a("Condition"),
        a(
            "Condition",
            category=coded("encounter-diagnosis", "http://terminology.hl7.org/CodeSystem/condition-category"),
        ),
        a("Condition", category=coded("5", "http://another.example"), meta={"profile": ["http://another.example/5"]}),
        a("Procedure", code=coded("80146002", "http://snomed.info/sct")[0]),
    ],
)
def test_what_says_nothing_of_critical_information_is_the_records(tree: dict[str, Any]) -> None:
    assert (content_of(tree), service_of(tree)) == ({"record"}, "record")
    check_content(tree, content_of(tree))


def test_what_says_that_it_is_critical_stays_there_and_other_types_are_where_they_are() -> None:
    for tree in (a("Condition", category=coded("infection")), a("Condition", category=coded("nonsense"))):
        assert service_of(tree) == "critical-information"
    assert [service_of(a(name)) for name in ("Observation", "Encounter", "Slot")] == ["results", "record", ""]


def test_a_confirmed_record_is_an_act_of_verifying_too() -> None:
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
    tree = a("AllergyIntolerance", category=["medication"], verificationStatus=coded("confirmed", system)[0])
    assert what_of(content_of(tree)) == "drug-reaction verification"


def test_every_kind_of_the_law_is_a_kind_that_some_resource_can_be() -> None:
    law = set().union(*SERVICES["critical-information"].registers.values())
    said = {
        kind
        for type_ in SERVICES["critical-information"].types
        for code in law
        for kind in content_of(
            a(type_, category=coded(code) if type_ != "AllergyIntolerance" else ["food", "medication"])
        )
    }
    assert said == law - {"verification"}


def test_a_grant_of_some_kinds_has_the_law_asked_about_another() -> None:
    must_register(None, ())
    must_register(frozenset({"dialysis"}), {"dialysis"})
    for content in ({"dialysis", "drug-reaction"}, set[str]()):
        with pytest.raises(OtherKind) as other:
            must_register(frozenset({"dialysis"}), content)
        assert other.value.what == " ".join(sorted(content))
