"""How sensitive what grew is to one antibiotic: its letter of Volven 8271 (S/I/R), and the MIC or zone beside it.

The letter is the value or stands as interpretation; the number is the value, the text beside the letter, or a further value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kjerne.services.results import points, values
from kjerne.services.results.kith import codes
from kjerne.services.results.points import Absent, Aside, Mark, Part
from kjerne.services.results.values import Resource, Value


@dataclass(frozen=True, slots=True)
class Level:
    """How sensitive: `letter` is S, I or R, `measured` a MIC or zone where it was given; each empty where it was not."""

    letter: str
    meaning: str
    measured: str


@dataclass(frozen=True, slots=True)
class Susceptibility:
    """One antibiotic against one organism. `level` is None where it was taken back or is waited for, `old` what it was."""

    antibiotic: str
    level: Level | None
    mark: Mark = ""
    old: Level | None = None
    notes: tuple[str, ...] = ()
    absent: Absent = ""
    was: str = ""
    """The antibiotic that the old level was said to be of, where that was corrected too."""
    asides: tuple[Aside, ...] = ()
    parts: tuple[Part, ...] = ()
    """Further values beside the level, and in `old_parts` those that were others before."""
    old_parts: tuple[Part, ...] = ()
    unsettled: bool = False
    added: bool = False


def susceptibility_of(member: Resource) -> Susceptibility:
    """One antibiotic with what it was before: a level that was corrected or taken back is clinical news."""
    name, alone, parts = _antibiotic(values.concept_text(member.get("code"))), level_of(member), points.parts_of(member)
    changes = points.changes_of(member)
    level, further = _beside(alone, parts)
    old, old_parts, code = _before(member, changes, alone)
    mark = points.mark_of(member, changes)
    void = mark == "withdrawn"
    if void:
        # By FHIR, what was taken back may still say what it said.
        if not (old_parts or (old and old.measured)):
            old, old_parts = _beside(old or alone, parts)
        level, further = None, ()
        mark = "not-repeated" if changes and changes[0].kind == "not-repeated" else mark
    absent = points.absent_of(member) if level is None and not void else ""
    return Susceptibility(
        name, level, mark, old, points.notes_of(member), absent, _antibiotic(values.concept_text(code)),
        () if void else tuple(one for one in points.asides_of(changes) if one.what != "flag"),
        further, old_parts, not absent and points.is_unsettled(member, mark),
        points.is_added(member),
    )  # fmt: skip


def with_its_organism(tested: Susceptibility, mark: Mark) -> Susceptibility:
    """As it holds beside an organism that has this mark: what was taken back is sensitive to nothing."""
    if mark != "withdrawn" or tested.mark == "withdrawn":
        return tested
    return replace(
        tested, level=None, mark=mark, old=tested.level or tested.old, absent="", parts=(), asides=(),
        old_parts=tested.parts or tested.old_parts, was="" if tested.level else tested.was, unsettled=False,
    )  # fmt: skip


def with_their_organisms(observations: Iterable[Resource]) -> tuple[Resource, ...]:
    """Results as they are read: what is said of an organism that was taken back is taken back with it, a MIC and how much grew
    too. A level has its mark from `with_its_organism`."""
    held = tuple(observations)
    by_id = {str(one.get("id", "")): one for one in held}
    gone: set[str] = set()
    for one in held:
        if one.get("hasMember") and points.mark_of(one, points.changes_of(one)) == "withdrawn":
            named = {points.reference_id(ref) for ref in one["hasMember"]} & by_id.keys()
            if any(is_tested(by_id[own]) or _coded(_further(by_id[own])) for own in named):
                gone |= {own for own in named if not (by_id[own].get("hasMember") or is_tested(by_id[own]))}
    if not gone:
        return held
    return tuple(one | {"status": "entered-in-error"} if one.get("id") in gone else one for one in held)


def _further(observation: Resource) -> Iterable[Mapping[str, Any]]:
    return (one.get("valueCodeableConcept", {}) for one in observation.get("component", []))


_Former = tuple[Level | None, tuple[Part, ...], Mapping[str, Any]]


def _before(member: Resource, changes: Sequence[points.Change], alone: Level | None) -> _Former:
    """The newest level that was another, the further values that were, and the antibiotic that it was said to be of."""
    level, further = _beside(alone, points.parts_of(member))
    for change in changes:
        old, beside = _beside(_former_level(member, change), change.parts)
        others = tuple(part for part in beside if part not in further)
        # A change that names no further value says nothing of it.
        if (old and (change.code or old != (level if change.parts else alone))) or others:
            return old, others, change.code
    return None, (), {}


def _beside(level: Level | None, parts: tuple[Part, ...]) -> tuple[Level | None, tuple[Part, ...]]:
    """The level with its MIC or zone, where that was sent as the second value of its item; and the values that are left."""
    found = next((one for one in parts if one.name == codes.FURTHER and one.value.number is not None), None)
    if level is None or level.measured or found is None:
        return level, parts
    return replace(level, measured=_sign(found.value)), tuple(one for one in parts if one is not found)


def is_tested(observation: Resource) -> bool:
    """Whether it says, or said before, how sensitive something is."""
    if _coded(_concepts(observation)):
        return True
    return any(_coded(_former_concepts(change)) for change in points.changes_of(observation))


def _former_concepts(change: points.Change) -> tuple[Mapping[str, Any], ...]:
    return change.concept, *change.before.get("interpretation", [])


def _concepts(observation: Resource) -> tuple[Mapping[str, Any], ...]:
    return observation.get("valueCodeableConcept", {}), *observation.get("interpretation", [])


def _coded(concepts: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    for concept in concepts:
        for coding in concept.get("coding", []):
            if values.is_of(coding, values.SUSCEPTIBILITY):
                return str(coding.get("code", "")), str(coding.get("display", ""))
    return None


def level_of(observation: Resource) -> Level | None:
    value, said = observation.get("valueCodeableConcept", {}), values.value_of(observation)
    interpretation = observation.get("interpretation", [])
    return _measured(said, interpretation) if said and not value else _level(value, interpretation)


def _measured(said: Value, interpretation: Sequence[Mapping[str, Any]]) -> Level:
    """The MIC as a number, with its letter as interpretation."""
    letter, meaning = _coded(interpretation) or ("", "")
    return Level(letter, meaning, _sign(said))


def _sign(said: Value) -> str:
    return f"{said.comparator}{said.number} {said.unit}".strip() if said.number is not None else said.text


def _former_level(member: Resource, change: points.Change) -> Level | None:
    """What the level was: the letter in the value, or beside it, where a change names it; else the one that still stands."""
    named = change.before if "flag" in change.circumstances else member
    interpretation = named.get("interpretation", [])
    if change.value and not change.concept:
        return _measured(change.value, interpretation)
    return _level(change.concept, interpretation) if change.concept else None


def _level(value: Mapping[str, Any], interpretation: Sequence[Mapping[str, Any]]) -> Level | None:
    letter, meaning = _coded((value, *interpretation)) or ("", "")
    # A MIC stands as the concept's own text beside the code; a text that only repeats the code's words is none.
    displays = {coding.get(name) for coding in value.get("coding", []) for name in ("display", "code")}
    measured = str(value.get("text", ""))
    measured = "" if measured in displays else measured
    return Level(letter, meaning, measured) if letter or measured else None


def _antibiotic(name: str) -> str:
    return re.sub(r"^(Us|Isol|X)-", "", name)
