"""Records of several persons as they leave in bulk: one statement for all of them, each with her own row in the log.

Each person has her own `Grant`; the statement holds every one of them to its stamp, and writes for each a row that names her
records and the ground they leave on. If a fact about any of them has changed, nothing comes out and nothing is written.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.splice import instant, line
from kjerne.store import audit, limits
from kjerne.store.chains import WITHDRAWN_RULE
from kjerne.store.codec import DataKey, bound
from kjerne.store.patient_ids import id_of
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, ALLOWED_TILL_WITHDRAWN, Reader
from kjerne.store.sealed_id import SealedIds

AT_ONCE: Final = 200
"""As many are opened between two looks at what else there is to do: some 3 ms. In a thread they cannot be, since what unpacks
them is one thread's alone."""
MEMORY: Final = "SET LOCAL work_mem = '64MB'"
"""The rows are looked at twice, to be named and to be given; with less they would go over the disk in between."""
_WITH_SUBJECT: Final = frozenset(map(type_number, ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen")))
"""What messages file about somebody, and say so by their head alone."""
_NAMES: Final = audit.COLUMNS.split(", ")
_OWN: Final = ("patient", "at", "number", "written")
"""Columns of a row of the log that are one person's; the others are the same for everybody whom one caller asks about."""
_SHARED: Final = tuple(place for place, name in enumerate(_NAMES) if name not in _OWN)
_SHARED_NAMES: Final = ", ".join(_NAMES[place] for place in _SHARED)
_SHARED_VALUES: Final = ", ".join(f"${number}::{audit.TYPES[place]}" for number, place in enumerate(_SHARED, 16))

# $1 person keys and $2 whose each is; $3 to $5 as in `reading.ALLOWED`; $6 types, $7 changed since, $8 of one person so many;
# $9 persons, $10 their stamps; $11 to $13 moment, number and words of each row of the log, $14 about, $15 reason, then the rest.
_BEGIN: Final = """
WITH g AS MATERIALIZED (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS g(key, owner)
), w AS MATERIALIZED (
  SELECT * FROM unnest($9::bigint[], $10::numeric[], $11::timestamptz[], $12::uuid[], $13::bytea[])
    AS w(owner, stamp, at, number, written)
), s AS MATERIALIZED (
  SELECT NOT EXISTS (SELECT FROM w WHERE w.stamp IS DISTINCT FROM (
    SELECT coalesce(sum(p.stamp), 0) FROM g JOIN person p ON p.patient = g.key WHERE g.owner = w.owner)) AS ok
)"""
_NAMED: Final = f"""
, n AS (
  SELECT g.owner, array_agg(r.type) AS types, array_agg(r.id) AS ids, array_agg(r.version) AS versions
  FROM r JOIN g ON g.key = r.patient GROUP BY g.owner
), a AS (
  INSERT INTO audit (patient, at, number, written, {_SHARED_NAMES}, types, ids, versions, about, reason)
  SELECT w.owner, w.at, w.number, w.written, {_SHARED_VALUES},
    coalesce(n.types, '{{}}'), coalesce(n.ids, '{{}}'), coalesce(n.versions, '{{}}'), $14, $15
  FROM s, w LEFT JOIN n USING (owner) WHERE s.ok
)"""
_COLUMNS: Final = "r.patient, r.type, r.id, r.version, r.dictionary, r.at, r.body"
_LINES: Final = f"""{_BEGIN}, r AS MATERIALIZED (
  SELECT r.* FROM s, g, LATERAL (
    SELECT {_COLUMNS} FROM record r WHERE s.ok AND r.patient = g.key AND {ALLOWED} AND r.type = ANY($6::smallint[])
      AND r.at >= $7 ORDER BY r.type, r.id LIMIT $8::bigint + 1) r
){_NAMED}
SELECT s.ok, {_COLUMNS} FROM s LEFT JOIN r ON true"""
_LINES_OF: Final = _LINES.replace("AND r.at >= $7", f"AND r.at >= $7 AND r.id = ANY(${16 + len(_SHARED)}::uuid[])")

# What stood before the mark of deletion decides who may hear of it, as in `reading.Reader.is_deleted`. What was taken from a
# wrong person is gone too: when, her log says.
_GONE: Final = f"""{_BEGIN}, r AS MATERIALIZED (
  SELECT r.* FROM s, g, LATERAL (
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
    ORDER BY type, id LIMIT $8::bigint + 1) r
){_NAMED}
SELECT s.ok, r.patient, r.type, r.id FROM s LEFT JOIN r ON true"""


@dataclass(frozen=True, slots=True)
class Errand:
    """Which records leave, and why: `about` and `ground` stand in each person's row, and of one at most `most` may leave."""

    types: tuple[int, ...]
    about: str
    ground: str
    most: int
    since: datetime = EARLIEST
    only: Sequence[UUID] | None = None
    """Of the types only the records with these ids; None: all."""


async def lines(
    conn: Connection, reader: Reader, ids: SealedIds, grants: Sequence[Grant], errand: Errand
) -> list[bytes]:
    """The current records of those whom the grants are about, each on a line as it is served, person by person. What a message
    filed names nobody, since who asks for it has named her; among those of others it gets her Patient as its subject.

    Call in a transaction. Raises `Stale`; `Refusal` 422 where somebody has more than may leave.
    """
    await conn.execute(MEMORY)
    found: list[bytes] = []
    for some in _alike(grants):
        rows = await _fetched(conn, reader, _LINES if errand.only is None else _LINES_OF, some, errand)
        of_whom = {key: reader.unwrapped(one) for one in some for key in one.subject.keys}
        keys = {patient: of_whom[patient][patient] for patient in {row[1] for row in rows}}
        hers = {key: _named(ids, one.subject.patient) for one in some for key in one.subject.keys}
        for at in range(0, len(rows), AT_ONCE):
            found += _opened(reader, keys, hers, rows[at : at + AT_ONCE])
            await asyncio.sleep(0)
    return found


async def gone(conn: Connection, reader: Reader, grants: Sequence[Grant], errand: Errand) -> list[str]:
    """`Type/id` of what was deleted since then, and stood open to its grant until it was. As `lines`.

    Of a token that SMART scopes narrow none is told: what is gone has no search tokens to compare.
    """
    found: list[str] = []
    for some in _alike([one for one in grants if one.caller.limits is None]):
        rows = await _fetched(conn, reader, _GONE, some, errand)
        found += [f"{type_name(type_)}/{id_}" for _, _, type_, id_ in rows]
    return found


def _alike(grants: Sequence[Grant]) -> list[list[Grant]]:
    """The grants that one statement can hold: that shut the same, and whose rows differ by person and moment alone."""
    found: dict[Any, list[Grant]] = defaultdict(list)
    for place, one in enumerate(grants):
        row = audit.given(one)
        narrowed = place if one.caller.limits is not None else -1
        found[narrowed, one.hides, one.released_only, *(row[at] for at in _SHARED)].append(one)
    return list(found.values())


async def _fetched(
    conn: Connection, reader: Reader, statement: str, grants: Sequence[Grant], errand: Errand
) -> Sequence[Any]:
    first, own = grants[0], [audit.given(one) for one in grants]
    keys = [(key, one.subject.patient) for one in grants for key in one.subject.keys]
    values = (
        [key for key, _ in keys], [owner for _, owner in keys], int(first.hides), first.released_only, first.at,
        list(errand.types), errand.since, errand.most, [one.subject.patient for one in grants],
        [one.subject.stamp for one in grants],
        *([row[_NAMES.index(name)] for row in own] for name in _OWN[1:]),
        errand.about, errand.ground, *(own[0][place] for place in _SHARED),
        *([list(errand.only)] if errand.only is not None else []),
    )  # fmt: skip
    text, all_values = limits.narrowed(first, reader.unwrapped(first), statement, ALLOWED, values)
    rows = await conn.fetch(text, *all_values)
    if not rows or not rows[0][0]:
        raise Stale
    if rows[0][1] is None:
        return []
    if len(rows) > errand.most and max(Counter(row[1] for row in rows).values()) > errand.most:
        raise Refusal(422, "a patient has more records than an export holds", code="too-costly")
    return rows


def _named(ids: SealedIds, patient: int) -> bytes:
    """What names her in a resource that names nobody, in the place of its last brace."""
    return b',"subject":{"reference":"Patient/%b"}}\n' % str(id_of(ids, patient)).encode()


def _opened(reader: Reader, keys: Mapping[int, DataKey], hers: Mapping[int, bytes], rows: Sequence[Any]) -> list[bytes]:
    found, then, updated = [], EARLIEST, b""
    for _, patient, type_, id_, version, dictionary, at, body in rows:
        # Many that came together have one moment.
        if at != then:
            then, updated = at, instant(at)
        kept = reader.kept(keys[patient], bound(patient, type_, id_), dictionary, body)
        one = line(kept, 2 + (kept[0] << 8 | kept[1]), str(id_).encode(), b"%d" % version, updated)
        if type_ in _WITH_SUBJECT and b'"subject"' not in one:
            one = one.rstrip()[:-1] + hers[patient]
        found.append(one)
    return found
