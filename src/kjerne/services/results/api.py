"""Pasientens prøvesvar, API v2 as documented: form-body `_search` on five types, the patient in the header `person-id`.

Source: the utviklerportal pages of PPS and the guide diagnostic.report.nilar 1.5.0. The patient's number never stands in
an address, so there is no GET search here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, granted, other_role
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, Entry, search_line, searchset, self_url
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search
from kjerne.fhir.subset import shown
from kjerne.registries.identifiers import is_number
from kjerne.registries.naming import patient_of
from kjerne.services.results import outcome
from kjerne.store.cursors import Cursors, token_in
from kjerne.store.finding import Finder, Page
from kjerne.store.pool import Pool
from kjerne.store.reading import Record

BASE: Final = "/pps/v2"
SERVICE: Final = "results"
SCOPE: Final = "nhn:pps/provesvar-read"
TYPES: Final = ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole")
BASES: Final = frozenset({"", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK"})
OBSOLETE_BASIS: Final = {"0": "", "1": "SAMTYKKE", "2": "AKUTT"}
FORM_LIMIT_BYTES: Final = 64_000

ParseSearch = Callable[[str, Pairs, bool], Search]
Identify = Callable[[str], PatientRef]


@dataclass(frozen=True)
class ResultsApi:
    """The room's handlers. `parse` turns form pairs into a typed search, `identify` a person number into a reference."""

    pool: Pool
    finder: Finder
    cursors: Cursors
    parse: ParseSearch
    identify: Identify

    def routes(self) -> list[Route]:
        at = BASE + "/{type}/_search"
        return [Route("POST", at, self.search, SCOPE, "fhir", FORM_LIMIT_BYTES, notes_proof=True, for_citizens=True)]

    async def search(self, call: Call) -> Answer:
        """A searchset Bundle; the patient's block, lock or opt-out as an outcome inside it, before data are looked for."""
        type_ = call.parameters["type"]
        if type_ not in TYPES:
            raise Refusal(404, f"{type_} is not a type of this API", where="path", todo=f"It has {', '.join(TYPES)}.")
        if call.query and any(name != "_cursor" for name, _ in call.query):
            raise Refusal(400, "search parameters stand in the form, not in the address", where="query")
        patient, basis = patient_of(call, self.identify), basis_of(call)
        check_role(call)
        check_form(call)
        check_accepted(call)
        asked = _asked(call)

        async def use(grant: Grant) -> Answer:
            return await self._page(call, grant, type_, asked)

        try:
            told = search_line(type_, asked.pairs if asked.cursor is None else FURTHER)
            return await granted(
                call.admit, patient, SERVICE, "search", use, basis=basis, proven=True, asked=told, piece=f"{type_}.s"
            )
        except Denied as denied:
            smart.demand(call.caller, type_, "s")
            if denied.denial.outcome:
                return _alone(call, outcome.privacy(denied.denial))
            raise

    async def _page(self, call: Call, grant: Grant, type_: str, asked: Asked) -> Answer:
        pairs, after = asked.pairs, None
        if asked.cursor is not None:
            cursor = self.cursors.open(asked.cursor, grant, f"{BASE}/{type_}")
            pairs, after = tuple((name, value) for name, value in cursor.pairs), cursor.after
        # A page link goes on with a search that was taken before, lenient or not.
        search = self.parse(type_, pairs, asked.cursor is not None or lenient(call.headers))
        async with self.pool.acquire() as conn:
            page = await self.finder.search(conn, grant, search, after=after, skip=asked.skip)
        return self._bundle(call, grant, search, asked, pairs, page)

    def _bundle(self, call: Call, grant: Grant, search: Search, asked: Asked, pairs: Pairs, page: Page) -> Answer:
        address = f"{call.base_url}{call.path}"
        skipped = (("skip", str(asked.skip)),) if asked.skip else ()
        links = [("self", self_url(address, (*pairs, *skipped), search, is_number))]
        if page.after is not None:
            token = self.cursors.make(grant, f"{BASE}/{search.type}", pairs, page.after)
            links.append(("next", f"{address}?_cursor={token}"))
        base = f"{call.base_url}{BASE}"
        entries = [entry(base, record, search, "match") for record in page.records]
        entries += [entry(base, record, search, "include") for record in page.included]
        if not entries and page.total == 0:
            entries = [("", encode(outcome.nothing()), "outcome")]
        return Answer(200, searchset(entries, links, page.total))


@dataclass(frozen=True, slots=True)
class Asked:
    """A form taken apart: the search itself, `skip` (documented for PPS) and the page link's token."""

    pairs: Pairs
    skip: int
    cursor: str | None


def _asked(call: Call) -> Asked:
    cursor = token_in((*call.query, *call.form))
    skips = [value for name, value in call.form if name in ("skip", "_skip")]
    skip_text = skips[0] if skips else "0"
    if len(skips) > 1 or not (skip_text.isascii() and skip_text.isdigit() and len(skip_text) < 7):
        raise Refusal(400, "skip is a number of entries from 0 to 999999", where="skip")
    renamed = {"count": "_count"}
    pairs = tuple(
        (renamed.get(name, name), value) for name, value in call.form if name not in ("skip", "_skip", "_cursor")
    )
    if cursor is not None and (pairs or skip_text != "0"):
        raise Refusal(400, "a page link stands alone; it holds the search it goes on with", where="_cursor")
    return Asked(pairs, int(skip_text), cursor)


def basis_of(call: Call) -> str:
    """The declared basis from `access-basis`; the obsolete header `grunnlag` 0/1/2 is still understood."""
    basis = call.headers.get("access-basis", "").upper()
    if not basis and "grunnlag" in call.headers:
        basis = OBSOLETE_BASIS.get(call.headers["grunnlag"], "?")
    if basis not in BASES:
        raise Refusal(
            400, "unknown basis", where="access-basis", rule="basis-unknown",
            todo="Use UNNTAK, SAMTYKKE, AKUTT, FORHOYET_SAMTYKKE or FORHOYET_AKUTT, or leave it out.",
        )  # fmt: skip
    return basis


def check_form(call: Call) -> None:
    """A search stands in a form: a body of another kind would be passed over, and everything found."""
    if call.body:
        raise Refusal(
            415, "a search is sent as application/x-www-form-urlencoded", where="content-type", code="not-supported"
        )


def check_role(call: Call) -> None:
    """`requester-hpr-role` must be the authorisation that the attestation vouches for (ATT-32); else `Unattested`."""
    role = call.headers.get("requester-hpr-role", "")
    if role and call.caller and call.caller.authorization and role.upper() != call.caller.authorization:
        raise other_role(call.caller, "requester-hpr-role")


def entry(base: str, record: Record, search: Search, mode: str) -> Entry:
    """A record as a Bundle entry under its full address: what the search asked to see of it."""
    return f"{base}/{type_name(record.type)}/{record.id}", shown(record.served, search), mode


def _alone(call: Call, resource: dict[str, object]) -> Answer:
    return Answer(200, searchset([("", encode(resource), "outcome")], [("self", f"{call.base_url}{call.path}")], 0))
