"""`POST /fhir/R4/$export`: FHIR Bulk Data (build 2.0) over the results, on a named legal ground and with two approvals.

Asked for by an operator's system or an operator; approved by two other persons, each logged in herself. Then it has its
manifest. A file is read when it is fetched, patient by patient under the law of that moment, so nothing lies about: what a
patient has shut since is left out, each one in it has her row in the log with the ground, and an export grows old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import OPERATIONS, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, CONTROL, Answer, Call, Denied, PatientRef, Route, Stale, unsettled
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import OF_A_WRITE, heeded
from kjerne.fhir.prefer import preferred
from kjerne.registries.guides import Guides
from kjerne.registries.identifiers import numbers_in
from kjerne.services.exports.approving import LAW, SAYS, SERVICE, Approvals, name_of, no_export, noted
from kjerne.services.exports.rechecking import report
from kjerne.store import audit, exports
from kjerne.store.exports import LIFE, Export
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader, Record

LISTED: Final = 100
RECORDS_LIMIT: Final = 20_000
"""Of one type about one patient: more is refused, since a file is never cut without a word."""
TEXT_CHARACTERS: Final = (8, 500)
BODY_LIMIT_BYTES: Final = 16_000
NDJSON: Final = "application/fhir+ndjson"


@dataclass(frozen=True)
class ExportsApi:
    """The handlers. `types` can be exported."""

    pool: Pool
    reader: Reader
    types: Sequence[str]
    parse_json: Callable[[bytes], dict[str, Any]]
    guides: Guides

    def routes(self) -> list[Route]:
        one = "/exports/{number}"
        return [
            Route("POST", "/fhir/R4/$export", self.ask, OPERATIONS, "fhir", BODY_LIMIT_BYTES),
            Route("GET", "/exports", self.listed, OPERATIONS, "json"),
            Route("GET", one, self.status, OPERATIONS, "fhir"),
            Route("DELETE", one, self.end, OPERATIONS, "fhir"),
            Route("POST", one + "/approve", self.approve, OPERATIONS, "json"),
            Route("POST", one + "/refuse", self.refuse, OPERATIONS, "json"),
            Route("GET", one + "/files/{file}", self.file, OPERATIONS, "fhir"),
            Route("GET", one + "/files/{file}/validation", self.validation, OPERATIONS, "json"),
        ]

    async def ask(self, call: Call) -> Answer:
        """202, with where its state is read. Body: Parameters `ground`, `recipient`, and if wanted `_type`."""
        if "respond-async" not in preferred(call.headers):
            raise Refusal(400, "an export is asked for with Prefer: respond-async", where="prefer")
        # Whoever is lenient too: what narrows an export and is passed over gives more than was asked for.
        heeded(call, OF_A_WRITE)
        said = _parameters(self.parse_json(call.body))
        ground, recipient = _text(said, "ground"), _text(said, "recipient")
        if "§" not in ground and "artikkel" not in ground.lower():
            raise Refusal(
                422, "the ground names no provision of law", where="ground", todo="Name the act and its paragraph (§)."
            )
        names = said["_type"].split(",") if "_type" in said else list(self.types)
        if any(name not in self.types for name in names):
            raise Refusal(422, f"only these are exported: {', '.join(self.types)}", where="_type")
        caller = _caller(call)
        await self._held_to_scopes(call, caller, names)
        async with self.pool.acquire() as conn, conn.transaction():
            number = await exports.add(
                conn, caller, name_of(caller), ground, recipient, [type_number(name) for name in dict.fromkeys(names)],
                call.at,
            )  # fmt: skip
            await noted(conn, caller, number, "export-asked", ground, call.at, call.correlation)
        return Answer(202, headers=(("content-location", f"{call.base_url}/exports/{number}"),))

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
        output = [
            {
                "type": type_name(type_),
                "url": f"{call.base_url}/exports/{export.number}/files/{type_name(type_)}-{place}",
            }
            for type_ in export.types
            for place in range(export.files)
        ]
        manifest = {
            "transactionTime": export.opened_at.isoformat(),
            "request": f"{call.base_url}/fhir/R4/$export",
            "requiresAccessToken": True,
            "output": output,
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
        """One type of some patients, one resource on each line."""
        found = await self._of_file(call)
        return Answer(200, b"".join(_one_line(record.served) + b"\n" for record in found), NDJSON)

    async def validation(self, call: Call) -> Answer:
        """The same records held against R4 and the profiles of today: what is wrong, by kind, with the ids of records."""
        found = await self._of_file(call)
        made = await asyncio.to_thread(report, found, self.guides)
        return Answer(200, encode({"file": call.parameters["file"]} | made), "application/json")

    async def _of_file(self, call: Call) -> list[Record]:
        """The records of one file, each person's with her row in the log."""
        export = await self._mine(call)
        if export.opened_at is None or export.missing:
            raise Refusal(403, "this export is not approved yet", where="number")
        name, _, place = call.parameters["file"].rpartition("-")
        known = name in self.types and type_number(name) in export.types and place.isdigit() and len(place) < 10
        if not known or int(place) >= export.files:
            raise Refusal(404, "this export has no such file", where="file")
        async with self.pool.acquire() as conn:
            keys = await exports.patients(conn, export.number, int(place))
        for _ in range(ATTEMPTS):
            grants = [one for key in keys if (one := await self._admitted(call, PatientRef(key=key)))]
            try:
                return await self._records(export, grants, name)
            except Stale:
                continue
        raise unsettled()

    async def _admitted(self, call: Call, patient: PatientRef) -> Grant | None:
        """None where the law leaves a person out, which is logged."""
        try:
            return await call.admit(patient, SERVICE, "export")
        except Denied as denied:
            if denied.denial.subject is None or denied.denial.rule.startswith("export-"):
                return None
            raise

    async def _records(self, export: Export, grants: Sequence[Grant], name: str) -> list[Record]:
        """Everybody's records of one type, each with her log's row: all of it or, where the file is refused, none."""
        records: list[Record] = []
        async with self.pool.acquire() as conn, conn.transaction():
            for grant in grants:
                found = await self.reader.current_of(conn, grant, [type_number(name)], RECORDS_LIMIT + 1)
                if len(found) > RECORDS_LIMIT:
                    raise Refusal(422, "a patient has more records than an export holds", code="too-costly")
                await audit.insert_explained(conn, audit.given(grant), f"export/{export.number}", export.ground)
                records += found
        return records

    async def _export(self, call: Call) -> Export:
        text = call.parameters["number"]
        async with self.pool.acquire() as conn:
            found = await exports.one(conn, int(text), call.at) if text.isdigit() and len(text) <= 16 else None
        if found is None:
            raise no_export()
        return found

    async def _mine(self, call: Call) -> Export:
        """An export belongs to who asked for it; to anybody else it is not there."""
        export, caller = await self._export(call), _caller(call)
        if (export.client, export.asked_by) != (caller.client, caller.digest):
            raise no_export()
        if export.state not in ("waiting", "open"):
            raise Refusal(410, f"this export is over: {export.state}", where="number", todo="Ask for a new one.")
        return export


def _one_line(raw: bytes) -> bytes:
    """JSON strings hold no line end, so what stands between members can be taken away."""
    return raw.replace(b"\r", b"").replace(b"\n", b"")


def _parameters(tree: Mapping[str, Any]) -> dict[str, str]:
    """The string parameters of a Parameters resource by name; `Refusal` 400 where it is something else."""
    rows = tree.get("parameter")
    if tree.get("resourceType") != "Parameters" or not isinstance(rows, list):
        raise Refusal(400, "an export is asked for with a Parameters resource", where="resourceType")
    said: dict[str, str] = {}
    for row in rows:
        name, value = (row.get("name"), row.get("valueString")) if isinstance(row, dict) else (None, None)
        if name not in ("ground", "recipient", "_type") or not isinstance(value, str) or name in said:
            raise Refusal(
                400, "an export takes ground, recipient and _type, each once as valueString", where="parameter"
            )
        said[name] = value
    return said


def _text(said: Mapping[str, str], name: str) -> str:
    text = said.get(name, "").strip()
    fewest, most = TEXT_CHARACTERS
    if not fewest <= len(text) <= most or CONTROL.search(text) or numbers_in(text):
        raise Refusal(
            422, f"{name} is one line of {fewest} to {most} characters and names nobody by number", where=name
        )
    return text


def _told(row: Export) -> dict[str, Any]:
    told = {
        "number": row.number,
        "at": row.at.isoformat(),
        "author": row.author,
        "ground": row.ground,
        "recipient": row.recipient,
        "types": [type_name(type_) for type_ in row.types],
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
