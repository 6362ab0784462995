"""Powers of attorney by area and guardianships by scope: what a register must state for somebody to see for another.

The words are the registers' own (Helsenorge's areas; Folkeregisteret's guardiantype and guardianscope, Grunndata). A word
that is not here opens nothing, and so does a tie for which the register states none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.access import Action, Tie
from kjerne.policy.facts import Case, binds
from kjerne.policy.people import ADULT, age
from kjerne.policy.services import seen_by

LOOKING: Final[frozenset[Action]] = frozenset({"read", "search", "history", "insight"})
NOTHING: Final[Mapping[str, frozenset[Action]]] = {}
AREAS: Final[Mapping[str, Mapping[str, frozenset[Action]]]] = {
    "innsyn": {**dict.fromkeys(seen_by("representative"), LOOKING), "": frozenset[Action]({"insight"})},
    "digitaleHelsetjenester": NOTHING,
}
"""Area of a power of attorney -> service -> what it covers there by itself. `innsyn` is sight of what is registered. The log of
all services ("") is hers as that of each that she sees (`insight.unseen` keeps the others' lines out of it)."""
CHOOSING: Final = frozenset({"innsyn", "digitaleHelsetjenester"})
"""To change a privacy setting is to act, and to be shown the settings and whom they can be against is sight: both areas."""
FORMS: Final = frozenset({"voksen", "midlertidigForVoksen", "stadfestetFremtidsfullmakt"})
"""Guardianships of adults, and powers of attorney for the future that have been confirmed."""
SCOPES_WITH_HEALTH: Final = frozenset({"personligeInteresser", "personligeOgOekonomiskeInteresser"})
"""Health is a personal interest; the economic scope does not hold it, and the one for asylum cases is a minor's."""
ASYLUM_SEEKER: Final = "ensligMindreaarigAsylsoeker"
FORMS_OF_MINORS: Final = frozenset(
    {"mindreaarig", "midlertidigForMindreaarig", "ensligMindreaarigFlyktning", ASYLUM_SEEKER}
)
SCOPE_OF_ASYLUM: Final = "utlendingssakerPersonligeOgOekonomiskeInteresser"
"""Personal and economic interests and the asylum case: for an unaccompanied asylum seeker alone, as the register says."""


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


def power_covers_choosing(case: Case) -> bool:
    """the caller has the patient's power of attorney today, for insight and for acting in digital health services"""
    return CHOOSING.issubset(area for tie in _ties(case, "proxy") for area in tie.areas)


def guards_a_minor_for_health(case: Case) -> bool:
    """the caller is registered as a minor's guardian today, with a scope that holds health"""
    return any(_holds_health_of_a_minor(tie) for tie in _ties(case, "guardian"))


def _holds_health_of_a_minor(tie: Tie) -> bool:
    if tie.form == ASYLUM_SEEKER and SCOPE_OF_ASYLUM in tie.areas:
        return True
    return tie.form in FORMS_OF_MINORS and not SCOPES_WITH_HEALTH.isdisjoint(tie.areas)


def somebody_is_a_parent(case: Case) -> bool:
    """somebody who is not dead is registered with parental responsibility today"""
    return any(binds(tie, case.day) for tie in case.subject.parents)


def nobody_is_a_parent(case: Case) -> bool:
    """nobody alive is registered with parental responsibility today"""
    return not somebody_is_a_parent(case)


def caller_is_adult(case: Case) -> bool:
    """the caller's age is 18 or more"""
    born = case.subject.caller_birth_date
    return born is not None and age(born, case.day) >= ADULT


def caller_is_no_adult(case: Case) -> bool:
    """the caller's age is below 18, or no register gives it"""
    return not caller_is_adult(case)


def caller_is_deceased(case: Case) -> bool:
    """the person who is logged in is registered as dead"""
    return case.subject.caller_deceased
