"""How long a request may take: one timer for all that are in work.

`asyncio.timeout` sets a timer for each request and takes it back, some 10 us of processor time (measured 2026-11-26). All
requests may take equally long, so the first that began is the first whose time is up, and one timer waits for that one.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Makes the limit of each request of one application."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Limit, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> Limit:
        """`with deadlines.limit():` the block is stopped with `TimeoutError` when its time is up."""
        return Limit(self)

    def begin(self, limit: Limit) -> None:
        loop = asyncio.get_running_loop()
        due = self._due[limit] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def end(self, limit: Limit) -> None:
        self._due.pop(limit, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for limit, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                return
            del self._due[limit]
            limit.stop()


class Limit:
    """The time of one request; stops the task that entered it."""

    __slots__ = ("_before", "_deadlines", "_stopped", "_task")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._stopped = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._deadlines.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # Where somebody else has cancelled the task too, she is heard.
        if self._stopped and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def stop(self) -> None:
        self._stopped = True
        self._task.cancel()
