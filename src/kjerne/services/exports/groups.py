"""`/fhir/R4/Group`: a list of patients that a client keeps for its exports, and that nobody else finds (docs/law.md, K93).

Who is named on it is not looked for when it is written or read: the answer would tell who is known here. The law is asked about
each when her records are read. So what comes back is what was sent, and the log's row is the platform's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from kjerne.access import ALL_PATIENTS, OPERATIONS, Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route
from kjerne.fhir import smart
from kjerne.fhir.dates import interval
from kjerne.fhir.encode import decode
from kjerne.fhir.interaction import (
    OF_A_WRITE,
    Made,
    answer_of,
    deleted,
    known,
    sent_version,
    version_headers,
    version_to_change,
)
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.registries.guides import Guides
from kjerne.services.exports.approving import LAW, SERVICE
from kjerne.services.exports.asking import PEOPLE_LIMIT, Kickoffs
from kjerne.store import audit, groups
from kjerne.store.changing import check_form, in_thread
from kjerne.store.groups import OF_AN_OWNER, Group
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool
from kjerne.store.records import expect
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
TYPE: Final = "Group"
AT: Final = f"{BASE}/{TYPE}"
NEEDS: Final = f"{OPERATIONS} {ALL_PATIENTS}"
BODY_LIMIT_BYTES: Final = 2_000_000
SAYS: Final[Mapping[str, str]] = {
    "group-written": "En liste over pasienter ble laget eller endret av det systemet som har den.",
    "group-read": "En liste over pasienter ble lest av det systemet som har den.",
    "group-deleted": "En liste over pasienter ble slettet av det systemet som hadde den.",
}
"""What the platform's own log says by the rule that stands there."""
Tree = dict[str, Any]


@dataclass(frozen=True)
class GroupsApi:
    """The handlers; `sealer` is what lists are sealed with."""

    pool: Pool
    sealer: Sealer
    kickoffs: Kickoffs
    guides: Guides

    def routes(self) -> list[Route]:
        each = partial(Route, needs=NEEDS, errors="fhir", body_limit_bytes=BODY_LIMIT_BYTES)
        one = AT + "/{id}"
        return [
            each("POST", AT, self.create),
            each("GET", one, self.read),
            each("PUT", one, self.update),
            each("DELETE", one, self.delete),
        ]

    async def create(self, call: Call) -> Answer:
        """A new list, of persons named by their addresses here or by number."""
        await self._checked(call, "c")
        async with self.pool.acquire() as conn, conn.transaction():
            made = await groups.add(conn, self.sealer, owner_of(call), call.body, call.at)
            if made is None:
                raise Refusal(422, f"a client keeps at most {OF_AN_OWNER} lists", code="too-costly")
            await self._noted(conn, call, made, "group-written")
        return _told(call, made, 201, "the list is kept")

    async def read(self, call: Call) -> Answer:
        """A list as it was sent; to anybody else than its client it is not there."""
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        smart.demand(_caller(call), TYPE, "r")
        async with self.pool.acquire() as conn, conn.transaction():
            found = await self.held(conn, call)
            await self._noted(conn, call, found, "group-read")
        return Answer(200, found.served, headers=version_headers(found.version, found.at))

    async def update(self, call: Call) -> Answer:
        """A new version; `If-Match` is demanded, as of a record."""
        tree = await self._checked(call, "u")
        if tree.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where=f"{TYPE}.id")
        expected = version_to_change(call)
        async with self.pool.acquire() as conn, conn.transaction():
            before = await self.held(conn, call, to_change=True)
            expect(expected, before.version)
            made = await groups.write(conn, self.sealer, before, call.body, call.at)
            await self._noted(conn, call, made, "group-written")
        return _told(call, made, 200, f"version {made.version} was written")

    async def delete(self, call: Call) -> Answer:
        """Takes it away, with all that it said; once more is the same."""
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        smart.demand(_caller(call), TYPE, "d")
        expected = sent_version(call.headers)
        async with self.pool.acquire() as conn, conn.transaction():
            before = await self._one(conn, call, to_change=True)
            if before.raw is None:
                return deleted(call, 0)
            expect(expected, before.version)
            made = await groups.write(conn, self.sealer, before, None, call.at)
            await self._noted(conn, call, made, "group-deleted")
        return deleted(call, made.version)

    async def held(self, conn: Connection, call: Call, *, to_change: bool = False) -> Group:
        """The list in the address. `Refusal` 404 where the caller has none of that id, 410 where it was deleted."""
        found = await self._one(conn, call, to_change=to_change)
        if found.raw is None:
            raise Refusal(410, "the list was deleted", where="id")
        return found

    async def people(self, conn: Connection, call: Call) -> list[PatientRef]:
        """Who stands on the list in the address now."""
        found = await self.held(conn, call)
        await self._noted(conn, call, found, "group-read")
        return self._members(decode(found.raw or b"{}"), call.at)

    async def _one(self, conn: Connection, call: Call, *, to_change: bool) -> Group:
        if (id_ := SealedIds.parse(call.parameters["id"])) is None:
            raise _absent()
        found = await groups.one(conn, self.sealer, owner_of(call), id_, held=to_change)
        if found is None:
            raise _absent()
        return found

    async def _checked(self, call: Call, letter: str) -> Tree:
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        check_sent(call)
        smart.demand(_caller(call), TYPE, letter)
        return await in_thread(partial(self._form, call))

    def _form(self, call: Call) -> Tree:
        tree = self.kickoffs.parse_json(call.body)
        check_form(call.body, tree, TYPE, self.guides)
        if tree.get("type") != "person" or tree.get("actual") is not True:
            says = "a list is of persons, each of whom is on it: type person, actual true"
            raise Refusal(422, says, where=f"{TYPE}.type", code="business-rule")
        if tree.get("contained"):
            raise Refusal(422, "a list contains nobody's record", where=f"{TYPE}.contained", code="business-rule")
        if len(tree.get("member", ())) > PEOPLE_LIMIT:
            raise Refusal(413, f"a list is of at most {PEOPLE_LIMIT} persons", where=f"{TYPE}.member")
        self._members(tree, call.at)
        return tree

    def _members(self, tree: Tree, at: datetime) -> list[PatientRef]:
        """Those whose membership holds; `Refusal` 422 for the first who is not named as one must be."""
        found = []
        for place, one in enumerate(tree.get("member", ())):
            who = self.kickoffs.person(one["entity"], f"{TYPE}.member[{place}].entity")
            period = one.get("period", {})
            begun = "start" not in period or interval(period["start"])[0] <= at
            over = "end" in period and interval(period["end"])[1] <= at
            if begun and not over and not one.get("inactive", False):
                found.append(who)
        return found

    async def _noted(self, conn: Connection, call: Call, one: Group, deed: str) -> None:
        row = audit.of_nobody(_caller(call), SERVICE, "export", deed, LAW, SAYS[deed], call.at, call.correlation)
        await audit.insert_explained(conn, row, f"group/{one.id}", "")


def owner_of(call: Call) -> bytes:
    """Whose a list is: the client's, in its organisation, of the person who is logged in."""
    caller = _caller(call)
    parts = (caller.kind, caller.client, caller.organisation, caller.digest.hex())
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _absent() -> Refusal:
    return Refusal(404, "no Group with this id that you keep", where="id")


def _told(call: Call, made: Group, status: int, says: str) -> Answer:
    # The address of a list names its type itself.
    named = msgspec.structs.replace(call, parameters={**call.parameters, "type": TYPE})
    return answer_of(named, BASE, Made(str(made.id), made.version, made.at, made.raw or b""), status, says)


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "a list needs somebody who keeps it")
    return call.caller
