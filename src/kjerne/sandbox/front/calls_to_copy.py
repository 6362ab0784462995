"""A first call to copy for each persona: one line of the client for tests (`kjerne call`), which makes token and proof itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from kjerne.sandbox.personas import Persona

_BY_ROLE: Final[Mapping[str, tuple[str, ...]]] = {
    "laboratory": ("GET", "/disclosures"),
    "journal": ("GET", "/disclosures"),
    "ehr": ("GET", "/fhir/R4/Subscription"),
    "operations": ("GET", "/participation"),
    "audit-repository": ("GET", "/fhir/R4/AuditEvent?_count=5", "--patient", "citizen"),
    "registry": ("GET", "/fhir/R4/Organization?_count=5"),
    "test-client": ("GET", "/fhir/R4/Patient?_count=5"),
}
_SEARCH: Final = ("POST", "/pps/v2/Observation/_search", "--form", "_count=1")
_AT_WORK_ON_PAGES: Final = "operations"
_OF_OTHERS: Final = ("citizen-portal", "device-gateway", "document-register")
"""A portal acts for who is logged in there; measurements from home have no service yet; a register that is called whole while
nobody stands in it would hide what its source has."""


def first(url: str, persona: Persona) -> str:
    """What this persona can begin with; empty where there is nothing for it."""
    if persona.kind == "citizen":
        return f"{_line(url, persona.name, *_SEARCH, '--patient', persona.name)} --portal"
    if persona.kind == "system":
        return "" if persona.role in _OF_OTHERS else _line(url, persona.name, *_BY_ROLE[persona.role])
    return "" if persona.role == _AT_WORK_ON_PAGES else about(url, persona.name, "citizen")


def about(url: str, persona: str, patient: str) -> str:
    """A search for one result of a patient (a part, or a number) as a persona."""
    return _line(url, persona, *_SEARCH, "--patient", patient)


def _line(url: str, persona: str, *parts: str) -> str:
    return f"KJERNE_URL={shlex.quote(url)} kjerne call {shlex.join((*parts, '--as', persona))}"
