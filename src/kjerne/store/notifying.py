"""Being told when somebody has looked: the profile, and the messages that are made from the log.

The log is read below its oldest open transaction (as `store.feed`), so no look is passed over, and each message has a key
of its own, so none is made twice. An address lies under the patient's data key and is opened when a message is sent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kjerne.access import Grant
from kjerne.store.codec import PersonWrap
from kjerne.store.pool import Connection

LOOKS: Final = ("read", "search", "history", "examine")
"""What counts as having looked, where something was given."""
LATEST: Final = timedelta(days=3)
"""A look that is older when the log is read is told on the page alone: the program stood still, and news it is not."""
ROWS_AT_ONCE: Final = 10_000
_BOUND: Final = b"notify-address"


@dataclass(frozen=True, slots=True)
class Profile:
    """What somebody has chosen about one record: her own, or her child's. `address` is empty where it was given under another
    number than she is logged in with."""

    how: str
    channel: str
    address: str = field(repr=False)
    language: str
    since: datetime
    last_sent: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message to be sent now; `profile` is what it is sent by, still sealed."""

    patient: int
    owner: int
    key: str
    made_at: datetime
    tries: int
    digest: bytes
    channel: str
    address: bytes = field(repr=False)
    language: str


# Another of her numbers, or another of her child's, put it aside: for as long as the two are linked.
_IN_FORCE: Final = """
NOT EXISTS (SELECT FROM person ap, person ao WHERE ap.patient = o.patient AND ao.patient = o.owner
  AND (o.aside_patient = ap.patient OR o.aside_patient = ANY(ap.linked))
  AND (o.aside_owner = ao.patient OR o.aside_owner = ANY(ao.linked)))"""
_OF_GROUP: Final = """
o.patient = ANY($1::bigint[])
AND (o.owner = $2 OR o.owner IN (SELECT unnest(linked) FROM person WHERE patient = $2))"""


async def profile(conn: Connection, grant: Grant, wrap: PersonWrap) -> Profile | None:
    """The caller's own about this patient, under whichever of her numbers she chose it; the one of this number first.

    The address is told where it was given under the number that she is logged in with.
    """
    key = grant.subject.caller_key or 0
    row = await conn.fetchrow(
        "SELECT o.patient, o.owner, how, channel, address, language, since, (SELECT max(sent_at) FROM notify_outbox t "
        f"WHERE t.patient = o.patient AND t.owner = o.owner) FROM notify_profile o WHERE {_OF_GROUP} AND {_IN_FORCE} "
        "ORDER BY o.owner = $2 DESC, since DESC LIMIT 1",
        list(grant.subject.keys), key,
    )  # fmt: skip
    if row is None:
        return None
    patient, owner, how, channel, sealed, language, since, last = row
    wrapped = dict(zip(grant.subject.keys, grant.subject.wrapped, strict=True))[patient]
    address = opened(wrap, patient, owner, wrapped, sealed) if owner == key else ""
    return Profile(how, channel, address, language, since, last)


def opened(wrap: PersonWrap, patient: int, owner: int, wrapped: bytes, sealed: bytes) -> str:
    """An address from its row."""
    return wrap.unwrap(patient, wrapped).open(sealed, _place(patient, owner)).decode()


def _place(patient: int, owner: int) -> bytes:
    return _BOUND + patient.to_bytes(8, "big") + owner.to_bytes(8, "big")


async def choose(conn: Connection, grant: Grant, wrap: PersonWrap, chosen: Profile) -> None:
    """Puts a profile in force, in the caller's transaction. What waits is sent by the new one; a look in the moment of the
    change is told as well, so it counts from when she was told first.

    One that was made under another of her numbers is put aside and not overwritten: a link may be wrong.
    """
    patient, owner = grant.subject.patient, grant.subject.caller_key or 0
    group = list(grant.subject.keys), owner
    since = await conn.fetchval(f"SELECT min(since) FROM notify_profile o WHERE {_OF_GROUP} AND {_IN_FORCE}", *group)
    sealed = wrap.unwrap(patient, grant.subject.wrapped[0]).seal(chosen.address.encode(), _place(patient, owner))
    await conn.execute(_PUT_ASIDE, *group, patient)
    await conn.execute(
        "INSERT INTO notify_profile (patient, owner, digest, how, channel, address, language, since) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (patient, owner) DO UPDATE SET digest = excluded.digest, "
        "how = excluded.how, channel = excluded.channel, address = excluded.address, language = excluded.language, "
        "since = excluded.since, aside_patient = NULL, aside_owner = NULL",
        patient, owner, grant.caller.digest, chosen.how, chosen.channel, sealed, chosen.language, since or chosen.since,
    )  # fmt: skip
    await conn.execute(_SENT_BY_THE_NEW, *group, patient)


_PUT_ASIDE: Final = f"""
UPDATE notify_profile o SET aside_patient = $3, aside_owner = $2
WHERE {_OF_GROUP} AND (o.patient, o.owner) <> ($3::bigint, $2::bigint)"""
_SENT_BY_THE_NEW: Final = f"""
WITH gone AS (
  DELETE FROM notify_outbox o WHERE {_OF_GROUP} AND (o.patient, o.owner) <> ($3::bigint, $2::bigint)
  AND sent_at IS NULL AND given_up_at IS NULL RETURNING *)
INSERT INTO notify_outbox (patient, owner, key, made_at, due_at, tries)
SELECT DISTINCT ON (key) $3, $2, key, made_at, due_at, tries FROM gone ON CONFLICT DO NOTHING"""


async def stop(conn: Connection, grant: Grant) -> None:
    """Takes the profile and its address away, and every message that waits, in the caller's transaction; what she chose under
    another of her numbers is put aside for as long as the numbers are linked."""
    patient, owner = grant.subject.patient, grant.subject.caller_key or 0
    group = list(grant.subject.keys), owner
    await conn.execute("DELETE FROM notify_profile WHERE patient = $1 AND owner = $2", patient, owner)
    await conn.execute(_PUT_ASIDE, *group, patient)
    await conn.execute(f"DELETE FROM notify_outbox o WHERE {_OF_GROUP} AND sent_at IS NULL", *group)


_FORGET: Final = """
WITH none_left AS MATERIALIZED (
  SELECT h.patient FROM person h WHERE h.patient = ANY($1::bigint[]) AND NOT EXISTS (
    SELECT FROM unnest($2::text[]) AS s(service) WHERE NOT EXISTS (
      SELECT FROM destroyed_key d JOIN privacy_choice c ON c.number = d.choice AND c.kind = 'opt-out'
      WHERE d.patient = h.patient AND d.service = s.service AND (c.patient = h.patient OR c.patient = ANY(h.linked))
        AND (c.ended_at IS NULL OR c.ended_at > $3)))
), gone AS (
  DELETE FROM notify_profile p USING none_left n WHERE p.patient = n.patient
)
DELETE FROM notify_outbox o USING none_left n WHERE o.patient = n.patient"""


async def forget(conn: Connection, patients: Collection[int], services: Collection[str], now: datetime) -> None:
    """Takes away what these are told by, where every service is deleted after an opt-out that holds: being told is of no one
    service, and goes with the last of them. In the transaction that deletes."""
    await conn.execute(_FORGET, list(patients), list(services), now)


# One message for each who looked and each hour, and at once where it was an emergency or specially marked whatever is
# chosen; else one for the day, sent the next morning in Norway.
_DERIVE: Final = f"""
WITH p AS MATERIALIZED (SELECT xid, number FROM notify_position FOR UPDATE),
scanned AS MATERIALIZED (
  SELECT a.* FROM audit a WHERE a.xid >= (SELECT xid FROM p) AND a.xid < pg_snapshot_xmin(pg_current_snapshot())
  AND (a.xid, a.number) > (SELECT xid, number FROM p) ORDER BY a.xid, a.number LIMIT $1
), made AS (
  INSERT INTO notify_outbox (patient, owner, key, made_at, due_at)
  SELECT DISTINCT ON (o.patient, o.owner, w.key) o.patient, o.owner, w.key, $2::timestamptz, w.due
  FROM scanned a JOIN person h ON h.patient = a.patient
  JOIN notify_profile o ON (o.patient = a.patient OR o.patient = ANY(h.linked)) AND {_IN_FORCE}
  CROSS JOIN LATERAL (SELECT o.how = 'at-once' OR a.rule = ANY($4::text[]) OR a.purpose = ANY($5::text[])
    OR a.basis = ANY($6::text[]) OR a.self_selected AS now, (a.at AT TIME ZONE 'Europe/Oslo')::date AS day) n
  CROSS JOIN LATERAL (SELECT
    CASE WHEN n.now THEN extract(epoch FROM date_trunc('hour', a.at))::bigint || ':' || encode(a.caller_digest, 'hex')
      ELSE n.day::text END AS key,
    CASE WHEN n.now THEN $2::timestamptz ELSE (n.day + 1 + time '08:00') AT TIME ZONE 'Europe/Oslo' END AS due) w
  WHERE a.outcome = 0 AND a.caller_kind = 'practitioner' AND a.action = ANY($3::text[])
  AND a.at >= o.since AND a.at > $2::timestamptz - $7::interval
  AND NOT EXISTS (SELECT FROM person_identifier i WHERE i.digest = a.caller_digest AND i.patient IN (o.patient, o.owner))
  ORDER BY o.patient, o.owner, w.key, w.due
  ON CONFLICT DO NOTHING
), last AS (SELECT xid, number FROM scanned ORDER BY xid DESC, number DESC LIMIT 1),
moved AS (UPDATE notify_position t SET xid = last.xid, number = last.number FROM last)
SELECT count(*) FROM scanned"""


async def derive(
    conn: Connection, now: datetime, marked: Collection[str], purposes: Collection[str], bases: Collection[str]
) -> int:
    """Makes messages of what was read since last time; how many rows of the log were looked at.

    `marked` are rules that the patient is always told of, `purposes` and `bases` those of an emergency.
    """
    return int(
        await conn.fetchval(
            _DERIVE, ROWS_AT_ONCE, now, list(LOOKS), sorted(marked), sorted(purposes), sorted(bases), LATEST
        )
    )


_NEXT: Final = f"""
WITH due AS (
  SELECT t.patient, t.owner, t.key, o.digest, o.channel, o.address, o.language
  FROM notify_outbox t JOIN notify_profile o USING (patient, owner)
  WHERE t.sent_at IS NULL AND t.given_up_at IS NULL AND t.due_at <= $1 AND {_IN_FORCE}
  ORDER BY t.due_at LIMIT 1 FOR UPDATE OF t SKIP LOCKED
)
UPDATE notify_outbox o SET due_at = $2 FROM due d WHERE (o.patient, o.owner, o.key) = (d.patient, d.owner, d.key)
RETURNING o.patient, o.owner, o.key, o.made_at, o.tries, d.digest, d.channel, d.address, d.language"""
LEASE: Final = timedelta(minutes=5)
"""How long whoever has taken a message may be at sending it, before somebody else takes it: well beyond what a mail server
may take. No transaction stands open meanwhile, since the log's seal would wait for it."""


async def next_due(conn: Connection, now: datetime) -> Waiting | None:
    """The message that has waited longest past its time, taken for `LEASE`; others pass it by."""
    row = await conn.fetchrow(_NEXT, now, now + LEASE)
    return Waiting(**dict(row)) if row else None


async def sent(conn: Connection, one: Waiting, at: datetime) -> None:
    await conn.execute(
        "UPDATE notify_outbox SET sent_at = $4, tries = tries + 1 WHERE patient = $1 AND owner = $2 AND key = $3",
        one.patient, one.owner, one.key, at,
    )  # fmt: skip


async def again(conn: Connection, one: Waiting, due_at: datetime) -> None:
    """It could not be sent now."""
    await conn.execute(
        "UPDATE notify_outbox SET due_at = $4, tries = tries + 1 WHERE patient = $1 AND owner = $2 AND key = $3",
        one.patient, one.owner, one.key, due_at,
    )  # fmt: skip


async def give_up(conn: Connection, one: Waiting, at: datetime) -> None:
    """It will never be sent."""
    await conn.execute(
        "UPDATE notify_outbox SET given_up_at = $4 WHERE patient = $1 AND owner = $2 AND key = $3",
        one.patient, one.owner, one.key, at,
    )  # fmt: skip
