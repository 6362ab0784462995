"""Records of registries and spaces under `/fhir/R4`: about no patient, so there is no `Grant`, no attestation and no audit row.

They share their addresses with the records of patients: `beside` puts these handlers behind the same routes, for the types in
`registries.homes.SHARED_TYPES`. Everybody whose token opens anything here may read them; `WRITES` is asked of who writes, and
only the source that wrote the first version may change a record. Sources: R4 http.html, search.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from kjerne.access import Caller, Limit
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer, Before, Call, Handler, Pairs, Route
from kjerne.fhir import smart
from kjerne.fhir.bundle import Version, history, searchset, self_url
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import Indexed, index
from kjerne.fhir.interaction import (
    OF_A_HISTORY,
    OF_A_READ,
    OF_A_WRITE,
    VERSION,
    Made,
    absent,
    answer_of,
    check_no_list,
    check_seen,
    criteria_in,
    deleted,
    known,
    sent_version,
    unchanged,
    version_headers,
    version_to_change,
)
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.patching import outcome
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search, counted
from kjerne.fhir.subset import shown
from kjerne.fhir.terminology.sound import check_sound
from kjerne.registries.guides import Guides
from kjerne.registries.homes import SHARED_TYPES
from kjerne.registries.identifiers import is_number, stands_in
from kjerne.registries.naming import in_address
from kjerne.registries.nobody import check_of_nobody
from kjerne.store import shared
from kjerne.store.changing import check_form, in_thread
from kjerne.store.cursors import Cursors, Unbound, alone, token_in
from kjerne.store.limits import must_hold
from kjerne.store.matching import check_apart
from kjerne.store.past import span_of
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Span
from kjerne.store.records import expect
from kjerne.store.shared import Held, Shared, Source
from kjerne.store.shared_finding import SharedFinder

BASE: Final = "/fhir/R4"
READS: Final = "kjerne:registries"
WRITES: Final = "kjerne:registries-write"
HISTORY_LIMIT: Final = 1_000
"""Versions that are looked through for a token that opens only some."""
NOTHING: Final = Indexed([], b"", None, None)
_ASKED: Final = frozenset({"CodeSystem", "ConceptMap", "ValueSet"})
"""Those that operations on terminology read."""
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
Tree = dict[str, Any]
Advice = tuple[Fault, ...]


@dataclass(frozen=True)
class SharedRecords:
    """Handlers. `reads` are the scopes of all other types, any of which lets these be read; `read_patch` reads the patch of a
    request."""

    pool: Pool
    cursors: Cursors
    candidate_limit: int
    parse_json: Callable[[bytes], Tree]
    parse_search: Callable[[str, Pairs, bool], Search]
    read_patch: Callable[[Call], Callable[[Tree], Any]]
    reads: str
    guides: Guides

    def beside(self, route: Route) -> Route:
        """The route of a patient's records, that of shared records too."""
        at = BASE + "/{type}"
        own: Mapping[tuple[str, str], tuple[Handler, str]] = {
            ("GET", at): (self.search, "s"),
            ("POST", at + "/_search"): (self.search, "s"),
            ("GET", at + "/_history"): (self.of_type, "s"),
            ("GET", at + "/{id}"): (self.read, "r"),
            ("GET", at + "/{id}/_history"): (self.history, "r"),
            ("GET", at + "/{id}/_history/{version}"): (self.vread, "r"),
            ("POST", at): (self.create, "c"),
            ("PUT", at + "/{id}"): (self.update, "u"),
            ("PUT", at): (self.update_found, "u"),
            ("PATCH", at + "/{id}"): (self.patch, "u"),
            ("DELETE", at + "/{id}"): (self.delete, "d"),
            ("DELETE", at): (self.delete_found, "d"),
        }
        if (route.method, route.path) not in own:
            return route
        handler, letter = own[route.method, route.path]
        needs = f"{self.reads} {READS}" if letter in "rs" else WRITES
        by_type = {**route.by_type, **dict.fromkeys(SHARED_TYPES, needs)}
        return replace(route, handler=partial(_either, route.handler, handler, letter), by_type=by_type)

    async def read(self, call: Call) -> Answer:
        """One record by id; 410 for one that was deleted."""
        check_accepted(call)
        search = self._of_each(call, known(call, call.query, OF_A_READ))
        async with call.connection(self.pool) as conn:
            await note(conn, call.once)
            record = await shared.read(conn, *_place(call))
        there = _there(call, record)
        if unchanged(call.headers, there.version, there.at):
            return Answer(304, headers=version_headers(there.version, there.at))
        return Answer(200, shown(there.served, search), headers=version_headers(there.version, there.at))

    async def vread(self, call: Call) -> Answer:
        """One version of a record."""
        check_accepted(call)
        search = self._of_each(call, known(call, call.query, OF_A_READ))
        text = call.parameters["version"]
        if not VERSION.fullmatch(text):
            raise absent(call)
        async with call.connection(self.pool) as conn:
            record = await shared.version(conn, *_place(call), int(text))
        there = _there(call, record)
        return Answer(200, shown(there.served, search), headers=version_headers(there.version, there.at))

    async def history(self, call: Call) -> Answer:
        """The versions of a record, newest first, page by page."""
        check_accepted(call)
        token, holder = alone(call.query), Unbound(_caller(call), call.at)
        at = f"{BASE}/{call.parameters['type']}/{call.parameters['id']}/_history"
        pairs, below = known(call, call.query, OF_A_HISTORY) if token is None else (), 0
        if token is not None:
            cursor = self.cursors.open(token, holder, at)
            pairs, below = _pairs(cursor.pairs), int(cursor.after[0])
        search, span = self._versions_asked(call, pairs)
        limit = 0 if search.summary == "count" else search.count
        async with call.connection(self.pool) as conn:
            if _narrowed(call) is None:
                found = await shared.history(conn, *_place(call), span._replace(below=below), limit + 1)
            else:
                found = await self._left_of_one(conn, call, span, below)
        if found is None:
            raise absent(call)
        versions, total = found
        links = [("self", self_url(f"{call.base_url}{call.path}", pairs, search, is_number))]
        if limit and len(versions) > limit:
            onward = self.cursors.make(holder, at, pairs, [versions[limit - 1].version])
            links.append(("next", f"{call.base_url}{at}?_cursor={onward}"))
        return Answer(200, history([_told(call, one, search) for one in versions[:limit]], links, total))

    async def _left_of_one(
        self, conn: Connection, call: Call, span: Span, below: int
    ) -> tuple[list[Shared], int] | None:
        """As `shared.history`, of the versions that the token's scopes leave, each of which is looked at."""
        every = await shared.history(conn, *_place(call), Span(), HISTORY_LIMIT + 1)
        if every is None or not _left(call, every[0]):
            return None
        found = await shared.history(conn, *_place(call), span, HISTORY_LIMIT + 1)
        left = _left(call, found[0]) if found else []
        return [one for one in left if not below or one.version < below], len(left)

    def _versions_asked(self, call: Call, pairs: Pairs) -> tuple[Search, Span]:
        """How much of each version, and which of them."""
        return self._of_each(call, tuple(one for one in pairs if one[0] not in ("_since", "_at"))), span_of(pairs)

    async def of_type(self, call: Call) -> Answer:
        """The versions of all records of a type, newest first, page by page; which were deleted stands among them."""
        check_accepted(call)
        check_no_list(call)
        name, holder, token = call.parameters["type"], Unbound(_caller(call), call.at), alone(in_address(call))
        smart.demand(call.caller, name, "r")
        pairs, behind = known(call, call.query, OF_A_HISTORY) if token is None else (), None
        if token is not None:
            cursor = self.cursors.open(token, holder, f"{BASE}/{name}/_history")
            pairs, behind = _pairs(cursor.pairs), shared.placed(cursor.after)
        search, span = self._versions_asked(call, pairs)
        limit, narrowed = 0 if search.summary == "count" else search.count, _narrowed(call) is not None
        async with call.connection(self.pool) as conn:
            place, most = (None, HISTORY_LIMIT) if narrowed else (behind, limit)
            versions, total = await shared.of_type(conn, type_number(name), span, place, most + 1)
        if narrowed:
            left = _left(call, versions)
            versions, total = [one for one in left if behind is None or one.place < behind], len(left)
        links = [("self", self_url(f"{call.base_url}{call.path}", pairs, search, is_number))]
        if limit and len(versions) > limit:
            onward = self.cursors.make(holder, f"{BASE}/{name}/_history", pairs, shared.placing(versions[limit - 1]))
            links.append(("next", f"{call.base_url}{BASE}/{name}/_history?_cursor={onward}"))
        return Answer(200, history([_told(call, one, search) for one in versions[:limit]], links, total))

    async def search(self, call: Call) -> Answer:
        """A search of one type, by GET or by a form."""
        check_accepted(call)
        in_address(call)
        if call.body:
            raise Refusal(415, "a search is sent as application/x-www-form-urlencoded", where="content-type")
        name, every, holder = call.parameters["type"], (*call.query, *call.form), Unbound(_caller(call), call.at)
        token, asked, after, reached = token_in(every), _pairs(every), "", 0
        if token is not None:
            if len(every) > 1:
                raise Refusal(400, "a page link stands alone; it holds the search it goes on with", where="_cursor")
            cursor = self.cursors.open(token, holder, f"{BASE}/{name}")
            asked, (after, reached) = _pairs(cursor.pairs), cursor.after
        search = self.parse_search(name, asked, token is not None or lenient(call.headers))
        async with call.connection(self.pool) as conn:
            await note(conn, call.once)
            page = await self._finder(conn, call, "s").search(search, after=after, skip=int(reached))
        address = f"{call.base_url}{call.path}".removesuffix("/_search")
        links = [("self", self_url(address, asked, search, is_number))]
        if page.more:
            place = [page.records[-1].id, int(reached) + len(page.records)]
            onward = self.cursors.make(holder, f"{BASE}/{name}", asked, place)
            links.append(("next", f"{call.base_url}{BASE}/{name}?_cursor={onward}"))
        entries = [
            (_url(call, one), shown(one.served, search), mode)
            for mode, records in (("match", page.records), ("include", page.included))
            for one in records
        ]
        return Answer(200, searchset(entries, links, page.total))

    async def create(self, call: Call) -> Answer:
        """A new record with an id made here; with `If-None-Exist`, if none answers that."""
        known(call, call.query, OF_A_WRITE)
        _, indexed, advice = await self._checked(call, "c")
        name = call.parameters["type"]
        search = (
            self._criteria(name, criteria_in(call.headers["if-none-exist"]))
            if "if-none-exist" in call.headers
            else None
        )
        async with call.connection(self.pool) as conn:
            await note(conn, call.once)
            async with conn.transaction():
                if search is not None:
                    found = await self._the_one(conn, call, search, "c")
                    if found is not None:
                        made = Made(found.id, found.version, found.at)
                        return answer_of(
                            call, BASE, made, 200, "a record answers the criteria already, and nothing was written"
                        )
                written = await self._write(conn, call, str(call.new_id or uuid4()), _NEW, call.body, indexed)
        return _written(call, written, 201, advice)

    async def update(self, call: Call) -> Answer:
        """A new version; or the first, under an id that its sender chose (R4 http.html#upsert)."""
        known(call, call.query, OF_A_WRITE)
        tree, indexed, advice = await self._checked(call, "u")
        type_, id_ = _place(call)
        if tree.get("id") != id_:
            raise Refusal(400, "the id in the body is not the id in the address", where=f"{call.parameters['type']}.id")
        if stands_in(id_):
            raise Refusal(400, "a person number never stands in an address", where="id")
        async with call.connection(self.pool) as conn, conn.transaction():
            before = await shared.hold(conn, type_, id_)
            if before.raw is None:
                expect(sent_version(call.headers) or None, before.version)
            else:
                expect(version_to_change(call), before.version)
            self._must_own(call, before)
            written = await self._write(conn, call, id_, before, call.body, indexed)
        return _written(call, written, 200 if before.raw is not None else 201, advice)

    async def update_found(self, call: Call) -> Answer:
        """A new version of the record that answers the criteria of the address, or a new record where none does."""
        tree, indexed, advice = await self._checked(call, "u")
        name, expected = call.parameters["type"], sent_version(call.headers)
        search = self._criteria(name, in_address(call))
        async with call.connection(self.pool) as conn, conn.transaction():
            found = await self._the_one(conn, call, search, "u")
            if found is None:
                expect(expected, 0)
                id_, before = str(tree.get("id") or uuid4()), _NEW
                if "id" in tree:
                    before = await shared.hold(conn, type_number(name), id_)
            else:
                id_, before = found.id, await shared.hold(conn, found.type, found.id)
                if tree.get("id", id_) != id_:
                    says = "the id in the body is not that of the record which answers the criteria"
                    raise Refusal(400, says, where=f"{name}.id")
            if before.raw is not None:
                if found is None:
                    says, todo = (
                        "the record with the id of the body does not answer the criteria",
                        "Send it to its own address.",
                    )
                    raise Refusal(409, says, where=f"{name}.id", todo=todo, code="conflict")
                check_seen(_caller(call), expected, before.version)
                expect(expected, before.version)
            self._must_own(call, before)
            written = await self._write(conn, call, id_, before, call.body, indexed)
        return _written(call, written, 200 if before.raw is not None else 201, advice)

    async def patch(self, call: Call) -> Answer:
        """A new version made of the one before; `If-Match` is demanded, as of an update."""
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        patch, expected = self.read_patch(call), version_to_change(call)
        type_, id_ = _place(call)
        async with call.connection(self.pool) as conn, conn.transaction():
            before = await shared.hold(conn, type_, id_)
            if before.raw is None:
                raise _gone(call, before.version)
            self._must_own(call, before)
            expect(expected, before.version)
            was = Shared(type_, id_, before.version, call.at, before.raw)
            raw, indexed, advice = await in_thread(partial(self._patched, call, was, patch))
            written = await self._write(conn, call, id_, before, raw, indexed)
        return _written(call, written, 200, advice)

    async def delete(self, call: Call) -> Answer:
        """Takes a record away, its versions stay; once more is the same."""
        check_accepted(call)
        smart.demand(call.caller, call.parameters["type"], "d")
        known(call, call.query, OF_A_WRITE)
        type_, id_ = _place(call)
        async with call.connection(self.pool) as conn, conn.transaction():
            before = await shared.hold(conn, type_, id_)
            if not before.version:
                raise absent(call)
            return await self._taken_away(conn, call, id_, before)

    async def delete_found(self, call: Call) -> Answer:
        """Takes away the record that answers the criteria of the address; where none does there is nothing to do."""
        check_accepted(call)
        search = self._criteria(call.parameters["type"], in_address(call))
        async with call.connection(self.pool) as conn, conn.transaction():
            found = await self._the_one(conn, call, search, "d")
            if found is None:
                return deleted(call, 0)
            return await self._taken_away(conn, call, found.id, await shared.hold(conn, found.type, found.id))

    def _finder(self, conn: Connection, call: Call, letter: str) -> SharedFinder:
        caller = _caller(call)
        return SharedFinder(conn, call.at, lambda type_: smart.left(caller, type_, letter), self.candidate_limit)

    def _of_each(self, call: Call, pairs: Pairs) -> Search:
        """How much of each record is asked for."""
        search = self.parse_search(call.parameters["type"], pairs, False)
        if search.summary == "count" and "version" not in call.parameters and not call.path.endswith("_history"):
            raise Refusal(400, "a read has no count", where="_summary")
        return search

    async def _checked(self, call: Call, letter: str) -> tuple[Tree, Indexed, Advice]:
        """The body as a valid record about nobody, that the token's scopes leave, and what a search finds it by."""
        check_accepted(call)
        check_sent(call)
        return await in_thread(partial(self._form, call, letter))

    def _form(self, call: Call, letter: str) -> tuple[Tree, Indexed, Advice]:
        tree = self.parse_json(call.body)
        advice = check_form(call.body, tree, call.parameters["type"], self.guides)
        return tree, self._found_by(call, tree, letter), advice

    def _found_by(self, call: Call, tree: Tree, letter: str) -> Indexed:
        """What a search finds a valid record by, which must be nobody's and left by the token's scopes."""
        check_of_nobody(tree)
        if tree["resourceType"] in _ASKED:
            check_sound(tree)
        indexed = index(tree)
        must_hold(call.caller, type_number(call.parameters["type"]), indexed.tokens, letter)
        return indexed

    def _patched(self, call: Call, before: Shared, patch: Callable[[Tree], Any]) -> tuple[bytes, Indexed, Advice]:
        name = call.parameters["type"]
        raw = outcome(before.served, patch)
        tree = self.parse_json(raw)
        if tree.get("resourceType") != name or tree.get("id") != before.id:
            raise Refusal(422, "a patch changes neither type nor id of a record", where=f"{name}.id")
        advice = check_form(raw, tree, name, self.guides)
        return raw, self._found_by(call, tree, "u"), advice

    def _criteria(self, name: str, pairs: Pairs) -> Search:
        """A search that says which record is meant; `Refusal` 400 for none, and for what only shapes an answer."""
        search = self.parse_search(name, pairs, False)
        if not search.criteria or len(search.criteria) != len(pairs):
            raise Refusal(400, "a condition has criteria, and has them alone", where="query", code="required")
        if any(stands_in(value) for _, value in pairs):
            raise Refusal(400, "a person number never stands in an address", where="query")
        return search

    async def _the_one(self, conn: Connection, call: Call, search: Search, letter: str) -> Shared | None:
        """The one record that answers; until the transaction ends no other condition on its type is asked."""
        await shared.hold_type(conn, type_number(search.type))
        finder = self._finder(conn, call, letter)
        with counted():
            found = await finder.matching(search)
        if letter in ("u", "d") and call.joined is not None and call.joined.changed(type_number(search.type)):
            check_apart(call.joined, await finder.planned(search), type_number(search.type))
        if len(found) > 1:
            raise Refusal(412, "more than one record answers the criteria", todo="Add to them until one is left.")
        return found[0].record if found else None

    async def _taken_away(self, conn: Connection, call: Call, id_: str, before: Held) -> Answer:
        if before.raw is None:
            return deleted(call, 0)
        self._must_own(call, before)
        expect(sent_version(call.headers), before.version)
        gone = await self._write(conn, call, id_, before, None, NOTHING)
        by_criteria = "id" not in call.parameters
        return deleted(call, gone.version, f"{BASE}/{call.parameters['type']}/{id_}" if by_criteria else "")

    def _must_own(self, call: Call, before: Held) -> None:
        """`Refusal` 403 where another source keeps the record, or the token's scopes do not leave it as it stands."""
        if not before.version:
            return
        if not before.source.is_of(_source(call)):
            raise Refusal(
                403,
                "another source keeps this record",
                where="id",
                todo="Ask it for the change, or file a record of your own.",
            )
        if before.raw is not None and _caller(call).limits is not None:
            letter = "d" if call.method == "DELETE" else "u"
            must_hold(call.caller, type_number(call.parameters["type"]), index(decode(before.raw)).tokens, letter)

    async def _write(
        self, conn: Connection, call: Call, id_: str, before: Held, raw: bytes | None, indexed: Indexed
    ) -> Shared:
        type_ = type_number(call.parameters["type"])
        written = await shared.write(conn, type_, id_, before, raw, indexed, _source(call), call.at, call.correlation)
        if written is None:
            raise Refusal(
                409, "the record was written by another at this moment", todo="Read it, and send yours again."
            )
        if call.joined is not None and before.raw is not None:
            # When it came is not known here: who asks for that by a condition means what the transaction found.
            call.joined.changes(Before(type_, id_, before.version, call.at, decode(before.raw), frozenset()))
        return written


_NEW: Final = Held(0, Source("", ""), None)


async def _either(of_patient: Handler, shared_: Handler, letter: str, call: Call) -> Answer:
    """The handler for the type in the address."""
    name = call.parameters["type"]
    if name not in SHARED_TYPES and not _is_a_role_of_nobodys(call):
        return await of_patient(call)
    smart.demand(call.caller, name, letter)
    try:
        return await shared_(call)
    except Refusal as refusal:
        if name in SHARED_TYPES or refusal.status != 404:
            raise
        return await of_patient(call)


def _is_a_role_of_nobodys(call: Call) -> bool:
    """Whether it is a PractitionerRole that the sandbox's test client keeps about no patient, as a register of its own would."""
    tests = call.caller is not None and call.caller.asks_about_everybody
    return tests and call.parameters["type"] == "PractitionerRole" and "person-id" not in call.headers


def _caller(call: Call) -> Caller:
    assert call.caller is not None, "the route asks for a scope"
    return call.caller


def _source(call: Call) -> Source:
    return Source(_caller(call).organisation, _caller(call).client)


def _place(call: Call) -> tuple[int, str]:
    """Type and id of the address; `Refusal` 404 for what no id is written as."""
    if not _ID.fullmatch(call.parameters["id"]):
        raise absent(call)
    return type_number(call.parameters["type"]), call.parameters["id"]


def _there(call: Call, record: Shared | None) -> Shared:
    """A version that is there and that the token's scopes leave."""
    if record is None:
        raise absent(call)
    if record.raw is None:
        raise _gone(call, record.version)
    if not _is_left(call, record):
        raise absent(call)
    return record


def _narrowed(call: Call) -> tuple[Limit, ...] | None:
    return smart.left(_caller(call), call.parameters["type"], "r")


def _is_left(call: Call, record: Shared) -> bool:
    """Whether the token's SMART scopes leave a version; a deletion says nothing of a record."""
    left = _narrowed(call)
    return left is None or (record.raw is not None and smart.holds(left, index(decode(record.raw)).tokens))


def _left(call: Call, versions: Sequence[Shared]) -> list[Shared]:
    """Those that the token's scopes leave; `Refusal` 422 where they are too many to look through."""
    if len(versions) > HISTORY_LIMIT:
        says = f"more than {HISTORY_LIMIT} versions would be looked through for what the token's scopes leave"
        raise Refusal(422, says, code="too-costly", todo="Ask by _since, or with a token of the whole type.")
    return [one for one in versions if _is_left(call, one)]


def _gone(call: Call, version: int) -> Refusal:
    return Refusal(410, "the record was deleted", where="id") if version else absent(call)


def _is_ours(id_: str) -> bool:
    """Whether an id is of the form that is made here; whoever chooses one writes it otherwise, or as if it were made here."""
    try:
        return str(made := UUID(id_)) == id_ and made.version == 4
    except ValueError:
        return False


def _pairs(found: Any) -> Pairs:
    return tuple((key, value) for key, value in found if key != "_cursor")


def _told(call: Call, one: Shared, search: Search) -> Version:
    resource = shown(one.served, search) if one.raw is not None else b""
    url, name = _url(call, one), call.parameters["type"]
    return Version(url, name, one.id, one.version, one.at, resource, not _is_ours(one.id))


def _url(call: Call, record: Shared) -> str:
    return f"{call.base_url}{BASE}/{type_name(record.type)}/{record.id}"


def _written(call: Call, written: Shared, status: int, advice: Advice) -> Answer:
    made = Made(written.id, written.version, written.at, written.raw or b"")
    return answer_of(call, BASE, made, status, f"version {written.version} was written", advice)
