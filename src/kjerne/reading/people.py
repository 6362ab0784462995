"""Whom an XML document names as its patient, in whatever form and however deep within it: the one reader of that.

A document is looked through whole, as a sender may wrap one in another: a CDA document's `recordTarget`, a KITH message's
`Patient` and FHIR's, where they stand or within an element as base64 or as text that is XML once more. What base64 stands for is
what `Room.bytes_of` says, by which it is shown. The page that shows a document asks here, and so does a source that takes one in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.reading import kinds
from kjerne.reading.about import national
from kjerne.reading.room import Room, name, text_of
from kjerne.registries.identifiers import is_number, numbers_in

DEPTH_LIMIT: Final = 5
"""Documents within each other: a message head, a letter in it, and a document in that are three."""
INNER_LIMIT: Final = 1_000
"""Documents within one, all together: a letter has a handful, and each costs some 0.1 ms of a processor."""
INNER_BYTES: Final = 50_000_000
"""All of them together. What lies within a document is smaller than it, and once more within that smaller still."""
_BEGINNING: Final = 1_200
"""Letters of base64 by which it is seen whether XML may begin there: more than `kinds.kind_of` looks at."""
_MAY_BEGIN: Final = frozenset("<P7/ICDA")
"""The first letter of base64 of what begins with `<`, a mark of UTF, blanks or a zero; of XML written out the sign itself."""
_NATIONAL: Final = frozenset({"", "FNR", "DNR", "FHN"})
"""Kinds of a KITH message's numbers that may be national (8116, 8268)."""
_OTHER_KINDS: Final = frozenset({"HPR", "HER", "HNR", "LNR", "PNR", "SEF", "DKF", "SSN", "FPN", "UID", "DUF"})
"""Kinds that are known to be others. Under a word that is not known a number that is a person's says by itself what it is."""
_FHIR: Final = "{http://hl7.org/fhir}"
_OF_CDA: Final = ("{*}patientRole/{*}id", "{*}patientRole/{*}patient/{*}id")

Parse = Callable[[bytes], etree._Element]  # noqa: SLF001 - what lxml calls the type


def named(root: etree._Element, parse: Parse) -> tuple[str, ...]:
    """The national numbers by which a document names its patient, each once. `Refusal` 422 where there are too many, or more
    within it than is looked through.

    `parse` is the program's one door for XML; what cannot pass it names nobody.
    """
    return national(_Search(parse).named(root, DEPTH_LIMIT))


@dataclass(slots=True)
class _Search:
    """One document being looked through, with how much more of what lies within it is opened."""

    parse: Parse
    left: int = INNER_LIMIT
    left_bytes: int = INNER_BYTES

    def named(self, root: etree._Element, depth: int) -> Iterator[tuple[str, str]]:
        for one, begins in _elements(root):
            kind = name(one)
            if kind == "recordTarget":
                for said in (said for path in _OF_CDA for said in one.iterfind(path)):
                    yield said.get("root", ""), said.get("extension", "")
            elif kind == "Patient" and not any(name(outer) == kind for outer in one.iterancestors()):
                yield from _numbers(one)
            if depth and begins[:1] in _MAY_BEGIN and (data := self.within(one, begins)):
                try:
                    inner = self.parse(data)
                except Refusal:
                    continue
                yield from self.named(inner, depth - 1)

    def within(self, element: etree._Element, begins: str) -> bytes:
        """The XML that an element's text is, written out or in base64; empty where it is none."""
        data = _written_out(element) if begins[0] == "<" else _in_base64(element, begins)
        if not data:
            return b""
        self.left_bytes -= len(data)
        is_xml = self.left_bytes >= 0 and kinds.kind_of(data) == kinds.XML
        self.left -= is_xml
        if self.left < 0 or self.left_bytes < 0:
            raise Refusal(422, "More lies within the document than is looked through.", where="document_people")
        return data if is_xml else b""


@dataclass(slots=True)
class _Text:
    """How the text of an element and of all in it begins, without blanks; `parts` are how many texts and elements it is from."""

    begins: str = ""
    parts: int = 0

    def add(self, text: str | None) -> None:
        if text and not text.isspace():
            self.parts += 1
            if len(self.begins) < _BEGINNING:
                self.begins += "".join(text.split())[:_BEGINNING]

    def is_of(self, within: int) -> bool:
        """Whether all of it is one element's, which was looked at before."""
        return self.parts == 1 and within == 1


def _elements(root: etree._Element) -> Iterator[tuple[etree._Element, str]]:
    """Each element, and how its text begins; nothing of that where it is just the text of one that stands in it."""
    open_: list[_Text] = [_Text()]
    inner: list[int] = [0]
    for event, one in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            text = _Text()
            text.add(one.text)
            open_.append(text)
            inner.append(0)
            continue
        text, within = open_.pop(), inner.pop()
        yield one, "" if text.is_of(within) else text.begins
        if text.begins:
            open_[-1].add(text.begins)
            inner[-1] += 1
        open_[-1].add(one.tail)


def _numbers(patient: etree._Element) -> Iterator[tuple[str, str]]:
    named = [(patient.find("{*}OffId"), patient.find("{*}TypeOffId"))]
    named += [(one.find("{*}Id"), one.find("{*}TypeId")) for one in patient.iterfind("{*}Ident")]
    named += [(one.find("{*}Id"), one.find("{*}Type")) for one in patient.iterfind("{*}AdditionalId")]
    for number, kind in named:
        if number is not None:
            said, word = (
                text_of(number) or number.get("V", ""),
                "" if kind is None else kind.get("V", "").strip().upper(),
            )
            if word in _NATIONAL or (word not in _OTHER_KINDS and any(map(is_number, numbers_in(said)))):
                yield "", said
    for one in patient.iterfind(f"{_FHIR}identifier"):
        system, value = one.find(f"{_FHIR}system"), one.find(f"{_FHIR}value")
        if value is not None:
            yield "" if system is None else system.get("value", ""), value.get("value", "")


def _written_out(element: etree._Element) -> bytes:
    return b"" if len(element) else (element.text or "").strip().encode()


def _in_base64(element: etree._Element, begins: str) -> bytes:
    """All that the base64 of an element stands for, where it may be XML."""
    begins = begins[:_BEGINNING]
    try:
        first = base64.b64decode(begins[: len(begins) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return b""
    return (Room.bytes_of(element) or b"") if kinds.may_be_xml(first) else b""
