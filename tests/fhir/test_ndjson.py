"""The lines of an import: which say something, their numbers, and how many there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.ndjson import EMPTY_LIMIT, LINE_LIMIT, Lines


@given(st.lists(st.sampled_from([b"{}", b"", b" ", b"\r", b'{"a":1}\r'])))
def test_what_says_something_keeps_its_number_in_the_body(lines: list[bytes]) -> None:
    said = [(number, line.removesuffix(b"\r")) for number, line in enumerate(lines, 1) if line.strip()]
    if said:
        found = Lines.of(b"\n".join(lines))
        assert list(zip(found.numbers, found.lines, strict=True)) == said
        assert [found.line(number) for number, _ in said] == [line for _, line in said]
    else:
        with pytest.raises(Refusal, match="empty"):
            Lines.of(b"\n".join(lines))


@pytest.mark.parametrize("body", [b"{}\n" * (LINE_LIMIT + 1), b"\n" * (LINE_LIMIT + EMPTY_LIMIT + 1)])
def test_too_many_lines_are_refused_whether_they_say_something_or_not(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Lines.of(body)
    assert refused.value.status == 413


def test_empty_lines_that_unpack_from_little_are_refused_before_they_are_split() -> None:
    class Unsplit(bytes):
        def split(self, *_: object) -> list[bytes]:  # type: ignore[override]
            raise AssertionError("the body was split")

    with pytest.raises(Refusal, match="empty ones"):
        Lines.of(Unsplit(b"\n" * 1_000_000))
