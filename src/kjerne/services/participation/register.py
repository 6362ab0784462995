"""Opening, widening and closing of participation: what an operator may write in the register, and what it changes.

A change is planned first and shown with its reach; saving plans it again in the transaction that writes it, so what the
operator read is what happens or nothing does. Each change has its row in the platform's log, chained like every other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Final, Literal, cast, get_args
from zoneinfo import ZoneInfo

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.registries import wording
from kjerne.registries.identifiers import organisation_number
from kjerne.store import audit, participation
from kjerne.store.participation import Participation, Phase, Reach, Role
from kjerne.store.pool import Connection, Pool, locked

AREAS_LIMIT: Final = 400
"""There are some 360 municipalities."""
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
NAME_CHARACTERS: Final = 100
"""Most of a name that the register is searched by."""
"""From narrow to wide."""
LAW: Final = "pasientjournalloven § 13, § 22"
SAYS: Final = {
    "open": "En virksomhet ble tatt inn i registeret over deltakere.",
    "widen": "Deltakelsen til en virksomhet ble utvidet.",
    "close": "Deltakelsen til en virksomhet ble avsluttet.",
}
_ONE_AT_A_TIME: Final = b"particip"
_AREA: Final = re.compile(r"[0-9]{2}(?:[0-9]{2})?")
_NORWAY: Final = ZoneInfo("Europe/Oslo")
YEARS: Final = range(1900, 2200)
"""Beyond these an instant is a slip of the keys, and no calendar can be shown for it in every zone."""

Kind = Literal["open", "widen", "close"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One change as it was asked for. `number` is the row that is widened or closed, 0 for an opening.

    `fields` are as in a form: organisation, service, part, areas, phase, since, until, basis; `at` and `why` of a closing.
    A widening leaves as it was what its fields do not name.
    """

    kind: Kind
    fields: Mapping[str, str]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What will be written: a row that begins, a row that ends at `at`, or both; and whom it reaches.

    `reach` is None where the register of organisations does not have the number.
    """

    kind: Kind
    at: datetime
    made: Participation | None
    ended: Participation | None
    reach: Reach | None
    why: str

    @property
    def row(self) -> Participation:
        """The row that the change is about."""
        found = self.made or self.ended
        assert found is not None, "a change makes or ends a row"
        return found


class Register:
    """The register as an operator changes it. `services` are those that have participants."""

    def __init__(self, pool: Pool, services: Collection[str]) -> None:
        self._pool = pool
        self.services = tuple(sorted(services))

    async def plan(self, caller: Caller, asked: Asked, now: datetime) -> Change:
        """What the change would do; `Refusal` where it cannot be made."""
        async with self._pool.acquire() as conn:
            return await self._planned(conn, caller, asked, now)

    async def save(self, caller: Caller, asked: Asked, now: datetime, correlation: str) -> tuple[int, Change]:
        """Makes the change; the number of the row it is about, and what it did."""
        async with self._pool.acquire() as conn, locked(conn, [_ONE_AT_A_TIME]):
            change = await self._planned(conn, caller, asked, now)
            number = change.ended.number if change.ended else 0
            if change.ended:
                await participation.end(conn, number, change.at, author_of(caller), now, change.why)
            if change.made:
                (number,) = await participation.add(conn, [change.made])
            row = audit.of_nobody(
                caller, change.row.service, "participate", f"participation-{_PAST[asked.kind]}", LAW, SAYS[asked.kind],
                now, correlation,
            )  # fmt: skip
            await audit.insert_explained(conn, row, f"participation/{number}", change.why)
        return number, change

    async def _planned(self, conn: Connection, caller: Caller, asked: Asked, now: datetime) -> Change:
        if asked.kind == "open":
            return await self._opening(conn, caller, asked.fields, now)
        rows = await participation.chain(conn, asked.number)
        row = next((one for one in rows if one.number == asked.number), None)
        if row is None:
            raise Refusal(404, "no row of the register has this number", where="number")
        if row.is_over(now) or row.since == row.until:
            raise Refusal(409, "this participation has ended", where="ended", todo="Open a new one.")
        if asked.kind == "close":
            return await self._closing(conn, row, asked.fields, now)
        return await self._widening(conn, caller, row, asked.fields, now)

    async def _opening(self, conn: Connection, caller: Caller, fields: Mapping[str, str], now: datetime) -> Change:
        since = _instant(fields, "since") or now
        if since < now and (now - since).total_seconds() > 60:
            raise Refusal(400, "participation begins now or later", where="since", todo="Leave it empty for now.")
        made = Participation(
            number=0,
            organisation=organisation_of(fields),
            service=_one_of(fields, "service", self.services),
            part=cast("Role", _one_of(fields, "part", get_args(Role))),
            areas=_areas(fields),
            phase=cast("Phase", _one_of(fields, "phase", PHASES)),
            since=max(since, now),
            until=_end(fields, since),
            basis=words_of(fields, "basis"),
            made_by=author_of(caller),
            made_at=now,
        )
        await _stands_alone(conn, made, besides=0)
        reached = await participation.reach(conn, made.organisation, made.areas)
        return Change("open", made.since, made, None, reached, made.basis)

    async def _widening(
        self, conn: Connection, caller: Caller, row: Participation, fields: Mapping[str, str], now: datetime
    ) -> Change:
        if row.since > now:
            says = "this participation has not begun"
            raise Refusal(409, says, where="coming", todo="Close it and open another.")
        made = replace(
            row,
            number=0,
            areas=_areas(fields) if "areas" in fields else row.areas,
            phase=cast("Phase", _one_of(fields, "phase", PHASES)) if "phase" in fields else row.phase,
            since=now,
            until=_end(fields, now) if "until" in fields else row.until,
            basis=words_of(fields, "basis"),
            made_by=author_of(caller),
            made_at=now,
            ended_by="",
            ended_at=None,
            ended_why="",
            widens=row.number,
        )
        _is_wider(row, made)
        await _stands_alone(conn, made, besides=row.number)
        reached = await participation.reach(conn, made.organisation, made.areas)
        return Change("widen", now, made, row, reached, made.basis)

    async def _closing(self, conn: Connection, row: Participation, fields: Mapping[str, str], now: datetime) -> Change:
        at = _instant(fields, "at") or now
        if (now - at).total_seconds() > 60:
            raise Refusal(400, "participation ends now or later", where="at", todo="Leave it empty for now.")
        if row.until is not None and at > row.until:
            raise Refusal(400, "this participation ends before that already", where="at")
        at = max(at, now, row.since) if row.since <= now else max(at, row.since)
        reached = await participation.reach(conn, row.organisation, row.areas)
        return Change("close", at, None, row, reached, words_of(fields, "why"))


_PAST: Final = {"open": "opened", "widen": "widened", "close": "closed"}


def author_of(caller: Caller) -> str:
    """Who the register says has made a change: a person by name, a system by its client."""
    return caller.name or caller.client


def words_of(fields: Mapping[str, str], name: str) -> str:
    """A basis or a reason, fit to stand in the register; `Refusal` 400 where it is missing or names somebody."""
    return wording.reason(fields.get(name, ""), where=name)


def organisation_of(fields: Mapping[str, str]) -> str:
    """The organisation number; `Refusal` 400 where it is none."""
    try:
        return organisation_number(fields.get("organisation", ""))
    except Refusal as refusal:
        raise Refusal(400, refusal.says, where="organisation") from None


def _one_of(fields: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    if fields.get(name, "") not in known:
        raise Refusal(400, f"{name} is one of {', '.join(known)}", where=name)
    return fields[name]


def _areas(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Municipalities and counties, each once; a municipality inside a county that stands there too is left out."""
    found = set(re.split(r"[\s,;]+", fields.get("areas", "").strip())) - {""}
    if len(found) > AREAS_LIMIT or not all(_AREA.fullmatch(one) for one in found):
        says = "areas are numbers of municipalities (4 digits) and counties (2), nothing for everywhere"
        raise Refusal(400, says, where="areas")
    return tuple(sorted(one for one in found if len(one) == 2 or one[:2] not in found))


def _end(fields: Mapping[str, str], since: datetime) -> datetime | None:
    until = _instant(fields, "until")
    if until is not None and until <= since:
        raise Refusal(400, "participation ends after it begins", where="until")
    return until


def _instant(fields: Mapping[str, str], name: str) -> datetime | None:
    """An instant with its offset, or the midnight in Norway at which a day begins; None where nothing is said."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        if len(text) == len("2026-11-23"):
            found = datetime.combine(date.fromisoformat(text), time(), _NORWAY)
        else:
            found = datetime.fromisoformat(text)
            # A form field for day and time has no offset: it is Norwegian time, as everywhere on the pages.
            found = found if found.tzinfo else found.replace(tzinfo=_NORWAY)
    except ValueError:
        raise Refusal(400, f"{name} is a day or an instant, such as 2026-11-23", where=name) from None
    if found.year not in YEARS:
        raise Refusal(400, f"{name} lies outside the years {YEARS.start} to {YEARS.stop - 1}", where=name)
    return found


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    if not wide or not narrow:
        return not wide
    return all(one in wide or one[:2] in wide for one in narrow)


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return not some or not others or any(a.startswith(b) or b.startswith(a) for a in some for b in others)


def _is_wider(row: Participation, made: Participation) -> None:
    """`Refusal` 400 where something is narrower than before, or nothing is wider."""
    longer = made.until is None or (row.until is not None and made.until >= row.until)
    later = PHASES.index(made.phase) >= PHASES.index(row.phase)
    for holds, where in ((_covers(made.areas, row.areas), "areas"), (later, "phase"), (longer, "until")):
        if not holds:
            says = f"{where}: narrower than before"
            raise Refusal(400, says, where="narrower", todo="Close it and open another.")
    if (made.areas, made.phase, made.until) == (row.areas, row.phase, row.until):
        raise Refusal(400, "nothing is wider than before", where="same")


async def _stands_alone(conn: Connection, made: Participation, *, besides: int) -> None:
    """`Refusal` 409 where the register says the same already: two rows would have to be closed to close one thing."""
    for row in await participation.same_place(conn, made.organisation, made.service, made.part):
        apart = (
            (row.until is not None and row.until <= made.since)
            or (made.until is not None and made.until <= row.since)
            or row.since == row.until
        )
        if row.number != besides and not apart and _meet(row.areas, made.areas):
            raise Refusal(
                409, f"row {row.number} has this organisation there at that time already", where="overlap",
                todo="Widen that one.",
            )  # fmt: skip
