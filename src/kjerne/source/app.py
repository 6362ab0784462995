"""The addresses of a source, and the way of one request: bytes in under limits, an envelope or a fault out.

The paths and actions are those of the open Norwegian source, so that a client of one is a client of the other. A message is
an envelope alone (`application/soap+xml`) or a package with documents (`multipart/related`), which goes to the disk as it
comes. Documents leave as a package, read from the disk as it is sent.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kjerne.registries import identifiers
from kjerne.source import fhir_api
from kjerne.source.house import Outcome, Source
from kjerne.wire import http, journal, mtom, soap, xml
from kjerne.wire.mtom import Part, Unpacker
from kjerne.wire.soap import Failed, Message
from kjerne.xds import names, writing

PACKAGE_LIMIT_BYTES: Final = 1_000_000_000
"""A submission with all its documents."""
STRANGERS_LIMIT_BYTES: Final = 10_000
"""The largest part of a package by whom no key makes known: enough for a client that packs its questions, not to fill a disk."""
QUESTION_LIMIT_BYTES: Final = 500_000
"""The largest envelope by whom no key makes known: an assertion, and a question for a hundred documents. It lies in memory."""
HEALTH: Final = "/health"
PAUSE_SECONDS: Final = 30
"""How long a sender may be silent within a message."""
MESSAGE_SECONDS: Final = 600
"""How long a whole message may take to come: the largest one over a line of 15 Mbit/s."""

REGISTRY, REPOSITORY, GATEWAY = (
    "/registry/services/registryservice", "/repository/services/repositoryservice",
    "/xca/services/respondinggatewayservice",
)  # fmt: skip
ACTIONS: Final[Mapping[str, frozenset[str]]] = {
    REGISTRY: frozenset(
        {names.REGISTRY_QUERY, names.REGISTER, names.REMOVE_METADATA, names.UPDATE, names.RESTRICTED_UPDATE}
    ),
    REPOSITORY: frozenset({names.RETRIEVE, names.PROVIDE, names.REMOVE_DOCUMENTS}),
    GATEWAY: frozenset({names.CROSS_QUERY, names.CROSS_RETRIEVE}),
}
"""Path, in small letters -> the actions that are answered there."""
_QUERIES: Final = frozenset({names.REGISTRY_QUERY, names.CROSS_QUERY})
_CHANGES: Final = frozenset({names.UPDATE, names.RESTRICTED_UPDATE})
_REMOVALS: Final = frozenset({names.REMOVE_METADATA, names.REMOVE_DOCUMENTS})
_RETRIEVALS: Final = frozenset({names.RETRIEVE, names.CROSS_RETRIEVE})


@dataclass(frozen=True, slots=True)
class _Request:
    """What came over HTTP: where to, how, and by whose key."""

    path: str
    kind: str
    content_type: str
    key: str
    declared_bytes: int


class _Sending:
    """The way out, which knows whether an answer has begun."""

    def __init__(self, send: http.Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, event: Any) -> None:
        self.begun = True
        await self._send(event)


class Application:
    """The source as an ASGI application. `url` is the address that clients use."""

    def __init__(self, source: Source, url: str) -> None:
        self._source = source
        self._url = url

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
            return
        path = scope["path"].lower().rstrip("/")
        if path == HEALTH:
            is_well = await self._source.is_well()
            await _plain(send, 200 if is_well else 503, "It answers." if is_well else "The database does not answer.")
            return
        if fhir_api.is_here(path):
            await self._answer_fhir(scope, path, receive, send)
            return
        if path not in ACTIONS:
            await _plain(send, 404, "There is nothing at this address.")
            return
        if scope["method"] != "POST":
            await _plain(send, 405, "Only POST is answered here.", (b"allow", b"POST"))
            return
        request = _request(scope, path)
        if request.kind not in (soap.TYPE, mtom.TYPE):
            await _plain(send, 415, f"Send {soap.TYPE}, or {mtom.TYPE} with documents.")
            return
        await self._answer(request, scope["path"], receive, _Sending(send))

    async def _answer_fhir(self, scope: http.Scope, path: str, receive: http.Receive, send: http.Send) -> None:
        given = await fhir_api.answered(self._source, scope, receive, _request(scope, path).key, self._url)
        if given.descriptor < 0:
            await _whole(send, given.status, given.body, given.kind, *given.headers)
            return
        length = (b"content-length", str(os.fstat(given.descriptor).st_size).encode())
        await fhir_api.send_file(send, given, _start(given.status, given.kind, length, *given.headers))

    async def _answer(self, request: _Request, path: str, receive: http.Receive, send: _Sending) -> None:
        """Answers, whatever happens: with a body, or with the fault that tells why not."""
        unpacker: Unpacker | None = None
        relates = ""
        known = bool(self._source.configured.submitter(request.key))
        envelope_bytes = xml.LIMIT_BYTES if known else QUESTION_LIMIT_BYTES
        try:
            if request.declared_bytes > PACKAGE_LIMIT_BYTES:
                raise _too_large(PACKAGE_LIMIT_BYTES)
            if request.kind == mtom.TYPE:
                limit_bytes = mtom.PART_LIMIT_BYTES if known else STRANGERS_LIMIT_BYTES
                unpacker = Unpacker(
                    request.content_type, self._source.files.coming, envelope_limit_bytes=envelope_bytes,
                    part_limit_bytes=limit_bytes,
                )  # fmt: skip
            raw, parts = await _read(receive, unpacker, envelope_bytes)
            action = mtom.parameters(request.content_type).get("action", "")
            message = soap.opened(raw, action=action)
            relates = message.message_id
            outcome = await self._done(request, message, parts, self._url + path)
            await _send_outcome(send, message, outcome)
            journal.answered(_correlation(relates), request.path, 200)
        except Failed as failed:
            if failed.status == 413 and unpacker is not None and not known:
                failed = soap.unauthenticated("Documents are sent by a system that is known by its key.")
            failed.relates = failed.relates or relates
            await self._fail(request, failed, send)
        except Exception as error:
            if send.begun:
                raise  # half an answer is out: the connection ends, and what came of it is no package
            refusal = journal.met(error, _correlation(relates), request.path)
            await self._fail(request, Failed("Receiver", refusal.says, status=refusal.status, relates=relates), send)
        finally:
            if unpacker is not None:
                unpacker.close()

    async def _fail(self, request: _Request, failed: Failed, send: http.Send) -> None:
        rule = failed.subcode.rpartition("}")[2] or failed.code
        journal.answered(_correlation(failed.relates), request.path, failed.status, rule)
        # What was not read of the message is not waited for.
        close = (b"connection", b"close")
        await _whole(
            send, failed.status, soap.fault(failed, message_id=_new_id()), f"{soap.TYPE}; charset=utf-8", close
        )

    async def _done(self, request: _Request, message: Message, parts: Mapping[str, Part], url: str) -> Outcome:
        if message.action not in ACTIONS[request.path]:
            raise soap.unsupported(message.message_id)
        if message.action in _QUERIES:
            return await self._source.query(message, url)
        if message.action in _RETRIEVALS:
            return await self._source.retrieve(message, url)
        if message.action in _REMOVALS:
            return await self._source.remove(message, request.key)
        if message.action in _CHANGES:
            return await self._source.change(message, request.key)
        return await self._source.submit(message, parts, request.key)


def _request(scope: http.Scope, path: str) -> _Request:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    content_type, length = headers.get(b"content-type", ""), headers.get(b"content-length", "")
    kind = content_type.partition(";")[0].strip().lower()
    if headers.get(b"content-encoding", "identity").lower() != "identity":
        kind = ""
    scheme, _, key = headers.get(b"authorization", "").partition(" ")
    declared = int(length) if length.isdecimal() and len(length) < 18 else 0
    return _Request(path, kind, content_type, key.strip() if scheme.lower() == "bearer" else "", declared)


async def _read(
    receive: http.Receive, unpacker: Unpacker | None, envelope_bytes: int
) -> tuple[bytes, Mapping[str, Part]]:
    """The envelope, and the documents beside it."""
    held, size, until = bytearray(), 0, time.monotonic() + MESSAGE_SECONDS
    limit = envelope_bytes if unpacker is None else PACKAGE_LIMIT_BYTES
    while True:
        try:
            came = await asyncio.wait_for(receive(), min(PAUSE_SECONDS, until - time.monotonic()))
        except TimeoutError:
            raise Failed("Sender", "The message stopped coming.", status=408) from None
        if came["type"] == "http.disconnect":
            raise Failed("Sender", "The message was broken off.")
        chunk = came.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if unpacker is None:
            held += chunk
        else:
            unpacker.feed(chunk)
        if not came.get("more_body"):
            break
    if unpacker is None:
        return bytes(held), {}
    package = unpacker.whole()
    return package.envelope, package.parts


async def _send_outcome(send: http.Send, message: Message, outcome: Outcome) -> None:
    action = f"{message.action}Response"
    raw = soap.enveloped(action, outcome.body, message_id=_new_id(), relates=message.message_id)
    if outcome.objects:
        raw = writing.with_objects(raw, outcome.objects)
    if not outcome.packed:
        await _whole(send, 200, raw, f'{soap.TYPE}; charset=utf-8; action="{action}"')
        return
    boundary = f"kjerne-{uuid.uuid4()}"
    pieces = mtom.packed(boundary, raw, outcome.files)
    try:
        first = next(pieces)  # from here on the files are its to close
        await send(_start(200, mtom.content_type(boundary)))
        for piece in itertools.chain((first,), pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        pieces.close()


async def _plain(send: http.Send, status: int, says: str, *more: tuple[bytes, bytes]) -> None:
    await _whole(send, status, says.encode(), "text/plain; charset=utf-8", *more)


async def _whole(send: http.Send, status: int, body: bytes, kind: str, *more: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(_start(status, kind, length, *more))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, kind: str, *more: tuple[bytes, bytes]) -> Any:
    headers = [
        (b"content-type", kind.encode()), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), *more,
    ]  # fmt: skip
    return {"type": "http.response.start", "status": status, "headers": headers}


def _correlation(message_id: str) -> str:
    """What the log calls a message: its own id, where no person number stands in that."""
    return _new_id() if not message_id or identifiers.holds_a_number(message_id) else message_id


def _new_id() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def _too_large(limit_bytes: int) -> Failed:
    return Failed("Sender", f"The message is larger than {limit_bytes} bytes. Send documents as parts.", status=413)
