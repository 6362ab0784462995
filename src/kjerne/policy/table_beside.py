"""The rows for a record that names another patient, asked about the one with whom it lies when the other's record is looked at.

Who asks has a grant about the other already, by the other rows. These say whether the record may be seen by that beside hers:
nobody has attested a need about its own patient, so no declaration opens anything of hers (law, K104 and K105).
"""

from __future__ import annotations

from typing import Final

from kjerne.access import ALL_PATIENTS, SHUT_BY_PATIENT, Action
from kjerne.policy.facts import (
    ROLES,
    Case,
    has_consented,
    has_opted_out,
    has_protected_address,
    is_blocked_by_name,
    is_deceased,
    is_restricted,
)
from kjerne.policy.rule import EVERY_SERVICE, FROM_STAFF, PEOPLE, SYSTEM, TREATING, Rule, Section
from kjerne.policy.services_asked import has_shut_anything

ASKED: Final[frozenset[Action]] = frozenset({"read", "search", "history"})


def is_beside(case: Case) -> bool:
    """the record names another patient, whose record the caller was let in to"""
    return case.beside is not None


def is_not_for_care(case: Case) -> bool:
    """the caller is not a health worker who treats the other in this, or is one of the two"""
    if case.beside is None or _is_for_tests(case):
        return False
    named = case.beside.subject
    own = case.own or case.caller.digest in named.digests or named.caller_key in named.keys
    return case.caller.kind != "practitioner" or own or case.beside.purpose not in TREATING


def is_shut_beside(case: Case) -> bool:
    """the patient has opted out, restricted it against this caller, blocked her by name or died, or her address is protected

    For the test client: the patient has shut anything at all, or is real (K89).
    """
    if _is_for_tests(case):
        return has_shut_anything(case) or not case.subject.synthetic
    return (
        has_protected_address(case)
        or has_opted_out(case)
        or is_blocked_by_name(case)
        or is_restricted(case)
        or is_deceased(case)
    )


def her_consent_is_missing(case: Case) -> bool:
    """the role needs consent and the patient has recorded none, whatever is declared about the other"""
    role = ROLES.get(case.service, {}).get(case.caller.authorization)
    return not _is_for_tests(case) and (role is None or (role.needs_consent and not has_consented(case)))


def _is_for_tests(case: Case) -> bool:
    return case.caller.kind == "system" and ALL_PATIENTS in case.caller.scopes


BESIDE: Final = Section(
    title="A record that names another, seen beside hers",
    kinds=PEOPLE | SYSTEM,
    services=EVERY_SERVICE,
    actions=ASKED,
    rules=(
        Rule(
            id="named-not-for-care",
            effect="deny",
            law="pasientjournalloven § 16; helsepersonelloven § 21 a",
            says="Noe som ligger her, nevner en annen. Det vises bare for helsepersonell som behandler den andre.",
            when=(is_beside, is_not_for_care),
        ),
        Rule(
            id="named-and-shut",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Noe som ligger her, nevner en annen. Det er stengt her og ble ikke vist.",
            when=(is_beside, is_shut_beside),
        ),
        Rule(
            id="named-without-consent",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Noe som ligger her, nevner en annen. Denne yrkesgruppen trenger samtykke for å se det, og det var ikke gitt.",
            when=(is_beside, her_consent_is_missing),
        ),
        Rule(
            id="named",
            effect="grant",
            law="pasientjournalloven § 19; helsepersonelloven § 45",
            says="Noe som ligger her og nevner en annen, ble vist for den som behandler den andre.",
            when=(is_beside,),
            hides=FROM_STAFF | SHUT_BY_PATIENT,
        ),
    ),
)
