"""One file of an export, read when it is fetched: each person in it under the law of that moment, with her row in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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
from kjerne.store.handing_out import Errand
from kjerne.store.keys import Sealer
from kjerne.store.patient_ids import ref
from kjerne.store.patients import Held, Patients
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds

RECORDS_LIMIT: Final = 20_000
"""Of one type about one patient: more is refused, since a file is never cut without a word."""
GONE: Final = "deleted"
"""What the file of deletions is called, beside the types."""
OF_A_BUNDLE: Final = 1_000
LEFT_OUT: Final = ("export-", "recheck-", "test-of-")
"""Rules that leave one person out of a file, and keep nobody else's record in it."""
T = TypeVar("T")
Use = Callable[[Connection, Sequence[Grant], Errand], Awaitable[list[T]]]


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

    async def lines(self, call: Call, export: Export, place: Place) -> list[bytes]:
        """What is in it, a resource on each line. All of it is read and in the log, or nothing."""
        people = await self._people(export, place.number)
        if place.name == PERSON:
            return await self._used(call, export, people, (), self._persons)
        if place.name == GONE:
            return await self._deletions(call, export, people)
        found: list[bytes] = []
        searches = self.filters.of(export.filters, place.name)
        use = partial(self._filtered, searches) if searches else self._records
        for service in (of for name, of in KEPT if name == place.name):
            found += await self._used(call, export, people, (place.name,), use, service)
        return found

    async def _people(self, export: Export, number: int) -> list[PatientRef]:
        async with self.pool.acquire() as conn:
            if export.cohort is None:
                keys = await exports.patients(conn, export.number, number)
            else:
                keys = await exports.named(conn, people_of(export.cohort, self.sealer), number)
        return [ref(key) for key in keys]

    async def _used(
        self, call: Call, export: Export, people: Sequence[PatientRef], names: Sequence[str], use: Use[T],
        service: str = "",
    ) -> list[T]:  # fmt: skip
        """What `use` gives of those whom the law lets out. Facts may be remembered the first time round: whatever uses a grant
        proves them."""
        errand = Errand(
            tuple(row_number(name, service) for name in names), f"export/{export.number}", export.ground, RECORDS_LIMIT,
            export.since or EARLIEST,
        )  # fmt: skip
        if call.meet is not None:
            await call.meet([one.key for one in people])
        for attempt in range(ATTEMPTS):
            found = [await self._admitted(call, export, one, service, proven=attempt == 0) for one in people]
            grants = [one for one in found if one is not None]
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    return await use(conn, grants, errand) if grants else []
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

    async def _records(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> list[bytes]:
        return await handing_out.lines(conn, self.reader, self.ids, grants, errand)

    async def _filtered(
        self, searches: Sequence[Search], conn: Connection, grants: Sequence[Grant], errand: Errand
    ) -> list[bytes]:
        """As `_records`, of what one of the searches finds: what they find besides is neither given nor in the log."""
        found = set[UUID]()
        for grant in grants:
            for search in searches:
                found |= {id_ for _, _, id_ in await self.finder.matching(conn, grant, search, "r")}
        return await handing_out.lines(conn, self.reader, self.ids, grants, replace(errand, only=tuple(sorted(found))))

    async def _gone(self, conn: Connection, grants: Sequence[Grant], errand: Errand) -> list[str]:
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

    async def _deletions(self, call: Call, export: Export, people: Sequence[PatientRef]) -> list[bytes]:
        """Bundles of what was deleted since then: Patients, and of each service under its own law."""
        found: list[str] = []
        if PERSON in map(type_name, export.types):
            found += await self._used(call, export, people, (), self._persons_gone)
        for service in self._of(export):
            names = [name for name in map(type_name, export.types) if name in types_of(service)]
            if names:
                found += await self._used(call, export, people, names, self._gone, service)
        return [
            encode({"resourceType": "Bundle", "type": "transaction", "entry": [
                {"request": {"method": "DELETE", "url": one}} for one in some]}) + b"\n"
            for some in (found[at : at + OF_A_BUNDLE] for at in range(0, len(found), OF_A_BUNDLE))
        ]  # fmt: skip


def _is_left(grant: Grant, held: Held, errand: Errand) -> bool:
    changed = held.is_made or held.at >= errand.since
    return changed and patients.is_left(grant.caller, held, "r")


def answer(call: Call, lines: Sequence[bytes]) -> Answer:
    """A file, or the rest of it for whoever has its beginning (RFC 9110 section 14): it is read anew, so the rest is given where
    the whole is still what it was, which `If-Range` says, and all of it else."""
    body = b"".join(lines)
    tag = f'"{xxh3_128_digest(body).hex()}"'
    headers = (("etag", tag), ("accept-ranges", "bytes"))
    asked = call.headers.get("range", "") if call.headers.get("if-range", "") == tag else ""
    span = _span(asked, len(body))
    if span is None:
        return Answer(200, body, NDJSON, headers)
    start, end = span
    if start >= end:
        raise Refusal(
            416, "the file is no longer than that", where="range", headers=(("content-range", f"bytes */{len(body)}"),)
        )
    told = ("content-range", f"bytes {start}-{end - 1}/{len(body)}")
    return Answer(206, body[start:end], NDJSON, (*headers, told))


def _span(text: str, length: int) -> tuple[int, int] | None:
    """The one range of bytes that is asked for, half-open; None for none, and for several, which a server may pass over."""
    unit, _, wanted = text.partition("=")
    first, dash, last = wanted.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not all(_is_number(one) for one in (first, last) if one):
        return None
    if first:
        return int(first), min(length, int(last) + 1) if last else length
    return (max(0, length - int(last)), length) if last else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15


def one_line(raw: bytes) -> bytes:
    """JSON strings hold no line end, so what stands between members can be taken away; its own is put behind."""
    return raw.replace(b"\r", b"").replace(b"\n", b"") + b"\n"
