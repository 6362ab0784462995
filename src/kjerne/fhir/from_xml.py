"""A resource in FHIR's XML as the tree its JSON would give (R4 xml.html and json.html), with the line of each element.

The reader is handed a parsed document (`wire.xml` opens it with every door shut). What R4's XML does not allow is refused
here, since the tree could not show it: unknown elements and attributes, text between elements, a wrong order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from lxml import etree

from kjerne.errors import Fault, Refusal
from kjerne.fhir import definitions
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.fhirpath.values import PRIMITIVES

FHIR: Final = "{http://hl7.org/fhir}"
XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_TYPE_SET: Final = frozenset(TYPES)
_WHOLE: Final = frozenset(("integer", "positiveInt", "unsignedInt"))
_INTEGER: Final = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d{0,40})(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True)
class Read:
    """`tree` as parsed JSON; `lines` from an element's path (as a `Fault` names it) to its line."""

    tree: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)


def read(document: etree._Element) -> Read:
    """The tree of a document's root; `Refusal` (422) where it is no FHIR: its fault has the element and the line."""
    read_ = Read({})
    name = _name(document, "")
    read_.tree.update(_resource(document, read_.lines, name if name in _TYPE_SET else ""))
    return read_


def _name(element: etree._Element, where: str) -> str:
    if not isinstance(element.tag, str) or not element.tag.startswith(FHIR):
        raise _refused("an element is not FHIR's", element, where)
    name = element.tag.removeprefix(FHIR)
    return str(name)


def _line(element: etree._Element) -> int:
    return int(element.sourceline) if isinstance(element.sourceline, int) else 0


def _refused(says: str, element: etree._Element, where: str) -> Refusal:
    """Of an element at a path or, where R4 does not know it, of the one that it stands in."""
    line = _line(element)
    # What a patch has put in has no line.
    at = where or (f"line {line}" if line else "body")
    return Refusal(422, says, where=at, code="structure", fault=Fault(says, at, "structure", "", line))


def _resource(element: etree._Element, lines: dict[str, int], where: str) -> dict[str, Any]:
    name = _name(element, where)
    if name not in _TYPE_SET:
        raise _refused("the resource type is not R4's", element, where)
    return {"resourceType": name} | _structure(element, name, lines, where)


def _structure(element: etree._Element, type_: str, lines: dict[str, int], where: str) -> dict[str, Any]:
    lines[where] = _line(element)
    tree: dict[str, Any] = {}
    for attribute, value in element.attrib.items():
        if attribute == "id" and type_ not in _TYPE_SET:
            tree["id"] = value
        elif attribute == "url" and type_ == "Extension":
            tree["url"] = value
        else:
            raise _refused("an attribute is not known in R4", element, where)
    _check_no_text(element, where)
    order = _order(type_)
    last = -1
    counts: dict[str, int] = {}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name = "div" if child.tag == XHTML + "div" else _name(child, where)
        found = order.get(name)
        if found is None:
            raise _refused("an element is not known in R4", child, where)
        place, of, many = found
        if place < last:
            raise _refused("an element stands out of its order", child, _place(where, name, many, counts))
        last = place
        if name in counts and not many:
            raise _refused("an element stands more than once", child, f"{where}.{name}")
        _member(tree, child, name, of, many, lines, _place(where, name, many, counts), counts)
    # A list of which only what stands beside it is known has no list of values in JSON.
    return {name: one for name, one in tree.items() if type(one) is not list or any(item is not None for item in one)}


def _place(where: str, name: str, many: bool, counts: dict[str, int]) -> str:
    """The path of the next of a structure's elements by a name."""
    return f"{where}.{name}[{counts.get(name, 0)}]" if many else f"{where}.{name}"


def _check_no_text(element: etree._Element, where: str) -> None:
    if (element.text or "").strip() or any((one.tail or "").strip() for one in element):
        raise _refused("text stands between elements", element, where)


def _order(type_: str) -> dict[str, tuple[int, str, bool]]:
    """A structure's elements by XML name: place, type, and whether there may be several."""
    found: dict[str, tuple[int, str, bool]] = {}
    for place, element in enumerate(definitions.elements(type_).values()):
        for of in element.types:
            name = element.name + of[0].upper() + of[1:] if element.choice else element.name
            found[name] = (place, of, element.many)
    return found


def _member(
    tree: dict[str, Any],
    child: etree._Element,
    name: str,
    of: str,
    many: bool,
    lines: dict[str, int],
    where: str,
    counts: dict[str, int],
) -> None:
    place = counts.get(name, 0)
    counts[name] = place + 1
    lines[where] = _line(child)
    if of in PRIMITIVES:
        value, beside = _primitive(child, of, lines, where)
        _put(tree, name, value, many, place)
        if beside or (many and f"_{name}" in tree):
            _put(tree, f"_{name}", beside or None, many, place)
        return
    if of == "Resource":
        _check_no_text(child, where)
        if child.attrib:
            raise _refused("an attribute is not known in R4", child, where)
        inner = [one for one in child if isinstance(one.tag, str)]
        if len(inner) != 1:
            raise _refused("one resource must stand here", child, where)
        value = _resource(inner[0], lines, where)
    else:
        value = _structure(child, of, lines, where)
    _put(tree, name, value, many, place)


def _put(tree: dict[str, Any], name: str, value: Any, many: bool, place: int) -> None:
    if many:
        found = tree.setdefault(name, [])
        found.extend([None] * (place - len(found)))
        found.append(value)
    elif value is not None:
        tree[name] = value


def _primitive(element: etree._Element, of: str, lines: dict[str, int], where: str) -> tuple[Any, dict[str, Any]]:
    if of == "xhtml":
        return etree.tostring(element, encoding="unicode", with_tail=False), {}
    beside: dict[str, Any] = {}
    for attribute, value in element.attrib.items():
        if attribute == "id":
            beside["id"] = value
        elif attribute != "value":
            raise _refused("an attribute is not known in R4", element, where)
    _check_no_text(element, where)
    children = [one for one in element if isinstance(one.tag, str)]
    for child in children:
        if _name(child, where) != "extension":
            raise _refused("a primitive has extensions alone", child, where)
        at = f"{where}.extension[{len(beside.get('extension', ()))}]"
        beside.setdefault("extension", []).append(_structure(child, "Extension", lines, at))
    text = element.get("value")
    if text is None and not beside:
        raise _refused("a primitive must have a value or extensions", element, where)
    return (None if text is None else _value(text, of)), beside


def _value(text: str, of: str) -> Any:
    """The value as JSON has it; what is no number stays text, and the validator says so."""
    if of == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if of in _WHOLE:
        return int(text) if _INTEGER.fullmatch(text) else text
    if of == "decimal":
        try:
            return Decimal(text) if _DECIMAL.fullmatch(text) else text
        except InvalidOperation:
            return text
    return text
