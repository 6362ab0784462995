"""What became of a patient's records of some types, version by version over all of them (R4 http.html#history).

In two looks under the same law: first which versions there are and when they came, of which nothing leaves, then those of one
page, with the audit row that names them. So what several services keep can be laid in one order, and each names what left of
its own and nothing else. A version is told here where the history of its record by id would give it to the same caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Pairs, Stale
from kjerne.fhir import smart
from kjerne.fhir.dates import Interval, interval
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import audit, limits
from kjerne.store.deleted import last_allowed, open_since
from kjerne.store.pool import Connection, columns
from kjerne.store.reading import ALLOWED, ALLOWED_FORMER, OUTER, STAMPED, Reader, Record, Span, audited, door

LETTERS: Final = "rs"
"""What a token's SMART scopes must leave of a record: R4 counts the history of a type as a search, and each version is read."""
LOOKED_THROUGH: Final = 2_000
"""Former versions that are opened for a token whose scopes leave only some records: they have no search tokens."""
AT_ONCE: Final = 200


class Event(NamedTuple):
    """A version that came, or a deletion (`gone`). Their own order is that of a history, read from its end."""

    at: datetime
    type: int
    id: UUID
    version: int
    gone: bool = False

    @property
    def place(self) -> list[Any]:
        """What a page link holds of the last event on its page."""
        return [self.at.isoformat(), self.type, str(self.id), self.version]


class Outline(NamedTuple):
    """The newest events behind a place, and how many there are on all pages."""

    events: list[Event]
    total: int


def placed(place: Sequence[Any]) -> Event:
    """The reverse of `Event.place`."""
    at, type_, id_, version = place
    return Event(datetime.fromisoformat(at), int(type_), UUID(id_), int(version))


# $6 types; $7 made since, $8 and $9 current some time in between; $10 deleted after this, $11 whether deletions are told; $12 to
# $15 behind this event; $16 at most so many.
_OUTLINE: Final = f"""
WITH {STAMPED}, c AS MATERIALIZED (
  SELECT r.patient, r.type, r.id, r.version, r.labels, r.at, r.release_at FROM record r, s
  WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[])
), v AS (
  SELECT c.*, false AS deleted, true AS stands FROM c
  UNION ALL
  SELECT r.patient, r.type, r.id, r.version, r.labels, r.at, r.release_at, r.deleted, false
  FROM record_history r JOIN (SELECT type, id FROM c) c USING (type, id) WHERE r.patient = ANY($1::bigint[])
), w AS (
  SELECT v.*, lead(v.at) OVER (PARTITION BY v.type, v.id ORDER BY v.version) AS ended FROM v
), m AS MATERIALIZED (
  SELECT r.at, r.type, r.id, r.version, false AS gone, r.stands FROM w r
  WHERE NOT r.deleted AND {ALLOWED_FORMER} AND r.at >= $7 AND r.at < $9 AND (r.ended IS NULL OR r.ended > $8)
  UNION ALL
  SELECT d.at, d.type, d.id, d.version, true, false FROM s, record_history r, record_history d
  WHERE s.ok AND $11 AND r.type = ANY($6::smallint[]) AND {last_allowed("$10")} AND d.at >= greatest($7, $8) AND d.at < $9
)
SELECT s.ok, (SELECT count(*) FROM m), p.* FROM s LEFT JOIN (
  SELECT m.* FROM m
  WHERE $12::timestamptz IS NULL OR (m.at, m.type, m.id, m.version) < ($12, $13::smallint, $14::uuid, $15::integer)
  ORDER BY m.at DESC, m.type DESC, m.id DESC, m.version DESC LIMIT $16::bigint
) p ON true ORDER BY p.at DESC, p.type DESC, p.id DESC, p.version DESC"""

_NAMED: Final = f"""
WITH {STAMPED}, n AS MATERIALIZED (
  SELECT * FROM unnest($6::smallint[], $7::uuid[], $8::integer[]) AS n(type, id, version)
), c AS MATERIALIZED (
  SELECT r.type, r.id FROM record r, s WHERE s.ok AND {ALLOWED} AND r.type = ANY($6::smallint[]) AND r.id = ANY($7::uuid[])
), r AS MATERIALIZED (
  SELECT {OUTER} FROM record r JOIN n USING (type, id, version) JOIN c USING (type, id) WHERE r.patient = ANY($1::bigint[])
  UNION ALL
  SELECT {OUTER} FROM record_history r JOIN n USING (type, id, version) JOIN c USING (type, id)
  WHERE {ALLOWED_FORMER} AND NOT r.deleted
)"""
_SHOWN: Final = "SELECT s.ok, r.* FROM s LEFT JOIN r ON true"
_OPENED: Final = f"{_NAMED}, {audited('r', 9)} {_SHOWN}"
_LOOKED_AT: Final = f"{_NAMED} {_SHOWN}"


async def outline(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], span: Span, behind: Event | None, limit: int
) -> Outline:
    """Which versions of records of these types the grant opens, and which of them were deleted: at most so many, the newest
    first. Nothing of it may leave but with what `opened` gives. Raises `Stale`.

    A deletion is told where a read by id tells it (410), and the patient has shut nothing from the caller since; with a time,
    where it came in that time.
    """
    last = behind[:4] if behind else (None, None, None, None)
    tells, partly = grant.caller.limits is None, leaves_some(grant, types)
    rows = await left(
        conn, grant, reader, _OUTLINE, list(types), span.since, span.first, span.last, open_since(grant), tells,
        *((None,) * 4 if partly else last), None if partly else limit,
    )  # fmt: skip
    if not rows or not rows[0][0]:
        raise Stale
    found = [(Event(*tuple(row)[2:7]), bool(row[7])) for row in rows if row[2] is not None]
    if not partly:
        return Outline([event for event, _ in found], rows[0][1])
    former = [event for event, stands in found if not stands]
    if len(former) > LOOKED_THROUGH:
        says = f"more than {LOOKED_THROUGH} former versions would be looked through for what the token's scopes leave"
        raise Refusal(422, says, code="too-costly", todo="Ask by _since, or for the history of one record.")
    open_ = await held(conn, grant, reader, former)
    kept = [event for event, stands in found if stands or event in open_]
    return Outline([event for event in kept if behind is None or event < behind][:limit], len(kept))


async def opened(
    conn: Connection, grant: Grant, reader: Reader, events: Sequence[Event], row: Sequence[Any] = ()
) -> list[Record]:
    """The versions that these events made, those that the grant still opens, with the audit row (`row`, for who wants to know
    it; without its records, as `audit.given` makes it). Raises `Stale`."""
    named = columns([event[1:4] for event in events if not event.gone], 3)
    return reader.opened(grant, await left(conn, grant, reader, _OPENED, *named, *(row or audit.given(grant))))


async def held(conn: Connection, grant: Grant, reader: Reader, former: Sequence[Event]) -> set[Event]:
    """Those of former versions that the token's scopes leave, as they were written."""
    found = set[Event]()
    for place in range(0, len(former), AT_ONCE):
        some = {event[1:4]: event for event in former[place : place + AT_ONCE]}
        rows = await left(conn, grant, reader, _LOOKED_AT, *columns([*some], 3))
        for record in reader.opened(grant, rows):
            name, tokens = type_name(record.type), index(decode(record.raw)).tokens
            if all(smart.holds(smart.left(grant.caller, name, letter), tokens) for letter in LETTERS):
                found.add(some[record.type, record.id, record.version])
    return found


def leaves_some(grant: Grant, types: Sequence[int]) -> bool:
    """Whether the token's scopes leave records of these types by what they say, and not whole types or none."""
    return any(smart.left(grant.caller, type_name(type_), letter) for type_ in types for letter in LETTERS)


async def left(conn: Connection, grant: Grant, reader: Reader, statement: str, *values: Any) -> list[Any]:
    """The rows of a statement, of those records whose current version the token's scopes leave."""
    asked = (*door(grant), *values)
    if grant.caller.limits is None:
        return await conn.fetch(statement, *asked)
    narrower, all_values = limits.narrowed(grant, reader.unwrapped(grant), statement, ALLOWED, asked, LETTERS)
    return await conn.fetch(narrower, *all_values)


def span_of(pairs: Pairs) -> Span:
    """What `_since` and `_at` ask for; `Refusal` 400 for what is no time."""
    span = Span()
    if since := _period(pairs, "_since"):
        span = span._replace(since=since[0])
    if at := _period(pairs, "_at"):
        span = span._replace(first=at[0], last=at[1])
    return span


def _period(pairs: Pairs, name: str) -> Interval | None:
    texts = [value for key, value in pairs if key == name]
    try:
        found = [interval(text) for text in texts]
    except ValueError:
        raise Refusal(400, f"{name} is a date or an instant", where=name) from None
    if len(found) > 1:
        raise Refusal(400, f"{name} may stand only once", where=name)
    return found[0] if found else None
