"""Lists of patients that a client keeps for itself: what it sent, sealed, and found by nobody else."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from kjerne.fhir.splice import served, splice
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection

OF_AN_OWNER: Final = 1_000
_LOCK: Final = 0x67726F75  # "grou": what those who make a new one wait for one another by


class Group(NamedTuple):
    """One list. `raw` are the bytes as received, None where it was deleted."""

    id: UUID
    version: int
    at: datetime
    raw: bytes | None

    @property
    def served(self) -> bytes:
        raw = self.raw or b"{}"
        return served(raw, splice(raw), str(self.id), self.version, self.at)


async def add(conn: Connection, sealer: Sealer, owner: bytes, raw: bytes, at: datetime) -> Group | None:
    """A new list, in the caller's transaction; None where its owner has as many as one may have."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    kept = await conn.fetchval("SELECT count(*) FROM patient_group WHERE owner = $1 AND body IS NOT NULL", owner)
    if kept >= OF_AN_OWNER:
        return None
    made = Group(uuid4(), 1, at, raw)
    await conn.execute(
        "INSERT INTO patient_group (id, owner, version, at, body) VALUES ($1, $2, 1, $3, $4)",
        made.id, owner, at, sealer.seal(raw, _place(made)),
    )  # fmt: skip
    return made


async def one(conn: Connection, sealer: Sealer, owner: bytes, id_: UUID, *, held: bool = False) -> Group | None:
    """A list of this owner's, deleted or not; `held` until the transaction ends."""
    row = await conn.fetchrow(_HELD if held else _ONE, id_, owner)
    if row is None:
        return None
    found = Group(row["id"], row["version"], row["at"], None)
    return found if row["body"] is None else found._replace(raw=sealer.open(row["body"], _place(found)))


async def write(conn: Connection, sealer: Sealer, before: Group, raw: bytes | None, at: datetime) -> Group:
    """The version behind the one that is held; without bytes its deletion, which leaves nothing of what it said."""
    made = Group(before.id, before.version + 1, at, raw)
    sealed = None if raw is None else sealer.seal(raw, _place(made))
    await conn.execute(
        "UPDATE patient_group SET version = $2, at = $3, body = $4 WHERE id = $1", made.id, made.version, at, sealed
    )
    return made


_ONE: Final = "SELECT id, version, at, body FROM patient_group WHERE id = $1 AND owner = $2"
_HELD: Final = f"{_ONE} FOR UPDATE"


def _place(one: Group) -> bytes:
    return one.id.bytes + one.version.to_bytes(4, "big")
