"""Generated people who belong together: only who fits, the same for each person however many are made, and parents at `/me`."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import words
from kjerne.commands import loading_people
from kjerne.fhir.encode import decode
from kjerne.fhir.patient import GUARDIAN, RESPONSIBLE
from kjerne.fhir.validate import check
from kjerne.registries.identifiers import OID_PERSON
from kjerne.sandbox.numbers import person_number
from kjerne.services.synthetic import families, fitting, identities, learning, model_file, tuning, writing
from kjerne.services.synthetic.identities import YEAR, Identity
from platform_fixture import Standing
from sandbox.front.test_finder import newcomer
from services.synthetic.made_tables import tables

UNTIL = "2025-12-31"
TODAY = date.fromisoformat(UNTIL).toordinal()


def somebody(place: int, born: int, sex: str) -> Identity:
    return Identity(
        f"{place:011d}", sex, born, born, f"Given{place}", f"Family{place}", f"Street {place}", "0001", "Town"
    )


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[Identity], list[int | None], Any]:
    count = draw(st.integers(1, 80))
    people = [
        somebody(place, TODAY - draw(st.integers(0, 36_000)), draw(st.sampled_from(["female", "male", "other"])))
        for place in range(count)
    ]
    died = [draw(st.one_of(st.none(), st.integers(0, TODAY - one.born))) for one in people]
    draws = [[draw(st.floats(0, 0.999)), draw(st.floats(0, 0.999))] for _ in people]
    return people, died, np.array(draws)


@given(blocks())
def test_only_who_fits_belongs_together(block: tuple[list[Identity], list[int | None], Any]) -> None:
    people, died, draws = block
    told = families.together(people, died, UNTIL, draws)
    place_of = {one.number: place for place, one in enumerate(people)}
    children = Counter[str]()
    for place, relative in enumerate(told):
        one, before = relative.who, people[place]
        assert (one.number, one.born, one.sex, one.given, one.day_0) == (
            before.number, before.born, before.sex, before.given, before.day_0,
        )  # fmt: skip
        if not relative.kin:
            assert one.family == before.family
            continue
        if relative.kin[0][0] == "GUARD":
            ((_, guardian),) = relative.kin
            at = place_of[guardian.number]
            assert (TODAY - one.born) / YEAR < 18 or (TODAY - one.born) / YEAR >= 85
            assert 30 <= (TODAY - guardian.born) / YEAR < 75 and at < place and died[at] is None
            continue
        assert (TODAY - one.born) / YEAR < 18
        for role, parent in relative.kin:
            assert parent.sex == {"MTH": "female", "FTH": "male"}[role]
            assert 19 <= (one.born - parent.born) / YEAR < (45 if role == "MTH" else 99)
            assert place_of[parent.number] < place
            assert died[place_of[parent.number]] is None
            assert (one.street, one.city) == (parent.street, parent.city)
        mother = relative.kin[0][1]
        assert one.family == mother.family
        children[mother.number] += 1
    assert max(children.values(), default=0) <= 4


@given(blocks(), st.integers(1, 40))
def test_nobodys_family_hangs_on_how_many_are_made(
    block: tuple[list[Identity], list[int | None], Any], count: int
) -> None:
    people, died, draws = block
    whole = families.together(people, died, UNTIL, draws)
    assert families.together(people[:count], died[:count], UNTIL, draws[:count]) == whole[:count]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of people from newborns on."""
    folder = tables(tmp_path_factory.mktemp("young") / "real", youngest=0)
    path = tmp_path_factory.mktemp("families") / "m.synth"
    source = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "ROUNDS", 0)
        effort = learning.Effort(hidden=(16,), epochs=1)
        # What ends a life is not told: learned so little, nearly everybody would be dead, and without family.
        model_file.saved(*fitting.fit(source, fitting.Wanted(age="age"), effort, lambda *_: None), path)
    return path


def made(model: Path, folder: Path, people: int, **wishes: Any) -> Path:
    order = writing.Order(str(model), 11, people, 4_096, "fhir", str(folder), identities.Wishes(**wishes))
    writing.generate(order, "local", 1, lambda *_: None)
    return folder


def patients(folder: Path) -> list[bytes]:
    return (folder / "Patient-00000.ndjson").read_bytes().splitlines()


def parents_of(tree: dict[str, Any]) -> list[str]:
    return [
        one["valueIdentifier"]["value"] for each in tree.get("contact", ()) for one in each["extension"]
        if one["url"] == RESPONSIBLE
    ]  # fmt: skip


def test_children_have_parents_among_the_people_and_each_alone_is_as_among_all(
    model: Path, tmp_path: Path, run: Any
) -> None:
    lines = patients(made(model, tmp_path / "all", 300))
    trees = [decode(one) for one in lines]
    by_number = {one["identifier"][0]["value"]: one for one in trees}
    children = [one for one in trees if parents_of(one)]
    assert len(children) > 10
    for one in children:
        assert check(one, "Patient") == []
        assert all(by_number[number]["address"] == one["address"] for number in parents_of(one))
    assert patients(made(model, tmp_path / "few", 200)) == lines[:200]
    place = next(place for place, one in enumerate(trees) if parents_of(one) and place > 100)
    asked = ("synth", "generate", str(model), "--person", str(place), "--seed", "11", "--format", "fhir", "--json")
    assert json.loads(run(*asked)[1])[0] == json.loads(lines[place])


def test_whoever_is_of_a_pool_stays_who_she_is_there(model: Path, tmp_path: Path) -> None:
    own = [json.loads(one) for one in patients(made(model, tmp_path / "own", 512, span_years=60))]
    pool = tmp_path / "pool.csv"
    pool.write_text("number,given,family\n" + "".join(f"{one['identifier'][0]['value']},A,B\n" for one in own))
    found = [decode(one) for one in patients(made(model, tmp_path / "pooled", 3, span_years=60, pool=str(pool)))]
    assert all("contact" not in one and one["name"][0]["family"] == "B" for one in found)


def test_a_loaded_child_has_her_parents_in_the_register(platform: Standing, model: Path, tmp_path: Path) -> None:
    folder = made(model, tmp_path / "loaded", 120, until="2024-05-31")
    loading_people.loaded(folder, platform.client, lambda *_: None)
    children = [one for one in map(json.loads, patients(folder)) if parents_of(one)]
    assert children
    for one in children[:3]:
        ties = platform.rows(
            "SELECT t.other FROM person_tie t JOIN person_identifier i ON i.patient = t.patient "
            "WHERE i.digest = $1 AND t.kind = 'parent'", digest(platform, one["identifier"][0]["value"]),
        )  # fmt: skip
        parents = platform.rows(
            "SELECT patient FROM person_identifier WHERE digest = ANY($1::bytea[])",
            [digest(platform, number) for number in parents_of(one)],
        )
        assert {row["other"] for row in ties} == {row["patient"] for row in parents}


@pytest.mark.parametrize(("years", "form"), [(6, "mindreaarig"), (88, "voksen")])
def test_a_guardian_whom_a_patient_names_is_hers_in_the_register_and_may_look(
    platform: Standing, years: int, form: str
) -> None:
    word = f"W{words.fresh()}"
    guardian = newcomer(platform, word, birthDate="1980-03-04", born=date(1980, 3, 4))
    born = platform.clock.now().date().replace(day=1) - timedelta(days=years * 366)
    contact = {
        "extension": [{"url": GUARDIAN, "valueIdentifier": guardian["identifier"][0]}],
        "name": {"text": "Verge"},
    }
    ward = newcomer(platform, f"{word}x", birthDate=born.isoformat(), born=born, contact=[contact])
    number = ward["identifier"][0]["value"]
    (tie,) = platform.rows(
        "SELECT t.kind, t.areas, t.form FROM person_tie t JOIN person_identifier i ON i.patient = t.patient WHERE i.digest = $1",
        digest(platform, number),
    )
    assert (tie["kind"], tie["areas"], tie["form"]) == ("guardian", ["personligeOgOekonomiskeInteresser"], form)


def digest(platform: Standing, number: str) -> bytes:
    house = next(one for one in platform.application._edge.routes if one.path == "/healthz").handler.__self__
    found: bytes = house.digest(number)
    return found


def test_a_parent_whom_nobody_knows_or_who_is_no_one_made_up_is_refused_by_her_place(platform: Standing) -> None:
    unknown = person_number(Random(words.fresh()), date(1990, 4, 2), "female", set())
    for number in (unknown, "30108299920", "123"):
        tree = {
            "resourceType": "Patient", "birthDate": "2020-01-01", "gender": "female",
            "contact": [{"extension": [
                {"url": RESPONSIBLE, "valueIdentifier": {"system": f"{OID_PERSON}1", "value": number}}
            ], "name": {"text": "Mor"}}],
        }  # fmt: skip
        answer = platform.client.call(
            "POST", "/fhir/R4/Patient", as_="all-patients", body=json.dumps(tree).encode(),
            headers={"content-type": "application/fhir+json"},
        )  # fmt: skip
        assert answer.status_code == 422, answer.text
        assert "Patient.contact[0].extension[0].valueIdentifier.value" in answer.text
        assert number not in answer.text
