"""Three attacks on people by what was made of them: singling out, linkage and inference.

After the method that anonymeter has (Giomi et al., PoPETs 2023), written anew for lives: a person is the traits, the length of
the life, and of each of the commonest codes how often, since when, the mean and the last value. Whoever attacks has all made
people, and never the model. Each attack is made on as many people held out, so that only what the model learned of somebody
counts (`risks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.network import Flags, Floats, Ints
from kjerne.services.synthetic.risks import SURE, Risk, Tries, risk_of

ATTACKS: Final = 8_000
"""Queries of each kind that single out; people are attacked as many as there are."""
PEOPLE_MOST: Final = 2_500
"""People of each side who are attacked."""
MADE_MOST: Final = 5_000
"""Made people among whom the nearest is sought."""
CODES_MOST: Final = 12
TIME: Final = ("events", "first day", "span")
OF_CODES: Final = ("how often", "first day", "mean", "last")
FACTS: Final = (3, 4, 5, 6, 7, 8)
"""So many facts make a query of several."""
TRIED_MOST: Final = 8
"""Queries that are tried for each one wanted."""
NEIGHBOURS: Final = 5
"""A person is linked where her two halves have one of so many nearest made people in common."""
SECRETS_MOST: Final = 20
NEAR: Final = 0.025
"""A number is guessed where so small a share of people lies between it and the guess."""
CELLS_MOST: Final = 20_000_000
"""Distances that lie in memory at once (80 MB)."""
SINGLING_OUT, LINKAGE, INFERENCE = "singling out", "linkage", "inference"

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """People as columns of numbers (NaN where missing). Columns of one group tell of one thing; `choices` are places among
    levels."""

    names: list[str]
    groups: list[str]
    choices: Flags
    learned: Numbers
    held: Numbers
    made: Numbers


def known(
    names: Sequence[str],
    choices: Sequence[str],
    rows: Sequence[Numbers],
    codes: Sequence[str],
    rng: np.random.Generator,
) -> Known:
    """The columns of a report's portraits (of those learned from, held out and made) by which people are attacked; as many of
    the first as of the second, by chance."""
    groups = {name: name for name in names if name.startswith("trait ")}
    groups |= dict.fromkeys(TIME, "time")
    groups |= {f"{code}: {of}": code for code in codes[:CODES_MOST] for of in OF_CODES}
    places = [place for place, name in enumerate(names) if name in groups]
    count = min(len(rows[0]), len(rows[1]), PEOPLE_MOST)
    sizes = (count, count, min(len(rows[2]), MADE_MOST))
    shown = [some[rng.permutation(len(some))[:size]][:, places] for some, size in zip(rows, sizes, strict=True)]
    kept = [names[place] for place in places]
    return Known(kept, [groups[name] for name in kept], np.isin(kept, [f"trait {one}" for one in choices]), *shown)


def attacked(people: Known, rng: np.random.Generator) -> tuple[list[Risk], list[Risk]]:
    """What the attacks found, and of inference what each secret told: a risk for each."""
    shared, secrets = _by_nearness(people, rng)
    return [*_singled_out(people, rng), *shared], secrets


def worst(risks: Sequence[Risk], secrets: Sequence[Risk], attack: str) -> float:
    """The greatest upper bound of an attack; of a single secret the lower one, so that what leaks alone is not lost among
    others (as sure of all secrets together as of one, since some of many lie high by chance). Not a number where nothing could be
    asked."""
    bounds = [one.high for one in risks if one.attack == attack and one.attacks]
    if attack == INFERENCE and secrets:
        wider = NormalDist().inv_cdf(1 - 0.025 / len(secrets)) / SURE
        bounds += [one.risk - (one.risk - one.low) * wider for one in secrets if not np.isnan(one.risk)]
    return max(bounds) if bounds and not np.isnan(bounds).any() else float("nan")


Query = tuple[tuple[int, str, float], ...]
"""Facts of a query: column, how it compares (`=`, `<`, `>` or `?`, missing), and with what."""


def _singled_out(people: Known, rng: np.random.Generator) -> Iterator[Risk]:
    """Queries that exactly one made person answers: do they have exactly one answer among those learned from too?"""
    _, first = np.unique(np.nan_to_num(people.made, nan=-np.inf), axis=0, return_index=True)
    made = people.made[rng.permutation(first)[: len(people.learned)]]
    for by, wanted in (
        ("one fact", _of_one_fact(people, made, rng)),
        ("several facts", _of_several(people, made, rng)),
    ):
        queries, owners = [query for query, _ in wanted], np.array([owner for _, owner in wanted], np.int64)
        tries = list[Tries]()
        for some in (people.learned, people.held):
            found = np.array([_only(some, one) for one in queries], np.int64)
            tries.append(Tries(found >= 0, owners, found, len(some)))
        blind = [_blind(people, made, query, rng) for query in queries]
        guessing = float(np.mean([_only(people.learned, one) >= 0 for one in blind])) if blind else float("nan")
        yield risk_of(SINGLING_OUT, by, tries[0], tries[1], guessing)


def _of_one_fact(people: Known, made: Numbers, rng: np.random.Generator) -> list[tuple[Query, int]]:
    """What one made person alone has: a value, the least or the greatest of all. Columns take turns, so that one with a value
    for everybody does not ask all the queries."""
    found = list[tuple[float, Query, int]]()
    for place in range(made.shape[1]):
        column = made[:, place]
        values, first, counts = np.unique(column[~np.isnan(column)], return_index=True, return_counts=True)
        owners = np.flatnonzero(~np.isnan(column))[first[counts == 1]]
        asked: list[tuple[Query, int]] = [(((place, "=", float(column[one])),), int(one)) for one in owners]
        if len(values) > 1 and not people.choices[place]:
            ends = ((0, "<"), (-1, ">"))
            asked += [(((place, how, float(values[end])),), int(np.flatnonzero(column == values[end])[0]))
                      for end, how in ends if counts[end] == 1]  # fmt: skip
        if np.isnan(column).sum() == 1:
            asked.append((((place, "?", 0.0),), int(np.flatnonzero(np.isnan(column))[0])))
        turns = rng.permutation(len(asked)) + rng.random()
        found += [(float(turn), *one) for turn, one in zip(turns, asked, strict=True)]
    return [(query, owner) for _, query, owner in sorted(found, key=lambda one: one[0])[:ATTACKS]]


def _of_several(people: Known, made: Numbers, rng: np.random.Generator) -> list[tuple[Query, int]]:
    """Some facts of a made person, numbers towards the rarer side, that no other has together."""
    middle = np.array([np.median(column[~np.isnan(column)]) if (~np.isnan(column)).any() else 0 for column in made.T])
    found, width = dict[Query, int](), made.shape[1]
    for _ in range(ATTACKS * TRIED_MOST):
        if len(found) == ATTACKS:
            break
        owner = int(rng.integers(len(made)))
        places = np.sort(rng.permutation(width)[: int(rng.choice(FACTS))]).tolist()
        query = tuple(_fact(people, made, owner, place, middle) for place in places)
        if query not in found and _only(made, query) >= 0:
            found[query] = owner
    return list(found.items())


def _fact(people: Known, made: Numbers, owner: int, place: int, middle: Numbers) -> tuple[int, str, float]:
    value = float(made[owner, place])
    if np.isnan(value):
        return place, "?", 0.0
    return place, "=" if people.choices[place] else ">" if value > middle[place] else "<", value


def _blind(people: Known, made: Numbers, query: Query, rng: np.random.Generator) -> Query:
    """A query about the same columns by somebody who draws how and with what from what there is."""
    found = list[tuple[int, str, float]]()
    for place, _, _ in query:
        value = float(made[rng.integers(len(made)), place])
        how = str(rng.choice(("=",) if people.choices[place] else ("=", "<", ">")))
        found.append((place, "?" if np.isnan(value) else how, value))
    return tuple(found)


def _only(rows: Numbers, query: Query) -> int:
    """Who alone answers a query; -1 where nobody does, or several."""
    found = np.ones(len(rows), np.bool_)
    for place, how, value in query:
        column = rows[:, place]
        if how == "?":
            found &= np.isnan(column)
        elif how == "=":
            found &= column == value
        else:
            found &= column >= value if how == ">" else column <= value
    who = np.flatnonzero(found)
    return int(who[0]) if len(who) == 1 else -1


def _placed(people: Known) -> tuple[Floats, Floats, Floats]:
    """Everybody's numbers as places between 0 and 1 among all; levels two apart, and missing two from everything: so that the
    difference, at most one, is 1 of unlike levels and where one side is missing."""
    sides = (people.learned, people.held, people.made)
    found = [np.empty(one.shape, np.float32) for one in sides]
    for place, choice in enumerate(people.choices):
        all_ = np.sort(np.concatenate([one[:, place][~np.isnan(one[:, place])] for one in sides]))
        for one, into in zip(sides, found, strict=True):
            column = one[:, place]
            if choice:
                placed = 2 * column
            else:
                at = np.searchsorted(all_, column, side="left") + np.searchsorted(all_, column, side="right")
                placed = at / (2 * max(len(all_), 1))
            into[:, place] = np.where(np.isnan(column), -2, placed)
    return found[0], found[1], found[2]


@dataclass(frozen=True)
class _Secret:
    """What is to be guessed: a column, or whether a code was ever had. Nearness is asked of all groups but its own."""

    name: str
    group: str
    place: int
    is_ever: bool
    is_choice: bool

    def answers(self, rows: Numbers, placed: Floats) -> Numbers:
        """The answer of each person, comparable between sides: NaN is one as well."""
        if self.is_ever:
            return (rows[:, self.place] > 0).astype(np.float64)
        shown = np.where(np.isnan(rows[:, self.place]), np.nan, placed[:, self.place])
        return np.asarray(shown, np.float64)

    def guessed(self, told: Numbers, truth: Numbers) -> Flags:
        near = told == truth if self.is_ever or self.is_choice else np.abs(told - truth) <= NEAR
        return np.asarray(near | (np.isnan(told) & np.isnan(truth)))


def _secrets(people: Known) -> list[_Secret]:
    """Traits first; then whether each code was ever had, its mean, and since when."""
    columns = list(enumerate(zip(people.names, people.groups, strict=True)))
    traits = [
        _Secret(name, group, place, is_ever=False, is_choice=bool(people.choices[place]))
        for place, (name, group) in columns
        if name.startswith("trait ")
    ]
    of_codes = [
        _Secret(
            f"{group}: ever" if of == "how often" else name, group, place, is_ever=of == "how often", is_choice=False
        )
        for of in ("how often", "mean", "first day")
        for place, (name, group) in columns
        if group != "time" and not name.startswith("trait ") and name.rpartition(": ")[2] == of
    ]
    return [*traits[: SECRETS_MOST // 2], *of_codes]


def _asked(answers: Sequence[Numbers]) -> list[Flags]:
    """Whom a secret is asked of: all, or where most have one answer, those who have another (to guess what most have is no
    art)."""
    both = np.concatenate(answers)
    values, counts = np.unique(both, return_counts=True)  # NaN is one value
    most = values[counts.argmax()]
    if counts.max() <= len(both) / 2:
        return [np.ones(len(one), np.bool_) for one in answers]
    return [~((one == most) | (np.isnan(one) & np.isnan(most))) for one in answers]


def _by_nearness(people: Known, rng: np.random.Generator) -> tuple[list[Risk], list[Risk]]:
    """Linkage and inference, both by the nearest made people."""
    placed, groups = _placed(people), list(dict.fromkeys(people.groups))
    rows, secrets = (people.learned, people.held, people.made), list[_Secret]()
    answers, asked = list[list[Numbers]](), list[list[Flags]]()
    for one in _secrets(people):
        told = [one.answers(some, at) for some, at in zip(rows, placed, strict=True)]
        whom = _asked(told[:2])
        if len(secrets) < SECRETS_MOST and all(flags.sum() > 1 for flags in whom) and len(groups) > 1:
            secrets.append(one)
            answers.append(told)
            asked.append(whom)
    blind = rng.integers(len(people.made), size=len(people.learned))
    linked, guessed = list[Flags](), list[list[Flags]]()
    for side in range(2):
        links, nearest = _nearest(placed[side], placed[2], people.groups, [one.group for one in secrets], rng)
        linked.append(links)
        guessed.append(
            [one.guessed(told[2][at], told[side]) for one, told, at in zip(secrets, answers, nearest, strict=True)]
        )
    every = np.arange(len(people.learned))
    found = [risk_of(LINKAGE, "two halves of a life", Tries(linked[0], every), Tries(linked[1], every),
                     min(1.0, NEIGHBOURS**2 / max(len(people.made), 1)))]  # fmt: skip
    by_chance = [one.guessed(told[2][blind], told[0])[whom[0]]
                 for one, told, whom in zip(secrets, answers, asked, strict=True)]  # fmt: skip
    tries = [[Tries(right[place][whom[side]], every[whom[side]]) for place, whom in enumerate(asked)]
             for side, right in enumerate(guessed)]  # fmt: skip
    single = [risk_of(INFERENCE, one.name, tries[0][place], tries[1][place], float(by_chance[place].mean()))
              for place, one in enumerate(secrets)]  # fmt: skip
    if secrets:
        all_ = [Tries(np.concatenate([one.succeeded for one in side]), np.concatenate([one.accounts for one in side]))
                for side in tries]  # fmt: skip
        found.append(
            risk_of(INFERENCE, "the nearest made person", all_[0], all_[1], float(np.concatenate(by_chance).mean()))
        )
    return found, single


def _nearest(
    asked: Floats, made: Floats, groups: list[str], without: Sequence[str], rng: np.random.Generator
) -> tuple[Flags, list[Ints]]:
    """Who is linked by her two halves, and for each group left out the nearest made person by the others. Of made people who
    are equally near one is taken by chance, and another one by the other half."""
    names = list(dict.fromkeys(groups))
    columns = [np.array([place for place, one in enumerate(groups) if one == name]) for name in names]
    halves, other = [np.arange(len(names)) % 2 == half for half in (0, 1)], rng.permutation(len(made))
    count = min(NEIGHBOURS, len(made))
    linked, nearest = list[Flags](), list[list[Ints]]([[] for _ in without])
    at_once = max(1, CELLS_MOST // (len(names) * len(made)))
    for part in np.array_split(asked, -(-len(asked) // at_once)):
        apart = np.zeros((len(names), len(part), len(made)), np.float32)
        for group, places in enumerate(columns):
            for place in places:
                apart[group] += np.minimum(np.abs(part[:, place, None] - made[None, :, place]), 1)
        first = _firsts(apart[halves[0]].sum(axis=0), count)
        second = other[_firsts(apart[halves[1]].sum(axis=0)[:, other], count)]
        linked.append((first[:, :, None] == second[:, None, :]).any(axis=(1, 2)))
        whole = apart.sum(axis=0)
        for place, name in enumerate(without):
            nearest[place].append((whole - apart[names.index(name)]).argmin(axis=1))
    return np.concatenate(linked), [np.concatenate(one) for one in nearest]


def _firsts(apart: Floats, count: int) -> Ints:
    return np.asarray(np.argpartition(apart, count - 1, axis=1)[:, :count], np.int64)
