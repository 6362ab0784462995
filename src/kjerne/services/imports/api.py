"""`POST /fhir/R4/$import`: many resources in one request, a JSON object on each line (NDJSON). All are taken, or none.

Each line passes what a create passes: strict JSON, R4, the law about its patient.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer, Call, PatientRef, Stale, any_of
from kjerne.fhir import among, smart
from kjerne.fhir.among import Among, Lost
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import OF_A_WRITE, heeded
from kjerne.fhir.ndjson import Lines
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.prefer import wanted
from kjerne.registries.guides import Guides
from kjerne.registries.homes import row_number
from kjerne.registries.withholding import withheld
from kjerne.services.imports.filing import Doors
from kjerne.services.imports.lines import (
    FAULT_LIMIT,
    INLINE_LINES,
    Crew,
    Parse,
    Understood,
    all_right,
    anew,
    understood,
    where,
)
from kjerne.store import marking, pointing, spreading
from kjerne.store.bulk import Bulk, Filing, Fresh
from kjerne.store.codec import split
from kjerne.store.followup import tell_readers
from kjerne.store.import_answers import ImportAnswers, Key
from kjerne.store.import_names import Brought
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds

MEDIA_TYPES: Final = frozenset({"application/fhir+ndjson", "application/x-ndjson", "application/ndjson"})
IMPORT_LIMIT_BYTES: Final = 64_000_000
BASE: Final = "/fhir/R4"
NONE: Final = UUID(int=0)
AT_ONCE: Final = 2
"""Imports in work in one program; each may hold its body three times over in memory."""
TRIES: Final = 3


class Kept(Protocol):
    """Where it is kept that something was filed, and what was answered: whoever sends it again has nothing filed twice. `earlier`
    says that other bodies may have come before, whose lines these refer to."""

    @property
    def earlier(self) -> bool: ...

    async def before(self, conn: Connection) -> bytes | None:
        """What was answered, where it was filed. `Refusal` where something else was."""

    async def begin(self, conn: Connection) -> bool:
        """Takes its place in the caller's transaction; False where another request had it meanwhile."""

    async def known(self, conn: Connection, names: Collection[str]) -> Mapping[str, str]:
        """The addresses of what came before, of these names."""

    async def name(self, conn: Connection, brought: Sequence[Brought], missing: Mapping[str, int]) -> list[Lost]:
        """Keeps what the lines were called and what they miss, for those that come after, in the same transaction; what is to be
        warned of. Raises `Stale` where what is missing has come meanwhile."""

    async def end(self, conn: Connection, answer: bytes, resources: int) -> None:
        """Keeps what is answered, and how many were filed, in the same transaction."""


@dataclass(frozen=True)
class _UnderAKey:
    """An import that has a key of its sender's."""

    answers: ImportAnswers
    key: Key
    at: datetime
    earlier: bool = False

    async def before(self, conn: Connection) -> bytes | None:
        return await self.answers.answered(conn, self.key, self.at)

    async def begin(self, conn: Connection) -> bool:
        return await self.answers.begin(conn, self.key, self.at)

    async def known(self, conn: Connection, names: Collection[str]) -> Mapping[str, str]:
        del conn, names
        return {}

    async def name(self, conn: Connection, brought: Sequence[Brought], missing: Mapping[str, int]) -> list[Lost]:
        del conn, brought, missing
        return []

    async def end(self, conn: Connection, answer: bytes, resources: int) -> None:
        del resources
        await self.answers.end(conn, self.key, answer)


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of a body before it came: of which type its lines are, and how many."""

    type: str = ""
    count: int | None = None

    def check_count(self, sent: Lines) -> None:
        if self.count is not None and len(sent.lines) != self.count:
            says = f"the part has {len(sent.lines)} resources, and the manifest says {self.count}"
            raise Refusal(422, says, where="body", code="business-rule", todo="Send all of the part that it names.")

    def check_types(self, sent: Lines, fresh: Sequence[Fresh]) -> None:
        if self.type:
            other = next((at for at, one in enumerate(fresh) if type_name(one.type) != self.type), None)
            if other is not None:
                says = f"the manifest says that the part is of {self.type}"
                raise Refusal(422, says, where=where(sent.numbers[other], "resourceType"), code="business-rule")


NOTHING: Final = Said()


class StandardsImport:
    """The handler. `served` says which service's law holds for a type that systems send in, `writes` the scopes that each asks
    for; `identify` makes a reference from a number."""

    def __init__(
        self, pool: Pool, bulk: Bulk, reader: Reader, crew: Crew, served: Mapping[str, str],
        writes: Mapping[str, str], parse_json: Parse, identify: Callable[[str], PatientRef], guides: Guides, ids: SealedIds,
        answers: ImportAnswers,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._bulk = bulk
        self._reader = reader
        self._crew = crew
        self.types = frozenset(served)
        """Those that are taken."""
        self._service_by_type = {row_number(name, service): service for name, service in served.items()}
        self._types = {name: row_number(name, service) for name, service in served.items()}
        self.needs = any_of({name: writes[name] for name in served})
        self._parse = parse_json
        self._guides = guides
        self._doors = Doors(self._service_by_type, identify, ids)
        self._answers = answers
        self._running = 0

    async def take(self, call: Call) -> Answer:
        """Parameters: how many resources and patients were written, and the location of each line's resource."""
        check_accepted(call)
        heeded(call, OF_A_WRITE)
        return as_asked(call, await self.file(call, self._key(call)))

    async def file(self, call: Call, kept: Kept | None, said: Said = NOTHING) -> bytes:
        """Files the lines of a body, under what `said` of them; what is answered. `Refusal` 429 where others are in work."""
        if self._running >= AT_ONCE:
            raise Refusal(
                429, "other imports are in work", todo="Send it again later.", headers=(("retry-after", "5"),)
            )
        self._running += 1
        try:
            return await self._filed(call, kept, said)
        finally:
            self._running -= 1

    async def _filed(self, call: Call, kept: Kept | None, said: Said) -> bytes:
        sent = Lines.of(call.body)
        if (before := await self._before(kept)) is not None:
            return must_reach(call, before)
        said.check_count(sent)
        parts = await self._read(call.at, sent)
        fresh, persons = all_right(parts)
        said.check_types(sent, fresh)
        await self._held_to_bindings(sent, [number for part in parts for number in part.untold])
        await self._doors.held_to_scopes(call, sent, fresh, persons)
        # Most lines have no id, and nothing to lead to it: nothing is looked up for them.
        named, earlier = [part.named for part in parts], bool(kept and kept.earlier)
        linked = await asyncio.to_thread(among.among, named, f"{call.base_url}{BASE}", earlier=earlier)
        await self._check_types(call, sent, linked)
        asked = linked.asked()
        for _ in range(TRIES):
            places = await self._doors.filings(call, sent, fresh, persons)
            ids = self._ids_of(fresh, places)
            known = await self._known(kept, asked)
            led = linked.led(_addresses(sent, fresh, ids, linked), known)
            filing = await self._relinked(call, sent, fresh, led) if led else fresh
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    if kept is not None and not await kept.begin(conn):
                        break
                    await self._written(conn, filing, places, ids)
                    lost = linked.lost()
                    if kept is not None:
                        missing = {name: number for name, number in asked.items() if name not in known}
                        lost += await kept.name(conn, _brought(sent, fresh, ids, linked), missing)
                    made = _answer(_locations(fresh, ids), _people(places), lost)
                    if kept is not None:
                        await kept.end(conn, made, len(fresh))
            except Stale:
                continue
            return made
        if (before := await self._before(kept)) is not None:
            return must_reach(call, before)
        raise Refusal(503, "the patients' facts are being changed at this moment", todo="Send the import again.")

    async def _check_types(self, call: Call, sent: Lines, linked: Among) -> None:
        """`Refusal` 422 where a whole address that is to be followed is of a type that may not stand there."""
        whole = linked.whole()
        lines = [among.relinked(sent.line(number), names) for number, names in whole.items()]
        if lines:
            all_right(await self._read(call.at, Lines(lines, list(whole))))

    def _ids_of(self, fresh: Sequence[Fresh], places: Sequence[tuple[Grant, list[int]]]) -> list[UUID]:
        """A new id for each line, made before anything is written: others refer to it."""
        ids: list[UUID] = [NONE] * len(fresh)
        for grant, own in places:
            for at, id_ in zip(own, self._bulk.ids(grant, [fresh[at].type for at in own]), strict=True):
                ids[at] = id_
        return ids

    async def _known(self, kept: Kept | None, names: Collection[str]) -> Mapping[str, str]:
        """The addresses of what came before, of these names."""
        if kept is None or not names:
            return {}
        async with self._pool.acquire() as conn:
            return await kept.known(conn, names)

    async def _relinked(
        self, call: Call, sent: Lines, fresh: Sequence[Fresh], led: Mapping[int, Mapping[str, str]]
    ) -> list[Fresh]:
        """What is to be written, with the lines understood anew that refer to others: what they are found by is another."""
        numbers = sorted(led)
        places = [sent.place(number) for number in numbers]
        types = [fresh[place].type for place in places]
        lines = await asyncio.to_thread(lambda: [among.relinked(sent.line(one), led[one]) for one in numbers])
        many = len(lines) > INLINE_LINES
        found = await self._crew.anew(call.at, types, lines) if many else anew(call.at, types, lines)
        filing = list(fresh)
        for place, one in zip(places, found, strict=True):
            filing[place] = one
        return filing

    def _key(self, call: Call) -> Kept | None:
        text = call.headers.get("idempotency-key", "")
        if not text or call.caller is None:
            return None
        key = self._answers.key(call.caller, text, call.headers.get("person-id", ""), call.body)
        return _UnderAKey(self._answers, key, call.at)

    async def _before(self, kept: Kept | None) -> bytes | None:
        """What was answered to the same before."""
        if kept is None:
            return None
        async with self._pool.acquire() as conn:
            return await kept.before(conn)

    async def _written(
        self, conn: Connection, fresh: Sequence[Fresh], places: Sequence[tuple[Grant, list[int]]], ids: Sequence[UUID]
    ) -> None:
        """Writes all. Where patients have restricted parts or single records, their marks are settled with the writing."""
        filings = [Filing(grant, [fresh[at] for at in own]) for grant, own in places]
        await self._bulk.write(conn, filings, [[ids[at] for at in own] for _, own in places])
        for grant in (grant for grant, _ in filings if marking.concerns(grant)):
            types = [type_ for type_, service in self._service_by_type.items() if service == grant.service]
            await marking.settle(conn, grant, self._reader, types)
        for filing in filings:
            if any(one.type == pointing.REPORT for one in filing.fresh):
                await self._settle_withheld(conn, filing)
                await self._settle_results(conn, filing)

    async def _settle_withheld(self, conn: Connection, filing: Filing) -> None:
        """As of a create: what withholds the new reports is laid on what they show."""
        at, trees = filing.grant.at, [decode(split(one.kept)[0]) for one in filing.fresh if one.type == pointing.REPORT]
        shut = [(tree, withheld(tree, at)) for tree in trees]
        if any(spreading.spreads(tree, one.labels, one.opens, at) for tree, one in shut):
            types = [type_ for type_, service in self._service_by_type.items() if service == filing.grant.service]
            await spreading.settle(conn, filing.grant, self._reader, types)

    async def _settle_results(self, conn: Connection, filing: Filing) -> None:
        """As of a create: what the new reports take back, or let stand again, and who is told."""
        trees = [decode(split(one.kept)[0]) for one in filing.fresh if one.type == pointing.REPORT]
        for tree in trees:
            if pointing.touches(None, tree) or await pointing.any_marked(conn, filing.grant, tree):
                changed = await pointing.settle(conn, filing.grant, self._reader)
                await tell_readers(conn, filing.grant, "corrected", changed, with_report=True)
                return

    async def _read(self, at: datetime, sent: Lines) -> list[Understood]:
        if len(sent.lines) > INLINE_LINES:
            return await self._crew.understood(self._parse, self._types, self._guides, at, sent)
        return [understood(self._parse, self._types, self._guides, at, sent.numbers, sent.lines)]

    async def _held_to_bindings(self, sent: Lines, numbers: Sequence[int]) -> None:
        """Lines whose codes the store must tell of are held against their profiles once more, in a thread that reaches it."""

        def wrong() -> list[Fault]:
            found: list[Fault] = []
            for number in numbers:
                tree = self._parse(sent.line(number))
                faults = self._guides.on_write(tree, tree["resourceType"]).faults
                found += [Fault(one.says, where(number, one.where), one.code) for one in faults]
            return found[:FAULT_LIMIT]

        if numbers and (faults := await asyncio.to_thread(wrong)):
            first = faults[0]
            raise Refusal(422, first.says, where=first.where, code=first.code, faults=tuple(faults[1:]))


def must_reach(call: Call, before: bytes) -> bytes:
    """What was answered before, to who asks for it again; `Refusal` 403 where the token's SMART scopes leave nothing to file of a
    type in it (law, K26)."""
    told = (one["valueUri"] for one in decode(before)["parameter"] if one["name"] == "location")
    for type_ in sorted({str(one).partition("/")[0] for one in told}):
        smart.demand(call.caller, type_, "c")
    return before


def _answer(locations: Sequence[str], patients: int, lost: Sequence[Lost]) -> bytes:
    told: list[dict[str, Any]] = [
        {"name": "resources", "valueInteger": len(locations)},
        {"name": "patients", "valueInteger": patients},
        *({"name": "location", "valueUri": location} for location in locations),
    ]
    if lost:
        told += [{"name": "lost", "valueInteger": len(lost)}, {"name": "outcome", "resource": among.told(lost)}]
    return encode({"resourceType": "Parameters", "parameter": told})


def _locations(fresh: Sequence[Fresh], ids: Sequence[UUID]) -> list[str]:
    return [f"{type_name(one.type)}/{id_}/_history/1" for one, id_ in zip(fresh, ids, strict=True)]


def _addresses(sent: Lines, fresh: Sequence[Fresh], ids: Sequence[UUID], linked: Among) -> dict[int, str]:
    """Where the lines that have a name will lie, by their numbers."""
    named = ((number, sent.place(number)) for number in set(linked.names.values()) - {among.SEVERAL})
    return {number: f"{type_name(fresh[at].type)}/{ids[at]}" for number, at in named}


def _brought(sent: Lines, fresh: Sequence[Fresh], ids: Sequence[UUID], linked: Among) -> list[Brought]:
    """The lines that have a name, for those that come after."""
    found = []
    for name, number in linked.names.items():
        at = sent.place(number) if number != among.SEVERAL else -1
        found.append(Brought(name, number, fresh[at].type if at >= 0 else 0, ids[at] if at >= 0 else None))
    return found


def _people(places: Sequence[tuple[Grant, list[int]]]) -> int:
    """How many human beings, each once over all services."""
    return len({frozenset(grant.subject.keys) for grant, _ in places})


def as_asked(call: Call, made: bytes) -> Answer:
    """Without the locations where they are not wanted."""
    if wanted(call.headers) == "minimal":
        tree = decode(made)
        tree["parameter"] = [one for one in tree["parameter"] if one["name"] != "location"]
        made = encode(tree)
    return Answer(200, made)
