"""Many sources at once: each within its own deadline, and the list that comes of those that answered.

A source that does not answer holds nobody up beyond its deadline, and takes nothing from the others: the list says of each
whether it answered, why not, and how old what is shown of it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeVar

import structlog

from kjerne.access import Grant
from kjerne.clock import Clock
from kjerne.gateway import answers, locating, submission_sets, xca
from kjerne.gateway.breaker import Breaker
from kjerne.gateway.ground import Ground, ground
from kjerne.gateway.held import Disk, Held
from kjerne.gateway.kept import FRESH, Kept, Key, Lists
from kjerne.registries.document_sources import DocumentSource, DocumentSources
from kjerne.services.documents.model import NOBODY, SERVICE, Asker, Fault, NotGiven, Opened, Part, Place, Sets, Unasked
from kjerne.store import participation, whereabouts
from kjerne.store.pool import Pool
from kjerne.wire import journal
from kjerne.wire.asking import Connections
from kjerne.wire.xua_signing import Signer
from kjerne.xds import names
from kjerne.xds.forms import CX
from kjerne.xds.values import Association, DocumentEntry, bare

PLAINER: Final = ("unable", "many", "long")
"""Where a registry does not answer a question for another reason than who asks it, it may answer a plainer one."""
SILENT: Final = frozenset({"late", "busy", "away", "resting"})
"""Faults after which nobody knows what the answer would have been."""
AT_ONCE: Final = 64
"""Questions in the air from one worker: what they may answer lies in memory until it is read."""
AT_ONE_SOURCE: Final = 8
DOCUMENTS_AT_ONCE: Final = 16
DOCUMENTS_AT_ONE_SOURCE: Final = 6
"""Documents on their way: they have places of their own, since each may take as long as many lists."""
WHOLE_TURN: Final = 0.9
"""Who was let in with less than this share of a source's seconds left cannot say that it is late."""
log = structlog.get_logger("kjerne.gateway")
T = TypeVar("T")


@dataclass
class Federation:
    """Implements `services.documents.model.Gateway` over the sources of a file that take part in the service now."""

    pool: Pool
    sources: DocumentSources
    signer: Callable[[], Signer]
    clock: Clock
    breaker: Breaker = field(default_factory=Breaker)
    lists: Lists = field(default_factory=Lists)
    connections: Connections = field(default_factory=Connections)
    disk: Disk = field(default_factory=Disk)
    key: bytes = field(default=b"", repr=False)
    """What sources are noted by where they have registered whom they have documents about."""
    _lists: Places = field(default_factory=lambda: Places(AT_ONCE, AT_ONE_SOURCE), init=False)
    _documents: Places = field(default_factory=lambda: Places(DOCUMENTS_AT_ONCE, DOCUMENTS_AT_ONE_SOURCE), init=False)

    async def listed(
        self, grant: Grant, numbers: Sequence[CX], asker: Asker = NOBODY, *, everybody: bool = True
    ) -> tuple[Part, ...]:
        """What each source that takes part has of the patient under any of her numbers; without `everybody` as far as it may have
        something (`gateway.locating`)."""
        taking, on = await self._taking_part(grant.at), [(one, ground(grant, one, asker)) for one in numbers]
        everybody = everybody or locating.asks_everybody(grant)
        apart = frozenset[str]() if everybody else await self._left_out(grant, taking)
        asked = [one for one in taking if numbers and one.name not in apart]
        told = await asyncio.gather(*(self._part(grant, one, on) for one in asked))
        parts = {one.source: one for one in told}
        why: Unasked = "elsewhere" if numbers else "number"
        return tuple(parts.get(one.name) or Part(one.name, one.title, one.organisation, unasked=why) for one in taking)

    async def _left_out(self, grant: Grant, sources: Sequence[DocumentSource]) -> frozenset[str]:
        async with self.pool.acquire() as conn:
            known = await whereabouts.of(conn, grant, self.key, [one.home for one in sources])
        return frozenset(one.name for one in sources if locating.is_left_out(one, known, grant.at))

    async def places(self, now: datetime) -> Sequence[str]:
        """Who answers for them, each once."""
        return list(dict.fromkeys(one.organisation for one in await self._taking_part(now)))

    async def unasked(self, grant: Grant) -> tuple[Part, ...]:
        """What `listed` would tell about somebody of whom no source has anything, as far as the last questions to them know, and
        after as long. None is asked."""
        asked = await self._taking_part(grant.at)
        return tuple(await asyncio.gather(*(self._as_known(grant, one) for one in asked)))

    async def _as_known(self, grant: Grant, source: DocumentSource) -> Part:
        # A key of its own: an empty list that nobody gave is never shown where she has shut nothing.
        on = ground(grant, CX("", "")).digest
        key: Key = grant.subject.patient, f"unasked {source.name} {source.url}", on
        kept, fault = self.lists.get(key, grant.at, FRESH), None
        if kept is None:
            fault, seconds = self.breaker.would_tell(source.name)
            await asyncio.sleep(min(seconds, source.seconds))
            if fault is None:
                self.lists.put(key, Kept(grant.at, (), 0))
            kept = self.lists.get(key, grant.at)
        at = kept.at if kept else None
        return Part(source.name, source.title, source.organisation, fault, at, lacks=kept is None)

    async def entry(self, grant: Grant, place: Place, asker: Asker = NOBODY) -> Part:
        """What the source of a document says of it now, asked under each of her numbers as for the list: it may have moved it
        to another of them, and locked it under one. `NotGiven` where it is silent under any: that may be the one."""
        source, hers = await self._source(grant, place), (place.patient, *place.others)
        told = await asyncio.gather(*(self._entry(grant, source, place, one, asker) for one in hers))
        found = [one for one in told if isinstance(one, xca.Told)]
        faults = [one for one in told if isinstance(one, NotGiven)]
        silent = next((one for one in faults if one.fault in SILENT), None)
        if silent or not found:
            raise silent or next((one for one in faults if one.fault != "gone"), faults[0])
        entries, relations = _joined(found, hers)
        lacks = any(one.lacks for one in found)
        return Part(
            source.name, source.title, source.organisation, None, grant.at, entries, relations=relations, lacks=lacks
        )

    async def _entry(
        self, grant: Grant, source: DocumentSource, place: Place, number: CX, asker: Asker
    ) -> xca.Told | NotGiven:
        on = ground(grant, number, asker)
        others = tuple(one for one in (place.patient, *place.others) if one != number)
        asked = replace(place, patient=number, others=others)
        try:
            return await self._asked(grant, source, lambda: self._one(source, on, asked))
        except NotGiven as why:
            return why

    async def opened(self, grant: Grant, place: Place, entry: DocumentEntry, asker: Asker = NOBODY) -> Opened:
        """The document, whole and as its entry says."""
        source, on = await self._source(grant, place), ground(grant, place.patient, asker)
        let_go = self.disk.taken(entry.size_bytes)
        try:
            opened = await self._asked(
                grant,
                source,
                lambda: xca.opened(source, self._assertion(source, on), entry, self.connections),
                document=True,
            )
        except BaseException:
            let_go()
            raise
        if isinstance(opened.pieces, Held):
            opened.pieces.at_end(let_go)
        else:
            let_go()
        return opened

    async def sets(
        self, grant: Grant, told: Mapping[str, Sequence[DocumentEntry]], asker: Asker = NOBODY
    ) -> tuple[Sets, ...]:
        """The sets in which documents came that were told of, from the sources that still take part."""
        asked = [one for one in await self._taking_part(grant.at) if told.get(one.name)]
        return tuple(await asyncio.gather(*(self._sets(grant, one, told[one.name], asker) for one in asked)))

    async def _sets(self, grant: Grant, source: DocumentSource, told: Sequence[DocumentEntry], asker: Asker) -> Sets:
        """Of one source, asked under each number that it has documents under: what it gives under one of them is shown."""
        hers = dict.fromkeys(one.patient for one in told)
        found = await asyncio.gather(*(self._sets_of(grant, source, one, told, asker) for one in hers))
        given = [one for one in found if isinstance(one, Sets)]
        faults = [one.fault for one in found if isinstance(one, NotGiven)]
        if not given:
            return Sets(source.name, faults[0])
        joined = submission_sets.joined(source, given)
        return replace(joined, lacks=bool(faults) or joined.lacks)

    async def _sets_of(
        self, grant: Grant, source: DocumentSource, patient: CX, told: Sequence[DocumentEntry], asker: Asker
    ) -> Sets | NotGiven:
        on, ids = ground(grant, patient, asker), [one.id for one in told if one.patient == patient]

        async def ask() -> Sets:
            assertion = self._assertion(source, on)
            return await submission_sets.of_documents(source, assertion, patient, ids, self.connections)

        try:
            return await self._asked(grant, source, ask)
        except NotGiven as why:
            return why

    async def _taking_part(self, now: datetime) -> list[DocumentSource]:
        """Those of the file whose organisation takes part as a source now, in the order of the file."""
        known = self.sources.all()
        if not known:
            return []
        async with self.pool.acquire() as conn:
            among = {one.organisation for one in known}
            taking = await participation.sources_among(conn, among, SERVICE, now)
        return [one for one in known if one.organisation in taking]

    async def _source(self, grant: Grant, place: Place) -> DocumentSource:
        """The source of a home community, whatever the operator calls it now."""
        for one in await self._taking_part(grant.at):
            if bare(one.home) == bare(place.home):
                return one
        raise NotGiven("gone", "its source does not take part any more")

    async def _part(self, grant: Grant, source: DocumentSource, numbers: Sequence[tuple[CX, Ground]]) -> Part:
        hers = [one for one, _ in numbers]
        told = await asyncio.gather(*(self._of_number(grant, source, *one, hers) for one in numbers))
        given = [kept for kept, _ in told if kept]
        # A list of before may tell of a number that has been hers and is not.
        entries, relations = _joined(given, hers)
        fault = next((fault for _, fault in told if fault), None)
        lacks = len(given) < len(told) or any(one.lacks for one in given)
        return Part(
            source.name, source.title, source.organisation, fault, min((one.at for one in given), default=None),
            entries, sum(one.left_out for one in given), relations, lacks,
        )  # fmt: skip

    async def _of_number(
        self, grant: Grant, source: DocumentSource, number: CX, on: Ground, hers: Sequence[CX]
    ) -> tuple[Kept | None, Fault | None]:
        key: Key = grant.subject.patient, f"{source.name} {source.url}", on.digest
        if kept := self.lists.get(key, grant.at, FRESH):
            return kept, None
        try:
            told = await self._asked(grant, source, lambda: self._all(source, on, number, hers))
        except NotGiven as why:
            # A no is an answer: what was given before it is not shown any more. That it is busy is none.
            if why.fault == "refused":
                self.lists.drop(key)
            return self.lists.get(key, grant.at), why.fault
        kept = Kept(grant.at, told.entries, told.left_out, told.relations, told.lacks)
        self.lists.put(key, kept)
        return kept, None

    async def _all(self, source: DocumentSource, on: Ground, number: CX, hers: Sequence[CX]) -> xca.Told:
        """All documents with what they are to each other; where a source does not answer that, those that hold. Where it has only
        too many for it, that is not all that it would tell."""
        try:
            return await xca.all_of(source, self._assertion(source, on), number, hers, self.connections)
        except NotGiven as why:
            if why.fault not in PLAINER:
                raise
            told = await xca.listed(source, self._assertion(source, on), number, hers, self.connections)
            return told if why.fault == "unable" else replace(told, lacks=True)

    async def _one(self, source: DocumentSource, on: Ground, place: Place) -> xca.Told:
        """One document: by itself where it holds and is nothing to another, else among all, by which it is judged. So it is where
        the source does not say what it is to others: the list may, and by that it may be locked."""
        try:
            told = await xca.entry(source, self._assertion(source, on), place, self.connections)
        except NotGiven as why:
            if why.fault not in PLAINER:
                raise
            return await self._all(source, on, place.patient, place.others)
        if not (told.relations or told.lacks) and told.entries[0].status == names.APPROVED:
            return told
        return await self._all(source, on, place.patient, place.others)

    def _assertion(self, source: DocumentSource, on: Ground) -> bytes:
        return on.assertion(self.signer(), source.audience)

    async def _asked(
        self, grant: Grant, source: DocumentSource, ask: Callable[[], Awaitable[T]], *, document: bool = False
    ) -> T:
        """One question, where the source is not left alone; what came of it is known to the next. Waiting for others counts as
        the time that it has, and is no fault of its."""
        if not self.breaker.lets(source.name):
            raise NotGiven("resting", "it failed several times")
        loop, seconds = asyncio.get_running_loop(), xca.DOCUMENT_SECONDS if document else source.seconds
        until = loop.time() + seconds
        async with (self._documents if document else self._lists).turn(source.name, until):
            begun = loop.time()
            try:
                told = await _in_time(ask, until)
            except NotGiven as why:
                if why.fault == "late" and until - begun < WHOLE_TURN * seconds:
                    raise NotGiven("busy", "others were in front, and it had no time left") from why
                log.warning("source gave nothing", source=source.name, fault=why.fault, why=why.says)
                if why.fault in ("late", "away", "broken") and not why.of_one:
                    self.breaker.failed(source.name, why.fault, grant.subject.patient, self._took(begun, document))
                else:
                    self.breaker.answered(source.name, self._took(begun, document))
                raise
            except Exception as error:
                # A fault of our own takes one answer with it, and not the list that others have answered.
                journal.met(error, grant.correlation, f"source {source.name}")
                raise NotGiven("broken", "what it answered met a fault of our own", of_one=True) from error
        self.breaker.answered(source.name, self._took(begun, document))
        return told

    @staticmethod
    def _took(begun: float, document: bool) -> float | None:
        return None if document else asyncio.get_running_loop().time() - begun


class Places:
    """Places among the questions in the air: so many at one source, and so many in all."""

    def __init__(self, at_once: int, at_one: int) -> None:
        self._at_one = at_one
        self._all = asyncio.Semaphore(at_once)
        self._own: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, source: str, until: float) -> AsyncIterator[None]:
        """One place for the block; `NotGiven` where none is free until then."""
        own = self._own.setdefault(source, asyncio.Semaphore(self._at_one))
        try:
            async with asyncio.timeout_at(until):
                await own.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise NotGiven("busy", "too many questions were in front") from None
        try:
            yield
        finally:
            self._all.release()
            own.release()


async def _in_time(ask: Callable[[], Awaitable[T]], until: float) -> T:
    try:
        async with asyncio.timeout_at(until):
            return await ask()
    except TimeoutError:
        raise NotGiven("late", "it did not answer in time") from None


def _joined(
    told: Iterable[xca.Told | Kept], hers: Collection[CX]
) -> tuple[tuple[DocumentEntry, ...], tuple[Association, ...]]:
    told = list(told)
    entries = (one for each in told for one in each.entries if one.patient in hers)
    return answers.joined(entries, (one for each in told for one in each.relations))
