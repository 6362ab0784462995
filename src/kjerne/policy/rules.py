"""The law's one answer: `decide` gives a `Grant` or a `Denial`, and both name the rule that made them.

Pure: it reads the values it is given and nothing else, so the same request at the same instant has the same answer on
every host. Default deny. The rules themselves are data, in `policy.table`; this is the only place that makes a `Grant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from itertools import product
from typing import Final, get_args

from kjerne.access import NO_LABEL, Action, Caller, CallerKind, Denial, Grant, Label, Once, Subject
from kjerne.policy import taking_part
from kjerne.policy.facts import (
    BASES,
    CITIZEN_PURPOSES,
    Case,
    case_of,
    is_guardian,
    is_own,
    is_parent,
    is_proxy,
    is_restricted,
    shut_parts,
)
from kjerne.policy.rule import Condition, Mark, Rule, Section
from kjerne.policy.services import STAFF_PURPOSES
from kjerne.policy.services_asked import registrable, windows
from kjerne.policy.table import NO_RULE, RULES, SECTIONS, UNKNOWN_PERSON
from kjerne.policy.table_beside import is_beside
from kjerne.store import audit

Key = tuple[CallerKind, str, Action]


def _index() -> dict[Key, tuple[Rule, ...]]:
    """The rows that can concern each kind of caller, service and action, in the table's order."""
    services = {""}.union(*(section.services for section in SECTIONS))
    kinds: tuple[CallerKind, ...] = get_args(CallerKind)
    actions: tuple[Action, ...] = get_args(Action)
    return {
        key: tuple(rule for section in SECTIONS if _concerns(section, key) for rule in section.rules)
        for key in product(kinds, services, actions)
    }


def _concerns(section: Section, key: Key) -> bool:
    kind, service, action = key
    return (
        (not section.kinds or kind in section.kinds)
        and (not section.services or service in section.services)
        and (not section.actions or action in section.actions)
    )


_RULES_FOR: Final[Mapping[Key, tuple[Rule, ...]]] = _index()
NO_RELATION: Final = next(rule for rule in RULES if rule.id == "no-relation")
_RULE_BY_ID: Final[Mapping[str, Rule]] = {rule.id: rule for rule in (*RULES, NO_RULE, UNKNOWN_PERSON)}


def decide(
    caller: Caller,
    subject: Subject | None,
    service: str,
    action: Action,
    *,
    basis: str = "",
    purpose: str = "",
    now: datetime,
    correlation: str = "",
    once: Once | None = None,
    asked: bytes = b"",
    what: str = "",
    piece: str = "",
    beside: Grant | None = None,
) -> Grant | Denial:
    """What `caller` may do with `subject`'s records in `service` at the instant `now`.

    `basis` is what the caller declares (SAMTYKKE, AKUTT ...); `purpose` stands for the attestation's where an API lets
    the caller say so. `once` is the request's proof of possession, for whatever uses the grant to note. `subject` None
    means that no person was found by the identifier digest `asked`. `what` is the kind of content that is registered or sent
    in (several with spaces between, `exchange.ANY_KIND` before it is known), `piece` the letter of a
    FHIR type that is used (`Consent.s`), where one is. `beside` is what the caller was given of another patient, where it is
    asked about a record of `subject` that names that one: other rows are asked then (law, K104). A service without rules of its
    own has those that hold for every service: the log and the choices.
    """
    case = case_of(
        caller,
        subject or _stranger(asked, caller),
        service=service,
        action=action,
        basis=basis,
        purpose=purpose,
        now=now,
        what=what,
        piece=piece,
        beside=beside,
    )
    if subject is None:
        rule = _told_of_nobody(case)
        return _no(rule, case, None, correlation)
    rule = _first_that_fits(case)
    if rule.effect == "grant":
        return _yes(rule, case, correlation, once)
    return _no(rule, case, subject, correlation)


def _stranger(asked: bytes, caller: Caller) -> Subject:
    """Somebody of whom nothing is known but the identifier she was asked for by; else it is as the caller attests."""
    attested = caller.attestation.patient_digests if caller.attestation else ()
    return Subject(
        patient=0,
        keys=(),
        stamp=0,
        wrapped=(),
        birth_date=None,
        sex="",
        protection="",
        deceased=False,
        choices=(),
        ties=(),
        caller_key=None,
        synthetic=False,
        digests=frozenset((asked,) if asked else attested),
    )


def _told_of_nobody(case: Case) -> Rule:
    """Why nothing is given where nobody was found: for personnel what they would hear of a stranger to them.

    A refusal that told the two apart would tell who is registered here. Where the law would open a stranger (a need
    declared by oneself, the normal rules set aside) the missing tie is what is left to say. A system hears that it takes
    no part, as it would about anybody.
    """
    rule = _first_that_fits(case)
    if case.caller.kind != "practitioner":
        return rule if rule.id in taking_part.ROLE_BY_RULE else UNKNOWN_PERSON
    return rule if rule.effect == "deny" else NO_RELATION


def told(denial: Denial) -> Denial:
    """The refusal as its caller hears it: a citizen hears of somebody to whom no register ties her today what she would
    hear of nobody, whatever the rule was.

    Protected, dead, somebody else's or not there: which of them it is concerns herself and those who stand in for her.
    The log keeps the rule. Personnel and systems hear what they are given (`_told_of_nobody`, `exchange.not_filed`).
    """
    caller, subject = denial.caller, denial.subject
    if caller.kind != "citizen" or subject is None:
        return denial
    hers, nobodys = (
        case_of(caller, one, service=denial.service, action=denial.action, basis="", purpose="", now=denial.at)
        for one in (subject, _stranger(b"", caller))
    )
    if is_own(hers) or is_parent(hers) or is_proxy(hers) or is_guardian(hers):
        return denial
    rule = _told_of_nobody(nobodys)
    return _no(rule, nobodys, None, denial.correlation)


def _first_that_fits(case: Case) -> Rule:
    """The first row whose conditions all hold. Spelled as loops: this runs on every request."""
    for first, others, rule in _applicable(
        case.caller.kind, case.service, case.action, case.purpose, case.basis, case.beside is not None
    ):
        if first(case):
            for condition in others:
                if not condition(case):
                    break
            else:
                return rule
    return NO_RULE


def _always(_: Case) -> bool:
    return True


@lru_cache(maxsize=1024)
def _applicable(
    kind: CallerKind, service: str, action: Action, purpose: str, basis: str, beside: bool
) -> tuple[tuple[Condition, tuple[Condition, ...], Rule], ...]:
    """The rows for this kind of request that name no purpose and basis, or these: its first condition, the others, the row.
    Of a record that names another those that say so, and no others."""
    rules = _RULES_FOR.get((kind, service, action)) or _RULES_FOR.get((kind, "", action), ())
    return tuple(
        (rule.when[0] if rule.when else _always, rule.when[1:], rule)
        for rule in rules
        if (not rule.purposes or purpose in rule.purposes)
        and (not rule.bases or basis in rule.bases)
        and beside == (is_beside in rule.when)
    )


def _yes(rule: Rule, case: Case, correlation: str, once: Once | None) -> Grant:
    return Grant(
        caller=case.caller,
        subject=case.subject,
        service=case.service,
        action=case.action,
        rule=rule.id,
        law=rule.law,
        says=rule.says,
        purpose=rule.purpose or case.purpose,
        basis=case.basis,
        hides=_hides(rule, case),
        released_only=rule.released_only,
        at=case.now,
        correlation=correlation,
        once=once,
        windows=windows(case),
        registers=registrable(case),
    )


def _hides(rule: Rule, case: Case) -> Label:
    shut = NO_LABEL if rule.opens_parts else shut_parts(case)
    return rule.hides | shut if shut else rule.hides


_PURPOSES: Final = STAFF_PURPOSES | CITIZEN_PURPOSES


def _no(rule: Rule, case: Case, subject: Subject | None, correlation: str) -> Denial:
    """A word that is none of the law's is anybody's own, and could be a number: it has no place in the log."""
    return Denial(
        caller=case.caller,
        subject=subject,
        service=case.service,
        action=case.action,
        rule=rule.id,
        law=rule.law,
        says=rule.says,
        outcome=rule.outcome,
        at=case.now,
        correlation=correlation,
        purpose=case.purpose if case.purpose in _PURPOSES else "",
        basis=case.basis if case.basis in BASES else "",
        of_caller=taking_part.says(case.caller, case.service, rule.id, case.now),
    )


def mark_of(rule_id: str) -> Mark:
    """What sets a decision apart in the log; a marked one is always told to the patient."""
    if rule_id == audit.MET_OPENED:
        return "restriction-opened"
    found = _RULE_BY_ID.get(rule_id)
    return found.mark if found else ""


def opens_what_is_shut(grant: Grant, *, tells_choices: bool) -> bool:
    """Whether the patient has restricted the whole service against a health worker, whom a declared basis opens it to; never
    where no choice may be told (law, K37)."""
    if not tells_choices or grant.instead_of is not None:
        return False
    case = case_of(
        grant.caller, grant.subject, service=grant.service, action=grant.action, basis=grant.basis, purpose=grant.purpose,
        now=grant.at,
    )  # fmt: skip
    return grant.caller.kind == "practitioner" and not case.own and is_restricted(case)
