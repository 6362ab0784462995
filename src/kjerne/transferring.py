"""Critical information at its national address, put together: read and registered by people, and sent by journals' systems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kjerne.access import Grant
from kjerne.exchange import PatientRef, Route
from kjerne.fhir.search import Search
from kjerne.policy.caller import Registered
from kjerne.policy.services import SERVICES
from kjerne.registries.guides import Guides
from kjerne.registries.journals import Journals
from kjerne.services.critical.abroad.api import AbroadApi
from kjerne.services.critical.abroad.settling import Abroad
from kjerne.services.critical.api import CriticalApi
from kjerne.services.critical.book import Book
from kjerne.services.critical.coverage import CoverageApi
from kjerne.services.critical.entries import Entry
from kjerne.services.critical.groups import TEXT, Means, plain
from kjerne.services.critical.kinds import SERVICE
from kjerne.services.critical.notified import NotifiedApi
from kjerne.services.critical.related import Related, RelatedApi
from kjerne.services.critical.transfer import TransferApi, Transfers
from kjerne.services.standards import types_by_service
from kjerne.services.warnings.knowledge import Knowledge
from kjerne.services.warnings.reading import ATC, Allergy, Code, Part
from kjerne.store.abroad import Digests
from kjerne.store.finding import Finder
from kjerne.store.house import Store
from kjerne.store.patients import Patients
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.transfers import Names

ATC_GROUPS = (4, 5)
"""Signs of the ATC codes that name a chemical or pharmacological group; shorter ones name an organ, and hold what is no kin."""
Register = Callable[[str], Awaitable[Registered | None]]


def book_of(store: Store, reader: Reader, identify: Callable[[str], PatientRef]) -> Book:
    """The records of critical information."""
    return Book(store.ids, reader, store.records, types_by_service()[SERVICE], identify)


def abroad_of(
    store: Store, book: Book, guides: Guides, parse: Callable[[bytes, str], dict[str, Any]],
    identify: Callable[[str], PatientRef],
) -> Abroad:  # fmt: skip
    """Patient summaries from abroad beside those records; for the pages too. `parse` reads bytes by their media type."""
    patients = Patients(store.wrap, store.people.numbers, store.ids)
    digests = Digests(store.keys.derived("critical-abroad"))
    registers = SERVICES[SERVICE].registers
    return Abroad(
        store.wrap, patients, store.people, Related(book, meanings), digests, guides, parse, identify,
        lambda authorization: registers.get(authorization, frozenset()), are_two,
    )  # fmt: skip


@dataclass(frozen=True)
class Kinds:
    """What a health worker may register, by the personnel register and the service's law (K45)."""

    registered: Register

    async def of(self, hpr: str, day: date) -> frozenset[str]:
        """By her authorisations on a day; nothing where she is not in the register, or was not authorised then."""
        known = await self.registered(hpr)
        if known is None or day < known.valid_from or (known.valid_to is not None and day >= known.valid_to):
            return frozenset()
        law = SERVICES[SERVICE].registers
        return frozenset(kind for code in known.authorizations for kind in law.get(code, ()))

    async def is_hers(self, hpr: str, digests: Collection[bytes]) -> bool:
        """Whether a number of the personnel register is that of the person whom one of these names."""
        known = await self.registered(hpr)
        return known is not None and known.digest in digests


def transfers(
    store: Store, reader: Reader, identify: Callable[[str], PatientRef], guides: Guides, registered: Register
) -> Transfers:
    """What takes critical information that a journal's system sent, or was asked for."""
    names = Names(store.keys.derived("critical-transfer"))
    of = Kinds(registered)
    return Transfers(store.pool, book_of(store, reader, identify), names, guides, of.of, of.is_hers)


async def meanings(conn: Connection, entries: Sequence[Entry]) -> list[Means]:
    """What entries are about: of an allergy its substances under every loaded code and as ingredients, with what they are kinds
    of; of the rest its codes, and what SNOMED CT says that those are kinds of."""
    knowledge = await Knowledge.at(conn)
    return [await _meaning(knowledge, one) for one in entries]


async def are_two(conn: Connection, one: Collection[str], other: Collection[str]) -> bool:
    """Whether codes of ATC are known to be of two substances, by what is loaded."""
    return await (await Knowledge.at(conn)).are_two(one, other)


async def _meaning(knowledge: Knowledge, entry: Entry) -> Means:
    said = plain(entry)
    codes = frozenset(Code(*one) for one in said.same if one[0] != TEXT)
    if entry.type != "AllergyIntolerance" or not codes:
        return Means(said.same, frozenset(await knowledge.kinds_of(codes)))
    meant = await knowledge.of_allergy(
        Allergy(entry.id, "", frozenset({Part(codes)}), of_excipient=entry.now.of_excipient)
    )
    named = {*codes, *meant.substances, *(Code(ATC, code) for code in meant.atc)}
    atc = {one for one in (*named, *knowledge.same_as(named)) if one.system == ATC}
    wider = {Code(ATC, one.code[:length]) for one in atc for length in ATC_GROUPS if len(one.code) > length}
    kinds = await knowledge.kinds_of(meant.substances)
    return Means(frozenset({*codes, *meant.medicines, *meant.substances, *atc}), frozenset({*kinds, *wider}))


def critical(
    store: Store, reader: Reader, finder: Finder, parse_json: Callable[[bytes], dict[str, Any]],
    parse_bundle: Callable[[bytes], dict[str, Any]], parse_search: Callable[..., Search],
    identify: Callable[[str], PatientRef], guides: Guides, is_shut: Callable[[Grant], bool], registered: Register,
    journals: Journals, parse_foreign: Callable[[bytes, str], dict[str, Any]],
) -> list[Route]:  # fmt: skip
    """The routes of the national interface."""
    book = book_of(store, reader, identify)
    people = CriticalApi(store.pool, book, reader, finder, parse_json, parse_search, identify, guides, is_shut)
    sent = transfers(store, reader, identify, guides, registered)
    related = RelatedApi(store.pool, Related(book, meanings), identify)
    reach = CoverageApi(store.pool, book.types)
    told = NotifiedApi(store.pool, journals, store.keys.derived("journal"), parse_bundle)
    abroad = AbroadApi(
        store.pool, abroad_of(store, book, guides, parse_foreign, identify), store.ids, parse_json, identify
    )  # fmt: skip
    # Addresses of documents from abroad have the shape of a record's: they come first.
    rooms = TransferApi(sent, parse_bundle, identify), related, reach, told, abroad, people
    return [route for room in rooms for route in room.routes()]
