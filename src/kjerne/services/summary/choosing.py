"""Which records stand in a summary, and in which section: by their own status, category and codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.fhir.dates import EARLIEST, interval
from kjerne.registries.negatives import Negative, called, contradicts_itself, negative_of
from kjerne.registries.standing import standing as stands
from kjerne.services.summary.model import LOINC, Tree

PREGNANCY_STATUS: Final = "82810-3"
PREGNANCY_DATES: Final = frozenset({"11778-8", "11779-6", "11780-4"})
PREGNANCY_OUTCOMES: Final = frozenset(
    {"11636-8", "11637-6", "11638-4", "11639-2", "11640-0", "11612-9", "11613-7", "11614-5", "33065-4"}
)
SOCIAL: Final = frozenset({"72166-2", "74013-4"})
"""Tobacco and alcohol."""
SOUGHT: Final = (PREGNANCY_STATUS, *sorted(PREGNANCY_DATES | PREGNANCY_OUTCOMES | SOCIAL))
"""LOINC codes that are looked for whatever is newer."""
TAKEN: Final = frozenset({"active", "on-hold", "intended", "unknown"})
FOUND: Final = frozenset({"final", "amended", "corrected", "preliminary"})
RESULTS_SHOWN: Final = 100
WHO: Final = ("recorder", "asserter", "performer", "requester", "source", "author", "informationSource")
"""The elements by which a record names who has to do with what it says."""
CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_NAMES: Final = {
    "AllergyIntolerance": "code", "Condition": "code", "Procedure": "code", "MedicationStatement": "medicationCodeableConcept",
    "MedicationRequest": "medicationCodeableConcept", "Immunization": "vaccineCode",
}  # fmt: skip
_DATES: Final = (
    "recordedDate", "effectiveDateTime", "performedDateTime", "authoredOn", "dateAsserted", "occurrenceDateTime", "recordedOn",
    "issued", "onsetDateTime",
)  # fmt: skip


def section_of(tree: Tree, now: datetime) -> str:
    """The key of the section that a record stands in; empty for none."""
    chosen = _CHOOSERS.get(said(tree.get("resourceType")))
    return chosen(tree, now) if chosen else ""


def _codes(concept: Any) -> set[str]:
    return {code for _, code, _ in codings(concept)}


def _allergy(tree: Tree, now: datetime) -> str:
    return "allergies" if stands(tree, now) == "active" else ""


def _condition(tree: Tree, now: datetime) -> str:
    return {"active": "problems", "over": "past-problems"}.get(stands(tree, now), "")


def _procedure(tree: Tree, now: datetime) -> str:
    """Also what is over: the section tells what was done."""
    return "procedures" if stands(tree, now) in ("active", "over") else ""


def _device(tree: Tree, now: datetime) -> str:
    return "devices" if stands(tree, now) == "active" else ""


def _flag(tree: Tree, now: datetime) -> str:
    return "alerts" if stands(tree, now) == "active" else ""


def _medicine(tree: Tree, _: datetime) -> str:
    if tree.get("doNotPerform") is True or said(tree.get("status")) not in TAKEN:
        return ""
    return "" if tree.get("intent") in ("proposal", "plan", "option") else "medications"


def _vaccine(tree: Tree, _: datetime) -> str:
    return "immunizations" if tree.get("status") == "completed" else ""


def _plan(tree: Tree, _: datetime) -> str:
    return "plan" if tree.get("status") in ("active", "on-hold") else ""


def _observation(tree: Tree, _: datetime) -> str:
    if said(tree.get("status")) not in FOUND:
        return ""
    codes = {code for system, code, _ in codings(tree.get("code")) if system == LOINC}
    if codes & {PREGNANCY_STATUS, *PREGNANCY_OUTCOMES}:
        return "pregnancy"
    if codes & PREGNANCY_DATES:
        return ""  # what leads to it stands in the section
    if codes & SOCIAL:
        return "social-history"
    if _has(tree, "category", "vital-signs"):
        return "vital-signs"
    return "results" if _says_something(tree) or "component" in tree or "dataAbsentReason" in tree else ""


def _has(tree: Tree, element: str, code: str) -> bool:
    return any(system == CATEGORIES and one == code for system, one, _ in codings(tree.get(element)))


def _report(tree: Tree, _: datetime) -> str:
    return "results" if tree.get("status") in FOUND and said(tree.get("conclusion")).strip() else ""


_CHOOSERS: Final = {
    "AllergyIntolerance": _allergy,
    "CarePlan": _plan,
    "Condition": _condition,
    "DeviceUseStatement": _device,
    "DiagnosticReport": _report,
    "Flag": _flag,
    "Immunization": _vaccine,
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
    "Observation": _observation,
    "Procedure": _procedure,
}


def moment_of(tree: Tree) -> str:
    """When a record is of, as it says it; empty where it does not."""
    return next(_moments(tree, ("start", "end")), "")


def _moments(tree: Tree, ends: tuple[str, str]) -> Iterator[str]:
    """When a record is of, and only then when it was issued; of a period by the end that is named first and is there."""
    for key in ("effectiveDateTime", "effectiveInstant", "performedDateTime", "occurrenceDateTime"):
        yield from filter(None, [said(tree.get(key))])
    for span in objects([tree.get(key) for key in ("effectivePeriod", "performedPeriod", "period")]):
        yield from filter(None, [said(span.get(end)) for end in ends])
    for timing in objects([tree.get("effectiveTiming")]):
        events = timing.get("event")
        told = [one for one in events if isinstance(one, str)] if isinstance(events, list) else []
        yield from sorted(told, key=_instant, reverse=ends[0] == "end")
        for span in objects([one.get("boundsPeriod") for one in objects(timing.get("repeat"))]):
            yield from filter(None, [said(span.get(end)) for end in ends])
    yield from filter(None, [said(tree.get(key)) for key in ("authoredOn", "issued")])


def _last(tree: Tree) -> datetime:
    """When a record is of, at the last: two clocks may tell times whose texts sort the other way."""
    return _instant(next(_moments(tree, ("end", "start")), ""))


def _instant(text: str) -> datetime:
    try:
        return interval(text)[0]
    except ValueError:
        return EARLIEST


def _says_something(tree: Tree) -> bool:
    return any(key.startswith("value") for one in (tree, *objects(tree.get("component"))) for key in one)


def latest_of_each(trees: Iterable[Tree], now: datetime, most: int = RESULTS_SHOWN) -> list[Tree]:
    """Of Observations with the same code the newest, at most so many of them; all else as it comes. The newest that has no value
    (*haemolysed*), and one of a day that has not come, stand beside the last that has one."""
    found: dict[Any, Tree] = {}
    for tree in sorted(trees, key=_last, reverse=True):
        codes = frozenset((system, code) for system, code, _ in codings(tree.get("code")))
        what = codes or named(tree.get("code"))
        is_one_of_several = tree["resourceType"] == "Observation" and what
        says, is_ahead = _says_something(tree), _last(tree) > now
        if is_one_of_several and not says and not is_ahead and (what, True, False) in found:
            continue
        found.setdefault((what, says, is_ahead) if is_one_of_several else id(tree), tree)
    return list(found.values())[:most]


def stated(tree: Tree) -> Negative:
    """Whether a record says that there is nothing, by each of its codes and by nothing that it names beside them."""
    return negative_of(tree, tree.get(_NAMES.get(said(tree.get("resourceType")), "")))


def name_beside(tree: Mapping[str, Any]) -> str:
    """What a record is called that says of itself both that there is nothing and that there is something; else empty."""
    return called(tree, tree.get(_NAMES.get(said(tree.get("resourceType")), "")))


def is_odd(tree: Mapping[str, Any]) -> bool:
    """Whether a record says of itself both."""
    return contradicts_itself(tree, tree.get(_NAMES.get(said(tree.get("resourceType")), "")))


def standing(trees: Sequence[Tree], *, is_whole: bool) -> list[Tree]:
    """The entries of a section: what says that there is nothing stands only where a clinician said so, by name and with a date,
    nothing speaks against it and all sources were read."""
    told = [(one, stated(one)) for one in trees]
    speaks_against = any(not says for _, says in told)
    return [
        one for one, says in told
        if not says
        or (says != "no-info" and is_whole and recorded(one) and not (says == "whole" and speaks_against))
    ]  # fmt: skip


_CRITICALITIES: Final = {"high": 0, "unable-to-assess": 1, "": 1, "low": 2}


def gravest_first(trees: Iterable[Tree]) -> list[Tree]:
    """Entries of a section in the order in which they are to be read: what is grave, then what is confirmed; what says that there
    is nothing stands last. Else as they come."""

    def weight(tree: Tree) -> tuple[bool, int, bool]:
        is_confirmed = "confirmed" in _codes(tree.get("verificationStatus"))
        return bool(stated(tree)), _CRITICALITIES.get(said(tree.get("criticality")), 1), not is_confirmed

    return sorted(trees, key=weight)


def recorded(tree: Tree) -> tuple[str, str] | None:
    """Who recorded a statement and when; None where one of the two is not said.

    What a health worker registered here without a day is of the day on which it was written here, as icon and box have it.
    """
    who = next((text for key in ("recorder", "asserter", "informationSource", "requester", "source", "author")
                for one in objects(tree.get(key)) if (text := name_of(tree, one))), "")  # fmt: skip
    when = next((text for key in _DATES if (text := said(tree.get(key)))), "")
    if not when and any(said(one.get("reference"))[:1] == "#" for one in objects(tree.get("recorder"))):
        when = next((said(one.get("lastUpdated")) for one in objects(tree.get("meta"))), "")
    return (who, when) if who and when else None


def name_of(tree: Tree, reference: Mapping[str, Any]) -> str:
    """What somebody is called whom a reference leads to: its display, or a name in what is contained."""
    if text := said(reference.get("display")).strip():
        return text
    place = said(reference.get("reference"))
    if place[:1] != "#":
        return ""
    for one in objects(tree.get("contained")):
        if one.get("id") == place[1:]:
            if text := next((said(x.get("display")) for x in objects(one.get("practitioner"))), "").strip():
                return text
            name = one.get("name")
            if isinstance(name, str):
                return name
            for human in objects(name):
                given = [said(part) for part in human.get("given", ()) if isinstance(part, str)]
                return said(human.get("text")) or " ".join((*given, said(human.get("family")))).strip()
    return ""
