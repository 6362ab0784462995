"""A request's proof is noted with the first look at the facts, and a second use never sees them."""

from __future__ import annotations

import secrets
from typing import NoReturn

import pytest

from kjerne.access import Caller, Once
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.store import subjects
from kjerne.store.proofs import note_values

from .conftest import NOW, Desk

NOBODY = Caller("system", "test", frozenset())


async def refuse() -> NoReturn:
    raise Refusal(401, "used before")


def proof(digest: bytes) -> Once:
    return Once(note_values(digest, int(NOW.timestamp())), refuse)


@pytest.mark.parametrize("known", [True, False], ids=["a known person", "nobody"])
async def test_a_proof_used_twice_is_refused_before_anything_is_said(desk: Desk, known: bool) -> None:
    ref = PatientRef(key=await desk.person() if known else 12345)
    digest = secrets.token_bytes(16)
    async with desk.store.pool.acquire() as conn:
        first = proof(digest)
        found = await subjects.load(conn, ref, NOBODY, desk.store.wrap, first)
        assert (found is not None, first.noted) == (known, True)
        with pytest.raises(Refusal, match="used before"):
            await subjects.load(conn, ref, NOBODY, desk.store.wrap, proof(digest))


async def test_a_request_that_asks_the_law_twice_notes_its_proof_once(desk: Desk) -> None:
    ref = PatientRef(key=await desk.person())
    once = proof(secrets.token_bytes(16))
    async with desk.store.pool.acquire() as conn:
        for _ in range(2):
            assert await subjects.load(conn, ref, NOBODY, desk.store.wrap, once) is not None


async def test_what_is_known_of_several_is_found_at_once_and_of_nobody_there_is_nothing(desk: Desk) -> None:
    keys = [await desk.person(), await desk.person()]
    async with desk.store.pool.acquire() as conn:
        found = await subjects.details(conn, [*keys, 12345], desk.store.wrap)
    assert {key: one.name for key, one in found.items()} == dict.fromkeys(keys, "Kari Prøve")
