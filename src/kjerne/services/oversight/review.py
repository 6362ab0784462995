"""Readings that stand out, gone through: listed, opened one by one under the law, and what came of each noted.

pasientjournalloven § 22 has the data controller follow up the log. The list names no patient. Who opens a line is told whom it
was about and how many records of which kind were read, nothing of what they say and none of the reader's own words; the
patient's log has a row with the reason before the answer leaves. A verdict names a line and nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Admit, PatientRef, granted
from kjerne.fhir.definitions import type_name
from kjerne.registries import wording
from kjerne.store import audit, log_pages, registers, subjects, verdicts
from kjerne.store.anomalies import KINDS, Busy, Standing, Wanted, busy_days, organisations, standing_out
from kjerne.store.approvers import of_caller, of_number
from kjerne.store.house import Store
from kjerne.store.looks import Place
from kjerne.store.pool import Connection
from kjerne.store.records import hold
from kjerne.store.verdicts import VERDICTS, Noted

LONGEST: Final = timedelta(days=31)
LAW: Final = "pasientjournalloven § 22; personvernforordningen artikkel 32"
LISTED_RULE: Final = "log-reviewed"
LISTED_SAYS: Final = "Den som har ansvaret for loggen, gikk gjennom oppslag som skilte seg ut."
JUDGED_RULE: Final = "log-line-judged"
JUDGED_SAYS: Final = "Den som har ansvaret for loggen, noterte hva som kom ut av et oppslag som skilte seg ut."
VOLUME: Final = "volume"
"""A day of unusually many patients, beside the kinds of readings."""
SHOWN_KINDS: Final = (*KINDS, VOLUME)
BUSY_LIMIT: Final = 500
"""Most days of many patients in one period."""


@dataclass(frozen=True, slots=True)
class Period:
    """Readings in [since, until), at most `LONGEST`."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since.isoformat()}/{self.until.isoformat()}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a period is listed: of one organisation and kind, with this verdict (`none`: not judged yet); empty for all."""

    organisation: str = ""
    kind: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A reading, or a practitioner's day of many patients, with the verdict that stands. Names no patient."""

    number: UUID
    of: Standing | Busy
    noted: Noted | None

    @property
    def is_day(self) -> bool:
        return isinstance(self.of, Busy)


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of readings, newest first, the days of many patients, and whom to choose between."""

    readings: tuple[Line, ...]
    days: tuple[Line, ...]
    more: bool
    organisations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A line opened: of whom, how many records of each FHIR type, by which rule. `explained`: the reader wrote why, which is
    not told here, since it may tell of the patient's health."""

    patient: str = field(repr=False)
    born: date | None = field(repr=False)
    what: tuple[tuple[str, int], ...]
    says: str
    law: str
    rule: str
    explained: bool


class Reviewer:
    """Goes through the log for whoever answers for it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def listed(
        self, caller: Caller, period: Period, chosen: Chosen, limit: int, skipped: int, at: datetime, correlation: str
    ) -> Listing:
        """The lines of a period; that they were listed is a row of the platform's own, durable first."""
        wanted = Wanted(chosen.organisation, chosen.kind, chosen.verdict)
        found: list[Standing] = []
        async with self._store.pool.acquire() as conn, conn.transaction():
            if chosen.kind != VOLUME:
                found = await standing_out(conn, self._store.wrap, *_ends(period), limit + 1, wanted, skipped)
            days = await self._days(conn, period, chosen) if chosen.kind in ("", VOLUME) and not skipped else []
            noted = await verdicts.latest(conn, [one.row for one in found])
            places = await organisations(conn, *_ends(period))
            await _told(conn, caller, period, at, correlation)
        readings = tuple(Line(one.row, one, noted.get(one.row)) for one in found[:limit])
        return Listing(readings, tuple(days), len(found) > limit, tuple(places))

    async def line(
        self, caller: Caller, period: Period, number: UUID, at: datetime, correlation: str
    ) -> tuple[Line, tuple[Noted, ...]]:
        """One line of a period's list with every verdict on it; `Refusal` 404 where the list has none of this number."""
        async with self._store.pool.acquire() as conn, conn.transaction():
            line = await self._line(conn, period, number)
            history = await verdicts.of_line(conn, number)
            await _told(conn, caller, period, at, correlation)
        return line, history

    async def opened(self, admit: Admit, caller: Caller, period: Period, number: UUID, reason: str) -> Opened:
        """Whom a reading on the list was about, for a reason that she reads. A day of many patients is not opened."""
        said = wording.reason(reason, "The patient reads it in her log.")
        async with self._store.pool.acquire() as conn:
            line = await self._line(conn, period, number)
            await _must_be_anothers(conn, caller, line)
        if isinstance(line.of, Busy):
            raise Refusal(409, "a day of many patients is judged by its figures", where="volume")
        standing = line.of

        async def use(grant: Grant) -> Opened:
            async with self._store.pool.acquire() as conn, conn.transaction():
                await hold(conn, grant)
                row = await log_pages.one(conn, grant, self._store.wrap, Place(standing.at, standing.row))
                known = (await subjects.details(conn, [standing.patient], self._store.wrap)).get(standing.patient)
                await audit.insert_explained(conn, audit.given(grant), f"log-line/{number}", said)
            if row is None or known is None:
                raise _no_line()
            return Opened(
                known.name, known.birth_date, _counted(row), row["says"], row["law"], row["rule"], bool(row["written"])
            )

        return await granted(admit, PatientRef(key=standing.patient), standing.service, "review", use)

    async def note(
        self, caller: Caller, period: Period, number: UUID, verdict: str, after: int, at: datetime, correlation: str
    ) -> None:
        """A verdict on a line behind the step that its author had seen; `Refusal` 409 where somebody came between."""
        if verdict not in VERDICTS:
            raise Refusal(400, "there is no such verdict", where="verdict")
        async with self._store.pool.acquire() as conn, conn.transaction():
            line = await self._line(conn, period, number)
            await _must_be_anothers(conn, caller, line)
            if not await verdicts.note(conn, number, after, verdict, at, caller.digest, caller.name):
                raise Refusal(409, "somebody else has just judged this line", where="line")
            row = audit.of_nobody(caller, "", "review", JUDGED_RULE, LAW, JUDGED_SAYS, at, correlation)
            await audit.insert_explained(conn, row, f"log-line/{number}", verdict)

    async def names(self, listing: Listing) -> Mapping[str, str]:
        """Names of the organisations that stand in a list."""
        return await registers.organisation_names(self._store.pool, list(listing.organisations))

    async def _days(self, conn: Connection, period: Period, chosen: Chosen) -> list[Line]:
        found = await busy_days(conn, *_ends(period), BUSY_LIMIT, chosen.organisation)
        lines = {verdicts.line_of_day(one.day, one.hpr, one.organisation): one for one in found}
        noted = await verdicts.latest(conn, lines)
        all_of = [Line(number, one, noted.get(number)) for number, one in lines.items()]
        wanted = chosen.verdict
        return [one for one in all_of if not wanted or wanted == (one.noted.verdict if one.noted else "none")]

    async def _line(self, conn: Connection, period: Period, number: UUID) -> Line:
        noted = (await verdicts.latest(conn, [number])).get(number)
        found = await standing_out(conn, self._store.wrap, *_ends(period), 1, Wanted(row=number))
        if found:
            return Line(number, found[0], noted)
        days = await self._days(conn, period, Chosen())
        day = next((one for one in days if one.number == number), None)
        if day is None:
            raise _no_line()
        return day


def _ends(period: Period) -> tuple[datetime, datetime]:
    return period.since, period.until


def _counted(row: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """How many records of each type left, whatever number of their versions."""
    seen = {(type_, id_) for type_, id_ in zip(row["types"], row["ids"], strict=True)}
    return tuple(sorted(Counter(type_name(type_) for type_, _ in seen).items()))


async def _must_be_anothers(conn: Connection, caller: Caller, line: Line) -> None:
    """`Refusal` 403 where the reader is the caller, under whichever of her numbers she read or is logged in."""
    reader = await of_number(conn, line.of.reader, line.of.hpr)
    if (await of_caller(conn, caller)).is_the_same_human(reader):
        raise Refusal(403, "nobody reviews a reading of her own", where="own_line")


def _no_line() -> Refusal:
    return Refusal(404, "the list of this period has no such line", where="line")


async def _told(conn: Connection, caller: Caller, period: Period, at: datetime, correlation: str) -> None:
    row = audit.of_nobody(caller, "", "review", LISTED_RULE, LAW, LISTED_SAYS, at, correlation)
    await audit.insert_explained(conn, row, str(period), "")
