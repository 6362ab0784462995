"""Which texts are units of UCUM."""

from __future__ import annotations

import pytest

from kjerne.fhir.ucum_grammar import is_ucum

RIGHT = """
    mmol/L 10*9/L % mm[Hg] mm[Hg]{hg} {score} /100{WBC} U/(10.g){feces} kg/m2 Cel [degF] 1 1/min /min m.s-2 umol/mol{creat}
       [iU]/L [IU]/L mosm/kg ng/mL ug/(24.h) dB[SPL] [pH] L/L {copies}/mL kPa mo a [in_i] 10^6 [m/s2/Hz^0.5]
""".split()
WRONG = """
    fmm[Hg] mEq month mmHg mol//L /  . mmol/l/ (mmol [nothing] {open kg..m l/min) mmol{x}y µmol/L drop 1e9
""".split()


@pytest.mark.parametrize("code", RIGHT)
def test_a_unit_is_one(code: str) -> None:
    assert is_ucum(code)


@pytest.mark.parametrize("code", [*WRONG, "", "mmol /L", "m" * 101, "(" * 50 + "m" + ")" * 50])
def test_what_is_none_is_none(code: str) -> None:
    assert not is_ucum(code)
