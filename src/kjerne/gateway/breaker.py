"""A source that fails again and again is left alone for a while: nobody waits for it, and it is not asked the harder.

Known to one worker, in memory. After the pause one question is let through; its answer closes or opens it again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FAULTS: Final = 5
"""In a row."""
PAUSE_SECONDS: Final = 30.0


@dataclass
class _Known:
    faults: int = 0
    until: float = 0.0


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

    def answered(self, source: str) -> None:
        """It answered, be it a no."""
        self._known.pop(source, None)

    def failed(self, source: str) -> None:
        """It was late or away, or answered what cannot be read."""
        one = self._known[source]
        one.faults += 1
        if one.faults >= FAULTS:
            one.until = self.ticks() + PAUSE_SECONDS
