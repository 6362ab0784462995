"""The small world of the oracle as FHIR, and as what loaded terminology knows of it."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from kjerne.services.warnings.knowledge import Fest, Knowledge, kin_of
from kjerne.services.warnings.reading import ATC as ATC_SYSTEM
from kjerne.services.warnings.reading import MEDICINES, SUBSTANCES, Code
from services.warnings.oracle import ATC, ATC_GROUP, BRANDS, GROUPS, UNKNOWN_ATC, Entry, Order

HL7: Final = "http://terminology.hl7.org/CodeSystem/"
SYSTEMS: Final = {"substance": SUBSTANCES, "brand": MEDICINES, "atc": ATC_SYSTEM}
EVERY_ATC: Final = (*(code for codes in ATC.values() for code in codes), UNKNOWN_ATC, ATC_GROUP)

entries: Final = st.builds(
    Entry,
    st.sampled_from(["", "active", "inactive", "resolved"]),
    st.sampled_from(["", "confirmed", "unconfirmed", "refuted", "entered-in-error"]),
    st.sampled_from(["", "high", "low"]),
    st.sampled_from(["", "medication", "food"]),
    st.lists(
        st.one_of(
            st.tuples(st.just("substance"), st.sampled_from(sorted(ATC))),
            st.tuples(st.just("brand"), st.sampled_from(sorted(BRANDS))),
            st.tuples(st.just("atc"), st.sampled_from(EVERY_ATC)),
        ),
        max_size=2,
        unique=True,
    ).map(tuple),
)
orders: Final = st.builds(
    Order,
    st.sampled_from([None, *BRANDS]),
    st.sampled_from(["", *(one for one in EVERY_ATC if one != ATC_GROUP)]),
    st.lists(st.sampled_from(sorted(ATC)), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(sorted(ATC)), max_size=1).map(tuple),
)


def code(kind: str, value: object) -> dict[str, Any]:
    return {"system": SYSTEMS[kind], "code": str(value)}


def coded(*codings: dict[str, Any], text: str = "") -> dict[str, Any]:
    return ({"coding": list(codings)} if codings else {}) | ({"text": text} if text else {})


def allergy(entry: Entry, text: str = "noe") -> dict[str, Any]:
    tree: dict[str, Any] = {
        "resourceType": "AllergyIntolerance",
        "code": coded(*(code(*one) for one in entry.codes), text=text),
    }
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
    """With its medicine contained."""
    of = [code("brand", order.brand)] if order.brand is not None else []
    of += [code("atc", order.atc)] if order.atc else []
    inside = [{"itemCodeableConcept": coded(code("substance", one)), "isActive": True} for one in order.active]
    inside += [{"itemCodeableConcept": coded(code("substance", one)), "isActive": False} for one in order.excipients]
    medication = {"resourceType": "Medication", "id": "m", "code": coded(*of, text="Legemiddel")}
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "draft",
        "intent": "order",
        "contained": [medication | ({"ingredient": inside} if inside else {})],
        "medicationReference": {"reference": "#m"},
    }


def knowledge() -> Knowledge:
    """What loaded files would say of the world: FEST has its brands, the map the ATC codes and the groups."""
    held = {str(one): frozenset(Code(SUBSTANCES, str(each)) for each in inside) for one, inside in BRANDS.items()}
    atc = {str(one): frozenset({ATC[inside[0]][0]}) for one, inside in BRANDS.items()}
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
    return Knowledge(Fest(held, atc, {}), kin_of(concept_map), None)
