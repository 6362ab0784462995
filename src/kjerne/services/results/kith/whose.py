"""Whose material a result is about, where it is not the patient's own.

A laboratory says it in three ways: a second Patient inside the first (the related being), a Relation on a Patient,
or only in the name of the material (cord blood, amniotic fluid, donor blood). Relation codes (8238) have been used
freely, so the code, its name and the material's name are all looked at for the words. What is said of a child on a
child's own number is its own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from kjerne.services.results.kith.model import Code, Material

_BY_CODE: Final[dict[str, Material]] = {
    "BARN": "newborn", "NYF": "newborn", "SPB": "newborn", "FOS": "fetus", "FOST": "fetus",
    "DON": "donor", "GIV": "donor",
}  # fmt: skip
_MATERIAL_WORDS: Final[tuple[tuple[str, Material], ...]] = (
    ("donor", "donor"), ("navlestreng", "newborn"), ("navlesnor", "newborn"), ("foster", "fetus"), ("føtal", "fetus"),
    ("fetal", "fetus"), ("fetus", "fetus"), ("amnion", "fetus"), ("chorionbiopsi", "fetus"), ("korionbiopsi", "fetus"),
    ("nyfødt", "newborn"), ("nyfødd", "newborn"), ("mekonium", "newborn"), ("barnet", "newborn"), ("barneblod", "newborn"),
    ("fra barn", "newborn"), ("spedbarn", "newborn"), ("cord blood", "newborn"), ("newborn", "newborn"), ("neonat", "newborn"),
    ("barn:", "newborn"), ("blodgiver", "donor"),
)  # fmt: skip
_GIVER: Final = re.compile(r"\bgiver\b")
_CHILD: Final = re.compile(r"barn\b")
"""How a name begins: "Blodkultur barn" is a bottle that is used for adults too."""
_RELATION_WORDS: Final[tuple[tuple[str, Material], ...]] = (
    ("donor", "donor"), ("giver", "donor"), ("foster", "fetus"), ("nyfødt", "newborn"), ("nyfødd", "newborn"),
    ("barn", "newborn"),
)  # fmt: skip
_NOT_ANOTHER: Final = (
    "donorspesifikk",
    "donor-spesifikk",
    "føtalt hemoglobin",
    "fetalt hemoglobin",
    "føtale",
    "fetomaternal",
)
_SELF: Final = frozenset({"", "PAS", "SELV", "EGEN"})


def by_relation(relation: Code) -> Material:
    """What a Relation on a Patient says; empty where it says that it is the patient."""
    if relation.code.upper() in _SELF and not relation.name:
        return ""
    return _BY_CODE.get(relation.code.upper(), "") or _by_words(relation.words, _RELATION_WORDS) or "related"


@lru_cache(maxsize=2048)
def by_material(words: str) -> Material:
    """What the name of a material says about a patient who is no child; empty where it names nothing but her own.

    >>> by_material("Navlestrengsblod, arterielt"), by_material("Fostervann"), by_material("Blod")
    ('newborn', 'fetus', '')
    """
    known, lowered = _by_words(words, _MATERIAL_WORDS), words.casefold().strip()
    if known:
        return known
    if _GIVER.search(lowered):
        return "donor"
    return "newborn" if _CHILD.match(lowered) else ""


def _by_words(words: str, table: tuple[tuple[str, Material], ...]) -> Material:
    lowered = words.casefold()
    if any(word in lowered for word in _NOT_ANOTHER):
        return ""
    for word, material in table:
        if word in lowered:
            return material
    return ""
