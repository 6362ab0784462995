"""Units that measure the same are the same, others are not, and unknown ones claim nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.fhir.ucum import canonical


def ratio(one: str, other: str) -> Fraction | None:
    """How many of the other make one; None where they do not measure the same."""
    first, second = canonical(one), canonical(other)
    assert first is not None
    assert second is not None
    return first[0] / second[0] if first[1] == second[1] else None


@pytest.mark.parametrize(
    ("one", "other", "times"),
    [
        ("mol/L", "mmol/L", 1000),
        ("g/dL", "g/L", 10),
        ("ug/mL", "mg/L", 1),
        ("10*9/L", "10^9/L", 1),
        ("10*9/L", "10*3/uL", 1),
        ("/nL", "10*9/L", 1),
        ("kat/L", "nkat/mL", 10**6),
        ("ukat/L", "U/L", 60),
        ("[IU]/mL", "k[IU]/L", 1),
        ("kPa", "mm[Hg]", Fraction(1000_000, 133_322)),
        ("h", "min", 60),
        ("kg/m2", "g/m2", 1000),
        ("mL/min/{1.73_m2}", "mL/min", 1),
        ("%", "1", Fraction(1, 100)),
        ("L", "dm3", 1),
        ("{INR}", "1", 1),
        ("mmol/mol", "umol/mol", 1000),
        ("mg/g", "g/kg", 1),
        ("L/L", "mL/dL", 100),
        ("U/kat", "nkat/kat", Fraction(10**9, 60_000_000)),
    ],
)
def test_units_are_converted_exactly(one: str, other: str, times: Fraction) -> None:
    assert ratio(one, other) == times


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mmol/L", "mg/L"),
        ("meq/L", "mmol/L"),
        ("[IU]/L", "U/L"),
        ("mmol/L", "/L"),
        ("mmol/mol", "1"),
        ("mmol/mol", "%"),
        ("mmol/mol", "{INR}"),
        ("mmol/mol", "mg/g"),
        ("L/L", "1"),
        ("mol/mol", "mol2/mol2"),
    ],
)
def test_units_of_different_things_are_never_equal(one: str, other: str) -> None:
    assert ratio(one, other) is None


@pytest.mark.parametrize(
    "code", ["", "Cel", "pH", "arb.u", "mmol/", "/", ".", ".g", "mg..L", "x" * 65, "{", "{a", "0", "m[", "10*9/L "]
)
def test_what_is_no_pure_factor_has_no_canonical_form(code: str) -> None:
    assert canonical(code) is None


@given(st.text("mgLul/.10*^{}[]HgIU%9-+ ", max_size=64))
def test_any_text_is_a_unit_or_none(code: str) -> None:
    found = canonical(code)
    assert found is None or found[0] > 0
