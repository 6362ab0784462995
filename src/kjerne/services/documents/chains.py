"""What a document is to others of its source, and what follows for who may see it (law, K182).

A document that another has replaced is reached by what took its place and by nothing else: where that is shut to the reader, so
is it, or it would be read as if it held, and tell that something came after it. A lock is on a document and not on one version or
form of it, whichever of them has it (K177), whether its source says so of each or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from kjerne.access import Grant
from kjerne.services.documents.model import Part
from kjerne.services.documents.seeing import Sight, sight
from kjerne.xds import names
from kjerne.xds.values import Association, DocumentEntry


def judged(grant: Grant, part: Part) -> tuple[tuple[DocumentEntry, Sight], ...]:
    """Each document of a source, and whether it is shown. One that holds no longer is never counted as locked."""
    told = {one.id for one in part.entries}
    relations = [one for one in part.relations if {one.source, one.target} <= told]
    alone = [(one, sight(grant, one, part.organisation)) for one in part.entries]
    locked = _reached({one.id for one, seen in alone if seen == "locked"}, _steps(relations, of_locks=True))
    own = [(one, "locked" if seen == "open" and one.id in locked else seen) for one, seen in alone]
    holds = {one.id for one in part.entries if one.status == names.APPROVED}
    shown = {one.id for one, seen in own if seen == "open" and one.id in holds}
    former = {one.id for one, seen in own if seen == "open"} - holds
    # What hangs on a document that holds and does not hold itself went out of force for a reason that nobody told.
    back = [one for one in relations if one.kind in names.REPLACING or one.target not in holds]
    reached = _reached(shown, _steps(back), former)
    return tuple((one, _sight(one, seen, reached)) for one, seen in own)


def _sight(one: DocumentEntry, seen: Sight, reached: Collection[str]) -> Sight:
    if one.status == names.APPROVED:
        return seen
    return "open" if seen == "open" and one.id in reached else "absent"


def _steps(relations: Iterable[Association], *, of_locks: bool = False) -> dict[str, list[str]]:
    """From each document to what it replaced and to what hangs on it. A lock goes the other way as well, along what joins
    versions and forms of one document: an appendix is another."""
    steps: dict[str, list[str]] = defaultdict(list)
    for one in relations:
        replaces = one.kind in names.REPLACING
        first, next_ = (one.source, one.target) if replaces else (one.target, one.source)
        steps[first].append(next_)
        if of_locks and (replaces or one.kind == names.TRANSFORMS):
            steps[next_].append(first)
    return steps


def _reached(
    begun: Collection[str], steps: Mapping[str, Collection[str]], among: Collection[str] | None = None
) -> set[str]:
    """All that steps lead to; each document is looked at once: a source may tell of many."""
    reached, left = set(begun), list(begun)
    while left:
        new = {one for one in steps.get(left.pop(), ()) if among is None or one in among} - reached
        reached |= new
        left += new
    return reached
