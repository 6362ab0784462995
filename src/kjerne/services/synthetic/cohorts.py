"""A cohort: people, their events in order of time, and their traits, as typed columns.

Direct identifiers do not come in (`identifiers`): the ids of a table become places in a list, a column that is one by its name
or by its values is left out and told, and numbers with eleven digits are refused. Times are whole ticks, so that none is finer
than the table's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.services.synthetic.identifiers import (
    are_dates,
    are_numbers_of_people,
    has_person_number,
    is_free_text,
    is_named,
    is_unit,
    names_somebody,
)
from kjerne.services.synthetic.network import Ints
from kjerne.services.synthetic.tables import EventTable, TraitTable

TICKS: Final = (1, 24, 1440)
"""Ticks in a day that are tried: days, hours, minutes."""
LEVELS_MOST: Final = 12
"""A trait of numbers with at most so many different ones is a choice among them."""
TEXT_LEVELS_MOST: Final = 200
GREATEST: Final = 1e12
STRANGE_MOST: Final = 0.01
"""So large a share of people without traits is passed by; more is the wrong table."""


@dataclass(frozen=True)
class Trait:
    """A trait of everybody: `numbers` (NaN where missing) of a measured one, else places in `levels` (-1 where missing)."""

    name: str
    levels: tuple[str, ...]
    numbers: NDArray[np.float64]

    @property
    def is_choice(self) -> bool:
        return bool(self.levels)


@dataclass(frozen=True)
class Cohort:
    """Events are sorted by person, time and code; `first` holds where each person's begin, with the end of all as its last.

    `times` are ticks since the index, `ticks` of them in a day; `values` are NaN where an event has none. `unit_people` says
    of how many people the unit of each code is, where a table was read.
    """

    people: int
    codes: tuple[str, ...]
    units: tuple[str, ...]
    first: Ints
    times: Ints
    code: Ints
    values: NDArray[np.float64]
    ticks: int
    traits: tuple[Trait, ...]
    notes: tuple[str, ...]
    unit_people: tuple[int, ...] = ()

    @property
    def lengths(self) -> Ints:
        """How many events each person has."""
        return np.diff(self.first)

    @property
    def persons(self) -> Ints:
        """Whose each event is."""
        return np.repeat(np.arange(self.people), self.lengths)

    def of(self, chosen: Ints) -> Cohort:
        """The cohort of some people alone, in the order in which they are named."""
        lengths = self.lengths[chosen]
        first = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.first[chosen] - first[:-1], lengths) + np.arange(first[-1])
        traits = tuple(Trait(one.name, one.levels, one.numbers[chosen]) for one in self.traits)
        return Cohort(len(chosen), self.codes, self.units, first, self.times[rows], self.code[rows], self.values[rows],
                      self.ticks, traits, self.notes)  # fmt: skip


def cohort_of(
    events: EventTable,
    traits: TraitTable,
    leave_out: Collection[str] = (),
    *,
    codes: Sequence[str] = (),
    kept: Sequence[Trait] = (),
    ticks: int = 0,
    above: Callable[[str], str] | None = None,
    measured: Collection[str] = (),
) -> Cohort:
    """A cohort of two tables. `codes`, `kept` and `ticks` say which codes, traits and time there are, where a model knows
    them already, and `above` the class above a code: of one that the model does not know, the nearest that it does is taken.
    `measured` names traits that are measured, however few numbers there are.

    `Refusal` where an event is somebody's that the traits do not have, or units of a code contradict each other.
    """
    notes = list[str]()
    places = {person: place for place, person in enumerate(traits.ids)}
    strange = sum(one not in places for one in set(events.ids))
    if strange > len(places) * STRANGE_MOST:
        says = f"{strange} people have events and no row of traits, of {len(places)} who have one"
        raise Refusal(422, says, where=events.where, todo="Give each person a row in the static table.")
    if strange:
        notes.append(f"{strange} people have events and no row of traits, and were left out")
    if missing := set(leave_out) - set(traits.traits):
        raise Refusal(404, f"there is no trait {min(missing)} to leave out", where=traits.where)
    names = tuple(codes) or tuple(
        code for code, _ in sorted(Counter(events.codes).items(), key=lambda one: (-one[1], one[0]))
    )
    if names_somebody(names):
        todo = "Take free text out of the codes, or write the code otherwise."
        raise Refusal(422, "a code holds the number of a person", where=events.where, todo=todo)
    code, names = _coded(events, names, above if codes else None, notes, known=bool(codes))
    person = np.array([places.get(one, -1) for one in events.ids], np.int64)
    days = np.array([np.nan if one is None else one for one in events.days], np.float64)
    if undated := int(np.isnan(days).sum()):
        notes.append(f"{undated} events have no day, and were left out")
        code, days = np.where(np.isnan(days), -1, code), np.nan_to_num(days)
    values = np.array([np.nan if one is None else one for one in events.values], np.float64)
    _refuse_numbers_of_people(code, names, values, events.where)
    ticks = ticks or next(
        (one for one in TICKS if np.allclose(days * one, np.rint(days * one), rtol=0, atol=1e-4)), TICKS[-1]
    )
    times = np.rint(days * ticks).astype(np.int64)
    rows = np.lexsort((code, times, person))
    rows = rows[(code[rows] >= 0) & (person[rows] >= 0)]
    rows = rows[_last_of_each(person[rows], times[rows], code[rows], values[rows], notes)]
    first = np.searchsorted(person[rows], np.arange(len(traits.ids) + 1))
    units, of_people = _units(events, names, places)
    return Cohort(len(traits.ids), names, units, first, times[rows], code[rows], values[rows], ticks,
                  _traits(traits, leave_out, kept, measured, notes), tuple(notes), of_people)  # fmt: skip


def _coded(
    events: EventTable, names: tuple[str, ...], above: Callable[[str], str] | None, notes: list[str], *, known: bool
) -> tuple[Ints, tuple[str, ...]]:
    """The place of each event's code (-1: left out), and the codes that there are: those of a model where they are `known`,
    else those that are no free text."""
    words = frozenset[str]() if known else frozenset(filter(is_free_text, names))
    names = tuple(one for one in names if one not in words)
    places = {code: place for place, code in enumerate(names)}
    places |= {one: _nearest(one, places, above) for one in set(events.codes) - places.keys()}
    code = np.array([places[one] for one in events.codes], np.int64)
    if left := int((code < 0).sum()):
        what = f"of {len(words)} codes look like free text" if words else "have a code that the model does not know"
        notes.append(f"{left} events {what}, and were left out")
    return code, names


def _nearest(code: str, known: Mapping[str, int], above: Callable[[str], str] | None) -> int:
    """The place of the nearest class above a code; -1 where none is known."""
    while code and code not in known:
        code = above(code) if above else ""
    return known.get(code, -1)


def _refuse_numbers_of_people(code: Ints, names: Sequence[str], values: NDArray[np.float64], where: str) -> None:
    """`Refusal` where a code's values are numbers as persons have."""
    for place in np.unique(code[(np.abs(values) >= 1e9) & (code >= 0)]):
        if has_person_number([str(one) for one in values[(code == place) & ~np.isnan(values)]]):
            says = f"values of the code {_shown(names[place])} are numbers of eleven digits, as persons have"
            raise Refusal(422, says, where=where, todo="Take that code out of the table.")


def _last_of_each(
    person: Ints, times: Ints, code: Ints, values: NDArray[np.float64], notes: list[str]
) -> NDArray[np.bool_]:
    """One event of each person, time and code: of the same told twice the last in the table."""
    same = (person[1:] == person[:-1]) & (times[1:] == times[:-1]) & (code[1:] == code[:-1])
    alike = same & ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
    if same.any():
        other = int((same & ~alike).sum())
        notes.append(f"{int(alike.sum())} events stood twice and {other} once more with another value: one was kept")
    return np.concatenate([~same, [True]]) if len(person) else np.zeros(0, np.bool_)


def _shown(text: str) -> str:
    """A unit or a code as an error may tell it: what may be free text is not shown."""
    return text if is_unit(text) and " " not in text else "(no unit)"


def _units(events: EventTable, names: Sequence[str], known: Collection[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The unit of each code, and of how many of the people it is."""
    found, people = dict[str, Counter[str]](), dict[str, set[str]]()
    for code, unit, person in zip(events.codes, events.units, events.ids, strict=True):
        if unit:
            found.setdefault(code, Counter())[unit] += 1
            if person in known:
                people.setdefault(code, set()).add(person)
    for code, units in sorted(found.items()):
        if len(units) > 1:
            told = ", ".join(f"{_shown(unit)} ({count})" for unit, count in units.most_common(4))
            todo = "Convert the values to one unit, or give each its own code."
            raise Refusal(
                422, f"the code {_shown(code)} has values in several units: {told}", where=events.where, todo=todo
            )
    one_of_each = tuple(next(iter(found[name])) if name in found else "" for name in names)
    return one_of_each, tuple(len(people.get(name, ())) for name in names)


def _traits(
    table: TraitTable, leave_out: Collection[str], kept: Sequence[Trait], measured: Collection[str], notes: list[str]
) -> tuple[Trait, ...]:
    if kept:
        if missing := [one.name for one in kept if one.name not in table.traits]:
            raise Refusal(422, f"the table has no trait {missing[0]}, and the model has", where=table.where)
        return tuple(_as_known(one, table.traits[one.name]) for one in kept)
    found = list[Trait]()
    for name, cells in table.traits.items():
        if name in leave_out:
            continue
        filled = [cell for cell in cells if cell is not None]
        if has_person_number(filled):
            todo = f"Leave it out with --leave-out {name}, or take it out of the table."
            raise Refusal(
                422, f"the trait {name} holds numbers of eleven digits, as persons have", where=table.where, todo=todo
            )
        numbers = _numbers(cells)
        levels = sorted(set(filled)) if numbers is None else sorted(set(filled), key=float)
        if reason := _why_left_out(name, filled, len(levels), numbers is None, len(filled) == len(cells)):
            notes.append(f"the trait {name} {reason}")
        elif numbers is None or (len(levels) <= LEVELS_MOST and name not in measured):
            found.append(_choice(name, levels, cells))
        else:
            found.append(Trait(name, (), numbers))
    if not found:
        raise Refusal(422, "no trait is left to learn", where=table.where)
    return tuple(found)


def _why_left_out(name: str, filled: list[str], levels: int, words: bool, everybody: bool) -> str:
    """Why a trait with so many different cells is not learned; nothing where it is."""
    if not filled:
        return "is empty, and was left out"
    if are_dates(filled):
        return "holds dates, and was left out: learned are ages and numbers of days"
    if is_named(name) or (words and levels > max(LEVELS_MOST, len(filled) // 4)):
        return "looks like an identifier or free text, and was left out"
    if are_numbers_of_people(filled):
        says = "looks like an identifier (whole numbers, another one for nearly everybody), and was left out"
        return f"{says}: give a measurement in a coarser unit"
    if levels < 2 and everybody:
        return "is the same for everybody, and was left out"
    return f"has {levels} different words, and was left out" if words and levels > TEXT_LEVELS_MOST else ""


def _numbers(cells: list[str | None]) -> NDArray[np.float64] | None:
    try:
        found = np.array([np.nan if cell is None else float(cell) for cell in cells], np.float64)
    except ValueError:
        return None
    if (np.abs(found) > GREATEST).any():
        raise Refusal(422, "a trait has a number out of all bounds", where="the static table", todo="Mend or empty it.")
    return found


def _choice(name: str, levels: Sequence[str], cells: list[str | None]) -> Trait:
    places = {level: float(place) for place, level in enumerate(levels)}
    return Trait(name, tuple(levels), np.array([-1.0 if cell is None else places.get(cell, -1.0) for cell in cells]))


def _as_known(trait: Trait, cells: list[str | None]) -> Trait:
    if trait.is_choice:
        return _choice(trait.name, trait.levels, cells)
    numbers = _numbers(cells)
    if numbers is None:
        raise Refusal(422, f"the trait {trait.name} holds words, and the model has numbers", where="the static table")
    return Trait(trait.name, (), numbers)
