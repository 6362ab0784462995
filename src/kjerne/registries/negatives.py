"""Codes that say that there is nothing: of a whole section, of a part of it, or that nothing is known of it.

Source: IPS 2.0.1 and 1.1 (absent and unknown data), and the codes of SNOMED CT that those guides name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

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
OF_A_PART: Final = frozenset(
    {
        "409137002", "428607008", "429625007", "1003774007",
        "no-known-medication-allergies", "no-known-environmental-allergies", "no-known-food-allergies",
    }
)  # fmt: skip
"""Codes that say it of some kinds of allergens."""
NO_INFORMATION: Final = frozenset(
    f"no-{one}-info" for one in ("allergy", "problem", "medication", "procedure", "device", "immunization")
)
"""Codes that say that nothing is known."""


def is_negative(codes: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the codes (system, code) says that there is nothing, or that nothing is known.

    >>> is_negative([("http://snomed.info/sct", "716186003")])
    True
    """
    return any(system in SPEAKING and code in OF_ALL | OF_A_PART | NO_INFORMATION for system, code in codes)
