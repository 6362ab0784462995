"""What a later version of a report says of a result beside its value: flag, range, time, material, method and further values."""

from __future__ import annotations

import msgspec

from kjerne.fhir import circumstances, spelling
from kjerne.fhir.circumstances import Circumstance
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.map_values import (
    Tree,
    concepts,
    deviation,
    is_coded,
    range_of,
    specimen_type,
    unit_of,
    value_of,
)
from kjerne.services.results.kith.model import Amount, AnalysedSubject, Code, Item, Structured, Value
from kjerne.services.results.kith.statuses import UNFINISHED
from kjerne.services.results.kith.units import ucum


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
    facts = {_plain(one) for one in now.item.structured}
    if any(_plain(one) not in facts for one in was.item.structured):
        return True
    return any(not any(same_value(old, new) for new in now.item.further) for old in was.item.further)


def same_value(old: Value | None, new: Value | None) -> bool:
    """Whether two values say the same, compared as their Observations say them."""
    if old is None or new is None or old == new:
        return old == new
    before, after = (value_of(msgspec.structs.replace(one, unit=_unit(one.unit))) for one in (old, new))
    if before is None or after is None:
        return before == after
    return before[0] == after[0] and spelling.same(before[1], after[1])


def same_content(old: Value | None, new: Value | None) -> bool:
    """Whether two values say the same: `11` and `11.0` do, and `10^9/L` and `10*9/L`."""
    return same_value(old, new) or not (says_something(old) or says_something(new))


def says_something(value: Value | None) -> bool:
    """Whether a value holds a result; dots and dashes are what laboratories write while they wait for one."""
    if value is None or value.kind == "empty":
        return False
    return value.kind != "text" or bool(value.codes) or any(sign.isalnum() for sign in value.text)


def _plain(one: Structured) -> Structured:
    """Facts without what only spells them: units by their code, code systems by their one address, codes without names."""
    return msgspec.structs.replace(
        one,
        type=_code(one.type),
        texts=tuple(map(spelling.words, one.texts)),
        amounts=tuple(Amount(amount.number, _unit(amount.unit)) for amount in one.amounts),
        codes=tuple(map(_code, one.codes)),
    )


def _code(code: Code) -> Code:
    return Code(code.code, canonical(code.system)) if code.code else Code(name=spelling.words(code.words))


def _unit(sent: str) -> str:
    return ucum(sent) or spelling.unit(sent)


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
