"""A summary made for whoever asks, over the wire and on a page alike: drawn, put together, and in her log before it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, Stale, unsettled
from kjerne.fhir.encode import decode
from kjerne.services.summary import composing
from kjerne.services.summary.document import ORGANISATIONS, document
from kjerne.services.summary.drawing import Asking, Drawing, Place, Sources
from kjerne.services.summary.fitting import organisations
from kjerne.services.summary.model import Section, Summary, Tree
from kjerne.store import registers
from kjerne.store.patients import Held, Patients, is_left
from kjerne.store.pool import Pool
from kjerne.store.writing_down import room, write_down

BASE: Final = "/fhir/R4"
AT_ONCE_TREES: Final = 100
"""A document of more entries is put together in a thread, so that others are answered meanwhile."""


@dataclass(frozen=True)
class Making:
    """The one way to a summary. `tells_choices` says whether personnel may hear of what a patient has shut."""

    pool: Pool
    patients: Patients
    drawing: Drawing
    tells_choices: bool

    async def made(self, asking: Asking) -> Tree:
        """The document alone; else as `told`."""
        return (await self.told(asking))[0]

    async def told(self, asking: Asking) -> tuple[Tree, frozenset[str]]:
        """The document, once the rows of what leaves with it stand, and the choices of hers (`Denial.outcome`) by which a
        source is withheld, as far as they may be told to who asks.

        Raises `Denied` where the law opens none of the services; `Refusal` 404 where there is no Patient, 503 where the facts
        keep changing.
        """
        for attempt in range(ATTEMPTS):
            try:
                if attempt:
                    await room(self.pool)
                sources = await self.drawing.sources(asking, proven=attempt == 0)
                document_ = await self._written(asking, sources)
                return document_, frozenset(sources.shut.values()) if self._tells(asking) else frozenset()
            except Stale:
                continue
        raise unsettled()

    def _tells(self, asking: Asking) -> bool:
        return self.tells_choices or asking.caller.kind == "citizen"

    async def _written(self, asking: Asking, sources: Sources) -> Tree:
        first = next(iter(sources.grants.values()))
        tells = self._tells(asking)
        async with self.pool.acquire() as conn:
            held = [one for one in (await self.patients.stood(conn, first))[:1] if one.raw is not None]
        held = [one for one in held if is_left(first.caller, one, "s")]
        if not held:
            async with self.pool.acquire() as conn:
                await write_down(conn, sources.leaving(frozenset()))
            raise Refusal(404, "there is no Patient of whom a summary could be made", where="id")
        summary = await self._summary(
            asking, sources, composing.sections(sources.drawn, tells_choices=tells), held, first
        )
        long = sum(len(one.entries) for one in summary.sections) > AT_ONCE_TREES
        made = await asyncio.to_thread(document, summary) if long else document(summary)
        async with self.pool.acquire() as conn:
            await write_down(conn, sources.leaving(places_in(made)), first, held)
        return made

    async def _summary(
        self, asking: Asking, sources: Sources, sections: Sequence[Section], held: Sequence[Held], first: Grant
    ) -> Summary:  # fmt: skip
        numbers = {
            number for one in sections for tree in one.entries for number in organisations(tree, ORGANISATIONS)
        }  # fmt: skip
        names = await registers.organisation_names(self.pool, sorted(numbers)) if numbers else {}
        summary = Summary(
            decode(held[0].served), sections, (*composing.beside(sources.drawn), *sources.medicines), first.at,
            asking.language, f"{asking.base_url}{BASE}", "", names,
        )  # fmt: skip
        return replace(summary, number=f"{summary.patient['id']} {first.at.isoformat()} {asking.correlation}")


def places_in(made: Tree) -> frozenset[Place]:
    """Type and id of every resource of a document."""
    resources = (one["resource"] for one in made["entry"])
    return frozenset((one["resourceType"], one["id"]) for one in resources)
