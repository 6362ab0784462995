"""A citizen portal is under the same law: with the right errand the oracle's answer, with a wrong one no.

Every citizen of the access matrix meets every patient through a portal, under each of the four national access policies.
The oracle knows nothing of portals: what it answers to the citizen herself is what she must get, where her errand names
the right that its own registers give her.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from kjerne.access import PORTAL, Caller, Errand, Subject

from .days import day_in_norway
from .people import CALLERS
from .situation import Situation
from .test_matrix import caller_of, cells, product_answers, subject_of

ERRANDS = {"0": "PATRQT", "1": "FAMRQT", "2": "PWATRNY", "3": "PWATRNY"}
BOND = {"1": "parent", "2": "proxy", "3": "guardian"}


def has_right(s: Situation, policy: str) -> bool:
    """Whether the registers of the situation say of the two what the policy says."""
    if policy == "0" or s.is_the_patient:
        return policy == "0" and s.is_the_patient
    today = day_in_norway(s.now)
    return any(
        bond.kind == BOND[policy]
        and bond.helper
        and (bond.first_day is None or bond.first_day <= today)
        and (bond.day_after_last is None or today < bond.day_after_last)
        for bond in s.bonds
    )


def at_a_portal(s: Situation) -> Iterator[tuple[Caller, str, bool]]:
    """Her on each errand there is, about the patient and about somebody else, and whether she has a right to it."""
    alone = caller_of(s)
    for (policy, purpose), about in product(ERRANDS.items(), (b"the patient", b"somebody else")):
        errand = Errand(purpose, policy, about)
        right = about == b"the patient" and has_right(s, policy) and s.is_registered
        yield replace(alone, client="portal", scopes=alone.scopes | {PORTAL}, errand=errand), policy, right


def test_through_a_portal_a_citizen_is_given_what_the_law_gives_her_and_only_on_the_errand_she_has_a_right_to() -> None:
    counted = given = 0
    citizens = {who: caller for who, caller in CALLERS.items() if caller.kind == "citizen"}
    made: dict[tuple[str, str], tuple[Subject, list[tuple[Caller, str, bool]]]] = {}
    for who, whom, s, expected in cells(citizens, purposes=("", "nonsense"), bases=("",)):
        subject, portals = made.get((who, whom)) or made.setdefault((who, whom), (subject_of(s), [*at_a_portal(s)]))
        for portal, policy, has_a_right in portals:
            got = product_answers(s, portal, subject)
            counted += 1
            if has_a_right:
                assert got == expected, (who, whom, s.action, policy)
                given += got.given
            else:
                assert not got.given, (who, whom, s.action, policy)
    assert counted > 10_000 and given > 300
