"""One file of an export, read when it is fetched: each person in it under the law of that moment, with her row in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from xxhash import xxh3_128_digest

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, Answer, Call, Denied, PatientRef, Stale, unsettled
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.fhir.search import Search
from kjerne.registries.homes import KEPT, PERSON, row_number, types_of
from kjerne.services.exports.asking import NDJSON, people_of
from kjerne.services.exports.filters import Filters
from kjerne.store import audit, exports, handing_out, patients
from kjerne.store.exports import Export
from kjerne.store.finding import Finder
from kjerne.store.handing_out import After, Errand, Gone, Sealed
from kjerne.store.keys import Sealer
from kjerne.store.patient_ids import ref
from kjerne.store.patients import Held, Patients
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds

PORTION_RECORDS: Final = 50_000
"""As many are fetched together, of all persons of a file; whoever has more goes on in the next portion, under the law anew."""
PORTION_BYTES: Final = 32_000_000
"""Of their packed bodies."""
WHOLE_BYTES: Final = 80_000_000
"""A file up to that length is made whole, and has an ETag; a longer one is sent while it is read."""
GONE: Final = "deleted"
"""What the file of deletions is called, beside the types."""
OF_A_BUNDLE: Final = 1_000
LEFT_OUT: Final = ("export-", "recheck-", "test-of-")
"""Rules that leave one person out of a file, and keep nobody else's record in it."""
T = TypeVar("T")
P = TypeVar("P", Sealed, Gone)
Use = Callable[[Connection, Sequence[Grant], Errand], Awaitable[T]]
Pieces = AsyncIterator[list[bytes]]


class Place(NamedTuple):
    """Which file: of a type, or of what was deleted, and the how manieth."""

    name: str
    number: int


@dataclass(frozen=True)
class Files:
    """Reads them. `services` are those that an export is of, `checked` those of a check; `sealer` opens whom it is of."""

    pool: Pool
    reader: Reader
    patients: Patients
    ids: SealedIds
    sealer: Sealer
    services: Sequence[str]
    checked: Sequence[str]
    filters: Filters
    finder: Finder

    def place(self, export: Export, text: str) -> Place:
        """The file of that name. `Refusal` 404 where the export has no such file."""
        name, _, number = text.rpartition("-")
        known = (name == GONE and export.since is not None) or name in map(type_name, export.types)
        if not (known and number.isascii() and number.isdigit() and len(number) < 10) or int(number) >= export.files:
            raise Refusal(404, "this export has no such file", where="file")
        return Place(name, int(number))

    async def lines(self, call: Call, export: Export, place: Place) -> Pieces:
        """What is in it, a resource on each line, some at a time. What is read of somebody together is in the log, or nothing of
        it leaves."""
        people = await self._people(export, place.number)
        if place.name == PERSON:
            yield await self._used(call, export, people, (), self._persons) or []
            return
        if place.name == GONE:
            async for some in self._deletions(call, export, people):
                yield some
            return
        searches = self.filters.of(export.filters, place.name)
        use = partial(self._filtered, searches) if searches else self._records
        for service in (of for name, of in KEPT if name == place.name):
            async for portion in self._portions(call, export, people, (place.name,), use, service):
                async for some in handing_out.lines(self.reader, portion):
                    yield some

    async def everything(
        self, call: Call, export: Export, people: Sequence[PatientRef], names: Sequence[str]
    ) -> Pieces:
        """As `lines`, of these people in all of these types: their Patients, then of each service what the law lets out."""
        yield await self._used(call, export, people, (), self._persons) or []
        for service in self._of(export):
            if mine := [name for name in names if name in types_of(service)]:
                async for portion in self._portions(call, export, people, mine, self._records, service):
                    async for some in handing_out.lines(self.reader, portion):
                        yield some

    async def _portions(
        self, call: Call, export: Export, people: Sequence[PatientRef], names: Sequence[str], use: Use[P], service: str
    ) -> AsyncIterator[P]:
        """One after another, until nobody has more: who has much is asked about by the law again for each."""
        after: Mapping[int, After] | None = None
        while people and (portion := await self._used(call, export, people, names, use, service, after)):
            yield portion
            after = portion.after
            people = [ref(key) for key in after]

    async def _people(self, export: Export, number: int) -> list[PatientRef]:
        async with self.pool.acquire() as conn:
            if export.cohort is None:
                keys = await exports.patients(conn, export.number, number)
            else:
                keys = await exports.named(conn, people_of(export.cohort, self.sealer), number)
        return [ref(key) for key in keys]

    async def _used(
        self, call: Call, export: Export, people: Sequence[PatientRef], names: Sequence[str], use: Use[T],
        service: str = "", after: Mapping[int, After] | None = None,
    ) -> T | None:  # fmt: skip
        """What `use` gives of those whom the law lets out, None where that is nobody. Facts may be remembered the first time
        round: whatever uses a grant proves them."""
        errand = Errand(
            tuple(row_number(name, service) for name in names), f"{export.kind}/{export.number}", export.ground,
            PORTION_RECORDS, PORTION_BYTES, export.since or EARLIEST, after=after,
        )  # fmt: skip
        if call.meet is not None:
            await call.meet([one.key for one in people])
        for attempt in range(ATTEMPTS):
            found = [await self._admitted(call, export, one, service, proven=attempt == 0) for one in people]
            # Two keys of hers that go on are one person.
            grants = list({frozenset(one.subject.keys): one for one in found if one is not None}.values())
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    return await use(conn, grants, errand) if grants else None
            except Stale:
                continue
        raise unsettled()

    async def _admitted(
        self, call: Call, export: Export, patient: PatientRef, service: str, *, proven: bool
    ) -> Grant | None:
        """None where the law leaves a person out, which is logged. Who she is may be told by whichever service lets her out."""
        for name in (service,) if service else self._of(export):
            try:
                return await call.admit(patient, name, "recheck" if export.checking else "export", proven=proven)
            except Denied as denied:
                if denied.denial.subject is not None and not denied.denial.rule.startswith(LEFT_OUT):
                    raise
        return None

    def _of(self, export: Export) -> Sequence[str]:
        return self.checked if export.checking else self.services

    async def _records(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> Sealed:
        return await handing_out.sealed(conn, self.reader, self.ids, grants, errand)

    async def _filtered(
        self, searches: Sequence[Search], conn: Connection, grants: Sequence[Grant], errand: Errand
    ) -> Sealed:
        """As `_records`, of what one of the searches finds: what they find besides is neither given nor in the log."""
        found = set[UUID]()
        for grant in grants:
            for search in searches:
                found |= await self.finder.all_matching(conn, grant, search, "r")
        return await handing_out.sealed(conn, self.reader, self.ids, grants, replace(errand, only=tuple(sorted(found))))

    async def _gone(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> Gone:
        return await handing_out.gone(conn, self.reader, grants, errand)

    async def _persons(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> list[bytes]:
        """Their Patients. When the register last changed one is not known, so one that is made from it is always new."""
        found = [await self._newest(conn, grant, errand, deleted=False) for grant in grants]
        return [one_line(one.served) for one in found if one]

    async def _persons_gone(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> list[str]:
        found = [await self._newest(conn, grant, errand, deleted=True) for grant in grants]
        return [f"{PERSON}/{one.id}" for one in found if one]

    async def _newest(self, conn: Connection, grant: Grant, errand: Errand, *, deleted: bool) -> Held | None:
        """The newest version of her Patient where it leaves, or where it is a deletion that does; with her row in the log."""
        (newest, *_) = await self.patients.stood(conn, grant) or (None,)
        if newest is not None and ((newest.raw is None) != deleted or not _is_left(grant, newest, errand)):
            newest = None
        names = patients.named([newest] if newest else [])
        await audit.insert_handed(conn, audit.given(grant), names, errand.about, errand.ground)
        return newest

    async def _deletions(self, call: Call, export: Export, people: Sequence[PatientRef]) -> Pieces:
        """Bundles of what was deleted since then: Patients, and of each service under its own law."""
        if PERSON in map(type_name, export.types):
            yield _bundles(await self._used(call, export, people, (), self._persons_gone) or [])
        for service in self._of(export):
            names = [name for name in map(type_name, export.types) if name in types_of(service)]
            if names:
                async for portion in self._portions(call, export, people, names, self._gone, service):
                    yield _bundles(portion.found)


def _bundles(found: Sequence[str]) -> list[bytes]:
    return [
        encode({"resourceType": "Bundle", "type": "transaction", "entry": [
            {"request": {"method": "DELETE", "url": one}} for one in some]}) + b"\n"
        for some in (found[at : at + OF_A_BUNDLE] for at in range(0, len(found), OF_A_BUNDLE))
    ]  # fmt: skip


def _is_left(grant: Grant, held: Held, errand: Errand) -> bool:
    changed = held.is_made or held.at >= errand.since
    return changed and patients.is_left(grant.caller, held, "r")


async def answer(pieces: Pieces) -> Answer:
    """A file with its ETag, by which its rest is given (`wire.ranges`): it is read anew, so where the whole is still what it was.
    A long one is sent while it is read."""
    lines, length = list[bytes](), 0
    async for some in pieces:
        lines += some
        length += sum(map(len, some))
        if length > WHOLE_BYTES:
            return Answer(200, b"", NDJSON, (("accept-ranges", "none"),), _after(b"".join(lines), pieces))
    body = b"".join(lines)
    return Answer(200, body, NDJSON, (("etag", f'"{xxh3_128_digest(body).hex()}"'), ("accept-ranges", "bytes")))


async def _after(begun: bytes, pieces: Pieces) -> AsyncIterator[bytes]:
    yield begun
    del begun
    async for some in pieces:
        yield b"".join(some)


def one_line(raw: bytes) -> bytes:
    """JSON strings hold no line end, so what stands between members can be taken away; its own is put behind."""
    return raw.replace(b"\r", b"").replace(b"\n", b"") + b"\n"
