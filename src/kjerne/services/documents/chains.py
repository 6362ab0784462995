"""What a document is to others of its source, and what follows for who may see it (law, K182).

A document that another has replaced is reached by what took its place and by nothing else: where that is shut to the reader, so
is it, or it would be read as if it held, and tell that something came after it. A lock is on a document and not on one version or
form of it, whichever of them has it (K177), whether its source says so of each or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

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
    locked = _reached({one.id for one, seen in alone if seen == "locked"}, [*relations, *_turned(relations)])
    own = [(one, "locked" if seen == "open" and one.id in locked else seen) for one, seen in alone]
    holds = {one.id for one in part.entries if one.status == names.APPROVED}
    shown = {one.id for one, seen in own if seen == "open" and one.id in holds}
    former = {one.id for one, seen in own if seen == "open"} - holds
    # What hangs on a document that holds and does not hold itself went out of force for a reason that nobody told.
    back = [one for one in relations if one.kind in names.REPLACING or one.target not in holds]
    reached = _reached(shown, back, former)
    return tuple((one, _sight(one, seen, reached)) for one, seen in own)


def _sight(one: DocumentEntry, seen: Sight, reached: Collection[str]) -> Sight:
    if one.status == names.APPROVED:
        return seen
    return "open" if seen == "open" and one.id in reached else "absent"


def _turned(relations: Iterable[Association]) -> Iterator[Association]:
    """The other way round, what joins versions and forms of one document. An appendix is another document."""
    for one in relations:
        if one.kind in names.REPLACING or one.kind == names.TRANSFORMS:
            yield replace(one, source=one.target, target=one.source)


def _reached(
    begun: Collection[str], relations: Iterable[Association], among: Collection[str] | None = None
) -> set[str]:
    """Documents, what they replaced and what hangs on any of these; each is looked at once: a source may tell of many."""
    steps: dict[str, list[str]] = defaultdict(list)
    for one in relations:
        first, next_ = (one.source, one.target) if one.kind in names.REPLACING else (one.target, one.source)
        if among is None or next_ in among:
            steps[first].append(next_)
    reached, left = set(begun), list(begun)
    while left:
        new = set(steps[left.pop()]) - reached
        reached |= new
        left += new
    return reached
