"""What a Svarrapport says, as frozen values without XML and without FHIR.

Names follow the message (HIS 80822, Svarrapport 1.3 and 1.4) where English has no better word. Texts and dates are
kept as sent, trimmed at both ends; the mapping normalises. All structs pack with msgspec by the
order of their fields, so that a version of a report can be stored and folded again years later: a field is added at the
end, with a default, and none is ever removed or moved.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Material = Literal["", "newborn", "fetus", "donor", "related"]
"""Whose material it is where it is not the patient's own; `related` where the relation is not one of the three."""


class Code(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """CS or CV: `code` (V), `system` (S, as sent), `name` (DN), `original` (OT)."""

    code: str = ""
    system: str = ""
    name: str = ""
    original: str = ""

    @property
    def words(self) -> str:
        """What a reader is shown: the laboratory's own text, else the code system's, else the code."""
        return self.original or self.name or self.code


class Amount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """PQ: a decimal with the digits as sent, and the unit as sent."""

    number: Decimal
    unit: str = ""


class Value(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of one investigation. `kind` tells which fields hold; `empty` means an element without content."""

    kind: Literal["number", "text", "interval", "date", "empty"]
    amount: Amount | None = None
    comparator: str = ""
    low: Amount | None = None
    high: Amount | None = None
    date: str = ""
    heading: Code = Code()
    text: str = ""
    codes: tuple[Code, ...] = ()
    unit: str = ""


class Identifier(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A number with its kind of code system 8268 (HPR, HER, ENH, RSH, LAV ...)."""

    value: str
    kind: str = ""


class Actor(msgspec.Struct, frozen=True, array_like=True):
    """One HCP with its part in the report: a person, an institution with department, or both."""

    relation: Code = Code()
    person: str = ""
    person_ids: tuple[Identifier, ...] = ()
    profession: Code = Code()
    organisation: str = ""
    organisation_ids: tuple[Identifier, ...] = ()
    department: str = ""
    department_ids: tuple[Identifier, ...] = ()
    speciality: Code = Code()
    telecom: tuple[str, ...] = ()


class Structured(msgspec.Struct, frozen=True, array_like=True):
    """StructuredInfo: its type and all its facts, each of one primitive kind."""

    type: Code
    texts: tuple[str, ...] = ()
    integers: tuple[int, ...] = ()
    amounts: tuple[Amount, ...] = ()
    codes: tuple[Code, ...] = ()
    flags: tuple[bool, ...] = ()


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One ResultItem. `parent` is the index of the item around it in `Report.items`, -1 at the top.

    `material` and `material_words` are set where the item stands under a nested Patient or on material of another
    being; `of` numbers the Patient element it stands in (0 the outermost). `further` holds what an item says beside
    its value: the schema has one value for each, some senders write two.
    """

    parent: int
    line: int
    of: int = 0
    material: Material = ""
    material_words: str = ""
    id: str = ""
    ref: str = ""
    service: str = ""
    status: str = ""
    value: Value | None = None
    ranges: tuple[str, ...] = ()
    investigations: tuple[Code, ...] = ()
    specifications: tuple[Code, ...] = ()
    investigation_comment: str = ""
    investigated: str = ""
    comment: str = ""
    deviation: Code = Code()
    status_changed: str = ""
    described: str = ""
    countersigned: str = ""
    validated: str = ""
    subjects: tuple[str, ...] = ()
    accredited: bool | None = None
    actors: tuple[Actor, ...] = ()
    diagnosis: Code = Code()
    diagnosis_modifiers: tuple[tuple[Code, Code], ...] = ()
    structured: tuple[Structured, ...] = ()
    further: tuple[Value, ...] = ()


class AnalysedSubject(msgspec.Struct, frozen=True, array_like=True):
    """One specimen or other object that was analysed. `parent` is the id of the object it was made from."""

    id: str
    line: int
    of: int = 0
    parent: str = ""
    material: Material = ""
    material_words: str = ""
    requester_id: str = ""
    type: str = ""
    type_code: Code = Code()
    collected: str = ""
    collector_comment: str = ""
    collector_codes: tuple[Code, ...] = ()
    logistics: str = ""
    product_type: str = ""
    product_ref: str = ""
    preservative: str = ""
    comment: str = ""
    origin: str = ""
    containers: int | None = None
    procedure: Code = Code()
    handling: tuple[str, ...] = ()
    accredited: bool | None = None
    pretreatment: Code = Code()
    pretreatment_text: str = ""
    actor: Actor | None = None


class Note(msgspec.Struct, frozen=True, array_like=True):
    """A heading with text and code: reason for a request, or a comment to it."""

    heading: Code = Code()
    text: str = ""
    code: Code = Code()


class Request(msgspec.Struct, frozen=True, array_like=True):
    """ServReq, the request that the report answers."""

    id: str = ""
    provider_id: str = ""
    issued: str = ""
    received: str = ""
    payment: Code = Code()
    priority: Code = Code()
    comment: str = ""
    reservations: tuple[Code, ...] = ()
    reasons: tuple[Note, ...] = ()
    comments: tuple[Note, ...] = ()
    line: int = 0


class Information(msgspec.Struct, frozen=True, array_like=True):
    """InfItem: clinical information that belongs to the understanding of the results."""

    type: Code
    description: str = ""
    comment: str = ""
    code: Code = Code()
    started: str = ""
    ended: str = ""
    recorded: str = ""


class Attachment(msgspec.Struct, frozen=True, array_like=True):
    """A file beside the report. `data` is empty where the message only names it, or where it could not be decoded."""

    title: str = ""
    mime_type: str = ""
    issued: str = ""
    id: str = ""
    file: str = ""
    compression: str = ""
    data: bytes = b""
    broken: bool = False


class Patient(msgspec.Struct, frozen=True, array_like=True):
    """Who the report is about, for the register; none of it reaches a resource. `repr` hides everything.

    `kind` is the ID type (8116) that the digits bear out: FNR, DNR, FHN, or a local or foreign kind (HNR, PNR, SEF
    ...), which is only unique beside `assigner`, the organisation that made it.
    """

    number: str
    kind: str
    assigner: Identifier = Identifier("")
    assigner_name: str = ""
    name: str = ""
    sex: str = ""
    born: str = ""
    died: str = ""

    def __repr__(self) -> str:
        return f"Patient({self.kind})"


class Report(msgspec.Struct, frozen=True, array_like=True):
    """One ServReport, the version of a report that one message carries."""

    line: int
    service: str
    status: str
    issued: str
    approved: str
    discipline: Code
    id: str
    patient: Patient
    provider: Actor
    requester: Actor | None = None
    responsible: tuple[Actor, ...] = ()
    related: Actor | None = None
    comment: str = ""
    comment_codes: tuple[Code, ...] = ()
    cancellation: Code = Code()
    attachments: tuple[Attachment, ...] = ()
    requests: tuple[Request, ...] = ()
    information: tuple[Information, ...] = ()
    subjects: tuple[AnalysedSubject, ...] = ()
    items: tuple[Item, ...] = ()
    notes: tuple[str, ...] = ()


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One received message. `generated_at` orders versions; `generated` is the same as FHIR writes it.

    `version` is "1.3" or "1.4". `test` is set where the sender marks it as a test. `sender` is the envelope's, else
    the first report's laboratory; `receiver` is whom this copy was made for (Requester). `envelope_id`,
    `envelope_generated` (as sent) and `addressed`, whom the sender sent it to, are the MsgHead's, empty where there was none.
    `beside` are by report the other national numbers that it gives its patient: no part of what is kept.
    """

    id: str
    type: Code
    version: str
    generated: str
    generated_at: datetime
    test: bool
    sender: Actor
    receiver: Actor | None
    reports: tuple[Report, ...]
    envelope_id: str = ""
    envelope_generated: str = ""
    addressed: Actor = Actor()
    beside: tuple[tuple[str, ...], ...] = ()
