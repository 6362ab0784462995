"""Which records of critical information are asked for: the types of the interface, and `criticalInfoType` within a type.

Source: the utviklerportal pages. The names for AllergyIntolerance and Condition are theirs; of the other types no names were
seen, and those here are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.registries.contents import VERIFICATION, check_content, content_of, service_of
from kjerne.registries.kj_profiles import PROFILE_BY_KIND

SERVICE: Final = "critical-information"
TYPES: Final = ("AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag")
PLURAL: Final[Mapping[str, str]] = {"Conditions": "Condition"}
"""The interface has this one type in the plural; both are taken."""
PARAMETER: Final = "criticalInfoType"
KINDS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "AllergyIntolerance": {
        "DrugReaction": frozenset({"drug-reaction"}),
        "OtherAllergen": frozenset({"other-allergen"}),
    },
    "Condition": {
        "CriticalMedicalCondition": frozenset({"critical-condition"}),
        "Infection": frozenset({"infection"}),
        "IntubationProblem": frozenset({"intubation-problem"}),
        "OtherProblemWithAnesthesia": frozenset({"anaesthesia-problem"}),
        "TransplantsAndOtherForeignBodies": frozenset({"transplant"}),
    },
    "DeviceUseStatement": {"Implant": frozenset({"implant"})},
    "Procedure": {"OngoingTreatment": frozenset({"radiotherapy", "cytostatics", "dialysis", "other-treatment"})},
    "Flag": {"OtherChangeOfProcedure": frozenset({"procedure-change"}), "CrisisPlan": frozenset({"crisis-plan"})},
}
"""By type and `criticalInfoType` the kinds of content (`registries.contents`) that are meant."""


def type_of(name: str) -> str:
    """The type of an address; `Refusal` 404 for one that the interface does not have."""
    found = PLURAL.get(name, name)
    if found not in TYPES:
        raise Refusal(
            404, "there is no such type here", where="path", code="not-supported",
            todo=f"There are {', '.join((*TYPES, *PLURAL))}.",
        )  # fmt: skip
    return found


def wanted(name: str, query: Pairs) -> frozenset[str] | None:
    """The kinds that a search of a type asks for; None for all. `Refusal` 400 for what it cannot ask."""
    asked = [value for key, value in query if key == PARAMETER]
    if len(asked) < len(query):
        says = f"this address is searched by {PARAMETER} alone; the patient stands in a header"
        raise Refusal(400, says, where="query", code="not-supported", todo="Search by more under /fhir/R4.")
    if not asked:
        return None
    known = KINDS[name]
    if len(asked) > 1 or asked[0] not in known:
        raise Refusal(400, f"{PARAMETER} of {name} is one of {', '.join(known)}", where=PARAMETER, code="value")
    return known[asked[0]]


def is_wanted(tree: Mapping[str, Any], kinds: frozenset[str] | None) -> bool:
    """Whether a record is of one of the kinds."""
    return kinds is None or not kinds.isdisjoint(content_of(tree))


def profile_of(tree: Mapping[str, Any]) -> str:
    """The profile that a record is held to, by its kind; `Refusal` 422 where it says none, or several of different profiles."""
    name = tree["resourceType"]
    content = content_of(tree) - {VERIFICATION} if service_of(tree) == SERVICE else frozenset[str]()
    check_content(tree, content)
    found = {PROFILE_BY_KIND[one] for one in content}
    if len(found) > 1:
        raise Refusal(
            422, f"the record is of several kinds: {', '.join(sorted(content))}", where=f"{name}.category",
            todo="Register one record of each.", code="business-rule",
        )  # fmt: skip
    return found.pop()
