"""A whole house over a fresh database, with a laboratory and readers whose grants come from the real law."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from kjerne.access import Attestation, Caller, Coded, Grant, Held, Label, Once, Tie, Wish
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.exchange import Admit, Denied, PatientRef, granted
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.policy.choosing import Choosing
from kjerne.policy.door import Door
from kjerne.registries.identifiers import control_digits
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings
from kjerne.store.changing import Changer
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.participation import Role
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.reading import Record
from kjerne.store.registers import OrganisationRow, PractitionerRow, fill
from kjerne.store.shares import NAME, Shares
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

    def changer(self, types: Sequence[int]) -> Changer:
        """Changes records of these types as FHIR does."""
        house = self.house
        return Changer(house.store.ids, house.store.records, house.reader, types, house.identify)


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


TYPES = [type_number(name) for name in ("DiagnosticReport", "Observation")]
OTHERS = replace(LAB, organisation=THIRD_LAB)
DOCTORS = ("9144889", "9144900")
CLINIC, CLINIC_WARD, LAB_UNIT, ANOTHER_UNIT = "100000148", "100000075", "100000210", "100000288"
UNITS = [
    (HOSPITAL, ""), (CLINIC, HOSPITAL), (CLINIC_WARD, CLINIC), (THIRD_LAB, ""), (LAB_UNIT, THIRD_LAB),
    (ANOTHER_UNIT, THIRD_LAB),
]  # fmt: skip
"""What the register of organisations has: each with what it lies below."""
T = TypeVar("T")


@dataclass
class Worker(Ward):
    """A process: its own store and memory over the same database and key shares."""

    def __post_init__(self) -> None:
        self.choosing = Choosing(self.house.store, self.house.reader, types_by_service())
        self.doors: dict[tuple[str, ...], Any] = {}

    async def sees(self, number: str, hpr: str = DOCTORS[0], basis: str = "", **more: Any) -> list[str] | str:
        """The values that a hospital's health worker sees of somebody, or the rule that refused. Facts are remembered."""
        caller = self.doctor(number, hpr)
        attestation = replace(caller.attestation, **{"purpose": "ETREAT", **more})  # type: ignore[type-var]
        caller = replace(
            caller, attestation=attestation, authorization=attestation.authorization,
            point_of_care=attestation.point_of_care,
        )  # fmt: skip
        as_whom = hpr, attestation.authorization, attestation.decision_id, attestation.point_of_care
        admit = self.doors.setdefault(as_whom, self.admit(caller))

        async def use(grant: Grant) -> list[Record]:
            async with self.house.store.pool.acquire() as conn:
                return await self.house.reader.current_of(conn, grant, TYPES, 1000)

        try:
            ref = PatientRef(digest=self.house.digest(number))
            found = await granted(admit, ref, "results", "search", use, basis=basis, proven=True)
        except Denied as denied:
            return denied.denial.rule
        trees = [decode(one.raw) for one in found]
        return sorted(str(tree["valueQuantity"]["value"]) for tree in trees if "valueQuantity" in tree)

    async def as_herself(self, number: str, use: Callable[[Grant], Awaitable[T]]) -> T:
        digest = self.house.digest(number)
        citizen = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=digest, level=4)
        return await granted(self.admit(citizen), PatientRef(digest=digest), "results", "choose", use)

    async def choose(self, number: str, wish: Wish) -> Held:
        return await self.as_herself(number, lambda grant: self.choosing.make(grant, wish))

    async def lift(self, number: str, held: Held) -> Held:
        return await self.as_herself(number, lambda grant: self.choosing.lift(grant, held.number))

    async def take(self, raw: bytes, sender: Caller = LAB) -> None:
        taken = await self.house.intake.take(raw, sender, self.admit(sender))
        assert taken.accepted, taken.faults

    async def report_of(self, number: str, value: str) -> str:
        """The id of the report with an observation of this value."""
        key = await self.house.store.pool.fetchval(
            "SELECT patient FROM person_identifier WHERE digest = $1", self.house.digest(number)
        )
        grant = await self.grant(number)
        async with self.house.store.pool.acquire() as conn:
            found = await self.house.reader.current_of(conn, replace(grant, hides=Label(0)), TYPES, 1000)
        trees = {str(one.id): decode(one.raw) for one in found if one.patient == key}
        (own,) = [id_ for id_, tree in trees.items() if str(tree.get("valueQuantity", {}).get("value")) == value]
        (report,) = [
            id_ for id_, tree in trees.items() if tree["resourceType"] == "DiagnosticReport" and own in str(tree)
        ]
        return report


@pytest.fixture
async def workers(ward: Ward, dsn: str, shares: Shares, tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    keys = ward.house.store.keys
    if not await ward.house.store.pool.fetchval("SELECT count(*) FROM practitioner"):
        rows = [
            PractitionerRow(hpr, secrets.token_bytes(16), "Navn", ("LE",), date(2000, 1, 1), None) for hpr in DOCTORS
        ]
        async with ward.house.store.pool.acquire() as conn:
            await fill(conn, rows, [OrganisationRow(*one, f"Sted {one[0]}", "", "", "", "") for one in UNITS])
    store = await open_store(dsn, keys, Shares(tmp_path / NAME, keys), pool_size=4)
    settings = Settings(data=Path("unused"), dsn=dsn)
    yield Worker(ward.house), Worker(House(settings, store, ward.house.clock))
    await store.close()


def message(number: str, value: str, discipline: str = "CLIN", id_: str = "", **more: str) -> bytes:
    inside = Kith.person(Kith.SAMPLE + Kith.item("NPU03230", Kith.number(value)), number=number)
    report = Kith.report(patient=inside, discipline=discipline, id_=id_ or secrets.token_hex(6), **more)
    return Kith.message(report, id_=secrets.token_hex(8), generated=GENERATED[bool(more)])


GENERATED = {False: "2026-03-02T12:00:05", True: "2026-03-03T12:00:05"}


@pytest.fixture(scope="session")
def kith() -> type[Kith]:
    """Messages made here, with people who do not exist."""
    return Kith
