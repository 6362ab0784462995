"""What the sources gave laid into sections: pure, so that what may be told is told in one place.

A section that has no entry says `no-...-info` only where each of its sources was read to the end. Where one was not, it says
neither that nor `no-known-...`: the summary is incomplete, in words and in its metadata. Where no choice of the patient's may be
told to who asks (`tells_choices` False: personnel under EHDS), a source that gives nothing is no different from one that is shut,
so both are told as what could not be had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from kjerne.services.summary.choosing import gravest_first, latest_of_each, standing
from kjerne.services.summary.model import KINDS, Drawn, Kind, Section, Tree

_GRAVE: Final = frozenset({"allergies", "alerts", "problems"})
"""Sections that are read from the gravest on; the others from the newest."""


def sections(drawn: Mapping[str, Drawn], *, tells_choices: bool) -> list[Section]:
    """All sections that stand, in their order, by what each service gave."""
    found = (_section(kind, drawn, tells_choices=tells_choices) for kind in KINDS)
    return [one for one in found if one.kind.always or one.entries or one.leaves_out_others]


def beside(drawn: Mapping[str, Drawn]) -> list[Tree]:
    """What stands in no section by itself."""
    return [tree for one in drawn.values() for key, tree in one.records if not key]


def shown(records: Iterable[tuple[str, Tree]], now: datetime) -> list[tuple[str, Tree]]:
    """Of what one service gave what can stand in a summary: of results the latest of each analysis."""
    by_section = defaultdict[str, list[Tree]](list)
    for key, tree in records:
        by_section[key].append(tree)
    for key in ("results", "vital-signs", "social-history"):
        if key in by_section:
            by_section[key] = latest_of_each(by_section[key], now)
    return [(key, tree) for key, trees in by_section.items() for tree in trees]


def _section(kind: Kind, drawn: Mapping[str, Drawn], *, tells_choices: bool) -> Section:
    own = [(drawn.get(source, Drawn("unavailable")), types) for source, types in kind.sources]
    each = [[tree for key, tree in one.records if key == kind.key] for one, _ in own]
    was_read = all(one.became == "read" and one.partly.isdisjoint(types) for one, types in own)
    is_whole = was_read and (tells_choices or all(each))
    entries = standing([tree for trees in each for tree in trees], is_whole=is_whole)
    if kind.key in _GRAVE:
        entries = gravest_first(entries)
    is_withheld = tells_choices and any(one.became == "withheld" for one, _ in own)
    of_others = any(kind.key in one.others for one, _ in own)
    return Section(kind, entries, is_whole, is_withheld, is_whole, of_others)
