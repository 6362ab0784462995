"""Records of others that name a patient, found and read in hers: under the grant about her and one about each with whom they lie.

Both must be open, else such a record is absent, and the answer is what it is of somebody whom nothing names. Both logs tell: in
hers that something of another's was shown, in the other's what (law, K104 to K106). Nobody is asked and nothing is looked up
but for her of whom `Subject.pointed` says that there is something to look for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from kjerne.access import FIRST_PART, PARTS, Grant
from kjerne.exchange import Asks, Call, Denied, PatientRef, Stale, granted
from kjerne.fhir import smart
from kjerne.fhir.criteria import Among, is_linked
from kjerne.fhir.encode import decode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.search import Search
from kjerne.registries.homes import row_number
from kjerne.registries.identifiers import is_number
from kjerne.store import audit, subjects
from kjerne.store.codec import DataKey
from kjerne.store.patient_ids import AboutWhom
from kjerne.store.pointers import Place, Pointers
from kjerne.store.proofs import note
from kjerne.store.reading import Reader, Record, Unwrapped

PARTS_MASK: Final = (FIRST_PART << PARTS) - FIRST_PART


class Beside(NamedTuple):
    """What one other may have for a search: the grant about that one, the ids to look among, and whether a resource names the
    patient still."""

    grant: Grant
    ids: Among
    names: Callable[[Mapping[str, Any]], bool]


class Ring(Unwrapped):
    """The keys that the rows of several persons open with."""

    def __init__(self, every: Sequence[tuple[Grant, Unwrapped]]) -> None:
        self._of = {key: keys for grant, keys in every for key in grant.subject.keys}

    def __getitem__(self, patient: int) -> DataKey:
        return self._of[patient][patient]


class _NotSeen(Exception):
    """Nothing is there that names her and may be seen: what was begun is taken back."""


@dataclass(frozen=True, slots=True)
class InAnothers:
    """Asks and reads for one house. `identify` gives a reference from a number."""

    pool: Asks
    reader: Reader
    pointers: Pointers
    identify: Callable[[str], PatientRef]

    async def beside(self, call: Call, grant: Grant, whom: AboutWhom, search: Search) -> tuple[Beside, ...]:
        """Whose records a search about the grant's patient looks at too; nobody's where it says whose `subject` they are, which
        theirs is not, or asks by a chain, which would look at what does not name her."""
        pointed = grant.subject.pointed and whom.key is None and not whom.of_her
        if not pointed or _is_shut_in_part(grant) or any(is_linked(one) for one in search.criteria):
            return ()
        async with call.connection(self.pool) as conn:
            await note(conn, grant.once)
            there = await self.pointers.of(conn, grant, row_number(search.type, grant.service))
        names = partial(self.pointers.names, subject=grant.subject)
        return tuple(
            Beside(other, Among(frozenset(str(id_) for key in other.subject.keys for id_ in there.get(key, ()))), names)
            for other in await _asked(call, grant, there)
        )

    async def read(
        self, call: Call, place: Place, service: str, use: Callable[[Grant], Awaitable[Record | None]],
        alone: Callable[[], Awaitable[Record | None]],
    ) -> Record | None:  # fmt: skip
        """The record of a place; None where it is absent to the caller. Where the header names another than the one with whom it
        lies it is looked for in that other's record first. `use` reads it under a grant about the one with whom it lies, `alone`
        asks the law about that one, and reads it.
        """
        home, number = self.pointers.ids.patient(place[1]), call.headers.get("person-id", "")
        name, caller = call.parameters["type"], call.caller
        if not is_number(number) or caller is None or caller.kind == "citizen":
            return await alone()

        async def named(grant: Grant) -> Record | None:
            if home in grant.asked_about.keys:
                return await use(grant)
            found = await self._seen(call, grant, place, home)
            if found is None:
                raise _NotSeen
            return found

        try:
            return await granted(
                call.admit,
                self.identify(number),
                service,
                "read",
                named,
                basis=basis_of(call),
                proven=True,
                piece=f"{name}.r",
            )
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

    async def _seen(self, call: Call, grant: Grant, place: Place, home: int) -> Record | None:
        """The record as it may be seen in that of the grant's patient, whom it names."""
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
            return await self._read(call, grant, other, place)
        return None

    async def _read(self, call: Call, grant: Grant, other: Grant, place: Place) -> Record | None:
        try:
            async with call.connection(self.pool) as conn, conn.transaction():
                record = await self.reader.read(conn, other, *place)
                if record is None or not self.pointers.names(decode(record.raw), grant.subject):
                    raise _NotSeen
                if not await subjects.stand(conn, grant.subject):
                    raise Stale
                await audit.insert(conn, audit.elsewhere(grant))
                return record
        except _NotSeen:
            return None


async def _asked(call: Call, grant: Grant, homes: Iterable[int]) -> Sequence[Grant]:
    """The grants about those of others whom the law opens beside the grant's patient."""
    others = [key for key in homes if key not in grant.subject.keys]
    return await call.beside(grant, others, call.joined) if others and call.beside is not None else ()


def _is_shut_in_part(grant: Grant) -> bool:
    """Whether the patient has restricted a part of her own record against the caller: nobody has marked what lies with others."""
    return bool(int(grant.hides) & PARTS_MASK)
