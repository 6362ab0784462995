from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith.map_values import range_of
from kjerne.services.results.kith.ranges import limits

READ = {
    "10 - 22": ("10", "22"),
    "3,5 - 11,0": ("3.5", "11.0"),
    "2.20 - 2.55": ("2.20", "2.55"),
    "10-22": ("10", "22"),
    "0.900 - 1.100": ("0.900", "1.100"),
    "1.000 - 2.50": ("1.000", "2.50"),
    "1,005 - 1,030": ("1.005", "1.030"),
    "< 0.050": (None, "0.050"),
    "0,3–4,5": ("0.3", "4.5"),
    "137 til 145 mmol/L": ("137", "145"),
    "-2,0 - 2,0": ("-2.0", "2.0"),
    "1 000 - 2 000": ("1000", "2000"),
    "3,5 - 10,0 10^9/L": ("3.5", "10.0"),
    "< 12": (None, "12"),
    "<35": (None, "35"),
    "<= 5": (None, "5"),
    "≤5,5": (None, "5.5"),
    "under 5": (None, "5"),
    "inntil 10 mg/L": (None, "10"),
    ">= 60": ("60", None),
    ">65": ("65", None),
    "=> 60": ("60", None),
    "≥ 90": ("90", None),
    "over 50": ("50", None),
    "(137-145)": ("137", "145"),
    "[3-4]": ("3", "4"),
    "( 3,5 - 11,0 ) mmol/L": ("3.5", "11.0"),
    "[3,5 - 11,0 mmol/L]": ("3.5", "11.0"),
    "(< 12)": (None, "12"),
}
NOT_READ = [
    "",
    "Negativ",
    "Kvinner 10 - 22, menn 12 - 25",
    "10 - 22 (fastende)",
    "22 - 10",
    "10 - 22 - 30",
    "< 12 ved fasting",
    "10",
    "se kommentar",
    "1.000 - 2.000",
    "1 - 1.500",
    "< 1.500",
    "1/10",
    "M: 13,4-17,0 K: 11,7-15,3",
    "(137-145",
    "(137-145]",
    "]3-4[",
    "((3-4))",
    "(3-4) (5-6)",
    "(137)-145",
    "(3-4) gravide",
    "(1.000-2.000)",
    "()",
]


@pytest.mark.parametrize(("text", "low", "high"), [(text, *sides) for text, sides in READ.items()])
def test_a_plain_range_gives_its_limits(text: str, low: str | None, high: str | None) -> None:
    known = limits(text)
    assert known is not None
    assert known.low == (None if low is None else Decimal(low))
    assert known.high == (None if high is None else Decimal(high))


def test_limits_hold_in_the_unit_of_the_value_or_stay_text() -> None:
    for text, unit in (("3,5 - 10,0 10^9/L", "10E9/L"), ("70 - 110", "mmol/L"), ("inntil 10 mg/L", "mg/l")):
        assert {"low", "high"} & range_of(text, unit).keys()
    for text, unit in (("70 - 110 mg/dL", "mmol/L"), ("< 5 mg/L", ""), ("4,0 - 6,0 %", "mmol/mol")):
        assert range_of(text, unit) == {"text": text}


@pytest.mark.parametrize("text", NOT_READ)
def test_a_range_with_a_condition_or_more_than_one_stays_text(text: str) -> None:
    assert limits(text) is None


def test_the_digits_of_a_limit_stay_as_sent() -> None:
    known = limits("3,50 - 11,0")
    assert known is not None
    assert str(known.low) == "3.50"


@given(st.text(alphabet="0123456789,.-<>= –mol/L", max_size=40))
@settings(max_examples=150)
def test_no_text_breaks_the_reader_of_ranges(text: str) -> None:
    known = limits(text)
    assert known is None or known.low is None or known.high is None or known.low <= known.high
