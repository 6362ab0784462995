"""What follows for a document from what it is to others: whether it still holds, and whether it is locked (law, K177, K178)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from kjerne.source import law
from kjerne.xds import names
from kjerne.xds.values import Association, Code, DocumentEntry, bare

_HANGING: Final = frozenset({names.APPENDS, names.TRANSFORMS})
LOCK: Final = Code(min(law.LOCKED), law.LABEL_SYSTEM)


def superseded(replaced: Collection[str], associations: Iterable[Association]) -> frozenset[str]:
    """The documents that hold no longer where these are replaced: they, and what was appended to them or made from them
    (ITI TF-2, 3.42.4.1.3.5)."""
    hanging = [one for one in associations if one.kind in _HANGING]
    return _reached(set(replaced), hanging, lambda one: (one.target, one.source))


def replaced(associations: Iterable[Association]) -> frozenset[str]:
    """The documents that another replaces."""
    return frozenset(one.target for one in associations if one.kind in names.REPLACING)


def is_locked(entry: DocumentEntry) -> bool:
    return any(one.code in law.LOCKED and bare(one.system) == law.LABEL_SYSTEM for one in entry.confidentiality)


def locked(entries: Iterable[DocumentEntry], associations: Iterable[Association]) -> frozenset[str]:
    """The documents that a lock holds for: those that have it, what they replaced, and what hangs on a locked one."""
    relations = [one for one in associations if one.kind in names.RELATIONS]

    def along(one: Association) -> tuple[str, str]:
        return (one.source, one.target) if one.kind in names.REPLACING else (one.target, one.source)

    return _reached({one.id for one in entries if is_locked(one)}, relations, along)


def _reached(
    begun: set[str], associations: list[Association], along: Callable[[Association], tuple[str, str]]
) -> frozenset[str]:
    steps: dict[str, list[str]] = {}
    for one in associations:
        first, next_ = along(one)
        steps.setdefault(first, []).append(next_)
    reached, left = set(begun), list(begun)
    while left:
        new = set(steps.get(left.pop(), ())) - reached
        reached |= new
        left += new
    return frozenset(reached)
