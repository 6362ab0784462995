"""Whom an XML document names as its patient, in whatever form and however deep within it: the one reader of that.

A document is looked through whole, as a sender may wrap one in another: a CDA document's `recordTarget`, a KITH message's
`Patient` and FHIR's, where they stand or within an element as base64 or as text that is XML once more. The page that shows a
document asks here, and so does a source that takes one in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Final

from lxml import etree

from kjerne.errors import Refusal
from kjerne.reading import kinds
from kjerne.reading.about import national
from kjerne.reading.room import name, text_of

DEPTH_LIMIT: Final = 5
"""Documents within each other: a message head, a letter in it, and a document in that are three."""
_BEGINNING: Final = 400
"""Of what an element holds so much is looked at before all of it is."""
_NATIONAL: Final = frozenset({"", "FNR", "DNR", "FHN"})
"""Kinds of a KITH message's numbers that may be national (8116, 8268)."""
_FHIR: Final = "{http://hl7.org/fhir}"

Parse = Callable[[bytes], etree._Element]  # noqa: SLF001 - what lxml calls the type


def named(root: etree._Element, parse: Parse) -> tuple[str, ...]:
    """The national numbers by which a document names its patient, each once. `Refusal` 422 where there are too many.

    `parse` is the program's one door for XML; what cannot pass it names nobody.
    """
    return national(_named(root, parse, DEPTH_LIMIT))


def _named(root: etree._Element, parse: Parse, depth: int) -> Iterator[tuple[str, str]]:
    for one in root.iter():
        kind = name(one)
        if kind == "recordTarget":
            for said in one.iterfind("{*}patientRole/{*}id"):
                yield said.get("root", ""), said.get("extension", "")
        elif kind == "Patient" and not any(name(outer) == kind for outer in one.iterancestors()):
            yield from _numbers(one)
        elif depth and kind and (data := _xml_within(one)):
            try:
                inner = parse(data)
            except Refusal:
                continue
            yield from _named(inner, parse, depth - 1)


def _numbers(patient: etree._Element) -> Iterator[tuple[str, str]]:
    named = [(patient.find("{*}OffId"), patient.find("{*}TypeOffId"))]
    named += [(one.find("{*}Id"), one.find("{*}TypeId")) for one in patient.iterfind("{*}Ident")]
    named += [(one.find("{*}Id"), one.find("{*}Type")) for one in patient.iterfind("{*}AdditionalId")]
    for number, kind in named:
        if number is not None and (kind.get("V", "") if kind is not None else "") in _NATIONAL:
            yield "", text_of(number) or number.get("V", "")
    for one in patient.iterfind(f"{_FHIR}identifier"):
        system, value = one.find(f"{_FHIR}system"), one.find(f"{_FHIR}value")
        if value is not None:
            yield "" if system is None else system.get("value", ""), value.get("value", "")


def _xml_within(element: etree._Element) -> bytes:
    """The XML that an element's text is, written out or in base64; empty where it is none."""
    if any(isinstance(one.tag, str) for one in element):
        return b""
    text = ((element.text or "") + "".join(one.tail or "" for one in element)).strip()
    if text.startswith("<"):
        data = text.encode()
        return data if kinds.kind_of(data) == kinds.XML else b""
    begins = "".join(text[:_BEGINNING].split())
    try:
        if kinds.kind_of(base64.b64decode(begins[: len(begins) // 4 * 4], validate=True)) != kinds.XML:
            return b""
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
