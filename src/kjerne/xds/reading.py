"""ebRIM 3.0 elements read into values (ITI TF-3, 4.2.3).

What is not known is passed over, as metadata may be extended; what is known is read in one way or refused, so that nobody
downstream meets half an entry. A name that must stand once and stands twice is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from kjerne.xds import forms, names
from kjerne.xds.errors import unreadable
from kjerne.xds.names import RIM
from kjerne.xds.values import Association, Author, Code, DocumentEntry, RegistryObject, SubmissionSet

OBJECTS_LIMIT: Final = 2_000
"""Objects in one list: a page of a long record's documents with their sets and associations."""
VALUES_LIMIT: Final = 200
VALUE_LIMIT_CHARACTERS: Final = 256
TEXT_LIMIT_CHARACTERS: Final = 1_024
"""Lengths of a slot's value, a code or an identifier (LongName), and of a title (FreeFormText) in rim.xsd."""


def registry_objects(listed: etree._Element) -> tuple[RegistryObject, ...]:
    """The entries, submission sets and associations of a RegistryObjectList, in its order; references are passed over."""
    if len(listed) > OBJECTS_LIMIT:
        raise unreadable(f"A list holds more than {OBJECTS_LIMIT} objects.", "RegistryObjectList")
    if gather(listed):
        raise unreadable("A classification is of no object of the list.", "Classification")
    return tuple(_objects(listed))


def gather(listed: etree._Element) -> int:
    """Puts what classifies an object beside it where it is read: a mark counts wherever ebRIM lets a sender write it. How many
    classifications are of no object of the list, and left where they stand."""
    beside, lost = list(listed.iterchildren(RIM + "Classification")), 0
    if not beside:
        return lost
    by_id = {object_id(one.get("id", "")): one for one in listed if one.tag != RIM + "Classification"}
    for one in beside:
        classified = by_id.get(object_id(one.get("classifiedObject", "")))
        if classified is None:
            lost += 1
        else:
            classified.append(one)
    return lost


def _objects(listed: etree._Element) -> Iterator[RegistryObject]:
    for element in listed:
        if element.tag == RIM + "ExtrinsicObject":
            yield document_entry(element)
        elif element.tag == RIM + "RegistryPackage":
            yield submission_set(element)
        elif element.tag == RIM + "Association":
            yield association(element)
        elif element.tag != RIM + "ObjectRef":
            raise unreadable("An object of a kind that XDS does not have.", "RegistryObjectList")


def document_entry(element: etree._Element) -> DocumentEntry:
    """A DocumentEntry from its ExtrinsicObject."""
    kind = object_id(element.get("objectType", ""))
    if kind not in (names.STABLE, names.ON_DEMAND):
        raise unreadable("The objectType of a document is neither stable nor on demand.", "ExtrinsicObject")
    slots, codes, known = _slots(element), _Codes(element), _identifiers(element)
    source, legal = slots.one("sourcePatientId"), slots.one("legalAuthenticator")
    return DocumentEntry(
        id=_id(element),
        unique_id=_must(known.get(names.ENTRY_UNIQUE, ""), "XDSDocumentEntry.uniqueId"),
        patient=forms.cx(known.get(names.ENTRY_PATIENT, ""), "XDSDocumentEntry.patientId"),
        mime_type=_short(element.get("mimeType", ""), "mimeType"),
        status=element.get("status", names.APPROVED),
        object_type=kind,
        home=element.get("home", ""),
        repository=slots.one("repositoryUniqueId"),
        logical_id=object_id(element.get("lid", "")),
        version=_version(element),
        title=_localized(element, "Name"),
        comments=_localized(element, "Description"),
        class_code=codes.one(names.CLASS_CODE, "classCode"),
        type_code=codes.one(names.TYPE_CODE, "typeCode"),
        format_code=codes.one(names.FORMAT_CODE, "formatCode"),
        facility_type=codes.one(names.FACILITY_TYPE, "healthcareFacilityTypeCode"),
        practice_setting=codes.one(names.PRACTICE_SETTING, "practiceSettingCode"),
        confidentiality=codes.all(names.CONFIDENTIALITY),
        events=codes.all(names.EVENT),
        authors=codes.authors(names.ENTRY_AUTHOR),
        legal_authenticator=forms.xcn(legal, "legalAuthenticator") if legal else None,
        language=slots.one("languageCode"),
        created=slots.time("creationTime"),
        service_start=slots.time("serviceStartTime"),
        service_stop=slots.time("serviceStopTime"),
        hash=slots.one("hash").lower(),
        size_bytes=_size(slots.one("size")),
        uri=slots.one("URI"),
        source_patient=forms.cx(source, "sourcePatientId") if source else None,
        source_patient_info=slots.all("sourcePatientInfo"),
        reference_ids=slots.all("urn:ihe:iti:xds:2013:referenceIdList"),
    )


def submission_set(element: etree._Element) -> SubmissionSet:
    """A SubmissionSet from its RegistryPackage, which is one by a classification."""
    nodes = {_scheme(one, "classificationNode") for one in element.iterchildren(RIM + "Classification")}
    if names.IS_SUBMISSION_SET not in nodes or names.IS_FOLDER in nodes:
        raise unreadable("A package that is no submission set: folders are not kept here.", "RegistryPackage")
    slots, codes, known = _slots(element), _Codes(element), _identifiers(element)
    return SubmissionSet(
        id=_id(element),
        unique_id=_must(known.get(names.SET_UNIQUE, ""), "XDSSubmissionSet.uniqueId"),
        source_id=_must(known.get(names.SET_SOURCE, ""), "XDSSubmissionSet.sourceId"),
        patient=forms.cx(known.get(names.SET_PATIENT, ""), "XDSSubmissionSet.patientId"),
        submitted=_must(slots.time("submissionTime"), "submissionTime"),
        status=element.get("status", names.APPROVED),
        home=element.get("home", ""),
        title=_localized(element, "Name"),
        comments=_localized(element, "Description"),
        content_type=codes.one(names.CONTENT_TYPE, "contentTypeCode"),
        authors=codes.authors(names.SET_AUTHOR),
        recipients=slots.all("intendedRecipient"),
    )


def association(element: etree._Element) -> Association:
    """An Association of one of the kinds that are known here."""
    kind = element.get("associationType", "")
    if kind != names.HAS_MEMBER and kind not in names.RELATIONS:
        raise unreadable("An association of a kind that is not known here.", "associationType")
    slots = _slots(element)
    status = slots.one("SubmissionSetStatus")
    return Association(
        id=_id(element),
        kind=kind,
        source=object_id(_must(element.get("sourceObject", ""), "sourceObject")),
        target=object_id(_must(element.get("targetObject", ""), "targetObject")),
        status=element.get("status", names.APPROVED),
        home=element.get("home", ""),
        is_original=status == "Original" if kind == names.HAS_MEMBER and status else None,
        previous=slots.one("PreviousVersion"),
    )


class _Slots:
    """The slots of an element by name."""

    def __init__(self, values: dict[str, tuple[str, ...]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        found = self._values.get(name, ())
        if len(found) > 1:
            raise unreadable("A slot that has one value has several.", name)
        return found[0] if found else ""

    def all(self, name: str) -> tuple[str, ...]:
        return self._values.get(name, ())

    def time(self, name: str) -> str:
        text = self.one(name)
        return forms.dtm(text, name) if text else ""


class _Codes:
    """The classifications of an element by scheme."""

    def __init__(self, element: etree._Element) -> None:
        self._found: dict[str, list[etree._Element]] = {}
        for one in element.iterchildren(RIM + "Classification"):
            self._found.setdefault(_scheme(one, "classificationScheme"), []).append(one)

    def one(self, scheme: str, name: str) -> Code | None:
        found = self.all(scheme)
        if len(found) > 1:
            raise unreadable("A code that stands once stands there several times.", name)
        return found[0] if found else None

    def all(self, scheme: str) -> tuple[Code, ...]:
        return tuple(
            Code(
                _short(_must(one.get("nodeRepresentation", ""), "nodeRepresentation"), "nodeRepresentation"),
                _slots(one).one("codingScheme"),
                _localized(one, "Name"),
            )
            for one in self._found.get(scheme, ())
        )

    def authors(self, scheme: str) -> tuple[Author, ...]:
        return tuple(_author(_slots(one)) for one in self._found.get(scheme, ()))


def _author(slots: _Slots) -> Author:
    person = slots.one("authorPerson")
    return Author(
        person=forms.xcn(person, "authorPerson") if person else None,
        institutions=tuple(forms.xon(one, "authorInstitution") for one in slots.all("authorInstitution")),
        roles=slots.all("authorRole"),
        specialties=slots.all("authorSpecialty"),
        telecoms=slots.all("authorTelecommunication"),
    )


def _slots(element: etree._Element) -> _Slots:
    found: dict[str, tuple[str, ...]] = {}
    for slot in element.iterchildren(RIM + "Slot"):
        name = slot.get("name", "")
        if name in found:
            raise unreadable("A slot stands in the same object twice.", name[:80])
        found[name] = values_of(slot)
    return _Slots(found)


def object_id(text: str) -> str:
    """An object's id as it is compared: the letters of a UUID are small, however they come (RFC 9562, 4)."""
    return text.lower() if text[:9].lower() == "urn:uuid:" else text


def _scheme(element: etree._Element, attribute: str) -> str:
    """Of which scheme something is. One that is passed over for how its letters are written may be the one that locks."""
    return object_id(element.get(attribute, "").strip())


def values_of(slot: etree._Element) -> tuple[str, ...]:
    """The values of a slot that say something."""
    read = [(one.text or "").strip() for one in slot.iterfind(f"{RIM}ValueList/{RIM}Value")]
    if len(read) > VALUES_LIMIT or any(len(one) > VALUE_LIMIT_CHARACTERS for one in read):
        raise unreadable("A slot has too many values, or one that is too long.", slot.get("name", "")[:80])
    return tuple(one for one in read if one)


def _identifiers(element: etree._Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in element.iterchildren(RIM + "ExternalIdentifier"):
        scheme = _scheme(one, "identificationScheme")
        if scheme in found:
            raise unreadable("An external identifier stands in the same object twice.", "ExternalIdentifier")
        found[scheme] = _short(one.get("value", "").strip(), "ExternalIdentifier")
    return found


def _localized(element: etree._Element, name: str) -> str:
    """The first of the languages in which a name is given."""
    found = element.find(f"{RIM}{name}/{RIM}LocalizedString")
    text = "" if found is None else found.get("value", "")
    if len(text) > TEXT_LIMIT_CHARACTERS:
        raise unreadable(f"A text is longer than {TEXT_LIMIT_CHARACTERS} characters.", name)
    return text.strip()


def _version(element: etree._Element) -> str:
    found = element.find(RIM + "VersionInfo")
    return "" if found is None else found.get("versionName", "")


def _size(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise unreadable("A size is a number of bytes.", "size")
    return int(text)


def _id(element: etree._Element) -> str:
    return object_id(_must(element.get("id", ""), "id"))


def _short(text: str, where: str) -> str:
    if len(text) > VALUE_LIMIT_CHARACTERS:
        raise unreadable(f"A value is longer than {VALUE_LIMIT_CHARACTERS} characters.", where)
    return text


def _must(text: str, where: str) -> str:
    if not text:
        raise unreadable("It is missing.", where)
    return text
