"""The links of the fake house: one in force, one undone, and what was shown over the first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kjerne.fhir.definitions import type_number
from kjerne.pages.house import Identity
from kjerne.services.persons.linking import Compared, Look, Meanwhile
from kjerne.store.linking import Link

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Linked:
    """Implements that part of `pages.house.PagesHouse`; what was done stands in `done`."""

    done: list[tuple[str, str]]

    async def links(self, who: Identity) -> tuple[Link, ...]:
        first = Link(7, 1, 8, AT, "Drift Driftsen", "Fikk nytt nummer i fjor")
        return first, replace(first, number=6, undone_at=AT, undone_by="Drift Driftsen", undone_why="De er to")

    async def compare_persons(self, who: Identity, one: str, other: str, reason: str) -> Compared:
        return Compared("same", "differs", linked=False)

    async def link_persons(self, who: Identity, one: str, other: str, reason: str) -> int:
        self.done.append((one, other))
        return 7

    async def shown_over(self, who: Identity, number: int, reason: str) -> Meanwhile:
        look = Look(AT, "practitioner", "LE", "Solbakken legesenter", "TREAT", ((type_number("Observation"), 2),))
        return Meanwhile((await self.links(who))[0], (look,), more=False, joined=False)

    async def unlink_persons(self, who: Identity, number: int, reason: str) -> None:
        self.done.append((str(number), reason))
