"""One order over records that lie under several grants: of two services that keep a type, or of many patients.

Each source is first asked for what its matches are sorted by, under its own grant and with a row of its own that names none:
nothing of them leaves. Then a page is opened where it lies, under a grant of that moment, with a row that names what leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.fhir.criteria import Among
from kjerne.fhir.search import Search, ordered, orders
from kjerne.store.finding import PAGE_LIMIT_BYTES, Finder, Keyed, Page
from kjerne.store.in_anothers import Beside
from kjerne.store.patients import Held
from kjerne.store.pool import Connection
from kjerne.store.reading import Record
from kjerne.store.shared import Shared

SORTED_LIMIT: Final = 50_000
"""Matches of all sources together, each some 200 bytes while they are sorted."""

S = TypeVar("S", bound=Hashable)
NOTHING: Final = Page([], [], 0, None)


def is_in_order(search: Search) -> bool:
    """Whether the matches are laid in an order: where they are counted alone there is none."""
    return bool(search.sort) and search.count > 0 and search.summary != "count"


class Finding:
    """Finds what the matches are sorted by, in place of a page of them; made anew for each grant."""

    def __init__(self, finder: Finder, beside: Sequence[Beside] = ()) -> None:
        self._finder = finder
        self._beside = beside
        self.keyed: list[Keyed] = []

    async def __call__(self, conn: Connection, grant: Grant, search: Search) -> Page:
        """An empty page. Raises as `Finder.search`."""
        self.keyed = await self._finder.keyed(conn, grant, search, self._beside)
        return NOTHING


@dataclass
class Laid:
    """A page that was opened; `after` is where the next begins, `total` what matches in all sources."""

    total: int
    records: list[Record] = field(default_factory=list)
    included: list[Record] = field(default_factory=list)
    brought: list[Held | Shared] = field(default_factory=list)
    after: list[Any] | None = None


class _Row(NamedTuple):
    source: Any
    id: UUID


Open = Callable[[S, Search, Sequence[UUID]], Awaitable[tuple[Page, list[Held | Shared]] | None]]
"""Opens these records of a source with what they include; None where the law has shut it in between."""


class InOrder(Generic[S]):
    """What the sources hold, by what it is sorted by. What is alike in that stays in the order in which it was added."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._rows: list[tuple[tuple[Any, ...], _Row]] = []

    def add(self, source: S, keyed: Sequence[Keyed]) -> None:
        """`Refusal` 422 where all together are too many."""
        self._rows += [(one.keys, _Row(source, one.id)) for one in keyed]
        if len(self._rows) > SORTED_LIMIT:
            says = f"more than {SORTED_LIMIT} records would be sorted"
            raise Refusal(
                422, says, code="too-costly", todo="Narrow the search with a code or a date, or leave _sort out."
            )

    async def page(self, after: list[Any] | None, opened: Open[S]) -> Laid:
        """The page behind `after`, each source's part of it opened by `opened`. It ends early where it would be too long."""
        rows = ordered(self._rows, orders(self._search))
        start = 0 if after is None else resumed(rows, after)
        wanted = rows[start : start + self._search.count]
        by_source = defaultdict[S, list[UUID]](list)
        for row in wanted:
            by_source[row.source].append(row.id)
        laid, there, cut = Laid(len(rows)), dict[UUID, Record](), set[S]()
        for source, ids in by_source.items():
            named = replace(self._search, criteria=(Among(frozenset(map(str, ids))),), sort=(), count=len(ids))
            found = await opened(source, named, ids)
            if found is None:
                continue
            page, brought = found
            there |= {record.id: record for record in page.records}
            cut |= {source} if page.after is not None else set()
            laid.included += page.included
            laid.brought += brought
        length, reached = 0, start
        for row in wanted:
            record = there.get(row.id)
            length += 0 if record is None else len(record.raw)
            # What was open a moment ago and is not any more has no place; what did not fit begins the next page.
            if (record is None and row.source in cut) or (laid.records and length > PAGE_LIMIT_BYTES):
                break
            reached += 1
            laid.records += [] if record is None else [record]
        if reached > start and reached < len(rows):
            laid.after = [str(rows[reached - 1].id), reached]
        return laid


class HasId(Protocol):
    """What is laid in an order."""

    @property
    def id(self) -> UUID: ...


def resumed(rows: Sequence[HasId], after: list[Any]) -> int:
    """Behind the last record of the page before, or where that stood if it is gone."""
    id_, reached = after
    return next((place + 1 for place, row in enumerate(rows) if str(row.id) == id_), int(reached))
