"""Corrections that touch somebody who has opted out: no wrong result is left standing, and nothing new is kept of her."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.access import Choice, Label

from .conftest import NOW, Ward, fresh_number
from .test_intake import Kith, a_report, opened, take, values


@pytest.fixture
def number() -> str:
    """A number nobody had in an earlier test."""
    return fresh_number()


async def opts_out(ward: Ward, key: int) -> int:
    async with ward.house.store.pool.acquire() as conn:
        return await ward.house.store.people.add_choice(conn, key, Choice("opt-out", "results", "", "", NOW, None))


async def regrets(ward: Ward, key: int, number: int) -> None:
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.end_choice(conn, key, number, NOW)


async def kept(ward: Ward, key: int) -> list[int]:
    """Labels of whatever lies in a record, closed or not."""
    rows = await ward.house.store.pool.fetch("SELECT labels FROM record WHERE patient = $1", key)
    return [row["labels"] for row in rows]


def corrected(kith: Kith, whose: str, report: str, **more: Any) -> bytes:
    return a_report(
        kith, whose, kith.item(value=kith.number("141"), service="M"), id_="M-2", service="M",
        generated="2026-03-04T12:00:05", report=report, **more,
    )  # fmt: skip


async def test_a_result_is_taken_from_the_wrong_person_though_the_right_one_has_opted_out(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    wrong_key, right_key = await ward.person(number), await ward.person(right)
    await take(ward, a_report(kith, number, kith.item()))
    await opts_out(ward, right_key)
    (taken,) = await take(ward, corrected(kith, right, f"R-{number[-5:]}"))
    assert (taken.accepted, taken.status, taken.rule) == (False, 403, "filed-after-opt-out")
    assert await opened(ward, number) == []
    assert all(labels & Label.WITHDRAWN for labels in await kept(ward, wrong_key))
    assert await kept(ward, right_key) == []


async def test_what_is_taken_along_with_it_is_told_to_the_sender_who_is_refused(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    await ward.person(number)
    right_key = await ward.person(right)
    hers = kith.item("NPU19748", kith.number("5"))
    await take(ward, a_report(kith, number, kith.item() + hers))
    await opts_out(ward, right_key)
    raw = corrected(kith, right, f"R-{number[-5:]}")
    (taken,) = await take(ward, raw)
    assert (taken.status, taken.reports, await opened(ward, number)) == (403, 0, [])
    _, told = taken.faults
    assert told.says.startswith("this is not filed, and was taken from whom it was sent about before; 1 other answers")
    assert (told.where, told.code) == ("", "X99")
    assert told.says.encode() in taken.receipt
    queued = await ward.house.store.pool.fetchrow(
        "SELECT receipt, errors FROM message_in WHERE message LIKE $1 AND status = 'rejected'", f"{right[-5:]}-M-2%"
    )
    assert queued["receipt"] == taken.receipt
    assert told.says.encode() in queued["errors"]
    again = a_report(kith, number, hers, id_="M-3", generated="2026-03-05T12:00:05")
    (taken,) = await take(ward, again)
    assert taken.accepted
    assert values(await opened(ward, number)) == ["5"]


async def test_the_same_correction_again_changes_nothing_and_files_once_she_regrets(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    await ward.person(number)
    right_key = await ward.person(right)
    await take(ward, a_report(kith, number, kith.item()))
    choice = await opts_out(ward, right_key)
    raw = corrected(kith, right, f"R-{number[-5:]}")
    first, second = await take(ward, raw, raw)
    assert first.status == second.status == 403
    await regrets(ward, right_key, choice)
    (third,) = await take(ward, raw)
    assert third.accepted
    assert values(await opened(ward, right)) == ["141"]
    assert await opened(ward, number) == []


async def test_a_new_report_for_somebody_who_has_opted_out_takes_nothing_from_others(
    ward: Ward, kith: Kith, number: str
) -> None:
    right = fresh_number()
    await ward.person(number)
    await take(ward, a_report(kith, number, kith.item()))
    await opts_out(ward, await ward.person(right))
    another = a_report(kith, right, kith.item("NPU01944"), id_="M-9", report=f"R-{right[-5:]}")
    (taken,) = await take(ward, another)
    assert taken.status == 403
    assert values(await opened(ward, number)) == ["140"]


@pytest.mark.parametrize("service", ["C", "M"])
async def test_what_the_regret_brings_back_has_been_corrected_meanwhile(
    ward: Ward, kith: Kith, number: str, service: str
) -> None:
    key = await ward.person(number)
    await take(ward, a_report(kith, number, kith.item()))
    choice = await opts_out(ward, key)
    items = kith.item(value=kith.number("141"), service="M") if service == "M" else ""
    raw = a_report(kith, number, items, id_="M-2", service=service, generated="2026-03-04T12:00:05")
    (taken,) = await take(ward, raw)
    assert taken.accepted
    await regrets(ward, key, choice)
    found = await opened(ward, number)
    assert [tree["status"] for tree in found] == [{"C": "cancelled", "M": "amended"}[service]]
    assert values(found) == ([] if service == "C" else ["141"])


async def test_a_result_is_taken_from_somebody_who_has_opted_out(ward: Ward, kith: Kith, number: str) -> None:
    right = fresh_number()
    wrong_key = await ward.person(number)
    await ward.person(right)
    await take(ward, a_report(kith, number, kith.item()))
    choice = await opts_out(ward, wrong_key)
    (taken,) = await take(ward, corrected(kith, right, f"R-{number[-5:]}"))
    assert taken.accepted
    await regrets(ward, wrong_key, choice)
    assert await opened(ward, number) == []
    assert values(await opened(ward, right)) == ["141"]


async def test_nothing_new_is_kept_of_somebody_who_has_opted_out(ward: Ward, kith: Kith, number: str) -> None:
    key = await ward.person(number)
    await opts_out(ward, key)
    for service in ("N", "M", "C", "A", "H"):
        raw = a_report(kith, number, kith.item(), id_=f"M-{service}", service=service)
        assert [one.status for one in await take(ward, raw)] == [403]
    assert await kept(ward, key) == []


async def test_a_message_with_one_denied_report_registers_nobody(ward: Ward, kith: Kith, number: str) -> None:
    unknown = fresh_number()
    key = await ward.person(number)
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.add_choice(conn, key, Choice("opt-out", "results", "", "", NOW, None))
    reports = "".join(
        kith.report(patient=kith.person(kith.item(), number=whose), id_=f"{whose[-5:]}-two")
        for whose in (unknown, number)
    )
    (taken,) = await take(ward, kith.message(reports, id_=f"denied-{number[-5:]}", version="1.3"))
    assert (taken.accepted, taken.status) == (False, 403)
    async with ward.house.store.pool.acquire() as conn:
        assert await ward.house.store.people.key_of(conn, ward.house.digest(unknown)) is None
