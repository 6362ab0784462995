"""Where a patient's documents may be: what sources have registered about her numbers, and where she is or was in care."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kjerne.access import Grant
from kjerne.store import whereabouts
from kjerne.store.audit import of_nobody
from kjerne.store.house import Store
from kjerne.store.registers import OrganisationRow, fill

from .conftest import CALLER, NOW, Desk

HOME, OTHER = "urn:oid:2.16.578.1.12.4.5.100.71", "2.16.578.1.12.4.5.100.72"
TRUST, HOSPITAL, WARD, SIBLING = "200000016", "200000024", "200000032", "200000040"


def row() -> tuple[Any, ...]:
    return of_nobody(CALLER, "documents", "file", "rule", "law", "says", NOW, "c-1")


async def of(store: Store, grant: Grant, key: bytes = b"k") -> whereabouts.Whereabouts:
    async with store.pool.acquire() as conn:
        return await whereabouts.of(conn, grant, key, [HOME, OTHER])


async def test_what_a_source_registers_is_known_of_her_numbers_alone_and_by_the_key_of_the_house(
    store: Store, desk: Desk
) -> None:
    hers, anothers = await desk.grant(await desk.person()), await desk.grant(await desk.person())
    digest = min(hers.subject.digests)
    async with store.pool.acquire() as conn:
        await whereabouts.register(conn, b"k", HOME, digest, NOW, row(), has=True)
        await whereabouts.register(conn, b"k", HOME, digest, NOW, row(), has=True)
        await whereabouts.say_whole(conn, HOME, NOW)
        await whereabouts.say_whole(conn, HOME, NOW - timedelta(hours=1))
    plain = HOME.removeprefix("urn:oid:")
    assert (await of(store, hers)).registered == {plain} and not (await of(store, anothers)).registered
    assert (await of(store, hers)).whole == {plain: NOW}, "an older word takes nothing back"
    assert not (await of(store, hers, b"another")).registered
    async with store.pool.acquire() as conn:
        await whereabouts.register(conn, b"k", HOME, digest, NOW, row(), has=False)
        assert await conn.fetchval("SELECT count(*) FROM document_whereabouts WHERE digest = $1", digest) == 0
    assert not (await of(store, hers)).registered


@pytest.mark.parametrize(
    ("at", "known"), [(HOSPITAL, {TRUST, HOSPITAL, WARD}), (WARD, {TRUST, HOSPITAL, WARD}), (SIBLING, {TRUST, SIBLING})]
)
async def test_care_is_known_at_a_place_above_it_and_below_it_also_when_it_is_over(
    store: Store, desk: Desk, at: str, known: set[str]
) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient)
    async with store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM organisation WHERE number = $1", TRUST):
            above = ((TRUST, ""), (HOSPITAL, TRUST), (WARD, HOSPITAL), (SIBLING, TRUST))
            await fill(conn, [], [OrganisationRow(n, up, f"Sted {n}", "", "", "", "") for n, up in above])
        await whereabouts.say_whole(conn, HOME, NOW)
        await conn.execute(
            "INSERT INTO person_tie (patient, number, kind, organisation, until) VALUES ($1, 1, 'care', $2, '2020-01-01')",
            grant.subject.patient, at,
        )  # fmt: skip
    assert (await of(store, grant)).contacts == known
