"""The files beside a report: RefDoc, with what is embedded in it decoded."""

from __future__ import annotations

import base64
import binascii

from lxml import etree

from kjerne.services.results.kith.model import Attachment
from kjerne.services.results.kith.nodes import Element, date, first, name_of, parts, text, value


def files(element: Element) -> list[Attachment]:
    """The files of one RefDoc; its Content may hold several, and most often holds one."""
    here = parts(element)
    content = first(here, "Content")
    found = [(b"", False)] if content is None else [embedded(inner) for inner in content] or [embedded(content)]
    return [
        Attachment(
            title=text(here, "Description") or text(here, "Id"),
            mime_type=text(here, "MimeType"),
            issued=date(here, "IssueDate"),
            id=text(here, "Id"),
            file=text(here, "FileReference"),
            compression=value(here, "Compression"),
            data=data,
            broken=broken,
        )
        for data, broken in found
    ]


def embedded(inner: Element) -> tuple[bytes, bool]:
    """What stands in Content, and whether it could not be decoded: a Base64Container in any namespace, or an XML
    document, which is kept as it is."""
    if name_of(inner) not in ("Base64Container", "Content"):
        return etree.tostring(inner, encoding="utf-8", with_tail=False), False
    return decoded_base64(inner.text or "")


def decoded_base64(text: str) -> tuple[bytes, bool]:
    """Decoded bytes; empty and True where `text` is no base64, or nothing. The signs that fill up its end may be
    missing."""
    packed = "".join(text.split())
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b"", True
    return data, not data
