"""Records of others that name a patient, found and read in hers: under the grant about her and one about each with whom they lie.

Both must be open, else such a record is absent, and the answer is what it is of somebody whom nothing names. Both logs tell: in
hers that something of another's was shown, in the other's what (law, K104 to K106). Nobody is asked and nothing is looked up
but for her of whom `Subject.pointed` says that there is something to look for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from kjerne.access import FIRST_PART, PARTS, Action, Grant
from kjerne.exchange import Asks, Call, Denied, PatientRef, Stale, granted
from kjerne.fhir import smart
from kjerne.fhir.criteria import Among, is_linked
from kjerne.fhir.encode import decode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.search import Search
from kjerne.registries.homes import row_number, types_of
from kjerne.registries.identifiers import is_number
from kjerne.store import audit, limits, subjects
from kjerne.store.codec import DataKey
from kjerne.store.patient_ids import AboutWhom
from kjerne.store.pointers import Place, Pointers
from kjerne.store.pool import Connection
from kjerne.store.proofs import note
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, Unwrapped, door
from kjerne.store.walking import STEP_BYTES, Asked, Step

LOOKED_AT_ONCE: Final = 50
"""Rows that a step follows before it counts what they lead to."""
# $6 types, $7 ids, $8 changed since, $9 and $10 the days of care, as `walking` has them.
_THESE: Final = f"""
WITH {STAMPED} SELECT {OUTER} FROM record r, s
WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = ANY($7::uuid[]) AND r.at >= $8
  AND (r.date_from IS NULL OR (r.date_from < $10 AND r.date_to > $9))"""
PARTS_MASK: Final = (FIRST_PART << PARTS) - FIRST_PART


T = TypeVar("T")
Names = Callable[[Record], bool]
"""Whether a version names the patient."""
See = Callable[[Connection, Grant, Grant, Names], Awaitable[T | None]]
"""Reads of another's record what names the patient, with its row in that one's log: under the grants about her and the other."""


class Beside(NamedTuple):
    """What one other may have for a search: the grant about that one, the ids to look among, those of whatever type that an
    include may lead to, and whether a resource names the patient still."""

    grant: Grant
    ids: Among
    led_to: frozenset[UUID]
    names: Callable[[Mapping[str, Any]], bool]


class Ring(Unwrapped):
    """The keys that the rows of several persons open with."""

    def __init__(self, every: Sequence[tuple[Grant, Unwrapped]]) -> None:
        self._of = {key: keys for grant, keys in every for key in grant.subject.keys}

    def __getitem__(self, patient: int) -> DataKey:
        return self._of[patient][patient]


class _Seen(NamedTuple):
    """A record of another's that names the patient, as it lies: it is unsealed when it is asked for."""

    grant: Grant
    opened: Callable[[], Record]
    row: tuple[Any, ...]

    @property
    def place(self) -> Place:
        return self.row[1], self.row[2]

    @property
    def named(self) -> tuple[int, UUID, int]:
        return self.row[1], self.row[2], self.row[3]

    @property
    def length(self) -> int:
        return len(self.row[8])


class _NotSeen(Exception):
    """Nothing is there that names her and may be seen: what was begun is taken back."""


@dataclass(frozen=True, slots=True)
class InAnothers:
    """Asks and reads for one house. `identify` gives a reference from a number."""

    pool: Asks
    reader: Reader
    pointers: Pointers
    identify: Callable[[str], PatientRef]

    async def beside(self, call: Call, grant: Grant, whom: AboutWhom, search: Search) -> Sequence[Beside]:
        """Whose records a search about the grant's patient looks at too; nobody's where it says whose `subject` they are, which
        theirs is not, or asks by a chain, which would look at what does not name her."""
        pointed = grant.subject.pointed and whom.key is None and not whom.of_her
        if not pointed or _is_shut_in_part(grant) or any(is_linked(one) for one in search.criteria):
            return ()
        async with call.connection(self.pool) as conn:
            await note(conn, grant.once)
            own, leads = row_number(search.type, grant.service), search.includes or search.revincludes
            types = [row_number(name, grant.service) for name in types_of(grant.service)] if leads else [own]
            there = await self.pointers.of(conn, grant, types)
        names, found = partial(self.pointers.names, subject=grant.subject), list[Beside]()
        for other in await _asked(call, grant, there):
            places = [place for key in other.subject.keys for place in there.get(key, ())]
            ids = Among(frozenset(str(id_) for type_, id_ in places if type_ == own))
            found.append(Beside(other, ids, frozenset(id_ for _, id_ in places) if leads else frozenset(), names))
        return found

    async def read(
        self, call: Call, place: Place, service: str, use: Callable[[Grant], Awaitable[Record | None]],
        alone: Callable[[], Awaitable[Record | None]],
    ) -> Record | None:  # fmt: skip
        """The record of a place; None where it is absent to the caller. Where the header names another than the one with whom it
        lies it is looked for in that other's record first. `use` reads it under a grant about the one with whom it lies, `alone`
        asks the law about that one, and reads it.
        """

        async def see(conn: Connection, _: Grant, other: Grant, names: Names) -> Record | None:
            record = await self.reader.read(conn, other, *place)
            return record if record is not None and names(record) else None

        return await self._of_either(call, place, service, "read", use, alone, see)

    async def past(
        self, call: Call, place: Place, service: str, use: Callable[[Grant], Awaitable[T | None]],
        alone: Callable[[], Awaitable[T | None]], see: See[T],
    ) -> T | None:  # fmt: skip
        """As `read`, of what the record was: `see` gives what the caller may have of that under a grant about the other, of the
        versions that name the patient. It is not asked where the current one does not."""

        async def seen(conn: Connection, grant: Grant, other: Grant, names: Names) -> T | None:
            keys = self.reader.unwrapped(other)
            rows = await conn.fetch(*_narrowed(other, keys, [place], Asked(())))
            if not any(names(self.reader.open_row(keys, tuple(row))) for row in rows):
                return None
            return await see(conn, grant, other, names)

        return await self._of_either(call, place, service, "history", use, alone, seen)

    async def _of_either(
        self, call: Call, place: Place, service: str, action: Action, use: Callable[[Grant], Awaitable[T | None]],
        alone: Callable[[], Awaitable[T | None]], see: See[T],
    ) -> T | None:  # fmt: skip
        home, number = self.pointers.ids.patient(place[1]), call.headers.get("person-id", "")
        name, caller = call.parameters["type"], call.caller
        if not is_number(number) or caller is None or caller.kind == "citizen":
            return await alone()

        async def named(grant: Grant) -> T | None:
            if home in grant.asked_about.keys:
                return await use(grant)
            found = await self._seen(call, grant, place, home, see)
            if found is None:
                raise _NotSeen
            return found

        try:
            return await granted(
                call.admit, self.identify(number), service, action, named, basis=basis_of(call), proven=True,
                piece=f"{name}.r",
            )  # fmt: skip
        except _NotSeen:
            return await alone()
        except Denied as denied:
            subject = denied.denial.subject
            if subject is None or home not in subject.keys:
                return await alone()
            smart.demand(caller, name, "r")
            if denied.denial.of_caller:
                raise
            return None

    async def step(self, call: Call, grant: Grant, asked: Asked, after: Place, most: int) -> Step:
        """As `walking.step`, of others' records that name the grant's patient: at most so many behind a place, in both logs.

        Where `most` is 0 it tells by `more` whether there is any, and nothing leaves. Raises `Stale`.
        """
        if not grant.subject.pointed or _is_shut_in_part(grant) or not asked.types:
            return Step([], after, False)
        seen, place, length, more = list[_Seen](), after, 0, False
        while not more:
            async with call.connection(self.pool) as conn:
                there = await self.pointers.behind(conn, grant, asked.types, place, LOOKED_AT_ONCE)
            if not there:
                break
            place = there[-1][0]
            for one in await self._seen_of(call, grant, asked, dict(there)):
                length += one.length
                more = len(seen) == most or (bool(seen) and length > STEP_BYTES)
                if more:
                    break
                seen.append(one)
        if seen:
            await self._tell_both(call, grant, seen)
        return Step([one.opened for one in seen], seen[-1].place if seen else after, more)

    async def _seen_of(self, call: Call, grant: Grant, asked: Asked, there: Mapping[Place, int]) -> list[_Seen]:
        """What some rows lead to and may be seen beside her record, in the order of types and ids."""
        found = list[_Seen]()
        for other in await _asked(call, grant, dict.fromkeys(there.values())):
            keys, own = self.reader.unwrapped(other), [one for one, key in there.items() if key in other.subject.keys]
            async with call.connection(self.pool) as conn:
                rows = [tuple(row) for row in await conn.fetch(*_narrowed(other, keys, own, asked))]
            opening = [_Seen(other, partial(self.reader.open_row, keys, row), row) for row in rows]
            found += [one for one in opening if one.place in there and self._names(grant, one.opened())]
        return sorted(found, key=lambda one: one.place)

    async def _tell_both(self, call: Call, grant: Grant, shown: Sequence[_Seen]) -> None:
        """The rows of what leaves, as a search has them. Raises `Stale`."""
        async with call.connection(self.pool) as conn, conn.transaction():
            for other in {id(one.grant): one.grant for one in shown}.values():
                if not await subjects.stand(conn, other.subject):
                    raise Stale
                await audit.insert(conn, audit.given(other), [one.named for one in shown if one.grant is other])
            if not await subjects.stand(conn, grant.subject):
                raise Stale
            await audit.insert(conn, audit.elsewhere(grant))

    async def _seen(self, call: Call, grant: Grant, place: Place, home: int, see: See[T]) -> T | None:
        """What may be seen of the record in that of the grant's patient, whom it names."""
        if _is_shut_in_part(grant):
            return None
        async with call.connection(self.pool) as conn:
            await note(conn, grant.once)
            if not grant.subject.pointed:
                # Remembered from an earlier request: the first that names her may have come since.
                if not await subjects.stand(conn, grant.subject):
                    raise Stale
                return None
            if await self.pointers.one(conn, grant, place) != home:
                return None
        for other in await _asked(call, grant, (home,)):
            return await self._looked(call, grant, other, see)
        return None

    async def _looked(self, call: Call, grant: Grant, other: Grant, see: See[T]) -> T | None:
        try:
            async with call.connection(self.pool) as conn, conn.transaction():
                found = await see(conn, grant, other, partial(self._names, grant))
                if found is None:
                    raise _NotSeen
                if not await subjects.stand(conn, grant.subject):
                    raise Stale
                await audit.insert(conn, audit.elsewhere(grant))
                return found
        except _NotSeen:
            return None

    def _names(self, grant: Grant, record: Record) -> bool:
        return self.pointers.names(decode(record.raw), grant.subject)


def _narrowed(other: Grant, keys: Unwrapped, places: Sequence[Place], asked: Asked) -> Sequence[Any]:
    """The statement and the values by which records of these places are fetched, as they stand."""
    values = (
        *door(other), sorted({type_ for type_, _ in places}), [id_ for _, id_ in places],
        asked.since, asked.first, asked.last,
    )  # fmt: skip
    statement, every = limits.narrowed(other, keys, _THESE, ALLOWED, values)
    return statement, *every


async def _asked(call: Call, grant: Grant, homes: Iterable[int]) -> Sequence[Grant]:
    """The grants about those of others whom the law opens beside the grant's patient."""
    others = [key for key in homes if key not in grant.subject.keys]
    return await call.beside(grant, others, call.joined) if others and call.beside is not None else ()


def _is_shut_in_part(grant: Grant) -> bool:
    """Whether the patient has restricted a part of her own record against the caller: nobody has marked what lies with others."""
    return bool(int(grant.hides) & PARTS_MASK)
