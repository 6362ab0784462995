"""In which order the results of a version are laid on the older ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kjerne.services.results.kith.model import Item

_WAVES: Final = 64
"""As deep as results are looked through for what they stand in or refer to; Svarrapport needs about five."""


def waves(items: Sequence[Item], targets: Sequence[int], *, fresh: bool) -> list[Sequence[int]]:
    """Items in an order in which the item around each, and the one it refers to, come in an earlier wave.

    A chain's first version needs no matching, so one wave in document order does unless something refers forward.
    Items that refer to each other in a circle come last, together; so do those behind a longer row of references than
    anything is nested, since each wave costs a look at all results.
    """
    if fresh and all(target < index for index, target in enumerate(targets)):
        return [range(len(items))]
    found: list[Sequence[int]] = []
    done = {-1}
    waiting = list(range(len(items)))
    while waiting:
        ready = [i for i in waiting if items[i].parent in done and targets[i] in done]
        if not ready or len(found) >= _WAVES:
            ready = waiting
        found.append(ready)
        done.update(ready)
        waiting = [i for i in waiting if i not in done]
    return found
