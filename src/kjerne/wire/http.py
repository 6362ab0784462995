"""HTTP in and out on raw ASGI: a request is read under limits into a `Call`, an `Answer` is sent.

Nothing behind this file sees a request's bytes before they are within their limits.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Pairs
from kjerne.wire.codings import TAKEN, unpacked_zstd

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

FORM: Final = "application/x-www-form-urlencoded"
FIELD_LIMIT: Final = 200
QUERY_LIMIT_BYTES: Final = 8_000
CORRELATION_HEADERS: Final = (
    "cid", "correlation-id", "x-correlation-id", "x-request-id", "request-id", "nhn-event-id", "hit-event-id",
    "traceparent",
)  # fmt: skip
_CORRELATING: Final = frozenset(CORRELATION_HEADERS)
CORRELATION: Final = "kjerne.correlation"
"""Where a mounted application finds its request's correlation id in the ASGI scope."""
_CORRELATION = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
_PERSON_LIKE = re.compile(r"[0-9]{6}[.:_\-]?[0-9]{5}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# A header that decides who is asked about, or who asks, must be there once: two readers may choose different ones.
_ONCE: Final = frozenset(
    {"authorization", "dpop", "person-id", "access-basis", "requester-hpr-role", "content-type", "content-length",
     "content-encoding", "if-match", "if-none-exist", "if-modified-since", "host", "prefer",
     *(f"{begin}-{name}" for begin in ("nhn", "hit")
       for name in ("patient-nin", "user-role", "access-basis", "source-system", "event-id"))}
)  # fmt: skip
NAMING_HER: Final = frozenset({b"person-id", b"nhn-patient-nin", b"hit-patient-nin"})
"""The headers by which a request names its patient, at whichever interface."""
_SECURITY: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_SECURITY_LINES: Final = b"".join(b"%b: %b\r\n" % header for header in _SECURITY).decode()
_NOT_IN_A_LINE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def headers_of(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header names in lower case; repeated ones joined by comma, unless they may be there only once (400)."""
    headers: dict[str, str] = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name in headers:
            if name in _ONCE:
                raise Refusal(400, f"the header {name} is there more than once", where=name)
            value = headers[name] + ", " + value
        headers[name] = value
    return headers


def host_of(scope: Scope) -> str:
    """The host that the client named, wherever the header stands."""
    for name, value in scope["headers"]:
        if name == b"host":  # ASGI gives names in lower case
            return str(value.decode("latin-1"))
    return ""


def correlation_of(headers: Mapping[str, str]) -> str:
    """The caller's correlation id where it is a plain word of up to 128 characters, else a new one."""
    for name in () if _CORRELATING.isdisjoint(headers) else CORRELATION_HEADERS:
        # What is spelled as a person number could be one that a client misplaced: it must not reach any log.
        if (value := headers.get(name)) and _CORRELATION.fullmatch(value) and not _PERSON_LIKE.search(value):
            return value
    return os.urandom(16).hex()


def correlation_sent(scope: Scope) -> str:
    """The correlation id of a request that is not read here; where a header is doubled that may be there once, a new one."""
    try:
        return correlation_of(headers_of(scope["headers"]))
    except Refusal:
        return correlation_of({})


def scheme_of(raw: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The scheme of the request's first `Authorization`, in small letters; empty where there is none."""
    for name, value in raw:
        if name == b"authorization":
            return value.partition(b" ")[0].lower()
    return b""


async def body_of(receive: Receive, headers: Mapping[str, str], limit_bytes: int) -> bytes:
    """The whole body, unpacked when gzip or zstd, refused with 413 as soon as it is too long."""
    declared = headers.get("content-length", "")
    # Longer than any limit is too long whatever it says; Python itself refuses to read a number of thousands of digits.
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit_bytes):
        raise _too_long(limit_bytes)
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request was broken off")
        part = message.get("body", b"")
        size += len(part)
        if size > limit_bytes:
            raise _too_long(limit_bytes)
        parts.append(part)
        if not message.get("more_body"):
            break
    return unpacked(b"".join(parts), headers.get("content-encoding", ""), limit_bytes)


def unpacked(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Undoes `Content-Encoding: gzip` or `zstd` under the same limit; other encodings are refused with 415."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding == "zstd":
        whole = unpacked_zstd(body, limit_bytes)
        if whole is None:
            raise _too_long(limit_bytes)
        return whole
    if coding not in ("gzip", "x-gzip"):
        says = "only gzip and zstd are taken as content encoding, one of them"
        raise Refusal(415, says, where="content-encoding", headers=(("accept-encoding", TAKEN),))
    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(body, limit_bytes + 1)
    except zlib.error:
        raise Refusal(400, "the body is not gzip", where="content-encoding") from None
    if len(plain) > limit_bytes:
        raise _too_long(limit_bytes)
    if not machine.eof:
        raise Refusal(400, "the gzip body is cut short", where="content-encoding")
    if machine.unused_data:
        raise Refusal(400, "something follows the gzip body", where="content-encoding")
    return plain


def _too_long(limit_bytes: int) -> Refusal:
    return Refusal(
        413, f"the body is longer than {limit_bytes} bytes", todo="An import or a Bundle may be sent in parts."
    )


def pairs_of(raw: bytes, where: str) -> Pairs:
    """A urlencoded query or form as (name, value) pairs in order; nothing is guessed."""
    if not raw:
        return ()
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, encoding="utf-8", errors="strict",
            max_num_fields=FIELD_LIMIT,
        )  # fmt: skip
    except (UnicodeDecodeError, ValueError):
        raise Refusal(
            400, f"the {where} is not well-formed, or has more than {FIELD_LIMIT} fields", where=where
        ) from None
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise Refusal(400, f"the {where} holds a NUL character", where=where)
    return tuple(pairs)


def query_of(scope: Scope) -> Pairs:
    """The query of the address."""
    return query_in(scope.get("query_string", b""))


def query_in(raw: bytes) -> Pairs:
    """A query as (name, value) pairs, under its limit."""
    if len(raw) > QUERY_LIMIT_BYTES:
        raise Refusal(
            400, f"the query is longer than {QUERY_LIMIT_BYTES} bytes", where="query", todo="Use POST _search."
        )
    return pairs_of(raw, "query")


def sent_path(scope: Scope) -> str:
    """The path as it was sent, percent-encoding and all: what the client has signed."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1") if raw is not None else quote(scope["path"])


def is_plain_address(scope: Scope) -> bool:
    """Whether path and query hold no control character and no byte that an address never has.

    A path is decoded here, so a NUL in it would reach a store that takes none as text.
    """
    path = scope["path"]
    plain = (path.isascii() and path.isprintable()) or not _CONTROL.search(path)
    return plain and bool(scope.get("query_string", b"").isascii())


def is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


async def send_answer(send: Send, answer: Answer, correlation: str, *, head: bool = False) -> None:
    """Sends an answer with the headers every answer has; one that is made meanwhile piece by piece."""
    if answer.rest is not None:
        await _send_rest(send, answer, answer.rest, correlation, head=head)
        return
    whole = getattr(send, "whole", None)
    if whole is not None and whole(answer.status, lines_sent(answer, correlation), b"" if head else answer.body):
        return
    headers = headers_sent(answer, correlation)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _send_rest(send: Send, answer: Answer, rest: AsyncIterator[bytes], correlation: str, *, head: bool) -> None:
    # Its length is not known: HTTP/1.1 sends it in chunks (RFC 9112 section 7.1), and what breaks off is seen to.
    headers = [one for one in headers_sent(answer, correlation) if one[0] != b"content-length"]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if not head:
        async for piece in rest:
            if getattr(send, "disconnected", False):
                # Nobody is there any more: nothing further is read for her.
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def lines_sent(answer: Answer, correlation: str) -> bytes:
    """`headers_sent` as they stand in the answer. `ValueError` where one holds a control character, such as a line's end."""
    own = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
    lines = (
        f"content-type: {answer.media_type}\r\ncontent-length: {len(answer.body)}\r\nx-correlation-id: {correlation}\r\n"
        f"{_SECURITY_LINES}{own}"
    )
    ends = 3 + len(_SECURITY) + len(answer.headers)
    if lines.count("\r") != ends or lines.count("\n") != ends or _NOT_IN_A_LINE.search(lines):
        raise ValueError("a header of an answer holds a control character")
    return lines.encode("latin-1")


def headers_sent(answer: Answer, correlation: str) -> list[tuple[bytes, bytes]]:
    """The headers every answer has, and its own."""
    return [
        (b"content-type", answer.media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-correlation-id", correlation.encode("latin-1")),
        *_SECURITY,
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers),
    ]
