"""What a rule may ask of a service's own law (`policy.services`): her consent to it, who registers what, how old a document is.

As in `policy.facts`, the first line of each docstring is what docs/law.md prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from kjerne.exchange import ANY_KIND
from kjerne.policy.facts import (
    LOOKING,
    OPENING_BASES,
    WRITING,
    Case,
    has_blocked_somebody,
    has_care_course,
    has_opted_out,
    has_protected_address,
    has_restricted_the_whole,
)
from kjerne.policy.services import SERVICES, Opens

OPENING: Final[Mapping[Opens, frozenset[str]]] = {
    "declared": OPENING_BASES,
    "weighty": frozenset({"FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"}),
    "nothing": frozenset(),
}
"""What opens a restriction, by how strong it is in a service. Weighty is her own yes to just this, or an emergency whose
reason is in writing."""
_OPENED_BY: Final[Mapping[str, frozenset[str]]] = {name: OPENING[one.opens] for name, one in SERVICES.items()}
_WINDOWED: Final[Mapping[str, str]] = {name: one.unlimited_scope for name, one in SERVICES.items() if one.windows}
EVERY_AGE: Final[tuple[tuple[str, date | None], ...]] = ()


def has_not_agreed(case: Case) -> bool:
    """the patient has no consent to this service in force"""
    return not any(
        choice.kind == "consent" and not (choice.hpr or choice.organisation or choice.course) for choice in case.choices
    )


def restriction_stays(case: Case) -> bool:
    """nothing is declared that opens a restriction in this service"""
    return case.basis not in _OPENED_BY[case.service]


def purpose_is_not_the_services(case: Case) -> bool:
    """the service is not for this purpose"""
    return case.purpose not in SERVICES[case.service].purposes


def is_by_kjernejournal_alone(case: Case) -> bool:
    """the token opens documents by the kjernejournal regulation alone"""
    return SERVICES[case.service].unlimited_scope not in case.caller.scopes


def basis_is_missing(case: Case) -> bool:
    """no access basis is declared"""
    return not case.basis


def role_may_not_register_this(case: Case) -> bool:
    """the authorisation may not register this kind of content"""
    may = SERVICES[case.service].registers.get(case.caller.authorization, frozenset())
    if case.what == ANY_KIND and case.action == "correct":
        return not may
    kinds = case.what.split()
    return not kinds or not may.issuperset(kinds)


def is_restricted_at_source(case: Case) -> bool:
    """it is restricted where it was written"""
    return case.what == SERVICES[case.service].shut_at_source


def has_shut_anything(case: Case) -> bool:
    """the patient has opted out or restricted anything against anybody, or her address is protected"""
    return (
        has_protected_address(case)
        or has_opted_out(case)
        or any(choice.kind == "restriction" for choice in case.choices)
    )


def has_no_care_course(case: Case) -> bool:
    """the patient has no open care course at the caller's organisation or point of care"""
    return not has_care_course(case)


def is_shut_to_somebody(case: Case) -> bool:
    """the patient has opted out, blocked somebody by name or restricted the service, or her address is protected"""
    return (
        has_protected_address(case)
        or has_opted_out(case)
        or has_blocked_somebody(case)
        or has_restricted_the_whole(case)
    )


def registrable(case: Case) -> frozenset[str] | None:
    """The kinds of content that a grant lets personnel write; None where the service does not divide them, and to a system,
    which no authorisation divides."""
    law = SERVICES.get(case.service)
    if law is None or not law.registers or case.action not in WRITING or case.caller.kind == "system":
        return None
    return law.registers.get(case.caller.authorization, frozenset())


def windows(case: Case) -> tuple[tuple[str, date | None], ...]:
    """The classes of document that this caller may open and the first day of each; empty where there is no limit."""
    unlimited = _WINDOWED.get(case.service)
    if unlimited is None or unlimited in case.caller.scopes or case.caller.kind != "practitioner":
        return EVERY_AGE
    if case.own or case.action not in LOOKING:
        return EVERY_AGE
    limits = SERVICES[case.service].windows
    return tuple((name, None if years is None else _first_day(case.day, years)) for name, years in limits.items())


def _first_day(day: date, years: int) -> date:
    """The first day whose documents are younger than this many years: half-open, as ages are (K1, K2)."""
    try:
        too_old = day.replace(year=day.year - years)
    except ValueError:
        too_old = date(day.year - years, 2, 28)
    return too_old + timedelta(days=1)
