"""One result as Observation (NILAR), with what it replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kjerne.services.results.circumstances import change_of, former_part
from kjerne.services.results.kith import codes
from kjerne.services.results.kith.circumstances import tree_of
from kjerne.services.results.kith.entries import Change, Result
from kjerne.services.results.kith.map_actors import Roles
from kjerne.services.results.kith.map_request import material
from kjerne.services.results.kith.map_values import (
    Tree,
    coding,
    concept,
    concepts,
    deviation,
    extension,
    investigation,
    is_coded,
    quantity,
    range_of,
    unit_of,
    value_of,
)
from kjerne.services.results.kith.model import Actor, Code, Item, Structured, Value
from kjerne.services.results.kith.statuses import UNFINISHED
from kjerne.services.results.kith.times import moment
from kjerne.services.results.kith.weave import Woven

_DATES: Final = (
    (codes.NILAR + "investigation-date", "investigated"),
    (codes.NILAR + "status-change-date", "status_changed"),
    (codes.NILAR + "description-date", "described"),
    (codes.NILAR + "counter-sign-date", "countersigned"),
    (codes.NILAR + "medical-validation-date", "validated"),
)


@dataclass(frozen=True, slots=True)
class Around:
    """What an Observation needs to know of its report. The callables give the id of a resource by its key."""

    woven: Woven
    report_reference: Tree
    request_reference: Tree | None
    discipline: str
    performers: tuple[Actor, ...]
    roles: Roles
    observation: Callable[[str], str]
    specimen: Callable[[str], str]


def observation(result: Result, around: Around) -> Tree:
    """The Observation of one result; the order of elements is FHIR's."""
    item, key = result.item, result.key
    found: Tree = {"resourceType": "Observation", "id": around.observation(key)}
    tags = around.woven.tags[key]
    if tags:
        found["meta"] = {"tag": [_tag(system, code) for system, code in tags]}
    found["extension"] = _extensions(result, around)
    if item.id:
        found["identifier"] = [{"system": "ResultItemId", "value": item.id}]
    if around.request_reference is not None:
        found["basedOn"] = [around.request_reference]
    found["status"] = result.status
    category = _category(item, around.discipline)
    if category:
        found["category"] = [category]
    found["code"] = investigation(item.investigations, item.value)
    found["effectiveDateTime"] = around.woven.effective[key]
    found["issued"] = moment(result.issued)
    performers = around.roles.references(*(item.actors or around.performers))
    if performers:
        found["performer"] = performers
    _add_value(found, result, has_members=key in around.woven.members)
    _add_rest(found, result, around)
    return found


def _tag(system: str, code: str) -> Tree:
    known = coding(Code(code, system))
    known.pop("display", None)
    return known


def _category(item: Item, discipline: str) -> Tree | None:
    """The discipline of 8202; an NCRP code that begins with T is nuclear medicine whatever the report says."""
    expertise = codes.EXPERTISE.get(discipline, "")
    for code in item.investigations:
        if code.code[:1] == "T" and codes.canonical(code.system) == codes.NCRP:
            expertise = "NUK"
    if not expertise:
        return None
    return {"coding": [{"system": codes.DISCIPLINE, "code": expertise, "display": codes.DISCIPLINE_NAME[expertise]}]}


def _add_value(found: Tree, result: Result, *, has_members: bool) -> None:
    made = value_of(result.value) if result.value is not None else None
    if made is not None:
        found[made[0]] = made[1]
        return
    reason = ""
    if result.status == "cancelled":
        reason = "not-performed"
    elif result.status in UNFINISHED:
        reason = "temp-unknown"
    elif result.gone or _was_sent_empty(result) or not (has_members or result.parent or result.item.structured):
        reason = "unknown"
    if reason:
        found["dataAbsentReason"] = _absent(reason)


def _was_sent_empty(result: Result) -> bool:
    """An element for a value without one in it. A heading alone is no answer that is missing."""
    return result.value is not None and not result.value.heading.code


def _add_rest(found: Tree, result: Result, around: Around) -> None:
    item, key = result.item, result.key
    if is_coded(item.deviation) and not result.gone:
        found["interpretation"] = [deviation(item.deviation)]
    notes = _notes(item)
    if notes:
        found["note"] = [{"text": words} for words in notes]
    if item.specifications:
        found["method"] = concepts(item.specifications)
    specimens = around.woven.specimens[key]
    if specimens:
        found["specimen"] = {"reference": f"Specimen/{around.specimen(specimens[0])}"}
    if item.ranges:
        # Of what lost its value, by the one it had; a value that is there may have no unit, and says so itself.
        told = next((v for v in (result.value, *(c.value for c in result.changes)) if v and value_of(v)), None)
        unit = unit_of(told)
        found["referenceRange"] = [range_of(text, unit) for text in item.ranges]
    members = around.woven.members.get(key)
    if members:
        found["hasMember"] = [{"reference": f"Observation/{around.observation(member)}"} for member in members]
    components = [] if result.gone else _parts(item)
    if components:
        found["component"] = [_apart(component, found["code"]) for component in components]


def _notes(item: Item) -> list[str]:
    notes = [words for words in (item.comment, item.investigation_comment) if words]
    if is_coded(item.diagnosis):
        modifiers = "".join(f"; {name.words}: {chosen.words}" for name, chosen in item.diagnosis_modifiers)
        notes.append(f"Diagnostisk kommentar: {item.diagnosis.words}{modifiers}")
    return notes


def _extensions(result: Result, around: Around) -> list[Tree]:
    item = result.item
    found: list[Tree] = []
    if item.accredited is not None:
        found.append({"url": codes.NILAR + "accredited", "valueBoolean": item.accredited})
    found.append({"url": codes.NILAR + "diagnostic-report-ref", "valueReference": around.report_reference})
    if result.history:
        found.append({"url": codes.NILAR + "history", "valueBoolean": True})
    for url, attribute in _DATES:
        if when := getattr(item, attribute):
            found.append({"url": url, "valueDateTime": when})
    if result.target:
        reference = {"reference": f"Observation/{around.observation(result.target)}"}
        found.append({"url": codes.NILAR + "related-observation", "valueReference": reference})
    if is_coded(item.diagnosis):
        found.append(extension(codes.NILAR + "comment", "valueCodeableConcept", concept(item.diagnosis)))
    for further in around.woven.specimens[result.key][1:]:
        reference = {"reference": f"Specimen/{around.specimen(further)}"}
        found.append({"url": codes.FURTHER_SPECIMEN, "valueReference": reference})
    if result.key in around.woven.materials:
        found.append(extension(codes.FOCUS, "valueCodeableConcept", material(*around.woven.materials[result.key])))
    if result.status == "amended" and result.waited:
        found.append(extension(codes.COMPLETES, "valueBoolean", True))
    if result.added:
        found.append(extension(codes.ADDITION, "valueBoolean", True))
    found += [_change(change) for change in result.changes]
    return found


def _change(change: Change) -> Tree:
    inside: list[Tree] = [{"url": "kind", "valueCode": change.kind}, {"url": "at", "valueDateTime": change.at}]
    made = value_of(change.value) if change.value is not None else None
    if made is not None:
        inside.append({"url": "value", made[0]: made[1]})
    if change.investigations:
        inside.append({"url": "code", "valueCodeableConcept": investigation(change.investigations, change.value)})
    if change.before is not None:
        if change.parts:
            inside += [former_part(component) for component in _parts(change.before.item)]
        inside += change_of(tree_of(change.before), change.circumstances)
    inside.append({"url": "status", "valueCode": change.status})
    inside.append({"url": "issued", "valueDateTime": change.issued})
    return {"url": codes.CHANGE, "extension": inside}


def _parts(item: Item) -> list[Tree]:
    """What an item says beside its value."""
    components = [component for structured in item.structured for component in _components(structured)]
    return components + [_further(value) for value in item.further]


def _components(structured: Structured) -> list[Tree]:
    """Each fact of a StructuredInfo as a component under the code of its type."""
    code = concept(structured.type) or {"text": "Strukturert info"}
    facts: list[tuple[str, Any]] = [("valueString", words) for words in structured.texts]
    facts += [_integer(number) for number in structured.integers]
    facts += [("valueQuantity", quantity(amount)) for amount in structured.amounts]
    facts += [("valueCodeableConcept", concept(chosen)) for chosen in structured.codes]
    facts += [("valueBoolean", known) for known in structured.flags]
    facts = facts or [("dataAbsentReason", _absent("unknown"))]
    return [{"code": code, name: fact} for name, fact in facts]


def _apart(component: Tree, code: Tree) -> Tree:
    """A component whose code is the Observation's own in words only: R4 has no such beside a value (obs-7)."""
    taken = {(known.get("system"), known.get("code")) for known in code.get("coding", ())}
    own = component["code"].get("coding", ())
    if not any((known.get("system"), known.get("code")) in taken for known in own):
        return component
    return {**component, "code": {"text": component["code"].get("text") or own[0].get("display") or own[0]["code"]}}


def _integer(number: int) -> tuple[str, Any]:
    """FHIR's integer has 32 bits; KITH's has no end."""
    return ("valueInteger", number) if abs(number) < 2**31 else ("valueQuantity", {"value": number})


def _further(value: Value) -> Tree:
    """What an item says beside its value."""
    made = value_of(value) or ("dataAbsentReason", _absent("unknown"))
    return {"code": {"text": codes.FURTHER}, made[0]: made[1]}


def _absent(reason: str) -> Tree:
    return {"coding": [{"system": codes.ABSENT, "code": reason}]}
