"""What a code is in another system (R4 conceptmap.html)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from kjerne.fhir.effort import spend

_REVERSED: Final = {
    "wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes",
}  # fmt: skip
"""What an equivalence says of the way back; the others say the same."""
_NONE: Final = frozenset({"unmatched", "disjoint"})


class Translated(NamedTuple):
    """A code that another is mapped to, and how near it comes (R4 concept-map-equivalence)."""

    equivalence: str
    system: str
    version: str
    code: str
    display: str
    conditional: bool = False
    products: tuple[Mapping[str, Any], ...] = ()
    """`conditional`: only where other elements have what `dependsOn` says; `products`: other elements that come of it."""

    @property
    def is_match(self) -> bool:
        return self.equivalence not in _NONE and not self.conditional


class Ends(NamedTuple):
    """Between what a map is wanted: value sets, and code systems of which any will do. What is empty narrows nothing."""

    source: str
    target: str
    from_: frozenset[str]
    to: frozenset[str]
    are_open: bool
    """Neither a value set nor a system to go to is named."""

    @classmethod
    def of(cls, given: Sequence[str], systems: Collection[str], backwards: bool) -> Ends:
        """Of `source`, `target` and `targetsystem` of `$translate`, and the code's systems: backwards a map is gone through
        from its target."""
        source, target, system = given
        to, are_open = frozenset({system} - {""}), not (source or target or system)
        if backwards:
            return cls(target, source, to, frozenset(systems), are_open)
        return cls(source, target, frozenset(systems), to, are_open)

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """The same as parameters of a search of ConceptMap, as far as they narrow by one value."""
        named = (("source-system", self.from_), ("target-system", self.to))
        return tuple((name, one) for name, every in named if len(every) == 1 for one in every)

    def fit(self, concept_map: Mapping[str, Any], *, of_sets: bool = False) -> bool:
        """Whether a map is such a one; `of_sets`: by its value sets alone. Those may be named without their version."""
        return (
            _names(concept_map, "source", self.source)
            and _names(concept_map, "target", self.target)
            and (of_sets or any(self._fits(group) for group in concept_map.get("group", ())))
        )

    def _fits(self, group: Mapping[str, Any]) -> bool:
        sides = (self.from_, group.get("source")), (self.to, group.get("target"))
        return all(not wanted or there in wanted for wanted, there in sides)


def _names(concept_map: Mapping[str, Any], side: str, address: str) -> bool:
    named = [str(concept_map.get(f"{side}{kind}", "")) for kind in ("Canonical", "Uri")]
    return not address or address in named or address in [one.partition("|")[0] for one in named]


def translated(
    concept_map: Mapping[str, Any],
    system: str,
    code: str,
    target: str = "",
    *,
    version: str = "",
    backwards: bool = False,
) -> Iterator[Translated]:
    """What a map says of a code; `target` narrows to one system."""
    for group in concept_map.get("group", ()):
        spend(1)
        from_, to = ("target", "source") if backwards else ("source", "target")
        if (system and group.get(from_, system) != system) or (target and group.get(to) != target):
            continue
        if version and group.get(f"{from_}Version", version) != version:
            continue
        place = str(group.get(to, "")), str(group.get(f"{to}Version", ""))
        found = list(_backwards(group, code, *place) if backwards else _forwards(group, code, *place))
        yield from found
        if not found and not backwards:
            yield from _unmapped(group, code, *place)


def _forwards(group: Mapping[str, Any], code: str, system: str, version: str) -> Iterator[Translated]:
    spend(len(group.get("element", ())))
    for element in group.get("element", ()):
        if element.get("code") == code:
            spend(len(element.get("target", ())))
            for one in element.get("target", ()):
                yield Translated(
                    str(one.get("equivalence", "relatedto")), system, version, str(one.get("code", "")),
                    str(one.get("display", "")), bool(one.get("dependsOn")), tuple(one.get("product", ())),
                )  # fmt: skip


def _backwards(group: Mapping[str, Any], code: str, system: str, version: str) -> Iterator[Translated]:
    for element in group.get("element", ()):
        spend(1 + len(element.get("target", ())))
        for one in element.get("target", ()):
            if one.get("code") == code:
                said = str(one.get("equivalence", "relatedto"))
                yield Translated(
                    _REVERSED.get(said, said),
                    system,
                    version,
                    str(element.get("code", "")),
                    str(element.get("display", "")),
                    bool(one.get("dependsOn") or one.get("product")),
                )


def _unmapped(group: Mapping[str, Any], code: str, system: str, version: str) -> Iterator[Translated]:
    """What the map has for what it does not name; another map (`other-map`) is the caller's to ask."""
    rest = group.get("unmapped", {})
    if rest.get("mode") == "provided":
        yield Translated("equal", system, version, code, "")
    elif rest.get("mode") == "fixed" and "code" in rest:
        yield Translated("wider", system, version, str(rest["code"]), str(rest.get("display", "")))
