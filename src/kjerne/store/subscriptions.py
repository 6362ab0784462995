"""Subscriptions, what is to be told each of them, and what each was told.

A write does nothing for them: what is new, version by version, is read from the records and their history behind the oldest open
transaction (as `store.feed`), so none is passed over, and noted in the statement that moves the position, so none is noted
twice. Who delivers takes a subscription for a while (`claim`) and holds no transaction while it sends; what a crash leaves
undone is taken up when the while is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Label
from kjerne.fhir.dates import LATEST
from kjerne.store.pool import Connection, columns, moment

ROWS_AT_ONCE: Final = 5_000
LEASE: Final = timedelta(minutes=2)
"""How long whoever has taken a subscription may be at it: well beyond what a receiver may take."""
LATE: Final = timedelta(minutes=5)
"""How much older than the last reading a record's own time may be. A mark that is put on it or taken off is no news, and
leaves its time as it was; but of what is taken from a wrong person, which is told as deleted. What was looked at while a mark
of the patient's shut it, and has lost that since, is no news however new it is: that would tell that it was shut."""
KEPT: Final = timedelta(days=30)
"""How long what was told stands, what one token did not open waits for another, and what is new is noted for a subscription
that is off after errors."""

COLUMNS: Final = (
    "patient, id, owner, service, types, channel, state, collects, version, made_at, changed_at, ends_at, told, events, sent, "
    "failures, failing_since, fault, woken, beat_at, bound, leased_until, begun"
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One row. `told` is sealed (`services.subscriptions`)."""

    patient: int
    id: UUID
    owner: bytes
    service: str
    types: tuple[int, ...]
    channel: str
    state: str
    collects: bool
    version: int
    made_at: datetime
    changed_at: datetime
    ends_at: datetime | None
    told: bytes = field(repr=False)
    events: int = 0
    sent: int = 0
    failures: int = 0
    failing_since: datetime | None = None
    fault: str = ""
    woken: int = 0
    beat_at: datetime | None = None
    bound: UUID | None = None
    """The socket that it is told over (`store.sockets`)."""
    leased_until: datetime | None = None
    """Of one that was claimed, the claim that it was taken by: what becomes of it is written by that alone."""
    begun: bool = False
    """Whether it has been active since its owner wrote it, or had it begin anew."""

    @property
    def shown(self) -> str:
        """The state that its owner is told: a new socket, which gets a handshake first, does not change it."""
        return "active" if self.state == "requested" and self.begun else self.state


class Due(NamedTuple):
    """A version that is new, not yet weighed; `deleted` too where it was taken from a wrong person."""

    subscription: UUID
    type: int
    record: UUID
    version: int
    deleted: bool

    @property
    def named(self) -> tuple[int, UUID, int]:
        return self.type, self.record, self.version


class Event(NamedTuple):
    """Something that the law let be told, by the number that it has in its subscription."""

    subscription: UUID
    number: int
    at: datetime
    type: int
    record: UUID
    version: int
    deleted: bool

    @property
    def named(self) -> tuple[int, UUID, int]:
        return self.type, self.record, self.version


class Outcome(NamedTuple):
    """What came of a turn: how far its events were taken, the state then, and when there is something to do again."""

    subscription: Subscription
    sent: int
    state: str
    failures: int
    failing_since: datetime | None
    fault: str
    collects: bool
    beat_at: datetime | None
    work_at: datetime | None
    """None: when something new is noted."""


def made(row: Any) -> Subscription:
    """From a row of `COLUMNS`."""
    values = dict(row)
    for name in ("ends_at", "beat_at"):
        at: datetime | None = moment(values[name])
        values[name] = None if at is None or at.year == LATEST.year else at
    return Subscription(**values | {"types": tuple(values["types"])})


_ADD: Final = """
INSERT INTO subscription
  (patient, id, owner, service, types, channel, state, version, made_at, changed_at, ends_at, told, work_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, coalesce($9, 'infinity'::timestamptz), $10,
  CASE WHEN $6 = 'websocket' THEN 'infinity' ELSE $8::timestamptz END)"""
_CHANGE: Final = """
UPDATE subscription SET types = $3, channel = $4, state = $5, collects = $6, version = version + 1, changed_at = $7,
  ends_at = coalesce($8, 'infinity'::timestamptz), told = $9, failures = 0, failing_since = NULL, fault = '',
  work_at = CASE WHEN $4 = 'websocket' THEN 'infinity' ELSE $7::timestamptz END, bound = NULL, bound_until = $7,
  woken = woken + 1, begun = false
WHERE patient = $1 AND id = $2 AND version = $10 RETURNING version"""


async def add(conn: Connection, one: Subscription) -> None:
    await conn.execute(
        _ADD, one.patient, one.id, one.owner, one.service, list(one.types), one.channel, one.state, one.made_at, one.ends_at,
        one.told,
    )  # fmt: skip


async def change(conn: Connection, one: Subscription, expected: int, at: datetime) -> bool:
    """Puts what it says now in the place of what it said in version `expected`; false where that is not the current one."""
    return bool(
        await conn.fetchval(
            _CHANGE, one.patient, one.id, list(one.types), one.channel, one.state, one.collects, at, one.ends_at, one.told,
            expected,
        )
    )  # fmt: skip


async def remove(conn: Connection, patient: int, id_: UUID) -> None:
    """With all that it was told and was to be told; in the caller's transaction."""
    await conn.execute("DELETE FROM subscription_due WHERE patient = $1 AND subscription = $2", patient, id_)
    await conn.execute("DELETE FROM subscription_event WHERE patient = $1 AND subscription = $2", patient, id_)
    await conn.execute("DELETE FROM subscription WHERE patient = $1 AND id = $2", patient, id_)


async def one(conn: Connection, owner: bytes, patient: int, id_: UUID) -> Subscription | None:
    """That of an owner; anybody else's is not there."""
    row = await conn.fetchrow(
        f"SELECT {COLUMNS} FROM subscription WHERE patient = $1 AND id = $2 AND owner = $3", patient, id_, owner
    )
    return made(row) if row else None


async def of_owner(conn: Connection, owner: bytes, limit: int) -> list[Subscription]:
    """The newest of an owner's."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM subscription WHERE owner = $1 ORDER BY made_at DESC, id LIMIT $2", owner, limit
    )
    return [made(row) for row in rows]


_FAILING: Final = f"""
SELECT {COLUMNS} FROM subscription WHERE failing_since IS NOT NULL AND (failing_since, id) > ($1, $2)
ORDER BY failing_since, id LIMIT $3"""
_BEGIN: Final = """
UPDATE subscription SET state = 'requested', collects = true, failures = 0, failing_since = NULL, fault = '', changed_at = $3,
  work_at = $3, woken = woken + 1, begun = false
WHERE patient = $1 AND id = $2 AND failing_since IS NOT NULL AND ends_at > $3
  AND (leased_until IS NULL OR leased_until <= $3) RETURNING id"""


async def failing(conn: Connection, after: tuple[datetime, UUID], limit: int) -> list[Subscription]:
    """Those of all owners whose messages are not taken, or that are off for it, the longest first, behind a place."""
    return [made(row) for row in await conn.fetch(_FAILING, *after, limit)]


async def begin(conn: Connection, patient: int, id_: UUID, now: datetime) -> bool:
    """Has one of them begin anew; false where it is none, or a message of it is on its way."""
    return await conn.fetchval(_BEGIN, patient, id_, now) is not None


# The place is asked for by sub-selects, so that the index on xid is read from there: joined, it is a filter over all that was
# ever written.
_SINCE: Final = """r.xid >= (SELECT xid FROM p) AND r.xid < pg_snapshot_xmin(pg_current_snapshot())
       AND (r.xid, r.patient, r.type, r.id) > (SELECT xid, patient, type, id FROM p)"""
# A version that was followed by another before it was looked at lies in history, with the place that it had until then. What one
# transaction wrote of a record is looked at together.
_FORMER_SINCE: Final = _SINCE.replace("r.xid", "r.stood_xid")
_DERIVE: Final = f"""
WITH p AS MATERIALIZED (SELECT * FROM subscription_position FOR UPDATE),
scanned AS MATERIALIZED (
  SELECT * FROM (
    (SELECT r.xid, r.patient, r.type, r.id, r.version, r.at, false AS deleted,
       r.labels & {int(Label.WITHDRAWN)} <> 0 AS withdrawn, r.unmarked = r.xid AS unmarked FROM record r
     WHERE {_SINCE}
     ORDER BY r.xid, r.patient, r.type, r.id FETCH FIRST ($1::bigint) ROWS WITH TIES)
    UNION ALL
    (SELECT r.xid, r.patient, r.type, r.id, r.version, r.at, true, false, false FROM record_history r
     WHERE r.deleted AND {_SINCE}
     ORDER BY r.xid, r.patient, r.type, r.id FETCH FIRST ($1::bigint) ROWS WITH TIES)
    UNION ALL
    (SELECT r.stood_xid, r.patient, r.type, r.id, r.version, r.at, false, false, r.unmarked = r.stood_xid FROM record_history r
     WHERE {_FORMER_SINCE}
     ORDER BY r.stood_xid, r.patient, r.type, r.id FETCH FIRST ($1::bigint) ROWS WITH TIES)
  ) changed ORDER BY xid, patient, type, id FETCH FIRST ($1::bigint) ROWS WITH TIES
), made AS (
  INSERT INTO subscription_due (patient, subscription, type, record, version, deleted)
  SELECT patient, subscription, type, record, version, gone FROM (
    SELECT DISTINCT ON (s.patient, s.id, c.type, c.id, c.version) s.patient, s.id AS subscription, c.type, c.id AS record,
      c.version, c.deleted OR c.withdrawn AS gone, c.xid
    FROM p, scanned c JOIN person h ON h.patient = c.patient
    JOIN subscription s ON (s.patient = h.patient OR s.patient = ANY(h.linked)) AND c.type = ANY(s.types) AND s.collects
    WHERE c.withdrawn OR c.at >= s.made_at AND c.at >= p.read_at - $3::interval AND (c.unmarked AND c.at <= p.read_at) IS NOT TRUE
    ORDER BY s.patient, s.id, c.type, c.id, c.version, c.xid DESC
  ) each ORDER BY xid, type, record, version
  ON CONFLICT (patient, subscription, type, record, version) DO UPDATE SET deleted = excluded.deleted, aside_at = NULL
  RETURNING patient, subscription
), woken AS (
  UPDATE subscription s SET woken = woken + 1,
    work_at = CASE WHEN s.failures = 0 AND s.state <> 'off' AND (s.channel <> 'websocket' OR s.bound IS NOT NULL) THEN $2
      ELSE s.work_at END
  FROM (SELECT DISTINCT patient, subscription FROM made) m WHERE s.patient = m.patient AND s.id = m.subscription
), last AS (SELECT xid, patient, type, id FROM scanned ORDER BY xid DESC, patient DESC, type DESC, id DESC LIMIT 1),
moved AS (
  UPDATE subscription_position t
  SET xid = last.xid, patient = last.patient, type = last.type, id = last.id,
    read_at = CASE WHEN (SELECT count(*) FROM scanned) < $1 THEN $2 ELSE t.read_at END FROM last
)
SELECT count(*) FROM scanned"""


async def derive(conn: Connection, now: datetime) -> int:
    """Notes what is new since the last reading for whom it may concern; how many changes were looked at."""
    return int(await conn.fetchval(_DERIVE, ROWS_AT_ONCE, now, LATE))


_LOOK: Final = f"""
WITH p AS MATERIALIZED (SELECT * FROM subscription_position)
SELECT EXISTS (SELECT FROM subscription WHERE collects) AND (EXISTS (SELECT FROM record r WHERE {_SINCE})
    OR EXISTS (SELECT FROM record_history r WHERE r.deleted AND {_SINCE})),
  EXISTS (SELECT FROM subscription WHERE work_at <= $1 AND channel = $2 AND (leased_until IS NULL OR leased_until <= $1)),
  p.read_at < $1::timestamptz - $3::interval
FROM p"""
# Where nobody is to be told, what came until now is passed over: a subscription tells of what comes after it.
_QUIET: Final = """
UPDATE subscription_position p SET read_at = $1, (xid, patient, type, id) = (
  SELECT CASE WHEN o THEN pg_snapshot_xmin(pg_current_snapshot()) ELSE p.xid END, CASE WHEN o THEN -1 ELSE p.patient END,
    CASE WHEN o THEN -1 ELSE p.type END, CASE WHEN o THEN '00000000-0000-0000-0000-000000000000' ELSE p.id END
  FROM (SELECT NOT EXISTS (SELECT FROM subscription WHERE collects) AS o) nobody)"""
QUIET: Final = timedelta(minutes=1)


async def look(conn: Connection, channel: str, now: datetime) -> tuple[bool, bool]:
    """Whether anything has changed since the last reading that somebody may be told, and whether anybody is to be told something.
    Where not, no more is written than once a minute that it was looked."""
    new, due, long_ago = (await conn.fetch(_LOOK, now, channel, QUIET))[0]
    if long_ago and not new:
        await conn.execute(_QUIET, now)
    return new, due


_OF_S: Final = ", ".join(f"s.{name}" for name in COLUMNS.split(", "))
_CLAIM: Final = f"""
WITH due AS (
  SELECT patient, id FROM subscription
  WHERE work_at <= $1 AND channel = $2 AND (leased_until IS NULL OR leased_until <= $1)
  ORDER BY work_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE subscription s SET leased_until = $4 FROM due WHERE s.patient = due.patient AND s.id = due.id
RETURNING {_OF_S}"""


async def claim(conn: Connection, channel: str, now: datetime, limit: int) -> list[Subscription]:
    """Those that have something to do, taken for `LEASE`; others pass them by."""
    return [made(row) for row in await conn.fetch(_CLAIM, now, channel, limit, now + LEASE)]


_PENDING: Final = """
SELECT d.subscription, d.type, d.record, d.version, d.deleted FROM unnest($2::uuid[]) AS n(id), LATERAL (
  SELECT * FROM subscription_due d WHERE d.patient = $1 AND d.subscription = n.id AND d.aside_at IS NULL
  ORDER BY d.place LIMIT $3
) d"""
_UNSENT: Final = """
SELECT e.subscription, e.number, e.at, e.type, e.record, e.version, e.deleted
FROM unnest($2::uuid[], $3::bigint[]) AS n(id, sent), LATERAL (
  SELECT * FROM subscription_event e WHERE e.patient = $1 AND e.subscription = n.id AND e.number > n.sent
  ORDER BY e.number LIMIT $4
) e ORDER BY e.number"""


async def pending(conn: Connection, patient: int, ids: Sequence[UUID], limit: int) -> list[Due]:
    """What is not yet weighed, the oldest first, at most so much of each; held until the transaction ends."""
    rows = await conn.fetch(_PENDING, patient, list(ids), limit)
    return [Due(*tuple(row)) for row in rows]


async def unsent(conn: Connection, patient: int, after: Sequence[tuple[UUID, int]], limit: int) -> list[Event]:
    """Of each its events behind a number, in order, at most so many."""
    rows = await conn.fetch(_UNSENT, patient, *columns(after, 2), limit)
    return [Event(*tuple(row)) for row in rows]


_BETWEEN: Final = """
SELECT subscription, number, at, type, record, version, deleted FROM subscription_event
WHERE patient = $1 AND subscription = $2 AND number >= $3 AND number <= $4 ORDER BY number LIMIT $5"""


async def between(conn: Connection, one: Subscription, first: int, last: int, limit: int) -> list[Event]:
    """The events of a subscription from one number to another."""
    rows = await conn.fetch(_BETWEEN, one.patient, one.id, first, last, limit)
    return [Event(*tuple(row)) for row in rows]


_SETTLED: Final = """
DELETE FROM subscription_due d USING unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::integer[], $6::boolean[])
  AS n(subscription, type, record, version, deleted)
WHERE d.patient = $1 AND d.subscription = n.subscription AND d.type = n.type AND d.record = n.record AND d.version = n.version
  AND d.deleted = n.deleted"""
_NUMBERED: Final = """
INSERT INTO subscription_event (patient, subscription, number, at, type, record, version, deleted)
SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::smallint[], $6::uuid[], $7::integer[], $8::boolean[])"""
_COUNTED: Final = """
UPDATE subscription s SET events = n.events FROM unnest($2::uuid[], $3::bigint[]) AS n(id, events)
WHERE s.patient = $1 AND s.id = n.id"""


async def number(conn: Connection, patient: int, weighed: Sequence[Due], events: Sequence[Event]) -> None:
    """Keeps the events that came of what was weighed; the rest of that is forgotten. In the caller's transaction."""
    if weighed:
        await conn.execute(_SETTLED, patient, *columns(weighed, 5))
    if events:
        await conn.execute(_NUMBERED, patient, *columns(events, 7))
        reached = {one.subscription: one.number for one in events}
        await conn.execute(_COUNTED, patient, list(reached), list(reached.values()))


_SET_ASIDE: Final = """
UPDATE subscription_due d SET aside_at = $6
FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::integer[]) AS n(subscription, type, record, version)
WHERE d.patient = $1 AND d.subscription = n.subscription AND d.type = n.type AND d.record = n.record AND d.version = n.version"""
_WAITING: Final = """
SELECT DISTINCT d.subscription, d.type, d.record
FROM unnest($2::uuid[], $3::smallint[], $4::uuid[]) AS n(subscription, type, record)
JOIN subscription_due d ON d.patient = $1 AND d.subscription = n.subscription AND d.type = n.type AND d.record = n.record
  AND d.aside_at IS NOT NULL"""


async def set_aside(conn: Connection, patient: int, dues: Iterable[Due], now: datetime) -> None:
    """Keeps what the token of this socket does not open until another binds one (`sockets.bind`), for at most `KEPT`. In the
    caller's transaction."""
    if rows := [one[:4] for one in dues]:
        await conn.execute(_SET_ASIDE, patient, *columns(rows, 4), now)


async def waiting(conn: Connection, patient: int, dues: Sequence[Due]) -> set[tuple[UUID, int, UUID]]:
    """Subscription, type and record of those of which something is set aside."""
    rows = await conn.fetch(_WAITING, patient, *columns([one[:3] for one in dues], 3))
    return {(row[0], row[1], row[2]) for row in rows}


_TOLD_OF: Final = """
SELECT e.subscription, e.type, e.record, max(ARRAY[e.version, e.deleted::integer])
FROM unnest($2::uuid[], $3::smallint[], $4::uuid[]) AS n(subscription, type, record)
JOIN subscription_event e ON e.patient = $1 AND e.subscription = n.subscription AND e.type = n.type AND e.record = n.record
GROUP BY 1, 2, 3"""


async def told_of(
    conn: Connection, patient: int, dues: Sequence[Due]
) -> dict[tuple[UUID, int, UUID], tuple[int, bool]]:
    """Subscription, type and record -> the newest version that the subscription has an event of, and whether it is gone: what is
    taken from a wrong person has no version for that."""
    rows = await conn.fetch(_TOLD_OF, patient, *columns([one[:3] for one in dues], 3)) if dues else ()
    return {(row[0], row[1], row[2]): (row[3][0], bool(row[3][1])) for row in rows}


# Something may have been noted since it was taken: `woken` says so, and is read behind any change in work.
_SETTLE: Final = """
UPDATE subscription s SET sent = greatest(s.sent, n.sent), state = n.state, failures = n.failures,
  failing_since = n.failing_since, fault = n.fault, collects = n.collects, beat_at = n.beat_at, leased_until = NULL,
  begun = s.begun OR n.state = 'active', changed_at = CASE WHEN s.state = n.state THEN s.changed_at ELSE $1 END,
  work_at = CASE WHEN n.failures = 0 AND n.state <> 'off' AND (s.woken <> n.woken OR s.events > greatest(s.sent, n.sent)) THEN $1
    ELSE n.work_at END
FROM unnest($2::bigint[], $3::uuid[], $4::bigint[], $5::text[], $6::integer[], $7::timestamptz[], $8::text[], $9::boolean[],
  $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::integer[], $14::timestamptz[])
  AS n(patient, id, sent, state, failures, failing_since, fault, collects, beat_at, work_at, woken, version, leased)
WHERE s.patient = n.patient AND s.id = n.id AND s.version = n.version AND s.leased_until = n.leased RETURNING s.id"""
_RELEASE: Final = """
UPDATE subscription s SET leased_until = NULL FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[]) AS n(patient, id, leased)
WHERE s.patient = n.patient AND s.id = n.id AND s.leased_until = n.leased"""


async def settle(conn: Connection, outcomes: Iterable[Outcome], now: datetime) -> None:
    """Writes what came of some turns. One that its owner has changed meanwhile is left as she changed it, and begun anew;
    so is one that was claimed anew meanwhile, or has been bound to another socket, or to none."""
    rows = [
        (
            one.subscription.patient, one.subscription.id, one.sent, one.state, one.failures, one.failing_since, one.fault,
            one.collects, one.beat_at or LATEST, one.work_at or LATEST, one.subscription.woken, one.subscription.version,
            one.subscription.leased_until,
        )
        for one in outcomes
    ]  # fmt: skip
    if rows:
        settled = {row[0] for row in await conn.fetch(_SETTLE, now, *columns(rows, 13))}
        if left := [(*row[:2], row[12]) for row in rows if row[1] not in settled]:
            await conn.execute(_RELEASE, *columns(left, 3))


_SWEEP_OFF: Final = """
UPDATE subscription SET collects = false WHERE state = 'off' AND collects AND changed_at < $1"""
_SWEEP_DUE: Final = """
DELETE FROM subscription_due d USING subscription s
WHERE s.patient = d.patient AND s.id = d.subscription AND NOT s.collects"""
_SWEEP_ASIDE: Final = "DELETE FROM subscription_due WHERE aside_at < $1"
_SWEEP_EVENTS: Final = "DELETE FROM subscription_event WHERE at < $1"


async def sweep(conn: Connection, now: datetime) -> None:
    """Forgets what was told long ago, and what nobody has come back for."""
    async with conn.transaction():
        await conn.execute(_SWEEP_OFF, now - KEPT)
        await conn.execute(_SWEEP_DUE)
        await conn.execute(_SWEEP_ASIDE, now - KEPT)
        await conn.execute(_SWEEP_EVENTS, now - KEPT)
