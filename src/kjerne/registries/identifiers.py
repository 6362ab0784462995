"""Person, organisation and personnel numbers: what the digits say, and nothing more.

The control digits catch typing errors only. Under the rule that holds from 2032 one random number in thirty passes,
so a number that parses is still looked up in a register before anything is filed on it. No number reaches a log, a
URL, an error text or a repr from here.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from operator import mul
from typing import Any, Final, Literal

from kjerne.errors import Refusal

Kind = Literal["FNR", "DNR", "FHN", "HNR"]
Rule = Literal["1964", "2032", "unchecked"]

OID_PERSON: Final = "urn:oid:2.16.578.1.12.4.1.4."
SYSTEM_BY_KIND: Final[dict[Kind, str]] = {"FNR": OID_PERSON + "1", "DNR": OID_PERSON + "2", "FHN": OID_PERSON + "3"}
"""The H-number has no system of its own: it is unique only inside the hospital that made it."""

K1_WEIGHTS: Final = (3, 7, 6, 1, 8, 9, 4, 5, 2)
K2_WEIGHTS: Final = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
ORGANISATION_WEIGHTS: Final = (3, 2, 7, 6, 5, 4, 3, 2)
K1_REMAINDERS_2032: Final = (0, 1, 2, 3)
"""Skatteetaten nyttfnr2032: k1 may be any of {11, 12, 13, 14} minus the sum, modulo 11; k2 stays as it was."""

MONTH_TENOR: Final = 80
MONTH_NHN: Final = 65
MONTH_FORTY: Final = 40
"""Month + 40 is an H-number, or a synthetic number of NAV's test population: only the source can tell which."""
_OFFSETS: Final = MONTH_TENOR, MONTH_NHN, MONTH_FORTY

_IDS: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBER_IN_TEXT: Final = re.compile(r"(?<!\d)(\d{6})[ .-]?(\d{5})(?!\d)")
_ELEVEN = re.compile(r"[0-9]{11}")
_ALONE = re.compile(r"(?<![0-9A-Za-z])([0-9]{6})[ .-]?([0-9]{5})(?![0-9A-Za-z])")
_NINE = re.compile(r"[0-9]{9}")
_HPR = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, repr=False)
class PersonNumber:
    """A person's number, its kind and what it tells. `repr` and `str` hide the digits; `value` holds them.

    `birth_date` is None where the digits do not give it: an FHN, and a number that only the 2032 rule accepts (its
    individual number no longer tells the century). `rule` is the check-digit rule it met.
    """

    value: str
    kind: Kind
    birth_date: date | None
    synthetic: bool
    rule: Rule

    def __repr__(self) -> str:
        return f"PersonNumber({self.kind}{', synthetic' if self.synthetic else ''})"

    @property
    def system(self) -> str:
        """The FHIR identifier system; empty for an H-number, which needs its assigner beside it."""
        return SYSTEM_BY_KIND.get(self.kind, "")

    @property
    def raised_by(self) -> int:
        """What was added to its month: 80, 65, 40, or 0; of an FHN, which has no month, 0."""
        month = 0 if self.kind == "FHN" else int(self.value[2:4])
        return next((one for one in _OFFSETS if month > one), 0)


def parse(text: str, *, declared: str = "", strict: bool = True) -> PersonNumber:
    """Read a fødselsnummer, D-number, H-number or FHN, real or synthetic; `Refusal` 400 where it is none.

    `declared` is the kind the source gives (FNR, DNR, HNR): it settles month + 40 and nothing else, since sources call
    D-numbers FNR. `strict=False` lets wrong check digits pass (public documentation has such numbers in its examples).
    """
    digits = text.replace(" ", "")
    if not _ELEVEN.fullmatch(digits):
        raise Refusal(400, "A person number has eleven digits.", todo="Send the number without letters or signs.")
    rule = _rule(digits)
    if rule == "unchecked" and strict:
        raise Refusal(400, "The person number's control digits are wrong.", todo="Check the number for typing errors.")
    if digits[0] in "89":
        return PersonNumber(digits, "FHN", None, synthetic=False, rule=rule)
    return _dated(digits, declared, rule)


def numbers_in(text: str) -> set[str]:
    """Whatever stands in a text and has the form of a person number, in eleven digits. The digits of a UUID are nobody's."""
    return {first + last for first, last in _NUMBER_IN_TEXT.findall(_IDS.sub("#", text))}


def without_numbers(text: str) -> str:
    """A text that others fill in, without any person number that strayed into it (ATT-8)."""
    return _NUMBER_IN_TEXT.sub("", text).strip()


def id_without_numbers(text: str) -> str:
    """An id that others made, without a person number that stands in it by itself: digits among letters belong to the id."""
    return _ALONE.sub("", text).strip()


_DIGITS: Final = 11
_APART: Final = r"\d(?:[\s.,;_/\u2010-\u2015\u2212·'\-]{0,3}\d)*"
_SET_APART: Final = re.compile(_APART), re.compile(rf"(?<!\w){_APART}")
"""Digits with at most three signs between them, as many as there are together; and those that begin no word's end."""


def without_others(text: str, is_own: Callable[[str], bool]) -> str:
    """A text with every valid person number masked that is not the reader's own."""

    ids = [one.span() for one in _IDS.finditer(text)]

    def masked(found: re.Match[str]) -> str:
        if any(first <= found.start() and found.end() <= last for first, last in ids):
            return found[0]  # digits of a record's id are nobody's number
        number = found[1] + found[2]
        return found[0] if is_own(number) or not stands_in(number) else f"{found[1]} *****"

    return _NUMBER_IN_TEXT.sub(masked, text)


def holds_a_number(text: str) -> bool:
    """As `stands_in`, with letters beside it too, whatever digits it is written with and however they are set apart.

    The digits of a UUID are nobody's, though it ends in eleven of them."""
    if sum(map(str.isdecimal, text)) < _DIGITS:
        return False
    plain = _IDS.sub("#", text if text.isascii() else _plain(text))
    if any(is_number(first + last) for first, last in _NUMBER_IN_TEXT.findall(plain)):
        return True
    runs = (run for pattern in _SET_APART for run in pattern.findall(plain))
    digits = ("".join(filter(str.isdigit, run)) for run in runs)
    return any(len(one) == _DIGITS and is_number(one) for one in digits)


def is_a_number(value: int | Decimal) -> bool:
    """Whether a number of JSON has the digits of a person number, of which the first may be a nought that is not written."""
    whole = int(value) if -(10**_DIGITS) < value < 10**_DIGITS else 0
    return (value == whole and is_number(str(abs(whole)).zfill(_DIGITS))) or holds_a_number(str(value))


def _plain(text: str) -> str:
    """The text with all digits as 0 to 9, and nothing that is not seen."""
    seen = (one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) not in ("Cf", "Mn"))
    return "".join(str(unicodedata.decimal(one, one)) for one in seen)


def is_number(digits: str) -> bool:
    """Whether eleven digits are a person number, with control digits that hold."""
    try:
        parse(digits)
    except Refusal:
        return False
    return True


def stands_in(text: str) -> bool:
    """Whether a person number stands in a text by itself, in whatever digits, with control digits that hold."""
    plain = text if text.isascii() else _plain(text)
    return any(is_number(first + last) for first, last in _ALONE.findall(plain))


_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(one ^ 0x36 for one in range(256))
_OUTER: Final = bytes(one ^ 0x5C for one in range(256))


def digest(key: bytes, number: str) -> bytes:
    """The keyed name of a number (HMAC-SHA256, first 16 bytes): finds the person without holding the number."""
    inner, outer = (begun.copy() for begun in _begun(key))
    inner.update(number.encode())
    outer.update(inner.digest())
    found: bytes = outer.digest()
    return found[:16]


@lru_cache(maxsize=8)
def _begun(key: bytes) -> tuple[Any, Any]:
    """The two hashes of an HMAC (RFC 2104) with the key in them: begun anew for every name they cost more than the rest."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))


def control_digits(nine: str) -> str:
    """The two control digits (rule of 1964) that follow `nine` digits; empty where the number cannot be issued."""
    k1 = -_weighed(nine, K1_WEIGHTS) % 11
    if k1 == 10:
        return ""
    k2 = -_weighed(f"{nine}{k1}", K2_WEIGHTS) % 11
    return "" if k2 == 10 else f"{k1}{k2}"


def organisation_number(text: str, *, strict: bool = True) -> str:
    """Nine digits with the modulus 11 control digit of Enhetsregisteret; `Refusal` 400 otherwise."""
    digits = text.replace(" ", "")
    if not _NINE.fullmatch(digits):
        raise Refusal(400, "An organisation number has nine digits.")
    if strict and organisation_control_digit(digits[:8]) != digits[8]:
        raise Refusal(400, "The organisation number's control digit is wrong.")
    return digits


def organisation_control_digit(eight: str) -> str:
    """The digit that makes `eight` digits an organisation number; empty where the number cannot be issued."""
    control = -_weighed(eight, ORGANISATION_WEIGHTS) % 11
    return "" if control == 10 else str(control)


def hpr_number(text: str) -> str:
    """A number of the register of health personnel: up to nine digits without leading zeros, no control digit."""
    digits = text.strip()
    if not _HPR.fullmatch(digits) or not int(digits):
        raise Refusal(400, "An HPR number has one to nine digits.")
    return str(int(digits))


def _weighed(digits: str, weights: tuple[int, ...]) -> int:
    return sum(map(mul, map(int, digits), weights))


def _rule(digits: str) -> Rule:
    if (_weighed(digits[:10], K2_WEIGHTS) + int(digits[10])) % 11:
        return "unchecked"
    remainder = (_weighed(digits[:9], K1_WEIGHTS) + int(digits[9])) % 11
    if remainder == 0:
        return "1964"
    return "2032" if remainder in K1_REMAINDERS_2032 else "unchecked"


def _dated(digits: str, declared: str, rule: Rule) -> PersonNumber:
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    kind: Kind = "FNR"
    if day > 40:
        day -= 40
        kind = "DNR"
    synthetic = False
    for offset in _OFFSETS:
        if month > offset:
            month -= offset
            synthetic = offset != MONTH_FORTY or kind == "DNR" or declared in ("FNR", "DNR")
            if not synthetic:
                kind = "HNR"
            break
    candidates = _dates(day, month, year)
    if not candidates:
        raise Refusal(400, "The person number does not begin with a date.", todo="Check the number for typing errors.")
    born = _century(candidates, int(digits[6:9])) if rule != "2032" else None
    if born is None and rule == "1964":
        raise Refusal(400, "The person number's individual number belongs to no century.")
    return PersonNumber(digits, kind, born, synthetic, rule)


def _dates(day: int, month: int, year: int) -> dict[int, date]:
    """The real dates, by century, that day, month and two-digit year can mean."""
    found = {}
    for century in (1800, 1900, 2000):
        try:
            found[century] = date(century + year, month, day)
        except ValueError:
            continue
    return found


def _century(candidates: dict[int, date], individual: int) -> date | None:
    """Birth date by the individual number's century table (numbers issued before 2032)."""
    year = next(iter(candidates.values())).year % 100
    if individual < 500 or (individual >= 900 and year >= 40):
        return candidates.get(1900)
    if individual < 750 and year >= 54:
        return candidates.get(1800)
    return candidates.get(2000) if year < 40 else None
