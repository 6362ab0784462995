"""What a later version of a report says of a result beside its value: flag, range, time, material, method and further values."""

from __future__ import annotations

import msgspec

from kjerne.fhir import circumstances
from kjerne.fhir.circumstances import Circumstance
from kjerne.services.results.kith.map_values import (
    Tree,
    concepts,
    deviation,
    is_coded,
    range_of,
    specimen_type,
    unit_of,
)
from kjerne.services.results.kith.model import AnalysedSubject, Item, Value
from kjerne.services.results.kith.statuses import UNFINISHED


class Around(msgspec.Struct, frozen=True, array_like=True):
    """When a result was taken (empty where nothing says it) and what it was found in."""

    taken: str = ""
    subject: AnalysedSubject | None = None


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A result as one version left it."""

    item: Item
    value: Value | None
    status: str
    issued: str
    around: Around


def others(was: Said, now: Said, *, same_value: bool) -> frozenset[Circumstance]:
    """What the reading of the former value hung on, and is another now.

    What an unfinished result did not say yet is no correction when it comes. A flag that comes with another value is that
    value's.
    """
    if (was.around, _beside(was.item)) == (now.around, _beside(now.item)):
        return frozenset()
    before, after = tree_of(was), tree_of(now)
    found = circumstances.others(before, after)
    if was.status in UNFINISHED:
        found = frozenset(name for name in found if circumstances.has(before, name))
    return found if same_value or circumstances.has(before, "flag") else found - {"flag"}


def has_other_parts(was: Said, now: Said) -> bool:
    """Whether one of its further values is another, or gone; one that is added takes nothing back."""
    before, after = (was.item.structured, was.item.further), (now.item.structured, now.item.further)
    return any(one not in new for old, new in zip(before, after, strict=True) for one in old)


def tree_of(said: Said) -> Tree:
    """The circumstances of a result as its Observation says them; its specimen beside it."""
    item, unit = said.item, unit_of(said.value)
    found: Tree = {"resourceType": "Observation"}
    if is_coded(item.deviation):
        found["interpretation"] = [deviation(item.deviation)]
    if item.ranges:
        found["referenceRange"] = [range_of(text, unit) for text in item.ranges]
    if said.around.taken:
        found["effectiveDateTime"] = said.around.taken
    if item.specifications:
        found["method"] = concepts(item.specifications)
    kind = specimen_type(said.around.subject) if said.around.subject else {}
    if kind:
        found["specimen"] = {"beside": True, "type": kind}
    return found


def _beside(item: Item) -> tuple[object, ...]:
    return item.deviation, item.ranges, item.specifications
