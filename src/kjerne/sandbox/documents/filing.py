"""A document with its national metadata, as a system hands it in (ITI-41): one submission for each."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from hashlib import sha1
from typing import Final
from zoneinfo import ZoneInfo

from kjerne import svarrapport
from kjerne.registries.identifiers import SYSTEM_BY_KIND
from kjerne.sandbox.documents.paper import CLASSES, LABEL, TYPES, Letter, Paper
from kjerne.sandbox.sources.places import Place
from kjerne.xds import names
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import Submission
from kjerne.xds.values import Association, Author, Code, DocumentEntry, SubmissionSet, bare

_SPACE: Final = uuid.UUID("b1c7a0f4-0a63-5d54-8e07-3c7c1a86f2d3")
_NORWAY: Final = ZoneInfo("Europe/Oslo")
_IHE: Final = "1.3.6.1.4.1.19376.1.2.3"
_LEVELS: Final = {"N": "Normal", "R": "Begrenset", "V": "Svært begrenset"}
_MARKS: Final = {
    "NORS": "Sperret", "NORU": "Utsatt innsyn for innbygger", "NORN_FORANS": "Nektet, foreldreansvarlig",
}  # fmt: skip
_TEST: Final = Code("HTEST", "2.16.840.1.113883.5.8", "test health data")
_NAMES: Final = "2.16.578.1.12.4.1.4."


def submission(paper: Paper, place: Place) -> Submission:
    """The set, the document and what it replaces. All ids follow from whom it is about and what it is, so that the same is sent
    again as the same."""
    letter, own = paper.letter, _uuid(place, paper.letter, paper.name)
    set_id = _uuid(place, letter, f"{paper.name} sent")
    patient = CX(letter.number.value, bare(SYSTEM_BY_KIND[letter.number.kind]))
    sent = SubmissionSet(
        id=f"urn:uuid:{set_id}", unique_id=f"2.25.{set_id.int}", source_id=place.oid, patient=patient,
        submitted=_time(letter.written), content_type=_kind(paper.type_code), authors=_authors(letter), comments=LABEL,
    )  # fmt: skip
    entry = _entry(paper, f"urn:uuid:{own}", f"2.25.{own.int}", patient)
    associations = [Association(id="member", kind=names.HAS_MEMBER, source=sent.id, target=entry.id, is_original=True)]
    if paper.replaces:
        earlier = f"urn:uuid:{_uuid(place, letter, paper.replaces)}"
        associations.append(Association(id="replaces", kind=names.REPLACES, source=entry.id, target=earlier))
    return Submission(sent, (entry,), tuple(associations))


def _entry(paper: Paper, id_: str, unique_id: str, patient: CX) -> DocumentEntry:
    letter = paper.letter
    class_code, called = CLASSES[paper.type_code[0]]
    return DocumentEntry(
        id=id_, unique_id=unique_id, patient=patient, mime_type=paper.form.mime_type, title=letter.title, comments=LABEL,
        class_code=Code(class_code, f"{svarrapport.OID}9602", called), type_code=_kind(paper.type_code),
        format_code=Code(paper.form.code, _IHE), facility_type=_code(letter.setting.facility),
        practice_setting=_code(letter.setting.practice), confidentiality=tuple(map(_mark, paper.marks)), events=(_TEST,),
        authors=_authors(letter), language="nb-NO", created=_time(letter.written), service_start=f"{letter.begun:%Y%m%d}",
        service_stop=f"{letter.ended:%Y%m%d}", hash=sha1(paper.content, usedforsecurity=False).hexdigest(),
        size_bytes=len(paper.content), source_patient=patient,
        source_patient_info=(f"PID-7|{letter.person.birth_date:%Y%m%d}",),
    )  # fmt: skip


def _authors(letter: Letter) -> tuple[Author, ...]:
    unit, one = letter.unit, letter.author
    institutions = [XON(unit.name, unit.number, f"{_NAMES}101")]
    if unit.department:
        institutions.append(XON(unit.department, unit.resh, f"{_NAMES}102"))
    if one is None:
        return (Author(None, tuple(institutions)),)
    given, _, family = one.name.rpartition(" ")
    return (Author(XCN(one.hpr, family, given, authority=f"{_NAMES}4"), tuple(institutions), one.authorizations[:1]),)


def _mark(mark: str) -> Code:
    if mark in _LEVELS:
        return Code(mark, "2.16.840.1.113883.5.25", _LEVELS[mark])
    return Code(mark, f"{svarrapport.OID}9603", _MARKS[mark])


def _kind(type_code: str) -> Code:
    return Code(type_code, f"{svarrapport.OID}9602", TYPES[type_code])


def _code(said: svarrapport.Code) -> Code:
    return Code(said.value, said.system, said.name)


def _uuid(place: Place, letter: Letter, name: str) -> uuid.UUID:
    return uuid.uuid5(_SPACE, f"{place.oid} {letter.number.value} {name}")


def _time(local: datetime) -> str:
    return f"{local.replace(tzinfo=_NORWAY).astimezone(UTC):%Y%m%d%H%M%S}"
