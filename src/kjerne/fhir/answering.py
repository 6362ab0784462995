"""Whether a resource answers a criterion, looked at whole: for what SQL and a row's values cannot tell.

The same rules as `fhir.match`, which the two ways to a match share. `_id` and `_lastUpdated` are read from the resource as
it is served.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from kjerne.fhir import match, words
from kjerne.fhir.criteria import Among, Asked, Coded, Combined, Criterion, Reaching, TokenValue, Words
from kjerne.fhir.dates import microseconds
from kjerne.fhir.effort import spend
from kjerne.fhir.index import intervals, reference_forms
from kjerne.fhir.searchparams import Node, TypeSearch, walk

Tree = dict[str, Any]
Test = Callable[[Tree], bool]


def answers(types: TypeSearch, asked: Asked, at: datetime) -> Test:
    """A test of resources of a type. `at` is the request's time."""
    if isinstance(asked, Combined):
        return _combined(asked, [answers(types, one, at) for one in asked.parts])
    if isinstance(asked, Words):
        return words.test(asked)
    if isinstance(asked, Among):
        return _weighed(1, lambda tree: tree.get("id") in asked.ids)
    if isinstance(asked, Reaching):
        node, targets = types.parameters[asked.code].tree, asked.targets
        return _weighed(_STEPS_OF_A_LOOK, lambda tree: not targets.isdisjoint(pointed_at(node, tree)))
    if isinstance(asked, Coded):
        raise asked.refused("only terminology that R4 lists is asked here")
    assert isinstance(asked, Criterion), "chains are looked up before a search is planned"
    return _criterion(types, asked, at)


def _combined(asked: Combined, tests: list[Test]) -> Test:
    if asked.sign == "not":
        return lambda tree: not tests[0](tree)
    return lambda tree: (all if asked.sign == "and" else any)(test(tree) for test in tests)


def _criterion(types: TypeSearch, asked: Criterion, at: datetime) -> Test:
    if asked.code == "_id":
        ids = {value.code for value in asked.values if isinstance(value, TokenValue)}
        return _weighed(1, lambda tree: tree.get("id") in ids)
    if asked.code == "_lastUpdated":
        return _updated(asked, at)
    parameter = types.parameters[asked.code]
    if parameter.composite is not None:
        return match.composite(*parameter.composite, asked.values, at)
    if asked.missing is not None:
        return _weighed(_STEPS_OF_A_LOOK, lambda tree: bool(walk(parameter.tree, tree)) != asked.missing)
    negated, each = asked.modifier == "not", asked.modifier == UNEQUAL
    modifier = "" if negated else EQUALS if each and asked.kind == "string" else "" if each else asked.modifier
    test = match.on_leaf(asked.kind, modifier, asked.values, at)
    weight = match.STEPS_OF_A_CODE + len(asked.values) * match.STEPS_TO_COMPARE.get(asked.kind, match.STEPS_OF_A_CODE)

    def answered(tree: Tree) -> bool:
        found = walk(parameter.tree, tree)
        spend(_STEPS_OF_A_LOOK + len(found) * weight)
        return any(test(leaf, value) != each for leaf, value in found) != negated

    return answered


_STEPS_OF_A_LOOK: Final = 3
"""What it takes to look for a parameter in a resource, whether or not it is there."""


def _weighed(steps: int, test: Test) -> Test:
    def weighed(tree: Tree) -> bool:
        spend(steps)
        return test(tree)

    return weighed


EQUALS: Final = match.EQUALS
UNEQUAL: Final = "unequal"
"""Not R4's modifiers but what `_filter` compares by: a text is equal whole, case and accents aside; some value is another."""


def _updated(asked: Criterion, at: datetime) -> Test:
    tests = [match.on_interval(value, at) for value in asked.values]

    def answered(tree: Tree) -> bool:
        spend(match.STEPS_OF_A_CODE + len(tests))
        found = intervals("instant", tree.get("meta", {}).get("lastUpdated"))
        # A point: to the microsecond, where what is written stands for a second or a thousandth of one.
        starts = [microseconds(start) for start, _ in found]
        return any(test((start, start + 1)) for start in starts for test in tests)

    return answered


def pointed_at(node: Node, tree: Tree) -> set[str]:
    """What the references at these places name, each `Type/id`, and the id alone."""
    values = (value.get("reference") if isinstance(value, dict) else value for _, value in walk(node, tree))
    return {form for text in values if isinstance(text, str) for form in reference_forms(text)}
