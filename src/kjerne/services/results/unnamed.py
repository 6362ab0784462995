"""What a report held that goes to another patient, and that nobody is told of any more: no version that names her says it.

Where two answers cannot be told apart by when they were taken, the report goes whole. What the laboratory does not name for the
other patient is then shown with nobody, until it is sent again for whom it is of: so its sender is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

from kjerne.services.results.kith import chain, giving
from kjerne.services.results.kith.chain import State, Versioned
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.entries import Result
from kjerne.services.results.kith.lineage import Mark, Plan, Standing

MOST: Final = 30
"""Of as many versions of a report, the newest, what each said is looked at."""


_Answer = tuple[tuple[str, ...], tuple[str, ...], str]


class Outcome(NamedTuple):
    """What came of a version: whether it is a change or cancellation (M, C) that stands alone, since no report was found that it
    is of, and how many answers are with nobody now."""

    alone: bool
    unnamed: int = 0


def count(
    plan: Plan, content: Callable[[Mark], Versioned | None], lying: Iterable[tuple[int, Sequence[Versioned]]]
) -> int:
    """How many answers a plan leaves with nobody. `content` is what a version says, as much of it as lies in that report; `lying`
    are the reports under the number that the plan leaves as they are, with whose they are."""
    every = [*lying]
    found = 0
    for name, standing in plan.after.items():
        was = plan.before.get(name)
        known = {*was.names} if was and was.owner == standing.owner else set()
        fresh = {mark.name for mark in standing.marks if mark.person != standing.owner} - known
        for person in {mark.person for mark in standing.marks if mark.name in fresh}:
            own = [one for one in plan.after.values() if one.owner == person]
            told = [[of for mark in one.marks if mark.person == person and (of := content(mark))] for one in own]
            told += [[*versions] for whose, versions in every if whose == person]
            found += (_left(standing, person, content) - _said(told)).total()
    return found


def _left(standing: Standing, person: int, content: Callable[[Mark], Versioned | None]) -> Counter[_Answer]:
    """What versions that name this person said last, of all that are one report, and none that names its owner says: what such a
    one only takes back was never hers. What she says in the same words of the same sample, and of nothing else, is that."""
    versions = [(mark.person, of) for mark in standing.marks if (of := content(mark))]
    if all(whose != standing.owner for whose, _ in versions):
        return Counter()
    found: dict[str, _Answer] = {}
    others: dict[str, _Answer] = {}
    for end, (whose, version) in enumerate(versions, 1):
        asked = whose in (person, standing.owner) and end > len(versions) - MOST
        state = chain.fold([of for _, of in versions[:end]]) if asked else None
        told = [one for one in state.results if one.named == version.generated] if state else []
        if whose == person:
            found = {key: one for key, one in found.items() if key not in {of.key for of in told}}
            found |= {one.key: _answer(state, one) for one in told if state and one.value is not None}
        elif whose == standing.owner:
            for one in told:
                if one.value is not None and state and found.pop(one.key, None) is None:
                    others[one.key] = _answer(state, one)
    return Counter(found.values()) - Counter(others.values())


def _said(reports: Collection[Sequence[Versioned]]) -> Counter[_Answer]:
    shown = [[one for one in versions if not chain.is_absent(one)] for versions in reports]
    states = [chain.fold(versions) for versions in shown if versions]
    return Counter(_answer(state, one) for state in states for one in state.results)


def _answer(state: State, result: Result) -> _Answer:
    """An answer by its analysis, its samples with their times and materials, and its words."""
    codes = sorted(f"{canonical(one.system)}|{one.code or one.words}" for one in result.item.investigations)
    samples = [(state.collected(key), state.subjects[key]) for key in result.objects if key in state.subjects]
    taken = sorted({f"{time}|{of.type_code.code or of.type_code.name or of.type}" for time, of in samples})
    return tuple(codes), tuple(taken), giving.words_of(result.item)
