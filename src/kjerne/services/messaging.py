"""`POST /fhir/R4/$process-message`: what a FHIR message brings is filed, and the message answered by another.

Each entry is made the request that it stands for and goes, with the others, through a transaction: law, validation and row in the
log are those of a single request, and all are filed or none (decision 45). The sender's own addresses are kept by digest, so
that a later message changes what an earlier one filed. The same message again gets the same answer, and nothing is written.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route
from kjerne.fhir import messages
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry
from kjerne.fhir.faults import UNREADABLE
from kjerne.fhir.messages import Message, Part
from kjerne.fhir.negotiation import JSON, JSON_TYPE, check_accepted, check_sent
from kjerne.registries.homes import PERSON, SERVICE_BY_TYPE, SHARED_TYPES, not_served
from kjerne.registries.naming import is_national, number_in
from kjerne.store import changing, fhir_messages
from kjerne.store.fhir_messages import Brought, Known, Link, Taken
from kjerne.store.joined import humans
from kjerne.store.kept import Kept
from kjerne.store.patient_ids import subject_key
from kjerne.store.pool import Connection, Pool

BASE: Final = "/fhir/R4"
AT: Final = BASE + "/$process-message"
BODY_LIMIT_BYTES: Final = 5_000_000
TRANSIENT: Final = frozenset({409, 412, 429, 503, 504})
"""Refusals of what may be let in when it is sent again as it is."""
NOT_KEPT: Final = "a record about no patient is not kept from a message; what refers to it keeps the sender's address"
Tree = dict[str, Any]
Last = Callable[[Connection, Mapping[int, Answer]], Awaitable[None]]
ROUNDS: Final = 3
"""How often a message is tried: as it is, without what it brings that is shut, and without what leads to that and is shut."""
ANSWERS: Final = "Appointment"
"""What an AppointmentResponse answers, and may know its patient by."""


@dataclass(frozen=True)
class _Work:
    """A message on its way into the records: its entries as requests, and what each of them said (`same`: said before). `led`
    are the records filed before that lead to `anew` from now on, `seen` all that are known to refer to it, `unknown` what links
    are left at. `changed` are the records that are changed, of those that are about whom their parts are about, `meant` those
    that stand and are referred to."""

    entries: list[Entry]
    parts: dict[int, tuple[Part, bytes, Known | None]]
    not_kept: list[Part]
    same: dict[int, tuple[Part, bytes, Known | None]] = field(default_factory=dict)
    meant: list[Known] = field(default_factory=list)
    led: dict[int, tuple[bytes, Known]] = field(default_factory=dict)
    links: set[Link] = field(default_factory=set)
    changed: list[Known] = field(default_factory=list)
    seen: set[Link] = field(default_factory=set)
    anew: set[bytes] = field(default_factory=set)
    unknown: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class _People:
    """Whom each part of a message is about, by its place: the human behind a number or a key (`store.joined.humans`)."""

    human: dict[bytes | int, int]
    named: dict[int, bytes | int]
    key: Callable[[UUID], int]

    def share(self, part: Part, known: Known) -> bool:
        """Whether a record is about the same human as a part: what is kept of others is not told by a reference."""
        own = self.human.get(self.named.get(part.place, 0))
        return own is not None and own == self.human.get(self.key(known.record))


@dataclass(frozen=True)
class MessagingApi:
    """The handler. `key` makes the digests; `file` carries out entries as one transaction, with a last word by its connection;
    `refusal` makes what a sender hears of any error, `answer` that in FHIR's shape, `identify` a person of a number, and
    `stands` asks the law whether a record of the sender's is there for who sends."""

    pool: Pool
    kept: Kept
    key: bytes
    needs: str
    parse: Callable[[bytes], Tree]
    file: Callable[[Call, Sequence[Entry], Last], Awaitable[None]]
    refusal: Callable[[Exception, str, str], Refusal]
    answer: Callable[[Refusal], Answer]
    identify: Callable[[str], PatientRef]
    stands: Callable[[Call, str, UUID], Awaitable[bool]]

    def routes(self) -> list[Route]:
        return [Route("POST", AT, self.take, self.needs, "fhir", body_limit_bytes=BODY_LIMIT_BYTES)]

    async def take(self, call: Call) -> Answer:
        """The message that answers: `ok`, `fatal-error`, or `transient-error` where it may be sent again as it is."""
        check_accepted(call)
        check_sent(call)
        _check_query(call.query)
        message = await changing.read(call.body, lambda: messages.read(self.parse(call.body)))
        sign = partial(self._digest, call.caller)
        names, content = [sign(one.encode()) for one in message.names], sign(call.body)
        tell = partial(messages.answer, message, f"{call.base_url}{BASE}")
        if before := await fhir_messages.taken(self.pool, names):
            if {one.content for one in before} == {content}:
                return Answer(200, tell(before[0].answer, before[0].at, "ok", self._notes(message)))
            says = "a message of this id or identifier was taken before, and said something else"
            refused = Refusal(422, says, where="Bundle.entry[0].resource.id", code="duplicate")
            return Answer(200, tell(uuid4(), call.at, "fatal-error", self.answer(refused).body))
        try:
            taken = Taken(content, uuid4(), call.at)
            await self._filed(call, message, names, taken)
        except (Refusal, Denied) as error:
            refused = self.refusal(error, call.correlation, AT)
            # An entry of a message has no request: it is what its address means that is not there.
            refused.where = refused.where.replace(".request.url", ".fullUrl")
            again = refused.status in TRANSIENT and refused.code != "duplicate"
            code: messages.Code = "transient-error" if again else "fatal-error"
            return Answer(200, tell(uuid4(), call.at, code, self.answer(refused).body))
        return Answer(200, tell(taken.answer, taken.at, "ok", self._notes(message)))

    def _digest(self, caller: Caller | None, what: bytes) -> bytes:
        """Keyed, and the sender's own: what one system calls something is nothing to another."""
        assert caller is not None, "the route asks for a scope"
        sender = f"{caller.kind}\x1f{caller.client}\x1f{caller.organisation}\x1f".encode()
        return hmac.digest(self.key, sender + what, "sha256")

    async def _filed(self, call: Call, message: Message, names: list[bytes], taken: Taken) -> None:
        """Files it. What is shut to personnel is absent to them, as what is deleted: the message is then tried without it."""
        assert message.event
        work = await self._work(call, message, ())
        # What it refers to is asked for first: a reference that is followed tells that a record is there.
        gone = await self._shut(call, work.meant)
        for left in reversed(range(ROUNDS)):
            if gone:
                work = await self._work(call, message, gone)
            try:
                await self.file(call, work.entries, partial(self._last, call, work, names, taken))
            except Refusal as refused:
                if not left or refused.status != 404 or not (more := await self._shut(call, work.changed)):
                    raise
                gone |= more
            else:
                return

    async def _last(
        self, call: Call, work: _Work, names: list[bytes], taken: Taken, conn: Connection, answers: Mapping[int, Answer]
    ) -> None:
        brought = []
        for place, (part, content, before) in work.parts.items():
            id_, version = _made(answers[place])
            digest = self._digest(call.caller, part.address.encode())
            brought.append(Brought(digest, type_number(part.name), id_, version, content, before))
        for place, (digest, one) in work.led.items():
            id_, version = _made(answers[place])
            # What was changed otherwise since stays another than the message brought.
            version = version if one.version == one.stands else one.version
            brought.append(Brought(digest, one.type, id_, version, one.content, one))
        await fhir_messages.keep(conn, names, taken, brought)
        await fhir_messages.keep_links(conn, work.links, work.unknown, work.anew, work.seen)

    async def _shut(self, call: Call, records: Sequence[Known]) -> set[UUID]:
        """Which of the sender's records are absent to personnel (K86). A system changes its own whatever is shut, and a token of
        SMART scopes may leave a record out that is not shut: neither has a second one made beside it."""
        caller = call.caller
        if caller is None or caller.kind != "practitioner" or caller.limits is not None:
            return set()
        of_hers = {one.record: one for one in records if one.type != type_number(PERSON)}.values()
        return {one.record for one in of_hers if not await self.stands(call, type_name(one.type), one.record)}

    async def _work(self, call: Call, message: Message, gone: Collection[UUID]) -> _Work:
        """What each entry stands for: a record that the sender has brought before is changed, any other made; what says the same
        as the last time is made unless it is there, so that the law is asked and her log has its line. What is about nobody is
        left alone, and `gone` are records that are not there for who sends."""
        everybody = call.caller is not None and call.caller.asks_about_everybody
        addresses = {one.address for one in message.parts} | {
            text for one in message.parts for text in one.references()
        }
        digests = {text: self._digest(call.caller, text.encode()) for text in addresses}
        known = await self._known(digests.values(), gone)
        found = {text: one for text, digest in digests.items() if (one := known.get(digest)) is not None}
        work, numbers = _Work([], {}, []), dict[str, str | Tree]()
        for part in message.parts:
            if part.name == PERSON and not everybody:
                numbers[part.address] = _by_number(part)
            elif part.name in SHARED_TYPES:
                _check_shared(part)
                work.not_kept.append(part)
            else:
                _check_served(part)
                content, before = self._digest(call.caller, encode(part.tree)), found.get(part.address)
                same = before is not None and (before.version, before.content) == (before.stands, content)
                (work.same if same else work.parts)[part.place] = part, content, before
        people = await self._people(call, work, numbers, found)
        _tell_apart(work, people)
        changed = {part.address for part, _, _ in work.parts.values()}

        def tree_of(part: Part) -> Tree:
            def meant(text: str) -> str | Tree | None:
                one = found.get(text)
                if text in numbers or one is None or not one.stands or text in changed:
                    return numbers.get(text)
                if one.type != type_number(PERSON) and not people.share(part, one):
                    return None
                work.meant.append(one)
                return one.address

            return messages.translated(part, meant, changed)

        for part, _, before in work.parts.values():
            work.entries.append(_entry(part, tree_of(part), before))
            if before is not None and before.stands and (part.name == PERSON or people.share(part, before)):
                work.changed.append(before)
        _note_links(work, digests, found)
        brought = {digests[part.address]: (part, before) for part, _, before in work.parts.values()}
        await self._lead(work, people, brought, gone, len(message.parts) + 1)
        led = {digest for digest, _ in work.led.values()}
        for place, (part, content, before) in work.same.items():
            if before is not None and part.name != PERSON and digests[part.address] not in led:
                work.entries.append(_unless_there(_entry(part, tree_of(part), None), before))
                work.parts[place] = part, content, before
        return work

    async def _known(self, digests: Collection[bytes], gone: Collection[UUID]) -> dict[bytes, Known]:
        known = await fhir_messages.known(self.pool, self.kept, digests)
        return {digest: one._replace(stands=0) if one.record in gone else one for digest, one in known.items()}

    async def _people(
        self, call: Call, work: _Work, numbers: Mapping[str, str | Tree], found: Mapping[str, Known]
    ) -> _People:
        """Whom the parts are about, as the law will be asked: by the header, or by what each names its patient by."""
        named, key = dict[int, bytes | int](), self.kept.ids.patient
        patients, answered = (
            {text: one.address for text, one in found.items() if one.type == number and one.stands}
            for number in map(type_number, (PERSON, ANSWERS))
        )
        of_any = {**numbers, **patients}
        for place, (part, _, _) in (work.parts | work.same).items():
            meant = {**of_any, **answered} if part.name == f"{ANSWERS}Response" else of_any
            try:
                tree = messages.translated(part, meant.get, ())
                if number := call.headers.get("person-id", "") or number_in(tree):
                    named[place] = self.identify(number).digest
                elif about := subject_key(self.kept.ids, tree):
                    named[place] = about
            except (Refusal, *UNREADABLE):
                # Its shape is wrong, or the number; the handler says how.
                continue
        owners = {key(one.record) for one in found.values()}
        digests = {one for one in named.values() if isinstance(one, bytes)}
        keys = owners | {one for one in named.values() if isinstance(one, int)}
        human = await humans(self.pool, digests, keys) if owners else {}
        return _People(human, named, key)

    async def _lead(
        self, work: _Work, people: _People, brought: Mapping[bytes, tuple[Part, Known | None]],
        gone: Collection[UUID], behind: int,
    ) -> None:  # fmt: skip
        """Has what the sender filed before lead to what is filed now: a report withholds what it shows, whichever was first
        (K66). These entries have their places from `behind` on, where the message has none."""
        anew = {
            digest: (part, before) for digest, (part, before) in brought.items()
            if part.name != PERSON and not (before and before.stands)
        }  # fmt: skip
        work.anew.update(anew)
        work.seen.update(await fhir_messages.referrers(self.pool, anew))
        others = {link.of for link in work.seen} - brought.keys()
        known = await self._known(others, gone)
        if lacking := {people.key(one.record) for one in known.values()} - people.human.keys():
            digests = {one for one in people.named.values() if isinstance(one, bytes)}
            keys = {one for one in people.named.values() if isinstance(one, int)}
            people.human.update(await humans(self.pool, digests, lacking | keys))
        place = behind
        for digest, one in known.items():
            leads = dict[str, str]()
            for part, before in (anew[link.to] for link in work.seen if link.of == digest):
                if one.stands and people.share(part, one):
                    leads |= dict.fromkeys([part.address, *([before.address] if before else ())], part.address)
            if leads:
                tree = messages.leads_anew(leads)
                headers = {"content-type": JSON_TYPE, "if-match": f'W/"{one.stands}"', messages.LINKS: "anew"}
                work.entries.append(Entry(place, "PATCH", one.address, "", "", tree, encode(tree), headers))
                work.led[place] = digest, one
                work.changed.append(one)
                place += 1

    def _notes(self, message: Message) -> bytes:
        """What of a message that was taken is not kept, as an OperationOutcome; empty where all is."""
        places = [part.where for part in message.parts if part.name in SHARED_TYPES]
        issue = {"severity": "information", "code": "informational", "diagnostics": NOT_KEPT, "expression": places}
        return encode({"resourceType": "OperationOutcome", "issue": [issue]}) if places else b""


def _note_links(work: _Work, digests: Mapping[str, bytes], found: Mapping[str, Known]) -> None:
    """What the records of a message refer to of others that a patient has, and which of it is not known."""
    filed = {part.address for part, _, _ in work.parts.values()}
    for part, _, _ in work.parts.values():
        for text in part.references():
            if messages.type_in(text) in ("", *SERVICE_BY_TYPE):
                work.links.add(Link(digests[text], digests[part.address]))
                if text not in found and text not in filed:
                    work.unknown.add(digests[text])


def _check_query(query: Pairs) -> None:
    for name, value in query:
        if name == "async" and value == "false":
            continue
        if name != "_format" or value not in ("json", *JSON):
            says = "a message is answered at once, to whom sends it"
            raise Refusal(400, says, where=name[:64], code="not-supported", todo="Leave the parameter out.")


def _by_number(part: Part) -> Tree:
    """How what refers to a Patient of a message names her here: by her number, since who sends does not keep the register."""
    if part.is_focus:
        says = "a message about a Patient is not taken: the register of persons is not changed here"
        raise Refusal(422, says, where=f"{part.where}.resource", code="not-supported")
    every = part.tree.get("identifier")
    for one in every if isinstance(every, list) else ():
        system, value = (one.get("system"), one.get("value")) if isinstance(one, dict) else ("", "")
        if isinstance(system, str) and isinstance(value, str) and system and is_national(system):
            return {"type": PERSON, "identifier": {"system": system, "value": value}}
    says = "a Patient of a message is known here by a national number"
    raise Refusal(422, says, where=f"{part.where}.resource.identifier", code="required")


def _tell_apart(work: _Work, people: _People) -> None:
    """What says the same about somebody else is no more the same than what says another thing: both are refused alike, or
    whoever guesses what stands there would hear that she was right."""
    for place, (part, content, before) in list(work.same.items()):
        if before is not None and part.name != PERSON and not people.share(part, before):
            work.parts[place] = part, content, before
            del work.same[place]


def _check_served(part: Part) -> None:
    if part.name != PERSON and part.name not in SERVICE_BY_TYPE:
        refused = not_served(part.name)
        raise Refusal(422, refused.says, where=f"{part.where}.resource", code="not-supported")


def _check_shared(part: Part) -> None:
    if part.is_focus:
        says = f"a message about {part.name} is not taken: it is about no patient"
        raise Refusal(422, says, where=f"{part.where}.resource", code="not-supported", todo="Send it by PUT.")


def _unless_there(entry: Entry, known: Known) -> Entry:
    """A create that makes nothing where the record that the sender brought is there for whom it asks in the name of."""
    return entry._replace(headers={**entry.headers, "if-none-exist": f"_id={known.record}"})


def _entry(part: Part, tree: Tree, before: Known | None) -> Entry:
    """The request that an entry of a message stands for."""
    headers = {"content-type": JSON_TYPE}
    if before is None or not before.stands:
        tree = {name: value for name, value in tree.items() if name != "id"}
        return Entry(part.place, "POST", part.name, "", part.address, tree, encode(tree), headers)
    tree = tree | {"id": str(before.record)}
    headers["if-match"] = f'W/"{before.stands}"'
    return Entry(part.place, "PUT", before.address, "", part.address, tree, encode(tree), headers)


def _made(answer: Answer) -> tuple[UUID, int]:
    """Where a write has put a record, and as which version."""
    headers = dict(answer.headers)
    _, id_, _, version = headers["location"].rsplit("/", 3)
    return UUID(id_), int(version)
