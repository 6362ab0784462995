"""The door over a whole platform: no answer of the law without its line in the log, a refusal's included."""

from __future__ import annotations

import pytest

from kjerne.access import Choice
from kjerne.registries.identifiers import digest
from kjerne.store.audit import GIVEN, REFUSED
from platform_fixture import Standing


@pytest.mark.parametrize(("caller", "rule"), [("outsider", "no-relation"), ("blocked-doctor", "blocked-by-name")])
def test_a_refusal_is_in_the_log_when_its_caller_hears_of_it(platform: Standing, caller: str, rule: str) -> None:
    answer = platform.search("Observation", as_=caller)
    (row,) = platform.audited(answer.response)
    assert (row["outcome"], row["rule"], row["ids"]) == (REFUSED, rule, [])


def test_what_was_given_is_in_the_log_under_its_rule(platform: Standing) -> None:
    answer = platform.search("Observation", [("_count", "5")])
    (row,) = platform.audited(answer.response)
    assert (row["outcome"], row["rule"]) == (GIVEN, "gp")
    assert {str(id_) for id_ in row["ids"]} == answer.every_id


def test_a_choice_holds_on_the_next_request_though_facts_are_remembered(platform: Standing) -> None:
    """The same doctor asks again and again; her memory of the facts never outlives their stamp."""
    doctor = platform.persona("nurse")
    store = platform.application._edge.store
    number_key = store.keys.derived("identifier")

    async def patient() -> int:
        async with store.pool.acquire() as conn:
            return int(await store.people.key_of(conn, digest(number_key, platform.nin("citizen"))))

    key = platform.run(patient())

    async def block() -> int:
        async with store.pool.acquire() as conn:
            choice = Choice("block", "", doctor.hpr, "", platform.clock.now(), None)
            return int(await store.people.add_choice(conn, key, choice))

    async def lift(number: int) -> None:
        async with store.pool.acquire() as conn:
            await store.people.end_choice(conn, key, number, platform.clock.now())

    observation = platform.search("Observation", [("_count", "1")], as_="nurse").ids()[0]
    for _ in range(2):
        number = platform.run(block())
        assert platform.search("Observation", as_="nurse").outcome == "Specific"
        assert platform.get(f"Observation/{observation}", as_="nurse").status == 404
        platform.run(lift(number))
        assert platform.get(f"Observation/{observation}", as_="nurse").status == 200
        assert platform.search("Observation", as_="nurse").ids()


def test_a_remembered_read_still_has_its_own_line_in_the_log(platform: Standing) -> None:
    for _ in range(3):
        answer = platform.search("Observation", [("_count", "2")], as_="hospital-doctor")
        (row,) = platform.audited(answer.response)
        assert {str(id_) for id_ in row["ids"]} == answer.every_id
