"""What is compared, read from FHIR: an entry of critical information, and a medicine with what is in it.

Sources: the profile KjAllergyIntolerance and no-basis-AllergyIntolerance (ATC, FEST substance, FEST medicine, SNOMED CT); R4
medicationrequest.html, medicationstatement.html, medication.html. FEST ids stand as codes or as identifiers, since both occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from kjerne.fhir.cds_hooks import codings, led_to, named, objects, said
from kjerne.fhir.systems import canonical

Tree = Mapping[str, Any]

ATC: Final = "http://www.whocc.no/atc"
SUBSTANCES: Final = "http://ehelse.no/FESTSubstance"
MEDICINES: Final = "http://ehelse.no/FESTMedication"
SNOMED: Final = "http://snomed.info/sct"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

VALID_UNTIL: Final = "http://nhn.no/kj/fhir/StructureDefinition/KjValidUntil"
INACTIVE_INGREDIENT: Final = "http://nhn.no/kj/fhir/StructureDefinition/KjInactiveIngredient"

NEVER: Final = frozenset({"refuted", "entered-in-error"})
"""What a verification status says of an entry that never warns; `inactive` and `resolved` are as good as that."""
OVER: Final = frozenset({"inactive", "resolved"})
OF_MEDICINES: Final = frozenset(
    {"MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"}
)
NOT_TAKEN: Final = frozenset(
    {"cancelled", "stopped", "completed", "entered-in-error", "not-taken", "not-done", "declined"}
)
"""Statuses of a prescription or a statement by which the medicine is not, or no more, in use."""


class Code(NamedTuple):
    """A code of a system, in the system's one spelling."""

    system: str
    code: str


class Allergy(NamedTuple):
    """An entry that may warn. `is_weighty`: of high criticality; `of_medicine`: a reaction to a medicine, or to nobody knows
    what; `of_excipient`: what is named is an excipient of what it was in."""

    id: str
    name: str
    codes: frozenset[Code]
    is_confirmed: bool = False
    is_weighty: bool = False
    of_medicine: bool = True
    of_excipient: bool = False


class Medicine(NamedTuple):
    """A medicine of an order or a list. `codes` say which it is, `active` and `excipients` what is in it."""

    place: str
    name: str
    codes: frozenset[Code] = frozenset()
    active: frozenset[Code] = frozenset()
    excipients: frozenset[Code] = frozenset()
    has_id: bool = False


def allergy(id_: str, tree: Tree, now: datetime) -> Allergy | None:
    """An AllergyIntolerance as what may warn; None for one that is refuted, inactive, a mistake, or valid no more."""
    verified = {code for _, code, _ in codings(tree.get("verificationStatus"))}
    if verified & NEVER or {code for _, code, _ in codings(tree.get("clinicalStatus"))} & OVER or is_past(tree, now):
        return None
    concepts = [tree.get("code")] + [
        one.get("substance") for one in objects(tree.get("reaction")) if one.get("substance")
    ]
    categories = {said(one) for one in _list(tree.get("category"))}
    return Allergy(
        id_,
        next((text for one in concepts if (text := named(one))), ""),
        frozenset(code for one in concepts for code in _codes(one)),
        is_confirmed="confirmed" in verified,
        is_weighty=tree.get("criticality") == "high",
        of_medicine=not categories or "medication" in categories,
        of_excipient=_says_excipient(tree),
    )


def is_past(tree: Tree, now: datetime) -> bool:
    """Whether kjernejournal's KjValidUntil has passed; another's extension of a like name is not it."""
    for one in objects(tree.get("extension")):
        if one.get("url") == VALID_UNTIL:
            text = said(one.get("valueDateTime")) or said(one.get("valueDate"))
            if len(text) >= len("2026-01-01") and text[:10] < f"{now:%Y-%m-%d}":
                return True
    return False


def _says_excipient(tree: Tree) -> bool:
    """Kjernejournal's mark on the code of a reaction to an inactive ingredient: there unless it says false."""
    concept = next(objects(tree.get("code")), {})
    marks = [
        *objects(concept.get("extension")),
        *(mark for coding in objects(concept.get("coding")) for mark in objects(coding.get("extension"))),
    ]
    return any(one.get("url") == INACTIVE_INGREDIENT and one.get("valueBoolean") is not False for one in marks)


def is_taken(tree: Tree) -> bool:
    """Whether a resource is of a medicine that is in use, or is to be."""
    return (
        said(tree.get("resourceType")) in OF_MEDICINES
        and said(tree.get("status")) not in NOT_TAKEN
        and tree.get("doNotPerform") is not True
    )


def medicine(place: str, tree: Tree, around: Tree, *, has_id: bool = False) -> Medicine:
    """The medicine of a prescription or a statement, with what the call has of it; without codes where it has none."""
    concept, reference = tree.get("medicationCodeableConcept"), tree.get("medicationReference")
    held = led_to(reference, tree, around)
    if held.get("resourceType") != "Medication":
        held = {}
    codes = {*_codes(concept), *_codes(held.get("code")), *_identified(held.get("identifier"))}
    for one in objects(reference):
        codes |= _identified(one.get("identifier"))
    active, excipients = set[Code](), set[Code]()
    for one in objects(held.get("ingredient")):
        (excipients if one.get("isActive") is False else active).update(_ingredient(one, held, around))
    of_reference = said(next(objects(reference), {}).get("display"))
    name = named(concept) or named(held.get("code")) or of_reference
    return Medicine(place, name, frozenset(codes), frozenset(active), frozenset(excipients), has_id)


def _ingredient(one: Tree, held: Tree, around: Tree) -> Iterator[Code]:
    yield from _codes(one.get("itemCodeableConcept"))
    substance = led_to(one.get("itemReference"), held, around)
    if substance.get("resourceType") == "Substance":
        yield from _codes(substance.get("code"))
        yield from _identified(substance.get("identifier"))


def _codes(concept: Any) -> Iterable[Code]:
    return [Code(canonical(system), code) for system, code, _ in codings(concept) if system and system != ABSENT]


def _identified(identifiers: Any) -> set[Code]:
    """FEST ids that stand as identifiers."""
    found = ((canonical(said(one.get("system"))), said(one.get("value"))) for one in objects(identifiers))
    return {Code(system, value) for system, value in found if system in (MEDICINES, SUBSTANCES) and value}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
