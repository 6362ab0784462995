"""The history of a type within a patient, and of all her records (R4 http.html#history): `{type}/_history` and `_history`; and
`$changes`, by which a program follows what is written (decision 58).

A history is told newest first, page by page, each page a new `Grant` of each service with its own row in the log. Where several
services are asked, each lays down which versions it has (`store.past`), one order is made of them, and each opens those of its
own that are on the page. What is followed is laid down and opened in the same way, in the order in which it was written
(`store.following`). A service that is shut, or that the token does not reach, is named in the answer with the reason that it
gives alone.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from cryptography.exceptions import InvalidTag

from kjerne.access import Caller, Denial, Grant
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, any_of, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import FURTHER, Shut, Version, history, search_line, self_url
from kjerne.fhir.definitions import type_name
from kjerne.fhir.interaction import OF_A_HISTORY, OF_A_WRITE, basis_of, check_no_list, known
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.outcome import operation_outcome
from kjerne.fhir.search import Search
from kjerne.fhir.subset import NeverWithout, shown
from kjerne.registries.homes import KEPT, SERVICE_BY_TYPE, row_number
from kjerne.registries.identifiers import is_number
from kjerne.registries.naming import in_address, patient_of_history
from kjerne.registries.others import telling
from kjerne.store import audit, following, past
from kjerne.store.cursors import Cursors, alone, token_in
from kjerne.store.following import PACKED_BYTES, WITNESS_BYTES, Place, Position, Stretch, Told, Witness
from kjerne.store.kept import Kept, opened_by
from kjerne.store.keys import Sealer
from kjerne.store.past import LETTERS, Event, Outline, span_of
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader, Record, Span

BASE: Final = "/fhir/R4"
END: Final = "_history"
OF_ALL: Final = OF_A_HISTORY - {"_elements"}
"""What the history of all types takes: elements are those of a type."""
CHANGES: Final = "$changes"
TO_FOLLOW: Final = OF_A_WRITE | {"_type", "_since", "_count", "_wait", "_cursor"}
WAIT_LIMIT_SECONDS: Final = 20
"""The longest that an answer waits for something to tell: well within the time of a request (`request_seconds`)."""
LOOK_SECONDS: Final = 0.5
"""How often it is looked whether there is something."""
WAITING_LIMIT: Final = 200
"""Answers that wait at the same time, of one process: each looks by itself. Beyond it they come at once."""
WHOSE_BYTES: Final = 16
WITNESSED: Final = b"\x01"
"""How a cursor begins that names a row of the log. One of before 2026-11-27, or about everybody, begins with a transaction's
number, whose first byte is 0."""
T = TypeVar("T")


class OfAll(Protocol):
    """The history that names nobody, of the sandbox's test client: it asks `api` about each by herself. `name` is the type, or
    empty."""

    async def __call__(self, call: Call, name: str, api: HistoryApi) -> Answer: ...


class FollowsAll(Protocol):
    """What follows changes and names nobody, in the same way."""

    async def __call__(self, call: Call, asked: Asked, api: HistoryApi) -> Answer: ...


class OfEverybody(NamedTuple):
    """What the sandbox's test client may ask for without naming anybody (law, K89)."""

    history: OfAll
    changes: FollowsAll


class Asked(NamedTuple):
    """What somebody who follows asks for: of which types (none: of all), behind which position, and how long she waits.

    `goes_on`: by a cursor, which was about whoever has the mark `whose`. `begins`: she asks for the place that is now alone.
    """

    pairs: Pairs
    types: tuple[str, ...]
    position: Position
    shape: Search
    wait_seconds: int
    goes_on: bool
    whose: bytes
    begins: bool
    witness: Witness | None = None
    """Of the answer that the cursor came with."""


@dataclass(frozen=True)
class HistoryApi:
    """Handlers. `reads` are the scopes that each type asks for, `told` an OperationOutcome's bytes for a no of the law, `type_of`
    refuses a type that is not served, `parse_search` reads how much of each version is asked for. `sealer` seals the cursors of
    `$changes` under a key that never changes: who follows may come back after a year."""

    pool: Pool
    reader: Reader
    cursors: Cursors
    kept: Kept
    parse_search: Callable[..., Search]
    identify: Callable[[str], PatientRef]
    reads: Mapping[str, str]
    told: Callable[[Denial], bytes]
    type_of: Callable[[str], int]
    sealer: Sealer
    clock: Clock
    everybody: OfEverybody | None = None
    waiting: list[None] = field(default_factory=list, repr=False)

    def routes(self) -> list[Route]:
        looks = partial(Route, "GET", needs=any_of(self.reads), errors="fhir", for_citizens=True)
        return [
            looks(f"{BASE}/{{type}}/{END}", self.of_type, by_type=self.reads, joins=True),
            looks(f"{BASE}/{END}", self.of_all),
            looks(f"{BASE}/{CHANGES}", self.changes),
        ]

    async def of_type(self, call: Call) -> Answer:
        """The versions of all records of a type that the patient has, newest first, and which were deleted."""
        name = call.parameters["type"]
        self.type_of(name)
        if self.everybody is not None and names_nobody(call):
            return await self.everybody.history(call, name, self)
        services = self.kept.searched(call.caller, name)
        return await _Asked(self, call, name, {one: [row_number(name, one)] for one in services}).answer()

    async def of_all(self, call: Call) -> Answer:
        """The same of every type of records, of the services that the token opens."""
        if self.everybody is not None and names_nobody(call):
            return await self.everybody.history(call, "", self)
        asked, unasked = self.services_of(caller_of(call), ())
        if not asked:  # the law says it, so that it stands in her log
            return await _Asked(self, call, "", {unasked[0]: []}, piece="*.s!").answer()
        return await _Asked(self, call, "", asked, unasked).answer()

    async def changes(self, call: Call) -> Answer:
        """What was written behind a cursor, in the order in which it was; where there is nothing, what comes while it waits."""
        check_accepted(call)
        check_no_list(call)
        if self.everybody is not None and names_nobody(call):
            return await self.everybody.changes(call, self.asked(call), self)
        patient = patient_of_history(call, self.identify)
        wants = self.asked(call)
        asked, unasked = self.services_of(caller_of(call), wants.types)
        if not asked:
            return await _Followed(self, call, "", {unasked[0]: []}, piece="*.s!", wants=wants).told(patient)
        return await _Followed(self, call, "", asked, unasked, wants=wants).told(patient)

    def services_of(self, caller: Caller, types: Collection[str]) -> tuple[dict[str, list[int]], list[str]]:
        """Which of these types (none: of all) a token opens, by service, and the services of those that it does not."""
        opened, asked, unasked = opened_by(caller, self.kept.reads), dict[str, list[int]](), dict[str, None]()
        for name, service in KEPT:
            if types and name not in types:
                continue
            if service in opened and all(smart.left(caller, name, letter) != () for letter in LETTERS):
                asked.setdefault(service, []).append(row_number(name, service))
            else:
                unasked[service] = None
        # Of what it opens first: whose law refuses where nothing of it is left.
        return asked, sorted((one for one in unasked if one not in asked), key=lambda one: one not in opened)

    def asked(self, call: Call) -> Asked:
        """What a request to follow asks for; `Refusal` 400 for what it cannot be."""
        pairs = known(call, in_address(call), TO_FOLLOW)
        given, token = dict(pairs), token_in(pairs)
        if len(given) < len(pairs):
            raise Refusal(400, "each parameter may stand only once", where="query")
        if token is not None and given.keys() & {"_type", "_since"}:
            says = "a cursor holds of which types it is, and where it goes on"
            raise Refusal(400, says, where="_cursor", todo="Leave _type and _since out, or begin without a cursor.")
        if token is None:
            position, whose, witness = Position(since=span_of(pairs).since), b"", None
            said = ["0", *_names(given.get("_type"))]
        else:
            position, witness, whose, said = self._opened(token, caller_of(call))
        count, *names = said
        counted = given.get("_count", count if int(count) else None)
        shape = self.parse_search(KEPT[0][0], () if counted is None else (("_count", counted),), False)
        if shape.count == 0 and token is not None:
            says = "a count of nothing asks for the place that is now, and would pass over what waits behind a cursor"
            raise Refusal(400, says, where="_count", todo="Leave the cursor out, or ask for one entry at least.")
        wait = _seconds(given.get("_wait", "0"))
        return Asked(pairs, tuple(names), position, shape, wait, token is not None, whose, shape.count == 0, witness)

    def _opened(self, token: str, caller: Caller) -> tuple[Position, Witness | None, bytes, list[str]]:
        """Where a cursor goes on, what its answer left in the log, whose changes it is about, how many a page has, and of which
        types it is; `Refusal` 400 for one of another caller."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            plain = self.sealer.open(sealed, self._bound_to(caller))
        except (binascii.Error, ValueError, InvalidTag):
            raise another_cursor() from None
        witness = None
        if plain[:1] == WITNESSED:
            witness, plain = Witness.unpacked(plain[1 : 1 + WITNESS_BYTES]), plain[1 + WITNESS_BYTES :]
        rest = plain[PACKED_BYTES:]
        position = Position.unpacked(plain[:PACKED_BYTES])
        return position, witness, rest[:WHOSE_BYTES], rest[WHOSE_BYTES:].decode().split()

    def cursor(self, call: Call, position: Position, whose: bytes, wants: Asked, witness: Witness | None = None) -> str:
        """The reverse. Its length says how many types were asked for, and nothing else."""
        said = " ".join((f"{wants.shape.count:05}", *wants.types)).encode()
        row = WITNESSED + witness.packed() if witness is not None else b""
        sealed = self.sealer.seal(row + position.packed() + whose + said, self._bound_to(caller_of(call)))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _bound_to(self, caller: Caller) -> bytes:
        """Whose a cursor is, and what her token leaves: with another she would go on behind what she never saw. Not for which
        decision: she may follow from one to the next."""
        parts = (
            CHANGES, caller.kind, caller.client, caller.organisation, caller.hpr, caller.digest.hex(),
            " ".join(opened_by(caller, self.kept.reads)), str(caller.limits is None),
            " ".join(sorted(limit.scope for limit in caller.limits or ())),
        )  # fmt: skip
        return "\x1f".join(parts).encode()

    async def waits(self, keys: Collection[int] | None, position: Position, until: float) -> bool:
        """Waits until something may have been written behind a position; False when it is time to answer."""
        if len(self.waiting) >= WAITING_LIMIT:
            return False
        loop = asyncio.get_running_loop()
        self.waiting.append(None)
        try:
            while (left := until - loop.time()) > 0:
                await asyncio.sleep(min(LOOK_SECONDS, left))
                async with self.pool.acquire() as conn:
                    if await following.anything(conn, keys, position, self.clock.now()):
                        return True
            return False
        finally:
            self.waiting.pop()

    def read(self, name: str, pairs: Pairs) -> tuple[Search, Span]:
        """How much of each version a history is to show, which is the same for every type, and of which time it is."""
        of_each = tuple(pair for pair in pairs if pair[0] not in ("_since", "_at"))
        return self.parse_search(name or KEPT[0][0], of_each, False), span_of(pairs)

    def version(
        self, call: Call, event: Event, record: Record | None, shape: Search, never_without: NeverWithout = telling
    ) -> Version:
        """An entry of a history."""
        name = type_name(event.type)
        resource = shown(record.served, shape, never_without) if record is not None else b""
        url = f"{call.base_url}{BASE}/{name}/{event.id}"
        return Version(url, name, str(event.id), event.version, event.at, resource)


def onward(call: Call, wants: Asked, cursor: str, *, more: bool) -> list[tuple[str, str]]:
    """Where to go on: `monitor` (RFC 5989) always, and `next` as long as there is more to be told at once."""
    url = f"{call.base_url}{BASE}/{CHANGES}?_cursor={cursor}"
    return [
        ("self", self_url(f"{call.base_url}{call.path}", wants.pairs, wants.shape, is_number)),
        *([("next", url)] if more else []), ("monitor", url),
    ]  # fmt: skip


def names_nobody(call: Call) -> bool:
    """Whether it is the test client's, about nobody in particular."""
    return caller_of(call).asks_about_everybody and not call.headers.get("person-id")


def caller_of(call: Call) -> Caller:
    assert call.caller is not None, "the route asks for a scope"
    return call.caller


def another_cursor() -> Refusal:
    says = "this cursor was made for another caller or patient, or for other scopes, or is not one of ours"
    todo = "Begin without one: of a patient whose numbers were linked or parted all is told anew."
    return Refusal(400, says, where="_cursor", todo=todo)


def must_be_reached(position: Position, upto: Place) -> None:
    """`Refusal` 410 for a place beyond all that was written: a backup has been brought back since, and what was told is gone."""
    if position.place.xid > upto.xid:
        raise _brought_back()


def _brought_back() -> Refusal:
    says = (
        "this cursor is of after the backup that was brought back here: some of what it has told is not here any more"
    )
    todo = "Begin without one, into an empty copy: all is told anew."
    return Refusal(410, says, where="_cursor", todo=todo, code="expired")


def mark_of(keys: Collection[int]) -> bytes:
    """What a cursor holds of whom it is about, in as many bytes whoever it is; none: about everybody."""
    return blake2b(" ".join(map(str, sorted(keys))).encode(), digest_size=WHOSE_BYTES).digest()


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        says = "_wait is how many seconds an answer may wait for something to tell"
        raise Refusal(400, says, where="_wait", todo=f"Ask for 0 to {WAIT_LIMIT_SECONDS}.")
    return min(int(text[:9]), WAIT_LIMIT_SECONDS)


def _names(text: str | None) -> tuple[str, ...]:
    names = tuple(sorted({name for name in (text or "").split(",") if name}))
    if (text is not None and not names) or any(name not in SERVICE_BY_TYPE for name in names):
        says = "only types that are kept of patients can be followed"
        raise Refusal(400, says, where="_type", todo=f"Name some of {', '.join(SERVICE_BY_TYPE)}.")
    return names


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
    witness: Witness | None = None
    """The last row that this left in the log."""

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
        shape, span = api.read(self.name, pairs)
        patient = patient_of_history(call, api.identify)
        if token is not None:
            pairs, behind = await self._resumed(patient, token)
            shape, span = api.read(self.name, pairs)
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
            row = audit.given(grant)
            async with self.call.connection(self.api.pool) as conn:
                found = await past.opened(conn, grant, self.api.reader, own, row)
            self.witness = Witness(*row[:3])
            return found

        for service in tuple(self.outlines):
            own = [event for event in page if event.type in self.types[service]]
            records = await self._of(patient, service, line, partial(opening, own))
            if records is None:  # shut between the two looks
                del self.outlines[service]
                page = [event for event in page if event not in own]
            opened |= {(one.type, one.id, one.version): one for one in records or ()}
        return [
            self.api.version(self.call, event, opened.get(event[1:4]), shape)
            for event in page
            if event.gone or event[1:4] in opened
        ]

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


@dataclass
class _Followed(_Asked):
    """One request to follow a patient's record."""

    wants: Asked = field(kw_only=True)
    position: Position | None = None
    keys: tuple[int, ...] = ()

    @property
    def line(self) -> str:
        return CHANGES

    async def told(self, patient: PatientRef) -> Answer:
        """What waits; where nothing does, what comes while it waits. Each look asks the law anew, and the last leaves a row."""
        call, wants, limit = self.call, self.wants, self.wants.shape.count
        until = asyncio.get_running_loop().time() + wants.wait_seconds
        line = search_line(CHANGES, FURTHER if wants.goes_on else wants.pairs)
        if wants.witness is not None:
            async with self.api.pool.acquire() as conn:
                if not await wants.witness.stands(conn):
                    raise _brought_back()
        while True:
            stretch, found = await self._looked(patient, line, limit + 1)
            page, more = found[:limit], len(found) > limit and not wants.begins
            self.position = stretch.after(page, all_of_it=not more)
            tells = page or wants.begins or not self.outlines
            if tells or not await self.api.waits(self.keys, self.position, until):
                break
        versions = await self._opened(patient, line, [one.event for one in page], wants.shape)
        if not self.outlines:
            assert self.denied is not None, "one service at least is asked"
            raise self.denied
        cursor = self.api.cursor(call, self.position, mark_of(self.keys), wants, self.witness)
        shut = (*self.shut, *(() if wants.goes_on else self._unreached()))
        return Answer(200, history(versions, onward(call, wants, cursor, more=more), None, shut))

    async def _looked(self, patient: PatientRef, line: str, limit: int) -> tuple[Stretch, list[Told]]:
        """What the law opens behind the position, over all services in one order, and how far it was looked."""
        api = self.api
        self.shut, self.denied = [], None
        self.outlines.clear()
        async with api.pool.acquire() as conn:
            upto = await following.upto(conn)
        stretch, found = Stretch(self.position or self.wants.position, upto, api.clock.now()), list[Told]()
        must_be_reached(stretch.position, upto)

        async def lay(service: str, grant: Grant) -> list[Told]:
            self._check_about(grant)
            async with api.pool.acquire() as conn:
                return await following.followed(conn, grant, api.reader, self.types[service], stretch, limit)

        for service in self.types:
            if (told := await self._of(patient, service, line, partial(lay, service))) is not None:
                self.outlines[service] = Outline([], 0)
                found += told
        return stretch, sorted(found)

    def _check_about(self, grant: Grant) -> None:
        """`Refusal` 400 where the numbers that are hers are not those that a cursor was about, or have changed meanwhile. Whom it
        is about, and not whose records the grant opens: a cursor must not tell that she has shut them (K37)."""
        keys = tuple(sorted(grant.asked_about.keys))
        if (self.keys and keys != self.keys) or (self.wants.goes_on and mark_of(keys) != self.wants.whose):
            raise another_cursor()
        self.keys = keys
