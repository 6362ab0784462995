"""Tokens that bind sockets, and what is bound: used once, let go when it is over."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID, uuid4

from kjerne.store import sockets, subscriptions
from kjerne.store.sockets import Token
from kjerne.store.subscriptions import Outcome, Subscription

from .conftest import NOW, Desk

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def a_token(owner: bytes = b"owner", *ids: UUID) -> Token:
    return Token(secrets.token_bytes(32), owner, ids, b"sealed", NOW + timedelta(minutes=1))


async def subscribed(desk: Desk, owner: bytes, channel: str = "websocket") -> Subscription:
    one = Subscription(
        await desk.person(), uuid4(), owner, "results", (1,), channel, "requested", True, 1, NOW, NOW, None, b"told"
    )
    async with desk.store.pool.acquire() as conn:
        await subscriptions.add(conn, one)
    return one


async def state(desk: Desk, one: Subscription) -> Subscription:
    async with desk.store.pool.acquire() as conn:
        found = await subscriptions.one(conn, one.owner, one.patient, one.id)
    assert found is not None
    return found


async def test_a_token_is_good_once_and_until_it_is_over(desk: Desk) -> None:
    async with desk.store.pool.acquire() as conn:
        first, second = a_token(), a_token()
        assert await sockets.add(conn, first, NOW)
        assert await sockets.spend(conn, first.digest, NOW) == first
        assert await sockets.spend(conn, first.digest, NOW) is None
        await sockets.add(conn, second, NOW)
        assert await sockets.spend(conn, second.digest, NOW + timedelta(minutes=1)) is None
        assert await sockets.spend(conn, second.digest, NOW) is None, "it is gone when it was shown"


async def test_an_owner_has_so_many_tokens_that_are_not_over(desk: Desk) -> None:
    owner = secrets.token_bytes(8)
    async with desk.store.pool.acquire() as conn:
        taken = [await sockets.add(conn, a_token(owner), NOW) for _ in range(sockets.UNUSED_LIMIT + 1)]
        assert taken == [True] * sockets.UNUSED_LIMIT + [False]
        assert await sockets.add(conn, a_token(owner), NOW + HOUR)


async def test_a_socket_is_told_what_its_owner_has_and_no_other_claims_it(desk: Desk) -> None:
    owner, socket = secrets.token_bytes(8), uuid4()
    own, hook, other = (
        await subscribed(desk, owner),
        await subscribed(desk, owner, "rest-hook"),
        await subscribed(desk, b"x"),
    )
    async with desk.store.pool.acquire() as conn, conn.transaction():
        assert [one.id for one in await subscriptions.claim(conn, "websocket", NOW, 10)] == [], (
            "nothing is to be done yet"
        )
        bound = await sockets.bind(conn, socket, owner, [own.id, hook.id, other.id], NOW + HOUR, NOW)
        assert [one.id for one in bound or ()] == [own.id]
        assert [one.id for one in await sockets.claim(conn, [uuid4()], NOW, 10)] == []
        assert [one.id for one in await sockets.claim(conn, [socket], NOW, 10)] == [own.id]
        assert await sockets.claim(conn, [socket], NOW, 10) == [], "it is taken for a while"


async def test_what_is_bound_elsewhere_meanwhile_is_not_settled_by_who_had_it(desk: Desk) -> None:
    owner, first, second = secrets.token_bytes(8), uuid4(), uuid4()
    own = await subscribed(desk, owner)
    async with desk.store.pool.acquire() as conn:
        await sockets.bind(conn, first, owner, [own.id], NOW + HOUR, NOW)
        (one,) = await sockets.claim(conn, [first], NOW, 10)
        await sockets.bind(conn, second, owner, [own.id], NOW + HOUR, NOW)
        (again,) = await sockets.claim(conn, [second], NOW + SECOND, 10)
        outcome = Outcome(one, 7, "active", 0, None, "", True, None, None)
        await subscriptions.settle(conn, [outcome], NOW)
        assert (await state(desk, own)).sent == 0
        assert await sockets.claim(conn, [second], NOW + SECOND, 10) == [], "nor is it let go"
        await subscriptions.settle(conn, [outcome._replace(subscription=again)], NOW)
        found = await state(desk, own)
    assert (found.sent, found.state, found.bound) == (7, "active", second)


async def test_a_handshake_that_is_asked_for_meanwhile_is_not_lost(desk: Desk) -> None:
    owner, socket = secrets.token_bytes(8), uuid4()
    own = await subscribed(desk, owner)
    async with desk.store.pool.acquire() as conn:
        await sockets.bind(conn, socket, owner, [own.id], NOW + HOUR, NOW)
        (one,) = await sockets.claim(conn, [socket], NOW, 10)
        await sockets.bind(conn, socket, owner, [own.id], NOW + HOUR, NOW)
        await subscriptions.settle(conn, [Outcome(one, 0, "active", 0, None, "", True, None, None)], NOW)
    assert (await state(desk, own)).state == "requested"


async def test_what_an_end_without_goodbye_left_is_let_go_and_after_30_days_it_is_off(desk: Desk) -> None:
    owner, socket = secrets.token_bytes(8), uuid4()
    own, hook = await subscribed(desk, owner), await subscribed(desk, owner, "rest-hook")
    token = a_token(owner, own.id)
    async with desk.store.pool.acquire() as conn:
        await sockets.add(conn, token, NOW)
        await sockets.bind(conn, socket, owner, [own.id], NOW + HOUR, NOW)
        await sockets.sweep(conn, NOW + HOUR - timedelta(seconds=1))
        assert (await state(desk, own)).bound == socket
        assert await conn.fetchval("SELECT count(*) FROM subscription_token WHERE owner = $1", owner) == 0
        await sockets.sweep(conn, NOW + HOUR)
        assert (await state(desk, own)).bound is None
        await sockets.sweep(conn, NOW + HOUR + subscriptions.KEPT)
        assert (await state(desk, own)).state == "requested"
        await sockets.sweep(conn, NOW + HOUR + subscriptions.KEPT + timedelta(seconds=1))
    found = await state(desk, own)
    assert (found.state, found.collects, found.fault) == ("off", False, sockets.LEFT)
    assert (await state(desk, hook)).state == "requested"
