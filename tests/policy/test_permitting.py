"""A parent's consent to youth access: until when it holds, what it opens, who takes it back, and that no other grant gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kjerne.access import Action, Caller, Choice, Grant, Tie
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.exchange import Denied, PatientRef
from kjerne.policy.people import birthday
from kjerne.policy.permitting import Permitting, ends_at
from kjerne.policy.rules import decide
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.shares import NAME, Shares
from kjerne.store.subjects import PersonDetail
from services.results.conftest import Ward, fresh_number

from .cast import NOW, citizen, patient


@pytest.mark.parametrize(
    ("born", "ends"),
    [
        (date(2012, 11, 24), datetime(2028, 11, 23, 23, tzinfo=UTC)),
        (date(2013, 7, 1), datetime(2029, 6, 30, 22, tzinfo=UTC)),
        (date(2012, 2, 29), datetime(2028, 2, 28, 23, tzinfo=UTC)),
        (date(2084, 2, 29), datetime(2100, 2, 28, 23, tzinfo=UTC)),
    ],
    ids=["winter", "summer", "29 February in a leap year", "29 February where 2100 has none"],
)
def test_it_ends_at_norwegian_midnight_when_she_turns_16(born: date, ends: datetime) -> None:
    assert ends_at(born) == ends


def test_whoever_was_born_on_29_february_has_her_day_on_1_march_in_a_common_year() -> None:
    born = date(2012, 2, 29)
    assert [birthday(born, years) for years in (12, 13)] == [date(2024, 2, 29), date(2025, 3, 1)]


@dataclass
class Family:
    """A youth of 14, the parent who lives with her and another who does, in a store of their own."""

    ward: Ward
    numbers: dict[str, str]

    async def grant(self, who: str, action: Action) -> Grant:
        digests = {name: self.ward.house.digest(number) for name, number in self.numbers.items()}
        herself = Caller("citizen", "app", frozenset({"kjerne:citizen"}), digests[who], level=4)
        return await self.ward.admit(herself)(PatientRef(digest=digests["youth"]), "results", action)


@pytest.fixture(scope="module")
def dsn(clusters: Any) -> str:
    cluster = clusters("18")
    cluster.create("permitting")
    return str(cluster.server.dsn(PROGRAM, "permitting"))


@pytest.fixture
async def family(dsn: str, tmp_path: Path) -> AsyncIterator[Family]:
    keys = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
    store = await open_store(dsn, keys, Shares.made(tmp_path / NAME, keys, ["results"]), pool_size=2)
    ward, numbers = Ward(House(Settings(data=tmp_path, dsn=dsn), store, FixedClock(NOW))), dict[str, str]()
    ties: tuple[Tie, ...] = ()
    for who in ("mother", "father", "youth"):
        born = date(2012, 5, 17) if who == "youth" else date(1980, 2, 28)
        numbers[who] = fresh_number()
        identifier = Identifier(ward.house.digest(numbers[who]), "FNR", numbers[who], date(1975, 1, 12))
        detail = PersonDetail("Prøve Person", birth_date=born, sex="female", address="Gata 1")
        one = NewPerson(detail, (identifier,), synthetic=True, ties=ties if who == "youth" else ())
        async with store.pool.acquire() as conn:
            (key,) = await store.people.register(conn, [one], NOW)
        ties += (Tie("parent", key=key),)
    try:
        yield Family(ward, numbers)
    finally:
        await store.close()


async def test_it_opens_what_a_youth_sees_until_any_parent_withdraws_it(family: Family) -> None:
    permitting = Permitting(family.ward.house.store)
    with pytest.raises(Denied) as shut:
        await family.grant("youth", "search")
    assert shut.value.denial.rule == "youth-without-consent"
    await permitting.give(await family.grant("mother", "permit"))
    assert (await family.grant("youth", "search")).rule == "youth"
    (held,) = await permitting.held(await family.grant("father", "permit"))
    assert (held.choice.kind, held.choice.service, held.choice.made_at, held.choice.ended_at) == (
        "youth-access", "results", NOW, ends_at(date(2012, 5, 17)),
    )  # fmt: skip
    assert (held.choice.hpr, held.choice.organisation) == ("", ""), "it is to herself, and names nobody"
    with pytest.raises(Refusal) as twice:
        await permitting.give(await family.grant("father", "permit"))
    assert (twice.value.status, twice.value.rule) == (409, "choice-in-force")
    await permitting.withdraw(await family.grant("father", "permit"))
    assert await permitting.held(await family.grant("mother", "permit")) == ()
    with pytest.raises(Denied):
        await family.grant("youth", "search")
    with pytest.raises(Refusal) as none:
        await permitting.withdraw(await family.grant("mother", "permit"))
    assert (none.value.status, none.value.rule) == (404, "choice-not-in-force")


async def test_it_is_over_at_the_instant_at_which_she_turns_16(family: Family) -> None:
    permitting, over = Permitting(family.ward.house.store), ends_at(date(2012, 5, 17))
    await permitting.give(await family.grant("mother", "permit"))
    for at, stands in ((over - timedelta(seconds=1), 1), (over, 0)):
        assert len(await permitting.held(replace(await family.grant("mother", "permit"), at=at))) == stands


async def test_a_consent_to_another_service_is_neither_seen_nor_withdrawn_here(family: Family) -> None:
    store, permitting = family.ward.house.store, Permitting(family.ward.house.store)
    grant = await family.grant("mother", "permit")
    async with store.pool.acquire() as conn:
        for kind, service in (("youth-access", "documents"), ("restriction", "results")):
            elsewhere = Choice(kind, service, "", "", NOW, None)  # type: ignore[arg-type]
            await store.people.add_choice(conn, grant.subject.patient, elsewhere)
    grant = await family.grant("mother", "permit")
    assert await permitting.held(grant) == ()
    with pytest.raises(Refusal):
        await permitting.withdraw(grant)


async def test_each_of_it_stands_in_her_log_also_that_it_was_asked_for(family: Family) -> None:
    store, permitting = family.ward.house.store, Permitting(family.ward.house.store)
    for acts, act in enumerate((permitting.held, permitting.give, permitting.withdraw), start=1):
        grant = await family.grant("mother", "permit")
        await act(grant)
        rules = await store.pool.fetch("SELECT rule FROM audit WHERE patient = $1", grant.subject.patient)
        assert [row["rule"] for row in rules] == ["parent-permits"] * acts


async def test_a_grant_to_choose_is_none_to_consent() -> None:
    grant = decide(citizen(), patient(caller_key=1), "results", "choose", now=NOW)
    assert isinstance(grant, Grant)
    permitting = Permitting(cast("Any", SimpleNamespace()))
    for act in (permitting.held, permitting.give, permitting.withdraw):
        with pytest.raises(Refusal) as refusal:
            await act(grant)
        assert (refusal.value.status, refusal.value.rule) == (403, "permit-only")
