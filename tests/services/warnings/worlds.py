"""The small world of the oracle as FHIR, and as what loaded terminology knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from kjerne.fhir.terminology.concept import Concept
from kjerne.services.warnings.kin import kin_of
from kjerne.services.warnings.knowledge import Knowledge
from kjerne.services.warnings.reading import ATC as ATC_SYSTEM
from kjerne.services.warnings.reading import MEDICINES, SUBSTANCES
from kjerne.services.warnings.registers import atc_of, fest_of
from services.warnings.oracle import ATC, ATC_GROUP, BRANDS, GROUPS, UNKNOWN, UNKNOWN_ATC, Entry, Order, Part

HL7: Final = "http://terminology.hl7.org/CodeSystem/"
SYSTEMS: Final = {"substance": SUBSTANCES, "brand": MEDICINES, "atc": ATC_SYSTEM, "strange": "urn:x"}
EVERY_ATC: Final = (*(code for codes in ATC.values() for code in codes), UNKNOWN_ATC, ATC_GROUP)
UNSAID: Final = "Qwerty"
"""A word that no register has."""

names: Final = st.one_of(
    st.tuples(st.just("substance"), st.sampled_from([*sorted(ATC), *sorted(ATC), UNKNOWN])),
    st.tuples(st.just("brand"), st.sampled_from([*sorted(BRANDS), *sorted(BRANDS), UNKNOWN])),
    st.tuples(st.just("atc"), st.sampled_from(EVERY_ATC)),
    st.tuples(st.just("strange"), st.sampled_from([0, 1])),
)
parts: Final = st.lists(names, max_size=2, unique=True).map(tuple)
entries: Final = st.builds(
    Entry,
    st.sampled_from(["", "active", "inactive", "resolved"]),
    st.sampled_from(["", "confirmed", "unconfirmed", "refuted", "entered-in-error"]),
    st.sampled_from(["", "high", "low"]),
    st.sampled_from(["", "medication", "biologic", "food"]),
    parts,
    st.sampled_from([False, False, True]),
)
orders: Final = st.builds(
    Order,
    parts,
    st.sampled_from([False, False, True]),
    st.lists(parts, max_size=2, unique=True).map(tuple),
    st.lists(parts, max_size=1).map(tuple),
)


def code(kind: str, value: object) -> dict[str, Any]:
    return {"system": SYSTEMS[kind], "code": str(value)}


def coded(*codings: dict[str, Any], text: str = "") -> dict[str, Any]:
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def concept(part: Part, *, words: bool = False) -> dict[str, Any]:
    """A part as a concept, with words that no code accounts for where it says so or has no code."""
    return coded(*(code(*one) for one in part), text=UNSAID if words or not part else "")


def allergy(entry: Entry) -> dict[str, Any]:
    tree: dict[str, Any] = {"resourceType": "AllergyIntolerance", "code": concept(entry.codes, words=entry.words)}
    if entry.clinical:
        tree["clinicalStatus"] = coded({"system": f"{HL7}allergyintolerance-clinical", "code": entry.clinical})
    if entry.verification:
        tree["verificationStatus"] = coded(
            {"system": f"{HL7}allergyintolerance-verification", "code": entry.verification}
        )
    if entry.criticality:
        tree["criticality"] = entry.criticality
    return tree | ({"category": [entry.category]} if entry.category else {})


def prescription(order: Order, id_: str = "1") -> dict[str, Any]:
    """With its medicine contained; every other ingredient by reference to a Substance that lies beside it (dom-2)."""
    beside: list[dict[str, Any]] = []
    inside: list[dict[str, Any]] = []
    every = [(one, True) for one in order.active] + [(one, False) for one in order.excipients]
    for number, (part, is_active) in enumerate(every):
        if number % 2:
            beside.append({"resourceType": "Substance", "id": f"s{number}", "code": concept(part)})
            inside.append({"itemReference": {"reference": f"#s{number}"}, "isActive": is_active})
        else:
            inside.append({"itemCodeableConcept": concept(part), "isActive": is_active})
    medication: dict[str, Any] = {"resourceType": "Medication", "id": "m"}
    if order.own or order.words:
        medication["code"] = concept(order.own, words=order.words)
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "draft",
        "intent": "order",
        "contained": [medication | ({"ingredient": inside} if inside else {}), *beside],
        "medicationReference": {"reference": "#m"},
    }


def loaded(code_: str, name: str, properties: Sequence[tuple[str, str, Any]] = ()) -> Concept:
    """A code as it is loaded."""
    return Concept(code_, name, "", True, False, (), tuple(properties), ())


def medicine(code_: str, name: str, atc: str, substances: Sequence[str]) -> Concept:
    """A branded medicine as the loader of FEST keeps it."""
    held = [("RefVirkestoff", "valueString", one) for one in substances]
    return loaded(code_, name, [("atc", "valueCode", atc), *held])


def knowledge() -> Knowledge:
    """What loaded files would say of the world: FEST has its brands, the map the ATC codes and the groups."""
    fest = fest_of(
        [
            medicine(str(one), f"Merke{one}", ATC[inside[0]][0], [str(each) for each in inside])
            for one, inside in BRANDS.items()
        ],
        [loaded(str(one), f"Stoff{one}") for one in ATC],
    )
    same = [
        {"code": one, "target": [{"code": str(substance), "equivalence": "equivalent"}]}
        for substance, codes in ATC.items()
        for one in codes
    ]
    groups = [
        {"code": str(one), "target": [{"code": f"G{number}", "equivalence": "wider"}]}
        for number, group in enumerate(GROUPS)
        for one in sorted(group)
    ]
    concept_map = {
        "group": [
            {"source": ATC_SYSTEM, "target": SUBSTANCES, "element": same},
            {"source": SUBSTANCES, "target": "urn:groups", "element": groups},
        ]
    }
    return Knowledge(fest, kin_of(concept_map), None, atc_of([loaded(ATC_GROUP, "Group")]))
