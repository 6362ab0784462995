"""Values as ebRIM 3.0, element by element: what the bytes that a source keeps are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from lxml import etree

from kjerne.xds import forms, names
from kjerne.xds.names import RIM
from kjerne.xds.values import Association, Author, Code, DocumentEntry, RegistryObject, SubmissionSet

_PREFIXES: Final[Any] = {"rim": RIM[1:-1]}


def object_list(objects: Iterable[RegistryObject], references: Iterable[tuple[str, str]] = ()) -> etree._Element:
    """A RegistryObjectList of objects, or of references as (id, home)."""
    listed = etree.Element(RIM + "RegistryObjectList", nsmap=_PREFIXES)
    for one in objects:
        if isinstance(one, DocumentEntry):
            listed.append(_entry(one))
        elif isinstance(one, SubmissionSet):
            listed.append(_set(one))
        else:
            listed.append(_association(one))
    for identifier, home in references:
        _with_home(etree.SubElement(listed, RIM + "ObjectRef", id=identifier), home)
    return listed


def slot(parent: etree._Element, name: str, values: Sequence[str]) -> None:
    """A slot with these values; none is written where there are no values."""
    if values:
        made = etree.SubElement(etree.SubElement(parent, RIM + "Slot", name=name), RIM + "ValueList")
        for value in values:
            etree.SubElement(made, RIM + "Value").text = value


def _entry(entry: DocumentEntry) -> etree._Element:
    made = etree.Element(RIM + "ExtrinsicObject", id=entry.id, nsmap=_PREFIXES)
    _with_home(made, entry.home)
    if entry.logical_id:
        made.set("lid", entry.logical_id)
    made.set("objectType", entry.object_type)
    made.set("status", entry.status)
    made.set("mimeType", entry.mime_type)
    for name, value in _entry_slots(entry):
        slot(made, name, [value] if isinstance(value, str) and value else value or ())
    _localized(made, "Name", entry.title)
    _localized(made, "Description", entry.comments)
    if entry.version:
        etree.SubElement(made, RIM + "VersionInfo", versionName=entry.version)
    parts = _Parts(made, entry.id)
    for author in entry.authors:
        parts.author(names.ENTRY_AUTHOR, author)
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
            parts.code(scheme, code)
    parts.identifier(names.ENTRY_PATIENT, "XDSDocumentEntry.patientId", forms.written_cx(entry.patient))
    parts.identifier(names.ENTRY_UNIQUE, "XDSDocumentEntry.uniqueId", entry.unique_id)
    return made


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


def _set(sent: SubmissionSet) -> etree._Element:
    made = etree.Element(RIM + "RegistryPackage", id=sent.id, nsmap=_PREFIXES)
    _with_home(made, sent.home)
    made.set("objectType", names.IS_PACKAGE)
    made.set("status", sent.status)
    slot(made, "submissionTime", [sent.submitted])
    slot(made, "intendedRecipient", sent.recipients)
    _localized(made, "Name", sent.title)
    _localized(made, "Description", sent.comments)
    parts = _Parts(made, sent.id)
    for author in sent.authors:
        parts.author(names.SET_AUTHOR, author)
    parts.code(names.CONTENT_TYPE, sent.content_type)
    parts.classified().set("classificationNode", names.IS_SUBMISSION_SET)
    parts.identifier(names.SET_PATIENT, "XDSSubmissionSet.patientId", forms.written_cx(sent.patient))
    parts.identifier(names.SET_SOURCE, "XDSSubmissionSet.sourceId", sent.source_id)
    parts.identifier(names.SET_UNIQUE, "XDSSubmissionSet.uniqueId", sent.unique_id)
    return made


def _association(one: Association) -> etree._Element:
    made = etree.Element(RIM + "Association", id=one.id, nsmap=_PREFIXES)
    _with_home(made, one.home)
    made.set("objectType", names.IS_ASSOCIATION)
    made.set("status", one.status)
    made.set("associationType", one.kind)
    made.set("sourceObject", one.source)
    made.set("targetObject", one.target)
    if one.is_original is not None:
        slot(made, "SubmissionSetStatus", ["Original" if one.is_original else "Reference"])
    slot(made, "PreviousVersion", [one.previous] if one.previous else [])
    return made


class _Parts:
    """The classifications and external identifiers of one object; each has an id that follows from the object's."""

    def __init__(self, parent: etree._Element, owner: str) -> None:
        self._parent = parent
        self._owner = owner
        self._made = 0

    def classified(self) -> etree._Element:
        return etree.SubElement(self._parent, RIM + "Classification", id=self._next(), classifiedObject=self._owner)

    def code(self, scheme: str, code: Code | None) -> None:
        if code is not None:
            made = self.classified()
            made.set("classificationScheme", scheme)
            made.set("nodeRepresentation", code.code)
            slot(made, "codingScheme", [code.system] if code.system else [])
            _localized(made, "Name", code.display)

    def author(self, scheme: str, author: Author) -> None:
        made = self.classified()
        made.set("classificationScheme", scheme)
        made.set("nodeRepresentation", "")
        slot(made, "authorPerson", [forms.written_xcn(author.person)] if author.person else [])
        slot(made, "authorInstitution", [forms.written_xon(one) for one in author.institutions])
        slot(made, "authorRole", author.roles)
        slot(made, "authorSpecialty", author.specialties)
        slot(made, "authorTelecommunication", author.telecoms)

    def identifier(self, scheme: str, name: str, value: str) -> None:
        made = etree.SubElement(
            self._parent, RIM + "ExternalIdentifier", id=self._next(), registryObject=self._owner,
            identificationScheme=scheme, value=value,
        )  # fmt: skip
        _localized(made, "Name", name)

    def _next(self) -> str:
        self._made += 1
        return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{self._owner}/{self._made}')}"


def _localized(parent: etree._Element, name: str, text: str) -> None:
    if text:
        etree.SubElement(etree.SubElement(parent, RIM + name), RIM + "LocalizedString", value=text)


def _with_home(element: etree._Element, home: str) -> None:
    if home:
        element.set("home", home)
