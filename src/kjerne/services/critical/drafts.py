"""A record of critical information as a form makes it: what health personnel fill in, made into the resource of its profile.

A change keeps whatever the form does not ask about. Sources: the profiles as in `registries.kj_profiles`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from kjerne.fhir.systems import canonical
from kjerne.registries.contents import KINDS_SYSTEM
from kjerne.registries.kj_profiles import (
    ATC,
    BASE,
    FEST_MEDICATION,
    FEST_SUBSTANCE,
    KJ_SYSTEMS,
    PROFILE_BY_KIND,
    SNOMED,
)
from kjerne.registries.negatives import words_of_reactions
from kjerne.registries.standing import last_day
from kjerne.services.critical.entries import NO_CODE, Coded, Version, coded, reaction_of, source_of, version
from kjerne.services.critical.keeping import VERIFIED

Tree = dict[str, Any]
Deed = Literal["change", "verify", "refute", "restore", "retract"]
REACTIONS: Final = "urn:oid:2.16.578.1.12.4.1.1.7497"
SOURCES: Final = f"{KJ_SYSTEMS}SourceOfInformation"
_CATEGORY: Final = f"{KJ_SYSTEMS}Category"
TYPE_BY_KIND: Final[Mapping[str, str]] = {
    **dict.fromkeys(("drug-reaction", "other-allergen"), "AllergyIntolerance"),
    **dict.fromkeys(
        ("critical-condition", "infection", "intubation-problem", "anaesthesia-problem", "transplant"), "Condition"
    ),
    "implant": "DeviceUseStatement",
    **dict.fromkeys(("radiotherapy", "cytostatics", "dialysis", "other-treatment"), "Procedure"),
    **dict.fromkeys(("procedure-change", "crisis-plan"), "Flag"),
}
"""The type of resource that each kind of content is kept as, in the order in which they are offered."""
ICD_10: Final = canonical("http://hl7.org/fhir/sid/icd-10-no")
CODED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": (ATC, FEST_SUBSTANCE, FEST_MEDICATION, SNOMED),
    **dict.fromkeys(("Condition", "DeviceUseStatement", "Procedure", "Flag"), (SNOMED, ICD_10)),
}
"""The code systems that say what a record of each type is about, in the order in which they are offered."""
BY_WORDS: Final = "Flag"
"""The type that its profile takes in words alone: every other demands a code."""
OTHER_ALLERGENS: Final = ("food", "environment", "biologic")
TREATMENTS: Final[Mapping[str, Coded]] = {
    "radiotherapy": Coded(SNOMED, "108290001", "Strålebehandling"),
    "cytostatics": Coded(SNOMED, "367336001", "Cytostatikabehandling"),
    "dialysis": Coded(SNOMED, "265764009", "Dialyse"),
}
"""The treatments that are one code each (`registries.contents`)."""
_STATUS: Final = {"DeviceUseStatement": "active", "Procedure": "in-progress", "Flag": "active"}
_ENDED: Final = {"DeviceUseStatement": "completed", "Procedure": "completed", "Flag": "inactive"}
_CLINICAL: Final = {
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-clinical",
}
_ASKED: Final = frozenset(
    {f"{BASE}{name}" for name in ("KjSourceOfInformation", "KjNote", "KjValidUntil", "KjImplanted")}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form says. `note` is text, dates are days (YYYY-MM-DD) or empty; what a kind does not ask about is ignored."""

    kind: str
    about: Coded
    criticality: str = ""
    confirmed: bool = False
    reaction: Coded = NO_CODE
    source: Coded = NO_CODE
    category: str = "food"
    note: str = ""
    valid_until: str = ""
    implanted: str = ""
    of_excipient: bool = False

    @property
    def type(self) -> str:
        return TYPE_BY_KIND[self.kind]


def made(draft: Draft) -> Tree:
    """A new record; who it is about and who registers it are put in by who keeps it."""
    name = draft.type
    tree: Tree = {"resourceType": name}
    if name in VERIFIED:
        tree["clinicalStatus"] = _concept(_CLINICAL[name], "active")
    else:
        tree["status"] = _STATUS[name]
    if name == "AllergyIntolerance":
        tree["category"] = ["medication" if draft.kind == "drug-reaction" else draft.category]
    elif name == "Condition":
        tree["meta"] = {"profile": [BASE + PROFILE_BY_KIND[draft.kind]]}
    elif name == "Procedure":
        tree["category"] = _concept(_CATEGORY, "6")
    elif name == "Flag":
        tree["category"] = [
            _concept(KINDS_SYSTEM, draft.kind) if draft.kind == "crisis-plan" else _concept(_CATEGORY, "9")
        ]
    return _filled(tree, draft)


def changed(before: Tree, draft: Draft) -> Tree:
    """A record with what the form says in place of what it said there; the rest stays."""
    tree = {key: value for key, value in before.items() if key != "extension"}
    kept = [one for one in before.get("extension", ()) if one.get("url") not in _ASKED]
    if kept:
        tree["extension"] = kept
    if before["resourceType"] == "AllergyIntolerance" and draft.kind == "other-allergen":
        said = before.get("category", [])
        tree["category"] = said if draft.category in said else [draft.category]
    return _filled(tree, draft, before)


def deeds_upon(type_: str, now: Version) -> tuple[Deed, ...]:
    """What may be done with an entry as it stands: what is confirmed is not confirmed again, and what holds is not restored."""
    if now.standing == "in-error":
        return ()
    if now.standing != "active":
        return ("restore", "retract")
    is_open = type_ == "AllergyIntolerance" and now.certainty == "unconfirmed"
    return (*(("verify",) if is_open else ()), "change", "refute", "retract")


def verified(before: Tree) -> Tree:
    """Confirmed, and it holds."""
    name = before["resourceType"]
    return before | {
        "verificationStatus": _concept(VERIFIED[name], "confirmed"), "clinicalStatus": _concept(_CLINICAL[name], "active"),
    }  # fmt: skip


def refuted(before: Tree, why: str) -> Tree:
    """It was never so, or of what nobody verifies, it is over. Why stands as a note."""
    name = before["resourceType"]
    tree = dict(before)
    if name in VERIFIED:
        tree["verificationStatus"] = _concept(VERIFIED[name], "refuted")
        tree["clinicalStatus"] = _concept(_CLINICAL[name], "inactive")
    else:
        tree["status"] = _ENDED[name]
    return with_note(tree, why)


def restored(before: Tree, why: str) -> Tree:
    """What was refuted or over holds again; an allergy waits to be verified anew. Why stands as a note."""
    name = before["resourceType"]
    tree = dict(before)
    if name in VERIFIED:
        code = "unconfirmed" if name == "AllergyIntolerance" else "confirmed"
        tree["verificationStatus"] = _concept(VERIFIED[name], code)
        tree["clinicalStatus"] = _concept(_CLINICAL[name], "active")
    else:
        tree["status"] = _STATUS[name]
    return with_note(tree, why)


def with_note(tree: Tree, note: str) -> Tree:
    """With one more note."""
    return (
        tree | {"extension": [*tree.get("extension", ()), _extension("KjNote", "valueString", note)]} if note else tree
    )


def drafted(tree: Tree, at: datetime) -> Draft:
    """What a form would say of a record as it stands."""
    said = version(0, at, tree, at)
    return Draft(
        said.kind, coded(tree), said.criticality, said.certainty == "confirmed", reaction_of(tree), source_of(tree),
        said.category or "food", "\n".join(said.notes), last_day(said.valid_until), said.implanted[:10], said.of_excipient,
    )  # fmt: skip


def _filled(tree: Tree, draft: Draft, before: Tree | None = None) -> Tree:
    name = draft.type
    if name == "DeviceUseStatement":
        tree = _with_device(tree, draft, before)
    else:
        tree["code"] = _about(tree.get("code"), draft)
    if before is None and name in VERIFIED:
        is_confirmed = draft.confirmed or name == "Condition"
        tree["verificationStatus"] = _concept(VERIFIED[name], "confirmed" if is_confirmed else "unconfirmed")
    if name == "AllergyIntolerance":
        tree["criticality"] = draft.criticality
        if before is None or reaction_of(before)[:2] != draft.reaction[:2]:
            first, *rest = tree.get("reaction") or [
                {}
            ]  # with the substance and the words that the form does not ask about
            tree["reaction"] = [first | {"manifestation": [{"coding": [_coding(draft.reaction)]}]}, *rest]
    if found := [*tree.get("extension", ()), *_asked(draft, _noted(tree))]:
        tree["extension"] = found
    return tree


def _noted(tree: Tree) -> set[str]:
    """The lines of what is noted in elements of R4, which stay as they are."""
    told = [*(one.get("text", "") for one in tree.get("note", ())), *words_of_reactions(tree)]
    return {line.strip() for text in told for line in (text, *text.splitlines())}


def _asked(draft: Draft, noted: Collection[str]) -> Iterator[Tree]:
    """The extensions that a form fills in, but for what is `noted` in an element of R4 already."""
    if draft.source.code:
        yield _extension("KjSourceOfInformation", "valueCoding", _coding(draft.source))
    for line in draft.note.splitlines():
        if line.strip() and line.strip() not in noted:
            yield _extension("KjNote", "valueString", line.strip())
    if draft.valid_until:
        yield _extension("KjValidUntil", "valueDate", draft.valid_until)
    if draft.implanted:
        yield _extension("KjImplanted", "valueDate", draft.implanted)


def _about(before: Any, draft: Draft) -> Tree:
    """The concept with the code of the form: the one that stood, with all its codes, where that is still the main one."""
    if not draft.about.code:
        return {"text": draft.about.name}
    code: Tree = dict(before) if isinstance(before, dict) else {}
    if coded({"resourceType": "Flag", "code": code})[:2] != draft.about[:2] or not code.get("coding"):
        code = {"coding": [_coding(draft.about)]}
    marks = [one for one in code.pop("extension", ()) if one.get("url") != f"{BASE}KjInactiveIngredient"]
    if draft.kind == "drug-reaction" and draft.of_excipient:
        marks.append(_extension("KjInactiveIngredient", "valueBoolean", True))
    return {"extension": marks, **code} if marks else code


def _with_device(tree: Tree, draft: Draft, before: Tree | None) -> Tree:
    if before is not None and coded(before)[:2] == draft.about[:2]:
        return tree
    others = [one for one in tree.get("contained", ()) if one.get("resourceType") != "Device"]
    device = {"resourceType": "Device", "id": "device", "type": {"coding": [_coding(draft.about)]}}
    return tree | {"contained": [*others, device], "device": {"reference": "#device"}}


def _concept(system: str, code: str) -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def _coding(one: Coded) -> Tree:
    return {"system": one.system, "code": one.code, "display": one.name}


def _extension(name: str, element: str, value: object) -> Tree:
    return {"url": BASE + name, element: value}
