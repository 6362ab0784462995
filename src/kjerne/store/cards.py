"""Cards that clinicians are shown: their ids, which say of whom and by which rule they were, and counts of what became of them.

An id is sealed as a record's is. So feedback, which names a card and nothing else, leads to the law about the patient, and
nothing needs to be kept of a card but that it was one more of its rule.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

KEPT: Final = timedelta(days=90)
"""For how long what was told of a card once is known."""
SLOTS: Final = 16
_MARK: Final = 0xCD50
"""The first 16 bits of a card's number: a record's id, which is sealed the same way, is no card's."""
INDICATORS: Final = ("info", "warning", "critical")


class Given(NamedTuple):
    """A card by its id: the person's key, the place of its rule among the service's, and how urgent it was."""

    patient: int
    rule: int
    indicator: str


def card_id(ids: SealedIds, patient: int, rule: int, indicator: str) -> UUID:
    """The id of a new card."""
    number = _MARK << 48 | rule << 40 | INDICATORS.index(indicator) << 32 | secrets.randbits(32)
    return ids.make(patient, number)


def opened(ids: SealedIds, card: UUID, rules: int) -> Given | None:
    """What an id says; None for one that is no card's of a service with so many rules."""
    number = ids.number(card)
    mark, rule, indicator = number >> 48, number >> 40 & 0xFF, number >> 32 & 0xFF
    if mark != _MARK or rule >= rules or indicator >= len(INDICATORS):
        return None
    return Given(ids.patient(card), rule, INDICATORS[indicator])


def suggestion_id(ids: SealedIds, patient: int, card: UUID) -> UUID:
    """The id of a card's one suggestion."""
    return ids.named(patient, "suggestion", str(card))


async def keep_shown(conn: Connection, at: datetime, service: str, shown: Sequence[tuple[str, str]]) -> None:
    """Counts cards, each by its rule and how urgent it is, in the transaction that writes the row of the log."""
    for (rule, indicator), number in sorted(Counter(shown).items()):
        await _count(conn, at, service, rule, indicator, "shown", "", number)


async def keep_outcome(
    conn: Connection, at: datetime, service: str, card: UUID, rule: str, indicator: str, outcome: str, reason: str
) -> bool:
    """Counts what became of a card; False where that was told before."""
    await conn.execute("DELETE FROM card_answer WHERE at < $1", at - KEPT)
    digest = blake2b(card.bytes + outcome.encode(), digest_size=16).digest()
    fresh = await conn.fetchval(
        "INSERT INTO card_answer (digest, at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true", digest, at
    )
    if fresh:
        await _count(conn, at, service, rule, indicator, outcome, reason, 1)
    return bool(fresh)


async def _count(
    conn: Connection, at: datetime, service: str, rule: str, indicator: str, outcome: str, reason: str, number: int
) -> None:
    await conn.execute(
        "INSERT INTO card_count AS c (day, service, rule, indicator, outcome, reason, slot, number) "
        "VALUES ($1::date, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (day, service, rule, indicator, outcome, reason, slot) "
        "DO UPDATE SET number = c.number + excluded.number",
        at.date(), service, rule, indicator, outcome, reason, secrets.randbelow(SLOTS), number,
    )  # fmt: skip


class Count(NamedTuple):
    """How many cards of a rule and an urgency came to an outcome, for a reason."""

    rule: str
    indicator: str
    outcome: str
    reason: str
    number: int


async def counts(conn: Connection, service: str, since: datetime) -> list[Count]:
    """What became of the cards of a service since a day."""
    rows = await conn.fetch(
        "SELECT rule, indicator, outcome, reason, sum(number)::bigint FROM card_count "
        "WHERE service = $1 AND day >= $2::date GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        service, since.date(),
    )  # fmt: skip
    return [Count(*row) for row in rows]
