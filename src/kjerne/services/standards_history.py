"""The history of a type within a patient, and of all her records (R4 http.html#history): `{type}/_history` and `_history`.

Newest first, page by page, each page a new `Grant` of each service with its own row in the log. Where several services are asked,
each lays down which versions it has (`store.past`), one order is made of them, and each opens those of its own that are on
the page. A service that is shut, or that the token does not reach, is named in the answer with the reason that it gives alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from kjerne.access import Denial, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, any_of, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, Shut, Version, history, search_line, self_url
from kjerne.fhir.definitions import type_name
from kjerne.fhir.interaction import OF_A_HISTORY, basis_of, check_no_list, known
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.outcome import operation_outcome
from kjerne.fhir.search import Search
from kjerne.fhir.subset import shown
from kjerne.registries.homes import KEPT, row_number
from kjerne.registries.identifiers import is_number
from kjerne.registries.naming import in_address, patient_of_history
from kjerne.store import past
from kjerne.store.cursors import Cursors, alone
from kjerne.store.kept import Kept, opened_by
from kjerne.store.past import LETTERS, Event, Outline, span_of
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader, Record, Span

BASE: Final = "/fhir/R4"
END: Final = "_history"
OF_ALL: Final = OF_A_HISTORY - {"_elements"}
"""What the history of all types takes: elements are those of a type."""
T = TypeVar("T")


@dataclass(frozen=True)
class HistoryApi:
    """Handlers. `reads` are the scopes that each type asks for, `told` an OperationOutcome's bytes for a no of the law, `type_of`
    refuses a type that is not served, `parse_search` reads how much of each version is asked for."""

    pool: Pool
    reader: Reader
    cursors: Cursors
    kept: Kept
    parse_search: Callable[..., Search]
    identify: Callable[[str], PatientRef]
    reads: Mapping[str, str]
    told: Callable[[Denial], bytes]
    type_of: Callable[[str], int]

    def routes(self) -> list[Route]:
        looks = partial(Route, "GET", needs=any_of(self.reads), errors="fhir", for_citizens=True)
        return [
            looks(f"{BASE}/{{type}}/{END}", self.of_type, by_type=self.reads, joins=True),
            looks(f"{BASE}/{END}", self.of_all),
        ]

    async def of_type(self, call: Call) -> Answer:
        """The versions of all records of a type that the patient has, newest first, and which were deleted."""
        name = call.parameters["type"]
        self.type_of(name)
        services = self.kept.searched(call.caller, name)
        return await _Asked(self, call, name, {one: [row_number(name, one)] for one in services}).answer()

    async def of_all(self, call: Call) -> Answer:
        """The same of every type of records, of the services that the token opens."""
        assert call.caller is not None, "the route asks for a scope"
        opened, asked, unasked = opened_by(call.caller, self.kept.reads), dict[str, list[int]](), dict[str, None]()
        for name, service in KEPT:
            if service in opened and all(smart.left(call.caller, name, letter) != () for letter in LETTERS):
                asked.setdefault(service, []).append(row_number(name, service))
            else:
                unasked[service] = None
        if not asked:  # the law says it, so that it stands in her log
            return await _Asked(self, call, "", {opened[0]: []}, piece="*.s!").answer()
        return await _Asked(self, call, "", asked, [one for one in unasked if one not in asked]).answer()


@dataclass
class _Asked:
    """One request on its way: which types of which services it asks about, and what they have said so far."""

    api: HistoryApi
    call: Call
    name: str
    types: Mapping[str, Sequence[int]]
    unasked: Sequence[str] = ()
    piece: str = ""
    outlines: dict[str, Outline] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    shut: list[Shut] = field(default_factory=list)
    denied: Denied | None = None

    @property
    def line(self) -> str:
        """The address as a type's own requests have it."""
        return f"{self.name}/{END}" if self.name else END

    async def answer(self) -> Answer:
        """The page that is asked for."""
        call, api = self.call, self.api
        check_accepted(call)
        check_no_list(call)
        token, behind = alone(in_address(call)), None
        pairs = known(call, call.query, OF_A_HISTORY if self.name else OF_ALL) if token is None else ()
        shape, span = self._read(pairs)
        patient = patient_of_history(call, api.identify)
        if token is not None:
            pairs, behind = await self._resumed(patient, token)
            shape, span = self._read(pairs)
        limit = 0 if shape.summary == "count" else shape.count
        line = search_line(self.line, pairs if token is None else FURTHER)

        async def lay(service: str, grant: Grant) -> Outline:
            async with call.connection(api.pool) as conn:
                self.grants[service] = grant
                return await past.outline(conn, grant, api.reader, self.types[service], span, behind, limit + 1)

        for service in self.types:
            if (found := await self._of(patient, service, line, partial(lay, service))) is not None:
                self.outlines[service] = found
        every = sorted((event for one in self.outlines.values() for event in one.events), reverse=True)
        versions = await self._opened(patient, line, every[:limit], shape)
        if not self.outlines:
            assert self.denied is not None, "one service at least is asked"
            raise self.denied
        links = [("self", self_url(f"{call.base_url}{call.path}", pairs, shape, is_number))]
        if limit and len(every) > limit:
            links.append(("next", self._onward(pairs, every[limit - 1])))
        total = sum(one.total for one in self.outlines.values())
        return Answer(200, history(versions, links, total, (*self.shut, *(() if token else self._unreached()))))

    def _read(self, pairs: Pairs) -> tuple[Search, Span]:
        """How much of each version is asked for, which is the same for every type, and of which time."""
        of_each = tuple(pair for pair in pairs if pair[0] not in ("_since", "_at"))
        return self.api.parse_search(self.name or KEPT[0][0], of_each, False), span_of(pairs)

    async def _of(self, patient: PatientRef, service: str, line: str, use: Callable[[Grant], Awaitable[T]]) -> T | None:
        """What one service gives; None where the law shuts it, which is kept to be told."""
        call, caller = self.call, self.call.caller
        assert caller is not None, "the route asks for a scope"
        # Each version is read, and all of them are searched for: the scopes must leave both.
        letter = "r" if self.name and smart.left(caller, self.name, "r") == () else "s"
        try:
            return await granted(
                call.admit, patient, service, "history", use, basis=basis_of(call), proven=True, asked=line,
                piece=f"{self.name}.{letter}" if self.name else self.piece,
            )  # fmt: skip
        except Denied as denied:
            if self.name:
                smart.demand(caller, self.name, letter)
            self.denied = self.denied or denied
            self.shut.append(Shut(self.line, 403, self.api.told(denied.denial)))
            return None

    async def _opened(self, patient: PatientRef, line: str, page: Sequence[Event], shape: Search) -> list[Version]:
        """The entries of a page. Each service opens its own under its own grant and with its own row, also where there are none;
        what is not there any more since it was laid down is left out."""
        opened: dict[Any, Record] = {}

        async def opening(own: Sequence[Event], grant: Grant) -> list[Record]:
            async with self.call.connection(self.api.pool) as conn:
                return await past.opened(conn, grant, self.api.reader, own)

        for service in tuple(self.outlines):
            own = [event for event in page if event.type in self.types[service]]
            records = await self._of(patient, service, line, partial(opening, own))
            if records is None:  # shut between the two looks
                del self.outlines[service]
                page = [event for event in page if event not in own]
            opened |= {(one.type, one.id, one.version): one for one in records or ()}
        return [
            self._version(event, opened.get(event[1:4]), shape) for event in page if event.gone or event[1:4] in opened
        ]

    def _version(self, event: Event, record: Record | None, shape: Search) -> Version:
        name = type_name(event.type)
        resource = shown(record.served, shape) if record is not None else b""
        url = f"{self.call.base_url}{BASE}/{name}/{event.id}"
        return Version(url, name, str(event.id), event.version, event.at, resource)

    def _unreached(self) -> list[Shut]:
        """What is said of services that the token does not open."""
        says = "the token does not reach the records of {}: they were not asked for"
        todo = "Ask for those with another."
        return [
            Shut(self.line, 403, operation_outcome(Refusal(403, says.format(one), where="scope", todo=todo)))
            for one in self.unasked
        ]

    async def _resumed(self, patient: PatientRef, token: str) -> tuple[Pairs, Event]:
        """What a page link goes on with, and behind what. The link names in the open the service whose grant sealed it."""
        service, _, sealed = token.partition(".")
        if service not in self.types:
            says = "this page link was made for another token, or is not one of ours"
            raise Refusal(400, says, where="_cursor", todo="Ask for the history again.")

        async def use(grant: Grant) -> tuple[Pairs, Event]:
            cursor = self.api.cursors.open(sealed, grant, f"{BASE}/{self.line}")
            return tuple((key, value) for key, value in cursor.pairs), past.placed(cursor.after)

        found = await self._of(patient, service, search_line(self.line, FURTHER), use)
        if found is None:
            assert self.denied is not None
            raise self.denied
        return found

    def _onward(self, pairs: Pairs, last: Event) -> str:
        service = next(iter(self.outlines))
        sealed = self.api.cursors.make(self.grants[service], f"{BASE}/{self.line}", pairs, last.place)
        return f"{self.call.base_url}{BASE}/{self.line}?_cursor={service}.{sealed}"
