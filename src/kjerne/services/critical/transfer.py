"""Critical information as a journal's system sends it: a transaction of what its personnel registered there, about one patient.

The same again changes nothing: a record is known by the sender's own identifier. What was changed here since is refused and never
overwritten. Each version that is written has a row of who sent it, by which system and when (law, K134 to K136; decision 71).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Action, Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import (
    ATTEMPTS,
    SCOPES,
    Admit,
    Answer,
    Call,
    Denied,
    PatientRef,
    Route,
    Stale,
    looking_at,
    not_filed,
    noted,
    unsettled,
)
from kjerne.fhir import smart
from kjerne.fhir.corrections import is_in_error
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.entries import response
from kjerne.fhir.interaction import etag, http_date
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.registries import recorders
from kjerne.registries.contents import content_of, what_of
from kjerne.registries.guides import Guides
from kjerne.registries.naming import patient_of
from kjerne.services.critical import keeping, kinds
from kjerne.services.critical.book import Book
from kjerne.services.critical.headers import heard
from kjerne.services.critical.kinds import SERVICE
from kjerne.services.critical.sent import Item, check, read, told
from kjerne.store import changing, transfers
from kjerne.store.changing import Next, checked
from kjerne.store.journals import OLDER
from kjerne.store.pool import Connection, Pool
from kjerne.store.records import Current, Written, hold
from kjerne.store.transfers import Names, Sent, Way

BASE: Final = "/api/critical-information/v1"
SCOPE: Final = "kjerne:critical-information-transfer"
NARROWER: Final = "scope-narrower"
"""The law's rule of a token whose SMART scopes leave nothing of what is asked."""
BUNDLE_LIMIT_BYTES: Final = 2_000_000
Tree = dict[str, Any]
KindsOf = Callable[[str, date], Awaitable[frozenset[str]]]
IsHers = Callable[[str, Collection[bytes]], Awaitable[bool]]
Held = Callable[[Connection], Awaitable[None]]
"""What a transaction asks before it files: it raises where the work is in other hands by now."""


class Ready(NamedTuple):
    """An entry that is valid by itself: what the record is called, the digest of what was sent, the resource, and the kinds of
    content that whoever wrote it may register."""

    item: Item
    name: bytes
    said: bytes
    tree: Tree
    may: frozenset[str]

    @property
    def is_in_error(self) -> bool:
        """Whether it says that the record was entered in error."""
        return self.item.is_taken_back or is_in_error(self.tree)


class Lies(NamedTuple):
    """How it lies with a record: what was sent of it last, the version that stands now (0: it is gone, or never was), and whether
    that says that it was entered in error. What comes then stands as a new record."""

    before: Sent | None
    stands: int
    is_over: bool

    def is_same(self, one: Ready) -> bool:
        """Whether this was sent last, and whatever stands is left."""
        return self.before is not None and self.before.said == one.said and one.item.expected is None

    def is_changed_by(self, one: Ready) -> bool:
        return self.before is not None and self.stands > 0 and not self.is_over and not self.is_same(one)


class Over(Exception):
    """A record was found to be entered in error."""

    def __init__(self, id_: UUID) -> None:
        super().__init__()
        self.id = id_


class Done(NamedTuple):
    """What became of an entry; `fresh` where a version was written."""

    status: int
    type: str
    id: UUID | None
    version: int
    at: datetime | None
    fresh: bool = False


@dataclass(frozen=True)
class Transfers:
    """Takes what was sent. `kinds_of` says what a health worker (HPR number) could register on a day, by the personnel
    register, and `is_hers` whether she is the one whom one of these digests names."""

    pool: Pool
    book: Book
    names: Names
    guides: Guides
    kinds_of: KindsOf
    is_hers: IsHers

    async def file(
        self, admit: Admit, organisation: str, patient: PatientRef, items: Sequence[Item], system: str, way: Way, at: datetime,
        held: Held | None = None, over: Collection[UUID] = (),
    ) -> list[Done]:  # fmt: skip
        """All of it or nothing, in one transaction, in which `held` is asked first. `Refusal` 422 with every fault of each entry;
        412 for what was changed here since; 409 for what its source wrote before what is filed already; 403 in the words of any
        sender where nothing is filed about her. `over` are records that this identifier named and names no more."""
        ready, over = await self._ready(items, organisation, at), set(over)
        for _ in range(ATTEMPTS + len(ready)):
            try:
                return await self._once(admit, patient, ready, organisation, system, way, at, over, held)
            except Stale:
                continue
            except Over as found:
                over = {*over, found.id}
            except Denied as denied:
                if denied.denial.rule == NARROWER:
                    # Asked before anything that is hers: it is told alike about everybody.
                    raise smart.refused("the SMART scopes of the token do not leave what is sent") from denied
                raise not_filed(denied) from denied
            except Refusal as refusal:
                await _tried(admit, patient, refusal)
                raise
        raise unsettled()

    async def last_sent(self, organisation: str, name: str, system: str, value: str) -> Sent | None:
        """What an organisation sent last under an identifier; None where it sent nothing."""
        called = self.names.of(organisation, name, system, value)
        async with self.pool.acquire() as conn:
            return (await transfers.known(conn, [called])).get(called)

    async def is_about(self, sent: Sent, patient: PatientRef) -> bool:
        """Whether what was sent is filed with this person, whichever of her numbers names her."""
        async with self.pool.acquire() as conn:
            return await transfers.is_whose(conn, sent.patient, patient.digest)

    async def _ready(self, items: Sequence[Item], organisation: str, at: datetime) -> list[Ready]:
        found: list[Ready] = []
        faults: list[Fault] = []
        for item in items:
            try:
                found.append(await self._valid(item, organisation, at))
            except Refusal as refusal:
                faults += told(refusal, item.entry)
        check(faults)
        return found

    async def _valid(self, item: Item, organisation: str, at: datetime) -> Ready:
        name = self.names.of(organisation, item.name, item.system, item.value)
        if item.is_taken_back:
            return Ready(item, name, self.names.said(b""), {}, frozenset())
        tree = keeping.settled(item.entry.tree)
        await checked(item.entry.raw, tree, item.name, self.guides)
        may = await self._may(tree, at)
        self.book.prepared(recorders.transferred(tree, at), at)
        return Ready(item, name, self.names.said(item.entry.raw), tree, may)

    async def _may(self, tree: Tree, at: datetime) -> frozenset[str]:
        """What who wrote this version could register; `Refusal` 422 where that is not all of it (law, K135)."""
        hpr, said = recorders.author_of(tree)
        try:
            day = min(date.fromisoformat(said), at.astimezone(UTC).date())
        except ValueError:
            day = at.astimezone(UTC).date()
        may = await self.kinds_of(hpr, day) if hpr else frozenset()
        kinds.profile_of(tree)
        if not may.issuperset(content_of(tree)):
            raise _may_not(tree)
        return may

    async def _check_own(self, ready: Sequence[Ready], grant: Grant) -> None:
        """`Refusal` 422 where the patient herself is one of those who answer for it (law, K45). To enter it in error is let: it
        puts that right."""
        faults: list[Fault] = []
        for one in ready:
            who = frozenset[str]() if one.is_in_error else recorders.answering(one.tree)
            if any([await self.is_hers(hpr, grant.subject.digests) for hpr in sorted(who)]):
                faults += told(_may_not(one.tree), one.item.entry)
        check(faults)

    async def _once(
        self, admit: Admit, patient: PatientRef, ready: Sequence[Ready], organisation: str, system: str, way: Way, at: datetime,
        over: Collection[UUID], held: Held | None,
    ) -> list[Done]:  # fmt: skip
        async with self.pool.acquire() as conn:
            lies = await self._lies(conn, ready, over)
        grants = {action: await self._asked(admit, patient, action, ready) for action in _actions(ready, lies)}
        await self._check_own(ready, next(iter(grants.values())))
        async with self.pool.acquire() as conn, conn.transaction():
            for grant in grants.values():
                await hold(conn, grant)
            if held is not None:
                await held(conn)
            lies = await self._lies(conn, ready, over)
            if not _actions(ready, lies) <= grants.keys():
                raise Stale
            _check_whose(ready, lies, next(iter(grants.values())))
            done, kept = list[Done](), list[Sent]()
            for one in ready:
                try:
                    what, sent = await self._one(conn, grants, one, lies[one.name], at)
                except Refusal as refusal:
                    if refusal.status in (403, 503):
                        raise
                    raise _of_entry(refusal, one) from refusal
                done.append(what)
                if sent is not None:
                    kept.append(sent._replace(organisation=organisation, system=system, way=way))
            await transfers.keep(conn, kept)
        return done

    async def _lies(self, conn: Connection, ready: Sequence[Ready], over: Collection[UUID]) -> dict[bytes, Lies]:
        """By what it is called how it lies with a record. `over` are those that were found to be entered in error by hand."""
        known = await transfers.known(conn, [one.name for one in ready])
        stands = await transfers.standing(conn, known.values(), self.book.types)
        found = dict[bytes, Lies]()
        for one in ready:
            sent = known.get(one.name)
            number = stands.get(sent.id, 0) if sent else 0
            is_over = sent is not None and (sent.id in over or (sent.in_error and sent.version == number))
            found[one.name] = Lies(sent, number, is_over)
        return found

    async def _asked(self, admit: Admit, patient: PatientRef, action: Action, ready: Sequence[Ready]) -> Grant:
        content = frozenset(kind for one in ready if one.tree for kind in content_of(one.tree))
        return await admit(patient, SERVICE, action, what=what_of(content))

    async def _one(
        self, conn: Connection, grants: Mapping[Action, Grant], one: Ready, lies: Lies, at: datetime
    ) -> tuple[Done, Sent | None]:  # fmt: skip
        name, (before, stands, is_over) = one.item.name, lies
        if before is not None and stands and (lies.is_same(one) or (is_over and one.is_in_error)):
            if one.item.updated is not None:
                await transfers.later(conn, before, one.item.updated)
            return Done(204 if one.item.is_taken_back else 200, name, before.id, stands, None), None
        _check_newer(one, before)
        if before is None or not stands or is_over:
            if one.item.is_taken_back:
                return Done(204, name, None, 0, None), None
            if one.item.expected is not None:
                _check_stands(stands, one.item.expected)
            version = self.book.prepared(recorders.transferred(one.tree, at), at)
            written = await self.book.file(conn, grants["file"], version)
            return Done(201, name, written.id, written.version, written.at, fresh=True), _sent(
                grants["file"], written.id, written.version, version.number, one, written.at
            )
        version, written = await self._changed(conn, grants["correct"], one, before, stands, at)
        status = 204 if one.item.is_taken_back else 200
        return Done(status, name, written.id, written.version, written.at, fresh=True), _sent(
            grants["correct"], written.id, written.version, version.number, one, written.at, before.updated
        )

    async def _changed(
        self, conn: Connection, grant: Grant, one: Ready, before: Sent, stands: int, at: datetime
    ) -> tuple[Next, Written]:
        """`Over` where what stands was entered in error by hand. That is never undone: to take it back is nothing more, and what
        its source holds to, having seen that, stands as a new record."""
        expected, named = one.item.expected or before.version, (before.type, before.id)

        def make(was: Current) -> Next:
            _check_stands(stands, expected)
            return self._next(one, was, at)

        if not one.item.is_taken_back:
            with looking_at((*named, stands)):
                _check_stands(stands, expected)
        try:
            changed = await self.book.change(conn, grant, named, stands, make, own=True)
        except Refusal as refusal:
            raise Over(before.id) if refusal.status == 410 else refusal from refusal
        if changed is None:
            smart.demand_whole(grant.caller, (one.item.name,), "u")
            raise Refusal(404, "the record is not here any more", where="id")
        return changed

    def _next(self, one: Ready, was: Current, at: datetime) -> Next:
        before = decode(was.raw)
        if one.item.is_taken_back:
            tree = keeping.in_error(dict(before))
            return Next.of(encode(tree), tree, at)
        if not one.may.issuperset(content_of(before)):
            raise Refusal(
                422, "by the personnel register whoever wrote this may not change what stands there",
                where=f"{one.item.name}.{recorders.RECORDERS[one.item.name]}", code="business-rule", rule="recorder-may-register",
            )  # fmt: skip
        return self.book.prepared(recorders.transferred(one.tree, at, before), at)


@dataclass(frozen=True)
class TransferApi:
    """The handler. `parse` reads a Bundle."""

    transfers: Transfers
    parse: Callable[[bytes], Tree]
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        return [Route("POST", BASE, self.take, SCOPE, "fhir", body_limit_bytes=BUNDLE_LIMIT_BYTES)]

    async def take(self, call: Call) -> Answer:
        """The Bundle of answers, in the order of the entries."""
        call = heard(call)
        check_accepted(call)
        check_sent(call)
        if call.query:
            raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")
        assert call.caller is not None, "no route of the room is public"
        if call.caller.kind != "system":
            raise Refusal(403, "a transaction comes from a journal's own system", where="scope")
        items = await changing.read(call.body, lambda: self._read(call.body, f"{call.base_url}{BASE}"))
        source = call.headers.get("nhn-source-system") or call.headers.get("hit-source-system", "")
        patient = patient_of(call, self.identify)
        done = await self.transfers.file(
            call.admit, call.caller.organisation, patient, items, source.strip(), "pushed", call.at
        )  # fmt: skip
        return Answer(200, response("transaction", [_answer(call, one) for one in done]))

    def _read(self, body: bytes, base: str) -> list[Item]:
        return read(self.parse(body), body, base)


async def _tried(admit: Admit, patient: PatientRef, refusal: Refusal) -> None:
    """What stands in her log of a Bundle that was refused for what lies there, or by the token's own SMART scopes (K82)."""
    if refusal.rule == SCOPES:
        await noted(admit, patient, SERVICE, "file", "", "!")
    elif refusal.looked_at is not None:
        await noted(admit, patient, SERVICE, "correct", "", "=", named=refusal.looked_at)


def _actions(ready: Sequence[Ready], lies: Mapping[bytes, Lies]) -> frozenset[Action]:
    """What the law is asked: to change where what stands was sent otherwise; to file for all else, the same again too, and what
    comes again after it was entered in error."""
    return frozenset({"correct" if lies[one.name].is_changed_by(one) else "file" for one in ready})


def _check_newer(one: Ready, before: Sent | None) -> None:
    told_, stands = one.item.updated, before.updated if before else None
    if told_ is not None and stands is not None and told_ < stands:
        raise Refusal(409, OLDER, where=f"{one.item.name}.meta.lastUpdated", code="conflict", rule="older-than-before")


def _check_stands(stands: int, expected: int) -> None:
    if stands != expected:
        raise Refusal(
            412, "the record was changed here since it was sent", where="If-Match", rule="changed-here-since",
            todo=f'Read it, and send it again with ifMatch W/"{stands}".', headers=(("etag", etag(stands)),),
        )  # fmt: skip


def _check_whose(ready: Sequence[Ready], lies: Mapping[bytes, Lies], grant: Grant) -> None:
    """What an identifier means is one patient's record until its sender has taken that back."""
    faults = []
    for one in ready:
        before, stands, is_over = lies[one.name]
        is_free = is_over and not (lies[one.name].is_same(one) or one.is_in_error)
        if before is not None and stands and not is_free and before.patient not in grant.subject.keys:
            says = "the sender's identifier is that of a record about somebody else: take that back first, by DELETE about her"
            faults.append(
                Fault(says, f"Bundle.entry[{one.item.entry.place}].request", "business-rule", "own-identifier")
            )
    check(faults)


def _sent(
    grant: Grant, id_: UUID, version: int, type_: int, one: Ready, at: datetime, before: datetime | None = None
) -> Sent:  # fmt: skip
    updated = one.item.updated or before
    sent = Sent(grant.subject.patient, id_, version, type_, one.name, one.said, "", "", "pushed", at)
    return sent._replace(updated=updated, in_error=one.is_in_error)


def _may_not(tree: Tree) -> Refusal:
    element = recorders.RECORDERS[tree["resourceType"]]
    return Refusal(
        422, "by the personnel register whoever wrote this may not register it", where=f"{tree['resourceType']}.{element}",
        code="business-rule", rule="recorder-may-register",
    )  # fmt: skip


def _of_entry(refusal: Refusal, one: Ready) -> Refusal:
    first, *rest = told(refusal, one.item.entry)
    return Refusal(
        refusal.status, first.says, where=first.where, todo=refusal.todo, code=refusal.code, fault=first, faults=tuple(rest),
        headers=refusal.headers, looked_at=refusal.looked_at,
    )  # fmt: skip


def _answer(call: Call, one: Done) -> Answer:
    headers: list[tuple[str, str]] = []
    if one.id is not None:
        headers.append(("location", f"{call.base_url}{BASE}/{one.type}/{one.id}/_history/{one.version}"))
        headers.append(("etag", etag(one.version)))
    if one.at is not None:
        headers.append(("last-modified", http_date(one.at)))
    return Answer(one.status, headers=tuple(headers))
