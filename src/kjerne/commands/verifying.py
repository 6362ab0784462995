"""`kjerne verify`: whether the audit log is as it was sealed and signed, told for a person or as JSON."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from kjerne.clock import SystemClock
from kjerne.errors import Refusal
from kjerne.settings import Settings
from kjerne.store import migrate
from kjerne.store.checkpoints import Checkpoints, read_keys
from kjerne.store.embedded import PROGRAM, Embedded
from kjerne.store.pool import SESSION, held_to, reaching
from kjerne.store.verifying import Step, Verdict, verify

FINDINGS_SHOWN: Final = 50
"""To a person; JSON has all that are kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict, and the moment it was made."""

    verdict: Verdict
    now: datetime

    @property
    def state(self) -> str:
        return self.verdict.state(self.now)

    def json(self) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "state": self.state,
            "seals": verdict.seals,
            "rows": verdict.rows,
            "checkpoints": verdict.checkpoints,
            "unsealed": {"rows": verdict.unsealed, "oldest_seconds": self._age(verdict.oldest)},
            "unsigned": {"seals": 1 if verdict.unsigned else 0, "oldest_seconds": self._age(verdict.unsigned)},
            "findings": [one.told() for one in verdict.findings],
            "further_findings": verdict.more,
            "lines_cut_short": list(verdict.cut_short),
        }

    def readable(self) -> str:
        verdict = self.verdict
        lines = [
            f"{verdict.rows} rows under {verdict.seals} seals, {verdict.checkpoints} signed checkpoints: {self.state}"
        ]
        lines += [f"  {one.readable()}" for one in verdict.findings[:FINDINGS_SHOWN]]
        if further := len(verdict.findings[FINDINGS_SHOWN:]) + verdict.more:
            lines.append(f"  and {further} further findings")
        if verdict.unsealed:
            lines.append(f"{verdict.unsealed} rows not sealed yet, the oldest {self._age(verdict.oldest)} seconds old")
        if verdict.unsigned:
            lines.append(f"the last seal not signed yet, {self._age(verdict.unsigned)} seconds old")
        if verdict.cut_short:
            places = ", ".join(map(str, verdict.cut_short))
            lines.append(f"lines that a crash cut short, with nothing lost: {places}")
        if self.state == "behind":
            lines.append("the sealer does not run: start `kjerne work` (in the sandbox, `kjerne up`)")
        return "\n".join(lines)

    def _age(self, at: datetime | None) -> int | None:
        return None if at is None else max(0, round((self.now - at).total_seconds()))


def verified(settings: Settings, step: Step, named: str = "KJERNE_DSN") -> Told:
    """Reads the whole log again and compares it. Refusal 404 where nothing was ever sealed, 503 where nobody answers.

    `named` is what gave the database's address, where there is one.
    """
    if not settings.audit_key.exists():
        raise _without_key(settings)
    checkpoints = Checkpoints(settings.checkpoint_file, read_keys(settings.audit_key))
    return asyncio.run(_verified(settings, checkpoints, step, named))


def _without_key(settings: Settings) -> Refusal:
    if settings.dsn:
        says, todo = "the key that the log is signed with is not there", "Name its file; a database does not hold it."
    else:
        says, todo = "the log was never sealed from here", "Name the data directory with --data, or the key."
    return Refusal(404, f"{settings.audit_key} is missing: {says}", where="KJERNE_AUDIT_KEY_FILE", todo=todo)


async def _verified(settings: Settings, checkpoints: Checkpoints, step: Step, named: str) -> Told:
    async with _database(settings, named) as conn:
        with held_to(named):
            verdict = await verify(conn, checkpoints, step)
    return Told(verdict, SystemClock().now())


@contextlib.asynccontextmanager
async def _database(settings: Settings, named: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the database: the one the settings name, or the data directory's, started where it stands still."""
    server = None
    dsn = settings.dsn
    if not dsn:
        dsn, server = await _embedded(settings)
    try:
        with reaching(named):
            stands = await migrate.current(dsn)
        if stands != migrate.head():
            raise Refusal(409, f"the database stands at layout {stands or 'none'}, this program needs {migrate.head()}")
        with reaching(named):
            conn = await asyncpg.connect(dsn, server_settings=SESSION)
        try:
            yield conn
        finally:
            await conn.close()
    finally:
        if server is not None:
            await server.stop()


async def _embedded(settings: Settings) -> tuple[str, Embedded | None]:
    """The address of the embedded server, and the server itself where it was we who started it."""
    server = Embedded(settings.data, settings.postgres_bin)
    if not server.cluster.exists():
        raise Refusal(404, f"there is no database in {settings.data}", where="--data")
    dsn = server.dsn(PROGRAM)
    try:
        await (await asyncpg.connect(dsn, timeout=3)).close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await server.start()
        return server.dsn(PROGRAM), server
    return dsn, None
