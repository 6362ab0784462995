"""The file of checkpoints read again: which of its lines hold, and what is wrong with the others.

A line's signature is checked where its run ends alone: at the last line, and where a line does not hold the digest of the one
before it. All lines of the run are bound to that one. Only where such a signature fails is every line's checked.
"""

from __future__ import annotations

from collections.abc import Iterator

from kjerne.store.checkpoints import GENESIS, Checkpoint, Checkpoints, Line
from kjerne.store.findings import Finding, Findings, one


class Trail:
    """One reading of the file, of the lines that begin before the byte `until`."""

    def __init__(self, checkpoints: Checkpoints, until: int, findings: Findings) -> None:
        self.cut_short: list[int] = []
        """Lines that a crash left unfinished: nothing is lost with them."""
        self._checkpoints = checkpoints
        self._until = until
        self._findings = findings

    def checkpoints(self) -> Iterator[Checkpoint]:
        """What the lines say that hold, in order; what does not hold or follow is told."""
        before: Line | None = None
        for line in self._held():
            assert line.said is not None
            last, gap = (
                (before.said.seal, line.place - before.place - 1) if before and before.said else (0, line.place - 1)
            )
            if line.said.seal <= last:
                self._findings.tell(Finding("older-state", seals=(line.said.seal, last), lines=one(line.place)))
            elif line.said.seal - last - 1 > gap:
                missing = last + 1, line.said.seal - 1
                self._findings.tell(Finding("checkpoint-missing", seals=missing, lines=one(line.place)))
            elif not gap and line.said.before != (before.digest if before else GENESIS):
                self._findings.tell(Finding("checkpoint-unlinked", lines=one(line.place)))
            before = line
            yield line.said

    def _held(self) -> Iterator[Line]:
        every = not self._run_ends_hold()
        held: Line | None = None
        unread: list[int] = []
        for line in self._checkpoints.lines(self._until):
            if line.said is None:
                unread.append(line.place)
                continue
            linked = line.said.before == (held.digest if held else GENESIS)
            if held:
                yield from self._judged(held, holds=linked and not every)
            if linked:
                self.cut_short += unread
            else:
                self._edited(unread)
            held, unread = line, []
        if held:
            yield from self._judged(held, holds=False)
        self._ending(unread)

    def _judged(self, line: Line, *, holds: bool) -> Iterator[Line]:
        if holds or self._checkpoints.keys.signed(line):
            yield line
        else:
            self._edited([line.place])

    def _ending(self, unread: list[int]) -> None:
        """Unread lines at the end: the last may have been cut short by a crash, and has no end then."""
        if unread and not self._checkpoints.ends_whole(self._until):
            self.cut_short.append(unread.pop())
        self._edited(unread)

    def _edited(self, places: list[int]) -> None:
        for place in places:
            self._findings.tell(Finding("checkpoint-edited", lines=one(place)))

    def _run_ends_hold(self) -> bool:
        held: Line | None = None
        for line in self._checkpoints.lines(self._until):
            if line.said is None:
                continue
            if held and line.said.before != held.digest and not self._checkpoints.keys.signed(held):
                return False
            held = line
        return held is None or self._checkpoints.keys.signed(held)
