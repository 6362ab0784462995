"""A submission held against the rules of a registry (ITI-41, ITI-42), and made ready to be kept.

Everything that can be said of it by itself is said at once, so that a sender mends it in one go. What it is to documents
that are here already is asked in the transaction that keeps it (`joined`, `changed`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from kjerne.errors import Refusal, sentences
from kjerne.reading.about import compared, national
from kjerne.registries import identifiers
from kjerne.registries.made_up import LABEL, MadeUp
from kjerne.source import chains, law, media
from kjerne.source.files import Content, beginning, told, whole
from kjerne.source.rows import PREFIX, Held, Stored
from kjerne.xds import names
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX, interval
from kjerne.xds.messages import Submission
from kjerne.xds.values import DocumentEntry, bare

_SHA1: Final = re.compile(r"[0-9a-f]{40}")
_TOLD: Final = 5
"""Documents that a warning names."""
CATEGORIES: Final = "2.16.578.1.12.4.1.1.9602"
_NEEDED: Final[Mapping[str, str]] = {
    "class_code": "classCode",
    "type_code": "typeCode",
    "format_code": "formatCode",
    "facility_type": "healthcareFacilityTypeCode",
    "practice_setting": "practiceSettingCode",
    "confidentiality": "confidentialityCode",
    "created": "creationTime",
    "mime_type": "mimeType",
}


@dataclass(frozen=True, slots=True)
class Ready:
    """A submission with ids of its own, each document with what is known of its bytes."""

    sent: Submission
    documents: tuple[Stored, ...]
    contents: tuple[Content, ...]
    born: date | None


def checked(sent: Submission, contents: Mapping[str, Content] | None, repository: str, made_up: MadeUp) -> Ready:
    """The submission, ready to be kept; `Rejected` with all that is wrong. `contents` are documents by their entry's id, None
    where only metadata come (ITI-42)."""
    if wrong := [*_form(sent, made_up), *_together(sent, contents)]:
        raise Rejected(*wrong)
    documents = []
    for entry in sent.entries:
        if contents is None:
            documents.append(_elsewhere(entry, repository))
        else:
            documents.append(_here(entry, contents[entry.id], repository))
    named = {one: _own_id(one) for one in (sent.sent.id, *(entry.id for entry in sent.entries))}
    set_ = replace(sent.sent, id=named[sent.sent.id], status=names.APPROVED, home="")
    entries = [
        replace(one, entry=replace(one.entry, id=named[one.entry.id], logical_id=named[one.entry.id], version="1"))
        for one in documents
    ]
    associations = tuple(
        replace(
            one, id=_own_id(one.id), source=named.get(one.source, one.source), target=named.get(one.target, one.target),
            status=names.APPROVED, home="",
        )
        for one in sent.associations
    )  # fmt: skip
    ready = Submission(set_, tuple(one.entry for one in entries), associations)
    kept = tuple(contents[one.id] for one in sent.entries) if contents is not None else ()
    return Ready(ready, tuple(entries), kept, _born(sent.entries))


def joined(ready: Ready, held: Held) -> tuple[str, ...]:
    """The ids of the documents that hold no longer once these are kept. `Rejected` where an association leads nowhere, or to
    what does not hold any more."""
    here = {one.entry.id: one.entry for one in held.documents}
    new = {one.entry.id for one in ready.documents}
    replaced = [one.target for one in ready.sent.associations if one.kind in names.REPLACING]
    for one in ready.sent.associations:
        if one.kind == names.HAS_MEMBER:
            if one.target not in new and one.target not in here:
                raise _unresolved()
            continue
        if one.source not in new or one.target not in here:
            raise _unresolved()
        # In whatever order they stand: what is replaced by this submission is so once, and nothing else hangs on it.
        if here[one.target].status != names.APPROVED or replaced.count(one.target) > (one.kind in names.REPLACING):
            raise _one("XDSRegistryDeprecatedDocumentError", "The document was replaced before.", "targetObject")
    return tuple(chains.superseded(replaced, held.associations))


def repeated(ready: Ready, held: Held) -> Submission | None:
    """What was kept when just this was sent before; None where it was not, or is said otherwise now.

    A sender who did not hear the answer sends again, and hears that all of it is here.
    """
    before = {one.unique_id: one for one in held.sets}.get(ready.sent.sent.unique_id)
    here = {one.entry.unique_id: one for one in held.documents}
    known = {one.entry.unique_id: here[one.entry.unique_id] for one in ready.documents if one.entry.unique_id in here}
    if before is None or len(known) < len(ready.documents) or replace(ready.sent.sent, id=before.id) != before:
        return None
    own = {ready.sent.sent.id: before.id}
    for one in ready.documents:
        old = known[one.entry.unique_id]
        own[one.entry.id] = old.entry.id
        mark = (chains.LOCK,) if chains.LOCK in old.entry.confidentiality and not chains.is_locked(one.entry) else ()
        same = replace(
            one.entry, id=old.entry.id, logical_id=old.entry.logical_id, status=old.entry.status,
            confidentiality=(*one.entry.confidentiality, *mark),
        )  # fmt: skip
        if (same, one.sha256) != (old.entry, old.sha256):
            return None
    kept = {(one.kind, one.source, one.target) for one in held.associations if one.source in own.values()}
    if kept != {
        (one.kind, own.get(one.source, ""), own.get(one.target, one.target)) for one in ready.sent.associations
    }:
        return None
    return Submission(before, tuple(known[one.entry.unique_id].entry for one in ready.documents), ())


def locked_still(sent: Submission, before: Held) -> tuple[RegistryError, ...]:
    """A warning for each document that was said otherwise without a lock, and is locked all the same by another's (law, K177)."""
    now = {one.id: one for one in sent.entries}
    entries = [now.get(one.entry.id, one.entry) for one in before.documents]
    shut = chains.locked(entries, before.associations)
    found = []
    for one in sent.entries:
        if one.id in shut and not chains.is_locked(one):
            by = [each.unique_id for each in chains.carriers(one.id, entries, before.associations)][:_TOLD]
            says = f"It is locked (NORS) all the same, by the lock of {', '.join(by)}: that is taken off there."
            found.append(RegistryError("XDSMetadataUpdateError", says, one.unique_id, names.WARNING))
    return tuple(found)


def changed(
    sent: Submission, held: Held, made_up: MadeUp
) -> tuple[Submission, tuple[tuple[DocumentEntry, DocumentEntry], ...]]:
    """A set that says documents otherwise, with the documents' own ids in it, and for each what was and is said.

    `Rejected` with all that is wrong. A document is found by its logical id, and keeps its id (decision 80).
    """
    if wrong := [*_form(sent, made_up), *_together(sent, None)]:
        raise Rejected(*wrong)
    named = {one.id for one in sent.entries}
    for each in sent.associations:
        if each.kind != names.HAS_MEMBER or each.target not in named:
            says = "A change has no association but those of its set with what it changes. Send a document with what it replaces."
            raise _one("XDSMetadataUpdateError", says, each.id)
    here = {one.entry.logical_id: one.entry for one in held.documents}
    own = {sent.sent.id: _own_id(sent.sent.id)}
    members = {one.target: one for one in sent.associations}
    pairs = []
    for entry in sent.entries:
        before = here.get(entry.logical_id)
        if before is None:
            raise _one("UnresolvedReferenceException", "No document of hers has this logical id (lid).", entry.id)
        if members[entry.id].previous != before.version:
            raise _one("XDSMetadataVersionError", "Another version than PreviousVersion says holds now.", entry.id)
        own[entry.id] = before.id
        pairs.append((before, _said_otherwise(before, entry)))
    associations = tuple(
        replace(one, id=_own_id(one.id), source=own.get(one.source, one.source), target=own.get(one.target, one.target))
        for one in sent.associations
    )
    set_ = replace(sent.sent, id=own[sent.sent.id], status=names.APPROVED, home="")
    return Submission(set_, tuple(entry for _, entry in pairs), associations), tuple(pairs)


_FIXED: Final = ("unique_id", "mime_type", "object_type", "created")
_OF_BYTES: Final = ("hash", "size_bytes", "repository")
"""What the bytes themselves say stays as it is; these may be left out."""


def _said_otherwise(before: DocumentEntry, entry: DocumentEntry) -> DocumentEntry:
    for name in (*_FIXED, *(name for name in _OF_BYTES if getattr(entry, name))):
        if getattr(entry, name) != getattr(before, name):
            raise _one("XDSMetadataUpdateError", f"{name} is of the document itself and does not change.", entry.id)
    if entry.status != before.status:
        says = "Whether a document holds is not changed by its metadata: replace it, or take the replacement away."
        raise _one("XDSMetadataUpdateError", says, entry.id)
    return replace(
        entry, id=before.id, version=str(int(before.version) + 1), status=before.status, home="", hash=before.hash,
        size_bytes=before.size_bytes, repository=before.repository,
    )  # fmt: skip


def _form(sent: Submission, made_up: MadeUp) -> Iterator[RegistryError]:
    """What is wrong with it by itself."""
    if not _is_person(sent.sent.patient):
        yield RegistryError("XDSUnknownPatientId", "The patient has no valid national number.", "patientId")
    yield from _of_made_up(sent, made_up)
    ids = [sent.sent.id, *(one.id for one in sent.entries), *(one.id for one in sent.associations)]
    uniques = [sent.sent.unique_id, *(one.unique_id for one in sent.entries)]
    if len(set(ids)) < len(ids) or len(set(uniques)) < len(uniques):
        yield RegistryError("XDSRegistryDuplicateUniqueIdInMessage", "An id stands in the submission twice.", "id")
    if sent.sent.content_type is None:
        yield _metadata("It is missing.", "contentTypeCode")
    for entry in sent.entries:
        if entry.patient != sent.sent.patient:
            yield RegistryError(
                "XDSPatientIdDoesNotMatch", "A document is about another patient than its set.", entry.id
            )
        yield from _entry(entry)


def _of_made_up(sent: Submission, made_up: MadeUp) -> Iterator[RegistryError]:
    """Where it is about somebody who has no place here (law, K200)."""
    try:
        if _is_person(sent.sent.patient):
            made_up.hold(identifiers.parse(sent.sent.patient.number), "patientId")
        for entry in sent.entries:
            if any(one.code.upper() == LABEL for one in entry.events):
                made_up.refuse_label(f"{entry.id} eventCodeList")
    except Refusal as refusal:
        code = "XDSUnknownPatientId" if refusal.where == "patientId" else "XDSRegistryMetadataError"
        yield RegistryError(code, f"{sentences(refusal.says, refusal.todo)}", refusal.where)


def _others(entry: DocumentEntry) -> Iterator[str]:
    """Where the metadata name the patient once more, and by another's national number."""
    source = entry.source_patient
    if source is not None and _is_anothers([(source.authority, source.number)], entry.patient):
        yield "sourcePatientId"
    for one in entry.source_patient_info:
        name, _, text = one.partition("|")
        # A repetition of PID-3 is a CX: number, two components of no use here, and who gives the number.
        parts = [[*each.split("^"), "", "", ""] for each in text.split("~")] if name == "PID-3" else []
        if _is_anothers(((each[3].partition("&")[2].partition("&")[0], each[0]) for each in parts), entry.patient):
            yield "sourcePatientInfo"


def _is_anothers(named: Iterable[tuple[str, str]], patient: CX) -> bool:
    try:
        return compared(national(named), {patient.number}) == "another"
    except Refusal:
        return True  # more people than anybody is


def _entry(entry: DocumentEntry) -> Iterator[RegistryError]:
    for where in _others(entry):
        says = "The metadata name another patient than patientId."
        yield RegistryError("XDSPatientIdDoesNotMatch", says, f"{entry.id} {where}")
    for attribute, name in _NEEDED.items():
        if not getattr(entry, attribute):
            yield _metadata("It is missing.", f"{entry.id} {name}")
    if entry.object_type != names.STABLE:
        yield _metadata("Documents on demand are not kept here.", f"{entry.id} objectType")
    for code, name in ((entry.class_code, "classCode"), (entry.type_code, "typeCode")):
        if code is not None and bare(code.system) != CATEGORIES:
            yield _metadata(f"The code must be of {CATEGORIES}.", f"{entry.id} {name}")
    if entry.confidentiality and not law.marks(entry.confidentiality)[0]:
        says = "One of N, R and V, and beside it none but marks of 9603."
        yield _metadata(says, f"{entry.id} confidentialityCode")


def _together(sent: Submission, contents: Mapping[str, Content] | None) -> Iterator[RegistryError]:
    """Each document has its metadata and is a member of the set."""
    members = [one.target for one in sent.associations if one.kind == names.HAS_MEMBER and one.source == sent.sent.id]
    for entry in sent.entries:
        if members.count(entry.id) != 1:
            yield _metadata("A document is a member of its set by one association.", entry.id)
        if contents is not None and entry.id not in contents:
            yield RegistryError("XDSMissingDocument", "The document did not come with its metadata.", entry.id)
    for one in sent.associations:
        if one.kind == names.HAS_MEMBER and one.source != sent.sent.id:
            yield _metadata("Only the set itself has members.", one.id)
    if contents is not None and set(contents) - {one.id for one in sent.entries}:
        yield RegistryError("XDSMissingDocumentMetadata", "A document came without metadata.", "Document")


def _here(entry: DocumentEntry, content: Content, repository: str) -> Stored:
    """An entry whose document came with it."""
    if entry.repository not in ("", repository):
        raise _one("XDSUnknownRepositoryId", "The document is sent to another repository.", entry.id)
    size_bytes, sha256, sha1 = told(content)
    media.hold(entry.mime_type, beginning(content), entry.id)
    media.hold_patient(beginning(content), size_bytes, lambda: whole(content), entry.mime_type, entry.patient, entry.id)
    if entry.size_bytes not in (None, size_bytes):
        raise _one("XDSRepositoryMetadataError", "The size in the metadata is not the document's.", entry.id)
    if entry.hash not in ("", sha1.hex()):
        raise _one("XDSRepositoryMetadataError", "The hash in the metadata is not the document's.", entry.id)
    filled = replace(entry, repository=repository, hash=sha1.hex(), size_bytes=size_bytes)
    return Stored(replace(filled, status=names.APPROVED, home=""), sha256, size_bytes)


def _elsewhere(entry: DocumentEntry, repository: str) -> Stored:
    """An entry whose document stays in a repository of its own."""
    if entry.repository in ("", repository):
        says = "A document of this repository is sent with its metadata (ITI-41); of another, that one is named."
        raise _one("XDSRegistryMetadataError", says, entry.id)
    if entry.size_bytes is None or not entry.hash:
        raise _one("XDSRegistryMetadataError", "Size and hash are missing.", entry.id)
    if not _SHA1.fullmatch(entry.hash):
        raise _one("XDSRegistryMetadataError", "The hash is a SHA-1 in forty hexadecimal digits.", entry.id)
    if entry.mime_type not in media.TAKEN:
        raise _one("XDSRegistryMetadataError", "The type of the document is not one that is taken.", entry.id)
    return Stored(replace(entry, status=names.APPROVED, home=""), b"", entry.size_bytes)


def _is_person(patient: CX) -> bool:
    try:
        number = identifiers.parse(patient.number)
    except Refusal:
        return False
    return bare(number.system) == patient.authority


def _born(entries: Sequence[DocumentEntry]) -> date | None:
    """The date of birth in sourcePatientInfo (PID-7), where a whole day is said."""
    for entry in entries:
        for one in entry.source_patient_info:
            name, _, text = one.partition("|")
            if name == "PID-7" and len(text) >= len("YYYYMMDD"):
                return interval(text[:8], "sourcePatientInfo")[0].date()
    return None


def _own_id(given: str) -> str:
    """The sender's id where it is a UUID, else a new one: other ids name things in the message alone."""
    try:
        return PREFIX + str(uuid.UUID(given.removeprefix(PREFIX))) if given.startswith(PREFIX) else _new_id()
    except ValueError:
        return _new_id()


def _new_id() -> str:
    return PREFIX + str(uuid.uuid4())


def _metadata(says: str, where: str) -> RegistryError:
    return RegistryError("XDSRegistryMetadataError", says, where)


def _unresolved() -> Rejected:
    return _one("UnresolvedReferenceException", "An association names a document that is not here.", "Association")


def _one(code: str, says: str, where: str) -> Rejected:
    return Rejected(RegistryError(code, says, where))
