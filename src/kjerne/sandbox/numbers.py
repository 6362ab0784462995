"""Numbers for the synthetic world, valid in form and never anybody's.

Person numbers carry month + 80, as Skatteetaten's test population (Tenor) does; no real number can. Organisation
numbers begin with 1: Enhetsregisteret issues 8 and 9, its synthetic register 2 and 3. HPR numbers have nine digits
beginning with 99, where the real register has not passed eight. RESH and HER ids begin with 99 and have more digits
than the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Final

from kjerne.registries.identifiers import MONTH_TENOR, control_digits, organisation_control_digit

DAY_D_NUMBER: Final = 40
INDIVIDUAL_BY_YEARS: Final = ((1854, 1899, 500, 749), (1900, 1999, 0, 499), (2000, 2039, 500, 999))
"""Which individual numbers tell which birth years (numbers issued before 2032)."""
TRIES: Final = 2000
"""About 200 numbers of each sex and date pass the control digits; more tries than that mean the day is full."""


class DayFull(Exception):
    """No free person number is left for this date and sex: choose another birth date."""


def person_number(rng: Random, born: date, sex: str, taken: set[str], *, d_number: bool = False) -> str:
    """A free synthetic number: date with month + 80 (day + 40 for a D-number), parity of the third individual digit by
    sex, control digits of the rule of 1964. Adds it to `taken`."""
    lowest, highest = next((low, high) for first, last, low, high in INDIVIDUAL_BY_YEARS if first <= born.year <= last)
    day = born.day + (DAY_D_NUMBER if d_number else 0)
    begin = f"{day:02d}{born.month + MONTH_TENOR:02d}{born.year % 100:02d}"
    odd = 1 if sex == "male" else 0
    for _ in range(TRIES):
        individual = (lowest + int(rng.random() * (highest - lowest + 1))) & ~1 | odd
        nine = f"{begin}{individual:03d}"
        control = control_digits(nine)
        if control and nine + control not in taken:
            taken.add(nine + control)
            return nine + control
    raise DayFull(born.isoformat())


def organisation_numbers() -> Iterator[str]:
    """Valid numbers from 100 000 00x upwards."""
    serial = 10_000_000
    while True:
        control = organisation_control_digit(str(serial))
        if control:
            yield f"{serial}{control}"
        serial += 7


def serials(first: int, step: int = 1) -> Iterator[str]:
    """Running ids: HPR from 990000001, RESH from 9900001, HER from 99000001."""
    while True:
        yield str(first)
        first += step
