"""`POST /fhir/R4`: several requests in one, as a batch or as a transaction (R4 http.html#transaction).

Each entry is made the request that it stands for and goes to the same handler by the same table of routes: scope, law,
attestation, validation, conditions and audit row are the single request's own. A batch's entries are answered one by one. A
transaction's work with one connection in one transaction of the database (`Call.joined`); what it creates has its id before
anything is written, so that others can refer to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote
from uuid import UUID, uuid4

import msgspec

from kjerne.access import Action, Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Admit, Answer, Call, Denied, NotFiled, Pairs, PatientRef, Route, noted, of_several
from kjerne.fhir.cds_hooks import objects, said
from kjerne.fhir.definitions import type_number
from kjerne.fhir.effort import Sum, summed
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry, entries_of, placed, response, too_many
from kjerne.fhir.faults import UNREADABLE
from kjerne.fhir.linking import Addresses, Links, by_number
from kjerne.fhir.negotiation import JSON, check_accepted, check_sent
from kjerne.registries.homes import SHARED_TYPES
from kjerne.registries.naming import is_national, number_in
from kjerne.store import changing
from kjerne.store.joined import Concerned, OneTransaction, Try, concerned, in_one
from kjerne.store.kept import is_beside
from kjerne.store.patient_ids import subject_key
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.records import Records
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
BUNDLE_LIMIT_BYTES: Final = 5_000_000
"""What is read in a fifth of a second, others waiting meanwhile."""
LARGE_BYTES: Final = 50_000
"""A Bundle from this size on is read in a thread: some two milliseconds of work."""
VALUES_LIMIT: Final = 500_000
"""Counted by the signs that stand before values, in texts too: tiny ones take many times their bytes to read."""
ENTRIES_LIMIT: Final = 1_000
WRITES_LIMIT: Final = 500
"""What one transaction holds its patients for stays within a second or two."""
READS_LIMIT: Final = 50
"""Reads and searches of one transaction, which holds its patients meanwhile."""
ENTRIES_AT_ONCE: Final = 5
"""Entries of a transaction before others have their turn: some two milliseconds."""
BATCH_SECONDS: Final = 20
"""After so long no further entry of a batch is begun: well before the request's own time is up, since what is done is done."""
ANSWER_LIMIT_BYTES: Final = 20_000_000
FAULTS_LIMIT: Final = 100
NOBODY: Final = 0
"""The key of no person, under which nothing is ever filed."""
STEPS_OF_ALL: Final = 2_000_000
"""What the checks and searches of one Bundle may take together, in steps (`fhir.effort`): some four seconds. After that no
further entry is begun."""

Tree = dict[str, Any]
Digest = Callable[[str], "bytes | None"]
Last = Callable[[Connection, Mapping[int, Answer]], Awaitable[None]]
"""What is written with a transaction, of its entries' answers by place."""
Find = Callable[[str, str], tuple[Route, dict[str, str]]]
_RANK: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3}
_OF_THE_WHOLE: Final = ("if-", "content-", "accept")
"""How the headers begin that are about the Bundle; all others count for each entry."""
_BEFORE_A_VALUE: Final = (b"{", b"[", b",")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LOCATION: Final = re.compile(r"/([A-Za-z]+/[^/]+)/_history/[0-9]+$")


class Step(NamedTuple):
    """An entry with the route that it goes to; in a transaction also what it links to, the id that it is to make, and the key of
    the patient whom it refers to by her address."""

    entry: Entry
    route: Route
    parameters: Mapping[str, str]
    query: Pairs
    number: str = ""
    links: Links | None = None
    new_id: UUID | None = None
    patient: int = 0
    beside: bool = False
    """Whether what it creates belongs to the second service that keeps its type."""

    @property
    def target(self) -> str:
        """`Type/id` of what it changes, where that is known; empty else."""
        if self.new_id is not None:
            return f"{self.parameters['type']}/{self.new_id}"
        return f"{self.parameters['type']}/{self.parameters['id']}" if "id" in self.parameters else ""

    @property
    def writes(self) -> bool:
        return self.entry.method != "GET"

    @property
    def holds(self) -> bool:
        """Whether it changes, or asks a condition about, a record about nobody that may be there: new ones wait for no one."""
        return self.is_shared and self.writes and (self.entry.method != "POST" or "if-none-exist" in self.entry.headers)

    @property
    def about(self) -> object:
        """Whom it names, as its sender does."""
        return self.number or self.patient or self.parameters.get("id") or self.query

    @property
    def is_shared(self) -> bool:
        """Whether it is about no patient: the person of the header is nothing to it."""
        return self.parameters.get("type") in SHARED_TYPES


class Asks:
    """The law as a transaction's entries ask it, each question kept: what is taken back is told of as a try."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit
        self._asked: dict[tuple[datetime, str, str], tuple[PatientRef, Mapping[str, Any]]] = {}

    async def __call__(
        self, patient: PatientRef, service: str, action: Action, *, joined: OneTransaction, **more: Any
    ) -> Grant:
        grant = await self._admit(patient, service, action, joined=joined, **more)
        joined.met.update(grant.asked_about.keys)
        self._asked[grant.at, action, service] = patient, more
        return grant

    async def told(self, joined: OneTransaction, tried: Try) -> None:
        """Has the law refuse for what stands here what it had let in (K82), in the words that it was asked in."""
        asked = self._asked.get((tried.at, tried.action, tried.service))
        if asked is None:
            # Of another request under the same correlation id: it stands by itself.
            return
        patient, more = asked
        said = {name: more[name] for name in ("basis", "asked", "what") if name in more}
        action = cast("Action", tried.action)
        law, piece = partial(self._admit, joined=joined), str(more.get("piece", ""))
        await noted(law, patient, tried.service, action, piece, "=", named=tried.named, **said)


@dataclass(frozen=True)
class BatchApi:
    """The handler. `find` is the table of routes, `pairs` reads a query, `refusal` makes what a caller hears of any error (with
    its correlation id and route), `answer` that in FHIR's shape, `named` finds what a conditional reference means of a patient's
    records, `named_shared` of those about nobody. In a block of `still` what is asked of a resource stays as it is
    (`Guides.still`)."""

    pool: Pool
    ids: SealedIds
    records: Records
    needs: str
    find: Find
    parse: Callable[[bytes], Tree]
    pairs: Callable[[bytes], Pairs]
    refusal: Callable[[Exception, str, str], Refusal]
    answer: Callable[[Refusal], Answer]
    identify: Callable[[str], PatientRef]
    named: Callable[[Call, str, str, int], Awaitable[str]]
    named_shared: Callable[[Call, str], Awaitable[str]]
    still: Callable[[], contextlib.AbstractContextManager[None]]

    def routes(self) -> list[Route]:
        limit = BUNDLE_LIMIT_BYTES
        each = partial(
            Route, needs=self.needs, errors="fhir", body_limit_bytes=limit, for_citizens=True, notes_proof=True
        )
        return [each("POST", at, self.take) for at in (BASE, BASE + "/")]

    async def take(self, call: Call) -> Answer:
        """The Bundle of answers, in the order of the requests."""
        check_accepted(call)
        check_sent(call)
        if any(name != "_format" or value not in ("json", *JSON) for name, value in call.query):
            raise Refusal(400, "this address takes no parameter but _format=json", where="query", code="not-supported")
        base = f"{call.base_url}{BASE}"
        kind, entries = await changing.read(call.body, partial(self._read, call.body, base), LARGE_BYTES)
        with summed(STEPS_OF_ALL) as effort:
            if kind == "batch":
                async with self.pool.acquire() as conn:
                    await note(conn, call.once)
                answers = await self._batch(call, entries, effort)
            else:
                answers = await self._transaction(call, _all_read(entries), effort)
        return Answer(200, response(kind, answers))

    async def file(self, call: Call, entries: Sequence[Entry], last: Last) -> None:
        """Entries that came otherwise than as a Bundle of requests, as one transaction; `last` has its last word."""
        with summed(STEPS_OF_ALL) as effort:
            await self._transaction(call, entries, effort, last)

    def tree(self, body: bytes) -> Tree:
        """A Bundle, parsed; `Refusal` 413 where it holds too many values."""
        if sum(map(body.count, _BEFORE_A_VALUE)) > VALUES_LIMIT:
            says, todo = f"the Bundle holds more than {VALUES_LIMIT} values", "Send several Bundles."
            raise Refusal(413, says, where="Bundle.entry", todo=todo, code="too-long")
        return self.parse(body)

    def _read(self, body: bytes, base: str) -> tuple[str, list[Entry | Refusal]]:
        return entries_of(self.tree(body), body, base, ENTRIES_LIMIT)

    async def _batch(self, call: Call, entries: Sequence[Entry | Refusal], effort: Sum) -> list[Answer]:
        """Each by itself, in their order, as if they had been sent one after another."""
        answers: list[Answer] = []
        addresses = Addresses(one for one in entries if isinstance(one, Entry))
        call = _of_each(call)
        size, until = 0, asyncio.get_running_loop().time() + BATCH_SECONDS
        for place, entry in enumerate(entries):
            if isinstance(entry, Refusal):
                answer = self.answer(entry)
            elif asyncio.get_running_loop().time() > until:
                answer = self._not_begun(place, 503, f"the batch has taken more than {BATCH_SECONDS} seconds")
            elif effort.left <= 0:
                answer = self._not_begun(place, 422, f"the entries before took more than {STEPS_OF_ALL} steps")
            elif size > ANSWER_LIMIT_BYTES:
                answer = self._not_begun(place, 422, f"the answers before are longer than {ANSWER_LIMIT_BYTES} bytes")
            else:
                answer = await self._alone(call, entry, addresses)
            size += len(answer.body)
            answers.append(answer)
            # Others have their turn.
            await asyncio.sleep(0)
        return answers

    def _not_begun(self, place: int, status: int, says: str) -> Answer:
        where, todo = f"Bundle.entry[{place}]", "Nothing was done; send this entry in another batch."
        return self.answer(Refusal(status, says, where=where, todo=todo, code="too-costly"))

    async def _alone(self, call: Call, entry: Entry, addresses: Addresses) -> Answer:
        route = ""
        try:
            step = self._step(call, entry, self.find)
            route = step.route.path
            if addresses.leans(entry):
                says = "the entries of a batch do not refer to one another"
                raise Refusal(422, says, where="body", todo="Send them as a transaction.")
            return await step.route.handler(_request(call, step, entry.raw, entry.tree))
        except Exception as error:  # noqa: BLE001 - made an answer, as at the edge
            return self.answer(placed(self.refusal(error, call.correlation, route), entry))

    def _step(self, call: Call, entry: Entry, find: Find) -> Step:
        """The entry with its route; `Refusal` where no such request is taken, or the token lacks its scope."""
        path = unquote(entry.path) if "%" in entry.path else entry.path
        if _CONTROL.search(path):
            raise Refusal(400, "the address holds a character that no address has", where="path")
        if not path[:1].isupper():
            says = "an entry's address begins with a type: what is about the whole server is no entry's"
            raise Refusal(405, says, where="path", code="not-supported", todo="Send it by itself.")
        route, parameters = find(entry.method, f"{BASE}/{path}")
        if not route.whole:
            raise Refusal(
                405, "its answer may be longer than one of a Bundle", where="path", code="not-supported",
                todo="Send it by itself.",
            )  # fmt: skip
        assert call.caller is not None
        route.check_scope(call.caller, parameters)
        return Step(entry, route, parameters, self.pairs(entry.query.encode("utf-8")))

    async def _transaction(
        self, call: Call, entries: Sequence[Entry], effort: Sum, last: Last | None = None
    ) -> list[Answer]:
        for what, method, limit in (("writes", False, WRITES_LIMIT), ("reads", True, READS_LIMIT)):
            if (count := sum((one.method == "GET") == method for one in entries)) > limit:
                raise too_many(count, limit, f"{what} in a transaction")
        addresses = Addresses(entries)
        addresses.check_apart()
        call, steps = _of_each(call), list[Step]()
        find = cache(self.find)
        for entry in entries:
            with _placing(self, entry):
                steps.append(self._part(call, entry, addresses, find))
            if len(steps) % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
        _check_targets(steps)
        digest = cache(self._digest)
        who = await self._concerned(call, steps, digest)
        named = {_compact(step.number) for step in steps}
        new = {digest(one) or b"" for step in steps for one in _registered(step) if _compact(one) in named}
        steps = [self._with_id(step, who, digest, new - who.by_digest.keys()) for step in steps]
        asks = Asks(call.admit)
        work = partial(self._work, msgspec.structs.replace(call, admit=asks), steps, effort, last)
        types = sorted({type_number(step.parameters["type"]) for step in steps if step.holds})
        with self.still():
            return await in_one(self.pool, self.records, who.held, work, asks.told, types=types)

    def _part(self, call: Call, entry: Entry, addresses: Addresses, find: Find) -> Step:
        """As `_step`, of an entry that can be a part of a transaction: with whom it names and what it links to."""
        step = self._step(call, entry, find)
        if not step.route.joins:
            says = f"{step.route.path.removeprefix(BASE + '/')} is no part of a transaction"
            raise Refusal(405, says, where="path", code="not-supported", todo="Send it in a batch, or by itself.")
        if not entry.tree:
            return step
        if entry.headers.get("content-type") not in JSON:
            if addresses.are_in(entry.raw):
                todo = "Send a FHIRPath Patch, or the record by PUT."
                raise Refusal(422, "a link in a JSON or XML Patch is not followed", where="body", todo=todo)
            return step
        try:
            tree = by_number(entry.tree, self._is_number) if b"Patient?" in entry.raw else entry.tree
            links = Links(entry, tree, addresses)
            number = "" if step.is_shared else call.headers.get("person-id", "") or number_in(tree)
            patient = 0 if step.is_shared or number else subject_key(self.ids, tree) or 0
            beside = is_beside(tree)
        except UNREADABLE:
            # Its shape is wrong; the handler says how.
            return step
        return step._replace(number=number, links=links, patient=patient, beside=beside)

    def _whose(self, step: Step) -> int:
        """The key of whom an entry names by an address, or by the id of the record that it changes; 0 for neither."""
        id_ = self.ids.parse(step.parameters["id"]) if not step.patient and "id" in step.parameters else None
        return self.ids.patient(id_) if id_ is not None else step.patient

    def _is_number(self, system: str, value: str) -> bool:
        return is_national(system) and self._digest(value) is not None

    def _digest(self, number: str) -> bytes | None:
        try:
            return self.identify(number).digest
        except Refusal:
            return None

    async def _concerned(self, call: Call, steps: Sequence[Step], digest: Digest) -> Concerned:
        of_patients = [step for step in steps if not step.is_shared]
        named = call.headers.get("person-id", "") if of_patients else ""
        numbers = {named, *(step.number for step in of_patients)} - {""}
        ids = (self.ids.parse(step.parameters["id"]) for step in of_patients if "id" in step.parameters)
        digests = {found for number in numbers if (found := digest(number)) is not None}
        keys = {self.ids.patient(id_) for id_ in ids if id_ is not None} | {step.patient for step in of_patients} - {0}
        return await concerned(self.pool, digests, keys, call.once)

    def _with_id(self, step: Step, who: Concerned, digest: Digest, new: Collection[bytes]) -> Step:
        """With the id of what it creates, unless a condition decides that. That of a shared record tells of nobody.

        Whom no register knows has one too: nothing is done in another order for it before the law says no. An entry that names
        nobody may be about whom the transaction registers first, and gets its id when she has hers, as does one that names by
        number somebody whom it registers (`new`).
        """
        creates = step.entry.method == "POST" and step.route.path == f"{BASE}/{{type}}"
        if not creates or "if-none-exist" in step.entry.headers:
            return step
        if step.is_shared:
            return step._replace(new_id=uuid4())
        if not step.number and not step.patient:
            return step
        if step.patient in who.held:
            return step._replace(new_id=self.ids.make(step.patient, beside=step.beside))
        found = digest(step.number) if step.number else None
        if found in new:
            return step
        patient = who.by_digest.get(found, NOBODY) if found is not None else NOBODY
        return step._replace(new_id=self.ids.make(patient, beside=step.beside))

    async def _work(
        self, call: Call, steps: Sequence[Step], effort: Sum, last: Last | None, joined: OneTransaction
    ) -> list[Answer]:
        """Carries all out, in the order of R4; among writes what a condition decides comes before what refers to it.

        That nothing is filed about somebody is said when all else was tried, as it would be of anybody (K13, K70), and of
        several people neither about whom nor where (K95).
        """
        answers: dict[int, Answer] = {}
        addresses = {step.entry.place: step.target for step in steps if step.target}
        written: dict[str, int] = {}
        shut: tuple[Step, NotFiled] | None = None
        waiting, size = (
            sorted(steps, key=lambda one: (_RANK[one.entry.method], not any(_registered(one)), one.entry.place)),
            0,
        )
        whole = _within(call, joined)
        while waiting:
            step = _next(waiting, addresses)
            waiting.remove(step)
            if not step.writes:
                # Reads come last, and see what is withheld by then.
                await joined.settled()
            if effort.left <= 0:
                says = f"the entries before took more than {STEPS_OF_ALL} steps"
                raise _too_much(step, says)
            with _placing(self, step.entry):
                try:
                    answer = await self._one(whole, step, addresses, joined)
                except NotFiled as refused:
                    shut = shut or (step, refused)
                    addresses.setdefault(step.entry.place, f"{step.parameters['type']}/{self.ids.make(NOBODY)}")
                    continue
                if step.writes and (made := _address_of(answer) or step.target):
                    addresses[step.entry.place] = made
                    if written.setdefault(made, step.entry.place) != step.entry.place:
                        raise _same_twice(step.entry.place)
            answers[step.entry.place] = answer
            if len(answers) % ENTRIES_AT_ONCE == 0:
                await asyncio.sleep(0)
            if (size := size + len(answer.body)) > ANSWER_LIMIT_BYTES:
                raise _too_much(step, f"the answers are longer than {ANSWER_LIMIT_BYTES} bytes")
        if shut is not None:
            await joined.settled()
            await joined.tried()
            raise self._shut(steps, *shut)
        if last is not None:
            async with joined.acquire() as conn:
                await last(conn, answers)
        return [answers[step.entry.place] for step in steps]

    async def _one(self, whole: Call, step: Step, addresses: Mapping[int, str], joined: OneTransaction) -> Answer:
        """The answer of an entry. Personnel hear of what a patient has shut, and so where she has not: by entries that are never
        filed they would ask about everybody before them without a line (K95)."""
        try:
            return await step.route.handler(await self._following(whole, step, addresses))
        except NotFiled:
            raise
        except (Refusal, Denied):
            if whole.caller is not None and whole.caller.kind == "practitioner":
                await joined.tried()
            raise

    def _shut(self, steps: Sequence[Step], step: Step, refused: NotFiled) -> Refusal:
        """What is said of an entry about somebody of whom nothing is filed: with its place where all are about one person."""
        if len({one.about for one in steps if one.writes and not one.is_shared}) > 1:
            return of_several(refused)
        return placed(self.refusal(refused, "", ""), step.entry)

    async def _following(self, call: Call, step: Step, addresses: Mapping[int, str]) -> Call:
        """The request of an entry, its links followed."""
        links = step.links
        if links is None:
            return _request(call, step, step.entry.raw, step.entry.tree)
        found = {}
        for text in sorted(links.conditional):
            if text.partition("?")[0] in SHARED_TYPES:
                found[text] = await self.named_shared(_request(call, step, b""), text)
            elif not step.is_shared:
                found[text] = await self.named(_request(call, step, b""), text, step.number, self._whose(step))
            # Else it is left as it is, and so refused by its handler: a record about nobody leads to no patient's.
        tree = links.followed(addresses, found)
        if tree is step.entry.tree:
            return _request(call, step, step.entry.raw, tree)
        return _request(call, step, encode(tree))


def _of_each(call: Call) -> Call:
    """The request with the headers that count for each entry."""
    headers = {name: value for name, value in call.headers.items() if not name.startswith(_OF_THE_WHOLE)}
    return msgspec.structs.replace(call, headers=headers)


def _request(call: Call, step: Step, body: bytes, tree: Tree | None = None) -> Call:
    """An entry's request, of one with the headers `_of_each`. The Bundle's reader has read `body` as `tree` already; a long one's
    own limit is the handler's."""
    return Call(
        method=step.entry.method,
        path=f"{BASE}/{step.entry.path}",
        at=call.at,
        correlation=call.correlation,
        caller=call.caller,
        admit=call.admit,
        parameters=step.parameters,
        query=step.query,
        headers={**call.headers, **step.entry.headers},
        body=body,
        base_url=call.base_url,
        once=call.once,
        joined=call.joined,
        new_id=step.new_id,
        beside=call.beside,
        tree=tree if step.entry.method in ("POST", "PUT") and len(body) < changing.LARGE_BYTES else None,
    )


def _within(call: Call, joined: OneTransaction) -> Call:
    """The request as its entries are made from it: the law's questions go by the transaction's connection too."""
    return msgspec.structs.replace(call, admit=partial(call.admit, joined=joined), joined=joined)


@contextlib.contextmanager
def _placing(api: BatchApi, entry: Entry) -> Iterator[None]:
    """What is refused in the block is refused with its place in the Bundle."""
    try:
        yield
    except (Refusal, Denied) as error:
        raise placed(api.refusal(error, "", ""), entry) from error


def _all_read(entries: Sequence[Entry | Refusal]) -> list[Entry]:
    """All entries of a transaction; `Refusal` with whatever is wrong with any of them."""
    wrong = [one for one in entries if isinstance(one, Refusal)]
    if wrong:
        first, *rest = wrong
        faults = tuple(Fault(one.says, one.where, one.code) for one in rest[:FAULTS_LIMIT])
        raise Refusal(
            first.status, first.says, where=first.where, todo=first.todo, code=first.code, faults=faults
        ) from first
    return [one for one in entries if isinstance(one, Entry)]


def _check_targets(steps: Sequence[Step]) -> None:
    seen: set[object] = set()
    for step in steps:
        # The second of two deletions by the same criteria would find nothing, as if they were about different records.
        found = (step.parameters["type"], frozenset(step.query)) if step.entry.method == "DELETE" and step.query else ""
        if step.writes and (target := step.target or found):
            if target in seen:
                raise _same_twice(step.entry.place)
            seen.add(target)


def _same_twice(place: int) -> Refusal:
    says = "two entries of a transaction write the same record"
    return Refusal(400, says, where=f"Bundle.entry[{place}]", code="duplicate", todo="Send one of them afterwards.")


def _too_much(step: Step, says: str) -> Refusal:
    return Refusal(
        422, says, where=f"Bundle.entry[{step.entry.place}]", code="too-costly", todo="Send several Bundles."
    )


IDENTIFIERS_READ: Final = 20


def _registered(step: Step) -> Iterator[str]:
    """The national numbers of whom an entry registers, among the first that it gives her."""
    if step.entry.method == "POST" and step.entry.tree and step.entry.tree.get("resourceType") == "Patient":
        for one in islice(objects(step.entry.tree.get("identifier")), IDENTIFIERS_READ):
            if is_national(said(one.get("system"))) and (value := said(one.get("value"))):
                yield value


def _compact(number: str) -> str:
    """A number as it is compared: a person number may be written with blanks (`identifiers.parse`)."""
    return number.replace(" ", "")


def _next(waiting: Sequence[Step], addresses: Mapping[int, str]) -> Step:
    """The first that refers to nothing whose address is still to be found; reads come last."""
    if not waiting[0].writes:
        return waiting[0]
    for step in waiting:
        if step.writes and (step.links is None or step.links.to <= addresses.keys()):
            return step
    says = "what conditions find or make refers to itself in a circle"
    raise Refusal(422, says, where=f"Bundle.entry[{waiting[0].entry.place}].resource", code="processing")


def _address_of(answer: Answer) -> str:
    """`Type/id` of what a write has made, changed or met; empty where it does not say."""
    location = next((value for name, value in answer.headers if name == "location"), "")
    found = _LOCATION.search(location)
    return found[1] if found else ""
