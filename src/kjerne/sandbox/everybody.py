"""The search of the sandbox's test client that names no patient (law, K89): through everybody whom it may find.

Each is asked of the law by herself, and opened under that grant with a row in her log; who is shut is passed over. A search goes
through people in the order of their keys, and a page link goes on behind the last; with `_sort` everybody is asked about for each
page, which is one of what all have together (`store.in_order`). Nothing here is part of production.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, search_line
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search, ordered, orders, plan
from kjerne.registries.naming import is_national
from kjerne.registries.others import whose
from kjerne.services.standards import BASE, StandardsApi, found
from kjerne.services.standards_both import counts, understood
from kjerne.store.cursors import Cursors, Unbound
from kjerne.store.finding import Page
from kjerne.store.house import Store
from kjerne.store.in_order import Finding, InOrder, Laid, is_in_order, resumed
from kjerne.store.patient_ids import AboutWhom, about_whom, ref
from kjerne.store.patients import TYPE, Held, Patients, answers, check_alone, is_left, keys_of
from kjerne.store.saying_whose import of_somebody
from kjerne.store.shared import Shared

SERVICE: Final = "results"
"""Whose law is asked about a Patient: it is the same for the test client in every service."""
AT_ONCE: Final = 100
PEOPLE_LIMIT: Final = 1_000
"""People whom one request may ask the law about; a page link goes on with those behind them."""
_LED_TO: Final = re.compile(r"(?:\S*/)?[A-Z][A-Za-z]+/([0-9a-fA-F-]{36})(?:/_history/\S*)?")
_PLAIN: Final = re.compile(r"[A-Za-z_-]+(?::[A-Z][A-Za-z]+)?")


class Some(NamedTuple):
    """What one person has of what is looked for: `total` in all, and where hers goes on."""

    matches: list[Any]
    included: list[Any]
    brought: list[Held | Shared]
    total: int
    after: list[Any] | None = None

    def with_more(self, number: int, more: Some) -> Some:
        """With what the service of that number has of hers."""
        after = self.after or (None if more.after is None else [number, more.after])
        brought = self.brought + more.brought
        total = self.total + more.total
        return Some(self.matches + more.matches, self.included + more.included, brought, total, after)


@dataclass
class Gathered:
    """What many have; `total` None where not everybody was asked, `after` where the next page begins."""

    matches: list[Any] = field(default_factory=list)
    included: list[Any] = field(default_factory=list)
    brought: list[Held | Shared] = field(default_factory=list)
    total: int | None = None
    after: list[Any] | None = None


One = Callable[[int, Search, list[Any] | None], Awaitable[Some]]
"""What one person has, at most as many as the search counts, behind a place. Raises `Denied`."""


@dataclass(frozen=True)
class Everybody:
    """Searches through people who are made up."""

    store: Store
    patients: Patients
    cursors: Cursors
    parse_search: Callable[..., Search]
    identify: Callable[[str], PatientRef]

    async def records(self, call: Call, name: str, pairs: Pairs, token: str | None, api: StandardsApi) -> Answer:
        """Of a type of records (`services.standards.OfAll`)."""
        pairs, after = self._resumed(call, name, pairs, token)
        whom = about_whom(self.store.ids, pairs)
        keeping, passing_over = api.kept.searched(call.caller, name), token is not None or lenient(call.headers)
        meant, unasked = understood(self.parse_search, name, whom.rest, passing_over, keeping)
        services, searches = tuple(meant), tuple(meant.values())
        search = searches[0]
        ask = partial(
            granted, call.admit, action="search", proven=True, piece=f"{name}.s",
            asked=search_line(name, pairs if token is None else FURTHER),
        )  # fmt: skip
        people = self._people(call, whom.of_her, whom.rest, None if is_in_order(search) else after)
        if is_in_order(search):
            laid = await _in_order(call, ask, people, meant, whom, after, api)
            had = Gathered(laid.records, laid.included, laid.brought, laid.total, laid.after and [0, laid.after])
            return self._found(call, name, search, pairs, had, unasked)

        async def inside(key: int, service: str, wanted: Search, place: list[Any] | None) -> Some:
            async def use(grant: Grant) -> Some:
                find = partial(api.finder.search, after=place)
                page, brought = await api.within(call, grant, whom, wanted, find)
                total = len(page.records) if page.total is None else page.total
                return Some(page.records, page.included, brought, total, page.after)

            some: Some = await ask(ref(key), service, use=use)
            return some

        async def one(key: int, wanted: Search, place: list[Any] | None) -> Some:
            """Of each service that keeps the type; a place names the service too."""
            first, place = place or (0, None)
            some = Some([], [], [], 0)
            for number in range(first, len(services)):
                room = wanted.count - len(some.matches)
                if some.after is None and wanted.count and room <= 0 and not counts(search):
                    return some._replace(after=[number, None])
                asked = replace(searches[number], count=room if some.after is None else 0)
                more = await inside(key, services[number], asked, place)
                some, place = some.with_more(number, more), None
                if wanted.count and room <= 0 and some.after is None and more.total:
                    some = some._replace(after=[number, None])  # counted alone: what it has begins the next page
                if some.after is not None and not counts(search):
                    return some
            return some

        had = await _gathered(call, name, people, search, after, one)
        return self._found(call, name, search, pairs, had, unasked)

    def _found(
        self, call: Call, name: str, search: Search, pairs: Pairs, had: Gathered, unasked: Sequence[bytes]
    ) -> Answer:  # fmt: skip
        links = [("next", f"{call.base_url}{BASE}/{name}?_cursor={self._onward(call, name, pairs, had)}")]
        matches, included = ([of_somebody(self.store.ids, one) for one in each] for each in (had.matches, had.included))
        page = Page(matches, included, had.total, None)
        return found(call, search, pairs, page, had.brought, links if had.after else [], unasked, whose)

    async def of_people(self, call: Call, pairs: Pairs, token: str | None) -> tuple[Search, Gathered, str]:
        """Of Patient: the search, what was found, and the token of the next page."""
        pairs, after = self._resumed(call, TYPE, pairs, token)
        search = self.parse_search(TYPE, pairs, token is not None or lenient(call.headers))
        check_alone(search)

        async def one(key: int, wanted: Search, _: list[Any] | None) -> Some:
            held = await self.look(call, key, search_line(TYPE, pairs if token is None else FURTHER))
            fits = held is not None and answers(held, search, call.at)
            return Some([held] if fits and wanted.count else [], [], [], int(fits))

        ids = tuple(pair for pair in pairs if pair[0] == "_id")
        if is_in_order(search):
            had = await self._people_in_order(call, self._people(call, pairs, ids), search, after, one)
        else:
            had = await _gathered(call, TYPE, self._people(call, pairs, ids, after), search, after, one)
        return search, had, self._onward(call, TYPE, pairs, had) if had.after else ""

    async def _people_in_order(
        self, call: Call, people: AsyncIterator[int], search: Search, after: list[Any] | None, one: One
    ) -> Gathered:
        """A page of Patients in the order of the search. All are looked at for each page, and have their rows."""
        rows: list[tuple[tuple[Any, ...], Held]] = []
        async for key in _at_most(people):
            try:
                some = await one(key, search, None)
            except Denied:
                smart.demand(call.caller, TYPE, "s")
                continue
            rows += [(keys_of(held, search), held) for held in some.matches]
        laid = ordered(rows, orders(search))
        start = resumed(laid, after[1]) if after else 0
        page, reached = laid[start : start + search.count], min(start + search.count, len(laid))
        further = [0, [str(page[-1].id), reached]] if page and reached < len(laid) else None
        return Gathered(page, [], [], len(laid), further)

    async def look(self, call: Call, key: int, line: str) -> Held | None:
        """The newest version of a person's Patient, opened under a grant of hers; None where the token's scopes do not leave it.

        Raises `Denied`."""

        async def use(grant: Grant) -> list[Held]:
            async with call.connection(self.store.pool) as conn:
                return await self.patients.look(conn, grant)

        held = await granted(
            call.admit, ref(key), SERVICE, "search", use, proven=True, asked=line, piece=f"{TYPE}.s"
        )  # fmt: skip
        assert call.caller is not None, "the route asks for a scope"
        return held[0] if held and is_left(call.caller, held[0], "s") else None

    async def _people(
        self, call: Call, of_her: Pairs, rest: Pairs, after: list[Any] | None = None
    ) -> AsyncIterator[int]:
        """Those whom a search may find, in order: whoever a record's id in it leads to, whom a token of her Patient or a number
        of hers finds, or all."""
        behind = 0 if after is None else after[0] - (after[1] is not None)
        keys = {self.store.ids.patient(id_) for text in _led_to(rest) if (id_ := self.store.ids.parse(text))}
        if keys:
            for key in sorted(one for one in keys if one > behind):
                yield key
            return
        tokens = [token for one in plan(self.parse_search(TYPE, of_her, True), at=call.at).all_of[:1] for token in one]
        digests = [found for text in _numbers(of_her) if (found := self._digest(text)) is not None]
        while True:
            async with call.connection(self.store.pool) as conn:
                if tokens:
                    some = await self.patients.by_tokens(conn, tokens, digests, behind, AT_ONCE)
                else:
                    some = await self.patients.everybody(conn, behind, AT_ONCE)
            for key in some:
                yield key
            if len(some) < AT_ONCE:
                return
            behind = some[-1]

    def _digest(self, number: str) -> bytes | None:
        try:
            return self.identify(number).digest
        except Refusal:
            return None

    def _resumed(self, call: Call, name: str, pairs: Pairs, token: str | None) -> tuple[Pairs, list[Any] | None]:
        if token is None:
            return pairs, None
        if pairs:
            raise Refusal(400, "a page link stands alone; it holds the search it goes on with", where="_cursor")
        cursor = self.cursors.open(token, _holder(call), f"{BASE}/{name}")
        return tuple((key, value) for key, value in cursor.pairs), cursor.after

    def _onward(self, call: Call, name: str, pairs: Pairs, had: Gathered) -> str:
        return self.cursors.make(_holder(call), f"{BASE}/{name}", pairs, had.after or [])


async def _in_order(
    call: Call, ask: Any, people: AsyncIterator[int], meant: Mapping[str, Search], whom: AboutWhom, after: list[Any] | None,
    api: StandardsApi,
) -> Laid:  # fmt: skip
    """A page of what all have, in the order of the search: everybody is asked of the law, and whoever has something on the page
    once more, when it is opened."""
    first = next(iter(meant.values()))
    laying = InOrder[tuple[int, str]](first)

    async def inside(key: int, service: str, search: Search, whom: AboutWhom, find: Callable[[], Any]) -> Any:
        async def use(grant: Grant) -> Any:
            finds = find()
            return finds, await api.within(call, grant, whom, search, finds)

        try:
            return await ask(ref(key), service, use=use)
        except Denied:
            smart.demand(call.caller, search.type, "s")
            return None

    async for key in _at_most(people):
        for service, search in meant.items():
            plain = replace(search, includes=(), revincludes=())
            if (had := await inside(key, service, plain, whom, partial(Finding, api.finder))) is not None:
                laying.add((key, service), had[0].keyed)

    async def opened(
        source: tuple[int, str], named: Search, ids: Sequence[UUID]
    ) -> tuple[Page, list[Held | Shared]] | None:
        had = await inside(*source, named, whom._replace(of_her=()), lambda: partial(api.finder.these, ids=ids))
        return None if had is None else had[1]

    return await laying.page(after[1] if after else None, opened)


async def _at_most(people: AsyncIterator[int]) -> AsyncIterator[int]:
    """Those whom one search may ask about; `Refusal` 422 where they are more, since all must be known before one is the first."""
    asked_about = 0
    async for key in people:
        if asked_about == PEOPLE_LIMIT:
            raise _too_many("_sort")
        yield key
        asked_about += 1


def _too_many(what: str) -> Refusal:
    says = f"more than {PEOPLE_LIMIT} patients would be asked about"
    return Refusal(422, says, code="too-costly", todo=f"Leave {what} out, or name one patient.")


async def _gathered(
    call: Call, name: str, people: AsyncIterator[int], search: Search, after: list[Any] | None, one: One
) -> Gathered:
    """A page through many; all of them where they are to be counted."""
    counts = search.summary == "count" or search.count == 0 or search.total == "accurate"
    had, total, asked_about, last, place = Gathered(), 0, 0, 0, after[1] if after else None
    async for key in people:
        room = search.count - len(had.matches)
        if asked_about == PEOPLE_LIMIT and counts:
            raise _too_many("the total")
        if (room <= 0 or asked_about == PEOPLE_LIMIT) and not counts:
            had.after = [last, None]
            break
        try:
            some = await one(key, search if room > 0 else replace(search, count=0), place)
        except Denied:
            smart.demand(call.caller, name, "s")
        else:
            had.matches += some.matches
            had.included += some.included
            had.brought += some.brought
            total += some.total
            if some.after is not None and had.after is None:
                had.after = [key, some.after]
        asked_about, last, place = asked_about + 1, key, None
        if had.after is not None and not counts:
            break
        if counts and had.after is None and search.count and len(had.matches) >= search.count:
            had.after = [key, None]
    if counts or (after is None and had.after is None):
        had.total = total
    return had


def _led_to(pairs: Pairs) -> list[str]:
    """The ids of records in plain parameters, whose patients alone can answer."""
    return [
        found[1]
        for name, value in pairs
        if _PLAIN.fullmatch(name)
        for text in value.split(",")
        if (found := _LED_TO.fullmatch(text if name != "_id" else f"Resource/{text}"))
    ]


def _numbers(pairs: Pairs) -> list[str]:
    """What may be a national number among the identifiers that are asked for."""
    every = [text.rpartition("|") for name, value in pairs if name == "identifier" for text in value.split(",")]
    return [value for system, _, value in every if is_national(system)]


def _holder(call: Call) -> Unbound:
    assert call.caller is not None, "the route asks for a scope"
    return Unbound(call.caller, call.at)
