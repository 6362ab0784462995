"""Whether a value set has a code, asked by the validator of what is loaded: bindings that a package's own lists do not answer.

The validator runs in a thread and knows no event loop: it waits there for the answer, while the loop goes on for everybody.
On the loop itself nothing is asked. What cannot be told is None, and never a no.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.effort import TooCostly, limited
from kjerne.fhir.packages import Definitions
from kjerne.fhir.value_sets import Codes, Listed
from kjerne.store.at_hand import AtHand
from kjerne.store.pool import Pool

KEPT_LIMIT: Final = 20_000
KEPT_SECONDS: Final = 10.0
"""Answers that a process remembers, and for how long: how late a load may be noticed by the validator."""
WAITED_SECONDS: Final = 2.0
"""How long a check waits for one answer."""
STEPS_LIMIT: Final = 250_000
"""What one answer may take, in steps of some microsecond."""


class Question(NamedTuple):
    """Has the value set at an address this code? `system` empty: whichever it is of."""

    canonical: str
    system: str
    code: str


class Bindings:
    """Answers for every check of a process, each kept for some seconds. Made on the loop that has the connections."""

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._of_loop = threading.get_ident()
        self._kept: dict[Question, tuple[float, Definitions, bool | None]] = {}

    def has(self, shelf: Definitions, asked: Question) -> bool | None:
        """From a thread. None: the value set, or a system that it needs, is not at hand, or nobody answered in time."""
        at, of, found = self._kept.get(asked, (0.0, None, None))
        if of is shelf and time.monotonic() - at < KEPT_SECONDS:
            return found
        if threading.get_ident() == self._of_loop:
            return None
        answer = asyncio.run_coroutine_threadsafe(self._asked(shelf, asked), self._loop)
        try:
            found = answer.result(WAITED_SECONDS)
        except (TimeoutError, OSError):
            answer.cancel()
            return None
        self._keep(shelf, asked, found)
        return found

    def _keep(self, shelf: Definitions, asked: Question, found: bool | None) -> None:
        self._kept.pop(asked, None)
        self._kept[asked] = time.monotonic(), shelf, found
        while len(self._kept) > KEPT_LIMIT:
            # Another thread may have taken the same away.
            self._kept.pop(next(iter(self._kept)), None)

    async def _asked(self, shelf: Definitions, asked: Question) -> bool | None:
        try:
            with limited(STEPS_LIMIT):
                async with self._pool.acquire() as conn:
                    at_hand = AtHand(conn, shelf)
                    value_set = await at_hand.value_set(asked.canonical)
                    if value_set is None:
                        return None
                    return await at_hand.composed().contains(value_set, asked.system, asked.code) is not None
        except (Refusal, TooCostly):
            # A system that is not at hand with all its codes, or a filter that is not answered.
            return None


@dataclass(frozen=True)
class Stored:
    """A profile's terminology: what packages list, and for all else the store (`fhir.value_sets.Terminology`)."""

    shelf: Definitions
    bindings: Bindings

    def codes(self, canonical: str) -> Codes | None:
        return Listed(self.shelf).codes(canonical)

    def asking(self, canonical: str) -> Callable[[str, str], bool | None]:
        """Asks the store whether a value set has a code of a system."""
        return lambda system, code: self.bindings.has(self.shelf, Question(canonical, system, code))
