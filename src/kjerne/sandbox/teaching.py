"""People whom the sandbox makes up, told as tables to learn a demonstration model from: nobody in it is real.

What is told of each is her laboratory's measured values of a year, as `sandbox.life` makes them. Answers in words, images and
values that are only bounds are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from kjerne.fhir.systems import VOLVEN, canonical
from kjerne.sandbox import life
from kjerne.sandbox.panels import ANALYSES
from kjerne.sandbox.people import Person
from kjerne.sandbox.population import generate
from kjerne.services.results.kith.units import ucum
from kjerne.services.synthetic.fhir_mapping import CodeAs, Meaning, RangeAs
from kjerne.services.synthetic.fhir_reading import AGE, SEX, Told
from kjerne.services.synthetic.tables import EventTable, TraitTable
from kjerne.svarrapport import Item, Number, Report

TODAY: Final = date(2025, 12, 31)
PEOPLE: Final = 2000
WHERE: Final = "the sandbox's people"


def taught(people: int, seed: int) -> Told:
    """The residents of a population of so many, always the same for the same seed."""
    population = generate(people, seed, TODAY)
    residents = population.people[: population.residents]
    place_of = {number.value: place for place, one in enumerate(residents) for number in one.numbers}
    rows = [
        (place_of[report.patient.number], *one)
        for report in life.reports(population, seed, TODAY)
        for one in _measured(report)
    ]
    first = dict[int, int]()
    for place, day, *_ in rows:
        first[place] = min(first.get(place, day), day)
    events, codes = EventTable([], [], [], [], [], WHERE), dict[str, CodeAs]()
    for place, day, minute, code, value, unit in rows:
        known = codes.setdefault(
            code, CodeAs("Observation", VOLVEN + "7280", "", unit, "laboratory", ranges=_ranges(code))
        )
        if known.unit != unit:
            continue  # a laboratory that measures in another unit
        events.ids.append(str(place))
        events.days.append(day - first[place] + minute / 1440)
        events.codes.append(code)
        events.values.append(value)
        events.units.append(unit)
    traits = TraitTable([str(place) for place in range(len(residents))],
                        {AGE: _ages(residents, first), SEX: [one.sex for one in residents]}, WHERE)  # fmt: skip
    had = {(code, place) for place, _, _, code, _, _ in rows}
    return Told(events, traits, Meaning(codes), categorised=Counter(code for code, _ in had))


def _ranges(code: str) -> tuple[RangeAs, ...]:
    """The sandbox's laboratory's reference ranges of an analysis, by sex and age."""
    found = next((one.bands for one in ANALYSES.values() if one.code == code), ())
    return tuple(RangeAs(*one) for one in found if (one.low, one.high) != (None, None))


def _ages(residents: Sequence[Person], first: dict[int, int]) -> list[str | None]:
    today = TODAY.toordinal()
    return [str(one.age(date.fromordinal(first.get(place, today)))) for place, one in enumerate(residents)]


def _measured(report: Report) -> Iterator[tuple[int, int, str, float, str]]:
    """Day (ordinal), minute, code, value and unit of each value that is a number under a national code."""
    taken = report.patient.samples[0].collected if report.patient.samples else report.issued
    for item in _with_nested(report.patient.items):
        if not isinstance(item.result, Number) or item.result.comparator or not item.codes:
            continue
        if canonical(item.codes[0].system) == VOLVEN + "7280" and (unit := ucum(item.result.unit)):
            value = float(item.result.value)
            yield taken.toordinal(), taken.hour * 60 + taken.minute, item.codes[0].value, value, unit


def _with_nested(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        yield from _with_nested(item.nested)
