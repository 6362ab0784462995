"""How far each of those whom the law lets choose may go: which choices she makes, and whose she lifts.

Who stands in for somebody closes, and opens again what was closed in her stead; what the person herself closed is hers to
open (docs/law.md, K63 to K65).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from kjerne.access import Grant, Held

ChoiceKind = Literal["opt-out", "restriction", "block", "consent", "record"]
Setter = Literal["self", "parent", "representative"]


@dataclass(frozen=True, slots=True)
class Reach:
    """`makes` are kinds of choice; `lifts` the rules that let somebody make those which she may lift, None for all."""

    makes: frozenset[ChoiceKind]
    lifts: frozenset[str] | None


CLOSING: Final[frozenset[ChoiceKind]] = frozenset({"restriction", "block", "record"})
"""What shuts, deletes nothing and can be taken back with nothing lost."""
EVERYTHING: Final[frozenset[ChoiceKind]] = CLOSING | {"opt-out", "consent"}
NOWHERE: Final = Reach(frozenset(), frozenset())

REACH: Final[Mapping[str, Reach]] = {
    "own-choices": Reach(EVERYTHING, None),
    "youth-choices": Reach(CLOSING, frozenset({"youth-choices"})),
    "parent-choices": Reach(EVERYTHING, None),
    "proxy-choices": Reach(CLOSING, frozenset({"proxy-choices"})),
    "guardian-choices": Reach(CLOSING, frozenset({"guardian-choices"})),
    "guardian-of-minor-choices": Reach(CLOSING, frozenset({"guardian-of-minor-choices", "parent-choices"})),
}
"""By the rule that lets her choose. Of a choice that does not say who made it, the person herself did."""

TOLD: Final = frozenset({"own-choices", "youth-choices", "parent-choices"})
"""Who by these may choose may also choose to be told when somebody has looked: nobody who only stands in for a grown-up."""

_SETTERS: Final[Mapping[str, Setter]] = {
    "parent-choices": "parent",
    "parent-permits": "parent",
    **dict.fromkeys(
        ("proxy-choices", "guardian-choices", "guardian-of-minor-choices", "guardian-permits"), "representative"
    ),
}


def reach(rule: str) -> Reach:
    """How far the rule goes; a rule that lets nobody choose goes nowhere."""
    return REACH.get(rule, NOWHERE)


def may_lift(grant: Grant, held: Held) -> bool:
    """Whether this choice is the caller's to lift. A consent to youth access is ended where it is given."""
    lifts = reach(grant.rule).lifts
    return held.choice.kind in EVERYTHING and (lifts is None or held.set_by in lifts)


def lifters(set_by: str) -> frozenset[str]:
    """The rules by which a choice can be lifted that was made by this one; of nobody named it is the person's own."""
    return frozenset(rule for rule, one in REACH.items() if one.lifts is None or set_by in one.lifts)


def may_be_told(grant: Grant) -> bool:
    """Whether a profile of notification is hers to have."""
    return grant.rule in TOLD


def setter(held: Held) -> Setter:
    """Who made a choice, as it is told: of a representative not which one."""
    return _SETTERS.get(held.set_by, "self")
