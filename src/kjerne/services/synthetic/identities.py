"""Who the people of a model are: birth date, sex, a synthetic person number, a name and an address for each.

Whole blocks are named, in order, from streams of the people's own and from the block's own share of numbers
(`number_shares`): so nobody's depends on those of another block, and no number is given twice (decision 90). No number has
the month of a real one: 80 is added to it (Skatteetaten's test population), or 65 (the National e-health test population).
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.registries.identifiers import MONTH_NHN, MONTH_TENOR
from kjerne.registries.places import PLACES, STREETS
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.fhir_mapping import SexAs
from kjerne.services.synthetic.histories import age_at
from kjerne.services.synthetic.naming import FAMILY, GIVEN
from kjerne.services.synthetic.network import Ints
from kjerne.services.synthetic.number_shares import BLOCKS, Checksum, Sex, Shelf, shelf, turned
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.sampling import BLOCK
from kjerne.services.synthetic.streams import Streams

MONTHS: Final = (MONTH_TENOR, MONTH_NHN)
CHECKSUMS: Final = ("1964", "2032")
YEAR: Final = 365.2425
OLDEST: Final = 90.0
"""Where a model knows no age, one is drawn up to this."""
DRAWS: Final = 10
POOL_EACH: Final = 2
"""A pool has so many people for each that is made, so that age and sex can fit."""
_POOL: Final = ("given", "family", "street", "postal_code", "city")
_SHIFT_DAYS: Final = 2
"""By so many days the calendar may move a day 0 on (`_at_age`); nothing lies ahead all the same."""
_EDGE: Final = 0.002
"""Of a year, about a day: who is 40 on her day 0 is neither just becoming it nor just becoming 41."""


@dataclass(frozen=True)
class Wishes:
    """How people are named. Everything has happened by `until`; day 0 lies within `span_years` before that, as far back as a
    person's own last event asks for. `pool` and `exclude` are paths, with the SHA-256 of what lies there."""

    month: int = MONTH_TENOR
    checksum: str = "1964"
    d_numbers: float = 0.02
    until: str = "2025-12-31"
    span_years: int = 10
    pool: str = ""
    pool_sha256: str = ""
    exclude: str = ""
    exclude_sha256: str = ""

    def told(self) -> dict[str, Any]:
        """The wishes as the manifest has them: files by name and hash, and not by where they lay."""
        return asdict(self) | {name: Path(getattr(self, name)).name for name in ("pool", "exclude")}


UNWISHED: Final = Wishes()


@dataclass(frozen=True, repr=False)
class Identity:
    """Somebody who does not exist. `day_0` and `born` are ordinals; what a pool does not say is empty."""

    number: str
    sex: str
    born: int
    day_0: int
    given: str
    family: str
    street: str
    postal_code: str
    city: str

    @property
    def system(self) -> str:
        """The system of her number: a D-number's or a fødselsnummer's."""
        return identifiers.SYSTEM_BY_KIND["DNR" if self.number[0] > "3" else "FNR"]


def wished(
    month: int, checksum: str, d_numbers: float, until: str, span_years: int, pool: Path | None, exclude: Path | None
) -> Wishes:
    """Wishes that hold. `Refusal` where one does not, or a file is not of its form."""
    if month not in MONTHS:
        says = "a synthetic number has 80 or 65 added to its month"
        raise Refusal(400, says, where="--month", todo="Any other could be a real person's.")
    if checksum not in CHECKSUMS:
        raise Refusal(400, f"it is none of {', '.join(CHECKSUMS)}", where="--checksum")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise Refusal(400, "it is no date, as 2025-12-31 is", where="--happened-by") from None
    if not date(1950, 1, 1) <= day <= date(2039, 12, 31):
        raise Refusal(400, "it is from 1950 to 2039", where="--happened-by")
    names = [str(one) if one else "" for one in (pool, exclude)]
    found = Wishes(month, checksum, d_numbers, until, span_years,
                   names[0], _sha(pool), names[1], _sha(exclude))  # fmt: skip
    _pool_of(found.pool)
    _excluded(found.exclude)
    return found


def of_block(
    model: Model, cohort: Cohort, number: int, streams: Streams, wishes: Wishes, sex: SexAs | None, count: int
) -> list[Identity]:
    """Identities of the first `count` people of a whole block. `Refusal` where there are no numbers left for them."""
    if number >= BLOCKS:
        says = f"only {BLOCKS * BLOCK} people have numbers of their own"
        raise Refusal(422, says, where="--people", todo="Take fewer people, or a format without identities.")
    persons = np.arange(number * BLOCK, number * BLOCK + BLOCK)
    draws = streams.uniform(persons, np.zeros(BLOCK, np.int64), 0, DRAWS).astype(np.float64)
    sexes, lived = _sexes(model, cohort, sex, draws[:, 0]), _lived(model, cohort, draws[:, 1])
    last = _last_days(model, cohort)
    latest = date.fromisoformat(wishes.until).toordinal() - _SHIFT_DAYS - last - lived
    ages = _whole_ages(model, cohort)
    numbers = _Numbers(number, turned(number, streams.key[0]), wishes)
    found = list[Identity]()
    for place in range(count):
        own = draws[place]
        first = int(latest[place]) - round(wishes.span_years * YEAR)
        chosen = numbers.take(sexes[place], first, int(latest[place]), own)
        if chosen is None:
            raise Refusal(
                422, f"nobody in the pool fits person {persons[place]} by sex and age" if wishes.pool else
                f"there is no number left for person {persons[place]}",
                where="--pool" if wishes.pool else "--people", todo="Take fewer people, or more --span-years.",
            )  # fmt: skip
        born, digits, known = chosen
        words = _words(own) if known is None else known
        day_0 = _at_age(born, born + int(lived[place]), ages[place])
        found.append(Identity(digits, sexes[place], born, day_0, *words))
    return found


def _sexes(model: Model, cohort: Cohort, told: SexAs | None, draws: NDArray[np.float64]) -> list[str]:
    drawn = ["female" if one < 0.5 else "male" for one in draws]
    if told is None:
        return drawn
    place = next(at for at, one in enumerate(model.traits) if one.name == told.trait)
    means = [told.levels.get(level, "") for level in model.traits[place].levels]
    cells = cohort.traits[place].numbers.astype(np.int64).tolist()
    return [(means[cell] if cell >= 0 else "") or other for cell, other in zip(cells, drawn, strict=True)]


def _lived(model: Model, cohort: Cohort, draws: NDArray[np.float64]) -> Ints:
    """The days that each has lived on her day 0; within a whole year of age somewhere, as a draw says, and no further into it
    than the ages at which her codes are had leave."""
    if model.age < 0:
        return np.rint(draws * OLDEST * YEAR).astype(np.int64)
    ages, grid = cohort.traits[model.age].numbers, model.traits[model.age].grid
    whole = grid is None or grid.decimals == 0
    room = np.ones(cohort.people)
    if model.rules.ages:
        below = np.array([one for _, one in model.rules.ages])[cohort.code]
        at = age_at(ages[cohort.persons], cohort.times.astype(np.float64), cohort.ticks)
        np.fmin.at(room, cohort.persons, below - at)
    into = np.where(room >= 2 * _EDGE, _EDGE + draws * (room - 2 * _EDGE), 0) if whole else 0
    ages = np.where(np.isnan(ages), np.floor(draws * OLDEST), ages)
    return np.floor((ages + into) * YEAR).astype(np.int64)


def _whole_ages(model: Model, cohort: Cohort) -> list[float]:
    """The age of each on her day 0, where the model tells whole years; else NaN."""
    grid = model.traits[model.age].grid if model.age >= 0 else None
    if model.age < 0 or (grid is not None and grid.decimals):
        return [np.nan] * cohort.people
    ages: list[float] = cohort.traits[model.age].numbers.tolist()
    return ages


def _at_age(born: int, day_0: int, age: float) -> int:
    """Her day 0, no earlier than she had this age by the calendar and no later: years of a mean length miss it by a day."""
    if np.isnan(age):
        return day_0
    return min(max(day_0, _birthday(born, int(age))), _birthday(born, int(age) + 1) - 1)


def _birthday(born: int, age: int) -> int:
    day = date.fromordinal(born)
    try:
        return day.replace(year=day.year + age).toordinal()
    except ValueError:  # 29 February
        return date(day.year + age, 3, 1).toordinal()


def _last_days(model: Model, cohort: Cohort) -> Ints:
    """The last day of each that something is known of: an event, or the end of her time."""
    found = np.zeros(cohort.people, np.int64)
    np.maximum.at(found, cohort.persons, -(-cohort.times // model.ticks))
    if model.until >= 0:
        ends = np.nan_to_num(cohort.traits[model.until].numbers)
        found = np.maximum(found, np.ceil(ends).astype(np.int64))
    return found


class _Numbers:
    """The numbers of one block, by kind, each made when it is asked for."""

    def __init__(self, block: int, share: int, wishes: Wishes) -> None:
        self._block, self._share, self._wishes = block, share, wishes
        self._shelves = dict[tuple[str, str, bool], Shelf]()
        self._pool = _pool_of(wishes.pool)

    def take(
        self, sex: str, first: int, last: int, draws: NDArray[np.float64]
    ) -> tuple[int, str, tuple[str, ...] | None] | None:
        """Birth date, number, and what a pool says of her beside them. Where the rule of 1964 has no number left, one that
        only the rule of 2032 accepts."""
        told = cast("Sex", sex if sex in ("female", "male") else "male" if draws[2] < 0.5 else "female")
        if self._wishes.pool:
            found = self._pooled(told).take(first, last, float(draws[3]))
            return None if found is None else (*found, self._pool[found[1]])
        d_number = bool(draws[4] < self._wishes.d_numbers)
        rules = cast("tuple[Checksum, ...]", CHECKSUMS if self._wishes.checksum == "1964" else CHECKSUMS[1:])
        for checksum in rules:
            found = self._shelf(told, checksum, d_number=d_number).take(first, last, float(draws[3]))
            if found is not None:
                return (*found, None)
        return None

    def _shelf(self, sex: Sex, checksum: Checksum, *, d_number: bool) -> Shelf:
        key = (sex if checksum == "1964" else "", checksum, d_number)
        if key not in self._shelves:
            self._shelves[key] = shelf(
                self._share, sex, checksum, d_number=d_number, month=self._wishes.month,
                excluded=_excluded(self._wishes.exclude),
            )  # fmt: skip
        return self._shelves[key]

    def _pooled(self, sex: Sex) -> Shelf:
        key = (sex, "pool", False)
        if key not in self._shelves:
            parts, excluded = (
                max(1, len(self._pool) // (POOL_EACH * BLOCK)),
                set(_excluded(self._wishes.exclude).tolist()),
            )
            mine = [
                one for place, one in enumerate(self._pool)
                if place % parts == self._block and int(one) not in excluded and _sex_of(one) == sex
            ]  # fmt: skip
            self._shelves[key] = Shelf(np.array([_born(one) for one in mine], np.int64), np.array(mine, np.int64))
        return self._shelves[key]


def _words(draws: NDArray[np.float64]) -> tuple[str, ...]:
    """A name of two words, and an address."""
    place = PLACES[int(np.searchsorted(_WEIGHTS, draws[7] * _WEIGHTS[-1], side="right"))]
    street = f"{STREETS[int(draws[8] * len(STREETS))]} {1 + int(draws[9] * 119)}"
    return (GIVEN[int(draws[5] * len(GIVEN))], FAMILY[int(draws[6] * len(FAMILY))],
            street, place.postal_code, place.city)  # fmt: skip


_WEIGHTS: Final = np.cumsum([one.weight for one in PLACES])


@cache
def _pool_of(path: str) -> dict[str, tuple[str, ...]]:
    """The people of a pool: what is said of each, by number, in the order of the numbers."""
    if not path:
        return {}
    found = dict[str, tuple[str, ...]]()
    rows = csv.DictReader(_text(path, "--pool").splitlines())
    if "number" not in (rows.fieldnames or ()):
        todo = f"Give it a head: number, and of {', '.join(_POOL)} what is known."
        raise Refusal(422, "the pool has no column number", where=path, todo=todo)
    for row in rows:
        number = _synthetic(row["number"] or "", f"{path}, line {rows.line_num}")
        if number.birth_date is None:
            raise Refusal(422, "the number does not tell when she was born", where=f"{path}, line {rows.line_num}")
        if number.value in found:
            raise Refusal(422, "the number stands in it twice", where=f"{path}, line {rows.line_num}")
        found[number.value] = tuple(row.get(name) or "" for name in _POOL)
    return {number: found[number] for number in sorted(found)}


@cache
def _excluded(path: str) -> Ints:
    """Numbers that are not given out: the first column of a file."""
    if not path:
        return np.zeros(0, np.int64)
    found = list[int]()
    for place, line in enumerate(_text(path, "--exclude").splitlines(), 1):
        cell = line.partition(",")[0].strip()
        if cell and not (place == 1 and not cell.isdigit()):
            found.append(int(_synthetic(cell, f"{path}, line {place}").value))
    return np.array(sorted(found), np.int64)


def _synthetic(text: str, where: str) -> identifiers.PersonNumber:
    """A number that has 80 or 65 in its month; it is not repeated in what a refusal says."""
    try:
        found = identifiers.parse(text.strip())
    except Refusal as refusal:
        raise Refusal(422, refusal.says, where=where) from None
    if not any(one < int(found.value[2:4]) <= one + 12 for one in MONTHS):
        says = "the number is not one of a synthetic person (80 or 65 added to the month)"
        raise Refusal(422, says, where=where, todo="Take it out: nothing here is about real people.")
    return found


def _born(number: str) -> int:
    born = identifiers.parse(number).birth_date
    assert born is not None, "who is in a pool has a birth date"
    return born.toordinal()


def _sex_of(number: str) -> Sex:
    return "male" if int(number[8]) % 2 else "female"


def _text(path: str, option: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise Refusal(400, "the file cannot be read as text", where=option) from None


def _sha(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Refusal(400, f"the file cannot be read: {error.strerror}", where=str(path)) from None
