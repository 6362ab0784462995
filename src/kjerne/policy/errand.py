"""A citizen at a portal: what she came for, and the access policy that is signed with it.

A portal (the Helsenorge role) shows a citizen her own record, or one that she may see for another. It never asks in its
own name: the token is hers, the portal stands in it as the actor (RFC 8693), and it says whom this errand is about. These
demands hold what is said together; whether she is the child's parent or has the power of attorney is the rule table's to
ask of the registers. The access policies are the national ACP identifiers of the XUA assertion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kjerne.access import PORTAL, CallerKind, Errand
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims, Representation

POLICY_ROOT: Final = "2.16.578.1.12.4.1.7.2.1."
PURPOSE_SYSTEM: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
POLICIES_BY_PURPOSE: Final[Mapping[str, frozenset[str]]] = {
    "PATRQT": frozenset({"0"}),
    "FAMRQT": frozenset({"1"}),
    "PWATRNY": frozenset({"2", "3"}),
}
"""Which access policies go with a citizen's purpose: her own record, her child's, one that she has been given."""
BASIS_BY_POLICY: Final[Mapping[str, str]] = {
    "0": "",
    "4": "UNNTAK",
    "5": "FORHOYET_SAMTYKKE",
    "6": "AKUTT",
    "7": "FORHOYET_AKUTT",
    "8": "SAMTYKKE",
}
"""What an access policy of health personnel declares, in the words of the header `access-basis`."""

_PERSON_SYSTEMS: Final = frozenset(f"urn:oid:2.16.578.1.12.4.1.4.{kind}" for kind in "123")
_ELEVEN = re.compile(r"[0-9]{11}")


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that an errand must hold: `met` is asked, `says` and `todo` are what the portal reads where it is not."""

    rule: str
    where: str
    says: str
    met: Callable[[Claims, Representation], bool]
    todo: str = ""


DEMANDS: Final = (
    Demand(
        "portal-scope",
        "scope",
        "A portal that acts for a citizen needs the scope kjerne:portal.",
        lambda claims, _: PORTAL in claims.scopes,
    ),
    Demand(
        "portal-actor",
        "act",
        "The token does not name its own client as the one who acts for the citizen.",
        lambda claims, _: claims.actor == claims.client,
        "Exchange the citizen's login for a token of your own.",
    ),
    Demand(
        "portal-patient",
        "patient.identifier",
        "The errand must name one person by a fødselsnummer, D-number or common help number with its system.",
        lambda _, said: said.patient.system in _PERSON_SYSTEMS and bool(_ELEVEN.fullmatch(said.patient.id)),
    ),
    Demand(
        "portal-purpose",
        "purpose_of_use",
        "The purpose must be PATRQT, FAMRQT or PWATRNY of HL7 PurposeOfUse.",
        lambda _, said: (
            said.purpose_of_use.system == PURPOSE_SYSTEM and said.purpose_of_use.code in POLICIES_BY_PURPOSE
        ),
    ),
    Demand(
        "portal-access-policy",
        "access_policy",
        "The access policy (ACP) is unknown, or goes with another purpose.",
        lambda _, said: policy_of(said.access_policy) in POLICIES_BY_PURPOSE[said.purpose_of_use.code],
        "PATRQT goes with none or 0, FAMRQT with 1, PWATRNY with 2 or 3.",
    ),
)


def policy_of(identifier: str) -> str:
    """The number of a national access policy, 0 where none is named; empty where it is none of the nine."""
    number = identifier.removeprefix("urn:oid:").removeprefix(POLICY_ROOT) if identifier else "0"
    known = number in BASIS_BY_POLICY or number in ("1", "2", "3")
    return number if known and identifier in ("", POLICY_ROOT + number, f"urn:oid:{POLICY_ROOT}{number}") else ""


def errand_of(claims: Claims, kind: CallerKind, digest: Callable[[str], bytes]) -> Errand | None:
    """What the citizen came to the portal for; None where no portal stands between. `Refusal` 403 with the rule's name."""
    if not (claims.actor or claims.errands or PORTAL in claims.scopes):
        return None
    if kind != "citizen" or len(claims.errands) != 1:
        raise Refusal(
            403,
            "A portal acts for a citizen, and says with one errand about whom.",
            where="authorization_details",
            rule="portal-errand",
        )
    said = claims.errands[0]
    for demand in DEMANDS:
        if not demand.met(claims, said):
            raise Refusal(403, demand.says, where=demand.where, todo=demand.todo, rule=demand.rule)
    return Errand(said.purpose_of_use.code, policy_of(said.access_policy), digest(said.patient.id))


def basis_of(claims: Claims, kind: CallerKind) -> str:
    """The basis that an access policy declares for a member of staff; `Refusal` 403 where it is none of hers."""
    if not claims.access_policy:
        return ""
    number = policy_of(claims.access_policy)
    if kind != "practitioner" or number not in BASIS_BY_POLICY:
        raise Refusal(
            403,
            "The access policy (ACP) is unknown, or is not one of health personnel.",
            where="urn:ihe:iti:xua:2012:acp",
            todo="Leave it out, or send one of 0, 4, 5, 6, 7 and 8.",
            rule="access-policy",
        )
    return BASIS_BY_POLICY[number]
