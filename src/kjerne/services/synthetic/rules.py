"""Hard rules: found in a cohort or given in a file, kept in the model, and counted in what it makes.

A rule is found where chance would not explain that nobody breaks it (one in a million). Rules that a file gives must hold for
the cohort too: a model that learned from people who break them could not keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.histories import age_at
from kjerne.services.synthetic.network import Ints
from kjerne.services.synthetic.people_model import Model, Rules

BY_CHANCE: Final = 1e-6
ONLY_BY_CHANCE: Final = 0.01
"""That a code of few people is one sex's alone is believed sooner: else men would give birth, and little is lost."""
AGES: Final = (-10.0, 200.0)
"""No bound."""
AGES_BY_CHANCE: Final = 0.2
AGE_STEP: Final = 5
"""Years to which the ages of a code are rounded outwards, so that they are nobody's own."""


class Only(msgspec.Struct, forbid_unknown_fields=True):
    """A code that people of some levels of a trait may have, and nobody else."""

    code: str
    trait: str
    levels: list[str]


class Ages(msgspec.Struct, forbid_unknown_fields=True):
    """From which age (years) a code is had, and before which."""

    code: str
    least: float
    below: float


class Needs(msgspec.Struct, forbid_unknown_fields=True):
    """A code that nobody has before she has had another (`first`), at an earlier moment or the same."""

    code: str
    first: str


class RuleFile(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of rules may hold: names of codes."""

    once: list[str] = []
    terminal: list[str] = []
    not_before_index: list[str] = []
    only: list[Only] = []
    ages: list[Ages] = []
    needs: list[Needs] = []


def read_rules(raw: bytes, where: str) -> RuleFile:
    """The rules of a file. `Refusal` where it is not of its form."""
    try:
        return msgspec.json.decode(raw, type=RuleFile)
    except msgspec.DecodeError as error:
        raise Refusal(
            422, f"the rules are not of their form: {error}", where=where, todo="See docs/synthetic.md."
        ) from None


def rules_of(cohort: Cohort, given: RuleFile | None, where: str, age: str = "") -> Rules:
    """The rules that a guarded cohort shows, and those that were given; `age` names the trait that is the age."""
    counts = _by_person(cohort)
    had = (counts > 0).sum(axis=0)
    once = (counts <= 1).all(axis=0) & _unlikely(0.5, had)
    last = cohort.times[np.maximum(cohort.first[1:] - 1, 0)][cohort.persons]
    later = np.bincount(cohort.code[cohort.times < last], minlength=len(cohort.codes))
    share_last = (cohort.times == last).mean()
    terminal = (later == 0) & _unlikely(share_last, had)
    early = np.bincount(cohort.code[cohort.times < 0], minlength=len(cohort.codes))
    after = (early == 0) & _unlikely((cohort.times >= 0).mean(), had)
    rules = Rules(tuple(once.tolist()), tuple(terminal.tolist()), tuple(after.tolist()), _masks(cohort, counts, had),
                  _windows(cohort, _ages(cohort, age), had) if age else (), _orders(cohort, counts))  # fmt: skip
    return _with_given(rules, given, cohort, where, age) if given else rules


def _by_person(cohort: Cohort) -> Ints:
    """How often each has each code (people x codes)."""
    pairs = cohort.persons * len(cohort.codes) + cohort.code
    return np.bincount(pairs, minlength=cohort.people * len(cohort.codes)).reshape(cohort.people, -1)


def _unlikely(share: float, had: Ints) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = float(share) ** had < BY_CHANCE
    return found


def _masks(cohort: Cohort, counts: Ints, had: Ints) -> tuple[tuple[int, int, int], ...]:
    """Codes that people of one level of a trait alone have."""
    found = list[tuple[int, int, int]]()
    for place, trait in enumerate(cohort.traits):
        if not trait.is_choice:
            continue
        levels = trait.numbers.astype(np.int64)
        shares = np.bincount(levels[levels >= 0], minlength=len(trait.levels)) / len(levels)
        for code in range(len(cohort.codes)):
            whose = np.unique(levels[counts[:, code] > 0])
            if len(whose) == 1 and whose[0] >= 0 and shares[whose[0]] ** had[code] < ONLY_BY_CHANCE:
                found.append((code, place, int(whose[0])))
    return tuple(found)


def in_order(cohort: Cohort, given: RuleFile | None = None) -> Cohort:
    """The cohort with its codes in such an order that one stands behind whichever it waits for, by what the table shows or was
    `given`: of what comes at one moment the networks are told in the order of the codes, a disease before the drug of that day.
    Else the order stays, the commonest first."""
    places = {code: place for place, code in enumerate(cohort.codes)}
    waits = {code: {first for first, at_once in firsts.items() if at_once}
             for code, firsts in _waits(cohort, _by_person(cohort)).items()}  # fmt: skip
    for one in given.needs if given else ():
        if one.code in places and one.first in places:
            waits.setdefault(places[one.code], set()).add(places[one.first])
    order = dict[int, None]()
    for code in range(len(cohort.codes)):
        asked = [code]
        while asked:
            before = [one for one in sorted(waits.get(asked[-1], ())) if one not in order and one not in asked]
            if before:
                asked.append(before[0])
            else:
                order[asked.pop()] = None
    turned = np.empty(len(order), np.int64)
    turned[list(order)] = np.arange(len(order))
    moved = turned[cohort.code]
    rows = np.lexsort((moved, cohort.times, cohort.persons))
    return replace(
        cohort, codes=tuple(cohort.codes[one] for one in order), units=tuple(cohort.units[one] for one in order),
        unit_people=tuple(cohort.unit_people[one] for one in order) if cohort.unit_people else (),
        times=cohort.times[rows], code=moved[rows], values=cohort.values[rows],
    )  # fmt: skip


def _waits(cohort: Cohort, counts: Ints) -> dict[int, dict[int, bool]]:
    """By code those others that everybody who has it had before, or at that moment; and whether anybody had at that moment.

    Chance would deal the events of both codes to a person's moments as they fall, so that the second comes before the first in as
    large a share of all deals as it has of her events of both; who has both for the first time at one moment says nothing. So
    that one code is commoner than another explains no order.
    """
    codes = len(cohort.codes)
    firsts = np.full(counts.shape, np.iinfo(np.int64).max)
    np.minimum.at(firsts, (cohort.persons, cohort.code), cohort.times)
    least, found = np.log(BY_CHANCE / max(codes * (codes - 1), 1)), dict[int, dict[int, bool]]()
    for code in range(codes):
        who = np.flatnonzero(counts[:, code])
        own = firsts[who, code]
        for first in np.flatnonzero((firsts[who] <= own[:, None]).all(axis=0)).tolist():
            earlier = who[firsts[who, first] < own]
            shares = counts[earlier, first] / (counts[earlier, first] + counts[earlier, code])
            if np.log(shares).sum() < least:
                found.setdefault(code, {})[first] = len(earlier) < len(who)
    return found


def _orders(cohort: Cohort, counts: Ints) -> tuple[tuple[int, int], ...]:
    """Pairs of codes of which nobody has the first before she has had the second. One that follows from two others is left
    out, and so is one that the order of the codes at one moment does not keep (`in_order`)."""
    waits = _waits(cohort, counts)
    found = {code: {first for first, at_once in firsts.items() if not at_once or first < code}
             for code, firsts in waits.items()}  # fmt: skip
    return tuple(
        (code, first)
        for code, before in found.items()
        for first in sorted(before)
        if not any(first in found.get(between, ()) for between in before)
    )


def _ages(cohort: Cohort, age: str) -> NDArray[np.float64]:
    """The age at each event (NaN where it is not known)."""
    numbers = next(one.numbers for one in cohort.traits if one.name == age)
    return age_at(numbers[cohort.persons], cohort.times.astype(np.float64), cohort.ticks)


def _windows(cohort: Cohort, ages: NDArray[np.float64], had: Ints) -> tuple[tuple[float, float], ...]:
    """The ages at which each code is had, rounded outwards; no bound where so few events of others lie beyond it that chance
    explains why none of this code does."""
    known, found = np.sort(ages[~np.isnan(ages)]), list[tuple[float, float]]()
    for code in range(len(cohort.codes)):
        own = ages[(cohort.code == code) & ~np.isnan(ages)]
        low, high = AGES
        if len(own):
            least, below = AGE_STEP * np.floor(own.min() / AGE_STEP), AGE_STEP * np.floor(own.max() / AGE_STEP + 1)
            younger, older = np.searchsorted(known, least), len(known) - np.searchsorted(known, below)
            low = float(least) if (1 - younger / len(known)) ** had[code] < AGES_BY_CHANCE else low
            high = float(below) if (1 - older / len(known)) ** had[code] < AGES_BY_CHANCE else high
        found.append((low, high))
    return tuple(found)


def _with_given(rules: Rules, given: RuleFile, cohort: Cohort, where: str, age: str) -> Rules:
    places = {code: place for place, code in enumerate(cohort.codes)}
    traits = {one.name: (place, one.levels) for place, one in enumerate(cohort.traits)}

    named = [*given.once, *given.terminal, *given.not_before_index]
    named += [one.code for one in given.only] + [one.code for one in given.ages]
    named += [code for one in given.needs for code in (one.code, one.first)]
    if unknown := [code for code in named if code not in places]:
        todo = "A rule about a code that too few people have is not needed; take it out, or mend its name."
        raise Refusal(404, f"no code {unknown[0]} is learned", where=where, todo=todo)

    def flags(found: tuple[bool, ...], named: list[str]) -> tuple[bool, ...]:
        return tuple(one or code in named for one, code in zip(found, cohort.codes, strict=True))

    only = list(rules.only)
    for one in given.only:
        if one.trait not in traits or set(one.levels) - set(traits[one.trait][1]):
            says = f"there is no trait {one.trait} with the levels {', '.join(one.levels)}"
            raise Refusal(404, says, where=where)
        place, levels = traits[one.trait]
        only += [(places[one.code], place, levels.index(level)) for level in one.levels]
    found = Rules(flags(rules.once, given.once), flags(rules.terminal, given.terminal),
                  flags(rules.after, given.not_before_index), tuple(dict.fromkeys(only)),
                  _given_ages(rules, given, cohort, where),
                  tuple(dict.fromkeys((*_given_needs(given, places, where), *rules.needs))))  # fmt: skip
    broken = broken_rules(found, cohort)
    if found.ages:
        broken["ages"] = _of_another_age(found, cohort, _ages(cohort, age))
    if broken := {name: count for name, count in broken.items() if count}:
        told = ", ".join(f"{name} ({count})" for name, count in broken.items())
        raise Refusal(
            422, f"people of the cohort break rules that were given: {told}", where=where, todo="Mend rules or table."
        )
    return found


def _given_ages(rules: Rules, given: RuleFile, cohort: Cohort, where: str) -> tuple[tuple[float, float], ...]:
    """The ages of each code: those that were given, and for others those that the cohort shows."""
    if given.ages and not rules.ages:
        raise Refusal(400, "there are rules about ages, and no trait is the age", where=where, todo="Name it by --age.")
    told = {one.code: (one.least, one.below) for one in given.ages}
    return tuple(told.get(code, shown) for code, shown in zip(cohort.codes, rules.ages, strict=bool(rules.ages)))


def _given_needs(given: RuleFile, places: Mapping[str, int], where: str) -> tuple[tuple[int, int], ...]:
    """Pairs of codes. `Refusal` where codes wait for each other in a ring: none of them would ever come."""
    found = tuple(dict.fromkeys((places[one.code], places[one.first]) for one in given.needs))
    waiting = set(found)
    while waiting:
        free = {pair for pair in waiting if all(pair[1] != code for code, _ in waiting)}
        if not free:
            ring = ", ".join(
                sorted({one.code for one in given.needs if (places[one.code], places[one.first]) in waiting})
            )
            raise Refusal(422, f"codes wait for each other, so that none of them would come: {ring}", where=where)
        waiting -= free
    return found


def _out_of_order(rules: Rules, cohort: Cohort, persons: Ints) -> int:
    """How many people have a code before the one that it waits for."""
    broken = set[int]()
    for code, first in rules.needs:
        begins = np.full(cohort.people, np.iinfo(np.int64).max)
        rows = cohort.code == first
        np.minimum.at(begins, persons[rows], cohort.times[rows])
        rows = (cohort.code == code) & (cohort.times < begins[persons])
        broken.update(np.unique(persons[rows]).tolist())
    return len(broken)


def _of_another_age(rules: Rules, cohort: Cohort, ages: NDArray[np.float64]) -> int:
    """How many people have a code at another age than it is had at."""
    low, high = (np.array(one)[cohort.code] for one in zip(*rules.ages, strict=True))
    return len(np.unique(cohort.persons[(ages < low) | (ages >= high)]))


def broken_rules(rules: Rules, cohort: Cohort) -> dict[str, int]:
    """How many people break each kind of rule."""
    counts = _by_person(cohort)
    persons = cohort.persons
    last = cohort.times[np.maximum(cohort.first[1:] - 1, 0)][persons]
    terminal, after = np.array(rules.terminal), np.array(rules.after)
    barred = 0
    for code, trait in {(code, trait) for code, trait, _ in rules.only}:
        levels = [level for one, other, level in rules.only if (one, other) == (code, trait)]
        barred += int(((counts[:, code] > 0) & ~np.isin(cohort.traits[trait].numbers, levels)).sum())
    return {
        "once": int((counts[:, np.array(rules.once)] > 1).any(axis=1).sum()),
        "terminal": len(np.unique(persons[terminal[cohort.code] & (cohort.times < last)])),
        "not_before_index": len(np.unique(persons[after[cohort.code] & (cohort.times < 0)])),
        "only": barred,
        "needs": _out_of_order(rules, cohort, persons),
    }


def violations(model: Model, cohort: Cohort) -> dict[str, int]:
    """How many people of a cohort break each hard rule of a model; all are 0 in what the model makes."""
    persons, broken = cohort.persons, broken_rules(model.rules, cohort)
    one = persons[1:] == persons[:-1]
    if model.rules.ages:
        broken["ages"] = _of_another_age(model.rules, cohort, _ages(cohort, model.traits[model.age].name))
    broken["order"] = len(np.unique(persons[1:][one & (np.diff(cohort.times) < 0)]))
    if model.until >= 0:
        ends = np.nan_to_num(cohort.traits[model.until].numbers * model.ticks, nan=np.inf)
        broken["until"] = len(np.unique(persons[cohort.times > np.floor(ends[persons])]))
    return broken


def told_rules(
    rules: Rules, codes: tuple[str, ...], traits: Mapping[int, tuple[str, tuple[str, ...]]]
) -> dict[str, list[str]]:
    """The rules in words, for the card."""

    def named(flags: tuple[bool, ...]) -> list[str]:
        return [code for code, flag in zip(codes, flags, strict=True) if flag]

    only = [f"{codes[code]}: {traits[trait][0]} = {traits[trait][1][level]}" for code, trait, level in rules.only]
    return {
        "once": named(rules.once),
        "terminal": named(rules.terminal),
        "not_before_index": named(rules.after),
        "only": only,
        "needs": [f"{codes[code]}: after {codes[first]}" for code, first in rules.needs],
        "ages": [_told_ages(code, one) for code, one in zip(codes, rules.ages, strict=bool(rules.ages)) if one != AGES],
    }


def _told_ages(code: str, ages: tuple[float, float]) -> str:
    low, high = (f"{one:g}" if one != bound else "" for one, bound in zip(ages, AGES, strict=True))
    return f"{code}: " + " ".join(word for word in (low and f"from {low}", high and f"below {high}") if word)
