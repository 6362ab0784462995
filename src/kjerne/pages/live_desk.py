"""The clinician's desk before a patient is open: reports that wait for her, and changes to what she has read.

A name on the desk is a look at a patient like any other. The law is asked for each patient first, so that the desk of a
doctor who was blocked yesterday names nobody today, and what is shown of a record is read with its line in the log.
That something she acted on was changed she hears all the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.exchange import Denied, PatientRef
from kjerne.pages import paging
from kjerne.pages.house import Changed, Identity, Listed, Notice, Resource, Visit, Waiting
from kjerne.pages.live import REPORT, SERVICE, LivePages, tree_of, uuid_of
from kjerne.services.results import points, values
from kjerne.services.results.answers import name_of
from kjerne.services.results.values import Value
from kjerne.store import followup

NOTICES_SHOWN: Final = 10
NOTICES_LOOKED_AT: Final = 500
"""Unseen notices looked at for those that are shown; one change of a report makes one for each of its results."""
WAITING_LOOKED_AT: Final = 500
"""Newest answers that wait for one requester and are listed; the law is asked about each of their patients."""
PATIENTS_READ: Final = 10
"""Patients of one part of the list whose waiting reports are read for their discipline; each of them gets a line in her log."""
TEXT_LENGTH: Final = 160

Named = tuple[int, UUID]


class DeskPages(LivePages):
    """Implements what `pages.house.PagesHouse` shows beside the choice of patient."""

    async def waiting(self, who: Identity, wanted: str) -> Listed[Waiting]:
        """Reports that wait for this requester, newest first: whose, since when, and of which discipline.

        Those alone are counted whose patient the law would open to her today. Only the reports themselves are read, once for
        each of the first `PATIENTS_READ` patients of the part; further ones have their date alone. How many results are outside
        is not told here: it would take every result of patients whom she may not open today, and put each in their logs.
        """
        async with self.store.pool.acquire() as conn:
            found = await followup.waiting(conn, who.hpr, WAITING_LOOKED_AT + 1)
        newest = found[:WAITING_LOOKED_AT]
        opens = {patient: await self._opens(who, patient) for patient in dict.fromkeys(row[0] for row in newest)}
        rows = [row for row in newest if opens[row[0]]]
        part = paging.part(len(rows), wanted, paging.PEOPLE)
        listed = await self._told(who, paging.cut(rows, part))
        return Listed(tuple(listed), part, beyond=len(found) > WAITING_LOOKED_AT)

    async def _told(self, who: Identity, rows: Sequence[tuple[int, UUID, int, datetime]]) -> list[Waiting]:
        """Rows with the names of their patients; one whose report is no longer open to her is left out."""
        listed: list[Waiting] = []
        for place, patient in enumerate(dict.fromkeys(row[0] for row in rows)):
            own = [row for row in rows if row[0] == patient]
            wanted = [(REPORT, id_) for _, id_, _, _ in own] if place < PATIENTS_READ else []
            seen = await self._seen(who, patient, wanted)
            if seen is None:
                continue
            name, trees = seen
            listed += [
                Waiting(patient, name, name_of(trees.get(id_, {})), at, version > 1)
                for _, id_, version, at in own
                if not wanted or id_ in trees
            ]
        return sorted(listed, key=lambda one: one.at, reverse=True)

    async def notices(self, who: Identity) -> tuple[Notice, ...]:
        """What she has read and what was changed since, newest first, one for each change of a report.

        It has name and content where she has a ground to open the patient today. Without one (her need was declared for
        a visit that is over, or the patient has shut her out since) it says when she read it, and of whom nothing.
        """
        async with self.store.pool.acquire() as conn:
            rows = await followup.notices(conn, who.hpr, NOTICES_LOOKED_AT)
        shut: set[int] = set()
        listed: list[Notice] = []
        for (at, patient, kind), group in groupby(
            sorted(rows, key=lambda n: (n.made_at, n.patient, n.kind), reverse=True),
            key=lambda n: (n.made_at, n.patient, n.kind),
        ):
            if len(listed) >= NOTICES_SHOWN:
                break
            told = list(group)
            number, read_at = str(told[0].number), max(n.read_at for n in told)
            wanted = [(n.type, n.id) for n in told] if kind == "corrected" else []
            seen = None if patient in shut else await self._seen(who, patient, wanted)
            if seen is None:
                shut.add(patient)
                listed.append(Notice(number, kind, at, read_at))
                continue
            name, trees = seen
            changes = tuple(change for tree in trees.values() if (change := _changed(tree)))
            if changes or kind == "withdrawn":
                listed.append(Notice(number, kind, at, read_at, patient, name, changes))
        return tuple(listed)

    async def see_notice(self, who: Identity, number: str) -> None:
        """She has seen the notice."""
        async with self.store.pool.acquire() as conn:
            await followup.see_notice(conn, who.hpr, uuid_of(number, "number"), self.clock.now())

    async def _seen(
        self, who: Identity, patient: int, wanted: Sequence[Named]
    ) -> tuple[str, dict[UUID, Resource]] | None:
        """(her name, those of the records that are open), in one audited read; None where the law does not open her.

        Asked first without a trace: a list that is shown is no attempt to open whom it leaves out.
        """
        if not await self._opens(who, patient):
            return None

        async def use(grant: Grant) -> tuple[str, dict[UUID, Resource]]:
            async with self.store.pool.acquire() as conn:
                records = await self.reader.named(conn, grant, wanted) if wanted else []
                name = (await self.person(conn, patient)).name
            return name, {record.id: tree_of(record) for record in records}

        try:
            return await self.under(who, self._visit(patient), "read", use)
        except Denied:
            return None

    async def _opens(self, who: Identity, patient: int) -> bool:
        """Whether the law would open her to this reader today; leaves no trace."""
        caller = await self.caller(who, self._visit(patient))
        return await self.door.would_open(caller, PatientRef(key=patient), SERVICE, "read")

    def _visit(self, patient: int) -> Visit:
        return Visit("desk", patient, "TREAT", self.clock.now())


def _changed(tree: Resource) -> Changed | None:
    point = points.point_of(tree)
    if point is None:
        return None
    new = point.value if point.tells else None
    return Changed(
        values.concept_text(tree.get("code")), _short(point.old), _short(new), point.mark, point.absent, point.was
    )


def _short(value: Value | None) -> Value | None:
    return replace(value, text=textwrap.shorten(value.text, TEXT_LENGTH, placeholder=" …")) if value else None
