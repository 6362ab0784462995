"""Matches of several sources laid in one order: every record once, whatever a page has room for or is gone meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from kjerne.access import Label
from kjerne.errors import Refusal
from kjerne.fhir.criteria import Among
from kjerne.fhir.search import Search, Sort
from kjerne.fhir.splice import splice
from kjerne.store import in_order
from kjerne.store.finding import Keyed, Page
from kjerne.store.in_order import InOrder, Laid, is_in_order
from kjerne.store.patients import Held
from kjerne.store.reading import Record

BY_DATE = Search("Observation", sort=(Sort("date", descending=False),), count=3)
RAW = b'{"resourceType":"Observation"}'


def record(id_: UUID, raw: bytes = RAW) -> Record:
    return Record(1, 1, id_, 1, Label(0), datetime(2026, 1, 1, tzinfo=UTC), None, raw, splice(raw))


class Sources:
    """Sources that hold records by name, each with a number to sort by (None: it has none), and open what is asked of them."""

    def __init__(self, held: dict[str, dict[UUID, int | None]], most: int = 1_000) -> None:
        self.held = held
        self.most = most
        self.opened: list[tuple[str, list[UUID]]] = []

    async def open(self, source: str, search: Search, ids: Sequence[UUID]) -> tuple[Page, list[Held]] | None:
        assert search.criteria == (Among(frozenset(map(str, ids))),)
        self.opened.append((source, list(ids)))
        there = [id_ for id_ in ids if id_ in self.held[source]]
        given = [record(id_) for id_ in there[: self.most]]
        return Page(given, [], len(there), ["", 0] if len(given) < len(there) else None), []

    def page(self, search: Search, after: list[object] | None = None) -> Laid:
        laying = InOrder[str](search)
        for source, held in self.held.items():
            laying.add(source, [Keyed(id_, (key,)) for id_, key in held.items()])
        return asyncio.run(laying.page(after, self.open))

    def read(self, search: Search) -> list[UUID]:
        found, after = list[UUID](), None
        while True:
            laid = self.page(search, after)
            assert laid.records
            found += [one.id for one in laid.records]
            after = laid.after
            if after is None:
                return found


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_pages_give_every_record_once_in_order_whatever_their_size(seed: int, falls: bool) -> None:
    draw = Random(seed)
    held = {
        source: {UUID(int=draw.getrandbits(128)): draw.choice((None, 1, 2, 3, 4)) for _ in range(draw.randint(0, 8))}
        for source in ("one", "two", "three")
    }
    held["one"][UUID(int=1)] = 2
    every = [(id_, key) for own in held.values() for id_, key in own.items()]
    expected = sorted((one for one in every if one[1] is not None), key=lambda one: one[1] or 0, reverse=falls)
    expected += [one for one in every if one[1] is None]
    for size in (1, 2, 3, 7, 40):
        search = Search("Observation", sort=(Sort("date", descending=falls),), count=size)
        for most in (1, 2, 1_000):
            sources = Sources(held, most)
            assert sources.read(search) == [id_ for id_, _ in expected], (size, most)


def test_a_source_is_asked_for_what_lies_on_the_page_alone() -> None:
    a, b, c, d = (UUID(int=number) for number in range(1, 5))
    sources = Sources({"one": {a: 1, d: 4}, "two": {b: 3, c: 2}})
    laid = sources.page(BY_DATE)
    assert ([one.id for one in laid.records], laid.total, laid.after) == ([a, c, b], 4, [str(b), 3])
    assert sources.opened == [("one", [a]), ("two", [c, b])]


def test_what_is_shut_or_gone_between_the_two_looks_leaves_the_page_shorter_and_loses_no_other() -> None:
    a, b, c, d = (UUID(int=number) for number in range(1, 5))
    sources = Sources({"one": {a: 1, c: 3}, "two": {b: 2, d: 4}})
    laying = InOrder[str](BY_DATE)
    for source, held in sources.held.items():
        laying.add(source, [Keyed(id_, (key,)) for id_, key in held.items()])

    async def shut(source: str, search: Search, ids: Sequence[UUID]) -> tuple[Page, list[Held]] | None:
        return None if source == "two" else await sources.open(source, search, ids)

    laid = asyncio.run(laying.page(None, shut))
    assert ([one.id for one in laid.records], laid.after) == ([a, c], [str(c), 3])
    del sources.held["one"][a]
    assert [one.id for one in asyncio.run(laying.page(None, sources.open)).records] == [b, c]


def test_a_page_ends_before_it_is_too_long_and_has_one_record_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "PAGE_LIMIT_BYTES", len(RAW) + 1)
    a, b = UUID(int=1), UUID(int=2)
    sources = Sources({"one": {a: 2}, "two": {b: 1}})
    laid = sources.page(BY_DATE)
    assert ([one.id for one in laid.records], laid.after) == ([b], [str(b), 1])
    assert sources.read(BY_DATE) == [b, a]


def test_more_than_can_be_sorted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "SORTED_LIMIT", 2)
    laying = InOrder[str](BY_DATE)
    laying.add("one", [Keyed(UUID(int=number), (number,)) for number in (1, 2)])
    with pytest.raises(Refusal) as refused:
        laying.add("two", [Keyed(UUID(int=3), (3,))])
    assert (refused.value.status, refused.value.code) == (422, "too-costly")


def test_what_is_counted_alone_is_not_sorted() -> None:
    assert is_in_order(BY_DATE)
    for other in (
        Search("Observation"), Search("Observation", sort=BY_DATE.sort, count=0),
        Search("Observation", sort=BY_DATE.sort, summary="count"),
    ):  # fmt: skip
        assert not is_in_order(other)
