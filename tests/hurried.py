"""A loop whose time passes as soon as nobody has anything to do: what waits for the clock is held without waiting for it, and in
the same order however busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Asks what is ready now; the time that it would have waited has then passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hurried = _Selector()
        super().__init__(self._hurried)

    def time(self) -> float:
        return self._hurried.passed


def done(work: Coroutine[Any, Any, T]) -> T:
    """What comes of the work, on a loop of its own. It may wait for time, and for nothing outside the loop."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
