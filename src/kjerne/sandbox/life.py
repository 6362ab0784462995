"""A year of laboratory and radiology answers for each resident, and what went before for some.

Healthy children have little, old people with chronic illness much. The cast's answers are told in `sandbox.story`;
everybody else's are drawn here. A person's messages come in the order in which they were made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Final, NamedTuple

from kjerne.sandbox import story
from kjerne.sandbox.chart import Chart, Directory
from kjerne.sandbox.findings import CULTURES, IMAGED_FROM_AGE, IMAGES, TISSUES
from kjerne.sandbox.people import Person, Population
from kjerne.sandbox.reports import (
    blood,
    cancelled,
    corrected,
    culture,
    histology,
    imaging,
    urine_strip,
)
from kjerne.svarrapport import Report, write

YEAR: Final = 365
CHECKED_FROM_AGE: Final = 16
CORRECTED, CANCELLED = 0.02, 0.024
"""Cumulative share of blood reports with potassium in them that are corrected later, and of any that are taken back."""
BORN_DAYS: Final = 60
"""Nothing is drawn from the first weeks, when blood has ranges of its own by the day; nor is a sample that is moved to a
working day older than the child."""


class Condition(NamedTuple):
    """A chronic illness or treatment: whom it strikes, how it moves the analyses, how often and by what it is
    followed."""

    panel: str
    reason: str
    chance: float
    from_age: int
    every_days: int
    effects: dict[str, float]
    sex: str = ""
    to_age: int = 200


ANAEMIC: Final = {"hb": 0.84, "mcv": 0.9, "mch": 0.87, "fer": 0.1}
CONDITIONS: Final = (
    Condition("diabetes", "Type 2-diabetes, kontroll", 0.09, 45, 120, {"hba1c": 1.55, "tg": 1.3, "uakr": 2.0}),
    Condition("kidney", "Kronisk nyresykdom", 0.10, 68, 110, {"krea": 1.55, "k": 1.07, "hb": 0.92, "uakr": 6.0}),
    Condition("lipids", "Kontroll av kolesterolbehandling", 0.22, 52, 330, {"kol": 0.82, "ldl": 0.7}),
    Condition("thyroid", "Hypotyreose, substituert", 0.08, 35, 170, {"tsh": 0.9}, sex="female"),
    Condition("inr", "Warfarinbehandling", 0.05, 70, 28, {"inr": 2.4}),
    Condition("iron", "Jernmangelanemi, kontroll", 0.09, 15, 75, ANAEMIC, "female", 50),
    Condition("lithium", "Litiumbehandling", 0.006, 25, 90, {}),
    Condition("liver", "Kontroll av leverprøver", 0.02, 35, 180, {"gt": 2.6, "alat": 1.7}),
)  # fmt: skip


class Visit(NamedTuple):
    """A reason to be sampled that may come to anybody: chance per year for those in [from_age, to_age)."""

    panel: str
    reason: str
    chance: float
    from_age: int
    to_age: int
    effects: dict[str, float]
    sex: str = ""
    hospital: bool = False


INFECTED: Final = {"crp": 18.0, "leu": 1.45, "neu": 1.9}
ADMITTED: Final = {"crp": 30.0, "leu": 1.5, "neu": 2.0, "glu": 1.3, "alb": 0.88}
VISITS: Final = (
    Visit("general", "Helsekontroll", 0.35, 18, 200, {}),
    Visit("general", "Svimmelhet", 0.12, 60, 200, {}),
    Visit("tired", "Slapphet", 0.16, 15, 200, {"fer": 0.7, "dvit": 0.8}),
    Visit("infection", "Feber og hoste", 0.14, 12, 200, INFECTED),
    Visit("child", "Feber", 0.30, 1, 12, {"crp": 9.0}),
    Visit("admission", "Innleggelse, infeksjon", 0.07, 40, 200, ADMITTED, hospital=True),
    Visit("chest-pain", "Brystsmerter", 0.06, 40, 200, {}, hospital=True),
    Visit("prostate", "Vannlatingsplager", 0.14, 50, 200, {}, sex="male"),
    Visit("thyroid-first", "Vektendring", 0.05, 18, 200, {"tsh": 1.6, "tpo": 4.0}, sex="female"),
)


def messages(population: Population, seed: int, today: date) -> Iterator[bytes]:
    """Every message about every resident as Svarrapport XML; nothing is dated today or later."""
    for report in reports(population, seed, today):
        yield write(report)


def reports(population: Population, seed: int, today: date) -> Iterator[Report]:
    """The same as `messages`, before it is written."""
    for _, made in charts(population, seed, today):
        yield from made


def charts(population: Population, seed: int, today: date) -> Iterator[tuple[Chart, list[Report]]]:
    """Each resident's chart, with the reports about her in the order in which they were made."""
    directory = Directory(population)
    told = {key: part for part, key in population.cast.items()}
    for person in population.people[: population.residents]:
        chart = Chart(directory, person, seed, today)
        made = list(story.reports(chart, told[person.key])) if person.key in told else _year(chart)
        yield chart, sorted((one for one in made if one.made_at.date() < today), key=_when)


def _when(report: Report) -> tuple[str, str]:
    return report.made_at.isoformat(), report.message_id


def _drawn(chart: Chart) -> Iterator[Report]:
    person = chart.person
    for condition in CONDITIONS:
        if _strikes(chart, condition.chance, condition.from_age, condition.to_age, condition.sex):
            start = chart.random.randrange(3, condition.every_days + 3)
            for days_ago in range(start, YEAR, condition.every_days):
                yield from _bled(chart, days_ago, condition.panel, condition.reason, condition.effects)
    for visit in VISITS:
        if _strikes(chart, visit.chance, visit.from_age, visit.to_age, visit.sex):
            days_ago = chart.random.randrange(2, YEAR)
            yield from _bled(chart, days_ago, visit.panel, visit.reason, visit.effects, hospital=visit.hospital)
    if _strikes(chart, 0.12, 15, 200, "female"):
        yield from _urine(chart)
    if _strikes(chart, 0.12, IMAGED_FROM_AGE + 1, 200):
        days_ago = chart.random.randrange(4, YEAR)
        if _alive(person, days_ago, chart.today):
            yield _imaged(chart, days_ago)
    if _strikes(chart, 0.05, 30, 200):
        days_ago = chart.random.randrange(20, YEAR)
        if _alive(person, days_ago, chart.today):
            order = chart.order(days_ago, "pathology", "Fjernet forandring, histologi ønskes")
            age = person.age(order.collected.date())
            fitting = [(tissue, weight) for tissue, from_age, weight in TISSUES if from_age <= age]
            tissue = chart.random.choices([one for one, _ in fitting], [weight for _, weight in fitting])[0]
            yield from histology(chart, order, tissue, preliminary=chart.random.random() < 0.3)


def _imaged(chart: Chart, days_ago: int) -> Report:
    """An image of what somebody of this age is examined for."""
    order = chart.order(days_ago, "radiology", "")
    age = chart.person.age(order.collected.date())
    fitting = [seen for seen in IMAGES if seen.from_age <= age < seen.to_age]
    seen = chart.random.choices(fitting, [one.weight for one in fitting])[0]
    return imaging(chart, replace(order, reason=seen.reason), seen.image)


def _year(chart: Chart) -> list[Report]:
    return list(_drawn(chart)) or list(_checked(chart))


def _checked(chart: Chart) -> Iterator[Report]:
    """The one answer of a year in which nothing else happened."""
    grown = chart.person.age(chart.today) >= CHECKED_FROM_AGE
    panel, reason = ("general", "Helsekontroll") if grown else ("child", "Kontroll")
    yield from _bled(chart, chart.random.randrange(5, YEAR), panel, reason, {})


def _strikes(chart: Chart, chance: float, from_age: int, to_age: int, sex: str = "") -> bool:
    """Drawn for everybody, so that one illness does not change the draws of the next."""
    drawn = chart.random.random() < chance
    return drawn and from_age <= chart.person.age(chart.today) < to_age and sex in ("", chart.person.sex)


def _alive(person: Person, days_ago: int, today: date) -> bool:
    day = today - timedelta(days=days_ago)
    born = person.birth_date + timedelta(days=BORN_DAYS)
    return born <= day and (person.death_date is None or day < person.death_date)


def _bled(
    chart: Chart, days_ago: int, panel: str, reason: str, effects: dict[str, float], *, hospital: bool = False
) -> Iterator[Report]:
    """A blood report; a few are corrected or taken back."""
    if not _alive(chart.person, days_ago, chart.today):
        return
    order = chart.order(days_ago, "biochemistry" if hospital else "private-lab", reason, hospital=hospital)
    first = blood(chart, order, panel, effects)
    yield first
    drawn = chart.random.random()
    after = timedelta(hours=chart.random.randrange(3, 40))
    if drawn < CORRECTED and any(item.codes[0].value == story.POTASSIUM for item in first.patient.items):
        value = f"{chart.random.uniform(3.8, 4.3):.1f}"
        yield corrected(chart, first, story.POTASSIUM, value, after, "Prøven var hemolysert; ny analyse er utført.")
    elif CORRECTED <= drawn < CANCELLED:
        yield cancelled(chart, first, after, "Svaret er trukket tilbake: prøven var merket feil.")


def _urine(chart: Chart) -> Iterator[Report]:
    days_ago = chart.random.randrange(4, YEAR)
    if not _alive(chart.person, days_ago, chart.today):
        return
    grown = chart.random.choice(CULTURES) if chart.random.random() < 0.6 else None
    levels = (3, 1, 1, 0, 1) if grown else (1, 0, 0, 0, 0)
    yield urine_strip(chart, chart.order(days_ago, "private-lab", "Svie ved vannlating"), levels)
    yield from culture(chart, chart.order(days_ago, "microbiology", "Svie ved vannlating"), grown)
