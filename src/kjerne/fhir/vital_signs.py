"""Which of R4's profiles of vital signs an Observation means by its code, whether or not it names one.

R4 (observation.html#core, observation-vitalsigns.html): who says such a thing by an Observation SHALL keep to its profile,
which has the general LOINC code beside any narrower one. The reference validator asks the profiles by the same codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir.systems import VOLVEN

LOINC: Final = "http://loinc.org"
PROFILES: Final = "http://hl7.org/fhir/StructureDefinition/"
VERSION: Final = "4.0.1"
CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
DISCIPLINES: Final = VOLVEN + "8202"

FIXED: Final = {
    "85353-1": "vitalspanel", "9279-1": "resprate", "8867-4": "heartrate", "2708-6": "oxygensat", "8310-5": "bodytemp",
    "8302-2": "bodyheight", "9843-4": "headcircum", "29463-7": "bodyweight", "39156-5": "bmi", "85354-9": "bp",
}  # fmt: skip
"""The LOINC code that each profile fixes."""

_NARROWER: Final = {
    "resprate": "76170-0 76172-6 76171-8 19840-8 33438-3 76270-8 11291-2",
    "heartrate": """60978-4 73795-7 73799-9 76476-1 76477-9 8889-8 8890-6 8891-4 8892-2 8893-0 40443-4 55425-3 68999-2
        11328-2 69000-8 8886-4""",
    "oxygensat": "19224-5 20564-1 2709-4 2710-2 2711-0 2713-6 51733-4 59408-5 59417-6 89276-0 97549-0",
    "bodytemp": """60834-9 60835-6 60836-4 60838-0 60955-2 61009-7 75539-7 75987-8 76010-8 76011-6 76278-1 8309-7 8328-7
        8329-5 8330-3 8331-1 8332-9 8333-7 8334-5 91371-5 98657-0 98663-8""",
    "bodyheight": "3137-7 3138-5 8306-3 8308-9",
    "headcircum": "8287-5",
    "bodyweight": "3141-9 3142-7 75292-3 79348-9 8350-1 8351-9",
    "bmi": "59574-4 89270-3",
    "bp": "35094-2 8459-0 76534-7 55284-4 8480-6",
}  # fmt: skip
NARROWER: Final = {code: profile for profile, codes in _NARROWER.items() for code in codes.split()}
"""LOINC codes of which the reference validator asks a profile too, though none fixes them: R4's profiles have the general code
beside. Of some that is not so, as of venous oxygen saturation, so who does not say that it is a vital sign is told alone."""

_NAMES: Final = {f"{PROFILES}{name}": name for name in FIXED.values()}


def meant(tree: Mapping[str, Any], type: str) -> dict[str, bool]:
    """By address the profiles of R4 that a resource of any shape means by its LOINC codes, and whether it must keep to them: by a
    code that a profile fixes, or where it says that it is a vital sign, and not as a laboratory's. No type but Observation
    means any."""
    found: dict[str, bool] = {}
    for code in _of(_member(tree, "code"), LOINC) if type == "Observation" else ():
        fixed = FIXED.get(code)
        profile = fixed or NARROWER.get(code)
        if profile is not None:
            address = f"{PROFILES}{profile}|{VERSION}"
            held = fixed is not None or found.get(address, False)
            found[address] = held if (said := _said(tree)) is None else said
    return found


def named(faults: list[Fault], canonical: str) -> list[Fault]:
    """The faults of a profile; of one of these with its name, since the resource may not have it."""
    name = _NAMES.get(canonical.partition("|")[0])
    if name is None:
        return faults
    return [
        replace(one, says=f"{one.says} (R4's profile {name}, which the code of a vital sign means)") for one in faults
    ]


def _said(tree: Mapping[str, Any]) -> bool | None:
    """Whether a resource says by its category that it is a vital sign, or, which is False, of a laboratory or another discipline
    (8202). None where it says neither."""
    rows = tree.get("category")
    rows = rows if isinstance(rows, list) else []
    said = {code for row in rows for code in _of(row, CATEGORIES)}
    if "vital-signs" in said:
        return True
    return False if "laboratory" in said or any(_of(row, DISCIPLINES) for row in rows) else None


def _member(tree: Any, name: str) -> Any:
    return tree.get(name) if isinstance(tree, dict) else None


def _of(concept: Any, system: str) -> list[str]:
    """The codes of a system in a concept, which may have any shape yet."""
    codings = _member(concept, "coding")
    if not isinstance(codings, list):
        return []
    return [
        code for one in codings if _member(one, "system") == system and isinstance(code := _member(one, "code"), str)
    ]
