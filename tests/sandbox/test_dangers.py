"""What can harm the synthetic people: the same every time, registered by their own doctors, and taken in."""

from __future__ import annotations

from collections import Counter
from datetime import date
from urllib.parse import quote
from uuid import uuid4

import pytest

from kjerne.sandbox.dangers import DRAWN, IDS, OLDEST_DAYS, TOLD, Danger, dangers
from kjerne.sandbox.people import Population
from kjerne.sandbox.population import generate
from kjerne.services.critical.drafts import Draft
from platform_fixture import Standing
from services.critical.transfers import Journal, statuses

TODAY, SEED = date(2026, 11, 23), 20261123


@pytest.fixture(scope="module")
def population() -> Population:
    return generate(2000, SEED, TODAY)


@pytest.fixture(scope="module")
def made(population: Population) -> list[Danger]:
    return list(dangers(population, SEED, TODAY))


def test_everybodys_are_the_same_every_time(population: Population, made: list[Danger]) -> None:
    assert [one.tree for one in dangers(population, SEED, TODAY)] == [one.tree for one in made]
    assert len({one.id for one in made}) == len(made)


def test_each_was_registered_by_her_own_doctor_while_she_lived(population: Population, made: list[Danger]) -> None:
    for one in made:
        lists = {tie.hpr for tie in population.ties[one.person.key] if tie.kind == "practice-list" and not tie.until}
        assert one.by.hpr in lists
        assert one.person.birth_date < one.day < TODAY
        assert one.day >= one.by.valid_from
        assert (TODAY - one.day).days <= OLDEST_DAYS
        assert one.person.death_date is None or one.person.death_date > TODAY


def test_one_in_ten_or_so_has_something_and_the_cast_what_is_told_of_it(
    population: Population, made: list[Danger]
) -> None:
    having = {one.person.key for one in made}
    assert 0.06 < len(having) / population.residents < 0.18
    about = Counter(one.draft.about.name for one in made)
    assert {chance.draft.about.name for chance in DRAWN} <= set(about)
    for part, key in population.cast.items():
        assert [one.draft for one in made if one.person.key == key] == list(TOLD.get(part, ()))


EVERY = {one.about.code: one for one in [*(chance.draft for chance in DRAWN), *sum(TOLD.values(), ())]}


@pytest.mark.parametrize("draft", EVERY.values(), ids=lambda one: one.about.name)
def test_what_is_drawn_is_taken_in_from_a_journals_system(platform: Standing, draft: Draft) -> None:
    patient = next(one for one in platform.population.people if one.nin == platform.nin("guardian"))
    by = platform.population.staff["hospital-doctor"]
    journal = Journal(platform, about="guardian")
    one = Danger(patient, draft, by, TODAY)
    at = f"{draft.type}?identifier={quote(IDS, safe='')}%7C{one.id}"
    put = {"fullUrl": f"urn:uuid:{uuid4()}", "resource": one.tree, "request": {"method": "PUT", "url": at}}
    assert statuses(journal.send(put)) == ["201"]
    assert statuses(journal.send({"request": {"method": "DELETE", "url": at}})) == ["204"]
