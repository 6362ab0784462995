"""A long list a part at a time: what is left out is counted on the page and one press away, never silently gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from kjerne.services.results.trends import Table

T = TypeVar("T")
ROWS: Final = 200
"""Rows of one page. A year of a very sick patient fits; a message of five thousand results does not."""

PEOPLE: Final = 10
"""Patients, or answers that wait, in one part of a list beside others: each patient gets a line in her log when it is shown."""

IN_CELL: Final = 6
"""Results of one moment in one cell; the row's own page has them all."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list is shown: `first` to `last` of `whole`, counted from one."""

    number: int
    first: int
    last: int
    whole: int

    @property
    def before(self) -> int:
        """Number of the part before this, 0 where there is none."""
        return self.number - 1

    @property
    def after(self) -> int:
        """Number of the part after this, 0 where there is none."""
        return self.number + 1 if self.last < self.whole else 0

    @property
    def alone(self) -> bool:
        """Whether all is shown."""
        return self.first <= 1 and self.last == self.whole


def part(whole: int, wanted: str, rows: int = 0) -> Part:
    """The wanted part of a list of so many, by what stands in the address; the nearest there is where there is no such.

    A part has `ROWS`, or as many as `rows` says.
    """
    rows = rows or ROWS
    parts = max(-(-whole // rows), 1)
    number = min(max(int(wanted), 1), parts) if wanted.isascii() and wanted.isdigit() and len(wanted) < 7 else 1
    return Part(number, (number - 1) * rows + 1, min(number * rows, whole), whole)


def cut(items: Sequence[T], shown: Part) -> Sequence[T]:
    """The items of one part."""
    return items[shown.first - 1 : shown.last]


def of_table(table: Table, wanted: str) -> tuple[Table, Part]:
    """One part of a table's rows, under the groups that they stand in."""
    shown = part(len(table.rows), wanted)
    groups, start = [], 1
    for group in table.groups:
        kept = group.rows[max(shown.first - start, 0) : max(shown.last - start + 1, 0)]
        start += len(group.rows)
        if kept:
            groups.append(replace(group, rows=kept))
    return replace(table, groups=tuple(groups)), shown
