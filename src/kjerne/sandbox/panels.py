"""What the synthetic laboratories measure: analyses with code, unit, decimals and reference ranges, and the panels.

Names and codes are those of Norsk laboratoriekodeverk (7280) as public laboratory handbooks print them, typed by hand
and not checked against the whole code system. Adult ranges follow the Nordic NORIP project and the same handbooks;
children's are rounded from what is generally published. They make believable data and must not be used for care.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kjerne.svarrapport import MATERIAL, RESULT_TEXT, Code

SERUM, PLASMA = Code("S", "Serum", MATERIAL), Code("P", "Plasma", MATERIAL)
BLOOD, URINE = Code("B", "Blod", MATERIAL), Code("U", "Urin", MATERIAL)


class Band(NamedTuple):
    """A reference range for one sex (empty: both) in [from_age, to_age) years; None is an open end."""

    low: float | None
    high: float | None
    sex: str = ""
    from_age: int = 0
    to_age: int = 200


class Analysis(NamedTuple):
    """One analysis. `within` is a person's own variation from day to day, relative; `floor` the lowest value that the
    method can measure (below it the answer is an open "<"), `ceiling` the highest that is reported as a number."""

    code: str
    name: str
    unit: str
    decimals: int
    material: Code
    bands: tuple[Band, ...]
    within: float = 0.05
    floor: float | None = None
    ceiling: float | None = None


ADULT: Final = 18


def _by_sex(
    female: tuple[float | None, float | None], male: tuple[float | None, float | None], from_age: int = 0
) -> tuple[Band, ...]:
    return (Band(*female, "female", from_age), Band(*male, "male", from_age))


_CREATININE = (
    Band(15, 31, to_age=3), Band(24, 55, from_age=3, to_age=11), Band(38, 79, from_age=11, to_age=16),
    Band(45, 90, "female", 16), Band(60, 105, "male", 16),
)  # fmt: skip
_HAEMOGLOBIN = (
    Band(9.5, 14.0, to_age=1), Band(10.5, 13.5, from_age=1, to_age=6), Band(11.5, 14.8, from_age=6, to_age=14),
    Band(11.7, 15.3, "female", 14), Band(13.4, 17.0, "male", 14),
)  # fmt: skip
_MCV = (
    Band(70, 86, to_age=1), Band(72, 87, from_age=1, to_age=6), Band(76, 90, from_age=6, to_age=12),
    Band(78, 95, from_age=12, to_age=ADULT), Band(82, 98, from_age=ADULT),
)  # fmt: skip
_MCH = (
    Band(22, 30, to_age=6), Band(24, 31, from_age=6, to_age=12), Band(25, 33, from_age=12, to_age=ADULT),
    Band(27, 33, from_age=ADULT),
)  # fmt: skip
_LEUKOCYTES_OF_CHILDREN = (
    Band(6.0, 17.0, to_age=1), Band(5.0, 15.0, from_age=1, to_age=6), Band(4.5, 13.0, from_age=6, to_age=12),
    Band(4.0, 11.5, from_age=12, to_age=ADULT),
)  # fmt: skip
_NEUTROPHILS = (Band(1.2, 8.5, to_age=6), Band(1.5, 8.0, from_age=6, to_age=ADULT), Band(1.5, 7.3, from_age=ADULT))
_LYMPHOCYTES = (
    Band(3.0, 10.0, to_age=2), Band(2.0, 8.0, from_age=2, to_age=6), Band(1.5, 5.5, from_age=6, to_age=12),
    Band(1.2, 4.5, from_age=12, to_age=ADULT), Band(1.1, 3.3, from_age=ADULT),
)  # fmt: skip
_FERRITIN = (
    Band(12, 200, to_age=1), Band(12, 90, from_age=1, to_age=6), Band(15, 110, from_age=6, to_age=14),
    Band(15, 140, "female", 14, ADULT), Band(18, 190, "male", 14, ADULT), *_by_sex((18, 240), (34, 300), ADULT),
)  # fmt: skip
_COBALAMIN = (Band(180, 900, to_age=12), Band(160, 750, from_age=12, to_age=ADULT), Band(150, 650, from_age=ADULT))
_THYROXINE_OF_CHILDREN = Band(11.5, 23.0, to_age=ADULT)
_PSA = (
    Band(None, 2.5, to_age=50), Band(None, 3.5, from_age=50, to_age=60), Band(None, 4.5, from_age=60, to_age=70),
    Band(None, 6.5, from_age=70),
)  # fmt: skip
_CHOLESTEROL = (
    Band(2.9, 6.1, to_age=30), Band(3.3, 6.9, from_age=30, to_age=50), Band(3.9, 7.8, from_age=50),
)  # fmt: skip
_ALP = (Band(100, 400, to_age=15), Band(35, 105, from_age=15))
_TSH = (Band(0.5, 4.6, to_age=19), Band(0.2, 4.0, from_age=19))
_LDL = (Band(1.2, 4.3, to_age=30), Band(1.4, 4.7, from_age=30, to_age=50), Band(2.0, 5.3, from_age=50))

ANALYSES: Final[dict[str, Analysis]] = {
    "hb": Analysis("NOR05172", "B-Hemoglobin", "g/dL", 1, BLOOD, _HAEMOGLOBIN, 0.02),
    "ery": Analysis("NPU01960", "B-Erytrocytter", "10^12/L", 1, BLOOD, _by_sex((3.9, 5.2), (4.3, 5.7)), 0.02),
    "evf": Analysis("NPU01961", "B-EVF", "1", 2, BLOOD, _by_sex((0.35, 0.46), (0.39, 0.50)), 0.02),
    "mcv": Analysis("NPU01944", "B-MCV", "fL", 0, BLOOD, _MCV, 0.01),
    "mch": Analysis("NPU26880", "B-MCH", "pg", 0, BLOOD, _MCH, 0.01),
    "leu": Analysis("NPU02593", "B-Leukocytter", "10^9/L", 1, BLOOD,
                    (*_LEUKOCYTES_OF_CHILDREN, Band(3.5, 11.0, from_age=ADULT)), 0.12),
    "neu": Analysis("NPU02902", "B-Nøytrofile granulocytter", "10^9/L", 1, BLOOD, _NEUTROPHILS, 0.15),
    "lym": Analysis("NPU02636", "B-Lymfocytter", "10^9/L", 1, BLOOD, _LYMPHOCYTES, 0.1),
    "mon": Analysis("NPU02840", "B-Monocytter", "10^9/L", 1, BLOOD, (Band(0.2, 0.8),), 0.1),
    "eos": Analysis("NPU01933", "B-Eosinofile granulocytter", "10^9/L", 1, BLOOD, (Band(0.0, 0.4),), 0.2),
    "tro": Analysis("NPU03568", "B-Trombocytter", "10^9/L", 0, BLOOD,
                    (Band(180, 450, to_age=12), *_by_sex((165, 387), (145, 348), 12)), 0.06),
    "crp": Analysis("NPU19748", "P-CRP", "mg/L", 0, SERUM, (Band(None, 5),), 0.3, floor=5),
    "na": Analysis("NPU03429", "P-Natrium", "mmol/L", 0, SERUM, (Band(137, 145),), 0.006),
    "k": Analysis("NPU03230", "P-Kalium", "mmol/L", 1, SERUM, (Band(3.6, 4.6),), 0.04),
    "ca": Analysis("NPU01443", "P-Kalsium", "mmol/L", 2, SERUM, (Band(2.15, 2.51),), 0.01),
    "krea": Analysis("NPU04998", "P-Kreatinin", "µmol/L", 0, SERUM, _CREATININE, 0.05),
    "egfr": Analysis("NOR25909", "Nyre-estimert GFR CKD-EPI Kreatinin (overfl.=1,73m2)", "mL/min/1,73m2", 0, SERUM,
                     (Band(60, None),), 0.0, ceiling=90),
    "alb": Analysis("NPU19673", "P-Albumin", "g/L", 0, SERUM, (Band(36, 48),), 0.03),
    "alat": Analysis("NPU19651", "P-ALAT", "U/L", 0, SERUM,
                     (Band(8, 40, to_age=ADULT), *_by_sex((10, 45), (10, 70), ADULT)), 0.15),
    "asat": Analysis("NPU19654", "P-ASAT", "U/L", 0, SERUM, _by_sex((15, 35), (15, 45)), 0.12),
    "gt": Analysis("NPU19657", "P-Gamma-GT", "U/L", 0, SERUM,
                   (Band(5, 40, to_age=ADULT), *_by_sex((10, 75), (10, 115), ADULT)), 0.1),
    "alp": Analysis("NPU27783", "P-ALP", "U/L", 0, SERUM, _ALP, 0.06),
    "bil": Analysis("NPU01370", "P-Bilirubin", "µmol/L", 0, SERUM, (Band(5, 25),), 0.2),
    "glu": Analysis("NPU02192", "P-Glukose", "mmol/L", 1, PLASMA, (Band(4.2, 6.3),), 0.06),
    "hba1c": Analysis("NPU27300", "B-HbA1c", "mmol/mol", 0, BLOOD, (Band(28, 40),), 0.02),
    "kol": Analysis("NPU01566", "P-Kolesterol", "mmol/L", 1, SERUM, _CHOLESTEROL, 0.05),
    "hdl": Analysis("NPU01567", "P-Kolesterol i HDL", "mmol/L", 1, SERUM, _by_sex((1.0, 2.7), (0.8, 2.1)), 0.06),
    "ldl": Analysis("NPU01568", "P-Kolesterol i LDL", "mmol/L", 1, SERUM, _LDL, 0.07),
    "tg": Analysis("NPU04094", "P-Triglyserid", "mmol/L", 1, SERUM, (Band(0.5, 2.6),), 0.2),
    "fer": Analysis("NPU19763", "P-Ferritin", "µg/L", 0, SERUM, _FERRITIN, 0.1),
    "fe": Analysis("NPU02508", "P-Jern", "µmol/L", 0, SERUM,
                   (Band(5, 28, to_age=14), Band(9, 34, from_age=14)), 0.2),
    "b12": Analysis("NPU01700", "P-Kobalamin", "pmol/L", 0, SERUM, _COBALAMIN, 0.1),
    "fol": Analysis("NPU02070", "P-Folat", "nmol/L", 0, SERUM, (Band(7, 40),), 0.1),
    "dvit": Analysis("NPU10267", "P-25-Hydroksyvitamin D", "nmol/L", 0, SERUM, (Band(50, 150),), 0.12),
    "tsh": Analysis("NPU27547", "P-TSH", "mIU/L", 2, SERUM, _TSH, 0.15),
    "ft4": Analysis("NPU03579", "P-Tyroksin fritt", "pmol/L", 1, SERUM,
                    (_THYROXINE_OF_CHILDREN, Band(10.0, 22.0, from_age=ADULT)), 0.06),
    "tpo": Analysis("NPU20041", "P-Tyreoideaperoksidase-As", "kIU/L", 0, SERUM, (Band(None, 35),), 0.2, floor=9),
    "psa": Analysis("NPU08669", "P-PSA", "µg/L", 1, SERUM, _PSA, 0.15, floor=0.1),
    "inr": Analysis("NPU01685", "P-INR", "1", 1, PLASMA, (Band(0.9, 1.2),), 0.1),
    "ddim": Analysis("NPU19767", "P-D-dimer", "mg/L", 1, PLASMA, (Band(None, 0.5),), 0.2, floor=0.2),
    "tnt": Analysis("NPU27501", "P-Troponin T", "ng/L", 0, PLASMA, (Band(None, 14),), 0.15, floor=5),
    "uakr": Analysis("NPU19661", "U-Albumin/Kreatinin-ratio", "mg/mmol", 1, URINE, (Band(None, 3.0),), 0.3, floor=0.4),
    "li": Analysis("NPU02613", "P-Litium", "mmol/L", 2, SERUM, (Band(0.5, 0.8),), 0.1),
}  # fmt: skip

PANELS: Final[dict[str, tuple[str, ...]]] = {
    "general": ("hb", "leu", "tro", "crp", "na", "k", "krea", "egfr", "alat", "gt", "tsh", "ft4", "hba1c"),
    "blood": ("hb", "ery", "evf", "mcv", "mch", "leu", "neu", "lym", "mon", "eos", "tro"),
    "tired": ("hb", "mcv", "mch", "leu", "tro", "fer", "fe", "b12", "fol", "tsh", "ft4", "dvit", "crp"),
    "iron": ("hb", "mcv", "mch", "fer"),
    "infection": ("crp", "hb", "leu", "neu"),
    "diabetes": ("hba1c", "krea", "egfr", "k", "na", "kol", "hdl", "ldl", "tg", "uakr"),
    "hba1c": ("hba1c", "krea", "egfr", "k"),
    "kidney": ("krea", "egfr", "k", "na", "ca", "alb", "hb", "uakr"),
    "lipids": ("kol", "hdl", "ldl", "tg", "hba1c", "alat"),
    "thyroid": ("tsh", "ft4"),
    "thyroid-first": ("tsh", "ft4", "tpo"),
    "inr": ("inr",),
    "liver": ("alat", "asat", "gt", "alp", "bil", "alb"),
    "prostate": ("psa",),
    "admission": ("hb", "leu", "neu", "tro", "crp", "na", "k", "krea", "egfr", "alat", "alb", "glu", "inr"),
    "chest-pain": ("tnt", "ddim", "hb", "crp", "na", "k", "krea", "egfr"),
    "lithium": ("li", "krea", "egfr", "tsh", "ca"),
    "child": ("crp", "hb"),
}

SEMIQUANTITATIVE: Final = (
    Code("T008", "Negativ", RESULT_TEXT), Code("T052", "Spor", RESULT_TEXT), Code("T048", "1+", RESULT_TEXT),
    Code("T049", "2+", RESULT_TEXT), Code("T050", "3+", RESULT_TEXT),
)  # fmt: skip
"""What a field of a urine strip can say (8340), from nothing to much."""
POSITIVE_OR_NOT: Final = (Code("T008", "Negativ", RESULT_TEXT), Code("T002", "Positiv", RESULT_TEXT))
"""What its field for nitrite can say."""
URINE_STRIP: Final = (
    (Code("NPU03987", "U-Leukocytter"), SEMIQUANTITATIVE), (Code("NPU21578", "U-Nitritt"), POSITIVE_OR_NOT),
    (Code("NPU04206", "U-Protein"), SEMIQUANTITATIVE), (Code("NPU04207", "U-Glukose"), SEMIQUANTITATIVE),
    (Code("NPU03963", "U-Erytrocytter"), SEMIQUANTITATIVE),
)  # fmt: skip


class Laboratory(NamedTuple):
    """How one laboratory writes what all measure: `units` and `codes` by analysis, `scale` on the value, own
    `bands`."""

    units: dict[str, str]
    codes: dict[str, Code]
    scale: dict[str, tuple[float, int]]
    bands: dict[str, tuple[Band, ...]]


PRIVATE: Final = Laboratory(
    {}, {}, {}, {"krea": (*_CREATININE[:3], Band(50, 90, "female", 16), Band(60, 105, "male", 16))}
)
"""Hb in g/dL, counts as 10^9/L."""

HOSPITAL: Final = Laboratory(
    units={"hb": "g/L", "leu": "10*9/L", "neu": "10*9/L", "lym": "10*9/L", "mon": "10*9/L", "eos": "10*9/L",
           "tro": "x10E9/L", "ery": "10*12/L", "tsh": "mU/L", "krea": "umol/L"},
    codes={"hb": Code("NPU28309", "B-Hemoglobin")},
    scale={"hb": (10.0, 0)},
    bands={"leu": (*_LEUKOCYTES_OF_CHILDREN, Band(3.5, 8.8, from_age=ADULT)),
           "ft4": (_THYROXINE_OF_CHILDREN, Band(11.5, 22.7, from_age=ADULT)), "k": (Band(3.5, 4.4),), "alb": (Band(39, 50),)},
)  # fmt: skip
"""Hb in g/L under another code, counts as 10*9/L, creatinine as umol/L, own ranges."""


def band(analysis: str, laboratory: Laboratory, sex: str, age: int) -> Band:
    """The laboratory's range for this sex and age (whole years)."""
    bands = laboratory.bands.get(analysis) or ANALYSES[analysis].bands
    return next(one for one in bands if one.sex in ("", sex) and one.from_age <= age < one.to_age)
