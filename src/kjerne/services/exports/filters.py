"""`_typeFilter` of an export: searches that say which records of a type leave (Bulk Data Access 2.0, kick-off request).

A type that several are about gives what answers one of them; a type that none is about gives all. They stand in the open beside
the export, since who approves it must see them, and so may name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kjerne.errors import Refusal
from kjerne.fhir.criteria import is_linked
from kjerne.fhir.interaction import criteria_in
from kjerne.fhir.search import Search, plan
from kjerne.registries.homes import PERSON
from kjerne.registries.identifiers import numbers_in

NAME: Final = "_typeFilter"
FILTERS_LIMIT: Final = 20
"""Each is a search of every person in a file."""
FILTER_CHARACTERS: Final = 1_000
_BETWEEN: Final = re.compile(r",(?=[A-Z][A-Za-z]+\?)")


@dataclass(frozen=True)
class Filters:
    """Reads them."""

    parse_search: Callable[..., Search]

    def read(self, texts: Sequence[str], types: Sequence[str], at: datetime) -> tuple[str, ...]:
        """The queries of all parameters, each once, as they were written. `Refusal` 400 for one that cannot be carried out, and
        422 for one of a type that is not asked for, or that names somebody."""
        written = tuple(dict.fromkeys(one for text in texts for one in _BETWEEN.split(text)))
        if len(written) > FILTERS_LIMIT:
            raise Refusal(400, f"an export has at most {FILTERS_LIMIT} filters", where=NAME, code="too-long")
        for one in written:
            self._check(one, types, at)
        return written

    def of(self, written: Sequence[str], name: str) -> list[Search]:
        """The searches of a type."""
        return [self._search(one) for one in written if one.partition("?")[0] == name]

    def _search(self, text: str) -> Search:
        name, _, query = text.partition("?")
        return self.parse_search(name, criteria_in(query, NAME), False)

    def _check(self, text: str, types: Sequence[str], at: datetime) -> None:
        name, mark, query = text.partition("?")
        if not (mark and query) or len(text) > FILTER_CHARACTERS:
            says = f"a filter is a type, ? and criteria, of at most {FILTER_CHARACTERS} characters"
            raise Refusal(400, says, where=NAME, code="value")
        if name == PERSON:
            todo = "Name the patients, or keep a list of them as a Group."
            raise Refusal(
                400, "who is in an export is not said by a filter", where=NAME, code="not-supported", todo=todo
            )
        if name not in types:
            raise Refusal(422, "a filter is of a type that is not asked for", where=NAME, todo="Name it in _type.")
        pairs = criteria_in(query, NAME)
        if any(numbers_in(value) for _, value in pairs):
            raise Refusal(422, "a filter names nobody by number", where=NAME)
        search = self._search(text)
        if len(search.criteria) != len(pairs):
            raise Refusal(400, "a filter has criteria alone", where=NAME, code="not-supported")
        if any(is_linked(one) for one in search.criteria) or plan(search, at=at).patients:
            says = "a filter has no chain, no patient, and no codes but those that R4 lists"
            raise Refusal(400, says, where=NAME, code="not-supported")
