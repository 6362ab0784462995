"""Long answers go out packed for who takes it, bodies come in packed, and nothing is unpacked further than its limit."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
import zstandard

from kjerne.errors import Refusal
from kjerne.exchange import Answer
from kjerne.wire import http
from kjerne.wire.codings import Codings, chosen
from platform_fixture import Standing
from services.test_standards import observation

LONG = json.dumps({"resourceType": "Bundle", "entry": ["some text that comes again and again"] * 200}).encode()
WHOLE = zstandard.ZstdCompressor().compress(b"abc")
OF_NO_SIZE = zstandard.ZstdCompressor(write_content_size=False)


def unpack(coding: str, body: bytes) -> bytes:
    return gzip.decompress(body) if coding == "gzip" else zstandard.ZstdDecompressor().decompressobj().decompress(body)


async def packed(answer: Answer, accept: str, from_bytes: int = 2_000, *, public: bool = False) -> Answer:
    return await Codings(from_bytes).packed(answer, accept, public=public, vary="")


@pytest.mark.parametrize(
    ("accept", "coding", "must"),
    [
        ("", None, False),
        ("gzip", "gzip", False),
        ("x-gzip", "gzip", False),
        ("gzip, deflate, br, zstd", "zstd", False),
        ("gzip;q=1.0, zstd;q=0.5", "gzip", False),
        ("*", "zstd", False),
        ("zstd;q=0, *", "gzip", False),
        ("gzip;q=0", None, False),
        ("identity", None, False),
        ("identity, gzip;q=0.5", None, False),
        ("gzip, identity;q=0", "gzip", True),
        ("zstd;q=0.1, *;q=0", "zstd", True),
        ("br, identity;q=0", None, False),
        ("gzip;q=much", None, False),
        (";;,,q", None, False),
    ],
)
def test_the_coding_is_what_the_header_would_rather_have(accept: str, coding: str | None, must: bool) -> None:
    assert chosen(accept) == (coding, must)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_long_answer_is_packed_and_says_so(coding: str) -> None:
    answer = await packed(Answer(200, LONG, headers=(("etag", 'W/"3"'),)), coding)
    assert answer.headers == (("etag", 'W/"3"'), ("vary", "accept-encoding"), ("content-encoding", coding))
    assert (unpack(coding, answer.body), len(answer.body) < len(LONG) / 10) == (LONG, True)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_part_goes_out_plain_and_a_packed_whole_has_a_tag_of_its_own(coding: str) -> None:
    strong = ("etag", '"abc"')
    part = await packed(
        Answer(206, LONG, headers=(strong, ("content-range", f"bytes 9-{len(LONG) + 8}/99999"))), coding
    )
    assert (part.body, dict(part.headers).get("content-encoding"), part.headers[0]) == (LONG, None, strong)
    assert ("vary", "accept-encoding") in part.headers
    whole = await packed(Answer(200, LONG, headers=(strong,)), coding)
    assert (whole.headers[0], unpack(coding, whole.body)) == (("etag", f'"abc-{coding}"'), LONG)
    assert (await packed(Answer(200, LONG, headers=(strong,)), "")).headers[0] == strong


async def test_what_is_short_empty_or_of_another_kind_stays_as_it_is() -> None:
    for answer in (Answer(200, LONG[:1_999]), Answer(204), Answer(200, LONG, "application/octet-stream")):
        assert await packed(answer, "gzip") is answer
    assert await packed(Answer(200, LONG), "gzip", 0) == Answer(200, LONG)
    plain = await packed(Answer(200, LONG), "br")
    assert (plain.body, plain.headers) == (LONG, (("vary", "accept-encoding"),))
    assert (await packed(Answer(200, b"{}"), "gzip, identity;q=0")).headers[-1] == ("content-encoding", "gzip")


async def test_what_is_the_same_for_everybody_is_packed_once_and_nothing_else_is_kept() -> None:
    codings = Codings(2_000)
    once, again = [await codings.packed(Answer(200, LONG), "zstd", public=True, vary="") for _ in range(2)]
    assert once.body is again.body
    own = Codings(2_000)
    await own.packed(Answer(200, LONG), "zstd", public=False, vary="")
    assert own._kept == {}
    for place in range(40):
        await codings.packed(Answer(200, LONG + b" " * place), "gzip", public=True, vary="")
    assert len(codings._kept) <= 16


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_what_is_very_long_is_packed_aside_to_the_same(coding: str) -> None:
    assert unpack(coding, (await packed(Answer(200, LONG * 200), coding)).body) == LONG * 200


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_each_piece_of_an_answer_can_be_read_when_it_comes(coding: str) -> None:
    pieces = [b'{"a":1}\n', b"", LONG]

    async def rest() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    answer = await packed(Answer(200, media_type="application/fhir+ndjson", rest=rest()), coding)
    machine = zlib.decompressobj(31) if coding == "gzip" else zstandard.ZstdDecompressor().decompressobj()
    assert answer.rest is not None
    read = [machine.decompress(piece) async for piece in answer.rest]
    assert read == [pieces[0], pieces[2], b""]
    assert machine.eof


@pytest.mark.parametrize(
    "body", [WHOLE, OF_NO_SIZE.compress(b"abc"), zstandard.ZstdCompressor(level=19).compress(b"abc")]
)
def test_a_zstd_body_is_unpacked_as_far_as_its_limit(body: bytes) -> None:
    assert http.unpacked(body, "zstd", 3) == http.unpacked(body, " ZSTD ", 3) == b"abc"
    with pytest.raises(Refusal) as refused:
        http.unpacked(body, "zstd", 2)
    assert refused.value.status == 413


@pytest.mark.parametrize("writes_size", [True, False])
def test_a_bomb_is_refused_before_it_is_unpacked(writes_size: bool) -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=writes_size).compress(bytes(200_000_000))
    assert len(bomb) < 10_000
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            http.unpacked(bomb, "zstd", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"", b"abc", WHOLE[:-1], OF_NO_SIZE.compress(b"abc" * 100)[:-3], WHOLE + b"x", WHOLE + WHOLE,
        b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + WHOLE,
    ],
)  # fmt: skip
def test_what_is_not_one_whole_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        http.unpacked(body, "zstd", 1_000)
    assert (refused.value.status, refused.value.where) == (400, "content-encoding")


def test_a_frame_that_points_too_far_back_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    machine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(Refusal) as refused:
        http.unpacked(machine.compress(b"abc" * 1_000) + machine.flush(), "zstd", 10_000)
    assert refused.value.status == 400


def asked(platform: Standing, coding: str, method: str = "GET") -> httpx.Response:
    return platform.client.call(
        method, "/fhir/R4/Observation?_count=20", as_="gp", patient=platform.nin("citizen"),
        headers={"accept-encoding": coding},
    )  # fmt: skip


def test_a_search_is_the_same_however_it_is_packed_and_so_is_its_head(platform: Standing) -> None:
    plain = asked(platform, "identity")
    assert ("content-encoding" in plain.headers, plain.headers["vary"]) == (False, "accept, accept-encoding")
    for coding in ("gzip", "zstd"):
        answer, head = asked(platform, coding), asked(platform, coding, "HEAD")
        assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == (coding, "no-store")
        assert answer.json()["entry"] == plain.json()["entry"]
        assert int(answer.headers["content-length"]) * 3 < len(plain.content)
        assert head.headers["content-encoding"] == coding


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)])
def test_a_body_comes_packed_and_a_bomb_is_told_its_limit(platform: Standing, coding: str, pack: object) -> None:
    assert callable(pack)
    headers = {"content-type": "application/fhir+json", "content-encoding": coding}

    def sent(body: bytes) -> httpx.Response:
        return platform.client.call(
            "POST",
            "/fhir/R4/Observation",
            as_="lab",
            patient=platform.nin("renumbered"),
            body=pack(body),
            headers=headers,
        )

    assert sent(json.dumps(observation()).encode()).status_code == 201
    bomb = sent(b" " * 50_000_000)
    assert (bomb.status_code, bomb.json()["issue"][0]["code"]) == (413, "too-long")
    unknown = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", body=b"{}", headers={**headers, "content-encoding": "br"}
    )
    assert (unknown.status_code, unknown.headers["accept-encoding"]) == (415, "zstd, gzip")


def test_pages_are_not_packed(platform: Standing) -> None:
    page = platform.http.get(f"{platform.url}/", headers={"accept": "text/html", "accept-encoding": "gzip, zstd"})
    assert (page.status_code, "content-encoding" in page.headers, len(page.content) > 2_000) == (200, False, True)
