"""Who may read a source's documents: one table, asked of what a trusted issuer has signed (law, K157 to K159).

The first row that fits decides, and where none fits the answer is no. Ages are whole years and half-open, `[0, 12)`. What a
document is marked with is one of two things that never mix: how confidential it is (N, R, V), and who it is kept from (9603):
*withheld* from the citizen by personnel, or *locked* against personnel by the citizen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.policy.claims import CareRelationship, Claims
from kjerne.policy.errand import PURPOSE_SYSTEM, policy_of
from kjerne.policy.people import HEALTH_MAJORITY, OLDEST, PARENTS_UNTIL, UNBORN, age
from kjerne.policy.services import SERVICES, Role
from kjerne.registries import identifiers
from kjerne.registries.wording import says_something
from kjerne.xds.forms import CX
from kjerne.xds.values import Code, DocumentEntry, bare

HIGH_LEVEL: Final = 4
LEVELS: Final = frozenset("NRV")
LEVEL_SYSTEMS: Final = frozenset(
    {"2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "2.16.578.1.12.4.1.1.9603"}
)
"""The national test data write N in all three."""
LABEL_SYSTEM: Final = "2.16.578.1.12.4.1.1.9603"
ROLE_SYSTEM: Final = "2.16.578.1.12.4.1.1.9060"
ROLES: Final = SERVICES["documents"].roles
LOCKED: Final = frozenset({"NORS"})
FROM_PARENTS, FROM_YOUTH = "NORN_FORANS", "NORN_UNGDOM"
WITHHELD: Final = frozenset(
    {"NORN_FFL", "NORN_KUT", "NORN_EPO", "NORN_ALL", "NORN_FOR", "NORN_FFH", "NORN_FPB", "NORN_DUP", "NORN_ANG", "NORU",
     FROM_PARENTS, FROM_YOUTH}
)  # fmt: skip
"""NORU opens after a time that no metadata tell: it is withheld until the source takes the mark away."""
STAFF_SCOPES: Final = frozenset({"journaldokumenter_helsepersonell", "nhn:phr/mhd/read-documentreferences"})
CITIZEN_SCOPE: Final = "innsynpasientjournal"
EMERGENCY: Final = "7"
UNLOCKING: Final = frozenset({"5", EMERGENCY})
"""Access policies under which what is locked opens: explicit consent to just that, and an emergency with its reason."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that a row may look at. `age` is None where nothing tells it; `policy` the number of the national ACP."""

    is_citizen: bool
    is_own: bool
    purpose: str
    policy: str
    age: int | None
    breaks_glass: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: whom it is for, and which levels they see; none at all is a no. `hides` are the marks that stay shut."""

    name: str
    is_citizen: bool
    is_own: bool | None
    purposes: frozenset[str]
    policies: frozenset[str]
    ages: tuple[int, int] | None
    levels: frozenset[str]
    hides: frozenset[str]
    says: str
    law: str
    breaks_glass: bool = False
    """Whether it is only for those whose role sets rules aside."""

    def fits(self, case: Case) -> bool:
        return (
            self.is_citizen == case.is_citizen
            and self.is_own in (None, case.is_own)
            and (not self.purposes or case.purpose in self.purposes)
            and (not self.policies or case.policy in self.policies)
            and self.breaks_glass <= case.breaks_glass
            and (self.ages is None or (case.age is not None and self.ages[0] <= case.age < self.ages[1]))
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """A yes: what may be seen of her, and the row that says so."""

    rule: str
    levels: frozenset[str]
    hides: frozenset[str]

    def opens(self, entry: DocumentEntry) -> bool:
        """Whether a document may be told of and given: every mark on it is known, and none keeps it shut."""
        levels, labels = marks(entry.confidentiality)
        return bool(levels) and levels <= self.levels and not labels & self.hides


class Denied(Exception):
    """A no, with the row or the demand that says it."""

    def __init__(self, rule: str, says: str) -> None:
        super().__init__(says)
        self.rule = rule
        self.says = says


_NO: Final[frozenset[str]] = frozenset()
_CARE: Final = frozenset({"TREAT", "ETREAT", "COC", "CAREMGT"})
_STAFFS: Final = frozenset({"0", "4", "5", "6", "7", "8"})
_EVER: Final = HEALTH_MAJORITY, OLDEST

RULES: Final = (
    Rule("own", True, True, frozenset({"PATRQT"}), frozenset({"0"}), _EVER, frozenset("NR"),
         WITHHELD - {FROM_PARENTS, FROM_YOUTH}, "She sees her own.", "pbrl § 5-1; pjl § 18"),
    Rule("own-child", True, True, _NO, _NO, (UNBORN, HEALTH_MAJORITY), _NO, _NO,
         "Under 16 documents are not shown at a portal to whom they are about.", "pbrl § 3-4, § 4-3"),
    Rule("parent", True, False, frozenset({"FAMRQT"}), frozenset({"1"}), (UNBORN, PARENTS_UNTIL), frozenset("NR"),
         WITHHELD - {FROM_YOUTH}, "A parent sees what is about a child under 12.", "pbrl § 3-4"),
    Rule("guardian-of-child", True, False, frozenset({"PWATRNY"}), frozenset({"3"}), (UNBORN, PARENTS_UNTIL), frozenset("NR"),
         WITHHELD - {FROM_YOUTH}, "A guardian sees of a child under 12 what a parent would.",
         "vergemålsloven § 16, § 17; pbrl § 3-4"),
    Rule("parent-of-older", True, False, frozenset({"FAMRQT"}), _NO, (PARENTS_UNTIL, OLDEST), _NO, _NO,
         "A parent's insight at a portal ends on the twelfth birthday.", "pbrl § 3-4"),
    Rule("proxy", True, False, frozenset({"PWATRNY"}), frozenset({"2", "3"}), _EVER, frozenset("NR"),
         WITHHELD - {FROM_YOUTH}, "Who stands in for her sees no more than she does.", "pbrl § 3-3, § 4-6"),
    Rule("staff-own", False, True, _NO, _NO, None, _NO, _NO,
         "Personnel read their own record as the citizens they are, not in their work.", "hpl § 21 a; pjl § 16"),
    Rule("staff", False, False, _CARE, _STAFFS, None, LEVELS, LOCKED, "Personnel see what care needs.", "hpl § 45; pjl § 19"),
    Rule("staff-override", False, False, frozenset({"BTG"}), frozenset({"7"}), None, LEVELS, LOCKED,
         "The normal rules are set aside in an emergency, with its reason.", "hpl § 7, § 45; Tillitsrammeverket ATT-41",
         breaks_glass=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Demand:
    rule: str
    says: str
    met: Callable[[Claims, bool], bool]


_kept: Final = identifiers.without_numbers
"""What of a text the log keeps, by which it is judged whether it says something."""

DEMANDS: Final = (
    _Demand("level", "The login is not at security level 4.", lambda claims, _: claims.level >= HIGH_LEVEL),
    _Demand("organisation", "The assertion names no organisation.", lambda claims, _: bool(claims.organisation)),
    _Demand("one-errand", "The assertion names no purpose, or more than one.",
            lambda claims, _: len(claims.errands) + len(claims.attestations) == 1),
    _Demand("scope", "The assertion lacks the scope for documents.", lambda claims, citizen: (
        CITIZEN_SCOPE in claims.scopes if citizen else not STAFF_SCOPES.isdisjoint(claims.scopes))),
    _Demand("role", "The assertion names no role (9060) of those that look in documents.", lambda claims, citizen: (
        citizen or _role(claims) is not None)),
    _Demand("hpr", "The assertion names no HPR number.", lambda claims, citizen: citizen or bool(claims.hpr)),
    _Demand("decision", "The assertion names no decision of access.", lambda claims, citizen: (
        citizen or bool(claims.attestations[0].care_relationship.decision_ref.id))),
    _Demand("reason", "An emergency opens with its reason in words (description of the decision).", lambda claims, citizen: (
        citizen or not _is_emergency(claims)
        or says_something(_kept(claims.attestations[0].care_relationship.decision_ref.description)))),
    _Demand("name", "An emergency opens to somebody whose name the patient can be told.", lambda claims, citizen: (
        citizen or not _is_emergency(claims) or says_something(_kept(claims.name)))),
)  # fmt: skip


def patient_of(claims: Claims) -> CX:
    """Whom the assertion is about; `Denied` where it says nobody. It opens nobody else (ATT-4)."""
    named = [one.patient for one in claims.errands]
    named += [patient.identifier for said in claims.attestations for patient in said.patients]
    if len(named) != 1 or not named[0].id:
        raise Denied("no-patient", "The assertion is about nobody, or about several.")
    return CX(named[0].id, bare(named[0].system))


def decide(claims: Claims, patient: CX, born: date | None, today: date) -> Sight:
    """What these claims open of this patient's; `Denied` otherwise. `born` is from the source's own register."""
    citizen = bool(claims.errands)
    for demand in DEMANDS:
        if not demand.met(claims, citizen):
            raise Denied(demand.rule, demand.says)
    if patient_of(claims) != patient:
        raise Denied("other-patient", "The assertion is about another patient.")
    purpose, given = _purpose(claims)
    role = None if citizen else _role(claims)
    case = Case(
        citizen, claims.pid == patient.number, purpose, policy_of(given), age_of(patient, born, today),
        breaks_glass=role is not None and role.breaks_glass,
    )  # fmt: skip
    rule = next((one for one in RULES if one.fits(case)), None)
    if rule is None:
        raise Denied("no-rule", "No rule lets this caller read this patient's documents.")
    if not rule.levels:
        raise Denied(rule.name, rule.says)
    unlocked = LOCKED if case.policy in UNLOCKING and not citizen else _NO
    return Sight(rule.name, rule.levels, rule.hides - unlocked)


def age_of(patient: CX, born: date | None, today: date) -> int | None:
    """Whole years: by the date in the number, with the century that its individual number tells, else by the register.

    A number that only the rule of 2032 accepts tells no century, and a common help number no date.
    """
    try:
        told = identifiers.parse(patient.number).birth_date
    except Refusal:
        told = None
    known = told or born
    return None if known is None else age(known, today)


def marks(codes: Collection[Code]) -> tuple[frozenset[str], frozenset[str]]:
    """How confidential, and kept from whom. A code that is not known gives no level at all, so that nobody sees it."""
    levels = [one.code for one in codes if bare(one.system) in LEVEL_SYSTEMS and one.code in LEVELS]
    labels = [one.code for one in codes if bare(one.system) == LABEL_SYSTEM and one.code in WITHHELD | LOCKED]
    known = len(levels) + len(labels) == len(codes)
    return frozenset(levels if known else ()), frozenset(labels)


def _purpose(claims: Claims) -> tuple[str, str]:
    """The purpose, if it is one of HL7's, and the access policy beside it."""
    if claims.errands:
        said, policy = claims.errands[0].purpose_of_use, claims.errands[0].access_policy
    else:
        said, policy = claims.attestations[0].care_relationship.purpose_of_use, claims.access_policy
    return (said.code if said.system == PURPOSE_SYSTEM else ""), policy


def _is_emergency(claims: Claims) -> bool:
    """Whether personnel set rules aside, by the purpose or by the access policy that opens what is locked."""
    purpose, given = _purpose(claims)
    return purpose == "BTG" or policy_of(given) == EMERGENCY


def _role(claims: Claims) -> Role | None:
    """What her authorisation may do; None where it is no role that looks in documents, on the platform as here."""
    said = claims.attestations[0].practitioner.authorization
    return ROLES.get(said.code) if bare(said.system) == ROLE_SYSTEM else None


def told_of(claims: Claims) -> Mapping[str, Any]:
    """What the log keeps of who asked, and why: texts, but for `user_selected` and `toa`."""
    purpose, policy = _purpose(claims) if claims.errands or claims.attestations else ("", claims.access_policy)
    said = claims.attestations[0] if claims.attestations else None
    why = said.care_relationship if said else CareRelationship()
    return {
        "asker": claims.pid,
        "name": claims.name,
        "hpr": claims.hpr,
        "role": said.practitioner.authorization.code if said else "",
        "organisation": claims.organisation,
        "unit": claims.suborganisation,
        "client": claims.client,
        "purpose": purpose,
        "policy": policy,
        "decision": why.decision_ref.id,
        "assertion": claims.jti,
        "reason": identifiers.without_numbers(why.decision_ref.description),
        "user_selected": why.decision_ref.user_selected,
        "toa": datetime.fromtimestamp(said.toa, UTC) if said and said.toa else None,
        "service": why.healthcare_service.code,
        "details": why.purpose_of_use_details.code,
    }
