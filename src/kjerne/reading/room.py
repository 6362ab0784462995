"""What the readers of one XML document share: its files, how much more of it is shown, and where names lead."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

from lxml import etree

from kjerne.reading import content, kinds
from kjerne.reading.view import Attached, Block, Key, Note, Unreadable

ELEMENTS_LIMIT: Final = 50_000
"""Elements of one document that are shown: a long hospital stay has some thousand."""
_COMPRESSED: Final = "compression"

Within = Callable[[bytes, "Room"], tuple[Block, ...]]
"""Reads XML that lies within a document, as base64 in an element."""


class Room:
    """One document on its way. `within` reads XML inside it; None where nothing further is opened."""

    def __init__(self, within: Within | None = None) -> None:
        self.shelf = content.Shelf()
        self.within = within
        self.left = ELEMENTS_LIMIT
        self.footnotes = 0

    def takes(self) -> bool:
        """Whether one more element is shown."""
        self.left -= 1
        return self.left >= 0

    @property
    def is_cut(self) -> bool:
        return self.left < 0

    def file(self, element: etree._Element, declared: str, label: str = "") -> tuple[Block, ...]:
        """What an element holds as base64 (RFC 4648, with whatever space between): shown, or told of and handed over."""
        data = self.bytes_of(element)
        if data is None:
            return (Note("broken.base64"),)
        notes = content.told_of(data, declared)
        try:
            if element.get(_COMPRESSED):
                raise Unreadable("kind")
            if kinds.kind_of(data) == kinds.XML and self.within:
                return (*notes, *self.within(data, self))
            shown = content.blocks_of(data, declared, self.shelf, label)
        except Unreadable as why:
            return (*notes, Note(f"broken.{why.key}"), *self._kept(data, label))
        return (*notes, *shown)

    def _kept(self, data: bytes, label: str) -> tuple[Block, ...]:
        try:
            return (Attached(self.shelf.put(data, kinds.UNKNOWN), label or Key("page.attachment")),)
        except Unreadable:
            return (Note("broken.files"),)

    @staticmethod
    def bytes_of(element: etree._Element) -> bytes | None:
        """The bytes that an element's text stands for; None where it is no base64."""
        text = "".join("".join(str(one) for one in element.itertext()).split())
        try:
            return base64.b64decode(text, validate=True) if text else None
        except (binascii.Error, ValueError):
            return None


def name(element: etree._Element) -> str:
    """The local name; empty for what is no element."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_of(element: etree._Element) -> str:
    """All text in it as one line."""
    return " ".join("".join(str(one) for one in element.itertext()).split())
