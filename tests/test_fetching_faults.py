"""What is wrong with a journal, or with what it says, is seen by an operator and keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from journal_server import Server, notify
from kjerne import fetching
from kjerne.errors import Refusal
from kjerne.registries import identifiers
from platform_fixture import Standing
from services.critical.records import allergy
from test_fetching import FETCHES, NUMBER, WHO, World, world

__all__ = ["world"]


def spare(platform: Standing) -> str:
    """A right number (synthetic, born in month 87) that nobody has."""
    known = {platform.nin(one) for one in (WHO, "parent", "citizen")}
    return next(one for n in range(10_000) if is_right(one := f"028726{n:05d}") and one not in known)


def is_right(number: str) -> bool:
    try:
        identifiers.parse(number)
    except (ValueError, Refusal):
        return False
    return True


def test_a_journal_is_looked_through_again_and_what_it_told_nobody_is_found(world: World) -> None:
    world.work()
    for id_ in ("a1", "a2"):
        tree = world.sender.own(allergy(world.platform, WHO), id_)
        world.journal.records[f"AllergyIntolerance/{id_}"] = tree | {"id": id_}
    world.work(fetching.LOOKED_AFTER_EVERY)
    assert len(world.listed()) == 2
    assert any("_lastUpdated=ge2" in one for one in world.journal.asked) and world.told()[0]["fault"] == ""
    world.journal.records["AllergyIntolerance/a3"] = world.sender.own(allergy(world.platform, WHO), "a3") | {"id": "a3"}
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    assert notify(subscription, "") == 200
    world.work()
    assert len(world.listed()) == 3


@pytest.mark.parametrize(
    "link",
    ["{base}AllergyIntolerance?ct=%5B%22a%22%5D", "{bare}?_getpages=1-2-3", "AllergyIntolerance?page=2", "?page=2",
     "{base}AllergyIntolerance?ct=" + "x" * 3000],
    ids=["percent", "at the base", "relative", "a query alone", "long"],
)  # fmt: skip
def test_a_search_goes_on_where_the_server_says_within_its_own_address(world: World, link: str) -> None:
    there = link.format(base=world.journal.url, bare=world.journal.url.rstrip("/"))
    world.journal.records["AllergyIntolerance/a1"] = world.sender.own(allergy(world.platform, WHO), "a1") | {"id": "a1"}
    last = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "AllergyIntolerance", "id": "a1"}}]}
    first = {"resourceType": "Bundle", "link": [{"relation": "next", "url": there}]}

    def says(path: str) -> tuple[int, bytes] | None:
        if any(one in path for one in ("ct=", "page=", "_getpages=")):
            return 200, json.dumps(last).encode()
        return (200, json.dumps(first).encode()) if path.startswith("AllergyIntolerance?") else None

    world.journal.says = says
    world.work()
    assert len(world.listed()) == 1 and world.told()[0]["fault"] == ""


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b'{"resourceType":"Bundle","entry":[null]}', "what it answered is no Bundle as R4 has it"),
        (b'{"resourceType":"Bundle","entry":5}', "what it answered is no Bundle as R4 has it"),
        (b'{"resourceType":"Bundle","link":["x"]}', "what it answered is no Bundle as R4 has it"),
        (b"[1]", "what it answered is no JSON that is read here"),
        (b'{"resourceType":"OperationOutcome"}', "what it answered is no Bundle"),
        (
            b'{"resourceType":"Bundle","link":[{"relation":"next","url":"?_count=50"}]}',
            "a page points back to one before it",
        ),
        (
            b'{"resourceType":"Bundle","link":[{"relation":"next","url":"http://127.0.0.1:9/x"}]}',
            "a page points outside",
        ),
    ],
)
def test_a_type_that_cannot_be_looked_through_is_told_and_keeps_no_other_type_waiting(
    world: World, answer: bytes, fault: str
) -> None:
    world.journal.records["AllergyIntolerance/a1"] = world.sender.own(allergy(world.platform, WHO), "a1") | {"id": "a1"}
    world.journal.says = lambda path: (200, answer) if path.startswith("Condition?") else None
    world.work()
    state, _ = world.told()
    assert len(world.listed()) == 1 and state["subscribed"] and state["fault"].startswith(f"Condition: {fault}")
    assert len(world.journal.asked) < 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"patient": "x"}, {"patient": ["x"]}, {"patient": {"identifier": "x"}}, {"meta": [1]}, {"identifier": "x"},
        {"contained": [None]}, {"recorder": "x"}, {"patient": {"identifier": {"system": NUMBER, "value": 5}}},
        {"patient": {"identifier": {"system": NUMBER, "value": "12345678901"}}}, {"patient": {}}, {"id": "another"},
        {"patient": {"reference": "Patient/other", "identifier": {"system": NUMBER, "value": "of WHO"}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_shaped_as_it_should_be_is_given_up_where_an_operator_sees_it(
    world: World, wrong: dict[str, Any]
) -> None:
    world.work()
    other = [{"system": NUMBER, "value": world.platform.nin("parent")}]
    world.journal.records["Patient/other"] = {"resourceType": "Patient", "id": "other", "identifier": other}
    if "of WHO" in str(wrong):
        wrong = json.loads(json.dumps(wrong).replace("of WHO", world.platform.nin(WHO)))
    world.write()
    world.journal.records["AllergyIntolerance/a1"] |= wrong
    world.work()
    assert len([one for one in world.journal.asked if one.endswith("/a1")]) == 1
    (dead,) = world.told()[1]
    assert dead["fault"] and "12345678901" not in str(dead) and world.listed() == []


def test_a_fault_of_ours_is_told_tried_again_and_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.work()
    world.write()

    def broken(*_: Any) -> None:
        raise ZeroDivisionError(world.platform.nin(WHO))

    monkeypatch.setattr(fetching, "_as_filed", broken)
    world.work()
    assert world.told()[0]["why"] == "a fault of ours: ZeroDivisionError"
    for _ in range(fetching.FAULTS_OF_OURS - 1):
        assert world.told()[1] == []
        world.work(timedelta(minutes=3))
    assert [one["fault"] for one in world.told()[1]] == ["a fault of ours: ZeroDivisionError"]


def test_whom_nobody_knows_yet_is_asked_for_again_and_told_as_a_number(world: World) -> None:
    """As of somebody who has opted out: an operator cannot tell which of the two it is."""
    world.work()
    world.journal.records["Patient/p1"]["identifier"][0]["value"] = spare(world.platform)
    world.write()
    world.work()
    state, dead = world.told()
    assert (state["aside"], state["waiting"], state["fault"], dead) == (1, 0, "", [])
    world.journal.records["Patient/p1"]["identifier"][0]["value"] = world.platform.nin(WHO)
    world.work(fetching.ASIDE_FIRST)
    assert len(world.listed()) == 1 and world.told()[0]["aside"] == 0


def test_what_nothing_is_filed_of_is_asked_for_again_at_once_where_the_journal_is_to_be_looked_through(
    world: World,
) -> None:
    world.work()
    world.journal.records["Patient/p1"]["identifier"][0]["value"] = world.platform.nin("opted-out")
    world.write()
    world.work()
    assert world.told()[0]["aside"] == 1
    world.journal.records["Patient/p1"]["identifier"][0]["value"] = world.platform.nin(WHO)
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    assert notify(subscription, "") == 200
    world.work()
    assert len(world.listed()) == 1


def test_a_subscription_that_tells_another_address_is_begun_anew(world: World) -> None:
    world.work()
    subscription = world.journal.records["Subscription/subscribed"]
    ours = subscription["channel"]["endpoint"]
    subscription["channel"]["endpoint"] = "https://former.example/notified"
    world.work(timedelta(minutes=61))
    assert world.journal.records["Subscription/subscribed"]["channel"]["endpoint"] == ours


def test_nothing_is_fetched_anew_of_a_journal_that_is_taken_out_and_it_stays_given_up(world: World) -> None:
    world.work()
    world.write(criticality="no code")
    world.work()
    (dead,) = world.told()[1]
    world.platform.application._edge.settings.journals_file.write_text("")
    again = world.platform.client.call("POST", f"{FETCHES}/{dead['number']}/again", as_="operator")
    assert again.status_code == 404 and len(world.told()[1]) == 1 and world.told()[0]["registered"] is False


def test_a_file_that_cannot_be_read_is_told_and_who_tells_something_is_asked_to_tell_it_later(world: World) -> None:
    world.work()
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    world.platform.application._edge.settings.journals_file.write_text("[[journal]]\n oops")
    there = f"{world.journal.url}AllergyIntolerance/a1"
    assert (notify(subscription, there), notify(subscription, there, "Bearer wrong")) == (503, 401)
    found = world.platform.client.call("GET", FETCHES, as_="operator").json()
    assert "cannot be read" in found["fault"]


@pytest.mark.parametrize(
    "body",
    [
        {"entry": 5}, {"entry": "x"}, {"entry": [None]}, {"entry": [{"resource": "x"}]},
        {"entry": [{"resource": {"parameter": 5}}]}, {"entry": [{"resource": {"parameter": [{"part": "x"}]}}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_notification_of_another_shape_is_refused(world: World, body: dict[str, Any]) -> None:
    world.work()
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    assert notify(subscription, "", body={"resourceType": "Bundle", **body}) == 422


def test_a_journal_that_does_not_answer_keeps_no_other_waiting(world: World) -> None:
    """Its hands are its own: all of them hang, and another journal's entry is filed meanwhile."""
    file = world.platform.application._edge.settings.journals_file
    let = threading.Event()
    world.work()
    with Server() as slow:
        file.write_text(
            file.read_text() + file.read_text().replace(world.name, "slow").replace(world.journal.url, slow.url)
        )
        world.work()
        slow.says = lambda path: (503, b"{}") if path.startswith("Flag/") and let.wait(60) else None
        for number in range(20):
            slow.tell(f"Flag/{number}")
        world.write()

        async def until_filed() -> int:
            async with world.opened() as house:
                task = asyncio.create_task(fetching.of(house).run_forever())
                try:
                    while not await house.store.pool.fetchval(
                        "SELECT count(*) FROM critical_transfer WHERE system = $1", world.name
                    ):
                        await asyncio.sleep(0.05)
                    return len([one for one in slow.asked if "/Flag/" in one])
                finally:
                    let.set()
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

        assert world.platform.run(until_filed(), 60) == 0, "the other has answered nothing yet"
    world.platform.rows("DELETE FROM journal_news WHERE journal = 'slow'")
    world.platform.rows("DELETE FROM journal WHERE name = 'slow'")
