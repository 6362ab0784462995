"""The versions of a laboratory's report as they came, and who owns the chain.

A chain is kept as its sources, so that the current state can be folded anew whatever order they arrive in. The locator
says which person the newest version names: a corrected patient number moves the chain, and the old place is withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import zstandard

from kjerne.access import Grant, Label
from kjerne.store import audit
from kjerne.store.codec import DataKey
from kjerne.store.pool import Connection
from kjerne.store.records import Records

REPORT: Final = 1
"""Kind of locator: a report's chain. The look-up answers the program, never a caller."""

SOURCE_LIMIT_BYTES: Final = 64_000_000
NO_ID: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Source:
    """One version as received: `made_at` orders the chain, `raw` is the whole message that carried it."""

    made_at: datetime
    message: str
    raw: bytes


class Chains:
    """Report sources under the patients' keys."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def owner(self, conn: Connection, report: bytes) -> int | None:
        """The person key that owns a chain, or None for a new one."""
        patient: int | None = await conn.fetchval(
            "SELECT patient FROM locator WHERE kind = $1 AND digest = $2", REPORT, report
        )
        return patient

    async def lock(self, conn: Connection, report: bytes) -> int | None:
        """The owner, with the chain held for this transaction: its versions are folded one after another."""
        await conn.execute("SELECT pg_advisory_xact_lock($1)", int.from_bytes(report[:8], "big", signed=True))
        return await self.owner(conn, report)

    async def add(self, conn: Connection, grant: Grant, report: bytes, source: Source) -> None:
        """Keeps one version under the patient's key, once; the chain belongs to this patient from now on."""
        key = self._records.key(grant)
        await conn.execute(
            "WITH own AS (INSERT INTO locator (kind, digest, patient, type, id) VALUES ($6, $2, $1, 0, $7) "
            "ON CONFLICT (kind, digest) DO UPDATE SET patient = excluded.patient) "
            "INSERT INTO report_source (patient, report, made_at, message, sealed) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT DO NOTHING",
            grant.subject.patient, report, source.made_at, source.message,
            key.seal(zstandard.compress(source.raw, 3), report), REPORT, NO_ID,
        )  # fmt: skip

    async def sources(self, conn: Connection, grant: Grant, report: bytes) -> list[Source]:
        """All versions of a chain in the order they were made."""
        key: DataKey = self._records.key(grant)
        rows = await conn.fetch(
            "SELECT made_at, message, sealed FROM report_source WHERE patient = $1 AND report = $2 "
            "ORDER BY made_at, message",
            grant.subject.patient,
            report,
        )
        grow = zstandard.ZstdDecompressor()
        return [
            Source(
                row["made_at"],
                row["message"],
                grow.decompress(key.open(row["sealed"], report), max_output_size=SOURCE_LIMIT_BYTES),
            )
            for row in rows
        ]

    async def withdraw(
        self, conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]]
    ) -> list[tuple[int, UUID]]:
        """Shuts records filed on the wrong person; those (type, id) that were there and open until now.

        They stay, labelled, for insight: who had opened them must be told.
        """
        rows = await conn.fetch(
            "UPDATE record r SET labels = labels | $4, xid = pg_current_xact_id() "
            "FROM unnest($2::smallint[], $3::uuid[]) AS n(type, id) "
            "WHERE r.patient = $1 AND r.type = n.type AND r.id = n.id AND r.labels & $4 = 0 RETURNING r.type, r.id, r.version",
            grant.subject.patient,
            [type_ for type_, _ in named],
            [id_ for _, id_ in named],
            int(Label.WITHDRAWN),
        )
        await audit.insert(conn, audit.given(grant), [(row[0], row[1], row[2]) for row in rows])
        return [(row[0], row[1]) for row in rows]
