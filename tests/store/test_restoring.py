"""The drill: a database is backed up, a patient's results are deleted, the backup is brought back; nothing of hers opens."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from cryptography.exceptions import InvalidTag

from kjerne.access import Choice
from kjerne.clock import FixedClock
from kjerne.commands.checking import Finding, _shares
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.jobs import Job
from kjerne.settings import Settings
from kjerne.store import messages, migrate, restoring
from kjerne.store.chains import Chains, Kept, Source
from kjerne.store.codec import Wrap, bound
from kjerne.store.embedded import OWNER, PROGRAM, Embedded
from kjerne.store.erasing import KIND, Eraser
from kjerne.store.house import Store, open_store
from kjerne.store.keys import Keys
from kjerne.store.reading import Reader
from kjerne.store.records import Change
from kjerne.store.shares import NAME, Destroyed, Gone, Shares

from .conftest import Desk

OBSERVATION = type_number("Observation")
KEYS = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
TYPES = {"results": [OBSERVATION]}
THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = b"hemmelig-funn-af39c1"
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"},"valueString":"%s"}'
REGRET = timedelta(days=30)
RESTORED = THEN + REGRET + timedelta(days=1)


@dataclass
class Hall:
    """One database with its key shares beside it."""

    dsn: str
    owner_dsn: str
    path: Path

    async def opened(self, *, as_owner: bool = True) -> tuple[Store, Shares]:
        """As `serve` opens it."""
        owner = self.owner_dsn if as_owner else ""
        shares = await restoring.opened(self.dsn, owner, self.path, KEYS, TYPES, RESTORED)
        return await open_store(self.dsn, KEYS, shares, pool_size=3), shares


@pytest.fixture
def hall(request: pytest.FixtureRequest, clusters: Any, tmp_path: Path) -> Iterator[Hall]:
    cluster = clusters(getattr(request, "param", "18"))
    cluster.create("restoring")
    yield Hall(cluster.server.dsn(PROGRAM, "restoring"), cluster.server.dsn(OWNER, "restoring"), tmp_path / NAME)
    cluster.drop("restoring")


@dataclass
class Server:
    """A server of its own, whose data directory is backed up and brought back."""

    data: Path

    async def start(self) -> None:
        self.running = Embedded(self.data, "", {"shared_buffers": "32MB", "max_wal_size": "64MB"})
        await self.running.start()

    async def backed_up(self, to: Path) -> None:
        """As docs/operations.md has it: the server is stopped, and its data directory is copied."""
        await self.running.stop()
        copied(self.data / "postgres", to)
        await self.start()

    async def brought_back(self, backup: Path) -> None:
        await self.running.stop()
        shutil.rmtree(self.data / "postgres")
        copied(backup, self.data / "postgres")
        await self.start()


def copied(folder: Path, to: Path) -> None:
    """With owners and modes: the server runs as a user of its own."""
    subprocess.run(["/bin/cp", "-a", str(folder), str(to)], check=True)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    # A short path: where one is too long for a socket, a server that starts anew has another address.
    folder = Path(tempfile.mkdtemp(prefix="restoring-"))
    made = Server(folder / "data")
    await made.start()
    await migrate.upgrade(made.running.dsn(OWNER))
    yield made
    await made.running.stop()
    shutil.rmtree(folder)


async def file(desk: Desk, patient: int, text: bytes = SECRET) -> UUID:
    """A record of two versions, the report it came of, and the message that carried it."""
    id_ = desk.store.ids.make(patient)
    name, raw = f"message-{patient}", b"<all>" + text + b"</all>"
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = await desk.grant(patient, "file")
        for value in (b"first", text):
            body = RAW % value
            await desk.store.records.put(conn, grant, [Change(OBSERVATION, id_, body, index(decode(body)))])
        source = Source(THEN, name, b"<report>" + text + b"</report>")
        report = patient.to_bytes(16, "big")
        await Chains(desk.store.records).keep(conn, grant, Kept(report, [source], [], orphan=False))
        copy = desk.store.copies.taken("1", name, raw, [desk.store.records.key(grant)])
        await messages.keep(conn, messages.row(copy, sender="1", message=name, raw=raw, at=THEN, receipt=b"ok"))
        refused = desk.store.copies.refused(
            "1", f"refused-{patient}", raw, await desk.store.people.digests(conn, patient)
        )
        row = messages.row(
            refused, sender="1", message=f"refused-{patient}", raw=raw, at=THEN, receipt=b"no", faults=(FAULT,)
        )
        await messages.keep(conn, row)
    return id_


FAULT = messages.Fault("not understood", "Message")


async def read(desk: Desk, patient: int, id_: UUID) -> bytes | None:
    async with desk.store.pool.acquire() as conn:
        reader = Reader(desk.store.wrap, desk.store.dictionaries)
        found = await reader.read(conn, await desk.grant(patient), OBSERVATION, id_)
    return found.raw if found else None


async def opt_out_and_delete(desk: Desk, shares: Shares, patient: int) -> None:
    async with desk.store.pool.acquire() as conn:
        number = await desk.store.people.add_choice(conn, patient, Choice("opt-out", "results", "", "", THEN, None))
    eraser = Eraser(desk.store.pool, FixedClock(THEN + REGRET), TYPES, shares)
    await eraser.erase(Job(KIND, f"{patient}:{number}", THEN + REGRET))


def on_disk(folder: Path, wanted: bytes) -> list[str]:
    """Files below a folder, write-ahead log and all, that hold these bytes."""
    return [str(one) for one in folder.rglob("*") if one.is_file() and wanted in one.read_bytes()]


async def sealed_rows(dsn: str, patient: int) -> tuple[list[asyncpg.Record], bytes, bytes]:
    """Everything sealed that a database has of somebody, and her wrapped data key."""
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch(
            "SELECT id, body FROM record WHERE patient = $1 UNION ALL "
            "SELECT id, body FROM record_history WHERE patient = $1",
            patient,
        )
        source = await conn.fetchval("SELECT sealed FROM report_source WHERE patient = $1 AND sealed <> ''", patient)
        wrapped = await conn.fetchval("SELECT wrapped_key FROM person WHERE patient = $1", patient)
    finally:
        await conn.close()
    return rows, source, wrapped


async def nothing_opens(hall: Hall, gone: int, id_: UUID) -> None:
    """The backup has the sealed bytes and the wrapped data key still: with every key there is, they do not open."""
    rows, source, wrapped = await sealed_rows(hall.dsn, gone)
    assert len(rows) == 2 and source and wrapped
    living = Shares(hall.path, KEYS)
    own = Wrap(KEYS.derived("wrap"), living).unwrap(gone, wrapped)
    with pytest.raises(Destroyed):
        living.share("results", gone)
    for key in (own, *(own.with_share(living.share("results", gone, later)) for later in (1, 2))):
        for row in rows:
            with pytest.raises(InvalidTag):
                key.open(row["body"], bound(gone, OBSERVATION, id_))
        with pytest.raises(InvalidTag):
            key.open(source, gone.to_bytes(16, "big"))
    conn = await asyncpg.connect(hall.dsn)
    refused = await conn.fetchrow("SELECT sealed, shares FROM message_in WHERE message = $1", f"refused-{gone}")
    await conn.close()
    with pytest.raises(Destroyed):
        messages.Copies(KEYS, living).open("1", f"refused-{gone}", refused["sealed"], refused["shares"])


async def deleted_again(desk: Desk, gone: int) -> None:
    """No row of hers is left, her log says why, and the service is closed."""
    store = desk.store
    for table in ("record", "record_history", "report_source"):
        assert await store.pool.fetchval(f"SELECT count(*) FROM {table} WHERE patient = $1", gone) == 0
    assert await store.pool.fetchval("SELECT sealed FROM message_in WHERE message = $1", f"refused-{gone}") == b""
    assert await store.pool.fetchval("SELECT sealed FROM message_in WHERE message = $1", f"message-{gone}") == b""
    (row,) = await store.pool.fetch("SELECT * FROM audit WHERE patient = $1 AND action = 'erase'", gone)
    assert (row["rule"], sorted(row["versions"])) == ("erased-after-restore", [1, 2])
    assert row["at"] == RESTORED, "when it was done again, not when it was done the first time"
    grant = await desk.grant(gone)
    assert [(one.kind, one.made_at) for one in grant.subject.choices] == [("opt-out", THEN)], "still closed"
    assert grant.subject.destroyed == (("results",),)


async def test_nothing_of_a_deleted_patient_opens_from_a_backup_and_the_living_keys(
    server: Server, tmp_path: Path
) -> None:
    hall = Hall(server.running.dsn(PROGRAM), server.running.dsn(OWNER), tmp_path / "outside" / NAME)
    store, shares = await hall.opened()
    desk = Desk(store)
    gone, other = await desk.person(), await desk.person()
    theirs = {patient: await file(desk, patient) for patient in (gone, other)}
    rows, _, wrapped = await sealed_rows(hall.dsn, gone)
    place = bound(gone, OBSERVATION, theirs[gone])
    before = Wrap(KEYS.derived("wrap"), shares).unwrap(gone, wrapped).with_share(shares.share("results", gone))
    assert [before.open(row["body"], place) for row in rows], "they open until then"
    await store.close()
    backup = tmp_path / "backup"
    await server.backed_up(backup)

    store, shares = await hall.opened()
    desk = Desk(store)
    await opt_out_and_delete(desk, shares, gone)
    assert await read(desk, gone, theirs[gone]) is None
    await store.close()
    await server.brought_back(backup)

    await nothing_opens(hall, gone, theirs[gone])
    # No byte on disk says it, in the backup, in the database or in its log.
    assert on_disk(backup, SECRET) == on_disk(server.data, SECRET) == []

    # `serve` deletes again before it answers; the other patient has what she had.
    with pytest.raises(Refusal) as refusal:
        await hall.opened(as_owner=False)
    assert (refusal.value.status, refusal.value.where) == (409, "KJERNE_OWNER_DSN")
    store, shares = await hall.opened()
    desk = Desk(store)
    assert await read(desk, gone, theirs[gone]) is None
    assert await read(desk, other, theirs[other]) == RAW % SECRET
    await deleted_again(desk, gone)
    await store.close()
    store, _ = await hall.opened(as_owner=False)  # done once; the next start finds nothing to do
    await store.close()


async def test_it_serves_nothing_with_a_missing_an_older_or_anothers_list(hall: Hall, tmp_path: Path) -> None:
    store, shares = await hall.opened()
    desk = Desk(store)
    patient = await desk.person()
    await file(desk, patient)
    older = hall.path.with_name("older")
    shutil.copy(hall.path, older)
    await opt_out_and_delete(desk, shares, patient)
    await store.close()
    newest = hall.path.read_bytes()
    another = Shares.made(tmp_path / "another", KEYS, TYPES)
    another.destroy(list(Shares(hall.path, KEYS).listed()))
    for wrong, says in ((None, "missing"), (older, "older"), (tmp_path / "another", "another database")):
        hall.path.unlink(missing_ok=True)
        if wrong:
            shutil.copy(wrong, hall.path)
        with pytest.raises(Refusal, match=says) as refusal:
            await hall.opened()
        assert (refusal.value.status, refusal.value.where) == (409, "KJERNE_KEY_SHARES")
    hall.path.write_bytes(newest)
    store, _ = await hall.opened()
    await store.close()


async def test_check_tells_how_file_and_database_stand(hall: Hall, tmp_path: Path) -> None:
    told = settings(hall)
    assert (await found(told)).says == "the first start makes them"
    store, shares = await hall.opened()
    assert (await found(told)).says == "0 keys are destroyed"
    shares.destroy([Gone("results", 7, 0, THEN, THEN)])
    assert (await found(told)).says == "1 keys are destroyed, 1 of them are deleted again by the next start"
    hall.path.unlink()
    missing = await found(told)
    assert (missing.ok, "missing" in missing.says) == (False, True)
    Shares.made(hall.path, KEYS, TYPES)
    another = await found(told)
    assert (another.ok, "another database" in another.says) == (False, True)
    await store.close()


def settings(hall: Hall) -> Settings:
    keys = ",".join(root.hex() for root in (KEYS.wrap, KEYS.permanent, KEYS.session))
    return Settings(dsn=hall.dsn, key_shares=str(hall.path), keys=keys)  # type: ignore[arg-type]


async def found(told: Settings) -> Finding:
    """What `kjerne check` finds; it runs a loop of its own."""
    return await asyncio.to_thread(_shares, told)


async def test_a_deletion_broken_off_after_the_key_was_destroyed_is_finished(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, shares = await hall.opened()
    desk = Desk(store)
    patient = await desk.person()
    id_ = await file(desk, patient)

    def killed(self: Shares, gone: object) -> None:
        real(self, gone)  # type: ignore[arg-type]
        raise OSError("power")

    real = Shares.destroy
    with monkeypatch.context() as patched, pytest.raises(OSError, match="power"):
        patched.setattr(Shares, "destroy", killed)
        await opt_out_and_delete(desk, shares, patient)
    assert await store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 1
    with pytest.raises(Destroyed):
        await read(desk, patient, id_)
    await store.close()
    store, _ = await hall.opened()
    assert await store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 0
    await store.close()


async def test_after_a_deletion_she_may_come_back_under_a_new_key(hall: Hall) -> None:
    store, shares = await hall.opened()
    desk = Desk(store)
    patient = await desk.person()
    await file(desk, patient)
    for _ in range(2):
        await opt_out_and_delete(desk, shares, patient)
        await store.pool.execute("UPDATE privacy_choice SET ended_at = $2 WHERE patient = $1", patient, THEN + REGRET)
        new = await file(desk, patient, b"new")
        assert await read(desk, patient, new) == RAW % b"new"
    assert [one.generation for one in shares.listed() if one.index == patient] == [0, 1]
    await store.close()


PG_DUMP = Path("/usr/lib/postgresql/15/bin/pg_dump")


@pytest.mark.skipif(not PG_DUMP.exists(), reason="PostgreSQL 15 is not installed")
@pytest.mark.parametrize("hall", ["15"], indirect=True)
async def test_a_dump_in_plain_text_holds_nothing_readable(hall: Hall) -> None:
    """pg_dump, the other kind of backup; the newest server's is not among the programs that come along."""
    store, _ = await hall.opened()
    desk = Desk(store)
    await file(desk, await desk.person())
    await store.close()
    asked = [str(PG_DUMP), "--dbname", hall.owner_dsn]
    done = await asyncio.to_thread(subprocess.run, asked, check=True, capture_output=True)
    assert b"COPY public.record " in done.stdout
    assert SECRET not in done.stdout and SECRET.hex().encode() not in done.stdout
