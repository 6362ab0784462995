"""What became of a card, told again and again: nobody learns by the answer what a patient has shut (law, K118, K132).

By each address that takes it, about a patient who has shut the service and one who has nothing there. The oracle here is the law
in plain words: where a choice may be told a refusal tells it, and where not all answers are one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import httpx
import pytest

from kjerne.access import Choice
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.settings import Settings
from kjerne.store import cards, followup, participation, registers
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.registers import OrganisationRow, PractitionerRow
from kjerne.store.shares import NAME, Shares
from participating import a_row
from services.results.conftest import HOSPITAL, NOW, Ward, fresh_number

HPR: Final = "9144889"
KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
ROOMS: Final = ("results", "critical-information")
CHOICES: Final = {"opt-out": "", "restriction": "", "block": HPR}
WAYS: Final = ("warning", "already done", "already done, by number")


@pytest.fixture(params=["NO", "EHDS"])
async def ward(request: pytest.FixtureRequest, dsn: str, tmp_path: Path) -> AsyncIterator[Ward]:
    store = await open_store(dsn, KEYS, Shares.made(tmp_path / NAME, KEYS, list(ROOMS)), pool_size=4)
    house = House(Settings(data=Path("unused"), dsn=dsn, jurisdiction=request.param), store, FixedClock(NOW))
    doctor = PractitionerRow(HPR, house.digest(f"doctor-{HPR}"), "Lege Legesen", ("LE",), date(2000, 1, 1), None)
    async with store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM practitioner"):
            await registers.fill(conn, [doctor], [OrganisationRow(HOSPITAL, "", "Sykehuset", "", "", "", "")])
        for room in ROOMS:
            if not await conn.fetchval("SELECT count(*) FROM participation WHERE service = $1", room):
                await participation.add(conn, [a_row(HOSPITAL, service=room)])
    yield Ward(house)
    await store.close()


async def told(ward: Ward, way: str, number: str, card: UUID) -> tuple[int, str, list[tuple[str, str]]]:
    """The answer to what became of one card: status, body and headers."""
    scopes = frozenset({"nhn:pps/provesvar-read", "nhn:critical-information/api"})
    said = {"card": str(card), "outcome": "overridden", "outcomeTimestamp": "2026-03-05T12:00:00Z"}
    async with ward.client(replace(ward.doctor(number), scopes=scopes)) as client:
        headers = {"person-id": number}
        if way == "already done, by number":
            form = {"outcome": "followed"}
            answer: httpx.Response = await client.post(f"/pps/v2/already-done/{card}", data=form, headers=headers)
        else:
            service = "critical-information" if way == "warning" else "already-done"
            body = {"feedback": [said]}
            answer = await client.post(f"/cds-services/{service}/feedback", json=body, headers=headers)
    return answer.status_code, answer.text.replace(str(card), "-"), sorted(answer.headers.items())


async def shown(ward: Ward, way: str, number: str, key: int) -> UUID:
    """The id of a card that the doctor was shown about somebody who has shut nothing yet."""
    ids = ward.house.store.ids
    if way == "warning":
        return cards.card_id(ids, key, 0, "warning")
    id_ = ids.make(key) if way == "already done" else uuid4()
    grant = await ward.grant(number)
    async with ward.house.store.pool.acquire() as conn:
        await followup.keep_shown(conn, grant, id_, "urn:oid:2.16.578.1.12.4.1.1.7280", "NPU27300")
    return id_


async def choose(ward: Ward, key: int, kind: str) -> None:
    async with ward.house.store.pool.acquire() as conn:
        for room in ROOMS:
            named = "" if kind == "block" else room
            await ward.house.store.people.add_choice(conn, key, Choice(kind, named, CHOICES[kind], "", NOW, None))


@pytest.mark.parametrize("kind, way", [*product(CHOICES, WAYS)])
async def test_what_is_told_of_a_card_does_not_tell_what_she_has_shut(ward: Ward, kind: str, way: str) -> None:
    (one, key), (other, others) = [(number := fresh_number(), await ward.person(number)) for _ in range(2)]
    held = [await shown(ward, way, one, key) for _ in range(4)]
    of_nothing = [await shown(ward, way, other, others) for _ in range(2)]
    # Once, and again; of whom nothing is kept as of whom something is.
    before = [await told(ward, way, one, held[0]) for _ in range(2)]
    before += [await told(ward, way, other, of_nothing[0]) for _ in range(2)]
    assert before == before[:1] * 4
    kept = await outcomes(ward)
    await choose(ward, key, kind)
    during = [await told(ward, way, one, card) for card in (held[0], held[1], held[1])]
    assert await outcomes(ward) == kept
    if ward.house.settings.tells_choices:
        assert {status for status, _, _ in during} == {403 if way == "already done, by number" else 404}
        return
    assert during == before[:1] * 3
    async with ward.house.store.pool.acquire() as conn:
        await conn.execute("UPDATE privacy_choice SET ended_at = $2 WHERE patient = $1", key, NOW)
        await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", key)
        rows = await conn.fetch("SELECT outcome FROM audit WHERE patient = $1 AND outcome = 1", key)
    assert len(rows) == 3, "the log has the refusals"
    assert [await told(ward, way, one, card) for card in (held[1], held[2])] == before[:1] * 2
    assert await outcomes(ward) == kept + 2


async def outcomes(ward: Ward) -> int:
    """How many outcomes are kept, of anybody."""
    pool = ward.house.store.pool
    counts = "SELECT coalesce(sum(number), 0) FROM card_count WHERE outcome <> 'shown'"
    answers = "SELECT count(*) FROM reuse_answer WHERE outcome <> 'shown'"
    return int(await pool.fetchval(counts)) + int(await pool.fetchval(answers))
