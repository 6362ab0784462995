"""Changes and histories of everybody, for the sandbox's test client alone (law, K89; decision 58).

What was written is looked up in the order of its transactions, whoever it is about. Each person whom it is about is asked of the
law by herself, once for what she has of one stretch, and opened under that grant with a row in her log; who is shut is passed
over. So nobody is asked about in vain, where a search asks about everybody. Nothing here is part of production.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, Version, history, search_line, self_url
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.interaction import OF_A_HISTORY, check_no_list, known
from kjerne.fhir.negotiation import check_accepted
from kjerne.registries.homes import KEPT
from kjerne.registries.identifiers import is_number
from kjerne.registries.naming import in_address
from kjerne.registries.others import whose
from kjerne.services.standards_history import (
    BASE,
    CHANGES,
    END,
    OF_ALL,
    Asked,
    HistoryApi,
    OfEverybody,
    another_cursor,
    caller_of,
    mark_of,
    must_be_reached,
    onward,
)
from kjerne.store import following as feed
from kjerne.store import past
from kjerne.store.cursors import Cursors, Unbound, alone
from kjerne.store.following import FIRST, Place, Position, Stretch, Told, Written
from kjerne.store.patient_ids import ref
from kjerne.store.reading import Record
from kjerne.store.saying_whose import of_somebody
from kjerne.store.sealed_id import SealedIds

NOBODY: Final = mark_of(())
PEOPLE_LIMIT: Final = 1_000
"""Times that one request may ask the law; a link goes on behind those."""
LOOKED_BEYOND: Final = 200
"""Versions that are looked at beside those that there is room for: who is shut takes none."""


def following(house: Any) -> OfEverybody:
    """What the test client may ask of a house."""
    everybodys = EverybodysHistory(house.cursors, house.store.ids)
    return OfEverybody(everybodys.history, everybodys.changes)


@dataclass(frozen=True)
class EverybodysHistory:
    """Handlers. `cursors` make the page links of histories, which grow old."""

    cursors: Cursors
    ids: SealedIds

    async def changes(self, call: Call, asked: Asked, api: HistoryApi) -> Answer:
        """What was written behind a position, in order (`services.standards_history.FollowsAll`)."""
        if asked.goes_on and asked.whose != NOBODY:
            raise another_cursor()
        until = asyncio.get_running_loop().time() + asked.wait_seconds
        line = search_line(CHANGES, FURTHER if asked.goes_on else asked.pairs)
        types, position = _types(call, api, asked.types), asked.position
        while True:
            async with api.pool.acquire() as conn:
                end = await feed.upto(conn)
            must_be_reached(position, end)
            look = _Look(call, api, types, line, position.since, api.clock.now(), asked._replace(position=position))
            reached = end if asked.begins else await look.onward(position.place, end)
            position = Position(reached, look.now, since=EARLIEST if reached == end else position.since)
            if look.found or reached != end or asked.begins or not await api.waits(None, position, until):
                break
        cursor = api.cursor(call, position, NOBODY, asked)
        return Answer(200, history(look.versions(self.ids), onward(call, asked, cursor, more=reached != end), None))

    async def history(self, call: Call, name: str, api: HistoryApi) -> Answer:
        """Versions of everybody's records, newest first (`services.standards_history.OfAll`): by the order in which they were
        written, which is the order of their times but where two were written at once. They are not counted."""
        check_accepted(call)
        check_no_list(call)
        at = f"{BASE}/{name}/{END}" if name else f"{BASE}/{END}"
        holder, token, last = Unbound(caller_of(call), call.at), alone(in_address(call)), None
        pairs = known(call, call.query, OF_A_HISTORY if name else OF_ALL) if token is None else ()
        if token is not None:
            cursor = self.cursors.open(token, holder, at)
            xid, patient, type_, id_, version = cursor.after
            pairs, last = (
                tuple((key, value) for key, value in cursor.pairs),
                Place(xid, patient, type_, UUID(id_), version),
            )
        shape, span = api.read(name, pairs)
        if any(key == "_at" for key, _ in pairs) or shape.summary == "count":
            says = "the versions of everybody's records are neither counted nor asked for at a time"
            raise Refusal(400, says, where="query", todo="Name one patient, or ask by _since.", code="not-supported")
        line = search_line(f"{name}/{END}" if name else END, pairs if token is None else FURTHER)
        async with api.pool.acquire() as conn:
            end = await feed.upto(conn)
        asked = Asked(pairs, (name,) if name else (), Position(), shape, 0, token is not None, b"", begins=False)
        look = _Look(call, api, _types(call, api, asked.types), line, span.since, api.clock.now(), asked)
        reached = await look.backward(end if last is None else last.before)
        links = [("self", self_url(f"{call.base_url}{call.path}", pairs, shape, is_number))]
        if reached is not None:
            place = [reached.xid, reached.patient, reached.type, str(reached.id), reached.version]
            links.append(("next", f"{call.base_url}{at}?_cursor={self.cursors.make(holder, at, pairs, place)}"))
        return Answer(200, history(look.versions(self.ids, backward=True), links, None))


@dataclass
class _Look:
    """A page on its way."""

    call: Call
    api: HistoryApi
    types: Mapping[str, Sequence[int]]
    line: str
    since: datetime
    now: datetime
    asked: Asked
    found: dict[Told, Record | None] = field(default_factory=dict)
    shut: set[tuple[int, str]] = field(default_factory=set)
    asked_about: int = 0

    @cached_property
    def service_of(self) -> Mapping[int, str]:
        """The service of each type that is asked for, by its number in rows."""
        return {number: service for service, numbers in self.types.items() for number in numbers}

    @property
    def room(self) -> int:
        return self.asked.shape.count - len(self.found)

    async def onward(self, behind: Place, end: Place) -> Place:
        """Fills the page with what lies behind a place; how far that was."""
        while self.room and self.asked_about < PEOPLE_LIMIT:
            some = await self._written(behind, end, backward=False)
            if not some:
                return end
            await self._opened(some, behind, some[-1].place)
            behind = some[-1].place
        return behind

    async def backward(self, end: Place) -> Place | None:
        """Fills the page with what lies at a place and before; the last place of the page, None where that was all."""
        reached: Place | None = None
        while self.room and self.asked_about < PEOPLE_LIMIT:
            some = await self._written(FIRST, end, backward=True)
            if not some:
                return None
            await self._opened(some, some[-1].place.before, end)
            reached = some[-1].place
            end = reached.before
        return reached

    async def _written(self, behind: Place, end: Place, *, backward: bool) -> list[Written]:
        """The next that there is room for, with those between them of whom the law has said no already."""
        async with self.api.pool.acquire() as conn:
            every, limit = list(self.service_of), self.room + LOOKED_BEYOND
            some = await feed.written(conn, every, behind, end, self.since, limit, backward=backward)
        taken, room = list[Written](), self.room
        for one in some:
            if self._whose(one) not in self.shut:
                if not room:
                    break
                room -= 1
            taken.append(one)
        return taken

    def _whose(self, one: Written) -> tuple[int, str]:
        return one.owner, self.service_of[one.place.type]

    async def _opened(self, some: Sequence[Written], behind: Place, end: Place) -> None:
        """What the law opens of a stretch: each person is asked about once for each service, and who is shut once a request."""
        whose = [one for one in dict.fromkeys(map(self._whose, some)) if one not in self.shut]
        if self.call.meet is not None:
            await self.call.meet([owner for owner, _ in whose])
        stretch = Stretch(Position(behind, self.asked.position.released, since=self.since), end, self.now)
        for owner, service in whose:
            self.asked_about += 1
            try:
                await granted(
                    self.call.admit, ref(owner), service, "history", partial(self._of_her, service, stretch), proven=True,
                    asked=self.line, piece=f"{self.asked.types[0]}.s" if len(self.asked.types) == 1 else "",
                )  # fmt: skip
            except Denied:
                self.shut.add((owner, service))
                for name in self.asked.types:
                    smart.demand(self.call.caller, name, "s")

    async def _of_her(self, service: str, stretch: Stretch, grant: Grant) -> None:
        async with self.api.pool.acquire() as conn:
            told = await feed.followed(conn, grant, self.api.reader, self.types[service], stretch, None)
            records = await past.opened(conn, grant, self.api.reader, [one.event for one in told])
        opened = {(one.type, one.id, one.version): one for one in records}
        self.found |= {one: opened.get(one.event[1:4]) for one in told if one.gone or one.event[1:4] in opened}

    def versions(self, ids: SealedIds, *, backward: bool = False) -> list[Version]:
        """The entries of the page."""
        shape = self.asked.shape
        return [
            self.api.version(
                self.call, one.event, (record := self.found[one]) and of_somebody(ids, record), shape, whose
            )
            for one in sorted(self.found, key=lambda told: told.place, reverse=backward)
        ]


def _types(call: Call, api: HistoryApi, names: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """The types that are asked for, by service, of those that the token opens; `Refusal` 403 where it opens none."""
    types, _ = api.services_of(caller_of(call), names)
    if not types:
        for name in names or (KEPT[0][0],):
            smart.demand(call.caller, name, "s")
        raise Refusal(403, "the token does not reach the records of these types", where="scope")
    return types
