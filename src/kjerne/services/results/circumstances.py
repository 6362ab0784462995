"""The circumstances of a former value in a change (docs/results-mapping.md, `kjerne:change`): written there, and read again.

A change names those alone that are others now; `lacked` names what there was none of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from kjerne.fhir.circumstances import ALL, Circumstance, has, is_for_all, range_told, specimen_of, spoiled
from kjerne.services.results.values import Resource, concept_text

_TIMES: Final = {
    "effectiveDateTime": "valueDateTime",
    "effectiveInstant": "valueInstant",
    "effectivePeriod": "valuePeriod",
    "effectiveTiming": "valueTiming",
}
_COLLECTED: Final = {"collectedDateTime": "effectiveDateTime", "collectedPeriod": "effectivePeriod"}
FLAG: Final = "interpretation"
RANGE: Final = "reference-range"
WORDS: Final = "reference-range-text"
TAKEN: Final = "effective"
MATERIAL: Final = "material"
METHOD: Final = "method"
SAMPLE: Final = "sample"
LACKED: Final = "lacked"
COMPONENT: Final = "component"


def change_of(tree: Mapping[str, Any], names: Collection[Circumstance]) -> list[Resource]:
    """Those of the circumstances that a resource has, and that it lacks the others."""
    found: list[Resource] = []
    for name in ALL:
        if name in names:
            told = _WRITERS[name](tree) if has(tree, name) else []
            found += told or [{"url": LACKED, "valueCode": name}]
    return found


def former_part(component: Mapping[str, Any]) -> Resource:
    """One of several values, with its own flag and range."""
    value = {"url": "value"} | {name: value for name, value in component.items() if name.startswith("value")}
    inside = [{"url": "code", "valueCodeableConcept": component.get("code", {})}, value]
    return {"url": COMPONENT, "extension": [*inside, *_flags(component), *_ranges(component)]}


def read(inside: Iterable[Mapping[str, Any]]) -> tuple[Resource, tuple[Circumstance, ...]]:
    """What a change, or a part of one, says of before, as a resource says it; and which circumstances it names."""
    tree: Resource = {}
    lacked = set()
    for one in inside:
        url = one.get("url")
        if url == LACKED:
            lacked.add(one.get("valueCode"))
        elif url == FLAG:
            tree.setdefault("interpretation", []).append(one.get("valueCodeableConcept", {}))
        elif url == RANGE:
            tree.setdefault("referenceRange", []).append(dict(one.get("valueRange", {})))
        elif url == WORDS:
            tree.setdefault("referenceRange", [{}])[-1]["text"] = one.get("valueString", "")
        elif url == TAKEN:
            tree |= {name: one[value] for name, value in _TIMES.items() if value in one}
        elif url == MATERIAL:
            tree.setdefault("specimen", {"beside": True})["type"] = one.get("valueCodeableConcept", {})
        elif url == METHOD:
            tree["method"] = one.get("valueCodeableConcept", {})
        elif url == SAMPLE:
            tree.setdefault("specimen", {"beside": True})["status"] = one.get("valueCode", "")
    return tree, tuple(name for name in ALL if name in lacked or has(tree, name))


def _flags(tree: Mapping[str, Any]) -> list[Resource]:
    return [{"url": FLAG, "valueCodeableConcept": concept} for concept in tree.get("interpretation", ())]


def _ranges(tree: Mapping[str, Any]) -> list[Resource]:
    """The range that the value was judged by; where it was none, what the first said, as words that hold for those alone."""
    one = range_told(tree)
    if not one:
        return []
    if not is_for_all(one):
        words = ": ".join(filter(None, (", ".join(whom_of(one)), one.get("text") or _limits(one))))
        return [{"url": RANGE, "valueRange": {}}, {"url": WORDS, "valueString": words}]
    told = {"url": RANGE, "valueRange": {end: one[end] for end in ("low", "high") if end in one}}
    return [told, *([{"url": WORDS, "valueString": one["text"]}] if one.get("text") else [])]


def whom_of(one: Mapping[str, Any]) -> tuple[str, ...]:
    """For whom a range is, in its laboratory's words; its type last."""
    concepts = (*one.get("appliesTo", ()), one.get("type"))
    return tuple(words for concept in concepts if (words := concept_text(concept)))


def _limits(one: Mapping[str, Any]) -> str:
    low, high = (one.get(end) or {} for end in ("low", "high"))
    unit = next((str(end["unit"]) for end in (low, high) if end.get("unit")), "")
    return f"{low.get('value', '')}\N{EN DASH}{high.get('value', '')} {unit}".strip("\N{EN DASH} ")


def _taken(tree: Mapping[str, Any]) -> list[Resource]:
    """Its own time, else when its specimen was collected."""
    collection = specimen_of(tree).get("collection", {})
    own = {name: tree[name] for name in _TIMES if name in tree}
    own = own or {name: collection[sent] for sent, name in _COLLECTED.items() if sent in collection}
    return [{"url": TAKEN, _TIMES[name]: value} for name, value in own.items()]


def _material(tree: Mapping[str, Any]) -> list[Resource]:
    specimen = specimen_of(tree)
    concept = specimen.get("type") or ({"text": specimen["display"]} if specimen.get("display") else {})
    return [{"url": MATERIAL, "valueCodeableConcept": concept}] if concept else []


def _method(tree: Mapping[str, Any]) -> list[Resource]:
    return [{"url": METHOD, "valueCodeableConcept": tree["method"]}]


def _sample(tree: Mapping[str, Any]) -> list[Resource]:
    return [{"url": SAMPLE, "valueCode": spoiled(tree)}]


_WRITERS: Final = {
    "flag": _flags, "range": _ranges, "taken": _taken, "material": _material, "method": _method, "sample": _sample,
}  # fmt: skip
