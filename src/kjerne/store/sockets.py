"""Which socket each subscription is told over, and the tokens by which a socket is bound to some.

The socket is known by an id that its process has made. A subscription is at one socket: whoever binds it anew takes it from
where it was, which the process there finds out when it looks. What an end without a goodbye leaves bound is let go by `sweep`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.store.pool import Connection, columns
from kjerne.store.subscriptions import COLUMNS, KEPT, LEASE, Subscription, made

UNUSED_LIMIT: Final = 100
"""Tokens of one owner that are not used yet."""
SOCKETS_LIMIT: Final = 20
"""Sockets that subscriptions of one owner are told over, on all workers together."""


class Token(NamedTuple):
    """What a token binds, and for whom. `caller` is sealed (`services.subscriptions`)."""

    digest: bytes
    owner: bytes
    subscriptions: tuple[UUID, ...]
    caller: bytes
    expires_at: datetime


_ADD: Final = """
INSERT INTO subscription_token (digest, owner, subscriptions, caller, expires_at)
SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM subscription_token WHERE owner = $2 AND expires_at > $6) < $7
RETURNING true"""
_SPEND: Final = (
    "DELETE FROM subscription_token WHERE digest = $1 RETURNING digest, owner, subscriptions, caller, expires_at"
)


async def add(conn: Connection, token: Token, now: datetime) -> bool:
    """Keeps a token until it is used; false where its owner has too many."""
    values = (token.digest, token.owner, list(token.subscriptions), token.caller, token.expires_at)
    return bool(await conn.fetchval(_ADD, *values, now, UNUSED_LIMIT))


async def spend(conn: Connection, digest: bytes, now: datetime) -> Token | None:
    """The token, which is gone from now on; None where it never was, is used or is over."""
    row = await conn.fetchrow(_SPEND, digest)
    if row is None or row["expires_at"] <= now:
        return None
    return Token(row["digest"], row["owner"], tuple(row["subscriptions"]), row["caller"], row["expires_at"])


# Two that bind for one owner at the same moment count one after the other.
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 47))"
_SOCKETS: Final = """
SELECT count(DISTINCT bound) FROM subscription WHERE owner = $1 AND bound <> $2 AND bound_until > $3 AND id <> ALL($4)"""
_BIND: Final = f"""
UPDATE subscription SET bound = $2, bound_until = $5, state = 'requested', leased_until = NULL, work_at = $3
WHERE owner = $1 AND id = ANY($4) AND channel = 'websocket' AND state <> 'off' AND ends_at > $3 RETURNING {COLUMNS}"""

_ANEW: Final = """
UPDATE subscription_due d SET aside_at = NULL FROM unnest($1::bigint[], $2::uuid[]) AS n(patient, id)
WHERE d.patient = n.patient AND d.subscription = n.id AND d.aside_at IS NOT NULL"""


async def bind(
    conn: Connection, socket: UUID, owner: bytes, ids: Sequence[UUID], until: datetime, now: datetime
) -> list[Subscription] | None:
    """Has an owner's subscriptions told over a socket, each after a handshake; those that are off or gone are left out. None
    where the owner has too many sockets. What the token that bound one before did not open is weighed anew. In the caller's
    transaction."""
    await conn.execute(_ALONE, owner)
    if await conn.fetchval(_SOCKETS, owner, socket, now, list(ids)) >= SOCKETS_LIMIT:
        return None
    bound = [made(row) for row in await conn.fetch(_BIND, owner, socket, now, list(ids), until)]
    await conn.execute(_ANEW, *columns([(one.patient, one.id) for one in bound], 2))
    return bound


_UNBIND: Final = """
UPDATE subscription s SET bound = NULL, bound_until = least(s.bound_until, $1), leased_until = NULL, work_at = 'infinity'
WHERE s.bound = $2 AND ($3::uuid[] IS NULL OR s.id = ANY($3))"""


async def unbind(conn: Connection, socket: UUID, ids: Collection[UUID] | None, now: datetime) -> None:
    """Ends what a socket holds (None: all of it); what comes waits until it is bound again."""
    await conn.execute(_UNBIND, now, socket, None if ids is None else list(ids))


_OF_S: Final = ", ".join(f"s.{name}" for name in COLUMNS.split(", "))
_CLAIM: Final = f"""
WITH due AS (
  SELECT patient, id FROM subscription
  WHERE bound = ANY($1) AND work_at <= $2 AND (leased_until IS NULL OR leased_until <= $2)
  ORDER BY work_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE subscription s SET leased_until = $4 FROM due WHERE s.patient = due.patient AND s.id = due.id RETURNING {_OF_S}"""


async def claim(conn: Connection, sockets: Collection[UUID], now: datetime, limit: int) -> list[Subscription]:
    """Those at these sockets that have something to do, taken as `store.subscriptions.claim` takes them."""
    return [made(row) for row in await conn.fetch(_CLAIM, list(sockets), now, limit, now + LEASE)]


async def held(conn: Connection, sockets: Collection[UUID]) -> list[Subscription]:
    """All at these sockets."""
    rows = await conn.fetch(f"SELECT {COLUMNS} FROM subscription WHERE bound = ANY($1)", list(sockets))
    return [made(row) for row in rows]


LEFT: Final = "nobody has bound a socket to it for 30 days"
_LET_GO: Final = """
UPDATE subscription SET bound = NULL, leased_until = NULL, work_at = 'infinity' WHERE bound IS NOT NULL AND bound_until <= $1"""
_OFF: Final = """
UPDATE subscription SET state = 'off', collects = false, changed_at = $1,
  fault = CASE WHEN ends_at <= $1 THEN 'the subscription has ended' ELSE $3 END
WHERE channel = 'websocket' AND state <> 'off' AND bound IS NULL AND (ends_at <= $1 OR coalesce(bound_until, made_at) < $2)"""
_OVER: Final = "DELETE FROM subscription_token WHERE expires_at <= $1"


async def sweep(conn: Connection, now: datetime, kept: timedelta = KEPT) -> None:
    """Forgets tokens that nobody used, lets go what is bound to sockets that have ended, and turns off what has ended, or
    nobody has bound for so long. In the caller's transaction."""
    await conn.execute(_OVER, now)
    await conn.execute(_LET_GO, now)
    await conn.execute(_OFF, now, now - kept, LEFT)
