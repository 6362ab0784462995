"""Patient under `/fhir/R4`: a person of the register, read and searched by whoever may see something of her (law, K89).

It has its addresses beside the records of patients (`beside`), and is no record of any service: the services in use that the
token opens are asked in turn, and the first whose law says yes lets her Patient be seen, with a row in her log. What the
sandbox's test client may do beyond that comes from outside (`Everybody`). Source: R4 patient.html, http.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NoReturn, Protocol

from kjerne.access import PORTAL, Action, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Handler, Pairs, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import Version, history, search_line, searchset, self_url
from kjerne.fhir.interaction import (
    OF_A_READ,
    VERSION,
    absent,
    basis_of,
    check_no_list,
    hidden_as_absent,
    known,
    no_such_id,
    unchanged,
    version_headers,
)
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.prefer import lenient
from kjerne.fhir.search import Search
from kjerne.fhir.subset import shown
from kjerne.registries.identifiers import is_number, stands_in
from kjerne.registries.naming import patient_of, patient_of_history
from kjerne.store.cursors import token_in
from kjerne.store.patient_ids import is_a_number, key_of, ref
from kjerne.store.patients import TYPE, Held, Patients, answers, check_alone, is_left
from kjerne.store.pool import Pool
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
READS: Final = frozenset({"read", "vread", "history-instance", "history-type", "search-type"})
"""What a Patient knows everywhere, as a CapabilityStatement calls it."""
WRITES: Final = frozenset({"create", "update", "patch", "delete", "T"})
"""What the test client may do beside; `T` is the address of the type, where conditions change and delete."""
ReadPatch = Callable[[Call], Callable[[dict[str, Any]], Any]]
"""Reads the patch of a request."""
RESOURCE_LIMIT_BYTES: Final = 2_000_000


class Everybody(Protocol):
    """What the sandbox's test client may do with people who are made up, beyond reading one that it names."""

    async def search(self, call: Call, pairs: Pairs, token: str | None, api: PatientsApi) -> Answer:
        """A search of Patient that names nobody."""
        ...

    async def create(self, call: Call) -> Answer: ...

    async def update(self, call: Call) -> Answer: ...

    async def update_found(self, call: Call) -> Answer: ...

    async def patch(self, call: Call, read: ReadPatch) -> Answer: ...

    async def delete(self, call: Call) -> Answer: ...

    async def delete_found(self, call: Call) -> Answer: ...


@dataclass(frozen=True)
class PatientsApi:
    """Handlers. `opens` are the scopes that open each service in use to personnel, `by_citizens` those that a citizen sees."""

    pool: Pool
    ids: SealedIds
    patients: Patients
    parse_search: Callable[[str, Pairs, bool], Search]
    identify: Callable[[str], PatientRef]
    opens: Mapping[str, frozenset[str]]
    by_citizens: tuple[str, ...]
    reads: str
    read_patch: ReadPatch
    everybody: Everybody | None = None

    def beside(self, route: Route) -> Route:
        """The route of a patient's records, that of her Patient too."""
        at = BASE + "/{type}"
        own: Mapping[tuple[str, str], Handler] = {
            ("GET", at): self.search,
            ("POST", at + "/_search"): self.search,
            ("GET", at + "/_history"): self.of_type,
            ("GET", at + "/{id}"): self.read,
            ("GET", at + "/{id}/_history"): self.history,
            ("GET", at + "/{id}/_history/{version}"): self.vread,
            ("POST", at): self.create,
            ("PUT", at + "/{id}"): self.update,
            ("PUT", at): self.update_found,
            ("PATCH", at + "/{id}"): self.patch,
            ("DELETE", at + "/{id}"): self.delete,
            ("DELETE", at): self.delete_found,
        }
        if not route.path.startswith(at):
            return route
        handler = own.get((route.method, route.path), _read_only)
        by_type = {**route.by_type, TYPE: self.reads}
        return replace(route, handler=partial(_either, route.handler, handler), by_type=by_type)

    async def read(self, call: Call) -> Answer:
        """Her Patient by its id; absent and refused are one answer (404), 410 where the test client deleted it."""
        check_accepted(call)
        shape = self._shape(call)
        (newest, *_) = await self._seen(call, "read")
        if newest.raw is None:
            raise Refusal(410, "the Patient was deleted", where="id")
        if unchanged(call.headers, newest.version, newest.at):
            return Answer(304, headers=version_headers(newest.version, newest.at))
        return _shown(newest, shape)

    async def vread(self, call: Call) -> Answer:
        """One version."""
        check_accepted(call)
        shape, text = self._shape(call), call.parameters["version"]
        if not VERSION.fullmatch(text):
            raise absent(call)
        found = [one for one in await self._seen(call, "history") if one.version == int(text)]
        if not found:
            raise absent(call)
        if found[0].raw is None:
            raise Refusal(410, "this version is the deletion", where="version")
        return _shown(found[0], shape)

    async def history(self, call: Call) -> Answer:
        """Every version, newest first."""
        check_accepted(call)
        shape = self._shape(call)
        return _versions(call, await self._seen(call, "history"), shape)

    async def of_type(self, call: Call) -> Answer:
        """The same of whom the header names: a patient has one Patient, so it is the history of that."""
        check_accepted(call)
        check_no_list(call)
        shape, patient = self._shape(call), patient_of_history(call, self.identify)
        found = await self._asked(call, patient, search_line(f"{TYPE}/_history", call.query), "history")
        return _versions(call, [one for one in found if call.caller and is_left(call.caller, one, "s")
                                and is_left(call.caller, one, "r")], shape)  # fmt: skip

    async def search(self, call: Call) -> Answer:
        """The Patient of whom the header, `_id` or, in a form, `identifier` names, if she answers the other parameters."""
        check_accepted(call)
        if call.body:
            raise Refusal(415, "a search is sent as application/x-www-form-urlencoded", where="content-type")
        if any(stands_in(value) for name, value in call.query if name != "_cursor"):
            says = "a person number never stands in an address"
            raise Refusal(400, says, where="query", todo="Use POST _search with a form.")
        every = (*call.query, *call.form)
        pairs, token = tuple(pair for pair in every if pair[0] != "_cursor"), token_in(every)
        numbers = [value.rpartition("|")[2] for name, value in call.form if is_a_number(name, value)]
        ids = [value for name, value in pairs if name == "_id"]
        if self.everybody and call.caller and call.caller.asks_about_everybody and not call.headers.get("person-id"):
            return await self.everybody.search(call, pairs, token, self)
        if token is not None:
            raise Refusal(400, "the answer has one page", where="_cursor", code="not-supported")
        one_id = ids[0] if len(ids) == 1 else ""
        named = bool(call.headers.get("person-id") or numbers)
        key = key_of(self.ids, one_id) if one_id and not named else None
        patient = ref(key) if key is not None else patient_of(call, self.identify, *numbers)
        search = self.parse_search(TYPE, tuple(pair for pair in pairs if not is_a_number(*pair)), lenient(call.headers))
        check_alone(search)
        found = await self._asked(call, patient, search_line(TYPE, pairs))
        return self.answer(call, search, pairs, [one for one in found[:1] if answers(one, search, call.at)])

    async def create(self, call: Call) -> Answer:
        return await self._changing(call).create(call)

    async def update(self, call: Call) -> Answer:
        return await self._changing(call).update(call)

    async def update_found(self, call: Call) -> Answer:
        return await self._changing(call).update_found(call)

    async def patch(self, call: Call) -> Answer:
        return await self._changing(call).patch(call, self.read_patch)

    async def delete(self, call: Call) -> Answer:
        return await self._changing(call).delete(call)

    async def delete_found(self, call: Call) -> Answer:
        return await self._changing(call).delete_found(call)

    def _changing(self, call: Call) -> Everybody:
        """Who changes the register: the test client alone. `Refusal` 405 for anybody else."""
        if self.everybody is None or call.caller is None or not call.caller.asks_about_everybody:
            raise read_only()
        return self.everybody

    def answer(
        self, call: Call, search: Search, pairs: Pairs, found: list[Held], onward: str = "", total: int | None = None
    ) -> Answer:
        """A searchset of what was found, with the token of a page that follows."""
        left = [one for one in found if call.caller and is_left(call.caller, one, "s")]
        address = f"{call.base_url}{call.path}".removesuffix("/_search")
        links = [("self", self_url(address, pairs, search, is_number))]
        if onward:
            links.append(("next", f"{call.base_url}{BASE}/{TYPE}?_cursor={onward}"))
        told = [] if search.summary == "count" else left[: search.count]
        entries = [(_url(call, one), shown(one.served, search), "match") for one in told]
        counted = len(left) if total is None and not onward else total
        return Answer(200, searchset(entries, links, counted))

    async def _look(self, call: Call, grant: Grant) -> list[Held]:
        async with call.connection(self.pool) as conn:
            return await self.patients.look(conn, grant)

    async def _seen(self, call: Call, action: Action) -> list[Held]:
        """The versions of the Patient in the address; `Refusal` 404 where there is none that the caller may see."""
        id_ = self.ids.parse(call.parameters["id"])
        services = self._services(call.caller)
        if id_ is None:
            await no_such_id(call, services[0], "read", "r")
        patient = ref(key_of(self.ids, str(id_)) or 0)
        for place, service in enumerate(services):
            try:
                found = await hidden_as_absent(
                    call, patient, service, action, "r", partial(self._look, call), basis=basis_of(call)
                )
            except Denied:
                if place + 1 == len(services):
                    raise
                continue
            left = [one for one in found or () if call.caller and is_left(call.caller, one, "r")]
            if left:
                return left
        raise absent(call)

    async def _asked(self, call: Call, patient: PatientRef, line: str, action: Action = "search") -> list[Held]:
        """The versions of hers under the first service's law that says yes; the last one's no else."""
        refused: Denied | None = None
        for service in self._services(call.caller):
            try:
                return await granted(
                    call.admit, patient, service, action, partial(self._look, call), basis=basis_of(call), proven=True,
                    asked=line, piece=f"{TYPE}.s",
                )  # fmt: skip
            except Denied as denied:
                smart.demand(call.caller, TYPE, "s")
                refused = denied
        assert refused is not None, "a token that the route lets in opens some service"
        raise refused

    def _services(self, caller: Caller | None) -> list[str]:
        """The services that may show her: those that the token opens."""
        assert caller is not None, "the route asks for a scope"
        if caller.kind == "citizen" or PORTAL in caller.scopes:
            return list(self.by_citizens)
        opened = [name for name, scopes in self.opens.items() if not scopes.isdisjoint(caller.scopes)]
        return opened or list(self.opens)[:1]

    def _shape(self, call: Call) -> Search:
        """How much of a Patient a read asks for."""
        search = self.parse_search(TYPE, known(call, call.query, OF_A_READ), False)
        if search.summary == "count":
            raise Refusal(400, "a read has no count", where="_summary")
        return search


async def _either(of_records: Handler, of_patients: Handler, call: Call) -> Answer:
    """The handler for the type in the address."""
    return await (of_patients if call.parameters.get("type") == TYPE else of_records)(call)


async def _read_only(_: Call) -> NoReturn:
    raise read_only()


def read_only() -> Refusal:
    says = "the register of persons is not changed here"
    return Refusal(405, says, where="method", code="not-supported", todo="Read a Patient, or search for one.")


def _shown(held: Held, shape: Search) -> Answer:
    return Answer(200, shown(held.served, shape), headers=version_headers(held.version, held.at))


def _versions(call: Call, found: list[Held], shape: Search) -> Answer:
    """A history of all of them."""
    told = [
        Version(_url(call, one), TYPE, str(one.id), one.version, one.at, shown(one.served, shape) if one.raw else b"")
        for one in found
    ]
    links = [("self", self_url(f"{call.base_url}{call.path}", call.query, shape, is_number))]
    return Answer(200, history(told, links, len(told)))


def _url(call: Call, held: Held) -> str:
    return f"{call.base_url}{BASE}/{TYPE}/{held.id}"
