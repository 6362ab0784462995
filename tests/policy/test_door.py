"""The door over a whole platform: no answer of the law without its line in the log, a refusal's included."""

from __future__ import annotations

from datetime import date
from typing import Final

import httpx
import pytest

from kjerne.access import Choice
from kjerne.registries.identifiers import digest
from kjerne.store.audit import GIVEN, REFUSED
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.subjects import PersonDetail
from platform_fixture import Standing
from services.results.conftest import fresh_number


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


RULE_OF: Final = {"ordinary": "no-representation", "protected": "address-protected-representation", "dead": "deceased"}


async def registered(platform: Standing) -> dict[str, str]:
    """The numbers of three whom nothing ties to anybody."""
    store = platform.application._edge.store
    born, found = date(1975, 1, 12), {}
    details = {
        "ordinary": PersonDetail(birth_date=born),
        "protected": PersonDetail(birth_date=born, protection="fortrolig"),
        "dead": PersonDetail(birth_date=born, died_on=date(2026, 1, 1)),
    }
    for name, detail in details.items():
        found[name] = fresh_number()
        own = Identifier(digest(store.keys.derived("identifier"), found[name]), "FNR", found[name], born)
        async with store.pool.acquire() as conn:
            await store.people.register(conn, [NewPerson(detail, (own,), synthetic=True)], platform.clock.now())
    return found


@pytest.mark.parametrize("portal", [False, True], ids=["at home", "portal"])
@pytest.mark.parametrize("path", ["/fhir/R4/AuditEvent", "/fhir/R4/Consent", "/fhir/R4/Consent?status=active"])
def test_a_citizen_cannot_tell_a_stranger_from_nobody(platform: Standing, path: str, portal: bool) -> None:
    def heard(number: str) -> tuple[httpx.Response, tuple[object, ...]]:
        answer = platform.client.call("GET", path, as_="guardian", patient=number, portal=portal)
        headers = {name: value for name, value in answer.headers.items() if name not in ("x-correlation-id", "date")}
        return answer, (answer.status_code, answer.content, headers)

    _, nobody = heard(fresh_number())
    assert nobody[0] == 403
    for name, number in platform.run(registered(platform)).items():
        answer, told = heard(number)
        assert told == nobody, name
        (row,) = platform.audited(answer)
        assert row["patient"] and (portal or row["rule"] == RULE_OF[name])
