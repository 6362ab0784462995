"""The patient of a report: a national number that its digits bear out, or a local number with its kind and maker.

A report without a number, with a wrong number or with a birth date in its place is refused with element and line; it
is never filed on a guess. The number itself stands in no text that leaves here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.services.results.kith.model import Actor, Identifier, Patient
from kjerne.services.results.kith.nodes import Element, Notes, Parts, date, first, parts, refuse, text, value
from kjerne.services.results.kith.read_actors import identifier_of

NATIONAL: Final = frozenset({"FNR", "DNR", "FHN"})
LOCAL: Final = frozenset({"HNR", "PNR", "SEF", "DKF", "SSN", "FPN", "UID", "DUF", "EHK", "XXX"})
"""ID types (8116, 8268) that are unique only beside whoever made them, or in another country."""

NUMBER_MISSING: Final = "E30"
NUMBER_WRONG: Final = "E31"
"""Codes of 8221 for a receipt."""

_DATE_LIKE: Final = re.compile(r"[0-9]{6}|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2,4}")
_SEXES: Final = ("1", "2")
"""Male and female (3101): the ninth digit of a number is odd or even."""
_LONGEST: Final = 40
_NOBODY: Final = Identifier("")


def patient(element: Element, here: Parts, maker: Actor, notes: Notes) -> Patient:
    """The patient with the kind of number that the digits bear out. `maker` made a local number; `Refusal` 422
    else."""
    number, kind = text(here, "OffId").replace(" ", ""), value(here, "TypeOffId").upper()
    holder = first(here, "OffId")
    if not number or (kind not in LOCAL and _DATE_LIKE.fullmatch(number)):
        other = _national_beside(here)
        if other is not None:
            notes.add("The identity number stands in AdditionalId; it is read from there.")
            number, kind, holder = other
    if not number or holder is None:
        says = "The patient has no identity number."
        if date(here, "DateOfBirth"):
            says = "The patient has a birth date, but no identity number."
        refuse(says, element, "OffId", todo="Send OffId with TypeOffId.", receipt=NUMBER_MISSING)
    if kind in LOCAL:
        return _local(number, kind, holder, here, maker)
    if _DATE_LIKE.fullmatch(number):
        says = "OffId holds a birth date, which identifies nobody."
        refuse(says, holder, todo="Send the identity number in OffId.", receipt=NUMBER_MISSING)
    if kind not in NATIONAL and kind:
        refuse("TypeOffId is no kind of identity number (8116).", holder, receipt=NUMBER_WRONG)
    if not kind:
        notes.add("TypeOffId is missing; the kind of number was read from its digits.")
    known = _national(number, kind, holder)
    if known.kind == "HNR":
        return _local(number, "HNR", holder, here, maker)
    national = "FHN" if kind == "FHN" else known.kind
    born = known.birth_date.isoformat() if known.birth_date else date(here, "DateOfBirth")
    _note_at_odds(known, here, notes)
    return _with_particulars(Patient(known.value, national, born=born), here)


def _note_at_odds(known: identifiers.PersonNumber, here: Parts, notes: Notes) -> None:
    """Note a birth date and a sex that the number does not bear out. A birth date may have been corrected and a sex changed
    since the number was given, so neither says that it is another person's."""
    if known.birth_date is None:  # nor do the digits of such a number tell the sex
        return
    told = date(here, "DateOfBirth")[:10]
    if told and not known.birth_date.isoformat().startswith(told):
        notes.add("DateOfBirth is another than the patient's number tells; the report is filed by the number.")
    if value(here, "Sex") in _SEXES and value(here, "Sex") != _SEXES[int(known.value[8]) % 2 == 0]:
        notes.add("Sex is another than the patient's number tells; the report is filed by the number.")


def _national_beside(here: Parts) -> tuple[str, str, Element] | None:
    """A national number among the patient's alternative ids, with its kind."""
    return next(_alternatives(here), None)


def _alternatives(here: Parts) -> Iterator[tuple[str, str, Element]]:
    for element in here.get("AdditionalId", ()):
        inside = parts(element)
        number, kind = text(inside, "Id").replace(" ", ""), value(inside, "Type").upper()
        if number and kind in NATIONAL:
            yield number, kind, element


def beside(known: Patient, here: Parts, notes: Notes) -> tuple[str, ...]:
    """The other national numbers among the patient's alternative ids; whether they are hers is the register's to say."""
    valid = (number for number, _, _ in _alternatives(here) if identifiers.is_number(number))
    others = tuple(dict.fromkeys(number for number in valid if number != known.number))
    if others:
        notes.add("AdditionalId holds another national number; the report is filed by the number of the patient.")
    return others


def _national(number: str, kind: str, holder: Element) -> identifiers.PersonNumber:
    try:
        return identifiers.parse(number, declared=kind)
    except Refusal as refusal:
        refuse(f"OffId: {refusal.says}", holder, todo=refusal.todo, receipt=NUMBER_WRONG)


def _local(number: str, kind: str, holder: Element, here: Parts, maker: Actor) -> Patient:
    if len(number) > _LONGEST:
        refuse(f"OffId is longer than {_LONGEST} signs.", holder, receipt=NUMBER_WRONG)
    if kind in ("XXX", "UID") and _DATE_LIKE.fullmatch(number):
        refuse("OffId holds a birth date, which identifies nobody.", holder, receipt=NUMBER_MISSING)
    made_by = identifier_of(("ENH", "HER", "RSH"), maker.organisation_ids, maker.department_ids)
    name = maker.organisation or maker.department
    if made_by is None and not name:
        refuse(
            "A local number needs the organisation that made it; ServProvider names none.", holder, receipt=NUMBER_WRONG
        )
    known = Patient(number, kind, made_by or _NOBODY, name, born=date(here, "DateOfBirth"))
    return _with_particulars(known, here)


def _with_particulars(known: Patient, here: Parts) -> Patient:
    return msgspec.structs.replace(
        known, name=text(here, "Name"), sex=value(here, "Sex"), died=date(here, "DateOfDeath")
    )
