"""`$import` with a manifest: an import in parts that is gone on with after a break.

The manifest names the parts; this server fetches nothing, so the sender brings each to an address of its own, in any order and
as often as it likes. A part is filed at once, as an import of one body is, under the law of that moment and with its rows in the
log: all of it or none. So nothing of a patient lies about while the rest is waited for, and what the state of an import knows is
in the database: it is the same after a restart. Source: SMART's proposal for `$import` (import-manifest.md), with FHIR's
asynchronous pattern (Bulk Data Access 2.0).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, Answer, Call, PatientRef, Route
from kjerne.fhir import smart
from kjerne.fhir.among import Lost
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.import_manifest import Manifest, Part, read
from kjerne.fhir.interaction import OF_A_WRITE, heeded, http_date
from kjerne.fhir.negotiation import JSON, check_accepted, media_type
from kjerne.registries.guides import Guides
from kjerne.registries.identifiers import numbers_in
from kjerne.services.imports.api import IMPORT_LIMIT_BYTES, MEDIA_TYPES, Said, StandardsImport, as_asked, must_reach
from kjerne.services.imports.lines import Crew, Parse
from kjerne.store.bulk import Bulk
from kjerne.store.house import Store
from kjerne.store.import_answers import ImportAnswers, check_key
from kjerne.store.import_jobs import OPEN_LIMIT, Came, ImportJobs, Job
from kjerne.store.import_names import Brought, ImportNames
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader

MANIFEST_LIMIT_BYTES: Final = 2_000_000
NDJSON: Final = "application/fhir+ndjson"
PLAIN: Final = "application/json"
KEPT: Final = frozenset({400, 403, 413, 422})
"""With these a part is refused for what it is; with any other it has not come."""
ASK_AGAIN: Final = (("retry-after", "5"),)


@dataclass(frozen=True)
class ImportJobsApi:
    """The handlers. `refused` makes what a caller hears of a refusal."""

    pool: Pool
    imports: StandardsImport
    jobs: ImportJobs
    names: ImportNames
    parse_json: Parse
    refused: Callable[[Refusal], Answer]

    def routes(self) -> list[Route]:
        one, needs = "/imports/{number}", self.imports.needs
        part = one + "/parts/{part}"
        return [
            Route("POST", "/fhir/R4/$import", self.take, needs, "fhir", IMPORT_LIMIT_BYTES),
            Route("GET", one, self.status, needs, "fhir"),
            Route("DELETE", one, self.cancel, needs, "fhir"),
            Route("PUT", part, self.put, needs, "fhir", IMPORT_LIMIT_BYTES),
            Route("GET", part + "/outcome", self.outcome, needs, "fhir"),
        ]

    async def take(self, call: Call) -> Answer:
        """Lines, which are filed at once, or a manifest of what will come: 202 then, with where its state is read."""
        sent = media_type(call.headers.get("content-type", ""))
        if sent in MEDIA_TYPES:
            return await self.imports.take(call)
        if sent not in JSON:
            says = f"an import is sent as {NDJSON}, or its manifest as JSON"
            raise Refusal(415, says, where="content-type")
        return await self._ask(call)

    async def _ask(self, call: Call) -> Answer:
        check_accepted(call)
        heeded(call, OF_A_WRITE)
        if len(call.body) > MANIFEST_LIMIT_BYTES:
            says = f"a manifest has at most {MANIFEST_LIMIT_BYTES} bytes"
            raise Refusal(413, says, where="body", todo="Ask for several imports.")
        check_key(key := call.headers.get("idempotency-key", ""))
        manifest = await asyncio.to_thread(self._read, call.body)
        async with self.pool.acquire() as conn:
            number = await self.jobs.add(conn, _caller(call), manifest, call.at, key=key)
        if number is None:
            says, todo = (
                f"{OPEN_LIMIT} imports of yours are open",
                "Finish them, or cancel those that you do not go on with.",
            )
            raise Refusal(429, says, todo=todo, headers=(("retry-after", "60"),))
        return Answer(202, headers=(("content-location", f"{call.base_url}/imports/{number}"),))

    def _read(self, body: bytes) -> Manifest:
        found = read(self.parse_json(body), self.imports.types)
        for place, text in enumerate((found.source, *(part.name for part in found.parts))):
            if numbers_in(text) or CONTROL.search(text):
                where = f"input[{place - 1}].url" if place else "inputSource"
                raise Refusal(
                    422, "an address holds no person number and no control character", where=where, code="value"
                )
        return found

    async def status(self, call: Call) -> Answer:
        """202 with what came of each part while one has not come, then 200 with what came of all; for who asked alone."""
        check_accepted(call)
        job = await self._mine(call)
        async with self.pool.acquire() as conn:
            came = await self.jobs.came(conn, job.number)
        expires = (("expires", http_date(job.expires)),)
        if len(came) < len(job.manifest.parts):
            filed = sum(one.filed for one in came.values())
            told = f"{filed} of {len(job.manifest.parts)} parts filed, {len(came) - filed} refused"
            return Answer(
                202,
                encode({"parts": self._states(call, job, came)}),
                PLAIN,
                (("x-progress", told), *ASK_AGAIN, *expires),
            )
        return Answer(200, encode(self._complete(call, job, came)), PLAIN, expires)

    def _states(self, call: Call, job: Job, came: Mapping[int, Came]) -> list[dict[str, Any]]:
        return [
            {
                "inputUrl": part.name, "type": part.type, "part": _address(call, job, place),
                "state": "missing" if place not in came else "filed" if came[place].filed else "refused",
            }
            for place, part in enumerate(job.manifest.parts)
        ]  # fmt: skip

    def _complete(self, call: Call, job: Job, came: Mapping[int, Came]) -> dict[str, Any]:
        """As the proposal has it: `output` has an entry for each of `input`, and `error` those that were refused."""

        def told(place: int, part: Part, *, outcome: bool) -> dict[str, Any]:
            at = _address(call, job, place)
            file = {"type": "OperationOutcome", "url": f"{at}/outcome"} if outcome else {}
            return {"inputUrl": part.name, **file, "part": at, "count": came[place].resources}

        every = list(enumerate(job.manifest.parts))
        return {
            "transactionTime": max(one.at for one in came.values()).isoformat(),
            "request": f"{call.base_url}/fhir/R4/$import",
            "requiresAccessToken": True,
            "output": [told(place, part, outcome=came[place].filed) for place, part in every],
            "error": [told(place, part, outcome=True) for place, part in every if not came[place].filed],
        }

    async def cancel(self, call: Call) -> Answer:
        """No part is taken any more. What was filed stays, as anything that was filed: each record is deleted by itself."""
        job = await self._mine(call)
        async with self.pool.acquire() as conn:
            await self.jobs.cancel(conn, job.number, call.at)
        return Answer(202)

    async def put(self, call: Call) -> Answer:
        """A part: filed whole and answered as an import of one body is, or refused whole. Once it is filed, the same again is
        answered alike and files nothing."""
        check_accepted(call)
        heeded(call, OF_A_WRITE)
        if media_type(call.headers.get("content-type", "")) not in MEDIA_TYPES:
            raise Refusal(415, f"a part is sent as {NDJSON}", where="content-type")
        job = await self._mine(call)
        place, part = _part(call, job)
        content = await asyncio.to_thread(self.jobs.content, call.headers.get("person-id", ""), call.body)
        kept = _Part(self.jobs, self.names, job.number, place, content, call.at)
        try:
            await _check_digest(part, call.body)
            made = await self.imports.file(call, kept, Said(part.type, part.count))
        except Refusal as refusal:
            if refusal.status in KEPT:
                async with self.pool.acquire() as conn:
                    answer = self.refused(refusal).body
                    await self.jobs.refuse(conn, job.number, place, content, call.at, answer)
            raise
        return as_asked(call, made)

    async def outcome(self, call: Call) -> Answer:
        """What came of a part, an OperationOutcome on each line: where each resource lies, or everything that is wrong."""
        job = await self._mine(call)
        place, part = _part(call, job)
        smart.demand(call.caller, part.type, "c")
        async with self.pool.acquire() as conn:
            found = await self.jobs.answer(conn, job.number, place)
        if found is None:
            raise Refusal(404, "this part has not come yet", where="part", todo="Send it.")
        filed, _, answer = found
        if filed:
            must_reach(call, answer)
        lines = await asyncio.to_thread(_of_filed if filed else _of_refused, decode(answer))
        return Answer(200, lines, NDJSON)

    async def _mine(self, call: Call) -> Job:
        """An import belongs to who asked for it; to anybody else, and once it is cancelled, it is not there."""
        text = call.parameters["number"]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
        async with self.pool.acquire() as conn:
            job = await self.jobs.one(conn, _caller(call), number)
            if job is None or job.ended:
                raise _no_import()
            if call.at >= job.expires:
                filed = sum(one.filed for one in (await self.jobs.came(conn, number)).values())
                done = f"{filed} of {len(job.manifest.parts)} parts were filed"
                says = f"this import is over since {job.expires.isoformat()}: {done}"
                raise Refusal(410, says, where="number", todo="Ask for a new one, of the parts that were not filed.")
        return job


@dataclass(frozen=True)
class _Part:
    """A part as it is kept that it was filed."""

    jobs: ImportJobs
    names: ImportNames
    number: int
    place: int
    content: bytes
    at: datetime
    earlier: bool = True

    async def before(self, conn: Connection) -> bytes | None:
        found = await self.jobs.answer(conn, self.number, self.place)
        if found is None or not found[0]:
            return None
        if found[1] != self.content:
            raise Refusal(
                409, "this part was filed already, with other content", where="part", code="conflict",
                todo="Correct the records that it brought, or ask for an import of what is new.",
            )  # fmt: skip
        return found[2]

    async def begin(self, conn: Connection) -> bool:
        if not await self.jobs.takes(conn, self.number):
            raise _no_import()
        return await self.jobs.begin(conn, self.number, self.place, self.content, self.at)

    async def known(self, conn: Connection, names: Collection[str]) -> Mapping[str, str]:
        return await self.names.known(conn, self.number, names)

    async def name(self, conn: Connection, brought: Sequence[Brought], missing: Mapping[str, int]) -> list[Lost]:
        return await self.names.keep(conn, self.number, brought, missing)

    async def end(self, conn: Connection, answer: bytes, resources: int) -> None:
        await self.jobs.end(conn, self.number, self.place, resources, answer)


async def _check_digest(part: Part, body: bytes) -> None:
    """`Refusal` 422 where the bytes are not those that the manifest means: they were cut off, say."""
    if part.sha256 and await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest()) != part.sha256:
        says = "the bytes of the part have another sha256 than the manifest says"
        raise Refusal(422, says, where="body", code="business-rule", todo="Send the part again, whole and unchanged.")


def _part(call: Call, job: Job) -> tuple[int, Part]:
    text = call.parameters["part"]
    place = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else len(job.manifest.parts)
    if place >= len(job.manifest.parts) or text != str(place):
        says = f"this import has the parts 0 to {len(job.manifest.parts) - 1}"
        raise Refusal(404, says, where="part", todo="Its state gives the address of each.")
    return place, job.manifest.parts[place]


def _address(call: Call, job: Job, place: int) -> str:
    return f"{call.base_url}/imports/{job.number}/parts/{place}"


def _of_filed(answer: Mapping[str, Any]) -> bytes:
    """Where each resource lies, in the order of the lines, and what is warned of."""
    told = [one["valueUri"] for one in answer["parameter"] if one["name"] == "location"]
    warned = [one["resource"] for one in answer["parameter"] if one["name"] == "outcome"]
    made = (
        {"severity": "information", "code": "informational", "diagnostics": f"resource {number} is {one}"}
        for number, one in enumerate(told, 1)
    )
    return _lines(
        [*({"issue": [one]} for one in made), *({"issue": [one]} for all_ in warned for one in all_["issue"])]
    )


def _of_refused(answer: Mapping[str, Any]) -> bytes:
    return _lines([{"issue": [one]} for one in answer["issue"]])


def _lines(found: list[dict[str, Any]]) -> bytes:
    return b"".join(encode({"resourceType": "OperationOutcome", **one}) + b"\n" for one in found)


def _no_import() -> Refusal:
    return Refusal(404, "no import of yours has this number", where="number", todo="Ask for a new one.")


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "an import needs somebody who asks for it")
    return call.caller


def imports(
    store: Store, reader: Reader, crew: Crew, served: Mapping[str, str], writes: Mapping[str, str], parse_json: Parse,
    identify: Callable[[str], PatientRef], guides: Guides, refused: Callable[[Refusal], Answer],
) -> ImportJobsApi:  # fmt: skip
    """The handlers of one house. `served` and `writes` as in `StandardsImport`."""
    bulk = Bulk(store.wrap, store.dictionaries, store.ids)
    answers, secret = ImportAnswers(store.keys.derived("import")), store.keys.derived("import-job")
    bodies = StandardsImport(
        store.pool, bulk, reader, crew, served, writes, parse_json, identify, guides, store.ids, answers
    )
    return ImportJobsApi(store.pool, bodies, ImportJobs(secret), ImportNames(secret), parse_json, refused)
