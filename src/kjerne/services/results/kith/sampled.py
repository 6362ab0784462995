"""When the sample behind a result was taken: what tells two results of one analysis apart.

Times are compared with the precision they were sent in: a day meets every time in it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from kjerne.services.results.kith.model import Item, Material, Report
from kjerne.services.results.kith.times import OSLO, stamp

Times = frozenset[str]

NONE: Final[Times] = frozenset()
_LENGTHS: Final = (4, 7, 10)
"""Of a year, a month and a day: what a more exact time begins with."""


def of_items(report: Report) -> list[Times]:
    """For each result when its samples were taken: those it names, else those of the result around it, else all that
    its Patient element holds. Without any, when it was examined; empty where neither is said."""
    known: dict[str, str] = {}
    gathered: dict[int, set[str]] = {}
    for subject in report.subjects:
        time = local(subject.collected)
        if time:
            gathered.setdefault(subject.of, set()).add(time)
            if subject.id:
                known[f"{subject.of}:{subject.id}"] = time
    by_patient = {of: frozenset(times) for of, times in gathered.items()}
    found: list[Times] = []
    for item in report.items:
        if item.subjects:
            times = frozenset(known[key] for ref in item.subjects if (key := f"{item.of}:{ref}") in known)
        else:
            times = found[item.parent] if item.parent >= 0 else by_patient.get(item.of, NONE)
        found.append(times or _examined(item))
    return found


def whose_of_items(report: Report) -> list[Material | None]:
    """For each result whose material it is about (empty: the patient's own): what it says itself, or of the objects that it
    names, else of that around it, else of all that its Patient element holds. None where that is not said, or is several."""
    named: dict[str, Material] = {}
    gathered: dict[int, set[Material]] = {}
    for subject in report.subjects:
        gathered.setdefault(subject.of, set()).add(subject.material)
        named.setdefault(f"{subject.of}:{subject.id}", subject.material)
    found: list[Material | None] = []
    for item in report.items:
        own = {named[key] for ref in item.subjects if (key := f"{item.of}:{ref}") in named}
        if item.material:
            own = {item.material}
        elif not item.subjects:
            around = found[item.parent] if item.parent >= 0 else None
            own = gathered.get(item.of, set()) if around is None else {around}
        found.append(own.pop() if len(own) == 1 else None)
    return found


def of_report(report: Report) -> Times:
    """Every time at which something that the report is about was taken, else examined."""
    taken = frozenset(time for subject in report.subjects if (time := local(subject.collected)))
    return taken or NONE.union(*map(_examined, report.items))


@lru_cache(maxsize=8192)
def apart(one: Times, other: Times) -> bool:
    """Whether both are known, and nothing of the one can have been taken when something of the other was."""
    if not one or not other or not one.isdisjoint(other):
        return False
    return not any(
        time[:length] in shorter
        for shorter, longer in ((one, other), (other, one))
        for time in longer
        for length in _LENGTHS
    )


def has_clock(time: str) -> bool:
    """Whether a time is more than a day, which many samples share."""
    return "T" in time


@lru_cache(maxsize=8192)
def local(text: str) -> str:
    """A time of the message as Norwegian local time with the precision it has; empty where it is none."""
    found = stamp(text)
    if found is None:
        return ""
    return found.at.astimezone(OSLO).isoformat()[:19] if has_clock(text) else found.text


def _examined(item: Item) -> Times:
    time = local(item.investigated)
    return frozenset((time,)) if time else NONE
