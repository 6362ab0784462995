"""`kjerne serve` and `kjerne work`: production, on the operator's database and keys. Knows nothing of the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Final
from urllib.parse import urlsplit

from uvicorn.supervisors import Multiprocess

from kjerne import app, fetching, housekeeping, production, server
from kjerne.clock import SystemClock
from kjerne.errors import Fault, Refusal
from kjerne.lifespan import Lifespan
from kjerne.registries.document_sources import DocumentSources
from kjerne.registries.guides import Guides
from kjerne.registries.health_systems import HealthSystems
from kjerne.registries.journals import Journals
from kjerne.registries.receivers import Receivers
from kjerne.settings import Settings
from kjerne.store import audit, key_marks, migrate
from kjerne.store.checkpoints import Checkpoints, read_keys
from kjerne.store.comparing import Comparer
from kjerne.store.keys import Keys
from kjerne.store.pool import Pool, open_pool, reaching
from kjerne.subscribing import Deliverer, ready

WORKER_PATIENCE_SECONDS: Final = 600.0
"""How long a worker that starts waits for a database that is away: if it gave up, uvicorn would end all of them."""
CHECKPOINTS = "where the log's signed checkpoints go, which the database must not be able to reach"
KEY_SHARES = "the file of key shares, outside the database and its backup"
_MAY_BE_PLAIN = frozenset({"localhost", "127.0.0.1", "::1"})


def checked(settings: Settings) -> Settings:
    """The settings, if production may run on them. Refusal 422 names everything that is wrong at once."""
    faults = [
        Fault(f"{name} is not set: {why}", where=name)
        for name, value, why in (
            ("KJERNE_DSN", settings.dsn, "the address of the PostgreSQL database"),
            ("KJERNE_KEYS", settings.keys.get_secret_value(), "the master keys"),
            ("KJERNE_KEY_SHARES", settings.key_shares, KEY_SHARES),
            ("KJERNE_ISSUER", settings.issuer, "the OpenID provider whose tokens are trusted"),
            ("KJERNE_PUBLIC_URL", settings.public_url, "the address that clients use"),
            ("KJERNE_AUDIT_CHECKPOINTS", settings.audit_checkpoints, CHECKPOINTS),
        )
        if not value
    ]
    faults += [*_faults_of_keys(settings), *_faults_of_mail(settings), *_faults_of_files(settings)]
    for name, url in (("KJERNE_ISSUER", settings.issuer), ("KJERNE_PUBLIC_URL", settings.public_url)):
        parts = urlsplit(url)
        if url and parts.scheme != "https" and parts.hostname not in _MAY_BE_PLAIN:
            faults.append(Fault(f"{name} must begin with https", where=name))
    if faults:
        said = "; ".join(fault.says for fault in faults)
        raise Refusal(422, f"production cannot start: {said}", faults=tuple(faults))
    Guides.of(settings).state()
    return settings


def _faults_of_keys(settings: Settings) -> list[Fault]:
    text = settings.keys.get_secret_value()
    sandbox = bool(text) and Keys.parse(text).sandbox
    return [Fault("KJERNE_KEYS holds keys that a sandbox made", where="KJERNE_KEYS")] if sandbox else []


def _faults_of_mail(settings: Settings) -> list[Fault]:
    """Messages go to citizens: from an address, and by a way that is closed."""
    if not settings.smtp_host:
        return []
    faults = []
    if not settings.smtp_from:
        faults.append(Fault("KJERNE_SMTP_FROM is not set: whom messages come from", where="KJERNE_SMTP_FROM"))
    if settings.smtp_tls == "none" and settings.smtp_host not in _MAY_BE_PLAIN:
        faults.append(
            Fault("KJERNE_SMTP_TLS is none: the way to the mail server must be closed", where="KJERNE_SMTP_TLS")
        )
    return faults


def _faults_of_files(settings: Settings) -> list[Fault]:
    """A file that is named must be one that can be read: else nobody would be told, shown or asked, and nobody told why."""
    faults = []
    sources = settings.document_sources_file
    for name, named, read in (
        ("KJERNE_SUBSCRIBERS", settings.subscribers, Receivers(settings.subscribers_file).read),
        ("KJERNE_EHRS", settings.ehrs, HealthSystems(settings.ehrs_file).read),
        ("KJERNE_JOURNALS", settings.journals, Journals(settings.journals_file).read),
        ("KJERNE_DOCUMENT_SOURCES", settings.document_sources or sources.exists(), DocumentSources(sources).read),
    ):
        try:
            _ = named and read()
        except Refusal as refusal:
            faults.append(Fault(f"{name}, {refusal}", where=name))
    if settings.document_sources and not settings.gateway_key_file:
        where = "KJERNE_GATEWAY_KEY_FILE"
        faults.append(Fault(f"{where} is not set: the key that assertions to sources are signed with", where=where))
    return faults


def run(settings: Settings, workers: int, *, as_json: bool) -> None:
    """Answer requests until told to stop. The tables must stand at this program's layout."""
    server.log_to()
    server.run(_ready(settings))
    with contextlib.closing(server.listening(settings)):
        pass  # a port that is taken is told before anything else
    url = settings.public_url
    print(json.dumps({"url": url, "workers": workers}) if as_json else f"kjerne serves {url}", flush=True)
    if workers == 1:
        server.run(_serve(settings))
        return
    # The workers are processes of their own: they read the settings from the environment, as this one did.
    os.environ["KJERNE_PORT"] = str(settings.port)
    with contextlib.closing(server.listening(settings)) as listener:
        config = server.configuration(f"{__name__}:application", factory=True, workers=workers)
        Multiprocess(config, sockets=[listener]).run()


def application() -> Lifespan:
    """The application of one worker process."""
    server.log_to()
    return production.build(checked(Settings(mode="production")), patience_seconds=WORKER_PATIENCE_SECONDS)


def work_off(settings: Settings, *, once: bool) -> int:
    """Do due jobs: all that are due now, or until told to stop; how many were done in the first case."""
    if not settings.dsn:
        raise Refusal(422, "there is no database to work on", where="KJERNE_DSN", todo="`kjerne up` works by itself.")
    for fault in (*_faults_of_keys(settings), *_faults_of_mail(settings), *_faults_of_files(settings)):
        raise Refusal(422, fault.says, where=fault.where)
    if not settings.key_shares:
        # Whoever starts first makes the file: it must not come to lie where nobody looks for it.
        where, todo = "KJERNE_KEY_SHARES", "Name the same file as `kjerne serve` has."
        raise Refusal(422, f"{where} is not set: {KEY_SHARES}", where=where, todo=todo)
    checkpoints = _checkpoints(settings)
    server.log_to()
    done: list[int] = []
    with contextlib.suppress(KeyboardInterrupt):
        server.run(_work(settings, checkpoints, done, once=once))
    return sum(done)


def _checkpoints(settings: Settings) -> Checkpoints:
    """Where the log is signed: named by the operator, since a folder of our own choosing may lie beside the database."""
    for name, value, why in (
        ("KJERNE_AUDIT_CHECKPOINTS", settings.audit_checkpoints, CHECKPOINTS),
        ("KJERNE_AUDIT_KEY_FILE", settings.audit_key_file, "the key that signs them"),
    ):
        if not value:
            raise Refusal(422, f"{name} is not set: {why}", where=name, todo="See docs/audit-log.md.")
    return Checkpoints(settings.checkpoint_file, read_keys(settings.audit_key)).ready()


async def _work(settings: Settings, checkpoints: Checkpoints, done: list[int], *, once: bool) -> None:
    keys = Keys.parse(settings.keys.get_secret_value())
    await _stands(settings)
    clock, pool = SystemClock(), await open_pool(settings.dsn, 7)
    try:
        await key_marks.hold(pool, keys)
        await _only_adds(pool)
        shares = await housekeeping.shares_of(settings, keys, clock)
        workers = (
            housekeeping.worker(pool, clock, checkpoints, keys, shares),
            housekeeping.teller(pool, clock, keys, settings),
        )
        for worker in workers:
            await worker.start()
            if once:
                done.append(await worker.run_due(sys.maxsize))
        deliverer = await ready(Deliverer(pool, clock, keys, shares, settings))
        async with app.opened(settings.model_copy(update={"pool_size": 2}), keys, clock) as house:
            fetcher = fetching.of(house)
            if once:
                await deliverer.run_due()
                await fetcher.run_due()
            else:
                comparer = Comparer(pool, clock, checkpoints)
                others = comparer.run_forever(), deliverer.run_forever(), fetcher.run_forever()
                await asyncio.gather(*(worker.run_forever() for worker in workers), *others)
    finally:
        await pool.close()


async def _serve(settings: Settings) -> None:
    with contextlib.closing(server.listening(settings)) as listener:
        await server.serve(production.build(settings), listener)


async def _ready(settings: Settings) -> None:
    """The tables at this program's layout, and nothing in them that was deleted since they were backed up."""
    await _at_layout(settings)
    await housekeeping.shares_of(settings, Keys.parse(settings.keys.get_secret_value()), SystemClock())


async def _at_layout(settings: Settings) -> None:
    """Bring the tables up where the owner's address is given; else demand that somebody has."""
    if settings.owner_dsn:
        with reaching("KJERNE_OWNER_DSN"):
            await migrate.current(settings.owner_dsn)
            await migrate.upgrade(settings.owner_dsn)
    await _stands(settings)
    await key_marks.checked(settings.dsn, Keys.parse(settings.keys.get_secret_value()))


async def _stands(settings: Settings) -> None:
    with reaching():
        stands = await migrate.current(settings.dsn)
    if stands != migrate.head():
        raise Refusal(
            409,
            f"the database stands at layout {stands or 'none'}, this program needs {migrate.head()}",
            todo="Set KJERNE_OWNER_DSN once, so that the owner role can bring it up.",
        )
    pool = await open_pool(settings.dsn, 1)
    try:
        await _only_adds(pool)
    finally:
        await pool.close()


async def _only_adds(pool: Pool) -> None:
    """Demands a database role that can add to the log and not change it: what the program cannot do, nobody does through it."""
    async with pool.acquire() as conn:
        if await audit.changeable(conn):
            raise Refusal(
                422,
                "the database role may change or delete what is in the audit log",
                where="KJERNE_DSN",
                todo="Use the role kjerne_app; the owner's address is KJERNE_OWNER_DSN.",
            )
