"""Persons, their numbers over time, links that can be undone, and the facts the law reads about them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest

from kjerne.access import Caller, Choice, Tie
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.registries.identifiers import digest
from kjerne.store import subjects
from kjerne.store.codec import PersonWrap
from kjerne.store.keys import Sealer
from kjerne.store.people import Identifier, NewPerson, People
from kjerne.store.pool import open_pool
from kjerne.store.subjects import PersonDetail

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WRAP = PersonWrap(bytes(32))
NOBODY = Caller("system", "test", frozenset())


def number(text: str, kind: str = "FNR", since: date = date(2000, 1, 1)) -> Identifier:
    return Identifier(digest(bytes(32), text), kind, text, since)


@pytest.fixture
async def conn(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    pool = await open_pool(dsn, 2)
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


@pytest.fixture
def people() -> People:
    return People(WRAP, Sealer(bytes(32)))


async def one_person(
    conn: asyncpg.Connection, people: People, text: str = "", **more: object
) -> tuple[int, Identifier]:
    given = number(text or secrets.token_hex(6))
    new = NewPerson(PersonDetail(name="Kari Prøve", birth_date=date(1980, 2, 29), sex="female"), (given,), True, **more)
    return (await people.register(conn, [new], NOW))[0], given


async def facts(conn: asyncpg.Connection, ref: PatientRef, caller: Caller = NOBODY) -> subjects.Subject:
    found = await subjects.load(conn, ref, caller, WRAP)
    assert found is not None
    return found[0]


async def test_a_person_is_found_by_number_and_her_details_open(conn: asyncpg.Connection, people: People) -> None:
    key, given = await one_person(conn, people)
    found = await subjects.load(conn, PatientRef(digest=given.digest), NOBODY, WRAP)
    assert found is not None
    subject, detail = found
    assert (subject.patient, subject.keys, subject.birth_date) == (key, (key,), date(1980, 2, 29))
    assert detail.name == "Kari Prøve"


async def test_a_number_nobody_has_finds_nobody(conn: asyncpg.Connection) -> None:
    assert await subjects.load(conn, PatientRef(digest=b"nobody has this!"), NOBODY, WRAP) is None


async def test_neither_name_nor_number_lies_open_in_the_database(conn: asyncpg.Connection, people: People) -> None:
    key, _ = await one_person(conn, people, "13078012345")
    kept = bytes(await conn.fetchval("SELECT detail FROM person WHERE patient = $1", key))
    sealed = bytes(await conn.fetchval("SELECT sealed FROM person_identifier WHERE patient = $1", key))
    assert b"Kari" not in kept
    assert b"13078012345" not in sealed


async def test_a_d_number_and_the_number_that_followed_lead_to_the_same_person(
    conn: asyncpg.Connection, people: People
) -> None:
    key, first = await one_person(conn, people)
    later = number(secrets.token_hex(6), since=date(2020, 5, 1))
    await people.add_identifier(conn, key, later)
    for given in (first, later):
        assert (await facts(conn, PatientRef(digest=given.digest))).patient == key


async def test_every_change_of_a_fact_raises_the_stamp(conn: asyncpg.Connection, people: People) -> None:
    key, given = await one_person(conn, people)
    ref = PatientRef(digest=given.digest)
    stamps = [(await facts(conn, ref)).stamp]
    choice = await people.add_choice(conn, key, Choice("block", "", "9144889", "", NOW, None))
    stamps.append((await facts(conn, ref)).stamp)
    await people.end_choice(conn, key, choice, NOW)
    stamps.append((await facts(conn, ref)).stamp)
    await people.add_ties(conn, [(key, Tie("practice-list", "9144889", "999999999"))])
    stamps.append((await facts(conn, ref)).stamp)
    assert stamps == sorted(set(stamps))


async def test_a_caller_meets_only_her_own_ties(conn: asyncpg.Connection, people: People) -> None:
    key, given = await one_person(conn, people)
    await people.add_ties(conn, [(key, Tie("practice-list", "111")), (key, Tie("care", "", "222222222"))])
    hers = Caller("practitioner", "ehr", frozenset(), hpr="111")
    ward = Caller("practitioner", "ehr", frozenset(), hpr="333", organisation="222222222")
    assert [tie.kind for tie in (await facts(conn, PatientRef(digest=given.digest), hers)).ties] == ["practice-list"]
    assert [tie.kind for tie in (await facts(conn, PatientRef(digest=given.digest), ward)).ties] == ["care"]
    assert (await facts(conn, PatientRef(digest=given.digest))).ties == ()


async def test_a_list_of_ones_own_has_courses_where_one_works_and_courses_of_ones_own(
    conn: asyncpg.Connection, people: People
) -> None:
    hpr, place, mine = secrets.token_hex(4), secrets.token_hex(4), dict[str, int]()
    ties = {
        "on her list": Tie("practice-list", hpr), "where she works": Tie("care", "", place), "her own": Tie("care", hpr),
        "somebody else's": Tie("care", "123"), "elsewhere": Tie("care", hpr, "another place"),
    }  # fmt: skip
    for name, tie in ties.items():
        mine[name] = (await one_person(conn, people, ties=(tie,)))[0]
    found = dict(await people.tied_to(conn, hpr, [place], NOW.date(), 10))
    assert {name for name, key in mine.items() if key in found} == {"on her list", "where she works", "her own"}


async def test_linked_persons_are_read_as_one_and_an_unlink_undoes_it(conn: asyncpg.Connection, people: People) -> None:
    one, given = await one_person(conn, people)
    other, second = await one_person(conn, people)
    third, _ = await one_person(conn, people)
    await people.add_choice(conn, other, Choice("opt-out", "results", "", "", NOW, None))
    await people.link(conn, one, other, "register", "same human", NOW)
    await people.link(conn, other, third, "register", "same human", NOW)
    subject = await facts(conn, PatientRef(digest=given.digest))
    assert set(subject.keys) == {one, other, third}
    assert [choice.kind for choice in subject.choices] == ["opt-out"]
    await people.unlink(conn, one, other, "register", NOW)
    alone = await facts(conn, PatientRef(digest=given.digest))
    assert (alone.keys, alone.choices) == ((one,), ())
    assert set((await facts(conn, PatientRef(digest=second.digest))).keys) == {other, third}
    assert await conn.fetchval("SELECT count(*) FROM person_link WHERE patient = $1", one) == 1


async def test_what_cannot_be_linked_is_refused(conn: asyncpg.Connection, people: People) -> None:
    one, _ = await one_person(conn, people)
    other, _ = await one_person(conn, people)
    with pytest.raises(Refusal, match="herself"):
        await people.link(conn, one, one, "register", "", NOW)
    with pytest.raises(Refusal, match="not linked"):
        await people.unlink(conn, one, other, "register", NOW)


async def test_a_person_whose_key_is_destroyed_cannot_be_opened(conn: asyncpg.Connection, people: People) -> None:
    key, given = await one_person(conn, people)
    await conn.execute("UPDATE person SET wrapped_key = NULL WHERE patient = $1", key)
    assert await subjects.load(conn, PatientRef(digest=given.digest), NOBODY, WRAP) is None
