"""A store over a fresh database, a person in it, and grants made by hand: the law has its own tests."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime

import pytest

from kjerne.access import Caller, Grant, Label
from kjerne.exchange import PatientRef
from kjerne.store import subjects
from kjerne.store.changing import Changer
from kjerne.store.house import Store, open_store
from kjerne.store.keys import Keys
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.reading import Reader
from kjerne.store.shares import Shares
from kjerne.store.subjects import PersonDetail

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALLER = Caller(
    "practitioner", "ehr", frozenset({"nhn:pps/provesvar-read"}), digest=b"caller-digest-16", name="Ola Prøve", hpr="9144889",
    authorization="LE", organisation="999999999", level=4, jti="token-1",
)  # fmt: skip


@pytest.fixture
async def store(dsn: str, shares: Shares) -> AsyncIterator[Store]:
    opened = await open_store(dsn, Keys(b"w" * 32, b"p" * 32, b"s" * 32), shares, pool_size=4)
    yield opened
    await opened.close()


class Desk:
    """Registers people and makes grants over one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def person(self) -> int:
        given = Identifier(secrets.token_bytes(16), "FNR", secrets.token_hex(6), date(2000, 1, 1))
        new = NewPerson(PersonDetail(name="Kari Prøve", birth_date=date(1980, 1, 1)), (given,), synthetic=True)
        async with self.store.pool.acquire() as conn:
            return (await self.store.people.register(conn, [new], NOW))[0]

    async def grant(
        self,
        patient: int,
        action: str = "read",
        *,
        hides: Label = Label.WITHDRAWN,
        released_only: bool = False,
        at: datetime = NOW,
        caller: Caller = CALLER,
    ) -> Grant:
        async with self.store.pool.acquire() as conn:
            loaded = await subjects.load(conn, PatientRef(key=patient), caller, self.store.wrap)
        assert loaded is not None
        return Grant(
            caller, loaded[0], "results", action, "test-rule", "pjl § 19", "because", "TREAT", "", hides,  # type: ignore[arg-type]
            released_only, at, "corr-1",
        )  # fmt: skip

    def changer(self, types: Sequence[int]) -> Changer:
        """Changes records of these types; a number that a body names is nobody's here."""
        reader = Reader(self.store.wrap, self.store.dictionaries)
        return Changer(
            self.store.ids, self.store.records, reader, types, lambda number: PatientRef(digest=number.encode())
        )


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)
