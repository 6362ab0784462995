"""Looking into elements of a message: children by name, codes, dates, numbers, texts, and refusals with path and line.

Names are compared without namespace: the message's own was settled at its root, and senders mix prefixes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

from lxml import etree

from kjerne.errors import Fault, Refusal
from kjerne.services.results.kith.model import Amount, Code
from kjerne.services.results.kith.times import stamp

Element = etree._Element  # noqa: SLF001 - lxml has no other name for its element type
Parts = dict[str, list[Element]]

NOT_VALID: Final = "T02"
"""Code of 8221 for a receipt: the XML does not validate."""

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_BLANKS: Final = "[ \xa0\u202f]"
_GROUPED: Final = re.compile(
    rf"[+-]?[0-9]{{1,3}}(?:(?:{_BLANKS}[0-9]{{3}})+(?:[.,][0-9]{{1,30}})?|(?:\.[0-9]{{3}})+,[0-9]{{1,30}})"
)
EXPONENT_LIMIT: Final = 64
"""As of a number by FHIR (`wire.json`): pages read no further, and what is accepted is shown."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_UNSET: Final = re.compile(r"0001-01-01(?:T00:00:00(?:\.0+)?)?Z?")
"""The first moment of .NET's calendar: what its programs write where a time was never set."""
_LINE_ENDS: Final = frozenset(
    "p div li tr h1 h2 h3 h4 h5 h6 table ul ol pre hr dt dd blockquote caption address body".split()
)
_XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_NOTE_LIMIT: Final = 50

CODE_LIMIT_CHARACTERS: Final = 200
NAME_LIMIT_CHARACTERS: Final = 1_000
"""A name, number, unit, or address of a code system: pages show each beside every result."""
TEXT_LIMIT_CHARACTERS: Final = 100_000
"""One text of a report or a comment; the longest of radiology and pathology have some tens of thousands."""
_TEXTS: Final = frozenset(
    "Comment ReqComment CollectorComment Logistics SampleHandling Descr Text TextResultValue".split()
)
"""Elements that hold text for a reader; any other holds a name, number or unit."""


@dataclass(slots=True)
class Notes:
    """What the reader noticed and the report should say, each once."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text not in self.texts and len(self.texts) < _NOTE_LIMIT:
            self.texts.append(text)


class _Names(dict[str, str]):
    """Names without their namespace, kept: every element of every message is asked, and they have some hundred names."""

    def __missing__(self, tag: str) -> str:
        name = tag.rpartition("}")[2]
        if len(tag) <= _TAG_KEPT_CHARACTERS:
            if len(self) >= _NAMES_KEPT:
                self.clear()
            self[tag] = name
        return name


_NAMES_KEPT: Final = 1024
_TAG_KEPT_CHARACTERS: Final = 200
NAMES: Final = _Names()
"""By an element's tag its name."""


def name_of(element: Element) -> str:
    """The element's name without namespace."""
    return NAMES[str(element.tag)]


def parts(element: Element) -> Parts:
    """The children by name, each in the order sent."""
    found: Parts = {}
    for child in element:
        name = NAMES[child.tag]
        if name in found:
            found[name].append(child)
        else:
            found[name] = [child]
    return found


def unknown(here: Parts, known: frozenset[str], element: Element, notes: Notes) -> None:
    """Note elements that neither version of the schema has here: they are kept in the message, and in it only."""
    if here.keys() <= known:
        return
    for name in sorted(here.keys() - known):
        notes.add(f"{name_of(element)} holds {name[:40]}, which the schema does not have; it is not shown.")


def first(here: Parts, name: str) -> Element | None:
    found = here.get(name)
    return found[0] if found else None


def text_of(element: Element) -> str:
    """Trimmed text; empty where there is none, or only the word NULL that some senders write."""
    words: str | None = element.text
    if len(element) or (words and "\r" in words):
        words = prose(element)
    trimmed = words.strip() if words else ""
    if len(trimmed) > NAME_LIMIT_CHARACTERS:
        limit = TEXT_LIMIT_CHARACTERS if name_of(element) in _TEXTS else NAME_LIMIT_CHARACTERS
        _no_longer(trimmed, limit, element)
    return "" if trimmed == "NULL" else trimmed


def text(here: Parts, name: str) -> str:
    found = here.get(name)
    return text_of(found[0]) if found else ""


def texts(here: Parts, name: str) -> tuple[str, ...]:
    return tuple(t for t in (text_of(element) for element in here.get(name, ())) if t)


def joined(here: Parts, name: str) -> str:
    """All that is said in elements of a name, a line each: of two comments none is lost."""
    found = here.get(name, ())
    return text_of(found[0]) if len(found) == 1 else "\n".join(dict.fromkeys(texts(here, name)))


def value_of(element: Element) -> str:
    """Attribute V, trimmed."""
    return attribute(element, "V", CODE_LIMIT_CHARACTERS)


def attribute(element: Element, name: str, limit: int) -> str:
    """An attribute, trimmed; refused where it is longer than `limit`."""
    sent = element.get(name)
    trimmed = sent.strip() if sent else ""
    if len(trimmed) > limit:
        _no_longer(trimmed, limit, element, f" ({name})")
    return trimmed


def value(here: Parts, name: str) -> str:
    found = here.get(name)
    return value_of(found[0]) if found else ""


def code_of(element: Element) -> Code:
    get = element.get
    sent, system, name, original = get("V"), get("S"), get("DN"), get("OT")
    found = Code(
        sent.strip() if sent else "", system.strip() if system else "", name.strip() if name else "",
        original.strip() if original else "",
    )  # fmt: skip
    if len(found.code) + len(found.system) + len(found.name) + len(found.original) > CODE_LIMIT_CHARACTERS:
        attribute(element, "V", CODE_LIMIT_CHARACTERS)
        for part in ("S", "DN", "OT"):
            attribute(element, part, NAME_LIMIT_CHARACTERS)
    return found


NO_CODE: Final = Code()


def code(here: Parts, name: str) -> Code:
    found = here.get(name)
    return code_of(found[0]) if found else NO_CODE


def codes(here: Parts, name: str) -> tuple[Code, ...]:
    found = (code_of(element) for element in here.get(name, ()))
    return tuple(c for c in found if c.code or c.name or c.original)


def date(here: Parts, name: str) -> str:
    found = here.get(name)
    return date_of(found[0]) if found else ""


def date_of(element: Element) -> str:
    """A time as FHIR writes it; empty where nothing was sent, refused where it is no time."""
    sent = (element.get("V") or element.text or "").strip()
    if not sent or _UNSET.fullmatch(sent):
        return ""
    known = stamp(sent)
    if known is None:
        says = f"{name_of(element)} is no date or time of the calendar."
        refuse(says, element, todo="Send it as 2026-11-23 or 2026-11-23T10:15:00.")
    return known.text


def flag_of(element: Element) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(value_of(element))


def flag(here: Parts, name: str) -> bool | None:
    found = here.get(name)
    return flag_of(found[0]) if found else None


def amount_of(element: Element, notes: Notes) -> Amount | None:
    """The decimal in V with its unit; None where V is empty. A decimal comma is read and noted; other text is
    refused, and so is a number beyond all measure."""
    sent = (element.get("V") or element.text or "").strip()
    unit = attribute(element, "U", NAME_LIMIT_CHARACTERS)
    if not sent:
        return None
    if _GROUPED.fullmatch(sent):
        notes.add("A number came with its thousands apart, which the schema does not have; it is read as one number.")
        sent = re.sub(_BLANKS, "", sent.replace(".", "") if "," in sent else sent)
    if "," in sent and sent.count(",") == 1:
        notes.add("A number came with a decimal comma, which the schema does not have; it is read as a decimal.")
        sent = sent.replace(",", ".")
    if not _DECIMAL.fullmatch(sent):
        refuse(f"{name_of(element)} is no number.", element, todo="Send a result that is no number as TextResult.")
    number = Decimal(sent)
    if abs(int(number.as_tuple().exponent)) > EXPONENT_LIMIT:
        refuse(f"{name_of(element)} is longer or larger than any measurement.", element)
    return Amount(number, unit)


def whole_number(element: Element) -> int | None:
    """The integer in an element; None where it is empty."""
    sent = (element.text or "").strip()
    if not sent:
        return None
    if not _INTEGER.fullmatch(sent):
        refuse(f"{name_of(element)} is no whole number.", element)
    return int(sent)


def prose(element: Element) -> str:
    """The text of an element that may hold XHTML: paragraphs, line breaks and list items as lines of plain text.

    A text without markup keeps its own lines; only its ends are trimmed. Carriage returns, which XML lets through as
    `&#13;`, are line ends too.
    """
    if len(element) == 0:
        words: str = element.text or ""
        lasting = words.replace("\r\n", "\n").replace("\r", "\n").strip() if "\r" in words else words.strip()
        return _no_longer(lasting, TEXT_LIMIT_CHARACTERS, element)
    pieces: list[str] = []
    _collect(element, pieces, own_lines=True)
    lines = (" ".join(line.split()) for line in "".join(pieces).replace("\r", "\n").split("\n"))
    return _no_longer("\n".join(line for line in lines if line), TEXT_LIMIT_CHARACTERS, element)


def _collect(element: Element, pieces: list[str], *, own_lines: bool) -> None:
    """`own_lines`: whether a line end in the text is one for the reader; in XHTML it is a blank, but for `pre`."""
    pieces.append(_flowing(element.text, own_lines))
    for child in element:
        name = name_of(child)
        if name == "br" or name in _LINE_ENDS:
            pieces.append("\n")
        elif name == "sup" and (child.text or "").strip()[:1] in _EXPONENT:
            pieces.append("^")  # 10<sup>9</sup> is not 109
        _collect(child, pieces, own_lines=name == "pre" or (own_lines and not str(child.tag).startswith(_XHTML)))
        if name in _LINE_ENDS:
            pieces.append("\n")
        elif name in ("td", "th"):
            pieces.append(" ")
        pieces.append(_flowing(child.tail, own_lines))


_EXPONENT: Final = tuple("0123456789+-−")


def _flowing(words: str | None, own_lines: bool) -> str:
    found = words or ""
    return found if own_lines else found.replace("\n", " ").replace("\r", " ")


def line_of(element: Element) -> int:
    line = element.sourceline
    return line if isinstance(line, int) else 0


def _no_longer(words: str, limit: int, element: Element, part: str = "") -> str:
    if len(words) > limit:
        refuse(f"{name_of(element)}{part} is longer than {limit} signs.", element)
    return words


def where(element: Element, name: str = "") -> str:
    """`ServReport/Patient/OffId line 23`: the path from the message, and the line."""
    path = [name_of(ancestor) for ancestor in element.iterancestors()][::-1]
    path = [*path, name_of(element), *([name] if name else [])]
    start = path.index("Message") if "Message" in path else 0
    return f"{'/'.join(path[start:])} line {element.sourceline}"


def refuse(says: str, element: Element, name: str = "", *, todo: str = "", receipt: str = NOT_VALID) -> NoReturn:
    """Refuse the message whole. `receipt` is the code of 8221 that the sender's receipt gets."""
    place = where(element, name)
    raise Refusal(422, says, where=place, todo=todo, faults=(Fault(says, place, receipt),))
