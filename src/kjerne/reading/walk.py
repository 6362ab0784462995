"""Any element tree as rows of values and groups of them, in the document's order: nothing that it says is passed over.

What an element is called comes from the catalogue of words, by the dialect's name and its own; how a value is written differs
from dialect to dialect and is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from kjerne.reading.room import Room, name
from kjerne.reading.view import Block, Field, Fields, Group, Key

Valued = Callable[[etree._Element], Field | None]  # noqa: SLF001 - what lxml calls the type
"""The value of an element as a row without a path; None where it is a group of others."""
Blocked = Callable[[etree._Element], tuple[Block, ...] | None]  # noqa: SLF001 - what lxml calls the type
"""What is shown of an element in a way of its own; None where it is a row or a group like any other."""


def _nothing(_: etree._Element) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Walk:
    """How elements of one dialect are told.

    `inline` are the names of those that only hold others together; `passed` those whose attributes are of no reader's interest;
    `called` gives what a group is called where that is more than its name.
    """

    room: Room
    dialect: str
    valued: Valued
    inline: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()
    blocked: Blocked = _nothing
    told: Callable[[etree._Element], tuple[Field, ...]] = field(default=lambda _: ())
    """What the attributes of a group say."""

    def of(self, element: etree._Element) -> tuple[Block, ...]:
        """All that is within an element."""
        laid = _Laid()
        for row in self.told(element):
            laid.row(row)
        _say(laid, element.text)
        for child in element:
            self._child(child, laid)
            _say(laid, child.tail)
        return laid.ended()

    def each(self, elements: list[etree._Element], *, opened: bool = False) -> tuple[Block, ...]:
        """Elements beside each other, as they would stand in one that holds them; `opened` where what is shown of them elsewhere
        in a way of its own (`blocked`) is shown here as rows and groups."""
        laid = _Laid()
        for one in elements:
            self._child(one, laid, opened=opened)
        return laid.ended()

    def _child(self, child: etree._Element, laid: _Laid, *, opened: bool = False) -> None:
        kind = name(child)
        if not kind or (kind in self.passed and not (child.text or "").strip()) or not self.room.takes():
            return
        key = () if kind in self.inline else (Key(f"{self.dialect}.{kind}"),)
        own = None if opened else self.blocked(child)
        if own is not None:
            for block in own:
                laid.block(block)
            return
        row = self.valued(child)
        if row is not None:
            if row.text or row.codes or row.blocks:
                laid.row(row._replace(path=key or (Key(f"{self.dialect}.{kind}"),)))
            return
        self._group(key, self.of(child), laid)

    @staticmethod
    def _group(key: tuple[str, ...], inner: tuple[Block, ...], laid: _Laid) -> None:
        """One value in a group is a row, and one group in another is one group; what only holds together holds nothing."""
        if not key:
            for block in inner:
                for row in block.rows if isinstance(block, Fields) else ():
                    laid.row(row)
                if not isinstance(block, Fields):
                    laid.block(block)
        elif len(inner) == 1 and isinstance(inner[0], Fields) and len(inner[0].rows) == 1:
            (row,) = inner[0].rows
            laid.row(row._replace(path=key + row.path))
        elif len(inner) == 1 and isinstance(inner[0], Group):
            laid.block(Group(key + inner[0].path, inner[0].blocks))
        elif inner:
            laid.block(Group(key, inner))


class _Laid:
    """Rows and blocks in order; rows beside each other are one block."""

    def __init__(self) -> None:
        self._blocks = list[Block]()
        self._rows = list[Field]()

    def row(self, row: Field) -> None:
        self._rows.append(row)

    def block(self, block: Block) -> None:
        self._flush()
        self._blocks.append(block)

    def _flush(self) -> None:
        if self._rows:
            self._blocks.append(Fields(tuple(self._rows)))
            self._rows = []

    def ended(self) -> tuple[Block, ...]:
        self._flush()
        return tuple(self._blocks)


def _say(laid: _Laid, text: str | None) -> None:
    """Text that stands between elements."""
    if text and (words := " ".join(text.split())):
        laid.row(Field((), words))
