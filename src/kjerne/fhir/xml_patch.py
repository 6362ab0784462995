"""XML Patch (RFC 5261) over an element tree; places are named by the part of XPath that the RFC allows.

Children, positions, and equality of an attribute, a child or the text: each step looks at what the one before it found once,
so no selector runs for long. The prefix `f` is FHIR's and `h` is XHTML's, whatever the patch declares.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir.patching import check_count, refused
from kjerne.fhir.xml_format import NAMESPACE, XHTML

MEDIA_TYPE: Final = "application/xml-patch+xml"
OPERATIONS: Final = ("add", "replace", "remove")
PLACES: Final = ("before", "after", "prepend")
SELECTOR_CHARACTERS_LIMIT: Final = 2_000
_NAME: Final = r"(?:[A-Za-z_][\w.\-]*:)?[A-Za-z_][\w.\-]*"
_TEST: Final = rf"(?:[1-9][0-9]{{0,5}}|(?:(?:{_NAME}/)?@{_NAME}|{_NAME}|\.)\s*=\s*(?:'[^']*'|\"[^\"]*\"))"
_STEP: Final = rf"(?:{_NAME}|\*)(?:\[\s*{_TEST}\s*\])*"
_LAST: Final = rf"(?:{_STEP}|@{_NAME}|(?:text|comment)\(\)(?:\[[1-9][0-9]{{0,5}}\])?)"
_SELECTOR: Final = re.compile(rf"/?(?:{_STEP}/)*{_LAST}", re.ASCII)
_ADDED_ATTRIBUTE: Final = re.compile(rf"@({_NAME})", re.ASCII)
_ADDED_NAMESPACE: Final = re.compile(r"namespace::([A-Za-z_][\w.\-]*)", re.ASCII)
Node = etree._Element  # noqa: SLF001 - lxml has no other name for its element type


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, counted from 1: what it does, where (`sel`), and the element of the patch that holds its content."""

    number: int
    type: str
    path: str
    node: Node


def read(patch: Node) -> tuple[Operation, ...]:
    """The operations of a patch document. `Refusal` 400 for what is no patch."""
    children = [child for child in patch if isinstance(child.tag, str)]
    check_count(len(children))
    if not children:
        raise Refusal(400, "the patch has no operation", where="body", code="required")
    return tuple(_operation(number, one) for number, one in enumerate(children, 1))


def _operation(number: int, node: Node) -> Operation:
    name, path = etree.QName(node).localname, node.get("sel", "")
    if name not in OPERATIONS:
        raise _malformed(number, path, f"an operation is one of {', '.join(OPERATIONS)}")
    if len(path) > SELECTOR_CHARACTERS_LIMIT or not _SELECTOR.fullmatch(path):
        raise _malformed(number, path, "sel is not a selector that is understood here")
    if name == "add" and node.get("pos", "before") not in PLACES:
        raise _malformed(number, path, f"pos is one of {', '.join(PLACES)}")
    return Operation(number, name, path, node)


def _malformed(number: int, path: str, says: str) -> Refusal:
    return refused(number, path, says, status=400, code="structure")


def apply(root: Node, operations: Sequence[Operation]) -> Node:
    """The root after all operations, in their order. `root` itself is changed, and half changed where this is refused."""
    for one in operations:
        found = _found(root, one)
        root = {"add": _add, "replace": _replace, "remove": _remove}[one.type](root, one, found)
    return root


def _found(root: Node, one: Operation) -> Any:
    """The one node at the selector: an element, a comment, or a text that knows whose it is."""
    names = {prefix: uri for prefix, uri in one.node.nsmap.items() if prefix} | {"f": NAMESPACE, "h": XHTML}
    try:
        found: Any = root.getroottree().xpath("/" + one.path.removeprefix("/"), namespaces=names)
    except etree.XPathError:
        raise _malformed(one.number, one.path, "sel has a prefix that nobody has declared") from None
    if len(found) != 1:
        says = "there is nothing at this path" if not found else f"the path leads to {len(found)} places, not one"
        raise refused(one.number, one.path, says)
    return found[0]


def _add(root: Node, one: Operation, found: Any) -> Node:
    where, kind = one.node.get("pos"), one.node.get("type", "")
    if not isinstance(found, Node):
        raise refused(one.number, one.path, "what is added to is no element")
    if attribute := _ADDED_ATTRIBUTE.fullmatch(kind):
        name = _qualified(one, attribute[1])
        if name in found.attrib:
            raise refused(one.number, one.path, "the attribute is there already")
        found.set(name, one.node.text or "")
        return root
    if namespace := _ADDED_NAMESPACE.fullmatch(kind):
        try:
            return _declared(root, found, namespace[1], (one.node.text or "").strip())
        except ValueError:
            raise _malformed(one.number, one.path, "the prefix or its namespace is none that XML can have") from None
    if kind:
        raise _malformed(one.number, one.path, "type is @name or namespace::prefix")
    if where in ("before", "after") and found is root:
        raise refused(one.number, one.path, "nothing stands beside the root")
    text, nodes = one.node.text or "", [deepcopy(child) for child in one.node]
    if where in ("before", "after"):
        parent: Any = found.getparent()
        at = parent.index(found) + (where == "after")
    else:
        parent, at = found, 0 if where == "prepend" else len(found)
    _write_text(parent, at, text)
    parent[at:at] = nodes
    return root


def _qualified(one: Operation, name: str) -> str:
    prefix, colon, local = name.partition(":")
    if not colon:
        return name
    uri = one.node.nsmap.get(prefix)
    if uri is None:
        raise _malformed(one.number, one.path, "type has a prefix that nobody has declared")
    return f"{{{uri}}}{local}"


def _write_text(parent: Node, at: int, text: str) -> None:
    """Text in front of the child at a place, behind what stands there."""
    if not text:
        return
    if at == 0:
        parent.text = (parent.text or "") + text
    else:
        parent[at - 1].tail = (parent[at - 1].tail or "") + text


def _declared(root: Node, node: Node, prefix: str, uri: str) -> Node:
    """An element with one more namespace: it is made anew, since what is declared on it never changes."""
    names: Any = node.nsmap
    made = etree.Element(
        node.tag, {str(name): str(value) for name, value in node.attrib.items()}, {**names, prefix: uri}
    )
    made.text, made.tail = node.text, node.tail
    made[:] = list(node)
    parent = node.getparent()
    if parent is None:
        return made
    parent.replace(node, made)
    return root


def _replace(root: Node, one: Operation, found: Any) -> Node:
    text = one.node.text or ""
    if isinstance(found, Node):
        nodes = list(one.node)
        if len(nodes) != 1 or isinstance(nodes[0].tag, str) != isinstance(found.tag, str):
            raise refused(one.number, one.path, "an element is replaced by one element, a comment by one comment")
        return _exchanged(root, found, deepcopy(nodes[0]))
    if len(one.node):
        raise refused(one.number, one.path, "a text is replaced by a text")
    _set_text(found, text)
    return root


def _exchanged(root: Node, old: Node, new: Node) -> Node:
    new.tail = old.tail
    parent = old.getparent()
    if parent is None:
        return new
    parent.replace(old, new)
    return root


def _set_text(found: Any, text: str | None) -> None:
    """Another value for an attribute or a text, none of it for `None`."""
    parent = found.getparent()
    if found.is_attribute:
        if text is None:
            del parent.attrib[found.attrname]
        else:
            parent.set(found.attrname, text)
    elif found.is_tail:
        parent.tail = text
    else:
        parent.text = text


def _remove(root: Node, one: Operation, found: Any) -> Node:
    if not isinstance(found, Node):
        _set_text(found, None)
        return root
    parent = found.getparent()
    if parent is None:
        raise refused(one.number, one.path, "the root stays")
    tail, at = found.tail or "", parent.index(found)
    parent.remove(found)
    _write_text(parent, at, tail)
    return root
