"""What became of records, version by version in the order in which they were written, for who goes on from a place
(decision 58).

A place is that of a version among all that was written (`store.places`). Who follows reads below the oldest open transaction,
so nothing comes any more before what was read; what a mark shut is passed over and never made up for, so that neither a gap nor
a place tells of it. As of a history (`store.past`) a version is told where the history of its record by id gives it, and a
deletion where a read by id says 410. What was taken from a wrong person is told as deleted to whom it may have been told before.

What waits for its release is told to whom that makes wait when its time comes: such have their turn before the rest, by
the moment that each was released.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.store.chains import WITHDRAWN_RULE
from kjerne.store.deleted import last_allowed, open_since
from kjerne.store.past import LOOKED_THROUGH, Event, held, leaves_some, left
from kjerne.store.places import FORMER_PLACE, PLACE
from kjerne.store.pool import Connection, moment
from kjerne.store.reading import ALLOWED, ALLOWED_FORMER, ALLOWED_TILL_WITHDRAWN, STAMPED, Reader


class Place(NamedTuple):
    """Where a version stands: transaction, person key, type, record and version."""

    xid: int
    patient: int = -1
    type: int = -1
    id: UUID = UUID(int=0)
    version: int = -1

    @property
    def before(self) -> Place:
        """The last place before this one, of whatever might be there."""
        return self._replace(version=self.version - 1)


FIRST: Final = Place(0)
_BEYOND: Final = Place(2**63 - 1)
"""Behind all that has one moment."""
_FORM: Final = struct.Struct(">Qqh16si")
_MOMENT: Final = struct.Struct(">q")
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
PACKED_BYTES: Final = 2 * (_FORM.size + _MOMENT.size)


class Position(NamedTuple):
    """How far somebody has followed: behind a version, and behind what was released by a moment (and stands before `among` of
    what that moment released). `since` narrows what was written before she began, and is over when she has read all that."""

    place: Place = FIRST
    released: datetime = EARLIEST
    among: Place = _BEYOND
    since: datetime = EARLIEST

    def packed(self) -> bytes:
        """In as many bytes whatever it says: a cursor's length tells nothing."""
        moments = ((one - _1970) // _MICROSECOND for one in (self.released, self.since))
        places = (_FORM.pack(*one[:3], one.id.bytes, one.version) for one in (self.place, self.among))
        return b"".join((*places, *map(_MOMENT.pack, moments)))

    @classmethod
    def unpacked(cls, packed: bytes) -> Position:
        """The reverse; `ValueError` for what is none."""
        if len(packed) != PACKED_BYTES:
            raise ValueError("no position")
        (place, among) = (
            Place(xid, patient, type_, UUID(bytes=id_), version)
            for xid, patient, type_, id_, version in _FORM.iter_unpack(packed[: 2 * _FORM.size])
        )
        released, since = (_1970 + micros * _MICROSECOND for (micros,) in _MOMENT.iter_unpack(packed[2 * _FORM.size :]))
        return cls(place, released, among, since)


_WITNESS: Final = struct.Struct(">qq16s")
WITNESS_BYTES: Final = _WITNESS.size


class Witness(NamedTuple):
    """The row of the log that an answer left. It came after all that the answer's position has passed, so a database without it
    is older than that: a backup was brought back."""

    patient: int
    at: datetime
    number: UUID

    def packed(self) -> bytes:
        """In `WITNESS_BYTES`."""
        return _WITNESS.pack(self.patient, (self.at - _1970) // _MICROSECOND, self.number.bytes)

    @classmethod
    def unpacked(cls, packed: bytes) -> Witness:
        """The reverse; `ValueError` for what is none."""
        if len(packed) != WITNESS_BYTES:
            raise ValueError("no row of the log")
        patient, micros, number = _WITNESS.unpack(packed)
        return cls(patient, _1970 + micros * _MICROSECOND, UUID(bytes=number))

    async def stands(self, conn: Connection) -> bool:
        """Whether the row is there. It answers the program."""
        return bool(await conn.fetchval(_STANDS, *self))


_STANDS: Final = "SELECT EXISTS (SELECT FROM audit WHERE patient = $1 AND at = $2 AND number = $3)"


class Told(NamedTuple):
    """A version that came, or a deletion. Their own order is the order in which they are told: what was `released` first.

    `taken` from a wrong person it has no version of its own: it stands where the last one stood, shut.
    """

    released: datetime
    place: Place
    at: datetime
    gone: bool = False
    taken: bool = False

    @property
    def event(self) -> Event:
        """As a history has it; of no version (0) where none was made."""
        return Event(self.at, self.place.type, self.place.id, 0 if self.taken else self.place.version, self.gone)


class Stretch(NamedTuple):
    """What is asked about: behind a position, up to and with a place, and of releases up to `now`."""

    position: Position
    upto: Place
    now: datetime

    def after(self, told: Sequence[Told], *, all_of_it: bool) -> Position:
        """The position behind what was told of it: `all_of_it`, or as much as a page could hold."""
        if all_of_it:
            return Position(self.upto, self.now)
        last = told[-1]
        if last.released != LATEST:
            return self.position._replace(released=last.released, among=last.place)
        return self.position._replace(place=last.place, released=self.now, among=_BEYOND)


async def upto(conn: Connection) -> Place:
    """The place before which nothing comes any more."""
    return Place(int(await conn.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())")))


def _tuple(first: int) -> str:
    """The parameters of a place."""
    return f"(${first}::xid8, ${first + 1}::bigint, ${first + 2}::smallint, ${first + 3}::uuid, ${first + 4}::integer)"


_E: Final = "(e.place, e.patient, e.type, e.id, e.version)"
_BEHIND: Final = _tuple(7)
_UPTO: Final = _tuple(12)
_AMONG: Final = _tuple(18)[1:]
_TAKEN_AT: Final = f"""(
    SELECT max(a.at) FROM audit a WHERE a.patient = r.patient AND a.at >= r.at AND a.rule = '{WITHDRAWN_RULE}'
      AND a.ids @> ARRAY[r.id])"""
_GONE_FOR_HERE: Final = f"r.labels & {int(Label.WITHDRAWN)} <> 0"

# Clocks differ by less than five minutes, and a deletion that is told in vain hurts less than one that is not told.
# $6 types, $7 to $11 behind this place, $12 to $16 up to and with this one; $17 to $22 behind what was released then, $23 until
# now; $24 written since; $25 whether deletions are told, $26 of after this; $27 at most so many; $28 no moment.
_FOLLOWED: Final = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT r.patient, r.type, r.id, r.version, r.at, r.release_at, {PLACE} AS place FROM record r, s
  WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[])
    AND (r.xid >= $7::xid8 OR ($4 AND r.release_at >= $17::timestamptz))
), e AS (
  SELECT c.*, false AS gone, true AS stands, false AS taken FROM c
  UNION ALL
  SELECT r.patient, r.type, r.id, r.version, r.at, r.release_at, {FORMER_PLACE}, false, false, false
  FROM record_history r JOIN (SELECT type, id FROM c) c USING (type, id) WHERE {ALLOWED_FORMER} AND NOT r.deleted
  UNION ALL
  SELECT d.patient, d.type, d.id, d.version, d.at, NULL, d.xid, true, false, false FROM s, record_history r, record_history d
  WHERE s.ok AND $25::boolean AND r.type = ANY($6::smallint[]) AND d.xid >= $7::xid8 AND {last_allowed("$26")}
  UNION ALL
  SELECT r.patient, r.type, r.id, r.version, coalesce({_TAKEN_AT}, r.at), NULL, {PLACE}, true, false, true FROM record r, s
  WHERE s.ok AND $25::boolean AND {ALLOWED_TILL_WITHDRAWN} AND {_GONE_FOR_HERE} AND r.type = ANY($6::smallint[])
    AND r.xid >= $7::xid8 AND r.at <= $17::timestamptz + interval '5 minutes'
), m AS (
  SELECT e.*, CASE WHEN {_E} > {_BEHIND} THEN $28::timestamptz ELSE e.release_at END AS released FROM e
  WHERE (NOT $4 OR e.release_at IS NULL OR e.release_at <= $23::timestamptz) AND CASE
    WHEN {_E} > {_BEHIND} THEN {_E} <= {_UPTO} AND e.at >= $24::timestamptz
    ELSE $4 AND e.stands AND (e.release_at, e.place, e.patient, e.type, e.id, e.version) > ($17, {_AMONG} END
)
SELECT s.ok, p.* FROM s LEFT JOIN (
  SELECT m.released, m.place, m.patient, m.type, m.id, m.version, m.at, m.gone, m.stands, m.taken FROM m
  ORDER BY m.released, m.place, m.patient, m.type, m.id, m.version LIMIT $27::bigint
) p ON true ORDER BY p.released, p.place, p.patient, p.type, p.id, p.version"""


async def followed(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], stretch: Stretch, limit: int | None
) -> list[Told]:
    """What the grant opens of a stretch, at most so many (None: all), in order. Nothing of it may leave but with what
    `past.opened` gives. Raises `Stale`; `Refusal` 422 where a token's scopes would have too many former versions looked through.

    A token that SMART scopes narrow is told no deletions, as nowhere: what is gone has no search tokens to compare.
    """
    partly, (position, end, now) = leaves_some(grant, types), stretch
    rows = await left(
        conn, grant, reader, _FOLLOWED, list(types), *position.place, *end, position.released, *position.among, now,
        position.since, grant.caller.limits is None, open_since(grant), None if partly else limit, LATEST,
    )  # fmt: skip
    if not rows or not rows[0][0]:
        raise Stale
    found = [(_told(row), bool(row[9])) for row in rows if row[3] is not None]
    if not partly:
        return [one for one, _ in found]
    former = [one.event for one, stands in found if not stands]
    if len(former) > LOOKED_THROUGH:
        says = f"more than {LOOKED_THROUGH} former versions would be looked through for what the token's scopes leave"
        raise Refusal(422, says, code="too-costly", todo="Begin later (_since), or with a token of whole types.")
    open_ = await held(conn, grant, reader, former)
    return [one for one, stands in found if stands or one.event in open_][:limit]


def _told(row: Any) -> Told:
    _, released, xid, patient, type_, id_, version, at, gone, _, taken = tuple(row)
    return Told(moment(released) or LATEST, Place(int(xid), patient, type_, id_, version), at, gone, taken)


_WRITTEN: Final = """
SELECT EXISTS (SELECT FROM record r WHERE r.xid >= $1::xid8 AND r.xid < pg_snapshot_xmin(pg_current_snapshot())
    AND ($2::bigint[] IS NULL OR r.patient = ANY($2)))
  OR EXISTS (SELECT FROM record_history r WHERE r.deleted AND r.xid >= $1::xid8
    AND r.xid < pg_snapshot_xmin(pg_current_snapshot()) AND ($2 IS NULL OR r.patient = ANY($2)))
  OR EXISTS (SELECT FROM record r WHERE r.patient = ANY($2) AND r.release_at > $3::timestamptz
    AND r.release_at <= $4::timestamptz)"""


async def anything(conn: Connection, keys: Collection[int] | None, position: Position, now: datetime) -> bool:
    """Whether anything was done behind a position, to records of these persons (None: of anybody), open or not: whether it is
    worth to ask the law again. It answers the program, and nobody else."""
    at = list(keys) if keys is not None else None
    return bool(await conn.fetchval(_WRITTEN, position.place.xid, at, position.released, now))


class Written(NamedTuple):
    """A version or a deletion, and whose it is (the lowest of her keys): nothing that the law has been asked about."""

    place: Place
    owner: int


def _scanned(place: str, table: str, where: str, direction: str) -> str:
    """What one index has behind one place, up to and with another: first what comes first, or the last (`DESC`)."""
    own = f"{place}, r.patient, r.type, r.id, r.version"
    order = own.replace(",", f"{direction},") + direction
    return (
        f"(SELECT {place} AS place, r.patient, r.type, r.id, r.version FROM {table} r WHERE {where} "
        f"AND {place} >= $1::xid8 AND {place} <= $6::xid8 AND ({own}) > {_FROM} AND ({own}) <= {_TO} "
        f"AND r.type = ANY($11::smallint[]) AND r.at >= $12::timestamptz ORDER BY {order} LIMIT $13::bigint)"
    )


def _scan(direction: str) -> str:
    parts = " UNION ALL ".join(
        _scanned(*one, direction)
        for one in (
            ("r.xid", "record", "r.wrote IS NULL"),
            ("r.wrote", "record", "r.wrote IS NOT NULL"),
            ("r.xid", "record_history", "r.deleted"),
            ("r.stood_xid", "record_history", "r.stood_xid IS NOT NULL AND r.wrote IS NULL"),
            ("r.wrote", "record_history", "r.wrote IS NOT NULL"),
        )
    )
    order = ", ".join(f"e.{one}{direction}" for one in ("place", "patient", "type", "id", "version"))
    whose = "least(h.patient, (SELECT min(one) FROM unnest(h.linked) one))"
    return (
        f"SELECT e.place, e.patient, e.type, e.id, e.version, {whose} FROM ({parts}) e "
        f"JOIN person h ON h.patient = e.patient ORDER BY {order} LIMIT $13"
    )


_FROM: Final = _tuple(1)
_TO: Final = _tuple(6)
_ONWARD: Final = _scan("")
_BACKWARD: Final = _scan(" DESC")


async def written(
    conn: Connection, types: Sequence[int], behind: Place, end: Place, since: datetime, limit: int, *, backward: bool = False
) -> list[Written]:  # fmt: skip
    """What was written of anybody's records behind one place, up to and with another: at most so many, from the first on, or
    `backward` from the last. It answers the program: each is asked of the law."""
    statement = _BACKWARD if backward else _ONWARD
    rows = await conn.fetch(statement, *behind, *end, list(types), since, limit)
    return [Written(Place(int(row[0]), *tuple(row)[1:5]), row[5]) for row in rows]
