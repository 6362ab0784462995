"""A source that fails again and again is left alone for a while: nobody waits for it, and it is not asked the harder.

A fault that says something of one patient's documents, and not of the source, is none here: whoever looks at her again and again
would take the source from everybody. That it is late, or that its answer cannot be read, says either, so it counts once for each
patient.

Known to one worker, in memory. After the pause one question is let through; its answer closes or opens it again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kjerne.services.documents.model import Fault

FAULTS: Final = 5
"""In a row."""
OF_EITHER: Final = frozenset({"late", "broken"})
"""Faults that may be of one patient: very much to look up, or a sign in a title that no XML may have."""
PAUSE_SECONDS: Final = 30.0


@dataclass
class _Known:
    faults: int = 0
    until: float = 0.0
    about: set[int] = field(default_factory=set)
    last: Fault | None = None
    took: float = 0.0


@dataclass
class Breaker:
    """What a worker knows of the sources by name. `ticks` are seconds of a clock that only goes forward."""

    ticks: Callable[[], float] = time.monotonic
    _known: dict[str, _Known] = field(default_factory=lambda: defaultdict(_Known), init=False)

    def lets(self, source: str) -> bool:
        """Whether it may be asked now. Whoever is let through after a pause has the rest wait for what comes of it."""
        one = self._known[source]
        if one.faults < FAULTS:
            return True
        if self.ticks() < one.until:
            return False
        one.until = self.ticks() + PAUSE_SECONDS
        return True

    def answered(self, source: str, seconds: float | None = None) -> None:
        """It answered, be it a no, in so many seconds where a list was asked for."""
        self._known[source] = _Known(took=self._known[source].took if seconds is None else seconds)

    def failed(self, source: str, fault: Fault, about: int, seconds: float | None = None) -> None:
        """It was late or away, or answered what cannot be read, when it was asked about this patient."""
        one = self._known[source]
        one.last, one.took = fault, one.took if seconds is None else seconds
        if fault not in OF_EITHER or about not in one.about:
            one.faults += 1
        if fault in OF_EITHER:
            one.about.add(about)
        if one.faults >= FAULTS:
            one.until = self.ticks() + PAUSE_SECONDS

    def would_tell(self, source: str) -> tuple[Fault | None, float]:
        """What came of the last question to it, and in how many seconds the last list: what the next would be told, as far
        as anybody knows who does not ask."""
        one = self._known[source]
        if one.faults >= FAULTS and self.ticks() < one.until:
            return "resting", 0.0
        return one.last, one.took
