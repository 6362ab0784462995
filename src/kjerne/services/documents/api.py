"""Pasientens journaldokumenter as documented: MHD over all sources, `DocumentReference/_search` and the document itself.

Source: the utviklerportal pages of PJD and NHN's demo client (`documents.md`). The patient's number stands in the form or in the
header `nhn-patient-nin`, never in an address. How many documents the patient has locked against who asks is told in a header,
in both its names: a citizen sees hers, so it is none. She comes through a portal (`exchange.Route.for_citizens`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Pairs, PatientRef, Route, granted
from kjerne.fhir.bundle import searchset
from kjerne.fhir.encode import encode
from kjerne.fhir.negotiation import check_accepted
from kjerne.registries import identifiers
from kjerne.registries.naming import is_national
from kjerne.services.documents.model import FAULTS, SERVICE, Part
from kjerne.services.documents.reference import ADDRESS, reference
from kjerne.services.documents.room import Document, Documents, Found
from kjerne.services.documents.sorting import SORTS, in_order

BASE: Final = "/phr/R4/fhir/DocumentReference"
SEARCH: Final = f"{BASE}/_search"
SCOPE: Final = "nhn:phr/mhd/read-documentreferences"
SCOPES: Final = f"{SCOPE} {SCOPE}/kjernejournalforskriften"
BASES: Final = frozenset({"", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK"})
COUNT: Final = 15
COUNT_LIMIT: Final = 200
PAGE_LIMIT: Final = 10_000
FORM_LIMIT_BYTES: Final = 16_000
LOCKED: Final = ("nhn-securitylabel-nors-count", "x-securitylabel-nors-count")
"""The portal's name for it, and the one that public code has."""
SHOWN_AS_IT_IS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "text/plain": "txt", "application/rtf": "rtf",
    "text/rtf": "rtf", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif", "image/gif": "gif",
}  # fmt: skip
"""What is told of by its own type, and how its file ends."""
STATUSES: Final = ("current", "superseded")
"""Documents that hold, and those that another has replaced."""
_PARAMETERS: Final = ("patient.identifier", "status", "_count", "_page", "_sort", "category", "type", "_format")
_FORMATS: Final = frozenset({"", "json", "text/json", "application/json", "application/fhir+json"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A search taken apart. `sort` is one of `SORTS`, `page` counts from 1; `status` is of `STATUSES`."""

    patient: str
    count: int
    page: int
    sort: str
    descending: bool
    category: frozenset[str]
    type: frozenset[str]
    status: frozenset[str]

    def takes(self, one: Document) -> bool:
        """Whether a document has one of the categories and one of the types that are asked for."""
        kinds = (self.category, one.entry.class_code), (self.type, one.entry.type_code)
        return all(not wanted or (code is not None and code.code in wanted) for wanted, code in kinds)


@dataclass(frozen=True)
class DocumentsApi:
    """The room's handlers. `identify` makes a reference from a person number."""

    documents: Documents
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        return [
            Route("POST", SEARCH, self.search, SCOPES, "fhir", FORM_LIMIT_BYTES, for_citizens=True),
            Route("GET", BASE + "/{id}", self.read, SCOPES, "fhir", for_citizens=True),
            Route("GET", ADDRESS + "/{id}", self.document, SCOPES, "fhir", for_citizens=True, whole=False),
        ]

    async def search(self, call: Call) -> Answer:
        """A page of the list over all sources: a searchset Bundle, newest first. Behind the documents an outcome says of each
        source that gave nothing, or not all, why, and how old what is shown of it is. `Refusal` 504 where there are sources and
        nothing of any is shown, 403 where all of them say no.
        """
        check_accepted(call)
        asked, basis = taken(call), basis_of(call)
        patient = self.identify(asked.patient)

        async def use(grant: Grant) -> Answer:
            found = await self.documents.find(grant)
            if found.nobody_answered:
                await self.documents.show(grant, [])
                found.check_shown()
            by_status = {"current": found.documents, "superseded": found.former}
            among = [one for status in STATUSES if status in asked.status for one in by_status[status]]
            wanted = in_order([one for one in among if asked.takes(one)], asked.sort, asked.descending)
            first = (asked.page - 1) * asked.count
            shown = wanted[first : first + asked.count]
            await self.documents.show(grant, shown)
            return self._bundle(call, asked, found, shown, len(wanted))

        line = urlencode(_without_patient((*call.query, *call.form)))
        return await granted(
            call.admit, patient, SERVICE, "search", use, basis=basis, asked=f"DocumentReference?{line}",
            piece="DocumentReference.s",
        )  # fmt: skip

    async def read(self, call: Call) -> Answer:
        """What the source of a document says of it now, as one DocumentReference. Absent, hidden and another's are 404."""
        check_accepted(call)
        number, basis = _plainly_asked(call)
        patient = self.identify(_header_number(call))

        async def use(grant: Grant) -> Answer:
            return Answer(200, reference(await self.documents.told(grant, number), call.base_url))

        return await granted(call.admit, patient, SERVICE, "search", use, basis=basis, piece="DocumentReference.r")

    async def document(self, call: Call) -> Answer:
        """The document itself, whole and with the hash that its source told, as a file. Absent, hidden and another's are 404."""
        number, basis = _plainly_asked(call)
        patient = self.identify(_header_number(call))

        async def use(grant: Grant) -> Answer:
            document, opened = await self.documents.open(grant, number)
            kind = document.entry.mime_type.lower()
            # A title may name the patient: a file is called by its number.
            name = f"{number}.{SHOWN_AS_IT_IS.get(kind, 'bin')}"
            headers = (("content-disposition", f'attachment; filename="{name}"'),)
            known = kind if kind in SHOWN_AS_IT_IS else "application/octet-stream"
            return Answer(200, media_type=known, headers=headers, rest=opened.pieces)

        return await granted(
            call.admit, patient, SERVICE, "read", use, basis=basis, piece="DocumentReference.r"
        )  # fmt: skip

    def _bundle(self, call: Call, asked: Asked, found: Found, shown: list[Document], total: int) -> Answer:
        entries = [(f"{call.base_url}{BASE}/{one.number}", reference(one, call.base_url), "match") for one in shown]
        if issues := told(found.parts):
            entries.append(("", encode({"resourceType": "OperationOutcome", "issue": issues}), "outcome"))
        address, left = f"{call.base_url}{call.path}", _without_patient((*call.query, *call.form))
        links = [("self", f"{address}?{urlencode(left)}" if left else address)]
        if asked.page * asked.count < total:
            onward = [(name, value) for name, value in left if name != "_page"] + [("_page", str(asked.page + 1))]
            links.append(("next", f"{address}?{urlencode(onward)}"))
        headers = tuple((name, str(found.locked)) for name in LOCKED) if self.documents.tells_choices else ()
        return Answer(200, searchset(entries, links, total), headers=headers)


def told(parts: tuple[Part, ...]) -> list[Mapping[str, Any]]:
    """What is said of the sources that did not give all that they have, one by one."""
    issues = []
    for part in parts:
        if part.fault is not None:
            issues.append(_issue("incomplete", f"{part.title} {FAULTS[part.fault]}; {_shown(part)}"))
        elif part.lacks:
            issues.append(_issue("incomplete", f"{part.title} says that this is not all that it has"))
        if part.left_out:
            says = f"{part.title} told of {part.left_out} more that are not this patient's or cannot be read"
            issues.append(_issue("incomplete", says))
    if not parts:
        issues.append(_issue("informational", "no source of documents takes part"))
    return issues


def _shown(part: Part) -> str:
    """What is shown of a source that gave nothing now, or nothing under one of her numbers."""
    if part.at is None:
        return "nothing of it is shown"
    at = part.at.isoformat(timespec="seconds")
    return f"a part of what it has is not shown, the rest is what it had at {at}" if part.lacks else (
        f"shown is what it had at {at}"
    )  # fmt: skip


def _issue(code: str, says: str) -> Mapping[str, Any]:
    return {"severity": "information" if code == "informational" else "warning", "code": code, "diagnostics": says}


def taken(call: Call) -> Asked:
    """What a form asks for, and the address of a further page; `Refusal` 400 for what is missing, unknown, said twice or cannot
    be read."""
    if call.body:
        raise Refusal(400, "search parameters stand in a form", where="body")
    if any(name == "patient.identifier" or identifiers.numbers_in(f"{name} {value}") for name, value in call.query):
        raise Refusal(
            400,
            "the patient's number stands in the form or in a header, never in an address",
            where="patient.identifier",
        )
    said: dict[str, str] = {}
    for name, value in (*call.query, *call.form):
        if name not in _PARAMETERS:
            where = identifiers.without_numbers(name)[:60]
            raise Refusal(400, "unknown parameter", where=where, todo=f"It has {', '.join(_PARAMETERS)}.")
        if name in said:
            raise Refusal(400, "a parameter stands there twice", where=name)
        said[name] = value
    if said.get("_format", "json") not in _FORMATS:
        raise Refusal(406, "the answer is written in json", where="_format", code="not-supported")
    status = frozenset(said.get("status", "current").split(","))
    if not status <= set(STATUSES):
        raise Refusal(400, "unknown status", where="status", todo="It is current, superseded, or both with a comma.")
    sort = said.get("_sort", "") or "-date"
    if sort.removeprefix("-") not in SORTS:
        raise Refusal(
            400, "unknown order", where="_sort", todo=f"It has {', '.join(SORTS)}, with - before for descending."
        )
    system, bar, number = said.get("patient.identifier", "").rpartition("|")
    if bar and not is_national(system):
        raise Refusal(400, "the system is none of the national numbers", where="patient.identifier")
    number = number or call.headers.get("nhn-patient-nin", "")
    if not number:
        raise Refusal(400, "the patient is not named", where="patient.identifier")
    return Asked(
        _same(number, call.headers.get("nhn-patient-nin", "")), _whole(said, "_count", COUNT, COUNT_LIMIT),
        _whole(said, "_page", 1, PAGE_LIMIT), sort.removeprefix("-"), sort.startswith("-"),
        _codes(said.get("category", "")), _codes(said.get("type", "")), status,
    )  # fmt: skip


def basis_of(call: Call) -> str:
    """The declared basis from `nhn-access-basis`."""
    basis = call.headers.get("nhn-access-basis", "").upper()
    if basis not in BASES:
        raise Refusal(
            400, "unknown basis", where="nhn-access-basis", rule="basis-unknown",
            todo="Use UNNTAK, SAMTYKKE, AKUTT, FORHOYET_SAMTYKKE or FORHOYET_AKUTT, or leave it out.",
        )  # fmt: skip
    return basis


def _codes(text: str) -> frozenset[str]:
    """Codes of a parameter, whichever system they are named with."""
    return frozenset(one.rpartition("|")[2] for one in text.split(",")) - {""}


def _whole(said: Mapping[str, str], name: str, default: int, limit: int) -> int:
    text = said.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6) or not 1 <= int(text) <= limit:
        raise Refusal(400, f"it is a number from 1 to {limit}", where=name)
    return int(text)


def _same(number: str, header: str) -> str:
    """The one patient that form and header name."""
    if header and header != number:
        raise Refusal(400, "the form and the header name different patients", where="nhn-patient-nin")
    return number


def _header_number(call: Call) -> str:
    number = call.headers.get("nhn-patient-nin", "")
    if not number:
        raise Refusal(400, "the patient is not named", where="nhn-patient-nin")
    return number


def _plainly_asked(call: Call) -> tuple[UUID, str]:
    """Which document is asked for by its number, and on what basis."""
    number, basis = _number(call.parameters["id"]), basis_of(call)
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")
    return number, basis


def _number(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(404, "there is no such document", where="id") from None


def _without_patient(form: Pairs) -> list[tuple[str, str]]:
    return [(name, value) for name, value in form if not identifiers.numbers_in(value) and name != "patient.identifier"]
