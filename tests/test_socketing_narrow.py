"""Sockets that are bound by tokens which open less: what those do not open waits for one that does, and nobody sees it wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from kjerne.store import subscriptions
from receiving import status_of
from services.test_standards_record import chosen
from subscribers import WHO, World, result, world
from test_socketing import TOKEN, Client, client, open_socket, said, subscribe
from test_subscribing_opened import PART
from test_subscribing_versions import amended, deleted, events

__all__ = ["client", "open_socket", "subscribe", "world"]
# Both reach the service; the one leaves nothing of an Observation, the other those of a single code.
NOTHING, ONE_CODE = "user/DiagnosticReport.rs", "user/Observation.rs?code=NPU03429"


def bound(client: Client, narrower: str = "") -> None:
    """Binds the doctor's subscriptions by a token with these scopes alone; by one without limits where none are given."""
    more = {"narrower": narrower} if narrower else {}
    answer = client.world.call("GET", TOKEN, as_="gp", **more)
    assert answer.status == 200, answer.response.text
    client.socket.send(f"bind-with-token {said(answer)['token']}")
    assert status_of(client.heard())["type"] == "handshake"


def counted(world: World, id_: str) -> str:
    """How many events the subscription's owner is told that there are."""
    count: str = status_of(world.call("GET", f"/{id_}/$status", as_="gp").tree)["events-since-subscription-start"]
    return count


def other(world: World) -> str:
    """A result of another code than that of `ONE_CODE`."""
    return result(world, code={"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU27300"}]})


def kept(world: World, *ids: str) -> int:
    """How many versions of these records wait."""
    return len(world.platform.rows("SELECT 1 FROM subscription_due WHERE record = ANY($1)", [UUID(one) for one in ids]))


async def swept(world: World, later: timedelta) -> None:
    """What is forgotten so much later."""
    async with world.deliverer.pool.acquire() as conn:
        await subscriptions.sweep(conn, world.platform.clock.now() + later)


@pytest.mark.parametrize("narrower", [NOTHING, ONE_CODE])
def test_what_a_token_does_not_open_is_told_to_the_wider_one_that_binds_afterwards(
    world: World, subscribe: Callable[..., str], client: Client, narrower: str
) -> None:
    id_ = subscribe("Observation", as_="gp")
    bound(client, narrower)
    made = [other(world), other(world)]
    assert client.told() == []
    assert counted(world, id_) == "0", "what waits has no number"
    bound(client)
    made.append(other(world))
    assert events(client.told()) == [("1", made[0]), ("2", made[1]), ("3", made[2])]
    assert kept(world, *made) == 0
    bound(client)
    assert client.told() == [], "once"


def test_what_one_narrow_token_opens_is_told_at_once_and_the_rest_waits_through_another(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    subscribe("Observation", as_="gp")
    bound(client, ONE_CODE)
    waits, told = other(world), result(world)
    assert events(client.told()) == [("1", told)]
    bound(client, NOTHING)
    assert client.told() == []
    bound(client)
    assert events(client.told()) == [("2", waits)]


def test_each_version_and_the_deletion_wait_and_nothing_of_what_is_gone_leaves(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    subscribe("Observation", as_="gp")
    bound(client, NOTHING)
    made, gone = result(world), result(world)
    assert client.told() == []
    amended(world, made, "amended")
    deleted(world, gone)
    assert client.told() == []
    bound(client)
    bundles = client.told()
    assert events(bundles) == [("1", made), ("2", gone), ("3", made), ("4", gone)]
    said_of = [
        (one["request"]["method"], one.get("resource", {}).get("status"))
        for bundle in bundles
        for one in bundle["entry"][1:]
    ]
    assert said_of == [("POST", "final"), ("PUT", "amended"), ("DELETE", None)]


def test_the_deletion_of_what_a_wide_token_was_told_waits_too(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    subscribe("Observation", as_="gp")
    bound(client)
    made = result(world)
    assert events(client.told()) == [("1", made)]
    bound(client, NOTHING)
    deleted(world, made)
    assert client.told() == []
    bound(client)
    assert events(client.told()) == [("2", made)]


def test_what_is_shut_while_a_narrow_token_binds_does_not_wait_until_it_is_opened(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    """Told then, it would tell that it was shut (K90)."""
    subscribe("Observation", as_="gp")
    bound(client, NOTHING)
    with chosen(world.platform, WHO, "restriction", "results", code=[PART]):
        hidden = result(world)
        assert client.told() == []
        assert kept(world, hidden) == 0
    bound(client)
    after = result(world)
    assert events(client.told()) == [("1", after)]


def test_what_is_shut_while_it_waits_is_weighed_again_when_a_token_binds(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    subscribe("Observation", as_="gp")
    bound(client, NOTHING)
    waits = result(world)
    assert client.told() == []
    assert kept(world, waits) == 1
    with chosen(world.platform, WHO, "restriction", "results", code=[PART]):
        bound(client)
        assert client.told() == []
    assert kept(world, waits) == 0


def test_what_waits_leaves_no_row_in_her_log_and_is_forgotten_after_thirty_days(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    subscribe("Observation", as_="gp")
    bound(client, ONE_CODE)
    waits = other(world)
    assert client.told() == []
    assert world.platform.rows("SELECT 1 FROM audit WHERE $1 = ANY(ids) AND action = 'search'", UUID(waits)) == []
    world.platform.run(swept(world, timedelta(days=29)))
    assert kept(world, waits) == 1
    world.platform.run(swept(world, timedelta(days=30)))
    assert kept(world, waits) == 0


def test_a_system_that_is_told_by_rest_hook_is_told_as_before(world: World) -> None:
    """It has one token always: nothing waits for another."""
    world.subscribed("Observation?code=NPU27300", content="id-only")
    made = [result(world), other(world)]
    assert events(world.told()) == [("1", made[1])]
    assert kept(world, *made) == 0
