"""The marks on what a patient has restricted of her own record: a part of it, or one report with all that it holds.

A mark is a bit in `record.labels`, so that every read, search, total and include passes it as it passes a source's label.
It is put on when the choice is made, on new records as they are filed and on what those lead to (`filing`), stays over
versions, and is taken off again when the choice is lifted. A former version is read through the current one, whose marks
are all that count (`reading`). What is compared here does not leave: the program alone reads it.
"""

from __future__ import annotations

import functools
import operator
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from kjerne.access import Choice, Grant, Held, Label, part_label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.registries.withholding import kinds_of
from kjerne.store import audit
from kjerne.store.places import KEPT
from kjerne.store.pointing import sources_of
from kjerne.store.pool import Connection, columns, together
from kjerne.store.proofs import note
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, door
from kjerne.store.record_marks import in_force
from kjerne.store.records import hold
from kjerne.store.sealed_id import SealedIds

REPORT: Final = type_number("DiagnosticReport")

_POINTERS: Final = ("reference", "url")
_NAMED_BY: Final = re.compile(r"(?:.*/)?[A-Z][A-Za-z]+/(?P<id>[0-9A-Fa-f-]{36})(?:/_history/[0-9]+)?")
"""An address of a record, relative or whole, of the current version or of one."""

LOCAL_NUMBERS: Final = frozenset(
    ("AnalysedSubjectId", "AnalysedSubjectIdByRequester", "ResultItemId", "ServReqId", "ServReqIdByServProvider", "")
)
"""Systems of the numbers in laboratories' messages, and of none: too short and too often used again to go by (law, K83)."""

Named = tuple[int, UUID]
Over = tuple[Grant, Sequence[int], Choice]
"""A choice with the grant and the types that its records are read by."""
T = TypeVar("T")

_ROWS: Final = f"SELECT {OUTER} FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[])"
_FORMER: Final = f"""
SELECT {OUTER} FROM record_history r JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE r.patient = ANY($1::bigint[]) AND NOT r.deleted"""
_DELETED: Final = f"""
SELECT {OUTER} FROM record_history r WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[])
AND NOT r.deleted AND r.labels & $3 <> 0
AND NOT EXISTS (SELECT FROM record c WHERE c.patient = r.patient AND c.type = r.type AND c.id = r.id)"""
# UNION and not UNION ALL: a register in which two units lie below each other ends all the same.
_SENT_BY: Final = """
WITH RECURSIVE above AS (
  SELECT parent AS unit FROM organisation WHERE number = $3
  UNION SELECT o.parent FROM organisation o JOIN above u ON o.number = u.unit
), within AS (
  SELECT $3::text AS unit UNION SELECT o.number FROM organisation o JOIN within u ON o.parent = u.unit
)
SELECT DISTINCT n.type, n.id FROM audit a, unnest(a.types, a.ids) AS n(type, id)
WHERE a.patient = ANY($1::bigint[]) AND a.action IN ('file', 'correct') AND a.outcome = $2 AND a.organisation <> ''
AND n.type = ANY($4::smallint[])
AND (a.organisation IN (SELECT unit FROM within) OR a.point_of_care IN (SELECT unit FROM within)
  OR coalesce(nullif(a.point_of_care, ''), a.organisation) IN (SELECT unit FROM above))"""
"""What a source or a unit below it has sent, or one above it that did not say by which of its own (`record_marks`)."""
_OPEN: Final = f"""
WITH {STAMPED} SELECT EXISTS (
  SELECT FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = $7)"""
# `unmarked` says that nothing else was done to the row: to a subscriber it is no news (`store.subscriptions`).
_CLEAR: Final = f"""
UPDATE record r SET labels = labels & ~$2::integer, xid = pg_current_xact_id(), unmarked = pg_current_xact_id(), {KEPT}
WHERE patient = ANY($1::bigint[]) AND labels & $2 <> 0 AND ($3::smallint[] IS NULL OR type = ANY($3))"""
_MARK: Final = f"""
UPDATE record r SET labels = labels | $2, xid = pg_current_xact_id(), {KEPT}
FROM unnest($3::smallint[], $4::uuid[]) AS n(type, id)
WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND labels & $2 <> $2"""

_MARKS_ON: Final = """
SELECT coalesce(bit_or(r.labels), 0) FROM record r JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE r.patient = ANY($1::bigint[])"""
_UNMARK: Final = f"""
UPDATE record r SET labels = labels & ~$2::integer, xid = pg_current_xact_id(), unmarked = pg_current_xact_id(), {KEPT}
FROM unnest($3::smallint[], $4::uuid[]) AS n(type, id)
WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND labels & $2 <> 0"""
_UNMARKED_BEYOND: Final = """
UPDATE privacy_choice SET marked = ARRAY(SELECT unnest(marked) INTERSECT SELECT unnest($1::bigint[]))
WHERE patient = ANY($1::bigint[]) AND NOT marked <@ $1::bigint[]"""
_MARKED: Final = "SELECT id FROM record WHERE patient = ANY($1::bigint[]) AND type = $2 AND labels & $3 <> 0"
_SETTLE: Final = f"""
UPDATE record r SET labels = CASE WHEN n.marked THEN labels | $2 ELSE labels & ~$2::integer END, xid = pg_current_xact_id(),
  {KEPT}
FROM unnest($3::smallint[], $4::uuid[], $5::boolean[]) AS n(type, id, marked)
WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND (labels & $2 <> 0) <> n.marked
AND (n.marked OR r.version = 1)"""


async def put_on(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], choice: Choice) -> int:
    """Marks what a choice is about, in a transaction that holds the patient's rows; how many records that is."""
    if choice.kind != "record" and choice.slot < 0:
        return 0
    keys = list(grant.subject.keys)
    if choice.slot >= 0:
        await conn.execute(_CLEAR, keys, int(label_of(choice)), None)
    named = columns(await _named_by(conn, grant, reader, types, choice), 2)
    return int((await conn.execute(_MARK, keys, int(label_of(choice)), *named)).split()[-1])


async def _named_by(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], choice: Choice
) -> list[Named]:
    """The records that a choice would mark if it were made now."""
    if choice.source:
        sent = await conn.fetch(_SENT_BY, list(grant.subject.keys), audit.GIVEN, choice.source, list(types))
        return [(row[0], row[1]) for row in sent]
    trees = await _trees(conn, grant, reader, types)
    twins = await _twins(conn, grant, types, trees)
    return _about(choice, trees, await _kinds(conn, grant, reader, trees, twins), twins)


async def marks_on(conn: Connection, grant: Grant, named: Iterable[Named]) -> Label:
    """The patient's marks on any of these records together; of a choice that holds no more there is none left here."""
    found = await conn.fetchval(_MARKS_ON, list(grant.subject.keys), *columns(sorted(set(named), key=str), 2))
    held = [int(label_of(one)) for one in in_force(grant) if one.slot >= 0 or one.kind == "record"]
    return Label(found & functools.reduce(operator.or_, held, 0))


async def lay_on(conn: Connection, grant: Grant, named: Sequence[Named], label: Label) -> None:
    """Marks these records, which go on with what the patient has marked."""
    if label:
        await conn.execute(_MARK, list(grant.subject.keys), int(label), *columns(named, 2))


async def is_open(conn: Connection, grant: Grant, types: Sequence[int], record: UUID) -> bool:
    """Whether the one who chooses sees this record herself: what is hidden from her is answered as what is not there."""
    return bool(await conn.fetchval(_OPEN, *door(grant), list(types), record))


async def take_off(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], choice: Choice, left: Iterable[Choice]
) -> None:
    """Takes a choice's marks away; `left` are those still in force, which may be about the same records or, of a number
    that was linked later, have the same mark. Those about another service say nothing here (law, K48)."""
    if choice.kind != "record" and choice.slot < 0:
        return
    label = label_of(choice)
    marking = [one for one in left if one.service == choice.service and (one.kind == "record" or one.slot >= 0)]
    same = [one for one in marking if label_of(one) == label]
    everything = frozenset(grant.subject.keys)
    left_on = [(under(grant, frozenset(one.marked) or everything), types, one) for one in same]
    await _cleared(conn, reader, everything, label, [(grant, types, choice)], left_on)


async def _cleared(
    conn: Connection, reader: Reader, keys: Iterable[int], label: Label, ended: Sequence[Over], left: Sequence[Over]
) -> None:
    """Takes a mark off. Where others with the same one are left, only from what the `ended` are about and those are not: what
    went on with a marked record by a correction is about none by itself, and nobody can say whose mark it has."""
    if not left:
        types = sorted({type_ for _, own, _ in ended for type_ in own})
        await conn.execute(_CLEAR, sorted(keys), int(label), types or None)
        return
    of_ended, of_left = [
        {name for grant, types, choice in found for name in await _named_by(conn, grant, reader, types, choice)}
        for found in (ended, left)
    ]
    await conn.execute(_UNMARK, sorted(keys), int(label), *columns(sorted(of_ended - of_left, key=str), 2))


async def part_again(
    conn: Connection, grant: Grant, reader: Reader, types_by_service: Mapping[str, Sequence[int]], since: datetime,
    side: frozenset[int], held: Sequence[Held],
) -> None:  # fmt: skip
    """Takes off the records of one side of a link made at `since` what choices of the other side marked there, before the
    link is undone. `held` are the choices of both sides; a mark that both have is put on anew for those of this side."""
    marking = [one for one in held if one.choice.kind == "record" or one.choice.slot >= 0]
    ours = [one.choice for one in marking if one.patient in side and holds_at(one.choice, grant.at)]
    theirs = [
        one.choice for one in marking
        if one.patient not in side and (one.choice.ended_at is None or one.choice.ended_at > since)
    ]  # fmt: skip
    for label in sorted({label_of(one) for one in theirs}):
        ended, left = [
            [
                (under(replace(grant, service=one.service), keys), types_by_service.get(one.service, ()), one)
                for one in found
                if label_of(one) == label
                for keys in (side & frozenset(one.marked) if found is ours else side,)
            ]
            for found in (theirs, ours)
        ]
        await _cleared(conn, reader, side, label, ended, left)
    await conn.execute(_UNMARKED_BEYOND, sorted(side))


def under(grant: Grant, keys: frozenset[int]) -> Grant:
    """The grant over some of the patient's keys alone."""
    of = grant.subject
    places = [place for place, key in enumerate(of.keys) if key in keys]
    subject = replace(
        of,
        keys=tuple(of.keys[place] for place in places),
        wrapped=tuple(of.wrapped[place] for place in places),
        destroyed=tuple(of.destroyed[place] for place in places) if of.destroyed else (),
    )
    return replace(grant, subject=subject)


def holds_at(choice: Choice, at: datetime) -> bool:
    return choice.made_at <= at and (choice.ended_at is None or at < choice.ended_at)


async def filing(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], write: Callable[[], Awaitable[T]]
) -> T:
    """What `write` gives; in the same transaction the marks of all that is now led to, or leads to it, are settled.

    Of a patient who has restricted no part and no single record it is `write` alone.
    """
    if not concerns(grant):
        return await write()
    await note(conn, grant.once)
    async with together(conn):
        await hold(conn, grant)
        made = await write()
        await settle(conn, grant, reader, types)
    return made


def concerns(grant: Grant) -> bool:
    """Whether what is filed under the grant may belong to a part, or to a single record, that the patient has restricted."""
    return bool(grant.subject.choices) and any(choice.part or choice.kind == "record" for choice in in_force(grant))


async def settle(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]) -> None:
    """Gives every record the marks that it would get if the choices in force were made now; call after a write.

    A mark is taken off again only from what says no kind itself and never did, since its kinds are those of what leads to it: of
    a version after the first nobody can say that the one before it said none. A report that
    says its kind and is marked all the same was corrected to be of another: it goes on marked, with all that it holds.
    """
    trees = await _trees(conn, grant, reader, types)
    twins = await _twins(conn, grant, types, trees)
    kinds = await _kinds(conn, grant, reader, trees, twins)
    for choice in in_force(grant):
        if choice.kind == "record" or (choice.part and choice.slot >= 0):
            about = {*_about(choice, trees, kinds, twins), *await _gone_on_with(conn, grant, choice, trees)}
            if choice.kind == "record":
                about |= await _come_again(conn, grant, reader, types, trees)
            silent = {name for name in trees if choice.part and not kinds[name]}
            rows = [(*name, name in about) for name in about | silent]
            await conn.execute(_SETTLE, list(grant.subject.keys), int(label_of(choice)), *columns(rows, 3))


async def _gone_on_with(
    conn: Connection, grant: Grant, choice: Choice, trees: Mapping[Named, Mapping[str, Any]]
) -> set[Named]:
    rows = await conn.fetch(_MARKED, list(grant.subject.keys), REPORT, int(label_of(choice)))
    marked = {(REPORT, row[0]) for row in rows}
    groups = _groups(trees)
    return {one for name in marked & trees.keys() if kinds_of(trees[name]) for one in groups[name]}


async def _come_again(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], trees: Mapping[Named, Mapping[str, Any]]
) -> set[Named]:
    """What has an identifier of a record that was restricted by itself when its source deleted it: that has come again."""
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_DELETED, list(grant.subject.keys), list(types), int(Label.RESTRICTED_HERE))
    gone = [(one.type, one.id, decode(one.raw)) for one in (reader.open_row(keys, tuple(row)) for row in rows)]
    if not gone:
        return set()
    sources, groups = await sources_of(conn, grant, types), _groups(trees)
    shut = {(type_, sources.get((type_, id_)), one) for type_, id_, tree in gone for one in _identifiers(tree)}
    again = [
        name for name, tree in trees.items()
        if any((name[0], sources.get(name), one) in shut for one in _identifiers(tree))
    ]  # fmt: skip
    return {one for name in again for one in (groups[name] if name[0] == REPORT else {name})}


def _identifiers(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = tree.get("identifier", ())
    several = found if isinstance(found, list) else [found]
    return {(one.get("system", ""), one["value"]) for one in several if "value" in one}


async def _twins(
    conn: Connection, grant: Grant, types: Sequence[int], trees: Mapping[Named, Mapping[str, Any]]
) -> Mapping[Named, set[Named]]:
    """Of each record those that are the same filed once more: its source's, of its type, with an identifier in common."""
    having = defaultdict[tuple[int, tuple[str, str]], set[Named]](set)
    for name, tree in trees.items():
        for one in _identifiers(tree):
            if one[0] not in LOCAL_NUMBERS:
                having[name[0], one].add(name)
    shared = [names for names in having.values() if len(names) > 1]
    found = defaultdict[Named, set[Named]](set)
    sources = await sources_of(conn, grant, types) if shared else {}
    for names in shared:
        for name in names & sources.keys():
            found[name] |= {one for one in names if sources.get(one) == sources[name]}
    return found


def label_of(choice: Choice) -> Label:
    """The mark of a choice of a part or of a single record."""
    return Label.RESTRICTED_HERE if choice.kind == "record" else part_label(choice.slot)


async def _trees(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]
) -> dict[Named, Mapping[str, Any]]:
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    opened = (reader.open_row(keys, tuple(row)) for row in rows)
    return {(one.type, one.id): decode(one.raw) for one in opened}


async def _kinds(
    conn: Connection, grant: Grant, reader: Reader, trees: Mapping[Named, Mapping[str, Any]],
    twins: Mapping[Named, set[Named]],
) -> dict[Named, frozenset[str]]:  # fmt: skip
    """The kinds that any version of each record said, or of what is the same: a former version is read through the current
    one (law, K68), and what is filed once more is as a version (K83)."""
    kinds = {name: kinds_of(tree) for name, tree in trees.items()}
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_FORMER, list(grant.subject.keys), *columns(sorted(trees, key=str), 2))
    for one in (reader.open_row(keys, tuple(row)) for row in rows):
        kinds[one.type, one.id] |= kinds_of(decode(one.raw))
    together = {name: [kinds[one] for one in same] for name, same in twins.items()}
    return kinds | {name: kinds[name].union(*of_same) for name, of_same in together.items()}


def _about(
    choice: Choice, trees: Mapping[Named, Mapping[str, Any]], said: Mapping[Named, frozenset[str]],
    twins: Mapping[Named, set[Named]],
) -> list[Named]:  # fmt: skip
    """The records that a choice of a kind, or of a single record, is about; `said` are the kinds of each by itself."""
    groups = _groups(trees)
    if choice.record is not None:
        about, waiting = set[Named](), {name for name in trees if name[1] == choice.record}
        while waiting:
            about |= waiting
            held = {one for name in waiting if name[0] == REPORT for one in groups[name]}
            waiting = {one for name in waiting | held for one in (name, *twins.get(name, ()))} - about
        return sorted(about, key=str)
    kinds: dict[Named, set[str]] = {name: set() for name in trees}
    for group in groups.values():
        together = {kind for name in group for kind in said[name]}
        for name in group:
            kinds[name] |= together
    return [name for name in trees if choice.part in (found := kinds[name] | said[name]) or not found]


def _groups(trees: Mapping[Named, Mapping[str, Any]]) -> dict[Named, set[Named]]:
    """Each record with everything that it leads to, but for other reports."""
    by_id = {str(name[1]): name for name in trees}
    leads = {name: {by_id[id_] for id_ in _references(tree) if id_ in by_id} for name, tree in trees.items()}
    found = {}
    for root in trees:
        group, waiting = {root}, {root}
        while waiting:
            waiting = {one for name in waiting for one in leads[name] if one[0] != REPORT} - group
            group |= waiting
        found[root] = group
    return found


def _references(value: Any) -> Iterator[str]:
    """Ids of the records that a resource points to, at any depth: by a reference, or by the address of an attached file."""
    if isinstance(value, Mapping):
        for name in _POINTERS:
            text = value.get(name)
            if (
                isinstance(text, str)
                and (found := _NAMED_BY.fullmatch(text))
                and SealedIds.parse(id_ := found["id"].lower())
            ):
                # In capitals it leads nowhere, and whoever wrote it meant this: it is withheld rather than open.
                yield id_
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
