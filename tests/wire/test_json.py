"""The JSON door: strict, exact and deaf to bombs."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.encode import encode
from kjerne.wire.json import parse, parse_list


class Members(list[tuple[str, object]]):
    """An object's names and values, of which a name may come twice."""


NAMES = st.sampled_from(["a", "b", ":", "å", '"', "a:"])


def refusal(raw: bytes, **limits: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse(raw, **limits)
    return caught.value


@pytest.mark.parametrize("digits", ["1.10", "1e3", "0.000001", "-0.50", "100.00", "1E-7", "0.1234567890123456789"])
def test_a_decimal_keeps_its_digits(digits: str) -> None:
    number = parse(b'{"value":' + digits.encode() + b"}")["value"]
    assert number == Decimal(digits)
    assert number.as_tuple() == Decimal(digits).as_tuple()
    assert parse(encode({"value": number}))["value"].as_tuple() == number.as_tuple()


def test_a_list_passes_the_same_door_where_a_list_is_asked_for() -> None:
    assert parse_list(b'[{"value":1.10}, 2]') == [{"value": Decimal("1.10")}, 2]
    for spoiled in (b"{}", b"2", b"[", b'[{"a":1,"a":2}]', b"[NaN]", b"[" * 99 + b"]" * 99, b"\xff"):
        with pytest.raises(Refusal) as caught:
            parse_list(spoiled)
        assert caught.value.status == 400
    with pytest.raises(Refusal) as caught:
        parse_list(b"[1, 2, 3]", limit_bytes=5)
    assert caught.value.status == 413
    assert refusal(b"[]").status == 400


def test_a_decimal_is_written_as_it_was_read() -> None:
    assert encode({"value": parse(b'{"value":1.10}')["value"]}) == b'{"value":1.10}'


def test_a_name_that_occurs_twice_is_refused_with_its_line() -> None:
    error = refusal(b'{"status":"final",\n "code":{"text":"a",\n "text":"b"}}')
    assert error.status == 400
    assert error.where == "line 3, column 2"
    assert "'text'" in error.says


def test_a_name_that_occurs_twice_by_escape_is_refused() -> None:
    assert refusal(b'{"id":"a","\\u0069d":"b"}').where == "line 1, column 11"


def test_a_name_that_looks_like_a_person_number_is_not_shown() -> None:
    error = refusal(b'{"01010112345":1,"01010112345":2}')
    assert "01010112345" not in str(error)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(number: bytes) -> None:
    assert refusal(b'{"a":"NaN",\n"b":' + number + b"}").where.startswith("line 2")


@pytest.mark.parametrize("number", ["1" * 19, "1" * 5000, "1." + "1" * 70, "1e65", "1e-999999999", "1e999999999"])
def test_a_number_no_measurement_needs_is_refused(number: str) -> None:
    assert refusal(b'{"value": ' + number.encode() + b"}").where == "line 1, column 11"


def test_nesting_is_allowed_to_the_limit_and_not_deeper() -> None:
    assert parse(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")
    assert "64 levels" in refusal(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}").says
    assert refusal(b'{"a":' * 200_000).status == 400


NESTED = st.recursive(
    st.text('[]{}"\\a', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\', max_size=2), inner, max_size=3),
    max_leaves=12,
)


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(inner=NESTED, depth=st.integers(1, 6), spaced=st.booleans())
def test_levels_are_counted_whatever_stands_in_texts(inner: Any, depth: int, *, spaced: bool) -> None:
    tree = {"a": inner}
    raw = json.dumps(tree, separators=None if spaced else (",", ":")).encode()
    if levels(tree) <= depth:
        assert parse(raw, depth=depth) == tree
    else:
        with pytest.raises(Refusal, match=f"deeper than {depth} levels"):
            parse(raw, depth=depth)


def test_brackets_in_text_are_not_nesting() -> None:
    assert parse(json.dumps({"a": "[" * 100 + '\\"'}).encode())


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00", r"\ud800A", r"\ud800\ud800", r"\udc00\ud800", r"\ud83d\\ude00"])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    assert refusal(b'{"a":"' + text.encode() + b'"}').status == 400


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse(rb'{"a":"\ud83d\ude00","b":"\\ud800"}') == {"a": "\U0001f600", "b": "\\ud800"}


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":"å"}'.encode("latin-1"),
        b"\xff\xfe{\x00}\x00",
        b"",
        b" ",
        b"[]",
        b'"a"',
        b"1",
        b"null",
        b"{",
        b"}",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":1} {"b":2}',
        b'{"a":"\x01"}',
        b"{'a':1}",
        b'{"a":"\xed\xa0\x80"}',
    ],
)
def test_what_is_not_one_json_object_in_utf8_is_refused(raw: bytes) -> None:
    assert refusal(raw).status == 400


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    assert refusal(b"{" * 1001, limit_bytes=1000).status == 413


@pytest.mark.parametrize("raw", [b'{"a":"' + rb"\"" * 300_000, b'"\\' * 300_000, b"[" + b'"' * 300_000, b"{" * 900_000])
def test_hostile_text_costs_linear_time(raw: bytes) -> None:
    started = time.process_time()
    refusal(raw)
    assert time.process_time() - started < 2


def test_errors_never_hold_content() -> None:
    error = refusal(b'{"identifier":"01010112345" "x"}')
    assert "01010112345" not in str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), VALUES, max_size=4), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_json_object_is_read_as_the_standard_library_reads_it(tree: dict[str, object], ascii_only: bool) -> None:
    raw = json.dumps(tree, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        raw.decode()
        whole = not any(0xD800 <= ord(letter) <= 0xDFFF for letter in str(json.loads(raw)))
    except UnicodeDecodeError:
        whole = False
    if whole:
        assert parse(raw) == json.loads(raw)
    else:
        refusal(raw)


@given(st.binary(max_size=60) | st.text('{}[]":,\\ud8c0123eE.-+NaInfty ', max_size=40).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(parse(raw), dict)
    except Refusal as error:
        assert 400 <= error.status < 500


PAIRS = st.recursive(
    st.sampled_from(["x", '":', "å", "\\", "\n", "\x7f", "12345678901234567890", 1, -0, 10**17, 10**18, True, None])
    | st.sampled_from([Decimal("1.10"), Decimal("-0.0"), Decimal("1E-7"), Decimal("1E+3"), Decimal("1E+65")]),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Members),
    max_leaves=6,
)


def written(value: object, comma: str, colon: str) -> str:
    """JSON text that may have a name twice."""
    if isinstance(value, Members):
        return "{" + comma.join(json.dumps(n) + colon + written(v, comma, colon) for n, v in value) + "}"
    if isinstance(value, list):
        return "[" + comma.join(written(one, comma, colon) for one in value) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def plain(value: object) -> object:
    """What a strict reader should make of it; raises `ValueError` where it should refuse."""
    if isinstance(value, Members):
        if len({name for name, _ in value}) < len(value):
            raise ValueError("twice")
        return {name: plain(inner) for name, inner in value}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if value in (10**18, Decimal("1E+65")):
        raise ValueError("long")
    return value


@given(
    st.lists(st.tuples(NAMES, PAIRS), max_size=4).map(Members),
    st.sampled_from([(",", ":"), (", ", ": "), (",\n", " :")]),
)
@settings(max_examples=400, deadline=None)
def test_with_spaces_or_without_the_same_is_read_and_the_same_refused(
    members: Members, separators: tuple[str, str]
) -> None:
    raw = written(members, *separators).encode()
    try:
        expected = plain(members)
    except ValueError:
        assert refusal(raw).status == 400
        return
    found = parse(raw)
    assert found == expected
    assert repr(found) == repr(expected), "digits and types as well"
