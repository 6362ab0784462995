"""What stands out in the log: each kind by itself, and an ordinary reading as none."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from kjerne.access import Attestation, Denial, Grant, Tie
from kjerne.store import audit, registers, verdicts
from kjerne.store.anomalies import (
    EVERY,
    FEWEST_PATIENTS,
    TIMES_USUAL,
    Wanted,
    busy_days,
    organisations,
    standing_out,
)
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import PractitionerRow
from kjerne.store.subjects import PersonDetail

from .conftest import CALLER, NOW, Desk

DAY: Final = timedelta(days=1)
UNIT: Final = "999999999"


@dataclass
class Ward:
    """Doctors who are people too, patients, and readings."""

    desk: Desk
    at: datetime

    async def person(
        self, name: str = "Kari Prøve", address: str = "", ties: tuple[Tie, ...] = ()
    ) -> tuple[int, bytes]:
        digest = secrets.token_bytes(16)
        given = Identifier(digest, "FNR", secrets.token_hex(6), date(2000, 1, 1))
        detail = PersonDetail(name=name, birth_date=date(1980, 1, 1), address=address, municipality="0301")
        new = NewPerson(detail, (given,), synthetic=True, ties=ties)
        async with self.desk.store.pool.acquire() as conn:
            return (await self.desk.store.people.register(conn, [new], NOW))[0], digest

    async def read(
        self, patient: int, digest: bytes = b"somebody", *, purpose: str = "TREAT", chosen: bool = False,
        hpr: str = "9144889", unit: str = UNIT, action: str = "read", refused: bool = False,
    ) -> None:  # fmt: skip
        stated = Attestation(
            digest, hpr, "LE", unit, "", "", None, purpose, None, "decision-1", "", chosen, (), self.at
        )
        caller = replace(CALLER, digest=digest, hpr=hpr, organisation=unit, attestation=stated)
        grant: Grant = replace(await self.desk.grant(patient, action, at=self.at, caller=caller), purpose=purpose)
        async with self.desk.store.pool.acquire() as conn:
            if refused:
                no = Denial(
                    caller, grant.subject, grant.service, grant.action, "no-relation", "", "", "", self.at, "", purpose=purpose
                )  # fmt: skip
                await audit.insert(conn, audit.refused(no))
            else:
                await audit.insert(conn, audit.given(grant), [(7, self.desk.store.ids.make(patient), 1)])

    async def kinds(self) -> list[tuple[str, ...]]:
        async with self.desk.store.pool.acquire() as conn:
            found = await standing_out(conn, self.desk.store.wrap, self.at, self.at + DAY, 100)
        return [one.kinds for one in found]


@pytest.fixture
def ward(desk: Desk) -> Ward:
    """Each test has a day of its own."""
    return Ward(desk, datetime(2026, 1, 1, 12, tzinfo=UTC) + DAY * secrets.randbelow(100_000))


async def test_an_ordinary_reading_does_not_stand_out(ward: Ward) -> None:
    patient, _ = await ward.person("Per Annen", "Storgata 1")
    _, doctor = await ward.person("Ola Prøve", "Storgata 1")
    await ward.read(patient, doctor)
    assert await ward.kinds() == []


async def test_broken_glass_stands_out(ward: Ward) -> None:
    await ward.read((await ward.person())[0], purpose="BTG")
    assert await ward.kinds() == [("break-glass",)]


async def test_broken_glass_that_was_refused_stands_out_as_that_and_no_other_refusal_does(ward: Ward) -> None:
    doctor, digest = await ward.person()
    await ward.read(doctor, digest, purpose="TREAT", refused=True)
    assert await ward.kinds() == []
    await ward.read(doctor, digest, purpose="BTG", refused=True)
    assert await ward.kinds() == [("break-glass-refused",)]
    await ward.read(doctor, digest, purpose="BTG")
    assert sorted(await ward.kinds()) == [("break-glass", "own-record"), ("break-glass-refused",)]


async def test_a_reader_who_gave_herself_access_stands_out_unless_the_patient_is_hers(ward: Ward) -> None:
    on_list, _ = await ward.person(ties=(Tie("practice-list", hpr="9144889"),))
    in_course, _ = await ward.person(ties=(Tie("care", organisation=UNIT),))
    formerly, _ = await ward.person(ties=(Tie("care", organisation=UNIT, until=date(2020, 1, 1)),))
    for patient in (on_list, in_course):
        await ward.read(patient, chosen=True)
    assert await ward.kinds() == []
    await ward.read(formerly, chosen=True)
    assert await ward.kinds() == [("self-declared",)]


async def test_own_record_and_family_stand_out_in_both_directions(ward: Ward) -> None:
    doctor, digest = await ward.person()
    child, _ = await ward.person(ties=(Tie("parent", key=doctor),))
    other_parent, _ = await ward.person()
    mother, _ = await ward.person()
    async with ward.desk.store.pool.acquire() as conn:
        ties = [(child, Tie("parent", key=other_parent)), (doctor, Tie("parent", key=mother))]
        await ward.desk.store.people.add_ties(conn, ties)
    sister, _ = await ward.person(ties=(Tie("parent", key=mother),))
    for patient in (doctor, child, other_parent, mother, sister):
        await ward.read(patient, digest)
    assert sorted(await ward.kinds()) == [*[("family",)] * 4, ("own-record",)]


async def test_the_same_surname_at_the_same_address_stands_out(ward: Ward) -> None:
    _, doctor = await ward.person("Ola Nordmann Prøve", "Lillegata 2 , 0123 Oslo")
    spouse, _ = await ward.person("Kari PRØVE", "lillegata 2 , 0123  Oslo")
    neighbour, _ = await ward.person("Kari Annen", "Lillegata 2 , 0123 Oslo")
    namesake, _ = await ward.person("Eva Prøve", "Storgata 9")
    homeless, _ = await ward.person("Eva Prøve", "")
    for patient in (spouse, neighbour, namesake, homeless):
        await ward.read(patient, doctor)
    assert await ward.kinds() == [("household",)]


async def test_a_colleague_of_the_same_organisation_stands_out(ward: Ward) -> None:
    (_, reader), (nurse, hers), (elsewhere, theirs) = [await ward.person() for _ in range(3)]
    staff = [
        PractitionerRow(secrets.token_hex(5), digest, "Ola Prøve", ("SP",), date(2000, 1, 1), None)
        for digest in (hers, theirs)
    ]
    patient, _ = await ward.person()
    async with ward.desk.store.pool.acquire() as conn:
        await registers.fill(conn, staff, [])
    await ward.read(patient, hers)
    await ward.read(patient, theirs, unit="888888888")
    await ward.read(nurse, reader)
    await ward.read(elsewhere, reader)
    assert await ward.kinds() == [("colleague",)]


async def test_a_reading_can_stand_out_for_more_than_one_reason(ward: Ward) -> None:
    doctor, digest = await ward.person()
    await ward.read(doctor, digest, purpose="BTG", chosen=True)
    assert await ward.kinds() == [("break-glass", "self-declared", "own-record")]


async def test_what_is_no_reading_or_outside_the_time_is_not_listed(ward: Ward) -> None:
    patient, _ = await ward.person()
    await ward.read(patient, purpose="BTG", action="examine")
    ward.at -= DAY
    await ward.read(patient, purpose="BTG")
    ward.at += DAY
    assert await ward.kinds() == []


async def test_a_person_whose_key_is_destroyed_is_still_compared_by_what_is_open(ward: Ward, owner_dsn: str) -> None:
    _, doctor = await ward.person("Ola Prøve", "Storgata 1")
    patient, _ = await ward.person("Kari Prøve", "Storgata 1")
    await ward.read(patient, doctor, purpose="BTG")
    await ward.desk.store.pool.execute("UPDATE person SET wrapped_key = NULL WHERE patient = $1", patient)
    assert await ward.kinds() == [("break-glass",)]


async def test_a_day_with_unusually_many_patients_is_listed_with_what_is_usual(ward: Ward) -> None:
    patients = [(await ward.person())[0] for _ in range(FEWEST_PATIENTS)]
    for patient in patients:
        await ward.read(patient, hpr="1")
        await ward.read(patient, hpr="1")
    usual = FEWEST_PATIENTS // TIMES_USUAL
    for hpr in ("2", "3"):
        for patient in patients[:usual]:
            await ward.read(patient, hpr=hpr)
    async with ward.desk.store.pool.acquire() as conn:
        (found,) = await busy_days(conn, ward.at, ward.at + DAY, 10)
        assert (found.hpr, found.patients, found.usual, found.day) == ("1", FEWEST_PATIENTS, usual, ward.at.date())
    await ward.read(patients[usual], hpr="2")
    await ward.read(patients[usual], hpr="3")
    async with ward.desk.store.pool.acquire() as conn:
        assert await busy_days(conn, ward.at, ward.at + DAY, 10) == []


async def test_what_stands_out_is_narrowed_by_organisation_kind_verdict_and_row(ward: Ward) -> None:
    patient = (await ward.person())[0]
    await ward.read(patient, purpose="BTG")
    await ward.read(patient, purpose="BTG", unit="999999901", hpr="9144897")
    async with ward.desk.store.pool.acquire() as conn:

        async def found(wanted: Wanted = EVERY, skipped: int = 0) -> list[str]:
            rows = await standing_out(conn, ward.desk.store.wrap, ward.at, ward.at + DAY, 100, wanted, skipped)
            return [one.organisation for one in rows]

        (one, other) = await standing_out(conn, ward.desk.store.wrap, ward.at, ward.at + DAY, 100)
        assert await found(Wanted(organisation="999999901")) == ["999999901"]
        assert await found(Wanted(kind="family")) == []
        assert len(await found(Wanted(kind="break-glass"))) == 2
        assert await found(Wanted(row=one.row)) == [one.organisation]
        assert await found(skipped=1) == [other.organisation]
        await verdicts.note(conn, one.row, 0, "to-ask", ward.at, b"ada", "Ada Drift")
        assert await found(Wanted(verdict="to-ask")) == [one.organisation]
        assert await found(Wanted(verdict="none")) == [other.organisation]
        assert await found(Wanted(verdict="in-order")) == []
        assert await organisations(conn, ward.at, ward.at + DAY) == sorted({one.organisation, other.organisation})
