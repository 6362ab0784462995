"""What a model's codes and traits are in FHIR: kept on its card, given by a file or found where it was learned from FHIR.

What is not said there follows one rule: a code that has values is an Observation, another a Condition, both in a code system
that says they were learned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from kjerne.errors import Refusal
from kjerne.fhir.ucum_grammar import is_ucum
from kjerne.fhir.vital_signs import FIXED, LOINC, NARROWER
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.network import Ints
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.vocabulary import parent_of

LEARNED: Final = "http://kjerne.example/fhir/CodeSystem/learned-code"
DEATH: Final = "death"
"""The kind of a code that is no resource: its person died then."""
CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
"""What a Condition is but active stands as what was found."""
SEXES: Final = ("female", "male", "other", "unknown")
KINDS: Final = (
    "Condition", "DiagnosticReport", "Encounter", "Immunization", "MedicationAdministration", "MedicationRequest",
    "MedicationStatement", "Observation", "Procedure",
)  # fmt: skip
"""The types that an event may become."""
PANELS: Final = frozenset({"bp", "vitalspanel"})
VITAL_SIGNS: Final = "vital-signs"
PRESSURE, SYSTOLIC, DIASTOLIC = "85354-9", "8480-6", "8462-4"
"""Blood pressure and its parts (LOINC), as R4's profile `bp` has them."""
GENERAL: Final = {code: next(one for one, name in FIXED.items() if name == profile)
                  for code, profile in NARROWER.items() if profile not in PANELS}  # fmt: skip
"""The code that stands beside a narrower one of a vital sign."""


class RangeAs(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A reference range, of who is of this sex (any, where it is empty) and of [from_age, to_age) years; an end may be open."""

    low: float | None = None
    high: float | None = None
    sex: str = ""
    from_age: int = 0
    to_age: int = 200


class CodeAs(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A code: which type its events are (`kind`), its system and code there, its unit (UCUM) and category, where it has any, and
    what was found where that is a code as well; `ranges` are reference ranges in that unit: the first that fits. What is empty
    follows the rule above."""

    kind: str = ""
    system: str = ""
    code: str = ""
    unit: str = ""
    category: str = ""
    value_system: str = ""
    value_code: str = ""
    ranges: tuple[RangeAs, ...] = ()


class SexAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trait that is a person's sex, and what its levels mean (`SEXES`)."""

    trait: str
    levels: dict[str, str]


class DiedAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trait that says that a person was dead when her time ended, and the levels that say so."""

    trait: str
    levels: list[str]


class Meaning(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that a card says of FHIR."""

    codes: dict[str, CodeAs] = {}
    sex: SexAs | None = None
    died: DiedAs | None = None


def read_meaning(raw: bytes, where: str) -> Meaning:
    """What a file says. `Refusal` where it is not of its form."""
    try:
        found = msgspec.json.decode(raw, type=Meaning)
    except msgspec.DecodeError as error:
        says = f"the mapping is not of its form: {error}"
        raise Refusal(422, says, where=where, todo="See docs/synthetic.md.") from None
    for code, one in found.codes.items():
        if one.kind and one.kind not in (*KINDS, DEATH):
            raise Refusal(422, f"the code {code} is of none of the kinds {', '.join((*KINDS, DEATH))}", where=where)
        is_status = one.kind == "Condition" and one.value_system == CLINICAL
        if bool(one.value_system) != bool(one.value_code) or (
            one.value_code and one.kind != "Observation" and not is_status
        ):
            says = (
                f"what {code} found has a system and a code, and is an Observation's, or a Condition's clinicalStatus"
            )
            raise Refusal(422, says, where=where)
        if not all(map(_is_range, one.ranges)):
            raise Refusal(422, f"a reference range of {code} is none: two ends, in their order, or one", where=where)
        if one.unit and not is_ucum(one.unit):
            raise Refusal(422, f"the unit of {code} is none of UCUM", where=where)
        if one.system == LOINC and FIXED.get(one.code) in PANELS:
            todo = "Map what was measured, each with its own code."
            raise Refusal(422, f"the code {code} is a panel, which has no value of its own", where=where, todo=todo)
    if found.sex and set(found.sex.levels.values()) - set(SEXES):
        raise Refusal(422, f"a sex is one of {', '.join(SEXES)}", where=where)
    return found


def _is_range(one: RangeAs) -> bool:
    ends = [end for end in (one.low, one.high) if end is not None]
    return bool(ends) and ends == sorted(set(ends)) and one.sex in ("", *SEXES) and one.from_age < one.to_age


def kept_meaning(
    given: Meaning, codes: Iterable[str], traits: Mapping[str, Collection[str]], where: str
) -> dict[str, Any]:
    """What of a mapping goes on the card of a model with these codes and traits (levels by name).

    A class that stands for codes below it (`E11` for `E11.9`) is what they are. `Refusal` where a trait or level is not there.
    """
    found, known = dict[str, CodeAs](), dict(given.codes)
    for code, one in given.codes.items():
        parent = code
        while parent := parent_of(parent):
            known.setdefault(parent, CodeAs(one.kind, one.system, "", one.unit, one.category))
    for code in codes:
        if code in known:
            found[code] = known[code]
    for named in (given.sex, given.died):
        if named is not None and (named.trait not in traits or set(named.levels) - set(traits[named.trait])):
            says = f"there is no trait {named.trait} with the levels {', '.join(named.levels)}"
            raise Refusal(404, says, where=where)
    told: dict[str, Any] = msgspec.to_builtins(Meaning(found, given.sex, given.died))
    return told


def counted_meaning(
    told: Meaning, categorised: Mapping[str, int], ranged: Mapping[str, Mapping[RangeAs, int]], before: Cohort, after: Cohort,
    k: int,
) -> Meaning:  # fmt: skip
    """What a source itself says of codes, as far as at least `k` people have them so.

    `before` has the codes as they were told and `after` those that are learned. A class that stands for codes below it is of
    the type and system that most of those people have; a unit is told where the cohort kept it, a category where `k` people
    (`categorised`) have the code in it, and of a sex and age the reference range that most were told (`ranged`), `k` at least.
    """
    found, units = dict[str, CodeAs](), dict(zip(after.codes, after.units, strict=True))
    had = dict[tuple[str, CodeAs], set[int]]()
    owners = _owners(before)
    for place, label in enumerate(before.codes):
        one = told.codes.get(label)
        if one is None:
            continue
        if label in units and len(owners[place]) >= k:
            category = one.category if categorised.get(label, 0) >= k else ""
            unit = one.unit if units[label] == one.unit else ""
            ranges = one.ranges or (_ranges(ranged.get(label, {}), k) if unit else ())
            found[label] = msgspec.structs.replace(one, unit=unit, category=category, ranges=ranges)
            continue
        learned = label
        while learned and learned not in units:
            learned = parent_of(learned)
        if learned:
            had.setdefault((learned, CodeAs(one.kind, one.system)), set()).update(owners[place].tolist())
    of_classes = {
        label: one
        for (label, one), people in sorted(had.items(), key=lambda item: (len(item[1]), item[0][1].system))
        if len(people) >= k
    }
    return msgspec.structs.replace(told, codes=of_classes | found)


def _ranges(told: Mapping[RangeAs, int], k: int) -> tuple[RangeAs, ...]:
    by_group = dict[tuple[str, int, int], list[tuple[int, float, float, RangeAs]]]()
    for one, people in told.items():
        if people >= k:
            group = by_group.setdefault((one.sex, one.from_age, one.to_age), [])
            group.append((people, one.low or 0, one.high or 0, one))
    return tuple(max(by_group[name])[3] for name in sorted(by_group, reverse=True))


def _owners(cohort: Cohort) -> list[Ints]:
    """Who has each code."""
    codes, people = np.unique(np.stack([cohort.code, cohort.persons]), axis=1)
    return np.split(people, np.searchsorted(codes, np.arange(1, len(cohort.codes))))


def meaning_of(model: Model) -> Meaning:
    """What the card says, and of a trait that is called sex what its levels say themselves."""
    found = msgspec.convert(model.card.get("fhir", {}), Meaning)
    return found if found.sex else msgspec.structs.replace(found, sex=_sex_of(model))


def code_as(model: Model, meaning: Meaning, place: int) -> CodeAs:
    """What events of a code become, nothing left open but unit and category."""
    label = model.codes[place]
    told = meaning.codes.get(label, CodeAs())
    unit = told.unit or (model.units[place] if is_ucum(model.units[place]) else "")
    kind = told.kind or ("Observation" if model.values[place] else "Condition")
    code, category = told.code or "-".join(label.split()), told.category
    if told.system == LOINC and code in FIXED:
        category = VITAL_SIGNS
    elif told.system == LOINC and NARROWER.get(code) in PANELS and code != SYSTOLIC and category == VITAL_SIGNS:
        category = ""  # a pressure that the profile knows no part for
    return CodeAs(kind, told.system or LEARNED, code, unit, category, told.value_system, told.value_code, told.ranges)


def _sex_of(model: Model) -> SexAs | None:
    for trait in model.traits:
        levels = {one: _SEXES[one.lower()] for one in trait.levels if one.lower() in _SEXES}
        if trait.name.lower() in _SEX_NAMES and levels:
            return SexAs(trait.name, levels)
    return None


_SEX_NAMES: Final = frozenset({"sex", "gender", "kjonn", "kjønn"})
_SEXES: Final = {"f": "female", "female": "female", "k": "female", "kvinne": "female", "w": "female",
                 "m": "male", "male": "male", "mann": "male", "other": "other", "unknown": "unknown"}  # fmt: skip
