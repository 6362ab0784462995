"""One synthetic patient's chart: where reports get their ids, times, requester and laboratory from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final

from kjerne.sandbox.people import Organisation, Person, Population, Practitioner
from kjerne.svarrapport import (
    Home,
    Item,
    Patient,
    Report,
    Request,
    Sample,
    ServiceKind,
    Staff,
    Status,
    Unit,
    Version,
)

ANSWERS: Final = {
    "private-lab": "scientist", "biochemistry": "biochemist", "microbiology": "microbiologist",
    "pathology": "pathologist", "radiology": "radiologist",
}  # fmt: skip
PREFIX: Final = {"private-lab": "L", "biochemistry": "B", "microbiology": "M", "pathology": "H", "radiology": "R"}
FRIDAY: Final = 4
OLD_FORMAT_DAYS: Final = 300
"""The private laboratory changed from Svarrapport 1.3 and the old code system to 1.4 so many days ago."""


class Directory:
    """The population's registers by number, made once for all charts."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.practitioner: Mapping[str, Practitioner] = {one.hpr: one for one in population.practitioners}
        self.organisation: Mapping[str, Organisation] = {one.number: one for one in population.organisations}

    def unit(self, number: str) -> Unit:
        """The unit as it names itself in a message: main unit, with the department where it is one."""
        found = self.organisation[number]
        if not found.parent:
            return Unit(found.name, found.number, found.her)
        main = self.organisation[found.parent]
        return Unit(main.name, main.number, main.her, found.name.rpartition(", ")[2], found.her, found.resh)


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered by whom from which laboratory; one order gives one report in one or more versions."""

    laboratory: str
    requester: Practitioner
    unit: Unit
    reason: str
    report_id: str
    request_id: str
    collected: datetime
    withhold_until: date | None = None

    @property
    def received(self) -> datetime:
        return self.collected + timedelta(hours=4, minutes=10)


class Chart:
    """State while one person's reports are made: a random source and counters of its own."""

    def __init__(self, directory: Directory, person: Person, seed: int, today: date) -> None:
        self.directory = directory
        self.person = person
        self.today = today
        self.random = Random(f"{seed}:life:{person.key}")
        self.gp = self._gp()
        self.made = 0
        self._tendencies: dict[str, float] = {}

    def _gp(self) -> Practitioner:
        lists = [tie for tie in self.directory.population.ties[self.person.key] if tie.kind == "practice-list"]
        return self.directory.practitioner[lists[-1].hpr]

    def tendency(self, analysis: str) -> float:
        """Where this person lies among healthy people, in standard deviations: the same every time."""
        found = self._tendencies.get(analysis)
        if found is None:
            found = self._tendencies[analysis] = max(-1.6, min(1.6, self.random.gauss(0.0, 0.8)))
        return found

    def message_id(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def order(
        self, days_ago: int, laboratory: str, reason: str, *, hospital: bool = False, withhold_until: date | None = None
    ) -> Order:
        """An order whose sample was taken so many days before today, in working hours; only hospitals work weekends."""
        self.made += 1
        staff = self.directory.population.staff["hospital-doctor"] if hospital else self.gp
        day = self.today - timedelta(days=days_ago)
        if not hospital and day.weekday() > FRIDAY:
            day -= timedelta(days=day.weekday() - FRIDAY)
        taken = datetime.combine(day, time(7, 40))
        return Order(
            laboratory=laboratory,
            requester=staff,
            unit=self.directory.unit(staff.point_of_care),
            reason=reason,
            report_id=f"{PREFIX[laboratory]}{taken:%y}{self.person.key:08d}{self.made:03d}",
            request_id=f"{self.random.getrandbits(40):011d}",
            collected=taken + timedelta(minutes=self.random.randrange(0, 400)),
            withhold_until=withhold_until,
        )

    def version(self, order: Order) -> Version:
        old = order.laboratory == "private-lab" and (self.today - order.collected.date()).days >= OLD_FORMAT_DAYS
        return "1.3" if old or order.laboratory == "radiology" else "1.4"

    def patient(self, on: date, samples: tuple[Sample, ...], items: tuple[Item, ...]) -> Patient:
        """The person as printed on the requisition: the number of that day, no address where it is protected."""
        one = self.person
        number = one.number_on(on)
        home = Home(one.address.street, one.address.postal_code, one.address.city)
        return Patient(
            name=f"{one.family}, {one.given}",
            number=number.value,
            number_kind=number.kind,
            sex=one.sex,
            born=one.birth_date,
            home=home if one.protection == "ugradert" else None,
            samples=samples,
            items=items,
        )

    def report(
        self, order: Order, discipline: str, patient: Patient, made_at: datetime, *,
        kind: ServiceKind = "N", status: Status = "F", comment: str = "", issued: datetime | None = None,
    ) -> Report:  # fmt: skip
        """A version of the order's report. `issued` is the first version's time and stays through all versions."""
        population = self.directory.population
        answers = population.staff[ANSWERS[order.laboratory]]
        return Report(
            message_id=self.message_id(),
            made_at=made_at,
            id=order.report_id,
            issued=issued or made_at,
            discipline=discipline,
            patient=patient,
            request=Request(
                order.request_id, order.collected.date(), f"{order.report_id}Q", order.reason, order.received,
                order.withhold_until,
            ),
            laboratory=self.directory.unit(population.units[order.laboratory].number),
            requester=order.unit,
            ordered_by=Staff(order.requester.name, order.requester.hpr, order.requester.authorizations[0]),
            answered_by=Staff(answers.name, answers.hpr, answers.authorizations[0]),
            kind=kind,
            status=status,
            version=self.version(order),
            comment=comment,
        )  # fmt: skip
