"""The sealer ended at random points between writes that overlap: afterwards every row is sealed once, and all is whole.

`KJERNE_STORM` sets how many stories. Points: before the commit, between commit and line, in the middle of the line, after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any, Final

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.store.checkpoints import Checkpoints
from kjerne.store.embedded import OWNER, PROGRAM
from kjerne.store.sealing import Sealer
from sealed_log import Log, sealed_log

DATABASE: Final = "sealing_crashes"
WRITERS: Final = 3
POINTS: Final = ("before-commit", "before-line", "in-line", "after-line")


class Crash(Exception):
    """The process ends here."""


class Crashing(Sealer):
    """A sealer that ends at a point of its next seal."""

    point = ""

    def _closed(self, *given: Any) -> Any:
        if self.point == "before-commit":
            raise Crash
        return super()._closed(*given)

    async def _sign(self, seal: Any) -> None:
        new = seal.head != self._signed and seal.number > 0
        if new and self.point == "before-line":
            raise Crash
        if new and self.point == "in-line":
            with self._checkpoints.path.open("ab") as file:
                file.write(b'{"version":1,"shard":0,"sea')
            raise Crash
        await super()._sign(seal)
        if new and self.point == "after-line":
            raise Crash


class Story:
    """Writers with open transactions, sealers that end, and how many rows must be there at last."""

    def __init__(self, log: Log, writers: list[asyncpg.Connection[asyncpg.Record]]) -> None:
        self.log = log
        self.writers = writers
        self.rows = 0
        self.waiting = [0] * WRITERS

    async def write(self, which: int) -> None:
        if not self.writers[which].is_in_transaction():
            await self.writers[which].execute("BEGIN")
        await self.log.write(1, self.writers[which])
        self.waiting[which] += 1

    async def end(self, which: int, *, keeps: bool) -> None:
        await self.writers[which].execute("COMMIT" if keeps else "ROLLBACK")
        self.rows += self.waiting[which] if keeps else 0
        self.waiting[which] = 0

    async def seal(self, point: str, rows_at_once: int) -> None:
        checkpoints = Checkpoints(self.log.checkpoints.path, self.log.checkpoints.keys)
        sealer = Crashing(self.log.pool, self.log.clock, checkpoints, rows_at_once)
        sealer.point = point
        with contextlib.suppress(Crash):
            await sealer.seal()

    async def ended(self) -> None:
        """All transactions end, and a last sealer does what is left."""
        for which in range(WRITERS):
            await self.end(which, keeps=True)
        while await self.log.sealer.seal():
            pass
        verdict = await self.log.verdict()
        assert (verdict.findings, verdict.rows, verdict.unsealed, verdict.unsigned) == ((), self.rows, 0, None)
        assert verdict.checkpoints == verdict.seals


@pytest.fixture(scope="module")
def standing(clusters: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Story]]:
    cluster, folder = clusters("18"), tmp_path_factory.mktemp("crashes")
    cluster.create(DATABASE)
    dsn = cluster.server.dsn(PROGRAM, DATABASE)

    async def connected() -> list[asyncpg.Connection[asyncpg.Record]]:
        return [await asyncpg.connect(dsn) for _ in range(WRITERS)]

    with asyncio.Runner() as runner:
        opened = sealed_log(dsn, cluster.server.dsn(OWNER, DATABASE), folder)
        log, writers = runner.run(opened.__aenter__()), runner.run(connected())
        yield runner, Story(log, writers)
        for writer in writers:
            runner.run(writer.close())
        runner.run(opened.__aexit__(None, None, None))
    cluster.drop(DATABASE)


WRITER: Final = st.integers(0, WRITERS - 1)
STEP: Final = st.one_of(
    st.tuples(st.just("write"), WRITER),
    st.tuples(st.just("end"), WRITER, st.booleans()),
    st.tuples(st.just("seal"), st.sampled_from(("", *POINTS)), st.integers(1, 4)),
)


async def told(story: Story, steps: list[tuple[Any, ...]]) -> None:
    await story.log.reset()
    story.rows, story.waiting = 0, [0] * WRITERS
    for what, *given_ in steps:
        if what == "write":
            await story.write(*given_)
        elif what == "end":
            await story.end(given_[0], keeps=given_[1])
        else:
            await story.seal(*given_)
    await story.ended()


@settings(
    max_examples=int(os.environ.get("KJERNE_STORM", "40")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(steps=st.lists(STEP, min_size=3, max_size=25))
def test_a_sealer_that_ends_anywhere_loses_no_row_and_no_line(
    standing: tuple[asyncio.Runner, Story], steps: list[tuple[Any, ...]]
) -> None:
    runner, story = standing
    runner.run(told(story, steps))
