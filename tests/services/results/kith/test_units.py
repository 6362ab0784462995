from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith.units import shown, ucum

KNOWN = {
    "10*9/L": (
        "10E9/L",
        "10^9/L",
        "10^9 /L",
        "10e9/L",
        "10*9/L",
        "10**9/L",
        "x10^9/L",
        "x 10^9/l",
        "10 9/L",
        "109/L",
        "mia/L",
        "giga/l",
        "Gpt/L",
        "10⁹/L",
        "10 E9/L",
        "E9/L",
    ),
    "10*12/L": ("10E12/L", "10^12/L"),
    "10*-3/L": ("10E-3/L", "10^-3/L"),
    "10*6/L": ("10^6/L", "mill/L"),
    "umol/L": ("µmol/L", "umol/L", "μmol/L", "UMOL/L"),
    "ug/L": ("ug/L", "µg/L", "mcg/L"),
    "mL/min/{1.73_m2}": ("mL/min/1.73m2", "mL/min/1,73m2", "mL/min/1,73 m2", "ml/min/1.73m²", "mL/min/1,73m^2"),
    "[IU]/L": ("IU/L", "IE/L", "int.enh./L"),
    "m[IU]/L": ("mIU/L", "mIE/L"),
    "kU/L": ("kU/L",),
    "U/L": ("U/L", "E/L", "E/l"),
    "mm[Hg]": ("mmHg", "mm Hg"),
    "mm/h": ("mm/h", "mm/t", "mm/time"),
    "g/dL": ("g/dL", "g/dl", "g/100mL"),
    "mmol/mol": ("mmol/mol",),
    "mg/mmol": ("mg/mmol",),
    "mmol/d": ("mmol/døgn", "mmol/24t", "mmol/24 timer"),
    "fL": ("fL", "fl"),
    "pg": ("pg",),
    "%": ("%", "prosent"),
    "[pH]": ("pH",),
    "kPa": ("kPa",),
    "kg/m2": ("kg/m2", "kg/m²"),
    "1": ("0", "1", "-"),
}


@pytest.mark.parametrize(("code", "sent"), [(code, sent) for code, spelled in KNOWN.items() for sent in spelled])
def test_every_spelling_of_a_unit_has_one_code(code: str, sent: str) -> None:
    assert ucum(sent) == code


@pytest.mark.parametrize("sent", ["", "poeng", "G/L", "se kommentar", "mol/", "/", "g//L", "krone", "10^/L"])
def test_a_unit_that_is_not_understood_gets_no_code(sent: str) -> None:
    assert ucum(sent) == ""


def test_a_zero_sent_as_unit_is_not_shown_behind_the_number() -> None:
    assert shown("0") == ""
    assert shown(" mmol/L ") == "mmol/L"


@given(st.text(max_size=60))
@settings(max_examples=150)
def test_no_text_breaks_the_reader_of_units(sent: str) -> None:
    assert isinstance(ucum(sent), str)
