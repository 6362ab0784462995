"""What a record of critical information says, read for people: what it is, how severe and how certain, from where and by whom.

A record may come by kjernejournal's profiles or by plain R4: what it does not say is empty, and never guessed. Sources: the
profiles as in `registries.kj_profiles`; R4 allergyintolerance.html, condition.html, deviceusestatement.html, flag.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from kjerne.fhir.systems import canonical
from kjerne.registries import devices
from kjerne.registries.contents import VERIFICATION, content_of
from kjerne.registries.kj_profiles import BASE
from kjerne.registries.negatives import (
    OF_A_PART,
    Negative,
    called,
    contradicts_itself,
    meant_by,
    substances,
    with_substances,
    words_of_reactions,
)
from kjerne.registries.negatives import negative_of as said_none
from kjerne.registries.recorders import Author, recorder_in, writer_in
from kjerne.registries.standing import Standing, is_refuted, standing

Tree = Mapping[str, Any]
Certainty = Literal["", "unconfirmed", "confirmed", "refuted", "in-error"]
Criticality = Literal["", "high", "low", "unable-to-assess"]
_TURNING: Final = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Signs that turn the direction of what follows: a name would be read from behind (Unicode UAX 9)."""


class Coded(NamedTuple):
    """A code with the system in its one spelling, and its name."""

    system: str
    code: str
    name: str


NO_CODE: Final = Coded("", "", "")


class Version(NamedTuple):
    """One version of an entry. `at` is when it was written, `by` who wrote it; dates are as FHIR spells them."""

    number: int
    at: datetime
    kind: str
    name: str
    codes: tuple[Coded, ...]
    standing: Standing
    certainty: Certainty
    criticality: Criticality
    reaction: str
    source: str
    notes: tuple[str, ...]
    valid_until: str
    implanted: str
    is_presumed: bool
    of_excipient: bool
    by: Author
    category: str = ""
    coded_reaction: Coded = NO_CODE
    coded_source: Coded = NO_CODE
    negative: Negative = ""
    """It says that nothing is known, and is no danger: how grave it is and what was seen, which the profile demands of each
    entry, say nothing then."""
    contradicts_itself: bool = False
    """A code says that nothing is known, and something else that there is something: a danger, called by that."""
    substances: tuple[Coded, ...] = ()
    """What was reacted to, where that is told beside the code: the name tells it too. Without a code these are `codes`."""

    @property
    def weighs_most(self) -> bool:
        """High and confirmed, and it holds."""
        return (
            self.standing == "active" and self.criticality == "high" and self.certainty == "confirmed"
            and not self.negative
        )  # fmt: skip


class Entry(NamedTuple):
    """A record with its versions, the newest first. `recorded` is when it was first registered, as FHIR spells it."""

    type: str
    id: str
    versions: tuple[Version, ...]
    recorder: Author
    recorded: str

    @property
    def now(self) -> Version:
        return self.versions[0]

    @property
    def former(self) -> tuple[Version, ...]:
        return self.versions[1:]


def entry(type_: str, id_: str, versions: Iterable[tuple[int, datetime, Tree]], now: datetime) -> Entry:
    """A record of its versions (number, when written, what it says), the newest first."""
    held = list(versions)
    trees = [tree for _, _, tree in held]
    read = tuple(version(number, at, tree, now) for number, at, tree in held)
    recorder = _legible(recorder_in(dict(trees[0])))
    recorded = next((str(tree[key]) for tree in trees for key in ("recordedDate", "recordedOn") if key in tree), "")
    return Entry(type_, id_, read, recorder, recorded)


def version(number: int, at: datetime, tree: Tree, now: datetime) -> Version:
    """What one version says, as it is to be read at this moment."""
    kinds = sorted(content_of(tree) - {VERIFICATION})
    concept = _concept(tree)
    codes, name, odd = tuple(_codings(concept)), _name(concept), False
    reacted = tuple(substances(tree)) if tree["resourceType"] == "AllergyIntolerance" else ()
    beside = tuple(dict.fromkeys(one for each in reacted for one in _codings(_object(each)) if one.code))
    if tree["resourceType"] != "Flag" and contradicts_itself(tree, concept):
        # Called by what it says that there is, with every code: a danger is never read as none.
        meant = [one for each in meant_by(tree, concept) for one in _codings(_object(each)) if one.code]
        codes, odd = tuple(dict.fromkeys((*meant, *codes))), True
        name = called(tree, concept).translate(_TURNING)
    if reacted:
        codes, name = codes or beside, with_substances(name, tree).translate(_TURNING)
    noted = (
        *(str(value) for value in _extensions(tree, "KjNote")),
        *(one.get("text", "") for one in _objects(tree.get("note"))),
        *words_of_reactions(tree),
    )
    return Version(
        number, at, kinds[0] if kinds else "", name, codes, standing(tree, now), _certainty(tree),
        tree.get("criticality", ""), _reaction(tree), _source(tree), tuple(one.translate(_TURNING) for one in noted if one),
        str(next(_extensions(tree, "KjValidUntil"), "")), str(next(_extensions(tree, "KjImplanted"), "")),
        any(value is True for value in _extensions(tree.get("verificationStatus", {}), "KjPresumed")),
        any(value is not False for value in _extensions(tree.get("code", {}), "KjInactiveIngredient")),
        _legible(writer_in(dict(tree))),
        next(iter(tree.get("category", ())), "") if tree["resourceType"] == "AllergyIntolerance" else "",
        reaction_of(tree), source_of(tree), negative_of(tree), odd,
        tuple(one for one in beside if one[:2] not in {each[:2] for each in codes}),
    )  # fmt: skip


def negative_of(tree: Tree) -> Negative:
    """Whether a record says that there is nothing, or nothing of some kinds; one list of codes for all that shows it."""
    return "" if tree["resourceType"] == "Flag" else said_none(tree, _concept(tree))


def contradicts(negative: Version, positive: Version) -> bool:
    """Whether an entry that holds is of what another, of its type, says that nothing is known of."""
    if negative.negative not in ("whole", "part") or positive.negative:
        return False
    if {negative.standing, positive.standing} != {"active"}:
        return False
    parts = {OF_A_PART.get(one.code, "") for one in negative.codes} - {""}
    own = {positive.category, "medication" if positive.kind == "drug-reaction" else ""}
    return negative.negative == "whole" or bool(parts & own)


def coded(tree: Tree) -> Coded:
    """The main code of what a record is about; all empty where it has none."""
    return next(iter(_codings(_concept(tree))), Coded("", "", _name(_concept(tree))))


def reaction_of(tree: Tree) -> Coded:
    """The coded manifestation of the first reaction."""
    first = next(_objects(tree.get("reaction")), {})
    return next(iter(_codings(next(_objects(first.get("manifestation")), {}))), NO_CODE)


def source_of(tree: Tree) -> Coded:
    """The coded source of information."""
    found = next((value for value in _extensions(tree, "KjSourceOfInformation") if isinstance(value, dict)), {})
    return Coded(found.get("system", ""), found.get("code", ""), found.get("display", ""))


def _concept(tree: Tree) -> Tree:
    if tree["resourceType"] != "DeviceUseStatement":
        return _object(tree.get("code"))
    device = devices.contained(tree)
    kind = _object(device.get("type"))
    name = devices.called(device) or devices.referred_to(tree.get("device"))
    return kind if _name(kind) else kind | {"text": name}


def _codings(concept: Tree) -> list[Coded]:
    """With the main one first."""
    found = list(_objects(concept.get("coding")))
    found.sort(key=lambda one: one.get("userSelected") is not True)
    return [Coded(canonical(one.get("system", "")), one.get("code", ""), one.get("display", "")) for one in found]


def _name(concept: Tree) -> str:
    codes = _codings(concept)
    name = next((one.name for one in codes if one.name), "") or concept.get("text", "")
    return str(name or next((one.code for one in codes), "")).translate(_TURNING)


def _certainty(tree: Tree) -> Certainty:
    said = _said(tree.get("verificationStatus"))
    if "entered-in-error" in said:
        return "in-error"
    if is_refuted(tree):
        return "refuted"
    return "confirmed" if "confirmed" in said else "unconfirmed" if said else ""


def _reaction(tree: Tree) -> str:
    manifested = (one for each in _objects(tree.get("reaction")) for one in _objects(each.get("manifestation")))
    return ", ".join(name for one in manifested if (name := _name(one)))


def _source(tree: Tree) -> str:
    found = source_of(tree)
    return (found.name or found.code).translate(_TURNING)


def _legible(by: Author) -> Author:
    return by._replace(name=by.name.translate(_TURNING))


def _said(concept: Any) -> set[str]:
    return {one.get("code", "") for one in _objects(_object(concept).get("coding"))}


def _extensions(tree: Any, name: str) -> Iterator[Any]:
    for one in _objects(_object(tree).get("extension")):
        if one.get("url") == BASE + name:
            yield from (value for key, value in one.items() if key.startswith("value"))


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    yield from (one for one in (value if isinstance(value, list) else []) if isinstance(one, dict))
