"""Powers of attorney by area and guardianships by scope: what a register must state for somebody to see for another.

The words are the registers' own (Helsenorge's areas; Folkeregisteret's guardiantype and guardianscope, Grunndata). A word
that is not here opens nothing, and so does a tie for which the register states none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.access import Action, Tie
from kjerne.policy.facts import Case, is_18_or_more
from kjerne.policy.people import ADULT, age
from kjerne.policy.services import seen_by

LOOKING: Final[frozenset[Action]] = frozenset({"read", "search", "history", "insight"})
NOTHING: Final[Mapping[str, frozenset[Action]]] = {}
AREAS: Final[Mapping[str, Mapping[str, frozenset[Action]]]] = {
    "innsyn": {**dict.fromkeys(seen_by("representative"), LOOKING), "": frozenset[Action]({"insight"})},
    "digitaleHelsetjenester": NOTHING,
}
"""Area of a power of attorney -> service -> what it covers there. `innsyn` is sight of what is registered; to act in a
service is `digitaleHelsetjenester`, and there is nothing a proxy may do in the services so far. The log of all services ("")
is hers as that of each that she sees (`insight.unseen` keeps the others' lines out of it)."""
FORMS: Final = frozenset({"voksen", "midlertidigForVoksen", "stadfestetFremtidsfullmakt"})
"""Guardianships of adults, and powers of attorney for the future that have been confirmed."""
SCOPES_WITH_HEALTH: Final = frozenset({"personligeInteresser", "personligeOgOekonomiskeInteresser"})
"""Health is a personal interest; the economic scope does not hold it, and the one for asylum cases is a minor's."""


def _ties(case: Case, kind: str) -> list[Tie]:
    key = case.subject.caller_key
    return [tie for tie in case.ties if tie.kind == kind and key is not None and tie.key == key]


def power_covers_this(case: Case) -> bool:
    """the caller has the patient's power of attorney today, for an area that covers this"""
    return any(
        case.action in AREAS.get(area, NOTHING).get(case.service, frozenset())
        for tie in _ties(case, "proxy")
        for area in tie.areas
    )


def guardian_for_health(case: Case) -> bool:
    """the caller is registered as an adult's guardian today, with a scope that holds health"""
    return any(tie.form in FORMS and not SCOPES_WITH_HEALTH.isdisjoint(tie.areas) for tie in _ties(case, "guardian"))


def caller_is_adult(case: Case) -> bool:
    """the caller's age is 18 or more"""
    born = case.subject.caller_birth_date
    return born is not None and age(born, case.day) >= ADULT


def caller_is_no_adult(case: Case) -> bool:
    """the caller's age is below 18, or no register gives it"""
    return not caller_is_adult(case)


def patient_is_a_minor(case: Case) -> bool:
    """the patient's age is below 18"""
    return not is_18_or_more(case)


def caller_is_deceased(case: Case) -> bool:
    """the person who is logged in is registered as dead"""
    return case.subject.caller_deceased
