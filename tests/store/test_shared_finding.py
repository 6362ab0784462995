"""Searches among records about nobody: counted and paged in SQL where SQL decides, and no body is fetched that does not leave."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.index import index
from kjerne.fhir.search import Search
from kjerne.store import shared, shared_finding
from kjerne.store.house import Store
from kjerne.store.shared import Held, Source
from kjerne.store.shared_finding import Found, SharedFinder
from kjerne.wire.search import parse

from .conftest import NOW

ORGANIZATION = type_number("Organization")
LONG = "x" * 1_000


@pytest.fixture
async def made(store: Store) -> list[str]:
    """Five organisations of a thousand bytes, the third of which is not in use."""
    ids = [f"org-{number}" for number in range(5)]
    async with store.pool.acquire() as conn, conn.transaction():
        for number, id_ in enumerate(ids):
            tree: dict[str, Any] = {
                "resourceType": "Organization",
                "id": id_,
                "name": f"Nord {number}",
                "alias": [LONG],
            }
            tree["active"] = number != 2
            new = Held(0, Source("", ""), None)
            raw = encode(tree)
            await shared.write(conn, ORGANIZATION, id_, new, raw, index(tree), Source("974707152", "r"), NOW, "c")
    return ids


def asked(**pairs: str) -> Search:
    return parse("Organization", pairs.items(), page_size=50, page_size_limit=100)


async def found(store: Store, search: Search, *, limit: int = 100, after: str = "", skip: int = 0) -> Found:
    async with store.pool.acquire() as conn:
        return await SharedFinder(conn, NOW, lambda _: None, limit).search(search, after=after, skip=skip)


async def test_more_records_than_are_looked_at_are_listed_page_by_page(store: Store, made: list[str]) -> None:
    seen, page = list[str](), await found(store, asked(_sort="-_id", _count="2"), limit=1)
    while True:
        assert page.total == 5
        seen += [one.id for one in page.records]
        if not page.more:
            break
        page = await found(store, asked(_sort="-_id", _count="2"), limit=1, after=seen[-1], skip=len(seen))
    assert seen == made[::-1]


async def test_a_page_goes_on_where_it_stood_when_its_last_record_is_gone(store: Store, made: list[str]) -> None:
    page = await found(store, asked(_sort="_id", _count="2"), after="gone", skip=3)
    assert ([one.id for one in page.records], page.more) == (made[3:], False)


async def test_codes_are_decided_in_sql_and_only_what_sql_cannot_decide_is_limited(
    store: Store, made: list[str]
) -> None:
    page = await found(store, asked(active="true", _summary="count"), limit=1)
    assert (page.records, page.total) == ([], 4)
    with pytest.raises(Refusal, match="more than 1 records"):
        await found(store, asked(name="Nord"), limit=1)


@pytest.mark.parametrize("criteria", [{}, {"name": "Nord"}, {"active": "false"}, {"_content": "nord"}])
async def test_a_page_ends_early_where_it_would_be_too_long(
    store: Store, made: list[str], monkeypatch: pytest.MonkeyPatch, criteria: dict[str, str]
) -> None:
    monkeypatch.setattr(shared_finding, "PAGE_LIMIT_BYTES", 2_500)
    total = 1 if "active" in criteria else 5
    page = await found(store, asked(**criteria))
    assert (len(page.records), page.total, page.more) == (min(2, total), total, total > 2)
    assert all(LONG.encode() in one.served for one in page.records)
    monkeypatch.setattr(shared_finding, "PAGE_LIMIT_BYTES", 1)
    assert len((await found(store, asked(**criteria))).records) == 1


async def test_bodies_are_fetched_for_the_page_alone(
    store: Store, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    opened = shared_finding.opened

    def counted(row: Any) -> Any:
        record = opened(row)
        fetched.extend([record.id] if record.raw is not None else [])
        return record

    monkeypatch.setattr(shared_finding, "opened", counted)
    await found(store, asked(name="Nord", _sort="name", _count="1"))
    await found(store, asked(_sort="_id", _count="1"))
    assert fetched == made[:1] * 2
