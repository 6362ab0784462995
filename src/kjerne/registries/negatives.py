"""Codes that say that there is nothing: of a whole section, of a part of it, or that nothing is known of it.

Source: IPS 2.0.1 and 1.1 (absent and unknown data), and the codes of SNOMED CT that those guides name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from kjerne.fhir.systems import canonical

SNOMED: Final = "http://snomed.info/sct"
ABSENT_UNKNOWN: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
SPEAKING: Final = frozenset({SNOMED, ABSENT_UNKNOWN})
OF_ALL: Final = frozenset(
    {
        "716186003", "no-known-allergies", "160245001", "no-known-problems", "787481004", "no-known-medications",
        "no-known-procedures", "no-known-devices", "no-known-immunizations",
    }
)  # fmt: skip
"""Codes that say of a whole section that there is nothing: SNOMED CT's for allergies, problems and medicines."""
OF_A_PART: Final[Mapping[str, str]] = {
    "409137002": "medication", "428607008": "environment", "429625007": "food", "428197003": "", "1003774007": "",
    "no-known-medication-allergies": "medication", "no-known-environmental-allergies": "environment",
    "no-known-food-allergies": "food",
}  # fmt: skip
"""Codes that say it of some kinds of allergens, with R4's category of those; insects and latex are less than a category."""
NO_INFORMATION: Final = frozenset(
    f"no-{one}-info" for one in ("allergy", "problem", "medication", "procedure", "device", "immunization")
)
"""Codes that say that nothing is known."""

Negative = Literal["", "whole", "part", "no-info"]
"""That there is nothing, or nothing of some kinds, or (`no-info`) another system's word for having nothing to say."""


def negative_in(codes: Iterable[tuple[str, str]]) -> Negative:
    """What the codes (system, code) of one thing say together: a negative only where each of them is one, and then the least of
    them. Whoever wrote a substance beside it may have meant that.

    >>> negative_in([("http://snomed.info/sct", "716186003")]), negative_in([("http://www.whocc.no/atc", "J01CA04")])
    ('whole', '')
    """
    found = {_one(canonical(system), code) for system, code in codes}
    return next((one for one in _LEAST_FIRST if one in found), "")


def _one(system: str, code: str) -> Negative:
    if system not in SPEAKING:
        return ""
    return "no-info" if code in NO_INFORMATION else "part" if code in OF_A_PART else "whole" if code in OF_ALL else ""


_LEAST_FIRST: Final[tuple[Negative, ...]] = ("", "no-info", "part", "whole")


def names_what(tree: Mapping[str, Any]) -> bool:
    """Whether an allergy names a substance that was reacted to, whatever its code says."""
    reactions = tree.get("reaction")
    return (
        any(isinstance(one, Mapping) and one.get("substance") for one in reactions)
        if isinstance(reactions, list)
        else False
    )


def is_negative(codes: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the codes (system, code) says that there is nothing, or that nothing is known.

    >>> is_negative([("http://snomed.info/sct", "716186003")])
    True
    """
    return any(system in SPEAKING and (code in OF_A_PART or code in OF_ALL | NO_INFORMATION) for system, code in codes)
