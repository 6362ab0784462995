"""What an item of a report says by those around it: its kind and status where it has none of its own, and what it refers to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

from kjerne.services.results.kith.model import Item, Report

_FROM_REPORT_STATUS: Final = {"P": "2", "S": "15"}
"""8245 for a result without ServType and status of its own, by the report's 7306."""


def effective(report: Report) -> tuple[list[str], list[str]]:
    """ServType and StatusInvestigation of each item, where absent taken from the item around it, else from the report.

    A report that is changed (M) still holds new results: an item that says nothing is new in it, not amended.
    """
    default = report.service if report.service in ("C", "H", "A") else "N"
    default_status = _FROM_REPORT_STATUS.get(report.status, "")
    services: list[str] = []
    states: list[str] = []
    for item in report.items:
        inside = item.parent >= 0
        services.append(item.service or (services[item.parent] if inside else default))
        if item.status or item.service:
            states.append(item.status)
        else:
            states.append(states[item.parent] if inside else default_status)
    return services, states


def targets(items: Sequence[Item]) -> list[int]:
    """For each item the index of the one it refers to, -1 where none. Of several with that id the nearest before
    it."""
    by_id: dict[tuple[int, str], list[int]] = {}
    for index, item in enumerate(items):
        if item.id:
            by_id.setdefault((item.of, item.id), []).append(index)
    found = []
    for index, item in enumerate(items):
        candidates = by_id.get((item.of, item.ref)) if item.ref else None
        if candidates is None:
            found.append(-1)
            continue
        place = bisect_left(candidates, index)
        if place:
            found.append(candidates[place - 1])
        else:
            found.append(next((i for i in candidates[:2] if i != index), -1))
    return found


def circular(items: Sequence[Item]) -> bool:
    """Whether results hold and refer to each other in a circle, or one refers to itself."""
    referred = targets(items)
    if any(item.ref and item.ref == item.id and target < 0 for item, target in zip(items, referred, strict=True)):
        return True
    if all(target < index for index, target in enumerate(referred)):
        return False
    above = {i: {j for j in (item.parent, referred[i]) if j >= 0} for i, item in enumerate(items)}
    try:
        TopologicalSorter(above).prepare()
    except CycleError:
        return True
    return False
