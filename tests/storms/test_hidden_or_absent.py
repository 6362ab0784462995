"""What is hidden from a reader, she cannot tell from what does not exist: on every path, in every count and order.

Pairs of questions. Either the same question before and after something hidden is filed, or two questions, alike but for an
id: a hidden record's and nobody's. Status, headers and body are equal. What the law lets be told of hidden things is in
docs/law.md, and is taken out here by name. `KJERNE_STORM` asks them all, else a number drawn by a seed is asked.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import pytest

import seeds
from kjerne.access import Choice
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.exchange import PatientRef
from kjerne.settings import Settings
from kjerne.store import subjects
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares
from participating import taking_part
from services.results.conftest import LAB, NOW, TAKERS, Ward

from .shut import (
    HIDDEN,
    TYPES,
    Ask,
    Hidden,
    Record,
    absent,
    by_id,
    changes_of,
    heard,
    of_nobody,
    record,
    searches,
    with_id,
)

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
SOME: Final = 40
"""Questions of each kind that are asked where not all are."""


@pytest.fixture(scope="module")
def dsn(clusters: Any) -> str:
    cluster = clusters("18")
    cluster.create("hidden_or_absent")
    return str(cluster.server.dsn(PROGRAM, "hidden_or_absent"))


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Shares:
    """As long as the database is."""
    return Shares.made(tmp_path_factory.mktemp("shares") / NAME, KEYS, ["results"])


@pytest.fixture
async def ward(dsn: str, shares: Shares) -> AsyncIterator[Ward]:
    store = await open_store(dsn, KEYS, shares, pool_size=4)
    await taking_part(store, *TAKERS)
    yield Ward(House(Settings(data=Path("unused"), dsn=dsn), store, FixedClock(NOW)))
    await store.close()


def drawn(asks: list[Ask]) -> list[Ask]:
    """All of them under `make storm`, else a few by a seed that replays them."""
    if "KJERNE_STORM" in os.environ:
        return asks
    return Random(seeds.seed("KJERNE_STORM_SEED")).sample(asks, min(SOME, len(asks)))


def child_or_adult(hidden: Hidden) -> int:
    return 8 if hidden.reader == "parent" else 46


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: one.name)
async def test_no_question_is_answered_otherwise_once_something_hidden_is_there(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward, age=child_or_adult(hidden))
    asks = drawn(list(searches(made)))
    async with ward.client(made.readers[hidden.reader]) as client:
        before = [await heard(client, ask, made.number) for ask in asks]
        await made.fill_shut(hidden)
        after = [await heard(client, ask, made.number) for ask in asks]
    differ = [str(ask) for ask, one, other in zip(asks, before, after, strict=True) if one != other]
    assert not differ, f"{len(differ)} of {len(asks)} tell of what is {hidden.name}:\n" + "\n".join(differ[:20])
    found = [one for one in before if one[0][0] == 200 and '"entry"' in one[0][2]]
    assert len(found) > len(asks) / 10  # questions that find nothing would prove nothing
    print(f"{len(asks)} pairs, {len(found)} of them with something open")


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: one.name)
async def test_a_summary_is_the_same_once_something_hidden_is_there(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward, age=child_or_adult(hidden))
    ask = Ask("GET", "/fhir/R4/Patient/$summary")
    async with ward.client(made.readers[hidden.reader]) as client:
        before = await heard(client, ask, made.number)
        await made.fill_shut(hidden)
        after = await heard(client, ask, made.number)
    assert before == after
    assert (before[0][0], made.open["Observation"] in before[0][2]) == (200, True)


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: one.name)
async def test_a_hidden_id_is_answered_as_an_id_that_nobody_has(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward, age=child_or_adult(hidden))
    await made.fill_shut(hidden)
    asks = drawn([ask for type_ in (*TYPES, "Binary") for ask in by_id(type_)])
    differ = []
    async with ward.client(made.readers[hidden.reader]) as client:
        for ask in asks:
            id_ = made.shut[
                next(name for name in (*TYPES, "Binary") if f"{name}/{{id}}" in str(ask) or name in ask.path)
            ]
            for other in (absent(made), of_nobody()):
                told = [await heard(client, with_id(ask, one), made.number, (one,)) for one in (id_, other)]
                if told[0] != told[1]:
                    differ.append(f"{ask}: {told}")
    assert not differ, "\n".join(differ[:10])


async def test_the_open_record_is_answered_so_that_the_others_prove_something(ward: Ward) -> None:
    made = await record(ward)
    async with ward.client(made.readers["doctor"]) as client:
        for type_, id_ in made.open.items():
            assert (await client.get(f"/fhir/R4/{type_}/{id_}")).status_code == 200


async def test_to_another_laboratory_a_record_is_as_absent_as_one_that_is_not_there(ward: Ward) -> None:
    made = await record(ward)
    another = replace(LAB, client="another", organisation="100000999")
    async with ward.client(another) as client:
        for type_ in ("Observation", "DiagnosticReport"):
            id_ = made.open[type_]
            for ask in changes_of(type_):
                ids = id_, absent(made), of_nobody()
                whom = made.number if "?" in ask.path else ""
                told = [await heard(client, with_id(ask, one), whom, (one,)) for one in ids]
                assert told[0] == told[1] == told[2], str(ask)
                by_criteria = 400 if ask.method == "PUT" else 204
                assert told[0][0][0] == (by_criteria if whom else 404), told


SHUT_WHOLE: Final = {
    "restriction": Choice("restriction", "results", "", "", NOW, None),
    "block": Choice("block", "results", "9144889", "", NOW, None),
    "opt-out": Choice("opt-out", "results", "", "", NOW, None),
    "protected address": None,
}


@pytest.mark.parametrize("how", SHUT_WHOLE)
@pytest.mark.parametrize("reader", ["doctor", "declaring doctor"])
async def test_a_shut_record_tells_that_it_is_shut_and_not_whether_anything_is_in_it(
    ward: Ward, how: str, reader: str
) -> None:
    full, empty = await record(ward), await record(ward)
    async with ward.house.store.pool.acquire() as conn:
        await conn.execute("DELETE FROM record WHERE patient = $1", empty.key)
        for one in (full, empty):
            choice = SHUT_WHOLE[how]
            if choice is not None:
                await ward.house.store.people.add_choice(conn, one.key, choice)
            else:
                await protect(ward, conn, one)
    asks = drawn([*searches(full), *(with_id(ask, absent(full)) for type_ in TYPES for ask in by_id(type_))])
    differ = []
    for ask in asks:
        told = []
        for one in (full, empty):
            caller = one.readers["doctor"]
            assert caller.attestation
            if reader == "declaring doctor":
                caller = replace(caller, attestation=replace(caller.attestation, user_selected=True, purpose="ETREAT"))
            async with ward.client(caller) as client:
                told.append(await heard(client, ask, one.number, list(one.open.values())))
        if told[0] != told[1]:
            differ.append(f"{ask}: {told}")
    assert not differ, "\n".join(differ[:10])


async def protect(ward: Ward, conn: Any, one: Record) -> None:
    """Her address becomes protected, as the register of persons would tell."""
    found = await subjects.load(conn, PatientRef(key=one.key), LAB, ward.house.store.wrap)
    assert found
    detail = msgspec.structs.replace(found[1], protection="fortrolig")
    sealed = subjects.seal_detail(ward.house.store.wrap, one.key, found[0].wrapped[0], detail)
    await conn.execute("UPDATE person SET detail = $1, stamp = stamp + 1 WHERE patient = $2", sealed, one.key)
