"""Which versions under one number are one report, and whose it is.

A laboratory's number of a report (`chain.report_key`) should name one report. Real ones use it again: years later, for
another sample, for another patient. So the number only says where to look. A version continues a report when it says so
itself or shares enough with it; otherwise it is a report of its own.

A report belongs to whoever its newest version names, apart from those that only withdraw. It moves to another person by a
correction (M) that is of it by what the laboratory says in it, by a new report (N) after its cancellation that is, or by
a new report that says the same results of the same samples; but by none of them unless that gives her a result of an
analysis of the report (`giving`). A false move takes a right answer from the right person, and a missed one leaves a wrong
one where it is. So what the laboratory itself says counts, a number of a request with whoever gave it; what plainly is of
another sample, request or department counts against it, and in doubt both stand. What only withdraws (C, or whatever gives
nobody a result) moves nothing: it belongs to a report that names its person or did, else it stands alone. Where that report
has gone to another person, what it asks for is done already. All is made anew from all versions under the number in the
order of their GenDate, so the order of arrival cannot matter.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

from kjerne.services.results.kith import giving, sampled
from kjerne.services.results.kith.chain import RANK, keyed
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.kin import CHANGES
from kjerne.services.results.kith.model import Actor, AnalysedSubject, Report, Request

CONTINUED_WITHIN: Final = timedelta(days=180)
"""Where nothing but the number speaks for it, or result ids that may count within one message, two versions are one report
only if they were made so near each other: laboratories begin anew with their numbers each year."""

SKETCH: Final = 64
"""As many marks of a report's results are kept, those with the lowest hash: enough to see whether two reports overlap."""

ANALYSES: Final = 4 * SKETCH
"""As many for its analyses: a correction may give one of them alone."""

SAMPLES_OF_ONE: Final = 8
"""A result that may be of more samples than this says nothing of when it was taken."""

HASH_BYTES: Final = 8

TWINS_WITHIN: Final = timedelta(milliseconds=1)
"""As near as the reports of one message are that share a number (`chain.versions`); no laboratory makes two messages with one id
so near each other."""

_PROVEN, _ELSEWHERE, _LIKELY, _NO = 3, 2, 1, 0
"""How a version fits a report: it shares something with one of the same person, with one of another person, or nothing
speaks against its being a version of one of the same person."""

Hashes = frozenset[bytes]


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """What one version shows of which report it belongs to. Numbers and codes are hashes; times stand as they are.

    `samples` are hashes of specimen and time beside those of the specimen alone, so that one specimen with two times is
    seen. `taken`: result id, code and sample time; `analyses`: code and sample time; `results`: result id and code.
    `gives_nothing`: it has no result, neither now nor to come. `content`: a hash of all that it says. `named`: the analyses
    of it, `given`: those that have a result or await one, `said`: those that have one, with the kind of value. `requests` are
    all numbers of requests: `own` those of the laboratory, `asked` the requester's with whom that is. `materials`: every
    code and name of a material; `found`: of each analysis (the first `HASH_BYTES`) what it was found to be.
    """

    service: str = ""
    issued: str = ""
    requests: Hashes = frozenset()
    departments: Hashes = frozenset()
    samples: tuple[tuple[bytes, str], ...] = ()
    times: frozenset[str] = frozenset()
    results: Hashes = frozenset()
    taken: Hashes = frozenset()
    analyses: Hashes = frozenset()
    gives_nothing: bool = False
    content: bytes = b""
    named: Hashes = frozenset()
    given: Hashes = frozenset()
    said: Hashes = frozenset()
    own: Hashes = frozenset()
    asked: Hashes = frozenset()
    materials: Hashes = frozenset()
    found: Hashes = frozenset()

    @property
    def only_withdraws(self) -> bool:
        """Whether it says nothing of anybody, but takes back what was said."""
        return self.service == "C" or self.gives_nothing


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


def trace(report: Report) -> Trace:
    """What the version shows of itself."""
    times = sampled.of_items(report)
    results: set[bytes] = set()
    taken: set[bytes] = set()
    analyses: set[bytes] = set()
    for item, own_times in zip(report.items, times, strict=True):
        codes = [f"{canonical(one.system)}|{one.code}" for one in item.investigations if one.code] or [""]
        clocks = [time for time in own_times if sampled.has_clock(time)] if len(own_times) <= SAMPLES_OF_ONE else []
        for code in codes:
            if code:
                analyses.update([_hash(code, time) for time in clocks])
            if item.id:
                results.add(_hash(item.id, code))
                taken.update([_hash(item.id, code, time) for time in clocks])
    numbers = {number for request in report.requests for number in (request.provider_id, request.id) if number}
    samples = {
        (_hash(key), time)
        for key, subject in keyed(report.subjects).items()
        if (time := sampled.local(subject.collected))
    }
    gift = giving.of(report)
    return Trace(
        report.service, sampled.local(report.issued), _sketch(map(_hash, numbers)),
        _sketch(_hash(one.kind, one.value) for one in report.provider.department_ids),
        tuple(sorted(samples)[:SKETCH]), frozenset(sorted(sampled.of_report(report))[:SKETCH]),
        _sketch(results), _sketch(taken), _sketch(analyses), not gift.given, _content(report),
        named=_analyses(gift.named), given=_analyses(gift.given), said=_analyses(gift.said),
        own=_sketch(_hash(one.provider_id) for one in report.requests if one.provider_id),
        asked=_sketch(_hash(*who, one.id) for one in report.requests if one.id for who in _who(report.requester)),
        materials=_sketch(_hash(word) for one in report.subjects for word in _materials(one)),
        found=_sketch((_hash(analysis) + _hash(value) for analysis, value in gift.told), ANALYSES),
    )  # fmt: skip


def _analyses(of: Iterable[tuple[str, ...]]) -> Hashes:
    return _sketch((_hash(*one) for one in of), ANALYSES)


def _who(requester: Actor | None) -> list[tuple[str, str]]:
    """What a requester is known by: a number of one says nothing beside a number of another."""
    if requester is None:
        return []
    numbers = requester.department_ids or requester.organisation_ids or requester.person_ids
    names = [requester.department or requester.organisation or requester.person]
    return [(one.kind, one.value) for one in numbers] or [("", name.casefold()) for name in names if name]


def _materials(subject: AnalysedSubject) -> set[str]:
    of = subject.type_code
    return {word.strip().casefold() for word in (of.code, of.name, of.original, subject.type)} - {""}


def _content(report: Report) -> bytes:
    """The same for all copies of a message, to whomever each is sent: what gives results and whom they are about, wherever in
    it they stand. What was written to the one who asked is not sent to others, and a remark may say who got a copy."""
    bare = msgspec.structs.replace
    nobody = bare(report.patient, name="", sex="", born="", died="", assigner_name="")
    said = bare(
        report, line=0, patient=nobody, requester=None, responsible=(), related=None, information=(), notes=(),
        items=tuple(bare(one, line=0, comment=_unless_of_copies(one.comment)) for one in report.items),
        requests=tuple(Request(provider_id=one.provider_id, reservations=one.reservations) for one in report.requests),
        subjects=tuple(bare(one, line=0, requester_id="") for one in report.subjects),
    )  # fmt: skip
    return xxh3_128_digest(msgspec.msgpack.encode(said))


def _unless_of_copies(comment: str) -> str:
    return "" if "kopi" in comment.casefold() else comment


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Trace)


def pack(known: Trace) -> bytes:
    """A trace as bytes, to be sealed and stored."""
    return _ENCODER.encode(known)


def unpack(packed: bytes) -> Trace:
    """The trace; one that shows nothing for a version that was stored before traces were."""
    return _DECODER.decode(packed) if packed else Trace()


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


def gathered(marks: Iterable[Mark]) -> list[list[Mark]]:
    """The versions of each report under a number, oldest first: each joins the report it fits best, else begins one."""
    reports: list[list[Mark]] = []
    for mark in sorted(marks, key=_order):
        fitting = [
            (fit, max(_shared(mark.trace, one.trace) for one in report), _newest(_continued(mark, report)[-1]), report)
            for report in reports
            if not any(_are_twins(mark, one) for one in report) and (fit := _fit(mark, report))
        ]
        if fitting:
            max(fitting, key=lambda one: one[:3])[-1].append(mark)
        else:
            reports.append([mark])
    return reports


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
    other, same_time = _other_order(fresh, known), sampled.has_clock(fresh.issued) and fresh.issued == known.issued
    if _other_samples(fresh, known) or (other and not _same_results(fresh, known)):
        return False
    if _share(fresh.taken, known.taken):
        return True
    return not other and (
        same_time or _share(fresh.analyses, known.analyses) or (near and _share(fresh.results, known.results))
    )


def _fits_change(change: Trace, known: Sequence[Trace]) -> int:
    """A change, cancellation or addition for the same person."""
    if any(_related(change, one) or _share(change.results, one.results) for one in known):
        return _PROVEN
    return _NO if _times_apart(change, known) else _LIKELY


def _fits_anew(fresh: Trace, known: Sequence[Trace]) -> int:
    """A new report for the same person: the same report, unless its samples or its request are others."""
    if any(_clash(fresh, one) for one in known):
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
    same_time = sampled.has_clock(fresh.issued) and fresh.issued == known.issued
    same_results = (fresh.results, fresh.taken, fresh.said) == (known.results, known.taken, known.said)
    return same_time and _share(fresh.requests, known.requests) and bool(fresh.taken) and same_results


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
    return other_material or _specimen_differs(fresh, known) or sampled.apart(fresh.times, known.times)


def _same_request(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.issued) and fresh.issued == known.issued and _share(fresh.requests, known.requests)


def _related(fresh: Trace, known: Trace) -> bool:
    """A number of the request, the issue time, or a result of the same sample in common. A day alone is no time."""
    return (
        _share(fresh.requests, known.requests)
        or (sampled.has_clock(fresh.issued) and fresh.issued == known.issued)
        or _share(fresh.taken, known.taken)
        or (_share(fresh.analyses, known.analyses) and not _apart(fresh, known))
    )


def _shared(fresh: Trace, known: Trace) -> int:
    """How much two versions have in common; decides between reports that fit equally well, and then the newest does."""
    in_common = ("requests", "times", "results", "taken", "analyses")
    same_time = sampled.has_clock(fresh.issued) and fresh.issued == known.issued
    return same_time + sum(_share(getattr(fresh, name), getattr(known, name)) for name in in_common)


def _apart(fresh: Trace, known: Trace) -> bool:
    """Whether both answer requests, and not the same."""
    return bool(fresh.requests and known.requests) and not _share(fresh.requests, known.requests)


def _clash(fresh: Trace, known: Trace) -> bool:
    """Whether another department answers, or one specimen was taken at two times."""
    return _others_answer(fresh, known) or _specimen_differs(fresh, known)


def _others_answer(fresh: Trace, known: Trace) -> bool:
    return bool(fresh.departments and known.departments) and not _share(fresh.departments, known.departments)


def _specimen_differs(fresh: Trace, known: Trace) -> bool:
    times = dict(known.samples)
    return any(
        sampled.apart(frozenset((time,)), frozenset((times[name],))) for name, time in fresh.samples if name in times
    )


def _times_apart(fresh: Trace, known: Sequence[Trace]) -> bool:
    return sampled.apart(fresh.times, frozenset[str]().union(*(one.times for one in known)))


def _share(one: frozenset[bytes] | frozenset[str], other: frozenset[bytes] | frozenset[str]) -> bool:
    return not one.isdisjoint(other)


def _sketch(hashes: Iterable[bytes], most: int = SKETCH) -> Hashes:
    return frozenset(sorted(set(hashes))[:most])


def _hash(*parts: str) -> bytes:
    return xxh3_64_digest("\x1f".join(parts).encode())
