"""The log's pages by themselves, over a store that is stood in for: what is asked of it, and what is made of its rows.

tests/policy/test_access_log.py has them over a whole platform; this is fast enough for `make mutants`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.policy import insight
from kjerne.policy.access_log import AccessLog
from kjerne.store import audit, document_names, log_pages, registers
from kjerne.store.log_pages import Rows
from kjerne.store.looks import Place, Wanted

from .cast import HOSPITAL, NOW, WARD
from .test_insight import BLOOD, CHILDS, NAMES, REPORT, reading, row

WANTED = Wanted(NOW - timedelta(days=1), NOW)


class Stored:
    """What the store finds, and what it was asked."""

    def __init__(self, rows: list[dict[str, Any]], total: int, *, more: bool) -> None:
        self.found = Rows(tuple(rows), total, more, organisations=frozenset({"999999908"}))
        self.asked: list[Any] = []
        self.isolation = ""
        self.people = self
        self.pool = self
        self.wrap = "the wrap"

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        yield self

    @asynccontextmanager
    async def transaction(self, *, isolation: str) -> AsyncIterator[None]:
        self.isolation = isolation
        yield

    async def number(self, _: Any, grant: Grant) -> str:
        return f"the number of {grant.subject.patient}"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def hidden_from(_: Any, grant: Grant) -> frozenset[str]:
        return frozenset({str(BLOOD)})

    async def read(conn: Stored, *asked: Any, **more: Any) -> Any:
        conn.asked.append((*asked, more))
        return conn.found

    async def organisation_names(conn: Stored, numbers: list[str]) -> dict[str, str]:
        conn.asked.append(numbers)
        return NAMES

    monkeypatch.setattr(audit, "hidden_from", hidden_from)
    monkeypatch.setattr(log_pages, "read", read)
    monkeypatch.setattr(registers, "organisation_names", organisation_names)

    def over(stored: Stored) -> AccessLog:
        house: Any = SimpleNamespace(pool=stored, wrap=stored.wrap, people=stored)
        return AccessLog(house)

    return over


ROWS = [
    row(at=NOW - timedelta(hours=hours), number=UUID(int=hours), patient_point_of_care="999999907") for hours in (1, 2)
]


async def test_a_page_is_read_in_one_moment_without_what_is_hidden_and_names_its_places(opened: Any) -> None:
    stored, grant = Stored(ROWS, 7, more=True), reading()
    page = await opened(stored).page(grant, WANTED, 2, choices=True)
    told, numbers = stored.asked
    kept = insight.unseen(grant, [str(BLOOD)])
    assert told == (
        grant, "the wrap", WANTED, kept, insight.SORTING, {"after": None, "limit": 2, "choices": True}
    )  # fmt: skip
    assert numbers == sorted({HOSPITAL, WARD, "999999907", "999999908"})
    assert page.organisations == (("999999908", "999999908"),), "an organisation without a name keeps its public number"
    assert stored.isolation == "repeatable_read"
    assert [entry.organisation for entry in page.entries] == ["Fjellet sykehus"] * 2
    assert [[seen.id for seen in entry.seen] for entry in page.entries] == [[str(REPORT)]] * 2
    assert page.entries[0].says == "Behandlingsstedet så opplysningene i behandlingen."
    assert (page.total, page.after) == (7, Place(NOW - timedelta(hours=2), UUID(int=2)))


async def test_the_last_page_and_a_count_alone_lead_nowhere(opened: Any) -> None:
    for rows, more in ((ROWS, False), ([], True), ([], False)):
        page = await opened(Stored(rows, 2, more=more)).page(reading(), WANTED, 2)
        assert (page.after, len(page.entries)) == (None, len(rows))


async def test_the_words_are_in_the_language_that_was_asked_for(opened: Any) -> None:
    page = await opened(Stored(ROWS, 2, more=False)).page(reading(), WANTED, 2, language="en")
    assert page.entries[0].says == "The place of care saw the information as part of treatment."


async def test_a_grant_for_something_else_opens_no_page_and_reads_nothing(opened: Any) -> None:
    stored = Stored(ROWS, 2, more=False)
    with pytest.raises(Refusal, match="does not cover the log"):
        await opened(stored).page(replace(reading(), action="read"), WANTED, 2)
    assert stored.asked == []


async def test_one_line_is_asked_for_by_its_place_alone(opened: Any) -> None:
    stored, place = Stored(ROWS[:1], 1, more=False), Place(NOW, UUID(int=1))
    line = await opened(stored).line(reading(), place, "en")
    (_, _, wanted, _, _, more), _ = stored.asked
    assert (wanted, more["limit"], more["choices"]) == (Wanted(only=place), 1, False)
    assert line.says == "The place of care saw the information as part of treatment."
    assert await opened(Stored([], 0, more=False)).line(reading(), place) is None


async def test_the_number_is_that_of_the_patient_of_the_grant(opened: Any) -> None:
    grant = reading(CHILDS, as_relative=True)
    assert await opened(Stored([], 0, more=False)).number(grant) == f"the number of {grant.subject.patient}"


async def test_documents_that_who_stands_in_has_not_been_told_of_have_no_place_in_a_line(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def untold(_: Any, __: Grant, rows: Any) -> frozenset[str]:
        return frozenset({str(REPORT)}) if rows else frozenset()

    monkeypatch.setattr(document_names, "untold", untold)
    (hers,) = (await opened(Stored(ROWS[:1], 1, more=False)).page(reading(), WANTED, 2)).entries
    assert [seen.id for seen in hers.seen] == [str(REPORT)], "the patient hears of every look"
    over = opened(Stored(ROWS[:1], 1, more=False))
    (others,) = (await over.page(reading(CHILDS, as_relative=True), WANTED, 2)).entries
    assert (others.seen, others.unnamed) == ((), "untold")
