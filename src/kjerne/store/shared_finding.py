"""Searches among shared records, as inside a patient: SQL narrows by tokens and dates, the rest is matched in the program.

Where SQL decides all, it counts and pages too. Bodies are fetched for the page alone, or a few at a time for what only they tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from kjerne.access import Limit
from kjerne.errors import Refusal
from kjerne.fhir.criteria import Asked, is_linked
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.effort import spend
from kjerne.fhir.index import reference_forms
from kjerne.fhir.search import Include, Order, Plan, Search, counted, ordered, plan, references, reverse_tokens
from kjerne.registries.homes import SHARED_TYPES
from kjerne.store import joining, meant
from kjerne.store.conditions import within
from kjerne.store.finding import VALUES_STEPS
from kjerne.store.including import INCLUDE_STEPS_LIMIT, INCLUDED_LIMIT, OPENING_STEPS, Served, too_costly, tree_of
from kjerne.store.pool import Connection, moment
from kjerne.store.shared import COLUMNS, Shared, opened
from kjerne.store.turns import ROWS_AT_ONCE, in_turns

NEWEST_FIRST: Final = Order("at", descending=True)
PAGE_LIMIT_BYTES: Final = 20_000_000
"""What a page may hold: it ends early, and the next goes on from there."""
_HEADS: Final = (
    'r.type, r.id, r.version, r.at, NULL::bytea AS body, octet_length(r.body) AS length, r.date_from, r."values"'
)
Left = Callable[[str], tuple[Limit, ...] | None]
"""What a token's SMART scopes leave of a type; None for all of it."""


class Found(NamedTuple):
    """One page: matches, what they bring along, how many match, and whether others follow."""

    records: list[Shared]
    included: list[Shared]
    total: int
    more: bool


class Following(Served, Protocol):
    """A record that an include goes out from, of a patient or of none."""

    @property
    def type(self) -> int: ...


class Row(NamedTuple):
    """A candidate, and a key for each order of the search. Its record has no body but while that is looked at."""

    record: Shared
    length: int
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
            found = await self.planned(search)
            count = search.count if search.summary != "count" else 0
            if found.exact_in_sql:
                rows, total, start = await self._at_once(found, count, after, skip)
            else:
                every = await self._matching(found)
                start = next((place for place, row in enumerate(every, start=1) if row.id == after), skip)
                rows, total = every[start : start + count], len(every)
            page = await self.whole(row.record for row in _of_a_page(rows))
            included = await self._included(search, page)
        return Found(page, included, total, bool(page) and start + len(page) < total)

    async def matching(self, search: Search) -> list[Row]:
        """All that answer, in order, without their bodies. Call inside `fhir.search.counted`."""
        return await self._matching(await self.planned(search))

    async def whole(self, records: Iterable[Shared]) -> list[Shared]:
        """Records of one type with their bodies, in their order, but what has been deleted meanwhile."""
        wanted = list(records)
        if not wanted:
            return []
        rows = await self._conn.fetch(
            f"SELECT {COLUMNS} FROM shared_record r WHERE r.type = $1 AND r.id = ANY($2::text[]) AND r.body IS NOT NULL",
            wanted[0].type, [one.id for one in wanted],
        )  # fmt: skip
        there = {row["id"]: opened(row) for row in rows}
        return [there[one.id] for one in wanted if one.id in there]

    async def planned(self, search: Search) -> Plan:
        """The plan of a search, with the far ends of its chains looked up."""
        if any(is_linked(one) for one in search.criteria):
            search = await meant.told(self._conn, search)
            near = [await joining.met(search.type, one, self._far_end, _tree) for one in search.criteria]
            search = replace(search, criteria=tuple(near))
        found = plan(search, at=self._at)
        if found.patients:
            raise Refusal(400, f"{search.type} is about no patient", where="patient", code="not-supported")
        return found

    async def _at_once(self, found: Plan, count: int, after: str, skip: int) -> tuple[list[Row], int, int]:
        """So many rows, how many there are, and how many stand before them, all of it by SQL."""
        where, sorting = _Conditions(found, self._left(found.type)), _sorting(found.order or (NEWEST_FIRST,))
        total = await self._conn.fetchval(f"SELECT count(*) FROM shared_record r WHERE {where.text}", *where.values)
        start = skip
        if after:
            numbered = (
                f"SELECT r.id, row_number() OVER (ORDER BY {sorting}) AS n FROM shared_record r WHERE {where.text}"
            )
            last = f"${len(where.values) + 1}"
            stood = await self._conn.fetchval(f"SELECT n FROM ({numbered}) m WHERE m.id = {last}", *where.values, after)
            start = stood if stood is not None else skip
        limit, first = where.add(count), where.add(start)
        rows = await self._conn.fetch(
            f"SELECT {_HEADS} FROM shared_record r WHERE {where.text} ORDER BY {sorting} LIMIT {limit} OFFSET {first}",
            *where.values,
        )
        return [_row(row) for row in rows], total, start

    async def _matching(self, found: Plan) -> list[Row]:
        rows, kept = await self._rows(found), list[Row]()
        begin = 0
        while begin < len(rows):
            some = _of_a_page(rows[begin : begin + ROWS_AT_ONCE])
            begin += len(some)
            if found.looks_at_tree:
                some = await self._with_bodies(some)
            async for row in in_turns(some):
                if (answering := _answering(row, found)) is not None:
                    kept.append(answering._replace(record=answering.record._replace(raw=None)))
        return ordered([(row.keys, row) for row in kept], found.order or (NEWEST_FIRST,))

    async def _with_bodies(self, rows: Sequence[Row]) -> list[Row]:
        there = {one.id: one for one in await self.whole(row.record for row in rows)}
        return [row._replace(record=there[row.id]) for row in rows if row.id in there]

    async def _far_end(self, type_: str, asked: Asked) -> list[Row]:
        rows = await self.matching(Search(type_, (asked,)))
        _check_length(rows, "what the chain leads over is")
        return await self._with_bodies(rows)

    async def _rows(self, found: Plan) -> list[Row]:
        where = _Conditions(found, self._left(found.type))
        limit = where.add(self._limit + 1)
        rows = await self._conn.fetch(
            f"SELECT {_HEADS} FROM shared_record r WHERE {where.text} ORDER BY r.id LIMIT {limit}", *where.values
        )
        if len(rows) > self._limit:
            raise Refusal(
                422, f"the search would look at more than {self._limit} records", code="too-costly",
                todo="Narrow it with a code, a name or an identifier.",
            )  # fmt: skip
        return [_row(row) for row in rows]

    async def brought(
        self, search: Search, matches: Sequence[Following], included: Sequence[Following]
    ) -> list[Shared]:
        """What the includes of a search among a patient's records bring from here; `included` are those of hers it brought."""
        with counted():
            reached = dict[tuple[int, str], Shared]()
            for include in search.includes:
                frontier = [*matches, *(included if include.iterate else ())]
                reached |= {(one.type, one.id): one for one in await self._pointed_at(include, frontier)}
            onward = replace(search, includes=tuple(one for one in search.includes if one.iterate), revincludes=())
            first = list(reached.values())
            return first + await self._included(onward, first)

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

    async def _pointed_at(self, include: Include, frontier: Sequence[Following]) -> list[Shared]:
        ids: dict[str, set[str]] = {}
        async for record in in_turns(one for one in frontier if type_name(one.type) == include.source):
            for text in references(tree_of(record), include.code):
                name, _, id_ = reference_forms(text)[0].partition("/")
                if name in SHARED_TYPES and include.target in ("", name):
                    ids.setdefault(name, set()).add(id_)
        return [
            record
            for name, some in ids.items()
            for record in await self._brought(_plain(name, ids=tuple(sorted(some))))
        ]

    async def _pointing_at(self, include: Include, frontier: list[Shared]) -> list[Shared]:
        named = [f"{type_name(one.type)}/{one.id}" for one in frontier if include.target in ("", type_name(one.type))]
        hashes = reverse_tokens(include, named)
        return await self._brought(_plain(include.source, any_of=hashes)) if hashes else []

    async def _brought(self, found: Plan) -> list[Shared]:
        rows = await self._rows(found)
        _check_length(rows, "what the includes reach is")
        return await self.whole(row.record for row in rows)


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


def _row(row: Any) -> Row:
    return Row(opened(row), row["length"], moment(row["date_from"]), row["values"])


def _of_a_page(rows: Sequence[Row]) -> list[Row]:
    """The first rows, as many as a page can hold; one at least."""
    length, fitting = 0, list[Row]()
    for row in rows:
        length += row.length
        if fitting and length > PAGE_LIMIT_BYTES:
            break
        fitting.append(row)
    return fitting


def _check_length(rows: Sequence[Row], what: str) -> None:
    if sum(row.length for row in rows) > PAGE_LIMIT_BYTES:
        raise too_costly(f"{what} longer than {PAGE_LIMIT_BYTES} bytes")


def _sorting(order: Sequence[Order]) -> str:
    """As `ordered` puts rows: by column, what has none last, and what is alike by id."""
    # The column comes from a closed list of literals in `fhir.search.Order`, never from a request.
    keys = [f"r.{one.column} {'DESC' if one.descending else 'ASC'} NULLS LAST" for one in order]
    return ", ".join([*keys, "r.id"])


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
