"""Letters as HL7 CDA R2: level 1, a header around a PDF, and level 3, sections with what is coded beside their narrative."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import Final

from lxml import etree

from kjerne.registries.identifiers import SYSTEM_BY_KIND
from kjerne.sandbox.documents.paper import LABEL, TYPES, Letter, Part
from kjerne.svarrapport import OID, Code, Item, Number
from kjerne.xds.values import bare

_V3: Final = "urn:hl7-org:v3"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SPACE: Final = uuid.UUID("0e6a8d0c-2f6a-5a0e-8b1f-7d4f0b6f9501")
_LOINC: Final = "2.16.840.1.113883.6.1"
_SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "Diagnoser": ("29548-5", "Diagnosis"), "Årsak til innleggelsen": ("46241-6", "Hospital admission diagnosis"),
    "Funn ved innkomst": ("29545-1", "Physical findings"), "Forløp og behandling": ("8648-8", "Hospital course"),
    "Prøvesvar": ("30954-2", "Relevant diagnostic tests"), "Vurdering": ("51848-0", "Evaluation note"),
    "Videre oppfølging": ("18776-5", "Plan of care note"),
}  # fmt: skip
_NAMES: Final = "2.16.578.1.12.4.1.4."


def level_1(letter: Letter, type_code: str, level: str, pdf: bytes) -> bytes:
    """A header, and the PDF that it is about; `level` is N, R or V."""
    root = _header(letter, type_code, level)
    body = _put(_put(root, "component"), "nonXMLBody")
    _put(body, "text", base64.b64encode(pdf).decode(), mediaType="application/pdf", representation="B64")
    return _written(root)


def level_3(letter: Letter, type_code: str, level: str, items: tuple[Item, ...] = ()) -> bytes:
    """Sections; diagnoses and measured results stand as entries beside what is told of them."""
    root = _header(letter, type_code, level)
    stay = _put(_put(root, "componentOf"), "encompassingEncounter")
    time = _put(stay, "effectiveTime")
    _put(time, "low", value=f"{letter.begun:%Y%m%d}")
    _put(time, "high", value=f"{letter.ended:%Y%m%d}")
    body = _put(_put(root, "component"), "structuredBody")
    if letter.diagnoses:
        lines = "\n".join(f"{one.name} ({one.value})" for one in letter.diagnoses)
        section = _section(body, Part("Diagnoser", lines))
        for code in letter.diagnoses:
            _observed(section, Code("29308-4", "Diagnosis", _LOINC), code)
    for part in (*letter.parts, Part("Merknad", LABEL)):
        section = _section(body, part)
        for item in items if part.heading == "Prøvesvar" else ():
            if isinstance(item.result, Number) and not item.result.comparator:
                _observed(section, item.codes[0], item.result)
    return _written(root)


def _header(letter: Letter, type_code: str, level: str) -> etree._Element:
    root = etree.Element(f"{{{_V3}}}ClinicalDocument", nsmap={None: _V3, "xsi": _XSI})  # type: ignore[dict-item]
    _put(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    own = uuid.uuid5(_SPACE, f"{type_code} {letter.title} {letter.person.key} {letter.written.isoformat()}")
    _put(root, "id", root=str(own))
    _put(root, "code", code=type_code, codeSystem=f"{OID}9602", displayName=TYPES[type_code])
    _put(root, "title", letter.title)
    _put(root, "effectiveTime", value=f"{letter.written:%Y%m%d%H%M%S}")
    _put(root, "confidentialityCode", code=level, codeSystem="2.16.840.1.113883.5.25")
    _put(root, "languageCode", code="nb-NO")
    _record_target(root, letter)
    author = _put(root, "author")
    _put(author, "time", value=f"{letter.written:%Y%m%d%H%M%S}")
    _author(author, letter)
    kept = _put(_put(_put(root, "custodian"), "assignedCustodian"), "representedCustodianOrganization")
    _put(kept, "id", root=f"{_NAMES}101", extension=letter.unit.number)
    _put(kept, "name", letter.unit.name)
    return root


def _record_target(root: etree._Element, letter: Letter) -> None:
    one = letter.person
    role = _put(_put(root, "recordTarget"), "patientRole")
    _put(role, "id", root=bare(SYSTEM_BY_KIND[letter.number.kind]), extension=letter.number.value)
    patient = _put(role, "patient")
    _name(patient, one.given, one.family)
    sex = {"male": ("1", "Mann"), "female": ("2", "Kvinne")}[one.sex]
    _put(patient, "administrativeGenderCode", code=sex[0], codeSystem=f"{OID}3101", displayName=sex[1])
    _put(patient, "birthTime", value=f"{one.birth_date:%Y%m%d}")


def _author(author: etree._Element, letter: Letter) -> None:
    assigned, one = _put(author, "assignedAuthor"), letter.author
    if one is None:
        _put(assigned, "id", nullFlavor="NI")
    else:
        _put(assigned, "id", root=f"{_NAMES}4", extension=one.hpr)
        given, _, family = one.name.rpartition(" ")
        _name(_put(assigned, "assignedPerson"), given, family)
    place = _put(assigned, "representedOrganization")
    _put(place, "id", root=f"{_NAMES}101", extension=letter.unit.number)
    _put(place, "name", ", ".join(filter(None, (letter.unit.name, letter.unit.department))))


def _section(body: etree._Element, part: Part) -> etree._Element:
    section = _put(_put(body, "component"), "section")
    if known := _SECTIONS.get(part.heading):
        _put(section, "code", code=known[0], codeSystem=_LOINC, displayName=known[1])
    _put(section, "title", part.heading)
    text = _put(section, "text")
    for line in part.text.splitlines():
        _put(text, "paragraph", line)
    if part.rows:
        table = _put(text, "table")
        for tag, cell, rows in (("thead", "th", part.rows[:1]), ("tbody", "td", part.rows[1:])):
            group = _put(table, tag)
            for row in rows:
                line_ = _put(group, "tr")
                for value in row:
                    _put(line_, cell, value)
    return section


def _observed(section: etree._Element, code: Code, value: Code | Number) -> None:
    one = _put(_put(section, "entry"), "observation", classCode="OBS", moodCode="EVN")
    _put(one, "code", code=code.value, codeSystem=code.system, displayName=code.name)
    _put(one, "statusCode", code="completed")
    if isinstance(value, Number):
        told = _put(one, "value", value=value.value, unit=value.unit)
        told.set(f"{{{_XSI}}}type", "PQ")
    else:
        told = _put(one, "value", code=value.value, codeSystem=value.system, displayName=value.name)
        told.set(f"{{{_XSI}}}type", "CD")


def _name(parent: etree._Element, given: str, family: str) -> None:
    name = _put(parent, "name")
    _put(name, "given", given)
    _put(name, "family", family)


def _put(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    one = etree.SubElement(parent, f"{{{_V3}}}{tag}", attributes)
    if text:
        one.text = text
    return one


def _written(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
