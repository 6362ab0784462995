"""Which versions under one number are one report, and whose it is.

A laboratory's number of a report (`chain.report_key`) should name one report. Real ones use it again: years later, for
another sample, for another patient. So the number only says where to look. A version continues a report when it says so
itself or shares enough with it; otherwise it is a report of its own. What lasts speaks for and against that: request, issue
time, ids, analyses and sample times. A specimen's number does not, since it counts within one message: who puts a new tube
first in the list numbers all others anew. Separate samplings that a later version names together are one report from then on.

A report belongs to whoever its newest version names, apart from those that only withdraw. It moves to another person by a
correction (M) that is of it by what the laboratory says in it, by a new report (N) after its cancellation that is, or by
a new report that says the same results of the same samples; but by none of them unless that gives her a result of an
analysis of the report (`giving`). A false move takes a right answer from the right person, and a missed one leaves a wrong
one where it is. So what the laboratory itself says counts, a number of a request with whoever gave it; what plainly is of
another sample, request or department counts against it, and in doubt both stand. What only withdraws (C, or whatever gives
nobody a result) moves nothing: it belongs to a report that names its person or did, else it stands alone. Where that report
has gone to another person, what it asks for is done already. What was sent together goes together: of samplings that became
one report, those stay of which the version that moves it does not tell. All is made anew from all versions under the number
in the order of their GenDate, so the order of arrival cannot matter.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.chain import RANK
from kjerne.services.results.kith.kin import CHANGES
from kjerne.services.results.kith.traces import HASH_BYTES, Hashes, Trace

CONTINUED_WITHIN: Final = timedelta(days=180)
"""Where nothing but the number speaks for it, or result ids that may count within one message, two versions are one report
only if they were made so near each other: laboratories begin anew with their numbers each year."""

TWINS_WITHIN: Final = timedelta(milliseconds=1)
"""As near as the reports of one message are that share a number (`chain.versions`); no laboratory makes two messages with one id
so near each other."""

_PROVEN, _ELSEWHERE, _LIKELY, _NO = 3, 2, 1, 0
"""How a version fits a report: it shares something with one of the same person, with one of another person, or nothing
speaks against its being a version of one of the same person."""


_Name = tuple[datetime, str, int]


class Mark(NamedTuple):
    """One version under a number: when it was made, in which message, whom it names, and which chain it was laid in.

    `owner` is whose that chain is now; a version that has just come has neither chain nor owner.
    """

    made_at: datetime
    message: str
    person: int
    trace: Trace
    chain: bytes = b""
    owner: int = 0

    @property
    def name(self) -> tuple[datetime, str, int]:
        """What tells it from other versions under the number."""
        return self.made_at, self.message, self.person


@dataclass(frozen=True, slots=True)
class Standing:
    """One report: whose it is, and its versions, oldest first."""

    owner: int
    marks: tuple[Mark, ...]

    @property
    def names(self) -> list[tuple[datetime, str, int]]:
        return [mark.name for mark in self.marks]

    def takes_back(self, mark: Mark) -> bool:
        """Whether one of its versions only withdraws, and there was something before it."""
        return mark.trace.only_withdraws and mark is not self.marks[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new version changes among the reports under its number, by chain. Those it leaves alone are not in `before`
    and `after`; `chains` has every name under which a version may lie."""

    before: Mapping[bytes, Standing]
    after: Mapping[bytes, Standing]
    chains: frozenset[bytes] = frozenset()

    @property
    def owners(self) -> set[int]:
        """Everybody whose record it concerns."""
        return {standing.owner for part in (self.before, self.after) for standing in part.values()}

    @property
    def only_adds(self) -> bool:
        """Whether the version is laid on one report of whom it names, or begins one, and nothing else changes."""
        if len(self.after) != 1 or not self.before.keys() <= self.after.keys():
            return False
        [standing] = self.after.values()
        owners = {one.owner for one in self.before.values()} | {
            mark.person for mark in standing.marks if not mark.chain
        }
        return owners == {standing.owner}


def collides(known: Iterable[Mark], fresh: Mark) -> bool:
    """Whether another version of the same message and second says something else. What was stored before versions' contents
    were noted is believed to be the same."""
    return any(
        (one.made_at, one.message) == (fresh.made_at, fresh.message)
        and one.trace.content not in (b"", fresh.trace.content)
        for one in known
    )


def plan(number: bytes, known: Sequence[Mark], fresh: Mark) -> Plan:
    """What changes when `fresh` comes under `number` beside the versions that are `known`."""
    return _changes(number, known, [*known, fresh])


def renamed(number: bytes, known: Sequence[Mark], name: tuple[datetime, str, int], person: int) -> Plan:
    """What changes when it turns out that the version called `name` names another `person`."""
    now = [mark._replace(person=person) if mark.name == name else mark for mark in known]
    return _changes(number, known, now)


def _changes(number: bytes, known: Sequence[Mark], now: Sequence[Mark]) -> Plan:
    chains: dict[bytes, list[Mark]] = {}
    for mark in sorted(known, key=_order):
        chains.setdefault(mark.chain, []).append(mark)
    before = {chain: Standing(marks[0].owner, tuple(marks)) for chain, marks in chains.items()}
    after = _named(number, gathered(now), before.keys())
    changed = [
        chain
        for chain in before.keys() | after.keys()
        if chain not in before
        or chain not in after
        or before[chain].owner != after[chain].owner
        or before[chain].names != after[chain].names
    ]
    return Plan(
        {chain: before[chain] for chain in changed if chain in before},
        {chain: after[chain] for chain in changed if chain in after},
        frozenset(chains),
    )


def laid(known: Sequence[Mark], made: Plan) -> list[Mark]:
    """What is known under the number after a plan was done."""
    places = {mark.name: (chain, one.owner) for chain, one in made.after.items() for mark in one.marks}
    every = {mark.name: mark for one in made.after.values() for mark in one.marks} | {mark.name: mark for mark in known}
    return [
        mark._replace(chain=places[name][0], owner=places[name][1]) if name in places else mark
        for name, mark in every.items()
    ]


class _Fitting(NamedTuple):
    """A report that a version may be laid on; the greatest is the one that it fits best."""

    fit: int
    shared: int
    newest: tuple[tuple[datetime, int, str, int], int]
    report: list[Mark]


def gathered(marks: Iterable[Mark]) -> list[list[Mark]]:
    """The versions of each report under a number, oldest first: each joins the report it fits best, else begins one. Those that
    it names together are one from then on."""
    reports: list[list[Mark]] = []
    samplings: dict[
        _Name, list[list[Mark]]
    ] = {}  # of a report, by its first version, those that were reports of their own
    parted: set[frozenset[_Name]] = set()
    for mark in sorted(marks, key=_order):
        fitting = [
            _Fitting(
                fit,
                max(_shared(mark.trace, one.trace) for one in report),
                _newest(_continued(mark, report)[-1]),
                report,
            )
            for report in reports
            if not any(_are_twins(mark, one) for one in report) and (fit := _fit(mark, report))
        ]
        fitting.sort(
            key=lambda one: (one.fit, _takes_back_what_stays(mark, one.report, parted), *one[1:3]), reverse=True
        )
        joined = _together(mark, fitting, parted)
        reports = [one for one in reports if not any(one is other for other in joined)]
        parts = [part for one in joined for part in samplings.pop(one[0].name, [one])]
        stays = _staying(mark, joined[0], parts) if len(joined) == 1 and fitting[0].fit == _ELSEWHERE else []
        if stays:
            goes = [one for one in joined[0] if not any(one is other for other in stays)]
            parted.add(frozenset((goes[0].name, stays[0].name)))
            reports += [stays, [*goes, mark]]
            continue
        reports.append([*sorted(itertools.chain.from_iterable(joined), key=_order), mark])
        if len(parts) > 1:
            samplings[reports[-1][0].name] = parts
    return sorted(reports, key=lambda one: _order(one[0]))


def _takes_back_what_stays(mark: Mark, report: Sequence[Mark], parted: Iterable[frozenset[_Name]]) -> bool:
    """Whether a version only withdraws, and this is what stayed with whom it names when the rest was given to another person."""
    if (
        not mark.trace.only_withdraws
        or owner(report) != mark.person
        or not any(report[0].name in one for one in parted)
    ):
        return False
    bare = not mark.trace.named and not mark.trace.times
    return bare or _tells_of(mark.trace, [one.trace for one in report])


def _staying(mark: Mark, report: Sequence[Mark], parts: Sequence[Sequence[Mark]]) -> list[Mark]:
    """What stays with whom it names of a report that a version gives to another person: those `parts` of it that were reports of
    their own and of which that version does not tell, where it tells of another one, and nothing that goes said otherwise of them
    since. What was sent together goes together."""
    hers, fresh = owner(report), mark.trace

    def is_left(one: Mark) -> bool:
        return one.person == hers and not one.trace.only_withdraws and sampled.apart(one.trace.times, fresh.times)

    if len(parts) < 2 or not any(_tells_of(fresh, [one.trace for one in part]) for part in parts):
        return []
    whole = {one.name for part in parts if all(map(is_left, part)) for one in part}
    sent = {one.name for part in parts for one in part}
    stays = [one for one in report if one.name in whole or (whole and one.name not in sent and is_left(one))]
    said: dict[bytes, Hashes] = {}
    for one in stays:
        said |= _by_analysis(one.trace)
    for one in report if said else ():
        if one.name in {kept.name for kept in stays} or one.name in sent:
            continue
        again = _by_analysis(one.trace)
        newer = _order(one) > _order(stays[-1])
        if one.trace.only_withdraws or (newer and any(not of <= again.get(name, of) for name, of in said.items())):
            return []
    return stays if said else []


def _together(mark: Mark, fitting: Sequence[_Fitting], parted: Collection[frozenset[_Name]]) -> list[list[Mark]]:
    """The report that a version fits best, and those that it shows to be one with that: separate samplings, sent each by
    itself, of which it names them all, or cancels them under the one request that they have. What was `parted` between two
    persons is one again where it gives both to one of them."""
    joined = [one.report for one in fitting[:1]]
    for one in fitting[1:]:
        of_one = owner(one.report) == owner(joined[0])
        were_one = frozenset((one.report[0].name, joined[0][0].name)) in parted and not mark.trace.only_withdraws
        if not (of_one or were_one):
            continue
        if any(_are_twins(new, old) for new in one.report for report in joined for old in report):
            continue
        pairs: list[tuple[Sequence[Mark], Sequence[Mark]]] = [(one.report, report) for report in joined]
        if not of_one:
            pairs = [(_of(owner(new), new), _of(owner(old), old)) for new, old in pairs]
        if all(_are_one(mark, *pair) for pair in pairs):
            joined.append(one.report)
    return joined


def _are_one(mark: Mark, report: Sequence[Mark], other: Sequence[Mark]) -> bool:
    """Whether a version shows that two reports are one."""
    fresh, pair = mark.trace, ([one.trace for one in report], [one.trace for one in other])
    if any(
        all(_other_order(fresh, one) for one in known) or any(_others_answer(fresh, one) for one in known)
        for known in pair
    ):
        return False
    if all(_tells_of(fresh, known) for known in pair):
        return True
    near = all(mark.made_at - _continued(mark, one)[-1].made_at <= CONTINUED_WITHIN for one in (report, other))
    if not near or not all(any(_share(fresh.requests, one.requests) for one in known) for known in pair):
        return False
    if fresh.service == "C" and not fresh.named and not fresh.times:
        return len({any(_same_time(fresh, one) for one in known) for known in pair}) == 1
    return _names_what_each_has_alone(fresh, *pair)


def _tells_of(fresh: Trace, known: Sequence[Trace]) -> bool:
    """Whether a version has a result of a report: by analysis and sample time. A day does where no more is told."""
    return any(
        _share(fresh.taken, one.taken)
        or _share(fresh.analyses, one.analyses)
        or (
            not (fresh.analyses and one.analyses)
            and bool(fresh.times and one.times)
            and not sampled.apart(fresh.times, one.times)
            and _share(fresh.named, one.named)
        )
        for one in known
    )


def _names_what_each_has_alone(fresh: Trace, known: Sequence[Trace], other: Sequence[Trace]) -> bool:
    """Whether it has a result id and code of each of two reports that the other has not: ids that count within one message are
    soon in both. Where it tells no time, an analysis does."""
    kinds = ("results",) if fresh.times else ("results", "named")
    for kind in kinds:
        own, others = (Hashes().union(*(getattr(one, kind) for one in of)) for of in (known, other))
        told = getattr(fresh, kind)
        if _share(told, own - others) and _share(told, others - own):
            return True
    return False


def owner(report: Sequence[Mark]) -> int:
    """Whose a report is: whom the newest version names that does more than withdraw; where none does, the newest of all."""
    return next((one.person for one in reversed(report) if not one.trace.only_withdraws), report[-1].person)


def _order(mark: Mark) -> tuple[datetime, int, str, int]:
    """As `chain.ordered`."""
    return mark.made_at, RANK.get(mark.trace.service, 0), mark.message, mark.person


def _newest(mark: Mark) -> tuple[tuple[datetime, int, str, int], int]:
    """By which the newest report of several is gone on with; of those of one message, the first."""
    place = mark.made_at.microsecond % 1000
    return _order(mark._replace(made_at=mark.made_at - timedelta(microseconds=place))), -place


def _named(number: bytes, reports: Iterable[Sequence[Mark]], known: Iterable[bytes]) -> dict[bytes, Standing]:
    """Each report under the chain its oldest version was laid in; the first one under the number itself."""
    taken = set(known)
    found: dict[bytes, Standing] = {}
    for marks in reports:
        laid = (mark.chain for mark in marks if mark.chain and mark.chain not in found)
        chain = next(laid, b"") or next(name for name in _names(number, marks[0]) if name not in taken)
        taken.add(chain)
        found[chain] = Standing(owner(marks), tuple(marks))
    return found


def _of(person: int, marks: Sequence[Mark]) -> Sequence[Mark]:
    return [mark for mark in marks if mark.person == person]


def _names(number: bytes, mark: Mark) -> Iterator[bytes]:
    """What a report that begins with `mark` may be called."""
    yield number
    for turn in itertools.count():
        told = "\x1f".join((mark.made_at.isoformat(), mark.message, str(mark.person), str(turn)))
        yield hashlib.blake2b(told.encode(), key=number[:64], digest_size=len(number)).digest()


def _fit(mark: Mark, report: Sequence[Mark]) -> int:
    """How well a version continues a report whose versions are all older."""
    kind, hers = mark.trace.service, owner(report)
    if not kind:
        return _PROVEN if any(one.chain == mark.chain for one in report) else _NO
    continued = _continued(mark, report)
    known = [one.trace for one in continued]
    bare = all(one.only_withdraws for one in known)
    elsewhere = hers != mark.person and not mark.trace.only_withdraws
    if not known or (elsewhere and bare):
        return _NO
    near = mark.made_at - continued[-1].made_at <= CONTINUED_WITHIN
    if elsewhere:
        if not _gives(mark.trace, known, back=any(one.person == mark.person for one in report)):
            return _NO
        if kind in CHANGES:
            return _ELSEWHERE if _corrects(mark.trace, known, near=near) else _NO
        cancelled = _of(hers, report)[-1].trace.service == "C"
        return _ELSEWHERE if kind != "A" and _again(mark.trace, known, cancelled=cancelled) else _NO
    fits = _fits_anew(mark.trace, known) if kind in ("N", "H") else _fits_change(mark.trace, known)
    if bare:
        fits = min(fits, _LIKELY)  # what they take back may be another report
    return _NO if fits == _LIKELY and not near else fits


def _are_twins(mark: Mark, other: Mark) -> bool:
    """Whether both are reports of one message, which are never one."""
    apart = abs(mark.made_at - other.made_at)
    return mark.message == other.message and timedelta(0) < apart < TWINS_WITHIN


def _continued(mark: Mark, report: Sequence[Mark]) -> Sequence[Mark]:
    """The versions of a report that one goes on with: what only withdraws, with those alone that name whom it names."""
    return _of(mark.person, report) if mark.trace.only_withdraws else report


def _gives(fresh: Trace, known: Sequence[Trace], *, back: bool) -> bool:
    """Whether a version has a result of an analysis of this report. `back`: to somebody whom it has left, it goes only with a
    value of the kind that it had: else "wrong patient" in words, sent to her, would give her the wrong number again."""
    if back and any(one.said for one in known):
        return any(_share(fresh.said, one.said) for one in known)
    named = [one.named for one in known if one.named]
    return not named or any(_share(fresh.said if back else fresh.given, one) for one in named)


def _corrects(change: Trace, known: Sequence[Trace], *, near: bool) -> bool:
    """Whether a change is about this report of another person."""
    return any(_is_of(change, one, near=near) for one in known)


def _again(fresh: Trace, known: Sequence[Trace], *, cancelled: bool) -> bool:
    """Whether a new report is this one of another person, sent again: plainly, or after its cancellation."""
    waits = not any(one.said for one in known)
    return any(
        _plainly(fresh, one) or (waits and _is_awaited(fresh, one)) or (cancelled and _is_of(fresh, one, near=False))
        for one in known
    )


def _is_of(fresh: Trace, known: Trace, *, near: bool) -> bool:
    """Whether what the laboratory says of one person, as a change or after a cancellation, is of a report of another's. `near`:
    both were made in a time in which a result id that counts within a message may still be the same."""
    if _others_answer(fresh, known):
        return False
    if _share(fresh.own, known.own):
        return True
    if _same_order(fresh, known):
        return not _other_samples(fresh, known) or _same_results(fresh, known)
    other = _other_order(fresh, known)
    if _other_samples(fresh, known) or (other and not _same_results(fresh, known)):
        return False
    if _share(fresh.taken, known.taken):
        return True
    return not other and (
        _same_time(fresh, known)
        or _share(fresh.analyses, known.analyses)
        or (near and _share(fresh.results, known.results))
    )


def _fits_change(change: Trace, known: Sequence[Trace]) -> int:
    """A change, cancellation or addition for the same person."""
    apart = _times_apart(change, known)
    if any(
        _related(change, one) or (_share(change.results, one.results) and not (apart and _other_order(change, one)))
        for one in known
    ):
        return _PROVEN
    return _NO if apart else _LIKELY


def _fits_anew(fresh: Trace, known: Sequence[Trace]) -> int:
    """A new report for the same person: the same report, unless its samples or its request are others."""
    if any(_others_answer(fresh, one) for one in known):
        return _NO
    if _times_apart(fresh, known):
        return _PROVEN if any(_same_request(fresh, one) for one in known) else _NO
    if any(_related(fresh, one) or _share(fresh.times, one.times) for one in known):
        return _PROVEN
    return _NO if all(_apart(fresh, one) and fresh.issued != one.issued for one in known) else _LIKELY


def _plainly(fresh: Trace, known: Trace) -> bool:
    """The same results of the same samples or the same request, and nothing that says otherwise: one report, sent twice."""
    if _others_answer(fresh, known) or _other_samples(fresh, known) or _other_order(fresh, known):
        return False
    if _issued_apart(fresh, known) and not _share(fresh.own, known.own):
        return False
    if _tells_no_value(fresh) or _tells_no_value(known):
        return _says_all_again(fresh, known)
    return (_same_order(fresh, known) or _share(fresh.taken, known.taken)) and _same_results(fresh, known)


def _is_awaited(fresh: Trace, known: Trace) -> bool:
    """Whether it has what a report of which nothing is known yet waits for: of one request and one sample, by id and analysis."""
    if _others_answer(fresh, known) or _other_samples(fresh, known):
        return False
    return _same_order(fresh, known) and _share(fresh.taken, known.taken)


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
    return _same_time(fresh, known) and _share(fresh.requests, known.requests) and bool(fresh.taken) and same_results


def _same_order(fresh: Trace, known: Trace) -> bool:
    """Whether both answer one request: by the laboratory's number of it, else by the requester's, of one requester."""
    if fresh.own and known.own:
        return _share(fresh.own, known.own)
    return _share(fresh.asked, known.asked)


def _other_order(fresh: Trace, known: Trace) -> bool:
    """Whether both answer requests, and not the same."""
    if fresh.own and known.own:
        return not _share(fresh.own, known.own)
    return _apart(fresh, known)


def _same_results(fresh: Trace, known: Trace) -> bool:
    """Whether both say something of one analysis, and the same of each that both say something of."""
    one, other = _by_analysis(fresh), _by_analysis(known)
    common = one.keys() & other.keys()
    return bool(common) and all(_share(one[analysis], other[analysis]) for analysis in common)


def _by_analysis(of: Trace) -> dict[bytes, Hashes]:
    said: dict[bytes, Hashes] = {}
    for one in of.found:
        said[one[:HASH_BYTES]] = said.get(one[:HASH_BYTES], frozenset()) | {one[HASH_BYTES:]}
    return said


def _other_samples(fresh: Trace, known: Trace) -> bool:
    """Whether they were taken at other times, or are of other material."""
    other_material = bool(fresh.materials and known.materials) and not _share(fresh.materials, known.materials)
    return other_material or sampled.apart(fresh.times, known.times)


def _same_request(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.issued) and fresh.issued == known.issued and _share(fresh.requests, known.requests)


def _related(fresh: Trace, known: Trace) -> bool:
    """A number of the request, the issue time, or a result of the same sample in common. A day alone is no time."""
    return (
        _share(fresh.requests, known.requests)
        or _same_time(fresh, known)
        or _share(fresh.taken, known.taken)
        or (_share(fresh.analyses, known.analyses) and not _apart(fresh, known))
    )


def _shared(fresh: Trace, known: Trace) -> int:
    """How much two versions have in common; decides between reports that fit equally well, and then the newest does."""
    in_common = ("requests", "departments", "times", "results", "taken", "analyses")
    return _same_time(fresh, known) + sum(_share(getattr(fresh, name), getattr(known, name)) for name in in_common)


def _apart(fresh: Trace, known: Trace) -> bool:
    """Whether both answer requests, and not the same."""
    return bool(fresh.requests and known.requests) and not _share(fresh.requests, known.requests)


def _same_time(fresh: Trace, known: Trace) -> bool:
    """Whether both were issued at one time. A day alone is no time."""
    return sampled.has_clock(fresh.issued) and fresh.issued == known.issued


def _others_answer(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.departments and known.departments) and not _share(fresh.departments, known.departments)


def _times_apart(fresh: Trace, known: Sequence[Trace]) -> bool:
    return sampled.apart(fresh.times, frozenset[str]().union(*(one.times for one in known)))


def _share(one: frozenset[bytes] | frozenset[str], other: frozenset[bytes] | frozenset[str]) -> bool:
    return not one.isdisjoint(other)
