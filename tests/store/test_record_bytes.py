"""Records written before migration 0005 are read, found and changed like those written after it."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index, token
from kjerne.fhir.searchparams import parameters
from kjerne.store import migrate
from kjerne.store.codec import Wrap, bound, with_splices
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.reading import Reader
from kjerne.store.records import Change
from kjerne.store.sealed_id import SealedIds
from kjerne.store.shares import Shares
from kjerne.store.subjects import PersonDetail, seal_detail

from .conftest import NOW, Desk
from .test_finding import NLK, find, ids, last_audit, observation

KEYS = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
OBSERVATION = type_number("Observation")
PATIENT = 4711
OLD = encode(observation("NPU03230", 1, 4.1))
TRAINED = b"what many bodies have in common " * 40


class Before:
    """How a row was made until then: a zstd frame with its magic, two seals, tokens as numbers of 64 bits."""

    def __init__(self, wrap: Wrap) -> None:
        self.wrapped, _ = wrap.new(PATIENT)
        root = AESGCM(KEYS.derived("wrap"))
        self.key = root.decrypt(self.wrapped[:12], self.wrapped[12:], PATIENT.to_bytes(8, "big"))

    def sealed(self, plain: bytes, id_: UUID) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self.key).encrypt(nonce, plain, bound(PATIENT, OBSERVATION, id_))

    def tokens(self, hashes: list[int]) -> list[int]:
        own = hashlib.blake2b(self.key, digest_size=16, person=b"tokens").digest()
        blocks = (
            Cipher(algorithms.AES(own), modes.ECB()).encryptor().update(struct.pack("<" + "q8x" * len(hashes), *hashes))
        )
        return list(struct.unpack("<" + "q8x" * len(hashes), blocks))


async def filled(conn: asyncpg.Connection, before: Before, wrap: Wrap, id_: UUID) -> None:
    detail = seal_detail(wrap, PATIENT, before.wrapped, PersonDetail())
    await conn.execute(
        "INSERT INTO person (patient, wrapped_key, detail, synthetic, made_at) VALUES ($1, $2, $3, true, $4)",
        PATIENT, before.wrapped, detail, NOW,
    )  # fmt: skip
    await conn.execute("INSERT INTO dictionary (number, bytes, made_at) VALUES (1, $1, $2)", TRAINED, NOW)
    indexed = index(decode(OLD))
    packed = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(TRAINED)).compress(with_splices(OLD))
    status = parameters("Observation")["status"].leaves[0]
    with_system = token(f"{status.number}\x1f{status.system}\x1ffinal")
    await conn.execute(
        'INSERT INTO record (patient, id, type, version, dictionary, at, date_from, date_to, xid, tokens, "values", body)'
        " VALUES ($1, $2, $3, 1, 1, $4, $5, $6, '7', $7, $8, $9)",
        PATIENT, id_, OBSERVATION, NOW, indexed.date_from, indexed.date_to,
        before.tokens([*indexed.tokens, with_system]), before.sealed(indexed.values, id_), before.sealed(packed, id_),
    )  # fmt: skip


@pytest.fixture
async def upgraded(empty_dsns: tuple[str, str], tmp_path: Path, shares: Shares) -> AsyncIterator[tuple[Desk, UUID]]:
    """A database that stood at 0004 with one record in it, upgraded."""
    (program, owner), wrap = empty_dsns, Wrap(KEYS.derived("wrap"), shares)
    id_ = SealedIds(KEYS.derived("id")).make(PATIENT)
    for path in sorted(migrate.FOLDER.glob("*.sql"))[:4]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrate, "FOLDER", tmp_path)
        await migrate.upgrade(owner)
    conn = await asyncpg.connect(owner)
    await filled(conn, Before(wrap), wrap, id_)
    await conn.close()
    await migrate.upgrade(owner)
    store = await open_store(program, KEYS, shares, pool_size=2)
    yield Desk(store), id_
    await store.close()


async def test_an_old_record_is_read_found_matched_and_changed(upgraded: tuple[Desk, UUID]) -> None:
    desk, old = upgraded
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    async with desk.store.pool.acquire() as conn:
        record = await reader.read(conn, await desk.grant(PATIENT), OBSERVATION, old)
        assert await conn.fetchval("SELECT xid FROM record") == 7, "a feed that has read it does not meet it again"
    assert record is not None
    assert record.raw == OLD
    new = desk.store.ids.make(PATIENT)
    raw = encode(observation("NPU03230", 2, 5.2))
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.put(
            conn, await desk.grant(PATIENT, "file"), [Change(OBSERVATION, new, raw, index(decode(raw)))]
        )
    grant = await desk.grant(PATIENT)
    for asked in (
        ("code", "NPU03230"),
        ("code", f"{NLK}|NPU03230"),
        ("status", "http://hl7.org/fhir/observation-status|final"),
    ):
        assert ids(await find(desk, grant, "Observation", asked)) == [str(new), str(old)]
    for asked in (("code", "urn:oid:1.2|NPU03230"), ("status", "urn:oid:1.2|final"), ("status:not", "final")):
        assert ids(await find(desk, grant, "Observation", asked)) == []
    assert ids(await find(desk, grant, "Observation", ("value-quantity", "lt5"))) == [str(old)]
    assert ids(await find(desk, grant, "Observation", ("_sort", "value-quantity"))) == [str(old), str(new)]
    assert await last_audit(desk, PATIENT) == [str(old), str(new)]


async def test_an_old_record_that_is_changed_has_its_old_version_in_history(upgraded: tuple[Desk, UUID]) -> None:
    desk, old = upgraded
    raw = encode(observation("NPU03230", 1, 4.3))
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    async with desk.store.pool.acquire() as conn:
        change = Change(OBSERVATION, old, raw, index(decode(raw)))
        await desk.store.records.put(conn, await desk.grant(PATIENT, "file"), [change])
        grant = await desk.grant(PATIENT)
        versions = [await reader.version(conn, grant, OBSERVATION, old, number) for number in (1, 2)]
    assert [one.raw for one in versions if one] == [OLD, raw]
    assert ids(await find(desk, grant, "Observation", ("value-quantity", "gt4.2"))) == [str(old)]
