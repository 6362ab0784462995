"""What is compared, read from FHIR: an entry of critical information, and a medicine with what is in it.

Sources: the profile KjAllergyIntolerance and no-basis-AllergyIntolerance (ATC, FEST substance, FEST medicine, SNOMED CT); R4
medicationrequest.html, medicationstatement.html, medication.html. FEST ids stand as codes or as identifiers, since both occur.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from kjerne.fhir.cds_hooks import codings, led_to, named, objects, said
from kjerne.fhir.systems import canonical
from kjerne.registries.negatives import called, contradicts_itself, meant_by, with_substances
from kjerne.registries.standing import standing

Tree = Mapping[str, Any]

ATC: Final = "http://www.whocc.no/atc"
SUBSTANCES: Final = "http://ehelse.no/FESTSubstance"
MEDICINES: Final = "http://ehelse.no/FESTMedication"
FEST: Final = "http://ehelse.no/fhir/CodeSystem/FEST"
"""Of no-basis-Medication and no-basis-Substance: an id of FEST, of a medicine or of a substance."""
SNOMED: Final = "http://snomed.info/sct"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

INACTIVE_INGREDIENT: Final = "http://nhn.no/kj/fhir/StructureDefinition/KjInactiveIngredient"

OF_MEDICINES: Final = frozenset(
    {"MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"}
)
NOT_TAKEN: Final = frozenset(
    {"cancelled", "stopped", "completed", "entered-in-error", "not-taken", "not-done", "declined"}
)
"""Statuses of a prescription or a statement by which the medicine is not, or no more, in use."""
MEDICAL: Final = frozenset({"medication", "biologic"})
"""Categories of a reaction to what is given as a medicine: R4 has vaccines, hormones and antitoxins as biologic."""
OF_REGISTERS: Final = frozenset({ATC, SUBSTANCES, MEDICINES, FEST})
"""Systems that name nothing but medicines and what is in them, whatever the category."""
PARTS_LIMIT: Final = 100
"""Parts of one medicine that are read; what comes behind them is a part that was not understood."""
_DEEPEST: Final = 4


class Code(NamedTuple):
    """A code of a system, in the system's one spelling."""

    system: str
    code: str


class Part(NamedTuple):
    """One thing that is said: a medicine, what is in it, or what somebody reacts to.

    `said` are the words that somebody wrote of it, `names` what its codes are called there. One without codes is one in words
    alone, one with nothing could not be read.
    """

    codes: frozenset[Code] = frozenset()
    said: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


class Allergy(NamedTuple):
    """An entry that may warn. `is_weighty`: of high criticality; `of_medicine`: a reaction to a medicine, or to nobody knows
    what; `of_excipient`: what is named is an excipient of what it was in; `contradicts_itself`: a code of it
    says that there is nothing, and is none of its parts."""

    id: str
    name: str
    parts: frozenset[Part]
    is_confirmed: bool = False
    is_weighty: bool = False
    of_medicine: bool = True
    of_excipient: bool = False
    contradicts_itself: bool = False

    @property
    def codes(self) -> frozenset[Code]:
        return frozenset(code for one in self.parts for code in one.codes)


class Medicine(NamedTuple):
    """A medicine of an order or a list. `own` says which it is, `active` and `excipients` what is in it."""

    place: str
    name: str
    own: frozenset[Part] = frozenset()
    active: frozenset[Part] = frozenset()
    excipients: frozenset[Part] = frozenset()
    has_id: bool = False

    @property
    def codes(self) -> frozenset[Code]:
        return frozenset(code for one in self.own for code in one.codes)


def allergy(id_: str, tree: Tree, now: datetime) -> Allergy | None:
    """An AllergyIntolerance as what may warn; None for one that does not hold (`registries.standing`)."""
    if standing(tree, now) != "active":
        return None
    verified = {code for _, code, _ in codings(tree.get("verificationStatus"))}
    concepts = meant_by(tree, tree.get("code"))
    categories = {said(one) for one in _list(tree.get("category"))}
    parts = frozenset(part for one in concepts if (part := _part(one)) is not None)
    of_registers = any(code.system in OF_REGISTERS for one in parts for code in one.codes)
    return Allergy(
        id_,
        with_substances(called(tree, tree.get("code")) or named(tree.get("code")), tree),
        parts,
        is_confirmed="confirmed" in verified,
        is_weighty=tree.get("criticality") == "high",
        of_medicine=not categories or bool(categories & MEDICAL) or of_registers,
        of_excipient=_says_excipient(tree),
        contradicts_itself=contradicts_itself(tree, tree.get("code")),
    )


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
    """The medicine of a prescription or a statement, with what the call has of it; without parts where it says nothing."""
    concept, reference = tree.get("medicationCodeableConcept"), tree.get("medicationReference")
    held = led_to(reference, tree, around)
    if held.get("resourceType") != "Medication":
        held = {}
    own = frozenset(part for part in (_part(concept), _referred(reference, held)) if part is not None)
    is_contained = any(said(one.get("reference"))[:1] == "#" for one in objects(reference))
    # In R4 what a contained Medication refers to lies beside it (dom-2); some put it inside.
    holders = (held, tree) if is_contained else (held,)
    read = list(islice(_ingredients(held, holders, around, _DEEPEST), PARTS_LIMIT + 1))
    if len(read) > PARTS_LIMIT:
        read[PARTS_LIMIT:] = [(True, Part())]
    active = frozenset(part for is_active, part in read if is_active)
    excipients = frozenset(part for is_active, part in read if not is_active)
    of_reference = said(next(objects(reference), {}).get("display"))
    name = named(concept) or named(held.get("code")) or of_reference
    return Medicine(place, name, own, active, excipients, has_id)


def _ingredients(of: Tree, holders: tuple[Tree, ...], around: Tree, deep: int) -> Iterator[tuple[bool, Part]]:
    """What is in a medicine or a substance, and whether it is active there; what cannot be read is a part with nothing."""
    listed = of.get("ingredient")
    for one in listed if isinstance(listed, list) else [listed] * (listed is not None):
        if not isinstance(one, dict):
            yield True, Part()
            continue
        is_active = one.get("isActive") is not False
        for is_within, part in _ingredient(one, holders, around, deep):
            yield is_active and is_within, part


def _ingredient(one: Tree, holders: tuple[Tree, ...], around: Tree, deep: int) -> Iterator[tuple[bool, Part]]:
    concept = _part(one.get("itemCodeableConcept") or one.get("substanceCodeableConcept"))
    reference = one.get("itemReference") or one.get("substanceReference")
    held = next((found for each in holders if (found := led_to(reference, each, around))), {})
    if held.get("resourceType") not in ("Substance", "Medication"):
        held = {}
    within = list(islice(_ingredients(held, (held, *holders[-1:]), around, deep - 1), PARTS_LIMIT + 1)) if deep else []
    if not deep and held.get("ingredient"):
        within = [(True, Part())]
    referred = _referred(reference, held)
    if concept is None and referred is None and not within:
        yield True, Part()
    for part in (concept, referred):
        if part is not None:
            yield True, part
    yield from within


def _referred(reference: Any, held: Tree) -> Part | None:
    """What a reference says of a medicine or a substance, with the code and the identifiers of what it leads to."""
    found = _part(held.get("code")) or Part()
    codes = {*found.codes, *_identified(held.get("identifier"))}
    words = set(found.said)
    for one in objects(reference):
        codes |= _identified(one.get("identifier"))
        words |= {said(one.get("display"))} - {""}
    if not codes and not words and (held or not reference):
        # A Medication may say what is in it and nothing else; a reference that leads nowhere says nothing at all.
        return Part() if held.get("code") or (held and not held.get("ingredient")) else None
    return Part(frozenset(codes), frozenset(words), found.names)


def _part(concept: Any) -> Part | None:
    """A concept; None where there is none, and a part with nothing where it cannot be read."""
    if not concept:
        return None
    codes, words, names = set[Code](), set[str](), set[str]()
    for one in objects(concept):
        words.add(said(one.get("text")).strip())
        for coding in objects(one.get("coding")):
            system, code = said(coding.get("system")), said(coding.get("code"))
            display = said(coding.get("display")).strip()
            if code and system == ABSENT:
                continue
            if code and system:
                codes.add(code_of(system, code))
                names.add(display)
            else:
                words.add(display or code)
    return Part(frozenset(codes), frozenset(words - {""}), frozenset(names - {""}))


def code_of(system: str, code: str) -> Code:
    """In one spelling. ATC's is in capitals, which many leave off."""
    known = canonical(system)
    return Code(known, "".join(code.split()).upper() if known == ATC else code)


def _identified(identifiers: Any) -> set[Code]:
    """FEST ids that stand as identifiers."""
    found = ((canonical(said(one.get("system"))), said(one.get("value"))) for one in objects(identifiers))
    return {Code(system, value) for system, value in found if system in (MEDICINES, SUBSTANCES, FEST) and value}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
