"""The rows for the sandbox's test client: a program for tests that asks about anybody who is made up, and about nobody else.

Production takes no token with its scope (`app.House`), and a number of a real person shuts it out here as well.
"""

from __future__ import annotations

from typing import Final

from kjerne.access import ALL_PATIENTS
from kjerne.policy.facts import Case, has_filed_nothing_of_this
from kjerne.policy.rule import EVERY_SERVICE, EXPORT, FILE, FROM_STAFF, LOOK, SYSTEM, Rule, Section
from kjerne.policy.services_asked import has_shut_anything
from kjerne.policy.table_subscribing import NOTIFY, SUBSCRIBE


def is_for_everybody(case: Case) -> bool:
    """the token is the sandbox's test client's"""
    return ALL_PATIENTS in case.caller.scopes


def is_real(case: Case) -> bool:
    """the patient's number is not a synthetic one"""
    return not case.subject.synthetic


EVERYBODY: Final = Section(
    title="The sandbox's test client",
    kinds=SYSTEM,
    services=EVERY_SERVICE,
    actions=LOOK | FILE | SUBSCRIBE | NOTIFY | EXPORT,
    rules=(
        Rule(
            id="test-of-a-real-person",
            effect="deny",
            law="pasientjournalloven § 16; personvernforordningen artikkel 5 nr. 1 bokstav b",
            says="Et program for testing spurte om en virkelig person. Ingenting ble vist.",
            when=(is_for_everybody, is_real),
        ),
        Rule(
            id="test-of-what-is-not-its-own",
            effect="deny",
            law="personvernforordningen artikkel 5 nr. 1 bokstav f; pasientjournalloven § 22",
            says="Et program for testing ville endre eller slette noe det ikke har sendt inn. Ingenting ble endret.",
            when=(is_for_everybody, has_filed_nothing_of_this),
        ),
        Rule(
            id="test-of-what-is-shut",
            effect="deny",
            law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
            says="Et program for testing spurte om opplysninger som er stengt. Ingenting ble vist.",
            when=(is_for_everybody, has_shut_anything),
        ),
        Rule(
            id="test-of-a-synthetic-person",
            effect="grant",
            law="personvernforordningen artikkel 4 nr. 1: den som er oppdiktet, har ingen personopplysninger",
            says="Et program for testing så eller registrerte opplysninger. Det gjelder bare oppdiktede personer.",
            when=(is_for_everybody,),
            hides=FROM_STAFF,
        ),
    ),
)
