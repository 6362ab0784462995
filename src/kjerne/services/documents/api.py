"""Pasientens journaldokumenter as documented: MHD over all sources, `DocumentReference/_search` and the document itself.

Source: the utviklerportal pages of PJD and NHN's demo client (`documents.md`). The patient's number stands in the form or in the
header `nhn-patient-nin`, never in an address. How many documents the patient has locked against who asks is told in a header,
in both its names: a citizen sees hers, so it is none. She comes through a portal (`exchange.Route.for_citizens`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route, granted
from kjerne.fhir.bundle import Entry, searchset
from kjerne.fhir.encode import encode
from kjerne.fhir.negotiation import check_accepted
from kjerne.mhd.lists import submission_set
from kjerne.mhd.reference import Tree, document_reference
from kjerne.services.documents.asking import HEADER, Asked, Asking, basis_of, line_of, plainly_asked
from kjerne.services.documents.model import FAULTS, SERVICE, UNASKED, Part
from kjerne.services.documents.room import Document, Documents, Found, Sent, absent
from kjerne.services.documents.sorting import in_order
from kjerne.store.patient_ids import id_of

T = TypeVar("T")
ROOT: Final = "/phr/R4/fhir"
BASE: Final = f"{ROOT}/DocumentReference"
SEARCH: Final = f"{BASE}/_search"
SETS: Final = f"{ROOT}/List"
PROVIDE: Final = f"{ROOT}/Bundle"
ADDRESS: Final = "/phr/mhd/document"
SCOPE: Final = "nhn:phr/mhd/read-documentreferences"
SCOPES: Final = f"{SCOPE} {SCOPE}/kjernejournalforskriften"
PROVIDING: Final = "nhn:phr/mhd/create-documents-with-reference"
FORM_LIMIT_BYTES: Final = 16_000
LOCKED: Final = ("nhn-securitylabel-nors-count", "x-securitylabel-nors-count")
"""The portal's name for it, and the one that public code has."""
SHOWN_AS_IT_IS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "text/plain": "txt", "application/rtf": "rtf",
    "text/rtf": "rtf", "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif", "image/gif": "gif",
}  # fmt: skip
"""What is told of by its own type, and how its file ends."""
_TOLD: Final = "DocumentReference.s"
"""A List tells of documents, and is opened by what opens them."""


@dataclass(frozen=True)
class DocumentsApi:
    """The room's handlers."""

    documents: Documents
    asking: Asking

    def routes(self) -> list[Route]:
        reading: Mapping[str, Any] = {"for_citizens": True, "body_limit_bytes": FORM_LIMIT_BYTES}
        return [
            Route("GET", BASE, self.search, SCOPES, "fhir", **reading),
            Route("POST", SEARCH, self.search, SCOPES, "fhir", **reading),
            Route("GET", BASE + "/{id}", self.read, SCOPES, "fhir", **reading),
            Route("GET", SETS, self.search_sets, SCOPES, "fhir", **reading),
            Route("POST", SETS + "/_search", self.search_sets, SCOPES, "fhir", **reading),
            Route("GET", SETS + "/{id}", self.read_set, SCOPES, "fhir", **reading),
            Route("GET", ADDRESS + "/{id}", self.document, SCOPES, "fhir", whole=False, **reading),
            Route("GET", ADDRESS + "/{patient}/{id}", self.document_at, SCOPES, "fhir", whole=False, **reading),
            Route("POST", PROVIDE, self.provide, f"{SCOPES} {PROVIDING}", "fhir"),
        ]

    async def search(self, call: Call) -> Answer:
        """A page of the list over all sources (ITI-67): a searchset Bundle, newest first. Behind the documents an outcome says of
        each source that gave nothing, or not all, why, and how old what is shown of it is. `Refusal` 504 where there are sources
        and nothing of any is shown, 403 where all of them say no.
        """
        check_accepted(call)
        asked, basis = self.asking.search(call, "DocumentReference"), basis_of(call)

        async def use(grant: Grant) -> Answer:
            found = await self.documents.find(grant, everybody=asked.everybody)
            if found.nobody_answered:
                await self.documents.show(grant, [])
                found.check_shown()
            tell = self._telling(call, grant)
            former = found.former if "superseded" in asked.search.status else ()
            among = (*(found.documents if "current" in asked.search.status else ()), *former)
            taken = await self._taken(grant, asked, among, tell)
            wanted = in_order(taken, asked.sort, asked.descending)
            shown = wanted[asked.search.place]
            await self.documents.show(grant, shown)
            entries = [(f"{call.base_url}{BASE}/{one.number}", encode(tell(one)), "match") for one in shown]
            return self._bundle(call, grant, asked, entries, len(wanted), found)

        return await granted(
            call.admit, asked.patient, SERVICE, "search", use, basis=basis, asked=f"DocumentReference?{line_of(call)}",
            piece=_TOLD,
        )  # fmt: skip

    async def search_sets(self, call: Call) -> Answer:
        """A page of the submission sets in which documents came that the caller is shown (ITI-66), newest first: each a List of
        those documents and of no others. Outcomes and refusals as for the list of documents."""
        check_accepted(call)
        asked, basis = self.asking.search(call, "List"), basis_of(call)

        async def use(grant: Grant) -> Answer:
            found = await self.documents.find_sets(grant, everybody=asked.everybody)
            if found.nobody_answered:
                await self.documents.show(grant, [])
                found.check_shown()
            among = found.sets if "current" in asked.search.status else ()
            wanted = await self._taken(grant, asked, among, _listed)
            shown = wanted[asked.search.place]
            await self.documents.show(grant, _members(shown))
            entries = [(f"{call.base_url}{SETS}/{one.number}", encode(_listed(one)), "match") for one in shown]
            return self._bundle(call, grant, asked, entries, len(wanted), found)

        return await granted(
            call.admit, asked.patient, SERVICE, "search", use, basis=basis, asked=f"List?{line_of(call)}", piece=_TOLD
        )  # fmt: skip

    async def read(self, call: Call) -> Answer:
        """What the source of a document says of it now, as one DocumentReference. Absent, hidden and another's are 404."""
        check_accepted(call)
        number, basis = plainly_asked(call)
        patient = self.asking.patient_of(call)

        async def use(grant: Grant) -> Answer:
            document = await self.documents.told(grant, number)
            return Answer(200, encode(self._telling(call, grant)(document)))

        return await granted(call.admit, patient, SERVICE, "search", use, basis=basis, piece="DocumentReference.r")

    async def read_set(self, call: Call) -> Answer:
        """One submission set, as the sources tell it now. Absent, hidden and another's are 404."""
        check_accepted(call)
        number, basis = plainly_asked(call)
        patient = self.asking.patient_of(call)

        async def use(grant: Grant) -> Answer:
            found = await self.documents.find_sets(grant)
            shown = [one for one in found.sets if one.number == number]
            await self.documents.show(grant, _members(shown))
            if not shown:
                found.check_shown()
                raise absent()
            return Answer(200, encode(_listed(shown[0])))

        return await granted(call.admit, patient, SERVICE, "search", use, basis=basis, piece="DocumentReference.r")

    async def document(self, call: Call) -> Answer:
        """The document itself (ITI-68), whole and with the hash that its source told, as a file. Absent, hidden and another's
        are 404."""
        return await self._opened(call, self.asking.patient_of)

    async def document_at(self, call: Call) -> Answer:
        """The same at the address that an attachment has: it names the patient too, by her own address, so that it works as it
        is given (ITI-68)."""
        return await self._opened(call, self.asking.patient_at)

    async def _opened(self, call: Call, whose: Callable[[Call], Any]) -> Answer:
        number, basis = plainly_asked(call)
        patient = whose(call)

        async def use(grant: Grant) -> Answer:
            document, opened = await self.documents.open(grant, number)
            kind = document.entry.mime_type.lower()
            # A title may name the patient: a file is called by its number.
            name = f"{number}.{SHOWN_AS_IT_IS.get(kind, 'bin')}"
            headers = (("content-disposition", f'attachment; filename="{name}"'),)
            known = kind if kind in SHOWN_AS_IT_IS else "application/octet-stream"
            return Answer(200, media_type=known, headers=headers, rest=opened.pieces)

        return await granted(call.admit, patient, SERVICE, "read", use, basis=basis, piece="DocumentReference.r")

    async def provide(self, _: Call) -> Answer:
        """Says that no document is taken here (ITI-65), and where it is."""
        raise Refusal(
            501, "documents are kept by the source that answers for them, and none is kept or passed on here", where="Bundle",
            code="not-supported", todo="Send the Bundle to that source (ITI-65 at its /R4/fhir/Bundle, or ITI-41).",
        )  # fmt: skip

    def _telling(self, call: Call, grant: Grant) -> Callable[[Document], Tree]:
        """How a document is told of to who has the grant: its attachment is fetched at our own address, with hers in it."""

        def tell(one: Document) -> Tree:
            patient = id_of(self.asking.ids, grant.subject.keys[0])
            url = f"{call.base_url}{ADDRESS}/{patient}/{one.number}"
            relates = [(kind, str(other)) for kind, other in one.relates]
            return document_reference(one.entry, id_=str(one.number), url=url, custodian=one.title, relates=relates)

        return tell

    async def _taken(self, grant: Grant, asked: Asked, among: Iterable[T], tell: Callable[[T], Tree]) -> list[T]:
        """Those of them that the search asks for. Where that would take too much it is refused, with a row that names none."""
        try:
            return asked.search.only.among(among, tell)
        except Refusal:
            await self.documents.show(grant, [])
            raise

    def _bundle(self, call: Call, grant: Grant, asked: Asked, entries: list[Entry], total: int, found: Found) -> Answer:
        if issues := told(found.parts):
            entries = [*entries, ("", encode({"resourceType": "OperationOutcome", "issue": issues}), "outcome")]
        # A number that stood in the form alone is in no address, and would be missed at the next page.
        named = call.headers.get(HEADER, "") or "patient" in asked.search.said
        hers = "" if named else f"Patient/{id_of(self.asking.ids, grant.subject.keys[0])}"
        links = asked.search.links(f"{call.base_url}{call.path}", total, patient=hers)
        headers = tuple((name, str(found.locked)) for name in LOCKED) if self.documents.tells_choices else ()
        return Answer(200, searchset(entries, links, total), headers=headers)


def _listed(one: Sent) -> Tree:
    return submission_set(one.sent, id_=str(one.number), members=[str(each.number) for each in one.documents])


def _members(shown: Iterable[Sent]) -> list[Document]:
    """The documents that sets name, each once: telling of a set tells of them."""
    named: dict[UUID, Document] = {each.number: each for one in shown for each in one.documents}
    return list(named.values())


def told(parts: Sequence[Part]) -> list[Mapping[str, Any]]:
    """What is said of the sources that did not give all that they have, one by one."""
    issues = []
    for part in parts:
        if part.fault is not None:
            issues.append(_issue("incomplete", f"{part.title} {FAULTS[part.fault]}; {_shown(part)}"))
        elif part.unasked == "elsewhere":
            issues.append(_issue("informational", f"{part.title} {UNASKED[part.unasked]} (sources=all asks every one)"))
        elif part.unasked is not None:
            issues.append(_issue("incomplete", f"{part.title} {UNASKED[part.unasked]}"))
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
