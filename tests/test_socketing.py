"""Subscribers told over sockets, by a real client: bound once, in order, again what was not read, no longer than is let."""

# ruff: noqa: F811 - `world` is a fixture

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from kjerne import server, socketing
from kjerne.fhir.subscribing import HEARTBEAT, SOCKET, TIMEOUT
from kjerne.fhir.validate import check
from kjerne.sandbox import platform as sandbox_platform
from kjerne.settings import Settings
from kjerne.socketing import SocketDeliverer
from kjerne.store import sockets
from kjerne.wire import sockets as wire_sockets
from platform_fixture import Answered, Tree, _served
from receiving import status_of
from subscribers import WHO, World, result, wish, world  # noqa: F401 - a fixture
from test_subscribing import choose

WAIT_SECONDS = 30
DUE = "SELECT 1 FROM subscription WHERE bound IS NOT NULL AND (work_at <= $1 OR leased_until IS NOT NULL)"
TOKEN = "/$get-ws-binding-token"


class Client:
    """A client with a socket to the platform, as others' programs have it."""

    def __init__(self, world: World, socket: ClientConnection) -> None:
        self.world = world
        self.socket = socket

    def token(self, *ids: str, as_: str = "ehr") -> Answered:
        where = f"/{ids[0]}{TOKEN}" if len(ids) == 1 else TOKEN + "?" + "&".join(f"id={one}" for one in ids)
        return self.world.call("GET", where, as_=as_, about=WHO if as_ == "gp" else "")

    def bind(self, *ids: str, as_: str = "ehr") -> list[Tree]:
        """The handshakes."""
        answer = self.token(*ids, as_=as_)
        assert answer.status == 200, answer.response.text
        self.socket.send(f"bind-with-token {said(answer)['token']}")
        shakes = [self.heard() for _ in said(answer, every=True)["subscription"]]
        assert {status_of(one)["type"] for one in shakes} == {"handshake"}
        return shakes

    def heard(self) -> Tree:
        """The next message."""
        tree: Tree = json.loads(self.socket.recv(timeout=WAIT_SECONDS))
        assert check(tree, "Bundle") == []
        return tree

    def settle(self) -> None:
        """Returns when all that is to be told was sent."""
        self.world.work()
        until = time.monotonic() + WAIT_SECONDS
        while self.world.platform.rows(DUE, self.world.platform.clock.now()) and time.monotonic() < until:
            self.world.platform.run(hub(self.world).run_due())

    def told(self) -> list[Tree]:
        """What was told since the last time, when all that is to be told is told."""
        self.settle()
        assert self.socket.ping().wait(WAIT_SECONDS)
        found = []
        while True:
            try:
                found.append(json.loads(self.socket.recv(timeout=0)))
            except TimeoutError:
                return found

    def closed(self) -> int:
        """With which code the platform closes it."""
        with pytest.raises(ConnectionClosed) as left:
            self.socket.recv(timeout=WAIT_SECONDS)
        assert left.value.rcvd is not None
        return int(left.value.rcvd.code)


def hub(world: World) -> SocketDeliverer:
    """What tells over the platform's sockets."""
    found: SocketDeliverer = world.platform.application._edge._sockets.met.__self__
    return found


def said(answer: Answered, *, every: bool = False) -> dict[str, Any]:
    """The parameters of an answer by name; `every` as lists."""
    found: dict[str, list[Any]] = {}
    for row in answer.tree["parameter"]:
        found.setdefault(row["name"], []).append(next(value for name, value in row.items() if name != "name"))
    return dict(found) if every else {name: values[0] for name, values in found.items()}


def by_socket(*filters: str, content: str = "full-resource", **channel: Any) -> Tree:
    """A Subscription that is told over a socket."""
    tree = wish("", *filters, content=content)
    del tree["channel"]["endpoint"]
    tree["channel"] |= {"type": "websocket", **channel}
    return tree


@pytest.fixture
def subscribe(world: World) -> Callable[..., str]:
    def made(*filters: str, as_: str = "ehr", **more: Any) -> str:
        answer = world.call("POST", "", by_socket(*filters, **more), as_=as_)
        assert answer.status == 201, answer.response.text
        return str(answer.tree["id"])

    return made


@pytest.fixture
def open_socket(world: World) -> Iterator[Callable[..., Client]]:
    with ExitStack() as stack:

        def opened(**more: Any) -> Client:
            url = world.platform.url.replace("http", "ws") + SOCKET
            return Client(world, stack.enter_context(connect(url, proxy=None, **more)))

        yield opened


@pytest.fixture
def client(open_socket: Callable[..., Client]) -> Client:
    return open_socket()


def test_a_socket_is_bound_by_a_token_and_told_what_is_new(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    id_ = subscribe("Observation?code=NPU03429")
    assert world.state(id_) == "requested"
    (shake,) = client.bind(id_)
    assert status_of(shake)["subscription"]["reference"] == f"{world.platform.url}/fhir/R4/Subscription/{id_}"
    made = result(world)
    (bundle,) = client.told()
    assert world.state(id_) == "active"
    assert check(bundle, "Bundle") == []
    assert [one["event-number"] for one in status_of(bundle)["events"]] == ["1"]
    assert bundle["entry"][1]["resource"] == world.platform.get(f"Observation/{made}", about=WHO).tree
    rows = world.platform.rows(
        "SELECT rule, ids FROM audit WHERE client = 'ehr' AND action = 'notify' ORDER BY at DESC LIMIT 1"
    )
    assert [(row["rule"], [str(one) for one in row["ids"]]) for row in rows] == [("told-to-subscriber", [made])]


def test_one_socket_is_bound_to_many_each_told_as_it_asks(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    empty, named = subscribe("Observation", content="empty"), subscribe("Observation", content="id-only")
    assert len(client.bind(empty, named)) == 2
    made = result(world)
    told = {status_of(one)["subscription"]["reference"][-36:]: one for one in client.told()}
    assert set(told) == {empty, named}
    assert made not in json.dumps(told[empty])
    assert (made in json.dumps(status_of(told[named])), len(told[named]["entry"])) == (True, 1)


def test_a_token_for_all_is_asked_for_without_ids_and_parameters_name_some(
    world: World, subscribe: Callable[..., str], client: Client
) -> None:
    ids = [subscribe("Observation"), subscribe("DiagnosticReport")]
    off = subscribe("Observation")
    tree = world.call("GET", f"/{off}").tree | {"status": "off"}
    assert world.call("PUT", f"/{off}", tree, headers={"if-match": 'W/"1"'}).status == 200
    hooked = world.subscribed("Observation")
    answer = world.call("GET", TOKEN, about="")
    assert set(said(answer, every=True)["subscription"]) == set(ids)
    assert said(answer)["websocket-url"] == world.platform.url.replace("http", "ws") + SOCKET
    assert check(answer.tree, "Parameters") == []
    left = datetime.fromisoformat(said(answer)["expiration"]) - world.platform.clock.now()
    assert timedelta(0) < left <= timedelta(seconds=60)
    asked = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": ids[1]}]}
    answer = world.call("POST", TOKEN, asked, about="")
    assert said(answer, every=True)["subscription"] == [ids[1]]
    client.socket.send(json.dumps({"type": "bind-with-token", "payload": {"token": said(answer)["token"]}}))
    assert status_of(client.heard())["subscription"]["reference"].endswith(ids[1])
    for wrong, status in ((off, 422), (hooked, 422), ("00000000-0000-4000-8000-000000000000", 404), ("none", 404)):
        assert world.call("GET", f"/{wrong}{TOKEN}", about="").status == status
    assert world.call("GET", f"/{ids[0]}{TOKEN}", as_="gp").status == 404, "anybody else's is not there"
    assert world.call("GET", TOKEN + "?id=none", about="").status == 404
    assert world.call("GET", TOKEN + "?who=me", about="").status == 400


def test_a_token_binds_once_and_for_a_minute(
    world: World, subscribe: Callable[..., str], open_socket: Callable[..., Client]
) -> None:
    id_ = subscribe("Observation")
    first, second, third = open_socket(), open_socket(), open_socket()
    token = said(first.token(id_))["token"]
    first.socket.send(f"bind-with-token {token}")
    assert status_of(first.heard())["type"] == "handshake"
    second.socket.send(f"bind-with-token {token}")
    assert second.closed() == 4401
    late = said(first.token(id_))["token"]
    world.platform.clock.move(timedelta(seconds=61))
    third.socket.send(f"bind-with-token {late}")
    assert third.closed() == 4401
    rows = world.platform.rows(
        "SELECT count(*) AS kept FROM subscription_token WHERE digest = sha256($1)", late.encode()
    )
    assert rows == [{"kept": 0}], "it is gone when it was shown once"
    assert token not in world.platform.written.getvalue()


def test_a_client_has_so_many_tokens_and_sockets_and_no_more(
    world: World, subscribe: Callable[..., str], open_socket: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(sockets, "SOCKETS_LIMIT", 1)
    ids = [subscribe("Observation"), subscribe("Observation")]
    first, second = open_socket(), open_socket()
    first.bind(ids[0])
    second.socket.send(f"bind-with-token {said(second.token(ids[1]))['token']}")
    assert second.closed() == 4429
    first.bind(ids[1])
    world.platform.clock.move(timedelta(seconds=61))
    monkeypatch.setattr(sockets, "UNUSED_LIMIT", 2)
    assert [first.token(ids[0]).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "text", ["ping", "bind-with-token", "bind-with-token x", '{"type":"bind-with-token"}', b"\xff", "x" * 4_000]
)
def test_a_message_that_is_none_closes_the_socket(client: Client, text: str | bytes) -> None:
    client.socket.send(text)
    assert client.closed() == 4400


def test_a_message_longer_than_any_that_binds_is_not_read(client: Client) -> None:
    client.socket.send("x" * 5_000)
    assert client.closed() == 1009


def test_a_socket_that_nobody_binds_is_closed(
    open_socket: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socketing, "BIND_SECONDS", 0.01)
    assert open_socket().closed() == 4408


def test_what_waits_while_nobody_is_bound_is_told_in_order_by_the_next_socket(
    world: World, subscribe: Callable[..., str], open_socket: Callable[..., Client]
) -> None:
    id_ = subscribe("Observation", content="id-only")
    before = result(world)
    world.work()
    assert world.state(id_) == "requested"
    first = open_socket()
    shakes = first.bind(id_)
    (bundle,) = first.told()
    first.socket.close()
    made = [result(world), result(world)]
    world.work()
    second = open_socket()
    shakes += second.bind(id_)
    assert [status_of(shake)["status"] for shake in shakes] == ["requested", "active"]
    events = [one for tree in (bundle, second.heard()) for one in status_of(tree)["events"]]
    assert [(one["event-number"], one["focus"]["reference"][-36:]) for one in events] == [
        ("1", before), ("2", made[0]), ("3", made[1]),
    ]  # fmt: skip


def test_what_was_written_and_not_read_is_told_again_by_the_next_socket(
    world: World,
    subscribe: Callable[..., str],
    open_socket: Callable[..., Client],
) -> None:
    """A reader that has stopped reads nothing more from its connection, and what lies in that is not taken for told."""
    id_ = subscribe("Observation", extension=[{"url": TIMEOUT, "valueUnsignedInt": 1}])
    first = open_socket()
    first.bind(id_)
    with first.socket.protocol_mutex:  # the client's own thread waits here before it looks at what came
        made = result(world)
        world.work()
        until = time.monotonic() + WAIT_SECONDS
        while hub(world).lines and time.monotonic() < until:
            time.sleep(0.05)
        assert hub(world).lines == {}, "it was closed"
    assert world.state(id_) == "active", "nobody fails who is not there"
    second = open_socket()
    second.bind(id_)
    (event,) = status_of(second.heard())["events"]
    assert (event["event-number"], event["focus"]["reference"][-36:]) == ("1", made)


def test_a_binding_ends_with_the_access_token_and_is_made_again_over_the_same_socket(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    ids = [subscribe("Observation"), subscribe("Observation")]
    world.platform.client._tokens.clear()
    client.bind(*ids)
    world.platform.clock.move(timedelta(minutes=8))
    world.platform.client._tokens.clear()
    client.bind(ids[0])
    world.platform.clock.move(timedelta(minutes=3))
    told = status_of(client.heard())
    assert (told["subscription"]["reference"][-36:], told["type"], told["status"]) == (ids[1], "query-status", "error")
    assert "access token" in told["error"]["text"]
    result(world)
    assert [status_of(one)["subscription"]["reference"][-36:] for one in client.told()] == [ids[0]]
    world.platform.clock.move(timedelta(minutes=8))
    assert status_of(client.heard())["error"] == told["error"]
    assert client.closed() == 4401


def over(world: World, ended: bool) -> None:
    """The care that the patient is in has ended, or has not."""
    patient = world.platform.audited(world.platform.get("Observation?_count=1", about=WHO).response)[0]["patient"]
    world.platform.rows(
        "WITH s AS (UPDATE person SET stamp = stamp + 1 WHERE patient = $1) UPDATE person_tie SET until = "
        "CASE WHEN $2 THEN date '2020-01-01' END WHERE patient = $1 AND kind = 'care' RETURNING 1", patient, ended,
    )  # fmt: skip


def test_a_binding_ends_when_the_organisation_treats_her_no_more(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    id_ = subscribe("Observation")
    client.bind(id_)
    over(world, True)
    try:
        world.platform.clock.move(timedelta(seconds=15))
        told = status_of(client.heard())
        assert (told["subscription"]["reference"][-36:], told["status"]) == (id_, "error")
        assert client.closed() == 4403
        rows = world.platform.rows(
            "SELECT rule FROM audit WHERE client = 'ehr' AND action = 'notify' ORDER BY at DESC LIMIT 1"
        )
        assert rows == [{"rule": "subscriber-does-not-treat"}]
    finally:
        over(world, False)


def test_a_binding_ends_when_the_organisation_takes_part_no_more(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    client.bind(subscribe("Observation"), subscribe("Observation"))
    organisation = world.platform.persona("ehr").organisation
    ended = world.platform.rows(
        "UPDATE participation SET until = since WHERE organisation = $1 AND part = 'consumer' AND service = 'results' "
        "AND until IS NULL RETURNING number", organisation,
    )  # fmt: skip
    assert ended
    try:
        hub(world).takers._looked_at = float("-inf")
        world.platform.clock.move(timedelta(seconds=15))
        assert {status_of(client.heard())["status"] for _ in range(2)} == {"error"}
        assert client.closed() == 4403
        rows = world.platform.rows(
            "SELECT rule FROM audit WHERE client = 'ehr' AND action = 'notify' ORDER BY at DESC LIMIT 2"
        )
        assert rows == [{"rule": "subscriber-takes-no-part"}] * 2
    finally:
        world.platform.rows(
            "UPDATE participation SET until = NULL WHERE number = ANY($1) RETURNING 1", [one["number"] for one in ended]
        )
        for takers in (hub(world).takers, world.deliverer.takers, world.platform.application._edge._door._takers):
            takers._looked_at = float("-inf")


def test_a_choice_of_hers_is_not_told_by_the_end_of_a_binding(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    client.bind(subscribe("Observation"))
    choose(world.platform, WHO, "block")
    try:
        hidden = result(world)
        world.platform.clock.move(timedelta(seconds=16))
        world.platform.run(hub(world).look_after(world.platform.clock.now()))
        assert client.told() == []
    finally:
        choose(world.platform, WHO, "block", ended=True)
    made = result(world)
    told = json.dumps(client.told())
    assert (made in told, hidden in told) == (True, False)


def test_who_binds_last_is_told_and_a_change_ends_the_binding(
    world: World,
    subscribe: Callable[..., str],
    open_socket: Callable[..., Client],
) -> None:
    id_ = subscribe("Observation", content="id-only")
    first, second = open_socket(), open_socket()
    first.bind(id_)
    second.bind(id_)
    assert status_of(first.heard())["type"] == "query-status"
    assert first.closed() == 4409
    made = result(world)
    assert made in json.dumps(second.told())
    tree = by_socket("DiagnosticReport") | {"id": id_}
    assert world.call("PUT", f"/{id_}", tree, headers={"if-match": 'W/"1"'}).status == 200
    world.platform.clock.move(timedelta(seconds=15))
    assert status_of(second.heard())["type"] == "query-status"
    assert second.closed() == 4409


@pytest.mark.parametrize("again", [False, True], ids=["first", "once more"])
def test_a_binding_that_is_made_while_what_is_bound_is_looked_after_holds(
    world: World, subscribe: Callable[..., str], open_socket: Callable[..., Client], again: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The store was asked before it was bound, and knew nothing of it."""
    known, late = subscribe("Observation", content="id-only"), subscribe("Observation", content="id-only")
    client = open_socket()
    client.bind(known, *([late] if again else []))
    asked, read = [], sockets.held

    async def slowly(*args: Any) -> Any:
        rows = await read(*args)
        if not asked:
            asked.append(rows)
            await asyncio.to_thread(client.bind, late)
            return [one for one in rows if one.id != UUID(late)]
        return rows

    monkeypatch.setattr(sockets, "held", slowly)
    world.platform.run(hub(world).look_after(world.platform.clock.now()))
    made = result(world)
    told = client.told()
    assert {status_of(one)["type"] for one in told} == {"event-notification"}
    assert {status_of(one)["subscription"]["reference"][-36:] for one in told} == {known, late}
    assert made in json.dumps(told)


def test_a_subscription_that_is_turned_off_or_has_ended_is_bound_no_more(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    answer = world.call(
        "POST", "", by_socket("Observation") | {"end": (world.platform.clock.now() + timedelta(minutes=1)).isoformat()}
    )
    client.bind(answer.tree["id"])
    world.platform.clock.move(timedelta(seconds=61))
    client.settle()  # the platform, which is tending its sockets by the same clock, may close this one at once
    assert world.state(answer.tree["id"]) == "off"
    world.platform.clock.move(timedelta(seconds=15))
    assert "ended" in status_of(client.heard())["error"]["text"]
    assert client.closed() == 4410
    assert client.token(answer.tree["id"]).status == 422


def test_a_beat_comes_over_a_socket_too(world: World, subscribe: Callable[..., str], client: Client) -> None:
    client.bind(subscribe("Observation", extension=[{"url": HEARTBEAT, "valueUnsignedInt": 60}]))
    assert client.told() == []
    world.platform.clock.move(timedelta(seconds=61))
    assert status_of(client.heard())["type"] == "heartbeat"


def test_a_search_in_the_criteria_rings_as_r4_itself_has_it(world: World, client: Client) -> None:
    tree = by_socket() | {"criteria": "Observation?code=NPU03429", "channel": {"type": "websocket"}}
    id_ = world.call("POST", "", tree).tree["id"]
    client.socket.send(f"bind-with-token {said(client.token(id_))['token']}")
    assert client.socket.recv(timeout=WAIT_SECONDS) == f"bound {id_}"
    result(world)
    world.work()
    assert client.socket.recv(timeout=WAIT_SECONDS) == f"ping {id_}"
    with_it = tree | {"channel": {"type": "websocket", "payload": "application/fhir+json"}}
    client.bind(world.call("POST", "", with_it).tree["id"])
    made = result(world)
    world.work()
    heard = [client.socket.recv(timeout=WAIT_SECONDS) for _ in range(2)]
    (bundle,) = [json.loads(one) for one in heard if one != f"ping {id_}"]
    assert bundle["entry"][1]["resource"]["id"] == made


def test_a_doctor_binds_with_the_attestation_about_the_patient(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    id_ = subscribe("Observation", as_="gp")
    client.bind(id_, as_="gp")
    made = result(world)
    assert made in json.dumps(client.told())
    answer = world.call("GET", f"/{id_}{TOKEN}", as_="gp", about="citizen")
    client.socket.send(f"bind-with-token {said(answer)['token']}")
    assert status_of(client.heard())["type"] == "handshake"
    world.platform.clock.move(timedelta(seconds=15))
    assert status_of(client.heard())["type"] == "query-status"
    assert client.closed() == 4403


@pytest.mark.parametrize(
    ("origin", "query", "status"),
    [("https://elsewhere.example", "", 403), ("null", "", 403), ("", "?token=x", 400)],
)
def test_a_page_of_anothers_opens_no_socket_and_an_address_holds_no_token(
    world: World,
    origin: str,
    query: str,
    status: int,
) -> None:
    url = world.platform.url.replace("http", "ws") + SOCKET + query
    with pytest.raises(InvalidStatus) as refused:
        connect(url, proxy=None, origin=origin or None)
    assert refused.value.response.status_code == status
    with connect(url.partition("?")[0], proxy=None, origin=world.platform.url) as own:
        assert own.ping().wait(WAIT_SECONDS)


def test_no_more_sockets_are_open_than_a_process_may_have(
    world: World,
    open_socket: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire_sockets, "OPEN_LIMIT", 0)
    with pytest.raises(InvalidStatus) as refused:
        open_socket()
    assert refused.value.response.status_code == 503


def test_what_is_no_socket_hears_so(world: World) -> None:
    answer = world.platform.http.get(world.platform.url + SOCKET)
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


def test_the_statement_says_where_sockets_are_opened(world: World) -> None:
    (rest,) = world.platform.http.get(world.platform.url + "/fhir/R4/metadata").json()["rest"]
    (told,) = rest["extension"]
    assert told["valueUri"] == world.platform.url.replace("http", "ws") + SOCKET
    (own,) = [one for one in rest["resource"] if one["type"] == "Subscription"]
    assert "get-ws-binding-token" in {one["name"] for one in own["operation"]}
    pps = world.platform.http.get(world.platform.url + "/pps/v2/metadata").json()["rest"][0]
    assert "extension" not in pps


@pytest.mark.parametrize(
    ("channel", "where"),
    [
        ({"endpoint": "wss://x.example/"}, "Subscription.channel.endpoint"),
        ({"header": ["X-A: b"]}, "Subscription.channel.header"),
        ({"type": "email"}, "Subscription.channel.type"),
        ({"payload": "text/plain"}, "Subscription.channel.payload"),
    ],
)
def test_what_a_socket_does_not_have_is_refused_with_its_place(world: World, channel: Tree, where: str) -> None:
    answer = world.call("POST", "", by_socket("Observation", **channel))
    assert (answer.status, answer.issue["expression"]) == (422, [where])


def test_another_process_takes_a_subscription_over_and_tells_it(
    world: World,
    subscribe: Callable[..., str],
    client: Client,
) -> None:
    id_ = subscribe("Observation", content="id-only")
    client.bind(id_)
    settings = world.platform.application._edge.settings
    application = sandbox_platform.build(settings, world.platform.clock)
    with contextlib.closing(server.listening(Settings(port=1).model_copy(update={"port": 0}))) as listener:
        port = listener.getsockname()[1]
        with _served(application, listener), connect(f"ws://127.0.0.1:{port}{SOCKET}", proxy=None) as socket:
            other = Client(world, socket)
            other.bind(id_)
            world.platform.clock.move(timedelta(seconds=15))
            assert status_of(client.heard())["type"] == "query-status"
            assert client.closed() == 4409
            made = result(world)
            world.work()
            assert status_of(other.heard())["events"][0]["focus"]["reference"].endswith(made)
    rows = world.platform.rows("SELECT bound FROM subscription WHERE bound IS NOT NULL")
    assert rows == [], "a process that ends lets go what it held"
