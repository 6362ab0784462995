"""Learning from the people of a store, as an export that leaves no file: under a permission where anybody in it may be real.

Each person is asked about under the law of export, one by one, and her log names what was read and on which ground. What she
has shut, or opted out of, is not learned from. A permission says who learns, what for and until when. It stands on
an export that two persons have approved (law, K185), and ends by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from kjerne.access import Caller
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import Call
from kjerne.fhir.definitions import type_name
from kjerne.registries import wording
from kjerne.registries.homes import PERSON
from kjerne.services.exports import asking
from kjerne.services.exports.approving import SERVICE, name_of, no_export
from kjerne.services.exports.files import Files
from kjerne.store import audit, exports, learning
from kjerne.store.exports import Export
from kjerne.store.learning import Permission
from kjerne.store.patient_ids import ref
from kjerne.store.pool import Connection, Pool

LAW: Final = "pasientjournalloven § 20, § 22; personvernforordningen artikkel 6 og 9"
SAYS: Final[Mapping[str, str]] = {
    "learning-permitted": "Det ble tillatt å lære en modell av syntetiske personer av opplysningene her.",
    "learning-ended": "En tillatelse til å lære av opplysningene her ble avsluttet.",
    "learning-begun": "En modell av syntetiske personer ble lært av opplysningene her.",
    "learning-refused": "Læring av opplysningene her ble avslått, fordi ingen gyldig tillatelse finnes.",
}
"""What the platform's own log says by the rule that stands there."""
KIND: Final = "learning"
LONGEST: Final = timedelta(days=92)
LISTED: Final = 1_000
AT_ONCE: Final = 50
"""People who are read between two looks at the permission."""
NEEDED: Final = "Record one with kjerne synth permit, and name it by --permission."
APPROVED: Final = "Ask for an export of everybody, have two other persons approve it, and name its number."


@dataclass(frozen=True)
class Permissions:
    """Gives, ends and lists them for whoever runs the platform."""

    pool: Pool

    async def give(self, caller: Caller, export: int, last_day: date, at: datetime, correlation: str) -> Permission:
        """One that is in force until the end of a day (UTC), for the recipient and on the ground of an export that two persons
        have approved. `Refusal` where that is not open or not of everybody, or where the permission lasts too long."""
        until = datetime.combine(last_day, time(), UTC) + timedelta(days=1)
        if not at < until <= at + LONGEST:
            says = f"a permission lasts until a day to come, at most {LONGEST.days} days from now"
            raise Refusal(422, says, where="--until", todo="Name a nearer day, and give another one when it is over.")
        async with self.pool.acquire() as conn, conn.transaction():
            await exports.hold(conn, export)
            told = await exports.one(conn, export, at)
            if told is None:
                raise no_export()
            _check(told)
            found = await learning.add(conn, told.recipient, told.ground, name_of(caller), export, at, until)
            await _noted(conn, caller, found.number, "learning-permitted", _why(found), at, correlation)
        return found

    async def end(self, caller: Caller, number: int, why: str, at: datetime, correlation: str) -> Permission:
        """One is over from now on."""
        said = wording.reason(why, "It stands in the log.")
        async with self.pool.acquire() as conn, conn.transaction():
            if not await learning.end(conn, number, name_of(caller), said, at):
                raise Refusal(404, "no permission in force has this number", where="number")
            await _noted(conn, caller, number, "learning-ended", said, at, correlation)
            found = await learning.one(conn, number)
        assert found is not None, "what was ended a moment ago is there"
        return found

    async def held(self, number: int, at: datetime) -> None:
        """`Refusal` 403 where one is not in force any more."""
        async with self.pool.acquire() as conn:
            await _held(conn, number, at)

    async def listed(self) -> list[Permission]:
        async with self.pool.acquire() as conn:
            return await learning.listed(conn, LISTED)


@dataclass(frozen=True)
class Allowed:
    """What may be learned from: everybody under a permission, or those who are made up where nobody in the store is real.
    `types` are those that were approved; None: all."""

    permission: Permission | None
    types: frozenset[str] | None = None

    @property
    def made_up(self) -> bool:
        return self.permission is None


@dataclass(frozen=True)
class Learning:
    """Reads people for a model."""

    pool: Pool
    files: Files
    clock: Clock

    async def allowed(self, caller: Caller, number: int | None, correlation: str) -> Allowed:
        """Under what it is learned. `Refusal` 403, in the log, where somebody in the store may be real and no permission is in
        force."""
        now = self.clock.now()
        async with self.pool.acquire() as conn, conn.transaction():
            found = await learning.count(conn)
            given = await learning.one(conn, number) if number is not None else None
            real = found.real > 0
            state, types = await _state(conn, given, now) if given else ("not there", frozenset())
            fits = state == "in force"
            deed = "learning-begun" if fits or not real else "learning-refused"
            ground = _why(given) if fits and given and real else asking.OF_TESTS if not real else ""
            await _noted(conn, caller, number or 0, deed, ground, now, correlation, refused=deed == "learning-refused")
        if not real:
            return Allowed(None)
        if fits and given:
            return Allowed(given, types)
        says = f"the store holds {found.real} people who are not made up, and learning from them is not permitted"
        if number is not None:
            says = f"{says}: permission {number} is {state}"
        raise Refusal(403, says, where="--store", todo=NEEDED)

    async def people(self, call: Call, allowed: Allowed, types: Sequence[str]) -> AsyncIterator[list[bytes]]:
        """Everybody's Patients and resources of some types, a line each, as the law of this moment lets them out. `Refusal` 403
        where the permission ends meanwhile."""
        export, after = _export(call, allowed), 0
        types = [one for one in types if allowed.types is None or one in allowed.types]
        while True:
            async with self.pool.acquire() as conn:
                if allowed.permission is not None:
                    await _held(conn, allowed.permission.number, self.clock.now())
                keys = await learning.people(conn, after, AT_ONCE, made_up=allowed.made_up)
            if not keys:
                return
            async for some in self.files.everything(call, export, [ref(key) for key in keys], types):
                yield some
            after = keys[-1]


async def _held(conn: Connection, number: int, at: datetime) -> None:
    """`Refusal` 403 where a permission ended meanwhile."""
    found = await learning.one(conn, number)
    state = (await _state(conn, found, at))[0] if found else "not there"
    if state != "in force":
        says = f"the permission is {state} meanwhile, and nothing was learned"
        raise Refusal(403, says, where="--permission", todo=NEEDED)


def _check(told: Export) -> None:
    """`Refusal` where an export is nothing that a permission can stand on."""
    if told.state != "open" or told.missing:
        says = f"this export is {told.state}, and a permission stands on one that two persons have approved"
        raise Refusal(403, says, where="--export", todo=APPROVED)
    if PERSON not in map(type_name, told.types):
        raise Refusal(
            422,
            f"who somebody is is learned too, so the export is of {PERSON} as well",
            where="--export",
            todo=APPROVED,
        )
    if told.testing or told.checking or told.filters or told.cohort is not None or told.since is not None:
        raise Refusal(422, "a model is learned from everybody's whole records", where="--export", todo=APPROVED)


async def _state(conn: Connection, given: Permission, now: datetime) -> tuple[str, frozenset[str]]:
    """How a permission stands, and for which types. It is *not approved* where its export was refused or taken back since, or
    its approvers have turned out to be one human. That an export's files grow old ends no permission."""
    export = await exports.one(conn, given.export, now)
    if export is None or export.missing or export.state not in ("open", "expired"):
        return "not approved", frozenset()
    return given.state(now), frozenset(map(type_name, export.types))


def _export(call: Call, allowed: Allowed) -> Export:
    given = allowed.permission
    number, ground, who = (given.number, _why(given), given.who) if given else (0, asking.OF_TESTS, asking.OF_TESTS)
    author = name_of(call.caller) if call.caller else ""
    return Export(
        number, call.at, author, b"", author, ground, who, (), call.at, None, 0, None, "", "", "open", (), kind=KIND
    )


def _why(given: Permission) -> str:
    return f"Læring av syntetiske personer, ved {given.who}: {given.ground}"


async def _noted(
    conn: Connection, caller: Caller, number: int, deed: str, reason: str, at: datetime, correlation: str,
    *, refused: bool = False,
) -> None:  # fmt: skip
    """The platform's own row."""
    row = audit.of_nobody(caller, SERVICE, "export", deed, LAW, SAYS[deed], at, correlation, refused=refused)
    await audit.insert_explained(conn, row, f"{KIND}/{number}", reason)
