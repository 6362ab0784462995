"""Synthetic people: families with addresses, numbers, general practitioners, courses of care and privacy choices.

One seed and one day give one population, byte for byte. The first fifteen residents play the parts of the sandbox's
stories; each household after them has a random source of its own, so a larger population begins with the people of a
smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Final

from kjerne.access import Choice, Tie
from kjerne.sandbox.cast import ROLES, choices, play, ties
from kjerne.sandbox.household import Household, households
from kjerne.sandbox.institutions import Service, health_service
from kjerne.sandbox.people import Person, Population

OPTS_OUT, RESTRICTS, BLOCKS = 0.006, 0.010, 0.013
"""Cumulative share of adults with a privacy choice."""
IN_HOSPITAL_CARE: Final = 0.06
CHOOSES_FROM_AGE: Final = 16


def generate(people: int, seed: int, today: date) -> Population:
    """A population of `people` residents (at least the cast of fifteen), and the personnel that looks after them."""
    taken: set[str] = set()
    played = play(seed, today, taken)
    homes = _homes(max(0, people - len(ROLES)), seed, today, taken)
    residents = [*played.values(), *(one for home in homes for one in home.people)]
    service = health_service(seed, len(residents), today, taken)
    bound = defaultdict[int, list[Tie]](list, ties(played, service, today))
    chosen = defaultdict[int, list[Choice]](list, choices(played, service, today))
    for home in homes:
        _bind(home, service, seed, today, bound, chosen)
    everybody = (*residents, *service.persons)
    for one in service.persons:
        bound[one.key].append(_list_tie(service, one.key, one, today))
    return Population(
        people=everybody,
        organisations=tuple(service.units.values()),
        practitioners=tuple(service.staff.values()),
        ties={key: tuple(found) for key, found in bound.items()},
        choices={key: tuple(found) for key, found in chosen.items()},
        cast={part: one.key for part, one in played.items()},
        staff=service.staff,
        units=service.units,
        by_key={one.key: one for one in everybody},
        residents=len(residents),
        operator=service.operator,
        second_operator=service.second_operator,
    )


def _homes(people: int, seed: int, today: date, taken: set[str]) -> Sequence[Household]:
    """Households of exactly `people` persons together; the last one loses its youngest where it is too large."""
    found: list[Household] = []
    left = people
    for home in households(seed, len(ROLES) + 1, today, taken):
        if left <= 0:
            break
        kept = tuple(islice(home.people, left))
        keys = {one.key for one in kept}
        found.append(Household(kept, tuple(pair for pair in home.parents if keys.issuperset(pair))))
        left -= len(kept)
    return found


def _bind(
    home: Household, service: Service, seed: int, today: date,
    bound: defaultdict[int, list[Tie]], chosen: defaultdict[int, list[Choice]],
) -> None:  # fmt: skip
    """The household's doctor, courses of care, parents and privacy choices."""
    first = home.people[0].key
    rng = Random(f"{seed}:bind:{first}")
    for one in home.people:
        bound[one.key].append(_list_tie(service, first, one, today))
        if rng.random() < IN_HOSPITAL_CARE:
            since = today - timedelta(days=rng.randrange(5, 200))
            hospital = service.units["hospital"].number
            bound[one.key].append(Tie("care", organisation=hospital, since=max(since, one.birth_date)))
        choice = _choice(rng, service, today) if one.age(today) >= CHOOSES_FROM_AGE else None
        if choice:
            chosen[one.key].append(choice)
    born = {one.key: one.birth_date for one in home.people}
    for child, parent in home.parents:
        bound[child].append(Tie("parent", key=parent, since=born[child]))


def _list_tie(service: Service, household: int, one: Person, today: date) -> Tie:
    doctor = service.doctors[household % len(service.doctors)]
    since = max(one.birth_date, today - timedelta(days=1000))
    return Tie("practice-list", doctor.hpr, doctor.point_of_care, since=since)


def _choice(rng: Random, service: Service, today: date) -> Choice | None:
    drawn, days = rng.random(), rng.randrange(3, 700)
    if drawn >= BLOCKS:
        return None
    at = datetime(today.year, today.month, today.day, 9, 15, tzinfo=UTC) - timedelta(days=days)
    if drawn < OPTS_OUT:
        return Choice("opt-out", "", "", "", at, None)
    if drawn < RESTRICTS:
        return Choice("restriction", "", "", "", at, None)
    return Choice("block", "", service.staff["hospital-doctor"].hpr, "", at, None)
