"""Ordinary households: who lives together, how old they are, which numbers they have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from kjerne.registries.places import PLACES, STREETS
from kjerne.sandbox.names import FAMILY_NAMES, given_names
from kjerne.sandbox.numbers import DayFull, person_number
from kjerne.sandbox.people import Address, DatedNumber, Person, Protection, Sex

SINGLE, COUPLE, FAMILY = 0.48, 0.77, 0.95
"""Cumulative share of households: one adult, a couple alone, a couple with children; the rest one parent."""
AGES_ALONE: Final = (
    (19, 30, 13),
    (30, 40, 6),
    (40, 50, 5),
    (50, 60, 11),
    (60, 70, 11),
    (70, 80, 9),
    (80, 90, 5),
    (90, 100, 1),
)
"""From and to what age, and weight, of adults without children at home: with the parents and children of the others, ages lie
near Norway's (11 % under 10, 13 % from 70)."""
PARENT_AGES: Final = (24, 54)
PARENT_FROM, PARENT_TO = 6940, 16430
"""Days a parent has lived when a child is born: 19 to 45 years, less some days that a birth date may move."""
CHILDHOOD: Final = 6570
"""Days: whoever is older has moved out."""
CHILDREN: Final = (1, 1, 2, 2, 2, 3)
TWINS: Final = 0.03
DAYS_BETWEEN_CHILDREN: Final = (480, 1600)
LIVES_ELSEWHERE: Final = 0.6
"""Share of single-parent households whose other parent is in the population too, at another address."""
D_NUMBER, RENUMBERED = 0.02, 0.03
"""Cumulative share of adults with a D-number, and with a D-number that became a fødselsnummer."""
PROTECTED: Final = 0.008
DIES_FROM_AGE, DIES = 75, 0.03
PLACE_WEIGHTS: Final = tuple(accumulate(place.weight for place in PLACES))


class Household(NamedTuple):
    """People made together; `parents` are pairs of child and parent keys."""

    people: tuple[Person, ...]
    parents: tuple[tuple[int, int], ...]


def households(seed: int, first_key: int, today: date, taken: set[str]) -> Iterator[Household]:
    """Endless households, keys running from `first_key`; each has a random source of its own."""
    number = 0
    while True:
        number += 1
        made = _household(Random(f"{seed}:household:{number}"), first_key, today, taken)
        first_key += len(made.people)
        yield made


def address(rng: Random, municipality: str = "") -> Address:
    """An address, in `municipality` where one is given, else by population."""
    if municipality:
        place = rng.choice([one for one in PLACES if one.municipality == municipality])
    else:
        place = rng.choices(PLACES, cum_weights=PLACE_WEIGHTS)[0]
    street = f"{rng.choice(STREETS)} {rng.randrange(1, 120)}{rng.choice(('', '', '', 'A', 'B'))}"
    return Address(street, place.postal_code, place.city, place.municipality)


def person(
    rng: Random, key: int, born: date, sex: Sex, family: str, home: Address, taken: set[str], *,
    d_number_until: date | None = None, d_number_only: bool = False, protection: Protection = "ugradert",
) -> Person:  # fmt: skip
    """One person with number and name. A birth date with no free number left moves to the day after."""
    for days in range(31):
        try:
            moved = born + timedelta(days=days)
            numbers = _numbers(rng, moved, sex, taken, d_number_until, d_number_only=d_number_only)
            break
        except DayFull:
            continue
    else:
        raise DayFull(born.isoformat())
    given = rng.choice(given_names(sex, moved.year))
    return Person(key, numbers, given, family, sex, moved, home, protection)


def _numbers(
    rng: Random, born: date, sex: Sex, taken: set[str], until: date | None, *, d_number_only: bool
) -> tuple[DatedNumber, ...]:
    if until is None and not d_number_only:
        return (DatedNumber(person_number(rng, born, sex, taken), "FNR", born),)
    arrived = max(born, (until or born + timedelta(days=9000)) - timedelta(days=700))
    first = DatedNumber(person_number(rng, born, sex, taken, d_number=True), "DNR", arrived, until)
    if until is None:
        return (first,)
    return (first, DatedNumber(person_number(rng, born, sex, taken), "FNR", until))


def _household(rng: Random, key: int, today: date, taken: set[str]) -> Household:
    home, family = address(rng), rng.choice(FAMILY_NAMES)
    protection: Protection = rng.choice(("fortrolig", "strengtFortrolig")) if rng.random() < PROTECTED else "ugradert"
    drawn = rng.random()
    with_children = drawn >= COUPLE
    first_age = rng.randrange(*PARENT_AGES) if with_children else _age_alone(rng)
    first_sex: Sex = "female" if rng.random() < 0.5 else "male"
    other_sex: Sex = "male" if first_sex == "female" else "female"
    adults = [_adult(rng, key, first_age, first_sex, family, home, protection, today, taken)]
    elsewhere = drawn >= FAMILY and rng.random() < LIVES_ELSEWHERE
    if SINGLE <= drawn < FAMILY or elsewhere:
        other_age = max(19, first_age + rng.randrange(-5, 6))
        other_home = address(rng) if elsewhere else home
        name = family if rng.random() < 0.5 else rng.choice(FAMILY_NAMES)
        adults.append(_adult(rng, key + 1, other_age, other_sex, name, other_home, protection, today, taken))
    people = list(adults)
    if with_children:
        lived = [(today - one.birth_date).days for one in adults]
        ages = range(max(1, max(lived) - PARENT_TO), min(CHILDHOOD, min(lived) - PARENT_FROM))
        people += _children(rng, key + len(adults), ages, family, home, protection, today, taken)
    parents = tuple((child.key, adult.key) for child in people[len(adults) :] for adult in adults)
    return Household(tuple(people), parents)


def _age_alone(rng: Random) -> int:
    ((low, high, _),) = rng.choices(AGES_ALONE, weights=[weight for _, _, weight in AGES_ALONE])
    return rng.randrange(low, high)


def _adult(
    rng: Random, key: int, age: int, sex: Sex, family: str, home: Address, protection: Protection,
    today: date, taken: set[str],
) -> Person:  # fmt: skip
    drawn = rng.random()
    born = _born(rng, age, today)
    until = today - timedelta(days=rng.randrange(60, 1500)) if D_NUMBER <= drawn < RENUMBERED else None
    made = person(
        rng, key, born, sex, family, home, taken,
        d_number_until=until, d_number_only=drawn < D_NUMBER, protection=protection,
    )  # fmt: skip
    if age < DIES_FROM_AGE or rng.random() >= DIES:
        return made
    return Person(
        made.key, made.numbers, made.given, made.family, sex, made.birth_date, home, protection,
        today - timedelta(days=rng.randrange(1, 365)),
    )  # fmt: skip


def _children(
    rng: Random, key: int, ages: range, family: str, home: Address, protection: Protection,
    today: date, taken: set[str],
) -> Iterator[Person]:  # fmt: skip
    """Children at home, oldest first, none of an age (in days) outside `ages`."""
    if not ages:
        return
    children = rng.choice(CHILDREN)
    age_days = max(rng.choice(ages) for _ in range(children))
    for number in range(children):
        sex: Sex = "female" if rng.random() < 0.5 else "male"
        if number and rng.random() >= TWINS:
            age_days -= rng.randrange(*DAYS_BETWEEN_CHILDREN)
        if age_days not in ages:
            return
        born = today - timedelta(days=age_days)
        yield person(rng, key + number, born, sex, family, home, taken, protection=protection)


def _born(rng: Random, age: int, today: date) -> date:
    """A birth date that makes somebody `age` whole years old today, never in the future."""
    return today - timedelta(days=int(age * 365.25) + rng.randrange(1, 364))
