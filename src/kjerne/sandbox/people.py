"""The values that the synthetic world is made of. Person numbers are kept out of every repr."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from kjerne.access import Choice, Tie

Sex = Literal["female", "male"]
Protection = Literal["ugradert", "klientadresse", "fortrolig", "strengtFortrolig"]
Part = Literal[
    "citizen", "parent", "child", "twin", "youth", "pregnant", "new-mother", "newborn",
    "protected", "opted-out", "restricted", "renumbered", "proxy", "guardian", "ward",
]  # fmt: skip
"""The parts in the sandbox's stories; see `cast`."""


@dataclass(frozen=True, slots=True)
class DatedNumber:
    """A person number valid in the half-open interval [valid_from, valid_to)."""

    value: str = field(repr=False)
    kind: Literal["FNR", "DNR"]
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A registered address; `municipality` is the four-digit number."""

    street: str
    postal_code: str
    city: str
    municipality: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist. `key` is the running number inside one population, also the seed of the life
    told."""

    key: int
    numbers: tuple[DatedNumber, ...]
    given: str
    family: str
    sex: Sex
    birth_date: date
    address: Address
    protection: Protection = "ugradert"
    death_date: date | None = None

    @property
    def nin(self) -> str:
        """The number that holds now."""
        return self.numbers[-1].value

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    def age(self, on: date) -> int:
        """Whole years; who is born on 29 February turns a year older on 1 March in other years."""
        born = self.birth_date
        return on.year - born.year - ((on.month, on.day) < (born.month, born.day))

    def number_on(self, day: date) -> DatedNumber:
        """The number that held on `day` (the first one for a day before it was given)."""
        return next((one for one in self.numbers if one.valid_to is None or day < one.valid_to), self.numbers[-1])


@dataclass(frozen=True, slots=True)
class Organisation:
    """A unit of Enhetsregisteret with its RESH and HER ids."""

    number: str
    parent: str
    name: str
    kind: str
    resh: str
    her: str
    municipality: str


@dataclass(frozen=True, slots=True)
class Practitioner:
    """Somebody in the register of health personnel. `key` is the `Person`; `organisation` the legal entity worked for
    and `point_of_care` the unit. Authorised in the half-open interval [valid_from, valid_to)."""

    hpr: str
    key: int
    nin: str = field(repr=False)
    name: str
    authorizations: tuple[str, ...]
    organisation: str
    point_of_care: str
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody and everything in the synthetic registers.

    `people` are the residents asked for, then the personnel as persons, the operators the last of them. `ties` and `choices`
    go by person key; `Tie.key` is a key of this population. `cast` names who plays which part, `staff` the personnel by
    part, `units` the organisations by part.
    """

    people: tuple[Person, ...]
    organisations: tuple[Organisation, ...]
    practitioners: tuple[Practitioner, ...]
    ties: Mapping[int, tuple[Tie, ...]]
    choices: Mapping[int, tuple[Choice, ...]]
    cast: Mapping[Part, int]
    staff: Mapping[str, Practitioner]
    units: Mapping[str, Organisation]
    by_key: Mapping[int, Person] = field(repr=False)
    residents: int
    operator: Person = field(repr=False)
    second_operator: Person = field(repr=False)
