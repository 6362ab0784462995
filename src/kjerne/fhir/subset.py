"""Parts of a resource where a search asks for less: `_elements` and `_summary` (R4 search.html, 3.1.1.5.8 and 9).

The answer is new bytes, and says so by the tag SUBSETTED, so that nobody writes it back as the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from kjerne.fhir.definitions import Element, elements
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.search import Search

ALWAYS: Final = frozenset({"resourceType", "id", "meta"})
SUBSETTED: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


NeverWithout = Callable[[Mapping[str, Any]], frozenset[str]]
"""The elements that no part of a resource goes without."""


def _nothing(tree: Mapping[str, Any]) -> frozenset[str]:  # noqa: ARG001 - of any resource
    return frozenset()


def shown(served: bytes, search: Search, never_without: NeverWithout = _nothing) -> bytes:
    """The bytes that a search's answer holds for a resource: whole ones unchanged, a part with what it is `never_without`."""
    if not search.elements and search.summary in ("", "false", "count"):
        return served
    tree = decode(served)
    name = tree["resourceType"]
    if search.elements:
        kept = _only(tree, _required(name) | _json_names(name, frozenset(search.elements)))
    elif search.summary == "text":
        kept = _only(tree, _required(name) | {"text"})
    elif search.summary == "data":
        kept = {key: value for key, value in tree.items() if key not in ("text", "_text")}
    else:
        kept = _summarised(tree, name)
    kept |= {name: tree[name] for name in never_without(tree) if name in tree}
    meta = tree.get("meta", {})
    return encode(kept | {"meta": meta | {"tag": [*meta.get("tag", ()), SUBSETTED]}})


def _only(tree: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    names = names | ALWAYS
    return {key: value for key, value in tree.items() if key.removeprefix("_") in names}


@cache
def _required(type_: str) -> frozenset[str]:
    return _json_names(type_, frozenset(one.name for one in elements(type_).values() if one.required))


@cache
def _json_names(type_: str, names: frozenset[str]) -> frozenset[str]:
    """The JSON names of elements: `value` stands for `valueQuantity`, `valueString` and the rest."""
    return frozenset(name for one in elements(type_).values() if one.name in names for name in _names(one))


def _names(element: Element) -> tuple[str, ...]:
    if not element.choice:
        return (element.name,)
    return tuple(element.name + type_[0].upper() + type_[1:] for type_ in element.types)


def _summarised(tree: dict[str, Any], type_: str) -> dict[str, Any]:
    """The elements that the definition marks, in nested structures too."""
    marked = {name: one for one in elements(type_).values() if one.summary for name in _names(one)}
    kept = {}
    for key, value in tree.items():
        element = marked.get(key.removeprefix("_"))
        if element is not None:
            kept[key] = _nested(value, element)
        elif key in ALWAYS:
            kept[key] = value
    return kept


def _nested(value: Any, element: Element) -> Any:
    inner = element.types[0]
    if "." not in inner:
        return value
    if isinstance(value, list):
        return [_summarised(one, inner) if isinstance(one, dict) else one for one in value]
    return _summarised(value, inner) if isinstance(value, dict) else value
