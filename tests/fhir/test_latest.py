"""The last of each kind of Observation, against a plain reading of the operation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.fhir.latest import kinds, latest


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ({"coding": [{"system": "urn:x", "code": "K"}, {"code": "k"}], "text": "Kalium"}, (("urn:x", "K"), ("", "k"))),
        ({"text": " Blåbær  SAFT"}, (("text", "blabær saft"),)),
        ({"coding": [{"display": "x"}], "text": "y"}, (("text", "y"),)),
        ({}, (("text", ""),)),
        (None, (("", ""),)),
    ],
)
def test_a_kind_is_every_coding_or_the_text_where_there_is_none(code: Any, found: Any) -> None:
    assert kinds({"code": code} if code is not None else {}) == found


def same(rows: list[Any], one: int, other: int) -> bool:
    """Whether a way of shared codings leads from one row to the other: looked for step by step."""
    reached, rest = {one}, [one]
    while rest:
        at = rest.pop()
        for number, (_, own, _) in enumerate(rows):
            if number not in reached and set(own) & set(rows[at][1]):
                reached.add(number)
                rest.append(number)
    return other in reached


CODING = st.tuples(st.sampled_from(["", "urn:x"]), st.sampled_from("abcd"))
ROWS = st.lists(
    st.tuples(st.none() | st.integers(0, 4), st.lists(CODING, min_size=1, max_size=2).map(tuple)), max_size=9
)


@given(ROWS, st.integers(1, 3))
def test_of_each_kind_the_newest_and_all_that_tie_with_the_last_of_them(drawn: list[Any], most: int) -> None:
    drawn.sort(key=lambda one: (one[0] is None, -(one[0] or 0)))
    rows = [(time, own, number) for number, (time, own) in enumerate(drawn)]
    chosen = latest(rows, most)
    for time, _, number in rows:
        newer = [n for t, _, n in rows if same(rows, number, n) and t is not None and (time is None or t > time)]
        before = [n for t, _, n in rows if same(rows, number, n) and t is None and time is None and n < number]
        assert (number in chosen) == (len(newer) + len(before) < most)
    kinds_in_order = [next(n for n in range(len(rows)) if same(rows, n, number)) for number in chosen]
    assert kinds_in_order == sorted(kinds_in_order), "kind by kind"
    assert chosen == sorted(chosen, key=lambda number: (kinds_in_order[chosen.index(number)], number)), "newest first"
