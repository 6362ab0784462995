"""A person of the register as the resource Patient, in the shape of no-basis-Patient where that is simple.

Source: hl7.fhir.no.basis (identifiers by their OIDs). What the register does not say is left out, and no address is told of
who lives under a protected one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final, NamedTuple

Tree = dict[str, Any]
MADE_UP: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
GENERATED: Final = "http://kjerne.example/fhir/NamingSystem/generated-person"
"""What the generator of synthetic people calls each: the same for the same model, seed and wishes, and nobody else's."""
ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
RESPONSIBLE: Final = "http://kjerne.example/fhir/StructureDefinition/parental-responsibility"
"""On a `Patient.contact`: the national number (`valueIdentifier`) of a parent with parental responsibility. R4 has no element for
it: a contact has no number, and RelatedPerson is no part of a register of persons."""
GUARDIAN: Final = "http://kjerne.example/fhir/StructureDefinition/guardianship"
"""As that, of her guardian (verge)."""
GENDERS: Final = frozenset({"male", "female", "other"})


class Number(NamedTuple):
    """One of her numbers: the system that it is of, and whether it is the one that holds now."""

    system: str
    value: str
    holds: bool


class Known(NamedTuple):
    """What the register says of a person; `address` is empty where it may not be told."""

    name: str
    sex: str
    birth_date: date | None
    died_on: date | None
    address: str
    is_made_up: bool


def patient(known: Known, numbers: Iterable[Number]) -> Tree:
    """The resource, without an id."""
    told: Tree = {"resourceType": "Patient"}
    if known.is_made_up:
        told["meta"] = {"security": [dict(MADE_UP)]}
    if identifiers := [
        {"use": "official" if one.holds else "old", "system": one.system, "value": one.value} for one in numbers
    ]:
        told["identifier"] = identifiers
    if known.name:
        told["name"] = [_name(known.name)]
    told["gender"] = known.sex if known.sex in GENDERS else "unknown"
    if known.birth_date:
        told["birthDate"] = known.birth_date.isoformat()
    if known.died_on:
        told["deceasedDateTime"] = known.died_on.isoformat()
    if known.address:
        told["address"] = [{"use": "home", "text": known.address}]
    return told


def _name(text: str) -> Tree:
    """The last word is the family's, as the register writes a name."""
    *given, family = text.split() or [text]
    return {"use": "official", "text": text, "family": family} | ({"given": given} if given else {})


def name_of(tree: Tree) -> str:
    """The name of a Patient in one line, as the register has names: her official one, or else her first."""
    names = tree.get("name") or [{}]
    chosen = next((one for one in names if one.get("use") == "official"), names[0])
    whole = " ".join((*chosen.get("given", ()), chosen.get("family", ""))).strip()
    return str(whole or chosen.get("text", ""))


def standing_in(tree: Tree) -> list[tuple[str, str, str]]:
    """(extension, element path, number) of each parent with parental responsibility and each guardian that a Patient names."""
    return [
        (
            str(one["url"]),
            f"Patient.contact[{place}].extension[{at}].valueIdentifier.value",
            str(one["valueIdentifier"].get("value", "")),
        )
        for place, contact in enumerate(tree.get("contact", ()))
        for at, one in enumerate(contact.get("extension", ()))
        if one.get("url") in (RESPONSIBLE, GUARDIAN) and isinstance(one.get("valueIdentifier"), dict)
    ]


def born_on(tree: Tree) -> date | None:
    """Her birth date where it is a whole one."""
    return _day(tree.get("birthDate", ""))


def died_on(tree: Tree, otherwise: date) -> date | None:
    """The day of her death; `otherwise` where it is said that she is dead and not when."""
    if text := tree.get("deceasedDateTime", ""):
        return _day(str(text)[:10]) or otherwise
    return otherwise if tree.get("deceasedBoolean") is True else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
