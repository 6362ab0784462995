"""A journal tells that something of its critical information is new; and what operators see of what could not be fetched.

Source: the R4 backport of subscriptions (rest-hook). A notification is believed in where to look and nothing else: what it names
is fetched from the journal's registered address, whatever the message holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.fhir.encode import encode
from kjerne.registries.journals import Journals
from kjerne.services.critical.kinds import SERVICE
from kjerne.store import journals as rows
from kjerne.store.pool import Pool

AT: Final = f"/{SERVICE}/notified/{{journal}}"
FETCHES: Final = f"/{SERVICE}/fetches"
OPERATIONS: Final = "kjerne:operations"
BODY_LIMIT_BYTES: Final = 1_000_000
LISTED: Final = 200
QUIET: Final = ("handshake", "heartbeat")
"""The kinds of notification that tell of nothing new."""
Tree = dict[str, Any]


def secret_of(key: bytes, journal: str) -> str:
    """What a journal must send along, by its name: made from a key of the house and kept nowhere."""
    return blake2b(journal.encode(), key=key, person=b"journal", digest_size=32).hexdigest()


@dataclass(frozen=True)
class NotifiedApi:
    """The handlers. `key` is what the secrets are made from, `parse` reads a body."""

    pool: Pool
    journals: Journals
    key: bytes
    parse: Callable[[bytes], Tree]

    def routes(self) -> list[Route]:
        return [
            Route("POST", AT, self.hear, PUBLIC, "json", body_limit_bytes=BODY_LIMIT_BYTES),
            Route("GET", FETCHES, self.tell, OPERATIONS, "json"),
            Route("POST", f"{FETCHES}/{{number}}/again", self.again, OPERATIONS, "json"),
        ]

    async def hear(self, call: Call) -> Answer:
        """What is new is noted, durably, before it is answered. A message that names nothing has the journal looked
        through, unless it says itself that there is nothing new."""
        name = call.parameters["journal"]
        sent = call.headers.get("authorization", "").removeprefix("Bearer ").encode()
        journal = self.journals.find(name)
        is_known = hmac.compare_digest(sent, secret_of(self.key, name).encode())
        if is_known and journal is None and self.journals.fault():
            says = "the file of the journals cannot be read now"
            raise Refusal(503, says, where="journal", todo="Tell it again later.", code="transient")
        if not is_known or journal is None:
            says = "no journal is known by this"
            raise Refusal(401, says, where="authorization", headers=(("www-authenticate", "Bearer"),))
        kind, told = _named(self.parse(call.body)) if call.body.strip() else ("", [])
        addresses = {journal.address(one) for one in told}
        if "" in addresses:
            says = "a notification names what is no critical information of this journal"
            raise Refusal(422, says, where="body", todo="Name records under the registered address alone.")
        if addresses:
            await rows.note(self.pool, name, addresses, call.at)
        elif kind not in QUIET:
            await rows.sweep_now(self.pool, name, call.at)
        return Answer(200, encode({"noted": len(addresses)}), "application/json")

    async def tell(self, _: Call) -> Answer:
        """How each journal stands, and what was given up; nothing of whom it is about."""
        names = {one.name for one in self.journals.all()}
        async with self.pool.acquire() as conn:
            states, dead = await rows.states(conn), await rows.dead(conn, LISTED)
        told = {
            "journals": [_told(one, names) for one in states],
            "fault": self.journals.fault(),
            "givenUp": [
                one._asdict() | {"since": one.since.isoformat(), "dead_at": one.dead_at.isoformat()} for one in dead
            ],
        }
        return Answer(200, encode(told), "application/json")

    async def again(self, call: Call) -> Answer:
        """Something that was given up is fetched anew."""
        number = call.parameters["number"]
        async with self.pool.acquire() as conn:
            known = number.isascii() and number.isdigit() and len(number) < 18
            names = [one.name for one in self.journals.all()]
            if not known or not await rows.revive(conn, int(number), names, call.at):
                says = "nothing that was given up of a journal of the file has this number"
                raise Refusal(404, says, where="number")
        return Answer(204)


def _told(one: rows.State, names: Collection[str]) -> Tree:
    moments = {"answered_at": one.answered_at, "looked_to": one.looked_to}
    told = {key: at.isoformat() if at else None for key, at in moments.items()}
    return one._asdict() | told | {"registered": one.journal in names}


def _named(tree: Tree) -> tuple[str, list[str]]:
    """What kind of notification it is, and the addresses that it names: the focus of its events, and its entries behind the
    status. `Refusal` 422 for what has another shape: what nobody reads must not be answered as if it were heard."""
    if tree.get("resourceType") != "Bundle":
        raise Refusal(422, "a notification is a Bundle that begins with the status", where="resourceType")
    kind, found = "", list[str]()
    for place, entry in enumerate(_objects(tree, "entry", "Bundle")):
        resource = entry.get("resource", {})
        if not isinstance(resource, dict):
            raise Refusal(422, "a resource is an object", where=f"Bundle.entry[{place}].resource", code="structure")
        if place == 0:
            kind, named = _focuses(resource)
            found += named
        elif full := entry.get("fullUrl"):
            found.append(str(full))
    return kind, found


def _focuses(status: Tree) -> tuple[str, list[str]]:
    """The kind that a status says (`type`), and what its events are about."""
    kind, found = str(status.get("type", "")), list[str]()
    for event in _objects(status, "parameter", "Bundle.entry[0].resource"):
        if event.get("name") == "type":
            kind = str(event.get("valueCode", ""))
        for part in _objects(event, "part", "Bundle.entry[0].resource.parameter"):
            if part.get("name") == "focus":
                reference = part.get("valueReference")
                found.append(str(reference.get("reference", "")) if isinstance(reference, dict) else "")
    return kind, found


def _objects(tree: Tree, name: str, where: str) -> list[Tree]:
    """The objects of a list; `Refusal` 422 for anything else in its place."""
    held = tree.get(name, [])
    if not isinstance(held, list) or not all(isinstance(one, dict) for one in held):
        raise Refusal(422, "a list of objects stands here", where=f"{where}.{name}", code="structure")
    return held
