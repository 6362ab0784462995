"""Which results a specimen or a report belongs to: what is corrected or taken back there is so for them.

A result whose every report was withdrawn or deleted is marked, and stands no more. One live report that leads to it, whoever
sent that, keeps it, and so does it that no withdrawn report comes from the result's own source: nobody takes back another's
result. What is looked at here does not leave: the program alone reads it, and the write because of which it looks has its
audit row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.corrections import WITHDRAWN
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.store import audit
from kjerne.store.pool import Connection
from kjerne.store.reading import OUTER, Reader, Record
from kjerne.store.sealed_id import SealedIds

OBSERVATION: Final = type_number("Observation")
REPORT: Final = type_number("DiagnosticReport")
SPECIMEN: Final = type_number("Specimen")
MARK: Final = int(Label.WITHDRAWN_WITH_REPORT)
ON_A_WRONG_PERSON: Final = int(Label.WITHDRAWN)

Tree = Mapping[str, Any]
Named = tuple[int, UUID, int]
"""Type, id and version of a record."""

# What was filed on a wrong person is nobody's. A report that was deleted took its results back as one that is withdrawn does:
# the last that it said stands in its history.
_ROWS: Final = f"""
SELECT {OUTER}, false FROM record r
WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[]) AND r.labels & {ON_A_WRONG_PERSON} = 0
UNION ALL
(SELECT DISTINCT ON (r.id) {OUTER}, true FROM record_history r
WHERE r.patient = ANY($1::bigint[]) AND r.type = {REPORT} AND r.type = ANY($2::smallint[]) AND NOT r.deleted
  AND r.labels & {ON_A_WRONG_PERSON} = 0
  AND NOT EXISTS (SELECT FROM record c WHERE c.patient = r.patient AND c.type = r.type AND c.id = r.id)
ORDER BY r.id, r.version DESC)"""


# Who filed the first version of each record.
_SOURCES: Final = """
SELECT n.type, n.id, a.organisation, CASE WHEN a.organisation = '' THEN a.client ELSE '' END
FROM audit a, unnest(a.types, a.ids, a.versions) AS n(type, id, version)
WHERE a.patient = ANY($1::bigint[]) AND a.action IN ('file', 'correct') AND a.outcome = $2 AND n.version = 1
  AND n.type = ANY($3::smallint[])"""
_MARKED: Final = f"""
SELECT EXISTS (SELECT FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = {OBSERVATION}
  AND r.id = ANY($2::uuid[]) AND r.labels & {MARK} <> 0)"""
_SETTLE: Final = f"""
UPDATE record r SET xid = pg_current_xact_id(),
  labels = CASE WHEN r.id = ANY($3::uuid[]) THEN r.labels | {MARK} ELSE r.labels & ~{MARK} END
WHERE r.patient = ANY($1::bigint[]) AND r.type = {OBSERVATION} AND r.id = ANY($2::uuid[])"""


def touches(before: Tree | None, after: Tree) -> bool:
    """Whether a new version of a report or result may take results back, or let them stand again."""
    type_ = after.get("resourceType")
    if type_ not in ("DiagnosticReport", "Observation"):
        return False
    void = is_void(after)
    if before is None:
        return type_ == "DiagnosticReport" and void
    lost = not leads_to(before) <= leads_to(after)
    return void != is_void(before) or lost


async def any_marked(conn: Connection, grant: Grant, tree: Tree) -> bool:
    """Whether a report or group leads to a result that is marked: that may stand again."""
    named = sorted(leads_to(tree))
    return bool(named) and bool(await conn.fetchval(_MARKED, list(grant.subject.keys), named))


async def settle(conn: Connection, grant: Grant, reader: Reader) -> list[Named]:
    """Marks the patient's results whose every report was withdrawn, takes the mark off others; those that this changed.

    Call after the write, in its transaction.
    """
    opened = await _opened(conn, grant, reader, [REPORT, OBSERVATION])
    results = {one.id: (one, tree) for one, tree in opened if one.type == OBSERVATION}
    void = withdrawn(opened, await _sources(conn, grant))
    changed = [one for one, _ in results.values() if bool(one.labels & MARK) != (one.id in void)]
    if changed:
        keys, ids = list(grant.subject.keys), [one.id for one in changed]
        await conn.execute(_SETTLE, keys, ids, sorted(void))
    return [(one.type, one.id, one.version) for one in changed]


def withdrawn(opened: Sequence[tuple[Record, Tree]], sources: Mapping[tuple[int, UUID], tuple[str, str]]) -> set[UUID]:
    """The results that reports lead to, all of them withdrawn, one at least by the result's own source."""
    members = {one.id: leads_to(tree) for one, tree in opened if one.type == OBSERVATION}
    live: set[UUID] = set()
    void: set[UUID] = set()
    for one, tree in opened:
        if one.type == REPORT:
            reached = _reached(leads_to(tree), members)
            if is_void(tree):
                own = sources.get((REPORT, one.id))
                void |= {id_ for id_ in reached if own and sources.get((OBSERVATION, id_)) == own}
            else:
                live |= reached
    # One that says itself that it was taken back needs no report to say it.
    said = {one.id for one, tree in opened if one.type == OBSERVATION and is_void(tree)}
    return void - live - said


def leads_to(tree: Tree) -> set[UUID]:
    """The results that a report or a group of results names."""
    named = (*tree.get("result", ()), *tree.get("hasMember", ()))
    return {id_ for one in named if (id_ := reference_of(one))}


def _reached(roots: set[UUID], members: Mapping[UUID, set[UUID]]) -> set[UUID]:
    found, waiting = set(roots), set(roots)
    while waiting:
        waiting = {one for id_ in waiting for one in members.get(id_, ())} - found
        found |= waiting
    return found


def is_void(tree: Tree) -> bool:
    """Whether a version says itself that it was taken back."""
    return tree.get("status") in WITHDRAWN


async def _sources(conn: Connection, grant: Grant) -> dict[tuple[int, UUID], tuple[str, str]]:
    rows = await conn.fetch(_SOURCES, list(grant.subject.keys), audit.GIVEN, [REPORT, OBSERVATION])
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def of_specimen(conn: Connection, grant: Grant, reader: Reader, specimen: UUID) -> list[Named]:
    """The patient's results that point to a specimen."""
    return [
        (one.type, one.id, one.version)
        for one, tree in await _opened(conn, grant, reader, [OBSERVATION])
        if reference_of(tree.get("specimen")) == specimen
    ]


def reference_of(reference: Any) -> UUID | None:
    """The id that a literal reference names, relative or whole, of a version or not."""
    text = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
    return SealedIds.parse(text.partition("/_history/")[0].rpartition("/")[2])


async def _opened(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]) -> list[tuple[Record, Tree]]:
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    found: list[tuple[Record, Tree]] = []
    for *outer, gone in rows:
        record = reader.open_row(keys, tuple(outer))
        tree = decode(record.raw)
        found.append((record, tree | {"status": "entered-in-error"} if gone else tree))
    return found
