"""Critical information of the made-up house: Kari has some of every standing, and what is posted is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kjerne.access import Caller
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.pages import critical_words
from kjerne.pages.critical_house import Codes, CriticalChart, EntryChanged, Shows, all_of_it
from kjerne.pages.house import Identity, Notice, Patient, Visit
from kjerne.policy.services import SERVICES
from kjerne.registries import recorders
from kjerne.registries.kj_profiles import ATC, SNOMED
from kjerne.services.critical import drafts, keeping
from kjerne.services.critical.drafts import REACTIONS, SOURCES, Deed, Draft
from kjerne.services.critical.entries import Coded, Entry, entry
from kjerne.services.critical.groups import Entered, beside, grouped, plain
from kjerne.store.participation import SourceRow
from kjerne.store.transfers import Origin

FIRST = datetime(2024, 4, 11, 10, tzinfo=UTC)
HOSPITAL = "983658725"
PLACES = {HOSPITAL: "Haukeland universitetssjukehus", "100000016": "Solbakken legesenter"}
SHOCK = Coded(REACTIONS, "1", "Anafylaktisk reaksjon")
SEEN = Coded(SOURCES, "2", "Observert")
PENICILLIN = Coded(ATC, "J01CE02", "Fenoksymetylpenicillin")
KNOWN = (PENICILLIN, Coded(ATC, "J01CA04", "Amoksicillin"), Coded(SNOMED, "14106009", "Pacemaker"))
HAGEN = Caller(
    "practitioner", "pages", frozenset(), name="Ola Hagen", hpr="9000001", authorization="LE", organisation="100000016"
)
EIDE = replace(HAGEN, name="Tor Eide", hpr="9000009", organisation=HOSPITAL)

PEOPLE = critical_words.people(
    {one.hpr: one.name for one in (HAGEN, EIDE)}, [(one.hpr, one.authorization) for one in (HAGEN, EIDE)]
)
Tree = dict[str, Any]


@dataclass
class Kept:
    """One record with every version, the newest first."""

    type: str
    id: str
    versions: list[tuple[int, datetime, Tree]]

    def next(self, tree: Tree, at: datetime) -> None:
        self.versions.insert(0, (self.versions[0][0] + 1, at, tree))

    def read(self, now: datetime) -> Entry:
        return entry(self.type, self.id, self.versions, now)


def _kept(id_: str, draft: Draft, by: Caller = EIDE, at: datetime = FIRST) -> Kept:
    return Kept(draft.type, id_, [(1, at, recorders.registered(drafts.made(draft), by, at))])


def the_entries() -> list[Kept]:
    """Severe and confirmed, severe and not confirmed, of each other type, over, refuted and entered in error."""
    confirmed = _kept(
        "a-1", Draft("drug-reaction", PENICILLIN, "high", reaction=SHOCK, source=SEEN, note="Innlagt et døgn.")
    )
    was = confirmed.versions[0][2]
    confirmed.next(
        recorders.changed(drafts.verified(was), was, HAGEN, FIRST + timedelta(days=40)), FIRST + timedelta(days=40)
    )
    nuts = Draft("other-allergen", Coded(SNOMED, "762952008", "Peanøtt"), "high", reaction=SHOCK, source=SEEN)
    refuted = _kept(
        "a-3", Draft("drug-reaction", Coded(ATC, "N02BA01", "Acetylsalisylsyre"), "low", reaction=SHOCK, source=SEEN)
    )
    was = refuted.versions[0][2]
    refuted.next(recorders.changed(drafts.refuted(was, "Provokasjonstest uten reaksjon."), was, HAGEN, FIRST), FIRST)
    wrong = _kept("c-2", Draft("critical-condition", Coded(SNOMED, "46635009", "Diabetes type 1")))
    wrong.next(
        keeping.withdrawn(drafts.with_note(wrong.versions[0][2], "Gjaldt en annen pasient."), HAGEN, FIRST), FIRST
    )
    over = _kept("p-1", Draft("radiotherapy", drafts.TREATMENTS["radiotherapy"]))
    was = over.versions[0][2]
    over.next(recorders.changed(drafts.refuted(was, "Avsluttet etter plan."), was, EIDE, FIRST), FIRST)
    return [
        confirmed,
        _kept("a-2", nuts, HAGEN),
        _kept("c-1", Draft("infection", Coded(SNOMED, "115329001", "MRSA"), source=SEEN)),
        _kept("d-1", Draft("implant", KNOWN[2], implanted="2021-09-02", note="Ikke MR uten avklaring.")),
        refuted, wrong, over,
    ]  # fmt: skip


def told(at: datetime) -> Notice:
    """That the penicillin was confirmed after it was read."""
    now, was = the_entries()[0].read(at).versions
    changes = (EntryChanged(at - timedelta(days=9), was, now), EntryChanged(at - timedelta(days=9), now, None))
    return Notice("n4", "corrected", at, at - timedelta(days=9), 1, "Kari Nordvik", entries=changes, is_critical=True)


def no_draft() -> Draft:
    raise AssertionError("nothing was sent to change it to")


@dataclass
class FakeCritical:
    """`failing` patients get no answer; `terms` says whether any code system is loaded."""

    clock: Clock
    entries: dict[int, list[Kept]] = field(default_factory=lambda: {1: the_entries()})
    failing: set[int] = field(default_factory=set)
    terms: bool = True
    origins: dict[str, dict[int, Origin]] = field(default_factory=dict)
    registered: list[Draft] = field(default_factory=list)
    named: list[tuple[str, int]] = field(default_factory=list)
    """The entries, each with a version, that the last page said it shows."""
    refused_note: str = "Det som profilen avviser"

    def must_open(self, who: Identity, visit: Visit) -> Patient:
        """The patient, or the refusal that the law has for her."""
        raise NotImplementedError

    async def critical(
        self, who: Identity, visit: Visit, shows: Shows = all_of_it, *, alone: bool = False
    ) -> CriticalChart:
        if visit.patient in self.failing:
            raise RuntimeError("the register is away")
        patient = self.must_open(who, visit)
        now = self.clock.now()
        read = tuple(
            sorted((one.read(now) for one in self.entries.get(visit.patient, ())), key=lambda e: not e.now.weighs_most)
        )
        self.named = [(one.id, version.number) for one, version in shows(read)]
        sources = (SourceRow("Haukeland universitetssjukehus", "national", (), FIRST),)
        may = SERVICES["critical-information"].registers.get(who.role, frozenset())
        groups = grouped(Entered(one, plain(one), self.origins.get(one.id, {})) for one in read)
        return CriticalChart(patient, now, read, PLACES | PEOPLE, sources, may, beside(groups))

    async def critical_alike(self, who: Identity, visit: Visit, draft: Draft) -> tuple[Entry, ...]:
        entries = (await self.critical(who, visit)).entries
        return tuple(one for one in entries if one.type == draft.type and one.now.name == draft.about.name)

    async def register_critical(self, who: Identity, visit: Visit, draft: Draft) -> str:
        if draft.note == self.refused_note:
            raise Refusal(422, "a profile says no", where="Flag.code")
        kept = self.entries.setdefault(visit.patient, [])
        kept.append(_kept(f"n-{len(kept)}", draft, HAGEN, self.clock.now()))
        self.registered.append(draft)
        return kept[-1].id

    async def change_critical(
        self, who: Identity, visit: Visit, named: tuple[str, str, int], deed: Deed, why: str, draft: Draft | None
    ) -> None:
        found = next((one for one in self.entries.get(visit.patient, ()) if (one.type, one.id) == named[:2]), None)
        if found is None:
            raise Refusal(404, "There is no such entry.", where="critical")
        number, _, was = found.versions[0]
        if number != named[2]:
            raise Refusal(412, "another version", where="If-Match")
        now = self.clock.now()
        if deed == "retract":
            found.next(keeping.withdrawn(drafts.with_note(was, why), HAGEN, now), now)
            return
        made = {
            "verify": lambda: drafts.verified(was), "refute": lambda: drafts.refuted(was, why),
            "restore": lambda: drafts.restored(was, why), "change": lambda: drafts.changed(was, draft or no_draft()),
        }[deed]()  # fmt: skip
        found.next(recorders.changed(made, was, HAGEN, now), now)

    async def find_codes(self, kind: str, words: str) -> Codes:
        if not self.terms:
            return Codes()
        found = tuple(one for one in KNOWN if words and words.casefold() in one.name.casefold())
        return Codes(found, (ATC, SNOMED))

    async def code(self, system: str, code: str) -> Coded | None:
        if not self.terms:
            return Coded(system, code, "")
        return next((one for one in KNOWN if (one.system, one.code) == (system, code)), None)

    async def listed_codes(self, system: str) -> tuple[Coded, ...]:
        return (SHOCK, Coded(REACTIONS, "2", "Utslett")) if self.terms and system == REACTIONS else ()
