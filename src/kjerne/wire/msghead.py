"""The envelope of Norwegian health messages: MsgHead v1.2 (HIS 80601) with documents inside, or a message without
envelope.

One document is the message itself, as an element or in a Base64Container: the one that is a Svarrapport, which almost
always is the first of all. Documents of other kinds are attachments and are kept; two messages in one envelope are
refused, since each has a patient, an id and a receipt of its own. A patient named by the envelope must
be the patient of the message: the two are compared where both are read.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lxml import etree

from kjerne.errors import Fault, Refusal
from kjerne.services.results.kith.model import Actor, Attachment, Identifier
from kjerne.services.results.kith.nodes import CODE_LIMIT_CHARACTERS, NAME_LIMIT_CHARACTERS
from kjerne.services.results.kith.read_actors import actor
from kjerne.services.results.kith.read_files import embedded
from kjerne.services.results.kith.times import stamp
from kjerne.wire import xml

NAMESPACE: Final = "http://www.kith.no/xmlstds/msghead/2006-05-24"
CONTAINER: Final = "{http://www.kith.no/xmlstds/base64container}Base64Container"
ATTACHMENT_LIMIT: Final = 50
"""Documents in one envelope; a report has a handful."""

_M: Final = "{" + NAMESPACE + "}"
_MESSAGES: Final = frozenset(
    ("{http://www.kith.no/xmlstds/labsvar}Message", "{http://www.kith.no/xmlstds/msghead}MsgHead")
)
_BEFORE_XML: Final = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"
_NOT_VALID: Final = "T02"


class Head(NamedTuple):
    """What the envelope says: sender and receiver as it names them, the patient's numbers as sent."""

    id: str
    type: str
    generated: str
    sender: Actor
    receiver: Actor
    patient_numbers: tuple[Identifier, ...]


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
    several = len(documents) > 1
    messages = [one for one in documents if _is_message(one, depth, limit_bytes)] if several else documents
    if len(messages) > 1:
        raise _refused("The envelope holds more than one message.", messages[1], "Send each in an envelope of its own.")
    chosen = messages[0] if messages else documents[0]
    body, inner_notes = _message(chosen, depth, limit_bytes)
    attachments = tuple(file for document in documents if document is not chosen for file in _attachments(document))
    return Envelope(body, _head(root), attachments, notes + inner_notes)


def parties(raw: bytes, *, depth: int = xml.DEPTH, limit_bytes: int = xml.LIMIT_BYTES) -> tuple[Actor, Actor]:
    """Who sent a message that is refused, so that its receipt can be routed, and whom it was sent to, who answers: the
    envelope's sender, else the first report's ServProvider, and the envelope's receiver. Names nobody where the message cannot be
    parsed or says neither."""
    addressed = Actor()
    try:
        root = xml.parse(raw, depth=depth, limit_bytes=limit_bytes)
        enveloped = root.tag == _M + "MsgHead"
        if enveloped:
            addressed = _party(root.find(f"{_M}MsgInfo/{_M}Receiver"))
            if _is_named(known := _party(root.find(f"{_M}MsgInfo/{_M}Sender"))):
                return known, addressed
        document = root.find(_M + "Document") if enveloped else None
        body = root if document is None else _message(document, depth, limit_bytes)[0]
        return actor(body.find("{*}ServReport/{*}ServProvider")), addressed
    except Refusal:
        return Actor(), addressed


def _is_named(who: Actor) -> bool:
    return bool(who.organisation or who.organisation_ids or who.person)


def _is_message(document: etree._Element, depth: int, limit_bytes: int) -> bool:
    """Whether a document is a health message, and no file that goes with one: what is about a patient is never kept unread."""
    content = document.find(f"{_M}RefDoc/{_M}Content")
    return content is not None and any(_tag(inner, depth, limit_bytes) in _MESSAGES for inner in content)


def _tag(content: etree._Element, depth: int, limit_bytes: int) -> str:
    """The name of a document's root, also in a container, without the version in its namespace; empty for other files."""
    if content.tag == CONTAINER:
        data, broken = embedded(content)
        if broken or not data.lstrip(_BEFORE_XML).startswith(b"<"):
            return ""
        try:
            content, _ = xml.document(data, depth=depth, limit_bytes=limit_bytes)
        except Refusal:
            return ""
    name = str(content.tag)
    return f"{name[: name.rfind('/')]}{name[name.rfind('}') :]}" if "}" in name else name


def _message(document: etree._Element, depth: int, limit_bytes: int) -> tuple[etree._Element, tuple[str, ...]]:
    content = document.find(f"{_M}RefDoc/{_M}Content")
    if content is None or len(content) == 0:
        raise _refused("The envelope's first document has no content.", document)
    if len(content) > 1:
        raise _refused(
            "The message's document holds more than the message.", content, "Send a file in a Document of its own."
        )
    if content[0].tag != CONTAINER:
        return content[0], ()
    data, broken = embedded(content[0])
    if broken:
        raise _refused("The message in the Base64Container is no base64.", content)
    return xml.document(data, depth=depth, limit_bytes=limit_bytes)


def _attachments(document: etree._Element) -> list[Attachment]:
    """The files of one document; its Content may hold several, and most often holds one."""
    ref = document.find(_M + "RefDoc")
    if ref is None:
        raise _refused("A document in the envelope has no RefDoc.", document)
    content = ref.find(_M + "Content")
    files = [(b"", False)] if content is None else [embedded(inner) for inner in content] or [(b"", True)]
    issued = stamp(_value(ref, "IssueDate"))
    return [
        Attachment(
            title=_text(ref, "Description") or _text(document, "ContentDescription"),
            mime_type=_text(ref, "MimeType"),
            issued=issued.text if issued is not None else "",
            id=_text(ref, "Id"),
            file=_text(ref, "FileReference"),
            compression=_value(ref, "Compression"),
            data=data,
            broken=broken,
        )
        for data, broken in files
    ]


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
        patient_numbers=_identifiers(patient) if (patient := info.find(_M + "Patient")) is not None else (),
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
    return _no_longer((parent.findtext(_M + name) or "").strip(), NAME_LIMIT_CHARACTERS, parent, name)


def _no_longer(words: str, limit: int, parent: etree._Element, name: str) -> str:
    """Receipts say again who sent a message and to whom."""
    if len(words) > limit:
        raise _refused(f"{name} is longer than {limit} signs.", parent)
    return words


def _value(parent: etree._Element, name: str) -> str:
    element = parent.find(_M + name)
    return "" if element is None else _no_longer((element.get("V") or "").strip(), CODE_LIMIT_CHARACTERS, parent, name)


def _refused(says: str, element: etree._Element, todo: str = "") -> Refusal:
    where = f"{element.tag.rpartition('}')[2]} line {element.sourceline}"
    return Refusal(422, says, where=where, todo=todo, faults=(Fault(says, where, _NOT_VALID),))
