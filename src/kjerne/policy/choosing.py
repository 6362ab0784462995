"""The patient's choices as they are kept: dated events of each service, made and ended, each with who did it and when.

A change is one transaction that holds her rows: the choice, the marks on her records, the stamp that makes it hold on the
next request of every worker, her log's row, and the deletion that an opt-out turns into.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from kjerne.access import Denial, Grant, Held, Wish
from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.jobs import cancel, plan
from kjerne.policy import privacy
from kjerne.policy.rules import decide, told
from kjerne.store import audit, erasing, marking, registers, summary_links
from kjerne.store.house import Store
from kjerne.store.reading import Reader
from kjerne.store.records import hold

NOT_THERE: Final = "There is no such choice in force."


class Choosing:
    """Makes, ends and lists choices over one store. `types_by_service` says which records each service keeps."""

    def __init__(self, store: Store, reader: Reader, types_by_service: Mapping[str, Sequence[int]]) -> None:
        self._store = store
        self._reader = reader
        self._types_by_service = types_by_service

    async def held(self, grant: Grant, *, ended: bool = False) -> list[Held]:
        """What is in force, newest first; with `ended` everything that ever was, in the services that the law lets the caller
        choose in. That it was read is in her log."""
        async with self._store.pool.acquire() as conn, conn.transaction():
            held = await self._store.people.choices(conn, grant)
            await audit.insert_chosen_seen(conn, grant)
        return [one for one in held if (ended or _stands(one, grant)) and may_choose(grant, one.choice.service)]

    async def make(self, grant: Grant, wish: Wish) -> Held:
        """Puts a choice in force. `Refusal` where it cannot be, `Denied` where the law of the service that it is about does not
        let the caller choose; `Stale` where a fact changed meanwhile."""
        if isinstance(answer := _asked(grant, wish.service), Denial):
            async with self._store.pool.acquire() as conn:
                await audit.insert(conn, audit.refused(answer))
            raise Denied(told(answer))
        known = await registers.practitioner(self._store.pool, wish.hpr.strip().lstrip("0")) if wish.hpr else None
        named = (one.replace(" ", "") for one in (wish.organisation, wish.source))
        numbers = [one for one in named if one.isascii() and one.isdigit()]  # anything else no register has
        places = await registers.organisation_names(self._store.pool, numbers)
        async with self._store.pool.acquire() as conn, conn.transaction():
            await hold(conn, grant)
            held = await self._store.people.choices(conn, grant)
            change = privacy.make(grant, wish, held=held, is_registered=known is not None, organisations=places)
            choice = change.choice
            if choice.kind == "record" or choice.slot >= 0:
                types = self._types_by_service.get(choice.service, ())
                if choice.record is not None and not await marking.is_open(conn, grant, types, choice.record):
                    raise Refusal(404, "You have no record with this id here.", where="record", rule="choice-invalid")
                await marking.put_on(conn, _in(grant, choice.service), self._reader, types, choice)
                choice = replace(choice, marked=grant.subject.keys)
            number = await self._store.people.add_choice(conn, change.patient, choice, by=grant)
            await audit.insert_chosen(
                conn, grant, "made", choice.kind, number, patient=change.patient, service=choice.service
            )
            await summary_links.shut(conn, grant, choice)
            if change.delete_at:
                await plan(conn, erasing.KIND, f"{change.patient}:{number}", change.delete_at)
        return Held(change.patient, number, choice, grant.at, grant.rule)

    async def lift(self, grant: Grant, number: int) -> Held:
        """Ends a choice. `Refusal` 404 where there is none in force; `Stale` where a fact changed meanwhile."""
        async with self._store.pool.acquire() as conn, conn.transaction():
            await hold(conn, grant)
            standing = [one for one in await self._store.people.choices(conn, grant) if _stands(one, grant)]
            held = next((one for one in standing if one.number == number), None)
            if held is None or not may_choose(grant, held.choice.service):
                raise Refusal(404, NOT_THERE, where="number", rule="choice-not-in-force")
            change = privacy.lift(grant, held)
            left = [one.choice for one in standing if one is not held]
            service = held.choice.service
            types = self._types_by_service.get(service, ())
            await marking.take_off(conn, _in(grant, service), self._reader, types, held.choice, left)
            await self._store.people.end_choice(conn, change.patient, number, grant.at, by=grant)
            await audit.insert_chosen(
                conn, grant, "ended", held.choice.kind, number, patient=change.patient, service=service
            )
            if change.cancels_deletion:
                await cancel(conn, erasing.KIND, f"{change.patient}:{number}")
        return replace(held, choice=change.choice, ended_by=grant.rule)


def _stands(held: Held, grant: Grant) -> bool:
    return privacy.stands(held.choice, grant.at)


def _asked(grant: Grant, service: str) -> Grant | Denial:
    """What the law of the service that a choice is about (empty: of all) says of who chooses: a representative sees not every
    one (K47, K64). The token's SMART scopes were asked with the grant."""
    return decide(
        replace(grant.caller, limits=None), grant.subject, service or grant.service, "choose", purpose=grant.purpose,
        now=grant.at, correlation=grant.correlation,
    )  # fmt: skip


def may_choose(grant: Grant, service: str) -> bool:
    """Whether who chooses by this grant may choose about a service, and see what was chosen there."""
    return isinstance(_asked(grant, service), Grant)


def _in(grant: Grant, service: str) -> Grant:
    """The grant as of one service, whose key its records are opened with to be marked."""
    return replace(grant, service=service)
