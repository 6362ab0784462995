"""Code systems loaded from files of their own: whole, version by version, replaced whole."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.effort import spend
from kjerne.fhir.terminology.concept import Concept, Designation
from kjerne.fhir.terminology.parts import SNOMED, USES
from kjerne.store.pool import Connection

ROWS_AT_ONCE: Final = 1_000
PLACES_AT_ONCE: Final = 10_000
LEVELS_LIMIT: Final = 100_000
"""Codes that one question of what stands under a code gives; the database stops at the next."""
_ASKING_STEPS: Final = 50
"""What a question to the database takes of the process, beside its rows."""
_COLUMNS: Final = "c.code, c.display, c.active, c.rest"
_PARENTS: Final = "coalesce((SELECT array_agg(p.parent ORDER BY p.parent) FROM concept_parent p "
_PARENTS_OF: Final = f"{_PARENTS}WHERE p.system = c.system AND p.code = c.code), '{{}}') AS parents"


class Rest(NamedTuple):
    """What of a concept is read with it alone. A name has its language, a letter of `USES` or a Coding in JSON, and itself."""

    definition: str
    abstract: bool
    designations: list[tuple[str, str, str]]
    properties: list[tuple[str, str, Any]]


class Loaded:
    """One version of a loaded code system, read over one connection."""

    complete = True

    def __init__(self, conn: Connection, number: int, url: str, version: str, name: str, size: int) -> None:
        self._conn = conn
        self.number = number
        self.url = url
        self.version = version
        self.name = name
        self.size = size

    async def concept(self, code: str) -> Concept | None:
        statement = f"SELECT {_COLUMNS}, {_PARENTS_OF} FROM concept c WHERE c.system = $1 AND c.code = $2"
        spend(_ASKING_STEPS)
        row = await self._conn.fetchrow(statement, self.number, code)
        return _concept(row) if row else None

    async def concepts(self, codes: Collection[str] | None = None) -> AsyncIterator[Concept]:
        place = -1
        if codes is not None:
            async for one in self._these(codes):
                yield one
            return
        while rows := await self._conn.fetch(_ONWARD, self.number, place, ROWS_AT_ONCE):
            spend(_ASKING_STEPS + len(rows))
            for row in rows:
                yield _concept(row)
            place = rows[-1]["place"]

    async def _these(self, codes: Collection[str]) -> AsyncIterator[Concept]:
        """These codes, whose places are looked for first: the order of a system is no order of its codes."""
        found: list[tuple[int, str]] = []
        wanted = list(codes)
        for begin in range(0, len(wanted), PLACES_AT_ONCE):
            rows = await self._conn.fetch(_PLACES, self.number, wanted[begin : begin + PLACES_AT_ONCE])
            spend(_ASKING_STEPS + len(rows))
            found += [tuple(row) for row in rows]
        found.sort()
        for begin in range(0, len(found), ROWS_AT_ONCE):
            some = [code for _, code in found[begin : begin + ROWS_AT_ONCE]]
            rows = await self._conn.fetch(_BY_CODES, self.number, some)
            spend(_ASKING_STEPS + len(rows))
            for row in sorted(rows, key=lambda row: row["place"]):
                yield _concept(row)

    async def called(self, words: Collection[str], limit: int) -> list[Concept]:
        """Active concepts whose display has every one of the words, or whose code is the first: the shortest names first."""
        patterns = [f"%{one.translate(_PLAIN)}%" for one in words]
        spend(_ASKING_STEPS + self.size // ROWS_AT_ONCE)
        rows = await self._conn.fetch(_CALLED, self.number, patterns, next(iter(words), ""), limit)
        return [_concept(row) for row in rows]

    async def members(self, name: str) -> frozenset[str]:
        """The codes of a set of the system's own; none where it has no such set."""
        return await self._reached(name, "SELECT code FROM concept_set WHERE system = $1 AND name = $2")

    async def over(self, code: str) -> frozenset[str]:
        return await self._reached(code, _OVER)

    async def under(self, code: str, *, next_only: bool = False) -> frozenset[str]:
        return await self._reached(code, _RIGHT_UNDER if next_only else _UNDER)

    async def _reached(self, code: str, statement: str) -> frozenset[str]:
        spend(_ASKING_STEPS)
        rows = await self._conn.fetch(statement, self.number, code)
        spend(len(rows))
        if len(rows) > LEVELS_LIMIT:
            raise Refusal(
                422, f"more than {LEVELS_LIMIT} codes stand under one that is asked about", code="too-costly",
                todo="Ask of one code, or with a code further down.",
            )  # fmt: skip
        return frozenset(row[0] for row in rows)


_WHOLE: Final = f"c.place, {_COLUMNS}, {_PARENTS_OF}"
_ONWARD: Final = f"""
SELECT {_WHOLE} FROM concept c WHERE c.system = $1 AND c.place > $2 ORDER BY c.place LIMIT $3"""
_NAMED: Final = "unnest($2::text[]) AS w(code) JOIN concept c ON c.system = $1 AND c.code = w.code"
_PLACES: Final = f"SELECT c.place, c.code FROM {_NAMED}"
_BY_CODES: Final = f"SELECT {_WHOLE} FROM {_NAMED}"
_PLAIN: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\%_"})
"""Signs of a pattern that are meant as they stand."""
_CALLED: Final = f"""
SELECT {_COLUMNS}, '{{}}'::text[] AS parents FROM concept c
WHERE c.system = $1 AND c.active AND (c.display ILIKE ALL($2::text[]) OR upper(c.code) = upper($3))
ORDER BY upper(c.code) = upper($3) DESC, length(c.display), c.display LIMIT $4"""
_OVER: Final = """
WITH RECURSIVE up(code) AS (
  SELECT parent FROM concept_parent WHERE system = $1 AND code = $2
  UNION SELECT p.parent FROM concept_parent p JOIN up ON p.system = $1 AND p.code = up.code
) SELECT code FROM up"""
_UNDER: Final = f"""
WITH RECURSIVE down(code) AS (
  SELECT code FROM concept_parent WHERE system = $1 AND parent = $2
  UNION SELECT p.code FROM concept_parent p JOIN down ON p.system = $1 AND p.parent = down.code
) SELECT code FROM down LIMIT {LEVELS_LIMIT + 1}"""
_RIGHT_UNDER: Final = "SELECT code FROM concept_parent WHERE system = $1 AND parent = $2"


def _concept(row: Any) -> Concept:
    rest = msgspec.msgpack.decode(row["rest"], type=Rest) if row["rest"] else Rest("", False, [], [])
    return Concept(
        row["code"], row["display"], rest.definition, row["active"], rest.abstract,
        tuple(Designation(language, _use(use), value) for language, use, value in rest.designations),
        tuple(rest.properties), tuple(row["parents"]),
    )  # fmt: skip


def _use(use: str) -> dict[str, Any]:
    known = USES.get(use)
    return known if known is not None else json.loads(use)


async def every_loaded(conn: Connection) -> list[tuple[str, str]]:
    """Address and version of every loaded system, of one address that first which was loaded last."""
    rows = await conn.fetch("SELECT url, version FROM code_system ORDER BY url, loaded_at DESC, number DESC")
    return [(row["url"], row["version"]) for row in rows]


async def loaded(conn: Connection, url: str, version: str) -> Loaded | None:
    """A system by its address: this version, or the one that was loaded last. SNOMED CT's may name an edition alone."""
    row = await conn.fetchrow(
        "SELECT number, url, version, name, concepts FROM code_system WHERE url = $1 AND ($2 = '' OR version = $2 "
        "OR ($1 = $3 AND starts_with(version, $2 || '/version/'))) ORDER BY loaded_at DESC, number DESC LIMIT 1",
        url, version, SNOMED,
    )  # fmt: skip
    return Loaded(conn, row["number"], row["url"], row["version"], row["name"], row["concepts"]) if row else None


async def has(conn: Connection, url: str, version: str) -> bool:
    """Whether this very version of a system is loaded."""
    return bool(
        await conn.fetchval("SELECT EXISTS (SELECT FROM code_system WHERE url = $1 AND version = $2)", url, version)
    )


async def definition(conn: Connection, type_: str, url: str, version: str) -> dict[str, Any] | None:
    """A ValueSet or ConceptMap that was loaded from a file: this version, or the one that was loaded last."""
    body = await conn.fetchval(
        "SELECT body FROM loaded_definition WHERE type = $1 AND url = $2 AND ($3 = '' OR version = $3) "
        "ORDER BY loaded_at DESC, version DESC LIMIT 1",
        type_, url, version,
    )  # fmt: skip
    if body is None:
        return None
    found: dict[str, Any] = json.loads(zlib.decompress(body))
    return found


async def newest(conn: Connection, type_: str, url: str) -> tuple[str, datetime] | None:
    """The version of a ValueSet or ConceptMap that was loaded last, and when; None where none is."""
    row = await conn.fetchrow(
        "SELECT version, loaded_at FROM loaded_definition WHERE type = $1 AND url = $2 "
        "ORDER BY loaded_at DESC, version DESC LIMIT 1",
        type_, url,
    )  # fmt: skip
    return (row["version"], row["loaded_at"]) if row else None


async def concept_maps(conn: Connection) -> list[str]:
    """The addresses of the maps that were loaded from files."""
    rows = await conn.fetch("SELECT DISTINCT url FROM loaded_definition WHERE type = 'ConceptMap' ORDER BY url")
    return [row["url"] for row in rows]


async def every(conn: Connection) -> list[dict[str, Any]]:
    """What is loaded: address, version, name, kind of file, number of codes (of a system), and since when."""
    rows = await conn.fetch(
        "SELECT url, version, name, kind, concepts, loaded_at FROM code_system UNION ALL "
        "SELECT url, version, '', type, NULL, loaded_at FROM loaded_definition ORDER BY url, loaded_at"
    )
    return [dict(row) for row in rows]
