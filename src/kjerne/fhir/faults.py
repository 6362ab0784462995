"""Faults while they are found: each knows its path from the element that is looked at, and is handed up from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir.effort import spend

Faults = list[Fault] | None
"""What a checker answers: nothing, where all is right."""

Rule = Callable[[Any], Faults]
"""One rule on an element that has passed by shape or not: it looks before it reads."""

MOVING_STEPS: Final = 2
"""What it costs to hand one fault up to the element around."""

UNREADABLE: Final = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)
"""What a rule ends with on something that has not the shape it is made for."""


@dataclass(frozen=True)
class Pending(Fault):
    """A fault only if `broken` says so, once the resource around the element and the path to it are known."""

    broken: Callable[[dict[str, Any], str], bool] = lambda _resource, _where: True

    def moved(self, step: str) -> Pending:
        """The same, seen from the element above."""
        return Pending(self.says, step + self.where, self.code, self.rule, broken=self.broken)


def fault(says: str, where: str = "", code: str = "structure", rule: str = "") -> list[Fault]:
    """One fault of the element that is looked at, or of one below it."""
    return [Fault(f"The element {says}.", where, code, rule)]


def under(step: str, faults: list[Fault]) -> list[Fault]:
    """The faults of a member, seen from the element that has it."""
    spend(MOVING_STEPS * len(faults))
    return [one.moved(step) if isinstance(one, Pending) else _moved(one, step) for one in faults]


def _moved(one: Fault, step: str) -> Fault:
    return Fault(one.says, step + one.where, one.code, one.rule)


def settled(resource: dict[str, Any], found: list[Fault]) -> list[Fault]:
    """What is left of pending faults in their resource."""
    kept = []
    for one in found:
        if not isinstance(one, Pending):
            kept.append(one)
        elif _is_broken(one, resource):
            kept.append(Fault(one.says, one.where, one.code, one.rule))
    return kept


def _is_broken(one: Pending, resource: dict[str, Any]) -> bool:
    """Whether a pending fault is one; it is, where the resource has no shape that would tell."""
    try:
        return one.broken(resource, one.where)
    except UNREADABLE:
        return True
