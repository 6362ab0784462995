"""Whether two codes, units or values are the same in another spelling: who read the one has nothing to be told of the other.

A code system has many addresses (`systems`), a unit many ways to be written, a number as many digits as somebody gives it; a
code may stand beside the words that it means, and a name beside its code. A resource is served as it was sent; here it is only
compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kjerne.fhir import systems, ucum

Tree = Mapping[str, Any]
_NOTHING: Final[Tree] = {}

_SIGNS: Final = str.maketrans({"μ": "u", "µ": "u", "×": "x", "⁶": "^6", "⁹": "^9", "²": "2", "³": "3"})
_POWER: Final = re.compile(r"x?10(?:\*\*|\*|\^|[eE]\^?)(?=[+-]?[0-9])")
_LITRE: Final = re.compile(r"(?<![A-Za-z\[])([fpnumcdhk]?)l(?![A-Za-z\]])")
_HEADING: Final = systems.VOLVEN + "8243"
"""Headings: what kind of text stands there."""
_TAKEN_OVER: Final = 6
"""Letters of a code that is the same in two systems by no chance: 8340 has its codes from SNOMED CT."""
_QUANTITY: Final = frozenset({"value", "comparator", "unit", "system", "code", "id", "extension"})
_CONCEPT: Final = frozenset({"coding", "text", "id", "extension"})


def reference_id(reference: Any) -> str:
    """The id at the end of a literal reference, whichever version of it is meant."""
    return str(reference).partition("/_history/")[0].rstrip("/").rpartition("/")[2]


def words(text: Any) -> str:
    """Text as it is read: spaces around and between words say nothing. Line breaks do, in a table made of signs."""
    return "\n".join(" ".join(line.split()) for line in str(text or "").strip().splitlines())


def coding(one: Tree) -> tuple[str, str]:
    """A code with the one address of its system."""
    return systems.canonical(str(one.get("system", ""))), str(one["code"])


def codings(concept: Tree | None) -> frozenset[tuple[str, str]]:
    """The codes of a concept."""
    return frozenset(coding(one) for one in (concept or _NOTHING).get("coding", ()) if one.get("code"))


def at_odds(some: frozenset[tuple[str, str]], others: frozenset[tuple[str, str]]) -> bool:
    """Whether some system has codes in both, and none in common."""
    first, second = _by_system(some), _by_system(others)
    return any(first[system].isdisjoint(second[system]) for system in first.keys() & second.keys())


def unit(text: Any) -> str:
    """A unit without what spelling makes of it: `10^9/l` and `10E9/L`, `µmol/L` and `umol/L`.

    >>> unit("10^9 /l"), unit("x10E9/L"), unit("µmol/l"), unit("mol/L"), unit("ml")
    ('10*9/L', '10*9/L', 'umol/L', 'mol/L', 'mL')
    """
    compact = "".join(str(text or "").translate(_SIGNS).split())
    return _LITRE.sub(r"\1L", _POWER.sub("10*", compact))


def same_quantity(one: Tree, other: Tree) -> bool:
    """Whether number, comparator and unit are the same; the number's digits may be others."""
    if one.get("value") != other.get("value") or one.get("comparator") != other.get("comparator"):
        return False
    return _same_unit(one, other) and one.get("extension") == other.get("extension")


def same_concept(one: Tree, other: Tree) -> bool:
    """Whether two concepts say the same: in the same words, by codes that agree."""
    if one.get("extension") != other.get("extension") or _renamed(one, other):
        return False
    said, says = words(one.get("text")), words(other.get("text"))
    named_alike = bool(_names(one) & _names(other))
    if said != says and not named_alike:
        return False
    return _same_codes(one, other)


def _same_codes(one: Tree, other: Tree) -> bool:
    """Whether the codes are the same by every system that is in both, and what only the one has is called what the other says. A
    letter of susceptibility stands beside an answer, and is no other code of it; a code without a name, or with a name of its
    own, that comes to the same text or leaves it, is another answer. Where another code of the answer stays, one with a name is.
    """
    some, others = codings(one), codings(other)
    first, second = _by_system(some), _by_system(others)
    shared = first.keys() & second.keys()
    if any(first[system] != second[system] for system in shared):
        return False
    if (systems.SUSCEPTIBILITY in first) != (systems.SUSCEPTIBILITY in second):
        return False
    only, others_only = some - others, others - some
    if shared - {_HEADING, systems.SUSCEPTIBILITY}:
        only, others_only = only & _named(one), others_only & _named(other)
    return _called_so(one, only, other) and _called_so(other, others_only, one)


def _named(concept: Tree) -> frozenset[tuple[str, str]]:
    """The codes that have a name."""
    return frozenset(coding(one) for one in concept.get("coding", ()) if one.get("code") and _shown(one))


def _called_so(one: Tree, codes: frozenset[tuple[str, str]], other: Tree) -> bool:
    """Whether each of these codes of `one`, headings apart, has a name by which `other` calls itself, or is a code that `other`
    has from a system that took it over."""
    names = {words(other.get("text")).casefold(), *(_shown(code) for code in other.get("coding", ()))} - {""}
    long = {code for _, code in codings(other) if len(code) >= _TAKEN_OVER}
    return all(
        _shown(code) in names or code["code"] in long
        for code in one.get("coding", ())
        if code.get("code") and coding(code) in codes and coding(code)[0] != _HEADING
    )


def same(one: Any, other: Any) -> bool:
    """Whether two values of any type say the same."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = one.keys() | other.keys()
        if "value" in keys and keys <= _QUANTITY:
            return same_quantity(one, other)
        if keys <= _CONCEPT:
            return same_concept(one, other)
        return all(same(one.get(key), other.get(key)) for key in keys)
    if isinstance(one, str) and isinstance(other, str):
        return words(one) == words(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _by_system(codes: frozenset[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for system, code in codes:
        found.setdefault(system, set()).add(code)
    return found


def _names(concept: Tree) -> frozenset[str]:
    """What a concept is called: by its text, else by the names of its codes."""
    displays = (words(one.get("display")) for one in concept.get("coding", ()))
    text = words(concept.get("text"))
    return frozenset({text} if text else filter(None, displays))


def _renamed(one: Tree, other: Tree) -> bool:
    """Whether a code has another name in the one than in the other; that a name is gone or new says nothing."""
    named = {coding(code): _shown(code) for code in one.get("coding", ()) if code.get("code") and code.get("display")}
    return any(
        named.get(coding(code), shown) != shown
        for code in other.get("coding", ())
        if code.get("code") and (shown := _shown(code))
    )


def _shown(code: Tree) -> str:
    return words(code.get("display")).casefold()


def _same_unit(one: Tree, other: Tree) -> bool:
    """By their codes where both have one; else by what either is called. What is called two things is not one."""
    first, second = unit(one.get("unit")), unit(other.get("unit"))
    if first != second and None not in (known := {ucum.canonical(first), ucum.canonical(second)}) and len(known) > 1:
        return False
    if one.get("code") and other.get("code"):
        of = {systems.canonical(str(held["system"])) for held in (one, other) if held.get("system")}
        return len(of) < 2 and unit(one["code"]) == unit(other["code"])
    names, others = ({words, unit(held.get("code"))} - {"", "1"} for words, held in ((first, one), (second, other)))
    return bool(names & others) or not (names or others)
