"""ITI-65, Provide Document Bundle (IHE MHD 4.2.2): a FHIR transaction read as the submission that XDS has for it.

One List is the submission set, each DocumentReference an entry, each Binary the bytes of one; who and where stand in
contained resources. What is read here is what XDS keeps. What only adds to it is passed over; what would turn its meaning, and
that nothing here would keep (R4 2.1.0.3, 2.6.1), is refused.
"""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from kjerne.errors import Refusal, sentences
from kjerne.fhir.dates import interval
from kjerne.fhir.primitives import UNFIT
from kjerne.mhd.lists import EXTENSION
from kjerne.reading.about import compared, national
from kjerne.registries.made_up import MadeUp
from kjerne.source.configured import NOTHING_ADDED, Minimal
from kjerne.wire import json
from kjerne.xds import messages, names
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import DOCUMENTS_LIMIT, Submission
from kjerne.xds.reading import object_id
from kjerne.xds.values import Association, Author, Code, DocumentEntry, SubmissionSet, bare

BUNDLE_LIMIT_BYTES: Final = 50_000_000
"""A Bundle with its documents in base64; larger ones are sent by ITI-41."""
PROVIDE: Final = "ITI-65"
"""What the log calls it, where SOAP has an action."""
_PERSONS: Final = frozenset(f"2.16.578.1.12.4.1.4.{kind}" for kind in "123")
_RELATIONS: Final = {
    "replaces": names.REPLACES, "transforms": names.TRANSFORMS, "appends": names.APPENDS, "signs": names.SIGNS,
}  # fmt: skip

_MINIMAL: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"
_SUFFICIENT: Final = Code("urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3")
"""IHE's format of a document whose media type says enough."""
_REFERENCED: Final = "urn:ihe:iti:xds:"
"""What the kinds of a referenceIdList begin with (ITI TF-3, 4.2.3.1.7)."""

_TURNING: Final = ("modifierExtension", "implicitRules")
_CONDITIONS: Final = frozenset({"ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"})
_STANDING: Final = frozenset({"", "final", "amended"})
_NO_MARKS: Final = frozenset({"http://terminology.hl7.org/CodeSystem/v3-ActReason"})
"""Systems in `meta.security` that tell of no access: that it is test data (HTEST), for one."""


class _Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""
    display: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Identifier(msgspec.Struct, frozen=True):
    use: str = ""
    type: _Concept = _Concept()
    system: str = ""
    value: str = ""


class _Extension(msgspec.Struct, frozen=True):
    url: str = ""
    concept: _Concept = msgspec.field(default=_Concept(), name="valueCodeableConcept")
    identifier: _Identifier = msgspec.field(default=_Identifier(), name="valueIdentifier")


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""
    identifier: _Identifier = _Identifier()


class _Attachment(msgspec.Struct, frozen=True):
    content_type: str = msgspec.field(default="", name="contentType")
    language: str = ""
    url: str = ""
    size: int | None = None
    hash: str = ""
    title: str = ""
    creation: str = ""


class _Content(msgspec.Struct, frozen=True):
    attachment: _Attachment = _Attachment()
    format: _Coding = _Coding()


class _Period(msgspec.Struct, frozen=True):
    start: str = ""
    end: str = ""


class _Context(msgspec.Struct, frozen=True):
    event: tuple[_Concept, ...] = ()
    period: _Period = _Period()
    facility: _Concept = msgspec.field(default=_Concept(), name="facilityType")
    setting: _Concept = msgspec.field(default=_Concept(), name="practiceSetting")
    source_patient: _Reference = msgspec.field(default=_Reference(), name="sourcePatientInfo")
    related: tuple[_Reference, ...] = ()


class _Relation(msgspec.Struct, frozen=True):
    code: str = ""
    target: _Reference = _Reference()


class _Meta(msgspec.Struct, frozen=True):
    security: tuple[_Coding, ...] = ()
    profile: tuple[str, ...] = ()


class _Document(msgspec.Struct, frozen=True):
    status: str = ""
    stands: str = msgspec.field(default="", name="docStatus")
    meta: _Meta = _Meta()
    master: _Identifier = msgspec.field(default=_Identifier(), name="masterIdentifier")
    type: _Concept = _Concept()
    category: tuple[_Concept, ...] = ()
    subject: _Reference = _Reference()
    date: str = ""
    author: tuple[_Reference, ...] = ()
    relations: tuple[_Relation, ...] = msgspec.field(default=(), name="relatesTo")
    description: str = ""
    labels: tuple[_Concept, ...] = msgspec.field(default=(), name="securityLabel")
    content: tuple[_Content, ...] = ()
    context: _Context = _Context()
    contained: tuple[dict[str, Any], ...] = ()


class _Item(msgspec.Struct, frozen=True):
    item: _Reference = _Reference()
    deleted: bool = False


class _List(msgspec.Struct, frozen=True):
    status: str = ""
    mode: str = ""
    code: _Concept = _Concept()
    entry: tuple[_Item, ...] = ()
    identifier: tuple[_Identifier, ...] = ()
    extension: tuple[_Extension, ...] = ()
    title: str = ""
    subject: _Reference = _Reference()
    date: str = ""
    source: _Reference = _Reference()
    contained: tuple[dict[str, Any], ...] = ()


class _Patient(msgspec.Struct, frozen=True):
    identifier: tuple[_Identifier, ...] = ()
    born: str = msgspec.field(default="", name="birthDate")


class _Binary(msgspec.Struct, frozen=True):
    data: str = ""


class _Name(msgspec.Struct, frozen=True):
    family: str = ""
    given: tuple[str, ...] = ()


class _Actor(msgspec.Struct, frozen=True):
    """A Practitioner, PractitionerRole or Organization; `name` is a list or a text, by which it is."""

    id: str = ""
    kind: str = msgspec.field(default="", name="resourceType")
    identifier: tuple[_Identifier, ...] = ()
    name: str | tuple[_Name, ...] = ()
    practitioner: _Reference = _Reference()
    organization: _Reference = _Reference()
    code: tuple[_Concept, ...] = ()
    specialty: tuple[_Concept, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    url: str = msgspec.field(default="", name="fullUrl")
    resource: dict[str, Any] = {}
    request: dict[str, Any] = {}


class _Bundle(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(default="", name="resourceType")
    type: str = ""
    meta: _Meta = _Meta()
    entry: tuple[_Entry, ...] = ()


T = TypeVar("T")


def provided(
    raw: bytes, made_up: MadeUp, minimal: Minimal = NOTHING_ADDED
) -> tuple[Submission, Mapping[str, bytes], tuple[str, ...]]:
    """The submission in a Bundle, its documents by their entry's id, and the types of its entries in their order.

    One that says it is Minimal Metadata may leave out what `minimal` says instead, how its documents are formatted, and when they
    were made where its DocumentReference has a date. `Refusal` where it is not JSON that may pass, `Rejected` where it is no
    such Bundle.
    """
    tree = json.parse(raw.removeprefix(codecs.BOM_UTF8), limit_bytes=BUNDLE_LIMIT_BYTES)
    if where := _unwritable(tree, "Bundle"):
        raise _wrong("It holds a sign that no XML can write, and the document's metadata are told as XML.", where)
    if where := _turned(tree, "Bundle"):
        raise _wrong("It may turn the meaning of what it stands in, and is not known here.", where)
    bundle = _read(tree, _Bundle, "Bundle")
    kinds = tuple(str(one.resource.get("resourceType", "")) for one in bundle.entry)
    if bundle.kind != "Bundle" or bundle.type != "transaction" or kinds.count("List") != 1:
        raise _wrong("It is no transaction Bundle with one List.", "Bundle")
    if len(kinds) > 4 * DOCUMENTS_LIMIT or not {*kinds} <= {"List", "Patient", "Binary", "DocumentReference"}:
        raise _wrong("It holds a resource that no submission has, or too many.", "Bundle.entry")
    _hold_labels(tree, bundle, made_up)
    if any(bare(one.system) not in _NO_MARKS for one in bundle.meta.security):
        raise _wrong("Marks stand on the DocumentReference.", "Bundle.meta.security")
    for each in bundle.entry:
        _hold_request(each)
    by_url = {one.url: one.resource for one in bundle.entry}
    if len(by_url) < len(kinds) or not all(url.startswith("urn:uuid:") for url in by_url):
        raise _wrong("Each entry has a fullUrl of its own, urn:uuid.", "Bundle.entry.fullUrl")
    (sent,) = (_set(url, one, by_url) for url, one in by_url.items() if one["resourceType"] == "List")
    documents = {url: one for url, one in by_url.items() if one["resourceType"] == "DocumentReference"}
    _hold_list(next(one for one in by_url.values() if one["resourceType"] == "List"), documents)
    entries, contents, associations = [], {}, []
    for url, one in documents.items():
        said = _read(one, _Document, "DocumentReference")
        entry = _entry(url, said, by_url)
        entry = _filled(entry, said, minimal) if _MINIMAL in bundle.meta.profile else entry
        entries.append(entry)
        contents[object_id(url)] = _bytes(said, by_url)
        associations.append(
            Association(id=f"{url}#member", kind=names.HAS_MEMBER, source=sent.id, target=url, is_original=True)
        )
        associations += _relations(url, said)
    told = Submission(sent, tuple(entries), tuple(associations))
    # Held against what metadata may be as any submission is: by its lengths, its forms, and what must be there.
    return messages.submission(messages.written_submission(told)), contents, kinds


def _set(url: str, resource: Mapping[str, Any], by_url: Mapping[str, Mapping[str, Any]]) -> SubmissionSet:
    said = _read(resource, _List, "List")
    extended = {one.url.removeprefix(EXTENSION): one for one in said.extension}
    unique = next((one.value for one in said.identifier if one.use == "usual"), "")
    source = extended.get("sourceId", _Extension()).identifier.value
    if not unique or not source:
        raise _wrong("The List has no identifier (usual), or no sourceId.", "List.identifier")
    actors = _actors(said.contained)
    patient, _ = _patient(said.subject, by_url)
    return SubmissionSet(
        id=url,
        unique_id=_bare_id(unique),
        source_id=_bare_id(source),
        patient=patient,
        submitted=_time(said.date, "List.date"),
        title=said.title,
        content_type=_code(extended.get("designationType", _Extension()).concept),
        authors=_authors((said.source,), actors),
    )


def _entry(url: str, said: _Document, by_url: Mapping[str, Mapping[str, Any]]) -> DocumentEntry:
    if said.status != "current" or len(said.content) != 1:
        raise _wrong("A document is current, and has one content.", "DocumentReference.content")
    if said.stands not in _STANDING:
        raise _wrong("A document that is not final is not kept here.", "DocumentReference.docStatus")
    content, patient = said.content[0], _patient(said.subject, by_url)
    _hold_source_patient(said, patient[0], by_url)
    attachment = content.attachment
    born = f"PID-7|{_time(patient[1], 'Patient.birthDate')}" if patient[1] else ""
    return DocumentEntry(
        id=url,
        unique_id=_bare_id(said.master.value) or url.removeprefix("urn:uuid:"),
        patient=patient[0],
        mime_type=attachment.content_type,
        title=attachment.title,
        comments=said.description,
        class_code=_code(said.category[0] if said.category else _Concept()),
        type_code=_code(said.type),
        format_code=_of(content.format),
        facility_type=_code(said.context.facility),
        practice_setting=_code(said.context.setting),
        confidentiality=_marks(said),
        events=tuple(one for concept in said.context.event for one in _codes(concept)),
        authors=_authors(said.author, _actors(said.contained)),
        language=attachment.language,
        created=_time(attachment.creation, "attachment.creation"),
        service_start=_time(said.context.period.start, "context.period"),
        service_stop=_time(said.context.period.end, "context.period"),
        hash=_decoded(attachment.hash, "attachment.hash").hex(),
        size_bytes=attachment.size,
        source_patient=patient[0],
        source_patient_info=(born,) if born else (),
        reference_ids=tuple(_references(said.context.related)),
    )


def _filled(entry: DocumentEntry, said: _Document, minimal: Minimal) -> DocumentEntry:
    """An entry of a Bundle of Minimal Metadata, with what it may leave out. What the law and the list go by is never made up."""
    return replace(
        entry,
        format_code=entry.format_code or _SUFFICIENT,
        created=entry.created or _time(said.date, "DocumentReference.date"),
        facility_type=entry.facility_type or minimal.facility_type,
        practice_setting=entry.practice_setting or minimal.practice_setting,
    )


def _references(related: Sequence[_Reference]) -> Iterator[str]:
    """The identifiers that it is related to, as CXi: `value^^^&oid&ISO^kind`."""
    for one in related:
        identifier = one.identifier
        kind = next((each.code for each in identifier.type.coding if each.code.startswith(_REFERENCED)), "")
        oid, signs = bare(identifier.system), {*identifier.value} & {*"^&|~\\"}
        if identifier.value and identifier.system.startswith("urn:oid:") and oid not in _PERSONS and not signs:
            yield f"{identifier.value}^^^&{oid}&ISO" + (f"^{kind}" if kind else "")


def _hold_labels(tree: Mapping[str, Any], bundle: _Bundle, made_up: MadeUp) -> None:
    """`Rejected` where it, or anything in it, is marked as test data, and none is taken here (law, K200)."""
    try:
        made_up.check_labels(tree, "Bundle")
        for one in bundle.entry:
            made_up.check_labels(one.resource, str(one.resource["resourceType"]))
    except Refusal as refusal:
        raise _wrong(sentences(refusal.says, refusal.todo), refusal.where) from None


def _marks(said: _Document) -> tuple[Code, ...]:
    """The security labels, and those marks that stand in `meta.security` alone: a lock is one wherever it stands."""
    if any(not concept.coding or not all(one.code for one in concept.coding) for concept in said.labels):
        raise _wrong("A label is known by its code, and one has none.", "DocumentReference.securityLabel")
    if not all(one.code for one in said.meta.security):
        raise _wrong("A mark is known by its code, and one has none.", "DocumentReference.meta.security")
    labels = [one for concept in said.labels for one in _codes(concept)]
    known = {one.code for one in labels}
    beside = [_of(one) for one in said.meta.security if bare(one.system) not in _NO_MARKS]
    return (*labels, *(one for one in beside if one is not None and one.code not in known))


def _hold_list(resource: Mapping[str, Any], documents: Mapping[str, Any]) -> None:
    """`Rejected` where the List is no submission set of just the documents of its Bundle."""
    said = _read(resource, _List, "List")
    if said.status != "current" or said.mode not in ("", "working"):
        raise _wrong("A submission set is current, and working.", "List.status")
    if said.code.coding and "submissionset" not in {one.code for one in said.code.coding}:
        raise _wrong("The List is no submission set. Folders are not kept here.", "List.code")
    named = [one.item.reference for one in said.entry]
    if sorted(named) != sorted(documents) or any(one.deleted for one in said.entry):
        raise _wrong("The List names each document of the Bundle once, by its fullUrl, and no other.", "List.entry")


def _hold_request(one: _Entry) -> None:
    """`Rejected` where an entry asks for anything but to be made, with no condition. Patients are not kept, so theirs may."""
    kind = one.resource.get("resourceType")
    if kind == "Patient" and one.request.get("method") != "DELETE":
        return
    if one.request.get("method", "POST") != "POST" or _CONDITIONS & one.request.keys():
        raise _wrong("An entry is created (POST), without a condition.", "Bundle.entry.request")
    security = one.resource.get("meta", {}).get("security") if isinstance(one.resource.get("meta"), dict) else None
    if one.resource.get("securityContext"):
        raise _wrong("Who may see a document is said on its DocumentReference.", f"{kind}.securityContext")
    if security and kind != "DocumentReference":
        raise _wrong("Marks stand on the DocumentReference.", f"{kind}.meta.security")


def _turned(value: Any, where: str) -> str:
    """Where something stands that may turn the meaning of all that it stands in; empty where nothing does."""
    if isinstance(value, dict):
        if found := next((name for name in _TURNING if value.get(name)), ""):
            return f"{where}.{found}"
        return next(filter(None, (_turned(one, f"{where}.{name}") for name, one in value.items())), "")
    if isinstance(value, list):
        return next(filter(None, (_turned(one, f"{where}[{place}]") for place, one in enumerate(value))), "")
    return ""


def _bytes(said: _Document, by_url: Mapping[str, Mapping[str, Any]]) -> bytes:
    found = by_url.get(said.content[0].attachment.url, {})
    if found.get("resourceType") != "Binary":
        raise Rejected(RegistryError("XDSMissingDocument", "The Binary of a document is not in the Bundle."))
    return _decoded(_read(found, _Binary, "Binary").data, "Binary.data")


def _relations(url: str, said: _Document) -> Iterator[Association]:
    for place, one in enumerate(said.relations):
        kind = _RELATIONS.get(one.code)
        if kind is None:
            raise _wrong("A relation is of no kind that is known.", "DocumentReference.relatesTo")
        target = "urn:uuid:" + one.target.reference.rpartition("/")[2].removeprefix("urn:uuid:")
        yield Association(id=f"{url}#{place}", kind=kind, source=url, target=target)


def _patient(subject: _Reference, by_url: Mapping[str, Mapping[str, Any]]) -> tuple[CX, str]:
    """Whom it is about, by a national number, and when she was born, where the Bundle says so."""
    found = by_url.get(subject.reference, {})
    said = _read(found, _Patient, "Patient") if found.get("resourceType") == "Patient" else _Patient()
    numbers = [one for one in (*said.identifier, subject.identifier) if bare(one.system) in _PERSONS]
    if len({(bare(one.system), one.value) for one in numbers}) != 1:
        raise _wrong("The subject is one patient, in the Bundle or by identifier, with a national number.", "subject")
    return CX(numbers[0].value, bare(numbers[0].system)), said.born


def _hold_source_patient(said: _Document, patient: CX, by_url: Mapping[str, Mapping[str, Any]]) -> None:
    """`Rejected` where what its source calls the patient leads nowhere, or is another by a national number."""
    place, where = said.context.source_patient, "DocumentReference.context.sourcePatientInfo"
    contained = {f"#{one.get('id')}": one for one in said.contained}
    found = by_url.get(place.reference) or contained.get(place.reference) or {}
    if place.reference and found.get("resourceType") != "Patient":
        raise _wrong("It leads to no Patient of the Bundle.", where)
    named = [place.identifier, *(_read(found, _Patient, "Patient").identifier if found else ())]
    if compared(national((one.system, one.value) for one in named), {patient.number}) == "another":
        raise Rejected(RegistryError("XDSPatientIdDoesNotMatch", "It is another patient than the subject.", where))


def _actors(contained: Sequence[Mapping[str, Any]]) -> dict[str, _Actor]:
    kinds = ("Practitioner", "PractitionerRole", "Organization")
    read = [_read(one, _Actor, "contained") for one in contained if one.get("resourceType") in kinds]
    return {f"#{one.id}": one for one in read}


def _authors(references: Sequence[_Reference], actors: Mapping[str, _Actor]) -> tuple[Author, ...]:
    """Who wrote it. The national Bundles name one author by three references: person, role and organisation."""
    found = [actors[one.reference] for one in references if one.reference in actors]
    roles = [one for one in found if one.kind == "PractitionerRole"]
    found += [
        actors[end.reference]
        for one in roles
        for end in (one.practitioner, one.organization)
        if end.reference in actors
    ]
    people = list(dict.fromkeys(one for one in found if one.kind == "Practitioner"))
    places = tuple(dict.fromkeys(_xon(one) for one in found if one.kind == "Organization"))
    codes = tuple(code.code for one in roles for concept in one.code for code in concept.coding if code.code)
    skills = tuple(code.code for one in roles for concept in one.specialty for code in concept.coding if code.code)
    if not people:
        return (Author(None, places, codes, skills),) if places or codes else ()
    return tuple(Author(_xcn(one), places, codes, skills) for one in people)


def _xcn(one: _Actor) -> XCN:
    name = one.name[0] if one.name and not isinstance(one.name, str) else _Name()
    known = one.identifier[0] if one.identifier else _Identifier()
    given, middle = (*name.given, "", "")[:2]
    return XCN(known.value, name.family, given, middle, authority=bare(known.system))


def _xon(one: _Actor) -> XON:
    known = one.identifier[0] if one.identifier else _Identifier()
    return XON(one.name if isinstance(one.name, str) else "", known.value, bare(known.system))


def _code(concept: _Concept) -> Code | None:
    return _of(concept.coding[0]) if concept.coding else None


def _codes(concept: _Concept) -> tuple[Code, ...]:
    return tuple(one for one in map(_of, concept.coding) if one is not None)


def _of(coding: _Coding) -> Code | None:
    return Code(coding.code, bare(coding.system), coding.display) if coding.code else None


def _time(text: str, where: str) -> str:
    """A FHIR date or instant as DTM, as exact as it is; empty where none is said."""
    if not text:
        return ""
    try:
        first = interval(text)[0]
    except ValueError:
        raise _wrong("It is no date or time.", where) from None
    return text.replace("-", "") if "T" not in text else f"{first.year:04d}{first:%m%d%H%M%S}"


def _unwritable(value: Any, where: str) -> str:
    """Where a text stands that XML has no way to write; empty where none does."""
    if isinstance(value, str):
        return where if UNFIT.search(value) else ""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    places = (
        _unwritable(one, f"{where}[{name}]" if isinstance(name, int) else f"{where}.{name}") for name, one in below
    )
    return next(filter(None, places), "")


def _decoded(text: str, where: str) -> bytes:
    """What base64 stands for, which may be parted by blanks (FHIR R4, base64Binary)."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("It is not base64.", where) from None


def _bare_id(text: str) -> str:
    return text.removeprefix("urn:oid:").removeprefix("urn:uuid:")


def _read(tree: Mapping[str, Any], kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), where) from None


def _wrong(says: str, where: str) -> Rejected:
    return Rejected(RegistryError("XDSRegistryMetadataError", says, where))
