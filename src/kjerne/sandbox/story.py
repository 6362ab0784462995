"""What the cast of the sandbox has been through, told day by day before today.

The demo patient's answers cover eighteen months and every case that the pages must show; the others have one thing
each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from kjerne.sandbox.chart import Chart
from kjerne.sandbox.findings import BASAL_CELL, CHEST_INFILTRATE, COLI, COLON_ADENOMA, CT_CHEST, NAEVUS
from kjerne.sandbox.measure import Effects
from kjerne.sandbox.panels import BLOOD
from kjerne.sandbox.people import Part
from kjerne.sandbox.reports import (
    blood,
    corrected,
    culture,
    found,
    histology,
    imaging,
    urine_strip,
)
from kjerne.svarrapport import LOCAL, MATERIAL, Code, Item, Number, Patient, Report, Sample

POTASSIUM: Final = "NPU03230"
NEWBORN_RELATION: Final = Code("XX", "Nyfødt barn")
"""Code system 8238 knows donor, fetus and mother; a newborn is sent as "annet" with the words beside it."""
THROAT = Code("HAL", "Hals", LOCAL)


class Told(NamedTuple):
    """A blood sample: days before today, laboratory, panel, why, and the values that the story needs."""

    days_ago: int
    laboratory: str
    panel: str
    reason: str
    given: Effects
    hospital: bool = False


DIABETES: Final = "Type 2-diabetes, årskontroll"
CITIZEN: Final = (
    Told(542, "private-lab", "general", "Tørste og slapphet",
         {"hba1c": 61, "krea": 74, "k": 4.2, "crp": 3, "hb": 13.2, "tsh": 2.31}),
    Told(535, "private-lab", "diabetes", "Nyoppdaget type 2-diabetes",
         {"hba1c": 62, "krea": 75, "k": 4.1, "na": 140, "kol": 6.8, "hdl": 1.1, "ldl": 4.6, "tg": 2.9, "uakr": 1.2}),
    Told(448, "private-lab", "hba1c", "Type 2-diabetes, kontroll", {"hba1c": 57, "krea": 77, "k": 4.3}),
    Told(357, "private-lab", "diabetes", DIABETES,
         {"hba1c": 53, "krea": 79, "k": 4.2, "na": 141, "kol": 4.9, "hdl": 1.2, "ldl": 2.9, "tg": 2.1, "uakr": 1.6}),
    Told(312, "biochemistry", "admission", "Innlagt med feber og tungpust",
         {"hb": 12.1, "leu": 14.6, "neu": 12.3, "crp": 168, "krea": 98, "k": 3.4, "na": 134, "alb": 33, "glu": 12.8},
         hospital=True),
    Told(309, "biochemistry", "admission", "Pneumoni, forløp",
         {"hb": 11.6, "leu": 9.8, "neu": 7.4, "crp": 74, "krea": 88, "k": 3.8, "na": 138, "alb": 34, "glu": 9.4},
         hospital=True),
    Told(290, "private-lab", "infection", "Kontroll etter pneumoni", {"crp": 4, "hb": 12.4, "leu": 6.4, "neu": 3.9}),
    Told(266, "private-lab", "hba1c", "Type 2-diabetes, kontroll", {"hba1c": 55, "krea": 82, "k": 4.4}),
    Told(92, "private-lab", "tired", "Slapphet",
         {"hb": 12.6, "fer": 41, "tsh": 4.62, "ft4": 12.1, "b12": 212, "crp": 2}),
    Told(88, "biochemistry", "kidney", "Diabetespoliklinikk",
         {"krea": 86, "k": 4.5, "na": 140, "ca": 2.31, "alb": 42, "hb": 12.8, "uakr": 3.4}, hospital=True),
    Told(38, "private-lab", "thyroid-first", "TSH forhøyet, kontroll", {"tsh": 5.12, "ft4": 11.4, "tpo": 212}),
    Told(24, "private-lab", "diabetes", DIABETES,
         {"hba1c": 51, "krea": 87, "k": 4.4, "na": 141, "kol": 4.4, "hdl": 1.2, "ldl": 2.3, "tg": 1.9, "uakr": 3.9}),
    Told(12, "private-lab", "thyroid", "Startet tyroksin, kontroll", {"tsh": 4.38, "ft4": 12.9}),
    Told(9, "private-lab", "infection", "Sår hals", {"crp": 1, "hb": 12.9, "leu": 5.9, "neu": 3.2}),
)  # fmt: skip
"""Hb comes in g/dL from the private laboratory and in g/L from the hospital; eGFR sinks slowly; CRP is "<5" when she
is well; TSH is taken again twelve days ago, within its interval, so that a new order meets "already done"."""

WITHHELD_DAYS: Final = 14


def reports(chart: Chart, part: Part) -> Iterator[Report]:
    """Everything that has happened to the person who plays `part`; the twin and the newborn show an empty record."""
    tell = STORIES.get(part)
    if tell:
        yield from tell(chart)


def _citizen(chart: Chart) -> Iterator[Report]:
    for told in CITIZEN:
        yield _told(chart, told)
    haemolysed = _told(
        chart,
        Told(178, "private-lab", "hba1c", "Type 2-diabetes, kontroll", {"hba1c": 54, "krea": 84, "k": 6.1}),
    )
    yield haemolysed
    yield corrected(
        chart, haemolysed, POTASSIUM, "4.4", timedelta(hours=21), "Prøven var hemolysert; ny prøve er analysert."
    )
    yield imaging(
        chart, chart.order(312, "radiology", "Feber, hoste, knatrelyder høyre side", hospital=True), CHEST_INFILTRATE
    )
    yield imaging(chart, chart.order(262, "radiology", "Kontroll etter pneumoni", hospital=True), CT_CHEST)
    yield from histology(
        chart,
        chart.order(128, "pathology", "Polypp fjernet ved koloskopi", hospital=True),
        COLON_ADENOMA,
        preliminary=True,
    )
    yield urine_strip(chart, chart.order(47, "private-lab", "Svie ved vannlating"), (3, 1, 1, 2, 1))
    yield from culture(chart, chart.order(47, "microbiology", "Svie ved vannlating"), COLI)
    opens = chart.today + timedelta(days=WITHHELD_DAYS)
    delayed = chart.order(7, "pathology", "Knute i tinningen, fjernet", withhold_until=opens)
    yield from histology(chart, delayed, BASAL_CELL)


def _told(chart: Chart, told: Told) -> Report:
    order = chart.order(told.days_ago, told.laboratory, told.reason, hospital=told.hospital)
    return blood(chart, order, told.panel, given=told.given)


def _pregnant(chart: Chart) -> Iterator[Report]:
    yield _told(
        chart,
        Told(148, "private-lab", "iron", "Svangerskap, første kontroll", {"hb": 12.7, "fer": 38, "mcv": 88, "mch": 30}),
    )
    yield _told(
        chart, Told(148, "private-lab", "hba1c", "Svangerskap, første kontroll", {"hba1c": 31, "krea": 52, "k": 3.9})
    )
    first = chart.order(148, "microbiology", "Svangerskap, første kontroll")
    infections = ("HIV-antistoff/antigen", "Hepatitt B-virus overflateantigen", "Treponema pallidum-antistoff")
    answers = tuple((Code(name.split()[0].upper(), name, LOCAL), "Ikke påvist") for name in infections)
    yield found(chart, first, "MBIO", BLOOD, (*answers, (Code("NPU12412", "P-Rubellavirus IgG"), "Påvist")))
    types = ((Code("NPU58582", "B-ABO-type"), "A"), (Code("NPU21917", "B-RhD-type"), "Negativ"))
    yield found(chart, chart.order(148, "biochemistry", "Svangerskap, blodtyping"), "CLIN", BLOOD, types)
    yield from culture(chart, chart.order(148, "microbiology", "Svangerskap, urindyrkning"), None)
    yield _told(
        chart, Told(44, "private-lab", "iron", "Svangerskap uke 28", {"hb": 10.9, "fer": 9, "mcv": 81, "mch": 26})
    )
    yield urine_strip(chart, chart.order(10, "private-lab", "Svangerskapskontroll"), (0, 0, 1, 0, 0))


def _new_mother(chart: Chart) -> Iterator[Report]:
    """Her own blood count after birth, and the child's first sample, which is filed on her."""
    yield _told(
        chart,
        Told(20, "biochemistry", "iron", "Etter fødsel", {"hb": 9.8, "fer": 12, "mcv": 84, "mch": 28}, hospital=True),
    )
    population = chart.directory.population
    born = population.by_key[population.cast["newborn"]]
    order = chart.order((chart.today - born.birth_date).days - 1, "biochemistry", "Nyfødt, gulsott", hospital=True)
    sample = Sample(f"{order.report_id}-1", Code("P", "Plasma", MATERIAL), order.collected)
    items = (
        Item(
            "1", (Code("NPU01370", "P-Bilirubin"),), result=Number("187", "umol/L"), reference="< 250", sample=sample.id
        ),
        Item("2", (Code("NPU19748", "P-CRP"),), result=Number("5", "mg/L", "LT"), reference="< 5", sample=sample.id),
    )
    on = order.collected.date()
    mother = chart.patient(on, (), ())
    child = Patient(
        name=f"{born.family}, nyfødt",
        number=mother.number,
        sex=born.sex,
        born=born.birth_date,
        relation=NEWBORN_RELATION,
        samples=(sample,),
        items=items,
    )
    report = chart.report(order, "CLIN", replace(mother, second=child), order.received + timedelta(hours=2))
    yield replace(report, comment="Prøve av nyfødt barn, sendt på mors fødselsnummer.")


def _child(chart: Chart) -> Iterator[Report]:
    yield _told(chart, Told(210, "private-lab", "child", "Feber og sår hals", {"crp": 41, "hb": 12.4}))
    streptococci = ((Code("STREPA", "Streptokokker gruppe A, hurtigtest", LOCAL), "Påvist"),)
    yield found(chart, chart.order(210, "microbiology", "Sår hals"), "MBIO", THROAT, streptococci, hours=1)
    yield _told(
        chart, Told(60, "private-lab", "iron", "Slapp, lite matlyst", {"hb": 11.2, "fer": 14, "mcv": 80, "mch": 26})
    )


def _youth(chart: Chart) -> Iterator[Report]:
    yield _told(chart, Told(95, "private-lab", "tired", "Slapphet", {"hb": 11.4, "fer": 8, "tsh": 1.9, "dvit": 34}))
    streptococci = ((Code("STREPA", "Streptokokker gruppe A, hurtigtest", LOCAL), "Ikke påvist"),)
    yield found(chart, chart.order(30, "microbiology", "Sår hals"), "MBIO", THROAT, streptococci)


def _parent(chart: Chart) -> Iterator[Report]:
    yield _told(chart, Told(260, "private-lab", "general", "Helsekontroll", {"crp": 2}))
    yield from histology(chart, chart.order(150, "pathology", "Føflekk fjernet"), NAEVUS)


def _protected(chart: Chart) -> Iterator[Report]:
    yield _told(chart, Told(45, "biochemistry", "admission", "Skade, innlagt", {"hb": 11.9, "crp": 12}, hospital=True))


def _opted_out(chart: Chart) -> Iterator[Report]:
    yield _told(chart, Told(180, "private-lab", "general", "Helsekontroll", {"hba1c": 39}))


def _restricted(chart: Chart) -> Iterator[Report]:
    for days_ago, level in ((300, 0.52), (210, 0.61), (120, 0.94), (30, 0.68)):
        yield _told(chart, Told(days_ago, "private-lab", "lithium", "Litiumbehandling", {"li": level}))


def _renumbered(chart: Chart) -> Iterator[Report]:
    """One answer under the D-number, one under the fødselsnummer that followed."""
    yield _told(chart, Told(320, "private-lab", "general", "Helseundersøkelse", {"hb": 15.1, "crp": 3}))
    yield _told(chart, Told(70, "private-lab", "general", "Kontroll", {"hb": 14.8, "crp": 3}))


def _ward(chart: Chart) -> Iterator[Report]:
    for days_ago, level in ((200, 118), (80, 131), (20, 127)):
        yield _told(chart, Told(days_ago, "private-lab", "general", "Nyresvikt, kontroll", {"krea": level, "k": 4.6}))


STORIES: Final[Mapping[Part, Callable[[Chart], Iterator[Report]]]] = {
    "citizen": _citizen,
    "pregnant": _pregnant,
    "new-mother": _new_mother,
    "child": _child,
    "youth": _youth,
    "parent": _parent,
    "protected": _protected,
    "opted-out": _opted_out,
    "restricted": _restricted,
    "renumbered": _renumbered,
    "ward": _ward,
}
