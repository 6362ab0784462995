"""What two versions have in common: whether one may be of the report of the other.

What lasts speaks for and against it: request, issue time, ids, analyses and sample times. In `lineage` stands how it is weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.traces import HASH_BYTES, Hashes, Trace

CONTINUED_WITHIN: Final = timedelta(days=180)
"""Where nothing but the number speaks for it, or result ids that may count within one message, two versions are one report
only if they were made so near each other: laboratories begin anew with their numbers each year."""

PROVEN, ELSEWHERE, LIKELY, NO = 3, 2, 1, 0
"""How a version fits a report: it shares something with one of the same person, with one of another person, or nothing
speaks against its being a version of one of the same person."""


def tells_of(fresh: Trace, known: Sequence[Trace]) -> bool:
    """Whether a version has a result of a report: by analysis and sample time. A day does where no more is told."""
    return any(
        share(fresh.taken, one.taken)
        or share(fresh.analyses, one.analyses)
        or (
            not (fresh.analyses and one.analyses)
            and bool(fresh.times and one.times)
            and not sampled.apart(fresh.times, one.times)
            and share(fresh.named, one.named)
        )
        for one in known
    )


def names_what_each_has_alone(fresh: Trace, known: Sequence[Trace], other: Sequence[Trace]) -> bool:
    """Whether it has a result id and code of each of two reports that the other has not: ids that count within one message are
    soon in both. Where it tells no time, an analysis does."""
    kinds = ("results",) if fresh.times else ("results", "named")
    for kind in kinds:
        own, others = (Hashes().union(*(getattr(one, kind) for one in of)) for of in (known, other))
        told = getattr(fresh, kind)
        if share(told, own - others) and share(told, others - own):
            return True
    return False


def corrects(change: Trace, known: Sequence[Trace], *, near: bool, back: bool) -> bool:
    """Whether a change is about this report of another person. `back`: whom it names had it before."""
    return any(_is_of(change, one, near=near, back=back) for one in (_sampled(known) if back else known))


def again(fresh: Trace, known: Sequence[Trace], *, cancelled: bool, back: bool) -> bool:
    """Whether a new report is this one of another person, sent again: plainly, or after its cancellation."""
    waits = not any(one.said for one in known)
    return any(_plainly(fresh, one) or (waits and _is_awaited(fresh, one)) for one in known) or (
        cancelled and any(_is_of(fresh, one, near=False, back=back, anew=True) for one in _sampled(known))
    )


def _sampled(known: Sequence[Trace]) -> Sequence[Trace]:
    """Those that tell when samples were taken, where any does: a bare cancellation meets every time."""
    return [one for one in known if one.times] or known


def _is_of(fresh: Trace, known: Trace, *, near: bool, back: bool, anew: bool = False) -> bool:
    """Whether what the laboratory says of one person, as a change or (`anew`) after a cancellation, is of a report of another's.
    `near`: both were made in a time in which a result id that counts within a message may still be the same. Its own number of
    the request is not enough for another sample, new or of somebody who had this one before (`back`): that would bring back what
    was taken as another's."""
    if others_answer(fresh, known) or (back and not _may_be_of_the_sample(fresh, known)):
        return False
    if share(fresh.own, known.own):
        return not anew or not _other_samples(fresh, known) or same_results(fresh, known)
    if same_order(fresh, known):
        return not _other_samples(fresh, known) or same_results(fresh, known)
    other = other_order(fresh, known)
    if _other_samples(fresh, known) or (other and not same_results(fresh, known)):
        return False
    if share(fresh.taken, known.taken):
        return True
    return not other and (
        same_time(fresh, known)
        or share(fresh.analyses, known.analyses)
        or (near and share(fresh.results, known.results))
    )


def _may_be_of_the_sample(fresh: Trace, known: Trace) -> bool:
    """Whether what was another's may be meant by a version that names the first one again: of no other material or time, and of
    one clock time, else of the same values. A new sample is taken the same day as a rule, and many have the same answer."""
    if _other_samples(fresh, known):
        return False
    at_once = any(sampled.has_clock(time) for time in fresh.times & known.times)
    return at_once or not known.said or _tells_no_value(known) or same_results(fresh, known)


def fits_change(change: Trace, known: Sequence[Trace]) -> int:
    """A change, cancellation or addition for the same person."""
    apart = _times_apart(change, known)
    if any(
        _related(change, one) or (share(change.results, one.results) and not (apart and other_order(change, one)))
        for one in known
    ):
        return PROVEN
    return NO if apart else LIKELY


def fits_anew(fresh: Trace, known: Sequence[Trace]) -> int:
    """A new report for the same person: the same report, unless its samples or its request are others."""
    if any(others_answer(fresh, one) for one in known):
        return NO
    if _times_apart(fresh, known):
        return PROVEN if any(_same_request(fresh, one) for one in known) else NO
    if any(_related(fresh, one) or share(fresh.times, one.times) for one in known):
        return PROVEN
    return NO if all(_apart(fresh, one) and fresh.issued != one.issued for one in known) else LIKELY


def _plainly(fresh: Trace, known: Trace) -> bool:
    """The same results of the same samples or the same request, and nothing that says otherwise: one report, sent twice."""
    if others_answer(fresh, known) or _other_samples(fresh, known) or other_order(fresh, known):
        return False
    if _issued_apart(fresh, known) and not share(fresh.own, known.own):
        return False
    if _tells_no_value(fresh) or _tells_no_value(known):
        return _says_all_again(fresh, known)
    return (same_order(fresh, known) or share(fresh.taken, known.taken)) and same_results(fresh, known)


def _is_awaited(fresh: Trace, known: Trace) -> bool:
    """Whether it has what a report of which nothing is known yet waits for: of one request and one sample, by id and analysis."""
    if others_answer(fresh, known) or _other_samples(fresh, known):
        return False
    return same_order(fresh, known) and share(fresh.taken, known.taken)


def _issued_apart(fresh: Trace, known: Trace) -> bool:
    """Whether they were issued on two days, where no time of a sample tells that they are of one."""
    days = [frozenset((one.issued[:10],)) if one.issued else sampled.NONE for one in (fresh, known)]
    return not (fresh.times and known.times) and sampled.apart(*days)


def _tells_no_value(one: Trace) -> bool:
    """Whether it was stored before traces told values, requesters and materials."""
    return bool(one.said) and not one.found


def _says_all_again(fresh: Trace, known: Trace) -> bool:
    """Whether all that both traces show is the same, where one of them shows no value: the request, the issue time, and each
    result by its id, analysis and sample time."""
    same_results = (fresh.results, fresh.taken, fresh.said) == (known.results, known.taken, known.said)
    return same_time(fresh, known) and share(fresh.requests, known.requests) and bool(fresh.taken) and same_results


def same_order(fresh: Trace, known: Trace) -> bool:
    """Whether both answer one request: by the laboratory's number of it, else by the requester's, of one requester."""
    if fresh.own and known.own:
        return share(fresh.own, known.own)
    return share(fresh.asked, known.asked)


def other_order(fresh: Trace, known: Trace) -> bool:
    """Whether both answer requests, and not the same."""
    if fresh.own and known.own:
        return not share(fresh.own, known.own)
    return _apart(fresh, known)


def same_results(fresh: Trace, known: Trace) -> bool:
    """Whether both say something of one analysis, and the same of each that both say something of."""
    one, other = by_analysis(fresh), by_analysis(known)
    common = one.keys() & other.keys()
    return bool(common) and all(share(one[analysis], other[analysis]) for analysis in common)


def by_analysis(of: Trace) -> dict[bytes, Hashes]:
    said: dict[bytes, Hashes] = {}
    for one in of.found:
        said[one[:HASH_BYTES]] = said.get(one[:HASH_BYTES], frozenset()) | {one[HASH_BYTES:]}
    return said


def _other_samples(fresh: Trace, known: Trace) -> bool:
    """Whether they were taken at other times, or are of other material."""
    other_material = bool(fresh.materials and known.materials) and not share(fresh.materials, known.materials)
    return other_material or sampled.apart(fresh.times, known.times)


def _same_request(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.issued) and fresh.issued == known.issued and share(fresh.requests, known.requests)


def _related(fresh: Trace, known: Trace) -> bool:
    """A number of the request, the issue time, or a result of the same sample in common. A day alone is no time."""
    return (
        share(fresh.requests, known.requests)
        or same_time(fresh, known)
        or share(fresh.taken, known.taken)
        or (share(fresh.analyses, known.analyses) and not _apart(fresh, known))
    )


def shared(fresh: Trace, known: Trace) -> int:
    """How much two versions have in common; decides between reports that fit equally well, and then the newest does."""
    in_common = ("requests", "departments", "times", "results", "taken", "analyses")
    return same_time(fresh, known) + sum(share(getattr(fresh, name), getattr(known, name)) for name in in_common)


def _apart(fresh: Trace, known: Trace) -> bool:
    """Whether both answer requests, and not the same."""
    return bool(fresh.requests and known.requests) and not share(fresh.requests, known.requests)


def same_time(fresh: Trace, known: Trace) -> bool:
    """Whether both were issued at one time. A day alone is no time."""
    return sampled.has_clock(fresh.issued) and fresh.issued == known.issued


def others_answer(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.departments and known.departments) and not share(fresh.departments, known.departments)


def _times_apart(fresh: Trace, known: Sequence[Trace]) -> bool:
    return sampled.apart(fresh.times, frozenset[str]().union(*(one.times for one in known)))


def share(one: frozenset[bytes] | frozenset[str], other: frozenset[bytes] | frozenset[str]) -> bool:
    return not one.isdisjoint(other)
