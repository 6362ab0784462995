"""What in a table names somebody: known by what a column is called, and by what its cells are.

A name is read word by word, in Norwegian and English. A cell is read as it is meant: `17912099997.0` is eleven digits too, and
a number that lost its leading nought is made whole again. When in doubt a column is taken for an identifier, and told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

NEARLY_ALL: Final = 0.9
BIG: Final = 100_000
"""Whole numbers of six digits and more that nearly everybody has another of are no measurement."""
RUNNING: Final = 4
"""Numbers that all are different within so many times as many places are a running number."""
RUNNING_LEAST: Final = 50
NUMBERS_FEW: Final = 12
"""So few different whole numbers are a choice, though they may look like days."""
CODE_LONGEST: Final = 120
UNIT_LONGEST: Final = 20
_LETTERS: Final = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "é": "e"})
_WORDS: Final = frozenset(
    "id ids nin fnr dnr ssn name names navn surname forename address adresse phone telephone tlf mobil fax email epost mail mrn "
    "pid uuid guid dob birthdate birthday zip zipcode postcode postal street passport iban url firstname lastname "
    "hpr fastlege behandler doctor physician".split()
)
_LAST: Final = frozenset("number nr num".split())
_ENDINGS: Final = ("nummer", "navn", "adresse", "telefon", "fodselsdato", "fodselsdag", "epost")
_SHORT: Final = re.compile(
    r"\w+nr|(?:pasient|patient|person|people|journal|case|bruker|user|kunde|client|member|subject|sak|record|study|deltaker|"
    r"participant|hospital|sykehus|citizen)(?:id|ident|number|key)|e[ -]?post|post(?:kode|sted)"
)
_DATED: Final = re.compile(r"\d{4}-\d{1,2}(?:-\d{1,2})?(?:[T ].*)?|\d{1,2}[./-]\d{1,2}[./-](?:\d{2}|\d{4})(?: .*)?")
_ELEVEN: Final = re.compile(r"(?<!\d)\d{6}[ .-]?\d{5}(?!\d)")
_UNIT: Final = re.compile(r"(?!.*\d{5})[^\s@,;]+(?: [^\s@,;]+)?")


def is_named(name: str) -> bool:
    """Whether a column is called what an identifier is called."""
    plain = re.sub(r"(?<=[a-zæøå])(?=[A-ZÆØÅ])", " ", name).lower().translate(_LETTERS)
    words = [one for one in re.split(r"[^a-z]+", plain) if one]
    if not words:
        return False
    pairs = ["".join(two) for two in pairwise(words)]
    return (
        not _WORDS.isdisjoint(words)
        or words[-1] in _LAST
        or any(one.endswith(_ENDINGS) or _SHORT.fullmatch(one) for one in [*words, *pairs])
    )


def has_person_number(cells: Sequence[str]) -> bool:
    """Whether a cell holds eleven digits, as a person's number has, or most are such numbers without their leading nought."""
    if any(_is_person_number(cell) for cell in cells):
        return True
    shortened = [one for one in map(_whole, cells) if len(one) == 10 and _begins_with_a_day(f"0{one}")]
    return len(shortened) > len(cells) * NEARLY_ALL


def names_somebody(words: Sequence[str]) -> bool:
    """Whether a word holds eleven digits that begin with a day, as a person's number does: codes have eleven digits too."""
    return any(_begins_with_a_day(re.sub(r"\D", "", found[0])) for word in words for found in _ELEVEN.finditer(word))


def is_free_text(code: str) -> bool:
    """Whether a code is no code: as long as a sentence, over several lines, or with an address of electronic mail."""
    return len(code) > CODE_LONGEST or "@" in code or not code.isprintable()


def are_dates(cells: Sequence[str]) -> bool:
    """Whether cells are days or months of a calendar, with signs between or as one number."""
    if all(map(_whole, cells)) and len(set(cells)) <= NUMBERS_FEW:
        return False
    return sum(map(_is_date, cells)) > len(cells) * NEARLY_ALL


def are_numbers_of_people(cells: Sequence[str]) -> bool:
    """Whether cells are whole numbers of which nearly everybody has one of her own: great ones, or a running number."""
    whole = [_whole(cell) for cell in cells]
    if len(whole) < RUNNING_LEAST or not all(whole):
        return False
    found = np.unique(np.array([float(one) for one in whole]))
    if len(found) == len(whole) and found[-1] - found[0] <= RUNNING * len(found):
        return True
    return bool(len(found) > NEARLY_ALL * len(whole) and np.median(found) >= BIG)


def is_unit(text: str) -> bool:
    """Whether a text may be a unit: short, of one or two words, and without a long number."""
    return len(text) <= UNIT_LONGEST and _UNIT.fullmatch(text) is not None


def _whole(cell: str) -> str:
    """The digits of a whole number, however it is written; nothing where it is none."""
    try:
        number = float(cell)
    except ValueError:
        return ""
    return str(abs(int(number))) if number.is_integer() and abs(number) < 1e15 else ""


def _is_person_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return _ELEVEN.search(cell) is not None
    return len(_whole(cell)) == 11


def _begins_with_a_day(digits: str) -> bool:
    """Whether eleven digits begin as numbers of persons do: day (a D-number's has 40 added) and month (40, 65 or 80)."""
    day, month = int(digits[:2]), int(digits[2:4])
    return 1 <= day - 40 * (day > 40) <= 31 and any(1 <= month - more <= 12 for more in (0, 40, 65, 80))


def _is_date(cell: str) -> bool:
    digits = _whole(cell)
    if not digits:
        return _DATED.fullmatch(cell.strip()) is not None
    if len(digits) in (5, 6):
        digits = digits.zfill(6)
        return _is_month(digits) or _is_day(digits[4:], digits[2:4]) or _is_day(digits[:2], digits[2:4])
    digits = digits.zfill(8) if len(digits) in (7, 8) else ""
    return bool(digits) and (
        (_is_year(digits[:4]) and _is_day(digits[6:], digits[4:6]))
        or (_is_year(digits[4:]) and _is_day(digits[:2], digits[2:4]))
    )


def _is_month(digits: str) -> bool:
    return _is_year(digits[:4]) and 1 <= int(digits[4:]) <= 12


def _is_day(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


def _is_year(year: str) -> bool:
    return 1850 <= int(year) <= 2100
