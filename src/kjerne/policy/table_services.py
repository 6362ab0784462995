"""The rows of each service, made from those that are written for all and from the service's law (`policy.services`).

A row keeps its name, its conditions and its words in every service; its law is the service's. What only some services have is
told by `ONLY`, so that a service that has nothing of the kind is not asked about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from kjerne.access import NO_LABEL, Label
from kjerne.policy.rule import Rule, Section
from kjerne.policy.services import SERVICES, STAFF_PURPOSES, Service
from kjerne.policy.table_registering import (
    CONTACT_POINT,
    ITS_OWN,
    PUTTING_RIGHT,
    REGISTERING,
    SENDERS,
    SENDING_IN,
    TAKING_IN,
)
from kjerne.policy.table_staff import STAFF_GIVEN, STAFF_ON_THEMSELVES, STAFF_PROOF, STAFF_REFUSED

ONLY: Final[Mapping[str, Callable[[Service], bool]]] = {
    "own-as-staff": lambda one: "own" in one.sight,
    "own-takes-no-part": lambda one: "own" in one.sight,
    "purpose-not-covered": lambda one: one.purposes != STAFF_PURPOSES,
    "basis-missing": lambda one: bool(one.windows),
    "consent-missing": lambda one: not one.windows and any(role.needs_consent for role in one.roles.values()),
    "consent-missing-by-kjernejournal": lambda one: bool(one.windows),
    "of-the-dead": lambda one: not one.opens_the_dead,
    "service-not-agreed-to": lambda one: one.agreement is not None,
    "opted-out": lambda one: not one.opt_out.yields,
    "objected": lambda one: one.opt_out.yields,
    "restricted": lambda one: one.opens == "declared",
    "restricted-but-for-weighty-reasons": lambda one: one.opens == "weighty",
    "restricted-to-all": lambda one: one.opens == "nothing",
    "everything-opened": lambda one: one.opens != "nothing",
    "elevated": lambda one: one.opens != "nothing",
    "restriction-opened": lambda one: one.opens == "declared",
    "part-opened": lambda one: one.opens == "declared",
    "registered-with-all-opened": lambda one: one.opens != "nothing",
    "registered-behind-part": lambda one: one.opens == "declared",
    "break-glass": lambda one: "BTG" in one.purposes,
    "break-glass-role": lambda one: "BTG" in one.purposes,
    "break-glass-reason": lambda one: "BTG" in one.purposes,
    "case-handling": lambda one: "COC" in one.purposes,
    "case-handling-reason": lambda one: "COC" in one.purposes,
    "restricted-at-source": lambda one: bool(one.shut_at_source),
    "not-kept-after-opt-out": lambda one: one.opt_out.deleted_after is not None,
    "put-right-after-opt-out": lambda one: one.opt_out.deleted_after is not None,
}
"""Row -> the services that have it; a row that is not here is in all."""


def of_each() -> Iterator[Section]:
    """Every service's own sections, each in the order in which it is read."""
    for section in (STAFF_ON_THEMSELVES, STAFF_PROOF, STAFF_REFUSED, STAFF_GIVEN):
        yield from _made(section, SERVICES.values())
    yield from _made(REGISTERING, (one for one in SERVICES.values() if one.registers))
    senders = [one for one in SERVICES.values() if one.sources or one.transfer_scope]
    yield from _made(SENDERS, senders)
    yield from _made(ITS_OWN, senders)
    for section in (TAKING_IN, PUTTING_RIGHT, SENDING_IN):
        yield from _made(section, (one for one in senders if one.name != "results"))
    yield from _made(CONTACT_POINT, (one for one in SERVICES.values() if one.contact_point))


def _made(section: Section, services: Iterable[Service]) -> Iterator[Section]:
    for one in services:
        rules = tuple(_of(rule, one) for rule in section.rules if rule.id not in ONLY or ONLY[rule.id](one))
        yield replace(section, services=frozenset({one.name}), rules=rules)


def _of(rule: Rule, service: Service) -> Rule:
    """The row with the service's law; what is restricted at its source opens by nothing where it never comes here."""
    law = rule.law.format(
        looking=service.ground.looking,
        roles=service.ground.roles,
        part=service.ground.part,
        filing=service.ground.filing,
        address=service.ground.address,
        opting_out=service.opt_out.law,
        agreeing=service.agreement.law if service.agreement else "",
    )
    opens_restricted = rule.opens_parts and service.shut_at_source
    return replace(rule, law=law, hides=rule.hides | (Label.RESTRICTED if opens_restricted else NO_LABEL))
