"""Is this a unit of the Unified Code for Units of Measure? Its grammar (UCUM 2), its prefixes and its atoms' names (UCUM 4)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

PREFIXES: Final = tuple("da Ki Mi Gi Ti Y Z E P T G M k h d c m u n p f a z y".split())
LENGTH_LIMIT: Final = 100

METRIC: Final = frozenset(
    """
    m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc m[H2O] m[Hg] [e]
    [c] [k] [eps_0] [mu_0] [m_e] [m_p] [G] [g] [h] [ly] gf kat U [iU] [IU] [arb'U] [USP'U] [AMP'U] [anti'Xa'U]
    [D'ag'U] [ELU] [EU] [FFU] [GPL'U] [APL'U] [MPL'U] [CFU] [PFU] [BAU] [Amb'a'1'U] [BDSK'U] [CCID_50] [TCID_50] [EID_50]
    [PNU] [Lf] [IR] eq osm cal cal_[15] cal_[20] cal_m cal_IT cal_th G Mx Oe Gb St P Bi Ky dyn erg sb ph Lmb Ci R RAD REM
    B Np B[SPL] B[V] B[mV] B[uV] B[10.nV] B[W] B[kW] bit bit_s By Bd st mho tex Gal g% b
    """.split()
)
PLAIN: Final = frozenset(
    """
    10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] gon deg ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU atm lb_av [lbf_av]
    [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] [cyd_i] [bf_i] [cr_i]
    [mil_i] [cml_i] [hd_i] [ft_us] [yd_us] [in_us] [rd_us] [ch_us] [lk_us] [rch_us] [rlk_us] [fth_us] [fur_us] [mi_us]
    [acr_us] [srd_us] [smi_us] [sct] [twp] [mil_us] [in_br] [ft_br] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br] [yd_br]
    [mi_br] [nmi_br] [kn_br] [acr_br] [gal_us] [bbl_us] [qt_us] [pt_us] [gil_us] [foz_us] [fdr_us] [min_us] [crd_us]
    [bu_us] [gal_wi] [pk_us] [dqt_us] [dpt_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m] [gal_br]
    [pk_br] [bu_br] [qt_br] [pt_br] [gil_br] [foz_br] [fdr_br] [min_br] [gr] [lb_av] [oz_av] [dr_av] [scwt_av] [lcwt_av]
    [ston_av] [lton_av] [stone_av] [pwt_tr] [oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] [lb_ap] [oz_m] [lne] [pnt] [pca]
    [pnt_pr] [pca_pr] [pied] [pouce] [ligne] [didot] [cicero] [degF] [degR] [degRe] [Cal] [Btu_39] [Btu_59] [Btu_60]
    [Btu_m] [Btu_IT] [Btu_th] [Btu] [HP] [in_i'H2O] [in_i'Hg] [PRU] [wood'U] [diop] [p'diop] %[slope] [mesh_i] [Ch]
    [drp] [hnsf'U] [MET] [hp'_X] [hp'_C] [hp'_M] [hp'_Q] [hp_X] [hp_C] [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [pH]
    [S] [HPF] [LPF] [GPL'U] [knk'U] [mclg'U] [todd'U] [dye'U] [smgy'U] [bdsk'U] [ka'U] [Amb'a'1'U] [car_m] [car_Au]
    [smoot] [m/s2/Hz^0.5] [NTU] [FNU] [psi] circ sph [lbf_av] [rch_us] [crd_us] att [Aph'U] [hp_Q] bit_s [degRe]
    [iU] [tb'U] [AU] [beth'U] Ao
    """.split()
)

_ANNOTATION: Final = re.compile(r"\{[\x20-\x7a\x7c\x7e\x21]*?\}")
_UNIT: Final = re.compile(r"10[*^]|(?:[^\s./(){}\[\]0-9+\-]|\[[^\s\[\]]+\]|\^|(?<=_)\d)+")
_EXPONENT: Final = re.compile(r"[+-]?\d+")
_NUMBER: Final = re.compile(r"\d+")


@lru_cache(maxsize=4096)
def is_ucum(code: str) -> bool:
    """Whether a code is one of UCUM's, case sensitive."""
    if not code or len(code) > LENGTH_LIMIT or not code.isascii():
        return False
    end = _terms(code, 0, depth=0)
    return end == len(code)


def _terms(code: str, at: int, *, depth: int) -> int:
    """Where the term that begins here ends; -1 where it is none."""
    if depth > 8:
        return -1
    if code[at : at + 1] == "/":
        at += 1
    at = _component(code, at, depth)
    while at >= 0 and code[at : at + 1] in (".", "/") and at < len(code):
        at = _component(code, at + 1, depth)
    return at


def _component(code: str, at: int, depth: int) -> int:
    if code[at : at + 1] == "(":
        end = _terms(code, at + 1, depth=depth + 1)
        return _annotated(code, end + 1) if end >= 0 and code[end : end + 1] == ")" else -1
    annotation = _ANNOTATION.match(code, at)
    if annotation:
        return annotation.end()
    unit = _UNIT.match(code, at)
    if unit is None:
        number = _NUMBER.match(code, at)
        return _annotated(code, number.end()) if number else -1
    if not _is_atom(unit[0]):
        return -1
    at = unit.end()
    exponent = _EXPONENT.match(code, at)
    return _annotated(code, exponent.end() if exponent else at)


def _annotated(code: str, at: int) -> int:
    annotation = _ANNOTATION.match(code, at)
    return annotation.end() if annotation else at


def _is_atom(text: str) -> bool:
    if text in PLAIN or text in METRIC:
        return True
    return any(text.startswith(prefix) and text[len(prefix) :] in METRIC for prefix in PREFIXES)
