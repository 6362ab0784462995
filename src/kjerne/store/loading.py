"""Code systems and definitions loaded from files: whole or not at all, each version beside the others.

What a file says comes as a stream of parts in any order. They are laid in tables of this session alone, put together there, and
written code by code: PostgreSQL does the sorting, so that a system of any size takes no more memory here than a small one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.terminology.concept import Concept
from kjerne.fhir.terminology.parts import Known, Member, Named, Part, Preferred, Under, Valued
from kjerne.store.pool import Connection
from kjerne.store.terminology import Rest

ROWS_AT_ONCE: Final = 5_000
CONCEPTS_AT_ONCE: Final = 2_000
_STEP_EVERY: Final = 20_000
_LANGUAGES: Final = ("en", "nb", "nn", "no", "da", "sv")
"""In which language a system's own display is looked for first, where its file names none."""
_TABLES: Final = {
    Known: (
        "fresh_concept",
        "place bigint, code text, display text, definition text, active boolean, abstract boolean, line integer",
    ),
    Named: ("fresh_name", "place bigint, code text, value text, language text, use text, id text"),
    Preferred: ("fresh_preferred", "place bigint, id text, language text, first boolean"),
    Valued: ("fresh_value", "place bigint, code text, name text, element text, value text"),
    Under: ("fresh_parent", "place bigint, code text, parent text"),
    Member: ("fresh_member", "place bigint, name text, code text"),
}  # fmt: skip
_COLUMNS: Final = {of: [one.split()[0] for one in columns.split(", ")] for of, (_, columns) in _TABLES.items()}
_NAMES: Final = """
SELECT n.code, json_agg(json_build_array(coalesce(p.language, n.language), n.use, n.value, coalesce(p.first, false))
  ORDER BY coalesce(p.first, false) DESC, n.use = 'f', n.place) AS said
FROM fresh_name n LEFT JOIN fresh_preferred p ON n.id <> '' AND p.id = n.id GROUP BY n.code"""
_VALUES: Final = """
SELECT code, json_agg(json_build_array(name, element, value) ORDER BY place) AS said FROM fresh_value GROUP BY code"""
_TOGETHER: Final = f"""
SELECT c.code, c.display, c.definition, c.active, c.abstract, n.said AS names, v.said AS held
FROM fresh_concept c LEFT JOIN ({_NAMES}) n ON n.code = c.code LEFT JOIN ({_VALUES}) v ON v.code = c.code ORDER BY c.place"""
_TWICE: Final = """
SELECT code, array_agg(line ORDER BY line) AS lines FROM fresh_concept GROUP BY code HAVING count(*) > 1 LIMIT 1"""
_NOWHERE: Final = """
SELECT f.code FROM (SELECT code FROM fresh_name UNION ALL SELECT code FROM fresh_value
  UNION ALL SELECT code FROM fresh_parent UNION ALL SELECT parent FROM fresh_parent) f
WHERE NOT EXISTS (SELECT FROM fresh_concept c WHERE c.code = f.code) LIMIT 1"""
_PARENTS: Final = """
INSERT INTO concept_parent (system, code, parent)
SELECT DISTINCT $1::integer, code, parent FROM fresh_parent WHERE code <> parent ORDER BY 2, 3"""
_SETS: Final = """
INSERT INTO concept_set (system, name, code)
SELECT DISTINCT $1::integer, m.name, m.code FROM fresh_member m JOIN fresh_concept c ON c.code = m.code ORDER BY 2, 3"""

_DELETING: Final = (
    "DELETE FROM concept WHERE system = $1", "DELETE FROM concept_parent WHERE system = $1",
    "DELETE FROM concept_set WHERE system = $1",
)  # fmt: skip
_SESSION: Final = """
SET LOCAL work_mem = '64MB'; SET LOCAL cursor_tuple_fraction = 1; SET LOCAL enable_nestloop = off"""
"""All of it is wanted, not the first rows soon: a plan that went from code to code took an hour where this takes a minute."""
Step = Callable[[int, int, str], None]


class Of(NamedTuple):
    """A version of a system, of which kind of file, and with the digest of its files."""

    url: str
    version: str
    name: str
    kind: str = ""
    digest: bytes = b""


def _quiet(_done: int, _total: int, _what: str) -> None:
    """Where nobody watches."""


async def is_there(conn: Connection, of: Of) -> int | None:
    """How many codes a version has that was loaded from these very files; None where it was not."""
    count: int | None = await conn.fetchval(
        "SELECT concepts FROM code_system WHERE url = $1 AND version = $2 AND digest = $3",
        of.url,
        of.version,
        of.digest,
    )
    return count


async def load(conn: Connection, of: Of, parts: Iterable[Part], at: datetime, step: Step = _quiet) -> int:
    """Keeps a version of a system, in place of what was loaded as that version; all of it or nothing. Says how many codes.

    `Refusal` 422 where a code comes twice, where something is said of a code that is not there, or where there is none.
    """
    async with conn.transaction():
        await conn.execute(_SESSION)
        for table, columns in _TABLES.values():
            # Names and columns stand in `_TABLES`.
            await conn.execute(
                f"DROP TABLE IF EXISTS {table}; CREATE TEMPORARY TABLE {table} ({columns}) ON COMMIT DROP"
            )
        await _laid(conn, parts)
        await _looked_over(conn, of)
        await removed(conn, of.url, of.version)
        number = await conn.fetchval(
            "INSERT INTO code_system (url, version, name, kind, digest, concepts, loaded_at) VALUES ($1, $2, $3, $4, $5, 0, $6) "
            "RETURNING number",
            *of[:5], at,
        )  # fmt: skip
        count = await _written(conn, number, step)
        await conn.execute(_PARENTS, number)
        await conn.execute(_SETS, number)
        await conn.execute("UPDATE code_system SET concepts = $2 WHERE number = $1", number, count)
    return count


async def removed(conn: Connection, url: str, version: str) -> bool:
    """A version of a system is kept no more; whether there was one. Call in a transaction."""
    number = await conn.fetchval(
        "DELETE FROM code_system WHERE url = $1 AND version = $2 RETURNING number", url, version
    )
    if number is not None:
        for statement in _DELETING:
            await conn.execute(statement, number)
    return number is not None


async def _laid(conn: Connection, parts: Iterable[Part]) -> None:
    waiting: dict[type, list[tuple[Any, ...]]] = {of: [] for of in _TABLES}
    for place, part in enumerate(parts):
        rows = waiting[type(part)]
        rows.append((place, *(_row(part) if isinstance(part, Valued) else part)))
        if len(rows) >= ROWS_AT_ONCE:
            await _put(conn, type(part), rows)
    for of, rows in waiting.items():
        await _put(conn, of, rows)
        await conn.execute(f"ANALYZE {_TABLES[of][0]}")


def _row(part: Valued) -> tuple[str, str, str, str]:
    return part.code, part.name, part.element, json.dumps(part.value, ensure_ascii=False)


async def _put(conn: Connection, of: type, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await conn.copy_records_to_table(_TABLES[of][0], records=rows, columns=_COLUMNS[of])
        rows.clear()


async def _looked_over(conn: Connection, of: Of) -> None:
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM fresh_concept)"):
        raise Refusal(422, "the file has no code", where=of.url)
    if twice := await conn.fetchrow(_TWICE):
        lines = [str(one) for one in twice["lines"][:2] if one]
        where = f"code {twice['code']}"[:80] + (f", lines {' and '.join(lines)}" if lines else "")
        raise Refusal(422, "a code comes twice", where=where)
    if (nowhere := await conn.fetchval(_NOWHERE)) is not None:
        todo = "Load an extension together with the release that it builds on." if "snomed" in of.url else ""
        raise Refusal(422, "a code is spoken of that is not there: the file is cut off, or another is missing",
                      where=f"code {nowhere}"[:80], todo=todo)  # fmt: skip


async def _written(conn: Connection, number: int, step: Step) -> int:
    """Code by code in the order of the file."""
    total, place = await conn.fetchval("SELECT count(*) FROM fresh_concept"), 0
    # The driver's own cursor would hold the tables to the end of the transaction, and another system may be read in it.
    await conn.execute(f"DECLARE together NO SCROLL CURSOR FOR {_TOGETHER}")
    while rows := await conn.fetch(f"FETCH {CONCEPTS_AT_ONCE} FROM together"):
        made = [(number, place + at, *_kept(row)) for at, row in enumerate(rows)]
        await conn.copy_records_to_table(
            "concept", records=made, columns=["system", "place", "code", "display", "active", "rest"]
        )
        place += len(rows)
        if place % _STEP_EVERY < CONCEPTS_AT_ONCE:
            step(place, total, "codes kept")
    await conn.execute("CLOSE together")
    return place


def _kept(row: Any) -> tuple[str, str, bool, bytes | None]:
    names = list(_names(json.loads(row["names"]))) if row["names"] else []
    held = [(name, element, json.loads(value)) for name, element, value in json.loads(row["held"] or "[]")]
    definition = row["definition"] or next((str(value) for name, _, value in held if name == "definition"), "")
    held = [one for one in held if one[0] != "definition"]
    display = row["display"] or _display(names)
    # The name that it goes by anyway is not kept twice, unless it tells what language it is in.
    said = [(language, use, value) for language, use, value, _ in names if language or value != display]
    rest = Rest(definition, row["abstract"], said, held)
    return row["code"], display, row["active"], msgspec.msgpack.encode(rest) if any(rest) else None


def _names(said: Sequence[tuple[str, str, str, bool]]) -> Iterator[tuple[str, str, str, bool]]:
    """Each name once; a name of British English that is one of English anyway is none of its own."""
    seen = set[tuple[str, str, str]]()
    for language, use, value, first in said:
        if (language, use, value) in seen or (language == "en-GB" and ("en", use, value) in seen):
            continue
        seen.add((language, use, value))
        yield language, use, value, first


def _display(names: Sequence[tuple[str, str, str, bool]]) -> str:
    """The preferred synonym in the first language that has one; else any name."""
    for wanted in ("s", ""):
        for language in _LANGUAGES:
            for of, use, value, first in names:
                if of == language and first and (use == wanted or not wanted):
                    return value
    return next((value for _, use, value, _ in names if use != "f"), names[0][2] if names else "")


def parts_of(concepts: Iterable[Concept]) -> Iterator[Part]:
    """The parts of codes that are at hand whole."""
    for one in concepts:
        yield Known(one.code, one.display, one.definition, one.active, one.abstract)
        yield from (Named(one.code, each.value, each.language, json.dumps(each.use)) for each in one.designations)
        yield from (Valued(one.code, *each) for each in one.properties)
        yield from (Under(one.code, parent) for parent in one.parents)


async def keep_definition(conn: Connection, resource: dict[str, Any], at: datetime) -> str:
    """Keeps a resource under its address and version: `loaded`, `replaced`, or `unchanged` where it is there as it is."""
    body = zlib.compress(json.dumps(resource, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())
    place = resource["resourceType"], resource["url"], str(resource.get("version", ""))
    there = await conn.fetchval(
        "SELECT body FROM loaded_definition WHERE type = $1 AND url = $2 AND version = $3", *place
    )
    if there is not None and zlib.decompress(there) == zlib.decompress(body):
        return "unchanged"
    await conn.execute(
        "INSERT INTO loaded_definition (type, url, version, body, loaded_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (type, url, version) DO UPDATE SET body = excluded.body, loaded_at = excluded.loaded_at",
        *place, body, at,
    )  # fmt: skip
    return "loaded" if there is None else "replaced"


async def remove_definition(conn: Connection, url: str, version: str) -> bool:
    """Kept no more; whether there was one."""
    said = await conn.execute("DELETE FROM loaded_definition WHERE url = $1 AND version = $2", url, version)
    return said != "DELETE 0"
