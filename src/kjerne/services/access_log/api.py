"""`/fhir/R4/AuditEvent`: search and read of the log about one patient, under the law and in that log itself.

The patient reads her own (or whoever stands in for her), the data controller's system for logs anybody's; both as they
read it elsewhere: what is hidden from a reader is in no event, no total and no order here either. The patient is named by
`person-id`, or in a form by `patient.identifier`, as in every search here. Sources: R4 auditevent.html, IHE BALP (ITI-81).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from kjerne.access import AUDIT, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, search_line, searchset, self_url
from kjerne.fhir.encode import encode
from kjerne.fhir.index import Indexed, index
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Order, Plan, Search, counted, ordered, plan
from kjerne.fhir.subset import shown
from kjerne.registries.identifiers import is_number, stands_in
from kjerne.registries.naming import patient_of
from kjerne.services.access_log.mapping import audit_event
from kjerne.store.cursors import Cursors, token_in
from kjerne.store.log_entry import LogEntry
from kjerne.store.log_pages import LogPage
from kjerne.store.looks import Place, Wanted
from kjerne.store.sealed_id import SealedIds
from kjerne.store.turns import in_turns

BASE: Final = "/fhir/R4"
AT: Final = BASE + "/AuditEvent"
LINKS: Final = AT + "#mark"
"""What page links are made for; one of before they held a mark belongs to another search."""
NEEDS: Final = f"kjerne:insight {AUDIT}"
KEPT: Final = timedelta(days=3660)
"""The log is kept for ten years."""
BY_NUMBER: Final = frozenset({"patient.identifier", "patient:identifier"})
LINES_LIMIT: Final = 2_500
"""Lines that one search looks through: to make an event of a line takes some 300 microseconds of the processor that all share."""
Told = Callable[[LogEntry], dict[str, Any]]
Found = tuple[list[dict[str, Any]], int, list[Any] | None]
"""Events of one page, how many there are on all, and where the next begins."""
OF_A_READ: Final = frozenset({"_format", "_pretty", "_summary", "_elements"})
_NEWEST_FIRST: Final = ((), (Order("date_from", descending=True),))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ID: Final = re.compile(r"[0-9a-f]{64}")


class Log(Protocol):
    """The log of the house (`kjerne.policy.access_log`)."""

    async def page(self, grant: Grant, wanted: Wanted, limit: int, after: Place | None = None) -> LogPage: ...

    async def line(self, grant: Grant, place: Place) -> LogEntry | None: ...

    async def number(self, grant: Grant) -> str: ...


class _Event(NamedTuple):
    """A line as a resource, with what a search finds it by."""

    entry: LogEntry
    tree: dict[str, Any]
    indexed: Indexed


@dataclass(frozen=True)
class AccessLogApi:
    """The handlers. At most `candidate_limit` lines, and no more than `LINES_LIMIT`, are looked at where the database cannot
    decide a search."""

    log: Log
    ids: SealedIds
    cursors: Cursors
    parse_search: Callable[[str, Pairs, bool], Search]
    identify: Callable[[str], PatientRef]
    candidate_limit: int

    def routes(self) -> list[Route]:
        return [
            Route("GET", AT, self.search, NEEDS, "fhir"),
            Route("POST", AT + "/_search", self.search, NEEDS, "fhir"),
            Route("GET", AT + "/{id}", self.read, NEEDS, "fhir"),
        ]

    async def read(self, call: Call) -> Answer:
        """One event by id; absent, hidden and refused are one answer (404)."""
        check_accepted(call)
        search = self._asked_to_see(call)
        place = self._place(call.parameters["id"])
        if place is None:
            raise _absent()
        patient, at, number = place

        async def use(grant: Grant) -> dict[str, Any] | None:
            entry = await self.log.line(grant, Place(at, number))
            return self._event(call, grant, entry, await self.log.number(grant)) if entry else None

        try:
            event = await granted(call.admit, PatientRef(key=patient), "", "insight", use, piece="AuditEvent.r")
        except Denied:
            # About the token, and the same whoever the event is about.
            smart.demand_whole(call.caller, ("AuditEvent",), "r")
            event = None
        if event is None:
            raise _absent()
        return Answer(200, shown(encode(event), search))

    async def search(self, call: Call) -> Answer:
        """A searchset, newest first unless the search sorts it. The total is always exact."""
        check_accepted(call)
        pairs, token = _asked(call)
        # A page link goes on with a search that was taken before, lenient or not.
        passing_over = token is not None or lenient(call.headers)

        async def use(grant: Grant) -> Answer:
            asked, after = pairs, None
            if token is not None:
                cursor = self.cursors.open(token, grant, LINKS)
                asked, after = tuple((key, value) for key, value in cursor.pairs), cursor.after
            search = self.parse_search("AuditEvent", asked, passing_over)
            if search.includes or search.revincludes:
                raise Refusal(400, "an event brings no other resource along", where="_include", code="not-supported")
            return await self._found(call, grant, search, asked, after)

        told = search_line("AuditEvent", pairs if token is None else FURTHER)
        patient = self._patient(call)
        try:
            return await granted(call.admit, patient, "", "insight", use, asked=told, piece="AuditEvent.s")
        except Denied:
            smart.demand_whole(call.caller, ("AuditEvent",), "s")
            raise

    async def _found(self, call: Call, grant: Grant, search: Search, asked: Pairs, after: list[Any] | None) -> Answer:
        found = plan(search, at=grant.at)
        if found.patients:
            says = "the patient is named by the header person-id, not by a parameter"
            raise Refusal(400, says, where="patient", code="not-supported")
        # Lines that come while a reader turns the pages are none of hers: what she reads stands still. A page link holds
        # until when, at which mark of the log, and where the next page begins.
        until = datetime.fromisoformat(after[0]) if after else grant.at
        by_date = found.exact_in_sql and found.ids is None and not (found.all_of or found.none_of)
        number = await self.log.number(grant)

        def told(entry: LogEntry) -> dict[str, Any]:
            return self._event(call, grant, entry, number)

        if by_date and found.order in _NEWEST_FIRST:
            events, total, rest = await self._by_date(grant, search, found, until, after, told)
        else:
            events, total, rest = await self._looked_through(grant, search, found, until, after, told)
        links = [("self", self_url(f"{call.base_url}{AT}", asked, search, is_number))]
        if rest is not None:
            onward = self.cursors.make(grant, LINKS, asked, [until.isoformat(), *rest])
            links.append(("next", f"{call.base_url}{AT}?_cursor={onward}"))
        entries = [(f"{call.base_url}{AT}/{one['id']}", shown(encode(one), search), "match") for one in events]
        return Answer(200, searchset(entries, links, total))

    async def _by_date(
        self, grant: Grant, search: Search, found: Plan, until: datetime, after: list[Any] | None, told: Told
    ) -> Found:
        """The database finds, counts and turns the page."""
        mark, behind = (after[1], Place(datetime.fromisoformat(after[2]), UUID(after[3]))) if after else ("", None)
        limit = 0 if search.summary == "count" else search.count
        wanted = Wanted(until - KEPT, until, bounds=found.bounds, mark=mark)
        page = await self.log.page(grant, wanted, limit, behind)
        rest = [page.mark, page.after.at.isoformat(), str(page.after.number)] if page.after else None
        return [told(entry) for entry in page.entries], page.total, rest

    async def _looked_through(
        self, grant: Grant, search: Search, found: Plan, until: datetime, after: list[Any] | None, told: Told
    ) -> Found:
        """Every line within the dates is made, and the search asked of it."""
        wanted = Wanted(until - KEPT, until, bounds=found.bounds, mark=after[1] if after else "")
        most = min(self.candidate_limit, LINES_LIMIT)
        page = await self.log.page(grant, wanted, most)
        if page.after is not None:
            says = f"the search would look at more than {most} lines of the log"
            raise Refusal(422, says, code="too-costly", todo="Narrow it with a date.")
        events = []
        async for entry in in_turns(page.entries):
            tree = told(entry)
            events.append(_Event(entry, tree, index(tree)))
        order = found.order or (Order("date_from", descending=True),)
        with counted():
            matching = [event for event in events if _answers(event, found)]
            keyed = [(tuple(_key(event, one) for one in order), event) for event in matching]
        sorted_ = ordered(keyed, order)
        start = int(after[2]) if after else 0
        reached = start + (0 if search.summary == "count" else search.count)
        rest = [page.mark, reached] if start < reached < len(sorted_) else None
        return [event.tree for event in sorted_[start:reached]], len(sorted_), rest

    def _event(self, call: Call, grant: Grant, entry: LogEntry, number: str) -> dict[str, Any]:
        micros = (entry.at - _EPOCH) // _MICROSECOND
        id_ = self.ids.make(entry.origin.patient, micros).hex + entry.origin.number.hex
        to_controller = grant.caller.kind == "system"
        chosen = entry.chosen.number if entry.chosen else 0
        return audit_event(
            entry, id_=id_, number=number, base=f"{call.base_url}{BASE}", to_controller=to_controller,
            consent=str(self.ids.make(entry.origin.patient, chosen)) if chosen else "",
        )  # fmt: skip

    def _place(self, id_: str) -> tuple[int, datetime, UUID] | None:
        """Person key, time and number of the row that an id names: its first half is sealed as a record's id is."""
        if not _ID.fullmatch(id_):
            return None
        sealed = UUID(id_[:32])
        try:
            at = _EPOCH + self.ids.number(sealed) * _MICROSECOND
        except OverflowError:
            return None
        return self.ids.patient(sealed), at, UUID(id_[32:])

    def _patient(self, call: Call) -> PatientRef:
        """Whom the request names; a citizen who names nobody asks for herself."""
        numbers = [value.rpartition("|")[2] for key, value in call.form if key in BY_NUMBER]
        if call.caller and call.caller.kind == "citizen" and not (call.headers.get("person-id") or any(numbers)):
            return PatientRef(digest=call.caller.digest)
        return patient_of(call, self.identify, *numbers)

    def _asked_to_see(self, call: Call) -> Search:
        if not lenient(call.headers) and any(name not in OF_A_READ for name, _ in call.query):
            says = f"this address takes {', '.join(sorted(OF_A_READ))} and no other parameter"
            raise Refusal(400, says, where="query", code="not-supported")
        kept = tuple(pair for pair in call.query if pair[0] in OF_A_READ)
        search = self.parse_search("AuditEvent", kept, False)
        if search.summary == "count":
            raise Refusal(400, "a read has no count", where="_summary")
        return search


def _asked(call: Call) -> tuple[Pairs, str | None]:
    """The parameters of a search, the patient's number aside, and the token of a page link."""
    if call.body:
        raise Refusal(415, "a search is sent as application/x-www-form-urlencoded", where="content-type")
    if any(key in BY_NUMBER or (key != "_cursor" and stands_in(value)) for key, value in call.query):
        says = "a person number never stands in an address"
        raise Refusal(400, says, where="query", todo="Use POST _search with a form.")
    every = (*call.query, *call.form)
    pairs = tuple(pair for pair in every if pair[0] not in BY_NUMBER and pair[0] != "_cursor")
    token = token_in(every)
    if token is not None and pairs:
        raise Refusal(400, "a page link stands alone; it holds the search it goes on with", where="_cursor")
    return pairs, token


def _answers(event: _Event, found: Plan) -> bool:
    tokens = set(event.indexed.tokens)
    return (
        (found.ids is None or event.tree["id"] in found.ids)
        and all(not tokens.isdisjoint(alternatives) for alternatives in found.all_of)
        and tokens.isdisjoint(found.none_of)
        and (found.match is None or found.match(event.indexed.values))
        and (found.match_tree is None or found.match_tree(event.tree))
    )


def _key(event: _Event, order: Order) -> Any:
    if order.key is not None:
        return order.key(event.indexed.values)
    if order.tree_key is not None:
        return order.tree_key(event.tree)
    return event.tree["id"] if order.column == "id" else event.entry.at


def _absent() -> Refusal:
    return Refusal(404, "no AuditEvent with this id that you may see", where="id")
