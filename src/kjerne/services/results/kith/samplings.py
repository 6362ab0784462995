"""The samplings that one version of a report tells of: what can go to another person without the rest.

A sampling is what was taken at one time. A result belongs to the time of the object that it names, and so does what stands
in it or refers to it. What names none (a remark, a result without an object) is of all of them. Where one result is of
several times, those are one sampling; and so are a day and a time in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.items import targets
from kjerne.services.results.kith.model import Item, Report
from kjerne.services.results.kith.sampled import NONE, Times

MOST: Final = 24
"""A version with more samplings than this is never parted."""


def of(report: Report) -> list[Times]:
    """The times of each sampling, the earliest first; none where there are not several that can be told apart."""
    if len({one.collected for one in report.subjects}) < 2:
        return []
    own, _ = _times(report)
    found: list[set[str]] = []
    for times in own:
        if times:
            meets = [one for one in found if not sampled.apart(frozenset(one), times)]
            found = [one for one in found if one not in meets]
            found.append(set(times).union(*meets))
    return sorted(map(frozenset, found), key=min) if 2 <= len(found) <= MOST else []


def only(report: Report, times: Times, *, rest: bool = True) -> Report:
    """The report without the results and objects of other samplings; `rest`: with what is of all of them."""
    own, below = _times(report)
    places: dict[int, int] = {}
    kept: list[Item] = []
    for index, item in enumerate(report.items):
        of_it = own[index] or below[index]
        if not (rest if not of_it else of_it & times):
            continue
        places[index] = len(kept)
        kept.append(msgspec.structs.replace(item, parent=places.get(item.parent, -1)))
    subjects = (one for one in report.subjects if (time := sampled.local(one.collected)) in times or not time)
    return msgspec.structs.replace(report, items=tuple(kept), subjects=tuple(subjects))


def tells_of_all(report: Report) -> bool:
    """Whether it has a result that names no object, nor does what stands in it or refers to it: it is of all samplings."""
    return any(not own and not below for own, below in zip(*_times(report), strict=True))


def _times(report: Report) -> tuple[list[Times], list[Times]]:
    """Of each result when what it names was taken, with what it stands in or refers to; and of what names nothing, when what
    stands in it or refers to it was."""
    named = {f"{one.of}:{one.id}": sampled.local(one.collected) for one in report.subjects if one.id}
    around = [
        item.parent if item.parent >= 0 else target
        for item, target in zip(report.items, targets(report.items), strict=True)
    ]
    own: list[Times] = []
    for index, item in enumerate(report.items):
        times = frozenset(filter(None, (named.get(f"{item.of}:{one}", "") for one in item.subjects)))
        above = own[around[index]] if 0 <= around[index] < index else NONE
        own.append(times | above)
    return own, _below(own, around)


def _below(own: Sequence[Times], around: Sequence[int]) -> list[Times]:
    below = [NONE] * len(own)
    for index in reversed(range(len(own))):
        if 0 <= around[index] < index:
            below[around[index]] |= own[index] or below[index]
    return below
