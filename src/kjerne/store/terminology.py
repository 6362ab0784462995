"""Code systems loaded from files of their own: whole, version by version, replaced whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.effort import spend
from kjerne.fhir.terminology.concept import Concept, Designation
from kjerne.store.pool import Connection

ROWS_AT_ONCE: Final = 1_000
_ASKING_STEPS: Final = 50
"""What a question to the database takes of the process, beside its rows."""
_COLUMNS: Final = "c.code, c.display, c.active, c.rest"
_PARENTS: Final = "coalesce((SELECT array_agg(p.parent ORDER BY p.parent) FROM concept_parent p "
_PARENTS_OF: Final = f"{_PARENTS}WHERE p.system = c.system AND p.code = c.code), '{{}}') AS parents"


class Rest(NamedTuple):
    """What of a concept is read with it alone."""

    definition: str
    abstract: bool
    designations: list[tuple[str, dict[str, Any], str]]
    properties: list[tuple[str, str, Any]]


class Loaded:
    """One version of a loaded code system, read over one connection."""

    complete = True

    def __init__(self, conn: Connection, number: int, url: str, version: str, name: str) -> None:
        self._conn = conn
        self._number = number
        self.url = url
        self.version = version
        self.name = name

    async def concept(self, code: str) -> Concept | None:
        statement = f"SELECT {_COLUMNS}, {_PARENTS_OF} FROM concept c WHERE c.system = $1 AND c.code = $2"
        spend(_ASKING_STEPS)
        row = await self._conn.fetchrow(statement, self._number, code)
        return _concept(row) if row else None

    async def concepts(self, codes: Collection[str] | None = None) -> AsyncIterator[Concept]:
        statement = (
            f"SELECT c.place, {_COLUMNS}, {_PARENTS_OF} FROM concept c WHERE c.system = $1 AND c.place > $2 "
            "AND ($3::text[] IS NULL OR c.code = ANY($3::text[])) ORDER BY c.place LIMIT $4"
        )
        place, wanted = -1, None if codes is None else list(codes)
        while rows := await self._conn.fetch(statement, self._number, place, wanted, ROWS_AT_ONCE):
            spend(_ASKING_STEPS + len(rows))
            for row in rows:
                yield _concept(row)
            place = rows[-1]["place"]

    async def over(self, code: str) -> frozenset[str]:
        return await self._reached(code, _OVER)

    async def under(self, code: str, *, next_only: bool = False) -> frozenset[str]:
        return await self._reached(code, _RIGHT_UNDER if next_only else _UNDER)

    async def _reached(self, code: str, statement: str) -> frozenset[str]:
        spend(_ASKING_STEPS)
        rows = await self._conn.fetch(statement, self._number, code)
        spend(len(rows))
        return frozenset(row[0] for row in rows)


_OVER: Final = """
WITH RECURSIVE up(code) AS (
  SELECT parent FROM concept_parent WHERE system = $1 AND code = $2
  UNION SELECT p.parent FROM concept_parent p JOIN up ON p.system = $1 AND p.code = up.code
) SELECT code FROM up"""
_UNDER: Final = """
WITH RECURSIVE down(code) AS (
  SELECT code FROM concept_parent WHERE system = $1 AND parent = $2
  UNION SELECT p.code FROM concept_parent p JOIN down ON p.system = $1 AND p.parent = down.code
) SELECT code FROM down"""
_RIGHT_UNDER: Final = "SELECT code FROM concept_parent WHERE system = $1 AND parent = $2"


def _concept(row: Any) -> Concept:
    rest = msgspec.msgpack.decode(row["rest"], type=Rest) if row["rest"] else Rest("", False, [], [])
    return Concept(
        row["code"], row["display"], rest.definition, row["active"], rest.abstract,
        tuple(Designation(*one) for one in rest.designations), tuple(rest.properties), tuple(row["parents"]),
    )  # fmt: skip


async def loaded(conn: Connection, url: str, version: str) -> Loaded | None:
    """A system by its address: this version, or the one that was loaded last."""
    row = await conn.fetchrow(
        "SELECT number, url, version, name FROM code_system WHERE url = $1 AND ($2 = '' OR version = $2) "
        "ORDER BY loaded_at DESC, number DESC LIMIT 1",
        url,
        version,
    )
    return Loaded(conn, row["number"], row["url"], row["version"], row["name"]) if row else None


async def every(conn: Connection) -> list[dict[str, Any]]:
    """What is loaded: address, version, name, number of codes, and since when."""
    rows = await conn.fetch("SELECT url, version, name, concepts, loaded_at FROM code_system ORDER BY url, loaded_at")
    return [dict(row) for row in rows]


async def load(conn: Connection, url: str, version: str, name: str, concepts: Iterable[Concept], at: datetime) -> int:
    """Keeps a version of a system, in place of what was loaded as that version; all of it or nothing. Says how many codes.

    `Refusal` 422 where a code comes twice, or there is none.
    """
    async with conn.transaction():
        await conn.execute("DELETE FROM code_system WHERE url = $1 AND version = $2", url, version)
        number = await conn.fetchval(
            "INSERT INTO code_system (url, version, name, concepts, loaded_at) VALUES ($1, $2, $3, 0, $4) RETURNING number",
            url, version, name, at,
        )  # fmt: skip
        count, seen, links = 0, set[str](), list[tuple[int, str, str]]()
        rows = list[tuple[Any, ...]]()
        for place, one in enumerate(concepts):
            if one.code in seen:
                raise Refusal(422, "a code comes twice", where=f"code {one.code}"[:80])
            seen.add(one.code)
            rows.append((number, place, one.code, one.display, one.active, _rest(one)))
            links += ((number, one.code, parent) for parent in dict.fromkeys(one.parents))
            if len(rows) == ROWS_AT_ONCE:
                count += await _put(conn, rows, links)
        count += await _put(conn, rows, links)
        if not count:
            raise Refusal(422, "the file has no code", where=url)
        await conn.execute("UPDATE code_system SET concepts = $2 WHERE number = $1", number, count)
    return count


async def _put(conn: Connection, rows: list[tuple[Any, ...]], links: list[tuple[int, str, str]]) -> int:
    await conn.copy_records_to_table(
        "concept", records=rows, columns=["system", "place", "code", "display", "active", "rest"]
    )
    await conn.copy_records_to_table("concept_parent", records=links, columns=["system", "code", "parent"])
    count = len(rows)
    rows.clear()
    links.clear()
    return count


def _rest(one: Concept) -> bytes | None:
    designations = [(each.language, each.use, each.value) for each in one.designations]
    rest = Rest(one.definition, one.abstract, designations, list(one.properties))
    return msgspec.msgpack.encode(rest) if any(rest) else None
