"""Approving an export and refusing it: by a person, never who asked for it, for a reason that stands with her name.

The API and the operator's page both come here. What an export holds is seen by nobody who decides on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.registries import wording
from kjerne.store import audit, exports
from kjerne.store.approvers import Signature, humans, of_caller
from kjerne.store.exports import Export
from kjerne.store.pool import Connection, Pool

SERVICE: Final = "results"
LEVEL: Final = 4
LAW: Final = "pasientjournalloven § 22"
SAYS: Final[Mapping[str, str]] = {
    "export-not-asked": "En eksport ble bedt om med en tilgang som ikke omfatter den.",
    "export-asked": "En eksport ble bedt om.",
    "export-approved": "En eksport ble godkjent.",
    "export-refused": "En eksport ble avslått.",
    "export-ended": "En eksport ble avsluttet.",
}
"""What the platform's own log says by the rule that stands there."""
Standing = Literal["", "own", "twice", "over"]


def standing(own: Signature, export: Export) -> Standing:
    """Why somebody may not approve an export, under whichever of her numbers she is logged in; empty where she may."""
    of_her = next(group for group in humans([*export.signed, own]) if own in group)
    if export.signed[0] in of_her:
        return "own"
    if export.state != "waiting":
        return "over"
    return "twice" if len(of_her) > 1 else ""


class Approvals:
    """Decides on exports for the persons who run the platform."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def approve(self, caller: Caller, number: int, why: str, at: datetime, correlation: str) -> Export:
        """One of the approvals that an export waits for; with the last it is open."""
        said = _reason_of_a_person(caller, why)
        async with self._pool.acquire() as conn, conn.transaction():
            export = await _held(conn, number, at)
            match standing(await of_caller(conn, caller), export):
                case "own":
                    raise Refusal(403, "who asked for an export does not approve it", where="export")
                case "twice":
                    raise Refusal(409, "you have approved this export already", where="export")
                case "over":
                    raise Refusal(410, "this export waits for no approval", where="export")
            await exports.approve(conn, export, caller, name_of(caller), said, at)
            await noted(conn, caller, number, "export-approved", said, at, correlation)
            return await _held(conn, number, at)

    async def refuse(self, caller: Caller, number: int, why: str, at: datetime, correlation: str) -> Export:
        """An export that waits, or is open, is refused for good; one person is enough, also one who had approved it."""
        said = _reason_of_a_person(caller, why)
        async with self._pool.acquire() as conn, conn.transaction():
            export = await _held(conn, number, at)
            if standing(await of_caller(conn, caller), export) == "own":
                raise Refusal(403, "who asked for an export ends it, and does not refuse it", where="export")
            if export.state not in ("waiting", "open"):
                raise Refusal(410, "this export is over", where="export")
            await exports.refuse(conn, number, name_of(caller), said, at)
            await noted(conn, caller, number, "export-refused", said, at, correlation)
            return await _held(conn, number, at)


async def noted(
    conn: Connection, caller: Caller, number: int, deed: str, reason: str, at: datetime, correlation: str
) -> None:
    """The platform's own row: an export was asked for, approved, refused or ended, by whom and why."""
    row = audit.of_nobody(caller, SERVICE, "export", deed, LAW, SAYS[deed], at, correlation)
    await audit.insert_explained(conn, row, f"export/{number}", reason)


def name_of(caller: Caller) -> str:
    return caller.name or caller.client


def no_export() -> Refusal:
    return Refusal(404, "no export has this number", where="number")


async def _held(conn: Connection, number: int, now: datetime) -> Export:
    await exports.hold(conn, number)
    found = await exports.one(conn, number, now)
    if found is None:
        raise no_export()
    return found


def _reason_of_a_person(caller: Caller, why: str) -> str:
    if caller.kind != "practitioner" or not caller.digest:
        raise Refusal(403, "an export is approved or refused by a person who is logged in", where="export")
    if caller.level < LEVEL:
        raise Refusal(403, "an export is approved or refused by a login at security level 4", where="level")
    return wording.reason(why, "It stands with your name.")
