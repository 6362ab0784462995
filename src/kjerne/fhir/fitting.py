"""Whether one record answers a search, in memory: the plan of `fhir.search` asked of the resource, with no database.

It is the same plan that the store carries out, so that a filter means what a search means.
"""

from __future__ import annotations

import operator
from datetime import datetime
from typing import Any, Final, NamedTuple

from kjerne.fhir.index import Indexed, index
from kjerne.fhir.search import Bound, Plan

_COMPARE: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Weighed(NamedTuple):
    """A record as a search sees it: its id, when it was written, the resource as served, and what it is found by."""

    id: str
    at: datetime
    tree: dict[str, Any]
    indexed: Indexed
    tokens: frozenset[int]


def weighed(id_: str, at: datetime, tree: dict[str, Any]) -> Weighed:
    """Indexed once, for however many filters."""
    found = index(tree)
    return Weighed(id_, at, tree, found, frozenset(found.tokens))


def fits(one: Weighed, asked: Plan) -> bool:
    """Whether it answers all of the plan but whose record it is, which the door to it has asked."""
    if asked.ids is not None and one.id not in asked.ids:
        return False
    if any(one.tokens.isdisjoint(alternatives) for alternatives in asked.all_of):
        return False
    if not one.tokens.isdisjoint(asked.none_of):
        return False
    if not all(any(all(_holds(one, bound) for bound in together) for together in bounds) for bounds in asked.bounds):
        return False
    if asked.match is not None and not asked.match(one.indexed.values):
        return False
    return asked.match_tree is None or asked.match_tree(one.tree)


def _holds(one: Weighed, bound: Bound) -> bool:
    found = one.at if bound.column == "at" else getattr(one.indexed, bound.column)
    return found is not None and _COMPARE[bound.operator](found, bound.moment)
