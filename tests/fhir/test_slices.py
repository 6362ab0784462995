"""Slices told apart by what lies elsewhere: codes in a store, what a reference leads to; and extensions that no element opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from guide_packages import element, joined, package, profile
from kjerne.fhir import packages
from kjerne.fhir.judging import UNTOLD
from kjerne.fhir.profiles import CORE, Judged, Profiles
from kjerne.fhir.value_sets import Has, Listed

URL = "http://example.org/profile"
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def known(*resources: dict[str, Any]) -> Profiles:
    return Profiles(joined([packages.read(package(*resources))]))


def told(judged: Judged) -> tuple[list[tuple[str, str]], list[str]]:
    return [(one.where, one.rule) for one in judged.faults], [one.rule for one in judged.advice]


@dataclass(frozen=True)
class Store(Listed):
    """Of what nobody lists it has `a`, not `b`, and knows of no other."""

    def asking(self, canonical: str) -> Has | None:
        return lambda _system, code: {"a": True, "b": False}.get(code)


def coded(code: str) -> dict[str, Any]:
    return {"code": {"coding": [{"system": "urn:s", "code": code}]}}


BOUND = {"strength": "required", "valueSet": "urn:elsewhere"}
BY_VALUE_SET = profile(
    "Observation",
    element("Observation.component", slicing={"discriminator": [{"type": "value", "path": "code"}], "rules": "closed"}),
    element("Observation.component:known", 1, "1"),
    element("Observation.component:known.code", 1, "1", binding=BOUND),
)


@pytest.mark.parametrize(
    ("codes", "faults", "advice"),
    [
        ("a", [], []),
        ("b", [("Observation.component[0]", "profile-slice"), ("Observation.component", "profile-cardinality")], []),
        ("aa", [("Observation.component", "profile-cardinality")], []),
        ("c", [], [UNTOLD]),
        ("ac", [], [UNTOLD]),
        ("bc", [("Observation.component[0]", "profile-slice")], [UNTOLD]),
        ("aac", [("Observation.component", "profile-cardinality")], [UNTOLD]),
    ],
)  # fmt: skip
def test_a_slice_by_a_value_set_asks_the_store_and_what_it_cannot_tell_breaks_nothing(
    codes: str, faults: list[Any], advice: list[str]
) -> None:
    library = joined([packages.read(package(BY_VALUE_SET))])
    tree = OBSERVATION | {"component": [coded(code) for code in codes]}
    assert told(Profiles(library, Store(library)).judge(tree, URL)) == (faults, advice)


def test_a_slice_by_a_value_set_that_nobody_can_be_asked_of_is_not_judged() -> None:
    assert told(known(BY_VALUE_SET).judge(OBSERVATION | {"component": [coded("b")]}, URL)) == ([], [])


HELD = profile("Organization", element("Organization.telecom", 1), url="urn:held")
FIXED = profile("Organization", element("Organization.name", 1, "1", fixedString="North"), url="urn:fixed")
NORTH = {"resourceType": "Organization", "id": "n", "name": "North", "telecom": [{"value": "1"}]}
SOUTH = {"resourceType": "Organization", "id": "s", "name": "South"}
CLERK = {"resourceType": "Practitioner", "id": "p"}


def performed(kind: str, path: str, target: str, *, rules: str = "open") -> list[dict[str, Any]]:
    """A profile that wants one performer to be of a slice."""
    aimed = {"code": "Reference", "targetProfile": [target]}
    slicing = {"discriminator": [{"type": kind, "path": path}], "rules": rules}
    who = element("Observation.performer:who", 1, "1", type=[aimed])
    return [profile("Observation", element("Observation.performer", slicing=slicing), who), HELD, FIXED]


MISSING = ("Observation.performer", "profile-cardinality")


@pytest.mark.parametrize(
    ("kind", "path", "target", "contained", "faults"),
    [
        ("type", "resolve()", f"{CORE}Organization", NORTH, []),
        ("type", "$this.resolve()", f"{CORE}Organization", CLERK, [MISSING]),
        ("type", "resolve()", "urn:held", SOUTH, []),
        ("profile", "resolve()", "urn:held", NORTH, []),
        ("profile", "resolve()", "urn:held", SOUTH, [MISSING]),
        ("profile", "resolve()", f"{CORE}Organization", CLERK, [MISSING]),
        ("value", "resolve().name", "urn:fixed", NORTH, []),
        ("value", "resolve().name", "urn:fixed", SOUTH, [MISSING]),
        ("value", "resolve().telecom", "urn:fixed", SOUTH, []),
        ("profile", "resolve()", "urn:not-at-hand", SOUTH, []),
    ],
)
def test_a_slice_by_what_a_contained_resource_is(
    kind: str, path: str, target: str, contained: dict[str, Any], faults: list[Any]
) -> None:
    tree = OBSERVATION | {"contained": [contained], "performer": [{"reference": f"#{contained['id']}"}]}
    assert told(known(*performed(kind, path, target)).judge(tree, URL)) == (faults, [])


@pytest.mark.parametrize(
    ("kind", "reference", "faults"),
    [
        ("type", {"reference": "Organization/1"}, []),
        ("type", {"reference": "http://elsewhere.example/Organization/1"}, []),
        ("type", {"type": "Organization", "display": "x"}, []),
        ("type", {"reference": "Practitioner/1"}, [("Observation.performer[0]", "profile-slice"), MISSING]),
        ("type", {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"}, []),
        ("type", {"display": "x"}, []),
        ("profile", {"reference": "Organization/1"}, []),
        ("profile", {"reference": "Practitioner/1"}, [("Observation.performer[0]", "profile-slice"), MISSING]),
    ],
)  # fmt: skip
def test_of_what_a_reference_leads_to_elsewhere_its_type_alone_is_told(
    kind: str, reference: dict[str, Any], faults: list[Any]
) -> None:
    asked = performed(kind, "resolve()", "urn:held", rules="closed")
    assert told(known(*asked).judge(OBSERVATION | {"performer": [reference]}, URL)) == (faults, [])


def bundled(*resources: dict[str, Any], reference: str) -> dict[str, Any]:
    entries = [{"fullUrl": f"http://a.example/{one['resourceType']}/{one['id']}", "resource": one} for one in resources]
    first = OBSERVATION | {"id": "o", "performer": [{"reference": reference}]}
    own = {"fullUrl": "http://a.example/Observation/o", "resource": first}
    return {"resourceType": "Bundle", "type": "collection", "entry": [own, *entries]}


@pytest.mark.parametrize(
    ("reference", "faults"),
    [
        ("Organization/n", []),
        ("http://a.example/Organization/n", []),
        ("Organization/s", [f"Bundle.entry[0].resource.{MISSING[0].partition('.')[2]}"]),
        ("Organization/other", []),
    ],
)
def test_a_slice_by_what_another_entry_of_the_bundle_is(reference: str, faults: list[str]) -> None:
    slicing = {"discriminator": [{"type": "type", "path": "resource"}], "rules": "open"}
    of = {"code": "Observation", "profile": [URL]}
    bundle = profile(
        "Bundle", element("Bundle.entry", slicing=slicing), element("Bundle.entry:result", 1, "1"),
        element("Bundle.entry:result.resource", 1, "1", type=[of]), url="urn:bundle",
    )  # fmt: skip
    found = known(bundle, *performed("profile", "resolve()", "urn:held")).judge(
        bundled(NORTH, SOUTH, reference=reference), "urn:bundle"
    )
    assert [one.where for one in found.faults] == faults


EXTENSION = profile(
    "Extension",
    element("Extension.url", 1, "1", fixedUri="urn:extension"),
    element("Extension.value[x]", 1, "1", type=[{"code": "code"}]),
    url="urn:extension",
)
WRONG = {"url": "urn:extension", "valueString": "x"}


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"code": {"text": "x", "extension": [WRONG]}}, "code.extension[0].valueString"),
        ({"code": {"coding": [{"extension": [WRONG]}]}}, "code.coding[0].extension[0].valueString"),
        ({"_status": {"extension": [WRONG]}}, "status.extension[0].valueString"),
        ({"note": [{"text": "x"}, {"text": "y", "extension": [WRONG]}]}, "note[1].extension[0].valueString"),
        ({"contained": [NORTH | {"modifierExtension": [WRONG]}]}, "contained[0].modifierExtension[0].valueString"),
        ({"extension": [{"url": "urn:other", "extension": [WRONG]}]}, "extension[0].extension[0].valueString"),
    ],
)
def test_an_extension_is_held_against_its_definition_wherever_it_stands(members: dict[str, Any], where: str) -> None:
    profiles = known(profile("Observation", element("Observation.subject")), EXTENSION)
    found = profiles.check(OBSERVATION | members, URL)
    assert [(one.where, one.rule) for one in found if one.rule != "extension-modifier"] == [
        (f"Observation.{where}", "profile-type")
    ]


def test_extensions_by_address_are_looked_up_and_the_first_slice_of_an_address_has_them() -> None:
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "closed"}
    typed = {"type": [{"code": "Extension", "profile": ["urn:extension"]}]}
    asked = [
        element("Observation.extension", slicing=slicing), element("Observation.extension:one", 0, "1", **typed),
        element("Observation.extension:other", 0, "0", **typed),
    ]  # fmt: skip
    profiles = known(profile("Observation", *asked), EXTENSION)
    right = {"url": "urn:extension", "valueCode": "x"}
    for rows, wrong in (
        ([right], []),
        ([right, right], ["profile-cardinality"]),
        ([{"url": "urn:x"}], ["profile-slice"]),
    ):
        assert [one.rule for one in profiles.check(OBSERVATION | {"extension": rows}, URL)] == wrong
