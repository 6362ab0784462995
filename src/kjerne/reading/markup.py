"""Text with marks as blocks: the narrative of CDA (`urn:hl7-org:v3` NarrativeBlock) and XHTML as KITH's messages have it.

Both are read by the names of their elements, and what has no name here is text. An address is shown as text and leads nowhere.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from lxml import etree

from kjerne.reading import content
from kjerne.reading.room import Room, name, text_of
from kjerne.reading.view import Block, Cell, Footnote, Items, Note, Paragraph, Span, Table, Unreadable

_MARKS: Final = {
    "b": "strong", "strong": "strong", "i": "emphasis", "em": "emphasis", "u": "under", "sub": "sub", "sup": "sup",
    "s": "struck", "del": "struck", "strike": "struck", "ins": "added", "code": "code", "tt": "code",
}  # fmt: skip
_STYLES: Final = {"bold": "strong", "italics": "emphasis", "emphasis": "emphasis", "underline": "under"}
_REVISED: Final = {"delete": "struck", "insert": "added"}
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "caption", "dt"})
_PARTED: Final = frozenset(
    {"paragraph", "p", "div", "blockquote", "dd", "dl", "address", "center", "body", "hr", *_HEADINGS}
)
_LISTS: Final = frozenset({"list", "ul", "ol"})
_MEDIA: Final = frozenset({"renderMultiMedia", "img"})
_NONE: Final = frozenset({"script", "style", "head", "object", "iframe", "embed"})
_MOST_SPANNED: Final = 100
Row = tuple[Cell, ...]


class Reader:
    """Reads what stands in one section. `media` gives the blocks that `renderMultiMedia` leads to, by ID."""

    def __init__(self, room: Room, media: Callable[[str], tuple[Block, ...]] = lambda _: ()) -> None:
        self._room = room
        self._media = media
        self._numbers = dict[str, int]()
        self._seen = 0
        self._footnotes = list[Footnote]()

    def read(self, element: etree._Element) -> tuple[Block, ...]:
        """The blocks of an element, its footnotes behind them."""
        self._seen = self._room.footnotes
        for one in element.iter("{*}footnote"):
            self._room.footnotes += 1
            self._numbers.setdefault(one.get("ID", ""), self._room.footnotes)
        blocks = self.flow(element)
        return (*blocks, *self._footnotes)

    def flow(self, element: etree._Element, marks: frozenset[str] = frozenset()) -> tuple[Block, ...]:
        """Mixed content: lines of text become paragraphs, blocks stay blocks."""
        flow = _Flow()
        self._mixed(element, marks, flow)
        return flow.ended()

    def _mixed(self, element: etree._Element, marks: frozenset[str], flow: _Flow) -> None:
        flow.say(element.text, marks)
        for child in element:
            if isinstance(child.tag, str) and self._room.takes():
                self._child(child, marks, flow)
            flow.say(child.tail, marks)

    def _child(self, child: etree._Element, marks: frozenset[str], flow: _Flow) -> None:
        kind = name(child)
        if kind == "br":
            flow.spans.append(Span("\n", marks))
            self._mixed(child, marks, flow)
        elif kind in _LISTS:
            flow.block(self._list(child))
        elif kind == "table":
            flow.blocks_(self._table(child))
        elif kind == "pre":
            flow.block(Paragraph((Span("".join(map(str, child.itertext())).strip("\n"), marks),), typed=True))
        elif kind in _MEDIA:
            flow.blocks_(self._picture(child))
        elif kind == "footnote":
            self._footnote(child, flow)
        elif kind == "footnoteRef":
            flow.note(self._numbers.get(child.get("IDREF", ""), 0))
            self._mixed(child, marks, flow)
        elif kind in _NONE:
            flow.block(Note("note.script"))
        elif kind in _PARTED:
            flow.end()
            self._mixed(child, marks | {"strong"} if kind in _HEADINGS else marks, flow)
            flow.end()
        else:
            self._run(child, kind, marks, flow)

    def _run(self, child: etree._Element, kind: str, marks: frozenset[str], flow: _Flow) -> None:
        """A run of text, with the marks that it adds; an address behind what it stands on."""
        added = {_MARKS.get(kind, ""), _REVISED.get(child.get("revised", ""), "")}
        added |= {_STYLES.get(one.lower(), "") for one in child.get("styleCode", "").split()}
        self._mixed(child, marks | (added - {""}), flow)
        address = child.get("href", "").strip()
        if address and address[:1] != "#" and address not in text_of(child):
            flow.say(f" ({address})", marks)

    def _list(self, element: etree._Element) -> Items:
        caption, items = "", list[tuple[Block, ...]]()
        for child in element:
            if name(child) == "caption":
                caption = f"{caption} {text_of(child)}".strip()
            elif isinstance(child.tag, str) and self._room.takes():
                items.append(self.flow(child))
        ordered = name(element) == "ol" or element.get("listType") == "ordered"
        beside = _beside(element)
        return Items(caption, (*items, *(((beside,),) if beside else ())), ordered)

    def _table(self, element: etree._Element) -> Iterator[Block]:
        caption, others = "", list[Block]()
        heads, rows, feet = list[Row](), list[Row](), list[Row]()
        for part in element:
            kind = name(part)
            if kind == "caption":
                caption = f"{caption} {text_of(part)}".strip()
            elif kind in ("thead", "tbody", "tfoot", "tr"):
                into = heads if kind == "thead" else feet if kind == "tfoot" else rows
                for row in [part] if kind == "tr" else part:
                    into += [self._row(row)] if name(row) == "tr" else []
                if kind != "tr" and (beside := _beside(part)):
                    others.append(beside)
            elif kind not in ("col", "colgroup", ""):
                others += self.flow(part)
        if beside := _beside(element):
            others.append(beside)
        if heads or rows or feet:
            yield Table(caption, (*heads, *rows, *feet), len(heads) if rows or feet else 0)
        elif caption:
            yield Paragraph((Span(caption, frozenset({"strong"})),))
        yield from others

    def _row(self, row: etree._Element) -> Row:
        cells = list[Cell]()
        for one in row:
            if isinstance(one.tag, str) and self._room.takes():
                spans = (_number(one.get("colspan")), _number(one.get("rowspan")))
                cells.append(Cell(self.flow(one), name(one) == "th", *spans))
        beside = _beside(row)
        return (*cells, *((Cell((beside,)),) if beside else ()))

    def _picture(self, element: etree._Element) -> tuple[Block, ...]:
        """What a section shows of its media, by ID; of XHTML only a picture that stands in it."""
        names = element.get("referencedObject", "").split()
        found = [block for one in names if self._room.takes() for block in self._media(one)]
        said = element.get("alt") or element.get("title") or text_of(element)
        spoken = (Paragraph((Span(said),)),) if said else ()
        head, _, data = element.get("src", "").partition(",")
        if head.startswith("data:image/") and head.endswith(";base64"):
            try:
                found += content.blocks_of(base64.b64decode(data, validate=True), head[5:-7], self._room.shelf, said)
            except (Unreadable, binascii.Error, ValueError):
                found.append(Note("note.picture-unshown"))
        elif not found:
            found.append(Note("note.picture-unshown"))
        return (*found, *spoken)

    def _footnote(self, element: etree._Element, flow: _Flow) -> None:
        self._seen += 1
        number = self._seen
        flow.note(number)
        self._footnotes.append(Footnote(number, self.flow(element)))


class _Flow:
    """Spans and blocks of one piece of mixed content, in order."""

    def __init__(self) -> None:
        self.blocks = list[Block]()
        self.spans = list[Span]()

    def say(self, text: str | None, marks: frozenset[str]) -> None:
        if text:
            self.spans.append(Span(text, marks))

    def note(self, number: int) -> None:
        if number:
            self.spans.append(Span(str(number), frozenset({"sup"}), number))

    def block(self, block: Block) -> None:
        self.end()
        self.blocks.append(block)

    def blocks_(self, blocks: Iterator[Block] | tuple[Block, ...]) -> None:
        self.end()
        self.blocks += blocks

    def end(self) -> None:
        spans = lined(self.spans)
        self.spans = []
        if spans:
            self.blocks.append(Paragraph(spans))

    def ended(self) -> tuple[Block, ...]:
        self.end()
        return tuple(self.blocks)


def lined(spans: list[Span]) -> tuple[Span, ...]:
    """Runs of text with the space between them as a page has it: one between words, none at the ends of lines.

    >>> [one.text for one in lined([Span("  a\\n b "), Span(" c", frozenset({"strong"})), Span("\\n"), Span("  d ")])]
    ['a b ', 'c', '\\nd']
    """
    found, after = list[Span](), " "
    for one in spans:
        if one.text == "\n":
            found.append(one)
            after = " "
            continue
        words = " ".join(one.text.split())
        before = " " if one.text[:1].isspace() and after != " " else ""
        text = before + words + (" " if one.text[-1:].isspace() and words else "")
        if text.strip() or (text and after != " "):
            found.append(one._replace(text=text))
            after = text[-1]
    while found and not found[-1].text.strip():
        found.pop()
    while found and not found[0].text.strip():
        found.pop(0)
    if found:
        found[-1] = found[-1]._replace(text=found[-1].text.rstrip())
    looks = groupby(found, lambda one: (one.marks, one.note))
    return tuple(Span("".join(one.text for one in run), *look) for look, run in looks)


def _beside(element: etree._Element) -> Paragraph | None:
    """Text that stands where there should be none, between rows or items."""
    text = " ".join(" ".join([element.text or "", *(one.tail or "" for one in element)]).split())
    return Paragraph((Span(text),)) if text else None


def _number(text: str | None) -> int:
    """A span of cells.

    >>> _number("3"), _number("0"), _number("x"), _number("9999")
    (3, 1, 1, 100)
    """
    return max(1, min(int(text), _MOST_SPANNED)) if text and text.isascii() and text.isdigit() and len(text) < 9 else 1
