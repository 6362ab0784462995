"""The profiles of kjernejournal's critical information, made from a table of facts and held by our own validator.

The table (`kj_profiles.toml`) is our own: what the published profiles are known to ask. It makes StructureDefinitions with the
elements that are judged. An operator who loads the published package has it asked beside these (docs/validation.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir.profiles import Profiles
from kjerne.fhir.systems import VOLVEN, canonical

Tree = dict[str, Any]
_PATH: Final = Path(__file__).with_suffix(".toml")
BASE: Final = "http://nhn.no/kj/fhir/StructureDefinition/"
KJ_SYSTEMS: Final = "http://nhn.no/kj/fhir/CodeSystem/"
"""Where kjernejournal's own code systems lie; their codes were not seen, and are taken as they come."""
SNOMED: Final = "http://snomed.info/sct"
ATC: Final = "http://www.whocc.no/atc"
FEST_SUBSTANCE: Final = "http://ehelse.no/FESTSubstance"
FEST_MEDICATION: Final = "http://ehelse.no/FESTMedication"
ICD_10: Final = frozenset({"http://hl7.org/fhir/sid/icd-10", f"{VOLVEN}7110"})

PROFILE_BY_KIND: Final[Mapping[str, str]] = {
    **dict.fromkeys(("drug-reaction", "other-allergen"), "KjAllergyIntolerance"),
    "critical-condition": "KjConditionCriticalMedicalCondition",
    "infection": "KjConditionInfection",
    "intubation-problem": "KjConditionIntubationProblem",
    "anaesthesia-problem": "KjConditionOtherProblemWithAnesthesia",
    "transplant": "KjConditionTransplantsAndOtherForeignBodies",
    "implant": "KjDeviceUseStatement",
    **dict.fromkeys(("radiotherapy", "cytostatics", "dialysis", "other-treatment"), "KjProcedure"),
    **dict.fromkeys(("procedure-change", "crisis-plan"), "KjFlag"),
}
"""The profile of each kind of critical information (`registries.contents`)."""
_CODED_BY: Final[Mapping[str, frozenset[str]]] = {
    "AllergyIntolerance": frozenset({ATC, FEST_SUBSTANCE, FEST_MEDICATION, SNOMED}),
    **dict.fromkeys(("Condition", "Procedure", "Flag", "Device"), ICD_10 | {SNOMED}),
}
"""The code systems that say what a record is about, under their one spelling (`fhir.systems`)."""


def judge(tree: Tree, profile: str) -> list[Fault]:
    """What is wrong with a resource under a profile of kjernejournal, each with element path and rule.

    A contained device is held to its own, and codes to the code systems that the interface takes.
    """
    found = [*_profiles().check(tree, BASE + profile), *_systems(tree, "code"), *_not_known(tree, profile)]
    for place, one in enumerate(tree.get("contained", ())):
        if one.get("resourceType") == "Device":
            of_device = [*_profiles().check(one, f"{BASE}KjDevice"), *_systems(one, "type")]
            found += [_at(fault, f"{tree['resourceType']}.contained[{place}]") for fault in of_device]
    return found


@cache
def definitions() -> Mapping[str, Tree]:
    """By address the StructureDefinitions of all profiles and extensions of the table."""
    table = tomllib.loads(_PATH.read_text("utf-8"))
    made = [_extension(name, types, table) for name, types in table["extensions"].items()]
    made += [_profile(name, one, table) for name, one in table["profiles"].items()]
    return {one["url"]: one for one in made}


class _Library:
    """The definitions as a validator asks for them."""

    def find(self, canonical: str) -> Tree | None:
        return definitions().get(canonical.partition("|")[0])


@cache
def _profiles() -> Profiles:
    return Profiles(_Library())


def _systems(tree: Tree, element: str) -> Iterator[Fault]:
    name = tree["resourceType"]
    taken = _CODED_BY.get(name)
    codings = tree.get(element, {}).get("coding", ())
    for place, coding in enumerate(codings if taken else ()):
        system = coding.get("system", "")
        if system and canonical(system) not in (taken or ()) and not system.startswith(KJ_SYSTEMS):
            says = f"The code must be of one of {', '.join(sorted(taken or ()))}, or of kjernejournal's own systems."
            yield Fault(says, f"{name}.{element}.coding[{place}].system", "code-invalid", "kj-code-system")
        display = coding.get("display")
        if isinstance(display, str) and not display.strip():
            yield Fault(
                "The name of the code is blank.", f"{name}.{element}.coding[{place}].display", "value", "kj-display"
            )


def _not_known(tree: Tree, profile: str) -> Iterator[Fault]:
    """What would be kept and mean nothing: an extension of kjernejournal's that is not known, or where nobody looks for it, and
    rules that a reader must know (R4 resource.html#implicitRules). Iterative: depth is the sender's."""
    if "implicitRules" in tree:
        says = "The resource follows rules that are not known here."
        yield Fault(says, f"{tree['resourceType']}.implicitRules", "not-supported", "implicit-rules")
    known = _places(profile)
    waiting: list[tuple[str, str, Any]] = [(tree["resourceType"], "", {**tree, "contained": []})]
    while waiting:
        where, path, value = waiting.pop()
        for place, one in enumerate(value.get("extension", ())):
            name = str(one.get("url", ""))
            if name.lower().startswith(BASE.lower()) and (name.removeprefix(BASE) not in known.get(path, ())):
                others = ", ".join(sorted(known.get(path, ()))) or "none"
                says = f"No extension of kjernejournal's with this name is known in this place. Known here: {others}."
                yield Fault(says, f"{where}.extension[{place}].url", "extension", "kj-extension")
        for element, each in value.items():
            below = f"{path}.{element}".lstrip(".")
            some = each if isinstance(each, list) else [each]
            waiting += [
                (f"{where}.{element}[{place}]" if some is each else f"{where}.{element}", below, one)
                for place, one in enumerate(some)
                if isinstance(one, dict) and element != "extension"
            ]


@cache
def _places(profile: str) -> Mapping[str, frozenset[str]]:
    """By path the names of the extensions of a profile; what stands on a code may stand on its coding as well."""
    table = tomllib.loads(_PATH.read_text("utf-8"))
    one = table["profiles"][profile]
    own = table["profiles"][one["like"]] if "like" in one else one
    found: dict[str, frozenset[str]] = {}
    for key in (*table["common"]["extensions"], *own.get("extensions", {})):
        at, _, name = key.rpartition("/")
        for path in (at, f"{at}.coding") if at else (at,):
            found[path] = found.get(path, frozenset()) | {name}
    return found


def _at(fault: Fault, where: str) -> Fault:
    return replace(fault, where=where + fault.where.removeprefix("Device"))


def _extension(name: str, types: list[str], table: Mapping[str, Any]) -> Tree:
    value: Tree = _row("Extension.value[x]", "1..1") | {"type": [{"code": one} for one in types]}
    rows = [_row("Extension", "0..*"), _row("Extension.url", "1..1") | {"fixedUri": BASE + name}, value]
    if system := table["systems"].get(name):
        rows.append(_row("Extension.value[x].system", "1..1") | {"fixedUri": system})
        rows.append(_row("Extension.value[x].code", "1..1"))
    return _definition(name, "Extension", rows)


def _profile(name: str, one: Mapping[str, Any], table: Mapping[str, Any]) -> Tree:
    own = table["profiles"][one["like"]] if "like" in one else one
    type_ = own["type"]
    extensions = {} if type_ == "Device" else table["common"]["extensions"] | own.get("extensions", {})
    slices: dict[str, dict[str, str]] = {}
    for key, counts in extensions.items():
        at, _, extension = key.rpartition("/")
        slices.setdefault(at, {})[extension] = counts
    rules = [(key, table["rules"][key]) for key in own["rules"]]
    wanted: dict[str, str] = dict.fromkeys((*slices, *(rule["at"] for _, rule in rules)), "0..*") | own["elements"]
    rows: dict[str, Tree] = {"": _row(type_, "0..*")}
    for path, counts in wanted.items():
        for above in _steps(path)[:-1]:
            rows.setdefault(above, _row(f"{type_}.{above}", "0..*"))
        if path:
            rows[path] = _row(f"{type_}.{path}", counts)
    for key, rule in rules:
        rows[rule["at"]].setdefault("constraint", []).append(
            {"key": key, "severity": "error", "human": rule["says"], "expression": rule["expression"]}
        )
    made = [row for path, row in rows.items() for row in (row, *_sliced(row["path"], slices.get(path, {})))]
    return _definition(name, type_, made)


def _steps(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: place + 1]) for place in range(len(parts))]


def _sliced(path: str, extensions: Mapping[str, str]) -> Iterator[Tree]:
    """The extensions of an element, each as a slice."""
    if not extensions:
        return
    at = f"{path}.extension"
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    yield _row(at, "0..*") | {"slicing": slicing}
    for name, counts in extensions.items():
        yield _row(at, counts) | {
            "id": f"{at}:{name}", "sliceName": name, "type": [{"code": "Extension", "profile": [BASE + name]}],
        }  # fmt: skip


def _row(path: str, counts: str) -> Tree:
    least, _, most = counts.partition("..")
    return {"id": path, "path": path, "min": int(least), "max": most}


def _definition(name: str, type_: str, rows: list[Tree]) -> Tree:
    return {
        "resourceType": "StructureDefinition", "url": BASE + name, "name": name, "status": "active", "kind": "resource",
        "abstract": False, "type": type_, "derivation": "constraint", "snapshot": {"element": rows},
    }  # fmt: skip
