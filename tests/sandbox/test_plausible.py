"""What is drawn for ordinary residents fits whom it is drawn for: ages, families, images, ranges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.sandbox.findings import IMAGED_FROM_AGE, IMAGES, TISSUES
from kjerne.sandbox.household import Household, households
from kjerne.sandbox.life import reports
from kjerne.sandbox.panels import ADULT, ANALYSES, HOSPITAL, PRIVATE, Laboratory, band
from kjerne.sandbox.people import Person
from kjerne.sandbox.population import generate
from kjerne.svarrapport import Report, Text

TODAY = date(2026, 11, 23)
OF_CHILDREN = ("hb", "mcv", "mch", "leu", "neu", "lym", "tro", "fer", "krea", "alp", "alat", "gt")
"""Analyses whose ranges are other ones in childhood."""
TEXTS = {seen.image.findings: seen for seen in IMAGES}
seeds = st.integers(0, 10_000)


def first_households(seed: int, number: int) -> list[Household]:
    made = households(seed, 1, TODAY, set())
    return [next(made) for _ in range(number)]


def told(seed: int) -> Iterator[tuple[Person, Report]]:
    """Every report about those who play no part in the stories."""
    population = generate(60, seed, TODAY)
    owner = {one.value: person for person in population.people for one in person.numbers}
    cast = set(population.cast.values())
    for report in reports(population, seed, TODAY):
        person = owner[report.patient.number]
        if person.key not in cast:
            yield person, report


@pytest.mark.parametrize("seed", [1, 20261123])
def test_ages_lie_near_norways(seed: int) -> None:
    ages = [one.age(TODAY) for home in first_households(seed, 1500) for one in home.people]
    share = {low: sum(low <= age < high for age in ages) / len(ages) for low, high in ((0, 10), (10, 20), (70, 200))}
    assert share[0] == pytest.approx(0.11, abs=0.02)
    assert share[10] == pytest.approx(0.12, abs=0.02)
    assert share[70] == pytest.approx(0.13, abs=0.02)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_parent_was_grown_and_not_over_45_when_a_child_was_born(seed: int) -> None:
    for home in first_households(seed, 40):
        by_key = {one.key: one for one in home.people}
        for child, parent in home.parents:
            assert 18 <= by_key[parent].age(by_key[child].birth_date) <= 45
            assert by_key[child].age(TODAY) < 18


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_an_image_is_one_that_somebody_of_that_age_is_examined_with(seed: int) -> None:
    for person, report in told(seed):
        for item in report.patient.items:
            if isinstance(item.result, Text) and item.result.text in TEXTS and item.investigated:
                seen = TEXTS[item.result.text]
                assert seen.from_age <= person.age(item.investigated.date()) < seen.to_age
                assert report.request.reason == seen.reason


@pytest.mark.parametrize("age", range(IMAGED_FROM_AGE - 1, 105))
def test_at_every_age_an_image_can_be_normal_or_not(age: int) -> None:
    kinds = defaultdict(set)
    for seen in IMAGES:
        if seen.from_age <= age < seen.to_age:
            kinds["Normale funn" in seen.image.conclusion].add(seen.image.conclusion)
    assert kinds[True] and kinds[False]


def test_an_examination_has_more_than_one_text_and_tissue_can_be_found_at_thirty() -> None:
    texts = defaultdict(set)
    for seen in IMAGES:
        texts[seen.image.code].add(seen.image.findings)
    assert all(len(found) >= 3 for found in texts.values())
    assert any(from_age <= 30 for _, from_age, _ in TISSUES)


@given(
    st.sampled_from(sorted(ANALYSES)), st.sampled_from([PRIVATE, HOSPITAL]), st.sampled_from(["female", "male"]),
    st.integers(0, 120),
)  # fmt: skip
def test_every_age_has_one_range_of_every_analysis(key: str, laboratory: Laboratory, sex: str, age: int) -> None:
    bands = laboratory.bands.get(key) or ANALYSES[key].bands
    fitting = [one for one in bands if one.sex in ("", sex) and one.from_age <= age < one.to_age]
    assert fitting == [band(key, laboratory, sex, age)]


@pytest.mark.parametrize("key", OF_CHILDREN)
@pytest.mark.parametrize("laboratory", [PRIVATE, HOSPITAL])
def test_a_child_does_not_get_a_grown_mans_range(key: str, laboratory: Laboratory) -> None:
    for age in range(11):
        assert band(key, laboratory, "male", age) != band(key, laboratory, "male", ADULT)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_nitrite_is_positive_or_negative(seed: int) -> None:
    for _, report in told(seed):
        for item in report.patient.items:
            if item.codes and item.codes[0].value == "NPU21578":
                assert isinstance(item.result, Text) and item.result.text in ("Negativ", "Positiv")
