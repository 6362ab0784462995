"""Work that waits while other work is under way is done together: one transaction for several, an outcome for each.

A transaction costs its beginning and its end, and its end a write to the disk, whatever is done between. What goes wrong
where several are in one undoes them all, and each is done again in a transaction of its own: so each is done whole or not at
all, as if it had come alone, and one that fails takes no other with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from kjerne.store.pool import GONE, Connection, Pool, locked

AT_ONCE: Final = 2
"""Transactions under way: one that waits for somebody's lock does not stop all."""
MOST: Final = 8
"""A patient's row is held until the last of them is done."""

Work = Callable[[Connection], Awaitable[None]]


class _Waiting(NamedTuple):
    """Work, what it must hold from its first moment, its place among others, and who waits for it."""

    digests: frozenset[bytes]
    order: int
    work: Work
    done: asyncio.Future[None]


class Together:
    """Does work for one pool. Work may be done twice: what the first time left is undone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop alone would forget them

    async def do(self, digests: Iterable[bytes], order: int, work: Work) -> None:
        """Returns when the work is durable, or raises what kept it from being done.

        `digests` name what it holds from its first moment (`locked`); work that holds the same is never in one transaction
        with it. Work with a lower `order` is done first: let it be the lowest key of the persons whose rows are taken.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(frozenset(digests), order, work, done))
        if self._under_way < AT_ONCE:
            self._under_way += 1
            task = asyncio.create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await done

    async def _run(self) -> None:
        try:
            while group := self._taken():
                try:
                    await self._together(group)
                finally:
                    for one in group:
                        one.done.cancel()  # where it has no outcome yet, we are told to stop
        finally:
            # In the same step as the look that found nobody waiting: who comes after it starts another.
            self._under_way -= 1

    def _taken(self) -> list[_Waiting]:
        """The next that have nothing in common, in the order in which they may hold rows."""
        group, rest, held = list[_Waiting](), list[_Waiting](), set[bytes]()
        for one in self._waiting:
            if one.done.done():
                continue
            if len(group) < MOST and held.isdisjoint(one.digests):
                group.append(one)
                held |= one.digests
            else:
                rest.append(one)
        self._waiting = rest
        return sorted(group, key=lambda one: one.order)

    async def _together(self, group: list[_Waiting]) -> None:
        try:
            async with self._pool.acquire() as conn, locked(conn, frozenset().union(*(one.digests for one in group))):
                for one in group:
                    await one.work(conn)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            if len(group) == 1 or isinstance(error, GONE):
                _told(group, error)
                return
        else:
            _told(group)
            return
        for one in group:
            if not one.done.done():
                await self._together([one])


def _told(group: Iterable[_Waiting], error: Exception | None = None) -> None:
    """Everybody who still waits hears what came of it."""
    for one in group:
        if one.done.done():
            continue
        if error is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(error)
