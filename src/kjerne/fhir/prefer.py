"""The header Prefer (RFC 7240) as FHIR R4 uses it: what comes back of a write, and what becomes of an unknown parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

Return = Literal["", "minimal", "representation", "OperationOutcome"]
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"
_PREFERENCE: Final = re.compile(rf'[\s,]*({_WORD})\s*(?:=\s*({_WORD}|"(?:[^"\\]|\\.)*"))?[^,"]*')
_RETURNS: Final[dict[str, Return]] = {
    "minimal": "minimal", "representation": "representation", "operationoutcome": "OperationOutcome",
}  # fmt: skip


def preferred(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The preferences by name, in lower case as their values are; of one that comes twice the first counts (section 2)."""
    sent = headers.get("prefer", "")
    return _read(sent) if sent else {}


@lru_cache(maxsize=256)
def _read(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for one in _PREFERENCE.finditer(text):
        found.setdefault(one[1].lower(), (one[2] or "").strip('"').lower())
    return found


def wanted(headers: Mapping[str, str]) -> Return:
    """What a write should give back; empty where the caller does not say, or says what R4 does not know."""
    return _RETURNS.get(preferred(headers).get("return", ""), "")


def lenient(headers: Mapping[str, str]) -> bool:
    """Whether parameters that are not known are to be passed over; they are refused otherwise (`handling=strict`)."""
    return preferred(headers).get("handling") == "lenient"
