"""Test patients by what they are, have chosen, and have."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.sandbox.front import finder
from kjerne.sandbox.front.finder import HAS, Finder, Row, Wanted
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.personas import Persona, personas
from platform_fixture import Standing


def found(platform: Standing, **asked: str) -> dict[str, Row]:
    """Who is found, by the part played."""
    people = personas(platform.population)
    looking = Finder(platform.population, people, Wire(platform.url, platform.clock))
    return {row.part: row for row in looking.find(Wanted.of(asked), platform.clock.now().date())}


def platform_persona(platform: Standing, name: str) -> Persona:
    return next(one for one in personas(platform.population) if one.name == name)


def test_patients_are_found_by_what_they_are_and_have_chosen(platform: Standing) -> None:
    assert set(found(platform)) == set(platform.population.cast)
    assert set(found(platform, trait="youth")) == {"youth"}
    assert set(found(platform, trait="opted-out")) == {"opted-out"}
    assert set(found(platform, trait="protected")) == {"protected"}
    assert set(found(platform, trait="restricted")) == {"restricted"}
    assert set(found(platform, trait="d-number")) == {"renumbered"}
    assert set(found(platform, sex="male", youngest="60")) == {"ward"}


def test_a_relation_is_to_the_one_who_asks(platform: Standing) -> None:
    assert set(found(platform, relation="treats")) == set(platform.population.cast)
    assert not found(platform, relation="treats", **{"as": "outsider"})
    assert set(found(platform, relation="blocked", **{"as": "blocked-doctor"})) == {"citizen"}
    assert set(found(platform, relation="family", **{"as": "parent"})) == {"parent", "child", "twin", "youth"}
    assert "restricted" in found(platform, relation="treats", **{"as": "hospital-doctor"})


def test_personas_are_shown_by_their_relation_to_a_patient(platform: Standing) -> None:
    looking = Finder(platform.population, personas(platform.population), Wire(platform.url, platform.clock))
    today = platform.clock.now().date()
    told = {one.name: looking.relation("citizen", one, today) for one in personas(platform.population)}
    assert (told["gp"], told["outsider"], told["blocked-doctor"], told["lab"]) == ("treats", "none", "blocked", "")
    assert (told["citizen"], told["proxy"], told["parent"]) == ("family", "family", "none")
    key = str(platform.population.cast["citizen"])
    assert looking.relation(key, platform_persona(platform, "gp"), today) == "treats"
    assert looking.relation("nobody", platform_persona(platform, "gp"), today) == ""
    page = platform.http.get(f"{platform.url}/sandbox/personas?patient=citizen", headers={"accept-language": "en"}).text
    assert "has blocked the one who asks" in page


def test_what_they_have_is_asked_of_the_platform(platform: Standing) -> None:
    for has in ("hba1c", "creatinine"):
        assert "citizen" in found(platform, has=has)
    assert set(found(platform, search="Observation?code=NPU27300")) == set(found(platform, has="hba1c"))
    assert not found(platform, search="Observation?code=no-such-code")


def test_only_people_of_the_population_are_asked_about_whoever_else_is_there(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, call = list[str](), Client.call

    def noted(self: Client, method: str, path: str, **more: Any) -> Any:
        asked.append(dict(more["form"])["patient.identifier"])
        return call(self, method, path, **more)

    monkeypatch.setattr(Client, "call", noted)
    monkeypatch.setattr(finder, "PEOPLE_AT_ONCE", 7)
    assert "citizen" in found(platform, has="hba1c")
    numbers = [one.rpartition("|")[2] for part in asked for one in part.split(",")]
    residents = platform.population.people[: platform.population.residents]
    assert numbers == [one.nin for one in residents]
    assert len(asked) == -(-len(residents) // 7)


def test_every_kind_that_is_offered_is_a_search_that_the_platform_takes(platform: Standing) -> None:
    for has in HAS:
        found(platform, has=has)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"trait": "tall"}, "trait"),
        ({"oldest": "-1"}, "oldest"),
        ({"as": "nobody"}, "as"),
        ({"search": "Observation?x y"}, "search"),
        ({"search": "Observation?nonsense=1"}, "search"),
        ({"search": "Observation?code=\0"}, "search"),
        ({"search": "Patient?identifier=30876827200"}, "search"),
    ],
)
def test_what_cannot_be_looked_for_is_said_with_its_field(
    platform: Standing, asked: dict[str, str], where: str
) -> None:
    with pytest.raises(Refusal) as caught:
        found(platform, **asked)
    assert caught.value.where == where
    assert "30876827200" not in caught.value.says + caught.value.todo


def test_a_platform_that_does_not_answer_at_its_own_address_is_told(platform: Standing) -> None:
    people = personas(platform.population)
    looking = Finder(platform.population, people, Wire("http://127.0.0.1:9", platform.clock))
    with pytest.raises(Refusal) as caught:
        looking.find(Wanted(has="hba1c"), platform.clock.now().date())
    assert caught.value.status == 503


def test_the_page_shows_whom_it_found_with_a_call_and_no_number_in_its_address(platform: Standing) -> None:
    answer = platform.http.get(f"{platform.url}/sandbox/patients?trait=youth", headers={"accept-language": "en"})
    assert answer.status_code == 200
    number = platform.nin("youth")
    assert number in answer.text
    assert "--patient youth --as gp" in answer.text
    assert not [link for link in answer.text.split('href="')[1:] if number in link.partition('"')[0]]


def test_a_search_that_is_refused_is_shown_at_the_form(platform: Standing) -> None:
    answer: httpx.Response = platform.http.get(f"{platform.url}/sandbox/patients?oldest=old")
    assert answer.status_code == 400
    assert 'aria-invalid="true" aria-describedby="fault' in answer.text
