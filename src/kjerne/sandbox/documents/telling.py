"""Which documents somebody has: told from her own chart, so that a letter says what her results say.

A stay in hospital gives a discharge letter, an image its answer, a referral before it and sometimes the picture, a sample at the
general practitioner's a note. The municipality has plans for those who are old, and what a health centre writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import cycle
from random import Random
from typing import Final

from kjerne.sandbox.chart import Chart
from kjerne.sandbox.documents import cda, kith, paper, pictures, plain, sheets, wording
from kjerne.sandbox.documents.paper import Letter, Paper, Part, Setting, day
from kjerne.sandbox.documents.wording import Stay, Visit
from kjerne.sandbox.people import Person, Practitioner
from kjerne.sandbox.sources.places import Keeper
from kjerne.svarrapport import IMAGING, Item, Number, Report, Unit, write

NOTES: Final = 4
"""The newest contacts with the general practitioner that have a note."""
CORRECTED_SHARE: Final = 0.25
GROWN: Final = 18
OLD: Final = 75
CHILD: Final = 12
WORKS_UNTIL: Final = 67
_DISCHARGE: Final = (paper.EPIKRISE, paper.CDA_3, paper.PDF)
_NOTE: Final = (paper.TEXT, paper.RTF, paper.CDA_1, paper.PDF)


class Told:
    """One person's documents while they are made: a random source and what she is of her own."""

    def __init__(self, chart: Chart, reports: list[Report], seed: int, part: str) -> None:
        self.chart = chart
        self.person: Person = chart.person
        self.part = part
        self.random = Random(f"{seed}:papers:{self.person.key}")
        self.units = chart.directory.population.units
        self.staff = chart.directory.population.staff
        newest = {one.id: one for one in reports}
        self.reports = [one for one in newest.values() if one.kind != "C"]
        first = self.person.key
        self._discharge = cycle(_DISCHARGE[(first + n) % len(_DISCHARGE)] for n in range(len(_DISCHARGE)))
        self._note = cycle(_NOTE[(first + n) % len(_NOTE)] for n in range(len(_NOTE)))

    def papers(self) -> Iterator[Paper]:
        """All of them, an earlier version before the one that replaces it; nothing is dated today or later."""
        made = (*self._hospital(), *self._answers(), *self._office(), *self._municipality())
        today = self.chart.today
        kept = [one for one in made if self.person.birth_date <= one.letter.begun and one.letter.written.date() < today]
        yield from sorted(kept, key=lambda one: (one.letter.written, one.name))

    def _hospital(self) -> Iterator[Paper]:
        for report in self.reports:
            stay = wording.STAYS.get(report.request.reason)
            if stay is not None and report.requester.department and report.discipline not in IMAGING:
                yield from self._stay(report, stay)

    def _stay(self, report: Report, stay: Stay) -> Iterator[Paper]:
        begun = report.request.ordered
        ended = begun + timedelta(days=stay.days)
        polyp = report.discipline == "HIST"
        setting = paper.ENDOSCOPY if polyp else paper.WARD if stay.days else paper.OUTPATIENTS
        if self.part == "new-mother":
            setting = paper.MATERNITY
        parts = (
            Part("Årsak til innleggelsen" if stay.days else "Bakgrunn", stay.why), Part("Funn ved innkomst", stay.found),
            Part("Forløp og behandling", stay.course), *(() if polyp else (_results(report),)),
            *((Part("Legemidler ved utskrivning", "", (("Legemiddel", "Dosering"), *stay.medicines)),) if stay.medicines else ()),
            Part("Videre oppfølging", stay.plan),
        )  # fmt: skip
        type_code, name = ("A03-2", "Epikrise") if stay.days else ("A13-2", "Poliklinisk epikrise")
        title = f"{name}, {self._department().lower()}"
        letter = self._letter(title, ended, time(14, 20), "hospital-doctor", setting, parts, begun=begun)
        letter = replace(letter, diagnoses=(stay.code,), to=self._at(self.chart.gp))
        form, marks = next(self._discharge), ("V",) if self.part == "protected" else ("N",)
        own = f"epikrise-{begun}"
        yield self._filed("hospital", own, type_code, form, letter, marks, report.patient.items)
        again = wording.POLYP_ANSWERED if polyp else wording.CORRECTED
        if polyp or self.random.random() < CORRECTED_SHARE:
            answered = datetime.combine(report.made_at.date() + timedelta(days=1), time(9, 25))
            later = replace(
                letter, written=answered if polyp else letter.written + timedelta(days=2, minutes=13),
                parts=(*parts, Part("Rettelse" if not polyp else "Histologisk svar", again)),
            )  # fmt: skip
            yield self._filed("hospital", f"{own}-2", type_code, form, later, marks, report.patient.items, replaces=own)
        if stay.days > 1:
            nursed = (Part("Sykepleiesammenfatning", wording.NURSED),)
            told = self._letter("Sykepleiesammenfatning", ended, time(11, 5), "nurse", setting, nursed, begun=begun)
            yield self._filed("hospital", f"sykepleie-{begun}", "A04-2", paper.RTF, told, marks)

    def _answers(self) -> Iterator[Paper]:
        """Answers of radiology and pathology as they were sent, the referral before each, and pictures."""
        for report in self.reports:
            on, imaged = report.request.ordered, report.discipline in IMAGING
            if not imaged and report.discipline != "HIST":
                continue
            doctor, setting = ("radiologist", paper.IMAGING) if imaged else ("pathologist", paper.PATHOLOGY)
            what = _examined(report)
            title = f"Svar på {what}" if imaged else "Svar på histologisk undersøkelse"
            letter = self._letter(title, report.made_at.date(), report.made_at.time(), doctor, setting, begun=on)
            withheld = report.request.withhold_until is not None
            marks = ("N", "NORU") if withheld else ("N",)
            type_code = "E01-2" if imaged else "C04-2"
            yield Paper("hospital", f"svar-{report.id}", type_code, paper.SVARRAPPORT, letter, write(report), marks)
            if not report.requester.department:
                yield self._referral(report, what, doctor)
            if report.discipline == "RTG" and "thorax" in what.lower():
                seen = self._letter(f"Bilde: {what}", on, time(12, 40), doctor, setting)
                shadow = "infiltrat" in str(report.patient.items).lower()
                content = pictures.chest(self.random, shadow=shadow)
                yield Paper("hospital", f"bilde-{report.id}", "E02-2", paper.JPEG, seen, content)
            if not imaged and not report.requester.department:
                seen = self._letter("Foto av hudforandring", on, time(10, 2), "", paper.OFFICE)
                yield Paper("offices", f"foto-{report.id}", "E02-2", paper.JPEG, seen, pictures.skin(self.random))

    def _referral(self, report: Report, what: str, doctor: str) -> Paper:
        parts = (
            Part("Aktuell problemstilling", report.request.reason or "Utredning"),
            Part("Ønsket undersøkelse", what),
            Part("Tidligere sykdommer", "Se kjernejournal og tidligere epikriser."),
            Part("Legemidler i bruk", "Gjennomgått ved henvisning, se legemiddelliste."),
        )
        title = f"Henvisning til {what}" if report.discipline in IMAGING else "Henvisning til patologisk undersøkelse"
        letter = self._letter(title, report.request.ordered, time(9, 12), "", paper.OFFICE, parts)
        letter = replace(letter, to=self.chart.directory.unit(self.staff[doctor].point_of_care))
        content = kith.henvisning(letter)
        return Paper("offices", f"henvisning-{report.id}", "I01-2", paper.HENVISNING, letter, content)

    def _office(self) -> Iterator[Paper]:
        contacts = dict[date, tuple[Report, Visit]]()
        for report in self.reports:
            visit = wording.VISITS.get(report.request.reason)
            if visit is not None and not report.requester.department and report.discipline in ("CLIN", "MBIO"):
                contacts.setdefault(report.request.ordered, (report, visit))
        for on in sorted(contacts)[-NOTES:]:
            report, visit = contacts[on]
            # Lithium tells of an illness of the mind, which the office marks as more confidential.
            marks = ("R",) if visit is wording.LITHIUM else ("N",)
            yield self._noted(f"notat-{on}", on, visit, marks, report)
        if self.part == "citizen":
            yield self._noted("samtale", self.chart.today - timedelta(days=201), wording.TALKED, ("N", "NORS"))
        if self.part == "youth":
            yield self._noted("samtale", self.chart.today - timedelta(days=41), wording.CONFIDED, ("N", "NORN_FORANS"))
        yield from self._sick_note()

    def _noted(self, name: str, on: date, visit: Visit, marks: tuple[str, ...], report: Report | None = None) -> Paper:
        parts = (
            Part("Anamnese", visit.why), Part("Funn", visit.found.format(vitals=self._vitals(on)).strip()),
            Part("Vurdering", visit.judged), *((_results(report),) if report and _measured(report) else ()),
            Part("Tiltak", visit.plan),
        )  # fmt: skip
        kept = tuple(one for one in parts if one.text or one.rows)
        letter = self._letter(f"Journalnotat, {day(on)}", on, time(13, 45), "", paper.OFFICE, kept)
        return self._filed("offices", name, "B02-2", next(self._note), replace(letter, diagnoses=(visit.code,)), marks)

    def _sick_note(self) -> Iterator[Paper]:
        """After a stay in hospital, for who is of an age to work: a form on paper, scanned."""
        stays = [one for one in self.reports if (stay := wording.STAYS.get(one.request.reason)) and stay.works_not]
        if not stays or not GROWN <= self.person.age(self.chart.today) < WORKS_UNTIL:
            return
        on = stays[-1].request.ordered + timedelta(days=7)
        parts = wording.SICK_NOTE
        letter = self._letter("Sykmelding", on, time(9, 30), "", paper.OFFICE, parts)
        letter = replace(letter, diagnoses=(wording.STAYS[stays[-1].request.reason].code,))
        yield self._filed("offices", f"sykmelding-{on}", "J01-2", paper.TIFF, letter, ("N",))

    def _municipality(self) -> Iterator[Paper]:
        today, age = self.chart.today, self.person.age(self.chart.today)
        if self.person.death_date is not None:
            return
        if age >= OLD:
            on = today - timedelta(days=self.random.randrange(30, 90))
            parts = wording.AT_HOME
            letter = self._letter("Tverrfaglig behandlingsplan", on, time(12, 0), "municipality", paper.AT_HOME, parts)
            yield self._filed("municipality", "plan", "B01-2", paper.CDA_1, letter, ("N",))
            seen = (Part("Tilsyn", wording.VISITED),)
            on = today - timedelta(days=self.random.randrange(2, 20))
            letter = self._letter("Notat, hjemmesykepleien", on, time(20, 15), "municipality", paper.AT_HOME, seen)
            yield self._filed("municipality", "tilsyn", "B02-2", paper.TEXT, letter, ("N",))
        elif age < CHILD:
            yield from self._grown(today)
        if self.part == "pregnant":
            told = (*wording.ANTENATAL, self._antenatal(today))
            on = today - timedelta(days=10)
            letter = self._letter("Helsekort for gravide", on, time(10, 30), "midwife", paper.HEALTH_CENTRE, told)
            yield self._filed("municipality", "helsekort", "F04-2", paper.TIFF, letter, ("N",))
        if self.part in ("new-mother", "newborn"):
            on = today - timedelta(days=12)
            seen = (Part("Hjemmebesøk etter fødsel", wording.POSTNATAL),)
            letter = self._letter("Hjemmebesøk, barselomsorg", on, time(11, 15), "midwife", paper.HEALTH_CENTRE, seen)
            yield self._filed("municipality", "barsel", "B02-2", paper.PDF, letter, ("N",))

    def _grown(self, today: date) -> Iterator[Paper]:
        """The curve of a child who has been at the health centre at least twice."""
        on = today - timedelta(days=self.random.randrange(3, 60))
        born, boy = self.person.birth_date, self.person.sex == "male"
        age = (on - born).days / 365.25
        share = 1 + self.random.uniform(-0.04, 0.04)
        ages = [one for one in (0.0, 0.12, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0, 6.0, 8.0, 10.0) if one < age] + [
            max(age, 0.0)
        ]
        if len(ages) < 3:
            return
        points = [(one, pictures.height_at(one, boy=boy) * share + self.random.uniform(-0.6, 0.6)) for one in ages]
        letter = self._letter("Vekstkurve", on, time(10, 10), "health-centre", paper.HEALTH_CENTRE)
        content = pictures.curve(points, boy=boy)
        yield Paper("municipality", "kurve", "F01-2", paper.PNG, letter, content)

    def _antenatal(self, today: date) -> Part:
        rows = [("Dato", "Uke", "Vekt", "BT", "SF-mål")]
        for ago, week, weight, pressure, fundus in (
            (148, 12, "64,2", "112/70", "–"), (86, 21, "67,9", "114/68", "20"), (44, 28, "70,8", "116/72", "27"),
            (10, 32, "72,4", "118/74", "31"),
        ):  # fmt: skip
            rows.append((day(today - timedelta(days=ago)), str(week), f"{weight} kg", pressure, fundus))
        return Part("Kontroller", "", tuple(rows))

    def _letter(
        self, title: str, on: date, at: time, who: str, setting: Setting, parts: tuple[Part, ...] = (), *,
        begun: date | None = None,
    ) -> Letter:  # fmt: skip
        """A letter by a member of staff, by a unit of the municipality, or by her own general practitioner (empty)."""
        author = self.staff.get(who) if who else self.chart.gp
        number = author.point_of_care if author else self.units[who].number
        unit = self.chart.directory.unit(number)
        written = datetime.combine(on, at) + timedelta(minutes=self.random.randrange(0, 50))
        return Letter(
            title, self.person, self.person.number_on(begun or on), written, begun or on, on, author, unit, setting, parts
        )  # fmt: skip

    def _filed(
        self, keeper: Keeper, name: str, type_code: str, form: paper.Form, letter: Letter, marks: tuple[str, ...],
        items: tuple[Item, ...] = (), replaces: str = "",
    ) -> Paper:  # fmt: skip
        if form is paper.CDA_1:
            content = cda.level_1(letter, type_code, marks[0], sheets.pdf(letter))
        elif form is paper.CDA_3:
            content = cda.level_3(letter, type_code, marks[0], items)
        elif form is paper.TIFF:
            content = sheets.scanned(letter, self.random)
        else:
            written = {
                paper.PDF: sheets.pdf, paper.TEXT: plain.text, paper.RTF: plain.rtf, paper.EPIKRISE: kith.epikrise,
            }  # fmt: skip
            content = written[form](letter)
        return Paper(keeper, name, type_code, form, letter, content, marks, replaces)

    def _at(self, doctor: Practitioner) -> Unit:
        return self.chart.directory.unit(doctor.point_of_care)

    def _department(self) -> str:
        return self._at(self.staff["hospital-doctor"]).department

    def _vitals(self, on: date) -> str:
        if self.person.age(on) < GROWN:
            return "God allmenntilstand."
        above, below = self.random.randrange(112, 146), self.random.randrange(66, 88)
        return f"BT {above}/{below}, puls {self.random.randrange(58, 84)} regelmessig."


def _measured(report: Report) -> list[tuple[Item, Number]]:
    return [(one, one.result) for one in report.patient.items if isinstance(one.result, Number)]


def _results(report: Report) -> Part:
    """The numbers of a report as a table."""
    rows = [(item.codes[0].name, _said(value), item.reference) for item, value in _measured(report)]
    return Part("Prøvesvar", "", (("Analyse", "Svar", "Referanseområde"), *rows))


def _said(value: Number) -> str:
    """A number as it is read, without the unit of what has none (1 in UCUM)."""
    sign, unit = {"LT": "< ", "GT": "> ", "": ""}[value.comparator], "" if value.unit == "1" else f" {value.unit}"
    return f"{sign}{value.value.replace('.', ',')}{unit}"


def _examined(report: Report) -> str:
    """What was examined: the name of the examination, or the tissue."""
    codes = report.patient.items[0].codes
    return codes[0].name if codes else "undersøkelse"
