"""Who registered a record of critical information, who changed it last, and when: what is written here and never as it is sent.

The recorder is the one who registered the record first, as a contained PractitionerRole with HPR number and organisation; whoever
changes it is its updater. Source: the profiles as in `registries.kj_profiles`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

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
_PROFESSIONS: Final = frozenset({PROFESSIONS, "urn:oid:2.16.578.1.12.4.1.1.9060"})
_LEADING: Final = ("practitioner", "organization")


class Author(NamedTuple):
    """Whom a record says that something is by: a name as its sender wrote it, a profession (Volven 9060), the number of her
    organisation and her own HPR number. `told_by` is the organisation whose system says so, empty where she was logged in. Each
    may be empty, and is where two things are said."""

    name: str = ""
    role: str = ""
    organisation: str = ""
    hpr: str = ""
    told_by: str = ""


class _Said(NamedTuple):
    """All that a reference and what it leads to say of somebody; `is_nowhere`: an organisation is named without its number."""

    numbers: frozenset[str]
    places: frozenset[str]
    roles: frozenset[str]
    names: tuple[str, ...]
    is_nowhere: bool


def author(tree: Tree, reference: Any) -> Author:
    """Whom a reference of a record leads to: the one reader, of what is sent and of what is shown."""
    said = _said(tree, reference if isinstance(reference, dict) else {})
    return Author(next(iter(said.names), ""), _one(said.roles), _one(said.places), _one(said.numbers))


def recorder_in(tree: Tree) -> Author:
    """Who registered a record first."""
    return author(tree, tree.get(RECORDERS.get(tree["resourceType"], "recorder")))


def writer_in(tree: Tree) -> Author:
    """Who wrote this version: its updater, or else its recorder."""
    return next((author(tree, one) for one in _updaters(tree)), None) or recorder_in(tree)


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
    here = _recorded(tree, caller)
    if date:
        tree[date] = _when(f"{name}.{date}", sent.get(date), at)
    return _noted(tree, here, at)


def filed(sent: Tree, caller: Caller, at: datetime) -> Tree:
    """A new record as any sender has it. Of a health worker it gets its recorder and when it was registered here, as at the
    national address, and who changed it last where it says that; `sent` itself of a system, whose word is others' word.
    `Refusal` as `check_own`."""
    if caller.kind != "practitioner":
        return sent
    check_own(sent, caller, at)
    tree = _bare(sent, {UPDATER, UPDATED})
    here, name = _recorded(tree, caller), sent["resourceType"]
    if date := DATES.get(name):
        tree[date] = _when(f"{name}.{date}", sent.get(date), at)
    return _noted(tree, here, at) if _tells_updater(sent) else tree


def check_own(sent: Tree, caller: Caller, at: datetime) -> None:
    """`Refusal` 422 where what a person registers names as its recorder, or as who changed it last, somebody else than her by
    HPR number or by name, or nobody by that number, another place or profession than hers, or a time ahead. What a system sends
    in is others' word (law, K115)."""
    if caller.kind != "practitioner":
        return
    name = sent["resourceType"]
    if date := DATES.get(name):
        _when(f"{name}.{date}", sent.get(date), at)
    element = RECORDERS[name]
    told = [(element, sent[element])] if element in sent else []
    for where, one in (*told, *(("extension", one) for one in _updaters(sent))):
        if what := _says_otherwise(_said(sent, one), caller):
            raise Refusal(
                422, f"the recorder is whoever registers: here the {what} is not that of the token", where=f"{name}.{where}",
                todo="Leave it out: it is written here. Or name yourself, by HPR number and organisation number.",
                code="business-rule", rule="recorder-is-sender",
            )  # fmt: skip


def _says_otherwise(said: _Said, caller: Caller) -> str:
    """What somebody is named by that is not the caller's; empty where nothing is. A name is spelled in many ways, so it is hers
    where it has a word of hers."""
    if said.numbers != {caller.hpr}:
        return "HPR number"
    if said.is_nowhere or said.places - {caller.organisation, caller.point_of_care}:
        return "organisation"
    if said.roles - {caller.authorization}:
        return "profession"
    own = _words(caller.name)
    return "name" if own and not all(own & _words(one) for one in said.names) else ""


def _words(name: str) -> set[str]:
    return {"".join(filter(str.isalnum, word)) for word in name.casefold().split()} - {""}


def put_back(sent: Tree, before: Tree, caller: Caller, at: datetime) -> Tree:
    """A new version as any sender has it, with what stays over all versions: who registered the record, and when.

    Who changed it last is the caller now, where the record says that or a health worker writes in another's record. `sent`
    itself where it says all of that already."""
    name = sent["resourceType"]
    element, date = RECORDERS[name], DATES.get(name)
    is_person, stood = caller.kind == "practitioner", before.get(element)
    is_added = is_person and element in sent and not stood
    if is_added:
        check_own(sent, caller, at)
    tells_updater = _tells_updater(sent) or _tells_updater(before)
    tree = sent
    if tells_updater or is_added or (stood and _person(sent, element) != _person(before, element)):
        without = {UPDATER, UPDATED} if tells_updater else set[str]()
        tree = _bare(sent, without, keeps_recorder=not stood and not is_added)
        _with_recorder(tree, before, element)
        if is_added:
            _recorded(tree, caller)
    if date and date in before and sent.get(date) != before[date]:
        tree = tree | {date: before[date]}
    if not (tells_updater or (is_person and not _is(tree, tree.get(element), caller))):
        return tree
    tree = dict(tree)
    return _noted(tree, _updater(tree, element, caller), at)


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
    """The HPR number of who wrote this version, and the day that it says (YYYY-MM-DD); each empty where it does not say."""
    said = {one.get("url"): one for one in tree.get("extension", ())}
    day = said.get(UPDATED, {}).get("valueDateTime") or tree.get(DATES.get(tree["resourceType"], ""), "")
    return writer_in(tree).hpr, str(day)[:10]


def answering(tree: Tree) -> frozenset[str]:
    """The HPR numbers of all who answer for a version: who registered it, who changed it last, and who says that it is so."""
    told = (tree.get(RECORDERS[tree["resourceType"]], {}), tree.get("asserter", {}), *_updaters(tree))
    return frozenset(number for one in told for number in _numbers(tree, one))


def named(
    tree: Tree, called: Callable[[Author], tuple[str, str]], professions: Collection[tuple[str, str]], told_by: Sequence[str]
) -> Tree:  # fmt: skip
    """With recorder and updater as those whom their numbers name, and with no other word of the sender's about them.

    `called` gives what somebody is called, and how a reference to her shows that; `professions` has pairs of HPR number and
    profession that the register holds. `told_by`: whose word the recorder is, and the updater (`Author`).
    """
    who, last = recorder_in(tree), [author(tree, one) for one in _updaters(tree)]
    bare = _bare(tree, {UPDATER})
    if who.hpr or who.organisation:
        who = who._replace(told_by=told_by[0])
        bare[RECORDERS[tree["resourceType"]]] = _reference(bare, who, called, professions, "recorder")
    for one in last[:1]:
        if one.hpr or one.organisation:
            last_ = _reference(bare, one._replace(told_by=told_by[1]), called, professions, "updater")
            bare["extension"] = [*bare.get("extension", ()), {"url": UPDATER, "valueReference": last_}]
    return bare


def _reference(
    tree: Tree, who: Author, called: Callable[[Author], tuple[str, str]], professions: Collection[tuple[str, str]], id_: str
) -> Tree:  # fmt: skip
    name, shown = called(who)
    role = who.role if (who.hpr, who.role) in professions else ""
    here = _contain(tree, [_role(who._replace(name=name, role=role))], id_)
    return {"reference": here} | ({"display": shown} if shown else {})


def _when(where: str, told: Any, at: datetime) -> str:
    if not isinstance(told, str):
        return _instant(at)
    if interval(told)[0] > at:
        raise Refusal(422, "the record was registered at a time that is still ahead", where=where, code="value")
    return told


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _own(caller: Caller) -> Author:
    return Author(caller.name, caller.authorization, caller.organisation, caller.hpr)


def _role(who: Author) -> Tree:
    """Whom the token names; a system by its organisation alone."""
    practitioner: Tree = {"identifier": {"system": _HPR, "value": who.hpr}} if who.hpr else {}
    practitioner |= {"display": who.name} if who.name else {}
    place = {"organization": {"identifier": {"system": _ENH, "value": who.organisation}}} if who.organisation else {}
    profession = {"code": [{"coding": [{"system": PROFESSIONS, "code": who.role}]}]} if who.role else {}
    return {
        "resourceType": "PractitionerRole", **({"practitioner": practitioner} if practitioner else {}), **place, **profession,
    }  # fmt: skip


def _recorded(tree: Tree, caller: Caller) -> str:
    """Puts the caller in as the recorder; the reference to her."""
    here = _contain(tree, [_role(_own(caller))], "recorder")
    tree[RECORDERS[tree["resourceType"]]] = {"reference": here} | ({"display": caller.name} if caller.name else {})
    return here


def _updater(tree: Tree, element: str, caller: Caller) -> str:
    """Where the caller stands among what is contained: as the recorder, where she is that in all that is said of her."""
    recorder = tree.get(element, {})
    if str(recorder.get("reference", ""))[:1] == "#" and _is(tree, recorder, caller):
        return str(recorder["reference"])
    return _contain(tree, [_role(_own(caller))], "updater")


def _is(tree: Tree, reference: Any, caller: Caller) -> bool:
    """Whether a reference is to the caller, in the place and profession that she has now."""
    return author(tree, reference)._replace(name=caller.name) == _own(caller)


def _updaters(tree: Tree) -> list[Tree]:
    return [
        one["valueReference"] for one in tree.get("extension", ()) if one.get("url") == UPDATER and "valueReference" in one
    ]  # fmt: skip


def _tells_updater(tree: Tree) -> bool:
    return any(one.get("url") in (UPDATER, UPDATED) for one in tree.get("extension", ()))


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


def _led_to(tree: Tree, reference: Tree, by: Collection[str] = ()) -> Iterator[Tree]:
    """The contained resource that a reference leads to, and those that it leads to in turn; only by elements that are named."""
    waiting, seen = [reference], set[str]()
    while waiting:
        text = str(waiting.pop().get("reference", ""))
        for one in tree.get("contained", ()):
            if text == f"#{one.get('id')}" and text not in seen:
                seen.add(text)
                yield one
                waiting += [value for key, value in one.items() if isinstance(value, dict) and (not by or key in by)]


def _numbers(tree: Tree, reference: Tree) -> Iterator[str]:
    """The HPR numbers by which a reference, or what it leads to, names somebody."""
    yield from _said(tree, reference).numbers


def _said(tree: Tree, reference: Tree) -> _Said:
    chain = [reference, *_led_to(tree, reference, _LEADING)]
    references = [(key, one[key]) for one in chain for key in _LEADING if isinstance(one.get(key), dict)]
    every = [*chain, *(one for _, one in references)]
    roles = (
        coding for one in chain if one.get("resourceType") == "PractitionerRole"
        for concept in one.get("code", ()) for coding in concept.get("coding", ())
    )  # fmt: skip
    shown = [
        *(one.get("display", "") for key, one in references if key == "practitioner"),
        reference.get("display", ""),
    ]
    return _Said(
        frozenset(_valued(every, _HPR)), frozenset(_valued(every, _ENH)),
        frozenset(str(one["code"]) for one in roles if one.get("system") in _PROFESSIONS and one.get("code")),
        tuple(name for name in (*shown, *_human(chain)) if name),
        any(
            not any(_valued([one, *_led_to(tree, one, _LEADING)], _ENH)) for key, one in references if key == "organization"
        ),
    )  # fmt: skip


def _valued(every: Iterable[Tree], system: str) -> Iterator[str]:
    """The values of the identifiers of a system."""
    for one in every:
        own = one.get("identifier", [])
        for identifier in own if isinstance(own, list) else [own]:
            if identifier.get("system") == system and identifier.get("value"):
                yield str(identifier["value"])


def _human(chain: Iterable[Tree]) -> Iterator[str]:
    """The names of the people among what is contained."""
    for one in chain:
        names = one.get("name", ()) if one.get("resourceType") != "Organization" else ()
        for name in names if isinstance(names, list) else ():
            yield name.get("text", "") or " ".join((*name.get("given", ()), name.get("family", ""))).strip()


def _one(values: frozenset[str]) -> str:
    return next(iter(values)) if len(values) == 1 else ""
