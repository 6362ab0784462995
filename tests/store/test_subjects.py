"""Facts of one human under all her numbers; a request's proof is noted with the first look at them, once."""

from __future__ import annotations

import secrets
from datetime import date
from typing import NoReturn

import pytest

from kjerne.access import Caller, Once, Subject, Tie
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.store import subjects
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.proofs import note_values
from kjerne.store.subjects import PersonDetail

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


BORN = date(1980, 1, 1)
OTHER = date(2015, 1, 1)
PLAIN = PersonDetail(name="Kari Prøve", birth_date=BORN, address="Storgata 1")


async def registered(desk: Desk, detail: PersonDetail, digest: bytes = b"", *ties: Tie) -> int:
    given = Identifier(digest or secrets.token_bytes(16), "FNR", secrets.token_hex(6), date(2000, 1, 1))
    async with desk.store.pool.acquire() as conn:
        new = NewPerson(detail, (given,), synthetic=True, ties=ties)
        return (await desk.store.people.register(conn, [new], NOW))[0]


async def joined(desk: Desk, one: int, other: int) -> None:
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "operator", "one human", NOW)


async def facts(desk: Desk, key: int, caller: Caller = NOBODY) -> Subject:
    async with desk.store.pool.acquire() as conn:
        found = await subjects.load(conn, PatientRef(key=key), caller, desk.store.wrap)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (PersonDetail(birth_date=BORN, protection="strengtFortrolig"), ("strengtFortrolig", False, BORN)),
        (PersonDetail(birth_date=BORN, died_on=date(2026, 11, 1)), ("ugradert", True, BORN)),
        (PersonDetail(birth_date=OTHER), ("ugradert", False, None)),
        (PersonDetail(), ("ugradert", False, BORN)),
    ],
    ids=["protected", "dead", "another birth date", "no birth date"],
)
async def test_what_is_known_under_either_number_of_one_human_is_known_under_both(
    desk: Desk, other: PersonDetail, expected: tuple[str, bool, date | None]
) -> None:
    keys = await registered(desk, PLAIN), await registered(desk, other)
    await joined(desk, *keys)
    for key in keys:
        found = await facts(desk, key)
        assert (found.protection, found.deceased, found.birth_date) == expected
    async with desk.store.pool.acquire() as conn:
        known = await subjects.details(conn, keys, desk.store.wrap)
        assert {one.protection for one in known.values()} == {expected[0]}
        assert [known[key].birth_date for key in keys] == [BORN, other.birth_date]
        await desk.store.people.unlink(conn, *keys, "operator", NOW)
    alone = await facts(desk, keys[0])
    assert (alone.protection, alone.deceased, alone.birth_date) == ("ugradert", False, BORN)


async def test_who_stands_in_for_another_is_one_human_under_all_her_numbers(desk: Desk) -> None:
    digest = secrets.token_bytes(16)
    own = await registered(desk, PLAIN, digest)
    former = await registered(
        desk, PersonDetail(birth_date=OTHER, protection="fortrolig", died_on=date(2026, 11, 1), address="Storgata 1")
    )
    child = await registered(desk, PersonDetail(birth_date=OTHER, address="Storgata 1"), b"", Tie("parent", key=own))
    caller = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
    before = await facts(desk, child, caller)
    assert (before.caller_protection, before.caller_deceased, before.caller_birth_date) == ("ugradert", False, BORN)
    assert before.lives_with_parent is True
    await joined(desk, own, former)
    after = await facts(desk, child, caller)
    assert (after.caller_protection, after.caller_deceased, after.caller_birth_date) == ("fortrolig", True, None)


async def test_a_parent_lives_at_every_address_of_the_child(desk: Desk) -> None:
    digest = secrets.token_bytes(16)
    parent = await registered(desk, PLAIN, digest)
    tie = Tie("parent", key=parent)
    child = await registered(desk, PersonDetail(birth_date=OTHER, address="Storgata 1"), b"", tie)
    moved = await registered(desk, PersonDetail(birth_date=OTHER, address="Nygata 2"))
    caller = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
    await joined(desk, child, moved)
    for key in (child, moved):
        assert (await facts(desk, key, caller)).lives_with_parent is False


async def test_everybody_with_parental_responsibility_is_known_to_who_stands_in_save_the_dead(desk: Desk) -> None:
    digest = secrets.token_bytes(16)
    guardian = await registered(desk, PLAIN, digest)
    mother, father = await registered(desk, PersonDetail()), await registered(desk, PersonDetail())
    dead = await registered(desk, PersonDetail(died_on=date(2026, 1, 1)))
    until = date(2026, 3, 1)
    ties = [Tie("parent", key=mother), Tie("parent", key=father, until=until), Tie("parent", key=dead)]
    child = await registered(desk, PersonDetail(birth_date=OTHER), b"", Tie("guardian", key=guardian), *ties)
    caller = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
    found = await facts(desk, child, caller)
    assert {(one.key, one.until) for one in found.parents} == {(mother, None), (father, until)}
    assert (await facts(desk, guardian, caller)).parents == ()


async def test_a_parent_whose_death_is_registered_on_another_of_her_numbers_has_no_responsibility(desk: Desk) -> None:
    digest = secrets.token_bytes(16)
    guardian = await registered(desk, PLAIN, digest)
    mother, former = await registered(desk, PersonDetail()), await registered(desk, PersonDetail(died_on=OTHER))
    child = await registered(
        desk, PersonDetail(birth_date=OTHER), b"", Tie("guardian", key=guardian), Tie("parent", key=mother)
    )
    caller = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
    assert [one.key for one in (await facts(desk, child, caller)).parents] == [mother]
    await joined(desk, mother, former)
    assert (await facts(desk, child, caller)).parents == ()


async def test_what_a_register_says_of_the_caller_under_another_of_her_numbers_is_among_the_facts(desk: Desk) -> None:
    digest = secrets.token_bytes(16)
    own, former = await registered(desk, PLAIN, digest), await registered(desk, PLAIN)
    child = await registered(desk, PersonDetail(birth_date=OTHER), b"", Tie("parent", key=former))
    caller = Caller("practitioner", "desk", frozenset({"kjerne:operations"}), digest=digest, level=4)
    assert (await facts(desk, child, caller)).ties == ()
    await joined(desk, own, former)
    found = await facts(desk, child, caller)
    assert (found.caller_key, found.caller_linked, [one.key for one in found.ties]) == (own, (former,), [former])
