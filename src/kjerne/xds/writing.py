"""Values written as ebRIM 3.0, in the order that rim.xsd asks: as bytes, so that what a source tells often is written once.

The bytes of an object stand in a document where the prefix `rim` is declared. A list of objects as an element is made from them,
so that there is one way to write each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import Final
from uuid import NAMESPACE_URL

from lxml import etree

from kjerne.xds import forms, names
from kjerne.xds.names import RIM
from kjerne.xds.values import Association, Author, Code, DocumentEntry, RegistryObject, SubmissionSet
from kjerne.xml_door import parsed

REMEMBERED: Final = 4_000
"""Objects whose bytes are kept in memory, which of a document are some 6,000."""
_BEGIN, _END = b"<rim:RegistryObjectList>", b"</rim:RegistryObjectList>"
_EMPTY: Final = b"<rim:RegistryObjectList/>"
_DECLARED: Final = f'<rim:RegistryObjectList xmlns:rim="{RIM[1:-1]}">'.encode()
_CONTROLS: Final = bytes({*range(32)} - {*b"\t\n\r"})
_UNFIT: Final = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
"""With the controls and half signs, what no XML holds (XML 1.0, 2.2)."""
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def object_list(objects: Iterable[RegistryObject], references: Iterable[tuple[str, str]] = ()) -> etree._Element:
    """A RegistryObjectList of objects, or of references as (id, home)."""
    told = [f"<rim:ObjectRef{_attribute('id', one)}{_home(home)}/>".encode() for one, home in references]
    return parsed(b"".join((_DECLARED, *(bytes_of(one, one.home) for one in objects), *told, _END)))


def with_objects(raw: bytes, objects: Iterable[bytes]) -> bytes:
    """An answer whose list of objects is empty, with these in it. No text of it has a tag, so the first one is the list."""
    before, _, after = raw.partition(_EMPTY)
    return b"".join((before, _BEGIN, *objects, _END, after))


def bytes_of(one: RegistryObject, home: str) -> bytes:
    """An object of the community `home`, as it stands in a RegistryObjectList. `ValueError` where XML cannot hold it."""
    if isinstance(one, DocumentEntry):
        pieces = _entry(one, home)
    else:
        pieces = _set(one, home) if isinstance(one, SubmissionSet) else _association(one, home)
    raw = "".join(pieces).encode()
    if len(raw.translate(None, _CONTROLS)) < len(raw) or any(one in raw for one in _UNFIT):
        raise ValueError("an object holds a sign that XML does not have")
    return raw


written: Final = lru_cache(maxsize=REMEMBERED)(bytes_of)
"""The same, remembered: for who tells of an object again and again, and not for who sends it once."""


def slot(parent: etree._Element, name: str, values: Sequence[str]) -> None:
    """A slot with these values; none is written where there are no values."""
    if values:
        made = etree.SubElement(etree.SubElement(parent, RIM + "Slot", name=name), RIM + "ValueList")
        for value in values:
            etree.SubElement(made, RIM + "Value").text = value


def _entry(entry: DocumentEntry, home: str) -> Iterator[str]:
    parts = _Parts(entry.id)
    yield f"<rim:ExtrinsicObject{_attribute('id', entry.id)}{_home(home)}"
    if entry.logical_id:
        yield _attribute("lid", entry.logical_id)
    yield _attribute("objectType", entry.object_type) + _attribute("status", entry.status)
    yield _attribute("mimeType", entry.mime_type) + ">"
    for name, value in _entry_slots(entry):
        yield _slot(name, (value,) if isinstance(value, str) and value else value or ())
    yield _localized("Name", entry.title) + _localized("Description", entry.comments)
    if entry.version:
        yield f"<rim:VersionInfo{_attribute('versionName', entry.version)}/>"
    for author in entry.authors:
        yield parts.author(names.ENTRY_AUTHOR, author)
    for scheme, codes in (
        (names.CLASS_CODE, (entry.class_code,)),
        (names.CONFIDENTIALITY, entry.confidentiality),
        (names.EVENT, entry.events),
        (names.FORMAT_CODE, (entry.format_code,)),
        (names.FACILITY_TYPE, (entry.facility_type,)),
        (names.PRACTICE_SETTING, (entry.practice_setting,)),
        (names.TYPE_CODE, (entry.type_code,)),
    ):
        for code in codes:
            yield parts.code(scheme, code)
    yield parts.identifier(names.ENTRY_PATIENT, "XDSDocumentEntry.patientId", forms.written_cx(entry.patient))
    yield parts.identifier(names.ENTRY_UNIQUE, "XDSDocumentEntry.uniqueId", entry.unique_id)
    yield "</rim:ExtrinsicObject>"


def _entry_slots(entry: DocumentEntry) -> tuple[tuple[str, str | tuple[str, ...]], ...]:
    return (
        ("creationTime", entry.created),
        ("hash", entry.hash),
        ("languageCode", entry.language),
        ("legalAuthenticator", forms.written_xcn(entry.legal_authenticator) if entry.legal_authenticator else ""),
        ("repositoryUniqueId", entry.repository),
        ("serviceStartTime", entry.service_start),
        ("serviceStopTime", entry.service_stop),
        ("size", "" if entry.size_bytes is None else str(entry.size_bytes)),
        ("sourcePatientId", forms.written_cx(entry.source_patient) if entry.source_patient else ""),
        ("sourcePatientInfo", entry.source_patient_info),
        ("URI", entry.uri),
        ("urn:ihe:iti:xds:2013:referenceIdList", entry.reference_ids),
    )


def _set(sent: SubmissionSet, home: str) -> Iterator[str]:
    parts = _Parts(sent.id)
    yield f"<rim:RegistryPackage{_attribute('id', sent.id)}{_home(home)}"
    yield _attribute("objectType", names.IS_PACKAGE) + _attribute("status", sent.status) + ">"
    yield _slot("submissionTime", (sent.submitted,)) + _slot("intendedRecipient", sent.recipients)
    yield _localized("Name", sent.title) + _localized("Description", sent.comments)
    for author in sent.authors:
        yield parts.author(names.SET_AUTHOR, author)
    yield parts.code(names.CONTENT_TYPE, sent.content_type)
    yield parts.classified(_attribute("classificationNode", names.IS_SUBMISSION_SET), "")
    yield parts.identifier(names.SET_PATIENT, "XDSSubmissionSet.patientId", forms.written_cx(sent.patient))
    yield parts.identifier(names.SET_SOURCE, "XDSSubmissionSet.sourceId", sent.source_id)
    yield parts.identifier(names.SET_UNIQUE, "XDSSubmissionSet.uniqueId", sent.unique_id)
    yield "</rim:RegistryPackage>"


def _association(one: Association, home: str) -> Iterator[str]:
    said = "" if one.is_original is None else "Original" if one.is_original else "Reference"
    slots = _slot("SubmissionSetStatus", (said,) if said else ())
    slots += _slot("PreviousVersion", (one.previous,) if one.previous else ())
    yield f"<rim:Association{_attribute('id', one.id)}{_home(home)}{_attribute('objectType', names.IS_ASSOCIATION)}"
    yield _attribute("status", one.status) + _attribute("associationType", one.kind)
    yield _attribute("sourceObject", one.source) + _attribute("targetObject", one.target)
    yield f">{slots}</rim:Association>" if slots else "/>"


class _Parts:
    """The classifications and external identifiers of one object; each has an id that follows from the object's."""

    def __init__(self, owner: str) -> None:
        self._named = NAMESPACE_URL.bytes + f"{owner}/".encode()
        self._classified = _attribute("classifiedObject", owner)
        self._registered = _attribute("registryObject", owner)
        self._made = 0

    def classified(self, attributes: str, inside: str) -> str:
        begin = f"<rim:Classification{self._next()}{self._classified}{attributes}"
        return f"{begin}>{inside}</rim:Classification>" if inside else f"{begin}/>"

    def code(self, scheme: str, code: Code | None) -> str:
        if code is None:
            return ""
        attributes = f' classificationScheme="{scheme}"{_attribute("nodeRepresentation", code.code)}'
        system = _slot("codingScheme", (code.system,) if code.system else ())
        return self.classified(attributes, system + _localized("Name", code.display))

    def author(self, scheme: str, author: Author) -> str:
        inside = _slot("authorPerson", (forms.written_xcn(author.person),) if author.person else ())
        inside += _slot("authorInstitution", tuple(forms.written_xon(one) for one in author.institutions))
        inside += _slot("authorRole", author.roles) + _slot("authorSpecialty", author.specialties)
        inside += _slot("authorTelecommunication", author.telecoms)
        return self.classified(
            _attribute("classificationScheme", scheme) + _attribute("nodeRepresentation", ""), inside
        )

    def identifier(self, scheme: str, name: str, value: str) -> str:
        return (
            f'<rim:ExternalIdentifier{self._next()}{self._registered} identificationScheme="{scheme}"'
            f"{_attribute('value', value)}>{_localized('Name', name)}</rim:ExternalIdentifier>"
        )

    def _next(self) -> str:
        """The attribute `id`: a UUID of version 5 (RFC 9562, 5.5) over the object's id and the place of the part."""
        self._made += 1
        found = sha1(self._named + str(self._made).encode(), usedforsecurity=False).hexdigest()
        third, fourth = f"5{found[13:16]}", f"{_VARIANTS[found[16]]}{found[17:20]}"
        return f' id="urn:uuid:{found[:8]}-{found[8:12]}-{third}-{fourth}-{found[20:32]}"'


def _slot(name: str, values: Sequence[str]) -> str:
    if not values:
        return ""
    told = "".join([f"<rim:Value>{_text(one)}</rim:Value>" for one in values])
    return f'<rim:Slot name="{name}"><rim:ValueList>{told}</rim:ValueList></rim:Slot>'


def _localized(name: str, text: str) -> str:
    return f"<rim:{name}><rim:LocalizedString{_attribute('value', text)}/></rim:{name}>" if text else ""


def _home(home: str) -> str:
    return _attribute("home", home) if home else ""


def _attribute(name: str, value: str) -> str:
    told = _text(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f' {name}="{told}"'


def _text(text: str) -> str:
    """A text as it stands between tags: to look for each sign in turn is a tenth of what `translate` takes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
