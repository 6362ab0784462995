"""What goes beside the platform: it waits until the platform answers, and tells at once of what went wrong."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from kjerne.sandbox.sources.running import running


async def test_nothing_begins_before_it_is_told_to_and_all_ends_with_the_block() -> None:
    steps = list[str]()

    async def beside() -> None:
        steps.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("ended")

    async with running((), beside) as begin:
        await asyncio.sleep(0)
        assert steps == []
        begin()
        await asyncio.sleep(0)
        assert steps == ["begun"]
    assert steps == ["begun", "ended"]


async def test_what_goes_wrong_is_told_when_it_does() -> None:
    async def beside() -> None:
        raise OSError("no space left")

    with capture_logs() as told:
        async with running((), beside) as begin:
            begin()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert [one["why"] for one in told] == ["OSError: no space left"]
