"""A resource as FHIR XML (R4 xml.html, json.html#xml), by the definitions alone; `from_xml` is the way back.

Elements stand in the specification's order, and decimals keep their digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from lxml import etree

from kjerne.fhir.definitions import TYPES, elements, table
from kjerne.fhir.places import json_names
from kjerne.fhir.primitives import UNFIT

NAMESPACE: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
_IN_ATTRIBUTES: Final = {"Extension": ("id", "url")}
"""What XML writes as attributes of an element, not as elements in it."""
_DEFAULT: Final[Any] = {None: NAMESPACE}
"""FHIR's elements are written without a prefix, which lxml's types do not foresee."""


def to_xml(tree: Mapping[str, Any], parse: Callable[[bytes], etree._Element]) -> etree._Element:
    """The document's root for a valid resource. `parse` opens the XHTML of a narrative, the one part of JSON that is XML."""
    name = str(tree["resourceType"])
    root = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap=_DEFAULT)
    _write_members(root, tree, name, parse)
    return root


def _write_members(
    node: etree._Element, tree: Mapping[str, Any], type_: str, parse: Callable[[bytes], etree._Element]
) -> None:
    members = _members(type_)
    # Of what a type may have, most is not there: what is there is looked up, and laid in order.
    for member in sorted({members[key] for key in tree if key in members}):
        value, beside = tree.get(member.name), tree.get(member.beside)
        if member.in_attribute:
            if value is not None:
                _set(node, member.name, value)
        elif member.many:
            length = max(len(value or ()), len(beside or ()))
            for one, other in zip(_filled(value, length), _filled(beside, length), strict=True):
                _write(node, member, one, other, parse)
        elif value is not None or beside is not None:
            _write(node, member, value, beside, parse)


class _Member(NamedTuple):
    """What may stand in a type: its place in the order of the specification, its keys in JSON, its tag, and how it is written."""

    place: int
    name: str
    beside: str
    tag: str
    type: str
    primitive: bool
    many: bool
    in_attribute: bool


@cache
def _members(type_: str) -> dict[str, _Member]:
    """By both keys in JSON."""
    attributes = _IN_ATTRIBUTES.get(type_, () if type_ in TYPES else ("id",))
    found = dict[str, _Member]()
    for element in elements(type_).values():
        for name, of in json_names(element):
            primitive = table().kinds.get(of) == "primitive-type"
            tag, many = f"{{{NAMESPACE}}}{name}", element.many
            member = _Member(len(found), name, f"_{name}", tag, of, primitive, many, name in attributes)
            found[name] = found[member.beside] = member
    return found


def _filled(items: list[Any] | None, length: int) -> list[Any]:
    return items if items is not None else [None] * length


def _write(
    node: etree._Element, member: _Member, value: Any, beside: Any, parse: Callable[[bytes], etree._Element]
) -> None:
    if member.type == "xhtml":
        node.append(parse(value.encode()))
        return
    child = etree.SubElement(node, member.tag)
    if member.type == "Resource":
        child.append(to_xml(value, parse))
    elif not member.primitive:
        _write_members(child, value, member.type, parse)
    else:
        if value is not None:
            _set(child, "value", str(value).lower() if isinstance(value, bool) else str(value))
        if beside is not None:
            _write_members(child, beside, "Element", parse)


def _set(node: etree._Element, name: str, text: str) -> None:
    """What XML cannot write, and R4's strings therefore never hold, may stand in what was taken before that was asked."""
    try:
        node.set(name, text)
    except ValueError:
        node.set(name, UNFIT.sub("\ufffd", text))
