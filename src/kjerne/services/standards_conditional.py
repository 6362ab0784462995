"""Writes that depend on what is there, and deletion (R4 http.html#ccreate, #cond-update, #delete).

Criteria are those of a search, inside one patient's record, and are answered by what the caller's own organisation filed
(`store.matching`). Search and write are one transaction that holds the patient's row: two at once make one record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import (
    ANY_KIND,
    NOT_REGISTERED,
    Answer,
    Call,
    Denied,
    Joined,
    Pairs,
    PatientRef,
    Route,
    any_of,
    granted,
    looking_at,
    not_filed,
    noted,
)
from kjerne.fhir import smart
from kjerne.fhir.bundle import search_line
from kjerne.fhir.criteria import is_linked
from kjerne.fhir.interaction import (
    OF_A_WRITE,
    Made,
    absent,
    answer_of,
    basis_of,
    check_seen,
    criteria_in,
    deleted,
    hidden_as_absent,
    known,
    no_such_id,
    sent_version,
)
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.search import Search, plan
from kjerne.registries.contents import must_register
from kjerne.registries.guides import Guides
from kjerne.registries.homes import row_number
from kjerne.registries.identifiers import stands_in
from kjerne.registries.naming import check_header, check_subject, in_address, patient_of
from kjerne.store import audit, changing, limits, marking
from kjerne.store.changing import Changer, Next, checked, not_written, registering, settle_new
from kjerne.store.finding import Finder
from kjerne.store.kept import Kept
from kjerne.store.matching import Match, at_key, check_apart, the_one
from kjerne.store.patient_ids import about_whom, check_reference, named_in, ref
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Reader
from kjerne.store.records import Change, Records, Written, expect, hold
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
RESOURCE_LIMIT_BYTES: Final = 2_000_000
_SAYS_THERE: Final = "a record answers the criteria already, and nothing was written"
Tree = dict[str, Any]


@dataclass(frozen=True)
class ConditionalApi:
    """Handlers. `kept` says which service keeps a record, `types` what each service keeps, `writes` the scopes that
    each type asks for."""

    pool: Pool
    ids: SealedIds
    reader: Reader
    records: Records
    finder: Finder
    kept: Kept
    types: Mapping[str, Sequence[int]]
    type_of: Callable[[str], int]
    parse_json: Callable[[bytes], Tree]
    parse_search: Callable[[str, Pairs, bool], Search]
    identify: Callable[[str], PatientRef]
    writes: Mapping[str, str]
    guides: Guides

    def routes(self) -> list[Route]:
        at = BASE + "/{type}"
        changes = partial(Route, needs=any_of(self.writes), errors="fhir", by_type=self.writes, joins=True)
        return [
            changes("PUT", at, self.update, body_limit_bytes=RESOURCE_LIMIT_BYTES),
            changes("DELETE", at, self.delete_found),
            changes("DELETE", at + "/{id}", self.delete),
        ]

    async def create(self, call: Call, sent: Next) -> Answer:
        """A new record, if none answers `If-None-Exist`; the one that does is told by its address, and nothing is written."""
        name = call.parameters["type"]
        pairs = criteria_in(call.headers["if-none-exist"])
        search = self._criteria(name, pairs, "If-None-Exist")

        async def use(grant: Grant) -> tuple[Made, int]:
            limits.must_hold(call.caller, sent.number, sent.indexed.tokens, "c")
            version = registering(sent, grant)
            check_subject(version.tree, grant, self.identify)
            check_reference(self.ids, version.tree, grant.subject.keys)
            async with call.connection(self.pool) as conn:
                await note(conn, grant.once)
                async with conn.transaction():
                    await hold(conn, grant)
                    found = await the_one(conn, grant, self.finder, search, "c")
                    if found is None:
                        return await self._created(conn, grant, version, call.joined), 201
                    # Nothing was filed. Its line names what answered, and so is hidden from whom that is.
                    named = [(version.number, found.id, found.version)]
                    await audit.insert(conn, audit.met(grant), named)
                    return Made(str(found.id), found.version, found.at), 200

        patient = named_in(call, self.identify, self.ids, sent.tree)
        try:
            made, status = await granted(
                call.admit, patient, sent.service, "file", use, basis=basis_of(call), proven=True, piece=f"{name}.c",
                asked=search_line(name, pairs), what=sent.what,
            )  # fmt: skip
        except Denied as denied:
            raise not_written(call, denied, patient, sent, (sent.number, "c"), self.identify, self.ids) from denied
        says, advice = ("version 1 was written", sent.advice) if status == 201 else (_SAYS_THERE, ())
        return answer_of(call, BASE, made, status, says, advice)

    async def update(self, call: Call) -> Answer:
        """A new version of the record that answers the criteria of the address, or a new record where none does.

        `If-Match` is demanded where there is one, as of any update: what stands there is not replaced unseen.
        """
        name = call.parameters["type"]
        self.type_of(name)
        check_accepted(call)
        check_sent(call)
        pairs = in_address(call)
        search = self._criteria(name, pairs, "query")
        tree = await changing.tree_of(call, self.parse_json)
        advice = await checked(call.body, tree, name, self.guides)
        version, expected = Next.of(call.body, tree, call.at, advice), sent_version(call.headers)
        self.kept.check_files(call.caller, name, version.service)
        type_, asked = version.number, partial(self._asked, call, version.service)

        async def use(grant: Grant) -> tuple[Made, int] | None:
            limits.must_hold(call.caller, type_, version.indexed.tokens, "u")
            must_register(grant.registers, version.content)
            check_subject(tree, grant, self.identify)
            check_reference(self.ids, tree, grant.subject.keys)
            async with call.connection(self.pool) as conn, conn.transaction():
                await hold(conn, grant)
                found = await the_one(conn, grant, self.finder, search, "u")
                check_apart(call.joined, plan(search, at=call.at), type_, grant.subject.keys)
                if found is not None:
                    return await self._changed(conn, grant, call, version, found, expected), 200
                if grant.action != "file":
                    return None
                with looking_at():
                    _check_new(name, tree, expected)
                    made = registering(version, grant)
                return await self._created(conn, grant, made, call.joined), 201

        patient = named_in(call, self.identify, self.ids, tree)
        try:
            # What lies there is put right also where nothing new is filed (K19), so that is asked first.
            done = await asked(patient, "correct", "u", use, pairs, version.what)
            made, status = done or await asked(patient, "file", "u", use, pairs, version.what)
        except Denied as denied:
            refusal = not_written(call, denied, patient, version, (type_, "u"), self.identify, self.ids)
            if not denied.denial.of_caller:
                _check_new(name, tree, expected)
            raise refusal from denied
        return answer_of(call, BASE, made, status, f"version {made.version} was written", advice)

    async def delete_found(self, call: Call) -> Answer:
        """Deletes the record that answers the criteria of the address; where none does there is nothing to do."""
        name = call.parameters["type"]
        self.type_of(name)
        check_accepted(call)
        pairs, service = in_address(call), self.kept.by_criteria(call.caller, name)
        key, criteria = self._whom(call, pairs)
        search, expected = self._criteria(name, criteria, "query"), sent_version(call.headers)

        async def use(grant: Grant) -> Written | None:
            async with call.connection(self.pool) as conn, conn.transaction():
                await hold(conn, grant)
                found = await the_one(conn, grant, self.finder, search, "d")
                type_ = row_number(name, service)
                check_apart(call.joined, plan(search, at=call.at), type_, grant.subject.keys)
                if found is None:
                    return None
                changer, named = self._changer(grant, call.joined), (type_, found.id)
                return await changer.take_away(conn, at_key(grant, found.patient), named, expected)

        patient, gone = self._patient(call, "", key), None
        try:
            gone = await self._asked(call, service, patient, "correct", "d", use, pairs, ANY_KIND)
            if gone is None:
                asked = search_line(name, pairs)
                await noted(
                    call.admit, patient, service, "correct", f"{name}.d", "?", basis=basis_of(call), asked=asked,
                    what=ANY_KIND,
                )  # fmt: skip
        except Denied as denied:
            # Where no choice may be told nothing is there, and so there is nothing to delete: no write is lost by saying so.
            if denied.denial.caller.kind == "practitioner" and denied.denial.rule != NOT_REGISTERED:
                raise
            smart.demand(call.caller, name, "d")
            # Of whom no register knows there is nothing to delete, as of anybody else (K13).
            if denied.denial.of_caller:
                raise not_filed(denied) from denied
        return deleted(call, gone.version, f"{BASE}/{name}/{gone.id}") if gone else deleted(call, 0)

    async def stands(self, call: Call, name: str, id_: UUID) -> bool:
        """Whether a record is one that the caller's organisation filed, and that is not shut to the caller (K86): a refusal or
        a line in the patient's log either way."""
        service, type_, patient = self.kept.service(name, id_), self.kept.number(name, id_), self.ids.patient(id_)
        call = msgspec.structs.replace(call, parameters={"type": name})

        async def use(grant: Grant) -> bool | None:
            async with call.connection(self.pool) as conn, conn.transaction():
                if await self.records.marks(conn, grant, type_, id_) is None:
                    return None
                current = await self.records.current(conn, grant, type_, id_)
                await audit.insert(conn, audit.met(grant), [(type_, id_, current.version)])
                return True

        law = partial(hidden_as_absent, call)
        return bool(await law(ref(patient), service, "correct", "u", use, basis=basis_of(call), what=ANY_KIND))

    async def named(self, call: Call, text: str, number: str, key: int) -> str:
        """`Type/id` of the record that a conditional reference (`Specimen?identifier=...`) means, of those that the caller's
        organisation filed about who is meant by header, `number` or key; `Refusal` 412 where it is not one."""
        name, _, criteria = text.partition("?")
        self.type_of(name)
        pairs, service = criteria_in(criteria, "reference"), self.kept.by_criteria(call.caller, name)
        said, rest = self._whom(call, pairs)
        if not number and key in (0, said):
            key = said
        else:
            rest = pairs  # whom the record itself names is not asked for by criteria
        search, asked = self._criteria(name, rest, "reference"), search_line(name, pairs)
        if any(stands_in(value) for _, value in pairs):
            raise Refusal(422, "a person number never stands in a reference", where="reference")

        async def use(grant: Grant) -> Match | None:
            async with call.connection(self.pool) as conn, conn.transaction():
                await hold(conn, grant)
                found = await the_one(conn, grant, self.finder, search, "s")
                if found is not None:
                    await audit.insert(conn, audit.met(grant), [(row_number(name, service), found.id, found.version)])
                return found

        patient, found = self._patient(call, number, key), None
        law = partial(granted, call.admit, patient, service, "correct", use, basis=basis_of(call), proven=True)
        try:
            found = await law(piece=f"{name}.s", asked=asked, what=ANY_KIND)
            if found is None:
                await noted(
                    call.admit, patient, service, "correct", f"{name}.s", "?", basis=basis_of(call), asked=asked,
                    what=ANY_KIND,
                )  # fmt: skip
        except Denied as denied:
            # Where no choice may be told nothing is there to refer to.
            if denied.denial.caller.kind == "practitioner" and denied.denial.rule != NOT_REGISTERED:
                raise
            smart.demand(call.caller, name, "s")
            if denied.denial.of_caller:
                raise not_filed(denied) from denied
        if found is None:
            says = "no record that you have filed answers a reference"
            raise Refusal(412, says, where="reference", todo="File it first, or in the same transaction.")
        return f"{name}/{found.id}"

    async def delete(self, call: Call) -> Answer:
        """Deletes a record that the caller's organisation filed; once more is the same. To any other it is absent (404)."""
        name = call.parameters["type"]
        self.type_of(name)
        check_accepted(call)
        id_, expected = self.ids.parse(call.parameters["id"]), sent_version(call.headers)
        service = self.kept.service(name, id_)
        if id_ is None:
            await no_such_id(call, service, "correct", "d", ANY_KIND)
        type_ = self.kept.number(name, id_)
        known(call, call.query, OF_A_WRITE)

        async def use(grant: Grant) -> tuple[Written | None] | None:
            check = partial(check_header, call, grant, self.identify)
            async with call.connection(self.pool) as conn, conn.transaction():
                gone = await self._changer(grant, call.joined).take_away(conn, grant, (type_, id_), expected, check)
                known = gone is not None or await self.records.is_taken_away(conn, grant, type_, id_)
                return (gone,) if known else None

        patient = PatientRef(key=self.ids.patient(id_))
        done = await hidden_as_absent(call, patient, service, "correct", "d", use, basis=basis_of(call), what=ANY_KIND)
        if done is None:
            raise absent(call)
        return deleted(call, done[0].version if done[0] else 0)

    async def _created(self, conn: Connection, grant: Grant, version: Next, joined: Joined | None) -> Made:
        id_ = self.kept.new_id(grant.subject.patient, version.tree)
        shut = version.shut
        change = Change(
            version.number,
            id_,
            version.raw,
            version.indexed,
            shut.labels,
            shut.opens,
            expected=0,
            kinds=version.kinds,
        )
        put = partial(self.records.put, conn, grant, [change])
        (written,) = await marking.filing(conn, grant, self.reader, self.types[grant.service], put)
        await self.records.pointers.follow(conn, grant, (version.number, id_), None, version.tree, joined)
        await settle_new(conn, grant, self.reader, self.types[grant.service], version, joined)
        return Made(str(id_), written.version, written.at, version.raw)

    async def _changed(
        self, conn: Connection, grant: Grant, call: Call, version: Next, found: Match, expected: int | None
    ) -> Made:  # fmt: skip
        with looking_at((version.number, found.id, found.version)):
            if version.tree.get("id", str(found.id)) != str(found.id):
                says = "the id in the body is not that of the record which answers the criteria"
                raise Refusal(400, says, where=f"{call.parameters['type']}.id")
            check_seen(grant.caller, expected, found.version)
        there = at_key(grant, found.patient)
        named: tuple[int, UUID] = version.number, found.id
        changed = await self._changer(there, call.joined).change(conn, there, named, expected, lambda _: version)
        assert changed is not None
        return Made(str(found.id), changed[1].version, changed[1].at, changing.leaves(call, *changed))

    def _changer(self, grant: Grant, joined: Joined | None) -> Changer:
        return Changer(self.ids, self.records, self.reader, self.types[grant.service], self.identify, joined)

    async def _asked(
        self,
        call: Call,
        service: str,
        patient: PatientRef,
        action: Any,
        letter: str,
        use: Callable[[Grant], Any],
        pairs: Pairs,
        what: str,
    ) -> Any:
        """What `use` gives under the law, asked about `what` kind of content, with the criteria in the log."""
        name = call.parameters["type"]
        return await granted(
            call.admit, patient, service, action, use, basis=basis_of(call), proven=True,
            piece=f"{name}.{letter}", asked=search_line(name, pairs), what=what,
        )  # fmt: skip

    def _criteria(self, name: str, pairs: Pairs, where: str) -> Search:
        """A search that says which record is meant; `Refusal` 400 for none, and for what only shapes an answer."""
        search = self.parse_search(name, pairs, False)
        if not search.criteria:
            raise Refusal(400, "no criteria say which record is meant", where=where, code="required")
        if len(search.criteria) != len(pairs):
            raise Refusal(400, "a condition has criteria alone", where=where, code="not-supported")
        if any(is_linked(one) for one in search.criteria):
            # What is at the far end may be another source's, of which no condition tells.
            raise Refusal(
                400, "a condition has no chain, and no codes but those that R4 lists", where=where, code="not-supported"
            )
        return search

    def _whom(self, call: Call, pairs: Pairs) -> tuple[int, Pairs]:
        """The key of whom criteria name by her address where the header names nobody, and the rest of them; 0 for nobody."""
        whom = about_whom(self.ids, () if call.headers.get("person-id") else pairs)
        return (0, pairs) if whom.key is None or whom.of_her else (whom.key, whom.rest)

    def _patient(self, call: Call, number: str, key: int) -> PatientRef:
        """Whom the header names, or else a body or an address (by number or key), which is held to the header's person later."""
        if call.headers.get("person-id"):
            return patient_of(call, self.identify)
        return ref(key) if key and not number else patient_of(call, self.identify, number)


def _check_new(name: str, tree: Tree, expected: int | None) -> None:
    """A record that no criteria find is new: it can have neither an id nor a version that was seen."""
    if expected is not None:
        expect(expected, 0)
    if "id" in tree:
        says = "no record answers the criteria, and the server makes the id of a new one"
        raise Refusal(400, says, where=f"{name}.id", todo="Leave the id out.")
