"""Which codes a search means by `:in`, `:not-in`, `:above` and `:below` where R4's own lists do not say: what is loaded is asked.

The answers are kept for some seconds, so that the pages of one search ask once. What is not at hand is refused and never guessed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked, Chained, Coded, CodeSet, Combined, Criterion, Pointed, Sought, TokenValue
from kjerne.fhir.effort import work
from kjerne.fhir.packages import Definitions
from kjerne.fhir.search import Search
from kjerne.fhir.systems import canonical
from kjerne.fhir.terminology.concept import Codes
from kjerne.store.at_hand import AtHand
from kjerne.store.pool import Connection

IN_SQL_LIMIT: Final = 500
"""Codes that the database compares with each record; more are looked for in the resource."""
CODES_LIMIT: Final = 50_000
"""Codes that one search may mean."""
KEPT_CODES_LIMIT: Final = 200_000
KEPT_SECONDS: Final = 10.0
"""Codes that a process remembers for further searches, and for how long: how late a load may be noticed."""
Meant = Mapping[str, frozenset[str]]
"""Codes by the one spelling of their system."""


class Remembered:
    """What was found, until it is old or there is no room."""

    def __init__(self) -> None:
        self._found: dict[Sought, tuple[float, Definitions, Meant]] = {}

    def get(self, sought: Sought, shelf: Definitions) -> Meant | None:
        at, of, found = self._found.get(sought, (0.0, None, None))
        return found if of is shelf and time.monotonic() - at < KEPT_SECONDS else None

    def keep(self, sought: Sought, shelf: Definitions, found: Meant) -> None:
        self._found.pop(sought, None)
        self._found[sought] = time.monotonic(), shelf, found
        while sum(_size(one) for _, _, one in self._found.values()) > KEPT_CODES_LIMIT:
            del self._found[next(iter(self._found))]


_remembered: Final = Remembered()


async def told(conn: Connection, search: Search) -> Search:
    """A search in which no criterion is left that only the store can tell."""
    if search.library is None:
        return search
    at_hand = AtHand(conn, search.library)
    criteria = [await _told(one, at_hand, search.library) for one in search.criteria]
    return replace(search, criteria=tuple(criteria), library=None)


async def _told(asked: Asked, at_hand: AtHand, shelf: Definitions) -> Asked:
    if isinstance(asked, Chained):
        return replace(asked, steps=tuple([(type_, await _told(one, at_hand, shelf)) for type_, one in asked.steps]))
    if isinstance(asked, Pointed):
        return replace(asked, asked=await _told(asked.asked, at_hand, shelf))
    if isinstance(asked, Combined):
        return replace(asked, parts=tuple([await _told(one, at_hand, shelf) for one in asked.parts]))
    if not isinstance(asked, Coded):
        return asked
    found: dict[str, frozenset[str]] = {}
    for sought in asked.sought:
        for system, codes in (await _sought(asked, sought, at_hand, shelf)).items():
            found[system] = found.get(system, frozenset()) | codes
    if _size(found) > CODES_LIMIT:
        raise _too_many(asked)
    values: tuple[TokenValue | CodeSet, ...]
    if _size(found) + len(asked.values) > IN_SQL_LIMIT:
        values = (*asked.values, CodeSet(found))
    else:
        values = (*asked.values, *(TokenValue(system, one) for system, codes in found.items() for one in sorted(codes)))
    return Criterion(asked.code, "token", "not" if asked.negated else "", values)


async def _sought(asked: Coded, sought: Sought, at_hand: AtHand, shelf: Definitions) -> Meant:
    found = _remembered.get(sought, shelf)
    if found is None:
        found = await (_members(asked, sought, at_hand) if sought.relation == "in" else _levels(asked, sought, at_hand))
        _remembered.keep(sought, shelf, found)
    return found


_ASKED: Final = (
    "A search asks what is loaded, R4's own and packages; a record of CodeSystem or ValueSet answers its operations."
)


async def _members(asked: Coded, sought: Sought, at_hand: AtHand) -> Meant:
    try:
        value_set = await at_hand.value_set(sought.address)
        if value_set is None:
            raise asked.refused("this value set is not at hand for a search", todo=_ASKED)
        found: dict[str, set[str]] = {}
        count = 0
        async for member in at_hand.composed().expand(value_set):
            found.setdefault(canonical(member.system), set()).add(member.concept.code)
            count += 1
            if count > CODES_LIMIT:
                raise _too_many(asked)
    except Refusal as refusal:
        if refusal.status == 400:
            raise
        # What a value set lacks is no fault of the record that is looked for.
        raise asked.refused(refusal.says, code=refusal.code, todo=refusal.todo) from None
    return {system: frozenset(codes) for system, codes in found.items()}


async def _levels(asked: Coded, sought: Sought, at_hand: AtHand) -> Meant:
    codes: Codes | None = await at_hand.system(sought.address, "")
    if codes is None:
        raise asked.refused("this code system is not at hand for a search with all its codes", todo=_ASKED)
    concept = await codes.concept(sought.code)
    if concept is None:
        raise asked.refused("the code system has no such code")
    found = await (codes.over(concept.code) if sought.relation == "above" else codes.under(concept.code))
    await work(len(found))
    if len(found) > CODES_LIMIT:
        raise _too_many(asked)
    return {canonical(codes.url): found | {concept.code}}


def _size(found: Meant) -> int:
    return sum(map(len, found.values()))


def _too_many(asked: Coded) -> Refusal:
    return asked.refused(f"it means more than {CODES_LIMIT} codes", code="too-costly")
