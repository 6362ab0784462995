"""A document as MHD tells of it (IHE MHD 4.2.2, DocumentReference of R4), from the metadata that its source gave.

Institutions are recognised by a contained Organization whose `type` has the OID of their numbers as its system, without
`urn:oid:` before it: the department (RESH) behind its organisation.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from kjerne.fhir.encode import encode
from kjerne.services.documents.room import Document
from kjerne.xds.forms import XCN
from kjerne.xds.values import Author, Code, DocumentEntry, bare

ADDRESS: Final = "/phr/mhd/document"
ORGANISATIONS, DEPARTMENTS = "2.16.578.1.12.4.1.4.101", "2.16.578.1.12.4.1.4.102"
SIZE_LIMIT_BYTES: Final = 2**31 - 1
"""FHIR has no greater number for a size; a longer one is not told."""
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_URI: Final = re.compile(r"(?:urn:[a-z0-9-]+:|https?://)[!-~]+", re.ASCII)
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
        "masterIdentifier": _identifier(entry.unique_id),
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
        "contentType": _code(entry.mime_type),
        "language": _code(entry.language),
        "url": f"{base_url}{ADDRESS}/{one.number}",
        "size": entry.size_bytes if entry.size_bytes is not None and entry.size_bytes <= SIZE_LIMIT_BYTES else None,
        "hash": base64.b64encode(bytes.fromhex(entry.hash)).decode() if _is_hex(entry.hash) else "",
        "title": entry.title,
        "creation": _time(entry.created),
    }
    return {"attachment": attachment, "format": _coding(code) if code else {}}


def _context(entry: DocumentEntry) -> Tree:
    return {
        "event": [_concept(code) for code in entry.events],
        "period": _period(entry.service_start, entry.service_stop),
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
    return {"start": _time(start), "end": "" if start[:shared] > stop[:shared] else _time(stop)}


def _time(dtm: str, *, instant: bool = False) -> str:
    """A DTM in UTC as FHIR has it: `20260310142518` is `2026-03-10T14:25:18Z`. What has no seconds is told as a day, and where
    an instant is asked for it begins that day; a month or a year is no instant, and none is made up."""
    day = "-".join(part for part in (dtm[:4], dtm[4:6], dtm[6:8]) if part)
    if len(dtm) >= 12:
        return f"{day}T{dtm[8:10]}:{dtm[10:12]}:{dtm[12:14] or '00'}Z"
    if instant:
        return f"{day}T00:00:00Z" if len(dtm) >= 8 else ""
    return day


def _identifier(unique_id: str) -> Tree:
    """A document's id by its form: an OID, an OID with an extension (`OID^extension`), a UUID, or another URI. What has none of
    them is told without a system."""
    root, _, extension = unique_id.partition("^")
    if extension and _OID.fullmatch(root):
        return {"system": f"urn:oid:{root}", "value": extension}
    said = f"urn:oid:{unique_id}" if _OID.fullmatch(unique_id) else unique_id
    said = f"urn:uuid:{said.lower()}" if _UUID.fullmatch(said) else said
    return {"system": "urn:ietf:rfc:3986" if _URI.fullmatch(said) else "", "value": said}


def _is_hex(text: str) -> bool:
    return len(text) == 40 and all(sign in "0123456789abcdef" for sign in text)


def _said(tree: Any) -> Any:
    """Without what says nothing: FHIR has no empty element."""
    if isinstance(tree, dict):
        return {name: said for name, value in tree.items() if (said := _said(value)) not in ("", None, {}, [])}
    return [said for one in tree if (said := _said(one)) not in ("", None, {}, [])] if isinstance(tree, list) else tree
