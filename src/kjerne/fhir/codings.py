"""Codes as R4 knows them: a coding's system is an address and no value set, and lists the code where we have its list.

The lists are those of HL7's own package. A code of a system that we do not have is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from kjerne.fhir.faults import Faults, Rule, fault
from kjerne.fhir.rulebook import rules
from kjerne.fhir.ucum_grammar import is_ucum

UCUM: Final = "http://unitsofmeasure.org"
_URI: Final = "urn:ietf:rfc:3986"
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S")
_MIME: Final = re.compile(r"[A-Za-z0-9!#$&^_.+\-]{1,127}/[A-Za-z0-9!#$&^_.+*\-]{1,127}(?:\s*;.*)?|xml|json|ttl")
"""FHIR's own formats may go by their short names."""
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

SHAPED: Final[dict[str, Callable[[str], bool]]] = {
    "http://hl7.org/fhir/ValueSet/mimetypes": lambda code: _MIME.fullmatch(code) is not None,
    "http://hl7.org/fhir/ValueSet/currencies": lambda code: _CURRENCY.fullmatch(code) is not None,
    "http://hl7.org/fhir/ValueSet/ucum-units": is_ucum,
}
"""Required value sets that are a grammar and no list."""


def shaped(address: str) -> Rule:
    """The rule of an element that must have a code of such a value set."""
    fits = SHAPED[address]

    def check(value: Any) -> Faults:
        if type(value) is str and fits(value):
            return None
        return fault(f"must be one of the codes of {address}", "", "code-invalid", "required-binding")

    return check


def coding(value: Any) -> Faults:
    """A Coding's system and code."""
    system, code = value.get("system"), value.get("code")
    if type(system) is not str:
        return None
    listed = rules().systems.get(system)
    if listed is None:
        return _unit(code) if system == UCUM else _system(system)
    if type(code) is str and code not in listed and "version" not in value:
        return fault("must have a code that its system has", ".code", "code-invalid", "known-code")
    return None


def _system(system: str) -> Faults:
    if _ABSOLUTE.match(system) is None:
        return fault("must be an absolute address", ".system", "code-invalid", "absolute-system")
    if system in rules().value_sets:
        return fault("must be a code system, not a value set", ".system", "code-invalid", "no-value-set")
    return None


def quantity(value: Any) -> Faults:
    """A Quantity's unit, where it says that it is UCUM."""
    return _unit(value.get("code")) if value.get("system") == UCUM else None


def _unit(code: Any) -> Faults:
    if type(code) is str and not is_ucum(code):
        return fault("must be a unit that UCUM has", ".code", "code-invalid", "ucum")
    return None


def identifier(value: Any) -> Faults:
    """An identifier that is said to be an address must be a whole one."""
    inner = value.get("value")
    if value.get("system") == _URI and type(inner) is str and _ABSOLUTE.match(inner) is None:
        return fault(
            "must be an absolute address where its system says that it is one", ".value", "value", "absolute-uri"
        )
    return None
