"""A search of a type that two services keep, by a token that opens both: each is asked for under its own law, in turn.

What is found stands service by service, each with its own row in the log; a page link goes on in the service where the page
ended. With `_sort` the matches of both are laid in one order, and each page asks both (`store.in_order`). A service that the law
shuts is named in the answer with the reason that a search of it alone would give, as `$everything` does: nothing missing looks
like nothing there, and nothing is told that the single search would not tell. So is a service in which the search has no
meaning, since a chain of it leads to what the other alone keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from kjerne.access import Denial, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, search_line
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.outcome import operation_outcome
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search
from kjerne.store.cursors import Cursors
from kjerne.store.finding import Finder, Page
from kjerne.store.in_anothers import Beside, InAnothers
from kjerne.store.in_order import Finding, InOrder, is_in_order
from kjerne.store.kept import Kept
from kjerne.store.patient_ids import AboutWhom, about_whom
from kjerne.store.patients import Held
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds
from kjerne.store.shared import Shared

BASE: Final = "/fhir/R4"


class Searches(Protocol):
    """What searches one service (`services.standards`)."""

    @property
    def ids(self) -> SealedIds: ...

    @property
    def finder(self) -> Finder: ...

    @property
    def kept(self) -> Kept: ...

    @property
    def in_anothers(self) -> InAnothers: ...

    @property
    def parse_search(self) -> Callable[..., Search]: ...

    async def within(
        self, call: Call, grant: Grant, whom: AboutWhom, search: Search, find: Callable[..., Any]
    ) -> tuple[Page, list[Held | Shared]]: ...


def counts(search: Search) -> bool:
    """Whether all that matches is to be counted, whatever a page has room for."""
    return search.summary == "count" or search.count == 0 or search.total == "accurate"


def understood(
    parse: Callable[..., Search], name: str, pairs: Pairs, passing_over: bool, services: Sequence[str]
) -> tuple[dict[str, Search], list[bytes]]:
    """The search in each service in which it has a meaning, and an OperationOutcome of each in which it has none; the `Refusal`
    of the first where none is left. An include that leads nowhere in one service is left out there alone, and that is told."""
    found, refused, without = dict[str, Search](), dict[str, Refusal](), list[bytes]()
    lost = {service: _leading_nowhere(parse, name, pairs, service) for service in services}
    for place in set.intersection(*(set(each) for each in lost.values())):
        raise lost[services[0]][place]
    for service in services:
        left = tuple(pair for place, pair in enumerate(pairs) if place not in lost[service])
        try:
            found[service] = parse(name, left, passing_over, service)
            without += [operation_outcome(_not_brought(service, one)) for one in lost[service].values()]
        except Refusal as refusal:
            if refusal.code != "not-supported":
                raise
            refused[service] = refusal
    if not found:
        raise next(iter(refused.values()))
    return found, [operation_outcome(_unasked(service, one)) for service, one in refused.items()] + without


def _leading_nowhere(parse: Callable[..., Search], name: str, pairs: Pairs, service: str) -> dict[int, Refusal]:
    """By their places the includes that a service cannot follow."""
    found = dict[int, Refusal]()
    for place, pair in enumerate(pairs):
        if pair[0].startswith(("_include", "_revinclude")):
            try:
                parse(name, (pair,), False, service)
            except Refusal as refusal:
                if refusal.code != "not-supported":
                    raise
                found[place] = refusal
    return found


def _not_brought(service: str, refusal: Refusal) -> Refusal:
    return Refusal(refusal.status, f"nothing was brought along in the service {service}. {refusal.says}",
                   where=refusal.where, code=refusal.code)  # fmt: skip


def _unasked(service: str, refusal: Refusal) -> Refusal:
    says = f"the service {service} was not searched. {refusal.says}"
    return Refusal(refusal.status, says, where=refusal.where, code=refusal.code)


@dataclass
class _Had:
    """What was found so far. `place` is the service and the place in it where the next page begins, `total` None where not all
    was counted."""

    records: list[Record] = field(default_factory=list)
    included: list[Record] = field(default_factory=list)
    brought: list[Held | Shared] = field(default_factory=list)
    outcomes: list[bytes] = field(default_factory=list)
    total: int | None = 0
    place: list[Any] | None = None
    grant: Grant | None = None
    denied: Denied | None = None

    def add(self, service: str, grant: Grant, page: Page, brought: list[Held | Shared]) -> None:
        self.grant = grant
        self.records += page.records
        self.included += page.included
        self.brought += brought
        self.total = None if self.total is None or page.total is None else self.total + page.total
        if page.after is not None and self.place is None:
            self.place = [service, page.after]


@dataclass(frozen=True)
class SearchBoth:
    """`told` makes an OperationOutcome's bytes of a no of the law, `found` the answer, `further` its link to the next page."""

    cursors: Cursors
    told: Callable[[Denial], bytes]
    found: Callable[..., Answer]
    further: Callable[..., tuple[str, str]]

    async def __call__(
        self, call: Call, name: str, patient: PatientRef, pairs: Pairs, token: str | None, api: Searches
    ) -> Answer:
        """The answer to a search of `services.standards`, whose questions are asked and answered."""
        services, place = api.kept.searched(call.caller, name), None
        ask = partial(
            granted, call.admit, patient, action="search", basis=basis_of(call), proven=True, piece=f"{name}.s",
            asked=search_line(name, pairs if token is None else FURTHER),
        )  # fmt: skip
        if token is not None:
            pairs, (service, place) = await self._resumed(ask, name, token, services)
            if not any(key == "_sort" for key, _ in pairs):
                services = services[services.index(service) :]
        whom = about_whom(api.ids, pairs)
        passing_over = token is not None or lenient(call.headers)
        searches, unasked = understood(api.parse_search, name, whom.rest, passing_over, services)
        first = next(iter(searches.values()))
        had = _Had(outcomes=unasked)
        if is_in_order(first):
            await self._in_order(call, ask, searches, whom, place, had, api)
        else:
            await self._in_turn(call, ask, searches, whom, place, had, api)
        if had.grant is None:
            assert had.denied is not None, "one service at least is asked"
            raise had.denied
        links = [self._onward(call, had.grant, name, pairs, first, had.place)] if had.place else []
        whole = is_in_order(first) or (token is None and (had.place is None or counts(first)))
        page = Page(had.records, had.included, had.total if whole else None, None)
        return self.found(call, first, pairs, page, had.brought, links, had.outcomes)

    async def _in_turn(
        self, call: Call, ask: Any, searches: Mapping[str, Search], whom: AboutWhom, place: list[Any] | None, had: _Had,
        api: Searches,
    ) -> None:  # fmt: skip
        """One service behind the other, until the page is full."""
        for service, search in searches.items():
            if had.place is None and had.grant is not None and len(had.records) >= search.count and not counts(search):
                had.place = [service, None]
            if had.place is not None and not counts(search):
                break
            await self._one(call, ask, service, search, whom, place, had, api)
            place = None

    async def _in_order(
        self, call: Call, ask: Any, searches: Mapping[str, Search], whom: AboutWhom, place: list[Any] | None, had: _Had,
        api: Searches,
    ) -> None:  # fmt: skip
        """The matches of all services in the order of the search: a page of them, opened where they lie."""
        laying = InOrder[str](next(iter(searches.values())))

        async def inside(service: str, search: Search, whom: AboutWhom, find: Callable[[Sequence[Beside]], Any]) -> Any:
            async def use(grant: Grant) -> tuple[Grant, Any, Page, list[Held | Shared]]:
                finds = find(await api.in_anothers.beside(call, grant, whom, search))
                return grant, finds, *(await api.within(call, grant, whom, search, finds))

            return await self._asked(call, ask, service, search, had, use)

        for service, search in searches.items():
            plain = replace(search, includes=(), revincludes=())
            if (found := await inside(service, plain, whom, partial(Finding, api.finder))) is not None:
                had.grant = had.grant or found[0]
                laying.add(service, found[1].keyed)

        async def opened(service: str, named: Search, ids: Sequence[UUID]) -> tuple[Page, list[Held | Shared]] | None:
            there = whom._replace(of_her=())
            found = await inside(
                service, named, there, lambda beside: partial(api.finder.these, ids=ids, beside=beside)
            )
            return None if found is None else found[2:]

        if had.grant is not None:
            laid = await laying.page(place, opened)
            had.records, had.included, had.total = laid.records, laid.included, laid.total
            had.brought = laid.brought
            had.place = None if laid.after is None else [had.grant.service, laid.after]

    async def _asked(
        self, call: Call, ask: Any, service: str, search: Search, had: _Had, use: Callable[[Grant], Any]
    ) -> Any:
        """What `use` gives in a service; None where the law shuts it, which is said once."""
        try:
            return await ask(service=service, use=use)
        except Denied as denied:
            smart.demand(call.caller, search.type, "s")
            had.denied = had.denied or denied
            had.outcomes.append(self.told(denied.denial))
            return None

    async def _one(
        self, call: Call, ask: Any, service: str, search: Search, whom: AboutWhom, after: list[Any] | None, had: _Had,
        api: Searches,
    ) -> None:  # fmt: skip
        """One service's matches, as many as the page has room for."""
        room = 0 if had.place is not None else max(search.count - len(had.records), 0)
        wanted = replace(search, count=room) if search.count else search

        async def use(grant: Grant) -> tuple[Grant, Page, list[Held | Shared]]:
            beside = await api.in_anothers.beside(call, grant, whom, wanted)
            find = partial(api.finder.search, after=after, beside=beside)
            return grant, *(await api.within(call, grant, whom, wanted, find))

        found = await self._asked(call, ask, service, search, had, use)
        if found is None:
            return
        grant, page, brought = found
        had.add(service, grant, page, brought)
        if search.count and not room and page.total and had.place is None:
            had.place = [service, None]  # it was counted alone: what it has begins the next page

    async def _resumed(self, ask: Any, name: str, token: str, services: Sequence[str]) -> tuple[Pairs, list[Any]]:
        """The search that a page link goes on with, and where. The link names in the open the service whose grant sealed it."""
        service, _, sealed = token.partition(".")
        if service not in services:
            raise Refusal(
                400, "this page link was made for another token, or is not one of ours", where="_cursor",
                todo="Start the search again.",
            )  # fmt: skip

        async def use(grant: Grant) -> tuple[Pairs, list[Any]]:
            cursor = self.cursors.open(sealed, grant, _at(name))
            return tuple((key, value) for key, value in cursor.pairs), cursor.after

        opened: tuple[Pairs, list[Any]] = await ask(service=service, use=use)
        return opened

    def _onward(
        self, call: Call, grant: Grant, name: str, pairs: Pairs, search: Search, place: list[Any]
    ) -> tuple[str, str]:
        sealed = self.cursors.make(grant, _at(name), pairs, place)
        return self.further(call, name, pairs, search, f"{grant.service}.{sealed}")


def _at(name: str) -> str:
    """The address that a link is bound to: it is none of a search of one service."""
    return f"{BASE}/{name}#both"
