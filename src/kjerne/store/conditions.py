"""A planned search as the WHERE clause of a statement: the door of the grant, type, ids, tokens and dates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kjerne.access import Grant
from kjerne.fhir.search import Bounds, Plan
from kjerne.registries.homes import row_number
from kjerne.store import limits
from kjerne.store.reading import ALLOWED, Unwrapped, door
from kjerne.store.sealed_id import SealedIds


class Conditions:
    """The WHERE clause of a plan, and its values numbered on from the door's ($1 to $5).

    `letter` is what the token's SMART scopes must leave of a record, where the grant's action does not say it.
    """

    def __init__(self, grant: Grant, found: Plan, keys: Unwrapped, letter: str = "") -> None:
        self.values: list[Any] = [*door(grant)]
        tokens = sum(map(len, found.all_of)) + len(found.none_of)
        self.compared = tokens * len(grant.subject.keys) + sum(map(len, found.bounds))
        self.texts = [
            ALLOWED + limits.condition(grant, keys, self.add, letter),
            f"r.type = {self.add(row_number(found.type, grant.service))}",
        ]
        self.of_type = " AND ".join(self.texts), tuple(self.values)
        """Which rows of the type the grant opens, by themselves: text and values."""
        if found.ids is not None:
            ids = [id_ for text in found.ids if (id_ := SealedIds.parse(text))]
            self.texts.append(f"r.id = ANY({self.add(ids)}::uuid[])")
        for alternatives in found.all_of:
            self.texts.append(f"r.tokens LIKE ANY({self.add(keys.patterns(alternatives))}::bytea[])")
        if found.none_of:
            self.texts.append(f"NOT r.tokens LIKE ANY({self.add(keys.patterns(found.none_of))}::bytea[])")
        self.texts += (within(self.add, bounds) for bounds in found.bounds)

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def text(self) -> str:
        return " AND ".join(self.texts)


def within(add: Callable[[Any], str], bounds: Bounds) -> str:
    """Alternatives of bounds as a condition; `add` takes a value and gives its place in the statement."""
    # Column and operator come from a closed list of literals in `fhir.search.Bound`, never from a request.
    either = (
        " AND ".join(f"r.{one.column} {one.operator} {add(one.moment)}" for one in together) for together in bounds
    )
    return "(" + " OR ".join(f"({text})" for text in either) + ")"
