"""The envelope of Norwegian health messages: MsgHead v1.2 (HIS 80601) with documents inside, or a message without
envelope.

The first document is the message itself, as an element or in a Base64Container; documents of other kinds are
attachments and are kept. A patient named by the envelope must be the patient of the message: the two are compared
where both are read.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, NamedTuple

from lxml import etree

from kjerne.errors import Fault, Refusal
from kjerne.services.results.kith.model import Actor, Attachment, Identifier
from kjerne.wire import xml

NAMESPACE: Final = "http://www.kith.no/xmlstds/msghead/2006-05-24"
CONTAINER: Final = "{http://www.kith.no/xmlstds/base64container}Base64Container"
ATTACHMENT_LIMIT: Final = 50
"""Documents in one envelope; a report has a handful."""

_M: Final = "{" + NAMESPACE + "}"
_NOT_VALID: Final = "T02"


class Head(NamedTuple):
    """What the envelope says: sender and receiver as it names them, the patient's numbers as sent."""

    id: str
    type: str
    generated: str
    sender: Actor
    receiver: Actor
    patient_numbers: tuple[str, ...]


class Envelope(NamedTuple):
    """`body` is the root element of the message. `head` is None where it came without an envelope."""

    body: etree._Element
    head: Head | None
    attachments: tuple[Attachment, ...]
    notes: tuple[str, ...]


def opened(raw: bytes, *, depth: int = xml.DEPTH, limit_bytes: int = xml.LIMIT_BYTES) -> Envelope:
    """Read a message with or without envelope. `Refusal` 400 as `wire.xml`, 422 where the envelope holds no
    message."""
    root, notes = xml.document(raw, depth=depth, limit_bytes=limit_bytes)
    if root.tag != _M + "MsgHead":
        return Envelope(root, None, (), notes)
    documents = root.findall(_M + "Document")
    if len(documents) > ATTACHMENT_LIMIT:
        raise _refused(f"The envelope holds more than {ATTACHMENT_LIMIT} documents.", root)
    if not documents:
        raise _refused("The envelope holds no document.", root)
    body, inner_notes = _message(documents[0], depth, limit_bytes)
    attachments = tuple(_attachment(document) for document in documents[1:])
    return Envelope(body, _head(root), attachments, notes + inner_notes)


def content_bytes(content: etree._Element) -> tuple[bytes, bool]:
    """The bytes in a Content element's Base64Container, and whether they could not be decoded."""
    container = content.find(CONTAINER)
    if container is None:
        return b"", False
    return decoded_base64(container.text or "")


def decoded_base64(text: str) -> tuple[bytes, bool]:
    """Decoded bytes; empty and True where `text` is no base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True), False
    except (binascii.Error, ValueError):
        return b"", True


def _message(document: etree._Element, depth: int, limit_bytes: int) -> tuple[etree._Element, tuple[str, ...]]:
    content = document.find(f"{_M}RefDoc/{_M}Content")
    if content is None or len(content) == 0:
        raise _refused("The envelope's first document has no content.", document)
    if content[0].tag != CONTAINER:
        return content[0], ()
    data, broken = content_bytes(content)
    if broken:
        raise _refused("The message in the Base64Container is no base64.", content)
    return xml.document(data, depth=depth, limit_bytes=limit_bytes)


def _attachment(document: etree._Element) -> Attachment:
    ref = document.find(_M + "RefDoc")
    if ref is None:
        raise _refused("A document in the envelope has no RefDoc.", document)
    content = ref.find(_M + "Content")
    data, broken = (b"", False) if content is None else _any_content(content)
    issued = ref.find(_M + "IssueDate")
    return Attachment(
        title=_text(ref, "Description") or _text(document, "ContentDescription"),
        mime_type=_text(ref, "MimeType"),
        issued="" if issued is None else issued.get("V", ""),
        id=_text(ref, "Id"),
        file=_text(ref, "FileReference"),
        compression=_value(ref, "Compression"),
        data=data,
        broken=broken,
    )


def _any_content(content: etree._Element) -> tuple[bytes, bool]:
    """Base64 decoded, or the XML document that stands in its place."""
    if content.find(CONTAINER) is not None:
        return content_bytes(content)
    return (etree.tostring(content[0], encoding="utf-8"), False) if len(content) else (b"", True)


def _head(root: etree._Element) -> Head:
    info = root.find(_M + "MsgInfo")
    if info is None:
        raise _refused("The envelope has no MsgInfo.", root)
    return Head(
        id=_text(info, "MsgId"),
        type=_value(info, "Type"),
        generated=_text(info, "GenDate"),
        sender=_party(info.find(_M + "Sender")),
        receiver=_party(info.find(_M + "Receiver")),
        patient_numbers=tuple(_text(ident, "Id") for ident in info.findall(f"{_M}Patient/{_M}Ident")),
    )


def _party(party: etree._Element | None) -> Actor:
    """Organisation, the organisation inside it as department, and the professional in either."""
    outer = None if party is None else party.find(_M + "Organisation")
    if outer is None:
        return Actor()
    inner = outer.find(_M + "Organisation")
    person = inner.find(_M + "HealthcareProfessional") if inner is not None else None
    if person is None:
        person = outer.find(_M + "HealthcareProfessional")
    return Actor(
        person=""
        if person is None
        else " ".join(filter(None, (_text(person, "GivenName"), _text(person, "FamilyName")))),
        person_ids=() if person is None else _identifiers(person),
        organisation=_text(outer, "OrganisationName"),
        organisation_ids=_identifiers(outer),
        department="" if inner is None else _text(inner, "OrganisationName"),
        department_ids=() if inner is None else _identifiers(inner),
    )


def _identifiers(holder: etree._Element) -> tuple[Identifier, ...]:
    found = (Identifier(_text(ident, "Id"), _value(ident, "TypeId")) for ident in holder.findall(_M + "Ident"))
    return tuple(identifier for identifier in found if identifier.value)


def _text(parent: etree._Element, name: str) -> str:
    return (parent.findtext(_M + name) or "").strip()


def _value(parent: etree._Element, name: str) -> str:
    element = parent.find(_M + name)
    return "" if element is None else (element.get("V") or "").strip()


def _refused(says: str, element: etree._Element) -> Refusal:
    where = f"{element.tag.rpartition('}')[2]} line {element.sourceline}"
    return Refusal(422, says, where=where, faults=(Fault(says, where, _NOT_VALID),))
