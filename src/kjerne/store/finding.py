"""Search inside one patient: SQL narrows by grant, type, tokens and dates; the rest is matched on sealed values.

When SQL can decide everything, page, total and audit row come from one statement. Otherwise the candidates (at most a set number,
then 422 too-costly) are matched, sorted and counted in the program, and the page, what it includes and the audit row that
names all of it are one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.criteria import Asked, is_linked
from kjerne.fhir.effort import foresee, is_crowded, spend
from kjerne.fhir.latest import kinds, latest
from kjerne.fhir.search import Order, Plan, Search, counted, plan
from kjerne.store import audit, including, joining, meant
from kjerne.store.candidates import NEWEST_FIRST, Row, beyond, in_order, key_of, place_of, resumed, sorting, values_of
from kjerne.store.conditions import Conditions
from kjerne.store.in_anothers import Beside, Ring
from kjerne.store.including import OPENING_STEPS, tree_of
from kjerne.store.pool import Connection
from kjerne.store.proofs import note
from kjerne.store.reading import (
    OUTER,
    STAMPED,
    Reader,
    Record,
    Unwrapped,
    audited,
    stamped_and_noted,
    under,
)
from kjerne.store.turns import in_turns

ROW_STEPS: Final = 20
"""What it takes to fetch a row and to lay it beside the others, whatever is asked of it."""
COMPARED_UNCOUNTED: Final = 100
"""What PostgreSQL compares each row with before its work is counted: counting the rows costs as much as a short search."""
COMPARED_IN_A_STEP: Final = 8
VALUES_STEPS: Final = 10
"""What it takes to open a row's values."""
LOOKED_AT_ONCE: Final = 50
"""Records that are looked at in one step for those that are kept (`Finder.newest`)."""
LOOKED_AT_BY_A_FILTER: Final = 2_000
"""Records that are looked at in one turn of `Finder.all_matching`: fewer than one search has the steps for."""
PAGE_LIMIT_BYTES: Final = 20_000_000
"""What a page may hold: it ends early, and the next goes on from there. In SQL it is counted as the records are kept, packed."""
COUNTED: Final = frozenset({"estimate", "accurate"})
"""Values of `_total` by which all that matches is counted."""
_COUNT: Final = f"WITH {STAMPED} SELECT count(*) FROM record r, s WHERE s.ok AND %s"
BY_KIND: Final = Order("", descending=False, tree_key=kinds)
LATEST_LIMIT: Final = 5_000
"""Observations in one answer of `$lastn`."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: matches in order, what they include, how many match in all (None: not counted), where the next begins, and how
    many of others' were not laid among hers."""

    records: list[Record]
    included: list[Record]
    total: int | None
    after: list[Any] | None
    left_out: int = 0


class Keyed(NamedTuple):
    """A match as it is sorted: its id, and a key for each order of the search."""

    id: UUID
    keys: tuple[Any, ...]


class Theirs(NamedTuple):
    """Rows of another's that are laid among the patient's, with the grant and the keys that they open under."""

    grant: Grant
    keys: Unwrapped
    rows: list[Row]


class Finder:
    """Searches for one house."""

    def __init__(self, reader: Reader, candidate_limit: int) -> None:
        self._reader = reader
        self._limit = candidate_limit

    @property
    def candidate_limit(self) -> int:
        """How many records one search looks at."""
        return self._limit

    async def search(
        self, conn: Connection, grant: Grant, search: Search, *, after: list[Any] | None = None, skip: int = 0,
        beside: Sequence[Beside] = (),
    ) -> Page:  # fmt: skip
        """One page under the grant, with its audit row. `after` goes on from an earlier page's, and `beside` are others whose
        records are laid among hers, each with a row in that one's log (`store.in_anothers`).

        Raises `Stale`; `Refusal` 422 too-costly where the search would look at too many records.
        """
        if any(is_linked(one) for one in search.criteria):
            return await self._in_steps(conn, grant, search, None, after, skip)
        found = _planned(grant, search)
        only_counted = search.summary == "count" or search.count == 0
        in_sql = only_counted and found.counted_in_sql
        simple = found.exact_in_sql and len(found.order) <= 1 and not (search.includes or search.revincludes or skip)
        # A place that is a number was made by `_in_steps` (after a skip), which alone can go on from it.
        at_once = simple and not only_counted and not (after is not None and isinstance(after[1], int))
        if beside and (theirs := await self._of_others(conn, search, beside)):
            # What a page of before left to go on from may have no number. Where nothing of theirs answers, all is as without.
            place = after if after is None or isinstance(after[1], int) else [after[1], 0]
            try:
                return await self._in_steps(conn, grant, search, found, place, skip, beside)
            except Refusal as refusal:
                if not (at_once or in_sql) or refusal.code != "too-costly":
                    raise
            page = await (
                self._number(conn, grant, found) if in_sql else self._at_once(conn, grant, search, found, after)
            )
            return await self._beside_many(conn, grant, theirs, page, listed=not in_sql)
        if in_sql:
            return await self._number(conn, grant, found)
        if at_once:
            return await self._at_once(conn, grant, search, found, after)
        # Where none of theirs matches, an include may lead to one.
        return await self._in_steps(conn, grant, search, found, after, skip, beside)

    async def newest(
        self, conn: Connection, grant: Grant, search: Search, most: int, keep: Callable[[Record], bool],
        shown: Callable[[list[Record]], list[Record]] = list,
    ) -> list[Record]:  # fmt: skip
        """The newest of the matches that `keep` says yes to, at most so many, with an audit row that names those of them alone
        that are `shown` (all, where nothing else is said).

        What is not was compared by the program and does not leave. `search` is one that SQL decides alone. Raises `Stale`.
        """
        found = plan(search, at=grant.at)
        keys = self._reader.unwrapped(grant)
        kept: list[Record] = []
        after: list[Any] | None = None
        await note(conn, grant.once)
        async with conn.transaction():
            while len(kept) < most:
                where = Conditions(grant, found, keys)
                if after is not None:
                    where.texts.append(beyond(where, NEWEST_FIRST, after))
                limit = where.add(LOOKED_AT_ONCE)
                rows = await conn.fetch(
                    f"WITH {STAMPED} SELECT {OUTER}, r.date_from FROM record r, s WHERE s.ok AND {where.text} "
                    f"ORDER BY {sorting(NEWEST_FIRST)} LIMIT {limit}",
                    *where.values,
                )
                opened = [self._reader.open_row(keys, tuple(row)[:-1]) for row in rows]
                kept += [record for record in opened if keep(record)][: most - len(kept)]
                if len(rows) < LOOKED_AT_ONCE:
                    break
                after = place_of(NEWEST_FIRST, opened[-1], rows[-1][-1])
            await self._stand(conn, grant)
            await audit.insert(conn, audit.given(grant), [(one.type, one.id, one.version) for one in shown(kept)])
        return kept

    async def weighed(
        self, conn: Connection, grant: Grant, searches: Sequence[Search], most: int,
        weigh: Callable[[list[Record]], Awaitable[list[Record]]],
    ) -> None:  # fmt: skip
        """Has all matches of several searches compared by `weigh`, with an audit row that names those alone that it gives back.

        What it does not give back does not leave. It may ask the database, in the transaction that writes the row. Each search
        is one that SQL decides alone. Raises `Stale`; `Refusal` 422 where one finds more than so many.
        """
        await note(conn, grant.once)
        async with conn.transaction():
            keys = self._reader.unwrapped(grant)
            found: list[Record] = []
            for search in searches:
                where = Conditions(grant, _planned(grant, search), keys)
                limit = where.add(most + 1)
                rows = await conn.fetch(
                    f"WITH {STAMPED} SELECT {OUTER} FROM record r, s WHERE s.ok AND {where.text} ORDER BY r.id LIMIT {limit}",
                    *where.values,
                )
                if len(rows) > most:
                    raise Refusal(422, f"more than {most} records would be compared", code="too-costly")
                found += [self._reader.open_row(keys, tuple(row)) for row in rows]
            used = await weigh(found)
            await self._stand(conn, grant)
            await audit.insert(conn, audit.given(grant), [(one.type, one.id, one.version) for one in used])

    async def latest(
        self, conn: Connection, grant: Grant, search: Search, most: int, beside: Sequence[Beside] = ()
    ) -> Page:
        """Of each kind of Observation that a search finds the last so many (`fhir.latest`), with what they include. Others' that
        name her stand behind, the last of each one's: none of them is in the place of one of her own.

        One audit row names all of it. Raises as `search`, and `Refusal` 422 where more than a page may hold would leave.
        """
        await note(conn, grant.once)
        async with conn.transaction():
            keys = self._reader.unwrapped(grant)
            with counted():
                found = _planned(grant, await self._joined(conn, grant, search, keys))
                rows = await self._matching(conn, grant, replace(found, order=(NEWEST_FIRST, BY_KIND)), keys)
                theirs = await self._of_others(conn, search, beside, (NEWEST_FIRST, BY_KIND))
                chosen, keys = list[Row](), _ring(grant, keys, theirs)
                for each in (rows, *(one.rows for one in theirs)):
                    newest_first = in_order(each, replace(found, order=(NEWEST_FIRST,)))
                    chosen += latest([(row.keys[0], row.keys[1], row) for row in newest_first], most)
                if len(chosen) > LATEST_LIMIT:
                    says = f"more than {LATEST_LIMIT} would be given"
                    raise Refusal(422, says, code="too-costly", todo="Narrow it with a code, or lower max.")
                records = [self._reader.open_row(keys, row.outer) for row in chosen]
                brought = await including.included(conn, grant, self._reader, search, records, self._limit, beside)
            page = Page(records, brought, len(records), None)
            await self._tell(conn, grant, beside, theirs, page)
        return page

    async def keyed(self, conn: Connection, grant: Grant, search: Search, beside: Sequence[Beside] = ()) -> list[Keyed]:
        """By what all matches are sorted, in the order of their ids, for who lays them beside another grant's. Nothing of them
        leaves: the audit row names none. Raises as `search`."""
        await note(conn, grant.once)
        async with conn.transaction():
            keys = self._reader.unwrapped(grant)
            with counted():
                found = _planned(grant, await self._joined(conn, grant, search, keys))
                rows = await self._matching(conn, grant, found, keys)
                rows += [row for one in await self._of_others(conn, search, beside) for row in one.rows]
            await self._stand(conn, grant)
            await audit.insert(conn, audit.given(grant))
        return [Keyed(row.id, row.keys) for row in rows]

    async def these(
        self, conn: Connection, grant: Grant, search: Search, *, ids: Sequence[UUID], beside: Sequence[Beside] = ()
    ) -> Page:
        """The records with these ids in this order, as many as a page can hold, with what they include: one audit row names all
        of it. `search` is one that finds them by their ids. Raises as `search`."""
        place = {id_: number for number, id_ in enumerate(ids)}
        await note(conn, grant.once)
        async with conn.transaction():
            keys = self._reader.unwrapped(grant)
            with counted():
                rows = await self._matching(conn, grant, _planned(grant, search), keys)
                theirs = await self._of_others(conn, search, beside)
                rows += [row for one in theirs for row in one.rows]
                rows.sort(key=lambda row: place[row.id])
                records = self._of_a_page(_ring(grant, keys, theirs), (row.outer for row in rows))
                brought = await including.included(conn, grant, self._reader, search, records, self._limit, beside)
            cut = len(records) < len(rows)
            page = Page(records, brought, len(rows), [str(records[-1].id), len(records)] if cut else None)
            await self._tell(conn, grant, beside, theirs, page)
        return page

    async def matching(
        self, conn: Connection, grant: Grant, search: Search, letter: str, *, own: bool = False
    ) -> list[tuple[int, int, UUID]]:
        """Patient, type and id of all that a search finds under the grant, for a write that depends on it: none of it leaves.

        `letter` as in `Conditions`. With `own`, of what the caller's organisation filed alone: what others have sent in is
        neither looked at nor counted towards a limit, so no refusal tells of it. Call in a transaction that holds the
        patient's row.
        """
        found, keys = _planned(grant, search), self._reader.unwrapped(grant)
        with counted():
            rows = await self._matching(conn, grant, found, keys, letter, own=own)
        return [row.outer[:3] for row in rows]

    async def all_matching(self, conn: Connection, grant: Grant, search: Search, letter: str) -> set[UUID]:
        """The ids of all that a search finds under the grant, however many it looks at: each turn has the steps of one search.

        As `matching`: none of it leaves, and who hands it out proves the grant.
        """
        found, keys = _planned(grant, search), self._reader.unwrapped(grant)
        kept, behind = set[UUID](), UUID(int=0)
        while True:
            with counted(asked=False):
                where = Conditions(grant, found, keys, letter)
                where.texts.append(f"r.id > {where.add(behind)}")
                await self._weigh(conn, where)
                rows = await self._candidates(conn, where, LOOKED_AT_BY_A_FILTER)
                kept |= {row.outer[2] for row in await self._answer_of(rows, found, keys)}
            if len(rows) < LOOKED_AT_BY_A_FILTER:
                return kept
            behind = rows[-1][2]

    async def _at_once(
        self, conn: Connection, grant: Grant, search: Search, found: Plan, after: list[Any] | None
    ) -> Page:
        order = found.order[0] if found.order else NEWEST_FIRST
        keys = self._reader.unwrapped(grant)
        where = Conditions(grant, found, keys)
        if where.compared > COMPARED_UNCOUNTED:
            await note(conn, grant.once)
            with counted():
                await self._weigh(conn, where)
        number = f"(SELECT count(*) FROM record r WHERE {where.text})" if search.total in COUNTED else "NULL::bigint"
        if after is not None:
            where.texts.append(beyond(where, order, after))
        limit = where.add(search.count)
        by = sorting(order)
        rest = f"""m AS MATERIALIZED (
  SELECT {OUTER}, r.date_from, row_number() OVER (ORDER BY {by}) AS n FROM record r, s
  WHERE s.ok AND {where.text} ORDER BY {by} LIMIT {limit}::bigint + 1
), r AS MATERIALIZED (
  SELECT r.* FROM (SELECT m.*, sum(octet_length(m.body)) OVER (ORDER BY m.n) AS long FROM m) r
  WHERE r.n <= {limit} AND (r.n = 1 OR r.long <= {PAGE_LIMIT_BYTES})
), {audited("r", len(where.values) + 1)}"""
        shown = (
            f"s.ok, (SELECT count(*) FROM m), {number}, {OUTER}, r.date_from FROM s LEFT JOIN r ON true ORDER BY r.n"
        )
        values = (*where.values, *audit.given(grant, noting=True))
        plain = f"WITH {STAMPED}, {rest} SELECT {shown}"
        noting_too = f"WITH {stamped_and_noted(len(values) + 1)}, {rest} SELECT s.fresh, {shown}"
        rows = await under(conn, grant, plain, noting_too, values)
        if not rows or not rows[0][0]:
            raise Stale
        # What unpacks to more than a page holds stands in the row of the log all the same: it was opened for it.
        records = self._of_a_page(keys, (row[3:-1] for row in rows if row[3] is not None))
        more = rows[0][1] > len(records)
        last = rows[max(len(records), 1) - 1]
        total = rows[0][2] if search.total in COUNTED else None if more or after is not None else len(records)
        return Page(records, [], total, place_of(order, records[-1], last[-1]) if more and records else None)

    async def _number(self, conn: Connection, grant: Grant, found: Plan) -> Page:
        """How many match, where SQL decides that alone: however many they are, since none of them is looked at here. What the
        grant hides is not counted, and the audit row names none."""
        await note(conn, grant.once)
        async with conn.transaction():
            where = Conditions(grant, found, self._reader.unwrapped(grant))
            with counted():
                await self._weigh(conn, where)
            number = await conn.fetchval(_COUNT % where.text, *where.values)
            await self._stand(conn, grant)
            await audit.insert(conn, audit.given(grant))
        return Page([], [], number, None)

    async def _in_steps(
        self, conn: Connection, grant: Grant, search: Search, found: Plan | None, after: list[Any] | None, skip: int,
        beside: Sequence[Beside] = (),
    ) -> Page:  # fmt: skip
        """`found` is None where chains have to be looked up before the search can be planned."""
        await note(conn, grant.once)
        async with conn.transaction():
            theirs = await self._of_others(conn, search, beside) if beside else []
            page = await self._page(conn, grant, search, found, after, skip, theirs, beside)
            await self._tell(conn, grant, beside, theirs, page)
        return page

    async def _of_others(
        self, conn: Connection, search: Search, beside: Sequence[Beside], order: tuple[Order, ...] = ()
    ) -> list[Theirs]:
        """Of each other what answers a search, as it names the patient now; without those of whom nothing does."""
        found = []
        with counted():
            for one in (each for each in beside if each.ids.ids):
                keys = self._reader.unwrapped(one.grant)
                asked = _planned(one.grant, replace(search, criteria=(*search.criteria, one.ids)))
                asked = replace(asked, order=order) if order else asked
                rows = await self._matching(conn, one.grant, asked, keys)
                if rows := [row for row in rows if one.names(self._tree(row, keys))]:
                    found.append(Theirs(one.grant, keys, rows))
        return found

    async def _beside_many(
        self, conn: Connection, grant: Grant, theirs: Sequence[Theirs], page: Page, *, listed: bool
    ) -> Page:
        """A page of too many of her own to lay theirs among: theirs are counted, and what is listed says how many it lacks."""
        async with conn.transaction():
            for one in theirs:
                await self._stand(conn, one.grant)
                await audit.insert(conn, audit.given(one.grant))
            await audit.insert(conn, audit.elsewhere(grant))
        number = sum(len(one.rows) for one in theirs)
        total = None if page.total is None else page.total + number
        return replace(page, total=total, left_out=number if listed else 0)

    async def _tell(
        self, conn: Connection, grant: Grant, beside: Sequence[Beside], theirs: Sequence[Theirs], page: Page
    ) -> None:
        """The rows of a page: the patient's, and of what lies with others in each one's log what was shown of hers, in the
        patient's that something was."""
        shown, of_others = (*page.records, *page.included), False
        for one in (grant, *(each.grant for each in beside)):
            own = [(row.type, row.id, row.version) for row in shown if row.patient in one.subject.keys]
            if own or one is grant or any(each.grant is one for each in theirs):
                await self._stand(conn, one)
                await audit.insert(conn, audit.given(one), own)
                of_others = of_others or one is not grant
        if of_others:
            await audit.insert(conn, audit.elsewhere(grant))

    async def _page(
        self, conn: Connection, grant: Grant, search: Search, found: Plan | None, after: list[Any] | None, skip: int,
        theirs: Sequence[Theirs] = (), beside: Sequence[Beside] = (),
    ) -> Page:  # fmt: skip
        with counted():
            keys = self._reader.unwrapped(grant)
            if found is None:
                found = _planned(grant, await self._joined(conn, grant, search, keys))
            rows = [*await self._matching(conn, grant, found, keys), *(row for one in theirs for row in one.rows)]
            keys = _ring(grant, keys, theirs)
            rows = in_order(rows, found)
            start = skip if after is None else resumed(rows, after)
            page = [] if search.summary == "count" else rows[start : start + search.count]
            records = self._of_a_page(keys, (row.outer for row in page))
            included = await including.included(conn, grant, self._reader, search, records, self._limit, beside)
        reached = start + len(records)
        more = bool(records) and reached < len(rows)
        return Page(records, included, len(rows), [str(records[-1].id), reached] if more else None)

    def _of_a_page(self, keys: Unwrapped, rows: Iterable[tuple[Any, ...]]) -> list[Record]:
        """The first records, as many as a page can hold; one at least."""
        length, records = 0, list[Record]()
        for row in rows:
            record = self._reader.open_row(keys, row)
            length += len(record.raw)
            if records and length > PAGE_LIMIT_BYTES:
                break
            records.append(record)
        return records

    async def _matching(
        self, conn: Connection, grant: Grant, found: Plan, keys: Unwrapped, letter: str = "", *, own: bool = False
    ) -> list[Row]:
        where = Conditions(grant, found, keys, letter)
        if own:
            where.texts.append(_own(where, grant))
        await self._weigh(conn, where)
        if is_crowded():
            # To be refused after all is fetched would cost others as much as the search does.
            statement = f"WITH {STAMPED} SELECT count(*) FROM record r, s WHERE s.ok AND {where.text}"
            foresee(ROW_STEPS * await conn.fetchval(statement, *where.values))
        rows = await self._candidates(conn, where, self._limit + 1)
        if len(rows) > self._limit:
            raise Refusal(
                422,
                f"the search would look at more than {self._limit} records",
                code="too-costly",
                todo="Narrow it with a code or a date.",
            )
        return await self._answer_of(rows, found, keys)

    async def _candidates(self, conn: Connection, where: Conditions, most: int) -> Sequence[Any]:
        limit = where.add(most)
        statement = f"""
WITH {STAMPED} SELECT {OUTER}, r.date_from, r.date_to, r."values" FROM record r, s
WHERE s.ok AND {where.text} ORDER BY r.id LIMIT {limit}"""
        found: Sequence[Any] = await conn.fetch(statement, *where.values)
        return found

    async def _answer_of(self, rows: Sequence[Any], found: Plan, keys: Unwrapped) -> list[Row]:
        spend(ROW_STEPS * len(rows))
        kept = []
        async for one in in_turns(rows):
            row = Row(tuple(one)[:-3], one[-3], one[-2], one[-1] or b"")
            answering = self._answering(row, found, keys)
            if answering is not None:
                kept.append(answering)
        return kept

    async def _weigh(self, conn: Connection, where: Conditions) -> None:
        """Counts what PostgreSQL will compare, where that is much: each row that the grant opens with each value."""
        if where.compared > COMPARED_UNCOUNTED:
            # What is hidden is not counted, or the refusal would tell of it.
            condition, values = where.of_type
            rows = await conn.fetchval(_COUNT % condition, *values)
            spend(rows * where.compared // COMPARED_IN_A_STEP)

    def _answering(self, row: Row, found: Plan, keys: Unwrapped) -> Row | None:
        """The candidate with its keys where it answers all that SQL could not decide, else None."""
        values = b""
        if found.looks_at_values:
            spend(VALUES_STEPS)
            values = values_of(keys, row)
            if found.match is not None and not found.match(values):
                return None
        tree: dict[str, Any] = {}
        if found.looks_at_tree:
            tree = self._tree(row, keys)
            if found.match_tree is not None and not found.match_tree(tree):
                return None
        order = found.order or (NEWEST_FIRST,)
        return row._replace(keys=tuple(key_of(row, one, values, tree) for one in order))

    def _tree(self, row: Row, keys: Unwrapped) -> dict[str, Any]:
        spend(OPENING_STEPS)
        return tree_of(self._reader.open_row(keys, row.outer))

    async def _joined(self, conn: Connection, grant: Grant, search: Search, keys: Unwrapped) -> Search:
        """The search with the far ends of its chains looked up: under the same grant, so what it hides ends no chain."""
        search = await meant.told(conn, search)

        async def find(type_: str, asked: Asked) -> list[Row]:
            return await self._matching(conn, grant, _planned(grant, Search(type_, (asked,))), keys)

        def tree(row: Row) -> dict[str, Any]:
            return self._tree(row, keys)

        return replace(
            search, criteria=tuple([await joining.met(search.type, one, find, tree) for one in search.criteria])
        )

    async def _stand(self, conn: Connection, grant: Grant) -> None:
        stamp = await conn.fetchval(
            "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])", list(grant.subject.keys)
        )
        if stamp != grant.subject.stamp:
            raise Stale


def _own(where: Conditions, grant: Grant) -> str:
    """That the caller's organisation filed the first version, which stands in its audit row (as `records.marks` finds it)."""
    given, organisation, client = map(where.add, (audit.GIVEN, grant.caller.organisation, grant.caller.client))
    return f"""EXISTS (
  SELECT FROM audit a, unnest(a.types, a.ids, a.versions) AS n(type, id, version)
  WHERE a.patient = r.patient AND a.action IN ('file', 'correct') AND a.outcome = {given} AND n.type = r.type AND n.id = r.id
    AND n.version = 1 AND a.organisation = {organisation} AND (a.organisation <> '' OR a.client = {client})
    AND a.at = coalesce((SELECT h.at FROM record_history h
      WHERE h.patient = r.patient AND h.type = r.type AND h.id = r.id AND h.version = 1), r.at))"""


def _ring(grant: Grant, keys: Unwrapped, theirs: Sequence[Theirs]) -> Unwrapped:
    """The keys that the patient's rows and those of others open with."""
    return Ring([(grant, keys), *((one.grant, one.keys) for one in theirs)]) if theirs else keys


def _planned(grant: Grant, search: Search) -> Plan:
    found = plan(search, at=grant.at)
    if found.patients:
        raise Refusal(
            400,
            "the patient is named by the header person-id, not by a parameter",
            where="patient",
            code="not-supported",
        )
    return found
