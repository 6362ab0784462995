"""What a code is in another system (R4 conceptmap.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
