"""Bytes in, bytes out: a resource is kept as received and served with `id` and `meta` facts put in at known places.

`splice` finds the places once, when the resource is written; `served` only joins bytes. Everything between the places
is what the sender sent: spaces, order of names, digits of decimals.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from kjerne.errors import Refusal

Splices = tuple[tuple[int, int, int], ...]
"""(start, end, form): the bytes from start to end (none for an insertion) give way to `FORMS[form]`. Ordered, apart."""

FORMS: Final = (
    b'"%(id)b"',
    b',"id":"%(id)b"',
    b'"id":"%(id)b",',
    b'"%(version)b"',
    b'"%(updated)b"',
    b'"versionId":"%(version)b",',
    b'"lastUpdated":"%(updated)b",',
    b'"versionId":"%(version)b","lastUpdated":"%(updated)b",',
    b'"versionId":"%(version)b","lastUpdated":"%(updated)b"',
    b',"meta":{"versionId":"%(version)b","lastUpdated":"%(updated)b"}',
    b'"meta":{"versionId":"%(version)b","lastUpdated":"%(updated)b"},',
)
"""What can be put in. Numbers of forms stand in stored rows: add at the end, never change or reorder."""

_NAMES: Final = (b"id", b"version", b"updated")
_NAMED: Final = re.compile(rb"%\((\w+)\)b")
_INSTANT: Final = b"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"
_ID, _ID_AFTER, _ID_BEFORE, _VERSION, _UPDATED, _VERSION_BEFORE, _UPDATED_BEFORE, _BOTH_BEFORE, _BOTH = range(9)
_META_AFTER, _META_BEFORE = 9, 10

_HEAD: Final = re.compile(rb'[ \t\r\n]*\{(?:[ \t\r\n]*"resourceType"[ \t\r\n]*:[ \t\r\n]*"[A-Za-z]+")?')
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# How nearly every resource begins; a meta with deeper nesting, or any other order, is walked token by token.
_USUAL: Final = re.compile(
    rb'[ \t\r\n]*\{\s*"resourceType"\s*:\s*"[A-Za-z]+"(?:\s*,\s*"id"\s*:\s*(?P<id>"[^"\\]*"))?'
    rb'(?:\s*,\s*"meta"\s*:\s*(?P<meta>\{(?:[^{}"]++|%b|\{(?:[^{}"]++|%b)*+\})*+\}))?' % (_TEXT, _TEXT)
)
_COMPACT: Final = re.compile(rb'(\{"resourceType":"[A-Za-z]+")(?:,"meta":\{(?="))?')
_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],]', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n:]*")
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}")

Span = tuple[int, int]


def splice(raw: bytes) -> Splices:
    """Where `id`, `meta.versionId` and `meta.lastUpdated` go in a resource that `wire.json.parse` accepted."""
    if plain := _plain(raw):
        return plain
    head = _HEAD.match(raw)
    if head is None:
        raise Refusal(400, "The body must be one JSON object.", where="line 1", code="structure")
    found = _usual(raw)
    if found is None:
        found = _members(raw, raw.index(b"{"), (b"id", b"meta"))
    # After resourceType, where readers look for it; before the first member where resourceType comes later.
    at, after = head.end(), raw[head.end() - 1 : head.end()] == b'"'
    edits = []
    if "id" in found:
        edits.append((*found["id"], _ID))
    else:
        edits.append((at, at, _ID_AFTER if after else _ID_BEFORE))
    if "meta" in found:
        edits.extend(_meta(raw, found["meta"]))
    else:
        edits.append((at, at, _META_AFTER if after else _META_BEFORE))
    return tuple(sorted(edits, key=lambda edit: edit[:2]))


def _plain(raw: bytes) -> Splices | None:
    """The places in what is written without blanks and has no id: all that we make ourselves, and most of what comes."""
    begin = _COMPACT.match(raw)
    if begin is None or b"\\" in raw or b'"id"' in raw or raw.find(b'"meta"', begin.end()) >= 0:
        return None
    at, inside = begin.end(1), begin.end()
    if inside == at:
        return _inserted(at, 0)
    return None if b'"versionId"' in raw or b'"lastUpdated"' in raw else _inserted(at, inside)


@lru_cache(maxsize=1024)
def _inserted(at: int, inside: int) -> Splices:
    return (at, at, _ID_AFTER), (inside, inside, _BOTH_BEFORE) if inside else (at, at, _META_AFTER)


def _usual(raw: bytes) -> dict[str, Span] | None:
    """The spans of `id` and `meta` where they stand at the beginning and neither name comes again; else None."""
    begin = _USUAL.match(raw)
    if begin is None or b"\\u" in raw:
        return None
    found = {name: begin.span(name) for name in ("id", "meta") if begin[name] is not None}
    absent = [b'"%b"' % name.encode() for name in ("id", "meta") if name not in found]
    return found if all(raw.find(name, begin.end()) < 0 for name in absent) else None


def _meta(raw: bytes, span: Span) -> list[tuple[int, int, int]]:
    start, end = span
    if raw[start : start + 1] != b"{":
        raise Refusal(400, "meta must be an object.", where="meta", code="structure")
    # A name that is not even spelled there needs no walk.
    spelled = any(name in raw[start:end] for name in (b'"versionId"', b'"lastUpdated"', b"\\u"))
    found = _members(raw, start, (b"versionId", b"lastUpdated")) if spelled else {}
    inside = start + 1
    if not found:
        empty = not raw[inside : end - 1].strip()
        return [(inside, inside, _BOTH if empty else _BOTH_BEFORE)]
    edits = [
        (*found[name], form) for name, form in (("versionId", _VERSION), ("lastUpdated", _UPDATED)) if name in found
    ]
    if "versionId" not in found:
        edits.append((inside, inside, _VERSION_BEFORE))
    if "lastUpdated" not in found:
        edits.append((inside, inside, _UPDATED_BEFORE))
    return edits


def _members(raw: bytes, start: int, wanted: tuple[bytes, ...]) -> dict[str, Span]:
    """The spans of the wanted members' values in the object that opens at `start`; stops when no more can come."""
    last_at = len(raw) if b"\\u" in raw else max(raw.rfind(b'"%b"' % one) for one in wanted)
    found: dict[str, Span] = {}
    name = ""
    value_at, depth, fresh = 0, 0, False
    for token in _TOKENS.finditer(raw, start):
        text = token[0]
        if text in b"{[":
            depth += 1
            fresh = depth == 1
        elif text in b"}],":
            if depth == 1 and name:
                found[name] = (value_at, _trimmed(raw, value_at, token.start()))
                name = ""
            depth -= text != b","
            fresh = depth == 1 and text == b","
            if depth == 0 or (not name and token.start() > last_at):
                break
        elif fresh:
            fresh = False
            key = msgspec.json.decode(text) if b"\\" in text else text[1:-1].decode()
            if key.encode() in wanted:
                name = key
                value_at = _SPACE.match(raw, token.end()).end()  # type: ignore[union-attr]
    return found


def _trimmed(raw: bytes, start: int, end: int) -> int:
    return start + len(raw[start:end].rstrip(b" \t\r\n"))


def served(raw: bytes, splices: Splices, id: str, version: int, last_updated: datetime) -> bytes:
    """The received bytes with the server's `id`, `meta.versionId` and `meta.lastUpdated` (UTC, milliseconds)."""
    if not _SAFE_ID.fullmatch(id):
        raise ValueError("not a FHIR id")
    values = {b"id": id.encode(), b"version": b"%d" % version, b"updated": instant(last_updated)}
    parts: list[bytes] = []
    at = 0
    for start, end, form in splices:
        parts += (raw[at:start], FORMS[form] % values)
        at = end
    parts.append(raw[at:])
    return b"".join(parts)


def instant(at: datetime) -> bytes:
    """A moment as `meta.lastUpdated` has it: UTC, milliseconds."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return _INSTANT % (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond // 1000)


def line(kept: bytes, begin: int, id: bytes, version: bytes, updated: bytes) -> bytes:
    """As `served`, on one line with its end, for many in a row: in `kept` the body begins behind its packed places, which are
    from the third byte on. `updated` is `instant`'s, and the id is one that was made here."""
    parts: list[bytes] = []
    at = begin
    for start, end, form in _forms(kept[2:begin]):
        parts += (kept[at : begin + start], form % (id, version, updated))
        at = begin + end
    parts += (kept[at:], b"\n")
    made = b"".join(parts)
    # JSON strings hold no line end, so what stands between members can be taken away. As numbers they are found at once; for
    # bytes Python first makes an error.
    if 10 in kept or 13 in kept:
        made = made.replace(b"\r", b"").replace(b"\n", b"") + b"\n"
    return made


@lru_cache(maxsize=1024)
def _forms(packed: bytes) -> tuple[tuple[int, int, bytes], ...]:
    """The places with what is put in there, of id, version and moment in that order; those that stand side by side, as most do,
    are one."""
    found: list[tuple[int, int, bytes]] = []
    for start, end, form in unpack(packed):
        text = FORMS[form]
        if found and found[-1][1] == start and _values(found[-1][2])[-1] < _values(text)[0]:
            before, _, already = found.pop()
            found.append((before, end, already + text))
        else:
            found.append((start, end, text))
    return tuple((start, end, _in_order(text)) for start, end, text in found)


def _values(form: bytes) -> list[int]:
    """Which of id (0), version (1) and moment (2) a form takes, as they stand in it."""
    return [_NAMES.index(name) for name in _NAMED.findall(form)]


def _in_order(form: bytes) -> bytes:
    """A form that is given all three; what it does not take is cut to nothing."""
    texts, taken = _NAMED.split(form)[::2], _values(form)
    made, following = texts[0], 0
    for value, text in zip(taken, texts[1:], strict=True):
        made += b"%.0b" * (value - following) + b"%b" + text
        following = value + 1
    return made + b"%.0b" * (len(_NAMES) - following)


@lru_cache(maxsize=1024)
def pack(splices: Splices) -> bytes:
    """A few bytes to keep beside the body. Most bodies begin alike, so the same few come again and again."""
    return msgspec.msgpack.encode(splices)


@lru_cache(maxsize=1024)
def unpack(packed: bytes) -> Splices:
    """The reverse of `pack`, and as often the same: places alone, nothing of a body."""
    return msgspec.msgpack.decode(packed, type=Splices)
