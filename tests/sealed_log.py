"""A log that was sealed and signed, for tests that tamper with it: as the owner of the tables may, who may do everything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from kjerne.clock import FixedClock
from kjerne.store import sealing
from kjerne.store.checkpoints import Checkpoints, made_key
from kjerne.store.pool import Pool, open_pool
from kjerne.store.sealing import Seal, Sealer, before_all
from kjerne.store.verifying import Verdict, verify

START: Final = datetime(2026, 9, 23, 12, tzinfo=UTC)
_INSERT: Final = """
INSERT INTO audit (patient, at, number, outcome, action, service, rule, law, says, purpose, basis, caller_kind,
                   caller_digest, caller_name, caller_hpr, caller_role, organisation, point_of_care, department,
                   client, token, decision, self_selected, correlation, types, ids, versions)
VALUES ($1, $2, gen_random_uuid(), 0, 'search', 'results', 'a-rule', 'a law', 'because', 'TREAT', '', 'practitioner', '\\x01',
        'Ola Prøve', '9144889', 'LE', '999999999', '', '', 'ehr', $3, 'decision', false, $4, '{7,7}',
        ARRAY[gen_random_uuid(), gen_random_uuid()], '{1,2}')
"""


@dataclass
class Log:
    """The log of one database with its checkpoints; each row is a transaction, each month of the clock a partition."""

    pool: Pool
    owner: asyncpg.Connection[asyncpg.Record]
    checkpoints: Checkpoints
    clock: FixedClock
    sealer: Sealer
    written: int = 0

    async def reset(self) -> None:
        """Nothing was ever written, sealed or signed."""
        await self.owner.execute("DELETE FROM audit")
        await self.owner.execute("DELETE FROM audit_seal")
        self.checkpoints.path.unlink(missing_ok=True)
        self.clock.at, self.written = START, 0
        self.sealer = Sealer(self.pool, self.clock, self.checkpoints)

    async def write(self, count: int, conn: asyncpg.Connection[asyncpg.Record] | None = None) -> None:
        for _ in range(count):
            self.written += 1
            values = self.written, self.clock.now(), f"token-{self.written}", f"corr-{self.written}"
            await (conn or self.owner).execute(_INSERT, *values)
            self.clock.move(timedelta(seconds=1))

    async def fill(self, *counts: int) -> None:
        """One seal for each count of rows, a fortnight between them."""
        for count in counts:
            await self.write(count)
            assert await self.sealer.seal() == count
            self.clock.move(timedelta(days=14))

    async def verdict(self) -> Verdict:
        async with self.pool.acquire() as conn:
            return await verify(conn, self.checkpoints)

    async def kinds(self) -> set[str]:
        return {one.kind for one in (await self.verdict()).findings}

    async def found(self) -> list[str]:
        """Each finding as kind and places: `row-edited rows 5-5`."""
        return [
            " ".join(
                [one.kind]
                + [
                    f"{name} {span[0]}-{span[1]}"
                    for name, span in (("rows", one.rows), ("seals", one.seals), ("lines", one.lines))
                    if span
                ]
            )
            for one in (await self.verdict()).findings
        ]

    async def place(self, row: int) -> asyncpg.Record:
        """Transaction and number of a row by its place in the log."""
        found = await self.owner.fetchrow(
            "SELECT xid, number FROM audit ORDER BY xid, number LIMIT 1 OFFSET $1", row - 1
        )
        assert found is not None
        return found

    async def edit(self, row: int, change: str = "purpose = 'ETREAT'") -> None:
        number = (await self.place(row))["number"]
        await self.owner.execute(f"UPDATE audit SET {change} WHERE number = $1", number)

    async def delete(self, row: int) -> None:
        await self.owner.execute("DELETE FROM audit WHERE number = $1", (await self.place(row))["number"])

    async def exchange(self, row: int, other: int) -> None:
        """Two rows change places: each keeps what it says, and takes the other's transaction and number."""
        (xid, number), (other_xid, other_number) = await self.place(row), await self.place(other)
        change = "UPDATE audit SET xid = $2, number = $3 WHERE number = $1"
        aside = "00000000-0000-0000-0000-000000000001"
        await self.owner.execute(change, number, other_xid, aside)
        await self.owner.execute(change, other_number, xid, number)
        await self.owner.execute(change, aside, other_xid, other_number)

    async def insert(self, row: int) -> None:
        """A new row under the transaction of a sealed one; its number puts it behind that one."""
        xid = (await self.place(row))["xid"]
        await self.write(1)
        await self.owner.execute(
            "UPDATE audit SET xid = $1, number = 'ffffffff-ffff-ffff-ffff-ffffffffffff' WHERE token = $2",
            xid, f"token-{self.written}",
        )  # fmt: skip

    async def cut_tail(self, seal: int) -> None:
        """The rows from a seal on go, and with them the seals that knew of them."""
        start = await self.owner.fetchval("SELECT from_xid FROM audit_seal WHERE number = $1", seal)
        await self.owner.execute("DELETE FROM audit WHERE xid >= $1", start)
        await self.owner.execute("DELETE FROM audit_seal WHERE number >= $1", seal)

    async def compute_anew(self) -> None:
        """The whole chain made to fit the rows as they are, as the program itself would make it."""
        last = before_all(0)
        for row in await self.owner.fetch("SELECT * FROM audit_seal ORDER BY number"):
            digest = sealing.Digest()
            async with self.owner.transaction():
                async for rows in sealing.pieces(self.owner, sealing._RANGE, row["from_xid"], row["until_xid"]):
                    digest.add(rows)
            made = Seal(**{
                **dict(row), "first_row": last.last_row + 1, "last_row": last.last_row + len(digest.times),
                "earliest": min(digest.times), "latest": max(digest.times), "digest": digest.value(),
                "marks": bytes(digest.marks), "before": last.head,
            })  # fmt: skip
            last = msgspec.structs.replace(made, head=made.computed())
            await self.owner.execute("DELETE FROM audit_seal WHERE number = $1", last.number)
            await self.owner.execute(sealing._ADD, *msgspec.structs.astuple(last))

    def lines(self) -> list[bytes]:
        return self.checkpoints.path.read_bytes().splitlines(keepends=True)

    def keep(self, lines: list[bytes]) -> None:
        self.checkpoints.path.write_bytes(b"".join(lines))


@asynccontextmanager
async def sealed_log(dsn: str, owner_dsn: str, folder: Path) -> AsyncIterator[Log]:
    """An empty log, emptied again after."""
    owner = await asyncpg.connect(owner_dsn)
    pool = await open_pool(dsn, 4)
    await owner.fetchval("SELECT audit_partitions($1, 4)", START.date())
    clock = FixedClock(START)
    checkpoints = Checkpoints(folder / "audit-checkpoints.jsonl", made_key(folder / "key.pem"))
    log = Log(pool, owner, checkpoints, clock, Sealer(pool, clock, checkpoints))
    await log.reset()
    try:
        yield log
    finally:
        await log.reset()
        await pool.close()
        await owner.close()
