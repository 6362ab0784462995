"""What is said of documents: entries, the submission sets they came in, and how they belong together (ITI TF-3, 4.2.2, 4.2.3).

A value that was not said is empty or None here: which of them must be there depends on who asks, and is not settled here.
Times are DTM in UTC as they were written. Systems of codes are as they were written too (`bare` compares them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.names import APPROVED, STABLE


@dataclass(frozen=True, slots=True)
class Code:
    """A code, its system and its words."""

    code: str
    system: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it: the person, where she works (the organisation, then its department in RESH), and as what."""

    person: XCN | None = None
    institutions: tuple[XON, ...] = ()
    roles: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    telecoms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """One document. `id` is entryUUID, or the name that a submission uses for it; `logical_id` is the same in all versions."""

    id: str
    unique_id: str
    patient: CX
    mime_type: str
    status: str = APPROVED
    object_type: str = STABLE
    home: str = ""
    repository: str = ""
    logical_id: str = ""
    version: str = ""
    title: str = field(default="", repr=False)
    comments: str = field(default="", repr=False)
    class_code: Code | None = None
    type_code: Code | None = None
    format_code: Code | None = None
    facility_type: Code | None = None
    practice_setting: Code | None = None
    confidentiality: tuple[Code, ...] = ()
    events: tuple[Code, ...] = ()
    authors: tuple[Author, ...] = ()
    legal_authenticator: XCN | None = None
    language: str = ""
    created: str = ""
    service_start: str = ""
    service_stop: str = ""
    hash: str = ""
    size_bytes: int | None = None
    uri: str = ""
    source_patient: CX | None = None
    source_patient_info: tuple[str, ...] = field(default=(), repr=False)
    reference_ids: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSet:
    """What was sent together, when, by whom and as what."""

    id: str
    unique_id: str
    source_id: str
    patient: CX
    submitted: str
    status: str = APPROVED
    home: str = ""
    title: str = field(default="", repr=False)
    comments: str = field(default="", repr=False)
    content_type: Code | None = None
    authors: tuple[Author, ...] = ()
    recipients: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """That `source` is something to `target`: its set, its new version, an appendix or a transformation of it.

    `is_original` says of a member that it came with the set, and is not only named by it; `previous` which version of the
    document's metadata it changes.
    """

    id: str
    kind: str
    source: str
    target: str
    status: str = APPROVED
    home: str = ""
    is_original: bool | None = None
    previous: str = ""


RegistryObject: TypeAlias = DocumentEntry | SubmissionSet | Association


def bare(system: str) -> str:
    """A system's name without `urn:oid:`, which some senders write and others do not."""
    return system.strip().removeprefix("urn:oid:")
