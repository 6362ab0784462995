"""What of a report goes to another person, and what stays with whom it names.

A version that tells of some samplings of a report takes those, wherever they were sent, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.alike import by_analysis, same_order, same_results, share, tells_of
from kjerne.services.results.kith.marks import Mark, order, owner
from kjerne.services.results.kith.sampled import NONE, Times
from kjerne.services.results.kith.traces import Hashes, Trace

_FULL: Final = frozenset({"N", "M", "H"})


def parted(mark: Mark, report: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    """What of a report a version that names another person takes, and what stays: the samplings of which it does not tell, where
    it tells of another one. A cancellation that names none stays with those."""
    hers, fresh = owner(report), mark.trace
    pieces = [piece for one in report for piece in one.pieces()]
    later = _later_times(report)

    def is_left(one: Mark) -> bool:
        times = NONE.union(one.trace.times, *(later[time] for time in one.trace.times if time in later))
        return sampled.apart(times, fresh.times)

    goes = [one for one in pieces if not is_left(one) and not is_bare(one)]
    stays = [one for one in pieces if is_left(one) or is_bare(one)]
    said = [one for one in stays if one.person == hers and not one.trace.only_withdraws]
    if not said or not any(tells_of(fresh, [one.trace]) for one in goes) or _said_otherwise(goes, stays):
        return [*report], []
    return goes, stays


def taken_at(marks: Iterable[Mark]) -> Times:
    """When that was taken of which they tell."""
    return NONE.union(*(one.trace.times for one in marks))


def is_bare(one: Mark) -> bool:
    """Whether it withdraws all that it is laid on, and names nothing of it."""
    return one.trace.only_withdraws and not one.trace.times and not one.trace.named


def _said_otherwise(goes: Iterable[Mark], stays: Sequence[Mark]) -> bool:
    """Whether what cannot be parted, and goes, said another value of what would stay, later: else its former value would stand
    again."""
    said: dict[bytes, Hashes] = {}
    for one in stays:
        said |= by_analysis(one.trace)
    last, times = order(stays[-1]), NONE.union(*(one.trace.times for one in stays))
    for one in goes:
        if len(one.trace.times) > 1 and not sampled.apart(one.trace.times, times) and order(one) > last:
            again = by_analysis(one.trace)
            if one.trace.only_withdraws or any(not of <= again.get(name, of) for name, of in said.items()):
                return True
    return False


def _later_times(report: Sequence[Mark]) -> dict[str, Times]:
    """The sample times that a change corrected, with what it corrected them to."""
    known: dict[Times, Trace] = {}
    found: dict[str, Times] = {}
    for mark in report:
        told = [one.trace for one in mark.pieces() if one.trace.times]
        if mark.trace.only_withdraws or mark.trace.service not in _FULL:
            continue
        if mark.trace.service == "M":
            lost = [one for one in known.values() if sampled.apart(one.times, mark.trace.times)]
            whole = len(told) == len(known)
            for new in told:
                if known and all(sampled.apart(new.times, times) for times in known):
                    may = [one for one in lost if same_results(new, one) or (whole and share(new.results, one.results))]
                    if len(may) == 1:
                        lost.remove(may[0])
                        found |= dict.fromkeys(may[0].times, new.times)
        known |= {one.times: one for one in told}
    return found


def of_corrected_times(
    mark: Mark, joined: Sequence[Mark], others: Sequence[list[Mark]], gone: Times
) -> list[list[Mark]]:
    """Of `others` of one person those whose sample time a change corrects that tells of `joined`: it holds the whole report, so
    what it leaves out and says of a time that nobody knows is that one. `gone`: times of what she had and another has now."""
    if mark.trace.service != "M" or not mark.trace.parts:
        return []
    known = gone.union(*(taken_at(report) for report in (joined, *others)))
    found: list[list[Mark]] = []
    for new in mark.pieces():
        if new.trace.only_withdraws or not sampled.apart(new.trace.times, known):
            continue
        may = [
            one for one in others if not any(one is other for other in found) and _is_at_another_time(mark, new, one)
        ]
        if len(may) == 1:
            found += may
    return found


def _is_at_another_time(mark: Mark, new: Mark, report: Sequence[Mark]) -> bool:
    said = [one.trace for one in report if not one.trace.only_withdraws]
    if not said or not all(sampled.apart(one.times, mark.trace.times) for one in said):
        return False
    return same_results(new.trace, said[-1]) and any(same_order(mark.trace, one) for one in said)
