"""Records of several senders that are about one thing, put together and left apart: from records to groups.

Two records are about one thing where they name the same substance under any of its codes or as an ingredient, or where what
the one names is a kind of what the other names. None is merged: each keeps its id, versions and sender, and where they differ
the conflict is told with both sides (law, K136). What codes mean is handed in (`Means`); nothing is looked up here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, permutations
from typing import Final, Literal, NamedTuple

from kjerne.registries.negatives import is_negative
from kjerne.services.critical.entries import Entry, Version, contradicts
from kjerne.store.transfers import Origin

Code = tuple[str, str]
"""System and code, in the system's one spelling."""
Relation = Literal["same", "kind-of"]
About = Literal["refuted", "over", "criticality"]
TEXT: Final = "text"
"""The system of what has no code: its own words, folded."""
_STANDINGS: Final = ("active", "over", "not-done", "refuted", "in-error")
_CRITICALITIES: Final = ("high", "unable-to-assess", "", "low")
_CERTAINTIES: Final = ("confirmed", "", "unconfirmed", "refuted", "in-error")
_WEIGHED: Final = frozenset({"high", "low"})


class Means(NamedTuple):
    """What a record is about: its codes with all that mean the same and the ingredients, and what those are kinds of."""

    same: frozenset[Code]
    wider: frozenset[Code] = frozenset()


class Entered(NamedTuple):
    """A record with what it means, and by version where it came from; a version that is not there was registered by hand."""

    entry: Entry
    means: Means
    origins: Mapping[int, Origin]

    @property
    def organisation(self) -> str:
        """Whose it is now: who sent the version that stands, or where whoever wrote it by hand works."""
        now = self.entry.now
        sent = self.origins.get(now.number)
        return sent.organisation if sent else now.by.organisation or self.entry.recorder.organisation


class Conflict(NamedTuple):
    """That two records of a group (by their ids) say different things: one refutes what the other says, one says that it is
    over, or they differ in how critical it is."""

    about: About
    one: str
    other: str


class Beside(NamedTuple):
    """What stands beside an entry: another that says the same of one thing, or contradicts it, and whose that is. `negative`: one
    of the two says that nothing is known of what the other is."""

    about: About | Literal["same", "negative"]
    entry: Entry
    organisation: str


class Group(NamedTuple):
    """Records about one thing, the weightiest first, by which it is named. `sources` are organisations, each once."""

    name: str
    entries: tuple[Entered, ...]
    conflicts: tuple[Conflict, ...]
    sources: tuple[str, ...]


def plain(entry: Entry) -> Means:
    """What an entry says by itself, with nothing known of its codes; its words where it has no code. One that contradicts itself
    is not about what its code says that there is none of."""
    now = entry.now
    codes = frozenset((one.system, one.code) for one in now.codes if one.system and one.code)
    if now.contradicts_itself:
        codes = frozenset(one for one in codes if not is_negative([one]))
    words = " ".join(now.name.casefold().split())
    return Means(codes or (frozenset({(TEXT, words)}) if words else frozenset()))


def grouped(entered: Iterable[Entered]) -> list[Group]:
    """Groups, the weightiest first. Every record is in exactly one; order in is of no account."""
    every = sorted(entered, key=_weight)
    found = [_group([every[place] for place in places]) for places in _joined(every)]
    return sorted(found, key=lambda one: _weight(one.entries[0]))


def relation(one: Entered, other: Entered) -> Relation | None:
    """How two records belong together; None where they do not."""
    return meant(one.means, other.means) if _may_be_alike(one.entry, other.entry) else None


def meant(one: Means, other: Means) -> Relation | None:
    """How two meanings belong together, whatever says them."""
    if one.same & other.same:
        return "same"
    return "kind-of" if one.same & other.wider or other.same & one.wider else None


def beside(groups: Iterable[Group]) -> dict[str, tuple[Beside, ...]]:
    """By the id of an entry which others contradict it, and then which say the same as it does; each is told at both."""
    found: dict[str, list[Beside]] = {}
    every = list(groups)
    for one, other in _negated([each for group in every for each in group.entries]):
        found.setdefault(one.entry.id, []).append(Beside("negative", other.entry, other.organisation))
    for group in every:
        differ = {frozenset((one.one, one.other)): one.about for one in group.conflicts}
        for one, other in permutations(group.entries, 2):
            about = differ.get(frozenset((one.entry.id, other.entry.id)))
            if about or _says_the_same(one, other):
                found.setdefault(one.entry.id, []).append(Beside(about or "same", other.entry, other.organisation))
    return {id_: tuple(sorted(told, key=lambda each: each.about == "same")) for id_, told in found.items()}


def _negated(entered: Sequence[Entered]) -> Iterator[tuple[Entered, Entered]]:
    """Each that says that nothing is known with each that holds all the same, both ways round: they are of no one group."""
    for one in entered:
        for other in entered if one.entry.now.negative else ():
            if one.entry.type == other.entry.type and contradicts(one.entry.now, other.entry.now):
                yield one, other
                yield other, one


def _says_the_same(one: Entered, other: Entered) -> bool:
    standings = {one.entry.now.standing, other.entry.now.standing}
    return len(standings) == 1 and "in-error" not in standings and relation(one, other) == "same"


def _may_be_alike(one: Entry, other: Entry) -> bool:
    """Allergies of all categories; of the other types those of one kind. Two implants of two days are two."""
    if one.type != other.type:
        return False
    if one.type == "AllergyIntolerance":
        return True
    days = {one.now.implanted[:10], other.now.implanted[:10]} - {""}
    return one.now.kind == other.now.kind and len(days) < 2


def _joined(every: Sequence[Entered]) -> list[list[int]]:
    """The places of those that belong together, directly or by others."""
    head = list(range(len(every)))

    def first(place: int) -> int:
        while head[place] != place:
            head[place] = head[head[place]]
            place = head[place]
        return place

    for one, other in combinations(range(len(every)), 2):
        if relation(every[one], every[other]):
            low, high = sorted((first(one), first(other)))
            head[high] = low
    found: dict[int, list[int]] = {}
    for place in range(len(every)):
        found.setdefault(first(place), []).append(place)
    return list(found.values())


def _group(entries: list[Entered]) -> Group:
    conflicts = tuple(found for one, other in combinations(entries, 2) for found in _conflicts(one, other))
    sources = tuple(dict.fromkeys(one.organisation for one in entries if one.organisation))
    return Group(entries[0].entry.now.name, tuple(entries), conflicts, sources)


def _conflicts(one: Entered, other: Entered) -> Iterator[Conflict]:
    """What two records that belong together themselves say differently."""
    for about in differing(one, other, relation(one, other)):
        yield Conflict(about, one.entry.id, other.entry.id)


def differing(one: Entered, other: Entered, related: Relation | None) -> Iterator[About]:
    """About what two records that are `related` say different things; what was entered in error says nothing."""
    a, b = one.entry.now, other.entry.now
    if "in-error" in (a.standing, b.standing) or related is None:
        return
    if (a.standing == "refuted") != (b.standing == "refuted"):
        # That the narrower is refuted says nothing against the wider: who does not react to one kind may react to another.
        refuted, holds = (one, other) if a.standing == "refuted" else (other, one)
        if refuted.means.same & (holds.means.same | holds.means.wider):
            yield "refuted"
        return
    if related != "same" or "refuted" in (a.standing, b.standing):
        return
    if {a.standing, b.standing} == {"active", "over"}:
        yield "over"
    if a.negative or b.negative:
        return
    if a.criticality != b.criticality and {a.criticality, b.criticality} <= _WEIGHED:
        yield "criticality"


def _weight(one: Entered) -> tuple[int, bool, int, int, float, str]:
    now: Version = one.entry.now
    return (
        _STANDINGS.index(now.standing), bool(now.negative), _CRITICALITIES.index(now.criticality),
        _CERTAINTIES.index(now.certainty), -now.at.timestamp(), one.entry.id,
    )  # fmt: skip
