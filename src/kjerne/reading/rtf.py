"""RTF as text: paragraphs, tables, a few marks of letters, footnotes and pictures (Rich Text Format Specification 1.9.1).

A reader of our own: what is published for Python gives lines of text alone. It knows what carries text and leaves out all else.
An embedded object is told of and never opened, a field is what it was last seen as, and nothing that a file names is fetched.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, NamedTuple

from kjerne.reading.charset import CHARACTERS_LIMIT
from kjerne.reading.view import (
    BLOCKS_LIMIT,
    Block,
    Cell,
    Footnote,
    Note,
    Paragraph,
    Span,
    Table,
    Unreadable,
)

DEPTH: Final = 200
"""Groups within groups: Word writes some ten."""
WORDS_LIMIT: Final = 1_000_000
"""Words of control: each costs time, and Word writes some hundred for a line of text."""
_TOKEN: Final = re.compile(
    rb"\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\(.)|([{}])|([^\\{}\r\n\0]+)|[\r\n\0]+|\\", re.DOTALL
)
_ASIDE: Final = frozenset(
    b"fonttbl colortbl stylesheet info filetbl listtable listoverridetable revtbl rsidtbl generator nonshppict shprslt sp "
    b"fldinst themedata colorschememapping latentstyles datastore xmlnstbl mmathPr objdata objclass pgptbl userprops bkmkstart "
    b"bkmkend atnid atnauthor atnref atntime private template title subject author operator keywords comment doccomm "
    b"company".split()
)  # fmt: skip
"""Groups whose text is none of the document's."""
_SHOWN: Final = frozenset(b"shppict shpinst shptxt pict pntext listtext footnote annotation".split())
"""Groups that may be marked as unknown to old readers, and hold text or a picture all the same."""
_APART: Final = frozenset(b"header headerl headerr headerf footer footerl footerr footerf annotation".split())
_LETTERS: Final = {
    b"tab": "\t", b"emdash": "\u2014", b"endash": "\u2013", b"bullet": "\u2022", b"lquote": "\u2018", b"rquote": "\u2019",
    b"ldblquote": "\u201c", b"rdblquote": "\u201d", b"emspace": "\u2003", b"enspace": "\u2002", b"line": "\n", b"nestcell": "\t",
    b"nestrow": "\n", b"~": "\xa0", b"_": "\u2011", b"{": "{", b"}": "}", b"\\": "\\", b"\t": "\t", b"lbr": "\n",
}  # fmt: skip
_MARKS: Final = {
    b"b": "strong", b"i": "emphasis", b"ul": "under", b"uld": "under", b"uldb": "under", b"ulw": "under", b"strike": "struck",
    b"striked": "struck", b"deleted": "struck", b"revised": "added", b"sub": "sub", b"super": "sup",
}  # fmt: skip
_CHARSETS: Final = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 255: "cp437",
}  # fmt: skip
_BLOCK: Final = CHARACTERS_LIMIT // BLOCKS_LIMIT
"""What a paragraph, cell or row takes of the room for letters."""
_PAGES: Final = {b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
_KNOWN: Final = frozenset(
    b"u object pict footnote par sect page cell row ulnone nosupersub plain v pard intbl uc f fcharset pngblip jpegblip "
    b"ansicpg".split()
).union(_ASIDE, _SHOWN, _APART, _LETTERS, _MARKS, _PAGES)
"""All that changes anything here. Of the others there are some two thousand, and most of a file is they."""


class Read(NamedTuple):
    """The blocks, what the reader must know, and the bytes of pictures by the place that stands for each in the blocks."""

    blocks: tuple[Block, ...]
    notes: tuple[Note, ...]
    pictures: tuple[bytes, ...]


@dataclass
class _Flow:
    """Text on its way into blocks: of the document, of a header, or of a footnote."""

    blocks: list[Block] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    cell: list[Block] = field(default_factory=list)
    row: list[Cell] = field(default_factory=list)
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def end_paragraph(self, *, in_table: bool) -> None:
        """What was written so far is a paragraph, of the cell or of the text."""
        spans = _joined(self.spans)
        self.spans = []
        if in_table:
            self.cell += [Paragraph(spans)] if spans else []
            return
        self.end_table()
        if spans:
            self.blocks.append(Paragraph(spans))

    def end_cell(self) -> None:
        self.end_paragraph(in_table=True)
        self.row.append(Cell(tuple(self.cell)))
        self.cell = []

    def end_row(self) -> None:
        if self.spans or self.cell:
            self.end_cell()
        self.rows += [tuple(self.row)] if self.row else []
        self.row = []

    def end_table(self) -> None:
        if self.cell or self.row:
            spans, self.spans = self.spans, []
            self.end_row()
            self.spans = spans
        if self.rows:
            self.blocks.append(Table("", tuple(self.rows)))
        self.rows = []

    def ended(self) -> tuple[Block, ...]:
        self.end_paragraph(in_table=bool(self.row or self.cell))
        self.end_table()
        return tuple(self.blocks)


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the group ends."""

    flow: _Flow
    marks: frozenset[str] = frozenset()
    page: str = ""
    skips: int = 1
    aside: bool = False
    hidden: bool = False
    in_table: bool = False
    fonts: bool = False
    picture: bool = False


def read(raw: bytes) -> Read:
    """Raises `Unreadable` where groups lie too deep."""
    return _Reader(raw).run()


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._main = _Flow()
        self._flows = list[_Flow]()
        self._footnotes = list[_Flow]()
        self._group = _Group(self._main)
        self._outer = list[_Group]()
        self._bytes = bytearray()
        self._page = "cp1252"
        self._fonts = dict[int, str]()
        self._font = 0
        self._left_out = 0
        self._starred = False
        self._notes = dict[Note, None]()
        self._hex = bytearray()
        self._shown = b""
        self._pictures = list[bytes]()
        self._room = CHARACTERS_LIMIT
        self._words = 0

    def run(self) -> Read:
        at, end = 0, len(self._raw)
        while at < end and self._room > 0:
            found = _TOKEN.match(self._raw, at)
            if found is None:  # pragma: no cover - every byte begins some token
                break
            at = found.end()
            if found[1] == b"bin":
                at += max(0, min(int(found[2] or 0), end - at))
            elif not self._token(found):
                break
        self._flush()
        if self._room <= 0:
            self._notes[Note("note.cut")] = None
        elif self._outer or self._raw[at:].strip(b"\r\n\t \0}"):
            self._notes[Note("note.broken-off")] = None
        blocks = list(self._main.ended())
        for one in self._flows:
            blocks += one.ended()
        blocks += [Footnote(n, one.ended()) for n, one in enumerate(self._footnotes, 1)]
        return Read(tuple(blocks), tuple(self._notes), tuple(self._pictures))

    def _token(self, found: re.Match[bytes]) -> bool:
        """Takes one token; False at the end of the document's own group."""
        word, number, code, sign, brace, text = found.groups()
        if code is not None or text is not None:
            self._letters(bytes([int(code, 16)]) if code is not None else text)
            return True
        if brace == b"{":
            self._open()
        elif brace == b"}":
            return self._close()
        elif sign == b"*":
            self._starred = True
        elif word is not None:
            self._words += 1
            if self._words > WORDS_LIMIT:
                self._room = 0
            self._word(word, None if number is None else int(number))
        elif sign is not None:
            self._word(b"par" if sign in b"\r\n" else sign, None)
        return True

    def _open(self) -> None:
        self._flush()
        if len(self._outer) >= DEPTH:
            raise Unreadable("deep")
        self._outer.append(self._group)
        self._left_out = 0

    def _close(self) -> bool:
        self._flush()
        if self._group.picture and not (self._outer and self._outer[-1].picture):
            self._end_picture()
        if not self._outer:
            return False
        self._group = self._outer.pop()
        self._starred = False
        return bool(self._outer)

    def _letters(self, letters: bytes) -> None:
        """Bytes of text in the page of their font; those that stand for a sign that came by number are left out."""
        if self._left_out:
            left = min(self._left_out, len(letters))
            self._left_out -= left
            letters = letters[left:]
        if self._group.picture:
            self._hex += letters.strip()
        elif not self._group.aside:
            self._bytes += letters

    def _flush(self) -> None:
        if self._bytes:
            page = self._group.page or self._page
            text = bytes(self._bytes).decode(page, "replace")
            self._bytes.clear()
            self._say(text)

    def _say(self, text: str) -> None:
        group = self._group
        if group.aside or group.picture or not text:
            return
        if group.hidden:
            self._notes[Note("note.hidden")] = None
            return
        self._room -= len(text)
        group.flow.spans.append(Span(text, group.marks))

    def _word(self, word: bytes, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if not starred and word not in _KNOWN:
            return
        if word == b"u" and number is not None:
            self._flush()
            self._say(chr(number % 65536))
            self._left_out = self._group.skips
            return
        self._flush()
        if self._group.fonts:
            self._of_font(word, number)
        if word == b"object":
            self._notes[Note("note.object")] = None
        if self._destination(word, starred=starred) or self._group.aside:
            return
        if word in _LETTERS:
            self._say(_LETTERS[word])
        elif not self._broke(word):
            self._set(word, number)

    def _destination(self, word: bytes, *, starred: bool) -> bool:
        """Whether the word says what the group is of."""
        group = self._group
        if word in _ASIDE or (starred and word not in _SHOWN):
            self._group = replace(group, aside=True, fonts=group.fonts or word == b"fonttbl")
        elif group.aside:
            return False
        elif word == b"pict":
            self._hex.clear()
            self._shown = b""
            self._group = replace(group, picture=True)
        elif word in _APART:
            self._room -= 10 * _BLOCK
            self._flows.append(_Flow())
            self._group = replace(group, flow=self._flows[-1], marks=frozenset(), in_table=False)
        elif word == b"footnote":
            self._room -= 10 * _BLOCK
            self._footnotes.append(_Flow())
            group.flow.spans.append(Span(str(len(self._footnotes)), frozenset({"sup"}), len(self._footnotes)))
            self._group = replace(group, flow=self._footnotes[-1], marks=frozenset(), in_table=False)
        else:
            return False
        return True

    def _broke(self, word: bytes) -> bool:
        """Whether the word ends a paragraph, a cell or a row."""
        group = self._group
        if word in (b"par", b"sect", b"page"):
            group.flow.end_paragraph(in_table=group.in_table)
        elif word == b"cell":
            group.flow.end_cell()
        elif word == b"row":
            group.flow.end_row()
        else:
            return False
        self._room -= _BLOCK
        return True

    def _set(self, word: bytes, number: int | None) -> None:
        """What a word changes until its group ends."""
        group, is_on = self._group, number != 0
        if word in _MARKS:
            self._room -= _BLOCK // 10
            marks = group.marks | {_MARKS[word]} if is_on else group.marks - {_MARKS[word]}
            self._group = replace(group, marks=marks)
        elif word == b"ulnone":
            self._group = replace(group, marks=group.marks - {"under"})
        elif word == b"nosupersub":
            self._group = replace(group, marks=group.marks - {"sub", "sup"})
        elif word == b"plain":
            self._group = replace(group, marks=frozenset(), hidden=False)
        elif word == b"v":
            self._group = replace(group, hidden=is_on)
        elif word in (b"pard", b"intbl"):
            self._group = replace(group, in_table=word == b"intbl")
        elif word == b"uc" and number is not None:
            self._group = replace(group, skips=max(0, min(number, 10)))
        elif word == b"f" and number is not None:
            self._group = replace(group, page=self._fonts.get(number, ""))
        elif word in (b"pngblip", b"jpegblip"):
            self._shown = word
        elif word == b"ansicpg" and number is not None:
            self._page = _page(f"cp{number}")
        elif word in _PAGES:
            self._page = _PAGES[word]

    def _of_font(self, word: bytes, number: int | None) -> None:
        if word == b"f" and number is not None:
            self._font = number
        elif word == b"fcharset" and number in _CHARSETS:
            # Charset 0 is whatever page the file is in.
            self._fonts[self._font] = _CHARSETS[number] if number else ""

    def _end_picture(self) -> None:
        """Hexadecimal, of a kind that may be looked at; any other is told of."""
        data = bytes(self._hex)
        try:
            picture = bytes.fromhex(data.decode("ascii")) if self._shown else b""
        except ValueError:
            picture = b""
        self._hex.clear()
        if not picture:
            self._notes[Note("note.picture-unshown")] = None
            return
        self._pictures.append(picture)


def _page(name: str) -> str:
    try:
        return codecs.lookup(name).name if name != "cp0" else "cp1252"
    except LookupError:
        return "utf-8" if name == "cp65001" else "cp1252"


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """Runs of one look together, without empty ends; halves of a sign that came by two numbers become the sign."""
    whole = [
        Span(_whole("".join(one.text for one in run)), *look)
        for look, run in groupby(spans, lambda one: (one.marks, one.note))
    ]
    return tuple(whole) if any(one.text.strip() for one in whole) else ()


def _whole(text: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "".join("\ufffd" if sign < " " and sign not in "\t\n" else sign for sign in text)
