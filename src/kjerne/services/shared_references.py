"""Conditional references to records about no patient (`Organization?identifier=...`), in whatever a transaction writes.

Such records lie open to everybody who writes here, so any source's answers (R4 http.html#trules); there is no row, as of any
search among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import Call, Pairs
from kjerne.fhir import smart
from kjerne.fhir.interaction import criteria_in
from kjerne.fhir.search import Search, counted
from kjerne.registries.identifiers import stands_in
from kjerne.store.pool import Pool
from kjerne.store.shared_finding import SharedFinder

WHERE: Final = "reference"


@dataclass(frozen=True)
class SharedReferences:
    """Finds what they mean; `candidate_limit` is how many records one may look at."""

    pool: Pool
    parse_search: Callable[[str, Pairs, bool], Search]
    candidate_limit: int

    async def named(self, call: Call, text: str) -> str:
        """`Type/id` of the one record that answers; `Refusal` 412 where it is not one."""
        name, _, criteria = text.partition("?")
        pairs = criteria_in(criteria, WHERE)
        if any(stands_in(value) for _, value in pairs):
            raise Refusal(422, "a person number never stands in a reference", where=WHERE)
        search = self.parse_search(name, pairs, False)
        if not search.criteria or len(search.criteria) != len(pairs):
            raise Refusal(400, "a condition has criteria, and has them alone", where=WHERE, code="required")
        caller = call.caller
        assert caller is not None, "the route asks for a scope"
        smart.demand(caller, name, "s")
        async with call.connection(self.pool) as conn:
            finder = SharedFinder(conn, call.at, lambda type_: smart.left(caller, type_, "s"), self.candidate_limit)
            with counted():
                found = await finder.matching(search)
        if len(found) != 1:
            says = "more than one record answers a reference" if found else "no record answers a reference"
            raise Refusal(412, says, where=WHERE, todo="Write criteria that one record answers.")
        return f"{name}/{found[0].id}"
