"""What a page brings along: `_include` and `_revinclude`, step by step, under the page's own grant.

Only includes that are `:iterate` go on from what was brought. Limits are told by name (422), never kept in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.fhir.definitions import TYPES, type_name
from kjerne.fhir.effort import spend
from kjerne.fhir.encode import decode
from kjerne.fhir.index import reference_forms
from kjerne.fhir.search import TOKENS_LIMIT, Search, references, reverse_tokens
from kjerne.registries.homes import row_number, types_of
from kjerne.store import limits
from kjerne.store.in_anothers import Beside
from kjerne.store.pool import Connection
from kjerne.store.reading import ALLOWED, OUTER, STAMPED, Reader, Record, Unwrapped, door
from kjerne.store.sealed_id import SealedIds
from kjerne.store.turns import in_turns

INCLUDE_STEPS_LIMIT: Final = 8
"""How far `:iterate` goes on; deeper chains than this are nobody's page."""
INCLUDED_LIMIT: Final = 5_000
INCLUDED_LIMIT_BYTES: Final = 20_000_000
OPENING_STEPS: Final = 20
READING_STEPS: Final = 40
"""What it takes to open a record, and to read it, beside what its length takes."""
BYTES_IN_A_STEP: Final = 100
FOLLOWING_STEPS: Final = 5
"""What it takes to look for one include's references in a resource."""

Place = tuple[int, UUID]
"""Type and id of a record."""


class Served(Protocol):
    """A record as it goes out."""

    @property
    def served(self) -> bytes: ...


def tree_of(record: Served) -> dict[str, Any]:
    """The resource as it is served."""
    served = record.served
    spend(READING_STEPS + len(served) // BYTES_IN_A_STEP)
    return decode(served)


async def included(
    conn: Connection, grant: Grant, reader: Reader, search: Search, matches: list[Record], candidate_limit: int,
    beside: Sequence[Beside] = (),
) -> list[Record]:  # fmt: skip
    """What the includes of a search bring along for these matches, each once and none that matches itself: of the patient's own,
    and of others' what names her."""
    if not matches or not (search.includes or search.revincludes):
        return []
    theirs = [_Door(conn, one.grant, reader, candidate_limit, one) for one in beside if one.led_to]
    door_of = _Doors(_Door(conn, grant, reader, candidate_limit), theirs)
    there = {(record.type, record.id) for record in matches}
    found: list[Record] = []
    frontier, step = matches, 0
    while frontier:
        reached = await _reached(door_of, search, frontier, first=step == 0, most=INCLUDED_LIMIT + len(there) + 1)
        frontier = [record for place, record in reached.items() if place not in there]
        step += 1
        if frontier and step > INCLUDE_STEPS_LIMIT:
            raise too_costly(f"the includes go on for more than {INCLUDE_STEPS_LIMIT} steps")
        there.update(reached)
        found += frontier
        if len(found) > INCLUDED_LIMIT:
            raise too_costly(f"the includes reach more than {INCLUDED_LIMIT} records")
        if sum(len(record.raw) for record in found) > INCLUDED_LIMIT_BYTES:
            raise too_costly(f"what the includes reach is longer than {INCLUDED_LIMIT_BYTES} bytes")
    return found


def too_costly(says: str) -> Refusal:
    return Refusal(422, says, code="too-costly", todo="Ask for fewer includes, or for a smaller page.")


class _Door:
    """The rows of one grant; with `beside` those that name the patient whose page it is, where they lie with another."""

    def __init__(
        self, conn: Connection, grant: Grant, reader: Reader, candidate_limit: int, beside: Beside | None = None
    ) -> None:
        self._beside = beside
        self._conn = conn
        self._grant = grant
        self._reader = reader
        self._limit = candidate_limit
        self.keys: Unwrapped = reader.unwrapped(grant)

    def number(self, name: str) -> int:
        """The number of a type in the rows of the grant's service."""
        return row_number(name, self._grant.service)

    async def named(self, places: set[Place], most: int) -> list[Record]:
        """The records of these types and ids."""
        types, ids = sorted({type_ for type_, _ in places}), sorted(id_ for _, id_ in places)
        condition = "r.id = ANY($6::uuid[]) AND r.type = ANY($7::smallint[])"
        records = await self._fetch(condition, most, ids, types)
        return [record for record in records if (record.type, record.id) in places]

    async def pointing(self, source: str, hashes: set[int], most: int) -> list[Record]:
        """The records of a type that have one of the tokens."""
        condition = "r.type = $6 AND r.tokens LIKE ANY($7::bytea[])"
        return await self._fetch(condition, most, self.number(source), self.keys.patterns(sorted(hashes)))

    async def all_of(self, source: str) -> list[Record]:
        """All records of a type, where more tokens would be looked for than SQL compares in good time."""
        records = await self._fetch("r.type = $6", self._limit + 1, self.number(source))
        if len(records) > self._limit:
            raise too_costly(f"the includes would look at more than {self._limit} records")
        return records

    async def _fetch(self, condition: str, most: int, *values: Any) -> list[Record]:
        # Ordered, or what is included would come as the rows lie, and rows that are hidden could be told by it. A record of
        # another service is not this grant's to open, and lies under another key.
        own = f"r.type = ANY(${6 + len(values)}::smallint[])"
        types = [self.number(name) for name in types_of(self._grant.service)]
        given = [*door(self._grant), *values, types]
        if self._beside is not None:
            given.append(list(self._beside.led_to))
            own = f"{own} AND r.id = ANY(${len(given)}::uuid[])"
        statement = (
            f"WITH {STAMPED} SELECT {OUTER} FROM record r, s WHERE s.ok AND {ALLOWED} AND {condition} AND {own} "
            f"ORDER BY r.id LIMIT {int(most)}"
        )
        statement, every = limits.narrowed(self._grant, self.keys, statement, ALLOWED, given)
        rows = await self._conn.fetch(statement, *every)
        spend(OPENING_STEPS * len(rows))
        found = [self._reader.open_row(self.keys, tuple(row)) async for row in in_turns(rows)]
        return [one for one in found if self._beside is None or self._beside.names(tree_of(one))]


class _Doors:
    """The patient's own rows, and behind them those of others that name her."""

    def __init__(self, own: _Door, theirs: Sequence[_Door]) -> None:
        self.number = own.number
        self._every = (own, *theirs)

    async def named(self, places: set[Place], most: int) -> list[Record]:
        """As `_Door.named`."""
        return [record for one in self._every for record in await one.named(places, most)]

    async def pointing(self, source: str, hashes: set[int], most: int) -> list[Record]:
        """As `_Door.pointing`."""
        return [record for one in self._every for record in await one.pointing(source, hashes, most)]

    async def all_of(self, source: str) -> list[Record]:
        """As `_Door.all_of`."""
        return [record for one in self._every for record in await one.all_of(source)]


async def _reached(
    door_of: _Doors, search: Search, frontier: list[Record], *, first: bool, most: int
) -> dict[Place, Record]:
    """The records one step from `frontier`: pointed at by `_include`, pointing at it by `_revinclude`."""
    forwards = [one for one in search.includes if first or one.iterate]
    places = set[Place]()
    async for record in in_turns(frontier if forwards else ()):
        tree = tree_of(record)
        spend(FOLLOWING_STEPS * len(forwards))
        for include in forwards:
            if include.source == tree["resourceType"]:
                places |= _targets(references(tree, include.code), include.target, door_of.number)
    found = await door_of.named(places, most) if places else []
    found += await _backwards(door_of, search, frontier, first=first, most=most)
    return {(record.type, record.id): record for record in found}


async def _backwards(
    door_of: _Doors, search: Search, frontier: list[Record], *, first: bool, most: int
) -> list[Record]:
    names = [(name := type_name(record.type), f"{name}/{record.id}") for record in frontier]
    wanted: dict[str, list[tuple[str, set[str], set[int]]]] = {}
    for include in search.revincludes:
        own = [text for name, text in names if include.target in ("", name)]
        if own and (first or include.iterate):
            hashes = set(reverse_tokens(include, own))
            wanted.setdefault(include.source, []).append((include.code, set(own), hashes))
    found: list[Record] = []
    for source, asked in wanted.items():
        hashes = set[int]().union(*(each for _, _, each in asked))
        if len(hashes) <= TOKENS_LIMIT:
            found += await door_of.pointing(source, hashes, most)
        else:
            every = in_turns(await door_of.all_of(source))
            found += [record async for record in every if _points(tree_of(record), asked)]
    return found


def _points(tree: dict[str, Any], asked: list[tuple[str, set[str], set[int]]]) -> bool:
    spend(FOLLOWING_STEPS * len(asked))
    return any(reference_forms(text)[0] in own for code, own, _ in asked for text in references(tree, code))


def _targets(found: list[str], wanted: str, number: Callable[[str], int]) -> set[Place]:
    places = set[Place]()
    for reference in found:
        name, _, rest = reference.partition("/")
        id_ = SealedIds.parse(rest.partition("/")[0])
        if id_ and name in TYPES and wanted in ("", name):
            places.add((number(name), id_))
    return places
