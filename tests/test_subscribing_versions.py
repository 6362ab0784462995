"""Subscribers are told of each version that was written, as it was written, whenever it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Label
from kjerne.fhir.topics import TOPIC
from kjerne.store import subscriptions
from platform_fixture import Answered, Tree
from receiving import status_of
from services.test_standards import FHIR, observation
from services.test_standards_record import chosen, sent_in
from subscribers import WHO, World, result, world
from test_subscribing_opened import PART
from test_subscribing_searches import plain

__all__ = ["world"]
NEW, CHANGED = ("POST", "201"), ("PUT", "200")


def put(world: World, tree: Tree, version: int, *, as_: str = "lab") -> None:
    body = json.dumps(tree).encode()
    headers = {"content-type": FHIR, "if-match": f'W/"{version}"'}
    who = world.platform.nin(WHO)
    path = f"/fhir/R4/{tree['resourceType']}/{tree['id']}"
    changed = Answered(world.platform.client.call("PUT", path, as_=as_, patient=who, body=body, headers=headers))
    assert changed.status == 200, changed.response.text


def amended(world: World, id_: str, *statuses: str, first: int = 1) -> None:
    for version, status in enumerate(statuses, first):
        put(world, observation(id=id_, status=status), version)


def deleted(world: World, id_: str) -> None:
    path = f"/fhir/R4/Observation/{id_}"
    assert world.platform.client.call("DELETE", path, as_="lab", headers={}).status_code == 204


def encounter(status: str, **more: Any) -> Tree:
    return {"resourceType": "Encounter", "status": status, "class": {"code": "IMP"}} | more


def events(bundles: list[Tree]) -> list[tuple[str, str]]:
    """Number and record of each event."""
    found = [event for bundle in bundles for event in status_of(bundle)["events"]]
    return [(event["event-number"], event["focus"]["reference"][-36:]) for event in found]


def entries(bundles: list[Tree]) -> list[tuple[tuple[str, str], str, str]]:
    """How each version was made, which it is, and the status that it has."""
    found = [entry for bundle in bundles for entry in bundle["entry"][1:]]
    return [
        (
            (one["request"]["method"], one["response"]["status"]),
            one.get("resource", {}).get("meta", {}).get("versionId", ""),
            one.get("resource", {}).get("status", ""),
        )
        for one in found
    ]


def test_an_encounter_that_began_and_ended_before_anybody_was_told_is_told_to_have_begun(world: World) -> None:
    world.subscribed(service="encounter-start")
    id_ = sent_in(world.platform, encounter("in-progress"), about=WHO)
    put(world, encounter("finished", id=id_), 1, as_="journal-system")
    told = world.told()
    assert events(told) == [("1", id_)]
    assert entries(told) == [(NEW, "1", "in-progress")]
    rows = world.platform.rows("SELECT versions FROM audit WHERE action = 'notify' AND $1 = ANY(ids)", UUID(id_))
    assert [row["versions"] for row in rows] == [[1]], "the log names the version that left"


def test_what_began_and_ended_while_the_receiver_was_down_is_told_when_it_is_back(world: World) -> None:
    world.subscribed(service="encounter-start", content="id-only")
    world.inbox.else_ = 503
    first = sent_in(world.platform, encounter("in-progress"), about=WHO)
    world.told()
    second = sent_in(world.platform, encounter("in-progress"), about=WHO)
    world.told()
    put(world, encounter("finished", id=second), 1, as_="journal-system")
    world.inbox.else_ = 200
    world.platform.clock.move(timedelta(seconds=6))
    assert events(world.told()) == [("1", first), ("2", second)]


@pytest.mark.parametrize("rows", [5_000, 1], ids=["at once", "one by one"])
@pytest.mark.parametrize("looks", [(), (0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_the_same_is_told_whenever_it_is_looked(
    world: World, monkeypatch: pytest.MonkeyPatch, looks: tuple[int, ...], rows: int
) -> None:
    monkeypatch.setattr(subscriptions, "ROWS_AT_ONCE", rows)
    every = world.subscribed("Observation")
    final = world.subscribed("Observation?status=final", "Observation?status=corrected")
    made = result(world)
    written: list[Callable[[], None]] = [
        lambda: amended(world, made, "amended"),
        lambda: amended(world, made, "corrected", first=2),
        lambda: amended(world, made, "entered-in-error", first=3),
    ]
    told = []
    for number, write in enumerate(written):
        told += world.told() if number in looks else []
        write()
    told += world.told()
    by = {
        id_: [one for one in told if status_of(one)["subscription"]["reference"].endswith(id_)]
        for id_ in (every, final)
    }
    assert events(by[every]) == [(str(number), made) for number in range(1, 5)]
    assert entries(by[every]) == [
        (NEW, "1", "final"), (CHANGED, "2", "amended"), (CHANGED, "3", "corrected"), (CHANGED, "4", "entered-in-error"),
    ]  # fmt: skip
    assert entries(by[final]) == [(NEW, "1", "final"), (CHANGED, "3", "corrected")]
    assert world.told() == []


def test_r4s_own_way_puts_each_version_that_answers_the_search(world: World) -> None:
    url = world.inbox.url + "/hook"
    for status in ("final", "amended"):
        criteria = f"Observation?status={status}"
        assert world.call("POST", "", plain(f"{url}/{status}", criteria, payload=FHIR)).status == 201
    world.work()
    made = result(world)
    amended(world, made, "amended", "corrected")
    world.told()
    assert sorted((path, tree["meta"]["versionId"], tree["status"]) for path, _, tree in world.inbox.sent) == [
        (f"/hook/amended/Observation/{made}", "2", "amended"), (f"/hook/final/Observation/{made}", "1", "final"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["id-only", "full-resource"])
def test_what_was_made_and_deleted_at_once_is_told_by_its_address_and_as_deleted(world: World, content: str) -> None:
    id_ = world.subscribed("Observation?status=final", content=content)
    never = world.subscribed("Observation?status=amended", content=content)
    made = result(world)
    deleted(world, made)
    told = world.told()
    assert {status_of(one)["subscription"]["reference"][-36:] for one in told} == {id_}, f"{never} was told of nothing"
    assert events(told) == [("1", made), ("2", made)]
    assert entries(told) == [(("DELETE", "204"), "", "")]
    assert events([world.call("GET", f"/{id_}/$events?content=full-resource").tree]) == events(told)


def test_what_was_told_before_it_was_deleted_and_not_taken_comes_again_by_its_address(world: World) -> None:
    world.subscribed("Observation")
    made = result(world)
    world.inbox.answers = [500]
    assert entries(world.told()) == [(NEW, "1", "final")]
    deleted(world, made)
    world.platform.clock.move(timedelta(seconds=6))
    told = world.told()
    assert (events(told), entries(told)) == ([("1", made), ("2", made)], [(("DELETE", "204"), "", "")])


@pytest.mark.parametrize("label", [Label.RESTRICTED, Label.WITHDRAWN])
def test_no_version_is_told_of_what_is_shut_when_it_would_be_told(world: World, label: Label) -> None:
    world.subscribed("Observation", content="id-only")
    hidden = result(world)
    amended(world, hidden, "amended")
    world.platform.rows(
        "UPDATE record SET labels = labels | $2, xid = pg_current_xact_id() WHERE id = $1 RETURNING 1",
        UUID(hidden),
        int(label),
    )
    shown = result(world)
    assert events(world.told()) == [("1", shown)]


def test_what_was_shut_is_not_told_when_it_is_opened_and_changed_before_it_is_looked_at(world: World) -> None:
    """The change is news, and what stood shut until then is not (K90)."""
    world.subscribed("Observation")
    with chosen(world.platform, WHO, "restriction", "results", code=[PART]):
        hidden = result(world)
        assert world.told() == []
    amended(world, hidden, "amended")
    assert entries(world.told()) == [(CHANGED, "2", "amended")]


def test_a_topic_is_the_same_for_each_version(world: World) -> None:
    world.subscribed(service="encounter-complete", content="id-only")
    id_ = sent_in(world.platform, encounter("finished"), about=WHO)
    put(world, encounter("entered-in-error", id=id_), 1, as_="journal-system")
    (bundle,) = world.told()
    assert status_of(bundle)["topic"] == TOPIC + "encounter-complete"
    assert events([bundle]) == [("1", id_)]
