"""One list over all sources, and a document opened where it lies, under a grant: for the wire and the pages alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.mhd.relations import referring, related
from kjerne.services.documents.chains import judged
from kjerne.services.documents.model import FAULTS, NOBODY, Asker, Gateway, NotGiven, Opened, Part, Place, Sets
from kjerne.services.documents.seeing import day_of
from kjerne.store import document_names
from kjerne.store.codec import Wrap
from kjerne.store.document_names import Named
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool
from kjerne.xds import names
from kjerne.xds.forms import CX
from kjerne.xds.values import DocumentEntry, SubmissionSet, bare

OF_A_SET: Final = "submission-set"
"""What stands where the number of a document has its repository, so that a set's is another."""
TOO_LARGE: Final = "document_too_large"
STATUS: Final = {"gone": 404, "refused": 403, "large": 413, "late": 504}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the list: the number that addresses and log name it by, what its source says of it, and which source.
    `relates` is what it is to others that are shown (`replaces`, `appends`, `transforms`, `signs`), by their numbers."""

    number: UUID
    entry: DocumentEntry = field(repr=False)
    source: str
    title: str
    relates: tuple[tuple[str, UUID], ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no other has replaced it."""
        return self.entry.status == names.APPROVED


@dataclass(frozen=True, slots=True)
class Found:
    """The documents that the grant opens, how many the patient has locked against it, and how each source answered. `former` are
    those that were replaced by one of `documents`, or hung on one that was."""

    documents: tuple[Document, ...] = field(repr=False)
    locked: int
    parts: tuple[Part, ...] = field(repr=False)
    former: tuple[Document, ...] = field(default=(), repr=False)

    @property
    def nobody_answered(self) -> bool:
        """Whether there are sources and nothing of any of them is shown: an empty list would say what nobody knows."""
        asked = [part for part in self.parts if part.unasked is None]
        return bool(asked) and all(
            part.fault is not None and (part.at is None or (part.lacks and not part.entries)) for part in asked
        )

    def check_shown(self) -> None:
        """`Refusal` where nothing of any source is shown, with what came of each: 403 where all of them say no, else 504. It is
        asked when the row of the log stands."""
        if not self.nobody_answered:
            return
        each = "; ".join(f"{part.title} {FAULTS[part.fault]}" for part in self.parts if part.fault)
        says = f"nothing of any source of documents is shown: {each}"
        if all(part.fault == "refused" for part in self.parts if part.unasked is None):
            raise Refusal(403, says, where="documents_refused", rule="source-refused")
        raise Refusal(504, says, where="source", todo="Ask again in a moment.")


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission set, by the number that addresses name it by, with those of its documents that are shown."""

    number: UUID
    sent: SubmissionSet = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundSets(Found):
    """As `Found`, with the sets in which its documents came, newest first."""

    sets: tuple[Sent, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Now:
    """A document as its source tells it at this moment, where it lies, and who asks."""

    place: Place
    asker: Asker
    document: Document


@dataclass(frozen=True)
class Documents:
    """The room over its gateway. `numbers` opens the patient's own, `key` is what documents are numbered by, and
    `tells_choices` says whether personnel may hear of what the patient has locked. `organisation` is who runs the platform,
    which speaks for a citizen where no portal does."""

    pool: Pool
    wrap: Wrap
    gateway: Gateway
    numbers: Sealer
    key: bytes
    tells_choices: bool
    organisation: str = ""

    async def find(self, grant: Grant, *, everybody: bool = True) -> Found:
        """Asks the sources; without `everybody` those that may have something. Where no choice of hers may be told all are asked:
        one that is not would tell of her what the others do not. Nothing leaves by it: `show` writes the row of what does."""
        if grant.instead_of is not None:
            # Nobody may hear that she has shut it: the sources are told of as they would answer about who has nothing.
            return Found((), 0, await self.gateway.unasked(grant))
        async with self.pool.acquire() as conn:
            hers, asker = await self._numbers(conn, grant), await self._asker(conn, grant)
        parts = await self.gateway.listed(grant, hers, asker, everybody=everybody or not self.tells_choices)
        shown, locked = list[Document](), 0
        for part in parts:
            seen = judged(grant, part)
            shown += self._of(grant, part, [entry for entry, how in seen if how == "open"])
            locked += sum(how == "locked" and entry.status == names.APPROVED for entry, how in seen)
        holding = tuple(one for one in shown if one.holds)
        former = tuple(one for one in shown if not one.holds)
        return Found(holding, locked if self.tells_choices else 0, parts, former)

    async def find_sets(self, grant: Grant, *, everybody: bool = True) -> FoundSets:
        """The submission sets in which documents came that are shown (law, K196). Sources are asked by these documents alone, so
        that none tells of a set in which nothing is open to the reader. Nothing leaves by it, as by `find`."""
        found = await self.find(grant, everybody=everybody)
        told = defaultdict[str, list[Document]](list)
        for one in (*found.documents, *found.former):
            told[one.source].append(one)
        if not told:
            return FoundSets(found.documents, found.locked, found.parts, found.former)
        async with self.pool.acquire() as conn:
            asker = await self._asker(conn, grant)
        entries = {source: [one.entry for one in documents] for source, documents in told.items()}
        answers = {one.source: one for one in await self.gateway.sets(grant, entries, asker)}
        parts = tuple(_with(part, answers[part.source]) if part.source in answers else part for part in found.parts)
        sets = [one for source, answer in answers.items() for one in self._sent(grant, answer, told[source])]
        sets.sort(key=lambda one: (one.sent.submitted, str(one.number)), reverse=True)
        return FoundSets(found.documents, found.locked, parts, found.former, tuple(sets))

    def _sent(self, grant: Grant, answer: Sets, documents: Sequence[Document]) -> list[Sent]:
        by_id, members = {one.entry.id: one for one in documents}, defaultdict[str, list[Document]](list)
        for set_id, document_id in dict.fromkeys(answer.members):
            if document_id in by_id:
                members[set_id].append(by_id[document_id])
        return [
            Sent(
                document_names.number_of(
                    self.key, grant.subject.keys[0], members[one.id][0].entry.home, OF_A_SET, one.unique_id
                ),
                one, tuple(members[one.id]),
            )
            for one in answer.sets if members[one.id]
        ]  # fmt: skip

    async def show(self, grant: Grant, documents: Collection[Document]) -> None:
        """Writes the row of the log that names what is shown. Raises `Stale`."""
        async with self.pool.acquire() as conn, conn.transaction():
            await document_names.show(conn, grant, self.wrap, [(one.number, _named(one)) for one in documents])

    async def told(self, grant: Grant, number: UUID) -> Document:
        """What the source of a document that was listed before says of it now. Refuses and raises as `open`."""
        try:
            now = await self._now(grant, number)
        except NotGiven as why:
            await self.show(grant, [])
            raise _refusal(why) from why
        await self.show(grant, [now.document] if now else [])
        if now is None:
            raise absent()
        return now.document

    async def open(self, grant: Grant, number: UUID, limit_bytes: int | None = None) -> tuple[Document, Opened]:
        """A document that was listed before, whole, once the row of the log that names it stands.

        What its source says of it is asked anew, and the law of that: it may have been locked since. `Refusal` 404 where it was
        never listed, is locked now or gone, 403 where the source says no, 413 where it is larger than `limit_bytes`, 503 and 504
        where it does not give it: the log names no document then. Raises `Stale`.
        """
        try:
            now = await self._now(grant, number)
            opened = await self._fetched(grant, now, limit_bytes) if now else None
        except NotGiven as why:
            await self.show(grant, [])
            raise _refusal(why) from why
        except Refusal:
            await self.show(grant, [])
            raise
        if now is None or opened is None:
            await self.show(grant, [])
            raise absent()
        document = now.document
        try:
            await self.show(grant, [document])
        except BaseException:
            await opened.pieces.aclose()
            raise
        return document, opened

    async def _fetched(self, grant: Grant, now: _Now, limit_bytes: int | None) -> Opened:
        _check_size(now.document.entry.size_bytes, limit_bytes)
        opened = await self.gateway.opened(grant, now.place, now.document.entry, now.asker)
        try:
            _check_size(opened.size_bytes, limit_bytes)
        except Refusal:
            await opened.pieces.aclose()
            raise
        return opened

    async def opened_before(self, grant: Grant, documents: Sequence[Document]) -> frozenset[UUID]:
        """Those that the caller has opened before."""
        async with self.pool.acquire() as conn:
            return await document_names.opened_before(conn, grant, [one.number for one in documents])

    async def names(self, grant: Grant, numbers: Sequence[UUID]) -> Mapping[UUID, Named]:
        """What documents of the log are called, to a citizen who has been told of them herself (law, K183): of the others only
        their sources know whether they are withheld from her. Writes the row of those it names. Raises `Stale`."""
        async with self.pool.acquire() as conn, conn.transaction():
            told = await document_names.told_before(conn, grant, numbers)
            found = await document_names.find(conn, grant, self.wrap, list(told))
            if found:
                await document_names.show(conn, grant, self.wrap, found.items())
            return found

    async def _now(self, grant: Grant, number: UUID) -> _Now | None:
        """What its source says of a document; None where it was never listed, or is not to be seen. Raises `NotGiven`."""
        async with self.pool.acquire() as conn:
            named = (await document_names.find(conn, grant, self.wrap, [number])).get(number)
            hers, asker = await self._numbers(conn, grant), await self._asker(conn, grant)
        if named is None or not hers:
            return None
        # The source may know it under another of her numbers since it was first listed: all that are hers now are asked about.
        place = Place(named.source, named.home, named.repository, named.unique_id, hers[0], hers[1:])
        part = await self.gateway.entry(grant, place, asker)
        shown = self._of(grant, part, [entry for entry, how in judged(grant, part) if how == "open"])
        document = next((one for one in shown if one.number == number), None)
        if document is None and part.lacks and all(self._number(grant, one) != number for one in part.entries):
            raise NotGiven("unable", "it did not tell of all, and not of this document")
        if document is None:
            return None
        return _Now(replace(place, patient=document.entry.patient, others=()), asker, document)

    async def _asker(self, conn: Connection, grant: Grant) -> Asker:
        """Who a citizen is to sources. They are told her own number, as a portal tells it; personnel go by their grant."""
        if grant.caller.kind != "citizen":
            return NOBODY
        if grant.subject.caller_key in grant.subject.keys:
            return Asker("", self.organisation)
        number = await document_names.callers_number(conn, grant, self.numbers)
        if not number:
            # Without one a source would be told that the patient herself asks.
            raise Refusal(403, "sources know who stands in for another by a national number", where="caller")
        return Asker(number, self.organisation)

    def _of(self, grant: Grant, part: Part, entries: Sequence[DocumentEntry]) -> list[Document]:
        """The documents of one source that are shown, and what they are to each other."""
        numbers = {one.id: self._number(grant, one) for one in entries}
        relates, shown = related(part.relations, numbers), {one.unique_id for one in entries}
        return [
            Document(
                numbers[one.id], referring(one, shown), part.source, part.title,
                tuple((kind, numbers[other]) for kind, other in relates.get(one.id, ())),
            )
            for one in entries
        ]  # fmt: skip

    async def _numbers(self, conn: Connection, grant: Grant) -> tuple[CX, ...]:
        hers = await document_names.numbers(conn, grant, self.numbers)
        return tuple(CX(one.value, bare(one.system)) for one in hers)

    def _number(self, grant: Grant, entry: DocumentEntry) -> UUID:
        return document_names.number_of(self.key, grant.subject.keys[0], entry.home, entry.repository, entry.unique_id)


def _with(part: Part, sets: Sets) -> Part:
    """How a source answered, once it was asked for sets too: where it told of none of them, nothing of it is shown."""
    if sets.fault is not None:
        return replace(part, fault=sets.fault, at=None)
    return replace(part, lacks=part.lacks or sets.lacks)


def absent() -> Refusal:
    """What is answered for a document that is not there, not hers, or not to be seen: one answer for all."""
    return Refusal(404, "there is no such document", where="id", todo="Ask for the list of documents first.")


def _check_size(size_bytes: int | None, limit_bytes: int | None) -> None:
    if limit_bytes is not None and (size_bytes or 0) > limit_bytes:
        raise Refusal(413, "the document is larger than is taken here", where=TOO_LARGE)


def _refusal(why: NotGiven) -> Refusal:
    where = TOO_LARGE if why.fault == "large" else "source"
    return Refusal(
        STATUS.get(why.fault, 503), f"the source {FAULTS[why.fault]}", where=where, rule=f"source-{why.fault}"
    )


def _named(one: Document) -> Named:
    entry = one.entry
    kind = entry.type_code or entry.class_code
    return Named(
        one.source, entry.home, entry.repository, entry.unique_id, entry.patient.number, entry.patient.authority, entry.title,
        kind.display or kind.code if kind else "", day_of(entry),
    )  # fmt: skip
