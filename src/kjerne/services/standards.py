"""FHIR R4 as the standard has it, under `/fhir/R4`: read, vread, history, search, create and update.

Source: http://hl7.org/fhir/R4/http.html. The patient is named by the record's id (sealed), by the header `person-id`, or
in the body's `subject.identifier`; never in an address, so a search with a person number takes the form (POST _search).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

from kjerne.access import Action, Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import ANY_KIND, Answer, Call, Denied, Pairs, PatientRef, Route, Stale, any_of, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, Version, history, search_line, searchset, self_url
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.interaction import (
    OF_A_HISTORY,
    OF_A_READ,
    OF_A_WRITE,
    VERSION,
    Made,
    absent,
    answer_of,
    basis_of,
    has_another_id,
    hidden_as_absent,
    known,
    no_such_id,
    unchanged,
    version_headers,
    version_to_change,
)
from kjerne.fhir.latest import check_last, most_of_a_kind
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.outcome import not_listed
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search
from kjerne.fhir.subset import NeverWithout, shown
from kjerne.registries.guides import Guides
from kjerne.registries.homes import KEPT, SERVICE_BY_TYPE, SHARED_TYPES, not_served, row_number, types_of
from kjerne.registries.identifiers import is_number, stands_in
from kjerne.registries.naming import check_header, check_subject, patient_of
from kjerne.registries.others import telling
from kjerne.store import audit, bringing_her, changing, marking, pointing
from kjerne.store.changing import Changer, Next, checked, lays_on_others, not_written, settle_later, settle_new
from kjerne.store.cursors import Cursors, alone, not_alone, token_in
from kjerne.store.finding import Finder, Page
from kjerne.store.in_anothers import InAnothers
from kjerne.store.kept import Kept
from kjerne.store.limits import must_hold
from kjerne.store.past import span_of
from kjerne.store.patient_ids import NAMING, AboutWhom, about_whom, check_reference, is_a_number, named_in
from kjerne.store.patients import TYPE, Held, Patients, answers, is_left
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import History, Reader, Record, Span
from kjerne.store.records import Change, Current, Records, Written, hold
from kjerne.store.sealed_id import SealedIds
from kjerne.store.shared import Shared
from kjerne.store.shared_finding import SharedFinder

BASE: Final = "/fhir/R4"
LAST: Final = BASE + "/Observation/$lastn"


@cache
def types_by_service() -> dict[str, list[int]]:
    """Which types of records each service keeps."""
    found = defaultdict[str, list[int]](list)
    for name, service in KEPT:
        found[service].append(row_number(name, service))
    return dict(found)


@cache
def reachable(type_: str, service: str = "") -> frozenset[str]:
    """The types that a search of one may lead to: those of the same service, since a grant opens one service alone; from a
    type about no patient all such types. `service` says which is searched, of a type that two keep."""
    if type_ in SHARED_TYPES:
        return SHARED_TYPES
    return frozenset(types_of(service or SERVICE_BY_TYPE.get(type_, "")))


def beside(type_: str) -> frozenset[str]:
    """The types that an include of a patient's records brings from where no grant is asked for, and her own Patient."""
    return SHARED_TYPES | {TYPE} if type_ in SERVICE_BY_TYPE else frozenset()


# The parameters that name the patient by number; they are taken from a form alone.
BY_NUMBER: Final = frozenset(f"{name}{sign}identifier" for name in ("patient", "subject") for sign in (".", ":"))
RESOURCE_LIMIT_BYTES: Final = 2_000_000


class OfAll(Protocol):
    """The answer to a search that names nobody, of the sandbox's test client: it asks `api` about each by herself."""

    async def __call__(self, call: Call, name: str, pairs: Pairs, token: str | None, api: StandardsApi) -> Answer: ...


class OfBoth(Protocol):
    """The answer to a search of a type that two services keep, by a token that opens both."""

    async def __call__(
        self, call: Call, name: str, patient: PatientRef, pairs: Pairs, token: str | None, api: StandardsApi
    ) -> Answer: ...


@dataclass(frozen=True)
class StandardsApi:
    """Handlers. `parse_json` is strict, `parse_search` makes a typed search, `identify` a reference from a number;
    `create_if_none` answers a create with `If-None-Exist`. `reads` and `writes` are the scopes that each type asks for, `kept`
    says which service keeps a record, `in_anothers` finds what others' records have that name her."""

    pool: Pool
    ids: SealedIds
    reader: Reader
    records: Records
    finder: Finder
    cursors: Cursors
    parse_json: Callable[[bytes], dict[str, Any]]
    parse_search: Callable[..., Search]
    identify: Callable[[str], PatientRef]
    create_if_none: Callable[[Call, Next], Awaitable[Answer]]
    reads: Mapping[str, str]
    writes: Mapping[str, str]
    guides: Guides
    patients: Patients
    kept: Kept
    of_both: OfBoth
    in_anothers: InAnothers
    of_all: OfAll | None = None

    def routes(self) -> list[Route]:
        at, read, write = BASE + "/{type}", any_of(self.reads), any_of(self.writes)
        each = partial(Route, errors="fhir", joins=True)
        looks = partial(each, needs=read, for_citizens=True, by_type=self.reads)
        files = partial(each, needs=write, body_limit_bytes=RESOURCE_LIMIT_BYTES, by_type=self.writes)
        last = partial(each, path=LAST, handler=self.last, needs=self.reads["Observation"], for_citizens=True)
        return [
            looks("GET", at, self.search, notes_proof=True),
            looks("POST", at + "/_search", self.search, notes_proof=True),
            last("GET", notes_proof=True),
            last("POST", notes_proof=True),
            looks("GET", at + "/{id}", self.read, notes_proof=True, conditional=True),
            looks("GET", at + "/{id}/_history", self.history),
            looks("GET", at + "/{id}/_history/{version}", self.vread),
            files("POST", at, self.create, notes_proof=True, conditional=True),
            files("PUT", at + "/{id}", self.update),
        ]

    async def read(self, call: Call) -> Answer:
        """One resource by id; absent, hidden and refused are one answer (404), so an id guessed tells nothing."""
        type_, id_ = await self._place(call, "r")
        asked = self._asked_to_see(call)

        async def use(grant: Grant) -> Record | None:
            async with call.connection(self.pool) as conn:
                found = await self.reader.read(conn, grant, type_, id_)
                if found is None:
                    await self._check_gone(conn, grant, type_, id_)
                return found

        service = self.kept.service(call.parameters["type"], id_)
        alone = partial(self._hidden_as_absent, call, id_, "read", use)
        record = await self.in_anothers.read(call, (type_, id_), service, use, alone)
        if record is None:
            raise absent(call)
        if unchanged(call.headers, record.version, record.at):
            return Answer(304, headers=version_headers(record.version, record.at))
        return _as_asked(record, asked)

    async def vread(self, call: Call) -> Answer:
        """One version of a resource."""
        type_, id_ = await self._place(call, "r")
        asked = self._asked_to_see(call)
        text = call.parameters["version"]
        if not VERSION.fullmatch(text):
            raise absent(call)

        async def use(grant: Grant) -> Record | None:
            async with call.connection(self.pool) as conn:
                found = await self.reader.version(conn, grant, type_, id_, int(text))
                if found is None:
                    await self._check_gone(conn, grant, type_, id_)
                return found

        async def see(conn: Connection, _: Grant, other: Grant, names: Callable[[Record], bool]) -> Record | None:
            found = await self.reader.version(conn, other, type_, id_, int(text))
            return found if found is not None and names(found) else None

        record = await self._past(call, (type_, id_), use, see)
        return _as_asked(record, asked)

    async def history(self, call: Call) -> Answer:
        """The versions of a resource, newest first, as a history Bundle; page by page where there are many.

        Of `_since` and `_at` those answer that R4 http.html#history says.
        """
        type_, id_ = await self._place(call, "r")
        at = f"{BASE}/{call.parameters['type']}/{id_}/_history"
        check_accepted(call)
        token = alone(call.query)
        first = known(call, call.query, OF_A_HISTORY) if token is None else ()
        asked = self._versions_asked(call, first)

        async def told(grant: Grant, look: Callable[[Span, int], Awaitable[History | None]]) -> Answer | None:
            pairs, (search, span) = first, asked
            if token is not None:
                cursor = self.cursors.open(token, grant, at)
                pairs = tuple((key, value) for key, value in cursor.pairs)
                search, span = self._versions_asked(call, pairs)
                span = span._replace(below=int(cursor.after[0]))
            found = await look(span, 0 if search.summary == "count" else search.count)
            if found is None:
                return None
            links = [("self", self_url(f"{call.base_url}{call.path}", pairs, search, is_number))]
            if found.more and found.versions:
                onward = self.cursors.make(grant, at, pairs, [found.versions[-1].version])
                links.append(("next", f"{call.base_url}{at}?_cursor={onward}"))
            return Answer(200, history(_told(call, found, search), links, found.total))

        async def use(grant: Grant) -> Answer | None:
            async with call.connection(self.pool) as conn:
                found = await told(grant, partial(self.reader.history, conn, grant, type_, id_))
                if found is None:
                    await self._check_gone(conn, grant, type_, id_)
                return found

        async def see(conn: Connection, grant: Grant, other: Grant, names: Callable[[Record], bool]) -> Answer | None:
            return await told(grant, partial(self.reader.history, conn, other, type_, id_, keep=names))

        answer: Answer = await self._past(call, (type_, id_), use, see)
        return answer

    async def _past(self, call: Call, place: tuple[int, UUID], use: Callable[..., Any], see: Callable[..., Any]) -> Any:
        """What a record was; `Refusal` 404 where it is absent, hidden or refused. As of a read, also in another's record."""
        service = self.kept.service(call.parameters["type"], place[1])
        alone = partial(self._hidden_as_absent, call, place[1], "history", use)
        found = await self.in_anothers.past(call, place, service, use, alone, see)
        if found is None:
            raise absent(call)
        return found

    async def _check_gone(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> None:
        """`Refusal` 410 where what is absent was deleted, and stood open to the caller until then (R4 http.html#delete). It says
        which id the record has instead, where that is open too."""
        if await self.reader.is_deleted(conn, grant, type_, id_):
            if now := await self.reader.present_id(conn, grant, type_, id_):
                raise has_another_id(type_name(type_), now)
            raise Refusal(410, "the record was deleted", where="id")

    async def _check_moved(self, conn: Connection, grant: Grant, type_: int, id_: UUID) -> None:
        """`Refusal` 410 where what the caller filed has another id now, and it may change it there."""
        if await self.records.is_taken_away(conn, grant, type_, id_):
            now = await self.reader.present_id(conn, grant, type_, id_)
            if now and await self.records.marks(conn, grant, type_, now):
                raise has_another_id(type_name(type_), now)

    async def search(self, call: Call) -> Answer:
        """A search inside one patient, by GET where no number is needed, by POST with a form else."""
        name = call.parameters["type"]
        type_of(name)
        pairs, token, patient = self._search_asked(call)
        # A page link goes on with a search that was taken before, lenient or not.
        passing_over = token is not None or lenient(call.headers)
        if token is not None and any(pair[0] not in NAMING for pair in pairs):
            raise not_alone()
        if patient is None:
            assert self.of_all is not None, "who may name nobody has somewhere to ask"
            return await self.of_all(call, name, pairs, token, self)
        services = self.kept.searched(call.caller, name)
        if len(services) > 1:
            return await self.of_both(call, name, patient, pairs, token, self)

        async def use(grant: Grant) -> Answer:
            asked, after = pairs, None
            if token is not None:
                cursor = self.cursors.open(token, grant, f"{BASE}/{name}")
                asked, after = tuple((key, value) for key, value in cursor.pairs), cursor.after
            whom = about_whom(self.ids, asked)
            search = self.parse_search(name, whom.rest, passing_over, services[0])
            beside = await self.in_anothers.beside(call, grant, whom, search)
            find = partial(self.finder.search, after=after, beside=beside)
            page, brought = await self.within(call, grant, whom, search, find)
            links = []
            if page.after is not None:
                next_token = self.cursors.make(grant, f"{BASE}/{name}", asked, page.after)
                links.append(further(call, name, asked, search, next_token))
            return found(call, search, asked, page, brought, links)

        try:
            return await granted(
                call.admit, patient, services[0], "search", use, basis=basis_of(call), proven=True,
                asked=search_line(name, pairs if token is None else FURTHER), piece=f"{name}.s",
            )  # fmt: skip
        except Denied:
            smart.demand(call.caller, name, "s")
            raise

    async def last(self, call: Call) -> Answer:
        """The last Observations of each kind: R4's operation `$lastn`, by a search's own parameters and `max` (one)."""
        pairs, token, patient = self._search_asked(call)
        if token is not None:
            raise Refusal(400, "the answer has one page", where="_cursor", code="not-supported")
        if patient is None:
            patient = patient_of(call, self.identify)
        most = most_of_a_kind([value for key, value in pairs if key == "max"])
        whom = about_whom(self.ids, tuple(pair for pair in pairs if pair[0] != "max"))
        search = self.parse_search("Observation", whom.rest, lenient(call.headers))
        check_last(search, whom.rest)

        async def use(grant: Grant) -> Answer:
            find = partial(
                self.finder.latest, most=most, beside=await self.in_anothers.beside(call, grant, whom, search)
            )
            page, brought = await self.within(call, grant, whom, search, find)
            return found(call, search, pairs, page, brought, [])

        try:
            return await granted(
                call.admit, patient, SERVICE_BY_TYPE["Observation"], "search", use, basis=basis_of(call), proven=True,
                asked=search_line("Observation/$lastn", pairs), piece="Observation.s",
            )  # fmt: skip
        except Denied:
            smart.demand(call.caller, "Observation", "s")
            raise

    async def within(
        self, call: Call, grant: Grant, whom: AboutWhom, search: Search, find: Callable[..., Awaitable[Page]]
    ) -> tuple[Page, list[Held | Shared]]:
        """A page of one patient's records, and what an include brings beside them: her Patient, which has its row in the log,
        and what is about no patient, which has none."""
        if whom.key not in (None, *grant.asked_about.keys):
            raise Refusal(400, "the request names more than one patient", where="patient")
        of_her = self.parse_search(TYPE, whom.of_her, False) if whom.of_her else None
        async with call.connection(self.pool) as conn:
            page, her = await self._with_her(conn, grant, of_her, search, find)
            finder = SharedFinder(
                conn, call.at, lambda name: smart.left(grant.caller, name, "s"), self.finder.candidate_limit
            )
            return page, [*her, *await finder.brought(search, page.records, page.included)]

    async def _with_her(
        self, conn: Connection, grant: Grant, of_her: Search | None, search: Search,
        find: Callable[..., Awaitable[Page]],
    ) -> tuple[Page, list[Held]]:  # fmt: skip
        if of_her is None and not bringing_her.may_lead(search):
            return await find(conn, grant, search), []
        await note(conn, grant.once)
        async with conn.transaction():
            if of_her is not None and not await self._is_as_asked(conn, grant, of_her):
                await audit.insert(conn, audit.given(grant))
                return Page([], [], 0, None), []
            page = await find(conn, grant, search)
            if not bringing_her.leads(search, page, grant.subject.keys):
                return page, []
            (her, *_) = await self.patients.look(conn, grant)
            return page, [her] if her.raw is not None and is_left(grant.caller, her, "s") else []

    async def _is_as_asked(self, conn: Connection, grant: Grant, of_her: Search) -> bool:
        her = (await self.patients.stood(conn, grant))[:1]
        return any(is_left(grant.caller, one, "s") and answers(one, of_her, grant.at) for one in her)

    def _search_asked(self, call: Call) -> tuple[Pairs, str | None, PatientRef | None]:
        """What a search asks, the token of a page link, and about whom it is; None where it names nobody and may."""
        check_accepted(call)
        if any((key in BY_NUMBER and is_a_number(key, value)) or (key != "_cursor" and stands_in(value))
               for key, value in call.query):  # fmt: skip
            says = "a person number never stands in an address"
            raise Refusal(400, says, where="query", todo="Use POST _search with a form.")
        every = (*call.query, *call.form)
        pairs = tuple(
            pair for pair in every if not (pair[0] in BY_NUMBER and is_a_number(*pair)) and pair[0] != "_cursor"
        )
        token, patient = token_in(every), self._patient(call, pairs)
        if call.body:
            raise Refusal(415, "a search is sent as application/x-www-form-urlencoded", where="content-type")
        return pairs, token, patient

    async def create(self, call: Call) -> Answer:
        """A new resource; the server makes the id, an `id` in the body is replaced (R4 http.html#create)."""
        name = call.parameters["type"]
        type_of(name)
        tree, advice = await self._checked(call, name)
        sent = Next.of(call.body, tree, call.at, advice)
        self.kept.check_files(call.caller, name, sent.service)
        type_ = sent.number
        if "if-none-exist" in call.headers:
            return await self.create_if_none(call, sent)

        async def use(grant: Grant) -> tuple[Next, Written]:
            must_hold(call.caller, type_, sent.indexed.tokens, "c")
            version = changing.registering(sent, grant)
            check_subject(version.tree, grant, self.identify)
            check_reference(self.ids, version.tree, grant.subject.keys)
            id_, shut = self._new_id(call, grant, version), version.shut
            change = Change(type_, id_, version.raw, version.indexed, shut.labels, shut.opens, kinds=version.kinds)
            types, pointers = types_by_service()[grant.service], self.records.pointers
            named = pointers.named(version.tree)
            if named and call.joined is not None:
                pointers.keep_later(call.joined, grant, (type_, id_), named)
            if call.joined is not None and not marking.concerns(grant):
                filed: Written = call.joined.file(grant, change)
                settle_later(call.joined, grant, self.reader, types, version)
                return version, filed
            async with call.connection(self.pool) as conn:
                create = partial(self.records.create, conn, grant, change)
                file = partial(marking.filing, conn, grant, self.reader, types, create)
                if not (named or lays_on_others(version, grant) or pointing.leads_to(version.tree)):
                    return version, await file()
                await note(conn, grant.once)
                async with conn.transaction():
                    await hold(conn, grant)
                    written = await file()
                    if named and call.joined is None:
                        await pointers.keep(conn, grant, (type_, id_), named)
                    await settle_new(conn, grant, self.reader, types, version, call.joined)
                return version, written

        patient = named_in(call, self.identify, self.ids, sent.tree)
        try:
            done = await granted(
                call.admit, patient, sent.service, "file", use, basis=basis_of(call), proven=True, piece=f"{name}.c",
                what=sent.what,
            )  # fmt: skip
        except Denied as denied:
            raise not_written(call, denied, patient, sent, (type_, "c"), self.identify, self.ids) from denied
        return self._written(call, done, 201)

    async def update(self, call: Call) -> Answer:
        """A new version of a resource, from the organisation that filed it, about the same subject (withheld: law, K102).

        `If-Match` is demanded, so no update is lost unseen. To any other sender the resource is absent. Who had read what
        the new version corrects or takes back is told, as of a correction that comes as a message.
        """
        named = _, id_ = await self._place(call, "u")
        name = call.parameters["type"]
        tree, advice = await self._checked(call, name)
        if tree.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where=f"{name}.id")
        expected = version_to_change(call)
        version = Next.of(call.body, tree, call.at, advice)

        async def use(grant: Grant) -> tuple[Next, Written] | None:
            must_hold(call.caller, named[0], version.indexed.tokens, "u")

            def make(_: Current) -> Next:
                check_header(call, grant, self.identify)
                return version

            types = types_by_service()[grant.service]
            changer = Changer(self.ids, self.records, self.reader, types, self.identify, call.joined)
            async with call.connection(self.pool) as conn, conn.transaction():
                if done := await changer.change(conn, grant, named, expected, make):
                    return done
                await self._check_moved(conn, grant, *named)
                return None

        # A new version that belongs to another service is refused, but to the one who filed the record alone.
        what = version.what if version.service == self.kept.service(name, id_) else ANY_KIND
        changed = await self._hidden_as_absent(call, id_, "correct", use, what)
        if changed is None:
            # As where the law lets the caller look for its record: it hears of its token before it hears of the record.
            must_hold(call.caller, named[0], version.indexed.tokens, "u")
            raise absent(call)
        return self._written(call, changed, 200)

    def _new_id(self, call: Call, grant: Grant, version: Next) -> UUID:
        if call.new_id is None:
            return self.kept.new_id(grant.subject.patient, version.tree)
        if self.ids.patient(call.new_id) != grant.subject.patient:
            raise Stale
        return call.new_id

    async def _checked(self, call: Call, name: str) -> tuple[dict[str, Any], tuple[Fault, ...]]:
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        check_sent(call)
        tree = await changing.tree_of(call, self.parse_json)
        return tree, await checked(call.body, tree, name, self.guides)

    def _written(self, call: Call, done: tuple[Next, Written], status: int) -> Answer:
        version, written = done
        made = Made(str(written.id), written.version, written.at, changing.leaves(call, *done))
        return answer_of(call, BASE, made, status, f"version {written.version} was written", version.advice)

    def _asked_to_see(self, call: Call) -> Search | None:
        """What of a resource a read asks for, None for all of it. `Refusal` 400 for a parameter that no read has."""
        check_accepted(call)
        if not call.query:
            return None
        search = self.parse_search(call.parameters["type"], known(call, call.query, OF_A_READ), False)
        if search.summary == "count":
            raise Refusal(400, "a read has no count", where="_summary")
        return search

    def _versions_asked(self, call: Call, pairs: Pairs) -> tuple[Search, Span]:
        """How much of each version, and which of them."""
        of_each = tuple(pair for pair in pairs if pair[0] not in ("_since", "_at"))
        return self.parse_search(call.parameters["type"], of_each, False), span_of(pairs)

    async def _place(self, call: Call, letter: str) -> tuple[int, UUID]:
        """Type and id of the address; `letter` of `cruds` is what the token's SMART scopes must leave of the type."""
        name = call.parameters["type"]
        type_of(name)
        id_ = self.ids.parse(call.parameters["id"])
        if id_ is None:
            action: Action = "correct" if letter == "u" else "read"
            what = ANY_KIND if letter == "u" else ""
            service, *_ = self.kept.searched(call.caller, name)
            await no_such_id(call, service, action, letter, what)
        return self.kept.number(name, id_), id_

    def _patient(self, call: Call, pairs: Pairs) -> PatientRef | None:
        """Whom the header or the form names, or an address among `pairs`; None where the caller may name nobody and does not."""
        in_form = [value.rpartition("|")[2] for key, value in call.form if key in BY_NUMBER and is_a_number(key, value)]
        if not (in_form or call.headers.get("person-id")):
            if (key := about_whom(self.ids, pairs).key) is not None:
                return PatientRef(key=key)
            if self.of_all is not None and call.caller is not None and call.caller.asks_about_everybody:
                return None
        return patient_of(call, self.identify, *in_form)

    async def _hidden_as_absent(self, call: Call, id_: UUID, action: Any, use: Any, what: str = "") -> Any:
        patient, service = PatientRef(key=self.ids.patient(id_)), self.kept.service(call.parameters["type"], id_)
        letter = "u" if action == "correct" else "r"
        return await hidden_as_absent(call, patient, service, action, letter, use, basis=basis_of(call), what=what)


def type_of(name: str) -> int:
    """The number of a type that is served; `Refusal` 404 for others, with their home."""
    if name not in SERVICE_BY_TYPE:
        raise not_served(name)
    return type_number(name)


def further(call: Call, name: str, asked: Pairs, search: Search, token: str) -> tuple[str, str]:
    """The link to the page that a token goes on with; whom the search named by her address stands in it again."""
    onward = self_url("", [pair for pair in asked if pair[0] in NAMING], search, is_number)
    return "next", f"{call.base_url}{BASE}/{name}{onward}{'&' if onward else '?'}_cursor={token}"


def found(
    call: Call, search: Search, asked: Pairs, page: Page, brought: Sequence[Held | Shared], links: list[tuple[str, str]],
    outcomes: Sequence[bytes] = (), never_without: NeverWithout = telling,
) -> Answer:  # fmt: skip
    """A page as a searchset, with a link to itself before the others; `brought` are the Patients and the records
    about nobody that an include brings, each told once, `outcomes` what is said beside the records."""
    base, address = f"{call.base_url}{BASE}", f"{call.base_url}{call.path}".removesuffix("/_search")
    entries = [
        (f"{base}/{_named(record)}", shown(record.served, search, never_without), mode)
        for mode, records in (("match", page.records), ("include", page.included))
        for record in records
    ]
    once = {f"{base}/{TYPE if isinstance(one, Held) else type_name(one.type)}/{one.id}": one for one in brought}
    entries += [(url, shown(one.served, search), "include") for url, one in once.items()]
    # What is said lies nowhere: it has an address of its own, as R4 demands of every entry.
    entries += [(f"urn:uuid:{uuid4()}", one, "outcome") for one in (*outcomes, *not_listed(page.left_out))]
    return Answer(200, searchset(entries, [("self", self_url(address, asked, search, is_number)), *links], page.total))


def _as_asked(record: Record, asked: Search | None) -> Answer:
    """A resource, or as much of it as was asked for."""
    body = record.served if asked is None else shown(record.served, asked, telling)
    return Answer(200, body, headers=version_headers(record.version, record.at))


def _told(call: Call, found: History, search: Search) -> list[Version]:
    return [
        Version(
            f"{call.base_url}{BASE}/{_named(one)}", type_name(one.type), str(one.id), one.version, one.at,
            shown(one.served, search, telling),
        )
        for one in found.versions
    ]  # fmt: skip


def _named(record: Record) -> str:
    return f"{type_name(record.type)}/{record.id}"
