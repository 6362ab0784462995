"""What citizens say is wrong, as rows: added to and never changed, sealed, and in the order they wait."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.store import inquiries
from kjerne.store.inquiries import Behind, Inquiry, Kind, Named, Step, Told, Wanted
from kjerne.store.looks import Place

from .conftest import NOW, Desk

TOLD = Told("Kari Prøve", "22.11.2026, Ola Hagen", "no-care", "Jeg var ikke der den dagen.", "phone", "98765432")
ANSWER = "Oppslaget var ikke tillatt."


async def sent(
    desk: Desk, patient: int, kind: Kind = "misuse", *, hours: int = 0, organisation: str = "999999999"
) -> Inquiry:
    look, record = (Place(NOW, uuid4()), None) if kind == "misuse" else (None, Named(1, uuid4(), 2))
    made = Inquiry(
        patient, uuid4(), kind, NOW - timedelta(hours=hours), organisation, changed_at=NOW - timedelta(hours=hours),
        look=look, record=record,
    )  # fmt: skip
    grant = await desk.grant(patient, "ask")
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await inquiries.add(conn, grant, desk.store.wrap, made, TOLD)
    return made


async def moved(desk: Desk, grant: Grant, held: Inquiry, status: str, answer: str = "") -> None:
    step = Step(NOW, status, "Drift Driftsen", answer)  # type: ignore[arg-type]
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await inquiries.move(conn, grant, desk.store.wrap, held, step)


async def held(desk: Desk, number: UUID) -> Inquiry:
    async with desk.store.pool.acquire() as conn:
        found = await inquiries.found(conn, number)
    assert found is not None
    return found


async def test_what_was_written_is_read_back_by_the_patients_grant_and_no_other(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    made = await sent(desk, patient, "correction")
    async with desk.store.pool.acquire() as conn:
        found = await inquiries.opened(conn, await desk.grant(patient, "handle"), desk.store.wrap, made.number)
        assert found is not None
        assert (found[0], found[1], [step.status for step in found[2]]) == (made, TOLD, ["received"])
        strangers = await desk.grant(other, "handle")
        assert await inquiries.opened(conn, strangers, desk.store.wrap, made.number) is None
        assert await inquiries.of_patient(conn, strangers, desk.store.wrap) == []


async def test_nothing_of_what_was_written_lies_open(desk: Desk) -> None:
    patient = await desk.person()
    made = await sent(desk, patient)
    await moved(desk, await desk.grant(patient, "handle"), made, "answered", ANSWER)
    for table in ("inquiry", "inquiry_step"):
        row = str(
            await desk.store.pool.fetchrow(f"SELECT t::text FROM {table} t WHERE number = $1 LIMIT 1", made.number)
        )
        for secret in (TOLD.text, TOLD.contact, TOLD.by, "Hagen", ANSWER):
            assert secret not in row
            assert secret.encode().hex() not in row


async def test_steps_follow_each_other_and_an_answer_is_the_last(desk: Desk) -> None:
    patient = await desk.person()
    made, grant = await sent(desk, patient), await desk.grant(patient, "handle")
    await moved(desk, grant, made, "under-way")
    with pytest.raises(Refusal) as late:
        await moved(desk, grant, made, "answered", ANSWER)
    assert late.value.status == 409, "somebody else's step came between"
    await moved(desk, grant, await held(desk, made.number), "answered", ANSWER)
    with pytest.raises(Refusal):
        await moved(desk, grant, await held(desk, made.number), "under-way")
    async with desk.store.pool.acquire() as conn:
        ((_, _, steps),) = await inquiries.of_patient(conn, grant, desk.store.wrap)
    assert [(step.status, step.answer, step.made_by) for step in steps] == [
        ("received", "", ""), ("under-way", "", "Drift Driftsen"), ("answered", ANSWER, "Drift Driftsen"),
    ]  # fmt: skip


async def test_the_list_has_those_that_wait_longest_first_and_the_answered_last(desk: Desk) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "handle")
    here, there = secrets.token_hex(4), secrets.token_hex(4)
    async with desk.store.pool.acquire() as conn:
        before = await inquiries.waiting(conn)
    answered = await sent(desk, patient, hours=9, organisation=here)
    young, old = [
        await sent(desk, patient, kind, hours=hours, organisation=here)
        for kind, hours in (("misuse", 1), ("correction", 5))
    ]
    await sent(desk, patient, organisation=there)
    await moved(desk, grant, answered, "answered", ANSWER)

    async def listed(**wanted: str) -> list[UUID]:
        async with desk.store.pool.acquire() as conn:
            return [row.number for row in await inquiries.listed(conn, Wanted(organisation=here, **wanted), 10)]

    assert await listed() == [old.number, young.number, answered.number]
    assert await listed(kind="correction") == [old.number]
    assert await listed(status="answered") == [answered.number]
    async with desk.store.pool.acquire() as conn:
        assert await inquiries.waiting(conn) == before + 3


async def test_the_list_goes_on_behind_the_last_of_a_page_whatever_is_answered_or_written_meanwhile(desk: Desk) -> None:
    patient = await desk.person()
    grant = await desk.grant(patient, "handle")
    here = secrets.token_hex(4)
    made = [await sent(desk, patient, hours=hours, organisation=here) for hours in (9, 8, 7, 6, 5, 5)]
    oldest, second, third = made[:3]

    async def page(behind: Behind | None = None) -> list[Inquiry]:
        async with desk.store.pool.acquire() as conn:
            return await inquiries.listed(conn, Wanted(organisation=here), 2, behind)

    first = await page()
    assert [row.number for row in first] == [oldest.number, second.number]
    # Both of the first page, the one that it ended with too.
    await moved(desk, grant, oldest, "answered", ANSWER)
    await moved(desk, grant, await held(desk, second.number), "answered", ANSWER)
    await moved(desk, grant, third, "under-way")
    seen, behind = [], Behind.parsed(str(Behind.of(first[-1])))
    while rows := await page(behind):
        seen += [row.number for row in rows]
        behind = Behind.parsed(str(Behind.of(rows[-1])))
    alike = sorted(row.number for row in made[4:])
    assert seen == [third.number, made[3].number, *alike, *sorted([oldest.number, second.number])]


@pytest.mark.parametrize(
    "text", ["", "50", "2_2026-11-27T00:00:00.000000_x", "0_2026-11-27_00000000-0000-0000-0000-000000000000", "0_1_2_3"]
)
def test_a_place_that_no_page_ended_with_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        Behind.parsed(text)
    assert (refused.value.status, refused.value.where) == (400, "_after")


@pytest.mark.parametrize("statement", ["UPDATE inquiry SET told = ''", "DELETE FROM inquiry_step", "TRUNCATE inquiry"])
async def test_the_program_may_add_and_never_change(desk: Desk, statement: str) -> None:
    await sent(desk, await desk.person())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.store.pool.execute(statement)


def test_a_reference_can_be_read_over_a_telephone() -> None:
    made = Inquiry(1, UUID("3fa94c1b-0000-4000-8000-000000000000"), "misuse", NOW, "")
    assert made.reference == "3FA9-4C1B"
