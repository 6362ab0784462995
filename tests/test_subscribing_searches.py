"""Subscriptions by a search in their criteria, by topics of one type, and the test client's own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kjerne.fhir.subscribing import HEARTBEAT
from kjerne.fhir.topics import TOPIC
from kjerne.registries.homes import SECOND
from platform_fixture import Answered, Tree
from receiving import status_of
from services.test_standards import FHIR, create, observation
from services.test_standards_both import critical, ordinary
from services.test_standards_record import sent_in
from services.test_standards_registered import registered
from subscribers import WHO, World, result, wish, world  # noqa: F401
from test_subscribing import choose


def plain(url: str, criteria: str, **channel: Any) -> Tree:
    """A Subscription as R4 itself has it."""
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to see what is new",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": url} | channel,
    }


def test_a_search_in_the_criteria_is_told_in_r4s_own_way(world: World) -> None:  # noqa: F811
    hook, payload = world.inbox.url + "/hook", "application/fhir+json"
    with_it = world.call(
        "POST", "", plain(hook, "Observation?code=NPU03429&value-quantity=ge4.5", payload=payload)
    ).tree
    world.call("POST", "", plain(world.inbox.url + "/bell", "Observation?code=NPU03429&value-quantity=lt4.5"))
    world.work()
    assert world.inbox.sent == [], "R4 knows no handshake"
    assert world.state(with_it["id"]) == "active"
    low, high = (observation(valueQuantity={"value": value, "unit": "mmol/L"}) for value in (4, 5))
    ids = [create(world.platform, tree, about=WHO).tree["id"] for tree in (low, high, high)]
    world.told()
    told = [(path, tree.get("id")) for path, _, tree in world.inbox.sent]
    assert sorted(told, key=str) == sorted(
        [("/bell", None), *((f"/hook/Observation/{id_}", id_) for id_ in ids[1:])], key=str
    )
    served = world.platform.get(f"Observation/{ids[1]}", about=WHO).tree
    assert served in [tree for _, _, tree in world.inbox.sent]
    world.platform.client.call("DELETE", f"/fhir/R4/Observation/{ids[1]}", as_="lab")
    world.told()
    assert world.inbox.sent == [], "nor a deletion"
    asked = wish(hook, extension=[{"url": HEARTBEAT, "valueUnsignedInt": 60}])["channel"]
    asked.pop("_payload")
    answer = world.call("POST", "", plain(hook, "Observation") | {"channel": asked})
    assert (answer.status, answer.issue["expression"]) == (422, ["Subscription.channel"])


def test_a_record_that_is_shut_before_it_is_put_is_not_put(world: World) -> None:  # noqa: F811
    world.call("POST", "", plain(world.inbox.url + "/hook", "Observation", payload="application/json"))
    world.work()
    result(world)
    world.inbox.answers = [500]
    world.told()
    assert len(world.inbox.sent) == 1
    choose(world.platform, WHO, "block")
    try:
        world.platform.clock.move(timedelta(seconds=6))
        world.told()
        assert world.inbox.sent == []
    finally:
        choose(world.platform, WHO, "block", ended=True)
    later = result(world)
    world.told()
    assert [path[-36:] for path, _, _ in world.inbox.sent] == [later]


def test_an_encounter_that_is_finished_is_told_by_its_topic_to_who_names_its_patient_by_address(world: World) -> None:  # noqa: F811
    who = world.platform.get("Patient", about=WHO, as_="gp").ids()[0]
    tree = wish(
        world.inbox.url + "/hook", f"Encounter?patient=Patient/{who}", content="id-only", service="encounter-complete"
    )
    about_another = world.call("POST", "", tree, about="renumbered")
    assert (about_another.status, about_another.issue["expression"]) == (400, ["Subscription.criteria"])
    other = world.platform.get("Patient", about="renumbered", as_="gp").ids()[0]
    two = wish(world.inbox.url + "/hook", f"Encounter?patient=Patient/{who}", f"Encounter?patient=Patient/{other}")
    assert world.call("POST", "", two | {"criteria": TOPIC + "record"}, about="").status == 422
    made = world.call("POST", "", tree, about="")
    assert made.status == 201, made.response.text
    world.made.append(made.tree["id"])
    world.work()
    subject = {"subject": {"reference": f"Patient/{who}"}}
    stay = {"resourceType": "Encounter", "status": "in-progress", "class": {"code": "IMP"}} | subject

    def sent(method: str, path: str, tree: Tree, **headers: str) -> Answered:
        body = json.dumps(tree).encode()
        headers = {"content-type": FHIR} | headers
        return Answered(world.platform.client.call(method, path, as_="journal-system", body=body, headers=headers))

    filed = sent("POST", "/fhir/R4/Encounter", stay)
    assert (filed.status, world.told()) == (201, []), filed.response.text
    id_ = filed.tree["id"]
    done = sent("PUT", f"/fhir/R4/Encounter/{id_}", stay | {"id": id_, "status": "finished"}, **{"if-match": 'W/"1"'})
    assert done.status == 200, done.response.text
    of_another = json.loads(json.dumps(tree | {"id": made.tree["id"]}).replace(who, other))
    changed = world.call("PUT", f"/{made.tree['id']}", of_another, about="", headers={"if-match": 'W/"1"'})
    assert (changed.status, changed.issue["expression"]) == (422, ["Subscription.criteria"])
    (bundle,) = world.told()
    status = status_of(bundle)
    assert status["topic"] == TOPIC + "encounter-complete"
    assert [one["focus"]["reference"][-36:] for one in status["events"]] == [id_]
    named = world.call("GET", f"/{made.tree['id']}/$status", about="")
    assert status_of(named.tree)["topic"] == TOPIC + "encounter-complete"


def test_the_test_client_is_told_of_the_made_up_alone_and_of_whom_it_names(world: World) -> None:  # noqa: F811
    file = world.platform.application._edge.settings.subscribers_file
    file.write_text(
        file.read_text()
        + f'[[receiver]]\nclient = "all-patients"\nurl = "{world.inbox.url}/"\naddresses = ["127.0.0.0/8"]\n'
    )
    who = world.platform.get("Patient", about=WHO, as_="gp").ids()[0]
    nobody = world.call("POST", "", plain(world.inbox.url + "/t", "Observation"), as_="all-patients", about="")
    assert nobody.status == 400, "it names its patient as anybody does"
    hers = plain(world.inbox.url + "/t", f"Observation?patient=Patient/{who}", payload=FHIR)
    made = world.call("POST", "", hers, as_="all-patients", about="")
    assert made.status == 201, made.response.text
    world.work()
    filed = result(world)
    world.told()
    assert [path for path, _, _ in world.inbox.sent] == [f"/t/Observation/{filed}"]
    rows = world.platform.rows("SELECT rule FROM audit WHERE $1 = ANY(ids) AND action = 'notify'", UUID(filed))
    assert [row["rule"] for row in rows] == ["test-of-a-synthetic-person"]
    assert world.call("DELETE", f"/{made.tree['id']}", as_="all-patients", about="").status == 204


def subscriber(bundle: Tree) -> str:
    return str(status_of(bundle)["subscription"]["reference"][-36:])


@pytest.mark.parametrize("name", sorted(SECOND))
def test_of_a_type_of_two_services_each_topic_tells_what_its_own_keeps(world: World, name: str) -> None:  # noqa: F811
    of_record = [world.subscribed(service="record"), world.subscribed(f"{name}?code:missing=false", service="record")]
    of_critical = [world.subscribed(name, service="critical-information")]
    kept = sent_in(world.platform, ordinary(world.platform, name, about=WHO), about=WHO)
    told = {subscriber(one): one for one in world.told()}
    assert sorted(told) == sorted(of_record)
    assert [one["entry"][1]["resource"]["id"] for one in told.values()] == [kept, kept]
    if name == "Condition":
        critically = registered(world.platform, critical(world.platform, about=WHO), about=WHO)
        told = {subscriber(one): one for one in world.told()}
        assert [(id_, one["entry"][1]["resource"]["id"]) for id_, one in told.items()] == [(of_critical[0], critically)]
    world.platform.client.call("DELETE", f"/fhir/R4/{name}/{kept}", as_="journal-system")
    gone = world.told()
    assert sorted(subscriber(one) for one in gone) == sorted(of_record)
    assert {one["entry"][1]["request"]["url"] for one in gone} == {f"{name}/{kept}"}


def test_a_search_of_a_type_of_two_services_is_about_the_one_that_the_token_opens(world: World) -> None:  # noqa: F811
    more: Any = {"as_": "gp", "service": "record"}
    made = world.call("POST", "", plain(world.inbox.url + "/r", "Condition", payload=FHIR), **more)
    assert made.status == 201, made.response.text
    world.work()
    kept = sent_in(world.platform, ordinary(world.platform, about=WHO), about=WHO)
    registered(world.platform, critical(world.platform, about=WHO), about=WHO)
    world.told()
    assert [path for path, _, _ in world.inbox.sent] == [f"/r/Condition/{kept}"]
    unsaid = world.call("POST", "", plain(world.inbox.url + "/r", "Condition"))
    assert (unsaid.status, unsaid.issue["expression"]) == (422, ["Subscription.criteria"]), unsaid.response.text
