"""Which kind of content a resource is, read from what it says: who may register it hangs on that (law, K45, K72, K88).

Sources: the profiles of kjernejournal (`http://nhn.no/kj/fhir/StructureDefinition/Kj...`) and the numbers of their
categories, as published; an own code system for the kinds that have no code there. A resource that does not say its kind is
refused: an unknown kind is nobody's to register. The structured record has one kind, whatever a resource of it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.exchange import OtherKind
from kjerne.fhir.systems import canonical
from kjerne.registries.homes import SECOND, SERVICE_BY_TYPE

Tree = Mapping[str, Any]

KINDS_SYSTEM: Final = "http://kjerne.example/fhir/CodeSystem/critical-information-kind"
_KJ: Final = "http://nhn.no/kj/fhir/"
_PROFILES: Final = f"{_KJ}StructureDefinition/"
_SNOMED: Final = "http://snomed.info/sct"

RECORD: Final = "record"
"""The one kind of content of the service of that name."""
VERIFICATION: Final = "verification"
"""Not a kind of content but the act of verifying one."""
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "AllergyIntolerance": frozenset({"drug-reaction", "other-allergen"}),
    "Condition": frozenset(
        {"critical-condition", "infection", "intubation-problem", "anaesthesia-problem", "transplant"}
    ),
    "DeviceUseStatement": frozenset({"implant"}),
    "Procedure": frozenset({"radiotherapy", "cytostatics", "dialysis", "other-treatment"}),
    "Flag": frozenset({"procedure-change", "crisis-plan"}),
}
_BY_ALLERGEN: Final = {
    "medication": "drug-reaction",
    **dict.fromkeys(("food", "environment", "biologic"), "other-allergen"),
}
"""`AllergyIntolerance.category` as the profile reads it."""
_BY_PROFILE: Final = {
    "KjConditionCriticalMedicalCondition": "critical-condition",
    "KjConditionInfection": "infection",
    "KjConditionIntubationProblem": "intubation-problem",
    "KjConditionOtherProblemWithAnesthesia": "anaesthesia-problem",
    "KjConditionTransplantsAndOtherForeignBodies": "transplant",
    "KjFlag": "procedure-change",
}
_BY_NUMBER: Final = {"5": "critical-condition", "7": "transplant", "9": "procedure-change"}
"""Kjernejournal's numbers of categories, in whichever of its code systems."""
_ONGOING: Final = "6"
"""Kjernejournal's number for treatment that goes on: which treatment it is, a code of SNOMED CT says."""
_BY_TREATMENT: Final = {
    "108290001": "radiotherapy",
    "367336001": "cytostatics",
    "265764009": "dialysis",
    "302497006": "dialysis",
    "71192002": "dialysis",
}


def service_of(tree: Tree) -> str:
    """The service that keeps a resource: of a type that two keep the second, where it says nothing of critical information.

    What says so and is of no kind that is known stays with critical information, which refuses it.
    """
    name = tree["resourceType"]
    if (second := SECOND.get(name)) is None:
        return SERVICE_BY_TYPE.get(name, "")
    return SERVICE_BY_TYPE[name] if _is_critical(name, tree) else second


def content_of(tree: Tree) -> frozenset[str]:
    """The kinds of content of a valid resource, and the act of verifying it; empty for a type that has no kinds, and where
    it does not say."""
    name = tree["resourceType"]
    if name not in _OF_TYPE or name in SECOND:
        if service_of(tree) == RECORD:
            return frozenset({RECORD})
        if name not in _OF_TYPE:
            return frozenset()
    found = frozenset(_said(name, tree))
    if not found <= _OF_TYPE[name]:
        return (
            frozenset()
        )  # a kind that it cannot be of, or that nobody knows: which of them is meant is not guessed at
    return found | {VERIFICATION} if found and _is_verified(tree) else found


def check_content(tree: Tree, content: Collection[str]) -> None:
    """`Refusal` 422 where a resource has none of the kinds that its type can be of."""
    name = tree["resourceType"]
    if name in _OF_TYPE and not content:
        raise Refusal(
            422, "the resource does not say which kind of critical information it is", where=f"{name}.category",
            code="required", todo=_TODO.get(name, f"Send a category of {KINDS_SYSTEM}: {_kinds(name)}."),
        )  # fmt: skip


def must_register(registers: frozenset[str] | None, content: Collection[str]) -> None:
    """`OtherKind` where a grant's kinds (`Grant.registers`) do not hold all of a record's."""
    if registers is not None and not (content and registers.issuperset(content)):
        raise OtherKind(what_of(content))


def what_of(content: Iterable[str]) -> str:
    """The kinds as the law is asked about them (`exchange.Admit`)."""
    return " ".join(sorted(content))


def _kinds(name: str) -> str:
    return ", ".join(sorted(_OF_TYPE[name]))


_TODO: Final = {"AllergyIntolerance": f"Send a category: {', '.join(_BY_ALLERGEN)}."}


def _said(name: str, tree: Tree) -> Iterator[str]:
    if name == "AllergyIntolerance":
        yield from (_BY_ALLERGEN[one] for one in tree.get("category", ()) if one in _BY_ALLERGEN)
        return
    if name == "DeviceUseStatement":
        yield "implant"
        return
    profiles = {one.partition("|")[0] for one in tree.get("meta", {}).get("profile", ())}
    yield from (_BY_PROFILE[one] for one in (each.removeprefix(_PROFILES) for each in profiles) if one in _BY_PROFILE)
    categories = list(_codings(tree.get("category")))
    yield from (code for system, code in categories if system == KINDS_SYSTEM)
    numbers = {code for system, code in categories if system.startswith(_KJ)}
    yield from (_BY_NUMBER[one] for one in numbers if one in _BY_NUMBER)
    if name == "Procedure":
        yield from _treatments(
            tree, categories, says_ongoing=_ONGOING in numbers or f"{_PROFILES}KjProcedure" in profiles
        )


def _is_critical(name: str, tree: Tree) -> bool:
    """Whether a resource says by kind, category or profile that it is critical information, of whatever kind."""
    if any(True for _ in _said(name, tree)):
        return True
    if any(one.startswith(_PROFILES) for one in tree.get("meta", {}).get("profile", ())):
        return True
    return any(system == KINDS_SYSTEM or system.startswith(_KJ) for system, _ in _codings(tree.get("category")))


def _treatments(tree: Tree, categories: list[tuple[str, str]], *, says_ongoing: bool) -> Iterator[str]:
    """Which treatments it is, by its codes; what goes on and is none of the three is another, which doctors register, whatever
    stands beside it: two codings of one concept are taken for two treatments, since nobody can say that they are one."""
    codes = [*categories, *_codings(tree.get("code"))]
    found = {_BY_TREATMENT[code] for system, code in codes if system == _SNOMED and code in _BY_TREATMENT}
    yield from found
    others = [one for one in codes if one[0] != KINDS_SYSTEM and not one[0].startswith(_KJ)]
    named = any(system != _SNOMED or code not in _BY_TREATMENT for system, code in others)
    if says_ongoing and (named or not found):
        yield "other-treatment"


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    for concept in value if isinstance(value, list) else [value] if value else []:
        for coding in concept.get("coding", ()):
            yield canonical(coding.get("system", "")), coding.get("code", "")


def _is_verified(tree: Tree) -> bool:
    return any(code == "confirmed" for _, code in _codings(tree.get("verificationStatus")))
