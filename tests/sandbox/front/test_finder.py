"""Test patients by what they are, have chosen, and have."""

from __future__ import annotations

import json
from datetime import date
from random import Random
from typing import Any

import httpx
import pytest

import words
from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.openid import Login
from kjerne.registries.identifiers import OID_PERSON
from kjerne.sandbox.front import finder
from kjerne.sandbox.front.finder import HAS, Finder, Row, Wanted
from kjerne.sandbox.front.tokens import claims
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.numbers import person_number
from kjerne.sandbox.personas import Persona, personas
from kjerne.sandbox.sts.clients import CITIZEN_CLIENT
from kjerne.wire.jws import SigningKey
from platform_fixture import Standing
from services.test_standards import observation


def found(platform: Standing, **asked: str) -> dict[str, Row]:
    """Who is found, by the part played."""
    people = personas(platform.population)
    looking = Finder(platform.population, people, Wire(platform.url, platform.clock))
    rows = looking.find(Wanted.of(asked), platform.clock.now().date()).rows
    return {row.part: row for row in rows if "registered" not in row.traits}


def registered(platform: Standing, **asked: str) -> dict[str, Row]:
    """Who is found of those who were registered, by name."""
    looking = Finder(platform.population, personas(platform.population), Wire(platform.url, platform.clock))
    rows = looking.find(Wanted.of(asked), platform.clock.now().date()).rows
    return {row.name: row for row in rows if "registered" in row.traits}


def newcomer(platform: Standing, word: str, born: date = date(1950, 3, 4), **more: Any) -> dict[str, Any]:
    """Somebody whom the test client registers."""
    number = person_number(Random(word), born, "female", set())
    tree = {
        "identifier": [{"system": f"{OID_PERSON}1", "value": number}],
        "resourceType": "Patient", "name": [{"use": "official", "family": word, "given": ["Ny"]}], "gender": "female",
        "birthDate": "1950-03-04", "address": [{"city": "Vardø", "line": ["Strandgata 1"]}], **more,
    }  # fmt: skip
    sent = {"content-type": "application/fhir+json"}
    made = platform.client.call(
        "POST", "/fhir/R4/Patient", as_="all-patients", body=json.dumps(tree).encode(), headers=sent
    )
    assert made.status_code == 201, made.text
    id_ = made.headers["location"].partition("/Patient/")[2].partition("/")[0]
    told = platform.client.call("GET", f"/fhir/R4/Patient/{id_}", as_="all-patients")
    found: dict[str, Any] = told.json()
    return found


def test_who_was_registered_is_found_by_what_she_is_beside_the_sandboxs_own_people(platform: Standing) -> None:
    word = f"W{words.fresh()}"
    made, name = newcomer(platform, word), f"Ny {word}"
    age = platform.clock.now().year - 1951
    row = registered(platform, sex="female", youngest=str(age), oldest=str(age + 1))[name]
    assert (row.key, row.sex, row.place, row.relation) == (made["id"], "female", "Vardø", "none")
    assert row.age in (age, age + 1)
    assert name in registered(platform, trait="registered")
    assert name in registered(platform, place="Vardø", trait="adult")
    for asked in (
        {"sex": "male"},
        {"oldest": "40"},
        {"trait": "child"},
        {"relation": "treats"},
        {"trait": "opted-out"},
    ):
        assert name not in registered(platform, **asked)


def test_who_was_registered_is_found_by_what_she_has(platform: Standing) -> None:
    word = f"W{words.fresh()}"
    made, name = newcomer(platform, word), f"Ny {word}"
    tree = observation(code={"coding": [{"system": "http://lab.example/code", "code": word}]})
    sent = {"content-type": "application/fhir+json"}
    filed = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", patient=made["identifier"][0]["value"],
        body=json.dumps(tree).encode(), headers=sent,
    )  # fmt: skip
    assert filed.status_code == 201, filed.text
    assert set(registered(platform, search=f"Observation?code={word}")) == {name}
    assert set(registered(platform, search=f"Observation?code={word}", sex="male")) == set()


def test_who_was_registered_is_named_in_an_address_by_the_id_of_her_patient(platform: Standing) -> None:
    word = f"W{words.fresh()}"
    made, name = newcomer(platform, word), f"Ny {word}"
    looking = Finder(platform.population, personas(platform.population), Wire(platform.url, platform.clock))
    number = looking.number_of(made["id"])
    assert (looking.named(number), looking.choices(made["id"])[0]) == (name, (made["id"], name))
    gp = platform_persona(platform, "gp")
    assert looking.relation(made["id"], gp, platform.clock.now().date()) == "none"
    for path in (f"/sandbox/personas?patient={made['id']}", f"/sandbox/token?as=gp&patient={made['id']}"):
        assert platform.http.get(f"{platform.url}{path}").status_code == 200
    with pytest.raises(Refusal):
        looking.number_of("00000000-0000-4000-8000-000000000000")


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
        form = dict(more.get("form", ()))
        if "patient.gender" not in form and path.endswith(
            "/_search"
        ):  # the others who were registered, of whom it may be anybody
            asked.append(form["patient.identifier"])
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


def test_any_citizen_of_the_register_logs_in_by_her_number_and_nobody_else(platform: Standing) -> None:
    made = newcomer(platform, word := f"W{words.fresh()}")
    dead = newcomer(platform, f"W{words.fresh()}", deceasedDateTime="2020-02-03")
    own = platform.population.by_key[platform.population.cast["child"]]
    login = Login(f"{platform.url}/sts", CITIZEN_CLIENT, _key(platform), platform.http, platform.clock)

    def named(number: str) -> str:
        held = login.person({"scope": "openid profile kjerne:citizen", "test_pid": number})
        return str(next(one.value for one in claims(held.token)[1] if one.name == "name"))

    assert named(made["identifier"][0]["value"]) == f"Ny {word}"
    assert named(own.nin) == own.name
    for number in (dead["identifier"][0]["value"], "13717404089"):
        with pytest.raises(Refusal):
            named(number)


def _key(platform: Standing) -> SigningKey:
    published = platform.http.get(f"{platform.url}/sandbox/personas.json").json()["clients"]
    return SigningKey.from_jwk(next(one["key"] for one in published if one["id"] == CITIZEN_CLIENT))


def test_the_next_part_of_a_list_looks_at_nobody_anew(platform: Standing) -> None:
    newcomer(platform, word := f"W{words.fresh()}")
    looking = Finder(platform.population, personas(platform.population), Wire(platform.url, platform.clock))
    wanted, today = Wanted.of({"trait": "registered"}), platform.clock.now().date()
    first = looking.find(wanted, today)
    assert f"Ny {word}" in {row.name for row in first.rows}
    newcomer(platform, later := f"W{words.fresh()}")
    assert looking.find(wanted, today, again=True) == first
    assert f"Ny {later}" in {row.name for row in looking.find(wanted, today).rows}
