"""A document as MHD tells of it (IHE MHD 4.2.2, DocumentReference of R4), from the metadata that its source gave.

Institutions are recognised by a contained Organization whose `type` has the OID of their numbers as its system, without
`urn:oid:` before it: the department (RESH) behind its organisation.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from kjerne.fhir.encode import encode
from kjerne.services.documents.room import Document
from kjerne.xds.forms import XCN
from kjerne.xds.values import Author, Code, DocumentEntry, bare

ADDRESS: Final = "/phr/mhd/document"
ORGANISATIONS, DEPARTMENTS = "2.16.578.1.12.4.1.4.101", "2.16.578.1.12.4.1.4.102"
Tree = dict[str, Any]


def reference(one: Document, base_url: str) -> bytes:
    """The DocumentReference; its attachment is fetched at our own address."""
    entry = one.entry
    contained, authors = list[Tree](), list[Tree]()
    for author in entry.authors:
        _author(author, contained, authors)
    tree: Tree = {
        "resourceType": "DocumentReference",
        "id": str(one.number),
        "contained": contained,
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": _uri(entry.unique_id)},
        "status": "current" if one.holds else "superseded",
        "type": _concept(entry.type_code),
        "category": [_concept(entry.class_code)] if entry.class_code else [],
        "subject": {"identifier": {"system": f"urn:oid:{entry.patient.authority}", "value": entry.patient.number}},
        "date": _time(entry.created, instant=True),
        "author": authors,
        "relatesTo": [
            {"code": kind, "target": {"reference": f"DocumentReference/{other}"}} for kind, other in one.relates
        ],
        "custodian": {"identifier": {"system": "urn:ietf:rfc:3986", "value": entry.home}, "display": one.title},
        "description": entry.comments,
        "securityLabel": [_concept(code) for code in entry.confidentiality],
        "content": [_content(one, base_url)],
        "context": _context(entry),
    }
    return encode(_said(tree))


def _content(one: Document, base_url: str) -> Tree:
    entry, code = one.entry, one.entry.format_code
    attachment = {
        "contentType": entry.mime_type,
        "language": entry.language,
        "url": f"{base_url}{ADDRESS}/{one.number}",
        "size": entry.size_bytes,
        "hash": base64.b64encode(bytes.fromhex(entry.hash)).decode() if _is_hex(entry.hash) else "",
        "title": entry.title,
        "creation": _time(entry.created),
    }
    return {"attachment": attachment, "format": _coding(code) if code else {}}


def _context(entry: DocumentEntry) -> Tree:
    return {
        "event": [_concept(code) for code in entry.events],
        "period": {"start": _time(entry.service_start), "end": _time(entry.service_stop)},
        "facilityType": _concept(entry.facility_type),
        "practiceSetting": _concept(entry.practice_setting),
    }


def _author(author: Author, contained: list[Tree], authors: list[Tree]) -> None:
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


def _concept(code: Code | None) -> Tree:
    return {"coding": [_coding(code)]} if code else {}


def _coding(code: Code) -> Tree:
    system = code.system if "://" in code.system else f"urn:oid:{bare(code.system)}" if code.system else ""
    return {"system": system, "code": code.code, "display": code.display}


def _time(dtm: str, *, instant: bool = False) -> str:
    """A DTM in UTC as FHIR has it: `20260310142518` is `2026-03-10T14:25:18Z`. What has no seconds is told as a day, and where
    an instant is asked for it begins that day."""
    day = "-".join(part for part in (dtm[:4], dtm[4:6], dtm[6:8]) if part)
    if len(dtm) >= 12:
        return f"{day}T{dtm[8:10]}:{dtm[10:12]}:{dtm[12:14] or '00'}Z"
    if instant and day:
        return f"{dtm[:4]}-{dtm[4:6] or '01'}-{dtm[6:8] or '01'}T00:00:00Z"
    return day


def _uri(unique_id: str) -> str:
    return unique_id if ":" in unique_id else f"urn:oid:{unique_id}"


def _is_hex(text: str) -> bool:
    return len(text) == 40 and all(sign in "0123456789abcdef" for sign in text)


def _said(tree: Any) -> Any:
    """Without what says nothing: FHIR has no empty element."""
    if isinstance(tree, dict):
        return {name: said for name, value in tree.items() if (said := _said(value)) not in ("", None, {}, [])}
    return [said for one in tree if (said := _said(one)) not in ("", None, {}, [])] if isinstance(tree, list) else tree
