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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from kjerne.services.results.kith import claims, sampled
from kjerne.services.results.kith.alike import (
    CONTINUED_WITHIN,
    ELSEWHERE,
    LIKELY,
    NO,
    PROVEN,
    again,
    corrects,
    fits_anew,
    fits_change,
    names_what_each_has_alone,
    other_order,
    others_answer,
    same_time,
    share,
    shared,
    tells_of,
)
from kjerne.services.results.kith.kin import CHANGES
from kjerne.services.results.kith.marks import Mark, Standing, are_twins, naming, newest, order, owner, united
from kjerne.services.results.kith.moving import is_bare, of_corrected_times, parted, taken_at
from kjerne.services.results.kith.traces import Trace

__all__ = ["Mark", "Plan", "Standing", "collides", "gathered", "laid", "owner", "plan", "renamed"]

_Tag = tuple[datetime, str, int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new version changes among the reports under its number, by chain. Those it leaves alone are not in `before`
    and `after`; `chains` has every name under which a version may lie. `sent_again`: all that the version says went along with
    what is another's (`claims.went_along`). `beside`: it is a change that says an answer which she was not sent before, and which
    another has with another value: both stand."""

    before: Mapping[bytes, Standing]
    after: Mapping[bytes, Standing]
    chains: frozenset[bytes] = frozenset()
    sent_again: bool = False
    beside: bool = False

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
    found = _changes(number, known, [*known, fresh])
    return replace(found, sent_again=claims.went_along(fresh, known), beside=_stands_beside(known, fresh, found))


def _stands_beside(known: Sequence[Mark], fresh: Mark, made: Plan) -> bool:
    """Whether a change says an answer, of which whom it names was sent none before, that another still has of this request."""
    if fresh.trace.service != "M" or not any(mark.person != fresh.person for mark in known):
        return False
    others: dict[tuple[int, bytes], list[Mark]] = {}
    for mark in laid(known, made):
        for one in mark.pieces() if mark.laid else (mark,):
            near = abs(fresh.made_at - one.made_at) <= CONTINUED_WITHIN
            if near and one.person == one.owner != fresh.person and _tells(fresh.trace, [one.trace]):
                others.setdefault((one.owner, one.chain), []).append(one)
    theirs = (claims.standing(person, [marks]) for (person, _), marks in others.items())
    own = claims.sent_to(fresh.person, known)
    return any(claims.meet_anew(fresh.trace, one, own) for one in theirs)


def renamed(number: bytes, known: Sequence[Mark], name: tuple[datetime, str, int], person: int) -> Plan:
    """What changes when it turns out that the version called `name` names another `person`."""
    now = [mark._replace(person=person) if mark.name == name else mark for mark in known]
    return _changes(number, known, now)


def _changes(number: bytes, known: Sequence[Mark], now: Sequence[Mark]) -> Plan:
    chains: dict[bytes, list[Mark]] = {}
    for mark in sorted(known, key=order):
        for one in mark.pieces() if mark.laid else (mark,):
            chains.setdefault(one.chain, []).append(one)
    before = {chain: Standing(marks[0].owner, tuple(united(marks))) for chain, marks in chains.items()}
    after = _named(number, gathered(now), before.keys())
    changed = [
        chain
        for chain in before.keys() | after.keys()
        if chain not in before
        or chain not in after
        or before[chain].owner != after[chain].owner
        or before[chain].parts != after[chain].parts
    ]
    return Plan(
        {chain: before[chain] for chain in changed if chain in before},
        {chain: after[chain] for chain in changed if chain in after},
        frozenset(chains),
    )


def laid(known: Sequence[Mark], made: Plan) -> list[Mark]:
    """What is known under the number after a plan was done."""
    every = {mark.name: mark for mark in known}
    for chain, one in made.after.items():
        for mark in one.marks:
            every[mark.name] = every.get(mark.name, mark).placed(mark.of, chain, one.owner)
    return list(every.values())


class _Fitting(NamedTuple):
    """A report that a version may be laid on; the greatest is the one that it fits best. `tells`: it has a result of it."""

    tells: bool
    fit: int
    taken_back: bool
    shared: int
    newest: tuple[tuple[datetime, int, str, int], int]
    report: list[Mark]


def gathered(marks: Iterable[Mark]) -> list[list[Mark]]:
    """The versions of each report under a number, oldest first: each joins the report it fits best, else begins one. Those that
    it names together are one from then on. A version whose samplings are of several persons' reports is laid on each of them
    with those."""
    found = _Gathered()
    for mark in sorted(marks, key=order):
        for part in found.parts(mark):
            found.lay(part)
        found.unite(mark)
    return sorted((united(one) for one in found.reports), key=lambda one: order(one[0]))


class _Gathered:
    """The reports under a number so far. `parted` are pairs of which one was given to another person, and the other not."""

    def __init__(self) -> None:
        self.reports: list[list[Mark]] = []
        self._parted: set[frozenset[_Tag]] = set()

    def parts(self, mark: Mark) -> list[Mark]:
        """A version as it is laid: whole, or by whose the reports are in which its samplings lie, another's first."""
        pieces = mark.pieces()
        if len(pieces) < 2 or not self.reports:
            return [mark]
        homes = [self._home(piece) for piece in pieces]
        if any(home is not None and one.trace.only_withdraws for one, home in zip(pieces, homes, strict=True)):
            homes = [
                mark.person if home is None and not one.trace.only_withdraws else home
                for one, home in zip(pieces, homes, strict=True)
            ]
        if len({one for one in homes if one is not None}) < 2:
            return [mark]
        of: dict[int, list[int]] = {}
        for one, hers in zip(pieces, homes, strict=True):
            of.setdefault(mark.person if hers is None else hers, []).extend(one.of)
        return [mark.only(of[one]) for one in sorted(of, key=lambda one: (one == mark.person, one))]

    def _home(self, piece: Mark) -> int | None:
        """Whose the report is that a sampling lies in; None where it is told of for the first time."""
        best = next(iter(self._fitting(piece)), None)
        return owner(best.report) if best is not None and (best.tells or best.fit != ELSEWHERE) else None

    def lay(self, mark: Mark) -> None:
        """Lays a version, or some samplings of it, on what it fits best."""
        joined = self._together(mark, self._fitting(mark))
        self.reports = [one for one in self.reports if not any(one is other for other in joined)]
        now = []
        for one in joined:
            goes, stays = _goes_and_stays(mark, one)
            now += goes
            if stays:
                self._parted.add(frozenset((_tag(goes), _tag(stays))))
                self.reports.append(stays)
        self.reports.append([*sorted(now, key=order), mark])

    def unite(self, mark: Mark) -> None:
        """Makes the reports one that a version lies in with some samplings each, and that are whom it names."""
        own = [one for one in self.reports if owner(one) == mark.person and any(mark.name == of.name for of in one)]
        if len(own) > 1:
            self.reports = [one for one in self.reports if not any(one is other for other in own)]
            self.reports.append(sorted(itertools.chain.from_iterable(own), key=order))

    def _fitting(self, mark: Mark) -> list[_Fitting]:
        """The reports that a version may be of, the best first. What it tells of comes before what only shares its request,
        whosever that is."""
        found, gone = [], self._gone_with_all_of(mark)
        for report in self.reports:
            if any(are_twins(mark, one) for one in report) or not (fit := _fit(mark, report)):
                continue
            if gone and fit != ELSEWHERE and sampled.apart(mark.trace.times, taken_at(report)):
                continue
            goes = _goes_and_stays(mark, report)[0] if fit == ELSEWHERE else _continued(mark, report)
            found.append(
                _Fitting(
                    _tells(mark.trace, [one.trace for one in goes]), fit,
                    self._takes_back_what_stays(mark, report), max(shared(mark.trace, one.trace) for one in report),
                    newest(_continued(mark, report)[-1]), report,
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: one[:5], reverse=True)

    def _gone_with_all_of(self, mark: Mark) -> bool:
        """Whether a change tells of nothing but what was taken when something was that whom it names had, and that lies with
        another person now: it corrects no other sampling's time."""
        if mark.trace.service != "M" or mark.trace.only_withdraws or not mark.trace.times:
            return False
        gone = self._gone_from(mark.person)
        return bool(gone) and not any(sampled.apart(frozenset((time,)), gone) for time in mark.trace.times)

    def _gone_from(self, person: int) -> sampled.Times:
        """When that was taken which versions that name this person said, and which lies with another one now."""
        others = (report for report in self.reports if owner(report) != person)
        return taken_at(one for report in others for one in naming(person, report) if not one.trace.only_withdraws)

    def _takes_back_what_stays(self, mark: Mark, report: Sequence[Mark]) -> bool:
        """Whether a version only withdraws, and this is what stayed with whom it names when the rest was given to another
        person."""
        if (
            not mark.trace.only_withdraws
            or owner(report) != mark.person
            or not any(_tag(report) in one for one in self._parted)
        ):
            return False
        bare = not mark.trace.named and not mark.trace.times
        return bare or tells_of(mark.trace, [one.trace for one in report])

    def _together(self, mark: Mark, fitting: Sequence[_Fitting]) -> list[list[Mark]]:
        """The report that a version fits best, and those that it shows to be one with that: separate samplings, sent each by
        itself, of which it names them all, or cancels them under the one request that they have. Of another person also that
        of which it says an answer which was said of that one last."""
        joined = [one.report for one in fitting[:1]]
        for one in fitting[1:]:
            of_one = owner(one.report) == owner(joined[0])
            if any(are_twins(new, old) for new in one.report for report in joined for old in report):
                continue
            if not of_one:
                if self._claims(mark, joined, one):
                    joined.append(one.report)
                continue
            if mark.trace.times and owner(joined[0]) != mark.person and not one.tells:
                continue
            if all(_are_one(mark, one.report, report) for report in joined):
                joined.append(one.report)
        if not joined or owner(joined[0]) != mark.person:
            return joined
        others = [
            one.report for one in fitting
            if owner(one.report) == mark.person and not any(one.report is other for other in joined)
        ]  # fmt: skip
        if not others:
            return joined
        gone = self._gone_from(mark.person)
        return [*joined, *of_corrected_times(mark, [*itertools.chain.from_iterable(joined)], others, gone)]

    def _claims(self, mark: Mark, joined: Sequence[Sequence[Mark]], one: _Fitting) -> bool:
        """Whether what a version says is an answer of another report, of somebody else than the first of `joined` is of."""
        whose, person = owner(one.report), mark.person
        if mark.trace.only_withdraws:
            return False
        if whose == person:  # what comes back to her is of one report with what she has of it
            comes = claims.standing(person, (_goes_and_stays(mark, report)[0] for report in joined))
            return claims.meet(comes, claims.standing(person, [one.report]))
        if not one.tells:
            return False
        if all(of.trace.answers or not of.trace.said for of in one.report):
            hers = claims.standing(person, (of for of in self.reports if owner(of) == person))
            return claims.claims(mark.trace, claims.standing(whose, [_goes_and_stays(mark, one.report)[0]]), hers)
        were_one = any(frozenset((_tag(one.report), _tag(report))) in self._parted for report in joined)
        return were_one and all(
            _are_one(mark, naming(whose, one.report), naming(owner(report), report)) for report in joined
        )


def _tag(report: Sequence[Mark]) -> _Tag:
    """By what a report is known again."""
    return *report[0].name, report[0].of


def _goes_and_stays(mark: Mark, report: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    if mark.trace.only_withdraws or owner(report) == mark.person:
        return [*report], []
    return parted(mark, report)


def _tells(fresh: Trace, known: Sequence[Trace]) -> bool:
    """Whether a version has a result of a report, and answers no other request."""
    return any(
        tells_of(fresh, [one]) and not others_answer(fresh, one) and not other_order(fresh, one) for one in known
    )


def _are_one(mark: Mark, report: Sequence[Mark], other: Sequence[Mark]) -> bool:
    """Whether a version shows that two reports are one."""
    fresh, pair = mark.trace, ([one.trace for one in report], [one.trace for one in other])
    if any(
        all(other_order(fresh, one) for one in known) or any(others_answer(fresh, one) for one in known)
        for known in pair
    ):
        return False
    if all(tells_of(fresh, known) for known in pair):
        return True
    near = all(mark.made_at - _continued(mark, one)[-1].made_at <= CONTINUED_WITHIN for one in (report, other))
    if not near or not all(any(share(fresh.requests, one.requests) for one in known) for known in pair):
        return False
    if fresh.service == "C" and not fresh.named and not fresh.times:
        return len({any(same_time(fresh, one) for one in known) for known in pair}) == 1
    return names_what_each_has_alone(fresh, *pair)


def _named(number: bytes, reports: Iterable[Sequence[Mark]], known: Iterable[bytes]) -> dict[bytes, Standing]:
    """Each report under the chain its oldest version was laid in, of those that name its owner: by that one its results have
    their ids; the first one under the number itself. Of what was parted the chain goes to the other person, or to nobody where
    that one has it in a chain of her own: with whom it was that is shut, and what stays is filed anew."""
    every, taken = [*reports], set(known)
    lost = {
        one.chain
        for marks in every
        for mark in marks
        for one in (mark.pieces() if mark.laid else (mark,))
        if _was_hers(one, owner(marks))
    }
    found: dict[bytes, Standing] = {}
    for marks in sorted(every, key=_stays):
        own = [mark for mark in marks if mark.person == owner(marks)]
        shut = lost if _stays(marks) else set[bytes]()
        laid = (mark.chain for mark in (*own, *marks) if mark.chain and mark.chain not in found.keys() | shut)
        chain = next(laid, b"") or next(name for name in _names(number, marks[0]) if name not in taken)
        taken.add(chain)
        found[chain] = Standing(owner(marks), tuple(marks))
    return found


def _was_hers(mark: Mark, now: int) -> bool:
    """Whether it said something of whom it was filed with, and is in another one's report now."""
    return (
        bool(mark.chain) and mark.owner not in (now, 0) and mark.person == mark.owner and not mark.trace.only_withdraws
    )


def _stays(marks: Sequence[Mark]) -> bool:
    return next((mark.owner for mark in marks if mark.chain), 0) == owner(marks)


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
        return PROVEN if any(one.chain == mark.chain for one in report) else NO
    continued = _continued(mark, report)
    known = [one.trace for one in continued]
    bare = all(one.only_withdraws for one in known)
    elsewhere = hers != mark.person and not mark.trace.only_withdraws
    if not known or (elsewhere and bare):
        return NO
    near = mark.made_at - continued[-1].made_at <= CONTINUED_WITHIN
    if elsewhere:
        return ELSEWHERE if _is_of_anothers(mark, report, near=near) else NO
    fits = fits_anew(mark.trace, known) if kind in ("N", "H") else fits_change(mark.trace, known)
    if bare:
        fits = min(fits, LIKELY)  # what they take back may be another report
    return NO if fits == LIKELY and not near else fits


def _is_of_anothers(mark: Mark, report: Sequence[Mark], *, near: bool) -> bool:
    """Whether a version takes this report of another person, or those samplings of it of which it tells."""
    goes, stays = parted(mark, report)
    known = [one.trace for one in goes]
    if all(one.only_withdraws for one in known):
        return False
    back = any(one.person == mark.person for one in goes)
    if back:  # what else went along was never said of the other
        known = [one.trace for one in naming(owner(report), goes) if not one.trace.only_withdraws]
        mark = _of_their_times(mark, known)
        if claims.of_other_materials(mark.trace, claims.standing(owner(report), [goes])):
            return False
    if not known or not _gives(mark.trace, known, back=back):
        return False
    if mark.trace.service in CHANGES:
        return corrects(mark.trace, known, near=near, back=back)
    last = naming(owner(report), [*goes, *(one for one in stays if is_bare(one))])
    cancelled = bool(last) and max(last, key=order).trace.only_withdraws if stays else last[-1].trace.service == "C"
    return mark.trace.service != "A" and again(mark.trace, known, cancelled=cancelled, back=back)


def _of_their_times(mark: Mark, known: Sequence[Trace]) -> Mark:
    """A version with those of its samplings that these tell of, if any: what it says of others gives nothing of them."""
    times = sampled.NONE.union(*(one.times for one in known))
    of = [index for one in mark.pieces() if not sampled.apart(one.trace.times, times) for index in one.of]
    return mark.only(of) if of else mark


def _continued(mark: Mark, report: Sequence[Mark]) -> Sequence[Mark]:
    """The versions of a report that one goes on with: what only withdraws, with those alone that name whom it names."""
    return naming(mark.person, report) if mark.trace.only_withdraws else report


def _gives(fresh: Trace, known: Sequence[Trace], *, back: bool) -> bool:
    """Whether a version has a result of an analysis of this report. `back`: to somebody whom it has left, it goes only with a
    value of the kind that it had: else "wrong patient" in words, sent to her, would give her the wrong number again."""
    if back and any(one.said for one in known):
        return any(share(fresh.said, one.said) for one in known)
    named = [one.named for one in known if one.named]
    return not named or any(share(fresh.said if back else fresh.given, one) for one in named)
