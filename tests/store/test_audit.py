"""What the log may not name to its reader, and what those who looked wrote as their reason."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NoReturn

import asyncpg
import pytest

from kjerne.access import Attestation, Caller, Coded, Grant, Label, Once
from kjerne.exchange import PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import audit, subjects
from kjerne.store.proofs import note, note_values
from kjerne.store.records import Change

from .conftest import CALLER, NOW, Desk

DAY: Final = timedelta(days=1)
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"}}'


async def test_the_log_may_not_name_what_is_withheld_from_its_reader(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    made: dict[tuple[int, Label], str] = {}
    for whose in (patient, other):
        grant = await desk.grant(whose, "file")
        for label in (Label(0), Label.WITHHELD_FROM_PARENTS, Label.WITHHELD_FROM_CITIZEN, Label.RESTRICTED):
            change = Change(
                type_number("Observation"), desk.store.ids.make(whose), RAW, index(decode(RAW)), labels=label
            )
            async with desk.store.pool.acquire() as conn:
                made[whose, label] = str((await desk.store.records.create(conn, grant, change)).id)
    as_parent = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS)
    async with desk.store.pool.acquire() as conn:
        hidden = await audit.hidden_from(conn, as_parent)
    assert hidden == {made[patient, Label.WITHHELD_FROM_CITIZEN], made[patient, Label.WITHHELD_FROM_PARENTS]}


REASON = "Bevisstløs i akuttmottaket"


def attested(reason: str) -> Caller:
    said = Attestation(
        CALLER.digest, CALLER.hpr, "LE", "999999999", "999999999", "", None, "BTG", None, "decision-1", reason, False, (), NOW
    )  # fmt: skip
    return replace(CALLER, attestation=said)


async def logged(desk: Desk, patient: int, reason: str = REASON, at: datetime = NOW) -> Grant:
    """A look at the patient, with the reason that the doctor gave."""
    grant = audit.with_words(await desk.grant(patient, caller=attested(reason), at=at), desk.store.wrap)
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant))
    return grant


async def reasons(desk: Desk, patient: int) -> list[str]:
    grant = await desk.grant(patient, "insight")
    async with desk.store.pool.acquire() as conn:
        rows = await audit.of_patient(conn, grant, desk.store.wrap, NOW - DAY, NOW + DAY, 10)
    return [row["reason"] for row in rows]


async def test_what_a_reader_wrote_as_her_reason_is_kept_for_the_patient(desk: Desk) -> None:
    patient = await desk.person()
    await logged(desk, patient)
    await logged(desk, patient, "", NOW - timedelta(hours=1))
    assert await reasons(desk, patient) == [REASON, ""]


async def test_a_reason_lies_sealed_under_the_patients_own_key(desk: Desk) -> None:
    patient = await desk.person()
    grant = await logged(desk, patient)
    kept = await desk.store.pool.fetchval("SELECT written FROM audit WHERE patient = $1", patient)
    assert kept == grant.reason
    assert REASON.encode() not in kept
    assert REASON not in repr(grant)
    assert len({(await logged(desk, patient)).reason for _ in range(2)}) == 2


async def test_no_reason_is_no_seal(desk: Desk) -> None:
    assert (await logged(desk, await desk.person(), "")).reason == b""


async def test_a_reason_opens_in_its_own_row_alone(desk: Desk, owner_dsn: str) -> None:
    patient, other = await desk.person(), await desk.person()
    grant = await logged(desk, patient)
    await logged(desk, patient, "en annen begrunnelse", NOW - timedelta(hours=1))
    await logged(desk, other, "en tredje begrunnelse")
    owner = await asyncpg.connect(owner_dsn)
    try:
        await owner.execute("UPDATE audit SET written = $1 WHERE patient = ANY($2)", grant.reason, [patient, other])
    finally:
        await owner.close()
    assert await reasons(desk, patient) == [REASON, ""]
    assert await reasons(desk, other) == [""]


async def test_a_reason_is_gone_when_the_patients_key_is_gone(desk: Desk) -> None:
    patient = await desk.person()
    await logged(desk, patient)
    await desk.store.pool.execute("UPDATE person SET wrapped_key = NULL WHERE patient = $1", patient)
    async with desk.store.pool.acquire() as conn:
        found = await subjects.load(conn, PatientRef(key=patient), CALLER, desk.store.wrap)
    assert found is None, "without a key there is nobody whose log could be read"


async def test_nothing_is_written_under_a_proof_that_may_have_been_used_before(desk: Desk) -> None:
    patient = await desk.person()

    async def refuse() -> NoReturn:
        raise AssertionError("the proof is new")

    once = Once(note_values(secrets.token_bytes(16), int(NOW.timestamp())), refuse)
    grant = replace(await desk.grant(patient, "file"), once=once)
    change = Change(type_number("Observation"), desk.store.ids.make(patient), RAW, index(decode(RAW)))
    records = desk.store.records
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(RuntimeError):
            await records.put(conn, grant, [change])
        assert await desk.store.pool.fetchval("SELECT count(*) FROM record WHERE id = $1", change.id) == 0
        await note(conn, once)
        assert (await records.put(conn, grant, [change]))[0].version == 1


async def test_the_role_of_the_program_may_only_add_to_the_log_and_the_owners_is_known_by_more(
    desk: Desk, owner_dsn: str
) -> None:
    async with desk.store.pool.acquire() as conn:
        assert not await audit.changeable(conn)
    owner = await asyncpg.connect(owner_dsn)
    try:
        assert await audit.changeable(owner)
        await owner.execute("GRANT DELETE ON audit_other TO kjerne_app")
        async with desk.store.pool.acquire() as conn:
            assert await audit.changeable(conn)
    finally:
        await owner.execute("REVOKE DELETE ON audit_other FROM kjerne_app")
        await owner.close()


async def test_the_words_of_service_and_details_lie_sealed_behind_the_reason(desk: Desk) -> None:
    patient, caller = await desk.person(), attested("")
    assert caller.attestation
    service, details = Coded("KX17", "8655", "Fastlege"), Coded("X", "9151", "")
    said = replace(caller.attestation, healthcare_service=service, purpose_details=details)
    grant = audit.with_words(await desk.grant(patient, caller=replace(caller, attestation=said)), desk.store.wrap)
    async with desk.store.pool.acquire() as conn:
        await audit.insert(conn, audit.given(grant))
        reader = await desk.grant(patient, "insight")
        (row,) = await audit.of_patient(conn, reader, desk.store.wrap, NOW - DAY, NOW + DAY, 10)
    assert (row["healthcare_service"], row["purpose_details"], row["attested_at"]) == ("8655|KX17", "9151|X", NOW)
    assert (row["reason"], row["service_text"], row["details_text"], row["asked"]) == ("", "Fastlege", "", "")
    assert b"Fastlege" not in row["written"]
