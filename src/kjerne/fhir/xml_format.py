"""A resource as FHIR XML and back (R4 xml.html, json.html#xml), by the definitions alone.

Elements stand in the specification's order in XML; JSON has no order, so one made from XML has the XML's. Decimals keep their
digits both ways. Comments and processing instructions have no place in JSON and are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir.definitions import TYPES, elements, table
from kjerne.fhir.places import json_names

NAMESPACE: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
_IN_ATTRIBUTES: Final = {"Extension": ("id", "url")}
"""What XML writes as attributes of an element, not as elements in it."""
_DEFAULT: Final[Any] = {None: NAMESPACE}
"""FHIR's elements are written without a prefix, which lxml's types do not foresee."""
_WHOLE: Final = frozenset({"integer", "positiveInt", "unsignedInt"})
Tree = dict[str, Any]


def from_xml(root: etree._Element) -> Tree:
    """The resource of an XML document. `Refusal` 422 for an element that R4 does not have."""
    name = etree.QName(root).localname
    if etree.QName(root).namespace != NAMESPACE or name not in TYPES:
        raise Refusal(422, "the document is no FHIR resource", where=_where(root))
    return {"resourceType": name, **_read_members(root, name)}


def _where(node: etree._Element) -> str:
    return f"line {node.sourceline}" if node.sourceline else "body"


def _read_members(node: etree._Element, type_: str) -> Tree:
    tree: Tree = {name: node.get(name) for name in _IN_ATTRIBUTES.get(type_, ("id",)) if node.get(name) is not None}
    names = _names(type_)
    for child in _children(node):
        found = names.get(etree.QName(child).localname)
        if found is None or etree.QName(child).namespace not in (NAMESPACE, XHTML):
            raise Refusal(422, f"{type_} has no such element", where=_where(child))
        name, of, many = found
        value, beside = _read(child, of)
        if many:
            _append(tree, name, value, beside)
        else:
            if name in tree or "_" + name in tree:
                raise Refusal(422, f"{type_}.{name} stands more than once", where=_where(child))
            tree |= {key: part for key, part in ((name, value), ("_" + name, beside)) if part is not None}
    # A list of which only what stands beside it is known has no list of values in JSON.
    return {
        name: value
        for name, value in tree.items()
        if not isinstance(value, list) or any(one is not None for one in value)
    }


def _append(tree: Tree, name: str, value: Any, beside: Any) -> None:
    values = tree.setdefault(name, [])
    if beside is not None or "_" + name in tree:
        others = tree.setdefault("_" + name, [None] * len(values))
        others.append(beside)
    values.append(value)


def _names(type_: str) -> dict[str, tuple[str, str, bool]]:
    """By name in XML: the name in JSON, the type, and whether there may be many."""
    return {name: (name, of, element.many) for element in elements(type_).values() for name, of in json_names(element)}


def _children(node: etree._Element) -> Iterator[etree._Element]:
    return (child for child in node if isinstance(child.tag, str))


def _read(node: etree._Element, type_: str) -> tuple[Any, Tree | None]:
    """The value of an element, and what stands beside it where it is a primitive."""
    if type_ == "xhtml":
        return etree.tostring(node, encoding="unicode", with_tail=False), None
    if type_ == "Resource":
        inner = next(_children(node), None)
        if inner is None:
            raise Refusal(422, "there is no resource in the element", where=_where(node))
        return from_xml(inner), None
    if table().kinds.get(type_) != "primitive-type":
        return _read_members(node, type_), None
    text = node.get("value")
    beside = _read_members(node, "Element")
    return None if text is None else _primitive(type_, text, node), beside or None


def _primitive(type_: str, text: str, node: etree._Element) -> Any:
    try:
        if type_ in _WHOLE:
            return int(text)
        if type_ == "decimal":
            return Decimal(text)
    except (ValueError, InvalidOperation):
        raise Refusal(422, f"the value is no {type_}", where=_where(node)) from None
    return {"true": True, "false": False}.get(text, text) if type_ == "boolean" else text


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
                    node.set(name, value)
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
            child.set("value", str(value).lower() if isinstance(value, bool) else str(value))
        if beside is not None:
            _write_members(child, beside, "Element", parse)
