"""The profiles of kjernejournal, as the table of facts has them: each asks what it says, and all of it is judged."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kjerne.registries.contents import _OF_TYPE
from kjerne.registries.kj_profiles import (
    ATC,
    BASE,
    FEST_MEDICATION,
    FEST_SUBSTANCE,
    PROFILE_BY_KIND,
    SNOMED,
    _profiles,
    definitions,
    judge,
)

HL7 = "http://terminology.hl7.org/CodeSystem/"
Tree = dict[str, Any]


def coded(system: str, code: str = "1", **more: Any) -> Tree:
    return {"coding": [{"system": system, "code": code, "display": "Navn"} | more]}


def allergy(**more: Any) -> Tree:
    source = {"system": "http://nhn.no/kj/fhir/CodeSystem/SourceOfInformation", "code": "1"}
    return {
        "resourceType": "AllergyIntolerance",
        "extension": [{"url": f"{BASE}KjSourceOfInformation", "valueCoding": source}],
        "clinicalStatus": coded(f"{HL7}allergyintolerance-clinical", "active"),
        "verificationStatus": coded(f"{HL7}allergyintolerance-verification", "unconfirmed"),
        "category": ["medication"],
        "criticality": "high",
        "code": coded(ATC, "J01CA04"),
        "patient": {"display": "-"},
        "recordedDate": "2026-01-01",
        "reaction": [{"manifestation": [coded("urn:oid:2.16.578.1.12.4.1.1.7497")]}],
    } | more


def device(**more: Any) -> Tree:
    return {
        "resourceType": "DeviceUseStatement",
        "contained": [{"resourceType": "Device", "id": "d", "type": coded(SNOMED)}],
        "status": "active",
        "recordedOn": "2026-01-01",
        "device": {"reference": "#d"},
        "subject": {"display": "-"},
    } | more


def broken(tree: Tree, profile: str) -> set[tuple[str, str]]:
    return {(one.where, one.rule) for one in judge(tree, profile)}


def test_every_kind_has_a_profile_of_its_type_and_nothing_in_one_is_left_unjudged() -> None:
    for type_, kinds in _OF_TYPE.items():
        for kind in kinds:
            assert definitions()[BASE + PROFILE_BY_KIND[kind]]["type"] == type_
    for address in definitions():
        found = _profiles().find(address)
        assert found is not None and found.unjudged == (), address


def test_what_keeps_to_them_has_no_fault() -> None:
    assert judge(allergy(), "KjAllergyIntolerance") == []
    assert judge(device(), "KjDeviceUseStatement") == []


@pytest.mark.parametrize("missing", ["extension", "verificationStatus", "category", "criticality", "code", "reaction"])
def test_an_allergy_lacks_nothing_that_its_profile_demands(missing: str) -> None:
    tree = allergy()
    del tree[missing]
    assert (f"AllergyIntolerance.{missing}", "profile-cardinality") in broken(tree, "KjAllergyIntolerance")


def test_statuses_are_those_of_the_profile() -> None:
    at = "AllergyIntolerance"
    refuted = allergy(verificationStatus=coded(f"{HL7}allergyintolerance-verification", "refuted"))
    assert broken(refuted, f"Kj{at}") == {(at, "kj-refuted-inactive")}
    inactive = refuted | {"clinicalStatus": coded(f"{HL7}allergyintolerance-clinical", "inactive")}
    assert broken(inactive, f"Kj{at}") == set()
    resolved = allergy(clinicalStatus=coded(f"{HL7}allergyintolerance-clinical", "resolved"))
    assert broken(resolved, f"Kj{at}") == {(f"{at}.clinicalStatus", "kj-clinical-status")}
    condition = {
        "resourceType": "Condition", "clinicalStatus": coded(f"{HL7}condition-clinical", "active"),
        "verificationStatus": coded(f"{HL7}condition-ver-status", "provisional"), "code": coded(SNOMED),
        "recordedDate": "2026", "subject": {"display": "-"},
    }  # fmt: skip
    for profile in (one for one in PROFILE_BY_KIND.values() if one.startswith("KjCondition")):
        assert broken(condition, profile) == {("Condition.verificationStatus", "kj-condition-verification")}
    for type_, profile, rule in (
        ("Procedure", "KjProcedure", "kj-procedure-status"), ("Flag", "KjFlag", "kj-flag-status"),
    ):  # fmt: skip
        tree = {"resourceType": type_, "status": "unknown", "code": coded(SNOMED), "category": [coded("urn:x")]}
        assert (f"{type_}.status", rule) in broken(tree, profile)


@pytest.mark.parametrize("system", [
    ATC, FEST_SUBSTANCE, FEST_MEDICATION, SNOMED, "urn:oid:2.16.578.1.12.4.1.1.7180", "2.16.840.1.113883.6.96",
    "http://nhn.no/kj/fhir/CodeSystem/ActiveSubstance", "http://nhn.no/kj/fhir/CodeSystem/DrugTradeName",
])  # fmt: skip
def test_an_allergy_is_coded_in_any_spelling_of_the_systems_it_may_be_of(system: str) -> None:
    assert judge(allergy(code=coded(system)), "KjAllergyIntolerance") == []


def test_a_code_of_another_system_and_a_second_code_without_a_main_one_are_told() -> None:
    at, two = "AllergyIntolerance.code", coded(ATC)["coding"] + coded("urn:oid:2.16.578.1.12.4.1.1.7110")["coding"]
    assert broken(allergy(code={"coding": two}), "KjAllergyIntolerance") == {
        (at, "kj-main-code"), (f"{at}.coding[1].system", "kj-code-system"),
    }  # fmt: skip
    main = copy.deepcopy(two)
    main[0]["userSelected"], main[1]["system"] = True, SNOMED
    assert broken(allergy(code={"coding": main}), "KjAllergyIntolerance") == set()
    main[1]["userSelected"] = True
    assert broken(allergy(code={"coding": main}), "KjAllergyIntolerance") == {(at, "kj-main-code")}


def test_the_type_of_reaction_is_of_7497_however_it_is_spelled_and_one_alone() -> None:
    at = "AllergyIntolerance.reaction[0].manifestation"
    for system, wrong in (
        ("urn:uid:2.16.578.1.12.4.1.1.7497", set()), (SNOMED, {(f"{at}[0].coding[0]", "kj-type-of-reaction")}),
    ):  # fmt: skip
        assert broken(allergy(reaction=[{"manifestation": [coded(system)]}]), "KjAllergyIntolerance") == wrong
    kind = coded("urn:oid:2.16.578.1.12.4.1.1.7497")
    assert broken(allergy(reaction=[{"manifestation": [kind, kind]}]), "KjAllergyIntolerance") == {
        (at, "profile-cardinality")
    }
    twice = allergy(reaction=[{"manifestation": [kind]}] * 2)
    assert broken(twice, "KjAllergyIntolerance") == {("AllergyIntolerance.reaction", "profile-cardinality")}


def test_extensions_are_of_their_type_and_system() -> None:
    excipient = {"url": f"{BASE}KjInactiveIngredient", "valueString": "ja"}
    wrong = allergy(code=coded(ATC) | {"extension": [excipient]})
    assert broken(wrong, "KjAllergyIntolerance") == {
        ("AllergyIntolerance.code.extension[0].valueString", "profile-type")
    }
    source = allergy()
    source["extension"][0]["valueCoding"]["system"] = "urn:other"
    assert broken(source, "KjAllergyIntolerance") == {
        ("AllergyIntolerance.extension[0].valueCoding.system", "profile-value")
    }
    presumed = {"url": f"{BASE}KjPresumed", "valueBoolean": True}
    said = allergy()
    said["verificationStatus"]["extension"] = [presumed]
    assert broken(said, "KjAllergyIntolerance") == set()
    said["verificationStatus"]["extension"] *= 2
    assert broken(said, "KjAllergyIntolerance") == {
        ("AllergyIntolerance.verificationStatus.extension", "profile-cardinality")
    }


@pytest.mark.parametrize(
    ("name", "known"),
    [("KjInactiveIngredient", True), ("kjInactiveIngredient", False), ("KjNote", False), ("KjNoe", False)],
)
@pytest.mark.parametrize("place", ["code", "coding"])
def test_an_extension_of_kjernejournals_is_known_and_in_its_place(name: str, known: bool, place: str) -> None:
    tree = copy.deepcopy(allergy())
    held = tree["code"] if place == "code" else tree["code"]["coding"][0]
    held["extension"] = [
        {"url": "https://ehr.example/own", "valueString": "x"},
        {"url": BASE + name, "valueBoolean": True},
    ]
    at = "AllergyIntolerance.code" + (".coding[0]" if place == "coding" else "")
    told = {one for one in broken(tree, "KjAllergyIntolerance") if one[1] == "kj-extension"}
    assert told == (set() if known else {(f"{at}.extension[1].url", "kj-extension")})


@pytest.mark.parametrize("name", ["KjPresumed", "KjInactiveIngredient", "kjNote", "KjNoe"])
def test_a_mark_at_the_root_where_nobody_looks_for_it_is_told(name: str) -> None:
    tree = copy.deepcopy(allergy())
    tree["extension"].append({"url": BASE + name, "valueBoolean": True})
    assert ("AllergyIntolerance.extension[1].url", "kj-extension") in broken(tree, "KjAllergyIntolerance")


def test_a_blank_name_and_rules_that_are_not_known_are_told() -> None:
    assert broken(allergy(code=coded(ATC, display=" "), implicitRules="urn:x"), "KjAllergyIntolerance") == {
        ("AllergyIntolerance.code.coding[0].display", "kj-display"), ("AllergyIntolerance.implicitRules", "implicit-rules"),
    }  # fmt: skip


def test_a_device_is_contained_and_coded() -> None:
    elsewhere = device(device={"reference": "Device/1"})
    assert broken(elsewhere, "KjDeviceUseStatement") == {("DeviceUseStatement.device", "kj-contained-device")}
    uncoded = device(contained=[{"resourceType": "Device", "id": "d", "type": {"text": "Pacemaker"}}])
    assert broken(uncoded, "KjDeviceUseStatement") == {
        ("DeviceUseStatement.contained[0].type.coding", "profile-cardinality")
    }
    other = device(contained=[{"resourceType": "Device", "id": "d", "type": coded(ATC)}])
    assert broken(other, "KjDeviceUseStatement") == {
        ("DeviceUseStatement.contained[0].type.coding[0].system", "kj-code-system")
    }
