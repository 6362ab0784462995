"""`POST /fhir/R4/$process-message`: what a FHIR message brings is filed, and the message answered by another.

Each entry is made the request that it stands for and goes, with the others, through a transaction: law, validation and row in the
log are those of a single request, and all are filed or none (decision 45). The sender's own addresses are kept by digest, so
that a later message changes what an earlier one filed. The same message again gets the same answer, and nothing is written.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, Route
from kjerne.fhir import messages
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry
from kjerne.fhir.messages import Message, Part
from kjerne.fhir.negotiation import JSON, JSON_TYPE, check_accepted, check_sent
from kjerne.registries.homes import PERSON, SERVICE_BY_TYPE, SHARED_TYPES, not_served
from kjerne.registries.naming import is_national
from kjerne.store import changing, fhir_messages
from kjerne.store.fhir_messages import Brought, Known, Link, Taken
from kjerne.store.kept import Kept
from kjerne.store.pool import Connection, Pool

BASE: Final = "/fhir/R4"
AT: Final = BASE + "/$process-message"
BODY_LIMIT_BYTES: Final = 5_000_000
TRANSIENT: Final = frozenset({409, 412, 429, 503, 504})
"""Refusals of what may be let in when it is sent again as it is."""
NOT_KEPT: Final = "a record about no patient is not kept from a message; what refers to it keeps the sender's address"
Tree = dict[str, Any]
Last = Callable[[Connection, Mapping[int, Answer]], Awaitable[None]]


@dataclass(frozen=True)
class _Work:
    """A message on its way into the records: its entries as requests, and what each of them said (`same`: said before). `led`
    are the records filed before that lead to `anew` from now on, `seen` all that are known to refer to it, `unknown` what links
    are left at."""

    entries: list[Entry]
    parts: dict[int, tuple[Part, bytes, Known | None]]
    not_kept: list[Part]
    same: dict[int, tuple[Part, bytes, Known | None]] = field(default_factory=dict)
    led: dict[int, tuple[bytes, Known]] = field(default_factory=dict)
    links: set[Link] = field(default_factory=set)
    seen: set[Link] = field(default_factory=set)
    anew: set[bytes] = field(default_factory=set)
    unknown: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class MessagingApi:
    """The handler. `key` makes the digests; `file` carries out entries as one transaction, with a last word by its connection;
    `refusal` makes what a sender hears of any error, `answer` that in FHIR's shape, `stand_in` says whether system and value are
    a national number."""

    pool: Pool
    kept: Kept
    key: bytes
    needs: str
    parse: Callable[[bytes], Tree]
    file: Callable[[Call, Sequence[Entry], Last], Awaitable[None]]
    refusal: Callable[[Exception, str, str], Refusal]
    answer: Callable[[Refusal], Answer]

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
        assert message.event
        work = await self._work(call, message)

        async def last(conn: Connection, answers: Mapping[int, Answer]) -> None:
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

        await self.file(call, work.entries, last)

    async def _work(self, call: Call, message: Message) -> _Work:
        """What each entry stands for: a record that the sender has brought before is changed, any other made; what says the same
        as the last time is made unless it is there, so that the law is asked and her log has its line. What is about nobody is
        left alone."""
        everybody = call.caller is not None and call.caller.asks_about_everybody
        addresses = {one.address for one in message.parts} | {
            text for one in message.parts for text in one.references()
        }
        digests = {text: self._digest(call.caller, text.encode()) for text in addresses}
        known = await fhir_messages.known(self.pool, self.kept, digests.values())
        found = {text: one for text, digest in digests.items() if (one := known.get(digest)) is not None}
        work, instead = _Work([], {}, []), dict[str, str | Tree]()
        for part in message.parts:
            if part.name == PERSON and not everybody:
                instead[part.address] = _by_number(part)
            elif part.name in SHARED_TYPES:
                _check_shared(part)
                work.not_kept.append(part)
            elif part.name != PERSON and part.name not in SERVICE_BY_TYPE:
                refused = not_served(part.name)
                raise Refusal(422, refused.says, where=f"{part.where}.resource", code="not-supported")
            else:
                content, before = self._digest(call.caller, encode(part.tree)), found.get(part.address)
                same = before is not None and (before.version, before.content) == (before.stands, content)
                (work.same if same else work.parts)[part.place] = part, content, before
        changed = {part.address for part, _, _ in work.parts.values()}
        instead |= {text: one.address for text, one in found.items() if one.stands and text not in changed}
        for part, _, before in work.parts.values():
            tree = messages.translated(part, instead.get, changed)
            work.entries.append(_entry(part, tree, before))
        _note_links(work, digests, found)
        brought = {digests[part.address]: (part, before) for part, _, before in work.parts.values()}
        await self._lead(work, brought, len(message.parts) + 1)
        led = {digest for digest, _ in work.led.values()}
        for place, (part, content, before) in work.same.items():
            if before is not None and part.name != PERSON and digests[part.address] not in led:
                tree = messages.translated(part, instead.get, changed)
                work.entries.append(_unless_there(_entry(part, tree, None), before))
                work.parts[place] = part, content, before
        return work

    async def _lead(self, work: _Work, brought: Mapping[bytes, tuple[Part, Known | None]], behind: int) -> None:
        """Has what the sender filed before lead to what is filed now: a report withholds what it shows, whichever was first
        (K66). These entries have their places from `behind` on, where the message has none."""
        anew = {
            digest: (part, before) for digest, (part, before) in brought.items()
            if part.name != PERSON and not (before and before.stands)
        }  # fmt: skip
        work.anew.update(anew)
        work.seen.update(await fhir_messages.referrers(self.pool, anew))
        others = {link.of for link in work.seen} - brought.keys()
        known = await fhir_messages.known(self.pool, self.kept, others)
        standing = [(digest, one) for digest, one in known.items() if one.stands]
        for place, (digest, one) in enumerate(standing, behind):
            leads = dict[str, str]()
            for part, before in (anew[link.to] for link in work.seen if link.of == digest):
                leads |= dict.fromkeys([part.address, *([before.address] if before else ())], part.address)
            tree = messages.leads_anew(leads)
            headers = {"content-type": JSON_TYPE, "if-match": f'W/"{one.stands}"', messages.LINKS: "anew"}
            work.entries.append(Entry(place, "PATCH", one.address, "", "", tree, encode(tree), headers))
            work.led[place] = digest, one

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
