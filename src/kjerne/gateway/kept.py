"""Lists as sources gave them, in the memory of one worker: for the next page of the same list, and for when one does not answer.

A list is kept by patient, source and everything that the source may have judged by (`gateway.ground`), so that nobody is shown
what was answered to another, or to her on another ground. What the patient has shut since is taken out each time it is shown.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kjerne.xds.values import Association, DocumentEntry

FRESH: Final = timedelta(seconds=30)
"""So long a list is not asked for again: whoever turns a page does not wait for twenty sources."""
LONGEST: Final = timedelta(hours=12)
LIMIT_BYTES: Final = 100_000_000
"""Of all lists together: some 18,000 documents as they usually are."""
OVERHEAD_BYTES: Final = 1_000
"""Of a list that holds nothing."""
TEXT_BYTES: Final = 60
"""What a text takes beside its letters: of many short ones nearly all."""
_SHORT: Final = bytes(range(0xA0, 0xC0))
"""How MessagePack begins a text of up to 31 bytes. Letters beyond ASCII hold such bytes too, and are counted high."""
Key = tuple[int, str, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """One list, when it was given, and whether its source said that it is not all."""

    at: datetime
    entries: tuple[DocumentEntry, ...] = field(repr=False)
    left_out: int
    relations: tuple[Association, ...] = ()
    lacks: bool = False


class Lists:
    """The lists of a worker, `size_bytes` in all; those that were given longest ago go first, and what is too old goes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = dict[Key, int]()
        self.size_bytes = 0

    def put(self, key: Key, kept: Kept) -> None:
        self.drop(key)
        self._kept[key], self._bytes[key] = kept, _room_of(kept)
        self.size_bytes += self._bytes[key]
        while self._kept and (self.size_bytes > LIMIT_BYTES or kept.at - self._oldest.at >= LONGEST):
            self.drop(next(iter(self._kept)))

    def get(self, key: Key, now: datetime, within: timedelta = LONGEST) -> Kept | None:
        """The list, where it was given within so long."""
        kept = self._kept.get(key)
        if kept is not None and now - kept.at >= LONGEST:
            self.drop(key)
            return None
        return kept if kept is not None and timedelta(0) <= now - kept.at < within else None

    def drop(self, key: Key) -> None:
        """Forgets a list."""
        if self._kept.pop(key, None) is not None:
            self.size_bytes -= self._bytes.pop(key)

    @property
    def _oldest(self) -> Kept:
        return next(iter(self._kept.values()))


def _room_of(kept: Kept) -> int:
    """Bytes that a list takes in memory, rather too many: twice as many as when it is written, and what each text costs."""
    written = msgspec.msgpack.encode((kept.entries, kept.relations))
    short = len(written) - len(written.translate(None, _SHORT))
    return OVERHEAD_BYTES + 2 * len(written) + TEXT_BYTES * short
