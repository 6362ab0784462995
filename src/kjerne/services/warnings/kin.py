"""The loaded map: which codes mean one substance, and within which groups substances may cross react.

A ConceptMap that `kjerne load terminology` loads, at `SUBSTANCE_MAP`: a target with `equal` or `equivalent` is the same substance
under another code, one with `wider` or `subsumes` is a group that the substance is of. None is shipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.cds_hooks import objects, said
from kjerne.fhir.systems import canonical
from kjerne.services.warnings.reading import Code, code_of
from kjerne.store import terminology
from kjerne.store.pool import Connection

SUBSTANCE_MAP: Final = "http://kjerne.example/fhir/ConceptMap/substances-and-cross-reactivity"
SAME: Final = frozenset({"equal", "equivalent"})
WIDER: Final = frozenset({"wider", "subsumes"})
NO_MATCH: Final = frozenset({"disjoint", "unmatched"})
NOTHING: Final[frozenset[Any]] = frozenset()


class Kin(NamedTuple):
    """The map, ready to be asked: the codes of a substance, itself among them; its groups; what codes are called."""

    same: Mapping[Code, frozenset[Code]]
    groups: Mapping[Code, frozenset[Code]]
    names: Mapping[str, str]
    every_group: frozenset[Code] = NOTHING


NO_KIN: Final = Kin({}, {}, {})
_kin: dict[tuple[str, Any], Kin] = {}


async def kin(conn: Connection) -> Kin:
    """The map that is loaded at this moment."""
    mark = await terminology.newest(conn, "ConceptMap", SUBSTANCE_MAP)
    if mark is None:
        return NO_KIN
    if mark not in _kin:
        found = await terminology.definition(conn, "ConceptMap", SUBSTANCE_MAP, mark[0])
        made = kin_of(found or {})
        _kin.clear()
        _kin[mark] = made
    return _kin[mark]


def check(concept_map: Mapping[str, Any]) -> None:
    """`Refusal` 422 for a map that says what warnings do not understand: it would stand in place of one that they do."""
    told = 0
    for number, group in enumerate(objects(concept_map.get("group"))):
        for side in ("source", "target"):
            if not said(group.get(side)):
                raise _not_understood("the group has no system", f"group[{number}].{side}")
        for where, element, target in _targets(group):
            place = f"group[{number}].{where}"
            relation = target.get("equivalence")
            if relation not in SAME | WIDER | NO_MATCH:
                raise _not_understood("the relation is none that warnings know", f"{place}.equivalence")
            if relation not in NO_MATCH and not (said(element.get("code")) and said(target.get("code"))):
                raise _not_understood("a code is missing", f"{place}.code")
            told += relation not in NO_MATCH
    if not told:
        raise _not_understood("the map says of no two codes what they are to each other", "group")


def _not_understood(says: str, where: str) -> Refusal:
    todo = f"Write R4's equivalence: {', '.join(sorted(SAME | WIDER | NO_MATCH))}. What was loaded before is kept."
    return Refusal(422, says, where=f"{SUBSTANCE_MAP}: ConceptMap.{where}", todo=todo)


def _targets(group: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    for number, element in enumerate(objects(group.get("element"))):
        for place, target in enumerate(objects(element.get("target"))):
            yield f"element[{number}].target[{place}]", element, target


def kin_of(concept_map: Mapping[str, Any]) -> Kin:
    """The map, ready to be asked. What is the same as a third is the same; the groups of one code are those of all its names."""
    same, groups = defaultdict[Code, set[Code]](set), defaultdict[Code, set[Code]](set)
    names: dict[str, str] = {}
    for group in objects(concept_map.get("group")):
        from_, to = (canonical(said(group.get(side))) for side in ("source", "target"))
        for _, element, target in _targets(group):
            one, other = code_of(from_, said(element.get("code"))), code_of(to, said(target.get("code")))
            if target.get("equivalence") in SAME:
                every = {one, other} | same[one] | same[other]
                for each in every:
                    same[each] = every
            elif target.get("equivalence") in WIDER:
                groups[one].add(other)
                names[other.code] = said(target.get("display")) or other.code
    of_all = {one: frozenset(group for each in every for group in groups.get(each, ())) for one, every in same.items()}
    known = {one: frozenset(found) | of_all.get(one, NOTHING) for one, found in groups.items()}
    every_group = frozenset(each for found in groups.values() for each in found)
    return Kin({one: frozenset(every) for one, every in same.items() if every}, of_all | known, names, every_group)
