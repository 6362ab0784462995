"""A vital sign is known by its code, and says which of R4's profiles it must keep to."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Fault
from kjerne.fhir import core_profiles
from kjerne.fhir.vital_signs import (
    CATEGORIES,
    DISCIPLINES,
    FIXED,
    LOINC,
    NARROWER,
    PROFILES,
    meant,
    named,
)

WEIGHT, HEIGHT = f"{PROFILES}bodyweight|4.0.1", f"{PROFILES}bodyheight|4.0.1"
MEASURED = "3141-9"
"""Body weight, measured: narrower than the code of the profile."""


def coded(*codes: str, system: str = LOINC, **more: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": system, "code": one} for one in codes]}} | more


def category(system: str, *codes: str) -> dict[str, Any]:
    return {"category": [{"coding": [{"system": system, "code": one}]} for one in codes]}


def test_the_codes_are_those_that_r4_s_own_profiles_fix() -> None:
    fixed: dict[str, set[str]] = {}
    for address in core_profiles.of_types()["Observation"]:
        definition = core_profiles.find(address) or {}
        for row in definition["snapshot"]["element"]:
            if row["id"].startswith("Observation.code.coding:") and "fixedCode" in row:
                fixed.setdefault(row["fixedCode"], set()).add(address.removeprefix(PROFILES))
    assert fixed == {code: {name} for code, name in FIXED.items()}
    assert not FIXED.keys() & NARROWER.keys()
    assert set(NARROWER.values()) < set(FIXED.values())


@pytest.mark.parametrize(
    ("tree", "profiles"),
    [
        (coded("29463-7"), {WEIGHT: True}),
        (coded(MEASURED), {WEIGHT: False}),
        (coded(MEASURED, "29463-7"), {WEIGHT: True}),
        (coded("29463-7", MEASURED), {WEIGHT: True}),
        (coded("29463-7", "8302-2"), {WEIGHT: True, HEIGHT: True}),
        (coded("29463-7", **category(CATEGORIES, "exam")), {WEIGHT: True}),
        (coded("29463-7", **category(CATEGORIES, "laboratory")), {WEIGHT: False}),
        (coded("29463-7", **category(CATEGORIES, "laboratory", "vital-signs")), {WEIGHT: True}),
        (coded("29463-7", **category(DISCIPLINES, "CLIN")), {WEIGHT: False}),
        (coded(MEASURED, **category(CATEGORIES, "vital-signs")), {WEIGHT: True}),
        (coded(MEASURED, **category(CATEGORIES, "exam")), {WEIGHT: False}),
        (coded(MEASURED, **category(DISCIPLINES, "CLIN")), {WEIGHT: False}),
        (coded("29463-7", system="urn:oid:1.2"), {}),
        (coded("1988-5"), {}),
        ({"component": [coded("29463-7")]}, {}),
    ],
)
def test_a_code_means_a_profile_that_must_be_kept_or_is_told(tree: dict[str, Any], profiles: dict[str, bool]) -> None:
    assert meant(tree, "Observation") == profiles
    assert meant(tree, "Condition") == {}


@pytest.mark.parametrize(
    "junk", [None, 1, "x", [], {}, [[]], [None], {"coding": {}}, {"coding": [1, {"system": LOINC}]}]
)
def test_what_has_no_shape_yet_means_nothing(junk: Any) -> None:
    assert meant({"code": junk}, "Observation") == {}
    assert meant({"code": {"coding": [{"system": LOINC, "code": junk}]}}, "Observation") == {}
    assert meant(coded("29463-7", category=junk), "Observation") == {WEIGHT: True}


def test_a_fault_says_which_profile_it_is_of() -> None:
    (told,) = named([Fault("The element is wrong.", "Observation.value", "value", "profile-value")], WEIGHT)
    assert "bodyweight" in told.says
    assert (told.where, told.code, told.rule) == ("Observation.value", "value", "profile-value")
    assert named([Fault("The element is wrong.")], "http://example.org/profile")[0].says == "The element is wrong."
