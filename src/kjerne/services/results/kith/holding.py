"""Which examinations the text of a group is about: in the national layout of radiology it goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from kjerne.services.results.kith.circumstances import says_something
from kjerne.services.results.kith.codes import canonical
from kjerne.services.results.kith.model import Item


class Examination(NamedTuple):
    """An examination that has no words of its own: its codes, how and where it was made, and its id."""

    codes: frozenset[tuple[str, str]]
    made: tuple[str, ...]
    id: str


Held = frozenset[Examination]

_NOTHING: Final[Held] = frozenset()


def held_by(items: Sequence[Item]) -> list[Held]:
    """For each result the examinations that it is the text of; empty of all but groups (GR)."""
    found: dict[int, set[Examination]] = {}
    for item in items:
        if item.parent < 0 or not item.investigations or says_something(item.value):
            continue
        around = items[item.parent]
        if not around.investigations and around.value is not None and around.value.heading.code == "GR":
            codes = frozenset((canonical(one.system), one.code) for one in item.investigations if one.code)
            made = tuple(sorted(one.code or one.words for one in item.specifications))
            found.setdefault(item.parent, set()).add(Examination(codes, made, item.id))
    return [frozenset(found[index]) if index in found else _NOTHING for index in range(len(items))]


def share(known: Held, fresh: Held, *, by_id: bool) -> bool:
    """Whether an examination of the one may be one of the other; `by_id`: two different ids are two."""
    return any(
        not one.codes.isdisjoint(other.codes)
        and one.made == other.made
        and (one.id == other.id or not (by_id and one.id and other.id))
        for one in known
        for other in fresh
    )
