"""The floor: what no server of this design can do without, in bare ASGI, on the same PostgreSQL and the same tables.

Per request: one ES256 check of a proof of possession, and one statement that notes the proof as used, reads (or inserts)
the rows and writes the audit row, durable at commit. No routing, no law, no validation, no sealing, no compression: bodies
lie ready as they are served. What kjerne adds to this is the price of the rest.
"""

from __future__ import annotations

import hashlib
import os
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import asyncpg
import corpus
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from load import Lane, Request
from ours import dsn

from kjerne.store import audit, migrate
from kjerne.store.embedded import OWNER, PROGRAM, SUPERUSER
from kjerne.store.pool import Pool, open_pool

DATABASE: Final = "bench_floor"
TYPE: Final = 1
POOL_SIZE: Final = 16
_ES256: Final = ec.ECDSA(Prehashed(hashes.SHA256()))
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")

# $1 and $2 are the proof, $3 on the audit row, the rest the question.
_AFTER_AUDIT: Final = 3 + audit.WIDTH
_PROOF: Final = "p AS (INSERT INTO proof (minute, digest) VALUES ($1::integer, $2::bytea) RETURNING minute)"
_AUDIT: Final = (
    f"a AS (INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) SELECT {audit.placeholders(3)}, n.types, n.ids, "
    "n.versions FROM (SELECT array_agg(type) AS types, array_agg(id) AS ids, array_agg(version) AS versions FROM r) n)"
)
_READ: Final = f"""
WITH {_PROOF}, r AS MATERIALIZED (
  SELECT type, id, version, body FROM record
  WHERE patient = ${_AFTER_AUDIT}::bigint AND type = {TYPE} AND id = ${_AFTER_AUDIT + 1}::uuid
), {_AUDIT} SELECT body FROM r, p"""
_SEARCH: Final = f"""
WITH {_PROOF}, r AS MATERIALIZED (
  SELECT type, id, version, body, date_from FROM record
  WHERE patient = ${_AFTER_AUDIT}::bigint AND type = {TYPE} AND tokens LIKE ${_AFTER_AUDIT + 1}::bytea
  ORDER BY date_from DESC LIMIT 20
), {_AUDIT} SELECT body FROM r, p ORDER BY date_from DESC"""
_CREATE: Final = f"""
WITH {_PROOF}, r AS (
  INSERT INTO record (patient, id, type, version, dictionary, at, date_from, tokens, body)
  SELECT ${_AFTER_AUDIT}::bigint, ${_AFTER_AUDIT + 1}::uuid, {TYPE}, 1, 0, now(), now(), '',
    ${_AFTER_AUDIT + 2}::bytea RETURNING type, id, version
), {_AUDIT} SELECT id FROM r, p"""
_INSERT: Final = """
INSERT INTO record (patient, id, type, version, dictionary, at, date_from, tokens, body)
VALUES ($1, $2, $3, 1, 0, now(), $4, $5, $6)"""
# An audit row as long as a real one.
_WORDS: Final = (
    "read", "results", "official-need", "pasientjournalloven § 19", "Helsepersonell med tjenstlig behov ser opplysningene.",
    "TREAT", "", "practitioner", b"0" * 16, "Kari Nordmann", "000000000", "LE", "900000001", "900000002", "",
    "journal-system", "0123456789abcdef0123456789abcdef", "0123456789abcdef", False, "0123456789abcdef0123456789abcdef", b"",
    "", "", "900000003", "900000004", datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip

Headers = Sequence[tuple[bytes, bytes]]


class _Payload(msgspec.Struct):
    jti: str
    htm: str
    htu: str
    iat: int
    ath: str


_payload = msgspec.json.Decoder(_Payload).decode
_header = msgspec.json.Decoder(dict[str, Any]).decode


class Floor:
    """The application. Paths: `/read/{patient}/{id}`, `/search/{patient}?code=`, `/create/{patient}`."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Pool

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["path"] == "/readyz":
            await _send(send, 200, b"{}")
            return
        proof = proven(scope["headers"], scope["method"])
        _, what, patient, *rest = scope["path"].split("/")
        given = (*proof, int(patient), datetime.now(UTC), uuid4(), 0, *_WORDS, int(patient))
        status = 200
        if what == "read":
            body = await self._pool.fetchval(_READ, *given, UUID(rest[0]))
        elif what == "search":
            token = b"%" + hashed(dict(parse_qsl(scope["query_string"].decode()))["code"]) + b"%"
            rows = await self._pool.fetch(_SEARCH, *given, token)
            entries = b",".join(b'{"resource":' + row[0] + b"}" for row in rows)
            body = b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"
        else:
            message = await receive()
            body, status = message["body"], 201
            while message.get("more_body"):
                message = await receive()
                body += message["body"]
            await self._pool.fetchval(_CREATE, *given, uuid4(), body)
        await _send(send, status, body)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._pool = await open_pool(self._dsn, POOL_SIZE)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _send(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def application() -> Floor:
    """The application of one worker, for `serving`."""
    return Floor(os.environ["KJERNE_DSN"])


def proven(headers: Headers, method: str) -> tuple[int, bytes]:
    """The replay table's values of a proof that holds (RFC 9449 section 4.3, as little of it as can be)."""
    found = dict(headers)
    head, payload, seal = found[b"dpop"].split(b".")
    raw = _decoded(seal)
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    _key(head).verify(signature, hashlib.sha256(head + b"." + payload).digest(), _ES256)
    said = _payload(_decoded(payload))
    if said.htm != method or _decoded(said.ath.encode()) != hashlib.sha256(found[b"authorization"][5:]).digest():
        raise ValueError("the proof is for another request")
    return said.iat // 60 % 60, hashlib.sha256(said.jti.encode()).digest()[:16]


@lru_cache(maxsize=4096)
def _key(head: bytes) -> ec.EllipticCurvePublicKey:
    jwk = _header(_decoded(head))["jwk"]
    x, y = (int.from_bytes(_decoded(jwk[name].encode()), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def _decoded(text: bytes) -> bytes:
    return a2b_base64(text.translate(_TO_STANDARD) + b"=" * (-len(text) % 4))


def hashed(code: str) -> bytes:
    """A code as the one token of a row: letters alone, so that it is its own pattern."""
    return hashlib.sha256(code.encode()).hexdigest()[:8].encode()


def environment(data: Path) -> dict[str, str]:
    """What its workers are told: where its database is, beside kjerne's in `data`."""
    return {"KJERNE_DSN": dsn(data, PROGRAM, DATABASE)}


async def prepared(data: Path, patients: int, each: int) -> list[list[UUID]]:
    """The floor's own database on kjerne's PostgreSQL in `data`, filled with the same resources; the ids by patient."""
    server = await asyncpg.connect(dsn(data, SUPERUSER, "postgres"))
    await server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    await server.close()
    owner_dsn = dsn(data, OWNER, DATABASE)
    await migrate.upgrade(owner_dsn)
    owner = await asyncpg.connect(owner_dsn)
    made = []
    for patient in range(patients):
        rows = [
            (patient, uuid4(), TYPE, datetime.fromisoformat(tree["effectiveDateTime"]), hashed(_code(tree)), body)
            for body in corpus.observations({"reference": f"Patient/{patient}"}, patient, each)
            for tree in (msgspec.json.decode(body),)
        ]
        await owner.executemany(_INSERT, rows)
        made.append([row[1] for row in rows])
    await owner.execute("VACUUM ANALYZE record")
    await owner.close()
    return made


def _code(tree: dict[str, Any]) -> str:
    coding = tree["code"]["coding"][0]
    return f"{coding['system']}|{coding['code']}"


def lanes(like: Sequence[Lane], what: str, ids: Sequence[Sequence[UUID]]) -> list[Lane]:
    """Requests for the floor on the connections of `like`: the same tokens and keys, so the same work for the client."""
    made = []
    for patient, lane in enumerate(like):
        if what == "read":
            requests = [Request("GET", f"/read/{patient}/{id_}") for id_ in ids[patient % len(ids)]]
        elif what == "search":
            requests = [Request("GET", f"/search/{patient}?code={corpus.NLK}%7C{one.code}") for one in corpus.ANALYSES]
        else:
            requests = [Request("POST", f"/create/{patient + 1000}", one.headers, one.body) for one in lane.requests]
        made.append(Lane(requests, lane.token, lane.key))
    return made
