"""Where sealed rows and the rows that are there differ, told from their marks alone.

A mark is half of a row's digest over place and content, and half of its content's digest alone. The first tells whether a row
is as it was, the second finds a row again that stands in another place. Marks only tell where; whether anything differs at
all is decided by the seal's full digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from kjerne.store.findings import Finding, one
from kjerne.store.sealing import MARK_BYTES, Digest, Seal

PLACE_BYTES: Final = 4
LIMIT: Final = 10_000
"""Differences of rows that are kept to be compared with each other; more are told one by one."""


class Difference(msgspec.Struct, frozen=True):
    """A row that was sealed and is not there (`gone`: its content's mark), one that is and was not (`new`), or both: edited.

    `row` is its place in the log; of a new one, that of the row before it.
    """

    row: int
    seal: int
    since: datetime
    until: datetime
    gone: bytes = b""
    new: bytes = b""

    def finding(self, kind: str, other: int | None = None) -> Finding:
        return Finding(kind, one(self.row), other, one(self.seal), None, self.since, self.until)


def differences(seal: Seal, found: Digest) -> Iterator[Difference]:
    """Each row of a seal that is not as it was sealed, in order."""
    expected, actual = _split(seal.marks), _split(bytes(found.marks))
    there, sealed = set(actual), set(expected)
    place, at = 0, 0
    while place < len(expected) or at < len(actual):
        if place < len(expected) and at < len(actual) and expected[place] == actual[at]:
            place, at = place + 1, at + 1
            continue
        gone = _run(expected, place, there)
        new = _run(actual, at, sealed)
        if gone == place and new == at:  # both are there, in another order: no row can do that, edited marks can
            gone, new = min(place + 1, len(expected)), min(at + 1, len(actual))
        yield from _paired(seal, found.times, expected[place:gone], actual[at:new], place, at)
        place, at = gone, new


def _split(marks: bytes) -> list[bytes]:
    return [marks[start : start + MARK_BYTES] for start in range(0, len(marks), MARK_BYTES)]


def _run(marks: Sequence[bytes], start: int, known: set[bytes]) -> int:
    while start < len(marks) and marks[start] not in known:
        start += 1
    return start


def _paired(
    seal: Seal, times: Sequence[datetime], gone: Sequence[bytes], new: Sequence[bytes], place: int, at: int
) -> Iterator[Difference]:
    """Between two rows that agree: as many edited ones as there are on both sides, the rest missing or put in."""
    for step in range(max(len(gone), len(new))):
        if step < len(new):
            since = until = times[at + step]
        else:
            near = times[max(at + len(new) - 1, 0) : at + len(new) + 1] or [seal.earliest, seal.latest]
            since, until = min(near), max(near)
        yield Difference(
            seal.first_row + place + min(step, len(gone) - 1), seal.number, since, until,
            gone[step][PLACE_BYTES:] if step < len(gone) else b"", new[step][PLACE_BYTES:] if step < len(new) else b"",
        )  # fmt: skip


def explained(found: Sequence[Difference]) -> Iterator[Finding]:
    """Differences seen together, also over seals: a row that is new in one place and gone from another was moved there."""
    now_at = {each.new: each for each in found if each.new}
    was_at = {each.gone: each for each in found if each.gone}
    for each in found:
        here, source = now_at.get(each.gone), was_at.get(each.new)
        if each.gone and each.new and here and source and here is not each:
            if here is not source or each.row < here.row:  # of two that changed places, one tells of both
                yield each.finding("rows-exchanged", here.row)
        elif each.gone and each.new:
            yield each.finding("row-edited")
        elif each.gone:
            yield each.finding("row-moved", here.row) if here and not here.gone else each.finding("row-missing")
        elif not (source and not source.new):  # else it is told where it was moved from
            yield each.finding("row-inserted")


def plain(found: Iterable[Difference]) -> Iterator[Finding]:
    """Differences one by one."""
    for each in found:
        yield each.finding("row-edited" if each.gone and each.new else "row-missing" if each.gone else "row-inserted")
