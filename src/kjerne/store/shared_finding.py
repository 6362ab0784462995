"""Searches among shared records, as inside a patient: SQL narrows by tokens and dates, the rest is matched in the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from kjerne.access import Limit
from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked, is_linked
from kjerne.fhir.definitions import TYPES, type_name, type_number
from kjerne.fhir.effort import spend
from kjerne.fhir.index import reference_forms
from kjerne.fhir.search import Include, Order, Plan, Search, counted, ordered, plan, references, reverse_tokens
from kjerne.store import joining
from kjerne.store.finding import VALUES_STEPS, within
from kjerne.store.including import INCLUDE_STEPS_LIMIT, INCLUDED_LIMIT, OPENING_STEPS, too_costly, tree_of
from kjerne.store.pool import Connection, moment
from kjerne.store.shared import COLUMNS, Shared, opened
from kjerne.store.turns import in_turns

NEWEST_FIRST: Final = Order("at", descending=True)
Left = Callable[[str], tuple[Limit, ...] | None]
"""What a token's SMART scopes leave of a type; None for all of it."""


class Found(NamedTuple):
    """One page: matches, what they bring along, how many match, and whether others follow."""

    records: list[Shared]
    included: list[Shared]
    total: int
    more: bool


class Row(NamedTuple):
    """A candidate, and a key for each order of the search."""

    record: Shared
    date_from: datetime | None
    values: bytes
    keys: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        return self.record.id


class SharedFinder:
    """Searches over one connection for one caller: `left` is what her token leaves, `at` the request's time."""

    def __init__(self, conn: Connection, at: datetime, left: Left, candidate_limit: int) -> None:
        self._conn = conn
        self._at = at
        self._left = left
        self._limit = candidate_limit

    async def search(self, search: Search, *, after: str = "", skip: int = 0) -> Found:
        """One page, behind the record `after`, or where that stood (`skip`) if it is gone.

        `Refusal` 422 too-costly where the search would look at too many records.
        """
        with counted():
            rows = await self.matching(search)
            start = next((place for place, row in enumerate(rows, start=1) if row.id == after), skip)
            page = [row.record for row in rows[start : start + search.count]] if search.summary != "count" else []
            included = await self._included(search, page)
        return Found(page, included, len(rows), bool(page) and start + len(page) < len(rows))

    async def matching(self, search: Search) -> list[Row]:
        """All that answer, in order. Call inside `fhir.search.counted`."""
        if any(is_linked(one) for one in search.criteria):
            met = [await joining.met(search.type, one, self._far_end, _tree) for one in search.criteria]
            search = replace(search, criteria=tuple(met))
        found = plan(search, at=self._at)
        if found.patients:
            raise Refusal(400, f"{search.type} is about no patient", where="patient", code="not-supported")
        looked_at = [_answering(row, found) async for row in in_turns(await self._rows(found))]
        return ordered([(row.keys, row) for row in looked_at if row is not None], found.order or (NEWEST_FIRST,))

    async def _far_end(self, type_: str, asked: Asked) -> list[Row]:
        return await self.matching(Search(type_, (asked,)))

    async def _rows(self, found: Plan) -> list[Row]:
        where = _Conditions(found, self._left(found.type))
        limit = where.add(self._limit + 1)
        rows = await self._conn.fetch(
            f'SELECT {COLUMNS}, r.date_from, r."values" FROM shared_record r WHERE {where.text} ORDER BY r.id LIMIT {limit}',
            *where.values,
        )
        if len(rows) > self._limit:
            raise Refusal(
                422, f"the search would look at more than {self._limit} records", code="too-costly",
                todo="Narrow it with a code, a name or an identifier.",
            )  # fmt: skip
        return [Row(opened(row), moment(row["date_from"]), row["values"]) for row in rows]

    async def _included(self, search: Search, matches: list[Shared]) -> list[Shared]:
        """What the includes bring along, each once and none that matches itself; `:iterate` goes on from there."""
        there = {(one.type, one.id) for one in matches}
        found: list[Shared] = []
        frontier, step = matches, 0
        while frontier and (search.includes or search.revincludes):
            reached = [
                record
                for include in search.includes
                if step == 0 or include.iterate
                for record in await self._pointed_at(include, frontier)
            ]
            reached += [
                record
                for include in search.revincludes
                if step == 0 or include.iterate
                for record in await self._pointing_at(include, frontier)
            ]
            new = {(one.type, one.id): one for one in reached if (one.type, one.id) not in there}
            frontier, step = list(new.values()), step + 1
            there |= new.keys()
            found += frontier
            if len(found) > INCLUDED_LIMIT:
                raise too_costly(f"the includes reach more than {INCLUDED_LIMIT} records")
            if frontier and step > INCLUDE_STEPS_LIMIT:
                raise too_costly(f"the includes go on for more than {INCLUDE_STEPS_LIMIT} steps")
        return found

    async def _pointed_at(self, include: Include, frontier: list[Shared]) -> list[Shared]:
        ids: dict[str, set[str]] = {}
        async for record in in_turns(one for one in frontier if type_name(one.type) == include.source):
            for text in references(tree_of(record), include.code):
                name, _, id_ = reference_forms(text)[0].partition("/")
                if name in TYPES and include.target in ("", name):
                    ids.setdefault(name, set()).add(id_)
        return [
            row.record for name, some in ids.items() for row in await self._rows(_plain(name, ids=tuple(sorted(some))))
        ]

    async def _pointing_at(self, include: Include, frontier: list[Shared]) -> list[Shared]:
        named = [f"{type_name(one.type)}/{one.id}" for one in frontier if include.target in ("", type_name(one.type))]
        hashes = reverse_tokens(include, named)
        return [row.record for row in await self._rows(_plain(include.source, any_of=hashes))] if hashes else []


class _Conditions:
    """The WHERE clause of a plan over `shared_record r`, and its values."""

    def __init__(self, found: Plan, left: tuple[Limit, ...] | None) -> None:
        self.values: list[Any] = []
        self.texts = [f"r.type = {self.add(type_number(found.type))}", "r.body IS NOT NULL"]
        if left is not None:
            self.texts.append(f"({' OR '.join(self._held(limit) for limit in left) or 'false'})")
        if found.ids is not None:
            self.texts.append(f"r.id = ANY({self.add(list(found.ids))}::text[])")
        self.texts += map(self._one_of, found.all_of)
        if found.none_of:
            self.texts.append(f"NOT {self._one_of(found.none_of)}")
        self.texts += (within(self.add, bounds) for bounds in found.bounds)

    def _held(self, limit: Limit) -> str:
        return " AND ".join(map(self._one_of, limit.tokens)) or "true"

    def _one_of(self, tokens: Sequence[int]) -> str:
        return f"r.tokens && {self.add(list(tokens))}::bigint[]"

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def text(self) -> str:
        return " AND ".join(self.texts)


def _plain(type_: str, ids: tuple[str, ...] | None = None, any_of: Sequence[int] = ()) -> Plan:
    """A plan that SQL decides alone."""
    return Plan(type_, ids, (tuple(any_of),) if any_of else (), (), (), (), None, None, ())


def _answering(row: Row, found: Plan) -> Row | None:
    """The candidate with its keys where it answers all that SQL could not decide, else None."""
    if found.looks_at_values:
        spend(VALUES_STEPS)
        if found.match is not None and not found.match(row.values):
            return None
    tree = _tree(row) if found.looks_at_tree else {}
    if found.match_tree is not None and not found.match_tree(tree):
        return None
    return row._replace(keys=tuple(_key(row, one, tree) for one in found.order or (NEWEST_FIRST,)))


def _tree(row: Row) -> dict[str, Any]:
    spend(OPENING_STEPS)
    return tree_of(row.record)


def _key(row: Row, order: Order, tree: dict[str, Any]) -> Any:
    if order.key is not None:
        return order.key(row.values)
    if order.tree_key is not None:
        return order.tree_key(tree)
    return {"date_from": row.date_from, "at": row.record.at, "id": row.id}[order.column]
