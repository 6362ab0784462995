"""All that the law opens of one patient in one searchset: R4's `$everything` of a Patient, over every service that is served.

Source: http://hl7.org/fhir/R4/patient-operation-everything.html. Each service is asked for under its own law, step by step
(`store.walking`), and what is found goes out while the next is read. A service that is not in the answer is named in it with the
reason that a search of it would give, so that nothing missing looks like nothing there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID, uuid4

from kjerne.access import PORTAL, Caller, Denial, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, any_of, granted, noted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, search_line
from kjerne.fhir.dates import Interval, interval
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.negotiation import JSON, check_accepted, media_type
from kjerne.fhir.prefer import lenient
from kjerne.registries.homes import KEPT, SECOND, SERVICE_BY_TYPE, not_served, row_number
from kjerne.registries.identifiers import stands_in
from kjerne.registries.naming import in_address, patient_of
from kjerne.store import audit
from kjerne.store.cursors import Cursors, token_in
from kjerne.store.in_anothers import InAnothers
from kjerne.store.patient_ids import key_of, ref
from kjerne.store.patients import TYPE, Held, Patients, is_left, named
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Reader
from kjerne.store.sealed_id import SealedIds
from kjerne.store.walking import START, STEP_ROWS, Asked, Place, Step, step

BASE: Final = "/fhir/R4"
AT: Final = BASE + "/Patient/$everything"
OF_ONE: Final = BASE + "/Patient/{id}/$everything"
TAKES: Final = ("_type", "_since", "start", "end", "_count")
FORMATS: Final = frozenset({"_format", "_pretty"})
BY_NUMBER: Final = frozenset({"patient.identifier", "patient:identifier"})
BODY_LIMIT_BYTES: Final = 20_000
PAGE_LIMIT: Final = 10_000
WHOLE_BYTES: Final = 256_000
"""An answer up to here goes out in one piece, a longer one while it is made."""

PIECE_BYTES: Final = 64_000
Parts = AsyncIterator[bytes]


@dataclass(frozen=True)
class Wanted:
    """What a request asks for: of each service what, how many on a page (0: all), and the parameters as they came."""

    services: Mapping[str, Asked]
    unasked: Sequence[str]
    """Services that the token does not reach, and that no type in `_type` is of."""
    page: int
    pairs: Pairs
    of_her: bool
    """Whether her Patient is asked for, and `alone`: nothing else is."""
    alone: bool
    since: datetime


@dataclass(frozen=True)
class EverythingApi:
    """The handler. `reads` are the scopes that each service asks for, `told` an OperationOutcome's bytes for a no of the law."""

    pool: Pool
    ids: SealedIds
    patients: Patients
    reader: Reader
    cursors: Cursors
    parse_json: Callable[[bytes], dict[str, Any]]
    identify: Callable[[str], PatientRef]
    reads: Mapping[str, str]
    told: Callable[[Denial], bytes]
    in_anothers: InAnothers

    def routes(self) -> list[Route]:
        each = partial(
            Route, handler=self.everything, needs=any_of(self.reads), errors="fhir",
            body_limit_bytes=BODY_LIMIT_BYTES, for_citizens=True, whole=False,
        )  # fmt: skip
        return [each(method, path=path) for path in (AT, OF_ONE) for method in ("GET", "POST")]

    async def everything(self, call: Call) -> Answer:
        """Her Patient, and every record that the caller's grants open, service by service; in pages with `_count`."""
        check_accepted(call)
        sent = self._sent(call)
        numbers = [value for name, value in call.form if name in BY_NUMBER]
        key = self._key(call)
        by_number = key is None or numbers or call.headers.get("person-id")
        patient = patient_of(call, self.identify, *numbers) if by_number else ref(key or 0)
        token = token_in(sent)
        if token is None:
            wanted = self._wanted(call, sent)
            await self._held_to_scopes(call, patient, wanted)
            walk = _Walk(self, call, patient, wanted)
        else:
            if len(sent) > 1:
                raise Refusal(400, "a page link stands alone; it holds the question it goes on with", where="_cursor")
            walk = await self._resumed(call, patient, token)
        return await _answer(await walk.begun())

    def _key(self, call: Call) -> int | None:
        """Whom the address names; None where it names nobody, 0 for an id that is no Patient's."""
        id_ = call.parameters.get("id")
        return None if id_ is None else key_of(self.ids, f"{TYPE}/{id_}") or 0

    def is_of_her(self, call: Call, grant: Grant) -> None:
        """`Refusal` 400 where the address names another than the header or the form does."""
        if self._key(call) not in (None, *grant.asked_about.keys):
            raise Refusal(400, "the request names more than one patient", where="id")

    async def her(self, conn: Connection, grant: Grant, wanted: Wanted) -> list[Held]:
        """Her Patient as it stands, with a row that names it; none where it was deleted, is not left by the token's scopes or was
        written before what is asked for. One that is made from the register does not say when it was changed."""
        found = [
            one for one in (await self.patients.stood(conn, grant))[:1]
            if one.raw is not None and is_left(grant.caller, one, "s") and (one.is_made or one.at >= wanted.since)
        ]  # fmt: skip
        if found:
            await audit.insert(conn, audit.shown(grant), named(found))
        return found

    def _sent(self, call: Call) -> Pairs:
        """The parameters of address, form or Parameters resource."""
        sent = (*in_address(call), *(pair for pair in call.form if pair[0] not in BY_NUMBER))
        if call.body:
            if media_type(call.headers.get("content-type", "")) not in JSON:
                raise Refusal(415, "a body is a form or a Parameters resource in JSON", where="content-type")
            sent += _in_parameters(self.parse_json(call.body))
        return sent

    def _wanted(self, call: Call, pairs: Pairs) -> Wanted:
        unknown = sorted({name for name, _ in pairs} - {*TAKES, *FORMATS})
        if unknown and not lenient(call.headers):
            raise Refusal(
                400, f"$everything takes {', '.join(TAKES)}", where=unknown[0][:64], code="not-supported",
                todo="Leave the others out, or send Prefer: handling=lenient.",
            )  # fmt: skip
        asked = tuple(pair for pair in pairs if pair[0] in TAKES)
        for name in TAKES[1:]:
            if sum(one == name for one, _ in asked) > 1:
                raise Refusal(400, f"{name} may stand only once", where=name)
        types = _types(asked)
        since, start, end = (_moment(asked, name) for name in ("_since", "start", "end"))
        alone, of_her, types = types == {TYPE}, not types or TYPE in types, types - {TYPE}
        services, unasked = self._by_service(call, types)
        if not services:
            # The token reaches nothing but her Patient, or not even that (`_held_to_scopes`): asked for in one of its services.
            services = {next(one for _, one in KEPT if self._has_scope(call, one)): []}
        if alone:
            services, unasked = {one: [] for _, one in KEPT if self._has_scope(call, one)}, []
        span = Asked(())
        if since is not None:
            span = span._replace(since=since[0])
        if start is not None:
            span = span._replace(first=start[0])
        if end is not None:
            span = span._replace(last=end[1])
        by_service = {service: span._replace(types=numbers) for service, numbers in services.items()}
        return Wanted(by_service, unasked, _page(asked), asked, of_her, alone, span.since)

    def _by_service(self, call: Call, types: frozenset[str]) -> tuple[dict[str, list[int]], list[str]]:
        """The types that are asked for, by service, and the services that the token does not reach."""
        services: dict[str, list[int]] = {}
        unasked: dict[str, None] = {}
        for type_, service in KEPT:
            if types and type_ not in types:
                continue
            # What is asked for by name is refused where no service that keeps it is reached (`_held_to_scopes`).
            if self._is_reached(call, type_, service) or (types and type_ not in SECOND):
                services.setdefault(service, []).append(row_number(type_, service))
            else:
                unasked[service] = None
        for type_ in sorted(types & SECOND.keys()):
            first, second = SERVICE_BY_TYPE[type_], SECOND[type_]
            if not (self._is_reached(call, type_, first) or self._is_reached(call, type_, second)):
                services.setdefault(first, []).append(row_number(type_, first))
        return services, [one for one in unasked if one not in services]

    def _is_reached(self, call: Call, type_: str, service: str) -> bool:
        return self._has_scope(call, service) and smart.left(_caller(call), type_, "s") != ()

    def _has_scope(self, call: Call, service: str) -> bool:
        return not _caller(call).scopes.isdisjoint((*self.reads[service].split(), PORTAL))

    async def _held_to_scopes(self, call: Call, patient: PatientRef, wanted: Wanted) -> None:
        """`Refusal` 403 where a type is asked for by name that the token does not reach, or it reaches none; of its SMART scopes
        with a row."""
        caller, is_named = _caller(call), any(name == "_type" for name, _ in wanted.pairs)
        is_all = is_named or not any(asked.types for asked in wanted.services.values())
        if is_all and wanted.of_her and smart.left(caller, TYPE, "s") == ():
            await noted(call.admit, patient, next(iter(wanted.services)), "search", f"{TYPE}.s")
            smart.demand(caller, TYPE, "s")
        for service, asked in wanted.services.items():
            for name in map(type_name, asked.types):
                route = Route("GET", AT, self.everything, self.reads[service], "fhir", for_citizens=True)
                route.check_scope(caller, {})
                if smart.left(caller, name, "s") == ():
                    await noted(call.admit, patient, service, "search", f"{name}.s")
                    smart.demand(caller, name, "s")

    async def _resumed(self, call: Call, patient: PatientRef, token: str) -> _Walk:
        """The walk that a page link goes on with. The link names its service in the open, since its seal is that grant's,
        and holds for that service alone: whatever else it is changed to is refused (400)."""
        service, _, sealed = token.partition(".")
        if service not in SERVICE_BY_TYPE.values():
            raise Refusal(400, "this page link is not one of ours", where="_cursor", todo="Start again.")

        async def use(grant: Grant) -> tuple[Pairs, list[Any]]:
            self.is_of_her(call, grant)
            cursor = self.cursors.open(sealed, grant, _place(service))
            return tuple((name, value) for name, value in cursor.pairs), cursor.after

        asked = search_line("Patient/$everything", FURTHER)
        pairs, after = await granted(
            call.admit, patient, service, "search", use, basis=basis_of(call), proven=True, asked=asked
        )
        wanted = self._wanted(call, pairs)
        return _Walk(self, call, patient, wanted, service, (int(after[0]), UUID(after[1])), elsewhere=any(after[2:]))


class _Walk:
    """One request on its way through the services: what it gives is written down as it is given."""

    def __init__(
        self, api: EverythingApi, call: Call, patient: PatientRef, wanted: Wanted, service: str = "",
        after: Place = START, *, elsewhere: bool = False,
    ) -> None:  # fmt: skip
        self._api = api
        self._call = call
        self._patient = patient
        self._wanted = wanted
        services = list(wanted.services)
        self._left = services[services.index(service) :] if service else services
        self._after = after
        # Behind a service's own what lies with others and names her.
        self._elsewhere = elsewhere
        self._further = bool(service)
        self._begun = False
        self._total = 0
        self._next: tuple[Grant, Place, bool] | None = None
        self._her: list[Held] = []

    async def begun(self) -> Parts:
        """The parts of the answer, once something of it is known. `Denied` where the law opens nothing at all."""
        first: Denied | None = None
        denied: list[bytes] = []
        while self._left:
            try:
                grant, found = await self._step(self._left[0])
            except Denied as no:
                first = first or no
                denied.append(_entry(self._api.told(no.denial), "", "outcome"))
                self._left.pop(0)
                continue
            return self._parts(denied, grant, found)
        assert first is not None, "a walk has at least one service"
        raise first

    async def _step(self, service: str) -> tuple[Grant, Step]:
        """The next records of a service, under a grant of this moment."""
        wanted, begins = self._wanted, not (self._further or self._begun)

        async def use(grant: Grant) -> tuple[Grant, Step]:
            self._api.is_of_her(self._call, grant)
            if self._elsewhere:
                return grant, await self._of_others(grant, wanted.page - self._total if wanted.page else STEP_ROWS)
            async with self._api.pool.acquire() as conn:
                if not (begins and wanted.of_her):
                    return grant, await self._records(conn, grant, wanted.page - self._total)
                await note(conn, grant.once)
                async with conn.transaction():
                    her = await self._api.her(conn, grant, wanted)
                    if wanted.page <= len(her) and wanted.page:
                        found = Step([], self._after, not wanted.alone)
                    else:
                        found = await self._records(conn, grant, wanted.page - len(her))
                self._her = her
                return grant, found

        further = self._further or self._after != START
        line = search_line("Patient/$everything", FURTHER if further else self._wanted.pairs)
        # Her Patient is of no service: where nothing else is asked for, it is what the token must leave.
        piece = "" if self._wanted.services[service].types else f"{TYPE}.s"
        found: tuple[Grant, Step] = await granted(
            self._call.admit, self._patient, service, "search", use, basis=basis_of(self._call), proven=True, piece=piece,
            asked=line,
        )  # fmt: skip
        self._begun = True
        return found

    async def _records(self, conn: Connection, grant: Grant, room: int) -> Step:
        """The next records of the grant's service, as many as a page has room for."""
        asked, most = self._wanted.services[grant.service], room if self._wanted.page else STEP_ROWS
        return await step(conn, grant, self._api.reader, asked, self._after, most)

    async def _of_others(self, grant: Grant, most: int) -> Step:
        """The next records of the grant's service that lie with others and name her."""
        asked = self._wanted.services[grant.service]
        found = await self._api.in_anothers.step(self._call, grant, asked, self._after, most)
        if not (self._begun or found.found):
            # A request that nothing is left for is one all the same.
            async with self._api.pool.acquire() as conn:
                await audit.insert(conn, audit.given(grant))
        return found

    async def _parts(self, denied: list[bytes], grant: Grant, found: Step) -> Parts:
        yield encode({"resourceType": "Bundle", "type": "searchset"})[:-1]
        begin = b',"entry":['
        async for entry in self._entries(denied, grant, found):
            yield begin + entry
            begin = b","
        if begin == b",":
            yield b"]"
        own = f"{self._call.base_url}{self._call.path}"
        links = [{"relation": "self", "url": _url(own, self._wanted.pairs)}]
        if self._next is not None:
            behind, place, elsewhere = self._next
            # As long wherever it goes on: that something of another's is left is told by what comes alone.
            after = [f"{place[0]:05}", str(place[1]), int(elsewhere)]
            token = self._api.cursors.make(behind, _place(behind.service), self._wanted.pairs, after)
            links.append({"relation": "next", "url": f"{own}?_cursor={behind.service}.{token}"})
        # A page does not count what is on others: to do so would look at them.
        total = {} if self._wanted.page else {"total": self._total}
        yield b"," + encode({"link": links} | total)[1:]

    async def _entries(self, denied: list[bytes], grant: Grant, found: Step) -> Parts:
        """What is said of services that are shut, and the records of the others, each step of them when it is read."""
        for one in self._her:
            yield _entry(one.served, f"{self._call.base_url}{BASE}/{TYPE}/{one.id}", "match")
        self._total += len(self._her)
        self._left = self._left[:1] if self._wanted.alone else self._left
        for entry in (*denied, *map(_unasked, () if self._further else self._wanted.unasked)):
            yield entry
        following: tuple[Grant, Step] | None = (grant, found)
        while following is not None:
            (grant, found), following = following, None
            for opened in found.found:
                record = opened()
                yield _entry(
                    record.served, f"{self._call.base_url}{BASE}/{type_name(record.type)}/{record.id}", "match"
                )
            self._total += len(found.found)
            self._after = found.last
            if self._wanted.page and self._total >= self._wanted.page:
                self._next = await self._behind(grant, found)
                return
            if not found.more:
                self._on(grant)
            while self._left and following is None:
                try:
                    following = await self._step(self._left[0])
                except Denied as no:
                    # What lies with others and is shut is absent: nothing is said of it.
                    if not self._elsewhere:
                        yield _entry(self._api.told(no.denial), "", "outcome")
                    self._on()
                except Refusal as refusal:
                    # The status is on its way already: that the answer ends here is said in it.
                    yield _incomplete(refusal.says)
                    return

    async def _behind(self, grant: Grant, found: Step) -> tuple[Grant, Place, bool] | None:
        """Where the next page begins; None where nothing is left."""
        if found.more or self._elsewhere:
            return (grant, found.last, self._elsewhere) if found.more or len(self._left) > 1 else None
        asked = self._wanted.services[grant.service]
        there = await self._api.in_anothers.step(self._call, grant, asked, START, 0)
        return (grant, found.last, False) if there.more or len(self._left) > 1 else None

    def _on(self, grant: Grant | None = None) -> None:
        """Goes on with what lies with others, where her facts under the grant say that any of it may name her, else with the next
        service."""
        self._elsewhere = grant is not None and grant.subject.pointed and not self._elsewhere
        self._after = START
        if not self._elsewhere:
            self._left.pop(0)


def _caller(call: Call) -> Caller:
    assert call.caller is not None, "the route asks for a scope"
    return call.caller


async def _answer(parts: Parts) -> Answer:
    """In one piece where it is short, else as it is made."""
    begun = bytearray()
    async for part in parts:
        begun += part
        if len(begun) > WHOLE_BYTES:
            return Answer(200, rest=_after(bytes(begun), parts))
    return Answer(200, bytes(begun))


async def _after(begun: bytes, parts: Parts) -> Parts:
    yield begun
    gathered = bytearray()
    async for part in parts:
        gathered += part
        if len(gathered) > PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _entry(resource: bytes, url: str, mode: str) -> bytes:
    # What is said beside the records lies nowhere: it has an address of its own, as R4 demands of every entry.
    address = encode(url or f"urn:uuid:{uuid4()}")
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (address, resource, mode.encode())


def _unasked(service: str) -> bytes:
    says = f"the token does not reach the records of {service}: they were not asked for. Ask for those with another."
    return _outcome("information", "suppressed", says)


def _incomplete(says: str) -> bytes:
    return _outcome("error", "incomplete", f"the answer ends here and is not whole: {says}")


def _outcome(severity: str, code: str, says: str) -> bytes:
    issue = {"severity": severity, "code": code, "diagnostics": says}
    return _entry(encode({"resourceType": "OperationOutcome", "issue": [issue]}), "", "outcome")


def _place(service: str) -> str:
    """What a page link is bound to."""
    return f"{AT}?{service}"


def _url(address: str, pairs: Pairs) -> str:
    return f"{address}?{urlencode(pairs)}" if pairs else address


def _in_parameters(tree: Mapping[str, Any]) -> Pairs:
    """The parameters of a Parameters resource; `Refusal` 400 where it is something else."""
    rows = tree.get("parameter", [])
    if tree.get("resourceType") != "Parameters" or not isinstance(rows, list):
        raise Refusal(400, "the body is no Parameters resource", where="resourceType")
    found: list[tuple[str, str]] = []
    for place, row in enumerate(rows):
        values = [value for key, value in row.items() if key.startswith("value")] if isinstance(row, dict) else []
        name = row.get("name") if isinstance(row, dict) else None
        if not isinstance(name, str) or len(values) != 1 or type(values[0]) not in (str, int):
            says = "a parameter has a name and one simple value"
            raise Refusal(400, says, where=f"Parameters.parameter[{place}]")
        if stands_in(str(values[0])):
            says = "a person number is no parameter's value"
            raise Refusal(400, says, where=f"Parameters.parameter[{place}]", todo="Send it as header person-id.")
        found.append((name, str(values[0])))
    return tuple(found)


def _types(pairs: Pairs) -> frozenset[str]:
    """The types in `_type`; none: every type. `Refusal` where one is not served."""
    named = [name for key, value in pairs if key == "_type" for name in value.split(",")]
    for name in named:
        if name not in SERVICE_BY_TYPE and name != TYPE:
            found = not_served(name) if name else Refusal(400, "a type is missing")
            raise Refusal(400, found.says, where="_type", todo=found.todo, code="not-supported")
    return frozenset(named)


def _moment(pairs: Pairs, name: str) -> Interval | None:
    for key, value in pairs:
        if key == name:
            try:
                return interval(value)
            except ValueError:
                raise Refusal(400, f"{name} is a date or an instant", where=name) from None
    return None


def _page(pairs: Pairs) -> int:
    text = next((value for key, value in pairs if key == "_count"), None)
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= PAGE_LIMIT:
        raise Refusal(400, f"_count is a number from 1 to {PAGE_LIMIT}", where="_count")
    return int(text)
