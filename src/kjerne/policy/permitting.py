"""A parent's consent that a youth of 13 to 15 sees what a service has about her: given, withdrawn, and over at 16 by itself.

It lies among her own choices and holds as they do, on the next request of every worker. Who may give it is the rule table's to
say (`policy.table_youth`); nothing of her record is read on the way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Final

from kjerne.access import Choice, Grant, Held
from kjerne.errors import Refusal
from kjerne.policy.people import HEALTH_MAJORITY, OSLO, birthday
from kjerne.store import audit
from kjerne.store.house import Store
from kjerne.store.pool import Connection
from kjerne.store.records import hold

KIND: Final = "youth-access"


class Permitting:
    """The consents of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def held(self, grant: Grant) -> tuple[Held, ...]:
        """Those in force. That it was asked is in her log."""
        _must_permit(grant)
        async with self._store.pool.acquire() as conn, conn.transaction():
            found = await self._standing(conn, grant)
            await audit.insert_chosen_seen(conn, grant)
        return found

    async def give(self, grant: Grant) -> None:
        """In force until the youth turns 16. `Refusal` 409 where there is one; `Stale` where a fact changed meanwhile."""
        _must_permit(grant)
        async with self._store.pool.acquire() as conn, conn.transaction():
            await hold(conn, grant)
            if await self._standing(conn, grant):
                raise Refusal(409, "There is a consent in force.", where="consent", rule="choice-in-force")
            choice = Choice(KIND, grant.service, "", "", grant.at, ends_at(grant.subject.birth_date))
            number = await self._store.people.add_choice(conn, grant.subject.patient, choice, by=grant)
            await audit.insert_chosen(conn, grant, "made", KIND, number)

    async def withdraw(self, grant: Grant) -> None:
        """Ends it, whoever gave it and under whichever number: that shuts, and any of them may. `Refusal` 404 where none is
        in force."""
        _must_permit(grant)
        async with self._store.pool.acquire() as conn, conn.transaction():
            await hold(conn, grant)
            standing = await self._standing(conn, grant)
            if not standing:
                raise Refusal(404, "There is no consent in force.", where="consent", rule="choice-not-in-force")
            for one in standing:
                await self._store.people.end_choice(conn, one.patient, one.number, grant.at, by=grant)
                await audit.insert_chosen(conn, grant, "ended", KIND, one.number, patient=one.patient)

    async def _standing(self, conn: Connection, grant: Grant) -> tuple[Held, ...]:
        held = await self._store.people.choices(conn, grant)
        return tuple(
            one
            for one in held
            if one.choice.kind == KIND
            and one.choice.service == grant.service
            and (one.choice.ended_at is None or grant.at < one.choice.ended_at)
        )


def ends_at(born: date | None) -> datetime:
    """The midnight in Norway on which she turns 16 and decides for herself."""
    assert born is not None, "of an unknown age nobody is permitted anything"
    return datetime.combine(birthday(born, HEALTH_MAJORITY), time(), OSLO).astimezone(UTC)


def _must_permit(grant: Grant) -> None:
    if grant.action != "permit":
        raise Refusal(403, "This access does not cover consent to youth access.", rule="permit-only")
