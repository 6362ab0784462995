"""Pasientens kritiske informasjon, the national interface: over the records that `/fhir/R4` serves, under their law and key.

Source: the utviklerportal pages (`hit-critical-information`) and the profiles of kjernejournal. What it has of its own is its
headers, its profiles, its way to change and to delete, and a status that clients ask first ([decision
62](docs/decisions/0062-two-views-of-critical-information.md)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ANY_KIND, Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import search_line, searchset
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import (
    Made,
    absent,
    answer_of,
    demanded_version,
    etag,
    hidden_as_absent,
    no_such_id,
    version_headers,
)
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.prefer import wanted as preferred
from kjerne.fhir.search import Search
from kjerne.registries import recorders
from kjerne.registries.contents import content_of, what_of
from kjerne.registries.guides import Guides
from kjerne.registries.naming import check_header, patient_of
from kjerne.services.critical import keeping, kinds
from kjerne.services.critical.book import Book
from kjerne.services.critical.headers import heard
from kjerne.services.critical.kinds import PARAMETER, SERVICE
from kjerne.store import changing
from kjerne.store.changing import Next, checked, not_written
from kjerne.store.finding import Finder
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader, Record
from kjerne.store.records import Current, Written

BASE: Final = "/api/critical-information/v1"
SCOPE: Final = "nhn:critical-information/api"
RESOURCE_LIMIT_BYTES: Final = 500_000
MOST_RECORDS: Final = 5_000
"""In one answer, which has no pages; more are refused and never left out."""
MOST_BYTES: Final = 20_000_000
Tree = dict[str, Any]


@dataclass(frozen=True)
class CriticalApi:
    """The room's handlers over its records (`book`). `parse_search` makes a typed search, `identify` a
    reference from a number, and `opens_what_is_shut` says whether the patient has shut what a grant opens."""

    pool: Pool
    book: Book
    reader: Reader
    finder: Finder
    parse_json: Callable[[bytes], Tree]
    parse_search: Callable[..., Search]
    identify: Callable[[str], PatientRef]
    guides: Guides
    opens_what_is_shut: Callable[[Grant], bool]

    def routes(self) -> list[Route]:
        at, one = BASE + "/{type}", BASE + "/{type}/{id}"
        looks = partial(Route, needs=SCOPE, errors="fhir", for_citizens=True, notes_proof=True)
        writes = partial(Route, needs=SCOPE, errors="fhir", body_limit_bytes=RESOURCE_LIMIT_BYTES)
        return [
            looks("GET", BASE + "/status", self.status),
            looks("GET", at, self.search),
            looks("GET", one, self.read),
            writes("POST", at, self.create, notes_proof=True),
            writes("PUT", one, self.update),
            writes("DELETE", one, self.delete),
        ]

    async def status(self, call: Call) -> Answer:
        """Whether the patient has shut the service for the caller, and when something in it was last changed: asked first, so
        that nothing to see and nothing there are not taken for each other.

        `restricted` is opened by a declared basis, `blocked` (by name) and `reserved` (opted out) by nothing.
        """
        call = heard(call)
        if call.query:
            raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")

        async def use(grant: Grant) -> Tree:
            async with call.connection(self.pool) as conn:
                at = await self.reader.last_changed(conn, grant, self.book.types)
            changed = {"lastChanged": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")} if at else {}
            return {"restricted": self.opens_what_is_shut(grant), "blocked": False, "reserved": False} | changed

        try:
            told = await granted(
                call.admit, patient_of(call, self.identify), SERVICE, "search", use, basis=_basis(call), proven=True,
                asked="status",
            )  # fmt: skip
        except Denied as denied:
            if not (outcome := denied.denial.outcome):
                raise
            told = {
                "restricted": outcome == "General", "blocked": outcome == "Specific", "reserved": outcome == "Reservation",
            }  # fmt: skip
        return Answer(200, encode(told), "application/json")

    async def search(self, call: Call) -> Answer:
        """The latest version of each record of a type, newest first, or of one `criticalInfoType`: a searchset Bundle, whole.

        What was entered in error is among them and says so: a client that keeps a copy learns of it.
        """
        call, name = _typed(call)
        check_accepted(call)
        wanted = kinds.wanted(name, call.query)
        search, left = self.parse_search(name, (), False, SERVICE), [MOST_RECORDS, MOST_BYTES]

        def keep(record: Record) -> bool:
            if not kinds.is_wanted(decode(record.raw), wanted):
                return False
            left[:] = left[0] - 1, left[1] - len(record.raw)
            if min(left) < 0:
                says = "more would be given than one answer holds"
                raise Refusal(422, says, code="too-costly", todo=f"Ask for one {PARAMETER}, or search under /fhir/R4.")
            return True

        async def use(grant: Grant) -> Answer:
            async with call.connection(self.pool) as conn:
                found = await self.finder.newest(conn, grant, search, MOST_RECORDS + 1, keep)
            entries = [
                (_address(call, name, one.id), keeping.shown(name, one.served, call.at), "match") for one in found
            ]
            links = [("self", f"{call.base_url}{call.path}{_asked(call)}")]
            return Answer(200, searchset(entries, links, len(found)))

        try:
            return await granted(
                call.admit, patient_of(call, self.identify), SERVICE, "search", use, basis=_basis(call), proven=True,
                asked=search_line(name, call.query), piece=f"{name}.s",
            )  # fmt: skip
        except Denied:
            smart.demand(call.caller, name, "s")
            raise

    async def read(self, call: Call) -> Answer:
        """The latest version of one record; absent, hidden and refused are one answer (404)."""
        call, _ = _typed(call)
        check_accepted(call)
        _no_parameters(call)
        id_ = self._id(call) or await no_such_id(call, SERVICE, "read", "r")
        record = await self._read(call, id_)
        if record is None:
            raise absent(call)
        return Answer(
            200,
            keeping.shown(call.parameters["type"], record.served, call.at),
            headers=version_headers(record.version, record.at),
        )

    async def create(self, call: Call) -> Answer:
        """A new record, registered by the caller: profile and id are given here, and who is sent as its recorder must be she."""
        call, name = _typed(call)
        if "if-none-exist" in call.headers:
            says = "a create that depends on what is there is taken under /fhir/R4 alone"
            raise Refusal(400, says, where="If-None-Exist", code="not-supported")
        sent = await self._sent(call, name)
        assert call.caller is not None, "no route of the room is public"
        version = self.book.prepared(recorders.registered(sent, call.caller, call.at), call.at)

        async def use(grant: Grant) -> Written:
            async with call.connection(self.pool) as conn:
                return await self.book.file(conn, grant, version)

        patient = patient_of(call, self.identify)
        try:
            written = await granted(
                call.admit, patient, SERVICE, "file", use, basis=_basis(call), proven=True, piece=f"{name}.c",
                what=version.what,
            )  # fmt: skip
        except Denied as denied:
            refused = not_written(call, denied, patient, version, (version.number, "c"), self.identify, self.book.ids)
            raise refused from denied
        return _written(call, written, version, 201)

    async def update(self, call: Call) -> Answer:
        """A new version, by whoever may register what stood there and what comes, whichever organisation registered it first.

        `If-Match` is demanded. A version that is not the current one is refused (412) with the current one's ETag, and with the
        current one itself where `Prefer: return=representation` asks for it.
        """
        call, name = _typed(call)
        id_ = self._id(call) or await no_such_id(call, SERVICE, "correct", "u", ANY_KIND)
        sent = await self._sent(call, name)
        if sent.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where=f"{name}.id")
        caller, what = call.caller, what_of(content_of(sent))
        assert caller is not None, "no route of the room is public"

        def make(before: Tree) -> Next:
            return self.book.prepared(recorders.changed(sent, before, caller, call.at), call.at)

        try:
            version, written = await self._change(call, id_, "u", what, make)
        except Refusal as refusal:
            if refusal.status == 412 and preferred(call.headers) == "representation":
                return await self._current(call, id_, refusal)
            raise
        return _written(call, written, version, 200)

    async def delete(self, call: Call) -> Answer:
        """The record is entered in error: a new version that says so, by whoever may change it. `If-Match` is demanded."""
        call, _ = _typed(call)
        check_accepted(call)
        id_ = self._id(call) or await no_such_id(call, SERVICE, "correct", "d", ANY_KIND)
        caller = call.caller
        assert caller is not None, "no route of the room is public"

        def make(before: Tree) -> Next:
            tree = keeping.withdrawn(before, caller, call.at)
            return Next.of(encode(tree), tree, call.at)

        _, written = await self._change(call, id_, "d", ANY_KIND, make)
        return Answer(204, headers=(("etag", etag(written.version)),))

    async def _change(
        self, call: Call, id_: UUID, letter: str, what: str, make: Callable[[Tree], Next]
    ) -> tuple[Next, Written]:
        name, expected = call.parameters["type"], demanded_version(call.headers)
        _no_parameters(call)

        async def use(grant: Grant) -> tuple[Next, Written] | None:
            def made(before: Current) -> Next:
                return make(decode(before.raw))

            async with call.connection(self.pool) as conn, conn.transaction():
                named = type_number(name), id_
                return await self.book.change(
                    conn, grant, named, expected, made, lambda: check_header(call, grant, self.identify)
                )

        patient = PatientRef(key=self.book.ids.patient(id_))
        done = await hidden_as_absent(
            call, patient, SERVICE, "correct", letter, use, basis=_basis(call), what=what
        )  # fmt: skip
        if done is None:
            raise absent(call)
        return done

    async def _current(self, call: Call, id_: UUID, refusal: Refusal) -> Answer:
        """The version that stands now, read under the law, in the place of the refusal of a change of another."""
        record = await self._read(call, id_)
        if record is None:
            raise refusal
        here = ("content-location", f"{_address(call, call.parameters['type'], id_)}")
        headers = (*version_headers(record.version, record.at), here, ("preference-applied", "return=representation"))
        return Answer(412, keeping.shown(call.parameters["type"], record.served, call.at), headers=headers)

    async def _read(self, call: Call, id_: UUID) -> Record | None:
        async def use(grant: Grant) -> Record | None:
            if self.identify(call.headers["person-id"]).digest not in grant.asked_about.digests:
                return None
            async with call.connection(self.pool) as conn:
                return await self.reader.read(conn, grant, type_number(call.parameters["type"]), id_)

        patient = PatientRef(key=self.book.ids.patient(id_))
        return await hidden_as_absent(call, patient, SERVICE, "read", "r", use, basis=_basis(call))

    async def _sent(self, call: Call, name: str) -> Tree:
        """What is sent, a resource of R4 of the type that says its kind."""
        check_accepted(call)
        check_sent(call)
        _no_parameters(call)
        tree = keeping.settled(await changing.tree_of(call, self.parse_json))
        await checked(call.body, tree, name, self.guides)
        kinds.profile_of(tree)
        return tree

    def _id(self, call: Call) -> UUID | None:
        """The id of an address; None for what is none, or of a record of another service."""
        id_ = self.book.ids.parse(call.parameters["id"])
        return None if id_ is not None and self.book.ids.is_beside(id_) else id_


def _typed(call: Call) -> tuple[Call, str]:
    """The request in the words of the house, about one type in the singular."""
    name = kinds.type_of(call.parameters["type"])
    return heard(call, type=name), name


def _basis(call: Call) -> str:
    return call.headers["access-basis"]


def _no_parameters(call: Call) -> None:
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")


def _asked(call: Call) -> str:
    return "".join(f"?{key}={value}" for key, value in call.query)


def _address(call: Call, name: str, id_: UUID) -> str:
    return f"{call.base_url}{BASE}/{name}/{id_}"


def _written(call: Call, written: Written, version: Next, status: int) -> Answer:
    # Recorder and date may be of another's version: a token that leaves no read of it is told that it was written.
    is_left = call.caller is None or smart.holds(
        smart.left(call.caller, call.parameters["type"], "r"), version.indexed.tokens
    )
    made = Made(str(written.id), written.version, written.at, version.raw if is_left else b"")
    answer = answer_of(call, BASE, made, status, f"version {written.version} was written", version.advice)
    # The interface has no versions to read, so the address is that of the record.
    here = _address(call, call.parameters["type"], written.id)
    headers = tuple(("location", here) if one == "location" else (one, said) for one, said in answer.headers)
    return Answer(answer.status, answer.body, answer.media_type, headers)
