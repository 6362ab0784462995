"""Metadata of a document as a hospital sends it, and the schemas that judge what is written."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pytest
from lxml import etree

from kjerne.xds import names
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import Submission
from kjerne.xds.values import Association, Author, Code, DocumentEntry, SubmissionSet

SHARED: Final = Path(__file__).parents[2] / "shared" / "data"
MESSAGES: Final = SHARED / "xca"
SCHEMAS: Final = SHARED / "schemas" / "xds"
needed = pytest.mark.skipif(not MESSAGES.exists(), reason="../shared is not beside the checkout")

OID: Final = "2.16.578.1.12.4.1.1."
PERSON: Final = "2.16.578.1.12.4.1.4.1"
HOME, REPOSITORY = "urn:oid:2.16.578.1.12.4.5.100.9", "2.16.578.1.12.4.5.100.9.2"
PATIENT: Final = CX("17855599120", PERSON)
DOCUMENT: Final = "urn:uuid:00000000-0000-4000-8000-00000000000"


@lru_cache(maxsize=1)
def schema() -> etree.XMLSchema:
    """The schema of XDS.b, with those of ebXML that it needs."""
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "IHEXDS.xsd")))


def valid(body: etree._Element) -> bool:
    """Whether a body keeps to the schema; an include of a part stands for its base64, as XOP has it."""
    copy = etree.fromstring(etree.tostring(body))
    for one in list(copy.iter("{http://www.w3.org/2004/08/xop/include}Include")):
        parent = one.getparent()
        assert parent is not None
        parent.remove(one)
        parent.text = "AA=="
    schema().assertValid(copy)
    return True


def code(system: str, value: str, display: str = "") -> Code:
    return Code(value, system if "." in system else OID + system, display)


def entry(place: int = 1, **changes: Any) -> DocumentEntry:
    said: dict[str, Any] = {
        "id": f"{DOCUMENT}{place}",
        "unique_id": f"2.16.578.1.12.4.5.100.9.3.{place}",
        "patient": PATIENT,
        "mime_type": "text/plain",
        "title": "Epikrise & <svar>",
        "class_code": code("9602", "A00-1", "Epikriser og sammenfatninger"),
        "type_code": code("9602", "A03-2", "Epikrise"),
        "format_code": code("1.3.6.1.4.1.19376.1.2.3", "urn:no:ehelse:document:text"),
        "facility_type": code("1303", "86.909", "Andre helsetjenester"),
        "practice_setting": code("8651", "A04", "Overvåkningsenhet"),
        "confidentiality": (code("2.16.840.1.113883.5.25", "N", "Normal"),),
        "authors": (
            Author(
                XCN("9144900", "VITS", "GRØNN", authority="2.16.578.1.12.4.1.4.4"),
                (
                    XON("STIFTELSEN BETANIEN", "981275721", "2.16.578.1.12.4.1.4.101"),
                    XON("Øye^nese|hals", "4208723", "2.16.578.1.12.4.1.4.102"),
                ),
                ("LE",),
            ),
        ),
        "language": "nb-NO",
        "created": "20260310142518",
        "service_start": "20260303",
        "service_stop": "20260304",
        "repository": REPOSITORY,
        "source_patient": PATIENT,
    }
    return DocumentEntry(**(said | changes))


def submission_set(**changes: Any) -> SubmissionSet:
    said: dict[str, Any] = {
        "id": f"{DOCUMENT}0",
        "unique_id": "2.16.578.1.12.4.5.100.9.4.1",
        "source_id": "2.16.578.1.12.4.5.100.9",
        "patient": PATIENT,
        "submitted": "20260310142520",
        "content_type": code("9602", "A03-2", "Epikrise"),
    }
    return SubmissionSet(**(said | changes))


def submission(*entries: DocumentEntry, more: tuple[Association, ...] = (), **changes: Any) -> Submission:
    sent = submission_set(**changes)
    members = tuple(
        Association(id=f"member{place}", kind=names.HAS_MEMBER, source=sent.id, target=one.id, is_original=True)
        for place, one in enumerate(entries)
    )
    return Submission(sent, entries, (*members, *more))
