"""What the operations on terminology answer with: parts of Parameters, and codes of an expansion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kjerne.fhir.terminology.concept_map import Translated
from kjerne.fhir.terminology.value_set import Member


def contained(member: Member, language: str, *, with_names: bool) -> dict[str, Any]:
    concept = member.concept
    told: dict[str, Any] = {"system": member.system} if member.system else {}
    told |= {"version": member.version} if member.version else {}
    told |= {"abstract": True} if concept.abstract else {}
    told |= {} if concept.active else {"inactive": True}
    told["code"] = concept.code
    if display := concept.named(language):
        told["display"] = display
    if with_names and concept.designations:
        told["designation"] = [
            {
                **({"language": one.language} if one.language else {}),
                **({"use": one.use} if one.use else {}),
                "value": one.value,
            }
            for one in concept.designations
        ]
    return told


def match(one: Translated, source: str) -> dict[str, Any]:
    parts = [part("equivalence", "valueCode", one.equivalence)]
    if one.code:
        concept = {"system": one.system, "version": one.version, "code": one.code, "display": one.display}
        parts.append({"name": "concept", "valueCoding": {name: value for name, value in concept.items() if value}})
    for product in one.products:
        coding = {"system": product.get("system"), "code": product["value"], "display": product.get("display")}
        told = part("concept", "valueCoding", {name: value for name, value in coding.items() if value})
        parts.append({"name": "product", "part": [part("element", "valueUri", product["property"]), told]})
    parts += [part("source", "valueUri", source)] if source else []
    return {"name": "match", "part": parts}


def designation(language: str, use: Mapping[str, Any], value: str) -> dict[str, Any]:
    parts = [part("language", "valueCode", language)] if language else []
    parts += [{"name": "use", "valueCoding": use}] if use else []
    return {"name": "designation", "part": [*parts, part("value", "valueString", value)]}


def part(name: str, element: str, value: Any) -> dict[str, Any]:
    return {"name": name, element: value}


def parameters(told: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": told}
