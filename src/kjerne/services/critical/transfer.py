"""Critical information as a journal's system sends it: a transaction of what its personnel registered there, about one patient.

The same again changes nothing: a record is known by the sender's own identifier. What was changed here since is refused and never
overwritten. Each version that is written has a row of who sent it, by which system and when (law, K134 to K136; decision 71).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from kjerne.store.pool import Connection, Pool
from kjerne.store.records import Current, hold
from kjerne.store.transfers import Names, Sent, Way

BASE: Final = "/api/critical-information/v1"
SCOPE: Final = "kjerne:critical-information-transfer"
BUNDLE_LIMIT_BYTES: Final = 2_000_000
Tree = dict[str, Any]
KindsOf = Callable[[str, date], Awaitable[frozenset[str]]]


class Ready(NamedTuple):
    """An entry that is valid by itself: what the record is called, the digest of what was sent, the resource, and the kinds of
    content that whoever wrote it may register."""

    item: Item
    name: bytes
    said: bytes
    tree: Tree
    may: frozenset[str]


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
    register."""

    pool: Pool
    book: Book
    names: Names
    guides: Guides
    kinds_of: KindsOf

    async def file(
        self, admit: Admit, organisation: str, patient: PatientRef, items: Sequence[Item], system: str, way: Way, at: datetime
    ) -> list[Done]:  # fmt: skip
        """All of it or nothing, in one transaction. `Refusal` 422 with every fault of every entry; 412 for what was changed here
        since; 403 in the words of any sender where nothing is filed about her."""
        ready = await self._ready(items, organisation, at)
        for _ in range(ATTEMPTS):
            try:
                return await self._once(admit, patient, ready, organisation, system, way, at)
            except Stale:
                continue
            except Denied as denied:
                raise not_filed(denied) from denied
            except Refusal as refusal:
                await _tried(admit, patient, refusal)
                raise
        raise unsettled()

    async def patient_of(self, organisation: str, name: str, system: str, value: str) -> int | None:
        """The key of whom a record is about that an organisation sent under an identifier; None where it sent none."""
        called = self.names.of(organisation, name, system, value)
        async with self.pool.acquire() as conn:
            sent = (await transfers.known(conn, [called])).get(called)
        return sent.patient if sent else None

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
            raise Refusal(
                422, "by the personnel register whoever wrote this may not register it",
                where=f"{tree['resourceType']}.{recorders.RECORDERS[tree['resourceType']]}", code="business-rule",
                rule="recorder-may-register",
            )  # fmt: skip
        return may

    async def _once(
        self, admit: Admit, patient: PatientRef, ready: Sequence[Ready], organisation: str, system: str, way: Way, at: datetime
    ) -> list[Done]:  # fmt: skip
        async with self.pool.acquire() as conn:
            lies = await self._lies(conn, ready)
        grants = {action: await self._asked(admit, patient, action, ready) for action in _actions(ready, lies)}
        async with self.pool.acquire() as conn, conn.transaction():
            for grant in grants.values():
                await hold(conn, grant)
            lies = await self._lies(conn, ready)
            if not _actions(ready, lies) <= grants.keys():
                raise Stale
            _check_whose(ready, lies, next(iter(grants.values())))
            done, kept = list[Done](), list[Sent]()
            for one in ready:
                before, stands = lies[one.name]
                try:
                    what, sent = await self._one(conn, grants, one, before, stands, at)
                except Refusal as refusal:
                    if refusal.status in (403, 503):
                        raise
                    raise _of_entry(refusal, one) from refusal
                done.append(what)
                if sent is not None:
                    kept.append(sent._replace(organisation=organisation, system=system, way=way))
            await transfers.keep(conn, kept)
        return done

    async def _lies(self, conn: Connection, ready: Sequence[Ready]) -> dict[bytes, tuple[Sent | None, int]]:
        """By what it is called what was sent of a record last, and the version that stands now (0: it is gone, or never was)."""
        known = await transfers.known(conn, [one.name for one in ready])
        stands = await transfers.standing(conn, known.values(), self.book.types)
        return {
            one.name: (sent, stands.get(sent.id, 0)) if (sent := known.get(one.name)) else (None, 0) for one in ready
        }

    async def _asked(self, admit: Admit, patient: PatientRef, action: Action, ready: Sequence[Ready]) -> Grant:
        content = frozenset(kind for one in ready if one.tree for kind in content_of(one.tree))
        return await admit(patient, SERVICE, action, what=what_of(content))

    async def _one(
        self, conn: Connection, grants: Mapping[Action, Grant], one: Ready, before: Sent | None, stands: int, at: datetime
    ) -> tuple[Done, Sent | None]:  # fmt: skip
        name = one.item.name
        if before is None or not stands:
            if one.item.is_taken_back:
                return Done(204, name, None, 0, None), None
            version = self.book.prepared(recorders.transferred(one.tree, at), at)
            written = await self.book.file(conn, grants["file"], version)
            return Done(201, name, written.id, written.version, written.at, fresh=True), _sent(
                grants["file"], written.id, written.version, version.number, one, written.at
            )
        if before.said == one.said and one.item.expected is None:
            return Done(204 if one.item.is_taken_back else 200, name, before.id, stands, None), None
        expected = one.item.expected or before.version
        with looking_at((before.type, before.id, stands)):
            _check_stands(stands, expected)
        changed = await self.book.change(
            conn, grants["correct"], (before.type, before.id), expected, lambda was: self._next(one, was, at), own=True
        )
        if changed is None:
            raise Refusal(404, "the record is not here any more", where="id")
        version, written = changed
        status = 204 if one.item.is_taken_back else 200
        return Done(status, name, written.id, written.version, written.at, fresh=True), _sent(
            grants["correct"], written.id, written.version, version.number, one, written.at
        )

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


def _actions(ready: Sequence[Ready], lies: Mapping[bytes, tuple[Sent | None, int]]) -> frozenset[Action]:
    """What the law is asked: to change where what stands was sent otherwise; to file for all else, the same again too."""
    return frozenset({"correct" if _changes(one, *lies[one.name]) else "file" for one in ready})


def _changes(one: Ready, before: Sent | None, stands: int) -> bool:
    return before is not None and stands > 0 and (before.said != one.said or one.item.expected is not None)


def _check_stands(stands: int, expected: int) -> None:
    if stands != expected:
        raise Refusal(
            412, "the record was changed here since it was sent", where="If-Match", rule="changed-here-since",
            todo=f'Read it, and send it again with ifMatch W/"{stands}".', headers=(("etag", etag(stands)),),
        )  # fmt: skip


def _check_whose(ready: Sequence[Ready], lies: Mapping[bytes, tuple[Sent | None, int]], grant: Grant) -> None:
    faults = []
    for one in ready:
        before, stands = lies[one.name]
        if before is not None and stands and before.patient not in grant.subject.keys:
            says = "the sender's identifier is that of a record about somebody else"
            faults.append(
                Fault(says, f"Bundle.entry[{one.item.entry.place}].request", "business-rule", "own-identifier")
            )
    check(faults)


def _sent(grant: Grant, id_: UUID, version: int, type_: int, one: Ready, at: datetime) -> Sent:
    return Sent(grant.subject.patient, id_, version, type_, one.name, one.said, "", "", "pushed", at)


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
