"""`GET .../$groups`: what several senders have registered about one thing, shown together with sources and conflicts; a look.

It reads and changes nothing. The answer is a Parameters resource, since R4 has no resource for it; the records themselves are
read at their own addresses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route, granted
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.negotiation import check_accepted
from kjerne.registries.naming import patient_of
from kjerne.registries.recorders import Author
from kjerne.services.critical.book import Book
from kjerne.services.critical.entries import Entry, Version, entry
from kjerne.services.critical.groups import Entered, Group, Means, grouped
from kjerne.services.critical.headers import heard
from kjerne.services.critical.kinds import SERVICE
from kjerne.store import transfers
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Record
from kjerne.store.transfers import Origin

BASE: Final = "/api/critical-information/v1"
SCOPE: Final = "nhn:critical-information/api"
ENH: Final = "urn:oid:2.16.578.1.12.4.1.4.101"
Tree = dict[str, Any]
Meanings = Callable[[Connection, Sequence[Entry]], Awaitable[list[Means]]]


@dataclass(frozen=True)
class Related:
    """Groups of what a grant opens; for the pages too. `meanings` says what entries are about, by what is loaded."""

    book: Book
    meanings: Meanings

    async def groups(self, conn: Connection, grant: Grant) -> list[Group]:
        """In one audited read. Raises `Stale`."""
        held = await self.book.whole(conn, grant)
        return await self.of(conn, grant, held)

    async def of(self, conn: Connection, grant: Grant, held: Sequence[tuple[Record, list[Record]]]) -> list[Group]:
        """Of records that were read already."""
        sent = await transfers.origins(conn, grant.subject.keys, [record.id for record, _ in held])
        by_id: dict[str, dict[int, Origin]] = {}
        for (id_, version), origin in sent.items():
            by_id.setdefault(str(id_), {})[version] = origin
        entries = [_told_by(_entry(grant, one, former), by_id.get(str(one.id), {})) for one, former in held]
        meant = await self.meanings(conn, entries)
        return grouped(
            Entered(one, means, by_id.get(one.id, {})) for one, means in zip(entries, meant, strict=True)
        )  # fmt: skip


@dataclass(frozen=True)
class RelatedApi:
    """The handler."""

    pool: Pool
    related: Related
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        return [Route("GET", f"{BASE}/$groups", self.tell, SCOPE, "fhir", for_citizens=True)]

    async def tell(self, call: Call) -> Answer:
        """Every record that the caller may see, in its group: who sent each version, by which system, when, and in which way."""
        call = heard(call)
        check_accepted(call)
        if call.query:
            raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")

        async def use(grant: Grant) -> list[Group]:
            async with call.connection(self.pool) as conn:
                return await self.related.groups(conn, grant)

        found = await granted(
            call.admit, patient_of(call, self.identify), SERVICE, "search", use, basis=call.headers["access-basis"],
            proven=True, asked="$groups",
        )  # fmt: skip
        return Answer(200, encode({"resourceType": "Parameters", "parameter": [_group(one) for one in found]}))


def _entry(grant: Grant, record: Record, former: Sequence[Record]) -> Entry:
    versions = [(one.version, one.at, decode(one.raw)) for one in (record, *former)]
    return entry(type_name(record.type), str(record.id), versions, grant.at)


def _told_by(entry: Entry, origins: Mapping[int, Origin]) -> Entry:
    """With whose word it is who wrote what a system sent: who registered it is the word of who sent the first version."""

    def of(by: Author, number: int) -> Author:
        origin = origins.get(number)
        return by._replace(told_by=origin.organisation) if origin else by

    versions = tuple(one._replace(by=of(one.by, one.number)) for one in entry.versions)
    return entry._replace(versions=versions, recorder=of(entry.recorder, entry.versions[-1].number))


def _group(group: Group) -> Tree:
    parts: list[Tree] = [{"name": "name", "valueString": group.name}] if group.name else []
    parts += [{"name": "source", "valueReference": _organisation(one)} for one in group.sources]
    parts += [{"name": "record", "part": list(_record(one))} for one in group.entries]
    parts += [
        {
            "name": "conflict",
            "part": [
                {"name": "about", "valueCode": one.about},
                *({"name": "record", "valueString": each} for each in (one.one, one.other)),
            ],
        }
        for one in group.conflicts
    ]
    return {"name": "group", "part": parts}


def _record(one: Entered) -> list[Tree]:
    now = one.entry.now
    told: list[Tree] = [{"name": "reference", "valueReference": {"reference": f"{one.entry.type}/{one.entry.id}"}}]
    said = (("standing", now.standing), ("certainty", now.certainty), ("criticality", now.criticality))
    told += [{"name": name, "valueCode": value} for name, value in said if value]
    return told + [{"name": "version", "part": _version(each, one.origins)} for each in one.entry.versions]


def _version(version: Version, origins: Any) -> list[Tree]:
    sent: Origin | None = origins.get(version.number)
    told: list[Tree] = [
        {"name": "number", "valueInteger": version.number},
        {"name": "at", "valueInstant": version.at.isoformat().replace("+00:00", "Z")},
        {"name": "way", "valueCode": sent.way if sent else "registered"},
    ]
    if organisation := sent.organisation if sent else version.by.organisation:
        told.append({"name": "organisation", "valueReference": _organisation(organisation)})
    return told + ([{"name": "system", "valueString": sent.system}] if sent else [])


def _organisation(number: str) -> Tree:
    return {"identifier": {"system": ENH, "value": number}}
