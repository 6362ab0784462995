"""A document that somebody has at hand, from bytes to what `summary_page.rendered` takes, and whom it says that it is about.

It is read as leniently as can be shown safely: what R4 does not know is shown too. Nothing is asked of anybody for it, and
nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir import from_xml
from kjerne.reading import kinds
from kjerne.reading.about import NUMBERS_LIMIT
from kjerne.registries.named import named_in
from kjerne.wire import json as strict_json
from kjerne.wire import xml

LIMIT_BYTES: Final = 5_000_000
"""A summary with some scanned papers in it. What makes the page heavy is limited by itself (`fhir.document_view`)."""
DEPTH: Final = 64
_FHIR: Final = "{http://hl7.org/fhir}"
_MARK: Final = b"\xef\xbb\xbf"
_MANY: Final = frozenset("coding entry section identifier name given contained extension".split())
"""What is a list in JSON however many there are, of what `fhir.document_view` looks into."""
Tree = dict[str, Any]


def read(raw: bytes) -> Tree:
    """The document: a Bundle, or one of the resource that was sent. `Refusal` 400, 413 or 422 where it is nothing of FHIR."""
    if not raw.strip():
        raise Refusal(400, "There is no document.", where="document")
    if len(raw) > LIMIT_BYTES:
        raise Refusal(413, f"The document is larger than {LIMIT_BYTES} bytes.", where="document_size")
    try:
        tree = _of_xml(raw) if raw.lstrip(_MARK + b" \t\r\n\0")[:1] == b"<" else _of_json(raw.removeprefix(_MARK))
    except Refusal as refusal:
        if refusal.where.startswith("document"):
            raise
        # Which line, and what is wrong there: never what it says.
        at = f" ({refusal.where})" if refusal.where else ""
        raise Refusal(422, f"{refusal.says}{at}", where="document_unread") from refusal
    if not isinstance(tree.get("resourceType"), str):
        raise Refusal(422, "It is no document of FHIR.", where="document_other")
    return tree if tree["resourceType"] == "Bundle" else {"resourceType": "Bundle", "entry": [{"resource": tree}]}


def is_fhir(raw: bytes) -> bool:
    """Whether it is to be read as a resource: JSON, and XML whose first element is of FHIR."""
    kind = kinds.kind_of(raw)
    if kind != kinds.XML:
        return kind == kinds.JSON
    try:
        root = xml.parse(raw, depth=DEPTH)
    except Refusal:
        return False
    return isinstance(root.tag, str) and root.tag.startswith(_FHIR)


def numbers_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Everything that has the form of a national number, of every Patient and in every reference to one, wherever it stands."""
    found = dict.fromkeys(number for _, number in named_in(document, strict=False))
    if len(found) > NUMBERS_LIMIT:
        raise Refusal(422, "The document names too many people.", where="document_people")
    return tuple(found)


def _of_json(raw: bytes) -> Tree:
    return strict_json.parse(raw, depth=DEPTH, limit_bytes=LIMIT_BYTES)


def _of_xml(raw: bytes) -> Tree:
    root = xml.parse(raw, depth=DEPTH, limit_bytes=LIMIT_BYTES)
    if not isinstance(root.tag, str) or not root.tag.startswith(_FHIR):
        raise Refusal(422, "It is no document of FHIR.", where="document_other")
    try:
        return from_xml.read(root).tree
    except Refusal:
        return _resource(root)


def _resource(element: etree._Element) -> Tree:
    return {"resourceType": _name(element)} | _members(element)


def _members(element: etree._Element) -> Tree:
    """What R4 does not know, as it stands: a list where a name comes again, texts else."""
    found: Tree = {}
    for child in element:
        if not isinstance(child.tag, str):
            continue
        name, value = _name(child), _value(child)
        if name in found:
            found[name] = [*found[name], value] if isinstance(found[name], list) else [found[name], value]
        else:
            found[name] = [value] if name in _MANY and not isinstance(value, str) else value
    return found


def _value(element: etree._Element) -> Any:
    if element.tag.startswith("{http://www.w3.org/1999/xhtml}"):
        return etree.tostring(element, encoding="unicode")
    inner = [one for one in element if isinstance(one.tag, str)]
    if len(inner) == 1 and element.tag in (f"{_FHIR}resource", f"{_FHIR}contained"):
        return _resource(inner[0])
    value, url = element.get("value"), element.get("url")
    if value is not None and not inner:
        return value
    return ({"url": url} if url else {}) | ({"value": value} if value is not None else {}) | _members(element)


def _name(element: etree._Element) -> str:
    return str(etree.QName(element).localname)
