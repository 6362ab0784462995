"""A journal tells that something of its critical information is new; and what operators see of what could not be fetched.

Source: the R4 backport of subscriptions (rest-hook). A notification is believed in where to look and nothing else: what it names
is fetched from the journal's registered address, whatever the message holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
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
        """What is new is noted, durably, before it is answered. An empty message has the journal looked through."""
        name = call.parameters["journal"]
        sent = call.headers.get("authorization", "").removeprefix("Bearer ").encode()
        journal = self.journals.find(name)
        if not hmac.compare_digest(sent, secret_of(self.key, name).encode()) or journal is None:
            raise Refusal(401, "no journal is known by this", where="authorization")
        told = list(_named(self.parse(call.body))) if call.body.strip() else []
        addresses = {journal.address(one) for one in told}
        if "" in addresses:
            says = "a notification names what is no critical information of this journal"
            raise Refusal(422, says, where="body", todo="Name records under the registered address alone.")
        if addresses:
            await rows.note(self.pool, name, addresses, call.at)
        elif not call.body.strip():
            await rows.sweep_now(self.pool, name, call.at)
        return Answer(200, encode({"noted": len(addresses)}), "application/json")

    async def tell(self, _: Call) -> Answer:
        """How each journal stands, and what was given up; nothing of whom it is about."""
        async with self.pool.acquire() as conn:
            states, dead = await rows.states(conn), await rows.dead(conn, LISTED)
        told = {
            "journals": [one._asdict() for one in states],
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
            if not known or not await rows.revive(conn, int(number), call.at):
                raise Refusal(404, "nothing that was given up has this number", where="number")
        return Answer(204)


def _named(tree: Tree) -> Iterator[str]:
    """The addresses that a notification names: the focus of its events, and its entries behind the status."""
    if tree.get("resourceType") != "Bundle":
        raise Refusal(422, "a notification is a Bundle that begins with the status", where="resourceType")
    entries = [one for one in tree.get("entry") or () if isinstance(one, dict)]
    for place, entry in enumerate(entries):
        resource = entry.get("resource")
        resource = resource if isinstance(resource, dict) else {}
        if place == 0:
            yield from _focuses(resource)
        elif full := entry.get("fullUrl"):
            yield str(full)


def _focuses(status: Tree) -> Iterator[str]:
    for event in status.get("parameter") or ():
        for part in event.get("part") or () if isinstance(event, dict) else ():
            if isinstance(part, dict) and part.get("name") == "focus":
                reference = part.get("valueReference")
                yield str(reference.get("reference", "")) if isinstance(reference, dict) else ""
