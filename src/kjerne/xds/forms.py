"""The HL7 v2 forms in which metadata name persons, organisations and times (ITI TF-3, 4.2.3.1.7): CX, XON, XCN, DTM.

A person or an organisation is a number with the OID of who gives it: `2.16.578.1.12.4.1.4.1` a fødselsnummer, `.101` an
organisation, `.102` a department in RESH, `.4` health personnel. No repr shows a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from kjerne.xds.errors import unreadable

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,30}")
_DTM: Final = re.compile(r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})([0-9]{2})?)?)?)?)?")
_SIGNS: Final = (("\\", "\\E\\"), ("|", "\\F\\"), ("^", "\\S\\"), ("&", "\\T\\"), ("~", "\\R\\"))
_ESCAPED: Final = re.compile(r"\\([EFSTR])\\")
_SIGN_BY_LETTER: Final = {written[1]: sign for sign, written in _SIGNS}


@dataclass(frozen=True, slots=True)
class CX:
    """A person's number, and the OID of who gives it."""

    number: str = field(repr=False)
    authority: str


@dataclass(frozen=True, slots=True)
class XON:
    """An organisation: its name, its number, and the OID of who gives that; both are empty where only the name is known."""

    name: str
    number: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class XCN:
    """A professional: number and names as far as they are known."""

    number: str = field(default="", repr=False)
    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    middle: str = field(default="", repr=False)
    suffix: str = field(default="", repr=False)
    prefix: str = field(default="", repr=False)
    authority: str = ""


def cx(text: str, where: str) -> CX:
    """`number^^^&oid&ISO`.

    >>> cx("17855599120^^^&2.16.578.1.12.4.1.4.1&ISO", "patientId").authority
    '2.16.578.1.12.4.1.4.1'
    """
    parts = [*text.split("^"), "", "", ""]
    number, authority = _plain(parts[0]), _authority(parts[3], where)
    if not number or not authority or any(parts[1:3]) or not set(parts[4:]) <= {"", "PI"}:
        raise unreadable("An identifier of a person has the form number^^^&oid&ISO.", where)
    return CX(number, authority)


def written_cx(value: CX) -> str:
    return f"{_escaped(value.number)}^^^&{value.authority}&ISO"


def xon(text: str, where: str) -> XON:
    """`name^^^^^&oid&ISO^^^^number`; a number that is an OID itself needs no authority."""
    parts = [*text.split("^"), *[""] * 9]
    name, number, authority = _plain(parts[0]), _plain(parts[9]), _authority(parts[5], where)
    if not (name or number):
        raise unreadable("An organisation has a name or a number.", where)
    return XON(name, number, authority)


def written_xon(value: XON) -> str:
    authority = f"&{value.authority}&ISO" if value.authority else ""
    return f"{_escaped(value.name)}^^^^^{authority}^^^^{_escaped(value.number)}".rstrip("^")


def xcn(text: str, where: str) -> XCN:
    """`number^family^given^middle^suffix^prefix^^^&oid&ISO`."""
    parts = [*text.split("^"), *[""] * 9]
    number, family, given, middle, suffix, prefix = (_plain(part.partition("&")[0]) for part in parts[:6])
    if not (number or family or given):
        raise unreadable("A professional has a number or a name.", where)
    return XCN(number, family, given, middle, suffix, prefix, _authority(parts[8], where))


def written_xcn(value: XCN) -> str:
    names = (value.number, value.family, value.given, value.middle, value.suffix, value.prefix)
    authority = f"&{value.authority}&ISO" if value.authority else ""
    return f"{'^'.join(_escaped(one) for one in names)}^^^{authority}".rstrip("^")


def dtm(text: str, where: str) -> str:
    """A time in UTC as it is written, `YYYY[MM[DD[hh[mm[ss]]]]]`, if it is one of the calendar."""
    interval(text, where)
    return text


def interval(text: str, where: str) -> tuple[datetime, datetime]:
    """[first instant, first instant after) of a time: a day is all of its day. The last of the calendar, which is written for
    *no end*, ends with the calendar.

    >>> interval("2026", "creationTime")[1].isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    found = _DTM.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(one) if one else None for one in found.groups())
        assert year is not None
        first = datetime(year, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise unreadable("A time has the form YYYY[MM[DD[hh[mm[ss]]]]], in UTC.", where) from None
    try:
        if month is None:
            return first, first.replace(year=year + 1)
        if day is None:
            return first, (first + timedelta(days=31)).replace(day=1)
        step = "days" if hour is None else "hours" if minute is None else "minutes" if second is None else "seconds"
        return first, first + timedelta(**{step: 1})
    except (ValueError, OverflowError):
        return first, datetime.max.replace(tzinfo=UTC)


def _authority(text: str, where: str) -> str:
    """The OID of `&oid&ISO`, which some write with `urn:oid:` before it; empty where none is said."""
    if not text:
        return ""
    name, _, rest = text.partition("&")
    oid, _, kind = rest.removeprefix("urn:oid:").partition("&")
    if name or kind != "ISO" or not _OID.fullmatch(oid):
        raise unreadable("An authority has the form &oid&ISO.", where)
    return oid


def _escaped(text: str) -> str:
    for sign, written in _SIGNS:  # the backslash is first, since the others are written with it
        text = text.replace(sign, written)
    return text


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: _SIGN_BY_LETTER[found[1]], text).strip()
