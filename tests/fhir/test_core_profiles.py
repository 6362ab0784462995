"""R4's own profiles are asked as a package's are: vital signs, lipids, quantities without a comparator."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from guide_packages import element, joined, package, profile
from kjerne.fhir import core_profiles, packages
from kjerne.fhir.profiles import CORE, Profiles

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "r4-official-examples-dev.tgz"
PROFILES = Profiles(joined([]))
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


def coded(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": one} for one in codes]}


def measured(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def vital(code: str, **members: Any) -> dict[str, Any]:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    return {
        "resourceType": "Observation", "status": "final", "category": [{"coding": [category]}], "code": coded(code),
        "subject": {"display": "x"}, "effectiveDateTime": "2024-03-14",
    } | members  # fmt: skip


def lacking(tree: dict[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name not in without}


WEIGHT = vital("29463-7", valueQuantity=measured(70, "kg"))
PRESSURE = vital(
    "85354-9",
    component=[
        {"code": coded("8480-6"), "valueQuantity": measured(120, "mm[Hg]")},
        {"code": coded("8462-4"), "valueQuantity": measured(80, "mm[Hg]")},
    ],
)


def broken(tree: dict[str, Any], name: str) -> list[tuple[str, str]]:
    return [(one.where, one.rule) for one in PROFILES.check(tree, f"{CORE}{name}")]


@pytest.mark.parametrize(
    ("tree", "name", "wrong"),
    [
        (WEIGHT, "vitalsigns", []),
        (WEIGHT, "bodyweight", []),
        (WEIGHT, "bodyweight|4.0.1", []),
        (PRESSURE, "bp", []),
        (lacking(WEIGHT, "subject"), "vitalsigns", [("Observation.subject", "profile-cardinality")]),
        (lacking(WEIGHT, "category"), "vitalsigns", [("Observation.category", "profile-cardinality")] * 1),
        (WEIGHT | {"effectiveDateTime": "2024"}, "vitalsigns", [("Observation.effectiveDateTime", "vs-1")]),
        (lacking(WEIGHT, "valueQuantity"), "bodyweight", [("Observation", "vs-2")]),
        (WEIGHT | {"valueQuantity": measured(70, "m")}, "bodyweight", [("Observation.valueQuantity.code", "required-binding")]),
        (WEIGHT, "bodyheight", [("Observation.code.coding", "profile-cardinality"),
                                ("Observation.valueQuantity.code", "required-binding")]),
        (WEIGHT | {"component": [{"code": coded("8361-8"), "valueCodeableConcept": coded("LA11868-9")}]}, "vitalsigns", []),
        (WEIGHT | {"component": [{"code": coded("8302-2"), "valueQuantity": measured(2, "h")}]}, "vitalsigns",
         [("Observation.component[0].valueQuantity", "required-binding")]),
        (PRESSURE | {"component": PRESSURE["component"][:1]}, "bp", [("Observation.component", "profile-cardinality")]),
    ],
)  # fmt: skip
def test_a_vital_sign_is_as_r4_has_it(tree: dict[str, Any], name: str, wrong: list[tuple[str, str]]) -> None:
    assert sorted(set(broken(tree, name))) == sorted(wrong)


def test_a_lipid_is_word_for_word_what_its_profile_fixes() -> None:
    """R4 fixes the whole code, a display with a space of no width in it, and the upper limit of the range."""
    code = {"system": LOINC, "code": "35200-5", "display": "Cholesterol [Moles/\u200bvolume] in Serum or Plasma"}
    lipid = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [code]},
        "valueQuantity": measured(5, "mmol/L"), "referenceRange": [{"high": {"value": 4.5}}],
    }  # fmt: skip
    assert broken(lipid, "cholesterol") == []
    assert broken(lipid | {"code": coded("35200-5")}, "cholesterol") == [("Observation.code", "profile-value")]
    assert broken(lacking(lipid, "referenceRange"), "cholesterol") == [
        ("Observation.referenceRange", "profile-cardinality")
    ]


def test_a_package_that_names_a_profile_of_r4_for_a_type_means_it() -> None:
    quantity = {"code": "Quantity", "profile": [f"{CORE}SimpleQuantity"]}
    asked = profile("Observation", element("Observation.value[x]", type=[quantity]))
    known = Profiles(joined([packages.read(package(asked))]))
    for more, wrong in (({}, []), ({"comparator": "<"}, ["sqty-1"])):
        tree = WEIGHT | {"valueQuantity": measured(70, "kg") | more}
        assert [one.rule for one in known.check(tree, asked["url"]) if one.code == "invariant"] == wrong


def test_a_package_with_a_later_version_of_a_profile_goes_before_r4() -> None:
    later = profile("Observation", element("Observation.note", 1), url=f"{CORE}vitalsigns") | {"version": "5.0.0"}
    known = Profiles(joined([packages.read(package(later))]))
    assert [one.where for one in known.check(WEIGHT, f"{CORE}vitalsigns")] == ["Observation.note"]
    assert known.check(WEIGHT, f"{CORE}vitalsigns|4.0.1") == []


def test_what_r4_does_not_have_and_another_version_of_it_are_not_found() -> None:
    found = [core_profiles.find(f"{CORE}{name}") for name in ("vitalsigns|3.0.0", "Observation", "nothing")]
    assert found == [None] * 3


def test_every_profile_of_r4_can_be_asked() -> None:
    every = [one for of_type in core_profiles.of_types().values() for one in of_type]
    assert len(every) > 40
    for one in every:
        found = PROFILES.find(one)
        assert found is not None
        # Units by UCUM's grammar and MIME types: R4 itself holds their codes to them.
        assert all(said.rpartition("/")[2] in ("ucum-units|4.0.1", "mimetypes|4.0.1") for said in found.unjudged)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="../shared is not beside the checkout")
def test_the_official_examples_keep_to_the_profiles_of_r4_that_they_name() -> None:
    judged = 0
    with tarfile.open(EXAMPLES) as archive:
        files = [archive.extractfile(one) for one in archive if one.name.endswith(".json")]
        trees = [json.loads(file.read()) for file in files if file]
    for tree in trees:
        for one in tree.get("meta", {}).get("profile", ()):
            if core_profiles.find(one) is not None:
                judged += 1
                assert PROFILES.check(tree, one) == [], (tree["id"], one)
    assert judged >= 4
