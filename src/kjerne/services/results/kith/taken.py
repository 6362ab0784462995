"""What a result was found in, and when that was taken: from the analysed objects that it names, or that are named around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from kjerne.services.results.kith.circumstances import Around
from kjerne.services.results.kith.codes import MAIN_DISCIPLINE
from kjerne.services.results.kith.entries import Result
from kjerne.services.results.kith.model import AnalysedSubject, Item, Report
from kjerne.services.results.kith.samples import Samples
from kjerne.services.results.kith.times import Stamp, is_after, stamp


def around(report: Report, generated: str, results: Sequence[Result], samples: Samples) -> dict[str, Around]:
    """By result key when each was taken, by what itself says, and the first of its objects, as one version left them."""
    made = stamp(generated)
    imaging = MAIN_DISCIPLINE.get(report.discipline.code) == "BLD"
    return {
        one.key: Around(
            own_time(one.item, [samples.collected(key) for key in one.objects], made, imaging=imaging),
            samples.held[one.objects[0]] if one.objects else None,
        )
        for one in results
    }


_HELD: Final = "\0"
"""Before the key of an object that an older version sent: not a number of this one's."""


def place(
    results: Sequence[Result], repeated: Collection[str], sent: Mapping[str, AnalysedSubject], service: str,
    generated: str, samples: Samples,
) -> dict[str, tuple[str, ...]]:  # fmt: skip
    """By result key what those that a version repeats were found in, by its own numbers: laid on the `samples` so far. What
    it leaves out stays with what it was found in."""
    looked = _Looked({one.key: one for one in results}, frozenset(repeated), sent, samples)
    now = {key: looked.objects(looked.results[key]) for key in repeated}
    given = samples.lay(sent, service, generated, {one.key: one.objects for one in results}, now)
    return {
        key: tuple(dict.fromkeys(given[one] if one in given else one.removeprefix(_HELD) for one in found))
        for key, found in now.items()
    }


OUTWARDS: Final = 20
"""Results around one, or referred to, that are looked at for its objects; Svarrapport needs about five."""

_Named = tuple[list[str], bool]
"""The objects named at or around a result, and whether one was named there that the report does not hold."""


@dataclass(slots=True)
class _Looked:
    """One version's results on their way to what they were found in."""

    results: Mapping[str, Result]
    repeated: frozenset[str]
    sent: Mapping[str, AnalysedSubject]
    samples: Samples
    sole: dict[int, str] = field(default_factory=dict)
    named: dict[str, _Named] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = Counter(subject.of for subject in self.sent.values())
        self.sole = {one.of: key for key, one in self.sent.items() if number[one.of] == 1}
        self.sole |= {of: "" for of, several in number.items() if several > 1}

    def objects(self, result: Result) -> list[str]:
        """The analysed objects a result names; else those of the result around it or referred to; else the report's only
        one; else, where the version sends none, those that it was found in before.

        A reference to an object that the report does not hold is left open: it may mean another sample.
        """
        chosen, missing = self.named[result.key] = self._named_by(result)
        of = result.item.of
        if chosen or missing or result.item.subjects:
            return chosen
        if of in self.sole:
            return [self.sole[of]] if self.sole[of] else []
        if result.objects:
            return [_HELD + key for key in result.objects]
        alone = self.samples.sole(of)
        return [_HELD + alone] if alone else []

    def _named_by(self, result: Result) -> _Named:
        """Outwards from a result, what stands around before what is referred to, to the first that names its objects.

        What is `named` at those that were looked at before is not looked for again, and no further than `OUTWARDS`:
        references may make a long row.
        """
        seen = {result.key}
        waiting = [result]
        missing = False
        while waiting and len(seen) <= OUTWARDS:
            near = waiting.pop()
            if near.key in self.named:
                chosen, missed = self.named[near.key]
                if chosen:
                    return chosen, missing
                missing = missing or missed
                continue
            if near.item.subjects or (near.key not in self.repeated and near.objects):
                chosen = self._own(near)
                if chosen or near is result:
                    return chosen, not chosen
                missing = True
                continue
            for key in (near.target, near.parent):
                if key in self.results and key not in seen:
                    seen.add(key)
                    waiting.append(self.results[key])
        return [], missing

    def _own(self, result: Result) -> list[str]:
        """What a result names: by the numbers of this version, else as an older one used them."""
        if result.key not in self.repeated:
            return [_HELD + key for key in result.objects]
        found = (self._meant(result, f"{result.item.of}:{ref}") for ref in result.item.subjects)
        return list(dict.fromkeys(filter(None, found)))

    def _meant(self, result: Result, number: str) -> str:
        if number in self.sent:
            return number
        before = (key for key in result.objects if self.samples.is_of(key, number))
        key = next(before, "") or self.samples.meant(number)
        return _HELD + key if key else ""


def own_time(item: Item, sampled_at: list[str], made: Stamp | None, *, imaging: bool) -> str:
    """Imaging has the time of the examination; anything else the time its sample was taken."""
    return _own_time(item.investigated, tuple(sampled_at), made, imaging)


@lru_cache(maxsize=1024)
def _own_time(investigated: str, sampled_at: tuple[str, ...], made: Stamp | None, imaging: bool) -> str:
    """Kept, since nearly all results of a report were taken together."""
    sampled, examined = earliest(until(made, sampled_at)), earliest(until(made, [investigated]))
    return (examined or sampled) if imaging else (sampled or examined)


def until(made: Stamp | None, times: Iterable[str]) -> Iterator[str]:
    """The times that do not lie after the report was made."""
    return (time for time in times if made is None or not is_after(time, made))


def earliest(times: Iterable[str]) -> str:
    """The earliest of FHIR times of any precision; empty where there is none."""
    known = [(found.at, text) for text in times if text and (found := stamp(text)) is not None]
    return min(known)[1] if known else ""
