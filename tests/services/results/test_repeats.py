"""Repeats within their interval: counted when filed, never because of what is hidden, and told of nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from kjerne.access import Choice, Label
from kjerne.services.results.reuse_api import counted_months
from kjerne.store import repeats
from kjerne.store.registers import OrganisationRow, fill
from kjerne.store.repeats import Repeat

from .conftest import LAB, NOW, Ward, fresh_number

Kith = Any
HBA1C, HB, CT = "NPU27300", "NPU28309", "SGX0AD"
MARCH = date(2026, 3, 1)
ASKED_BY = ("HER", "88001")

Send = Callable[..., Awaitable[None]]


@pytest.fixture
async def send(ward: Ward, kith: Kith, number: str) -> AsyncIterator[Send]:
    """Files a report about one person on a day of February or March; each call is a report of its own."""
    await ward.house.store.pool.execute("DELETE FROM repeat_noted")
    await ward.person(number)

    async def sent(day: str, items: str, *, report: str = "", inside: str = "", **more: Any) -> None:
        mark = uuid4().hex[:8]
        sample = kith.SAMPLE.replace("2026-03-02T08:15:00", f"2026-{day}T08:15:00")
        patient = kith.person(sample + items + inside, number=more.pop("number", number))
        generated = more.pop("generated", f"2026-{day}T12:00:05")
        raw = kith.message(
            kith.report(patient=patient, id_=report or f"R-{mark}", issued=f"2026-{day}T12:00:00", **more),
            id_=f"M-{mark}", generated=generated,
        )  # fmt: skip
        taken = await ward.house.intake.take(raw, LAB, ward.admit())
        assert taken.accepted, taken.faults

    yield sent


async def noted(ward: Ward) -> list[Repeat]:
    rows = await ward.house.store.pool.fetch("SELECT number, sealed FROM repeat_noted")
    opened = (ward.house.store.messages.open(sealed, number.bytes) for number, sealed in rows)
    return sorted((msgspec.msgpack.decode(one, type=Repeat) for one in opened), key=lambda one: one.analysis)


async def note(ward: Ward, found: list[Repeat]) -> None:
    """As if so many repeats had been filed."""
    for one in found:
        number = uuid4()
        sealed = ward.house.store.messages.seal(msgspec.msgpack.encode(one), number.bytes)
        await ward.house.store.pool.execute("INSERT INTO repeat_noted (number, sealed) VALUES ($1, $2)", number, sealed)


async def names(ward: Ward) -> list[str]:
    return [one.analysis for one in await noted(ward)]


async def hide(ward: Ward, number: str, label: Label) -> None:
    async with ward.house.store.pool.acquire() as conn:
        key = await ward.house.store.people.key_of(conn, ward.house.digest(number))
        await conn.execute("UPDATE record SET labels = $2 WHERE patient = $1", key, int(label))


async def test_an_analysis_made_again_within_its_interval_is_noted_with_who_asked_and_when(
    ward: Ward, kith: Kith, send: Send
) -> None:
    await send("02-10", kith.item(HBA1C) + kith.item("NPU01944"))
    assert await noted(ward) == []
    await send("03-02", kith.item(HBA1C) + kith.item("NPU01944"))
    assert await noted(ward) == [Repeat("HbA1c", *ASKED_BY, MARCH)]


async def test_after_its_interval_it_is_no_repeat(ward: Ward, kith: Kith, send: Send) -> None:
    await send("01-18", kith.item("NPU03577"))
    await send("03-01", kith.item("NPU03577"))
    assert await names(ward) == []
    await send("03-02", kith.item("NPU03577"))
    assert await names(ward) == ["TSH"]


async def test_one_code_is_a_repeat_of_another_of_its_analysis_and_a_radiology_examination_too(
    ward: Ward, kith: Kith, send: Send
) -> None:
    await send("03-01", kith.item("NPU03577"))
    await send("03-02", kith.item("NPU27547"))
    picture = kith.item(CT, kith.text("Normale forhold.")).replace(f"{kith.OID}7280", f"{kith.OID}7270")
    await send("03-01", picture, discipline="RAD")
    await send("03-02", picture, discipline="RAD")
    assert await names(ward) == ["CT thorax", "TSH"]


async def test_a_version_of_the_same_report_and_a_message_sent_twice_repeat_nothing(
    ward: Ward, kith: Kith, send: Send
) -> None:
    await send("03-01", kith.item(HBA1C, id_="1"), report="same")
    changed = kith.item(HBA1C, kith.number("151"), id_="1", service="M") + kith.item(HB, id_="2")
    await send("03-02", changed, report="same", service="M")
    assert await names(ward) == []


async def test_two_parts_of_one_sample_are_no_repeat(ward: Ward, kith: Kith, send: Send) -> None:
    await send("03-01", kith.item(HBA1C, id_="1") + kith.item(HBA1C, id_="2"))
    await send("03-01", kith.item(HBA1C))
    assert await names(ward) == []


async def test_a_preliminary_result_is_counted_once_when_it_is_final(ward: Ward, kith: Kith, send: Send) -> None:
    await send("02-20", kith.item(HBA1C))
    await send("03-01", kith.item(HBA1C, id_="1", state="2"), report="two steps", status="P")
    assert await names(ward) == []
    for hour in (13, 14):
        await send(
            "03-01", kith.item(HBA1C, kith.number(f"4{hour}"), id_="1"), report="two steps", service="M",
            generated=f"2026-03-01T{hour}:00:05",
        )  # fmt: skip
    assert await names(ward) == ["HbA1c"]


async def test_a_sample_that_comes_late_is_no_repeat_of_a_newer_one(ward: Ward, kith: Kith, send: Send) -> None:
    await send("03-02", kith.item(HBA1C))
    await send("02-20", kith.item(HBA1C))
    assert await names(ward) == []


@pytest.mark.parametrize("label", list(Label))
async def test_a_hidden_result_makes_no_repeat(ward: Ward, kith: Kith, send: Send, number: str, label: Label) -> None:
    await send("03-01", kith.item(HBA1C))
    await hide(ward, number, label)
    await send("03-02", kith.item(HBA1C))
    assert await names(ward) == []
    await send("03-03", kith.item(HBA1C))
    assert await names(ward) == ["HbA1c"]


@pytest.mark.parametrize("kind", ["restriction", "block"])
async def test_of_a_patient_who_has_shut_her_results_nothing_is_counted_until_she_opens_them(
    ward: Ward, kith: Kith, send: Send, number: str, kind: Any
) -> None:
    people = ward.house.store.people
    await send("03-01", kith.item(HBA1C))
    async with ward.house.store.pool.acquire() as conn:
        key = await people.key_of(conn, ward.house.digest(number))
        choice = await people.add_choice(conn, key, Choice(kind, "", "1234567", "", NOW - timedelta(days=1), None))
    await send("03-02", kith.item(HBA1C))
    assert await names(ward) == []
    async with ward.house.store.pool.acquire() as conn:
        await people.end_choice(conn, key, choice, NOW - timedelta(hours=1))
    await send("03-03", kith.item(HBA1C))
    assert await names(ward) == ["HbA1c"]


async def test_a_newborns_sample_repeats_nothing_of_the_mothers(ward: Ward, kith: Kith, send: Send) -> None:
    child = (
        f"<Patient><DateOfBirth V='2026-03-01'/><Name>Prøve, Nyfødt</Name><Relation V='BA'/>{kith.item(HB)}</Patient>"
    )
    await send("03-01", kith.item(HBA1C), inside=child)
    await send("03-02", kith.item(HB))
    await send("03-03", kith.item("NPU01944"), inside=child)
    assert await names(ward) == []


async def test_what_is_another_persons_is_no_repeat(ward: Ward, kith: Kith, send: Send) -> None:
    other = fresh_number()
    await ward.person(other)
    await send("03-01", kith.item(HBA1C))
    await send("03-02", kith.item(HBA1C), number=other)
    assert await names(ward) == []


async def test_two_numbers_of_one_person_are_one_person(ward: Ward, kith: Kith, send: Send, number: str) -> None:
    former = fresh_number()
    people = ward.house.store.people
    key = await ward.person(former)
    async with ward.house.store.pool.acquire() as conn:
        own = await people.key_of(conn, ward.house.digest(number))
        assert own is not None
        await people.link(conn, own, key, "test", "one human", NOW)
    await send("03-01", kith.item(HBA1C), number=former)
    await send("03-02", kith.item(HBA1C))
    assert await names(ward) == ["HbA1c"]


async def test_the_note_beside_a_report_tells_nothing_and_is_gone_once_counted(
    ward: Ward, kith: Kith, send: Send
) -> None:
    await send("03-01", kith.item(HBA1C))
    await send("03-02", kith.item(HBA1C))
    pool = ward.house.store.pool
    (row,) = await pool.fetch("SELECT * FROM repeat_noted")
    assert set(row.keys()) == {"number", "sealed"}
    assert not any(word in row["sealed"] for word in (b"HbA1c", b"88001"))
    async with pool.acquire() as conn:
        assert await repeats.count(conn, ward.house.store.messages) == 1
        assert await repeats.count(conn, ward.house.store.messages) == 0
    columns = await pool.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = 'repeat_count'")
    assert {one[0] for one in columns} == {"month", "analysis", "organisation", "number"}


async def test_notes_become_counts_by_analysis_organisation_and_month(ward: Ward) -> None:
    store = ward.house.store
    row = OrganisationRow("974760673", "", "Sykehuset", "hospital", "", "77123", "")
    async with store.pool.acquire() as conn:
        await fill(conn, [], [row])
    own = f"Analyse {uuid4()}"
    given = {
        ("ENH", "983658725"): 3, ("HER", "77123"): 2, ("ENH", "974760673"): 1, ("HER", "1"): 1, ("", ""): 1,
    }  # fmt: skip
    async with store.pool.acquire() as conn:
        await conn.execute("DELETE FROM repeat_noted")
        for (kind, number), times in given.items():
            await note(ward, [Repeat(own, kind, number, MARCH)] * times)
            await repeats.count(conn, store.messages)
        found = await repeats.counted(conn, MARCH, date(2026, 4, 1), 1)
        few = await repeats.counted(conn, MARCH, date(2026, 4, 1), 3)
        later = await repeats.counted(conn, date(2026, 4, 1), date(2026, 5, 1), 1)
    counts = Counter({one.organisation: one.number for one in found if one.analysis == own})
    assert counts == {"983658725": 3, "974760673": 3, "": 2}
    assert {one.organisation for one in few if one.analysis == own} == {"983658725", "974760673"}
    assert own not in {one.analysis for one in later}


@pytest.mark.parametrize(
    ("at", "first", "last"),
    [
        (datetime(2026, 3, 31, 23, tzinfo=UTC), date(2025, 3, 1), date(2026, 3, 1)),
        (datetime(2026, 4, 1, 23, tzinfo=UTC), date(2025, 3, 1), date(2026, 3, 1)),
        (datetime(2026, 4, 2, 0, tzinfo=UTC), date(2025, 4, 1), date(2026, 4, 1)),
        (datetime(2026, 1, 2, 0, tzinfo=UTC), date(2025, 1, 1), date(2026, 1, 1)),
    ],
)
def test_a_month_is_told_when_it_is_over_and_counted(at: datetime, first: date, last: date) -> None:
    assert counted_months(at) == (first, last)
