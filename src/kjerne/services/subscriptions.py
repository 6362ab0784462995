"""`/fhir/R4/Subscription`: a client's own wishes to be told what is new about a patient, as FHIR resources.

The patient is named by the header `person-id`, as in a search, or by her address in the criteria (`patient=Patient/id`); the
subscription's id seals her. Who subscribes as a system is asked by the law of subscribers, a person by that of a search
(docs/law.md, K90). What is told is weighed anew for each message (`kjerne.subscribing`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from kjerne.access import OPERATIONS, Action, Caller, Grant
from kjerne.errors import Refusal, sentences
from kjerne.exchange import PUBLIC, Answer, Call, Denied, Pairs, PatientRef, Route, granted
from kjerne.fhir import subscribing
from kjerne.fhir.bundle import searchset
from kjerne.fhir.criteria import is_linked
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import basis_of, demanded_version, version_headers
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.prefer import lenient, wanted
from kjerne.fhir.search import Search
from kjerne.fhir.subscribing import Asked, Content, Telling, content_of, instant, message
from kjerne.fhir.topics import WHERE
from kjerne.fhir.validate import check
from kjerne.registries.homes import row_number, types_of
from kjerne.registries.identifiers import holds_a_number, stands_in
from kjerne.registries.naming import check_header, patient_of
from kjerne.registries.receivers import Receivers
from kjerne.store import audit, sockets, subscriptions, telling
from kjerne.store.kept import opened_by
from kjerne.store.keys import Sealer
from kjerne.store.patient_ids import key_of
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader
from kjerne.store.records import hold
from kjerne.store.sealed_id import SealedIds
from kjerne.store.subscriptions import Event, Subscription

BASE: Final = "/fhir/R4"
AT: Final = BASE + "/Subscription"
BODY_LIMIT_BYTES: Final = 20_000
OF_A_CLIENT: Final = 5_000
"""Subscriptions that one owner may have."""
EVENTS_LIMIT: Final = 100
FAILING: Final = "/subscriptions/failing"
FAILING_LISTED: Final = 200
OF_A_PERSON: Final = timedelta(minutes=60)
"""How long a person's subscription lives at most after her attestation was made: so long the law opens anything by it."""
ASKING: Final = "/$get-ws-binding-token"
TOKEN_LIVES: Final = timedelta(seconds=60)
BOUND_LIMIT: Final = 1_000
"""Subscriptions that one token binds."""
SEARCHED: Final = ("_id", "status", "type", "url", "criteria", "payload")
Tree = dict[str, Any]


class Kept(msgspec.Struct, frozen=True):
    """What is sealed of a subscription: the resource as received, who sent it, and the basis that she declared."""

    raw: bytes
    caller: Caller
    basis: str


def seal(sealer: Sealer, id_: UUID, kept: Kept) -> bytes:
    return sealer.seal(msgspec.msgpack.encode(kept), id_.bytes)


def opened(sealer: Sealer, id_: UUID, told: bytes) -> Kept:
    return msgspec.msgpack.decode(sealer.open(told, id_.bytes), type=Kept)


def action_of(caller: Caller) -> Action:
    """What it is to the law that this caller is told of what is new."""
    return "notify" if caller.kind == "system" else "search"


def owner_of(caller: Caller) -> bytes:
    """Whose a subscription is: the client's, in its organisation, of the person who was logged in."""
    parts = (caller.kind, caller.client, caller.organisation, caller.digest.hex())
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


@dataclass(frozen=True)
class SubscriptionsApi:
    """The handlers. `services` are the types that are told of, with those that keep each; `needs` the scopes of which a token
    must hold one, `reads` those that each service asks for."""

    pool: Pool
    ids: SealedIds
    reader: Reader
    sealer: Sealer
    receivers: Receivers
    parse_json: Callable[[bytes], Tree]
    parse_search: Callable[[str, Pairs, bool], Search]
    identify: Callable[[str], PatientRef]
    services: Mapping[str, Sequence[str]]
    needs: str
    reads: Mapping[str, str]

    def routes(self) -> list[Route]:
        each = partial(Route, needs=self.needs, errors="fhir", body_limit_bytes=BODY_LIMIT_BYTES)
        one = AT + "/{id}"
        return [
            each("GET", AT, self.search),
            each("POST", AT + "/_search", self.search),
            each("POST", AT, self.create),
            each("GET", one, self.read),
            each("PUT", one, self.update),
            each("DELETE", one, self.delete),
            each("GET", one + "/$status", self.status),
            each("GET", one + "/$events", self.events),
            *(each(method, at + ASKING, self.token) for at in (AT, one) for method in ("GET", "POST")),
            Route("GET", subscribing.SOCKET, self.socket, PUBLIC, "json"),
            Route("GET", FAILING, self.failing, OPERATIONS, "json"),
            Route("POST", FAILING + "/{id}/begin", self.begin, OPERATIONS, "json"),
        ]

    async def create(self, call: Call) -> Answer:
        """A subscription about the patient in `person-id`: requested, until its endpoint has taken a handshake."""
        tree, asked = self._sent(call)
        caller, patient = _caller(call), self._whom(call, asked)

        async def use(grant: Grant) -> Subscription:
            id_ = self.ids.make(grant.subject.patient)
            one = Subscription(
                grant.subject.patient, id_, owner_of(caller), asked.service, _types(asked), asked.channel,
                "off" if asked.off else "requested", not asked.off, 1, call.at, call.at, _end(caller, asked),
                seal(self.sealer, id_, Kept(call.body, _stripped(caller), basis_of(call))),
            )  # fmt: skip
            async with self.pool.acquire() as conn, conn.transaction():
                await hold(conn, grant)
                if len(await subscriptions.of_owner(conn, one.owner, OF_A_CLIENT)) >= OF_A_CLIENT:
                    raise Refusal(422, f"a client has at most {OF_A_CLIENT} subscriptions", code="too-costly")
                await subscriptions.add(conn, one)
                await audit.insert(conn, audit.given(grant))
            return one

        made = await self._granted(call, patient, asked, use)
        location = f"{call.base_url}{AT}/{made.id}/_history/1"
        return _written(call, 201, _shown(tree, made), made, (("location", location),))

    async def update(self, call: Call) -> Answer:
        """What it asks for now, about the same patient; one that was off begins anew, with all that it missed meanwhile."""
        tree, asked = self._sent(call)
        if tree.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where="Subscription.id")
        caller, expected = _caller(call), demanded_version(call.headers)
        before = await self._own(call)
        if asked.service != before.service:
            says = "a subscription keeps its topic"
            raise Refusal(422, says, where="Subscription.criteria", todo="Make one of its own for the other.")
        self._check_whom(asked, before.patient)
        kept = seal(self.sealer, before.id, Kept(call.body, _stripped(caller), basis_of(call)))
        after = replace(
            before, types=_types(asked), channel=asked.channel, state="off" if asked.off else "requested",
            collects=not asked.off, ends_at=_end(caller, asked), told=kept, version=expected + 1, changed_at=call.at, fault="",
        )  # fmt: skip

        async def use(grant: Grant) -> bool:
            check_header(call, grant, self.identify)
            async with self.pool.acquire() as conn, conn.transaction():
                await hold(conn, grant)
                changed = await subscriptions.change(conn, after, expected, call.at)
                await audit.insert(conn, audit.given(grant))
            return changed

        if not await self._granted(call, PatientRef(key=before.patient), asked, use):
            raise Refusal(
                412, f"the subscription is at version {before.version}, not {expected}", where="If-Match",
                todo="Read it again and send your change against the current version.",
            )  # fmt: skip
        return _written(call, 200, _shown(tree, after), after)

    async def read(self, call: Call) -> Answer:
        """One of the client's own; anybody else's is not there."""
        check_accepted(call)
        one = await self._own(call)
        return Answer(200, encode(self._tree(one)), headers=version_headers(one.version, one.changed_at))

    async def delete(self, call: Call) -> Answer:
        """With all that it was to be told."""
        one = await self._own(call)
        async with self.pool.acquire() as conn, conn.transaction():
            await subscriptions.remove(conn, one.patient, one.id)
        return Answer(204)

    async def search(self, call: Call) -> Answer:
        """The client's own, newest first."""
        check_accepted(call)
        asked = (*call.query, *call.form)
        unknown = [name for name, _ in asked if name not in SEARCHED and name != "_format"]
        if unknown and not lenient(call.headers):
            says = f"subscriptions are searched by {', '.join(SEARCHED)}"
            raise Refusal(400, says, where=unknown[0][:64], code="not-supported")
        async with self.pool.acquire() as conn:
            found = await subscriptions.of_owner(conn, owner_of(_caller(call)), OF_A_CLIENT)
        trees = [self._tree(one) for one in found]
        left = [tree for tree in trees if all(_answers(tree, *pair) for pair in asked if pair[0] in SEARCHED)]
        entries = [(f"{call.base_url}{AT}/{tree['id']}", encode(tree), "match") for tree in left]
        return Answer(200, searchset(entries, [("self", f"{call.base_url}{AT}")], len(entries)))

    async def status(self, call: Call) -> Answer:
        """How it stands: its state, how many events there were, and why the last message was not taken."""
        check_accepted(call)
        one, base = await self._own(call), f"{call.base_url}{BASE}"
        told = message(
            base, str(one.id), one.shown, "query-status", self._asked(one).topic, one.events, (), call.at, one.fault
        )
        return Answer(200, told)

    async def events(self, call: Call) -> Answer:
        """Events by number, told as the law lets them be told to this caller at this moment; at most a hundred."""
        check_accepted(call)
        first, last = (_number(call, name) for name in ("eventsSinceNumber", "eventsUntilNumber"))
        one = await self._own(call)
        asked = self._asked(one)
        content = _content(call, asked)
        base = f"{call.base_url}{BASE}"

        async def use(grant: Grant | None) -> list[Telling]:
            async with self.pool.acquire() as conn, conn.transaction():
                found = await subscriptions.between(
                    conn, one, first or 0, last if last is not None else 2**62, EVENTS_LIMIT
                )
                return await told(conn, grant, self.reader, base, content, found)

        patient, caller = PatientRef(key=one.patient), _caller(call)
        try:
            tellings = await granted(call.admit, patient, one.service, action_of(caller), use, basis=basis_of(call))
        except Denied:
            # As of records that are gone: which it is, is not told.
            tellings = await use(None)
        told_now = message(base, str(one.id), one.shown, "query-event", asked.topic, one.events, tellings, call.at)
        return Answer(200, told_now)

    async def token(self, call: Call) -> Answer:
        """What binds a socket to subscriptions of the client's own: to the one in the address, to those in `id`, or to all that
        are told over a socket. It is good once, for a minute, and the binding ends with the access token that asked for it."""
        caller, wanted_ids = _caller(call), self._wanted(call)
        async with self.pool.acquire() as conn, conn.transaction():
            own = await subscriptions.of_owner(conn, owner_of(caller), OF_A_CLIENT)
            ids = [
                one.id for one in own if one.channel == "websocket" and one.state != "off" and not _is_over(one, call)
            ]
            if wanted_ids:
                _check_bound(wanted_ids, own, ids)
                ids = list(dict.fromkeys(wanted_ids))
            if not ids or len(ids) > BOUND_LIMIT:
                says = f"a token binds from one to {BOUND_LIMIT} subscriptions that are told over a socket and not off"
                raise Refusal(422, says, where="id", todo="Name some by id.", code="processing")
            text = secrets.token_urlsafe(32)
            ends_at = min(call.at + TOKEN_LIVES, datetime.fromtimestamp(caller.until, UTC))
            digest = digest_of(text)
            sealed = self.sealer.seal(msgspec.msgpack.encode(_stripped(caller)), digest)
            if not await sockets.add(
                conn, sockets.Token(digest, owner_of(caller), tuple(ids), sealed, ends_at), call.at
            ):
                says = f"this client has {sockets.UNUSED_LIMIT} tokens that it has not used"
                raise Refusal(429, says, todo="Use one, or wait a minute.", headers=(("retry-after", "60"),))
        return Answer(200, subscribing.token_told(text, ends_at, [str(one) for one in ids], call.base_url))

    def _wanted(self, call: Call) -> list[UUID]:
        """The ids that a token is asked for; none: all."""
        check_accepted(call)
        known = {"id", "_format"}
        if any(name not in known for name, _ in call.query) and not lenient(call.headers):
            raise Refusal(400, f"{ASKING[1:]} takes id", where="query", code="not-supported")
        if "id" in call.parameters:
            texts = [call.parameters["id"]]
        else:
            texts = [value for name, value in (*call.query, *call.form) if name == "id"]
            if call.body:
                check_sent(call)
                texts += _ids_in(self.parse_json(call.body))
        found = [self.ids.parse(text) for text in texts[: OF_A_CLIENT + 1]]
        if None in found:
            raise _none_such()
        return [one for one in found if one is not None]

    async def socket(self, _: Call) -> Answer:
        """Where a socket is opened (RFC 6455); what is no socket hears that."""
        says, todo = "this address is a websocket's", "Open it as such, and send bind-with-token and the token."
        raise Refusal(426, says, todo=todo, headers=(("upgrade", "websocket"),))

    async def failing(self, call: Call) -> Answer:
        """For whoever runs the platform: the subscriptions whose messages are not taken, or that are off for it, the longest
        first. Whom they are about is not said, nor the address, which their owner has written."""
        asked = dict(call.query)
        if not asked.keys() <= {"_after"} or len(asked) < len(call.query):
            raise Refusal(400, "the list takes _after, once", where="query")
        async with self.pool.acquire() as conn:
            rows = await subscriptions.failing(conn, _behind(asked.get("_after", "")), FAILING_LISTED + 1)
        told: Tree = {"subscriptions": [self._failing(one) for one in rows[:FAILING_LISTED]]}
        if len(rows) > FAILING_LISTED:
            last = rows[FAILING_LISTED - 1]
            told["after"] = f"{last.failing_since:%Y-%m-%dT%H:%M:%S.%f}_{last.id}"
        return Answer(200, encode(told), "application/json")

    def _failing(self, one: Subscription) -> Tree:
        caller = opened(self.sealer, one.id, one.told).caller
        assert one.failing_since is not None, "the store has asked for it"
        return {
            "id": str(one.id), "client": caller.client, "organisation": caller.organisation, "service": one.service,
            "channel": one.channel, "state": one.state, "since": instant(one.failing_since), "tries": one.failures,
            "fault": one.fault,
        }  # fmt: skip

    async def begin(self, call: Call) -> Answer:
        """One of them begins anew, as when its owner asks for it: a handshake, then all that was missed, weighed by the law."""
        id_ = self.ids.parse(call.parameters["id"])
        async with self.pool.acquire() as conn:
            begun = id_ is not None and await subscriptions.begin(conn, self.ids.patient(id_), id_, call.at)
        if not begun:
            todo = "Read the list anew; where a message is on its way, wait two minutes."
            raise Refusal(
                404, "no subscription of this id fails, or a message of it is on its way", where="id", todo=todo
            )
        return Answer(204, media_type="application/json")

    def _sent(self, call: Call) -> tuple[Tree, Asked]:
        """The body as a Subscription that is done here, at an address that is registered for the client."""
        check_accepted(call)
        check_sent(call)
        tree = self.parse_json(call.body)
        if tree.get("resourceType") != "Subscription":
            raise Refusal(400, "the body is not a Subscription", where="resourceType")
        if faults := check(tree, "Subscription"):
            raise Refusal(422, faults[0].says, where=faults[0].where, code="invalid", faults=tuple(faults[1:]))
        asked = subscribing.asked(tree, self.services, opened_by(_caller(call), self.reads))
        _check_numbers(tree)
        for type_, pairs in asked.filters:
            self._check_filter(type_, pairs)
        if asked.channel == "rest-hook" and self.receivers.find(_caller(call).client, asked.url) is None:
            raise Refusal(
                422, "no operator has registered this address for this client", where="Subscription.channel.endpoint",
                todo="Have it written into the file of receivers (KJERNE_SUBSCRIBERS).", code="security",
            )  # fmt: skip
        if asked.ends_at is not None and asked.ends_at <= call.at:
            raise Refusal(422, "the subscription has ended already", where="Subscription.end")
        return tree, asked

    def _asked(self, one: Subscription) -> Asked:
        return subscribing.asked(decode(opened(self.sealer, one.id, one.told).raw), self.services, (one.service,))

    def _whom(self, call: Call, asked: Asked) -> PatientRef:
        """Whom a new one is about: the header's person, or whose address the criteria name. That both are one could be told
        only after the law was asked, and a no would then leave no line in her log; so one of them names her."""
        if not asked.whom:
            return patient_of(call, self.identify)
        if call.headers.get("person-id"):
            says = "the patient is named by person-id or by the criteria, not by both"
            raise Refusal(400, says, where=WHERE, todo="Leave one of them out.")
        key = key_of(self.ids, asked.whom[0]) or 0
        self._check_whom(asked, key)
        return PatientRef(key=key)

    def _check_whom(self, asked: Asked, key: int) -> None:
        """`Refusal` 422 where the criteria name another than the one it is about."""
        if any((key_of(self.ids, text) or 0) != key for text in asked.whom):
            says = "the criteria name another patient than the one whom the subscription is about"
            raise Refusal(422, says, where=WHERE, todo="Name one, by patient=Patient/id.")

    def _check_filter(self, type_: str, pairs: Pairs) -> None:
        where = WHERE
        if any(stands_in(value) for _, value in pairs):
            raise Refusal(422, "a person number never stands in a filter", where=where)
        search = self.parse_search(type_, pairs, False)
        if len(search.criteria) != len(pairs) or any(map(is_linked, search.criteria)):
            raise Refusal(422, "a filter has criteria alone, and no chains", where=where, code="not-supported")

    async def _granted(self, call: Call, patient: PatientRef, asked: Asked, use: Any) -> Any:
        action: Action = "subscribe" if _caller(call).kind == "system" else "search"
        try:
            return await granted(call.admit, patient, asked.service, action, use, basis=basis_of(call))
        except Denied as denied:
            if action == "search":
                raise
            # Whether she is known here, and why nothing is told, is not said to a system.
            says = sentences("nothing about this person is told to this organisation", denied.denial.of_caller)
            raise Refusal(403, says, where="person-id", rule=denied.denial.rule) from denied

    async def _own(self, call: Call) -> Subscription:
        id_ = self.ids.parse(call.parameters["id"])
        if id_ is not None:
            async with self.pool.acquire() as conn:
                found = await subscriptions.one(conn, owner_of(_caller(call)), self.ids.patient(id_), id_)
            if found is not None:
                return found
        raise _none_such()

    def _tree(self, one: Subscription) -> Tree:
        return _shown(decode(opened(self.sealer, one.id, one.told).raw), one)


async def told(
    conn: Connection, grant: Grant | None, reader: Reader, base: str, content: Content, events: Sequence[Event]
) -> list[Telling]:
    """Events as they are told under a grant, with a row in the log that names what leaves; without one nothing of a record."""
    named: list[tuple[int, UUID, int]] = []
    focuses = {}
    if grant is not None:
        await hold(conn, grant)
        found = await telling.versions(conn, grant, reader, [one.named for one in events if not one.deleted])
        for one in events:
            version, url = found.get(one.named), f"{base}/{type_name(one.type)}/{one.record}"
            gone = one.deleted and await reader.is_gone(conn, grant, one.type, one.record)
            focus = content_of(url, content, one.version, version.served if version else None, deleted=gone)
            if focus is not None:
                focuses[one.number] = focus
                named.append(one.named)
        await audit.insert(conn, audit.given(grant), list(dict.fromkeys(named)))
    return [Telling(one.number, one.at, focuses.get(one.number)) for one in events]


def _check_numbers(tree: Mapping[str, Any]) -> None:
    """`Refusal` 422 for a person number in what is sent to others, or stands in logs of theirs, as it is."""
    channel = tree.get("channel", {})
    for where, text in (("reason", tree.get("reason", "")), ("channel.endpoint", channel.get("endpoint", "")),
                        *(("channel.header", one) for one in channel.get("header", ()))):  # fmt: skip
        if (stands_in if where == "channel.header" else holds_a_number)(str(text)):
            raise Refusal(422, "a person number never stands in a Subscription", where=f"Subscription.{where}")


def digest_of(token: str) -> bytes:
    """What is kept of a token that binds a socket."""
    return hashlib.sha256(token.encode()).digest()


def binder(sealer: Sealer, digest: bytes, sealed: bytes) -> Caller:
    """Who asked for a token."""
    return msgspec.msgpack.decode(sealer.open(sealed, digest), type=Caller)


def _none_such() -> Refusal:
    return Refusal(404, "you have no Subscription with this id", where="id")


def _check_bound(wanted_ids: Sequence[UUID], own: Sequence[Subscription], ids: Sequence[UUID]) -> None:
    """`Refusal` 404 for an id that is not among the client's own, 422 for one that no socket is bound to."""
    if not {one.id for one in own}.issuperset(wanted_ids):
        raise _none_such()
    if not set(ids).issuperset(wanted_ids):
        says = "a socket is bound to subscriptions of the channel websocket that are not off"
        raise Refusal(422, says, where="id", code="processing")


def _is_over(one: Subscription, call: Call) -> bool:
    return one.ends_at is not None and one.ends_at <= call.at


def _ids_in(tree: Tree) -> list[str]:
    """The ids in a Parameters resource."""
    rows = tree.get("parameter", [])
    if tree.get("resourceType") != "Parameters" or check(tree, "Parameters"):
        raise Refusal(
            400, "the operation takes a Parameters resource, or parameters in the address", where="resourceType"
        )
    texts = [row.get("valueId", row.get("valueString")) for row in rows if row.get("name") == "id"]
    if len(texts) < len(rows) or None in texts:
        raise Refusal(400, "a token is asked for with id, as valueId", where="Parameters.parameter")
    return [str(text) for text in texts]


def _caller(call: Call) -> Caller:
    assert call.caller is not None, "the route asks for a scope"
    if call.caller.kind == "citizen":
        raise Refusal(403, "citizens are told by their own settings, and do not subscribe", where="scope")
    return call.caller


def _stripped(caller: Caller) -> Caller:
    """Without what is read from the registers anew each time."""
    return replace(caller, parts=(), above=frozenset(), below=frozenset())


def _end(caller: Caller, asked: Asked) -> datetime | None:
    said = caller.attestation
    ends = [one for one in (asked.ends_at, said.made_at + OF_A_PERSON if said else None) if one is not None]
    return min(ends, default=None)


def _types(asked: Asked) -> tuple[int, ...]:
    names = [name for name, _ in asked.filters] or types_of(asked.service)
    return tuple(row_number(name, asked.service) for name in dict.fromkeys(names))


def _shown(tree: Tree, one: Subscription) -> Tree:
    """The resource as it is served: with the state it is in now."""
    meta = {**tree.get("meta", {}), "versionId": str(one.version), "lastUpdated": instant(one.changed_at)}
    shown = {**tree, "id": str(one.id), "meta": meta, "status": one.shown}
    shown.pop("error", None)
    return shown | ({"error": one.fault} if one.fault else {})


def _written(call: Call, status: int, tree: Tree, one: Subscription, headers: Pairs = ()) -> Answer:
    headers = (*headers, *version_headers(one.version, one.changed_at))
    return Answer(status, b"" if wanted(call.headers) == "minimal" else encode(tree), headers=headers)


def _answers(tree: Mapping[str, Any], name: str, value: str) -> bool:
    channel = tree["channel"]
    found = {
        "_id": tree["id"], "status": tree["status"], "type": channel["type"], "url": channel.get("endpoint", ""),
        "criteria": tree["criteria"], "payload": channel.get("payload", ""),
    }[name]  # fmt: skip
    return any(found == one.rpartition("|")[2] for one in value.split(","))


def _behind(text: str) -> tuple[datetime, UUID]:
    """Where a page of the list begins; `Refusal` 400 for what no page has ended with."""
    if not text:
        return EARLIEST, UUID(int=0)
    at, _, id_ = text.partition("_")
    try:
        return datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC), UUID(id_)
    except ValueError:
        raise Refusal(400, "_after is what the page before ends with", where="_after") from None


def _number(call: Call, name: str) -> int | None:
    texts = [value for key, value in call.query if key == name]
    if not texts:
        return None
    if len(texts) > 1 or not (texts[0].isascii() and texts[0].isdecimal()) or len(texts[0]) > 18:
        raise Refusal(400, f"{name} is one number", where=name)
    return int(texts[0])


def _content(call: Call, asked: Asked) -> Content:
    known = {"eventsSinceNumber", "eventsUntilNumber", "content", "_format"}
    if any(name not in known for name, _ in call.query) and not lenient(call.headers):
        raise Refusal(400, "$events takes eventsSinceNumber, eventsUntilNumber and content", where="query")
    contents: Mapping[str, Content] = {"empty": "empty", "id-only": "id-only", "full-resource": "full-resource"}
    text = next((value for name, value in call.query if name == "content"), asked.content)
    if text not in contents:
        raise Refusal(400, "content is empty, id-only or full-resource", where="content")
    return contents[text]
