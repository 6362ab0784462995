"""Which group an analysis stands in, by the words of its name: for the order of a page, never for clinical logic.

The names are those of Norsk laboratoriekodeverk ("B-Hemoglobin", "P-Kreatinin"): system, dash, component. A name that
no word knows lands in `other`; a wrong guess moves a row on the page and changes nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUPS: Final = (
    "blood",
    "inflammation",
    "sugar",
    "lipids",
    "kidney",
    "liver",
    "heart",
    "thyroid",
    "clotting",
    "iron",
    "hormones",
    "drugs",
    "immunology",
    "urine",
    "other",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Group, rank inside the group, and `topic`: the key of the plain-language text about the analysis, or empty."""

    group: str
    rank: int
    topic: str


# (group, topic, needles): the first needle found in the component's name decides, so the specific stand before the general.
_WORDS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("sugar", "hba1c", ("hba1c", "hemoglobin a1c")),
    ("blood", "haemoglobin", ("hemoglobin",)),
    ("blood", "haematocrit", ("hematokrit", "evf", "erytrocytter volumfr")),
    ("blood", "mcv", ("mcv", "mch", "erytrocyttvol")),
    ("blood", "red-cells", ("erytrocytter", "retikulocytter")),
    (
        "blood",
        "white-cells",
        ("leukocytter", "nøytrofil", "lymfocytter", "monocytter", "eosinofil", "basofil", "granulocytt"),
    ),
    ("blood", "platelets", ("trombocytter",)),
    ("inflammation", "crp", ("crp", "c-reaktivt")),
    ("inflammation", "esr", ("senkning", "sr ", "sedimentasjon")),
    ("inflammation", "", ("prokalsitonin", "procalcitonin")),
    ("sugar", "glucose", ("glukose",)),
    ("sugar", "", ("c-peptid", "insulin")),
    ("lipids", "ldl", ("ldl",)),
    ("lipids", "hdl", ("hdl",)),
    ("lipids", "cholesterol", ("kolesterol",)),
    ("lipids", "triglycerides", ("triglyserid",)),
    ("kidney", "egfr", ("egfr", "gfr", "glomerul")),
    ("kidney", "creatinine", ("kreatinin",)),
    ("kidney", "urea", ("karbamid", "urea", "urat", "urinsyre")),
    ("kidney", "sodium", ("natrium",)),
    ("kidney", "potassium", ("kalium",)),
    ("kidney", "calcium", ("kalsium", "fosfat", "magnesium", "klorid")),
    ("liver", "alat", ("alat", "alanin")),
    ("liver", "alat", ("asat", "aspartat")),
    ("liver", "ggt", ("gamma-gt", "ggt", "gt", "glutamyl")),
    ("liver", "alp", ("alp", "alkalisk fosf")),
    ("liver", "bilirubin", ("bilirubin",)),
    ("liver", "albumin", ("albumin",)),
    ("liver", "", ("ld", "laktatdehydrogenase", "amylase", "lipase")),
    ("heart", "troponin", ("troponin",)),
    ("heart", "bnp", ("bnp",)),
    ("heart", "", ("ck", "kreatinkinase")),
    ("thyroid", "tsh", ("tsh", "tyreotropin", "tyrotropin")),
    ("thyroid", "ft4", ("t4", "tyroksin")),
    ("thyroid", "ft4", ("t3", "trijodtyronin")),
    ("thyroid", "", ("tpo", "trak", "tyreoideaperoksidase")),
    ("clotting", "inr", ("inr", "pt-inr", "protrombin")),
    ("clotting", "", ("d-dimer", "aptt", "fibrinogen", "antitrombin")),
    ("iron", "ferritin", ("ferritin",)),
    ("iron", "iron", ("jern", "transferrin", "tibc")),
    ("iron", "b12", ("b12", "kobalamin", "metylmalon", "homocystein")),
    ("iron", "folate", ("folat",)),
    ("iron", "vitamin-d", ("vitamin d", "25-oh", "kalsidiol", "vitamin")),
    ("hormones", "hcg", ("hcg",)),
    ("hormones", "psa", ("psa", "prostataspes")),
    ("hormones", "", ("ca19-9", "ca 19-9", "ca125", "ca 125", "cea", "afp")),
    (
        "hormones",
        "",
        ("testosteron", "østradiol", "prolaktin", "fsh", "lh", "kortisol", "pth", "parathyr", "progesteron"),
    ),
    ("drugs", "", ("litium", "digoksin", "metotreksat", "valpro", "lamotrigin", "karbamazepin", "etanol", "peth")),
    ("immunology", "", ("ige", "igg", "iga", "igm", "antistoff", "revmatoid", "ccp", "ana", "transglutaminase")),
)


def bare(name: str) -> str:
    """The name without its system, as a citizen reads it: `bare("fP-Glukose")` is `"Glukose"`."""
    head, dash, tail = name.partition("-")
    kept = (tail if dash and len(head) <= 4 and head.isalpha() else name).strip()
    return kept[:1].upper() + kept[1:]


def component(name: str) -> str:
    """The part of a name after its system, for comparing: `component("fP-Glukose")` is `"glukose"`."""
    return bare(name).lower()


def place(name: str) -> Place:
    """Where a named analysis stands on the page.

    >>> place("B-Hemoglobin").group, place("U-Albumin").group, place("S-Noe nytt").group
    ('blood', 'urine', 'other')
    """
    short = component(name)
    urine = name.startswith(("U-", "dU-"))  # "Us-" is an unspecified system, not urine
    for rank, (group, topic, needles) in enumerate(_WORDS):
        if any(_found(needle, short) for needle in needles):
            return Place("urine" if urine else group, rank, "" if urine else topic)
    return Place("urine" if urine else "other", len(_WORDS), "")


def _found(needle: str, name: str) -> bool:
    # Short abbreviations (gt, ld, ck) must be the whole word, or "magnesium" would find "mg".
    if len(needle) <= 3:
        return needle.strip() in name.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return needle in name
