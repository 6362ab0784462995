"""Hard rules: found in a cohort or given in a file, kept in the model, and counted in what it makes.

A rule is found where chance would not explain that nobody breaks it (one in a million). Rules that a file gives must hold for
the cohort too: a model that learned from people who break them could not keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.network import Ints
from kjerne.services.synthetic.people_model import Model, Rules

BY_CHANCE: Final = 1e-6


class Only(msgspec.Struct, forbid_unknown_fields=True):
    """A code that people of some levels of a trait may have, and nobody else."""

    code: str
    trait: str
    levels: list[str]


class RuleFile(msgspec.Struct, forbid_unknown_fields=True):
    """What a file of rules may hold: names of codes."""

    once: list[str] = []
    terminal: list[str] = []
    not_before_index: list[str] = []
    only: list[Only] = []


def read_rules(raw: bytes, where: str) -> RuleFile:
    """The rules of a file. `Refusal` where it is not of its form."""
    try:
        return msgspec.json.decode(raw, type=RuleFile)
    except msgspec.DecodeError as error:
        raise Refusal(
            422, f"the rules are not of their form: {error}", where=where, todo="See docs/synthetic.md."
        ) from None


def rules_of(cohort: Cohort, given: RuleFile | None, where: str) -> Rules:
    """The rules that a guarded cohort shows, and those that were given."""
    counts = _by_person(cohort)
    had = (counts > 0).sum(axis=0)
    once = (counts <= 1).all(axis=0) & _unlikely(0.5, had)
    last = cohort.times[np.maximum(cohort.first[1:] - 1, 0)][cohort.persons]
    later = np.bincount(cohort.code[cohort.times < last], minlength=len(cohort.codes))
    share_last = (cohort.times == last).mean()
    terminal = (later == 0) & _unlikely(share_last, had)
    early = np.bincount(cohort.code[cohort.times < 0], minlength=len(cohort.codes))
    after = (early == 0) & _unlikely((cohort.times >= 0).mean(), had)
    rules = Rules(tuple(once.tolist()), tuple(terminal.tolist()), tuple(after.tolist()), _masks(cohort, counts, had))
    return _with_given(rules, given, cohort, where) if given else rules


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
            if len(whose) == 1 and whose[0] >= 0 and shares[whose[0]] ** had[code] < BY_CHANCE:
                found.append((code, place, int(whose[0])))
    return tuple(found)


def _with_given(rules: Rules, given: RuleFile, cohort: Cohort, where: str) -> Rules:
    places = {code: place for place, code in enumerate(cohort.codes)}
    traits = {one.name: (place, one.levels) for place, one in enumerate(cohort.traits)}

    def flags(found: tuple[bool, ...], named: list[str]) -> tuple[bool, ...]:
        return tuple(one or code in named for one, code in zip(found, cohort.codes, strict=True))

    only = list(rules.only)
    for one in given.only:
        if one.trait not in traits or set(one.levels) - set(traits[one.trait][1]):
            says = f"there is no trait {one.trait} with the levels {', '.join(one.levels)}"
            raise Refusal(404, says, where=where)
        place, levels = traits[one.trait]
        if one.code in places:
            only += [(places[one.code], place, levels.index(level)) for level in one.levels]
    found = Rules(flags(rules.once, given.once), flags(rules.terminal, given.terminal),
                  flags(rules.after, given.not_before_index), tuple(dict.fromkeys(only)))  # fmt: skip
    if broken := {name: count for name, count in broken_rules(found, cohort).items() if count}:
        told = ", ".join(f"{name} ({count})" for name, count in broken.items())
        raise Refusal(
            422, f"people of the cohort break rules that were given: {told}", where=where, todo="Mend rules or table."
        )
    return found


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
    }


def violations(model: Model, cohort: Cohort) -> dict[str, int]:
    """How many people of a cohort break each hard rule of a model; all are 0 in what the model makes."""
    persons, broken = cohort.persons, broken_rules(model.rules, cohort)
    one = persons[1:] == persons[:-1]
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
    }
