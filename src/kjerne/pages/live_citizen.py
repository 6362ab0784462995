"""The citizen's half of the pages' house: her own choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from kjerne.access import Grant, Held, Wish
from kjerne.errors import Refusal
from kjerne.pages import live_representing
from kjerne.pages.house import Blockable, Identity, OwnChoice, Place, Representations, RuleLanguage, Visit
from kjerne.pages.live import SERVICE
from kjerne.pages.live_links import LinkPages
from kjerne.policy import insight, privacy
from kjerne.policy.choosing import NOT_THERE
from kjerne.policy.reach import may_lift, setter
from kjerne.registries.identifiers import hpr_number
from kjerne.store import audit, registers
from kjerne.store.pool import Connection

DIGITS: Final = 19
"""Longest number of a choice that its column can hold."""


class CitizenPages(LinkPages):
    """Implements the rest of `pages.house.PagesHouse`."""

    async def representations(self, who: Identity, language: RuleLanguage) -> Representations:
        """Whom she may act for and who may act for her."""
        return await live_representing.representations(self, who, language)

    async def choices(self, who: Identity, visit: Visit) -> tuple[OwnChoice, ...]:
        """The patient's choices in force."""

        async def use(grant: Grant) -> tuple[OwnChoice, ...]:
            held = await self.choosing.held(grant)
            hprs = [one.choice.hpr for one in held if one.choice.hpr]
            places = [one.choice.organisation for one in held] + [one.choice.source for one in held]
            names = await registers.practitioner_names(self.store.pool, hprs)
            named = await registers.organisation_names(self.store.pool, sorted({*places} - {""}))
            return tuple(_own_choice(one, grant, names, named) for one in held)

        return await self.under(who, visit, "choose", use)

    async def blockable(self, who: Identity, visit: Visit) -> tuple[Blockable, ...]:
        """Those who have looked, and the patient's own GP. That it was read is in her log, as all here."""

        async def use(grant: Grant) -> tuple[Blockable, ...]:
            async with self.store.pool.acquire() as conn, conn.transaction():
                found = await _blockable(conn, grant)
                await audit.insert_chosen_seen(conn, grant)
            return found

        return await self.under(who, visit, "choose", use)

    async def health_worker(self, who: Identity, visit: Visit, hpr: str) -> Blockable | None:
        """The personnel register's word on an HPR number; zeros in front make no other person."""

        async def use(_: Grant) -> Blockable | None:
            found = await registers.practitioner(self.store.pool, hpr_number(hpr).lstrip("0"))
            return Blockable(found.hpr, found.name, next(iter(found.authorizations), ""), "") if found else None

        return await self.under(who, visit, "choose", use)

    async def places(self, who: Identity, visit: Visit, service: str) -> tuple[Place, ...]:
        """Those who have filed in the service or answer for a source that is asked for it, and those who have looked."""

        async def use(grant: Grant) -> tuple[Place, ...]:
            async with self.store.pool.acquire() as conn, conn.transaction():
                hidden = [UUID(one) for one in await audit.hidden_from(conn, grant)]
                rows = await conn.fetch(_PLACES, list(grant.subject.keys), sorted(insight.FILING), hidden, service)
                await audit.insert_chosen_seen(conn, grant)
            known = {number: (sent, treats) for number, sent, treats in rows}
            for number in await self.sources_elsewhere(service, grant.at):
                known[number] = True, known.get(number, (False, False))[1]
            names = await registers.organisation_names(self.store.pool, sorted(known))
            found = [Place(number, names.get(number, number), *said) for number, said in known.items()]
            return tuple(sorted(found, key=lambda place: place.name))

        return await self.under(who, visit, "choose", use)

    async def choose(self, who: Identity, visit: Visit, wish: Wish) -> None:
        """Puts a choice in force from the next request on, on every host."""

        async def use(grant: Grant) -> None:
            await self.choosing.make(grant, wish)

        await self.under(who, visit, "choose", use)

    async def lift(self, who: Identity, visit: Visit, number: str) -> None:
        """Takes a choice back."""

        async def use(grant: Grant) -> None:
            if not (number.isascii() and number.isdigit() and len(number) <= DIGITS):
                raise Refusal(404, NOT_THERE, where="number")
            await self.choosing.lift(grant, int(number))

        await self.under(who, visit, "choose", use)


def _own_choice(one: Held, grant: Grant, names: Mapping[str, str], places: Mapping[str, str]) -> OwnChoice:
    choice = one.choice
    return OwnChoice(
        number=str(one.number),
        kind=choice.kind,
        made_at=choice.made_at,
        who=names.get(choice.hpr, ""),
        organisation=places.get(choice.organisation, choice.organisation),
        ends_at=privacy.deletion_of(choice) or choice.ended_at,
        role=choice.role,
        part=choice.part,
        source=places.get(choice.source, choice.source),
        course=choice.course,
        record=str(choice.record or ""),
        by=setter(one),
        may_lift=may_lift(grant, one),
        service=choice.service or SERVICE,
    )


_PLACES = """
SELECT organisation, bool_or(action = 'file' AND service = $4), bool_or(caller_kind = 'practitioner') FROM audit
WHERE patient = ANY($1::bigint[]) AND organisation <> '' AND outcome = 0
AND NOT (action = ANY($2::text[]) AND ids <> '{}' AND ids <@ $3::uuid[]) GROUP BY organisation ORDER BY 1 LIMIT 200"""
"""Who filed nothing but what is kept from the reader is not offered."""

_LOOKERS = """
SELECT p.hpr, p.name, p.authorizations, coalesce(max(o.name), '') FROM practitioner p
LEFT JOIN audit a ON a.caller_hpr = p.hpr AND a.patient = ANY($1::bigint[])
  AND NOT (a.action = ANY($2::text[]) AND a.ids <> '{}' AND a.ids <@ $3::uuid[])
LEFT JOIN organisation o ON o.number = a.organisation
WHERE a.caller_hpr IS NOT NULL OR p.hpr IN (SELECT hpr FROM person_tie WHERE patient = ANY($1::bigint[]) AND hpr <> '')
GROUP BY p.hpr, p.name, p.authorizations ORDER BY p.name LIMIT 200"""
"""As of places: whose only lines are of what is kept from the reader is named to her nowhere."""


async def _blockable(conn: Connection, grant: Grant) -> tuple[Blockable, ...]:
    hidden = [UUID(one) for one in await audit.hidden_from(conn, grant)]
    rows = await conn.fetch(_LOOKERS, list(grant.subject.keys), sorted(insight.FILING), hidden)
    return tuple(Blockable(row[0], row[1], next(iter(row[2]), ""), row[3]) for row in rows)
