"""RTF as text: paragraphs, tables, a few marks of letters, footnotes and pictures (Rich Text Format Specification 1.9.1).

A reader of our own: what is published for Python gives lines of text alone. It knows what carries text and leaves out all else.
An embedded object is told of and never opened, a field is what it was last seen as, and nothing that a file names is fetched.
A sign that cannot be told is shown as lost, with a note, and never as the letter whose place it has.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, NamedTuple

from kjerne.reading.charset import CHARACTERS_LIMIT
from kjerne.reading.rtf_fields import RtfField
from kjerne.reading.symbols import LOST, by_number, drawn, table
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
    b"company moMath moMathPara upr".split()
)  # fmt: skip
"""Groups whose text is none of the document's."""
_SHOWN: Final = frozenset(b"shppict shpinst shptxt do ud pict pntext listtext footnote annotation".split())
"""Groups that may be marked as unknown to old readers, and hold text or a picture all the same."""
_APART: Final = frozenset(b"header headerl headerr headerf footer footerl footerr footerf annotation".split())
_FORMULAS: Final = frozenset({b"moMath", b"moMathPara"})
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
    0: "", 1: "", 2: "", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp437",
}  # fmt: skip
"""The page of a font by its charset; empty where it is whatever page the file is in."""
_DRAWINGS: Final = 2
"""The charset of a font that has no letters; as a page it is 42."""
_BLOCK: Final = CHARACTERS_LIMIT // BLOCKS_LIMIT
"""What a paragraph, cell or row takes of the room for letters."""
_PAGES: Final = {b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
_KNOWN: Final = frozenset(
    b"u object pict footnote par sect page cell row ulnone nosupersub up dn plain v pard intbl uc f deff fcharset cpg pngblip "
    b"jpegblip ansicpg field fldrslt ffres ffdefres".split()
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
    has_lost: bool = False
    """Whether some sign of it is shown as lost."""

    def end_paragraph(self, *, in_table: bool) -> None:
        """What was written so far is a paragraph, of the cell or of the text."""
        spans = _joined(self.spans)
        self.spans = []
        self.has_lost = self.has_lost or any(LOST in one.text for one in spans)
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


@dataclass
class _Font:
    """What the table of fonts says of one."""

    name: str = ""
    page: str = ""
    is_drawn: bool = False

    @property
    def called(self) -> str:
        return self.name.partition(";")[0].strip()

    def signs(self) -> Mapping[int, str] | None:
        """Its signs by their places where it is one of drawings."""
        return table(self.called, is_declared=self.is_drawn)


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the group ends."""

    flow: _Flow
    marks: frozenset[str] = frozenset()
    font: int | None = None
    skips: int = 1
    aside: bool = False
    hidden: bool = False
    in_table: bool = False
    fonts: bool = False
    picture: bool = False
    shape: bool = False
    doubled: bool = False
    field: RtfField | None = None
    instructs: bool = False


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
        self._fonts = dict[int, _Font]()
        self._font = _Font()
        self._drawn: frozenset[str] | None = None
        self._default: int | None = None
        self._left_out = 0
        self._starred = False
        self._notes = dict[Note, None]()
        self._hex = bytearray()
        self._shown = b""
        self._pictures = list[bytes]()
        self._room = CHARACTERS_LIMIT
        self._words = 0
        self._said = 0

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
        if any(one.has_lost for one in (self._main, *self._flows, *self._footnotes)):
            self._notes[Note("note.lost-letters")] = None
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
        ended, self._group = self._group.field, self._outer.pop()
        if ended and ended is not self._group.field and self._said == ended.said:
            self._say(ended.drawn(self._drawings()))
        self._starred = False
        return bool(self._outer)

    def _drawings(self) -> frozenset[str]:
        """The fonts that have no letters: gone through once for all fields behind the table of fonts."""
        if self._drawn is None:
            self._drawn = frozenset(one.called for one in self._fonts.values() if one.is_drawn)
        return self._drawn

    def _letters(self, letters: bytes) -> None:
        """Bytes of text in the page of their font; those that stand for a sign that came by number are left out."""
        if self._left_out:
            left = min(self._left_out, len(letters))
            self._left_out -= left
            letters = letters[left:]
        group = self._group
        if group.picture and not group.aside:
            self._hex += letters.strip()
        elif not group.aside or group.fonts or group.instructs:
            self._bytes += letters

    def _flush(self) -> None:
        if self._bytes:
            font, text = self._font_here(), bytes(self._bytes)
            self._bytes.clear()
            signs = font.signs()
            self._say(text.decode(font.page or self._page, "replace") if signs is None else drawn(text, signs))

    def _font_here(self) -> _Font:
        """Of the text; none where it is a name or an instruction."""
        group = self._group
        number = self._default if group.font is None else group.font
        return _Font() if group.aside or number is None else self._fonts.get(number, _Font())

    def _say(self, text: str) -> None:
        group = self._group
        if group.fonts:
            self._drawn = None
            self._font.name = (self._font.name + text)[:100]
        elif group.instructs and group.field:
            group.field.instruction.append(text)
        if group.aside or group.picture or not text:
            return
        self._said += bool(text.strip())
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
            self._say(by_number(number % 65536, self._font_here().signs()))
            self._left_out = self._group.skips
            return
        self._flush()
        if self._group.fonts:
            self._of_font(word, number)
        elif self._group.field and word in (b"ffres", b"ffdefres"):
            self._group.field.form[word] = number or 0
        if word == b"object":
            self._said += 1
            self._notes[Note("note.object")] = None
        if self._destination(word, starred=starred):
            return
        if word in _LETTERS:
            self._say(_LETTERS[word])
        elif not self._group.aside and not self._broke(word):
            self._set(word, number)

    def _destination(self, word: bytes, *, starred: bool) -> bool:
        """Whether the word says what the group is of."""
        group = self._group
        if word in _ASIDE or (starred and word not in _SHOWN):
            self._put_aside(word)
        elif group.doubled and word == b"ud":
            # What stands before it says the same in the letters of an older reader, with a ? for each other sign.
            self._group = replace(group, aside=False, doubled=False)
        elif group.aside and not (group.shape and word == b"pict"):
            return False
        elif word in (b"field", b"fldrslt"):
            self._of_field(word)
        elif word == b"pict":
            self._hex.clear()
            self._shown = b""
            self._group = replace(group, picture=True, aside=False)
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

    def _put_aside(self, word: bytes) -> None:
        """What is in the group is none of the text, but may say how that is to be read."""
        group = self._group
        if word in _FORMULAS and not group.aside:
            self._say(LOST)
        self._group = replace(
            group, aside=True, fonts=word == b"fonttbl", shape=group.shape or word == b"sp",
            doubled=word == b"upr" and not group.aside,
            instructs=word == b"fldinst" and (group.instructs or not group.aside),
        )  # fmt: skip

    def _of_field(self, word: bytes) -> None:
        if word == b"field":
            self._group = replace(self._group, field=RtfField(self._said))
        elif self._group.field:
            self._group.field.has_result = True

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
        if (marks := _marked(group.marks, word, number)) is not None:
            self._room -= _BLOCK // 10
            self._group = replace(group, marks=marks)
        elif word == b"plain":
            self._group = replace(group, marks=frozenset(), hidden=False, font=None)
        elif word == b"v":
            self._group = replace(group, hidden=is_on)
        elif word in (b"pard", b"intbl"):
            self._group = replace(group, in_table=word == b"intbl")
        elif word == b"uc" and number is not None:
            self._group = replace(group, skips=max(0, min(number, 10)))
        elif word == b"f" and number is not None:
            self._group = replace(group, font=number)
        elif word == b"deff":
            self._default = number or 0
        elif word in (b"pngblip", b"jpegblip"):
            self._shown = word
        elif word == b"ansicpg" and number is not None:
            self._page = _page(f"cp{number}")
        elif word in _PAGES:
            self._page = _PAGES[word]

    def _of_font(self, word: bytes, number: int | None) -> None:
        self._drawn = None
        if word == b"f" and number is not None:
            self._font = self._fonts[number] = _Font()
        elif word == b"fcharset" and number is not None:
            # Of a charset that is not known nothing but the letters without marks can be told.
            self._font.page = _CHARSETS.get(number, "ascii")
            self._font.is_drawn = number == _DRAWINGS
        elif word == b"cpg" and number:
            self._font.page = "" if number == 42 else _page(f"cp{number}")
            self._font.is_drawn = number == 42

    def _end_picture(self) -> None:
        """Hexadecimal, of a kind that may be looked at; any other is told of."""
        data = bytes(self._hex)
        try:
            picture = bytes.fromhex(data.decode("ascii")) if self._shown else b""
        except ValueError:
            picture = b""
        self._hex.clear()
        self._said += 1
        if not picture:
            self._notes[Note("note.picture-unshown")] = None
            return
        self._pictures.append(picture)


def _marked(marks: frozenset[str], word: bytes, number: int | None) -> frozenset[str] | None:
    """The marks as a word leaves them; None for a word of another kind.

    >>> _marked(frozenset(), b"up", 6), _marked(frozenset({"sup"}), b"up", 0), _marked(frozenset(), b"par", None)
    (frozenset({'sup'}), frozenset(), None)
    """
    if word in _MARKS:
        return marks | {_MARKS[word]} if number != 0 else marks - {_MARKS[word]}
    if word in (b"up", b"dn"):
        raised = (1 if word == b"up" else -1) * (6 if number is None else number)
        return marks - {"sub", "sup"} | {"sup" if raised > 0 else "sub"} if raised else marks - {"sub", "sup"}
    return {b"ulnone": marks - {"under"}, b"nosupersub": marks - {"sub", "sup"}}.get(word)


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
