"""How long a name may be that is shown beside every result: R4 lets any text have a million signs, which no page can show.

Text that is the answer (`valueString`, the text of a `valueCodeableConcept`, a conclusion, a note) is as long as R4 lets it be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir.faults import Faults, Rule, fault

NAME_LIMIT_CHARACTERS: Final = 1_000
"""A code, a display, a unit, or the text of what a result is about."""

_NOTHING: Final[Mapping[str, Any]] = {}


def _names(*names: str) -> Rule:
    """Each of these members is a name."""

    def rule(value: Mapping[str, Any]) -> Faults:
        for name in names:
            text = value.get(name)
            if type(text) is str and len(text) > NAME_LIMIT_CHARACTERS:
                return _too_long(f".{name}")
        return None

    return rule


def _concepts(*names: str) -> Rule:
    """The text of each of these members, which are a concept, is a name."""

    def rule(value: Mapping[str, Any]) -> Faults:
        for name in names:
            if _is_long(value.get(name, _NOTHING).get("text")):
                return _too_long(f".{name}.text")
        return None

    return rule


def _is_long(text: object) -> bool:
    return type(text) is str and len(text) > NAME_LIMIT_CHARACTERS


def _too_long(where: str) -> list[Fault]:
    return fault(f"must be at most {NAME_LIMIT_CHARACTERS} signs long", where, code="too-long", rule="name-length")


RULES: Final[Mapping[str, Rule]] = {
    "Coding": _names("system", "code", "display"),
    "Quantity": _names("unit", "code"),
    "Reference": _names("display"),
    "Observation": _concepts("code", "method"),
    "Observation.component": _concepts("code"),
    "DiagnosticReport": _concepts("code"),
    "ServiceRequest": _concepts("code"),
    "Specimen": _concepts("type"),
}
