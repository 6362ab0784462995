"""`POST /fhir/R4/$import`: many resources in one request, a JSON object on each line (NDJSON). All are taken, or none.

Each line passes what a create passes: strict JSON, R4, the law about its patient. Understanding the lines is nearly all
of the work, so long imports are read by processes of their own and other requests go on being answered meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Subject
from kjerne.errors import Fault, Refusal
from kjerne.exchange import (
    Answer,
    Call,
    Denied,
    NotFiled,
    PatientRef,
    Route,
    Stale,
    any_of,
    not_filed,
    noted,
    of_several,
)
from kjerne.fhir import among
from kjerne.fhir.among import Lost, Named
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import Indexed, index
from kjerne.fhir.interaction import OF_A_WRITE, heeded
from kjerne.fhir.judging import UNTOLD
from kjerne.fhir.ndjson import Lines
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.prefer import wanted
from kjerne.fhir.understood import not_understood
from kjerne.fhir.validate import check
from kjerne.registries.contents import service_of
from kjerne.registries.guides import Found, Guides
from kjerne.registries.homes import SECOND, row_number
from kjerne.registries.naming import check_names, number_in, numbers_in
from kjerne.registries.withholding import withheld
from kjerne.store import marking, pointing, spreading
from kjerne.store.bulk import Bulk, Filing, Fresh
from kjerne.store.codec import split
from kjerne.store.followup import tell_readers
from kjerne.store.import_answers import ImportAnswers, Key
from kjerne.store.limits import must_hold
from kjerne.store.patient_ids import address_in, key_at, ref
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds

MEDIA_TYPES: Final = frozenset({"application/fhir+ndjson", "application/x-ndjson", "application/ndjson"})
IMPORT_LIMIT_BYTES: Final = 64_000_000
FAULT_LIMIT: Final = 100
AT_ONCE: Final = 2
"""Imports in work in one program; each may hold its body three times over in memory."""
ADMITS_AT_ONCE: Final = 8
"""Fewer than the pool has connections, so that other requests find one."""
INLINE_LINES: Final = 200
"""What is not worth the way to another process: about 30 ms of work."""
CHUNK_LINES: Final = 250
TOGETHER: Final = 40
"""Lines that go through each step of reading together; their trees fit into the processor's second nearest memory."""
TRIES: Final = 3

Parse = Callable[[bytes], dict[str, Any]]


class Who(NamedTuple):
    """How a line names its person: by number, by the address `Patient/{id}`, or both (empty: not)."""

    number: str = ""
    address: str = ""

    def __repr__(self) -> str:
        return "Who(...)"


NOBODY: Final = Who()


class Whose(NamedTuple):
    """Whose record some lines would be in, by keys and by digests of numbers, and the places of the lines."""

    keys: tuple[int, ...]
    digests: frozenset[bytes]
    own: list[int]


@dataclass(frozen=True, slots=True)
class Understood:
    """Lines that were read: what is to be written, whom each names, and what is wrong."""

    fresh: list[Fresh] = field(default_factory=list, repr=False)
    persons: list[Who] = field(default_factory=list, repr=False)
    faults: list[Fault] = field(default_factory=list)
    status: int = 0
    untold: list[int] = field(default_factory=list)
    """The places of lines with a code of which only the store of terminology can tell whether its value set has it."""
    named: Named = field(default_factory=lambda: Named([], []), repr=False)


def understood(
    parse: Parse, types: Mapping[str, int], guides: Guides, at: datetime, numbers: Sequence[int], lines: Sequence[bytes]
) -> Understood:  # fmt: skip
    """Reads lines received at `at` with these numbers. Any process can do it: it has values alone."""
    fresh: list[Fresh] = []
    persons: list[Who] = []
    faults: list[Fault] = []
    status, untold, named = 0, list[int](), Named([], [])
    for begin in range(0, len(lines), TOGETHER):
        some = lines[begin : begin + TOGETHER]
        for number, one in zip(numbers[begin:], _read_together(parse, types, guides, at, some), strict=False):
            if one.fresh is not None:
                fresh.append(one.fresh)
                persons.append(one.person)
                among.look(named, number, one.raw, one.tree)
                untold += [number] if one.untold else []
            elif one.refusal is not None and len(faults) < FAULT_LIMIT:
                status = status or one.refusal.status
                wrong = one.refusal.faults or (Fault(one.refusal.says, one.refusal.where, one.refusal.code),)
                faults += [Fault(fault.says, _where(number, fault.where), fault.code) for fault in wrong]
        if len(faults) >= FAULT_LIMIT:
            break
    return Understood(fresh, persons, faults[:FAULT_LIMIT], status, untold, named)


@dataclass(slots=True)
class _Line:
    """A line on its way: in the end it has `fresh` and the number it names, or a `refusal`."""

    raw: bytes
    tree: dict[str, Any] = field(default_factory=dict)
    type: int = 0
    indexed: Indexed | None = None
    fresh: Fresh | None = None
    person: Who = NOBODY
    untold: bool = False
    refusal: Refusal | None = None


def _read_together(
    parse: Parse, types: Mapping[str, int], guides: Guides, at: datetime, raws: Sequence[bytes]
) -> list[_Line]:  # fmt: skip
    """Some lines, taken through one step after another.

    All steps for each line in turn take a third more time (measured 2026-11-26): their code does not fit into the
    processor's nearest memory together.
    """

    def parsed(line: _Line) -> None:
        line.tree = parse(line.raw)

    def checked(line: _Line) -> None:
        name = line.tree.get("resourceType")
        type_ = types.get(name) if isinstance(name, str) else None
        if type_ is None or not isinstance(name, str):
            raise Refusal(422, f"only these types are taken: {', '.join(sorted(types))}", where="resourceType")
        faults = guides.settled(check(line.tree, name), line.tree) or not_understood(line.raw, line.tree)
        found = guides.on_write(line.tree, name) if not faults else Found(faults, [], [])
        if found.faults:
            raise Refusal(422, found.faults[0].says, faults=tuple(found.faults))
        line.untold = any(one.rule == UNTOLD for one in found.advice)
        check_names(line.raw, line.tree)
        if len(numbers_in(line.tree)) > 1:
            raise Refusal(422, "the line names its person by more than one number", where=f"{name}.subject")
        _check_service(name, line.tree)
        line.type = type_

    def indexed(line: _Line) -> None:
        line.indexed = index(line.tree)

    def finished(line: _Line) -> None:
        assert line.indexed is not None
        shut = withheld(line.tree, at)
        line.person = Who(number_in(line.tree), address_in(line.tree))
        line.fresh = Fresh.of(line.type, line.raw, line.indexed, shut.labels, shut.opens, shut.kinds)

    lines = [_Line(raw) for raw in raws]
    for step in (parsed, checked, indexed, finished):
        for line in lines:
            if line.refusal is None:
                try:
                    step(line)
                except Refusal as refusal:
                    line.refusal = refusal
    return lines


def _check_service(name: str, tree: dict[str, Any]) -> None:
    """`Refusal` 422 where a line belongs to the one of two services that keep its type into which systems send nothing."""
    if name in SECOND and service_of(tree) != SECOND[name]:
        says = "critical information is registered by personnel, and is in no import"
        raise Refusal(422, says, where=f"{name}.category")


def _where(number: int, place: str) -> str:
    """`line 7: Observation.status`; the reader of one line counts it as its line 1."""
    place = place.removeprefix("line 1").removeprefix(", ")
    return f"line {number}: {place}" if place else f"line {number}"


class Crew:
    """Processes that read the lines of long imports, started by the first that comes."""

    def __init__(self, size: int = 0) -> None:
        self._size = size or min(4, os.cpu_count() or 1)
        self._pool: ProcessPoolExecutor | None = None

    async def understood(
        self, parse: Parse, types: Mapping[str, int], guides: Guides, at: datetime, sent: Lines
    ) -> list[Understood]:
        """All lines in order, in parts. Refusal 503 where a process was lost, as it is when memory runs out."""
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self._size, context, initializer=_follow_parent)
        loop = asyncio.get_running_loop()
        try:
            parts = [
                loop.run_in_executor(self._pool, understood, parse, types, guides, at, *sent.some(begin, CHUNK_LINES))
                for begin in range(0, len(sent.lines), CHUNK_LINES)
            ]
            return await asyncio.gather(*parts)
        except BrokenProcessPool as error:
            self.close()
            raise Refusal(503, "the import was broken off", todo="Send it again, or in smaller parts.") from error

    def close(self) -> None:
        """Ends the processes; the next import starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Ctrl-C reaches the whole terminal: the program ends its processes itself. If it is killed, they end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
        self._service_by_type = {row_number(name, service): service for name, service in served.items()}
        self._types = {name: row_number(name, service) for name, service in served.items()}
        self._needs = any_of({name: writes[name] for name in served})
        self._parse = parse_json
        self._identify = identify
        self._guides = guides
        self._ids = ids
        self._answers = answers
        self._running = 0

    def routes(self) -> list[Route]:
        return [Route("POST", "/fhir/R4/$import", self.take, self._needs, "fhir", IMPORT_LIMIT_BYTES)]

    async def take(self, call: Call) -> Answer:
        """Parameters: how many resources and patients were written, and the location of each line's resource."""
        check_accepted(call)
        heeded(call, OF_A_WRITE)
        if call.headers.get("content-type", "").partition(";")[0].strip().lower() not in MEDIA_TYPES:
            raise Refusal(415, "an import is sent as application/fhir+ndjson", where="content-type")
        if self._running >= AT_ONCE:
            raise Refusal(
                429, "other imports are in work", todo="Send it again later.", headers=(("retry-after", "5"),)
            )
        self._running += 1
        try:
            return await self._taken(call)
        finally:
            self._running -= 1

    async def _taken(self, call: Call) -> Answer:
        sent, key = Lines.of(call.body), self._key(call)
        if (before := await self._before(key, call.at)) is not None:
            return _as_asked(call, before)
        parts = await self._read(call.at, sent)
        fresh, persons = _all_right(parts)
        await self._held_to_bindings(sent, [number for part in parts for number in part.untold])
        await self._held_to_scopes(call, sent, fresh, persons)
        lost = among.lost(part.named for part in parts)
        for _ in range(TRIES):
            places = await self._filings(call, sent, fresh, persons)
            try:
                async with self._pool.acquire() as conn, conn.transaction():
                    if key is not None and not await self._answers.begin(conn, key, call.at):
                        break
                    made = _answer(await self._located(conn, fresh, places), _people(places), lost)
                    if key is not None:
                        await self._answers.end(conn, key, made)
            except Stale:
                continue
            return _as_asked(call, made)
        if (before := await self._before(key, call.at)) is not None:
            return _as_asked(call, before)
        raise Refusal(503, "the patients' facts are being changed at this moment", todo="Send the import again.")

    def _key(self, call: Call) -> Key | None:
        text = call.headers.get("idempotency-key", "")
        if not text or call.caller is None:
            return None
        return self._answers.key(call.caller, text, call.headers.get("person-id", ""), call.body)

    async def _before(self, key: Key | None, now: datetime) -> bytes | None:
        """What was answered under this key."""
        if key is None:
            return None
        async with self._pool.acquire() as conn:
            return await self._answers.answered(conn, key, now)

    async def _located(
        self, conn: Connection, fresh: Sequence[Fresh], places: Sequence[tuple[Grant, list[int]]]
    ) -> list[str]:
        """Writes all; where each line's resource is."""
        ids = await self._written(conn, [Filing(grant, [fresh[at] for at in own]) for grant, own in places])
        locations = [""] * len(fresh)
        for (_, own), new in zip(places, ids, strict=True):
            for at, id_ in zip(own, new, strict=True):
                locations[at] = f"{type_name(fresh[at].type)}/{id_}/_history/1"
        return locations

    async def _held_to_scopes(self, call: Call, sent: Lines, fresh: Sequence[Fresh], persons: Sequence[Who]) -> None:
        """`Refusal` 403 where the token's SMART scopes do not leave a line; the law's no is in the logs of those it is about."""
        beyond: dict[tuple[Who, int], Refusal] = {}
        named = call.headers.get("person-id", "")
        for at, one in enumerate(fresh):
            try:
                must_hold(call.caller, one.type, one.tokens, "c")
            except Refusal as refusal:
                beyond.setdefault((Who(named) if named else persons[at], at), refusal)
        noted_of = {person: at for person, at in reversed(beyond) if self._names(person)}
        for person, at in noted_of.items():
            type_ = fresh[at].type
            patient, name = self._meant(person, sent.numbers[at]), type_name(type_)
            await noted(call.admit, patient, self._service_by_type[type_], "file", f"{name}.c")
        if beyond:
            raise next(iter(beyond.values()))

    async def _written(self, conn: Connection, filings: list[Filing]) -> list[list[UUID]]:
        """The new ids. Where patients have restricted parts or single records, their marks are settled with the writing."""
        concerned = [grant for grant, _ in filings if marking.concerns(grant)]
        reported = [filing.grant for filing in filings if any(one.type == pointing.REPORT for one in filing.fresh)]
        if not concerned and not reported:
            return await self._bulk.write(conn, filings)
        async with conn.transaction():
            ids = await self._bulk.write(conn, filings)
            for grant in concerned:
                types = [type_ for type_, service in self._service_by_type.items() if service == grant.service]
                await marking.settle(conn, grant, self._reader, types)
            for filing in filings:
                await self._settle_withheld(conn, filing)
                await self._settle_results(conn, filing)
        return ids

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
                found += [Fault(one.says, _where(number, one.where), one.code) for one in faults]
            return found[:FAULT_LIMIT]

        if numbers and (faults := await asyncio.to_thread(wrong)):
            first = faults[0]
            raise Refusal(422, first.says, where=first.where, code=first.code, faults=tuple(faults[1:]))

    async def _filings(
        self, call: Call, sent: Lines, fresh: Sequence[Fresh], persons: Sequence[Who]
    ) -> list[tuple[Grant, list[int]]]:
        """The grants, one for each patient and service, each with the places of its lines.

        That nothing is filed about somebody is said when nothing else is wrong, as of a create (K13, K70); of several people
        neither about whom nor where, and each of the others has a row of the try (K95).
        """
        named = call.headers.get("person-id", "")
        groups: dict[tuple[Who, str], list[int]] = {}
        for at, (one, person) in enumerate(zip(fresh, persons, strict=True)):
            groups.setdefault((Who(named) if named else person, self._service_by_type[one.type]), []).append(at)
        found: dict[tuple[int, str], tuple[Grant, list[int]]] = {}
        whose: list[Whose] = []
        shut, let_in = list[Refusal](), list[tuple[Who, str, int]]()
        asked = list(groups.items())
        for begin in range(0, len(asked), ADMITS_AT_ONCE):
            some = asked[begin : begin + ADMITS_AT_ONCE]
            grants = await asyncio.gather(
                *(self._grant(call, person, service, sent.numbers[own[0]]) for (person, service), own in some),
                return_exceptions=True,
            )
            for grant, ((person, service), own) in zip(grants, some, strict=True):
                if isinstance(grant, Denied):
                    shut.append(not_filed(grant, _where(sent.numbers[own[0]], "")))
                    whose.append(self._whose(grant.denial.subject, person, own, sent))
                    continue
                if isinstance(grant, BaseException):
                    raise grant
                whose.append(self._whose(grant.subject, person, own, sent))
                let_in.append((person, service, own[0]))
                # Two numbers of one person, her D-number and the one that came after it, are one filing.
                found.setdefault((grant.subject.patient, grant.service), (grant, []))[1].extend(own)
        if named:
            self._check_same(sent, persons, whose)
        self._check_addresses(sent, persons, whose)
        if shut:
            await self._tried(call, sent, fresh, let_in)
            # That the sender takes no part is about nobody, and said whatever anybody has chosen.
            about_sender = next((one for one in shut if not isinstance(one, NotFiled)), None)
            raise about_sender or (of_several(shut[0]) if len({person for person, _ in groups}) > 1 else shut[0])
        return list(found.values())

    async def _tried(
        self, call: Call, sent: Lines, fresh: Sequence[Fresh], let_in: Sequence[tuple[Who, str, int]]
    ) -> None:
        """Has the law refuse what it had let in of an import that it refuses: else who has not opted out is asked for free."""
        for begin in range(0, len(let_in), ADMITS_AT_ONCE):
            some = let_in[begin : begin + ADMITS_AT_ONCE]
            rows = (
                noted(
                    call.admit,
                    self._meant(who, sent.numbers[at]),
                    service,
                    "file",
                    f"{type_name(fresh[at].type)}.c",
                    "=",
                )
                for who, service, at in some
            )
            await asyncio.gather(*rows)

    def _names(self, person: Who) -> bool:
        """Whether a line names somebody: an address that is none of ours names nobody."""
        return bool(person.number) or bool(key_at(self._ids, person.address))

    def _meant(self, person: Who, line: int) -> PatientRef:
        if person.number:
            return self._identified(person.number, line)
        return ref(key_at(self._ids, person.address) or 0)

    async def _grant(self, call: Call, person: Who, service: str, line: int) -> Grant:
        if not self._names(person):
            raise Refusal(
                400, "the patient's number is missing", where=_where(line, "subject.identifier.value"),
                todo="Send it in each line, or for all lines as header person-id.",
            )  # fmt: skip
        return await call.admit(self._meant(person, line), service, "file")

    def _whose(self, subject: Subject | None, person: Who, own: list[int], sent: Lines) -> Whose:
        if subject is None:
            return Whose((), frozenset({self._meant(person, sent.numbers[own[0]]).digest}), own)
        return Whose(subject.keys, subject.digests, own)

    def _check_addresses(self, sent: Lines, persons: Sequence[Who], whose: Iterable[Whose]) -> None:
        """As `_check_same`, of addresses: each is of the person whose record the line would be in."""
        for keys, _, own in whose:
            for address, at in {persons[at].address: at for at in reversed(own)}.items():
                key = key_at(self._ids, address)
                if key and key not in keys:
                    raise Refusal(
                        422, "the line refers to another person than it is about",
                        where=_where(sent.numbers[at], "subject.reference"),
                    )  # fmt: skip

    def _check_same(self, sent: Lines, persons: Sequence[Who], whose: Iterable[Whose]) -> None:
        """A line that names another person than the header does is on its way into the wrong record."""
        for _, digests, own in whose:
            right: set[str] = {""}
            for at in own:
                number = persons[at].number
                if number not in right:
                    line = sent.numbers[at]
                    if self._identified(number, line).digest not in digests:
                        raise Refusal(
                            422, "the line names another person than the header person-id",
                            where=_where(line, "subject.identifier.value"),
                        )  # fmt: skip
                    right.add(number)

    def _identified(self, number: str, line: int) -> PatientRef:
        try:
            return self._identify(number)
        except Refusal as refusal:
            where = _where(line, "subject.identifier.value")
            raise Refusal(refusal.status, refusal.says, where=where, todo=refusal.todo, code=refusal.code) from None


def _all_right(parts: Sequence[Understood]) -> tuple[list[Fresh], list[Who]]:
    """Everything, if nothing is wrong in any line."""
    faults = tuple(fault for part in parts for fault in part.faults)[:FAULT_LIMIT]
    if faults:
        status = next(part.status for part in parts if part.status)
        raise Refusal(status, faults[0].says, where=faults[0].where, code=faults[0].code, faults=faults[1:])
    return _joined(part.fresh for part in parts), _joined(part.persons for part in parts)


def _joined(parts: Iterator[list[Any]]) -> list[Any]:
    return [one for part in parts for one in part]


def _answer(locations: Sequence[str], patients: int, lost: Sequence[Lost]) -> bytes:
    told: list[dict[str, Any]] = [
        {"name": "resources", "valueInteger": len(locations)},
        {"name": "patients", "valueInteger": patients},
        *({"name": "location", "valueUri": location} for location in locations),
    ]
    if lost:
        told += [{"name": "lost", "valueInteger": len(lost)}, {"name": "outcome", "resource": among.told(lost)}]
    return encode({"resourceType": "Parameters", "parameter": told})


def _people(places: Sequence[tuple[Grant, list[int]]]) -> int:
    """How many human beings, each once over all services."""
    return len({frozenset(grant.subject.keys) for grant, _ in places})


def _as_asked(call: Call, made: bytes) -> Answer:
    """Without the locations where they are not wanted."""
    if wanted(call.headers) == "minimal":
        tree = decode(made)
        tree["parameter"] = [one for one in tree["parameter"] if one["name"] != "location"]
        made = encode(tree)
    return Answer(200, made)
