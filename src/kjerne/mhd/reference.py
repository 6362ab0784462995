"""A document as MHD tells of it (IHE MHD 4.2.2, DocumentReference of R4), from the metadata that its source gave.

Institutions are recognised by a contained Organization whose `type` has the OID of their numbers as its system, without
`urn:oid:` before it: the department (RESH) behind its organisation.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any, Final

from kjerne.xds import names
from kjerne.xds.forms import CX, XCN
from kjerne.xds.values import Author, Code, DocumentEntry, bare

SIZE_LIMIT_BYTES: Final = 2**31 - 1
"""FHIR has no greater number for a size; a longer one is not told."""
URI: Final = "urn:ietf:rfc:3986"
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_URI: Final = re.compile(r"(?:urn:[a-z0-9-]+:|https?://)[!-~]+", re.ASCII)
Tree = dict[str, Any]


def document_reference(
    entry: DocumentEntry, *, id_: str, url: str, custodian: str = "", relates: Sequence[tuple[str, str]] = ()
) -> Tree:
    """The DocumentReference. `url` is where the document is fetched, empty where it is not given; `relates` is what it is
    (`replaces`, `appends` ...) to others, by their ids."""
    contained, authors = list[Tree](), list[Tree]()
    for author in entry.authors:
        put_author(author, contained, authors)
    tree: Tree = {
        "resourceType": "DocumentReference",
        "id": id_,
        "contained": contained,
        "masterIdentifier": identifier_of(entry.unique_id),
        "identifier": [{"use": "official", "system": URI, "value": entry.id}] if is_uuid(entry.id) else [],
        "status": "current" if entry.status == names.APPROVED else "superseded",
        "type": concept(entry.type_code),
        "category": [concept(entry.class_code)] if entry.class_code else [],
        "subject": {"identifier": person(entry.patient)},
        "date": moment(entry.created, instant=True),
        "author": authors,
        "relatesTo": [{"code": kind, "target": {"reference": f"DocumentReference/{other}"}} for kind, other in relates],
        "custodian": {"identifier": {"system": URI, "value": entry.home}, "display": custodian} if entry.home else {},
        "description": entry.comments,
        "securityLabel": [concept(code) for code in entry.confidentiality],
        "content": [_content(entry, url)],
        "context": _context(entry),
    }
    told: Tree = without_empty(tree)
    return told


def _content(entry: DocumentEntry, url: str) -> Tree:
    code = entry.format_code
    attachment = {
        "contentType": _code(entry.mime_type),
        "language": _code(entry.language),
        "url": url,
        "size": entry.size_bytes if entry.size_bytes is not None and entry.size_bytes <= SIZE_LIMIT_BYTES else None,
        "hash": base64.b64encode(bytes.fromhex(entry.hash)).decode() if _is_hex(entry.hash) else "",
        "title": entry.title,
        "creation": moment(entry.created),
    }
    return {"attachment": attachment, "format": _coding(code) if code else {}}


def _context(entry: DocumentEntry) -> Tree:
    return {
        "event": [concept(code) for code in entry.events],
        "period": _period(entry.service_start, entry.service_stop),
        "facilityType": concept(entry.facility_type),
        "practiceSetting": concept(entry.practice_setting),
        "related": [{"identifier": _related(one)} for one in entry.reference_ids],
    }


def put_author(author: Author, contained: list[Tree], authors: list[Tree]) -> None:
    """Puts in who wrote it, and where she works; each is contained, since no register of ours has them."""
    if author.person is not None:
        place = f"p{len(contained)}"
        contained.append({"resourceType": "Practitioner", "id": place, **_person(author.person)})
        authors.append({"reference": f"#{place}"})
    for one in author.institutions:
        place, system = f"o{len(contained)}", bare(one.authority)
        kind = [{"coding": [{"system": system}]}] if system else []
        identifier = [{"system": f"urn:oid:{system}" if system else "", "value": one.number}] if one.number else []
        contained.append(
            {"resourceType": "Organization", "id": place, "identifier": identifier, "type": kind, "name": one.name}
        )
        authors.append({"reference": f"#{place}"})


def _person(said: XCN) -> Tree:
    given = [one for one in (said.given, said.middle) if one]
    number = [{"system": f"urn:oid:{said.authority}", "value": said.number}] if said.number and said.authority else []
    return {"identifier": number, "name": [{"family": said.family, "given": given}]}


def concept(code: Code | None) -> Tree:
    return {"coding": [_coding(code)]} if code else {}


def _coding(code: Code) -> Tree:
    said = code.system.strip()
    system = said if "://" in said else f"urn:oid:{bare(said)}" if said else ""
    # A system with a space in it is no address of FHIR's: the code is told without one.
    return {
        "system": "" if any(map(str.isspace, system)) else system,
        "code": _code(code.code),
        "display": code.display,
    }


def _code(text: str) -> str:
    """A code as FHIR writes it: one space at most between its parts."""
    return " ".join(text.split())


def _period(start: str, stop: str) -> Tree:
    """From when until when; the beginning alone where they contradict each other, since no period of FHIR's ends before it."""
    shared = min(len(start), len(stop))
    first, last = moment(start), moment(stop)
    # What has no seconds is told with none of them gone: 14:25 would end before 14:25:18.
    ends_before = start[:shared] > stop[:shared] or (len(first) == len(last) and first > last)
    return {"start": first, "end": "" if ends_before else last}


def moment(dtm: str, *, instant: bool = False) -> str:
    """A DTM in UTC as FHIR has it: `20260310142518` is `2026-03-10T14:25:18Z`. What has no seconds is told as a day, and where
    an instant is asked for it begins that day; a month or a year is no instant, and none is made up."""
    day = "-".join(part for part in (dtm[:4], dtm[4:6], dtm[6:8]) if part)
    if len(dtm) >= 12:
        return f"{day}T{dtm[8:10]}:{dtm[10:12]}:{dtm[12:14] or '00'}Z"
    if instant:
        return f"{day}T00:00:00Z" if len(dtm) >= 8 else ""
    return day


def _related(text: str) -> Tree:
    """A CXi of the referenceIdList (`value^^^&oid&ISO^kind`) as an identifier."""
    value, _, _, authority, kind = [*text.split("^"), "", "", "", ""][:5]
    oid = authority.split("&")[1] if authority.count("&") else ""
    return {
        "type": {"coding": [{"system": URI, "code": _code(kind)}]} if kind else {},
        "system": f"urn:oid:{bare(oid)}" if _OID.fullmatch(bare(oid)) else "",
        "value": value,
    }


def person(patient: CX) -> Tree:
    """Whose it is, by her number."""
    return {"system": f"urn:oid:{patient.authority}", "value": patient.number}


def is_uuid(id_: str) -> bool:
    """Whether it is `urn:uuid:` and a UUID."""
    return id_.startswith("urn:uuid:") and _UUID.fullmatch(id_.removeprefix("urn:uuid:")) is not None


def identifier_of(unique_id: str) -> Tree:
    """A document's id by its form: an OID, an OID with an extension (`OID^extension`), a UUID, or another URI. What has none of
    them is told without a system."""
    root, _, extension = unique_id.partition("^")
    if extension and _OID.fullmatch(root):
        return {"system": f"urn:oid:{root}", "value": extension}
    said = f"urn:oid:{unique_id}" if _OID.fullmatch(unique_id) else unique_id
    said = f"urn:uuid:{said.lower()}" if _UUID.fullmatch(said) else said
    return {"system": URI if _URI.fullmatch(said) else "", "value": said}


def _is_hex(text: str) -> bool:
    return len(text) == 40 and all(sign in "0123456789abcdef" for sign in text)


def without_empty(tree: Any) -> Any:
    """Without what says nothing: FHIR has no empty element."""
    if isinstance(tree, dict):
        return {name: told for name, value in tree.items() if (told := without_empty(value)) not in _NOTHING}
    return [told for one in tree if (told := without_empty(one)) not in _NOTHING] if isinstance(tree, list) else tree


_NOTHING: Final[tuple[Any, ...]] = ("", None, {}, [])
