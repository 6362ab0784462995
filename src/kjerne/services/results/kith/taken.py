"""What a result was found in, and when that was taken: from the analysed objects that it names, or that are named around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kjerne.services.results.kith.circumstances import Around
from kjerne.services.results.kith.codes import MAIN_DISCIPLINE
from kjerne.services.results.kith.entries import Result
from kjerne.services.results.kith.model import AnalysedSubject, Item, Report
from kjerne.services.results.kith.times import Stamp, is_after, stamp


def around(
    report: Report, generated: str, results: Sequence[Result], subjects: dict[str, AnalysedSubject]
) -> dict[str, Around]:
    """By result key when each was taken, by what itself says, and the first of its objects, as one version left them."""
    by_key = {result.key: result for result in results}
    objects, made = specimens(results, by_key, subjects), stamp(generated)
    imaging = MAIN_DISCIPLINE.get(report.discipline.code) == "BLD"
    return {
        one.key: Around(
            own_time(one.item, [collected(key, subjects) for key in objects[one.key]], made, imaging=imaging),
            subjects[objects[one.key][0]] if objects[one.key] else None,
        )
        for one in results
    }


def specimens(
    results: Iterable[Result], by_key: dict[str, Result], subjects: dict[str, AnalysedSubject]
) -> dict[str, list[str]]:
    """The analysed objects a result names; else those of the result around it or referred to; else the report's only
    one.

    A reference to an object that the report does not hold is left open: it may mean another sample.
    """
    number = Counter(subject.of for subject in subjects.values())
    sole = {subject.of: key for key, subject in subjects.items() if number[subject.of] == 1}
    named: dict[str, _Named] = {}
    found = {}
    for result in results:
        chosen, missing = named[result.key] = _named_by(result, by_key, subjects, named)
        of = result.item.of
        alone = [sole[of]] if of in sole and not missing and not result.item.subjects else []
        found[result.key] = chosen or alone
    return found


OUTWARDS: Final = 20
"""Results around one, or referred to, that are looked at for its objects; Svarrapport needs about five."""

_Named = tuple[list[str], bool]
"""The objects named at or around a result, and whether one was named there that the report does not hold."""


def _named_by(
    result: Result, by_key: dict[str, Result], subjects: dict[str, AnalysedSubject], named: dict[str, _Named]
) -> _Named:
    """Outwards from a result, what stands around before what is referred to, to the first that names its objects.

    What is `named` at those that were looked at before is not looked for again, and no further than `OUTWARDS`: references
    may make a long row.
    """
    seen = {result.key}
    waiting = [result]
    missing = False
    while waiting and len(seen) <= OUTWARDS:
        near = waiting.pop()
        if near.key in named:
            chosen, missed = named[near.key]
            if chosen:
                return chosen, missing
            missing = missing or missed
            continue
        item = near.item
        if item.subjects:
            chosen = list(dict.fromkeys(key for ref in item.subjects if (key := f"{item.of}:{ref}") in subjects))
            if chosen or near is result:
                return chosen, not chosen
            missing = True
            continue
        for key in (near.target, near.parent):
            if key in by_key and key not in seen:
                seen.add(key)
                waiting.append(by_key[key])
    return [], missing


def collected(key: str, subjects: dict[str, AnalysedSubject]) -> str:
    """When an object was collected; what was made from another (a slide, a block) says it of that one only."""
    seen: set[str] = set()
    while key in subjects and key not in seen:
        seen.add(key)
        subject = subjects[key]
        if subject.collected:
            return subject.collected
        key = f"{subject.of}:{subject.parent}"
    return ""


def own_time(item: Item, sampled_at: list[str], made: Stamp | None, *, imaging: bool) -> str:
    """Imaging has the time of the examination; anything else the time its sample was taken."""
    sampled, examined = earliest(until(made, sampled_at)), earliest(until(made, [item.investigated]))
    return (examined or sampled) if imaging else (sampled or examined)


def until(made: Stamp | None, times: Iterable[str]) -> Iterator[str]:
    """The times that do not lie after the report was made."""
    return (time for time in times if made is None or not is_after(time, made))


def earliest(times: Iterable[str]) -> str:
    """The earliest of FHIR times of any precision; empty where there is none."""
    known = [(found.at, text) for text in times if text and (found := stamp(text)) is not None]
    return min(known)[1] if known else ""
