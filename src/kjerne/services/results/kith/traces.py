"""What one version shows of which report it is of and whose: kept, sealed, with every version under a number (`lineage`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

from kjerne.services.results.kith import giving, sampled, samplings
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.model import Actor, AnalysedSubject, Report, Request

SKETCH: Final = 64
"""As many marks of a report's results are kept, those with the lowest hash: enough to see whether two reports overlap."""

ANALYSES: Final = 4 * SKETCH
"""As many for its analyses: a correction may give one of them alone."""

SAMPLES_OF_ONE: Final = 8
"""A result that may be of more samples than this says nothing of when it was taken."""

HASH_BYTES: Final = 8

Hashes = frozenset[bytes]


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """What one version shows of which report it belongs to. Numbers and codes are hashes; times stand as they are.

    `samples` is asked no more, and keeps its place among what is stored: it had the specimens' numbers. `taken`: result id,
    code and sample time; `analyses`: code and sample time; `results`: result id and code. `gives_nothing`: it has no result,
    neither now nor to come. `content`: a hash of all that it says. `named`: the analyses of it, `given`: those that have a
    result or await one, `said`: those that have one, with the kind of value. `requests` are all numbers of requests: `own`
    those of the laboratory, `asked` the requester's with whom that is. `materials`: every code and name of a material, but of
    one in which all is taken back beside what is not;
    `found`: of each analysis (the first `HASH_BYTES`) what it was found to be. `parts`: the same of each of its samplings,
    where it tells of several (`samplings.of`). `answers`: each analysis with its sample time, its material, and what it was found
    to be, each of `HASH_BYTES`; without the last where it is taken back (`claims`).
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
    parts: tuple[Trace, ...] = ()
    answers: Hashes = frozenset()

    @property
    def only_withdraws(self) -> bool:
        """Whether it says nothing of anybody, but takes back what was said."""
        return self.service == "C" or self.gives_nothing


def trace(report: Report) -> Trace:
    """What the version shows of itself."""
    whole = _of(report, _content(report))
    parts = (samplings.only(report, times, rest=False) for times in samplings.of(report))
    found = tuple(_of(one, whole.content) for one in parts)
    return msgspec.structs.replace(whole, parts=found) if found else whole


def merged(whole: Trace, parts: Collection[int]) -> Trace:
    """What a version shows of some of its samplings."""
    if len(parts) == len(whole.parts):
        return whole
    first, *rest = told = [whole.parts[index] for index in sorted(parts)]
    sets = {name: frozenset().union(*(getattr(one, name) for one in told)) for name in _OF_RESULTS}
    return (
        msgspec.structs.replace(first, gives_nothing=all(one.gives_nothing for one in told), **sets) if rest else first
    )


_OF_RESULTS: Final = (
    "times",
    "results",
    "taken",
    "analyses",
    "named",
    "given",
    "said",
    "materials",
    "found",
    "answers",
)


def _of(report: Report, content: bytes) -> Trace:
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
    gift = giving.of(report)
    return Trace(
        report.service, sampled.local(report.issued), _sketch(map(_hash, numbers)),
        _sketch(_hash(one.kind, one.value) for one in report.provider.department_ids),
        (), frozenset(sorted(sampled.of_report(report))[:SKETCH]),
        _sketch(results), _sketch(taken), _sketch(analyses), not gift.given, content,
        named=_analyses(gift.named), given=_analyses(gift.given), said=_analyses(gift.said),
        own=_sketch(_hash(one.provider_id) for one in report.requests if one.provider_id),
        asked=_sketch(_hash(*who, one.id) for one in report.requests if one.id for who in _who(report.requester)),
        materials=_sketch(_hash(word) for one in _told_of(report, gift.gone) for word in _materials(one)),
        found=_sketch((_hash(analysis) + _hash(value) for analysis, value in gift.told), ANALYSES),
        answers=_sketch(_answers(report, gift, times), ANALYSES),
    )  # fmt: skip


def _answers(report: Report, gift: giving.Gift, times: Sequence[sampled.Times]) -> Iterator[bytes]:
    material = _material_of_items(report)
    for index, analysis, words in gift.each:
        of, value = _hash(material[index]), _hash(words) if words else b""
        for time in times[index] if 0 < len(times[index]) <= SAMPLES_OF_ONE else [""]:
            yield _hash(analysis, time) + of + value


def _material_of_items(report: Report) -> list[str]:
    """For each result the material that it names, else that of what it stands in, else all that its Patient element holds."""
    named: dict[str, set[str]] = {}
    gathered: dict[int, set[str]] = {}
    for subject in report.subjects:
        of = subject.type_code
        word = (of.code or of.name or of.original or subject.type).strip().casefold()
        gathered.setdefault(subject.of, set()).add(word)
        named.setdefault(f"{subject.of}:{subject.id}", set()).add(word)
    found: list[set[str]] = []
    for item in report.items:
        own = set[str]().union(*(named.get(f"{item.of}:{ref}", ()) for ref in item.subjects))
        found.append(own or (found[item.parent] if item.parent >= 0 else gathered.get(item.of, set())))
    return ["|".join(sorted(one)) for one in found]


def _analyses(of: Iterable[tuple[str, ...]]) -> Hashes:
    return _sketch((_hash(*one) for one in of), ANALYSES)


def _who(requester: Actor | None) -> list[tuple[str, str]]:
    """What a requester is known by: a number of one says nothing beside a number of another."""
    if requester is None:
        return []
    numbers = requester.department_ids or requester.organisation_ids or requester.person_ids
    names = [requester.department or requester.organisation or requester.person]
    return [(one.kind, one.value) for one in numbers] or [("", name.casefold()) for name in names if name]


def _told_of(report: Report, gone: Sequence[bool]) -> Sequence[AnalysedSubject]:
    """The objects of which it says more than that what was found in them is taken back; all where it does so of none."""
    if not any(gone) or all(gone):
        return report.subjects
    named = [(f"{item.of}:{one}", away) for item, away in zip(report.items, gone, strict=True) for one in item.subjects]
    only_back = {one for one, away in named if away} - {one for one, away in named if not away}
    return [one for one in report.subjects if f"{one.of}:{one.id}" not in only_back]


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


def _sketch(hashes: Iterable[bytes], most: int = SKETCH) -> Hashes:
    return frozenset(sorted(set(hashes))[:most])


def _hash(*parts: str) -> bytes:
    return xxh3_64_digest("\x1f".join(parts).encode())
