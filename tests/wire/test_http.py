"""A request read under limits: headers, forms, bodies and addresses, and what every answer carries."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.exchange import Answer
from kjerne.wire import http

PACKED = gzip.compress(b"abc", mtime=0)  # no clock in it: two test processes must collect the same names


def receiving(*parts: bytes) -> Any:
    """What a server hands over, piece by piece; broken off after the last where it is empty."""
    left = list(parts)

    async def receive() -> Mapping[str, Any]:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


@pytest.mark.parametrize(("given", "scheme"), [(b"SAML a b", b"saml"), (b"dpop", b"dpop"), (b"", b""), (None, b"")])
def test_the_scheme_of_a_request_is_the_first_word_of_its_credentials(given: bytes | None, scheme: bytes) -> None:
    assert http.scheme_of([(b"host", b"x"), *([] if given is None else [(b"authorization", given)])]) == scheme


def test_header_names_are_folded_and_repeated_values_joined() -> None:
    assert http.headers_of([(b"X-A", b"1"), (b"x-a", b"2"), (b"Accept", b"x")]) == {"x-a": "1, 2", "accept": "x"}


@pytest.mark.parametrize(
    "name", [b"Authorization", b"dpop", b"person-id", b"Host", b"content-type", b"if-match", b"prefer"]
)
def test_a_header_that_decides_stands_once(name: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        http.headers_of([(name, b"a"), (name.upper(), b"a")])
    assert (refused.value.status, refused.value.where) == (400, name.decode().lower())


@pytest.mark.parametrize("name", http.CORRELATION_HEADERS)
def test_the_callers_correlation_id_is_kept(name: str) -> None:
    assert http.correlation_of({name: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}).startswith("00-4bf")


@pytest.mark.parametrize(
    "value", ["", "a b", "x" * 129, "\n", "12817510078", "id-12817510078-x", "298768-37658", "x.298768_37658", "æ"]
)
def test_a_correlation_id_that_could_do_harm_is_replaced(value: str) -> None:
    made = http.correlation_of({"cid": value})
    assert made != value and len(made) == 32


async def test_a_body_is_taken_in_pieces() -> None:
    assert await http.body_of(receiving(b"ab", b"", b"c"), {}, 3) == b"abc"


@pytest.mark.parametrize("declared", ["4", "9" * 30, "9" * 10_000])
async def test_a_body_that_says_it_is_too_long_is_refused_unread(declared: str) -> None:
    with pytest.raises(Refusal) as refused:
        await http.body_of(receiving(), {"content-length": declared}, 3)
    assert refused.value.status == 413


@pytest.mark.parametrize("declared", ["²", "-1", "x", "1e3", "٣"])
async def test_a_length_that_is_no_number_decides_nothing(declared: str) -> None:
    assert await http.body_of(receiving(b"abc"), {"content-length": declared}, 3) == b"abc"


async def test_a_body_that_is_too_long_is_refused_whatever_it_says() -> None:
    with pytest.raises(Refusal) as refused:
        await http.body_of(receiving(b"ab", b"cd"), {"content-length": "1"}, 3)
    assert refused.value.status == 413


async def test_a_request_that_was_broken_off_is_refused() -> None:
    with pytest.raises(Refusal):
        await http.body_of(receiving(), {}, 3)


def test_a_packed_body_is_unpacked_under_the_same_limit() -> None:
    assert http.unpacked(PACKED, "gzip", 3) == b"abc"
    with pytest.raises(Refusal) as refused:
        http.unpacked(gzip.compress(b"\x00" * 10_000_000), "gzip", 1_000)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"abc", "gzip", 400),
        (PACKED[:-3], "gzip", 400),
        (PACKED + b"more", "gzip", 400),
        (PACKED + PACKED, "gzip", 400),
        (b"abc", "br", 415),
        (b"abc", "gzip, gzip", 415),
    ],
)
def test_a_packing_that_is_not_whole_gzip_is_refused(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        http.unpacked(body, encoding, 100)
    assert refused.value.status == status


def test_a_form_keeps_order_repeats_and_empty_values() -> None:
    assert http.pairs_of(b"b=1&a=&b=2%20%C3%A6", "form") == (("b", "1"), ("a", ""), ("b", "2 æ"))


@pytest.mark.parametrize(
    "raw", [b"a", b"a=1&", b"&&", b"a=%ff", b"a=\xc3\xa6", b"a=%00", b"%00=a", b"a=%ed%a0%80", b"a=1&" * 300]
)
def test_a_form_that_two_readers_could_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        http.pairs_of(raw, "form")
    assert (refused.value.status, refused.value.where) == (400, "form")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_form_or_refused(raw: bytes) -> None:
    try:
        pairs = http.pairs_of(raw, "form")
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert not any("\x00" in text for pair in pairs for text in pair)


def test_a_query_has_a_length() -> None:
    with pytest.raises(Refusal):
        http.query_of({"query_string": b"a=" + b"x" * 8_000})


@pytest.mark.parametrize(
    ("path", "query", "plain"),
    [
        ("/a/æ", b"", True),
        ("/a\x00", b"", False),
        ("/a\n", b"", False),
        ("/\ud800", b"", False),
        ("/a", b"b=\xff", False),
    ],
)
def test_an_address_with_control_characters_is_no_address(path: str, query: bytes, plain: bool) -> None:
    assert http.is_plain_address({"path": path, "query_string": query}) is plain


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"]
)
def test_a_form_is_known_by_its_media_type(media_type: str) -> None:
    assert http.is_form({"content-type": media_type})
    assert not http.is_form({"content-type": "application/json"})
    assert not http.is_form({})


async def test_every_answer_is_kept_by_nobody_and_guessed_at_by_nobody() -> None:
    sent: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await http.send_answer(send, Answer(200, b"abc", "text/plain", (("etag", "x"),)), "corr", head=True)
    headers = dict(sent[0]["headers"])
    assert (headers[b"cache-control"], headers[b"x-content-type-options"]) == (b"no-store", b"nosniff")
    assert (headers[b"content-length"], headers[b"etag"], headers[b"x-correlation-id"]) == (b"3", b"x", b"corr")
    assert sent[1]["body"] == b""


@pytest.mark.parametrize("broken", ["a\r\nset-cookie: x=y", "a\nb", "a\rb", "a\x00b", "a\x7fb"])
def test_no_header_of_an_answer_ends_its_line(broken: str) -> None:
    for answer, correlation in (
        (Answer(200, b"", "text/plain", (("etag", broken),)), "corr"),
        (Answer(200, b"", "text/plain", ((broken, "x"),)), "corr"),
        (Answer(200, b"", broken), "corr"),
        (Answer(200), broken),
    ):
        with pytest.raises(ValueError, match="control character"):
            http.lines_sent(answer, correlation)


def test_lines_are_the_headers_one_below_the_other() -> None:
    answer = Answer(200, b"abc", "text/plain", (("etag", "x"), ("x-name", "bl\xe5\tb\xe6r")))
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in http.headers_sent(answer, "corr"))
    assert http.lines_sent(answer, "corr") == lines
