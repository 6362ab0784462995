"""What the database does with a plan, done here on one row."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.fhir.index import Indexed, index
from kjerne.fhir.search import Bound, plan
from kjerne.wire.search import parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UPDATED = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@pytest.fixture(scope="session")
def finds() -> Callable[[list[tuple[str, str]], dict[str, Any]], bool]:
    """Whether a search by these parameters finds this resource, last updated on 1 June 2025."""
    return _finds


def _finds(pairs: list[tuple[str, str]], tree: dict[str, Any]) -> bool:
    type = tree["resourceType"]
    made, row = plan(parse(type, pairs, page_size=50, page_size_limit=1000), at=NOW), index(tree)
    tokens = set(row.tokens)
    return (
        all(tokens.intersection(alternatives) for alternatives in made.all_of)
        and tokens.isdisjoint(made.none_of)
        and all(any(all(_holds(row, bound) for bound in together) for together in bounds) for bounds in made.bounds)
        and (made.match is None or made.match(row.values))
        and (made.match_tree is None or made.match_tree(tree))
    )


def _holds(row: Indexed, bound: Bound) -> bool:
    column = UPDATED if bound.column == "at" else getattr(row, bound.column)
    return column is not None and bool(SIGNS[bound.operator](column, bound.moment))
