"""`$export` of everybody, of all patients or of a Group: FHIR Bulk Data (2.0) on a named legal ground and with two approvals.

Asked for by an operator's system or an operator; approved by two other persons, each logged in herself. Then it has its
manifest. A file is read when it is fetched, patient by patient under the law of that moment, so nothing lies about: what a
patient has shut since is left out, each one in it has her row in the log with the ground, and an export grows old. The sandbox's
test client names no ground and waits for nobody: it is given people who are made up (docs/law.md, K93).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from kjerne.access import ALL_PATIENTS, OPERATIONS, Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.registries.guides import Guides
from kjerne.registries.homes import PERSON
from kjerne.registries.rechecking import Report
from kjerne.services.exports.approving import LAW, SAYS, SERVICE, Approvals, name_of, no_export, noted
from kjerne.services.exports.asking import BODY_LIMIT_BYTES, CHECK, PURPOSES, Kickoffs, Said, asked
from kjerne.services.exports.files import GONE, Files, Pieces, answer
from kjerne.services.exports.groups import GroupsApi
from kjerne.store import audit, exports
from kjerne.store.exports import LIFE, Export
from kjerne.store.pool import Connection, Pool

BASE: Final = "/fhir/R4"
NEEDS: Final = f"{OPERATIONS} {ALL_PATIENTS}"
LISTED: Final = 100
SETTLED: Final = timedelta(minutes=1)
"""What is written is in within that time of the moment it says: whoever goes on from `transactionTime` misses nothing."""


@dataclass(frozen=True)
class ExportsApi:
    """The handlers."""

    pool: Pool
    kickoffs: Kickoffs
    files: Files
    groups: GroupsApi
    guides: Guides

    def routes(self) -> list[Route]:
        one = "/exports/{number}"
        asked = partial(Route, handler=self.ask, needs=NEEDS, errors="fhir", body_limit_bytes=BODY_LIMIT_BYTES)
        levels = (f"{BASE}/$export", f"{BASE}/{PERSON}/$export", f"{BASE}/Group/{{id}}/$export")
        return [
            *self.groups.routes(),
            *(asked(method, path) for path in levels for method in ("GET", "POST")),
            Route("GET", "/exports", self.listed, OPERATIONS, "json"),
            Route("GET", one, self.status, NEEDS, "fhir"),
            Route("DELETE", one, self.end, NEEDS, "fhir"),
            Route("POST", one + "/approve", self.approve, OPERATIONS, "json"),
            Route("POST", one + "/refuse", self.refuse, OPERATIONS, "json"),
            Route("GET", one + "/files/{file}", self.file, NEEDS, "fhir"),
            Route("GET", one + "/files/{file}/validation", self.validation, OPERATIONS, "json"),
        ]

    async def ask(self, call: Call) -> Answer:
        """202, with where its state is read. `ground` and `recipient` stand in the address or, as all else, in Parameters."""
        caller = _caller(call)
        testing = caller.asks_about_everybody
        said = self.kickoffs.read(call, of_patients=call.path.endswith(f"/{PERSON}/$export"), testing=testing)
        await self._held_to_scopes(call, caller, said.types)
        async with self.pool.acquire() as conn, conn.transaction():
            people = await self._people(conn, call, said)
            row = asked(said, self.files.sealer, name_of(caller), people, testing=testing)
            number = await exports.add(conn, caller, row, call.at)
            await noted(conn, caller, number, "export-asked", said.ground, call.at, call.correlation)
        return Answer(202, headers=(("content-location", f"{call.base_url}/exports/{number}"),))

    async def _people(self, conn: Connection, call: Call, said: Said) -> Sequence[PatientRef] | None:
        """Whom it is of: those on the list in the address, as it stands now, or who are named; None: everybody."""
        return await self.groups.people(conn, call) if "id" in call.parameters else said.people

    async def _held_to_scopes(self, call: Call, caller: Caller, names: Sequence[str]) -> None:
        """`Refusal` 403 where the token's SMART scopes leave nothing of a type. It is about nobody yet."""
        try:
            for name in names:
                smart.demand(caller, name, "r")
        except Refusal:
            rule = "export-not-asked"
            row = audit.of_nobody(
                caller, SERVICE, "export", rule, LAW, SAYS[rule], call.at, call.correlation, refused=True
            )
            async with self.pool.acquire() as conn:
                await audit.insert_explained(conn, row, "", "")
            raise

    async def listed(self, call: Call) -> Answer:
        """Exports, newest first: who asked, on which ground, for whom, who approved."""
        async with self.pool.acquire() as conn:
            rows = await exports.listed(conn, call.at, LISTED)
        return Answer(200, encode({"exports": [_told(row) for row in rows]}), "application/json")

    async def approve(self, call: Call) -> Answer:
        """One human's approval, for a `reason`: never that of a system, of who asked, or of the same human twice, under
        whichever number."""
        number, why = (await self._export(call)).number, dict(call.form).get("reason", "")
        export = await Approvals(self.pool).approve(_caller(call), number, why, call.at, call.correlation)
        return Answer(200, encode(_told(export)), "application/json")

    async def refuse(self, call: Call) -> Answer:
        """Refused for good by one person, for a `reason`: no file is given, or none any more."""
        number, why = (await self._export(call)).number, dict(call.form).get("reason", "")
        export = await Approvals(self.pool).refuse(_caller(call), number, why, call.at, call.correlation)
        return Answer(200, encode(_told(export)), "application/json")

    async def status(self, call: Call) -> Answer:
        """202 while approvals are missing, then the manifest."""
        export = await self._mine(call)
        if export.opened_at is None or export.missing:
            told = f"{export.missing} approvals are missing"
            return Answer(202, headers=(("x-progress", told), ("retry-after", "60")))
        at = f"{call.base_url}/exports/{export.number}/files"

        def files(name: str, type_: str) -> list[dict[str, str]]:
            return [{"type": type_, "url": f"{at}/{name}-{place}"} for place in range(export.files)]

        manifest = {
            "transactionTime": (export.opened_at - SETTLED).isoformat(),
            "request": f"{call.base_url}{export.request}",
            "requiresAccessToken": True,
            "output": [one for type_ in export.types for one in files(type_name(type_), type_name(type_))],
            "deleted": files(GONE, "Bundle") if export.since is not None else [],
            "error": [],
        }
        expires = (export.opened_at + LIFE).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Answer(200, encode(manifest), "application/json", headers=(("expires", expires),))

    async def end(self, call: Call) -> Answer:
        """No file is given any more."""
        export = await self._mine(call)
        async with self.pool.acquire() as conn, conn.transaction():
            await exports.end(conn, export.number, call.at)
            await noted(conn, _caller(call), export.number, "export-ended", export.ground, call.at, call.correlation)
        return Answer(202)

    async def file(self, call: Call) -> Answer:
        """One type of some patients, one resource on each line; or, of what was deleted, Bundles of transactions."""
        return await answer(await self._of_file(call, leaving=True))

    async def validation(self, call: Call) -> Answer:
        """The same records held against R4 and the profiles of today: what is wrong, by kind, with the ids of records."""
        made = Report(self.guides)
        async for some in await self._of_file(call):
            await asyncio.to_thread(made.add, some)
        return Answer(200, encode({"file": call.parameters["file"]} | made.told()), "application/json")

    async def _of_file(self, call: Call, *, leaving: bool = False) -> Pieces:
        """The records of one file, each person's with her row in the log. `Refusal` 403 where they are to be checked and would be
        `leaving`."""
        export = await self._mine(call)
        if leaving and export.checking:
            raise Refusal(403, "this was asked for to be checked: no file of it is given", where="purpose")
        if export.opened_at is None or export.missing:
            raise Refusal(403, "this export is not approved yet", where="number")
        return self.files.lines(call, export, self.files.place(export, call.parameters["file"]))

    async def _export(self, call: Call) -> Export:
        text = call.parameters["number"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
        async with self.pool.acquire() as conn:
            found = await exports.one(conn, number, call.at) if number else None
        if found is None:
            raise no_export()
        return found

    async def _mine(self, call: Call) -> Export:
        """An export belongs to who asked for it; to anybody else it is not there."""
        export, caller = await self._export(call), _caller(call)
        if (export.client, export.asked_by) != (caller.client, caller.digest):
            raise no_export()
        if export.state == "withdrawn":
            # Bulk Data Access 2.0: what was ended by its asker is not found any more.
            raise no_export()
        if export.state not in ("waiting", "open"):
            raise Refusal(410, f"this export is over: {export.state}", where="number", todo="Ask for a new one.")
        return export


def _told(row: Export) -> dict[str, Any]:
    told = {
        "number": row.number,
        "at": row.at.isoformat(),
        "author": row.author,
        "ground": row.ground,
        "recipient": row.recipient,
        "request": row.request,
        "people": row.people if row.cohort is not None else "",
        "types": [type_name(type_) for type_ in row.types],
        "filters": list(row.filters) or "",
        "purpose": CHECK if row.checking else PURPOSES[0],
        "approvals": [one.name for one in row.approvals],
        "state": row.state,
        "openedAt": row.opened_at.isoformat() if row.opened_at else "",
        "refusedBy": row.refused_by,
        "refusedWhy": row.refused_why,
        "endedAt": row.ended_at.isoformat() if row.ended_at else "",
    }
    return {name: value for name, value in told.items() if value != ""}


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "an export needs somebody who asks for it")
    return call.caller
