"""Content codings (RFC 9110 section 8.4): a packed body is unpacked under its limit, a long answer is packed for who takes it.

What is packed: the answers of the one route table that are JSON, XML or lines of JSON, from `KJERNE_COMPRESS_FROM_BYTES` on. Not
the pages: they hold a login's secrets beside what an address may put on them, and a browser sends their cookie whoever asks, so
that the length of a packed page would tell of the secret (BREACH). What the table answers needs a token and a proof made for that
one request, which nobody can have another's program send, and holds neither. docs/operations.md tells what is left.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Final, Literal, cast

import msgspec
import zstandard
from xxhash import xxh3_64_hexdigest

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Pairs
from kjerne.wire.ranges import OFFERED

Coding = Literal["zstd", "gzip"]
TAKEN: Final = "zstd, gzip"
"""What a body may come in, and an answer go out in, the first rather than the second."""
WINDOW_LIMIT_BYTES: Final = 8_388_608
"""How far back a zstd body may point, which must be kept (RFC 9659)."""
LEVEL: Final = 1
KEPT: Final = 16
ASIDE_FROM_BYTES: Final[Mapping[Coding, int]] = {"zstd": 1_000_000, "gzip": 200_000}
"""What takes longer than some 0.7 ms is packed in a thread, while other requests go on."""
HEADER_LIMIT: Final = 200
"""Characters of `Accept-Encoding` that are read."""
_MEMORY: Final = 6
"""Of zlib: its usual 8 costs 70 us more to begin with (measured 2026-11-26), and packs no better at this level."""


def unpacked_zstd(body: bytes, limit_bytes: int) -> bytes | None:
    """What a single zstd frame holds, None where that is more than `limit_bytes`; `Refusal` 400 where it is no whole frame.

    One that says how much it holds is believed before anything is unpacked, any other is unpacked as far as the limit.
    """
    machine = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT_BYTES)
    try:
        told = zstandard.get_frame_parameters(body)
        size = None if told.content_size == zstandard.CONTENTSIZE_UNKNOWN else told.content_size
        if size is not None and size > limit_bytes:
            return None
        if size is None and len(machine.stream_reader(body).read(limit_bytes + 1)) > limit_bytes:
            return None
        return machine.decompress(body, max_output_size=max(limit_bytes, 1), allow_extra_data=False)
    except zstandard.ZstdError:
        says, todo = "the body is no zstd, or not one whole frame", "Send one frame with a window of 8 MB at most."
        raise Refusal(400, says, where="content-encoding", todo=todo) from None


@lru_cache(maxsize=256)
def chosen(accept: str) -> tuple[Coding | None, bool]:
    """The coding that the header `Accept-Encoding` would rather have, and whether it refuses an answer that is in none."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        weights["gzip" if name == "x-gzip" else name] = _weight(parameters)
    of_others = weights.get("*", 0.0)
    taken = {one: weights.get(one, of_others) for one in ("zstd", "gzip")}
    plain = weights.get("identity", 0.0 if "*" in weights and not of_others else 1.0)
    best = max(taken, key=lambda one: taken[one])
    if not taken[best] or ("identity" in weights and plain > taken[best]):
        return None, False
    return cast("Coding", best), not plain


def _weight(parameters: list[str]) -> float:
    for one in parameters:
        name, _, value = one.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


@dataclass
class Codings:
    """The codings of one edge. Answers shorter than `from_bytes` stay as they are; none is packed where that is 0."""

    from_bytes: int
    _kept: dict[tuple[Coding, bytes], bytes] = field(default_factory=dict)
    """What is the same for everybody, and may be asked for by anybody, packed once."""
    _zstd: zstandard.ZstdCompressor = field(default_factory=partial(zstandard.ZstdCompressor, level=LEVEL))
    """Used on the loop alone: one may not be used by two threads at once, and a new one costs 12 us."""

    async def packed(self, answer: Answer, accept: str, *, public: bool, vary: str) -> Answer:
        """The answer in the coding that the header `accept` would rather have, as long as there is something to gain.

        `public` says that nothing in it is of anybody, `vary` by which further headers it was chosen. A part of what is plain
        (206) goes out plain.
        """
        coding, must = chosen(accept[:HEADER_LIMIT]) if accept and answer.status != 206 else (None, False)
        if answer.rest is None and (not answer.body or (len(answer.body) < self.from_bytes and not must)):
            return answer
        if not self.from_bytes or not ("json" in answer.media_type or "xml" in answer.media_type):
            return answer
        headers = (*answer.headers, ("vary", f"{vary}, accept-encoding" if vary else "accept-encoding"))
        if coding is None:
            return msgspec.structs.replace(answer, headers=headers)
        coded = ("content-encoding", coding)
        if answer.rest is not None:
            pieces = _pieces(answer.rest, coding)
            return msgspec.structs.replace(answer, headers=(*_tagged(headers, coding), coded), rest=pieces)
        body = await self._whole(answer.body, coding, keep=public)
        # Whose rest may be asked for has these very bytes in its tag: another version of the library may pack it otherwise.
        mark = f"{xxh3_64_hexdigest(body)}-{coding}" if OFFERED in headers else coding
        return msgspec.structs.replace(answer, headers=(*_tagged(headers, mark), coded), body=body)

    async def _whole(self, body: bytes, coding: Coding, *, keep: bool) -> bytes:
        known = self._kept.get((coding, body)) if keep else None
        if known is not None:
            return known
        if len(body) >= ASIDE_FROM_BYTES[coding]:
            made = await asyncio.to_thread(_PACK[coding], body)
        else:
            made = self._zstd.compress(body) if coding == "zstd" else _gzip(body)
        if keep:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[coding, body] = made
        return made


def _tagged(headers: Pairs, mark: str) -> Pairs:
    """A strong ETag is of bytes, so what is packed has one of its own (RFC 9110 section 8.8.3)."""
    return tuple(
        (name, f'{value[:-1]}-{mark}"' if name == "etag" and value.startswith('"') else value)
        for name, value in headers
    )


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(body)


def _gzip(body: bytes) -> bytes:
    machine = zlib.compressobj(LEVEL, zlib.DEFLATED, 31, _MEMORY)
    return machine.compress(body) + machine.flush()


_PACK: Final[Mapping[Coding, Callable[[bytes], bytes]]] = {"zstd": _zstd, "gzip": _gzip}


async def _pieces(rest: AsyncIterator[bytes], coding: Coding) -> AsyncIterator[bytes]:
    """Each piece is packed and goes out at once: who reads them as they come waits no longer than for what is plain."""
    machine: Any
    if coding == "zstd":
        machine = zstandard.ZstdCompressor(level=LEVEL).compressobj()
        piece_end, end = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH
    else:
        machine = zlib.compressobj(LEVEL, zlib.DEFLATED, 31, _MEMORY)
        piece_end, end = zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
    async for piece in rest:
        if piece:
            yield machine.compress(piece) + machine.flush(piece_end)
    yield machine.flush(end)
