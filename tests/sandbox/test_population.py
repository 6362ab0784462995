"""The synthetic registers hold together: numbers, families, doctors, personnel, privacy choices."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.sandbox.people import Population
from kjerne.sandbox.personas import personas
from kjerne.sandbox.population import generate

TODAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def population() -> Population:
    return generate(400, 20261123, TODAY)


def is_official(number: str) -> bool:
    """Both sums, control digits included, are divisible by eleven (Skatteetaten's check before 2032)."""
    digits = [int(one) for one in number]
    k1 = sum(a * b for a, b in zip([3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0], digits, strict=True))
    k2 = sum(a * b for a, b in zip([5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], digits, strict=True))
    return k1 % 11 == 0 and k2 % 11 == 0


def test_every_number_is_valid_synthetic_and_given_once(population: Population) -> None:
    numbers = [one for person in population.people for one in person.numbers]
    assert all(is_official(one.value) for one in numbers)
    assert all(81 <= int(one.value[2:4]) <= 92 for one in numbers)
    assert all((int(one.value[0]) >= 4) == (one.kind == "DNR") for one in numbers)
    assert max(Counter(one.value for one in numbers).values()) == 1


def test_numbers_tell_birth_date_and_sex(population: Population) -> None:
    for person in population.people:
        for one in person.numbers:
            day, month = int(one.value[:2]) % 40, int(one.value[2:4]) - 80
            assert (day, month, int(one.value[4:6])) == (
                person.birth_date.day,
                person.birth_date.month,
                person.birth_date.year % 100,
            )
            assert (int(one.value[8]) % 2 == 1) == (person.sex == "male")


def test_no_repr_shows_a_person_number(population: Population) -> None:
    shown = repr(population) + repr(personas(population))
    assert not re.search(r"(?<!\d)\d{11}(?!\d)", shown)


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert generate(60, 7, TODAY) == generate(60, 7, TODAY)
    assert generate(60, 7, TODAY).people != generate(60, 8, TODAY).people


@settings(max_examples=15, deadline=None)
@given(st.integers(15, 90), st.integers(0, 10_000))
def test_a_larger_population_begins_with_the_people_of_a_smaller_one(people: int, seed: int) -> None:
    small, large = generate(people, seed, TODAY), generate(people + 40, seed, TODAY)
    assert small.residents == people
    assert small.people[:people] == large.people[:people]


@settings(max_examples=25, deadline=None)
@given(st.dates(date(2024, 1, 1), date(2032, 12, 31)), st.integers(0, 10_000))
def test_the_cast_has_its_ages_whatever_day_it_is(today: date, seed: int) -> None:
    population = generate(15, seed, today)
    cast = {part: population.by_key[key] for part, key in population.cast.items()}
    assert cast["child"].age(today) == cast["twin"].age(today) == 8
    assert cast["youth"].age(today) == 14
    assert cast["newborn"].birth_date < today
    assert (cast["restricted"].birth_date.month, cast["restricted"].birth_date.day) == (2, 29)
    assert cast["child"].birth_date == cast["twin"].birth_date
    assert cast["child"].address == cast["parent"].address


def test_children_have_parents_who_could_have_had_them(population: Population) -> None:
    parents = {key: [tie.key for tie in ties if tie.kind == "parent"] for key, ties in population.ties.items()}
    children = [one for one in population.people[: population.residents] if one.age(TODAY) < 18]
    assert all(parents[one.key] for one in children)
    for child in children:
        for parent in parents[child.key]:
            assert child.birth_date.year - population.by_key[parent].birth_date.year >= 18


def test_everybody_alive_is_on_a_list_of_an_authorised_doctor(population: Population) -> None:
    practitioners = {one.hpr: one for one in population.practitioners}
    for person in population.people:
        doctors = [tie for tie in population.ties[person.key] if tie.kind == "practice-list" and tie.until is None]
        assert len(doctors) == 1
        doctor = practitioners[doctors[0].hpr]
        assert doctor.authorizations == ("LE",)
        assert doctor.valid_to is None
        assert doctor.point_of_care == doctors[0].organisation


def test_organisation_numbers_are_valid_and_from_a_range_nobody_issues(population: Population) -> None:
    for one in population.organisations:
        total = sum(int(a) * b for a, b in zip(one.number, [3, 2, 7, 6, 5, 4, 3, 2, 1], strict=True))
        assert total % 11 == 0
        assert one.number.startswith("1")
    known = {one.number for one in population.organisations}
    assert all(not one.parent or one.parent in known for one in population.organisations)
    assert all(one.organisation in known and one.point_of_care in known for one in population.practitioners)


def test_the_demo_patient_is_bound_as_the_personas_need(population: Population) -> None:
    by_name = {one.name: one for one in personas(population)}
    citizen = population.cast["citizen"]
    ties, choices = population.ties[citizen], population.choices[citizen]
    held = {tie.hpr for tie in ties if tie.kind == "practice-list" and tie.until is None}
    assert held == {by_name["gp"].hpr}
    assert by_name["hospital-doctor"].point_of_care in {tie.organisation for tie in ties if tie.kind == "care"}
    assert by_name["outsider"].organisation not in {tie.organisation for tie in ties}
    assert by_name["blocked-doctor"].hpr in {one.hpr for one in choices if one.kind == "block" and one.ended_at is None}


def test_all_promised_personas_are_there(population: Population) -> None:
    found = {one.name: one for one in personas(population)}
    assert {
        "gp", "hospital-doctor", "nurse", "midwife", "pharmacist", "outsider", "blocked-doctor", "lab",
        "device-gateway", "citizen", "parent", "youth",
    } <= set(found)  # fmt: skip
    for one in found.values():
        assert (one.kind == "practitioner" and one.role != "operations") == bool(one.hpr)
        assert (one.kind == "system") == (not one.nin)
        assert one.kind == "citizen" or one.organisation


def test_the_rare_cases_that_rules_must_meet_exist_in_a_small_town() -> None:
    population = generate(3000, 20261123, TODAY)
    residents = population.people[: population.residents]
    assert {one.protection for one in residents} >= {"ugradert", "fortrolig", "strengtFortrolig"}
    assert any(one.death_date for one in residents)
    assert any(one.numbers[-1].kind == "DNR" for one in residents)
    kinds = {choice.kind for choices in population.choices.values() for choice in choices}
    assert kinds == {"opt-out", "restriction", "block"}
    assert any(a.birth_date == b.birth_date and a.address == b.address for a, b in pairwise(residents))


def test_a_number_that_changed_leaves_no_day_without_one(population: Population) -> None:
    person = population.by_key[population.cast["renumbered"]]
    before, after = person.numbers
    assert (before.kind, after.kind) == ("DNR", "FNR")
    assert before.valid_to == after.valid_from
    assert person.number_on(after.valid_from) == after
    assert person.number_on(date.fromordinal(after.valid_from.toordinal() - 1)) == before
