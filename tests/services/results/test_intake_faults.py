"""What a fault of ours, or a connection that breaks, does to a laboratory's message: nothing lost, nothing half stored."""

from __future__ import annotations

import itertools
from typing import Any, NoReturn

import asyncpg
import pytest
import structlog
from lxml import etree

from kjerne.errors import Refusal
from kjerne.services.results.intake import Intake
from kjerne.services.results.kith import apprec
from kjerne.store import messages

from .conftest import LAB, Ward, fresh_number
from .test_intake import a_report, opened, take, values

Kith = Any
HOOKED = ("fetch", "fetchrow", "fetchval", "execute", "executemany")


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("kjerne.services.results.kith.chain.fold", RecursionError("too deep")),
        ("kjerne.services.results.kith.mapping.resources", KeyError("x")),
        ("kjerne.services.results.kith.traces.trace", ValueError("no")),
        ("kjerne.store.followup.put_in_inbox", ZeroDivisionError()),
    ],
)
async def test_a_fault_of_ours_refuses_the_message_and_keeps_it_to_be_run_again(
    ward: Ward, kith: Kith, number: str, monkeypatch: pytest.MonkeyPatch, place: str, fault: Exception
) -> None:
    await ward.person(number)
    raw = a_report(kith, number, kith.item())

    def broken(*_: Any) -> NoReturn:
        raise fault

    monkeypatch.setattr(place, broken)
    with structlog.testing.capture_logs() as logged:
        taken = await ward.house.intake.take(raw, LAB, ward.admit(), "corr-7")
    assert (taken.accepted, taken.status) == (False, 422)
    receipt = apprec.parse(etree.fromstring(taken.receipt))
    assert receipt.status == "2"
    assert "corr-7" in receipt.faults[0].says
    told = next(one for one in logged if one["event"] == "fault")
    assert (told["correlation"], told["log_level"], told["exc_info"]) == ("corr-7", "error", True)
    assert await opened(ward, number) == []
    monkeypatch.undo()
    async with ward.house.store.pool.acquire() as conn:
        (waiting,) = [one for one in await messages.rejected(conn, LAB.organisation) if number[-5:] in one.message]
        kept = await messages.content(conn, ward.house.store.copies, LAB.organisation, waiting.message)
    assert kept == raw
    (again,) = await take(ward, kept)
    assert again.accepted
    assert values(await opened(ward, number)) == ["140"]


async def test_a_fault_while_reading_refuses_the_message_too(ward: Ward, kith: Kith, number: str) -> None:
    def broken(_: bytes) -> NoReturn:
        raise RecursionError("too deep")

    intake = Intake(
        ward.house.store, ward.house.clock, ward.house.settings, broken, ward.house.digest, ward.house.made_up
    )  # fmt: skip
    taken = await intake.take(a_report(kith, number, kith.item()), LAB, ward.admit(), "corr-8")
    assert (taken.accepted, taken.status) == (False, 422)
    assert b"corr-8" in taken.receipt


@pytest.mark.parametrize("moves", [False, True])
async def test_a_connection_that_breaks_at_any_statement_leaves_nothing_or_all(
    ward: Ward, kith: Kith, number: str, monkeypatch: pytest.MonkeyPatch, moves: bool
) -> None:
    """A first report of two people, or one that moves from one to the other; broken after each statement in turn."""
    other = fresh_number()
    for one in (number, other):
        await ward.person(one)
    report = f"R-{number[-5:]}"
    if moves:
        await take(ward, a_report(kith, number, kith.item(id_="1"), id_="first"))
        raw = a_report(
            kith, other, kith.item(id_="1"), id_="next", report=report, service="M", generated="2026-03-03T12:00:00"
        )
    else:
        reports = "".join(
            kith.report(patient=kith.person(kith.SAMPLE + kith.item(), number=one), id_=f"{report}-{one[-5:]}")
            for one in (number, other)
        )
        raw = kith.message(reports, id_=f"next-{report}", version="1.3")
    before = await rows_of(ward, number, other)
    after, at = None, 0
    while after is None or after == before:
        at += 1
        assert at < 100
        with monkeypatch.context() as broken:
            reached = break_at(broken, at)
            try:
                taken = await ward.house.intake.take(raw, LAB, ward.admit())
                assert taken.accepted and not reached
            except Refusal as refusal:
                assert refusal.status == 503
        after = await rows_of(ward, number, other)
        if reached and reached[-1] != "COMMIT":
            assert after == before, f"half of it is stored after statement {at}"
    assert at > 4
    (again,) = await take(ward, raw)
    assert again.accepted
    assert (await rows_of(ward, number, other)) == after
    whose = {one: values(await opened(ward, one)) for one in (number, other)}
    assert whose == ({number: [], other: ["140"]} if moves else {number: ["140"], other: ["140"]})


def break_at(monkeypatch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Ends the connection after the `at`-th statement on any connection; the list says at which it did."""
    counted, reached = itertools.count(1), list[str]()

    def hooked(name: str) -> Any:
        plain = getattr(asyncpg.Connection, name)

        async def hook(conn: Any, statement: str, *values: Any, **more: Any) -> Any:
            answer = await plain(conn, statement, *values, **more)
            if next(counted) == at:
                reached.append(statement[:6])
                conn.terminate()
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            return answer

        return hook

    for name in HOOKED:
        monkeypatch.setattr(asyncpg.Connection, name, hooked(name))
    return reached


async def rows_of(ward: Ward, *numbers: str) -> list[Any]:
    """Everything the intake writes about these people and by their messages."""
    pool = ward.house.store.pool
    digests = [ward.house.digest(number) for number in numbers]
    keys = [row[0] for row in await pool.fetch("SELECT patient FROM person_identifier WHERE digest = ANY($1)", digests)]
    found = []
    for table in (
        "record",
        "record_history",
        "report_source",
        "report_version",
        "notice",
        "requester_inbox",
        "locator",
    ):
        rows = await pool.fetch(f"SELECT t::text FROM {table} t WHERE patient = ANY($1) ORDER BY 1", keys)
        found += [row[0] for row in rows]
    filed = await pool.fetch(
        "SELECT t::text FROM audit t WHERE patient = ANY($1) AND cardinality(ids) > 0 AND action = 'file' ORDER BY 1",
        keys,
    )
    return [*found, *(row[0] for row in filed)]
