"""Nothing that a journal has registered is lost, or overwritten by something older: what came when, and what was taken back."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from kjerne import fetching
from kjerne.store.journals import LEASE
from services.critical.records import allergy, ask
from services.test_standards_registered import NEED
from test_fetching import FETCHES, NUMBER, WHO, World, world

__all__ = ["world"]


class Held:
    """A journal that has read what it answers with and does not send it: until it is `let`."""

    def __init__(self, world: World, id_: str = "a1") -> None:
        self.world, self.at = world, f"AllergyIntolerance/{id_}"
        self.asked, self.let = threading.Event(), threading.Event()
        world.journal.says = self.answer

    def answer(self, path: str) -> tuple[int, bytes] | None:
        if path != self.at or self.asked.is_set():
            return None
        read = json.dumps(self.world.journal.records[self.at]).encode()
        self.asked.set()
        assert self.let.wait(60)
        return 200, read


@pytest.mark.parametrize("waits", [timedelta(), LEASE + timedelta(seconds=1)], ids=["in its time", "out of its time"])
def test_an_answer_to_an_older_question_is_never_filed_over_that_to_a_newer_one(world: World, waits: timedelta) -> None:
    world.work()
    world.write(criticality="low")
    world.work()
    held = Held(world)
    world.journal.tell(held.at)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.work)
        assert held.asked.wait(60)
        world.write(criticality="high")
        world.work(waits)
        held.let.set()
        first.result(60)
    world.work()
    (stands,) = world.listed()
    assert stands["criticality"] == "high" and world.told()[0]["waiting"] == 0


def test_what_its_source_wrote_before_what_is_filed_is_not_filed_but_where_an_operator_has_it_fetched_anew(
    world: World,
) -> None:
    world.work()
    world.write(meta={"lastUpdated": "2026-11-27T10:00:02Z"})
    world.work()
    older = world.journal.records["AllergyIntolerance/a1"] | {
        "criticality": "low", "meta": {"lastUpdated": "2026-11-27T10:00:01.999Z"},
    }  # fmt: skip
    world.journal.records["AllergyIntolerance/a1"] = older
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    assert world.listed()[0]["criticality"] == "high"
    assert world.told()[0]["waiting"] == 1 and "written there before" in world.told()[0]["why"]
    world.platform.rows("UPDATE journal_news SET since = since - interval '73 hours' WHERE journal = $1", world.name)
    world.work(fetching.FIRST_RETRY * 2)
    (dead,) = world.told()[1]
    assert "written there before" in dead["fault"]
    again = world.platform.client.call("POST", f"{FETCHES}/{dead['number']}/again", as_="operator")
    assert again.status_code == 204
    world.work()
    assert world.listed()[0]["criticality"] == "low"


def test_a_journals_clock_that_was_ahead_once_has_nothing_refused_that_it_writes_afterwards(world: World) -> None:
    world.work()
    ahead = world.platform.clock.now() + timedelta(days=200)
    world.write(criticality="low", meta={"lastUpdated": ahead.isoformat()})
    world.work()
    assert world.listed()[0]["criticality"] == "low"
    right = world.platform.clock.now() + timedelta(seconds=1)
    world.write(criticality="high", meta={"lastUpdated": right.isoformat()})
    world.work()
    assert world.listed()[0]["criticality"] == "high" and world.told()[0]["waiting"] == 0


def test_the_same_again_that_its_source_wrote_later_puts_what_it_wrote_between_behind_it(world: World) -> None:
    world.work()
    for at, criticality in (("10:00:01", "high"), ("10:00:03", "high"), ("10:00:02", "low")):
        world.journal.records["AllergyIntolerance/a1"] = world.sender.own(allergy(world.platform, WHO), "a1") | {
            "id": "a1", "criticality": criticality, "meta": {"lastUpdated": f"2026-11-27T{at}Z"},
        }  # fmt: skip
        world.journal.tell("AllergyIntolerance/a1")
        world.work()
    assert [one["criticality"] for one in world.listed()] == ["high"]


def standing(world: World) -> list[tuple[str, str]]:
    """Of each record that came from here what it says of certainty, and its version."""
    return sorted((one["verificationStatus"]["coding"][0]["code"], one["meta"]["versionId"]) for one in world.listed())


def test_a_404_that_is_no_answer_of_a_fhir_server_takes_nothing_away(world: World) -> None:
    world.work()
    world.write()
    world.work()
    world.journal.says = lambda path: (404, b"<html>404</html>") if path.startswith("Allergy") else None
    world.journal.tell("AllergyIntolerance/a1")
    for _ in range(3):
        world.work(timedelta(hours=1))
    assert standing(world) == [("unconfirmed", "1")]
    assert "not as a FHIR server does" in world.told()[0]["why"]


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_deleted_in_the_journal_and_undone_there_stands_again_as_a_new_record(
    world: World, status: int
) -> None:
    world.work()
    world.write()
    world.work()
    gone = json.dumps({"resourceType": "OperationOutcome", "issue": []}).encode()
    world.journal.says = lambda path: (status, gone) if path.startswith("AllergyIntolerance/") else None
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    assert standing(world) == [("unconfirmed", "1")] if status == 404 else [("entered-in-error", "2")]
    world.work(fetching.GONE_TWICE)
    assert standing(world) == [("entered-in-error", "2")]
    world.journal.says = lambda _: None
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    assert standing(world) == [("entered-in-error", "2"), ("unconfirmed", "1")]
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    assert standing(world) == [("entered-in-error", "2"), ("unconfirmed", "1")], "once"


def test_a_deletion_that_is_not_said_twice_in_a_row_is_not_believed(world: World) -> None:
    world.work()
    world.write()
    world.work()
    kept = world.journal.records.pop("AllergyIntolerance/a1")
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    world.journal.is_down = True
    world.work(fetching.GONE_TWICE)
    world.journal.is_down = False
    world.work(fetching.GONE_TWICE)
    world.journal.records["AllergyIntolerance/a1"] = kept
    world.work(fetching.GONE_TWICE)
    assert standing(world) == [("unconfirmed", "1")] and world.told()[0]["waiting"] == 0


def test_a_record_that_the_journal_has_told_of_and_does_not_show_yet_is_asked_for_again(world: World) -> None:
    world.work()
    world.write()
    kept = world.journal.records.pop("AllergyIntolerance/a1")
    world.work()
    assert world.told()[0]["waiting"] == 1
    world.journal.records["AllergyIntolerance/a1"] = kept
    world.work(fetching.GONE_TWICE)
    assert standing(world) == [("unconfirmed", "1")]
    world.journal.tell("AllergyIntolerance/never")
    for _ in range(9):
        world.work(fetching.GONE_UNSEEN)
    assert (world.told()[0]["waiting"], world.told()[1]) == (0, [])


def test_what_is_about_another_in_the_journal_now_is_taken_from_the_first_and_filed_with_the_right_one(
    world: World,
) -> None:
    world.work()
    world.write()
    world.work()
    right = {"identifier": {"system": NUMBER, "value": world.platform.nin("parent")}}
    world.write(patient=right)
    world.work()
    assert standing(world) == [("entered-in-error", "2")] and world.told()[1] == []
    moved = ask(world.platform, "GET", "AllergyIntolerance", about="parent", **NEED).resources()
    here = [one for one in moved if world.sender.run in str(one.get("identifier"))]
    assert [one["verificationStatus"]["coding"][0]["code"] for one in here] == ["unconfirmed"]
    world.write()
    world.work()
    assert standing(world) == [("entered-in-error", "2"), ("unconfirmed", "1")], "and back"


def test_what_was_entered_in_error_here_by_hand_and_is_put_right_in_the_journal_is_filed_with_the_right_one(
    world: World,
) -> None:
    world.work()
    world.write()
    world.work()
    (stands,) = world.listed()
    at = f"AllergyIntolerance/{stands['id']}"
    assert ask(world.platform, "DELETE", at, about=WHO, version=1, **NEED).status == 204
    world.write(patient={"identifier": {"system": NUMBER, "value": world.platform.nin("parent")}})
    world.work()
    assert (standing(world), world.told()[1]) == ([("entered-in-error", "2")], [])
    moved = ask(world.platform, "GET", "AllergyIntolerance", about="parent", **NEED).resources()
    assert [one for one in moved if world.sender.run in str(one.get("identifier"))]


def test_the_same_journal_at_another_address_is_fetched_from_only_where_the_file_says_that_it_is_the_same(
    world: World,
) -> None:
    world.work()
    world.write()
    world.work()
    file, before = world.platform.application._edge.settings.journals_file, world.journal.url
    now = before.replace("127.0.0.1", "localhost")
    text = file.read_text().replace(f'url = "{before}"', f'url = "{now}"').replace('8"]', '8", "::1/128"]')
    file.write_text(text)
    world.write(criticality="low")
    world.work(timedelta(hours=2))
    assert "formerly" in world.told()[0]["fault"] and world.listed()[0]["criticality"] == "high"
    file.write_text(text + f'formerly = ["{before}"]\n')
    world.work()
    assert [one["criticality"] for one in world.listed()] == ["low"] and world.told()[0]["fault"] == ""


def test_whoever_is_too_slow_to_look_a_journal_through_stops_where_another_has_taken_it(world: World) -> None:
    asked, let = threading.Event(), threading.Event()
    onward = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "?page=2"}]}

    def says(path: str) -> tuple[int, bytes] | None:
        if not path.startswith("AllergyIntolerance?_count") or asked.is_set():
            return None
        asked.set()
        assert let.wait(60)
        return 200, json.dumps(onward).encode()

    world.journal.says = says
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.work)
        assert asked.wait(60)
        world.work(LEASE + timedelta(seconds=1))
        let.set()
        first.result(60)
    assert not [one for one in world.journal.asked if "page=2" in one]
    assert [one for one in world.journal.asked if one.startswith("POST")] == ["POST /fhir/Subscription"]
    state, _ = world.told()
    assert (state["fault"], state["subscribed"]) == ("", True) and state["looked_to"]
