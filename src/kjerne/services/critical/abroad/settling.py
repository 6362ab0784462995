"""Patient summaries from abroad under a `Grant`, by whichever way it was asked for: brought, opened beside the record, settled
entry by entry, and taken back.

Nothing is taken in by itself. Whoever settles an entry has seen the entry, its last step and every record of its type as they
stand: where one of those is another by now, the decision is refused (412) and shown anew. What becomes a record here goes by the
same book and rules as a registration (law, K146 to K149; decision 76).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import blake2b, sha256
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID, uuid4

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.registries import recorders
from kjerne.registries.contents import what_of
from kjerne.registries.guides import Guides
from kjerne.registries.identifiers import holds_a_number, parse
from kjerne.registries.named import named_in
from kjerne.registries.wording import says_something
from kjerne.services.critical.abroad import identity, reading
from kjerne.services.critical.abroad.reading import Document, Foreign
from kjerne.services.critical.abroad.reconciling import Compared, compared, other_codes, proposed, says_several
from kjerne.services.critical.abroad.refusing import refused
from kjerne.services.critical.groups import Means
from kjerne.services.critical.kinds import TYPES
from kjerne.services.critical.related import Related
from kjerne.store import abroad, changing
from kjerne.store.abroad import WHOLE, Digests, Held, Media, Said, Step, Told
from kjerne.store.codec import Wrap
from kjerne.store.patients import Patients
from kjerne.store.people import People
from kjerne.store.pool import Connection
from kjerne.store.records import Written, hold
from kjerne.store.writing_down import write_down

Tree = dict[str, Any]
Parse = Callable[[bytes, Media], Tree]
Deed = Literal["take-in", "same-as", "leave-out"]
DEEDS: Final[tuple[Deed, ...]] = ("take-in", "same-as", "leave-out")
REASON_SHORTEST: Final = 8
REASON_LONGEST: Final = 1_000
SOURCE: Final = "urn:uuid:"
_BARS: Final[Mapping[str, str]] = {
    "no-subject": "does not lead to whom the document is about",
    "modified": "has something that is not known here and may change what it means",
    "not-done": "says that it was not done",
}


class Brought(NamedTuple):
    """A document as it came. `country` is where it is said to come from, `system` what it was sent with, `confirmed` the parts of
    her identity that a clinician has confirmed."""

    raw: bytes
    media: Media
    country: str
    system: str
    confirmed: frozenset[str]


class Decision(NamedTuple):
    """What a clinician decides about an entry: of `take-in` the resource that is registered (None: as it was proposed), of
    `same-as` the id of the record, of `leave-out` why."""

    deed: Deed
    resource: Tree | None = None
    record: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A document beside what is registered. `tags` are what a decision must have seen, by place; `before` are decisions about the
    same content in another version of the document."""

    held: Held
    document: Document
    entries: tuple[Compared, ...]
    tags: Mapping[int, str]
    before: Mapping[int, Step] = field(default_factory=dict)
    is_anothers: bool = False
    """Whether it names somebody else by a national number. Then nothing of it is told, and it can be taken back alone."""

    def at(self, place: int) -> Compared | None:
        return next((one for one in self.entries if one.foreign.place == place), None)

    @property
    def open_places(self) -> tuple[int, ...]:
        """The entries that nobody has decided about."""
        return tuple(one.foreign.place for one in self.entries if self.held.last(one.foreign.place) is None)


@dataclass(frozen=True)
class Abroad:
    """What is known of them in one house. `parse` reads bytes strictly, by their media type; `kinds` says what an authorisation
    may register, by the service's law: whoever may register anything brings documents and settles their entries (law, K146).
    `are_two` says whether codes of ATC are known to be of two substances."""

    wrap: Wrap
    patients: Patients
    people: People
    related: Related
    digests: Digests
    guides: Guides
    parse: Parse
    identify: Callable[[str], PatientRef]
    kinds: Callable[[str], frozenset[str]]
    are_two: Callable[[Connection, Collection[str], Collection[str]], Awaitable[bool]]

    def what(self, caller: Caller | None) -> str:
        """As the law is asked about what is brought and settled: all that the caller's role may register."""
        return what_of(self.kinds(caller.authorization if caller else ""))

    async def understood(self, brought: Brought, now: datetime) -> Document:
        """The document in the bytes. `Refusal` 400 or 422 with what is wrong with it."""
        return await changing.read(brought.raw, partial(self._first_read, brought.raw, brought.media, now))

    def _first_read(self, raw: bytes, media: Media, now: datetime) -> Document:
        """As `_read`, of what has not been taken in yet: production takes no test data (law, K200)."""
        tree = self.parse(raw, media)
        document = reading.read(tree, now)
        self.guides.made_up.check_labels(tree, "Bundle")
        for place, one in enumerate(tree["entry"]):
            self.guides.made_up.check_labels(one["resource"], f"Bundle.entry[{place}].resource")
        return document

    def _read(self, raw: bytes, media: Media, now: datetime) -> Document:
        return reading.read(self.parse(raw, media), now)

    async def bring(self, conn: Connection, grant: Grant, brought: Brought, document: Document) -> tuple[Held, bool]:
        """The document as it is kept, and whether it is new: the same bytes again are the same document. A newer version of one
        that is kept replaces it.

        `Refusal` as of `identity.check`; 409 where a newer version is kept, or the document was taken back. Raises `Stale`.
        """
        async with conn.transaction():
            await hold(conn, grant)
            held = await abroad.listed(conn, grant, self.wrap)
            if again := self._again(held, await abroad.known(conn, grant, self.digests, brought.raw)):
                return again, False
            await self._check_person(conn, grant, brought, document)
            former = self._former(held, grant, document)
            kept = await abroad.add(
                conn, grant, self.wrap, uuid4(), self.digests, document.head[:2], _told(grant, brought, document), brought.raw
            )  # fmt: skip
            for one in former:
                record = abroad.TYPE, kept.number
                await abroad.step(conn, grant, self.wrap, one, WHOLE, "replaced", _said(grant), record)
        return kept, True

    def _again(self, held: Sequence[Held], same: Collection[UUID]) -> Held | None:
        """The one with these bytes that she sees; what is restricted against her is absent, and brought anew."""
        found = next((one for one in held if one.number in same), None)
        if found is not None and found.is_taken_back:
            raise refused(409, "this document is not brought to this patient again", "Bundle", "taken-back")
        return found

    async def _check_person(self, conn: Connection, grant: Grant, brought: Brought, document: Document) -> None:
        here = await self.patients.versions(conn, grant)
        tree = decode(here[0].raw) if here and here[0].raw else {}
        identity.check_named(document.named, grant.subject.digests, self.identify)
        verdicts = identity.compared(document.person, tree, grant.subject.digests, self.identify)
        identity.check(verdicts, brought.confirmed, document.place)

    def _former(self, held: Sequence[Held], grant: Grant, document: Document) -> list[Held]:
        """What the document replaces: open ones with its own identifier that are older. 409 where one is not."""
        name = self.digests.name(grant.subject.patient, *document.head[:2])
        former = [one for one in held if name and one.name == name and one.is_open]
        if any(not _is_newer(document.head.at, one) for one in former):
            says = "a version of the document that is not older is kept already"
            raise refused(409, says, "Bundle.timestamp", "older-version")
        return former

    async def documents(self, conn: Connection, grant: Grant) -> list[Held]:
        """All that the grant opens, newest first, with a row in her log. Raises `Stale`."""
        async with conn.transaction():
            held = await abroad.listed(conn, grant, self.wrap)
            await abroad.look(conn, grant, held)
        return held

    async def content(self, conn: Connection, grant: Grant, number: UUID) -> tuple[Held, bytes] | None:
        """The bytes as they came; None where she has no such document. 410 where it was taken back, 409 where it names somebody
        else by a national number."""
        found = await self._content(conn, grant, number)
        if found is not None:
            held, raw = found
            named = await changing.read(raw, lambda: tuple(named_in(self.parse(raw, held.told.media))))
            if self._others(grant, named):
                raise _anothers()
        return found

    async def _content(self, conn: Connection, grant: Grant, number: UUID) -> tuple[Held, bytes] | None:
        async with conn.transaction():
            held = next(iter(await abroad.listed(conn, grant, self.wrap, number)), None)
            if held is None:
                return None
            _check_there(held)
            await abroad.look(conn, grant, [held])
            return held, await abroad.body(conn, grant, self.wrap, held)

    def _others(self, grant: Grant, named: Collection[tuple[str, str]]) -> list[str]:
        """Held against her numbers as they are now: a document outlives the day on which it was brought."""
        return identity.others(named, grant.subject.digests, self.identify)

    async def opened(
        self, conn: Connection, grant: Grant, number: UUID, *, tells_beside: bool = True
    ) -> Opened | None:  # fmt: skip
        """The document, each of its entries beside what is registered; None where she has no such document. Two rows in her log:
        of the document, and of the records that are told of beside its entries (none of them without `tells_beside`)."""
        found = await self._content(conn, grant, number)
        if found is None:
            return None
        held, raw = found
        document = await changing.read(raw, partial(self._read, raw, held.told.media, grant.at))
        if self._others(grant, document.named):
            return Opened(held, document._replace(person={}, entries=()), (), {}, is_anothers=True)
        groups = await self.related.of(conn, grant, await self.related.book.look(conn, grant))
        here = [one for group in groups for one in group.entries]
        read_ = [one.entry for one in document.entries if one.entry is not None]
        meant = dict(zip((one.id for one in read_), await self.related.meanings(conn, read_), strict=True))
        entries = tuple(compared(one, meant.get(str(one.place)), here) for one in document.entries)
        await write_down(conn, [(grant, _beside(entries) if tells_beside else [])])
        stands = {name: await abroad.standing(conn, grant, type_number(name)) for name in TYPES}
        tags = {one.place: _tag(held, one, stands[one.type]) for one in document.entries}
        return Opened(held, document, entries, tags, await self._before(conn, grant, held, document))

    async def _before(self, conn: Connection, grant: Grant, held: Held, document: Document) -> dict[int, Step]:
        others = [one for one in await abroad.listed(conn, grant, self.wrap) if one.number != held.number]
        steps = {
            step.said.content: step for one in reversed(others) if held.name and one.name == held.name
            for step in one.steps if step.said.content
        }  # fmt: skip
        return {one.place: steps[one.digest] for one in document.entries if one.digest in steps}

    async def decide(
        self, conn: Connection, grant: Grant, number: UUID, place: int, tag: str, decision: Decision
    ) -> Written | None:
        """Settles one entry, in one transaction with its rows in the log; the record that came of it. None where nothing did.

        `Refusal` 404 where there is no such entry, 412 where something is not as she saw it, 409 where the document or the entry
        is settled, 422 where the rules of a registration or of the decision are broken. Raises `Stale`, `OtherKind`.
        """
        found = next(iter(await abroad.listed(conn, grant, self.wrap, number)), None)
        if found is None:
            raise _absent()
        _check_there(found)
        raw = await abroad.body(conn, grant, self.wrap, found)
        document = await changing.read(raw, partial(self._read, raw, found.told.media, grant.at))
        if self._others(grant, document.named):
            raise _anothers()
        foreign = next((one for one in document.entries if one.place == place), None)
        if foreign is None:
            raise _absent()
        if foreign.bar and decision.deed != "leave-out":
            raise refused(422, f"the entry {_BARS[foreign.bar]}", "decision", foreign.bar, code="business-rule")
        tree = await self._resource(conn, grant, found, foreign, decision) if decision.deed == "take-in" else None
        async with conn.transaction():
            await hold(conn, grant)
            held = next(iter(await abroad.listed(conn, grant, self.wrap, number)), None)
            if held is None:
                raise _absent()
            stands = await abroad.standing(conn, grant, type_number(foreign.type))
            _check_settles(held, foreign, tag, stands)
            return await self._settled(conn, grant, held, foreign, stands, decision, tree)

    async def _settled(
        self, conn: Connection, grant: Grant, held: Held, foreign: Foreign, stands: Sequence[tuple[UUID, int]],
        decision: Decision, tree: Tree | None,
    ) -> Written | None:  # fmt: skip
        step = partial(abroad.step, conn, grant, self.wrap, held, foreign.place)
        type_ = type_number(foreign.type)
        if tree is not None:
            written = await self.related.book.file(conn, grant, self.related.book.prepared(tree, grant.at))
            await step("taken", _said(grant, content=foreign.digest), (written.type, written.id))
            return written
        if decision.deed == "same-as":
            if decision.record not in {id_ for id_, _ in stands}:
                says = f"the entry is the same as a {foreign.type} that is registered here"
                raise refused(422, says, "record", "same-as-record", code="value")
            await step("same", _said(grant, content=foreign.digest), (type_, decision.record))
            return None
        check_reason(decision.reason)
        await step("left", _said(grant, decision.reason, foreign.digest))
        return None

    async def _resource(
        self, conn: Connection, grant: Grant, held: Held, foreign: Foreign, decision: Decision
    ) -> Tree:  # fmt: skip
        """What is registered: as it was sent or proposed, about her, by who decides, with where it came from."""
        _check_may_be_taken(foreign, decision)
        sent = decision.resource or proposed(compared(foreign, Means(frozenset()), ()))
        if sent is None and foreign.entry is not None and says_several(foreign.entry.now):
            says, todo = "the codes of the entry do not say the same", "Send the resource that is to be registered."
            raise refused(422, says, "resource", "several-codes", todo=todo, code="required")
        if sent is None:
            says = "the document does not say which kind of critical information it is"
            todo = "Send the resource that is to be registered."
            raise refused(422, says, "resource", "kind-not-told", todo=todo, code="required")
        if sent.get("resourceType") != foreign.type:
            raise refused(422, f"the entry is a {foreign.type}", "resource.resourceType", "entry-type", code="value")
        # Of what is taken in, the record says that the document said it.
        if (codes := other_codes(foreign, sent)) and await self.are_two(conn, *codes):
            says, todo = "the resource is about another substance than the entry", "Register it by itself."
            raise refused(422, says, "resource.code", "other-code", todo=todo, code="business-rule")
        number = parse(await self.people.number(conn, grant))
        about = "patient" if foreign.type == "AllergyIntolerance" else "subject"
        meta = {**_meta(sent), "source": f"{SOURCE}{held.number}#{foreign.place}"}
        tree = {"resourceType": foreign.type, "meta": meta} | {
            key: value for key, value in sent.items() if key not in ("resourceType", "meta", "id", "text")
        }
        tree[about] = {"identifier": {"system": number.system, "value": number.value}}
        await changing.checked(encode(tree), tree, foreign.type, self.guides)
        made = recorders.registered(tree, grant.caller, grant.at)
        self.related.book.prepared(made, grant.at)
        return made

    async def take_back(self, conn: Connection, grant: Grant, number: UUID, reason: str) -> Held:
        """The document was brought by mistake: it opens to nobody any more. What was taken in of it stays, and is taken back by
        itself. `Refusal` 404, 410; 422 where no reason is said. Raises `Stale`."""
        check_reason(reason)
        async with conn.transaction():
            await hold(conn, grant)
            held = next(iter(await abroad.listed(conn, grant, self.wrap, number)), None)
            if held is None:
                raise _absent()
            _check_there(held)
            await abroad.step(conn, grant, self.wrap, held, WHOLE, "withdrawn", _said(grant, reason))
        return held


def _beside(entries: Iterable[Compared]) -> list[tuple[int, UUID, int]]:
    """What is told of with the entries, as it stands, each once."""
    here = (each for one in entries for each in (*(near.record for near in one.beside), *one.apart))
    return list(dict.fromkeys((type_number(one.entry.type), UUID(one.entry.id), one.entry.now.number) for one in here))


def check_reason(text: str) -> None:
    """`Refusal` 422 where a reason says nothing, is too long, or holds a person number."""
    if not REASON_SHORTEST <= len(text) <= REASON_LONGEST or not says_something(text):
        says = f"a reason in words has {REASON_SHORTEST} to {REASON_LONGEST} characters"
        raise refused(422, says, "reason", "reason", code="value")
    if holds_a_number(text) or CONTROL.search(text.replace("\n", " ").replace("\r", " ")):
        raise refused(422, "a reason holds no person number", "reason", "reason", code="value")


def _check_may_be_taken(foreign: Foreign, decision: Decision) -> None:
    """Of what says that there is nothing, that it was never so or was entered in error, nothing is registered."""
    one = compared(foreign, Means(frozenset()), ())
    if one.proposal == "negative":
        says = "that there is nothing is not taken in: whoever knows it registers it herself"
        raise refused(422, says, "decision", "negative", code="business-rule")
    if not one.may_be_taken or (decision.resource is None and foreign.entry and foreign.entry.now.standing != "active"):
        says = "the entry does not say that it holds"
        raise refused(422, says, "decision", "does-not-hold", code="business-rule")


def _check_settles(held: Held, foreign: Foreign, tag: str, stands: Sequence[tuple[UUID, int]]) -> None:
    _check_there(held)
    if not held.is_open:
        raise refused(409, "a newer version of the document is kept", "document", "replaced")
    now = _tag(held, foreign, stands)
    if tag != now:
        says = "the entry, or what is registered beside it, is not as you have seen it"
        todo = "Read the document again, look at what has changed, and decide anew."
        raise refused(412, says, "If-Match", "seen", todo=todo, headers=(("etag", f'W/"{now}"'),))
    last = held.last(foreign.place)
    if last is not None and last.kind == "taken":
        says = "the entry has been taken in"
        raise refused(409, says, "decision", "taken", todo="Change the record that came of it.")


def _check_there(held: Held) -> None:
    if held.is_taken_back:
        raise refused(410, "the document was taken back", "document", "taken-back")


def _tag(held: Held, foreign: Foreign, stands: Sequence[tuple[UUID, int]]) -> str:
    """What a decision about an entry has seen: its last step, and every record of its type with its version."""
    last = held.last(foreign.place)
    seen = "".join(f"{id_}/{version} " for id_, version in sorted(stands))
    return f"{last.number if last else 0}-{blake2b(seen.encode(), digest_size=8).hexdigest()}"


def _is_newer(at: datetime | None, kept: Held) -> bool:
    before = reading.moment(kept.told.date)
    return at is not None and (before is None or at > before)


def _told(grant: Grant, brought: Brought, document: Document) -> Told:
    head, caller = document.head, grant.caller
    within = {caller.organisation, caller.point_of_care, *caller.above, *caller.below} - {""}
    return Told(
        f"{head.system}|{head.value}"[:reading.TEXT_LONGEST] if head.value else "", head.date, head.title, head.language,
        head.author, head.custodian, brought.country or head.country, brought.media, len(brought.raw),
        sha256(brought.raw).hexdigest(), caller.name, caller.hpr, caller.authorization, brought.system, tuple(sorted(within)),
        tuple(sorted(brought.confirmed)),
    )  # fmt: skip


def _said(grant: Grant, reason: str = "", content: bytes = b"") -> Said:
    caller = grant.caller
    return Said(caller.name, caller.hpr, caller.authorization, caller.organisation, reason.strip(), content)


def _meta(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    found = sent.get("meta")
    return found if isinstance(found, dict) else {}


def _anothers() -> Refusal:
    says, todo = "the document has a national number of somebody else", "Take it back."
    return refused(409, says, "document", "other-number", todo=todo)


def _absent() -> Refusal:
    return refused(404, "there is no such document, or no such entry in it", "document", "no-document")
