"""The rows on an attestation that does not hold: refused before anything is opened, and written down with whom it was about.

The wire refuses such a request whole (`policy.caller`), whatever it was meant to do. It asks the law only so that the
refusal has its row (`policy.door.Door.write_down`): nothing is ever given for the deed `attest` (law, K101).
"""

from __future__ import annotations

from typing import Final

from kjerne.access import Action
from kjerne.policy.facts import Case
from kjerne.policy.rule import ANYBODY, EVERY_SERVICE, Rule, Section

ATTEST: Final[frozenset[Action]] = frozenset({"attest"})
_OF_A_PLACE: Final = frozenset(
    {"ATT-2, ATT-13", "ATT-15", "ATT-18", "ATT-18, ATT-19", "ATT-28", "ATT-49", "ATT-51", "ATT-56"}
)


def login_is_too_weak(case: Case) -> bool:
    """the login is below security level 4 (ATT-9)"""
    return case.caller.broken == "ATT-9"


def is_about_a_colleague(case: Case) -> bool:
    """the attested practitioner is not the one who logged in (ATT-11)"""
    return case.caller.broken == "ATT-11"


def number_is_not_hers(case: Case) -> bool:
    """the HPR number is missing, not the login's, or not hers by the register today (ATT-29)"""
    return case.caller.broken == "ATT-29"


def authorization_is_not_hers(case: Case) -> bool:
    """the register of health personnel does not hold this authorisation (ATT-32)"""
    return case.caller.broken == "ATT-32"


def place_is_not_its_own(case: Case) -> bool:
    """organisation, unit or department is not the token's own, or is not named as it stands in its register (ATT-13 to ATT-28,
    ATT-49 to ATT-56)"""
    return case.caller.broken in _OF_A_PLACE


def purpose_is_none(case: Case) -> bool:
    """the attested purpose is none of TREAT, ETREAT, COC, BTG of HL7 PurposeOfUse (ATT-38)"""
    return case.caller.broken == "ATT-38"


def time_is_over(case: Case) -> bool:
    """the attestation has no time, is 60 minutes old or more, or lies ahead of the clock (ATT-58)"""
    return case.caller.broken == "ATT-58"


ATTESTED: Final = Section(
    title="An attestation that does not hold",
    kinds=ANYBODY,
    services=EVERY_SERVICE,
    actions=ATTEST,
    rules=(
        Rule(
            id="login-too-weak",
            effect="deny",
            law="pasientjournalloven § 22; Tillitsrammeverket ATT-9",
            says="Innloggingen var ikke på høyeste sikkerhetsnivå. Ingenting ble vist.",
            when=(login_is_too_weak,),
        ),
        Rule(
            id="attested-colleague",
            effect="deny",
            law="Tillitsrammeverket ATT-11",
            says="Bekreftelsen fra arbeidsgiveren gjaldt en annen enn den som var innlogget. Ingenting ble vist.",
            when=(is_about_a_colleague,),
        ),
        Rule(
            id="personnel-not-registered",
            effect="deny",
            law="Tillitsrammeverket ATT-29",
            says="Den som spurte, var ikke registrert som helsepersonell med det nummeret som ble oppgitt. Ingenting ble vist.",
            when=(number_is_not_hers,),
        ),
        Rule(
            id="authorization-not-registered",
            effect="deny",
            law="Tillitsrammeverket ATT-32",
            says="Registeret over helsepersonell har ikke den autorisasjonen som ble oppgitt. Ingenting ble vist.",
            when=(authorization_is_not_hers,),
        ),
        Rule(
            id="attested-place",
            effect="deny",
            law="Tillitsrammeverket ATT-13 til ATT-28, ATT-49 til ATT-56",
            says="Stedet som ble oppgitt, hører ikke til virksomheten som spurte. Ingenting ble vist.",
            when=(place_is_not_its_own,),
        ),
        Rule(
            id="purpose-unknown",
            effect="deny",
            law="Tillitsrammeverket ATT-38 til ATT-41",
            says="Formålet med oppslaget er ikke et kjent formål.",
            when=(purpose_is_none,),
        ),
        Rule(
            id="attestation-out-of-time",
            effect="deny",
            law="Tillitsrammeverket ATT-58",
            says="Bekreftelsen fra arbeidsgiveren var for gammel, eller sa ikke når den var laget. Ingenting ble vist.",
            when=(time_is_over,),
        ),
        Rule(
            id="attestation-refused",
            effect="deny",
            law="Tillitsrammeverket v1.1; pasientjournalloven § 22",
            says="Det som skulle vise retten til opplysningene, manglet noe eller kunne ikke brukes. Ingenting ble vist.",
        ),
    ),
)
