"""The narrative: a limited XHTML (R4 narrative.html#xhtml), read as XML and held against the list of what it may have.

txt-1: only the elements and attributes of a page's body, nothing active. txt-2: it has content.
"""

from __future__ import annotations

import html.entities
import re
from typing import Final

from lxml import etree

from kjerne.xml_door import parsed

NAMESPACE: Final = "{http://www.w3.org/1999/xhtml}"

_ELEMENTS: Final = frozenset(
    """
    a abbr acronym b big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img
    ins kbd li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
    """.split()
)
_EVERYWHERE: Final = frozenset(("title", "style", "class", "id", "idref", "lang", "dir", "accesskey", "tabindex"))
_XML_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_ATTRIBUTES: Final = {
    "a": frozenset("charset type name href hreflang rel rev shape coords".split()),
    "img": frozenset("src alt longdesc height width usemap ismap name".split()),
    "table": frozenset("summary width border frame rules cellspacing cellpadding".split()),
    "colgroup": frozenset(("span", "width", "align", "valign")),
    "col": frozenset(("span", "width", "align", "valign")),
    "tr": frozenset(("align", "valign")),
    "td": frozenset("abbr axis headers scope rowspan colspan nowrap width height align valign".split()),
    "th": frozenset("abbr axis headers scope rowspan colspan nowrap width height align valign".split()),
    "blockquote": frozenset(("cite",)),
    "q": frozenset(("cite",)),
    "ins": frozenset(("cite", "datetime")),
    "del": frozenset(("cite", "datetime")),
    "ol": frozenset(("start", "type")),
    "ul": frozenset(("type",)),
    "li": frozenset(("value", "type")),
    "tbody": frozenset(("align", "valign")),
    "thead": frozenset(("align", "valign")),
    "tfoot": frozenset(("align", "valign")),
}
_ADDRESSES: Final = frozenset(("href", "src", "cite", "longdesc", "style"))
_ALLOWED: Final = {
    NAMESPACE + name: _EVERYWHERE | _ATTRIBUTES.get(name, frozenset()) | {_XML_LANGUAGE} for name in _ELEMENTS
}
_ACTIVE: Final = re.compile(r"^\s*(?:javascript|vbscript|data:text)", re.IGNORECASE)
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_ENTITIES: Final = frozenset(("lt", "gt", "amp", "quot", "apos"))


def is_safe(text: str) -> bool:
    """txt-1 and txt-2 of a narrative's `div`."""
    root = _read(text)
    return root is not None and root.tag == NAMESPACE + "div" and _only_listed(root) and _has_content(root)


def _read(text: str) -> etree._Element | None:
    """The tree; HTML's named characters are allowed, a document type is not."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "<?" in text:
        return None

    def one(found: re.Match[str]) -> str:
        name = found[1]
        return found[0] if name in _XML_ENTITIES else html.entities.html5.get(f"{name};", found[0])

    try:
        return parsed(_ENTITY.sub(one, text).strip().encode())
    except (etree.XMLSyntaxError, ValueError):
        return None


def _only_listed(root: etree._Element) -> bool:
    for element in root.iter():
        allowed = _ALLOWED.get(element.tag)
        if allowed is None:
            if not isinstance(element, etree._Comment):  # noqa: SLF001  lxml has no other name for the type
                return False
            continue
        for attribute, value in element.items():
            if attribute not in allowed or (attribute in _ADDRESSES and _ACTIVE.match(str(value))):
                return False
    return True


def _has_content(root: etree._Element) -> bool:
    """Text that is not white, or a picture."""
    return bool(any(str(text).strip() for text in root.itertext())) or root.find(f".//{NAMESPACE}img") is not None
