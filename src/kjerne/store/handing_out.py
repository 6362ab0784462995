"""Records of several persons as they leave in bulk: one statement for all of them, each with her own row in the log.

Each person has her own `Grant`; the statement holds every one of them to its stamp, and writes for each a row that names her
records and the ground they leave on. If a fact about any of them has changed, nothing comes out and nothing is written. Who has
many records leaves in portions, each with such a row, so that what is in memory is bounded and the number of records is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.definitions import type_name
from kjerne.fhir.effort import turn
from kjerne.fhir.splice import instant, line
from kjerne.store import audit, limits
from kjerne.store.chains import WITHDRAWN_RULE
from kjerne.store.codec import DataKey, bound
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, ALLOWED_TILL_WITHDRAWN, Reader
from kjerne.store.saying_whose import address_of, saying_whose
from kjerne.store.sealed_id import SealedIds

AT_ONCE: Final = 200
"""As many are opened between two looks at what else there is to do: some 3 ms. In a thread they cannot be, since what unpacks
them is one thread's alone."""
MEMORY: Final = "SET LOCAL work_mem = '64MB'"
"""The rows are looked at twice, to be named and to be given; with less they would go over the disk in between."""
_NAMES: Final = audit.COLUMNS.split(", ")
_OWN: Final = ("patient", "at", "number", "written")
"""Columns of a row of the log that are one person's; the others are the same for everybody whom one caller asks about."""
_SHARED: Final = tuple(place for place, name in enumerate(_NAMES) if name not in _OWN)
_SHARED_NAMES: Final = ", ".join(_NAMES[place] for place in _SHARED)
_SHARED_VALUES: Final = ", ".join(f"${number}::{audit.TYPES[place]}" for number, place in enumerate(_SHARED, 19))
After = tuple[int, UUID]
"""Type and id of the last record that has left: what comes behind it follows."""
_START: Final[After] = (-1, UUID(int=0))
_END: Final[After] = (32_767, UUID(int=0))

# $1 person keys and $2 whose each is; $3 to $5 as in `reading.ALLOWED`; $6 types, $7 changed since, $8 of one key so many;
# $9 persons, $10 their stamps; $11 to $13 moment, number and words of each row of the log, $14 about, $15 reason; $16 and $17
# type and id behind which each key begins, $18 of one key so many packed bytes; then the rest of a row.
_BEGIN: Final = """
WITH g AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $16::smallint[], $17::uuid[]) AS g(key, owner, after_type, after_id)
), w AS MATERIALIZED (
  SELECT * FROM unnest($9::bigint[], $10::numeric[], $11::timestamptz[], $12::uuid[], $13::bytea[])
    AS w(owner, stamp, at, number, written)
), s AS MATERIALIZED (
  SELECT NOT EXISTS (SELECT FROM w WHERE w.stamp IS DISTINCT FROM (
    SELECT coalesce(sum(p.stamp), 0) FROM g JOIN person p ON p.patient = g.key WHERE g.owner = w.owner)) AS ok
)"""
_ARRAYS: Final = "r.owner, array_agg(r.type) AS types, array_agg(r.id) AS ids, array_agg(r.version) AS versions"
_ROWS: Final = f"""
  INSERT INTO audit (patient, at, number, written, {_SHARED_NAMES}, types, ids, versions, about, reason)
  SELECT w.owner, w.at, w.number, w.written, {_SHARED_VALUES},
    coalesce(n.types, '{{}}'), coalesce(n.ids, '{{}}'), coalesce(n.versions, '{{}}'), $14, $15
  FROM s, w LEFT JOIN n USING (owner) WHERE s.ok"""
_NAMED: Final = f", n AS (SELECT {_ARRAYS} FROM r GROUP BY r.owner), a AS ({_ROWS})"
_COLUMNS: Final = "r.patient, r.type, r.id, r.version, r.dictionary, r.at, r.body"
_RECORDS: Final = f"""
      SELECT {_COLUMNS} FROM record r WHERE s.ok AND r.patient = g.key AND {ALLOWED} AND r.type = ANY($6::smallint[])
        AND r.at >= $7 AND (r.type, r.id) > (g.after_type, g.after_id) ORDER BY r.type, r.id LIMIT $8::bigint + 1"""
# All of everybody, where it fits into one portion, as it nearly always does. Otherwise nothing, and nothing is written: what ends
# a portion takes two looks more at each record.
_WHOLE: Final = f"""{_BEGIN}, r AS MATERIALIZED (
  SELECT g.owner, {_COLUMNS} FROM s, g, LATERAL ({_RECORDS}) r
), n AS (
  SELECT {_ARRAYS}, count(*) AS many, sum(octet_length(r.body)) AS long FROM r GROUP BY r.owner
), f AS MATERIALIZED (
  SELECT coalesce(bool_and(n.many <= $8::bigint), true) AND coalesce(sum(n.long), 0) <= $18::bigint * (SELECT count(*) FROM g)
    AS fits FROM n
), a AS ({_ROWS} AND (SELECT f.fits FROM f))
SELECT {_COLUMNS} FROM r, f WHERE f.fits
UNION ALL SELECT NULL, s.ok::integer::smallint, NULL, NULL, NULL, NULL, NULL FROM s, f WHERE NOT (s.ok AND f.fits)"""
# The last row of a portion is `cut` where more follow. The lengths of bodies are told without fetching them.
_LINES: Final = f"""{_BEGIN}, r AS MATERIALIZED (
  SELECT g.owner, {_COLUMNS}, r.next IS NOT NULL AND (r.place = $8::bigint OR r.long + r.next > $18::bigint) AS cut
  FROM s, g, LATERAL (
    SELECT r.*, row_number() OVER w AS place, sum(octet_length(r.body)) OVER w AS long, lead(octet_length(r.body)) OVER w AS next
    FROM ({_RECORDS}) r
    WINDOW w AS (ORDER BY r.type, r.id ROWS UNBOUNDED PRECEDING)) r
  WHERE r.place <= $8::bigint AND (r.place = 1 OR r.long <= $18::bigint)
){_NAMED}
SELECT {_COLUMNS}, r.cut FROM r UNION ALL SELECT NULL, 0::smallint, NULL, NULL, NULL, NULL, NULL, NULL FROM s WHERE NOT s.ok"""
_ONLY: Final = "AND r.at >= $7", f"AND r.at >= $7 AND r.id = ANY(${19 + len(_SHARED)}::uuid[])"
_WHOLE_OF: Final = _WHOLE.replace(*_ONLY)
_LINES_OF: Final = _LINES.replace(*_ONLY)

# What stood before the mark of deletion decides who may hear of it, as in `reading.Reader.is_deleted`. What was taken from a
# wrong person is gone too: when, her log says.
_GONE: Final = f"""{_BEGIN}, r AS MATERIALIZED (
  SELECT g.owner, r.*, r.follows AND r.place = $8::bigint AS cut FROM s, g, LATERAL (
    SELECT r.*, row_number() OVER w AS place, lead(true, 1, false) OVER w AS follows FROM (
    (SELECT d.patient, d.type, d.id, d.version FROM record_history d
      JOIN record_history r ON r.patient = d.patient AND r.type = d.type AND r.id = d.id AND r.version = d.version - 1
    WHERE s.ok AND d.patient = g.key AND d.deleted AND d.at >= $7 AND d.type = ANY($6::smallint[]) AND {ALLOWED}
      AND NOT EXISTS (SELECT FROM record c WHERE c.patient = d.patient AND c.type = d.type AND c.id = d.id)
      AND NOT EXISTS (SELECT FROM record_history l WHERE l.patient = d.patient AND l.type = d.type AND l.id = d.id
        AND l.version > d.version)
    UNION ALL
    SELECT r.patient, r.type, r.id, r.version FROM record r
    WHERE s.ok AND r.patient = g.key AND r.labels & {int(Label.WITHDRAWN)} <> 0 AND r.type = ANY($6::smallint[])
      AND {ALLOWED_TILL_WITHDRAWN} AND EXISTS (
        SELECT FROM audit w WHERE w.patient = r.patient AND w.at >= $7 AND w.rule = '{WITHDRAWN_RULE}' AND r.id = ANY(w.ids)))
    ) r
    WHERE (r.type, r.id) > (g.after_type, g.after_id)
    WINDOW w AS (ORDER BY r.type, r.id) ORDER BY r.type, r.id LIMIT $8::bigint + 1) r
  WHERE s.ok AND r.place <= $8::bigint AND $18::bigint IS NOT NULL -- what is told of these has no length
){_NAMED}
SELECT r.patient, r.type, r.id, r.cut FROM r UNION ALL SELECT NULL, 0::smallint, NULL, NULL FROM s WHERE NOT s.ok"""


@dataclass(frozen=True, slots=True)
class Errand:
    """Which records leave, and why: `about` and `ground` stand in each person's row. A portion holds at most `most` records
    and `most_bytes` of packed bodies of all together, or one record of each key."""

    types: tuple[int, ...]
    about: str
    ground: str
    most: int
    most_bytes: int
    since: datetime = EARLIEST
    only: Sequence[UUID] | None = None
    """Of the types only the records with these ids; None: all."""
    after: Mapping[int, After] | None = None
    """Where it goes on: of these keys alone, behind what has left; None: from the beginning."""


class Sealed(NamedTuple):
    """A portion of records, logged and not yet opened, and of which keys more follow, behind what."""

    rows: list[Sequence[Any]]
    keys: dict[int, DataKey]
    hers: dict[int, bytes]
    after: dict[int, After]


class Gone(NamedTuple):
    """A portion of what was deleted, each as `Type/id`, and of which keys more follow, behind what."""

    found: list[str]
    after: dict[int, After]


async def sealed(conn: Connection, reader: Reader, ids: SealedIds, grants: Sequence[Grant], errand: Errand) -> Sealed:
    """The current records of those whom the grants are about, or as many as a portion holds. They are in the log.

    Call in a transaction. Raises `Stale`.
    """
    await conn.execute(MEMORY)
    found = Sealed([], {}, {}, {})
    for some in _alike(grants):
        rows, after = await _portion(conn, reader, some, errand, _keys(grants))
        of_whom = {key: reader.unwrapped(one) for one in some for key in one.subject.keys}
        found.rows.extend(rows)
        found.keys.update({patient: of_whom[patient][patient] for patient in {row[0] for row in rows}})
        found.hers.update({key: address_of(ids, one.subject.patient) for one in some for key in one.subject.keys})
        found.after.update(after)
    return found


async def lines(reader: Reader, portion: Sealed) -> AsyncIterator[list[bytes]]:
    """Its records some at a time, each on a line as it is served, person by person. What a message filed names nobody, since
    who asks for it has named her; among those of others it gets her Patient as its subject."""
    for at in range(0, len(portion.rows), AT_ONCE):
        yield _opened(reader, portion.keys, portion.hers, portion.rows[at : at + AT_ONCE])
        await turn()


async def gone(conn: Connection, reader: Reader, grants: Sequence[Grant], errand: Errand) -> Gone:
    """`Type/id` of what was deleted since then, and stood open to its grant until it was. As `sealed`.

    Of a token that SMART scopes narrow none is told: what is gone has no search tokens to compare.
    """
    portion = Gone([], {})
    for some in _alike([one for one in grants if one.caller.limits is None]):
        rows = await _fetched(conn, reader, _GONE, some, errand, _keys(grants))
        portion.found.extend(f"{type_name(row[1])}/{row[2]}" for row in rows or ())
        portion.after.update(_after(rows or ()))
    return portion


def _keys(grants: Sequence[Grant]) -> int:
    """Among how many a portion is divided."""
    return sum(len(one.subject.keys) for one in grants)


def _alike(grants: Sequence[Grant]) -> list[list[Grant]]:
    """The grants that one statement can hold: that shut the same, and whose rows differ by person and moment alone."""
    found: dict[Any, list[Grant]] = defaultdict(list)
    for place, one in enumerate(grants):
        row = audit.given(one)
        narrowed = place if one.caller.limits is not None else -1
        found[narrowed, one.hides, one.released_only, *(row[at] for at in _SHARED)].append(one)
    return list(found.values())


async def _portion(
    conn: Connection, reader: Reader, grants: Sequence[Grant], errand: Errand, among: int
) -> tuple[Sequence[Sequence[Any]], dict[int, After]]:
    """Rows of `_COLUMNS`, and of which keys more follow: at first all of them are asked for."""
    whole, part = (_WHOLE, _LINES) if errand.only is None else (_WHOLE_OF, _LINES_OF)
    if errand.after is None and (rows := await _fetched(conn, reader, whole, grants, errand, among)) is not None:
        return rows, {}
    found = await _fetched(conn, reader, part, grants, errand, among) or []
    return [row[:-1] for row in found], _after(found)


def _after(rows: Sequence[Any]) -> dict[int, After]:
    """Behind which records more follow, by key."""
    return {row[0]: (row[1], row[2]) for row in rows if row[-1]}


async def _fetched(
    conn: Connection, reader: Reader, statement: str, grants: Sequence[Grant], errand: Errand, among: int
) -> Sequence[Any] | None:
    """The rows, or None where they are more than the statement gives. Raises `Stale`."""
    first, own = grants[0], [audit.given(one) for one in grants]
    keys = [(key, one.subject.patient) for one in grants for key in one.subject.keys]
    begin = [_START if errand.after is None else errand.after.get(key, _END) for key, _ in keys]
    values = (
        [key for key, _ in keys], [owner for _, owner in keys], int(first.hides), first.released_only, first.at,
        list(errand.types), errand.since, max(1, errand.most // among), [one.subject.patient for one in grants],
        [one.subject.stamp for one in grants],
        *([row[_NAMES.index(name)] for row in own] for name in _OWN[1:]),
        errand.about, errand.ground, [type_ for type_, _ in begin], [id_ for _, id_ in begin], errand.most_bytes // among,
        *(own[0][place] for place in _SHARED),
        *([list(errand.only)] if errand.only is not None else []),
    )  # fmt: skip
    text, all_values = limits.narrowed(first, reader.unwrapped(first), statement, ALLOWED, values)
    rows = await conn.fetch(text, *all_values)
    # A statement that gave nothing to anybody has one row without a person, which says whether the facts stood.
    if rows and rows[0][0] is None:
        if rows[0][1]:
            return None
        raise Stale
    return rows


def _opened(reader: Reader, keys: Mapping[int, DataKey], hers: Mapping[int, bytes], rows: Sequence[Any]) -> list[bytes]:
    found, moments = [], dict[datetime, bytes]()
    for patient, type_, id_, version, dictionary, at, body in rows:
        # Many that came together have one moment, and lie among others by their ids.
        if (updated := moments.get(at)) is None:
            updated = moments[at] = instant(at)
        kept = reader.kept(keys[patient], bound(patient, type_, id_), dictionary, body)
        one = line(kept, 2 + (kept[0] << 8 | kept[1]), str(id_).encode(), b"%d" % version, updated)
        said = saying_whose(type_, one, hers[patient])
        found.append(one if said is one else said + b"\n")
    return found
