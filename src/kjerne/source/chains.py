"""What follows for a document from what it is to others: whether it holds, and whether it is locked (K177, K178, K187, K188).

All of it is worked out from what is said of documents and of what they are to each other. Only where objects go something is
written, so that what followed from them is so without them (`left`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from kjerne.source import law
from kjerne.xds import names
from kjerne.xds.values import Association, Code, DocumentEntry

_HANGING: Final = frozenset({names.APPENDS, names.TRANSFORMS})
_ONE: Final = names.REPLACING | {names.TRANSFORMS}
"""What joins versions and forms of one document."""
LOCK: Final = Code(min(law.LOCKED), law.LABEL_SYSTEM)
_Steps: TypeAlias = Mapping[str, Sequence[str]]


def superseded(replaced: Collection[str], associations: Iterable[Association]) -> frozenset[str]:
    """The documents that hold no longer where these are replaced: they, and what was appended to them or made from them
    (ITI TF-2, 3.42.4.1.3.5)."""
    hanging = [one for one in associations if one.kind in _HANGING]
    return _reached(replaced, _steps(hanging, lambda one: [(one.target, one.source)]))


def replaced(associations: Iterable[Association]) -> frozenset[str]:
    """The documents that another replaces."""
    return frozenset(one.target for one in associations if one.kind in names.REPLACING)


def is_locked(entry: DocumentEntry) -> bool:
    """Whether its own metadata lock it. A lock is known by its code: one that is passed over for how its system is spelt opens
    the other versions."""
    return any(one.code.strip().upper() in law.LOCKED for one in entry.confidentiality)


def locked(entries: Iterable[DocumentEntry], associations: Iterable[Association]) -> frozenset[str]:
    """The documents that a lock holds for: those that have it, every version and form of them, and what hangs on one of these."""
    return _reached({one.id for one in entries if is_locked(one)}, _of_locks(associations))


def with_lock(entry: DocumentEntry) -> DocumentEntry:
    """The entry with a lock of its own."""
    return entry if is_locked(entry) else replace(entry, confidentiality=(*entry.confidentiality, LOCK))


def carriers(
    document: str, entries: Iterable[DocumentEntry], associations: Iterable[Association]
) -> tuple[DocumentEntry, ...]:
    """The documents whose own lock holds for this one: those that are reached from it where a lock goes, the other way round."""
    back = dict[str, list[str]]()
    for begin, ends in _of_locks(associations).items():
        for end in ends:
            back.setdefault(end, []).append(begin)
    reached = _reached({document}, back)
    return tuple(one for one in entries if one.id in reached and is_locked(one))


@dataclass(frozen=True, slots=True)
class Left:
    """What becomes of the documents that stay when others go, by their ids."""

    locked: tuple[str, ...] = ()
    """Those whose own metadata must have the lock from now on, so that it holds for all that it held for."""
    replaced: tuple[tuple[str, str], ...] = ()
    """Which replaces which from now on, as what stood between them goes."""
    back: frozenset[str] = frozenset()
    """Those that hold again, as what replaced them goes."""
    shut: frozenset[str] = frozenset()
    """Those that go, and were locked."""


def left(documents: Sequence[DocumentEntry], associations: Sequence[Association], gone: Collection[str]) -> Left:
    """What becomes of hers when documents and associations of these ids go. No association that stays leads to what goes."""
    staying = [one for one in documents if one.id not in gone]
    going = {one.id for one in documents if one.id in gone}
    passed, between = _passed(associations, going)
    kept = [one for one in associations if one.id not in gone]
    kept += [Association(id="", kind=names.REPLACES, source=source, target=target) for source, target in passed]
    # What hung on a document that goes, and had been replaced, is of what was replaced still.
    hanging = [one for one in associations if one.kind in _HANGING and {one.source, one.target} & going]
    over = superseded(replaced(kept) | between, [*kept, *hanging])
    back = superseded(replaced(associations), associations) - over - going
    shut = locked(documents, associations)
    return Left(_to_lock(staying, kept, shut - going), passed, back, shut & going)


def _passed(
    associations: Iterable[Association], going: Collection[str]
) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    """What a document that stays replaced through ones that go: (it, what stays of that), and those that go between."""
    steps = _steps((one for one in associations if one.kind in names.REPLACING), lambda one: [(one.source, one.target)])
    passed, between = dict[tuple[str, str], None](), set[str]()
    onward = {source: targets for source, targets in steps.items() if source in going}
    for first in sorted(set(steps) - set(going)):
        through = {one for one in steps[first] if one in going}
        reached = _reached(through, onward)
        between |= reached & set(going)
        passed |= {(first, one): None for one in sorted(reached - set(going) - {first})}
    return tuple(passed), frozenset(between)


def _to_lock(staying: Sequence[DocumentEntry], kept: Sequence[Association], wanted: frozenset[str]) -> tuple[str, ...]:
    """As few documents as there can be by whose lock all of `wanted` are locked: rather one that holds than a former version."""
    steps = _of_locks(kept)
    left_ = wanted - _reached({one.id for one in staying if is_locked(one)}, steps)
    reach = {one.id: _reached({one.id}, steps) for one in staying if one.id in left_}
    order = sorted(
        (one for one in staying if one.id in reach),
        key=lambda one: (-len(reach[one.id] & left_), one.status != names.APPROVED),
    )
    found = list[str]()
    for one in order:
        if one.id in left_:
            found.append(one.id)
            left_ -= reach[one.id]
    return tuple(found)


def _of_locks(associations: Iterable[Association]) -> _Steps:
    """Where a lock goes: to each version and form of a document from each other, and to what is appended to one or signs it."""

    def along(one: Association) -> list[tuple[str, str]]:
        on = (one.target, one.source)
        return [on, (one.source, one.target)] if one.kind in _ONE else [on]

    return _steps((one for one in associations if one.kind in names.RELATIONS), along)


def _steps(
    associations: Iterable[Association], along: Callable[[Association], Iterable[tuple[str, str]]]
) -> dict[str, list[str]]:
    steps: dict[str, list[str]] = {}
    for one in associations:
        for first, next_ in along(one):
            steps.setdefault(first, []).append(next_)
    return steps


def _reached(begun: Collection[str], steps: _Steps) -> frozenset[str]:
    reached, left_ = set(begun), list(begun)
    while left_:
        new = set(steps.get(left_.pop(), ())) - reached
        reached |= new
        left_ += new
    return frozenset(reached)
