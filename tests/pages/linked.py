"""The links of the fake house: one in force, one undone, and what was shown over the first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kjerne.errors import Refusal
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
        undone = replace(first, undone_at=AT, undone_by="Drift Driftsen")
        made = tuple(replace(first, number=8, reason="Samme person") for one, _ in self.done if len(one) == 11)
        why = next((reason for number, reason in self.done if number == "7"), "")
        return (
            *made,
            replace(undone, undone_why=why) if why else first,
            replace(undone, number=6, undone_why="De er to"),
        )

    async def compare_persons(self, who: Identity, one: str, other: str, reason: str) -> Compared:
        if one == other and one.isdigit():  # who only tries every form types the same words in both
            raise Refusal(400, "the two numbers are one", where="other")
        return Compared("same", "differs", linked=False)

    async def link_persons(self, who: Identity, one: str, other: str, reason: str) -> int:
        self.done.append((one, other))
        return 7

    async def shown_over(self, who: Identity, number: int, reason: str) -> Meanwhile:
        look = Look(AT, "practitioner", "LE", "Solbakken legesenter", "TREAT", ((type_number("Observation"), 2),))
        return Meanwhile((await self.links(who))[0], (look,), more=False, joined=False)

    async def unlink_persons(self, who: Identity, number: int, reason: str) -> None:
        self.done.append((str(number), reason))
