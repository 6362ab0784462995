"""Filters of the list of documents as rows: her own alone, sealed, no more than twenty, and each with a name of its own."""

from __future__ import annotations

import asyncio
import secrets
from uuid import UUID, uuid4

import msgspec
import pytest

from kjerne.errors import Refusal
from kjerne.store import document_filters
from kjerne.store.document_filters import FILTERS_LIMIT, Said
from kjerne.store.house import Store
from kjerne.store.keys import Sealer

from .conftest import NOW

SEALER = Sealer(b"k" * 32)
LATELY = Said("Epikriser", "A00-1", "Epikriser og sammenfatninger", "Sundvika sykehus", "365", "hjerte", "name")


def somebody() -> bytes:
    return secrets.token_bytes(16)


async def kept(store: Store, owner: bytes, said: Said = LATELY) -> UUID:
    async with store.pool.acquire() as conn, conn.transaction():
        return await document_filters.keep(conn, owner, SEALER, said, NOW)


async def hers(store: Store, owner: bytes, sealer: Sealer = SEALER) -> dict[UUID, Said]:
    async with store.pool.acquire() as conn:
        return {one.number: one.said for one in await document_filters.listed(conn, owner, sealer)}


async def test_what_is_kept_is_hers_alone_and_lies_sealed(store: Store) -> None:
    one, other = somebody(), somebody()
    number = await kept(store, one)
    assert await hers(store, one) == {number: LATELY}
    assert await hers(store, other) == {}
    async with store.pool.acquire() as conn:
        told = bytes(await conn.fetchval("SELECT told FROM document_filter WHERE number = $1", number))
        await conn.execute(
            "INSERT INTO document_filter (owner, number, told, at) VALUES ($1, $2, $3, $4)", other, number, told, NOW
        )
    assert b"hjerte" not in told and b"Epikriser" not in told
    assert await hers(store, other) == {}, "a row of hers opens nobody else's list"
    assert await hers(store, one, Sealer(b"o" * 32)) == {}


async def test_one_is_renamed_and_deleted_by_whose_it_is_and_by_nobody_else(store: Store) -> None:
    one, other = somebody(), somebody()
    number = await kept(store, one)
    async with store.pool.acquire() as conn:
        for deed in (
            document_filters.rename(conn, other, SEALER, number, "Mitt"),
            document_filters.drop(conn, other, number),
            document_filters.rename(conn, one, SEALER, uuid4(), "Mitt"),
        ):
            with pytest.raises(Refusal) as no:
                async with conn.transaction():
                    await deed
            assert (no.value.status, no.value.where) == (404, "filter_gone")
        async with conn.transaction():
            await document_filters.rename(conn, one, SEALER, number, "EPIKRISER")
    assert await hers(store, one) == {number: msgspec.structs.replace(LATELY, name="EPIKRISER")}
    async with store.pool.acquire() as conn:
        await document_filters.drop(conn, one, number)
    assert await hers(store, one) == {}


async def test_two_of_hers_never_have_one_name(store: Store) -> None:
    owner = somebody()
    await kept(store, owner)
    number = await kept(store, owner, Said("Svar"))
    with pytest.raises(Refusal, match="name") as no:
        await kept(store, owner, Said("EPIKRISER"))
    assert (no.value.status, no.value.where) == (409, "filter_named")
    async with store.pool.acquire() as conn, conn.transaction():
        with pytest.raises(Refusal, match="name"):
            await document_filters.rename(conn, owner, SEALER, number, "epikriser")
    await kept(store, somebody(), Said("Epikriser"))


async def test_twenty_are_kept_and_no_more_also_when_many_are_sent_at_once(store: Store) -> None:
    owner = somebody()
    sent = [kept(store, owner, Said(f"Nummer {place}")) for place in range(FILTERS_LIMIT + 3)]
    done = await asyncio.gather(*sent, return_exceptions=True)
    faults = [one for one in done if isinstance(one, BaseException)]
    assert [isinstance(one, Refusal) and one.where for one in faults] == ["filter_many"] * 3
    assert len(await hers(store, owner)) == FILTERS_LIMIT
