"""A journal's server is subscribed to, and what it says is new is fetched: again while it is down, and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from journal_server import AUTHORIZATION, Journal, Server, notify
from kjerne import app, fetching
from kjerne.store.keys import Keys
from platform_fixture import Standing, Tree
from services.critical.records import allergy, ask
from services.critical.transfers import Journal as Sender
from services.test_standards_registered import NEED

FETCHES = "/critical-information/fetches"
WHO = "pregnant"
NUMBER = "urn:oid:2.16.578.1.12.4.1.4.1"


@dataclass
class World:
    platform: Standing
    journal: Journal
    name: str
    sender: Sender

    def write(self, id_: str = "a1", **more: Any) -> None:
        """An allergy is written in the journal, about a Patient of its own."""
        tree = self.sender.own(allergy(self.platform, WHO), id_) | {"patient": {"reference": "Patient/p1"}} | more
        self.journal.write(tree, id_)

    def work(self, later: timedelta = timedelta()) -> None:
        """All that is due, as `kjerne work` does it."""
        self.platform.clock.move(later)

        async def worked() -> None:
            async with self.opened() as house:
                await fetching.of(house).run_due()

        self.platform.run(worked(), 120)

    def opened(self) -> AbstractAsyncContextManager[app.House]:
        """A house beside that of the platform, as `kjerne work` opens it."""
        settings = self.platform.application._edge.settings
        quick = settings.model_copy(update={"pool_size": 2})
        return app.opened(quick, Keys.in_folder(settings.data), self.platform.clock)

    def listed(self) -> list[Tree]:
        """What personnel see of what came from here."""
        found = ask(self.platform, "GET", "AllergyIntolerance", about=WHO, **NEED).resources()
        return [
            one for one in found if any(each["value"].endswith(self.sender.run) for each in one.get("identifier", ()))
        ]

    def told(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """How the journal stands for an operator, and what of it was given up."""
        found = self.platform.client.call("GET", FETCHES, as_="operator").json()
        (state,) = [one for one in found["journals"] if one["journal"] == self.name]
        return state, [one for one in found["givenUp"] if one["journal"] == self.name]


@pytest.fixture
def world(platform: Standing) -> Iterator[World]:
    file = platform.application._edge.settings.journals_file
    organisation = platform.persona("journal-system").organisation
    with Server() as journal:
        name = f"journal-{uuid4().hex[:8]}"
        file.write_text(
            f'[[journal]]\nname = "{name}"\norganisation = "{organisation}"\nurl = "{journal.url}"\n'
            f'authorization = "{AUTHORIZATION}"\naddresses = ["127.0.0.0/8"]\n'
        )
        journal.records["Patient/p1"] = {
            "resourceType": "Patient", "id": "p1",
            "identifier": [{"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(WHO)}],
        }  # fmt: skip
        yield World(platform, journal, name, Sender(platform, about=WHO))
        file.unlink()


def test_what_is_new_is_told_fetched_and_filed_with_its_journal_as_where_it_came_from(world: World) -> None:
    world.work()
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    assert subscription["channel"]["endpoint"].startswith(world.platform.url)
    world.write()
    assert world.listed() == []
    world.work()
    (found,) = world.listed()
    assert "Patient/p1" not in str(found) and found["criticality"] == "high"
    (row,) = world.platform.rows("SELECT * FROM critical_transfer WHERE id = $1", found["id"])
    assert (row["way"], row["system"]) == ("fetched", world.name)
    world.write(criticality="low")
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    (changed,) = world.listed()
    assert (changed["id"], changed["criticality"], changed["meta"]["versionId"]) == (found["id"], "low", "2")
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    assert world.listed() == [changed], "the same again is no version"
    world.journal.delete("AllergyIntolerance/a1")
    world.work()
    assert world.listed() == [changed], "404 is not believed at once"
    world.work(fetching.GONE_TWICE)
    assert world.listed()[0]["verificationStatus"]["coding"][0]["code"] == "entered-in-error"


def test_a_journal_that_is_down_loses_nothing_and_is_asked_again_later_each_time(world: World) -> None:
    world.work()
    answered = world.told()[0]["answered_at"]
    world.write()
    world.journal.is_down = True
    for later in (timedelta(), fetching.FIRST_RETRY, 2 * fetching.FIRST_RETRY):
        before = len(world.journal.asked)
        world.work(later)
        assert len(world.journal.asked) > before
        world.work()
        assert "503" in world.platform.rows("SELECT fault FROM journal_news WHERE journal = $1", world.name)[0]["fault"]
    assert world.listed() == [] and world.told()[0]["waiting"] == 1
    assert answered and world.told()[0]["answered_at"] == answered
    world.journal.is_down = False
    world.work(fetching.LONGEST_RETRY)
    assert len(world.listed()) == 1 and world.told()[0]["waiting"] == 0


def test_what_is_given_up_after_three_days_is_seen_by_an_operator_and_run_again(world: World) -> None:
    world.work()
    world.write()
    world.journal.is_down = True
    world.work()
    # Said three days ago: the session's clock is left where it is.
    world.platform.rows("UPDATE journal_news SET since = since - interval '73 hours' WHERE journal = $1", world.name)
    world.work(fetching.FIRST_RETRY * 2)
    state, dead = world.told()
    assert state["dead"] == 1 and [one["address"] for one in dead] == ["AllergyIntolerance/a1"]
    world.journal.is_down = False
    call = world.platform.client.call
    assert call("POST", f"{FETCHES}/{dead[0]['number']}/again", as_="operator").status_code == 204
    assert call("POST", f"{FETCHES}/{dead[0]['number']}/again", as_="operator").status_code == 404
    world.work()
    assert len(world.listed()) == 1 and world.told()[1] == []


def test_what_was_written_while_nobody_was_told_is_found_when_the_journal_is_looked_through(world: World) -> None:
    world.write()
    world.work()
    assert len(world.listed()) == 1


def test_what_cannot_be_filed_is_given_up_at_once_with_path_and_rule_and_what_is_new_there_is_tried_again(
    world: World,
) -> None:
    world.work()
    world.write(criticality=None)
    del world.journal.records["AllergyIntolerance/a1"]["criticality"]
    world.journal.tell("AllergyIntolerance/a1")
    world.work()
    ((one,), stands) = world.told()[1], world.listed()
    assert ".criticality profile-cardinality" in one["fault"] and stands == []
    assert world.platform.nin(WHO) not in str(one)
    world.write()
    world.work()
    assert len(world.listed()) == 1 and world.told()[1] == []


def test_nobody_is_believed_without_the_secret_and_no_other_address_is_ever_asked(world: World) -> None:
    world.work()
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    there = f"{world.journal.url}AllergyIntolerance/a1"
    assert notify(subscription, there, "Bearer wrong") == 401
    for elsewhere in (
        "https://elsewhere.example/fhir/AllergyIntolerance/1",
        f"{world.journal.url}Patient/p1",
        f"{there}/../x",
    ):
        assert notify(subscription, elsewhere) == 422
    number = world.platform.nin(WHO)
    assert notify(subscription, f"{world.journal.url}Flag/{number}") == 422
    assert world.told()[0]["waiting"] == 0
    with Server() as other:
        world.write()
        world.journal.points_to = f"{other.url}AllergyIntolerance/a1"
        world.work()
        assert other.asked == []
    fault = world.platform.rows("SELECT fault FROM journal_news WHERE journal = $1", world.name)[0]["fault"]
    assert "302" in fault and world.listed() == []


def test_a_name_that_leads_to_an_address_that_nobody_let_it_lead_to_is_not_asked(world: World) -> None:
    file = world.platform.application._edge.settings.journals_file
    file.write_text(file.read_text().replace('addresses = ["127.0.0.0/8"]\n', ""))
    world.work()
    assert world.journal.asked == [] and "no operator has let" in world.told()[0]["fault"]


def test_what_was_changed_by_hand_since_is_left_alone_and_told_to_an_operator(world: World) -> None:
    world.work()
    world.write()
    world.work()
    (stands,) = world.listed()
    at = f"AllergyIntolerance/{stands['id']}"
    by_hand = ask(world.platform, "PUT", at, stands | {"criticality": "low"}, about=WHO, version=1, **NEED)
    assert by_hand.status == 200, by_hand.response.text
    world.write(criticality="unable-to-assess")
    world.work()
    (one,) = world.told()[1]
    assert "changed-here-since" in one["fault"] and world.listed()[0]["criticality"] == "low"


def test_of_somebody_who_has_opted_out_nothing_is_kept_and_an_operator_hears_nothing(world: World) -> None:
    world.work()
    number = world.platform.nin("opted-out")
    world.journal.records["Patient/p1"]["identifier"][0]["value"] = number
    world.write()
    world.work()
    state, dead = world.told()
    assert (state["waiting"], state["fault"], dead) == (0, "", [])
    assert world.platform.rows("SELECT 1 FROM critical_transfer WHERE system = $1", world.name) == []


def test_a_journal_that_is_taken_out_of_the_file_is_neither_believed_nor_asked(world: World) -> None:
    world.work()
    (subscription,) = [one for key, one in world.journal.records.items() if key.startswith("Subscription/")]
    world.write()
    world.platform.application._edge.settings.journals_file.write_text("")
    asked = len(world.journal.asked)
    world.work(timedelta(minutes=61))
    assert notify(subscription, f"{world.journal.url}AllergyIntolerance/a1") == 401
    assert len(world.journal.asked) == asked and world.listed() == []


def test_a_subscription_that_went_off_is_begun_anew(world: World) -> None:
    world.work()
    world.journal.records["Subscription/subscribed"]["status"] = "error"
    world.work(timedelta(minutes=61))
    assert world.journal.records["Subscription/subscribed"]["status"] == "active"
    assert any(one.startswith("PUT ") for one in world.journal.asked)
