"""Who registered a record of critical information, who changed it last, and when: what is written here and never as it is sent.

The recorder is the one who registered the record first, as a contained PractitionerRole with HPR number and organisation; whoever
changes it is its updater. Source: the profiles as in `registries.kj_profiles`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.dates import interval
from kjerne.registries.identifiers import OID_PERSON
from kjerne.registries.kj_profiles import BASE

Tree = dict[str, Any]
RECORDERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("AllergyIntolerance", "Condition", "Procedure"), "recorder"),
    "DeviceUseStatement": "source",
    "Flag": "author",
}
"""What the element is called by which a type names who registered it."""
DATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("AllergyIntolerance", "Condition"), "recordedDate"),
    "DeviceUseStatement": "recordedOn",
}
"""The element that says when; Procedure and Flag have none."""
READ_ONLY: Final = frozenset({f"{BASE}KjCodeInfoText", f"{BASE}KjUrlMoreInformation"})
UPDATER: Final = f"{BASE}KjUpdater"
UPDATED: Final = f"{BASE}KjUpdatedDateTime"
_OURS: Final = READ_ONLY | {UPDATER, UPDATED}
_HPR: Final = f"{OID_PERSON}4"
_ENH: Final = f"{OID_PERSON}101"
PROFESSIONS: Final = "http://nhn.no/kj/fhir/CodeSystem/CategoriesOfHealthProfessionals"


def registered(sent: Tree, caller: Caller, at: datetime) -> Tree:
    """A new record, registered by the caller now. `Refusal` 422 where it names another as its recorder, or a time ahead."""
    name = sent["resourceType"]
    element, date = RECORDERS[name], DATES.get(name)
    if any(number != caller.hpr for number in _numbers(sent, sent.get(element, {}))):
        raise Refusal(
            422, "the recorder is whoever registers, by the HPR number of the token", where=f"{name}.{element}",
            todo="Leave it out: it is written here.", code="business-rule",
        )  # fmt: skip
    tree = _bare(sent)
    tree.pop("id", None)
    here = _contain(tree, [_role(caller)], "recorder")
    tree[element] = {"reference": here, "display": caller.name} if caller.name else {"reference": here}
    if date:
        tree[date] = _when(f"{name}.{date}", sent.get(date), at)
    return _noted(tree, here, at)


def check_own(sent: Tree, caller: Caller, at: datetime) -> None:
    """`Refusal` 422 where what a person registers names somebody else than her, or nobody by an HPR number, or another place than
    hers, as its recorder or as who changed it last, or a time ahead. What a system sends in is others' word (law, K115)."""
    if caller.kind != "practitioner":
        return
    name = sent["resourceType"]
    if date := DATES.get(name):
        _when(f"{name}.{date}", sent.get(date), at)
    said = [
        one["valueReference"]
        for one in sent.get("extension", ())
        if one.get("url") == UPDATER and "valueReference" in one
    ]
    for where, told in (
        (f"{name}.{RECORDERS[name]}", sent.get(RECORDERS[name])),
        *((f"{name}.extension", one) for one in said),
    ):
        if told is not None and (set(_numbers(sent, told)) != {caller.hpr} or _is_elsewhere(sent, told, caller)):
            raise Refusal(
                422, "the recorder is whoever registers, by the HPR number and the organisation of the token", where=where,
                todo="Name yourself so, or leave it out.", code="business-rule", rule="recorder-is-sender",
            )  # fmt: skip


def _is_elsewhere(tree: Tree, reference: Tree, caller: Caller) -> bool:
    """Whether the role that a reference leads to is in another organisation than the caller's, or in one without a number."""
    places = [one["organization"] for one in _led_to(tree, reference) if one.get("organization")]
    own = {caller.organisation, caller.point_of_care} - {""}
    return any(place.get("identifier", {}).get("value") not in own for place in places)


def put_back(sent: Tree, before: Tree, caller: Caller, at: datetime) -> Tree:
    """A new version as any sender has it, with what stays over all versions: who registered the record, and when.

    Where the record says who changed it last, that is the caller now. `sent` itself where it says all of that already."""
    said = [*sent.get("extension", ()), *before.get("extension", ())]
    name = sent["resourceType"]
    element, date = RECORDERS[name], DATES.get(name)
    if element in sent and element not in before:
        check_own(sent, caller, at)
    tells_updater = any(one.get("url") in (UPDATER, UPDATED) for one in said)
    tree = sent
    if tells_updater or (before.get(element) and _person(sent, element) != _person(before, element)):
        without = {UPDATER, UPDATED} if tells_updater else set[str]()
        tree = _bare(sent, without, keeps_recorder=not before.get(element))
        _with_recorder(tree, before, element)
    if date and date in before and sent.get(date) != before[date]:
        tree = tree | {date: before[date]}
    return _noted(tree, _updater(tree, element, caller), at) if tells_updater else tree


def _person(tree: Tree, element: str) -> Any:
    """A reference with what it leads to, whatever the ids within the record are."""
    reference = tree.get(element, {})
    held = [{key: value for key, value in one.items() if key != "id"} for one in _led_to(tree, reference)]
    return ({key: value for key, value in reference.items() if key != "reference"} if held else reference), held


def _with_recorder(tree: Tree, before: Tree, element: str) -> Tree:
    """With the recorder of the version before, if it has one."""
    if recorder := before.get(element):
        held = list(_led_to(before, recorder))
        own = dict(recorder)
        if held:
            own["reference"] = _contain(tree, held, held[0]["id"])
        tree[element] = own
    return tree


def changed(sent: Tree, before: Tree, caller: Caller, at: datetime) -> Tree:
    """A new version, changed by the caller now: recorder, when it was registered, and what is read only stay as they were."""
    name = sent["resourceType"]
    element, date = RECORDERS[name], DATES.get(name)
    tree = _bare(sent)
    if date and date in before:
        tree[date] = before[date]
    _put_back(tree, before)
    if isinstance(code := tree.get("code"), dict) and isinstance(was := before.get("code"), dict):
        tree["code"] = _put_back(dict(code), was)
    _with_recorder(tree, before, element)
    return _noted(tree, _updater(tree, element, caller), at)


def transferred(sent: Tree, at: datetime, before: Tree | None = None) -> Tree:
    """A version as a journal's system sends it: recorder and updater are whom that names, by HPR number. With the version
    `before`, who registered it and when stays, and so does what is read only.

    `Refusal` 422 where no recorder is named, another than the first one, or a time ahead.
    """
    name = sent["resourceType"]
    element, date = RECORDERS[name], DATES.get(name)
    where, tree = f"{name}.{element}", {key: value for key, value in sent.items() if key != "id"}
    numbers = set(_numbers(sent, sent.get(element, {})))
    if len(numbers) != 1:
        raise Refusal(422, "who registered it is named by one HPR number", where=where, rule="recorder-by-hpr")
    if before is not None and (first := set(_numbers(before, before.get(element, {})))) and first != numbers:
        raise Refusal(
            422, "another registered the record first", where=where, code="business-rule", rule="recorder-stays"
        )
    _without(tree, READ_ONLY)
    if isinstance(code := tree.get("code"), dict):
        tree["code"] = _without(dict(code), READ_ONLY)
    if date:
        kept = before.get(date) if before else None
        tree[date] = kept or _when(f"{name}.{date}", sent.get(date), at)
    if before is None:
        return tree
    if isinstance(code := tree.get("code"), dict) and isinstance(was := before.get("code"), dict):
        tree["code"] = _put_back(code, was)
    return _put_back(tree, before)


def author_of(tree: Tree) -> tuple[str, str]:
    """The HPR number of who wrote this version, its updater or else its recorder, and the day that it says (YYYY-MM-DD); each
    empty where it does not say."""
    name = tree["resourceType"]
    said = {one.get("url"): one for one in tree.get("extension", ())}
    updater = said.get(UPDATER, {}).get("valueReference") or tree.get(RECORDERS[name], {})
    day = said.get(UPDATED, {}).get("valueDateTime") or tree.get(DATES.get(name, ""), "")
    return next(_numbers(tree, updater), ""), str(day)[:10]


def _when(where: str, told: Any, at: datetime) -> str:
    if not isinstance(told, str):
        return _instant(at)
    if interval(told)[0] > at:
        raise Refusal(422, "the record was registered at a time that is still ahead", where=where, code="value")
    return told


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _role(caller: Caller) -> Tree:
    """Who the token names; a system by its organisation alone."""
    practitioner: Tree = {"identifier": {"system": _HPR, "value": caller.hpr}} if caller.hpr else {}
    practitioner |= {"display": caller.name} if caller.name else {}
    profession = [{"coding": [{"system": PROFESSIONS, "code": caller.authorization}]}] if caller.authorization else []
    return {
        "resourceType": "PractitionerRole",
        **({"practitioner": practitioner} if practitioner else {}),
        "organization": {"identifier": {"system": _ENH, "value": caller.organisation}},
        **({"code": profession} if profession else {}),
    }


def _updater(tree: Tree, element: str, caller: Caller) -> str:
    """Where the caller stands among what is contained: as the recorder, where she is that."""
    recorder = tree.get(element, {})
    if str(recorder.get("reference", ""))[:1] == "#" and list(_numbers(tree, recorder)) == [caller.hpr]:
        return str(recorder["reference"])
    return _contain(tree, [_role(caller)], "updater")


def _noted(tree: Tree, updater: str, at: datetime) -> Tree:
    tree["extension"] = [
        *tree.get("extension", ()),
        {"url": UPDATER, "valueReference": {"reference": updater}},
        {"url": UPDATED, "valueDateTime": _instant(at)},
    ]
    return tree


def _contain(tree: Tree, resources: Iterable[Tree], wanted: str) -> str:
    """Puts resources in, the first under the id that is wanted or one like it; its reference."""
    contained = list(tree.get("contained", ()))
    taken = {one.get("id") for one in contained}
    first, *rest = resources
    id_ = next(
        one for number in range(len(taken) + 1) if (one := f"{wanted}-{number}" if number else wanted) not in taken
    )
    if clash := taken & {one["id"] for one in rest}:
        where = f"{tree['resourceType']}.contained"
        says = f"the id {min(map(str, clash))} is that of something contained that stays in the record"
        raise Refusal(422, says, where=where, todo="Choose another.", code="value")
    tree["contained"] = [*contained, {**first, "id": id_}, *rest]
    return f"#{id_}"


def _bare(sent: Tree, without: Collection[str] = _OURS, *, keeps_recorder: bool = False) -> Tree:
    """Without what is written here, and without what is contained for its sake alone."""
    element = "" if keeps_recorder else RECORDERS[sent["resourceType"]]
    tree = {key: value for key, value in sent.items() if key != element}
    _without(tree, without)
    if isinstance(code := tree.get("code"), dict):
        tree["code"] = _without(dict(code), READ_ONLY.intersection(without))
    referred = _references(sent)
    while orphans := referred & {f"#{one.get('id')}" for one in tree.get("contained", ())} - _references(tree):
        tree["contained"] = [one for one in tree["contained"] if f"#{one.get('id')}" not in orphans]
        if not tree["contained"]:
            del tree["contained"]
    return tree


def _without(tree: Tree, addresses: Collection[str]) -> Tree:
    if "extension" in tree:
        kept = [one for one in tree["extension"] if one.get("url") not in addresses]
        tree["extension"] = kept
        if not kept:
            del tree["extension"]
    return tree


def _put_back(tree: Tree, before: Tree) -> Tree:
    """With what of the version before nobody but its publisher changes."""
    if kept := [one for one in before.get("extension", ()) if one.get("url") in READ_ONLY]:
        tree["extension"] = [*tree.get("extension", ()), *kept]
    return tree


def _references(tree: Tree) -> set[str]:
    """The references within a resource to what it contains."""
    text = json.dumps(tree, default=str)
    return {f"#{one['id']}" for one in tree.get("contained", ()) if f'"reference": "#{one.get("id")}"' in text}


def _led_to(tree: Tree, reference: Tree) -> Iterator[Tree]:
    """The contained resource that a reference leads to, and those that it leads to in turn."""
    waiting, seen = [reference], set[str]()
    while waiting:
        text = str(waiting.pop().get("reference", ""))
        for one in tree.get("contained", ()):
            if text == f"#{one.get('id')}" and text not in seen:
                seen.add(text)
                yield one
                waiting += [value for value in one.values() if isinstance(value, dict)]


def _numbers(tree: Tree, reference: Tree) -> Iterator[str]:
    """The HPR numbers by which a reference, or what it leads to, names somebody."""
    for one in (reference, *_led_to(tree, reference)):
        own = one.get("identifier", [])
        nested = one.get("practitioner", {}).get("identifier", {})
        for identifier in (*(own if isinstance(own, list) else [own]), nested):
            if identifier.get("system") == _HPR and identifier.get("value"):
                yield str(identifier["value"])
