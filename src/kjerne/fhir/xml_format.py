"""A resource as FHIR XML (R4 xml.html, json.html#xml), by the definitions alone; `from_xml` is the way back.

Elements stand in the specification's order, and decimals keep their digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

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
    attributes = _IN_ATTRIBUTES.get(type_, () if type_ in TYPES else ("id",))
    for element in elements(type_).values():
        for name, of in json_names(element):
            value, beside = tree.get(name), tree.get("_" + name)
            if name in attributes:
                if value is not None:
                    _set(node, name, value)
            elif element.many:
                length = max(len(value or ()), len(beside or ()))
                for one, other in zip(_filled(value, length), _filled(beside, length), strict=True):
                    _write(node, name, of, one, other, parse)
            elif value is not None or beside is not None:
                _write(node, name, of, value, beside, parse)


def _filled(items: list[Any] | None, length: int) -> list[Any]:
    return items if items is not None else [None] * length


def _write(
    node: etree._Element, name: str, type_: str, value: Any, beside: Any, parse: Callable[[bytes], etree._Element]
) -> None:
    if type_ == "xhtml":
        node.append(parse(value.encode()))
        return
    child = etree.SubElement(node, f"{{{NAMESPACE}}}{name}")
    if type_ == "Resource":
        child.append(to_xml(value, parse))
    elif table().kinds.get(type_) != "primitive-type":
        _write_members(child, value, type_, parse)
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
