"""R4's primitive types: what a JSON value must be (FHIR R4 datatypes.html).

Not the specification's own regular expressions: base64Binary's is exponential. Each check here is linear in the text.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from kjerne.fhir.dates import interval
from kjerne.fhir.xhtml import is_safe

STRING_LIMIT_CHARACTERS: Final = 1024 * 1024
"""R4: strings shall not exceed 1 MB."""

UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot write (Char), so no R4 string holds it."""
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_OID: Final = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE: Final = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?", re.ASCII)
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,12})?", re.ASCII)
_SAMPLE = r"(?:-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?|[EUL])"
_SAMPLES: Final = re.compile(rf"{_SAMPLE}(?: {_SAMPLE})*+")
_ACTIVE: Final = re.compile(r"</?(?:script|iframe|object|embed|applet|form|link|meta|base)(?:[\s/>]|\Z)", re.IGNORECASE)
"""HTML that does something, in text that is no HTML: somebody is trying. No space stands before a tag's name: `pO2 < base
excess` is no tag."""

Check = Callable[[Any], bool]


def is_string(value: Any) -> bool:
    """Not empty, nothing that XML cannot write (control characters but tab and line ends, halves of characters, U+FFFE and
    U+FFFF), no active HTML."""
    if type(value) is not str or not value or len(value) > STRING_LIMIT_CHARACTERS:
        return False
    if "<" in value and _ACTIVE.search(value):
        return False
    return value.isprintable() or UNFIT.search(value) is None


def is_code(value: Any) -> bool:
    """No spaces at the ends and only single ones within."""
    return type(value) is str and value != "" and " ".join(value.split()) == value and is_string(value)


def is_uri(value: Any) -> bool:
    """No space anywhere."""
    return type(value) is str and value.split() == [value] and is_string(value)


def is_id(value: Any) -> bool:
    """Letters, digits, minus and point; at most 64."""
    return type(value) is str and _ID.fullmatch(value) is not None


def _is_oid(value: Any) -> bool:
    return type(value) is str and _OID.fullmatch(value) is not None


def _is_uuid(value: Any) -> bool:
    return type(value) is str and _UUID.fullmatch(value) is not None


def _is_boolean(value: Any) -> bool:
    return value is True or value is False


def _is_integer(value: Any) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31


def _is_unsigned(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def _is_positive(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _is_decimal(value: Any) -> bool:
    return type(value) is Decimal or type(value) is int


def _is_base64(value: Any) -> bool:
    if type(value) is not str or not value:
        return False
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except ValueError:
        return False
    return True


def is_date(value: Any) -> bool:
    """A day, month or year that the calendar has."""
    return type(value) is str and _DATE.fullmatch(value) is not None and _on_calendar(value)


def is_date_time(value: Any) -> bool:
    """A date, or a moment with seconds and zone."""
    if type(value) is not str:
        return False
    return is_instant(value) if len(value) > len("2024-03-14") else is_date(value)


def is_instant(value: Any) -> bool:
    """A moment with seconds and zone."""
    if type(value) is not str or _INSTANT.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return _on_calendar(value)
    # fromisoformat takes any offset; the world's clocks end at +14:00, and no hour has 60 minutes.
    return value[-1] == "Z" or (value[-5:] <= "14:00" and value[-2:] <= "59")


def _on_calendar(text: str) -> bool:
    try:
        interval(text)
    except ValueError:
        return False
    return True


def _is_time(value: Any) -> bool:
    return type(value) is str and _TIME.fullmatch(value) is not None


def _is_sampled(value: Any) -> bool:
    """Numbers as R4 writes a decimal, or E (error), U (under) and L (over), one space between."""
    return is_string(value) and _SAMPLES.fullmatch(value) is not None


def _is_xhtml(value: Any) -> bool:
    """Narrative rules txt-1 and txt-2."""
    return (
        type(value) is str and value.lstrip()[:4] == "<div" and len(value) <= STRING_LIMIT_CHARACTERS and is_safe(value)
    )


CHECKS: Final[dict[str, Check]] = {
    "string": is_string,
    "markdown": is_string,
    "code": is_code,
    "uri": is_uri,
    "url": is_uri,
    "canonical": is_uri,
    "oid": _is_oid,
    "uuid": _is_uuid,
    "id": is_id,
    "boolean": _is_boolean,
    "integer": _is_integer,
    "unsignedInt": _is_unsigned,
    "positiveInt": _is_positive,
    "decimal": _is_decimal,
    "base64Binary": _is_base64,
    "date": is_date,
    "dateTime": is_date_time,
    "instant": is_instant,
    "time": _is_time,
    "xhtml": _is_xhtml,
    "samples": _is_sampled,
}

NARROWER: Final = {("SampledData", "data"): "samples"}
"""Elements that R4's definitions call a string, though its text says which strings (datatypes.html#SampledData)."""

SAYS: Final = {
    "string": "must be text that is not empty and has neither control characters nor active HTML",
    "markdown": "must be text that is not empty and has neither control characters nor active HTML",
    "code": "must be a code: text without spaces at its ends or double ones within",
    "uri": "must be an address without spaces",
    "url": "must be an address without spaces",
    "canonical": "must be an address without spaces",
    "oid": "must be urn:oid: and an OID",
    "uuid": "must be urn:uuid: and a UUID in lower case",
    "id": "must be 1 to 64 letters, digits, '-' or '.'",
    "boolean": "must be true or false",
    "integer": "must be a whole number of 32 bits",
    "unsignedInt": "must be a whole number, 0 or more, of 31 bits",
    "positiveInt": "must be a whole number, 1 or more, of 31 bits",
    "decimal": "must be a number",
    "base64Binary": "must be base64",
    "date": "must be a date of the calendar: YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "must be a date of the calendar, or a moment with seconds and time zone",
    "instant": "must be a moment with seconds and time zone",
    "time": "must be a time hh:mm:ss",
    "xhtml": "must be one <div> of XHTML with content, and no more than a narrative may have",
    "samples": "must be decimal numbers, E, U or L with one space between, of 30 digits at most on either side of the point",
}
