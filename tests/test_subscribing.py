"""Subscribers told what is new: by a real receiver, in order, once more where it was not taken, and never of what is hidden."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kjerne import subscribing
from kjerne.access import Label
from kjerne.fhir.subscribing import FILTER, HEARTBEAT, MOST
from kjerne.fhir.topics import TOPIC
from kjerne.fhir.validate import check
from kjerne.store import subscriptions
from kjerne.subscribing import ready
from kjerne.wire.hooks import Hooks
from platform_fixture import Answered, Standing, Tree
from receiving import Receiver, status_of
from services.results.kith.conftest import Kith
from services.test_standards import FHIR, create, observation
from subscribers import AT, OF_TASKS, WHO, World, result, wish, world

__all__ = ["world"]


def test_a_handshake_comes_first_and_what_is_new_comes_as_it_is_served(world: World) -> None:
    id_ = world.subscribed("Observation?code=NPU03429")
    (shake,) = world.inbox.bundles("handshake")
    assert status_of(shake)["status"] == "requested"
    assert world.told() == []
    made = result(world)
    (bundle,) = world.told()
    assert check(bundle, "Bundle") == []
    status = status_of(bundle)
    said = (status["topic"], status["status"], status["events-since-subscription-start"])
    assert said == (TOPIC + "results", "active", "1")
    (event,) = status["events"]
    assert (event["event-number"], event["focus"]["reference"]) == (
        "1",
        f"{world.platform.url}/fhir/R4/Observation/{made}",
    )
    served = world.platform.get(f"Observation/{made}", about=WHO).tree
    assert [entry["resource"] for entry in bundle["entry"][1:]] == [served]
    rows = world.platform.rows(
        "SELECT rule, ids FROM audit WHERE client = 'ehr' AND action = 'notify' ORDER BY at DESC LIMIT 1"
    )
    assert [(row["rule"], [str(one) for one in row["ids"]]) for row in rows] == [("told-to-subscriber", [made])]
    events = world.call("GET", f"/{id_}/$events?eventsSinceNumber=1&content=id-only")
    assert (status_of(events.tree)["type"], status_of(events.tree)["events"]) == ("query-event", [event])
    assert len(events.tree["entry"]) == 1
    assert status_of(world.call("GET", f"/{id_}/$status").tree)["events-since-subscription-start"] == "1"


def test_what_is_new_at_one_look_is_told_in_the_order_it_was_written(world: World) -> None:
    world.subscribed("Observation", content="id-only")
    made = [result(world) for _ in range(5)]
    (bundle,) = world.told()
    assert [one["focus"]["reference"][-36:] for one in status_of(bundle)["events"]] == made


def test_filters_payload_and_number_of_events_are_as_they_were_asked_for(world: World) -> None:
    most = {"extension": [{"url": MOST, "valuePositiveInt": 2}]}
    empty = world.subscribed("Observation?code=NPU03429&status=final", content="empty", **most)
    result(world, status="preliminary")
    assert world.told() == []
    made = [result(world) for _ in range(3)]
    first, second = world.told()
    assert [one["event-number"] for one in status_of(first)["events"]] == ["1", "2"]
    assert [one["event-number"] for one in status_of(second)["events"]] == ["3"]
    assert all("focus" not in one for one in status_of(first)["events"])
    assert not any(one in json.dumps([first, second]) for one in made)
    assert world.call("DELETE", f"/{empty}").status == 204
    world.subscribed("Observation?code=NPU03429", content="id-only")
    made = [result(world)]
    (bundle,) = world.told()
    assert (len(bundle["entry"]), made[0] in json.dumps(status_of(bundle)["events"])) == (1, True)


def test_changes_and_deletions_of_what_was_told_are_told(world: World) -> None:
    world.subscribed("Observation")
    made = result(world)
    other = create(world.platform, observation(), about="renumbered").tree["id"]
    (bundle,) = world.told()
    assert [one["focus"]["reference"][-36:] for one in status_of(bundle)["events"]] == [made]
    (new,) = bundle["entry"][1:]
    assert (new["request"], new["response"]) == ({"method": "POST", "url": "Observation"}, {"status": "201"})
    sent = {"content-type": FHIR, "if-match": 'W/"1"'}
    body = json.dumps(observation(id=made, status="amended")).encode()
    changed = world.platform.client.call("PUT", f"/fhir/R4/Observation/{made}", as_="lab", body=body, headers=sent)
    assert changed.status_code == 200
    (bundle,) = world.told()
    assert bundle["entry"][1]["resource"]["status"] == "amended"
    assert bundle["entry"][1]["request"] == {"method": "PUT", "url": f"Observation/{made}"}
    gone = world.platform.client.call("DELETE", f"/fhir/R4/Observation/{made}", as_="lab", headers={})
    assert gone.status_code == 204
    (bundle,) = world.told()
    assert bundle["entry"][1]["request"] == {"method": "DELETE", "url": f"Observation/{made}"}
    assert "resource" not in bundle["entry"][1]
    assert other not in json.dumps(bundle)


def test_what_is_taken_from_a_wrong_person_is_told_as_deleted_once_to_who_was_told_of_it(world: World) -> None:
    world.subscribed("Observation")
    mark = f"moved-{secrets.token_hex(4)}"

    def sent(who: str, number: int, service: str) -> None:
        inside = Kith.person(Kith.SAMPLE + Kith.item("NPU01944", id_="1"), number=world.platform.nin(who))
        raw = Kith.message(
            Kith.report(patient=inside, id_=mark, service=service), id_=f"{mark}-{number}",
            generated=f"2026-03-0{number}T12:00:05",
        )  # fmt: skip
        assert world.platform.send(raw).status_code == 200

    sent(WHO, 2, "N")
    (bundle,) = world.told()
    made = bundle["entry"][1]["resource"]["id"]
    world.platform.clock.move(timedelta(minutes=10))
    assert world.told() == []
    sent("renumbered", 4, "M")
    (bundle,) = world.told()
    assert [one["request"] for one in bundle["entry"][1:]] == [{"method": "DELETE", "url": f"Observation/{made}"}]
    assert world.platform.get(f"Observation/{made}", about=WHO).status == 404
    world.platform.rows(
        "UPDATE record SET xid = pg_current_xact_id() WHERE patient = (SELECT patient FROM record WHERE id = $1) RETURNING 1",
        UUID(made),
    )
    assert world.told() == []
    sent(WHO, 6, "M")
    (bundle,) = world.told()
    assert bundle["entry"][1]["resource"]["id"] == made


def test_what_is_not_taken_is_sent_again_in_order_and_nothing_is_lost(world: World) -> None:
    id_ = world.subscribed("Observation", content="id-only")
    made = [result(world)]
    world.inbox.else_ = 503
    assert len(world.told()) == 1
    tree = world.call("GET", f"/{id_}").tree
    assert (tree["status"], tree["error"]) == ("error", "it answered 503")
    made.append(result(world))
    assert world.told() == [], "not before its time"
    world.platform.clock.move(timedelta(seconds=6))
    assert len(world.told()) == 1
    world.platform.clock.move(timedelta(seconds=6))
    assert world.told() == [], "it waits twice as long each time"
    world.inbox.else_ = 204
    world.platform.clock.move(timedelta(seconds=10))
    events = [event for bundle in world.told() for event in status_of(bundle)["events"]]
    assert [(one["event-number"], one["focus"]["reference"][-36:]) for one in events] == [
        ("1", made[0]),
        ("2", made[1]),
    ]
    assert world.state(id_) == "active"


def test_after_days_of_nothing_taken_it_is_off_and_begins_anew_with_all_that_it_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(days=3) == subscribing.OFF_AFTER
    monkeypatch.setattr(subscribing, "OFF_AFTER", timedelta(minutes=1))
    id_ = world.subscribed("Observation", content="id-only")
    world.inbox.else_ = 500
    made = [result(world)]
    world.told()
    world.platform.clock.move(timedelta(minutes=1))
    world.told()
    assert world.state(id_) == "off"
    made.append(result(world))
    world.inbox.else_ = 200
    assert world.told() == []
    tree = wish(world.inbox.url + "/hook", "Observation", content="id-only") | {"id": id_}
    assert world.call("PUT", f"/{id_}", tree).status == 428
    assert world.call("PUT", f"/{id_}", tree, headers={"if-match": 'W/"7"'}).status == 412
    assert world.call("PUT", f"/{id_}", tree, headers={"if-match": 'W/"1"'}).status == 200
    bundles = world.told()
    assert len(world.inbox.bundles("handshake")) == 1
    events = [event for bundle in bundles for event in status_of(bundle)["events"]]
    assert [one["focus"]["reference"][-36:] for one in events] == made
    assert world.state(id_) == "active"


def choose(platform: Standing, about: str, kind: str, *, ended: bool = False) -> None:
    """A choice about the results of a persona in force, or ended."""
    patient = platform.audited(platform.get("Observation?_count=1", about=about).response)[0]["patient"]
    platform.rows(
        "WITH s AS (UPDATE person SET stamp = stamp + 1 WHERE patient = $1) "
        "INSERT INTO privacy_choice (patient, number, kind, service, hpr, made_at) VALUES ($1, 9002, $3, 'results', '1', "
        "now() - interval '1 day') ON CONFLICT (patient, number) DO UPDATE SET kind = $3, "
        "ended_at = CASE WHEN $2 THEN now() - interval '1 hour' END RETURNING 1",
        patient, ended, kind,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["restriction", "block", "opt-out"])
def test_what_is_shut_to_anybody_is_told_to_nobody_and_leaves_no_gap(world: World, kind: str) -> None:
    world.subscribed("Observation", content="id-only")
    first = result(world)
    assert first in json.dumps(world.told())
    hidden = result(world)
    choose(world.platform, WHO, kind)
    try:
        assert world.told() == []
        rows = world.platform.rows(
            "SELECT rule, ids FROM audit WHERE client = 'ehr' AND action = 'notify' ORDER BY at DESC LIMIT 1"
        )
        assert [(row["rule"], row["ids"]) for row in rows] == [("not-told-to-subscriber", [])]
        again = world.call("POST", "", wish(world.inbox.url + "/hook"))
        assert again.status == 201, "what she has shut is not told by a refusal either"
    finally:
        choose(world.platform, WHO, kind, ended=True)
    after = result(world)
    events = [event for bundle in world.told() for event in status_of(bundle)["events"]]
    assert {(one["event-number"], one["focus"]["reference"][-36:]) for one in events} >= {("2", after)}
    assert hidden not in json.dumps(events)


def test_what_was_numbered_and_is_shut_before_it_is_taken_is_told_without_what_it_is_about(world: World) -> None:
    id_ = world.subscribed("Observation")
    made = result(world)
    world.inbox.answers = [500]
    assert made in json.dumps(world.told())
    choose(world.platform, WHO, "block")
    try:
        world.platform.clock.move(timedelta(seconds=6))
        (bundle,) = world.told()
        assert [set(one) for one in status_of(bundle)["events"]] == [{"event-number", "timestamp"}]
        assert (made in json.dumps(bundle), len(bundle["entry"])) == (False, 1)
        assert made not in world.call("GET", f"/{id_}/$events").response.text
    finally:
        choose(world.platform, WHO, "block", ended=True)
    assert made in world.call("GET", f"/{id_}/$events").response.text


def test_a_beat_comes_when_nothing_has_been_told_and_at_its_own_time(world: World) -> None:
    world.subscribed("Observation", extension=[{"url": HEARTBEAT, "valueUnsignedInt": 60}])
    result(world, status="final")
    world.told()
    world.platform.clock.move(timedelta(seconds=59))
    world.told()
    assert world.inbox.bundles("heartbeat") == []
    world.platform.clock.move(timedelta(seconds=2))
    world.told()
    (beat,) = world.inbox.bundles("heartbeat")
    assert (status_of(beat)["events"], status_of(beat)["events-since-subscription-start"]) == ([], "1")


def test_two_subscriptions_of_one_doctor_are_told_each_under_its_own_token(world: World) -> None:
    narrow = world.call(
        "POST", "", wish(world.inbox.url + "/hook", "Observation"), as_="gp", narrower="user/Specimen.rs"
    )
    assert narrow.status == 201
    wide = world.subscribed("Observation", as_="gp")
    made = result(world)
    assert [status_of(one)["subscription"]["reference"][-36:] for one in world.told()] == [wide]
    assert made not in world.call("GET", f"/{narrow.tree['id']}/$events", as_="gp").response.text


def test_a_doctor_is_told_under_her_own_law_while_her_attestation_holds(world: World) -> None:
    id_ = world.subscribed("Observation", as_="gp")
    made = result(world)
    (bundle,) = world.told()
    assert bundle["entry"][1]["resource"]["id"] == made
    assert world.platform.rows(
        "SELECT action, rule FROM audit WHERE $1 = ANY(ids) AND outcome = 0 ORDER BY at DESC LIMIT 1", UUID(made)
    ) == [{"action": "search", "rule": "gp"}]
    world.platform.clock.move(timedelta(minutes=61))
    result(world)
    assert world.told() == []
    tree = world.call("GET", f"/{id_}", as_="gp").tree
    assert (tree["status"], tree["error"]) == ("off", "the subscription has ended")


def test_nothing_is_sent_to_an_address_that_is_registered_no_more_or_where_one_is_sent_on(world: World) -> None:
    id_ = world.subscribed("Observation")
    world.inbox.else_, world.inbox.location = 307, "http://127.0.0.1:1/elsewhere"
    result(world)
    world.told()
    assert "nothing is sent where it points to" in world.call("GET", f"/{id_}").tree["error"]
    world.platform.application._edge.settings.subscribers_file.write_text("")
    world.platform.clock.move(timedelta(seconds=6))
    assert world.told() == []
    assert world.call("GET", f"/{id_}").tree["error"] == "its address is not registered any more"


def test_a_slow_receiver_keeps_no_other_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribing, "WAIT_SECONDS", 0.05)
    world.subscribed("Observation", content="id-only")
    with Receiver() as slow:
        file = world.platform.application._edge.settings.subscribers_file
        file.write_text(
            file.read_text() + f'[[receiver]]\nclient = "ehr"\nurl = "{slow.url}/"\naddresses = ["127.0.0.0/8"]\n'
        )
        assert world.call("POST", "", wish(slow.url + "/hook", "Observation")).status == 201
        world.work()
        slow.delay = 1.5
        result(world)
        world.inbox.sent.clear()
        world.platform.run(world.deliverer.work())
        assert len(world.inbox.bundles()) == 1
        assert slow.bundles() == []
        result(world)
        world.platform.run(world.deliverer.work())
        assert len(world.inbox.bundles()) == 2
        world.work()
        assert [status_of(one)["events-since-subscription-start"] for one in slow.bundles()] == ["1", "2"]


def test_two_who_tell_tell_each_event_once_and_what_a_crash_left_is_told_when_its_lease_is_over(world: World) -> None:
    world.subscribed("Observation", content="id-only")
    edge = world.platform.application._edge
    other = replace(world.deliverer, hooks=Hooks(), underway=set(), read={})
    world.platform.run(ready(other))
    for _ in range(3):
        result(world)

    async def both() -> None:
        await asyncio.gather(world.deliverer.run_due(), other.run_due())
        other.hooks.close()

    world.inbox.sent.clear()
    world.platform.run(both())
    numbers = [event["event-number"] for one in world.inbox.bundles() for event in status_of(one)["events"]]
    assert numbers == ["1", "2", "3"]
    result(world)

    async def taken() -> int:
        async with edge.store.pool.acquire() as conn:
            await subscriptions.derive(conn, world.platform.clock.now())
            return len(await subscriptions.claim(conn, "rest-hook", world.platform.clock.now(), 10))

    assert world.platform.run(taken()) == 1
    assert world.told() == []
    world.platform.clock.move(subscriptions.LEASE)
    assert [event["event-number"] for one in world.told() for event in status_of(one)["events"]] == ["4"]


def test_a_mark_that_is_put_on_or_taken_off_is_no_news(world: World) -> None:
    world.subscribed("Observation", content="id-only")
    old = result(world)
    world.told()
    world.platform.clock.move(timedelta(minutes=10))
    world.told()
    for labels in (Label.RESTRICTED, Label(0)):
        world.platform.rows(
            "UPDATE record SET labels = $2, xid = pg_current_xact_id() WHERE id = $1 RETURNING 1",
            UUID(old),
            int(labels),
        )
        assert world.told() == []


def test_what_comes_while_nobody_is_to_be_told_is_passed_over_and_what_comes_later_is_told(world: World) -> None:
    place = "SELECT xid::text::bigint AS xid FROM subscription_position"
    before = world.platform.rows(place)[0]["xid"]
    result(world)
    world.platform.clock.move(subscriptions.QUIET * 2)
    assert world.told() == []
    passed = world.platform.rows(place)[0]["xid"]
    assert passed > before
    world.subscribed("Observation", content="id-only")
    result(world)
    assert [event["event-number"] for one in world.told() for event in status_of(one)["events"]] == ["1"]
    assert world.platform.rows(place)[0]["xid"] > passed


def test_a_record_that_is_hidden_is_not_told_and_takes_no_number(world: World) -> None:
    world.subscribed("Observation", content="id-only")
    hidden = result(world)
    world.platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(hidden), int(Label.RESTRICTED))
    shown = result(world)
    (bundle,) = world.told()
    assert [(one["event-number"], one["focus"]["reference"][-36:]) for one in status_of(bundle)["events"]] == [
        ("1", shown)
    ]
    world.platform.client.call("DELETE", f"/fhir/R4/Observation/{hidden}", as_="lab")
    assert world.told() == []


def test_subscriptions_are_a_clients_own(world: World) -> None:
    id_ = world.subscribed("Observation")
    for as_ in ("gp", "hospital-doctor"):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/$status"), ("GET", "/$events")):
            assert world.call(method, f"/{id_}{path}", as_=as_).status == 404
        assert world.call("GET", as_=as_).ids() == []
    assert world.call("GET").ids() == [id_]
    assert world.call("GET", "?status=active&type=rest-hook").ids() == [id_]
    assert world.call("GET", "?status=off").ids() == []
    assert world.call("GET", "?name=x").status == 400
    assert world.platform.nin(WHO) not in world.call("GET").response.text
    assert world.call("DELETE", f"/{id_}").status == 204
    assert world.call("GET", f"/{id_}").status == 404
    result(world)
    assert world.told() == []


def test_who_may_not_subscribe_hears_one_thing_of_known_and_unknown(world: World) -> None:
    tree = wish(world.inbox.url + "/hook", "Observation")
    answers = [
        world.call("POST", "", tree, about="protected"),
        Answered(
            world.platform.client.call(
                "POST",
                AT,
                as_="ehr",
                patient=world.platform.nin("protected")[:-1] + "0",
                body=json.dumps(tree).encode(),
                headers={"content-type": FHIR},
            )
        ),
    ]
    assert [one.status for one in answers] in ([403, 403], [403, 400])
    assert world.call("POST", "", tree, as_="lab").status == 403
    assert world.call("POST", "", tree, as_="citizen").status == 403


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"criteria": "Observation?specimen.type=1"}, "Subscription.criteria"),
        ({"criteria": "Observation?code=1&_sort=date"}, "Subscription.criteria"),
        ({"criteria": "Patient?name=x"}, "Subscription.criteria"),
        ({"criteria": "nothing"}, "Subscription.criteria"),
        ({"criteria": TOPIC + "encounter-complete", "_criteria": OF_TASKS}, "Subscription.criteria"),
        ({"criteria": TOPIC + "documents"}, "Subscription.criteria"),
        ({"_criteria": {"extension": [{"url": "urn:x", "valueString": "x"}]}, "criteria": None}, "Subscription.criteria"),
        ({"channel": {"type": "email", "endpoint": "mailto:a@b.example"}}, "Subscription.channel.type"),
        ({"channel": {"type": "rest-hook"}}, "Subscription.channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "https://elsewhere.example/"}}, "Subscription.channel.endpoint"),
        ({"channel": {"type": "rest-hook", "endpoint": "http://169.254.169.254/"}}, "Subscription.channel.endpoint"),
        ({"_criteria": {"extension": [{"url": FILTER, "valueString": "Flag?status=active"}]}}, "Subscription.criteria"),
        ({"_criteria": {"extension": [{"url": FILTER, "valueString": "Observation?specimen.type=x"}]}}, "Subscription.criteria"),
        ({"_criteria": {"extension": [{"url": FILTER, "valueString": "Observation?_count=3"}]}}, "Subscription.criteria"),
        ({"end": "2020-01-01T00:00:00Z"}, "Subscription.end"),
        ({"reason": "om 01825110190"}, "Subscription.reason"),
        (
            {"channel": {"type": "rest-hook", "endpoint": "https://x.example/a01825110190"}},
            "Subscription.channel.endpoint",
        ),
    ],
)  # fmt: skip
def test_what_is_not_done_here_is_refused_with_its_place(world: World, changes: Tree, where: str) -> None:
    tree = {name: value for name, value in (wish(world.inbox.url + "/hook") | changes).items() if value is not None}
    answer = world.call("POST", "", tree)
    assert (answer.status, answer.issue.get("expression")) == (422, [where]), answer.response.text


def test_the_operator_sees_what_fails_and_has_it_begin_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at = "/subscriptions/failing"

    def listed(query: str = "") -> Tree:
        answer = Answered(world.platform.client.call("GET", at + query, as_="operator"))
        assert answer.status == 200, answer.response.text
        return answer.tree

    def begun(id_: str, as_: str = "operator") -> int:
        return int(world.platform.client.call("POST", f"{at}/{id_}/begin", as_=as_).status_code)

    monkeypatch.setattr(subscribing, "OFF_AFTER", timedelta(minutes=1))
    id_, well = world.subscribed("Observation", content="id-only"), world.subscribed("DiagnosticReport")
    assert (listed(), begun(well), begun("none")) == ({"subscriptions": []}, 404, 404)
    world.inbox.else_ = 500
    made = result(world)
    world.told()
    world.platform.clock.move(timedelta(minutes=1))
    world.told()
    (one,) = listed()["subscriptions"]
    assert (one["id"], one["client"], one["state"], one["tries"]) == (id_, "ehr", "off", 2)
    assert (one["fault"], one["service"]) == ("it answered 500", "results")
    assert not {"patient", "endpoint"} & one.keys()
    world.inbox.else_ = 200
    assert begun(id_, as_="ehr") == 403
    assert (begun(id_), begun(id_)) == (204, 404)
    events = [event for bundle in world.told() for event in status_of(bundle)["events"]]
    assert [event["focus"]["reference"][-36:] for event in events] == [made]
    assert (world.state(id_), listed()) == ("active", {"subscriptions": []})
    off = wish(world.inbox.url + "/hook", "Observation", content="id-only") | {"id": id_, "status": "off"}
    assert world.call("PUT", f"/{id_}", off, headers={"if-match": 'W/"1"'}).status == 200
    assert (listed(), begun(id_)) == ({"subscriptions": []}, 404), "what its owner turned off stays off"


def test_the_list_of_what_fails_goes_on_by_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kjerne.services.subscriptions.FAILING_LISTED", 1)
    ids = {world.subscribed("Observation") for _ in range(2)}
    world.inbox.else_ = 500
    result(world)
    world.told()
    first = Answered(world.platform.client.call("GET", "/subscriptions/failing", as_="operator")).tree
    more = f"/subscriptions/failing?_after={first['after']}"
    second = Answered(world.platform.client.call("GET", more, as_="operator")).tree
    assert {one["id"] for one in (*first["subscriptions"], *second["subscriptions"])} == ids
    assert "after" not in second
    for query in ("?_after=x", "?x=1", f"?_after={first['after']}&_after=1"):
        answer = world.platform.client.call("GET", "/subscriptions/failing" + query, as_="operator")
        assert answer.status_code == 400, query


def test_headers_are_sent_along_and_hold_no_line_of_their_own(world: World) -> None:
    world.subscribed("Observation", header=["Authorization: Bearer s3cret"])
    assert world.inbox.sent[-1][1]["Authorization"] == "Bearer s3cret"
    for bad in ("Host: x", "X-A: b\r\nX-C: d", "Content-Length: 3", "X-A:", "Cookie: a=b"):
        answer = world.call("POST", "", wish(world.inbox.url + "/hook", header=[bad]))
        assert answer.status in (400, 422), bad
