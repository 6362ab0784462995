"""Summaries from abroad in the made-up house: kept in memory, read and compared as the real ones are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.pages.abroad_house import AbroadChart, AbroadShelf, Seen
from kjerne.pages.house import Identity, Visit
from kjerne.services.critical.abroad import identity, reading
from kjerne.services.critical.abroad.reading import Document
from kjerne.services.critical.abroad.reconciling import compared
from kjerne.services.critical.abroad.settling import Deed, Opened
from kjerne.services.critical.drafts import Draft
from kjerne.services.critical.groups import Entered, plain
from kjerne.store.abroad import WHOLE, Held, Kind, Said, Step, Told
from pages.fake_critical import FakeCritical

KINDS: dict[Deed, Kind] = {"take-in": "taken", "same-as": "same", "leave-out": "left"}


@dataclass
class FakeAbroad(FakeCritical):
    """`foreign` are the documents by number."""

    foreign: dict[UUID, tuple[Held, bytes]] = field(default_factory=dict)
    moved: int = 0
    """How often something was registered beside a document by somebody else."""

    async def abroad(self, who: Identity, visit: Visit) -> AbroadShelf:
        chart = await self.critical(who, visit)
        return AbroadShelf(chart.patient, tuple(held for held, _ in self.foreign.values()), chart.names, chart.may)

    async def bring_abroad(
        self, who: Identity, visit: Visit, raw: bytes, country: str, confirmed: frozenset[str]
    ) -> UUID:  # fmt: skip
        document, patient = self._read(raw), (await self.critical(who, visit)).patient
        here = {"name": [{"text": patient.name}], "birthDate": f"{patient.birth_date}", "gender": patient.sex}
        verdicts = identity.compared(document.person, here, (), lambda _: PatientRef())
        identity.check(verdicts, confirmed, document.place)
        head, number = document.head, uuid4()
        told = Told(
            head.value, head.date, head.title, head.language, head.author, head.custodian, country or head.country,
            "application/fhir+json", len(raw), "0f" * 32, who.name, who.hpr, who.role, "", confirmed=tuple(sorted(confirmed)),
        )  # fmt: skip
        self.foreign[number] = Held(visit.patient, number, self.clock.now(), "100000016", b"", told, ()), raw
        return number

    async def abroad_opened(
        self, who: Identity, visit: Visit, number: UUID, *, tells_beside: bool = True
    ) -> AbroadChart:  # fmt: skip
        held, raw = await self.abroad_content(who, visit, number)
        chart, document = await self.critical(who, visit), self._read(raw)
        here = [Entered(one, plain(one), {}) for one in chart.entries]
        entries = tuple(compared(one, plain(one.entry) if one.entry else None, here) for one in document.entries)
        tags = {one.place: self._tag(held, one.place) for one in document.entries}
        return AbroadChart(chart.patient, Opened(held, document, entries, tags), chart.names, chart.may)

    async def abroad_content(self, who: Identity, visit: Visit, number: UUID) -> tuple[Held, bytes]:
        if number not in self.foreign:
            raise Refusal(404, "There is no such document.", where="abroad")
        held, raw = self.foreign[number]
        if (last := held.last()) and last.kind == "withdrawn":
            raise Refusal(410, "It was taken back.", where="document")
        return held, raw

    async def settle_abroad(
        self, who: Identity, visit: Visit, seen: Seen, deed: Deed, *, record: str = "", reason: str = "",
        draft: Draft | None = None,
    ) -> str:  # fmt: skip
        held, _ = self.foreign[seen.document]
        if seen.tag != self._tag(held, seen.place):
            raise Refusal(412, "it is another by now", where="If-Match")
        made = await self.register_critical(who, visit, draft) if draft else ""
        self._step(who, seen.document, seen.place, KINDS[deed], reason)
        return made

    async def take_back_abroad(self, who: Identity, visit: Visit, number: UUID, reason: str) -> None:
        self._step(who, number, WHOLE, "withdrawn", reason)

    def _step(self, who: Identity, number: UUID, place: int, kind: Kind, reason: str) -> None:
        held, raw = self.foreign[number]
        said = Said(who.name, who.hpr, who.role, "100000016", reason)
        count = sum(one.place == place for one in held.steps) + 1
        step = Step(place, count, self.clock.now(), kind, None, None, said)
        self.foreign[number] = replace(held, steps=(*held.steps, step)), raw

    def _read(self, raw: bytes) -> Document:
        return reading.read(json.loads(raw), self.clock.now())

    def _tag(self, held: Held, place: int) -> str:
        last = held.last(place)
        return f"{last.number if last else 0}-{self.moved}"
