"""Bindings of R4's own elements that no list of R4's decides: extensible ones, and required ones of codes that lie elsewhere.

Required lists are held to by `fhir.validate`. These are asked of what R4's package lists and, behind it, of a store of
terminology; a code beside an extensible value set is advised against and no fault (R4 terminologies.html#extensible).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from kjerne.errors import Fault
from kjerne.fhir import core_profiles, definitions
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import TooCostly, limited, spend
from kjerne.fhir.faults import Faults, under
from kjerne.fhir.fhirpath.navigating import members
from kjerne.fhir.fhirpath.values import Node
from kjerne.fhir.judging import ADVICE, Look, Run, look_at
from kjerne.fhir.profiles import Judged, Slot
from kjerne.fhir.value_sets import Terminology

_TYPES: Final = frozenset(TYPES)
_NOBODY: Final = Run(lambda _: None, lambda _slot, _of: None, Node({}, ""), 0)
_NONE: Final[dict[str, core_profiles.Binding]] = {}


class _Row(NamedTuple):
    """What is asked of a member by its JSON name: of its value, and below it by its type."""

    of: str
    look: Look | None
    below: bool


@cache
def requiring() -> frozenset[str]:
    """The resource types that have a required binding among these: a write is held to it."""
    every = core_profiles.bindings().items()
    return frozenset(place.partition(".")[0] for place, some in every if any(one.required for one in some.values()))


class CoreBindings:
    """Made for each type when it is first asked of."""

    def __init__(self, terminology: Terminology) -> None:
        self._terminology = terminology
        self._plans: dict[str, dict[str, _Row]] = {}
        self._looks: dict[tuple[core_profiles.Binding, str], Look | None] = {}

    def judge(self, tree: dict[str, Any]) -> Judged:
        """Of a resource that R4 has nothing against, in a thread that may ask a store."""
        type_ = str(tree.get("resourceType"))
        try:
            with limited():
                found = self._walk(tree, type_) or []
        except TooCostly:
            # The resource is right by R4, which was looked at before: what it cannot be told of keeps it out of nothing.
            return Judged([], [])
        told = [Fault(one.says, type_ + one.where, one.code, one.rule) for one in found]
        return Judged([one for one in told if one.rule not in ADVICE], [one for one in told if one.rule in ADVICE])

    def _walk(self, value: dict[str, Any], type_: str) -> Faults:
        plan = self._plans.get(type_)
        if plan is None:
            plan = self._plans[type_] = self._plan(type_)
        found: list[Fault] = []
        for name, inner in value.items():
            row = plan.get(name)
            if row is None:
                continue
            if type(inner) is not list:
                if below := self._one(inner, row):
                    found += under(f".{name}", below)
                continue
            for place, one in enumerate(inner):
                if below := self._one(one, row):
                    found += under(f".{name}[{place}]", below)
        return found or None

    def _one(self, value: Any, row: _Row) -> list[Fault]:
        spend(1)
        found = list(row.look(value, None, _NOBODY) or ()) if row.look is not None else []
        if row.below and type(value) is dict:
            of = str(value.get("resourceType")) if row.of == "Resource" else row.of
            if of in definitions.table().elements and (row.of != "Resource" or of in _TYPES):
                found += self._walk(value, of) or ()
        return found

    def _plan(self, type_: str) -> dict[str, _Row]:
        bound = core_profiles.bindings().get(type_, _NONE)
        known = definitions.table().elements
        plan: dict[str, _Row] = {}
        for name, rows in members(type_).items():
            for key, of in rows:
                own = core_profiles.bindings().get(of, _NONE).get("")
                look = self._look(bound.get(name) or own, of)
                below = of in known or of == "Resource"
                if look is not None or below:
                    plan[key] = _Row(of, look, below)
        return plan

    def _look(self, binding: core_profiles.Binding | None, of: str) -> Look | None:
        if binding is None:
            return None
        if (binding, of) not in self._looks:
            listed = self._terminology.codes(binding.value_set)
            asked = self._terminology.asking(binding.value_set) if listed is None else None
            slot = Slot("", listed=listed, asked=asked, value_set=binding.value_set, extensible=not binding.required)
            self._looks[binding, of] = look_at(slot, of)
        return self._looks[binding, of]
