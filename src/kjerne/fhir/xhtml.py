"""The narrative: a limited XHTML (R4 narrative.html#xhtml), read as XML and held against the list of what it may have.

txt-1: only the elements and attributes of a page's body, nothing active. txt-2: it has content. Addresses and styles are held
against what they may be, as a browser reads them, which is not quite as XML does.
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
    a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em h1 h2 h3 h4 h5
    h6 hr i img ins kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
    """.split()
)
_EVERYWHERE: Final = frozenset(("title", "style", "class", "id", "idref", "lang", "dir", "accesskey", "tabindex"))
_XML_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_ATTRIBUTES: Final = {
    "a": frozenset("charset type name href hreflang rel rev shape coords".split()),
    "img": frozenset("src alt longdesc height width usemap ismap name border".split()),
    "map": frozenset(("name",)),
    "area": frozenset("shape coords href nohref alt".split()),
    "p": frozenset(("align",)),
    "table": frozenset("summary width border frame rules cellspacing cellpadding bgcolor".split()),
    "colgroup": frozenset(("span", "width", "align", "valign")),
    "col": frozenset(("span", "width", "align", "valign")),
    "tr": frozenset(("align", "valign", "bgcolor")),
    "td": frozenset("abbr axis headers scope rowspan colspan nowrap width height align valign bgcolor".split()),
    "th": frozenset("abbr axis headers scope rowspan colspan nowrap width height align valign bgcolor".split()),
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
_ALLOWED: Final = {
    NAMESPACE + name: _EVERYWHERE | _ATTRIBUTES.get(name, frozenset()) | {_XML_LANGUAGE} for name in _ELEMENTS
}
_PASSED_OVER: Final = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
"""What a browser leaves out of an address, or shows as nothing: `java&#9;script:` is `javascript:` to it."""
_ADDRESS: Final = re.compile(r"(?:https?:|mailto:|tel:|#|[^:/?#]*(?:[/?#]|$))", re.IGNORECASE)
"""Links and mail, a place on the page, and what has no scheme."""
_PICTURE: Final = re.compile(r"#|data:image/(?:png|jpeg|gif)[;,]", re.IGNORECASE)
"""Its own pictures alone: one from elsewhere tells there who reads. SVG can act."""
_STYLE_ACTS: Final = re.compile(
    r"\\|/\*|@|(?:url|expression|src|image|image-set)\(|behavior:|-moz-binding", re.IGNORECASE
)
"""What fetches or runs, and the escapes and comments that would hide it."""
_READ_OTHERWISE: Final = ("<!DOCTYPE", "<!ENTITY", "<?", "<![CDATA[", "<!-->", "<!--->")
"""What a narrative does not have, or HTML ends elsewhere than XML does, so that a browser would see other elements."""
_JUDGED: Final = {
    "href": lambda text: _ADDRESS.match(text) is not None,
    "cite": lambda text: _ADDRESS.match(text) is not None,
    "longdesc": lambda text: _ADDRESS.match(text) is not None,
    "src": lambda text: _PICTURE.match(text) is not None,
    "style": lambda text: _STYLE_ACTS.search(text) is None,
}
_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_ENTITIES: Final = frozenset(("lt", "gt", "amp", "quot", "apos"))


def is_safe(text: str) -> bool:
    """txt-1 and txt-2 of a narrative's `div`."""
    root = _read(text)
    return root is not None and root.tag == NAMESPACE + "div" and _only_listed(root) and _has_content(root)


def _read(text: str) -> etree._Element | None:
    """The tree; HTML's named characters are allowed, as characters and never as tags; a document type is not."""
    if any(one in text for one in _READ_OTHERWISE):
        return None

    def one(found: re.Match[str]) -> str:
        name = found[1]
        known = html.entities.html5.get(f"{name};")
        return found[0] if name in _XML_ENTITIES or known is None else "".join(f"&#{ord(sign)};" for sign in known)

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
        # To read all takes a step for each pair of them; more than may stand here are not all allowed.
        if len(element.attrib) > len(allowed):
            return False
        for attribute, value in element.items():
            judge = _JUDGED.get(str(attribute))
            if attribute not in allowed or (judge is not None and not judge(_PASSED_OVER.sub("", str(value)))):
                return False
    return True


def _has_content(root: etree._Element) -> bool:
    """Text that is not white, or a picture."""
    return bool(any(str(text).strip() for text in root.itertext())) or root.find(f".//{NAMESPACE}img") is not None
