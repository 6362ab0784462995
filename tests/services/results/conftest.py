"""A whole house over a fresh database, with a laboratory and readers whose grants come from the real law."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from kjerne.access import Attestation, Caller, Coded, Grant, Once, Tie
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.exchange import Admit, PatientRef
from kjerne.policy.door import Door
from kjerne.registries.identifiers import control_digits
from kjerne.settings import Settings
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.participation import Role
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.shares import Shares
from kjerne.store.subjects import PersonDetail
from kjerne.wire.edge import Edge
from participating import taking_part

from .kith.conftest import Kith

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOSPITAL, ELSEWHERE, OTHER_LAB, THIRD_LAB = "100000008", "100000016", "100000999", "983974899"
LAB = Caller("system", "lab", frozenset({"nhn:pps/provesvar-write"}), organisation="100000777")
TAKERS: tuple[tuple[str, Role], ...] = (
    (HOSPITAL, "consumer"), (ELSEWHERE, "consumer"), (LAB.organisation, "source"), (OTHER_LAB, "source"),
    (THIRD_LAB, "source"),
)  # fmt: skip
"""Who takes part in the tests' world."""


_nines = (f"{day}8175{individual}" for day in range(12, 29) for individual in range(100, 500))
_numbers = (nine + control_digits(nine) for nine in _nines if control_digits(nine))


def fresh_number() -> str:
    """A synthetic number nobody had in an earlier test: born in January 1975, month plus 80."""
    return next(_numbers)


@dataclass
class Ward:
    """What the tests of intake and reading do to a house."""

    house: House

    def admit(self, caller: Caller = LAB) -> Admit:
        return Door(self.house.store, self.house.clock).admit(caller, "test")

    async def person(self, number: str) -> int:
        """A registered person in the care of the hospital."""
        new = NewPerson(
            PersonDetail(name="Prøve Person", birth_date=date(1975, 1, 12), sex="female"),
            (Identifier(self.house.digest(number), "FNR", number, date(1975, 1, 12)),),
            synthetic=True,
            ties=(Tie("care", organisation=HOSPITAL),),
        )
        async with self.house.store.pool.acquire() as conn:
            return (await self.house.store.people.register(conn, [new], NOW))[0]

    def doctor(self, number: str, hpr: str = "9144889") -> Caller:
        """A hospital doctor with an attestation about the patient with this number."""
        own = self.house.digest(f"doctor-{hpr}")
        attestation = Attestation(
            own, hpr, "LE", HOSPITAL, HOSPITAL, "", None, "TREAT", Coded("BEHANDLER"), "decision-1", "", False,
            (self.house.digest(number),), self.house.clock.now(),
        )  # fmt: skip
        return Caller(
            "practitioner", "ehr", frozenset({"nhn:pps/provesvar-read"}), own, "Lege Legesen", hpr, "LE", HOSPITAL,
            HOSPITAL, level=4, attestation=attestation,
        )  # fmt: skip

    def client(self, caller: Caller) -> httpx.AsyncClient:
        """A client whose requests come as this caller's: only the token's check is stood in for."""

        async def refuse() -> Any:
            raise AssertionError("a proof that is new was called old")

        async def authenticate(*_: Any) -> tuple[Caller, Once]:
            return caller, Once((0, b"", 0), refuse, noted=True)

        house = self.house
        edge = Edge(house.settings, house.store, house.routes(), authenticate, clock=house.clock)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(edge), base_url=f"http://127.0.0.1:{house.settings.port}",
            headers={"cid": "the-same"},
        )  # fmt: skip

    async def grant(self, number: str, action: str = "search", caller: Caller | None = None) -> Grant:
        caller = caller or self.doctor(number)
        return await self.admit(caller)(PatientRef(digest=self.house.digest(number)), "results", action)  # type: ignore[arg-type]


@pytest.fixture
def number() -> str:
    """A number nobody had in an earlier test."""
    return fresh_number()


@pytest.fixture
async def ward(dsn: str, shares: Shares) -> AsyncIterator[Ward]:
    keys = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
    store = await open_store(dsn, keys, shares, pool_size=6)
    await taking_part(store, *TAKERS)
    settings = Settings(data=Path("unused"), dsn=dsn)
    yield Ward(House(settings, store, FixedClock(NOW)))
    await store.close()


@pytest.fixture(scope="session")
def kith() -> type[Kith]:
    """Messages made here, with people who do not exist."""
    return Kith
