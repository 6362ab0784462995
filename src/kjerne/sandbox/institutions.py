"""The synthetic health service: invented organisations and their personnel.

No name here belongs to a real unit as far as we know; numbers are from `sandbox.numbers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Final, NamedTuple

from kjerne.sandbox.household import address, person
from kjerne.sandbox.names import FAMILY_NAMES
from kjerne.sandbox.numbers import organisation_numbers, serials
from kjerne.sandbox.people import Organisation, Person, Practitioner, Sex

HOME_MUNICIPALITY: Final = "5001"
FIRST_STAFF_KEY: Final = 10_000_001
"""Personnel are numbered apart, so that a larger population keeps the keys of a smaller one."""
PATIENTS_PER_OFFICE: Final = 3000
DOCTORS_PER_OFFICE: Final = 3
OFFICES_OF_PERSONAS: Final = 2
"""The first two offices have one doctor each among the personas (`gp`, `outsider`)."""


class _Unit(NamedTuple):
    part: str
    parent: str
    name: str
    kind: str


UNITS: Final = (
    _Unit("trust", "", "Sundvika sykehus HF", "hospital-trust"),
    _Unit("hospital", "trust", "Sundvika sykehus, Medisinsk avdeling", "hospital"),
    _Unit("maternity-ward", "trust", "Sundvika sykehus, Føde- og barselavdeling", "hospital"),
    _Unit("biochemistry", "trust", "Sundvika sykehus, Medisinsk biokjemi", "laboratory"),
    _Unit("microbiology", "trust", "Sundvika sykehus, Medisinsk mikrobiologi", "laboratory"),
    _Unit("pathology", "trust", "Sundvika sykehus, Patologi", "laboratory"),
    _Unit("radiology", "trust", "Sundvika sykehus, Bildediagnostikk", "radiology"),
    _Unit("private-lab-owner", "", "Lysdal Laboratorium AS", "laboratory-owner"),
    _Unit("private-lab", "private-lab-owner", "Lysdal Laboratorium, Medisinsk biokjemi", "laboratory"),
    _Unit("municipality", "", "Sundvika kommune", "municipality"),
    _Unit("health-centre", "municipality", "Sundvika helsestasjon", "health-centre"),
    _Unit("pharmacy-owner", "", "Apotek Havørna AS", "pharmacy-owner"),
    _Unit("pharmacy", "pharmacy-owner", "Apotek Havørna Sundvika", "pharmacy"),
    _Unit("monitoring", "municipality", "Sundvika responssenter", "response-centre"),
    _Unit("outside", "", "Tinderøy velvære AS", "clinic"),
)
LATER_UNITS: Final = (_Unit("portal", "", "Innbyggerportalen", "citizen-portal"),)
"""Numbered last, so that every other unit keeps the number it had before they were."""
OFFICE_NAMES: Final = ("Granlia", "Storelva", "Kvitberg", "Rognstad", "Myrvang", "Sjøbrua", "Heiane", "Vårsol")


class Post(NamedTuple):
    """Where somebody works, and as what."""

    part: str
    unit: str
    authorization: str
    sex: Sex
    age: int


POSTS: Final = (
    Post("gp", "office-1", "LE", "female", 47),
    Post("outsider", "office-2", "LE", "male", 39),
    Post("hospital-doctor", "hospital", "LE", "male", 44),
    Post("blocked-doctor", "hospital", "LE", "female", 52),
    Post("nurse", "hospital", "SP", "female", 36),
    Post("midwife", "health-centre", "JO", "female", 50),
    Post("pharmacist", "pharmacy", "FA1", "male", 33),
    Post("biochemist", "biochemistry", "LE", "female", 58),
    Post("scientist", "private-lab", "BI", "male", 41),
    Post("microbiologist", "microbiology", "LE", "male", 55),
    Post("pathologist", "pathology", "LE", "female", 46),
    Post("radiologist", "radiology", "LE", "male", 49),
    Post("retired-doctor", "hospital", "LE", "male", 76),
)
LATER_POSTS: Final = (Post("outside-doctor", "outside", "LE", "female", 45),)
"""Hired last, so that everybody else is who she was before they were."""
OPERATOR: Final = Post("administrator", "monitoring", "", "female", 41)
"""Runs the platform; no health worker."""
SECOND_OPERATOR: Final = Post("second-administrator", "monitoring", "", "male", 53)
"""Her colleague, since an export wants two who approve it. Hired after her, as whoever comes later."""


@dataclass(frozen=True, slots=True)
class Service:
    """The health service of one population."""

    units: Mapping[str, Organisation]
    staff: Mapping[str, Practitioner]
    doctors: tuple[Practitioner, ...]
    """The general practitioners who have lists; `gp` is the first, `outsider` the one after her own office's
    doctors."""
    persons: tuple[Person, ...]
    operator: Person
    second_operator: Person


def health_service(seed: int, residents: int, today: date, taken: set[str]) -> Service:
    """Organisations, personnel and list-holding doctors enough for `residents`."""
    offices = max(OFFICES_OF_PERSONAS, -(-residents // PATIENTS_PER_OFFICE))
    units = dict(_units(offices))
    posts = [*POSTS, *_more_doctors(seed, offices), *LATER_POSTS]
    hired = list(_hire(posts, units, seed, today, taken))
    staff = {post.part: practitioner for post, practitioner, _ in hired}
    doctors = sorted(
        (practitioner for post, practitioner, _ in hired if post.unit.startswith("office-")),
        key=lambda one: (one.point_of_care, one.hpr),
    )
    operator = _employee(Random(f"{seed}:post:{OPERATOR.part}"), FIRST_STAFF_KEY + len(posts), OPERATOR, today, taken)
    second = _employee(
        Random(f"{seed}:post:{SECOND_OPERATOR.part}"), operator.key + 1, SECOND_OPERATOR, today, taken
    )  # fmt: skip
    persons = (*(person for _, _, person in hired), operator, second)
    return Service(units, staff, tuple(doctors), persons, operator, second)


def first_units() -> Mapping[str, Organisation]:
    """The units that every population has, whose numbers are the same in all."""
    return dict(_units(OFFICES_OF_PERSONAS))


def _units(offices: int) -> Iterator[tuple[str, Organisation]]:
    numbers, resh, her = organisation_numbers(), serials(9_900_001), serials(99_000_001)
    number_by_part: dict[str, str] = {}
    named = (*UNITS, *(_office(index) for index in range(1, offices + 1)), *LATER_UNITS)
    for unit in named:
        number_by_part[unit.part] = number = next(numbers)
        parent = number_by_part.get(unit.parent, "")
        resh_id = next(resh) if "trust" in (unit.part, unit.parent) else ""
        yield (
            unit.part,
            Organisation(number, parent, unit.name, unit.kind, resh_id, next(her), HOME_MUNICIPALITY),
        )


def _office(index: int) -> _Unit:
    name = OFFICE_NAMES[(index - 1) % len(OFFICE_NAMES)]
    turn = (index - 1) // len(OFFICE_NAMES)
    return _Unit(f"office-{index}", "", f"{name} legesenter{f' {turn + 1}' if turn else ''}", "gp-office")


def _more_doctors(seed: int, offices: int) -> Iterator[Post]:
    rng = Random(f"{seed}:doctors")
    for office in range(1, offices + 1):
        for number in range(1 if office <= OFFICES_OF_PERSONAS else 0, DOCTORS_PER_OFFICE):
            sex: Sex = "female" if rng.random() < 0.55 else "male"
            yield Post(f"doctor-{office}-{number}", f"office-{office}", "LE", sex, rng.randrange(31, 67))


def _hire(
    posts: list[Post], units: Mapping[str, Organisation], seed: int, today: date, taken: set[str]
) -> Iterator[tuple[Post, Practitioner, Person]]:
    hpr = serials(990_000_001)
    for key, post in enumerate(posts, FIRST_STAFF_KEY):
        person = _employee(Random(f"{seed}:post:{post.part}"), key, post, today, taken)
        unit = units[post.unit]
        practitioner = Practitioner(
            hpr=next(hpr),
            key=key,
            nin=person.nin,
            name=person.name,
            authorizations=(post.authorization,),
            organisation=unit.parent or unit.number,
            point_of_care=unit.number,
            valid_from=date(person.birth_date.year + 27, 7, 1),
            valid_to=date(today.year - 1, 6, 30) if post.part == "retired-doctor" else None,
        )
        yield post, practitioner, person


def _employee(rng: Random, key: int, post: Post, today: date, taken: set[str]) -> Person:
    born = date(today.year - post.age - 1, rng.randrange(1, 13), rng.randrange(1, 29))
    return person(rng, key, born, post.sex, rng.choice(FAMILY_NAMES), address(rng, HOME_MUNICIPALITY), taken)
