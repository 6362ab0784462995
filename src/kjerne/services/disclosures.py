"""Disclosures returned to the source that owns the data: to whom its records were given, from a cursor on.

The source keeps the log of its own records with what it learns here. It hears the organisation, the role and the ground, and
its own names for the records; never who the person was, and nothing of the patient. Each patient whose records are told
of has a line of it in her log, under a rule of the law; that the list was made is a row of the platform's own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.access import DISCLOSURES, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.registries.identifiers import id_without_numbers, stands_in
from kjerne.registries.protection import is_protected
from kjerne.store import audit
from kjerne.store.disclosures import BEGINNING, Disclosure, Reached, beginning_at, disclosed
from kjerne.store.keys import Sealer
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader

PATH: Final = "/disclosures"
SCAN_ROWS: Final = 5_000
"""Rows of the log looked at for one answer: it comes in well under a second, also where none of them is the caller's."""
READINGS_LIMIT: Final = 200
"""Most readings in one answer."""

RULE: Final = "disclosures-fetched"
LAW: Final = "pasientjournalloven § 22; helsepersonelloven § 45"
REFUSED_SAYS: Final = "En kilde spurte hvem som har fått opplysninger som den har sendt inn, med en for smal tilgang."
SAYS: Final = "En kilde hentet hvem som har fått opplysninger som den har sendt inn."

Names = Mapping[UUID, list[dict[str, str]]]
"""Record id -> the identifiers that its source gave it."""


@dataclass(frozen=True)
class DisclosuresApi:
    """The handler. `sealer` seals cursors under a key that never changes: a source may come back after a year. `types` are what
    sources send in, each with its service: of a service that systems send nothing into nobody's system is told.

    A source is a healthcare provider too: where it may hear of no patient's choice (not `tells_choices`), it hears the purpose
    alone of a reading's ground, since basis and rule would tell that something was opened.
    """

    pool: Pool
    reader: Reader
    sealer: Sealer
    types: Mapping[str, str]
    tells_choices: bool = True

    def routes(self) -> list[Route]:
        return [Route("GET", PATH, self.disclosures, DISCLOSURES, "json")]

    async def disclosures(self, call: Call) -> Answer:
        """Readings since the cursor, oldest first, and the cursor to come back with; `further` says that more wait now."""
        source = _source(call)
        await self._held_to_scopes(call, source)
        async with self.pool.acquire() as conn:
            after = await self._after(conn, call, source)
            found, reached, further = await disclosed(
                conn, source.organisation, set(self.types.values()), after, scan=SCAN_ROWS, limit=READINGS_LIMIT
            )
        by_person = sorted(found, key=lambda one: (one.patient, one.service))
        told: dict[Reached, dict[str, Any]] = {}
        for (patient, service), readings in groupby(by_person, key=lambda one: (one.patient, one.service)):
            told |= await self._told(call, patient, service, list(readings))
        row = audit.of_nobody(source, "", "disclose", RULE, LAW, SAYS, call.at, call.correlation)
        async with self.pool.acquire() as conn:
            await audit.insert_explained(conn, row, f"{len(told)} readings", "")
        listed = [told[place] for place in sorted(told)]
        answer = {"disclosures": listed, "cursor": self._cursor(reached, source), "further": further}
        return Answer(200, encode(answer), "application/json")

    async def _held_to_scopes(self, call: Call, source: Caller) -> None:
        """A reading cannot be told in part: `Refusal` 403 where the token's SMART scopes do not leave all of every type of the
        services that it is a source in, before anybody's log is read. That it was asked is a row of the platform's own."""
        own = {one.service for one in source.parts if one.part == "source"} or set(self.types.values())
        try:
            smart.demand_whole(source, [name for name, service in self.types.items() if service in own], "r")
        except Refusal as refusal:
            row = audit.of_nobody(
                source,
                "",
                "disclose",
                "disclosures-refused",
                LAW,
                REFUSED_SAYS,
                call.at,
                call.correlation,
                refused=True,
            )
            async with self.pool.acquire() as conn:
                await audit.insert_explained(conn, row, "", "")
            raise smart.refused(refusal.says, "Ask for a token with system/*.r, or without SMART scopes.") from None

    async def _told(
        self, call: Call, patient: int, service: str, readings: Sequence[Disclosure]
    ) -> dict[Reached, dict[str, Any]]:
        """What is told of one patient's records, under the law; nothing of whoever is not registered any more."""
        wanted = sorted({(type_, id_) for one in readings for type_, id_, _ in one.records})

        async def use(grant: Grant) -> tuple[Grant, Names]:
            async with self.pool.acquire() as conn:
                records = await self.reader.named(conn, grant, wanted)
            return grant, {one.id: _identifiers(decode(one.raw)) for one in records}

        try:
            grant, names = await granted(call.admit, PatientRef(key=patient), service, "disclose", use)
        except Denied as denied:
            if denied.denial.of_caller:
                raise
            return {}
        withheld = is_protected(grant.subject.protection)
        return {one.place: self._disclosure(one, names, place_withheld=withheld) for one in readings}

    def _disclosure(self, one: Disclosure, names: Names, *, place_withheld: bool) -> dict[str, Any]:
        place = {} if place_withheld else {"organisation": one.organisation, "pointOfCare": one.point_of_care}
        opened = {"basis": one.basis, "rule": one.rule, "law": one.law} if self.tells_choices else {}
        return {
            "at": one.at.isoformat(),
            "to": {**place, "role": one.role},
            "ground": {"purpose": one.purpose, **opened},
            "decision": id_without_numbers(one.decision),
            "records": [
                {"reference": f"{type_name(type_)}/{id_}/_history/{version}", "identifier": names.get(id_, [])}
                for type_, id_, version in one.records
            ],
        }

    async def _after(self, conn: Any, call: Call, source: Caller) -> Reached:
        """Where the caller left off; the time she begins at; or the beginning of the log."""
        given = dict(call.query)
        if given.keys() - {"cursor", "since"} or len(call.query) > 1:
            raise Refusal(400, "this address takes a cursor, or a time to begin at (since)", where="query")
        if given.get("cursor"):
            return self._opened(given["cursor"], source)
        return await beginning_at(conn, _moment(given["since"])) if given.get("since") else BEGINNING

    def _cursor(self, reached: Reached, source: Caller) -> str:
        sealed = self.sealer.seal(msgspec.msgpack.encode(reached), source.organisation.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _opened(self, cursor: str, source: Caller) -> Reached:
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            plain = self.sealer.open(sealed, source.organisation.encode())
            return msgspec.msgpack.decode(plain, type=Reached)
        except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
            raise Refusal(400, "this cursor is not one of yours", where="cursor") from None


def _source(call: Call) -> Caller:
    caller = call.caller
    if caller is None or caller.kind != "system" or not caller.organisation:
        raise Refusal(403, "only the system of an organisation fetches its disclosures", where="scope")
    return caller


def _identifiers(tree: Mapping[str, Any]) -> list[dict[str, str]]:
    """The names that the source itself gave the record, as it sent them."""
    return [
        {name: str(one[name]) for name in ("system", "value") if name in one}
        for one in _each(tree.get("identifier", ()))
        if not stands_in(str(one.get("value", "")))
    ]


def _each(found: Any) -> Iterable[Mapping[str, Any]]:
    return found if isinstance(found, list | tuple) else [found]


def _moment(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "a time is written 2026-11-26 or 2026-11-26T12:00:00Z", where="since") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
