"""Writing records: one row per current resource, earlier versions in history, never without `Grant` and audit row.

A change is taken whole or not at all. The version a caller saw can be demanded (`expected`, HTTP If-Match): the change is
refused with 412 when another came between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.index import Indexed
from kjerne.store import audit, limits
from kjerne.store.codec import (
    PLAIN,
    DataKey,
    Dictionaries,
    Wrap,
    bound,
    joined,
    nonces_of,
    parted,
    split,
    with_splices,
)
from kjerne.store.places import BEHIND_ITSELF, NEXT
from kjerne.store.pointers import Pointers
from kjerne.store.pool import Connection, columns, moment, together
from kjerne.store.proofs import fetched, noting
from kjerne.store.record_marks import CARRIED, marks_of


class Change(NamedTuple):
    """One resource to be written as received: `raw` are its JSON bytes, `indexed` what a search looks at.

    `expected` is the version that must be current (None: whatever is; 0: none may exist). `corrects` says that the version
    before said something else, and is to stay in sight.
    """

    type: int
    id: UUID
    raw: bytes
    indexed: Indexed
    labels: Label = NO_LABEL
    release_at: datetime | None = None
    expected: int | None = None
    kinds: frozenset[str] = frozenset()
    """The kinds of content it is of (`registries.withholding.kinds_of`): which of the patient's restricted parts."""
    corrects: bool = False
    mapped: bool = False
    """Whether it is what messages say and nothing else: a version by FHIR is not, nor one that goes on from such a one."""


class Present(NamedTuple):
    """A current version: the bytes as received, what its source withholds it by, when it came, whether it was taken back
    with its reports (`store.pointing`), and whether it is known to be as messages made it (`Change.mapped`)."""

    raw: bytes
    labels: Label
    release_at: datetime | None
    at: datetime
    with_report: bool = False
    mapped: bool = False


class TakenOut(NamedTuple):
    """A record that was deleted: when, and what its source withheld it by then."""

    at: datetime
    labels: Label
    release_at: datetime | None


class Current(NamedTuple):
    """The version of a record that stands now: the bytes as received, its number, and when it came. `own`: the organisation of
    whoever changes it filed the record; `opens`: when it does for the citizen, both where it is to be changed."""

    raw: bytes
    version: int
    at: datetime
    own: bool = True
    opens: datetime | None = None


class Marks(NamedTuple):
    """What withholds a current record, and whether the caller's organisation filed it."""

    labels: Label
    opens: datetime | None
    own: bool = True


class Written(NamedTuple):
    """What came of a change."""

    type: int
    id: UUID
    version: int
    at: datetime


_STANDS: Final = "(SELECT sum(stamp) FROM person WHERE patient = ANY($13::bigint[])) = $14::numeric"
_ONE_STANDS: Final = "(SELECT stamp FROM person WHERE patient = $13::bigint) = $14::bigint"

_ROW = 'patient, id, type, version, labels, dictionary, at, date_from, date_to, release_at, tokens, "values", body'


_CREATE = f"""r AS (
  INSERT INTO record ({_ROW})
  SELECT $1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12 WHERE {_STANDS} {{fresh}}
  ON CONFLICT DO NOTHING RETURNING version
), a AS (
  INSERT INTO audit ({audit.COLUMNS}, types, ids, versions)
  SELECT {audit.placeholders(15)}, ARRAY[$3::smallint], ARRAY[$2::uuid], ARRAY[1] FROM r
)"""
_CREATE_PLAIN = f"WITH {_CREATE.format(fresh='')} SELECT version FROM r"
_CREATE_NOTING = (
    f"WITH {noting(15 + audit.WIDTH)}, {_CREATE.format(fresh='AND EXISTS (SELECT 1 FROM note)')} "
    "SELECT EXISTS (SELECT 1 FROM note), (SELECT version FROM r)"
)
# For a person under one key, as nearly all are, nothing is summed.
_CREATE_PLAIN_ALONE = _CREATE_PLAIN.replace(_STANDS, _ONE_STANDS)
_CREATE_NOTING_ALONE = _CREATE_NOTING.replace(_STANDS, _ONE_STANDS)

# Who filed the first version stands in its audit row, which has the version's own moment.
_FILED_BY = """EXISTS (
  SELECT 1 FROM audit a, unnest(a.types, a.ids, a.versions) AS n(type, id, version)
  WHERE a.patient = $1 AND a.action IN ('file', 'correct') AND a.outcome = $5 AND n.type = $2 AND n.id = $3 AND n.version = 1
    AND a.organisation = $6 AND (a.organisation <> '' OR a.client = $7)
    AND a.at = coalesce((SELECT h.at FROM record_history h
      WHERE h.patient = $1 AND h.type = $2 AND h.id = $3 AND h.version = 1), r.at))"""
_MARKS = f"""
SELECT r.labels, r.release_at, true AS own FROM record r WHERE r.patient = $1 AND r.type = $2 AND r.id = $3
AND r.labels & $4 = 0 AND {_FILED_BY}"""

_MARKS_OF_ANYBODYS = f"""
SELECT r.labels, r.release_at, {_FILED_BY} AS own FROM record r WHERE r.patient = $1 AND r.type = $2 AND r.id = $3
AND r.labels & $4 = 0"""

_TAKEN_AWAY = """
SELECT EXISTS (
  SELECT FROM record_history d
  JOIN record_history f ON f.patient = d.patient AND f.type = d.type AND f.id = d.id AND f.version = 1
  JOIN audit a ON a.patient = d.patient AND a.at = f.at AND a.action IN ('file', 'correct') AND a.outcome = $4
  JOIN LATERAL unnest(a.types, a.ids, a.versions) AS n(type, id, version) ON n.type = $2 AND n.id = $3 AND n.version = 1
  WHERE d.patient = $1 AND d.type = $2 AND d.id = $3 AND d.deleted AND d.labels & $7 = 0 AND a.organisation = $5
    AND (a.organisation <> '' OR a.client = $6)
) AND NOT EXISTS (SELECT FROM record WHERE patient = $1 AND type = $2 AND id = $3)"""

_BODIES = """
SELECT r.type, r.id, r.dictionary, r.body, r.labels, r.release_at, r.version, r.at, r.mapped
FROM record r JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE r.patient = $1 AND r.labels & $4 = 0"""

_AS_MADE = """
SELECT DISTINCT ON (h.type, h.id) h.type, h.id, h.dictionary, h.body
FROM record_history h JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE h.patient = $1 AND h.labels & $4 = 0 AND h.mapped AND NOT h.deleted
ORDER BY h.type, h.id, h.version DESC"""

_TAKEN_OUT = """
SELECT h.type, h.id, max(h.at) FILTER (WHERE h.deleted), (array_agg(h.labels ORDER BY h.version DESC))[1],
  (array_agg(h.release_at ORDER BY h.version DESC) FILTER (WHERE NOT h.deleted))[1]
FROM record_history h JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE h.patient = $1 AND NOT EXISTS (SELECT FROM record r WHERE r.patient = $1 AND r.type = h.type AND r.id = h.id)
GROUP BY 1, 2
HAVING bool_or(h.deleted) AND (array_agg(h.mapped ORDER BY h.version DESC) FILTER (WHERE h.deleted))[1] IS NOT TRUE"""

_GONE = f"""
WITH gone AS (
  DELETE FROM record r USING unnest($2::smallint[], $3::uuid[]) AS n(type, id)
  WHERE r.patient = $1 AND r.type = n.type AND r.id = n.id RETURNING r.*
), kept AS (
  INSERT INTO record_history (patient, id, type, version, labels, dictionary, at, release_at, body, mapped, stood_xid, unmarked,
    wrote)
  SELECT patient, id, type, version, labels, dictionary, at, release_at, body, mapped, xid, unmarked, wrote FROM gone
), mark AS (
  INSERT INTO record_history (patient, id, type, version, labels, dictionary, deleted, at, body, mapped, xid)
  SELECT patient, id, type, version + 1, labels, 0, true, $4, '', $5, {NEXT} FROM gone r
)
SELECT type, id, version + 1 FROM gone"""

_AS_MAPPED = """
UPDATE record r SET mapped = true FROM unnest($2::smallint[], $3::uuid[]) AS n(type, id)
WHERE r.patient = $1 AND r.type = n.type AND r.id = n.id"""


class Beside(NamedTuple):
    """What is done in the same statement as a write: a part of its WITH, numbered from its first parameter, and the values.

    The part may read `known` (type, id and `reached`, the version before) and the person's key as $1. It sees every other
    table, `record` too, as it was before.
    """

    part: Callable[[int], str]
    values: tuple[Any, ...]


class Before(NamedTuple):
    """What is done first in the same statement as a write: a part of its WITH and the columns it gives, both numbered from their
    first parameter, how many columns those are, and the values. One of them says in `may.ok` whether the records are written."""

    part: Callable[[int], str]
    gives: Callable[[int], str]
    columns: int
    values: tuple[Any, ...]


_ROLE: Final = type_number("PractitionerRole")
"""Who answers and who asked: the same few stand in most reports."""

CARRIED_LABELS: Final = int(CARRIED)
_NOT_THE_SOURCES: Final = CARRIED_LABELS | int(Label.WITHDRAWN)
# One statement for all records of a change. A record that was taken out and comes again goes on counting where its history
# ended. The caller holds the patient's row, so the versions found are the current ones until the transaction ends.
_GIVEN: Final = """
  SELECT * FROM unnest($4::uuid[], $5::smallint[], $6::integer[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
    $10::bytea[], $11::bytea[], $12::boolean[], $13::boolean[])
    AS n(id, type, labels, date_from, date_to, release_at, tokens, body, corrects, mapped)"""
_PUT: Final = f"""known AS MATERIALIZED (
  SELECT n.type, n.id, n.corrects, r.version, coalesce(r.version, (SELECT max(h.version) FROM record_history h
    WHERE h.patient = $1 AND h.type = n.type AND h.id = n.id), 0) AS reached
  FROM n LEFT JOIN LATERAL (
    SELECT version FROM record WHERE patient = $1 AND type = n.type AND id = n.id LIMIT 1) r ON true
), kept AS (
  INSERT INTO record_history (patient, id, type, version, labels, dictionary, at, release_at, body, corrected, mapped,
    stood_xid, unmarked, wrote)
  SELECT r.patient, r.id, r.type, r.version, r.labels, r.dictionary, r.at, r.release_at, r.body, k.corrects, r.mapped,
    r.xid, r.unmarked, r.wrote
  FROM known k JOIN LATERAL (SELECT * FROM record WHERE patient = $1 AND type = k.type AND id = k.id LIMIT 1) r ON true
  WHERE k.version IS NOT NULL
), put AS (
  INSERT INTO record ({_ROW}, mapped)
  SELECT $1, id, type, k.reached + 1, n.labels, $3::smallint, $2, n.date_from, n.date_to, n.release_at, n.tokens, NULL, n.body,
    n.mapped
  FROM n JOIN known k USING (type, id)
  ON CONFLICT (patient, type, id) DO UPDATE SET version = excluded.version,
    labels = excluded.labels | (record.labels & {CARRIED_LABELS}),
    dictionary = excluded.dictionary, at = excluded.at, date_from = excluded.date_from, date_to = excluded.date_to,
    release_at = excluded.release_at, xid = pg_current_xact_id(), tokens = excluded.tokens,
    "values" = excluded."values", body = excluded.body, mapped = excluded.mapped, {BEHIND_ITSELF}
), told AS (
  INSERT INTO audit ({audit.COLUMNS}, types, ids, versions)
  SELECT {audit.placeholders(14)}, array_agg(type), array_agg(id), array_agg(reached + 1) FROM known
  HAVING count(*) > 0
)"""
_HOLD: Final = """
SELECT p.stamp FROM (SELECT key FROM unnest($1::bigint[]) AS n(key) ORDER BY key) k
JOIN LATERAL (SELECT stamp FROM person WHERE patient = k.key FOR NO KEY UPDATE) p ON true"""
_WRITTEN: Final = "SELECT type, id, coalesce(version, 0), reached + 1 FROM known"


Placed = tuple[Callable[[int], str], int]
"""A part of a statement, by its first parameter, and how many it takes."""


@cache
def _write(*beside: Placed) -> str:
    """The statement with what stands beside it."""
    return f"WITH n AS MATERIALIZED ({_GIVEN}), {_PUT}{_numbered(14 + audit.WIDTH, beside)} {_WRITTEN}"


@cache
def _write_if(before: tuple[tuple[Callable[[int], str], Callable[[int], str], int], ...], *beside: Placed) -> str:
    """As `_write`, behind what comes `before`: one row, of what that gives and of all that was written."""
    first, parts, gives = 14 + audit.WIDTH, "", ""
    for part, given, count in before:
        parts += f"{part(first)}, "
        gives += f"{said}, " if (said := given(first)) else ""
        first += count
    put = f"n AS MATERIALIZED ({_GIVEN} WHERE (SELECT ok FROM may)), {_PUT}{_numbered(first, beside)}"
    return f"WITH {parts}{put} SELECT {gives}(SELECT array_agg(ROW(w.*)) FROM ({_WRITTEN}) w)"


def _numbered(first: int, beside: Sequence[Placed]) -> str:
    parts = []
    for part, count in beside:
        parts.append(f", {part(first)}")
        first += count
    return "".join(parts)


# Many new records, each with a row in the log: an array for each column in which they differ.
_NEW: Final = {
    "patient": "bigint", "id": "uuid", "type": "smallint", "labels": "integer", "at": "timestamptz", "date_from": "timestamptz",
    "date_to": "timestamptz", "release_at": "timestamptz", "tokens": "bytea", "body": "bytea",
}  # fmt: skip
_LOG_NAMES: Final = audit.COLUMNS.split(", ")
_ARRAYS: Final = (*_NEW.values(), *(audit.TYPES[place] for place in audit.EACH))
_N_VALUES: Final = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_ARRAYS, 2))
_N_COLUMNS: Final = ", ".join((*_NEW, *(f"log_{_LOG_NAMES[place]}" for place in audit.EACH)))
_SAME_FROM: Final = len(_ARRAYS) + 2
_LOGGED: Final = ", ".join(
    f"log_{name}" if place in audit.EACH else f"${_SAME_FROM + audit.SAME.index(place)}::{audit.TYPES[place]}"
    for place, name in enumerate(_LOG_NAMES)
)
_CREATE_MANY: Final = f"""
WITH n AS MATERIALIZED (SELECT * FROM unnest({_N_VALUES}) AS n({_N_COLUMNS})), r AS (
  INSERT INTO record ({_ROW})
  SELECT patient, id, type, 1, labels, $1::smallint, at, date_from, date_to, release_at, tokens, NULL, body FROM n
)
INSERT INTO audit ({audit.COLUMNS}, types, ids, versions)
SELECT {_LOGGED}, ARRAY[type], ARRAY[id], ARRAY[1] FROM n"""


class Records:
    """Writes records for one house: its keys and dictionaries. `pointers` lead to what it writes from those whom that names."""

    def __init__(self, wrap: Wrap, dictionaries: Dictionaries, pointers: Pointers) -> None:
        self.pointers = pointers
        self._wrap = wrap
        self._dictionaries = dictionaries

    def key(self, grant: Grant) -> DataKey:
        """The service's key about the person the grant addresses; writes go under that key, whatever is linked."""
        return self._wrap.of_service(grant.subject, grant.service)

    def row(self, key: DataKey, patient: int, change: Change, at: datetime, marks: Label = NO_LABEL) -> tuple[Any, ...]:
        """The values of `_ROW` (version left out) for a change: compressed, sealed, indexed, with the patient's marks."""
        place = bound(patient, change.type, change.id)
        number, packed = self._dictionaries.shrink(with_splices(change.raw))
        indexed = change.indexed
        return (
            patient,
            change.id,
            change.type,
            int(change.labels) | int(marks),  # an enum's own `|` looks the sum up
            number,
            at,
            indexed.date_from,
            indexed.date_to,
            change.release_at,
            key.tokens(indexed.tokens),
            None,
            key.seal(joined(indexed.values, packed), place),
        )

    async def present(
        self, conn: Connection, grant: Grant, places: Iterable[tuple[int, UUID]], key: DataKey | None = None, *,
        withdrawn: bool = False,
    ) -> dict[tuple[int, UUID], Present]:  # fmt: skip
        """The current versions of what is about to be changed, for the program to compare.

        They do not leave: what is written because of the comparison has its audit row. A record that is
        withdrawn from a wrong person counts as absent, unless `withdrawn` asks for it.
        """
        types, ids = columns(list(places), 2)
        without = NO_LABEL if withdrawn else Label.WITHDRAWN
        return {
            (type_, id_): Present(
                raw,
                Label(labels & ~_NOT_THE_SOURCES),
                moment(release_at),
                at,
                bool(labels & Label.WITHDRAWN_WITH_REPORT),
                bool(mapped),
            )
            for type_, id_, raw, labels, release_at, _, at, mapped in await self._bodies(
                conn, grant, types, ids, key, without
            )
        }

    async def current(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> Current:
        """As `present`, of one record that is there."""
        ((_, _, raw, _, _, version, at, _),) = await self._bodies(conn, grant, [type_], [id_])
        return Current(raw, version, at)

    async def taken_out(
        self, conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]]
    ) -> dict[tuple[int, UUID], TakenOut]:
        """Those of these records that were deleted and are gone; one that is withdrawn from a wrong person is not, nor one that
        messages themselves gave no more (`remove`)."""
        if not named:
            return {}
        rows = await conn.fetch(_TAKEN_OUT, grant.subject.patient, [one[0] for one in named], [one[1] for one in named])
        return {
            (type_, id_): TakenOut(at, Label(labels & ~_NOT_THE_SOURCES), moment(release_at))
            for type_, id_, at, labels, release_at in rows
        }

    async def as_made(
        self, conn: Connection, grant: Grant, places: Sequence[tuple[int, UUID]], key: DataKey | None = None
    ) -> dict[tuple[int, UUID], bytes]:
        """What messages alone made last of records that stand otherwise now, or no more; the program's as in `present`."""
        types, ids = columns(places, 2)
        found = await self._bodies(conn, grant, types, ids, key, statement=_AS_MADE) if places else []
        return {(type_, id_): raw for type_, id_, raw in found}

    async def _bodies(
        self, conn: Connection, grant: Grant, types: Sequence[int], ids: Sequence[UUID], key: DataKey | None = None,
        without: Label = Label.WITHDRAWN, statement: str = _BODIES,
    ) -> list[tuple[Any, ...]]:  # fmt: skip
        rows = await conn.fetch(statement, grant.subject.patient, types, ids, int(without))
        key = key or self.key(grant)
        found = []
        for type_, id_, dictionary, body, *rest in rows:
            _, packed = parted(dictionary, key.open(body, bound(grant.subject.patient, type_, id_)))
            found.append((type_, id_, split(self._dictionaries.grow(dictionary, packed))[0], *rest))
        return found

    async def marks(
        self, conn: Connection, grant: Grant, type_: int, id_: UUID, letter: str = "u", *, anybodys: bool = False
    ) -> Marks | None:
        """What withholds a current record that the caller's organisation filed; of `anybodys`, whoever filed it.

        None where there is no such record, it was withdrawn, another source filed it, the grant hides it (what is restricted,
        from personnel), or the token's SMART scopes do not leave this `letter` of it. Holds the patient's row (call in a
        transaction).
        """
        await hold(conn, grant)
        source = audit.GIVEN, grant.caller.organisation, grant.caller.client
        values: list[Any] = [grant.subject.patient, type_, id_, int(grant.hides | Label.WITHDRAWN), *source]
        asked = _MARKS_OF_ANYBODYS if anybodys else _MARKS
        statement = limits.of_one(grant, self.key(grant), asked, values, letter)
        row = await conn.fetchrow(statement, *values)
        return Marks(Label(row["labels"]), moment(row["release_at"]), row["own"]) if row else None

    async def is_taken_away(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> bool:
        """Whether a record that the caller's organisation filed was deleted, and was not hidden from the caller then."""
        source = grant.caller.organisation, grant.caller.client
        values = (grant.subject.patient, type_, id_, audit.GIVEN, *source, int(grant.hides))
        return bool(await conn.fetchval(_TAKEN_AWAY, *values))

    async def create(self, conn: Connection, grant: Grant, change: Change) -> Written:
        """A new record with a new id and its audit row, in one statement."""
        limits.must_hold(grant.caller, change.type, change.indexed.tokens, "c")
        row = self.row(self.key(grant), grant.subject.patient, change, grant.at, marks_of(grant, change.kinds))
        keys, stamp = grant.subject.keys, grant.subject.stamp
        told = audit.given(grant, noting=True)
        if len(keys) == 1:
            values = (*row, keys[0], stamp, *told)
            made = await fetched(conn, grant.once, _CREATE_PLAIN_ALONE, _CREATE_NOTING_ALONE, values)
        else:
            made = await fetched(conn, grant.once, _CREATE_PLAIN, _CREATE_NOTING, (*row, list(keys), stamp, *told))
        if not made or made[0][0] is None:
            raise Stale
        return Written(change.type, change.id, 1, grant.at)

    async def create_many(self, conn: Connection, fresh: Sequence[tuple[Grant, Change]]) -> None:
        """As `create`, of many records with a grant and an audit row each, in one statement. The grants are of one request of one
        caller. Call in a transaction that holds the patients' rows and has found the grants' stamps there (`store.joined`)."""
        keys: dict[tuple[int, str], DataKey] = {}
        rows, told = [], []
        dictionary = PLAIN
        for grant, change in fresh:
            whose = grant.subject.patient, grant.service
            key = keys[whose] = keys.get(whose) or self.key(grant)
            row = self.row(key, whose[0], change, grant.at, marks_of(grant, change.kinds))
            patient, id_, type_, labels, dictionary, *rest, _, body = row
            rows.append((patient, id_, type_, labels, *rest, body))
            told.append(audit.given(grant))
        log = columns(told, audit.WIDTH)
        each, same = [log[place] for place in audit.EACH], [log[place][0] for place in audit.SAME]
        await conn.fetch(_CREATE_MANY, dictionary, *columns(rows, len(_NEW)), *each, *same)

    async def put(
        self, conn: Connection, grant: Grant, changes: Sequence[Change], beside: Sequence[Beside] = ()
    ) -> list[Written]:
        """Creates or replaces records of one patient with one audit row, all or none.

        Call inside a transaction to make it part of something larger. Raises `Stale`, or `Refusal` 412 on a version
        that is not the expected one.
        """
        async with together(conn):
            await hold(conn, grant)
            return await self.write(conn, grant, changes, beside)

    async def write(
        self, conn: Connection, grant: Grant, changes: Sequence[Change], beside: Sequence[Beside] = (),
        key: DataKey | None = None,
    ) -> list[Written]:  # fmt: skip
        """As `put`, inside a transaction that holds the patient's row (`hold`); with what is to be done beside it, under
        the service's `key` about her where the caller has it."""
        statement = _write(*((one.part, len(one.values)) for one in beside))
        found = await conn.fetch(statement, *self._values(grant, changes, beside, key or self.key(grant)))
        return _as_written(grant, changes, found)

    async def write_if(
        self, conn: Connection, grant: Grant, before: Sequence[Before], changes: Sequence[Change],
        beside: Sequence[Beside], key: DataKey,
    ) -> tuple[list[list[Any]], list[Written] | None]:  # fmt: skip
        """As `write`, with what comes `before` in the same statement: the columns that each of those gives, and what was written
        (None where nothing was, since it may not)."""
        statement = _write_if(
            tuple((one.part, one.gives, len(one.values)) for one in before),
            *((one.part, len(one.values)) for one in beside),
        )
        row = await conn.fetchrow(statement, *self._values(grant, changes, (*before, *beside), key))
        *columns, written = row or (None,)
        found = [[columns.pop(0) for _ in range(one.columns)] for one in before]
        return found, _as_written(grant, changes, written) if written else None

    def _values(
        self, grant: Grant, changes: Sequence[Change], beside: Sequence[Before | Beside], key: DataKey
    ) -> tuple[Any, ...]:
        """The values of a write, in their order."""
        patient, shrink, before = grant.subject.patient, self._dictionaries.shrink, self._dictionaries.shrunk_before
        # Step by step for all: a step is quicker right behind itself. One dictionary for all, since nothing is awaited.
        packed = [
            before(change.raw) if change.type == _ROLE else shrink(with_splices(change.raw)) for change in changes
        ]
        tokens = key.tokens_of_many([change.indexed.tokens for change in changes])
        nonces = iter(nonces_of(len(changes)))
        rows = [
            (
                change.id, change.type, int(change.labels) | int(marks_of(grant, change.kinds)), change.indexed.date_from,
                change.indexed.date_to, change.release_at, own,
                key.seal(joined(change.indexed.values, body), bound(patient, change.type, change.id), next(nonces)),
                change.corrects, change.mapped,
            )
            for change, own, (_, body) in zip(changes, tokens, packed, strict=True)
        ]  # fmt: skip
        dictionary = packed[0][0] if packed else PLAIN
        more = chain.from_iterable(one.values for one in beside)
        return patient, grant.at, dictionary, *columns(rows, 10), *audit.given(grant), *more

    async def as_mapped(self, conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]]) -> None:
        """Notes of current records that they are as messages made them, which was not known. Nothing that they say changes."""
        await conn.execute(_AS_MAPPED, grant.subject.patient, *columns(named, 2))

    async def remove(
        self, conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]], *, mapped: bool = False
    ) -> list[Written]:
        """Takes records out of the current ones; their versions, the last of them a mark of deletion, stay in history.
        `mapped`: since messages give them no more."""
        types, ids = [type_ for type_, _ in named], [id_ for _, id_ in named]
        smart.demand_whole(grant.caller, map(type_name, types), "d")
        async with together(conn):
            await hold(conn, grant)
            rows = await conn.fetch(_GONE, grant.subject.patient, types, ids, grant.at, mapped)
            gone = [Written(row[0], row[1], row[2], grant.at) for row in rows]
            await audit.insert(conn, audit.given(grant), [(w.type, w.id, w.version) for w in gone])
        return gone


def _as_written(grant: Grant, changes: Sequence[Change], found: Sequence[Any]) -> list[Written]:
    """What a write gave, judged by what the caller's token allows and demanded; a refusal undoes it with its transaction."""
    versions = {(type_, id_): (current, new) for type_, id_, current, new in found}
    for change in changes:
        current = versions[change.type, change.id][0]
        limits.must_hold(grant.caller, change.type, change.indexed.tokens, "u" if current else "c")
        expect(change.expected, current)
    return [Written(one.type, one.id, versions[one.type, one.id][1], grant.at) for one in changes]


def expect(expected: int | None, current: int) -> None:
    """`Refusal` 412 where a change was made against another version than the current one; 0: against none."""
    if expected == 0 and current:
        raise Refusal(412, "a record is there already", where="If-None-Match")
    if expected is not None and expected != current:
        raise Refusal(
            412,
            f"the record is at version {current}, not {expected}",
            where="If-Match",
            todo="Read it again and send your change against the current version.",
        )


async def hold(conn: Connection, grant: Grant) -> None:
    """Takes the patients' rows for this transaction: writes about one patient happen one after another.

    Raises `Stale` when a fact changed since the grant was made.
    """
    rows = await conn.fetch(_HOLD, list(grant.subject.keys))
    if sum(row["stamp"] for row in rows) != grant.subject.stamp:
        raise Stale
