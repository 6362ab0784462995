"""Critical information behind the pages: read, registered and changed under the law of its own service.

What a page asks here the national interface would be asked too: the same grant, the same profiles, the same row in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Final
from uuid import UUID

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import ANY_KIND, Denied, PatientRef
from kjerne.fhir.corrections import says_otherwise
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.systems import canonical
from kjerne.pages import critical_words
from kjerne.pages.critical_house import Codes, CriticalChart, EntryChanged, Shows, all_of_it
from kjerne.pages.house import Identity, Patient, Visit
from kjerne.pages.live import LivePages
from kjerne.registries import recorders
from kjerne.registries.contents import content_of, what_of
from kjerne.registries.guides import Guides
from kjerne.registries.identifiers import parse
from kjerne.registries.kj_profiles import SNOMED
from kjerne.services.critical import drafts, entries, keeping
from kjerne.services.critical.book import Book
from kjerne.services.critical.drafts import CODED_BY, TYPE_BY_KIND, Deed, Draft
from kjerne.services.critical.entries import Coded, Entry, Version
from kjerne.services.critical.groups import Beside, Entered, Group, beside
from kjerne.services.critical.related import Meanings, Related
from kjerne.services.standards import types_by_service
from kjerne.services.warnings import matching
from kjerne.services.warnings.knowledge import OF_PRODUCTS, OF_SUBSTANCES, Knowledge
from kjerne.services.warnings.reading import Allergy, Code, Part
from kjerne.store import deleted, participation, registers, terminology
from kjerne.store.changing import Next, checked
from kjerne.store.followup import Notice
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Record
from kjerne.store.records import Current
from kjerne.store.writing_down import looking, write_down

CRITICAL: Final = "critical-information"
TYPES: Final = frozenset(types_by_service()[CRITICAL])
_UNDER: Final[Mapping[str, frozenset[str]]] = {
    "AllergyIntolerance": frozenset({OF_SUBSTANCES, OF_PRODUCTS}),
    "Condition": frozenset({"404684003", "243796009"}),
    "DeviceUseStatement": frozenset({"260787004"}),
    "Procedure": frozenset({"71388002"}),
}
"""SNOMED CT: what stands under one of these is of the right sort; a flag may be of any."""
CODES_SHOWN: Final = 20
LOOKED_AT: Final = 60
SHORT: Final = 60
_ORDER: Final = {"high": 0, "": 1, "unable-to-assess": 1, "low": 2}
_BY_KIND: Final = tuple(TYPE_BY_KIND)
Tree = dict[str, Any]


async def writers_and_places(pool: Pool, entered: Sequence[Entered]) -> dict[str, str]:
    """Of the places that entries name, and of whom they name by HPR number: the registers' names, whatever a sender says."""
    authors = [by for one in entered for by in (one.entry.recorder, *(each.by for each in one.entry.versions))]
    places = {place for by in authors for place in (by.organisation, by.told_by)} | {
        one.organisation for one in entered
    }
    named = await registers.organisation_names(pool, sorted(one for one in places if one.isdigit()))
    known = await registers.practitioners(pool, {by.hpr for by in authors if by.hpr})
    return named | critical_words.people(known.names, known.professions)


class CriticalPages(LivePages):
    """Implements `pages.critical_house.CriticalHouse`."""

    guides: Guides
    meanings: Meanings

    @property
    def book(self) -> Book:
        return Book(self.store.ids, self.reader, self.store.records, sorted(TYPES), self._identify)

    async def critical(
        self, who: Identity, visit: Visit, shows: Shows = all_of_it, *, alone: bool = False
    ) -> CriticalChart:  # fmt: skip
        """Everything with its history in one read, whose row names what the page shows."""
        looks = count(1)

        async def use(grant: Grant) -> tuple[list[Group], Patient]:
            async with looking(self.store.pool, grant, next(looks)) as conn:
                person = await self.person(conn, visit.patient)
                if who.kind == "practitioner":
                    person = replace(person, number=await self.store.people.number(conn, grant))
                groups = await self._groups(conn, grant)
                shown = _with_others(shows(_of(groups)), {} if alone else beside(groups))
                await write_down(conn, [(grant, _named(shown))])
            return groups, person

        now = self.clock.now()
        groups, patient = await self.under(who, visit, "search", use, service=CRITICAL)
        entered = [one for group in groups for one in group.entries]
        return CriticalChart(
            patient, now, tuple(_of(groups)), await writers_and_places(self.store.pool, entered),
            await participation.sources(self.store.pool, CRITICAL, now),
            await self._may(who, visit) if who.kind == "practitioner" else frozenset(), beside(groups),
            {(one.entry.id, version): origin for one in entered for version, origin in one.origins.items()},
        )  # fmt: skip

    async def _groups(self, conn: Connection, grant: Grant) -> list[Group]:
        """All entries that the grant opens, each among those about the same; name in the log what is shown of them."""
        return await Related(self.book, self.meanings).of(conn, grant, await self.book.look(conn, grant))

    async def _may(self, who: Identity, visit: Visit) -> frozenset[str]:
        """What she is offered to register about this patient; asked without a trace, since nothing is done by it."""
        caller, ref = await self.caller(who, visit, CRITICAL), PatientRef(key=visit.patient)
        answer = await self.door.would_offer(
            caller, ref, CRITICAL, "correct", basis=self.basis_of(visit), purpose=visit.purpose, what=ANY_KIND
        )
        return (answer.registers or frozenset()) if isinstance(answer, Grant) else frozenset()

    async def critical_alike(self, who: Identity, visit: Visit, draft: Draft) -> tuple[Entry, ...]:
        """By the same code or name, or as the same substance by what terminology is loaded."""
        looks = count(1)

        async def use(grant: Grant) -> tuple[Entry, ...]:
            async with looking(self.store.pool, grant, next(looks)) as conn:
                groups = await self._groups(conn, grant)
                found = await self._alike(conn, draft, _of(groups))
                await write_down(conn, [(grant, _named(_with_others(all_of_it(found), beside(groups))))])
            return found

        return await self.under(who, visit, "search", use, service=CRITICAL)

    async def _alike(self, conn: Connection, draft: Draft, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        others = [one for one in entries if one.type == draft.type and one.now.standing != "in-error"]
        if not others:
            return ()
        knowledge = await Knowledge.at(conn)
        own = await knowledge.of_allergy(_meant("", (draft.about,), of_excipient=False))
        return tuple([
            one for one in others
            if _is_same(draft.about, one)
            or (draft.type == "AllergyIntolerance"
                and _is_one(own, await knowledge.of_allergy(_meant(one.id, one.now.codes, of_excipient=False))))
        ])  # fmt: skip

    async def register_critical(self, who: Identity, visit: Visit, draft: Draft) -> str:
        """A new record of the caller's."""
        caller = await self.caller(who, visit, CRITICAL)
        name, now = draft.type, self.clock.now()
        tree = recorders.registered(drafts.made(draft), caller, now)

        async def use(grant: Grant) -> str:
            about = "patient" if name == "AllergyIntolerance" else "subject"
            async with self.store.pool.acquire() as conn:
                whole = tree | {about: {"identifier": _identifier(await self.store.people.number(conn, grant))}}
                await checked(encode(whole), whole, name, self.guides)
                written = await self.book.file(conn, grant, self.book.prepared(whole, now))
            return str(written.id)

        return await self.under(who, visit, "file", use, service=CRITICAL, what=what_of(content_of(tree)))

    async def change_critical(
        self, who: Identity, visit: Visit, named: tuple[str, str, int], deed: Deed, why: str, draft: Draft | None
    ) -> None:
        """A new version of a record, made of the one that was seen."""
        name, text, version = named
        id_ = self.store.ids.parse(text)
        if id_ is None or name not in CODED_BY or self.store.ids.is_beside(id_):
            raise _not_there()
        caller, now = await self.caller(who, visit, CRITICAL), self.clock.now()
        make = partial(self._next, deed, why, draft, caller)

        async def use(grant: Grant) -> bool:
            async with self.store.pool.acquire() as conn, conn.transaction():
                done = await self.book.change(
                    conn, grant, (type_number(name), id_), version, lambda before: make(before, now)
                )
            return done is not None

        if not await self.under(who, visit, "correct", use, service=CRITICAL, what=ANY_KIND):
            raise _not_there()

    def _next(self, deed: Deed, why: str, draft: Draft | None, caller: Caller, before: Current, now: datetime) -> Next:
        was: Tree = decode(before.raw)
        if deed not in drafts.deeds_upon(was["resourceType"], entries.version(before.version, before.at, was, now)):
            raise Refusal(409, "An entry that stands so is not done that with.", where="critical_deed")
        if deed == "retract":
            tree = keeping.withdrawn(drafts.with_note(was, why), caller, now)
            return Next.of(encode(tree), tree, now)
        made: Callable[[], Tree] = {
            "verify": lambda: drafts.verified(was), "refute": lambda: drafts.refuted(was, why),
            "restore": lambda: drafts.restored(was, why), "change": lambda: drafts.changed(was, draft or _no_draft()),
        }[deed]  # fmt: skip
        return self.book.prepared(recorders.changed(made(), was, caller, now), now)

    # Terminology, which is about nobody

    async def find_codes(self, kind: str, words: str) -> Codes:
        """By each of the words, in every loaded system that the kind is coded by."""
        name = TYPE_BY_KIND[kind]
        wanted, found, searched = words.split()[:5], list[Coded](), list[str]()
        async with self.store.pool.acquire() as conn:
            for system in CODED_BY[name]:
                loaded = await terminology.loaded(conn, system, "")
                if loaded is None:
                    continue
                searched.append(system)
                if not wanted or len("".join(wanted)) < 2:
                    continue
                for one in await loaded.called(wanted, LOOKED_AT):
                    of_sort = (
                        system != SNOMED
                        or name not in _UNDER
                        or not _UNDER[name].isdisjoint(await loaded.over(one.code))
                    )
                    if of_sort and one.display:
                        found.append(Coded(system, one.code, one.display))
        first = sorted(found, key=lambda one: len(one.name))
        return Codes(tuple(first[:CODES_SHOWN]), tuple(searched), len(first) > CODES_SHOWN)

    async def code(self, system: str, code: str) -> Coded | None:
        """One code, if its system is loaded."""
        async with self.store.pool.acquire() as conn:
            loaded = await terminology.loaded(conn, canonical(system), "")
            if loaded is None:
                return Coded(system, code, "")
            found = await loaded.concept(code)
        return Coded(system, found.code, found.display) if found else None

    async def listed_codes(self, system: str) -> tuple[Coded, ...]:
        """All of a short system, in its order."""
        async with self.store.pool.acquire() as conn:
            loaded = await terminology.loaded(conn, canonical(system), "")
            if loaded is None or loaded.size > SHORT:
                return ()
            return tuple([Coded(system, one.code, one.display) async for one in loaded.concepts() if one.active])

    # What the desk tells of it

    async def critical_changes(
        self, who: Identity, patient: int, group: Sequence[Notice]
    ) -> tuple[str, list[tuple[Notice, EntryChanged]]] | None:
        """(her name, what each notice tells), in one audited read; None where the law does not open her to this reader today.

        Of what is shut today nothing is told here. What says again what was seen is told as None for both.
        """
        visit = Visit("desk", patient, "TREAT", self.clock.now())
        caller = await self.caller(who, visit, CRITICAL)
        if not await self.door.would_open(caller, PatientRef(key=patient), CRITICAL, "read"):
            return None
        now = self.clock.now()

        async def use(grant: Grant) -> tuple[str, list[tuple[Record, Record | None, bool]]]:
            async with self.store.pool.acquire() as conn:
                found = await self.reader.as_read(conn, grant, [(n.type, n.id, n.read_version) for n in group])
                there = {now_.id for now_, _ in found}
                left = [(n.type, n.id, n.read_version, n.version) for n in group if n.id not in there]
                lost = await deleted.as_read(conn, grant, self.reader, left)
                name = (await self.person(conn, patient)).name
            return name, [(*one, False) for one in found] + [(*one, True) for one in lost]

        try:
            name, read = await self.under(who, visit, "read", use, service=CRITICAL)
        except Denied:
            return None
        by_id = {one.id: one for one in group}
        return name, [
            (by_id[record.id], _changed(by_id[record.id], record, then, now, gone=gone)) for record, then, gone in read
        ]


def _changed(notice: Notice, record: Record, then: Record | None, now: datetime, *, gone: bool) -> EntryChanged:
    tree, was = decode(record.raw), decode(then.raw) if then else None
    if was is not None and not gone and not says_otherwise(was, tree):
        return EntryChanged(notice.read_at, None, None)
    before = entries.version(then.version, then.at, was, now) if then and was is not None else None
    return EntryChanged(notice.read_at, before, None if gone else entries.version(record.version, record.at, tree, now))


def _of(groups: Iterable[Group]) -> list[Entry]:
    """The entries, the weightiest first."""
    return sorted((one.entry for group in groups for one in group.entries), key=_weight)


def _with_others(
    shown: Iterable[tuple[Entry, Version]], others: Mapping[str, Sequence[Beside]]
) -> Iterator[tuple[Entry, Version]]:
    """With the entries that are named beside those, as they stand."""
    for one, version in shown:
        yield one, version
        yield from ((each.entry, each.entry.now) for each in others.get(one.id, ()))


def _named(shown: Iterable[tuple[Entry, Version]]) -> list[tuple[int, UUID, int]]:
    """Each once."""
    return list(dict.fromkeys((type_number(one.type), UUID(one.id), version.number) for one, version in shown))


def _weight(one: Entry) -> tuple[Any, ...]:
    now = one.now
    place = _BY_KIND.index(now.kind) if now.kind in _BY_KIND else len(_BY_KIND)
    return bool(now.negative), not now.weighs_most, _ORDER.get(now.criticality, 1), place, now.name.casefold()


def _identifier(number: str) -> Tree:
    return {"system": parse(number).system, "value": number}


def _meant(id_: str, codes: Iterable[Coded], *, of_excipient: bool) -> Allergy:
    part = Part(frozenset(Code(one.system, one.code) for one in codes if one.code))
    return Allergy(id_, "", frozenset({part}), of_excipient=of_excipient)


def _is_one(own: matching.Meaning, other: matching.Meaning) -> bool:
    """Whether two entries name one substance, or one lies in the other's group of ATC."""
    return bool(
        own.substances & other.substances
        or own.medicines & other.medicines
        or matching.of_one_use(own.atc, other.atc)
        or matching.of_one_use(other.atc, own.atc)
    )


def _is_same(about: Coded, one: Entry) -> bool:
    """By a code that both have, or by the same name."""
    same_code = any((about.system, about.code) == (code.system, code.code) for code in one.now.codes)
    return same_code or about.name.casefold().strip() == one.now.name.casefold().strip()


def _not_there() -> Refusal:
    return Refusal(404, "There is no such entry.", where="critical")


def _no_draft() -> Draft:
    raise Refusal(400, "What is to be changed was not sent.", where="form")
