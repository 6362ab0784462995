"""Reading one record, its history, or named records: each with its audit row, which names exactly what leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import NO_LABEL, SHUT_BY_PATIENT, Grant, Label, Limit
from kjerne.exchange import Stale
from kjerne.fhir import smart
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.fhir.splice import Splices, served
from kjerne.store import audit, limits
from kjerne.store.codec import DataKey, Dictionaries, Wrap, bound, parted, split, unvalued
from kjerne.store.pool import Connection, moment
from kjerne.store.proofs import FRESH, fetched, note, noting
from kjerne.store.record_marks import CARRIED


class Record(NamedTuple):
    """One version of one resource, opened. `raw` are the bytes as received, `served` adds id and meta."""

    patient: int
    type: int
    id: UUID
    version: int
    labels: Label
    at: datetime
    release_at: datetime | None
    raw: bytes
    splices: Splices

    @property
    def served(self) -> bytes:
        """The bytes that go out: received bytes with `id`, `meta.versionId` and `meta.lastUpdated` put in."""
        return served(self.raw, self.splices, str(self.id), self.version, self.at)


class Span(NamedTuple):
    """Which versions of a record: made `since` then, current some time in [`first`, `last`), older than version `below`."""

    since: datetime = EARLIEST
    first: datetime = EARLIEST
    last: datetime = LATEST
    below: int = 0


class History(NamedTuple):
    """One page of a record's versions, how many there are on all pages, and whether older ones follow."""

    versions: list[Record]
    total: int
    more: bool


OUTER: Final = "r.patient, r.type, r.id, r.version, r.labels, r.dictionary, r.at, r.release_at, r.body"

# $1 person keys, $2 stamp, $3 labels that stay shut, $4 whether only released records may leave, $5 now.
ALLOWED: Final = (
    "r.patient = ANY($1::bigint[]) AND r.labels & $3 = 0 AND (NOT $4 OR r.release_at IS NULL OR r.release_at <= $5)"
)
ALLOWED_FORMER: Final = ALLOWED.replace("r.labels & $3", f"r.labels & (~{int(CARRIED)}) & $3")
"""As `ALLOWED`, for versions of a record that is open itself: what the patient restricts stands on the current version, over
all that follow it, so a mark that an older one was kept with is of a choice that was lifted. The source's own labels hold."""
ALLOWED_TILL_WITHDRAWN: Final = ALLOWED.replace("r.labels & $3", f"r.labels & ($3 & ~{int(Label.WITHDRAWN)})")
"""As `ALLOWED`, of what is taken from a wrong person: whether the grant opened it but for that."""
OPENED_BEFORE: Final = "(NOT $4 OR r.release_at IS NULL OR r.release_at <= d.at)"
"""Beside `ALLOWED`, of a version that was deleted by `d`: what was not yet released then has stood open to nobody who waits for
that, and does not afterwards."""
_STANDS: Final = "SELECT coalesce(sum(stamp), 0) = $2::numeric AS ok FROM person WHERE patient = ANY($1::bigint[])"
_ONE_STANDS: Final = "SELECT coalesce((SELECT stamp FROM person WHERE patient = $1::bigint) = $2::bigint, false) AS ok"
STAMPED: Final = f"s AS MATERIALIZED ({_STANDS})"
_NAMED: Final = (
    "coalesce(array_agg(r.type), '{}') AS types, coalesce(array_agg(r.id), '{}') AS ids, "
    "coalesce(array_agg(r.version), '{}') AS versions"
)
_FIRST_AUDIT: Final = 8


@cache
def audited(source: str, first: int, where: str = "s.ok") -> str:
    """The CTE that writes the audit row for the records in `source`, its values numbered from `first`."""
    return (
        f"a AS (INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) "
        f"SELECT {audit.placeholders(first)}, n.types, n.ids, n.versions "
        f"FROM (SELECT {_NAMED} FROM {source} r) n, s WHERE {where})"
    )


@cache
def stamped_and_noted(first: int) -> str:
    """`STAMPED` where the request's proof is noted too (parameters from `first`); `s.fresh` says whether it was new."""
    return (
        f"{noting(first)}, s AS MATERIALIZED (SELECT n.fresh, p.ok AND n.fresh AS ok FROM ({_STANDS}) p, ({FRESH}) n)"
    )


def door(grant: Grant) -> tuple[Any, ...]:
    """The values of $1 to $5: what of this patient the grant opens."""
    return (list(grant.subject.keys), grant.subject.stamp, int(grant.hides), grant.released_only, grant.at)


@lru_cache(maxsize=512)
def for_one(statement: str) -> str:
    """A statement for a person under one key, as nearly all are: $1 is that key, and nothing is summed or looked up in a
    list."""
    return statement.replace(_STANDS, _ONE_STANDS).replace("= ANY($1::bigint[])", "= $1::bigint")


async def under(
    conn: Connection, grant: Grant, plain: str, noting_too: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """As `fetched`, for statements whose values begin with `door(grant)`."""
    if len(grant.subject.keys) == 1:
        plain, noting_too, values = for_one(plain), for_one(noting_too), (grant.subject.keys[0], *values[1:])
    return await fetched(conn, grant.once, plain, noting_too, values)


# One record or none, so the audit row names it without gathering: some 8 % less to do for the server.
_READ = f"""r AS MATERIALIZED (
  SELECT s.*, {OUTER} FROM s LEFT JOIN record r ON s.ok AND {ALLOWED} AND r.type = $6 AND r.id = $7
), a AS (
  INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) SELECT {audit.placeholders(_FIRST_AUDIT)},
    CASE WHEN r.id IS NULL THEN '{{}}' ELSE ARRAY[r.type] END, CASE WHEN r.id IS NULL THEN '{{}}' ELSE ARRAY[r.id] END,
    CASE WHEN r.id IS NULL THEN '{{}}' ELSE ARRAY[r.version] END FROM r WHERE r.ok
) SELECT * FROM r"""
_READ_PLAIN = f"WITH {STAMPED}, {_READ}"
_READ_NOTING = f"WITH {stamped_and_noted(_FIRST_AUDIT + audit.WIDTH)}, {_READ}"

_BY_IDS = f"""
WITH {STAMPED}, r AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = ANY($7::uuid[])
), {audited("r", _FIRST_AUDIT)}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""

_NEWEST_OF_EACH = f"""
  SELECT n.* FROM s, unnest($6::smallint[]) AS asked (type), LATERAL (
    SELECT {OUTER} FROM record r WHERE s.ok AND {ALLOWED} AND r.type = asked.type
    ORDER BY r.date_from DESC NULLS LAST, r.id LIMIT $7
  ) n"""
_CURRENT = f"""
WITH {STAMPED}, r AS MATERIALIZED ({_NEWEST_OF_EACH}
), {audited("r", _FIRST_AUDIT)}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""
_EVERY_FORMER = f"""
  SELECT {OUTER} FROM record_history r JOIN (SELECT type, id FROM c) c USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted"""
_LOOKED = f"""
WITH {STAMPED}, c AS MATERIALIZED ({_NEWEST_OF_EACH}
), r AS MATERIALIZED (
  SELECT * FROM c
  UNION ALL {_EVERY_FORMER} AND r.corrected
)"""
_FOUND: Final = "SELECT s.ok, r.* FROM s LEFT JOIN r ON true"
_LOOK = f"{_LOOKED} {_FOUND}"
_ALL = f"{_LOOKED}, {audited('r', _FIRST_AUDIT)} {_FOUND}"
_LOOK_WITH_EVERY, _ALL_WITH_EVERY = (one.replace(" AND r.corrected", "") for one in (_LOOK, _ALL))

_COUNTED = f"""WITH {STAMPED}
SELECT r.type, count(*) FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) GROUP BY r.type"""

# A deletion has no search tokens: of a token that scopes narrow ($7), and of who waits for a release ($4), it is not told.
_LAST_CHANGED = f"""WITH {STAMPED}
SELECT s.ok, greatest(
  (SELECT max(r.at) FROM record r WHERE {ALLOWED} AND r.type = ANY($6::smallint[])),
  (SELECT max(r.at) FROM record_history r WHERE {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.deleted AND NOT $4 AND $7)
) FROM s"""

# A list that is made for her is no question about a patient: it leaves a row for what it opened, and none for nothing.
_AS_READ = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = ANY($7::uuid[])
), r AS MATERIALIZED (
  SELECT * FROM c
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN unnest($7::uuid[], $8::integer[]) AS n(id, version) USING (id, version)
  JOIN (SELECT type, id FROM c) c USING (type, id) WHERE {ALLOWED_FORMER} AND NOT r.deleted
), {audited("r", _FIRST_AUDIT + 1, "s.ok AND n.ids <> '{}'")}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""

# Of each record the version that stood at one of the moments beside its id, where that is not the current one.
_STANDING = f"""
WITH {STAMPED}, n AS MATERIALIZED (
  SELECT * FROM unnest($7::uuid[], $8::timestamptz[]) AS n(id, seen_at)
), c AS MATERIALIZED (
  SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = $6 AND r.id = ANY($7::uuid[])
), r AS MATERIALIZED (
  SELECT * FROM c
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN (SELECT type, id, at AS since FROM c) c USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted AND EXISTS (
    SELECT 1 FROM n WHERE n.id = r.id AND r.at <= n.seen_at AND c.since > n.seen_at AND NOT EXISTS (
      SELECT 1 FROM record_history h WHERE h.patient = r.patient AND h.type = r.type AND h.id = r.id
        AND h.version > r.version AND h.at <= n.seen_at))
), {audited("r", _FIRST_AUDIT + 1, "s.ok AND n.ids <> '{}'")}
SELECT s.ok, r.* FROM s LEFT JOIN r ON true"""

# How much lies behind the patient's lock alone, and when what is not yet released opens: numbers and times, nothing else.
_OF_TYPE: Final = "r.type = $2"
_SHUT = f"""
SELECT count(*) FILTER (WHERE labels & $3 <> 0 AND labels & $3 & ~$5::integer = 0),
  array_agg(release_at ORDER BY release_at) FILTER (WHERE labels & $3 = 0 AND release_at > $4)
FROM record r WHERE r.patient = ANY($1::bigint[]) AND {_OF_TYPE}"""

# $8 made since, $9 and $10 current some time in between, $11 older than this version, $12 at most so many.
_VERSIONS = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT r.type, r.id FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = $6 AND r.id = $7
), v AS (
  SELECT {OUTER}, false AS deleted FROM record r JOIN c USING (type, id) WHERE r.patient = ANY($1::bigint[])
  UNION ALL
  SELECT {OUTER}, r.deleted FROM record_history r JOIN c USING (type, id) WHERE r.patient = ANY($1::bigint[])
), w AS (
  SELECT v.*, lead(v.at) OVER (ORDER BY v.version) AS ended FROM v
), m AS MATERIALIZED (
  SELECT r.* FROM w r
  WHERE NOT r.deleted AND {ALLOWED_FORMER} AND r.at >= $8 AND r.at < $10 AND (r.ended IS NULL OR r.ended > $9)
)"""
_HISTORY = f"""{_VERSIONS}, r AS MATERIALIZED (
  SELECT m.* FROM m WHERE m.version < $11::integer ORDER BY m.version DESC LIMIT $12::bigint
), {audited("r", _FIRST_AUDIT + 5)}
SELECT s.ok, {OUTER}, (SELECT count(*) FROM c), (SELECT count(*) FROM m), (SELECT count(*) FROM m WHERE version < $11)
FROM s LEFT JOIN r ON true ORDER BY r.version DESC"""
_NEWEST: Final = 2**31 - 1

_ALL_VERSIONS = f"""{_VERSIONS}
SELECT s.ok, {OUTER}, (SELECT count(*) FROM c) FROM s LEFT JOIN m r ON true ORDER BY r.version DESC"""

# What stood before the mark of deletion decides who may hear of it: the mark itself has no time of release.
_DELETED = f"""
WITH {STAMPED} SELECT s.ok, EXISTS (
  SELECT FROM record_history r JOIN record_history d ON d.patient = r.patient AND d.type = r.type AND d.id = r.id
    AND d.version = r.version + 1 AND d.deleted
  WHERE {ALLOWED} AND {OPENED_BEFORE} AND r.type = $6 AND r.id = $7
    AND NOT EXISTS (SELECT FROM record c WHERE c.patient = r.patient AND c.type = $6 AND c.id = $7)
    AND NOT EXISTS (SELECT FROM record_history l WHERE l.patient = r.patient AND l.type = $6 AND l.id = $7
      AND l.version > d.version)
) FROM s"""

_WITHDRAWN = f"""
WITH {STAMPED} SELECT s.ok, EXISTS (SELECT FROM record r WHERE {ALLOWED_TILL_WITHDRAWN} AND r.type = $6 AND r.id = $7
  AND r.labels & {int(Label.WITHDRAWN)} <> 0) FROM s"""

_NOW = f"""
WITH {STAMPED} SELECT s.ok, (
  SELECT r.id FROM former_id f JOIN record r ON r.patient = f.patient AND r.type = f.type AND r.id = f.id
  WHERE {ALLOWED} AND f.type = $6 AND f.former = $7) FROM s"""

_ONE_VERSION = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT r.type, r.id FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = $6 AND r.id = $7
), r AS MATERIALIZED (
  SELECT {OUTER} FROM record r JOIN c USING (type, id) WHERE r.patient = ANY($1::bigint[]) AND r.version = $8
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN c USING (type, id) WHERE {ALLOWED_FORMER} AND NOT r.deleted AND r.version = $8
)"""
_VERSION = f"""{_ONE_VERSION}, {audited("r", _FIRST_AUDIT + 1)} {_FOUND}"""
_VERSION_ALONE = f"""{_ONE_VERSION} {_FOUND}"""


class Reader:
    """Opens records for one house: its keys and dictionaries."""

    def __init__(self, wrap: Wrap, dictionaries: Dictionaries) -> None:
        self._wrap = wrap
        self._dictionaries = dictionaries

    async def read(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> Record | None:
        """The current version, or None: absent and hidden are one answer. Raises `Stale`."""
        if grant.caller.limits is not None:
            await note(conn, grant.once)
            rows = await self._left(conn, grant, _READ_PLAIN, type_, id_, *audit.given(grant))
        else:
            values = (*door(grant), type_, id_, *audit.given(grant, noting=True))
            rows = await under(conn, grant, _READ_PLAIN, _READ_NOTING, values)
        found = self.opened(grant, rows)
        return found[0] if found else None

    async def version(self, conn: Connection, grant: Grant, type_: int, id_: UUID, version: int) -> Record | None:
        """One version, current or former; None where it never was, or where the record is shut now. Raises `Stale`."""
        left = smart.left(grant.caller, type_name(type_), "r")
        if left is None:
            rows = await conn.fetch(_VERSION, *door(grant), type_, id_, version, *audit.given(grant))
            found = self.opened(grant, rows)
        else:
            async with conn.transaction():
                rows = await self._left(conn, grant, _VERSION_ALONE, type_, id_, version)
                found = _of_those(left, self.opened(grant, rows))
                await audit.insert(conn, audit.given(grant), [(one.type, one.id, one.version) for one in found])
        return found[0] if found else None

    async def is_deleted(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> bool:
        """Whether a record that is absent was deleted, and stood open to this grant until then; asked after a read of nothing.

        Of a token that SMART scopes narrow it is not told: what is gone has no search tokens to compare. Raises `Stale`.
        """
        if grant.caller.limits is not None:
            return False
        return await self._stood(conn, grant, _DELETED, type_, id_)

    async def is_gone(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> bool:
        """As `is_deleted`, or taken from a wrong person: for who was told of the record. A read does not tell the two apart
        from what never was. Raises `Stale`."""
        if grant.caller.limits is not None:
            return False
        deleted = await self._stood(conn, grant, _DELETED, type_, id_)
        return deleted or await self._stood(conn, grant, _WITHDRAWN, type_, id_)

    async def present_id(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> UUID | None:
        """The id that a record which `is_deleted` has instead (`store.former_ids`), where it stands open to this grant. Raises
        `Stale`."""
        row = await conn.fetchrow(_NOW, *door(grant), type_, id_)
        if row is None or not row[0]:
            raise Stale
        present: UUID | None = row[1]
        return present

    async def _stood(self, conn: Connection, grant: Grant, statement: str, type_: int, id_: UUID) -> bool:
        row = await conn.fetchrow(statement, *door(grant), type_, id_)
        if row is None or not row[0]:
            raise Stale
        return bool(row[1])

    async def named(self, conn: Connection, grant: Grant, wanted: Sequence[tuple[int, UUID]]) -> list[Record]:
        """The current versions of those of `wanted` that the grant opens, in no order. Raises `Stale`."""
        types, ids = sorted({type_ for type_, _ in wanted}), [id_ for _, id_ in wanted]
        return self.opened(grant, await self._left(conn, grant, _BY_IDS, types, ids, *audit.given(grant)))

    async def as_read(
        self, conn: Connection, grant: Grant, wanted: Sequence[tuple[int, UUID, int]]
    ) -> list[tuple[Record, Record | None]]:
        """The current versions of those of `wanted` that the grant opens, each with the version that is named beside it
        (None where that is shut; it may be the current one). Raises `Stale`.
        """
        types, ids = sorted({type_ for type_, _, _ in wanted}), [id_ for _, id_, _ in wanted]
        versions = [version for _, _, version in wanted]
        rows = await self._left(conn, grant, _AS_READ, types, ids, versions, *audit.given(grant))
        asked = {id_: version for _, id_, version in wanted}
        found = gathered(self.opened(grant, rows))
        return [
            (now, next((one for one in (now, *former) if one.version == asked[now.id]), None)) for now, former in found
        ]

    async def standing(
        self, conn: Connection, grant: Grant, type_: int, wanted: Sequence[tuple[UUID, datetime]]
    ) -> dict[UUID, list[Record]]:
        """Of records of a type that the grant opens the current version, and those that stood at the moments beside their
        ids; newest first. Raises `Stale`.
        """
        ids, moments = [id_ for id_, _ in wanted], [at for _, at in wanted]
        rows = await self._left(conn, grant, _STANDING, type_, ids, moments, *audit.given(grant))
        return {current.id: [current, *former] for current, former in gathered(self.opened(grant, rows))}

    async def current_of(self, conn: Connection, grant: Grant, types: Sequence[int], limit: int) -> list[Record]:
        """The newest records of each of some types, at most so many of one, for who hands them on. Raises `Stale`."""
        return self.opened(grant, await self._left(conn, grant, _CURRENT, list(types), limit, *audit.given(grant)))

    async def all_of(
        self, conn: Connection, grant: Grant, types: Sequence[int], limit: int, *, every: bool = False
    ) -> list[tuple[Record, list[Record]]]:
        """The newest records of each of some types, at most so many of one, each with those of its former versions that an
        update corrected (or `every` one), the newest of them first: a page's whole picture in one audited read. Raises `Stale`.
        """
        statement = _ALL_WITH_EVERY if every else _ALL
        rows = await self._left(conn, grant, statement, list(types), limit, *audit.given(grant))
        return gathered(self.opened(grant, rows))

    async def look(
        self, conn: Connection, grant: Grant, types: Sequence[int], limit: int, *, every: bool = False
    ) -> list[tuple[Record, list[Record]]]:
        """As `all_of`, for a page that shows some of it: no row in the log, so name what it shows before that leaves
        (`writing_down.write_down`). Raises `Stale`."""
        rows = await self._left(conn, grant, _LOOK_WITH_EVERY if every else _LOOK, list(types), limit)
        return gathered(self.opened(grant, rows))

    async def counted(self, conn: Connection, grant: Grant, types: Sequence[int]) -> dict[int, int]:
        """How many records of each of some types the grant opens."""
        return {row[0]: row[1] for row in await self._left(conn, grant, _COUNTED, list(types))}

    async def last_changed(self, conn: Connection, grant: Grant, types: Sequence[int]) -> datetime | None:
        """When a record of some types that the grant opens was last written or taken away; None where there is none. The audit
        row names no record, since none leaves. Raises `Stale`."""
        await note(conn, grant.once)
        async with conn.transaction():
            rows = await self._left(conn, grant, _LAST_CHANGED, list(types), grant.caller.limits is None)
            if not rows or not rows[0][0]:
                raise Stale
            await audit.insert(conn, audit.given(grant))
        return moment(rows[0][1])

    async def shut(self, conn: Connection, grant: Grant, type_: int) -> tuple[int, list[datetime]]:
        """(how many records the patient's lock holds back, release times of those not yet open to the citizen)."""
        values = (list(grant.subject.keys), type_, int(grant.hides), grant.at, int(SHUT_BY_PATIENT))
        statement, all_values = limits.narrowed(grant, self.unwrapped(grant), _SHUT, _OF_TYPE, values)
        row = await conn.fetchrow(statement, *all_values)
        return (row[0], [one for one in map(moment, row[1] or ()) if one]) if row else (0, [])

    async def history(
        self, conn: Connection, grant: Grant, type_: int, id_: UUID, span: Span, limit: int,
        keep: Callable[[Record], bool] | None = None,
    ) -> History | None:  # fmt: skip
        """The versions of a record, newest first, as they stood in one moment; None where it is absent or shut now. With `keep`
        those that it says yes to, and the rest is as if it had never been.

        Raises `Stale`.
        """
        left = smart.left(grant.caller, type_name(type_), "r")
        if left is not None or keep is not None:
            return await self._history_left(conn, grant, left, keep, type_, id_, span, limit)
        asked = (span.since, span.first, span.last, span.below or _NEWEST, limit)
        rows = await conn.fetch(_HISTORY, *door(grant), type_, id_, *asked, *audit.given(grant))
        if not rows or not rows[0][0]:
            raise Stale
        _, *_, there, total, rest = rows[0]
        if not there:
            return None
        keys = self.unwrapped(grant)
        versions = [self.open_row(keys, tuple(row)[1:-3]) for row in rows if row[1] is not None]
        return History(versions, total, rest > len(versions))

    async def _history_left(
        self, conn: Connection, grant: Grant, left: tuple[Limit, ...] | None, keep: Callable[[Record], bool] | None,
        type_: int, id_: UUID, span: Span, limit: int,
    ) -> History | None:  # fmt: skip
        """As `history`, of the versions that the token's SMART scopes leave, and `keep`: each is looked at, since none has
        tokens."""
        async with conn.transaction():
            asked = (span.since, span.first, span.last)
            rows = await self._left(conn, grant, _ALL_VERSIONS, type_, id_, *asked)
            there = bool(rows) and bool(rows[0][-1])
            found = _of_those(left, self.opened(grant, [tuple(row)[:-1] for row in rows]))
            if keep is not None:
                found = [one for one in found if keep(one)]
            rest = [one for one in found if one.version < (span.below or _NEWEST)]
            versions = rest[:limit]
            await audit.insert(conn, audit.given(grant), [(one.type, one.id, one.version) for one in versions])
        return History(versions, len(found), len(rest) > len(versions)) if there else None

    async def _left(self, conn: Connection, grant: Grant, statement: str, *values: Any) -> list[Any]:
        """The rows of a statement, of current records those that the token's SMART scopes leave."""
        if grant.caller.limits is None:
            return await conn.fetch(statement, *door(grant), *values)
        asked = (*door(grant), *values)
        narrower, all_values = limits.narrowed(grant, self.unwrapped(grant), statement, ALLOWED, asked)
        return await conn.fetch(narrower, *all_values)

    def opened(self, grant: Grant, rows: Sequence[Any]) -> list[Record]:
        """Rows of a statement above as records. Raises `Stale` when the grant's facts no longer stand."""
        if not rows or not rows[0][0]:
            raise Stale
        keys = self.unwrapped(grant)
        return [self.open_row(keys, row[1:]) for row in rows if row[1] is not None]

    def unwrapped(self, grant: Grant) -> Unwrapped:
        """The service's keys that a grant's rows open with."""
        return Unwrapped(grant, self._wrap)

    def open_row(self, keys: Unwrapped, row: tuple[Any, ...]) -> Record:
        """One row of `OUTER`, unsealed and unpacked."""
        patient, type_, id_, version, labels, dictionary, at, release_at, body = row
        _, packed = parted(dictionary, keys[patient].open(body, bound(patient, type_, id_)))
        raw, splices = split(self._dictionaries.grow(dictionary, packed))
        # Most records have none; an enum is looked up for those that do.
        shown = Label(labels) if labels else NO_LABEL
        return Record(patient, type_, id_, version, shown, at, release_at and moment(release_at), raw, splices)

    def kept(self, key: DataKey, place: bytes, dictionary: int, body: bytes) -> bytes:
        """A body as `codec.with_splices` keeps it, for many that leave as they are; `place` is what it is bound to."""
        return self._dictionaries.grow(dictionary, unvalued(dictionary, key.open(body, place)))


def gathered(records: Sequence[Record]) -> list[tuple[Record, list[Record]]]:
    """Current records in their order, each with its former versions, the newest of those first."""
    found: dict[tuple[int, int, UUID], list[Record]] = {}
    for record in records:
        found.setdefault((record.patient, record.type, record.id), []).append(record)
    every = (sorted(versions, key=lambda one: one.version, reverse=True) for versions in found.values())
    return [(versions[0], versions[1:]) for versions in every]


def _of_those(left: tuple[Limit, ...] | None, records: Sequence[Record]) -> list[Record]:
    """The versions that one of the limits leaves, as they were written; all where there are none."""
    return [one for one in records if left is None or smart.holds(left, index(decode(one.raw)).tokens)]


class Unwrapped:
    """The service's keys about a grant's persons, each made when first needed; `known` is the one about whom it addresses."""

    def __init__(self, grant: Grant, wrap: Wrap, known: DataKey | None = None) -> None:
        self._grant = grant
        self._wrap = wrap
        self._open: dict[int, DataKey] = {grant.subject.patient: known} if known else {}

    def patterns(self, hashes: Sequence[int]) -> list[bytes]:
        """What finds any of these tokens in the rows of any of the persons (`tokens LIKE ANY`)."""
        return [pattern for patient in self._grant.subject.keys for pattern in self[patient].patterns(hashes)]

    def __getitem__(self, patient: int) -> DataKey:
        key = self._open.get(patient)
        if key is None:
            subject = self._grant.subject
            place = subject.keys.index(patient)
            key = self._open[patient] = self._wrap.of_service(subject, self._grant.service, place)
        return key
