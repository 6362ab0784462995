"""A document source in the test's own process, and the clients that send to it and ask it."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
from lxml import etree

from assertions import (
    CERTIFICATE,
    ISSUER,
    PORTALS_CERTIFICATE,
    PORTALS_ISSUER,
    Said,
    ce,
    citizens,
    metadata,
    of_a_citizen,
    of_staff,
    staffs,
)
from attested import OID, details
from documents_at_hand import HOME, PATIENT, REPOSITORY, entry, submission
from kjerne.clock import FixedClock
from kjerne.commands.sourcing import ASSERTION_SECONDS
from kjerne.registries.made_up import SANDBOX
from kjerne.source.app import Application
from kjerne.source.configured import Configured
from kjerne.source.files import Files
from kjerne.source.house import Source
from kjerne.store.pool import Pool, open_pool
from kjerne.wire import mtom, soap
from kjerne.wire.mtom import Unpacker
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from kjerne.xds import messages, names, queries
from kjerne.xds.messages import Response, Submission, Wanted
from kjerne.xds.names import XDS
from kjerne.xds.queries import Query
from kjerne.xds.values import Association

NOW: Final = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
KEY: Final = "a key that the hospital's own system holds"
AUDIENCE: Final = "nhn:dokumentdeling-saml"
URL: Final = "http://source.example"
TEXT: Final = b"Pasienten er skrevet ut."
REGISTRY, REPOSITORY_PATH, GATEWAY = (
    "/Registry/Services/RegistryService", "/Repository/services/RepositoryService",
    "/XCA/Services/RespondingGatewayService",
)  # fmt: skip
PATHS: Final = {
    names.REGISTRY_QUERY: REGISTRY, names.REGISTER: REGISTRY, names.RETRIEVE: REPOSITORY_PATH,
    names.PROVIDE: REPOSITORY_PATH, names.CROSS_QUERY: GATEWAY, names.CROSS_RETRIEVE: GATEWAY,
    names.REMOVE_METADATA: REGISTRY, names.REMOVE_DOCUMENTS: REPOSITORY_PATH,
    names.UPDATE: REGISTRY, names.RESTRICTED_UPDATE: REGISTRY,
}  # fmt: skip
_ids = count(1)


def doctor(about: str = PATIENT.number, **changes: Any) -> Said:
    """An assertion of a doctor about a patient; `changes` are parts of it."""
    said = details()
    said["patients"] = [{"identifier": {"id": about, "system": f"{OID}.4.1"}}]
    parts = staffs(said) | {"scope": "journaldokumenter_helsepersonell"} | changes
    return of_staff(NOW, audience=AUDIENCE, parts={name: value for name, value in parts.items() if value})


def citizen(subject: str = PATIENT.number, about: str = "", purpose: str = "13", policy: str = "0") -> Said:
    """An assertion of a citizen at the portal, about herself or another."""
    parts = citizens(about or subject, purpose, f"urn:oid:2.16.578.1.12.4.1.7.2.1.{policy}")
    parts |= {"scope": "innsynpasientjournal", "npi": subject, "provider": ""}
    return of_a_citizen(
        NOW, subject=subject, audience=AUDIENCE, parts={name: value for name, value in parts.items() if value}
    )


def purpose(code: str) -> str:
    return ce("Purpose", {"code": code, "system": "urn:oid:2.16.840.1.113883.1.11.20448"})


def documents_of(patient: str = PATIENT.number, **more: tuple[str, ...]) -> Query:
    """FindDocuments of what holds."""
    said = {"$XDSDocumentEntryPatientId": (f"{patient}^^^&2.16.578.1.12.4.1.4.1&ISO",)}
    said["$XDSDocumentEntryStatus"] = (names.APPROVED,)
    return Query(names.FIND_DOCUMENTS, said=tuple((said | more).items()))


def enveloped(action: str, body: etree._Element, said: Said | None, message_id: str = "") -> bytes:
    """A request, with an assertion in its header."""
    raw = soap.enveloped(action, body, message_id=message_id or f"urn:test:{next(_ids)}", to="urn:to")
    if said is None:
        return raw
    security = f'<s:Security xmlns:s="{soap.SECURITY[1:-1]}">'.encode() + said.document() + b"</s:Security>"
    return raw.replace(b"</env:Header>", security + b"</env:Header>")


@dataclass(frozen=True)
class Standing:
    """A source that answers."""

    application: Application
    pool: Pool
    owner: Pool
    folder: Path
    clock: FixedClock
    files: Files

    async def post(
        self, path: str, content: bytes | AsyncIterator[bytes], kind: str = soap.TYPE, **headers: str
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.post(path, content=content, headers={"content-type": kind, **headers})

    async def ask_http(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        """A request without a body."""
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.request(method, path, headers=headers)

    async def ask(self, query: Query, said: Said | None = None, action: str = names.CROSS_QUERY) -> Response:
        raw = enveloped(action, queries.written(query), said or doctor())
        answer = await self.post(PATHS[action], raw)
        assert answer.status_code == 200, answer.text
        message = soap.opened(answer.content, action=mtom.parameters(answer.headers["content-type"])["action"])
        assert message.action == f"{action}Response"
        return messages.response(message.body)

    async def found(self, query: Query, said: Said | None = None) -> list[str]:
        """The uniqueIds of the documents that a query finds."""
        response = await self.ask(query, said)
        assert response.status == names.SUCCESS, response
        return [one.unique_id for one in response.objects if hasattr(one, "unique_id")]

    async def get(
        self, *wanted: Wanted, said: Said | None = None, action: str = names.CROSS_RETRIEVE
    ) -> tuple[Response, list[bytes]]:
        raw = enveloped(action, messages.written_wanted(wanted), said or doctor())
        answer = await self.post(PATHS[action], raw)
        assert answer.status_code == 200, answer.text
        reader = Unpacker(answer.headers["content-type"], self.folder)
        try:
            reader.feed(answer.content)
            package = reader.whole()
            body = soap.opened(package.envelope).body
            mtom.hold_named(body, package.parts)
            given = [mtom.content_of(one, package.parts) for one in body.iter(f"{XDS}Document")]
            return messages.response(body[0]), [
                one if isinstance(one, bytes) else one.path.read_bytes() for one in given
            ]
        finally:
            reader.close()

    async def provide(self, sent: Submission, *contents: bytes, key: str = KEY, inline: bool = False) -> Response:
        """ITI-41, as a package, or with the documents written in the envelope."""

        def put(place: int) -> Any:
            def put(element: etree._Element) -> None:
                if inline:
                    element.text = base64.b64encode(contents[place]).decode()
                else:
                    mtom.included(element, f"{place}@hospital")

            return put

        body = messages.written_provision(sent, {one.id: put(place) for place, one in enumerate(sent.entries)})
        raw, kind = enveloped(names.PROVIDE, body, None), soap.TYPE
        if not inline:
            raw, kind = packaged(raw, self.folder, contents), mtom.content_type("b-1")
        return await self.sent(names.PROVIDE, raw, kind, key)

    async def sent(self, action: str, raw: bytes, kind: str = soap.TYPE, key: str = KEY) -> Response:
        answer = await self.post(PATHS[action], raw, kind, authorization=f"Bearer {key}")
        assert answer.status_code == 200, answer.text
        return messages.response(soap.opened(answer.content).body)

    async def log(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.pool.fetch("SELECT * FROM audit ORDER BY seq")]

    def kept(self) -> list[Path]:
        """The documents on the disk, and whatever is left of what came."""
        return [one for one in self.folder.rglob("*") if one.is_file()]


def packaged(raw: bytes, folder: Path, contents: tuple[bytes, ...]) -> bytes:
    files = []
    for place, content in enumerate(contents):
        path = folder / f"sent-{place}"
        path.write_bytes(content)
        files.append((f"{place}@hospital", "application/octet-stream", os.open(path, os.O_RDONLY)))
        path.unlink()
    return b"".join(mtom.packed("b-1", raw, files))


def one(place: int = 1, **changes: Any) -> Submission:
    """A submission of one document, with ids that no other one has."""
    sent = submission(entry(place, **changes), unique_id=f"2.16.578.1.12.4.5.100.9.4.{place}")
    return renamed(sent, place)


def renamed(sent: Submission, place: int) -> Submission:
    own = f"urn:uuid:00000000-0000-4000-9000-00000000000{place}"
    associations = tuple(
        replace(each, source=own if each.source == sent.sent.id else each.source) for each in sent.associations
    )
    return replace(sent, sent=replace(sent.sent, id=own), associations=associations)


def relation(kind: str, sent: Submission, earlier: Submission) -> Submission:
    more = Association(id="relation", kind=kind, source=sent.entries[0].id, target=earlier.entries[0].id)
    return replace(sent, associations=(*sent.associations, more))


def wanted(unique_id: str, **changes: str) -> Wanted:
    return Wanted(unique_id, changes.get("repository", REPOSITORY), changes.get("home", HOME))


@asynccontextmanager
async def standing(dsn: str, owner_dsn: str, folder: Path, **changes: Any) -> AsyncIterator[Standing]:
    """A source on an empty database at its layout."""
    said = {
        "issuers": trusted(metadata((ISSUER, CERTIFICATE))),
        "submitters": {"journal": sha256(KEY.encode()).hexdigest()},
        "citizens": trusted(metadata((PORTALS_ISSUER, PORTALS_CERTIFICATE))),
        "made_up": SANDBOX,
    }
    configured = Configured(HOME, REPOSITORY, (AUDIENCE, "nhn:pps"), **said | changes)
    pool, owner, clock = await open_pool(dsn, 4), await open_pool(owner_dsn, 1), FixedClock(NOW)
    files = Files(folder)
    assertions = Assertions(configured.believed, configured.audiences, clock, seconds=ASSERTION_SECONDS)
    source = Source(configured, files, pool, assertions, clock)
    try:
        await owner.execute(
            "TRUNCATE patient, submission_set, document, document_version, association, audit, locked_when_it_went"
        )
        yield Standing(Application(source, URL), pool, owner, folder, clock, files)
    finally:
        await pool.close()
        await owner.close()


def codes(response: Response) -> list[str]:
    return [one.code for one in response.errors]


def pieces(raw: bytes, step: int) -> Iterator[bytes]:
    for at in range(0, len(raw), step):
        yield raw[at : at + step]
