"""The program put together: its parts, and the ONE route table.

How a request goes through the house:

1. `wire.edge` takes it, `wire.http` reads it under limits, `wire.routing` finds its line in the table below. No line, no
   answer.
2. `wire.oauth` verifies token and proof of possession; `policy.caller` makes the `Caller` with its attestation.
3. The route's handler (a service) says which patient it is about: `call.admit(...)`. `policy.door` reads the facts about
   that patient and asks `policy.rules`. The answer is a `Grant`; a `Denied` has its audit row before it is raised.
4. The store reads or writes under the `Grant`, with the audit row in the same transaction; the answer leaves after commit.
5. A `Refusal` or `Denied` is turned into the error shape of the API that was called, in `wire.edge` and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, NoReturn

import httpx
import structlog
from joserfc.jwk import ECKey
from lxml import etree

from kjerne import housekeeping
from kjerne.access import ALL_PATIENTS, SUBSCRIPTIONS, Caller, Denial, Once
from kjerne.clock import Clock, SystemClock
from kjerne.embedding import embedded, launcher
from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Pairs, PatientRef, Route, Unattested, any_of
from kjerne.fhir.criteria import is_linked
from kjerne.fhir.search import Search
from kjerne.gathering import documents_of
from kjerne.hooking import hooks
from kjerne.pages.app import ALONE, PATHS, pages_app
from kjerne.pages.live_operator import OperatorPages
from kjerne.pages.login import Client as PagesClient
from kjerne.pages.login import CodeFlow, To
from kjerne.policy.access_log import AccessLog
from kjerne.policy.caller import Registered, must_be_fresh
from kjerne.policy.caller import caller as caller_of
from kjerne.policy.choosing import Choosing
from kjerne.policy.claims import Claims
from kjerne.policy.privacy import deletion_of
from kjerne.policy.rules import opens_what_is_shut
from kjerne.policy.services import EXPORTED, IN_USE, SERVICES, by_services, kept_by_law, needed, seen_by
from kjerne.policy.table_subscribing import TOLD_OF
from kjerne.registries import identifiers
from kjerne.registries.guides import Guides
from kjerne.registries.homes import KEPT, PERSON, SERVICE_BY_TYPE, SHARED_TYPES
from kjerne.registries.journals import Journals
from kjerne.registries.made_up import MadeUp
from kjerne.registries.receivers import Receivers
from kjerne.services.access_log.api import AccessLogApi
from kjerne.services.consents import ConsentsApi
from kjerne.services.critical.abroad.api import DOCUMENT_LIMIT_BYTES
from kjerne.services.critical.kinds import TYPES as CRITICAL
from kjerne.services.disclosures import DisclosuresApi
from kjerne.services.documents.asking import Asking as AskingDocuments
from kjerne.services.everything import EverythingApi
from kjerne.services.exports.api import ExportsApi
from kjerne.services.exports.asking import Kickoffs
from kjerne.services.exports.files import Files
from kjerne.services.exports.filters import Filters
from kjerne.services.exports.groups import GroupsApi
from kjerne.services.imports.jobs import ImportJobsApi, imports
from kjerne.services.imports.lines import Crew
from kjerne.services.inquiries.api import CorrectionsApi
from kjerne.services.inquiries.desk import Desk
from kjerne.services.messaging import MessagingApi
from kjerne.services.meta import MetaApi
from kjerne.services.oversight.api import OversightApi
from kjerne.services.participation.api import ParticipationApi
from kjerne.services.participation.register import Register
from kjerne.services.patients import READS as READS_OF_PERSONS
from kjerne.services.patients import WRITES as WRITES_OF_PERSONS
from kjerne.services.patients import Everybody, PatientsApi, ReadPatch
from kjerne.services.persons.api import PersonsApi
from kjerne.services.persons.linking import Linker
from kjerne.services.results.api import TYPES, ResultsApi
from kjerne.services.results.intake import Intake
from kjerne.services.results.intake_api import IntakeApi
from kjerne.services.results.kith import read as kith
from kjerne.services.results.kith.apprec import Heard, heard
from kjerne.services.results.kith.model import Message
from kjerne.services.results.opening import Opener
from kjerne.services.results.opening_api import OpeningApi
from kjerne.services.results.parting import Parting
from kjerne.services.results.reuse_api import Asker, ReuseApi
from kjerne.services.shared_rechecking import SharedChecks
from kjerne.services.shared_records import READS, WRITES, SharedRecords
from kjerne.services.shared_references import SharedReferences
from kjerne.services.smart_configuration import Provider as Told
from kjerne.services.smart_configuration import SmartConfiguration, no_provider, scopes
from kjerne.services.standards import (
    RESOURCE_LIMIT_BYTES,
    OfAll,
    StandardsApi,
    beside,
    found,
    further,
    reachable,
    type_of,
    types_by_service,
)
from kjerne.services.standards_batch import BUNDLE_LIMIT_BYTES, BatchApi
from kjerne.services.standards_both import SearchBoth
from kjerne.services.standards_conditional import ConditionalApi
from kjerne.services.standards_history import HistoryApi, OfEverybody
from kjerne.services.standards_patch import PatchApi
from kjerne.services.statements import Statements
from kjerne.services.subscriptions import SubscriptionsApi
from kjerne.services.summary.api import SummaryApi
from kjerne.services.summary.drawing import Drawing
from kjerne.services.summary.making import Making
from kjerne.services.terminology import EXPANDED_BY, Terminology
from kjerne.services.validating import VALIDATED_LIMIT_BYTES, ValidateApi
from kjerne.settings import Settings
from kjerne.sharing import health_links
from kjerne.socketing import SocketDeliverer
from kjerne.store import registers
from kjerne.store.bindings import Bindings, Stored
from kjerne.store.cursors import Cursors
from kjerne.store.finding import Finder
from kjerne.store.house import Store, open_store
from kjerne.store.in_anothers import InAnothers
from kjerne.store.kept import Kept
from kjerne.store.keys import Keys, Sealer
from kjerne.store.patients import Patients
from kjerne.store.proofs import ProofTable, note_values
from kjerne.store.reading import Reader
from kjerne.transferring import abroad_of, book_of, critical, meanings
from kjerne.wire import foreign, http, journal, msghead, saml, search, xml
from kjerne.wire import json as strict_json
from kjerne.wire.edge import Authenticate, Edge, Mount
from kjerne.wire.oauth import Verifier
from kjerne.wire.openapi.document import Described
from kjerne.wire.problems import denied_answer, refusal_answer
from kjerne.wire.routing import Router
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import Trusted

log = structlog.get_logger("kjerne")
CALLERS_REMEMBERED = 10_000
NUMBERS_REMEMBERED: Final = 64
"""A system that files names one patient many times, one time behind another."""
BASES: Final = ("/fhir/R4", "/pps/v2", "/api/critical-information/v1")
AUDIENCES: Final = ("nhn:pps", "nhn:critical-information", "nhn:phr", "kjerne")
SHARED: Final = dict.fromkeys(sorted(SHARED_TYPES), "")
"""The types that are about no patient, which belong to no service."""
BUNDLE_DEPTH: Final = 3
"""How much deeper an entry's resource lies in its Bundle than by itself."""
_IDENTITY: Final = (
    "openid profile helseid://scopes/identity/pid helseid://scopes/identity/security_level "
    "helseid://scopes/identity/assurance_level helseid://scopes/hpr/hpr_number helseid://scopes/client/info"
)
PAGES_SCOPES: Final[Mapping[To, str]] = {
    "clinician": f"{_IDENTITY} nhn:pps/provesvar-read",
    "me": f"{_IDENTITY} kjerne:citizen kjerne:insight",
    "operations": f"{_IDENTITY} kjerne:operations",
}


class OfTests(NamedTuple):
    """What the sandbox's test client may do beyond any caller (law, K89): with Patient, and where it names nobody."""

    patients: Everybody
    records: OfAll
    of_everybody: OfEverybody


class House:
    """The parts of one running program over one store; everything that answers is built from here."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.number_key = store.keys.derived("identifier")
        self.made_up = MadeUp.of(settings)
        self._identified = lru_cache(NUMBERS_REMEMBERED)(self._reference)
        self.reader = Reader(store.wrap, store.dictionaries)
        self.finder = Finder(self.reader, settings.candidate_limit)
        self.cursors = Cursors(store.keys.derived("cursor"), settings.cursor_minutes)
        self.provider: Told = no_provider
        self.documents = documents_of(store, clock, settings)
        self.patients = Patients(store.wrap, store.people.numbers, store.ids)
        self.of_tests: Callable[[House], OfTests] | None = None
        self.asker = Asker(store.pool, store.wrap, self.finder, self.parse_search)
        self.crew = Crew()
        self.guides = Guides.of(settings)
        self.register = Register(store.pool, IN_USE)
        self.sockets = SocketDeliverer(store.pool, clock, store.keys, store.wrap.shares, settings)
        self.intake = Intake(store, clock, settings, self.read, self.digest, self.made_up, self.hear)

    def digest(self, number: str) -> bytes:
        """The look-up form of a person number."""
        return identifiers.digest(self.number_key, number)

    def identify(self, number: str) -> PatientRef:
        """A reference to who has the number; `Refusal` 400 where it is none, 422 where nobody with such a one may be (K200)."""
        return self._identified(number)

    @property
    def _parse_resource(self) -> Callable[[bytes], dict[str, Any]]:
        """Reads one resource; a body may be as long as its route takes (`RESOURCE_LIMIT_BYTES`), in JSON as in XML. It goes to
        other processes, which read the lines of a long import, and so holds nothing of this one."""
        return partial(strict_json.parse, depth=self.settings.json_depth, limit_bytes=RESOURCE_LIMIT_BYTES)

    def _reference(self, number: str) -> PatientRef:
        parsed = identifiers.parse(number, strict=False)
        self.made_up.keep_out(parsed)
        return PatientRef(digest=self.digest(parsed.value))

    def read(self, raw: bytes) -> Message:
        """A laboratory's message from bytes, with or without envelope, under the limits of the settings."""
        envelope = msghead.opened(raw, depth=self.settings.xml_depth, limit_bytes=self.settings.body_limit_bytes)
        head = envelope.head
        return kith.read(
            envelope.body,
            attachments=envelope.attachments,
            notes=envelope.notes,
            patient_numbers=head.patient_numbers if head else (),
            envelope_id=head.id if head else "",
            envelope_generated=head.generated if head else "",
            sender=head.sender if head else None,
            addressed=head.receiver if head else None,
            now=self.clock.now(),
        )

    def hear(self, raw: bytes) -> Heard:
        """What a refused message tells of itself, of its sender, who is to get the receipt, and of whom that sent it to."""
        limits = {"depth": self.settings.xml_depth, "limit_bytes": self.settings.body_limit_bytes}
        sender, addressed = msghead.parties(raw, **limits)
        return heard(raw)._replace(sender=sender, addressed=addressed)

    def parse_search(self, type_: str, pairs: Pairs, lenient: bool, service: str = "", alone: bool = False) -> Search:
        """Typed search from form pairs, under the limits of the settings, with chains among what one service keeps. `alone`:
        its includes too."""
        found = search.parse(
            type_, pairs, lenient=lenient, page_size=self.settings.page_size,
            page_size_limit=self.settings.page_size_limit, reachable=reachable(type_, service),
            beside=frozenset() if alone else beside(type_),
        )  # fmt: skip
        linked = any(is_linked(one) for one in found.criteria)
        return replace(found, library=self.guides.state().shelf) if linked else found

    @property
    def parse_foreign(self) -> Callable[[bytes, str], dict[str, Any]]:
        """What reads a document of somebody else's making."""
        return foreign.reader(self.settings.json_depth, self.settings.xml_depth, DOCUMENT_LIMIT_BYTES)

    async def registered(self, hpr: str) -> Registered | None:
        """The personnel register's word on an HPR number."""
        known = await registers.practitioner(self.store.pool, hpr)
        if known is None:
            return None
        return Registered(known.digest, frozenset(known.authorizations), known.valid_from, known.valid_to)

    async def part_of(self, unit: str, owner: str) -> bool:
        """The register of organisations' word on where a unit belongs."""
        return await registers.is_part_of(self.store.pool, unit, owner)

    def routes(self) -> list[Route]:
        """The route table."""
        parse_json = self._parse_resource
        shared = (self.store.pool, self.store.ids, self.reader, self.store.records)
        of_tests = self.of_tests(self) if self.of_tests else None
        reads, writes = needed(lambda law: law.scopes), needed(lambda law: law.filing_scopes)
        by_service = by_services(lambda law: law.scopes), by_services(lambda law: law.filing_scopes)
        sent_in = {name: service for name, service in KEPT if SERVICES[service].sources}
        understood = scopes(SERVICE_BY_TYPE, sent_in, {name for name, law in KEPT if SERVICES[law].registers})
        keeping = Kept(self.store.ids, *by_service)
        kept = (keeping, types_by_service(), type_of, parse_json)
        conditional = ConditionalApi(*shared, self.finder, *kept, self.parse_search, self.identify, writes, self.guides)
        in_anothers = InAnothers(self.store.pool, self.reader, self.store.records.pointers, self.identify)
        standards = StandardsApi(
            *shared, self.finder, self.cursors, parse_json, self.parse_search, self.identify, conditional.create, reads, writes,
            self.guides, self.patients, keeping, SearchBoth(self.cursors, denied, found, further),
            in_anothers, of_tests.records if of_tests else None,
        )  # fmt: skip
        patches = PatchApi(*shared, *kept, *self._parsing_patches(), self.identify, writes, self.guides)
        anything = " ".join(dict.fromkeys(f"{any_of(reads)} {any_of(writes)}".split()))
        registries, terms = self._about_nobody(patches, anything)
        persons = self._of_persons(anything, patches.read, of_tests.patients if of_tests else None)
        choosing = Choosing(self.store, self.reader, types_by_service())
        consents = ConsentsApi(choosing, self.store.ids, parse_json, self.identify, deletion_of)
        access_log, disclosures = self._of_the_log(sent_in)
        read = (self.store.pool, self.store.ids, self.patients, self.reader, self.cursors, parse_json)
        everything = EverythingApi(*read, self.identify, by_service[0], denied, in_anothers)
        at_hand = (self.store.pool, self.reader, self.cursors, keeping, self.parse_search, self.identify)
        sealer, everybody = Sealer(self.store.keys.derived("changes")), of_tests.of_everybody if of_tests else None
        history = HistoryApi(*at_hand, reads, denied, type_of, sealer, self.clock, everybody)
        # The history of a type has the shape of a record's address: it comes first.
        of_records = (*history.routes(), *standards.routes(), *patches.routes(), *conditional.routes())
        routes = [
            *self._of_operation(),
            *disclosures.routes(),
            *IntakeApi(self.intake, store=self.store, limit_bytes=self.settings.body_limit_bytes).routes(),
            *self._national(),
            *consents.routes(),
            # Before the types of records: an event's address has the same shape.
            *access_log.routes(),
            *self._subscriptions(reads, by_service[0], parse_json).routes(),
            *self._validating(anything, keeping).routes(),
            *everything.routes(),
            *SummaryApi(self.store.ids, self.summaries(), parse_json, self.identify).routes(),
            # A Group's addresses have the shape of a record's too.
            *self._in_bulk(parse_json).routes(),
            *map(persons.beside, map(registries.beside, of_records)),
            *self._imports(sent_in, {name: by_service[1][service] for name, service in sent_in.items()}).routes(),
            *terms.routes(),
            *SmartConfiguration(lambda: self.provider(), BASES, understood).routes(),  # noqa: PLW0108 - set later
            *CorrectionsApi(Desk(self.store.wrap, self.reader), self.store).routes(),
            *self._of_clinicians_systems(parse_json),
            *health_links(self.store, self.clock, self.settings),
        ]
        routes += MetaApi(Router(routes).find, f"{anything} {READS}").routes()
        routes += self._bundles(routes, conditional, f"{anything} {READS} {WRITES}", any_of(writes))
        persons_by = READS_OF_PERSONS | (WRITES_OF_PERSONS if self.of_tests else frozenset())
        stated = Statements(self.guides, TYPES, CRITICAL, SHARED, persons_by, self.store.pool, EXPANDED_BY)
        routes += stated.routes(routes)
        return [*routes, *Described((*SERVICE_BY_TYPE, *SHARED, PERSON), TYPES).routes(routes)]

    def summaries(self) -> Making:
        """What makes patient summaries, for the wire and the pages."""
        reads = by_services(lambda law: law.scopes)
        drawing = Drawing(self.store.pool, self.reader, self.parse_search, reads, self.store.ids)
        return Making(self.store.pool, self.patients, drawing, self.settings.tells_choices)

    def _parsing_patches(self) -> tuple[Callable[[bytes], list[Any]], Callable[[bytes], etree._Element]]:
        """What reads a JSON Patch and an XML Patch."""
        depth, limit_bytes = self.settings.xml_depth, self.settings.body_limit_bytes
        return (
            partial(strict_json.parse_list, depth=self.settings.json_depth),
            partial(xml.parse, depth=depth, limit_bytes=limit_bytes),
        )

    def _national(self) -> list[Route]:
        """The national interfaces of results and of critical information, as they are documented."""
        parse_search, depth = partial(self.parse_search, alone=True), self.settings.json_depth + BUNDLE_DEPTH
        is_shut = partial(opens_what_is_shut, tells_choices=self.settings.tells_choices)
        parse_bundle = partial(strict_json.parse, depth=depth, limit_bytes=BUNDLE_LIMIT_BYTES)
        parse = self._parse_resource, parse_bundle, parse_search, self.identify
        journals = Journals(self.settings.journals_file, sandbox=self.settings.mode == "sandbox")
        return [
            *ResultsApi(self.store.pool, self.finder, self.cursors, parse_search, self.identify).routes(),
            *ReuseApi(self.asker, self.identify).routes(),
            *critical(
                self.store,
                self.reader,
                self.finder,
                *parse,
                self.guides,
                is_shut,
                self.registered,
                journals,
                self.parse_foreign,
            ),
        ]

    def _of_clinicians_systems(self, parse_json: Callable[[bytes], dict[str, Any]]) -> list[Route]:
        """What they ask and show while she works."""
        return [
            *hooks(self.store, self.finder, self.asker, parse_json, self.parse_search, self.identify),
            *self.documents.routes(AskingDocuments(self.identify, self.store.ids, self.parse_search)),
            *embedded(self.store, self.clock, self.settings, self.reader, self.identify, self.registered),
        ]

    def _of_operation(self) -> list[Route]:
        """What whoever runs the platform uses."""
        parting = Parting(self.store, self.digest).part
        return [
            Route("GET", "/healthz", self.alive, PUBLIC, "json"),
            Route("GET", "/readyz", self.ready, PUBLIC, "json"),
            *OversightApi(self.store).routes(),
            *SharedChecks(self.store.pool, self.guides).routes(),
            *OpeningApi(Opener(self.store, self.read, self.digest), self.store).routes(),
            *PersonsApi(Linker(self.store, types_by_service(), kept_by_law(), parting), self.identify).routes(),
            *ParticipationApi(self.register, self.store.pool).routes(),
        ]

    def _imports(self, sent_in: Mapping[str, str], writes: Mapping[str, str]) -> ImportJobsApi:
        """Many resources of the types in `sent_in` at once."""
        asked = (self.store, self.reader, self.crew, sent_in, writes, self._parse_resource, self.identify, self.guides)
        return imports(*asked, partial(refusal_answer, shape="fhir"))

    def _in_bulk(self, parse_json: Callable[[bytes], dict[str, Any]]) -> ExportsApi:
        """What leaves in bulk, and the lists of patients that it may be of."""
        services = [name for name in SERVICES if name in EXPORTED]
        types = (*(name for name, service in SERVICE_BY_TYPE.items() if service in EXPORTED), PERSON)
        checked = [name for name in SERVICES if name in IN_USE]
        every = (*(name for name, service in SERVICE_BY_TYPE.items() if service in IN_USE), PERSON)
        filters = Filters(self.parse_search)
        kickoffs = Kickoffs(types, every, parse_json, self.store.ids, self.identify, filters)
        sealer = Sealer(self.store.keys.derived("export"))
        files = Files(
            self.store.pool, self.reader, self.patients, self.store.ids, sealer, services, checked, filters, self.finder
        )  # fmt: skip
        groups = GroupsApi(self.store.pool, Sealer(self.store.keys.derived("group")), kickoffs, self.guides)
        return ExportsApi(self.store.pool, kickoffs, files, groups, self.guides)

    def _of_the_log(self, sent_in: Mapping[str, str]) -> tuple[AccessLogApi, DisclosuresApi]:
        """What is told of looks: to the patient and the data controller, and to the sources of the types in `sent_in`."""
        access_log = AccessLogApi(
            AccessLog(self.store), self.store.ids, self.cursors, self.parse_search, self.identify,
            self.settings.candidate_limit,
        )  # fmt: skip
        seal = Sealer(self.store.keys.derived("disclosures"))
        return access_log, DisclosuresApi(self.store.pool, self.reader, seal, sent_in, self.settings.tells_choices)

    def _about_nobody(self, patches: PatchApi, anything: str) -> tuple[SharedRecords, Terminology]:
        """What is asked of records about no patient, by whoever has a scope for `anything`."""
        parse_json, most = self._parse_resource, self.settings.candidate_limit
        registries = SharedRecords(
            self.store.pool, self.cursors, most, parse_json, self.parse_search, patches.read, anything, self.guides
        )
        asked = (self.store.pool, parse_json, self.parse_search, most, f"{anything} {READS}", self.guides)
        return registries, Terminology(*asked)

    def _of_persons(self, anything: str, read_patch: ReadPatch, everybody: Everybody | None) -> PatientsApi:
        """Patient: a person of the register, seen under the law of whichever service opens her."""
        opens = {name: SERVICES[name].scopes for name in sorted(IN_USE, key=list(SERVICES).index)}
        by_citizens = tuple(name for name in opens if name in seen_by("own"))
        return PatientsApi(
            self.store.pool, self.store.ids, self.patients, self.parse_search, self.identify, opens, by_citizens, anything,
            read_patch, everybody,
        )  # fmt: skip

    def _bundles(self, routes: list[Route], conditional: ConditionalApi, needs: str, writes: str) -> list[Route]:
        """Where many requests come in one, or a message stands for them; each goes to one of `routes`."""
        depth = self.settings.json_depth + BUNDLE_DEPTH
        batch = BatchApi(
            self.store.pool, self.store.ids, self.store.records, needs, Router(routes).find,
            partial(strict_json.parse, depth=depth, limit_bytes=BUNDLE_LIMIT_BYTES), http.query_in, journal.heard,
            partial(refusal_answer, shape="fhir"), self.identify, conditional.named,
            SharedReferences(self.store.pool, self.parse_search, self.settings.candidate_limit).named, self.guides.still,
        )  # fmt: skip
        messaging = MessagingApi(
            self.store.pool, conditional.kept, self.store.keys.derived("fhir-message"), writes, batch.tree, batch.file,
            batch.refusal, batch.answer, self.identify, conditional.stands,
        )  # fmt: skip
        return [*batch.routes(), *messaging.routes()]

    def _subscriptions(
        self, reads: Mapping[str, str], by_service: Mapping[str, str], parse_json: Callable[[bytes], dict[str, Any]]
    ) -> SubscriptionsApi:
        receivers = Receivers(self.settings.subscribers_file, sandbox=self.settings.mode == "sandbox")
        return SubscriptionsApi(
            self.store.pool, self.store.ids, self.reader, Sealer(self.store.keys.derived("subscription")), receivers,
            parse_json, self.parse_search, self.identify, TOLD_OF, f"{SUBSCRIPTIONS} {any_of(reads)}", by_service,
        )  # fmt: skip

    def _validating(self, needs: str, kept: Kept) -> ValidateApi:
        depth = self.settings.json_depth
        return ValidateApi(
            self.store.pool, self.store.ids, self.store.records, self.guides, type_of,
            partial(strict_json.parse, depth=depth, limit_bytes=VALIDATED_LIMIT_BYTES),
            partial(xml.parse, depth=depth, limit_bytes=VALIDATED_LIMIT_BYTES), self.identify, needs, (READS, WRITES), kept,
        )  # fmt: skip

    async def alive(self, _: Call) -> Answer:
        """The process answers."""
        return Answer(200, b'{"status":"alive"}', "application/json")

    async def ready(self, _: Call) -> Answer:
        """The database answers too."""
        async with self.store.pool.acquire() as conn:
            await conn.fetchval("SELECT 1")
        return Answer(200, b'{"status":"ready"}', "application/json")

    def authenticate(self, verifier: Verifier, assertions: Assertions | None = None) -> Authenticate:
        """From a request's headers to its `Caller`; one that was made is kept as long as its token is remembered.

        With `assertions` a request may bring a SAML assertion instead: a caller is made of it anew each time.
        """
        made: dict[int, tuple[Claims, Caller]] = {}
        table = proofs(self)

        def once_of(values: tuple[int, bytes, int], used_before: Callable[[], Refusal]) -> Once:
            async def refuse() -> NoReturn:
                await table.must_hold(values)
                raise used_before()

            return Once(values, refuse)

        async def authenticate(
            method: str, url: str, headers: Sequence[tuple[bytes, bytes]], query: bytes
        ) -> tuple[Caller, Once]:
            address = f"{url}?{query.decode('latin-1')}" if query else url
            if assertions is not None and http.scheme_of(headers) == b"saml":
                shown = assertions.check(method, address, headers)
                once = once_of(note_values(shown.digest, shown.at), saml.used_before)
                try:
                    return await self._caller(shown.claims), once
                except Unattested as refused:
                    raise refused.met(once, self._asked_about(headers)) from None
            claims, proof = await verifier.check(method, address, headers)
            once = once_of(note_values(proof.digest, proof.signed_at), verifier.used_before)
            known = made.get(id(claims))
            try:
                if known is not None and known[0] is claims:
                    must_be_fresh(known[1], self.clock.now(), self.settings)
                    return known[1], once
                caller = await self._caller(claims)
            except Unattested as refused:
                raise refused.met(once, self._asked_about(headers)) from None
            if len(made) >= CALLERS_REMEMBERED:
                made.clear()
            made[id(claims)] = claims, caller
            return caller, once

        return authenticate

    def _asked_about(self, headers: Sequence[tuple[bytes, bytes]]) -> tuple[PatientRef, ...]:
        """Whom a request names by its header, which stands beside any body and path; nobody where that is no number."""
        numbers = [value.decode("latin-1") for name, value in headers if name in http.NAMING_HER]
        with contextlib.suppress(Refusal):
            return tuple(map(self.identify, numbers))
        return ()

    async def _caller(self, claims: Claims) -> Caller:
        if ALL_PATIENTS in claims.scopes and self.of_tests is None:
            # Whatever the issuer says: here are people.
            raise Refusal(403, "the scope of the sandbox's test client is taken in the sandbox alone", where="scope")
        return await caller_of(claims, self.clock, self.settings, self.digest, self.registered, self.part_of)


def denied(denial: Denial) -> bytes:
    """A no of the law as FHIR tells it, where it is a part of another answer."""
    return denied_answer(denial, "fhir").body


@contextlib.asynccontextmanager
async def opened(settings: Settings, keys: Keys, clock: Clock | None = None) -> AsyncIterator[House]:
    """A house over the database of `settings`, closed at the end."""
    clock = clock or SystemClock()
    shares = await housekeeping.shares_of(settings, keys, clock)
    store = await open_store(
        settings.dsn, keys, shares, pool_size=settings.pool_size, request_seconds=settings.request_seconds
    )
    house = House(settings, store, clock)
    bindings = Bindings(store.pool, asyncio.get_running_loop())
    house.guides.reach(lambda shelf: Stored(shelf, bindings))
    try:
        yield house
    finally:
        house.sockets.close()
        house.crew.close()
        await house.documents.close()
        await store.close()


def edge(house: House, verifier: Verifier, mounts: Sequence[Mount] = (), assertions: Assertions | None = None) -> Edge:
    """The ASGI application of a house."""
    authenticate = house.authenticate(verifier, assertions)
    return Edge(house.settings, house.store, house.routes(), authenticate, mounts, house.clock, house.sockets.met)


def assertions_of(house: House, issuers: Trusted) -> Assertions:
    """What checks SAML assertions of `issuers`, made for one of our audiences."""
    told = house.settings
    return Assertions(
        issuers, AUDIENCES, house.clock, seconds=told.saml_seconds, proof_seconds=told.dpop_seconds
    )  # fmt: skip


def pages(
    house: House,
    verifier: Verifier,
    issuer: str,
    client: str,
    key: ECKey,
    http_client: httpx.AsyncClient,
) -> list[Mount]:
    """The pages, logged in through `issuer` as `client` with its private key (a JWK on P-256)."""
    public_url = house.settings.public_url or f"http://{house.settings.host}:{house.settings.port}"
    live = OperatorPages(
        house.store, house.clock, house.reader, house.asker, verifier.access_token, house.identify, house.digest,
        tells_choices=house.settings.tells_choices,
    )  # fmt: skip
    live.channels, live.guides, live.meanings = house.settings.channels, house.guides, meanings
    live.making, live.public_url, live.room = house.summaries(), public_url, house.documents.room
    book = book_of(house.store, house.reader, house.identify)
    live.foreign = abroad_of(house.store, book, house.guides, house.parse_foreign, house.identify)
    live.registered_journals = Journals(house.settings.journals_file, sandbox=house.settings.mode == "sandbox")
    known = PagesClient(client, key, f"{public_url}/login/return", PAGES_SCOPES, f"{public_url}/logout/done")
    door = CodeFlow(issuer, known, http_client, house.clock)
    cookie = house.store.keys.derived("cookie")
    launched = launcher(house.settings, key, http_client, house.clock, public_url)
    app = pages_app(live, door, key=cookie, clock=house.clock, secure=public_url.startswith("https"), launcher=launched)
    return [Mount(path, app, alone=path in ALONE) for path in PATHS]


def proofs(house: House) -> ProofTable:
    """The replay table of used DPoP proofs."""
    return ProofTable(house.store.pool, house.clock)
