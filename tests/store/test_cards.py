"""Ids of cards, which lead to the law about a patient, and counts of what became of them, which are about nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from kjerne.store import cards
from kjerne.store.cards import KEPT, Count
from kjerne.store.sealed_id import SealedIds

IDS = SealedIds(b"i" * 32)
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def test_a_card_leads_to_its_patient_its_rule_and_its_urgency() -> None:
    one, other = (cards.card_id(IDS, 7, 2, "critical") for _ in range(2))
    assert one != other
    assert cards.opened(IDS, one, 6) == (7, 2, "critical")
    assert cards.opened(IDS, one, 2) is None


def test_an_id_of_a_record_and_one_that_is_made_up_are_no_cards() -> None:
    assert cards.opened(IDS, IDS.make(7, 3), 6) is None
    assert cards.opened(SealedIds(b"j" * 32), cards.card_id(IDS, 7, 2, "info"), 6) is None


async def test_what_became_of_cards_is_counted_once_each_and_forgets_whose_they_were(dsn: str) -> None:
    service = f"service-{uuid4()}"
    conn = await asyncpg.connect(dsn)
    try:
        await cards.keep_shown(conn, NOW, service, [("a", "info"), ("b", "critical"), ("a", "info")])
        await cards.keep_shown(conn, NOW, service, [("a", "info")])
        card = cards.card_id(IDS, 7, 0, "info")
        told = [
            await cards.keep_outcome(conn, NOW, service, card, "a", "info", outcome, reason)
            for outcome, reason in (("overridden", "other"), ("overridden", "other"), ("accepted", ""))
        ]
        assert told == [True, False, True]
        assert await cards.counts(conn, service, NOW) == [
            Count("a", "info", "accepted", "", 1), Count("a", "info", "overridden", "other", 1),
            Count("a", "info", "shown", "", 3), Count("b", "critical", "shown", "", 1),
        ]  # fmt: skip
        assert await cards.counts(conn, service, NOW + timedelta(days=1)) == []
        for table in ("card_count", "card_answer"):
            columns = await conn.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
            )
            assert "patient" not in {row[0] for row in columns}
    finally:
        await conn.close()


async def test_that_a_card_was_told_of_is_forgotten_after_its_time(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        card, service = cards.card_id(IDS, 7, 0, "info"), f"service-{uuid4()}"
        for at, fresh in ((NOW, True), (NOW + KEPT, False), (NOW + KEPT + timedelta(seconds=1), True)):
            assert await cards.keep_outcome(conn, at, service, card, "a", "info", "overridden", "") is fresh
    finally:
        await conn.close()


async def test_the_program_cannot_take_a_count_away(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("DELETE FROM card_count")
    finally:
        await conn.close()
