"""The lines of an import, understood: what is to be written, whom each names, and what is wrong with which.

Understanding them is nearly all of the work, so long imports are read by processes of their own and other requests go on being
answered meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any, Final, NamedTuple, TypeVar

from kjerne.errors import Fault, Refusal
from kjerne.fhir import among
from kjerne.fhir.among import Named
from kjerne.fhir.encode import decode
from kjerne.fhir.index import Indexed, index
from kjerne.fhir.judging import UNTOLD
from kjerne.fhir.ndjson import Lines
from kjerne.fhir.understood import not_understood
from kjerne.fhir.validate import check
from kjerne.registries.contents import service_of
from kjerne.registries.guides import Found, Guides
from kjerne.registries.homes import SECOND
from kjerne.registries.naming import check_names, number_in, numbers_in
from kjerne.registries.withholding import withheld
from kjerne.store.bulk import Fresh
from kjerne.store.patient_ids import address_in

FAULT_LIMIT: Final = 100
INLINE_LINES: Final = 200
"""What is not worth the way to another process: about 30 ms of work."""
CHUNK_LINES: Final = 250
TOGETHER: Final = 40
"""Lines that go through each step of reading together; their trees fit into the processor's second nearest memory."""

Parse = Callable[[bytes], dict[str, Any]]
T = TypeVar("T")


class Who(NamedTuple):
    """How a line names its person: by number, by the address `Patient/{id}`, or both (empty: not)."""

    number: str = ""
    address: str = ""

    def __repr__(self) -> str:
        return "Who(...)"


NOBODY: Final = Who()


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
                faults += [Fault(fault.says, where(number, fault.where), fault.code) for fault in wrong]
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
        guides.made_up.check(line.raw, line.tree)
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


def where(number: int, place: str) -> str:
    """`line 7: Observation.status`; the reader of one line counts it as its line 1."""
    place = place.removeprefix("line 1").removeprefix(", ")
    return f"line {number}: {place}" if place else f"line {number}"


def anew(at: datetime, types: Sequence[int], lines: Sequence[bytes]) -> list[Fresh]:
    """Lines that were understood before and refer to others of their types now: nothing in them can be wrong, or a refusal would
    tell, after the law was asked, that nobody in them has opted out."""
    fresh: list[Fresh] = []
    for type_, raw in zip(types, lines, strict=True):
        tree = decode(raw)
        shut = withheld(tree, at)
        fresh.append(Fresh.of(type_, raw, index(tree), shut.labels, shut.opens, shut.kinds))
    return fresh


class Crew:
    """Processes that read the lines of long imports, started by the first that comes."""

    def __init__(self, size: int = 0) -> None:
        self._size = size or min(4, os.cpu_count() or 1)
        self._pool: ProcessPoolExecutor | None = None

    async def understood(
        self, parse: Parse, types: Mapping[str, int], guides: Guides, at: datetime, sent: Lines
    ) -> list[Understood]:
        """All lines in order, in parts. Refusal 503 where a process was lost, as it is when memory runs out."""
        work = partial(understood, parse, types, guides, at)
        return await self._shared(work, len(sent.lines), lambda begin: sent.some(begin, CHUNK_LINES))

    async def anew(self, at: datetime, types: Sequence[int], lines: Sequence[bytes]) -> list[Fresh]:
        """As `anew`, of many lines; `Refusal` 503 as above."""
        some = lambda begin: (types[begin : begin + CHUNK_LINES], lines[begin : begin + CHUNK_LINES])  # noqa: E731
        return [one for part in await self._shared(partial(anew, at), len(lines), some) for one in part]

    async def _shared(self, work: Callable[..., T], count: int, some: Callable[[int], tuple[Any, ...]]) -> list[T]:
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self._size, context, initializer=_follow_parent)
        loop = asyncio.get_running_loop()
        try:
            begins = range(0, count, CHUNK_LINES)
            return await asyncio.gather(*(loop.run_in_executor(self._pool, work, *some(begin)) for begin in begins))
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


def all_right(parts: Sequence[Understood]) -> tuple[list[Fresh], list[Who]]:
    """Everything, if nothing is wrong in any line."""
    faults = tuple(fault for part in parts for fault in part.faults)[:FAULT_LIMIT]
    if faults:
        status = next(part.status for part in parts if part.status)
        raise Refusal(status, faults[0].says, where=faults[0].where, code=faults[0].code, faults=faults[1:])
    return _joined(part.fresh for part in parts), _joined(part.persons for part in parts)


def _joined(parts: Iterator[list[Any]]) -> list[Any]:
    return [one for part in parts for one in part]
