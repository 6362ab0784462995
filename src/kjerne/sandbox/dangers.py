"""Critical information of the synthetic people, registered by their general practitioners and sent by these' own systems.

What the cast has is told; everybody else's is drawn, each by a seed of its own. The substances are the sandbox's own
(`sandbox.substances`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from kjerne.access import Caller
from kjerne.app import House
from kjerne.exchange import NotFiled
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry
from kjerne.policy.door import Door
from kjerne.registries.code_files.fest import SUBSTANCES
from kjerne.registries.identifiers import OID_PERSON
from kjerne.registries.kj_profiles import SNOMED
from kjerne.registries.recorders import DATES, RECORDERS
from kjerne.sandbox import substances
from kjerne.sandbox.people import Part, Person, Population, Practitioner
from kjerne.sandbox.seeding import Made, Progress
from kjerne.services.critical.drafts import REACTIONS, SOURCES, Draft, made
from kjerne.services.critical.entries import Coded
from kjerne.services.critical.sent import Item
from kjerne.services.critical.transfer import SCOPE
from kjerne.transferring import transfers

SYSTEM: Final = "fastlegens-journal"
"""What the journal's system calls itself."""
IDS: Final = "http://kjerne.example/fhir/sandbox/journal"
NEWEST_DAYS, OLDEST_DAYS = 20, 1_800
"""How long ago something was registered."""
_TESTED, _SEEN = Coded(SOURCES, "1", "Resultat av test"), Coded(SOURCES, "2", "Observert")
_ANAPHYLAXIS: Final = Coded(REACTIONS, "1", "Anafylaktisk reaksjon")
Tree = dict[str, Any]


def _to(one: substances.Substance, *, confirmed: bool = False, note: str = "", of_excipient: bool = False) -> Draft:
    about = Coded(SUBSTANCES, one.id, one.name)
    return Draft("drug-reaction", about, "high", confirmed, _ANAPHYLAXIS, _SEEN, note=note, of_excipient=of_excipient)


def _other(code: str, name: str, category: str, *, confirmed: bool) -> Draft:
    return Draft("other-allergen", Coded(SNOMED, code, name), "high", confirmed, _ANAPHYLAXIS, _TESTED, category)


_PACEMAKER: Final = Draft("implant", Coded(SNOMED, "14106009", "Pacemaker"))
_PEANUT: Final = _other("256349002", "Peanøtt", "food", confirmed=True)
_LATEX: Final = _other("111088007", "Lateks", "environment", confirmed=False)
_DIALYSIS: Final = Draft("dialysis", Coded(SNOMED, "265764009", "Dialyse"))
_IMMUNE: Final = Draft("critical-condition", Coded(SNOMED, "234532001", "Immunsvikt"), confirmed=True)
TOLD: Final[Mapping[Part, tuple[Draft, ...]]] = {
    "citizen": (
        _to(substances.AMOXICILLIN, confirmed=True, note="Utslett og pustevansker etter første dose."),
        _LATEX,
    ),
    "youth": (_PEANUT,),
    "pregnant": (_to(substances.IBUPROFEN),),
    "protected": (_IMMUNE,),
    "ward": (_PACEMAKER, _to(substances.ASPIRIN)),
}


class Chance(NamedTuple):
    """How many of those between two ages have something."""

    draft: Draft
    share: float
    from_age: int
    to_age: int = 200


DRAWN: Final = (
    Chance(_to(substances.AMOXICILLIN, confirmed=True), 0.05, 2),
    Chance(_to(substances.CEFALEXIN), 0.01, 2),
    Chance(_to(substances.IBUPROFEN), 0.02, 12),
    Chance(_to(substances.ASPIRIN, confirmed=True), 0.02, 30),
    Chance(_to(substances.LACTOSE, of_excipient=True), 0.005, 10),
    Chance(_PEANUT, 0.02, 1, 40),
    Chance(_LATEX, 0.01, 15),
    Chance(_PACEMAKER, 0.06, 72),
    Chance(_IMMUNE, 0.005, 5),
    Chance(_DIALYSIS, 0.005, 55),
)


class Danger(NamedTuple):
    """What somebody has, and by whom and when it was registered."""

    person: Person
    draft: Draft
    by: Practitioner
    day: date

    @property
    def id(self) -> str:
        """The journal's own id of the record."""
        return str(uuid5(NAMESPACE_OID, f"{self.person.key}:{self.draft.kind}:{self.draft.about.code}"))

    @property
    def tree(self) -> Tree:
        """The record as the journal has it."""
        name = self.draft.type
        tree = made(self.draft)
        writer = {
            "resourceType": "PractitionerRole",
            "id": "writer",
            "practitioner": {"identifier": {"system": f"{OID_PERSON}4", "value": self.by.hpr}, "display": self.by.name},
            "organization": {"identifier": {"system": f"{OID_PERSON}101", "value": self.by.organisation}},
        }
        tree["contained"] = [*tree.get("contained", ()), writer]
        tree[RECORDERS[name]] = {"reference": "#writer", "display": self.by.name}
        if name in DATES:
            tree[DATES[name]] = self.day.isoformat()
        number = self.person.number_on(self.day)
        subject = {"system": f"{OID_PERSON}{'2' if number.kind == 'DNR' else '1'}", "value": number.value}
        tree["patient" if name == "AllergyIntolerance" else "subject"] = {"identifier": subject}
        identifier = {"system": IDS, "value": self.id}
        return tree | {"identifier": [identifier]}


def dangers(population: Population, seed: int, today: date) -> Iterator[Danger]:
    """Everybody's, the same every time."""
    told = {key: TOLD.get(part, ()) for part, key in population.cast.items()}
    staff = {one.hpr: one for one in population.practitioners}
    for person in population.people[: population.residents]:
        random = Random(f"{seed}:dangers:{person.key}")
        if person.death_date is not None and person.death_date <= today:
            continue
        doctor = _doctor(population, staff, person, today)
        if doctor is None:
            continue
        drawn = tuple(one.draft for one in DRAWN if _strikes(random, one, person.age(today)))
        for draft in told.get(person.key, drawn):
            days = random.randrange(NEWEST_DAYS, OLDEST_DAYS)
            day = max(today - timedelta(days=days), person.birth_date + timedelta(days=1), doctor.valid_from)
            yield Danger(person, draft, doctor, min(day, today - timedelta(days=1)))


def _strikes(random: Random, chance: Chance, age: int) -> bool:
    """Drawn for everybody, so that one danger does not change the draws of the next."""
    drawn = random.random() < chance.share
    return drawn and chance.from_age <= age < chance.to_age


def _doctor(
    population: Population, staff: Mapping[str, Practitioner], person: Person, today: date
) -> Practitioner | None:
    """Whose list the person is on."""
    ties = (one for one in population.ties.get(person.key, ()) if one.kind == "practice-list")
    return next((staff.get(one.hpr) for one in ties if one.until is None or today < one.until), None)


async def seed(house: House, known: Made, progress: Progress) -> None:
    """Files all of it, as the doctors' systems would. What is in already changes nothing."""
    population, now = known.population(), house.clock.now()
    every = list(dangers(population, known.seed, known.day))
    taking = transfers(house.store, house.reader, house.identify, house.guides, house.registered)
    door = Door(house.store, house.clock)
    for number, one in enumerate(every, 1):
        caller = Caller("system", SYSTEM, frozenset({SCOPE}), organisation=one.by.organisation, level=4)
        item = Item(
            Entry(0, "PUT", one.draft.type, "", "", one.tree, encode(one.tree)), one.draft.type, IDS, one.id, None
        )
        patient = house.identify(one.person.nin)
        try:
            await taking.file(
                door.admit(caller, "seeding"), caller.organisation, patient, [item], SYSTEM, "pushed", now
            )
        except NotFiled:
            continue  # she has opted out, as somebody of the cast has
        progress(number, len(every), "critical information")
