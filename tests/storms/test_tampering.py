"""Random tampering with a sealed log, its seals and its checkpoints, by somebody who may write all three: always found.

`KJERNE_STORM` sets how many (a release runs 10,000); a failure prints the tampering that does it. What cannot be found by
design is not among them: the last line of the file taken away alone, which a crash does too and the sealer mends.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.store.embedded import OWNER, PROGRAM
from sealed_log import Log, sealed_log

DATABASE: Final = "tampering"
CHANGES: Final = {
    "bigint": "{0} + 1", "smallint": "1 - {0}", "boolean": "NOT {0}", "text": "{0} || 'x'", "bytea": "{0} || '\\x00'",
    "uuid": "gen_random_uuid()", "xid8": "({0}::text::bigint - 1)::text::xid8", "ARRAY": "{0}[2:]",
    "timestamp with time zone": "coalesce({0}, now()) + interval '{1}'",
}  # fmt: skip
_COLUMNS: Final = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY 1"

Draw = Callable[[st.SearchStrategy[Any]], Any]
Way = Callable[[Log, Draw, int], Awaitable[set[str]]]
"""Tampers with a log of so many rows; the kinds of finding of which one at least must be told."""
MANY: Final = 1_000_000
LETTERS: Final = b'0aZ{},":+/='
ROWS_GONE: Final = {"row-missing", "row-moved", "rows-exchanged", "row-edited", "row-inserted"}


def changed(name: str, type_: str, draw: Draw) -> str:
    by = draw(st.sampled_from(["1 microsecond", "-1 microsecond", "3 seconds", "40 days", "7000 years", "-3000 years"]))
    return f'"{name}" = ' + CHANGES[type_].format(f'"{name}"', by)


async def edit(log: Log, draw: Draw, rows: int) -> set[str]:
    """Any column of any row."""
    column = draw(st.sampled_from(await log.owner.fetch(_COLUMNS, "audit")))
    await log.edit(draw(st.integers(1, rows)), changed(*column, draw))
    return ROWS_GONE


async def delete(log: Log, draw: Draw, rows: int) -> set[str]:
    for row in sorted(draw(st.sets(st.integers(1, rows), min_size=1)), reverse=True):
        await log.delete(row)
    return {"row-missing"}


async def exchange(log: Log, draw: Draw, rows: int) -> set[str]:
    row, other = draw(st.lists(st.integers(1, rows), min_size=2, max_size=2, unique=True))
    await log.exchange(row, other)
    return {"rows-exchanged"}


async def insert(log: Log, draw: Draw, rows: int) -> set[str]:
    await log.insert(draw(st.integers(1, rows)))
    return {"row-inserted"}


async def cut_tail(log: Log, draw: Draw, rows: int) -> set[str]:
    await log.cut_tail(draw(st.integers(1, await log.owner.fetchval("SELECT max(number) FROM audit_seal"))))
    return {"tail-cut"}


async def compute_anew(log: Log, draw: Draw, rows: int) -> set[str]:
    await log.edit(draw(st.integers(1, rows)), "caller_hpr = '9999999'")
    await log.compute_anew()
    return {"seal-not-signed"}


async def bring_older_state_back(log: Log, draw: Draw, rows: int) -> set[str]:
    """The database of an earlier seal, on which the platform may have gone on."""
    await cut_tail(log, draw, rows)
    await log.fill(*draw(st.lists(st.integers(1, 2), max_size=4)))
    return {"tail-cut", "older-state", "seal-not-signed"}


async def edit_seal(log: Log, draw: Draw, rows: int) -> set[str]:
    """Any column of any seal."""
    columns = [row for row in await log.owner.fetch(_COLUMNS, "audit_seal") if row[0] != "number"]
    number = draw(st.integers(1, await log.owner.fetchval("SELECT max(number) FROM audit_seal")))
    change = changed(*draw(st.sampled_from(columns)), draw)
    await log.owner.execute(f"UPDATE audit_seal SET {change} WHERE number = $1", number)
    return {"seal-edited", "seal-missing", "seal-unknown", "seal-not-signed", "tail-cut"}


async def delete_seal(log: Log, draw: Draw, rows: int) -> set[str]:
    number = draw(st.integers(1, await log.owner.fetchval("SELECT max(number) FROM audit_seal")))
    await log.owner.execute("DELETE FROM audit_seal WHERE number = $1", number)
    return {"seal-missing", "tail-cut"}


async def edit_file(log: Log, draw: Draw, rows: int) -> set[str]:
    """One character of one line."""
    whole = log.checkpoints.path.read_bytes()
    # Signatures differ from run to run, so what is drawn may not hang on what stands there.
    places = [place for place in range(len(whole)) if whole[place] != ord("\n")]
    place = places[draw(st.integers(0, MANY)) % len(places)]
    first = draw(st.integers(0, len(LETTERS) - 1))
    other = next(letter for letter in LETTERS[first:] + LETTERS[:first] if letter != whole[place])
    log.checkpoints.path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
    return {"checkpoint-edited"}


async def shorten_file(log: Log, draw: Draw, rows: int) -> set[str]:
    """Any lines, but not the last alone."""
    lines = log.lines()
    places = draw(st.sets(st.integers(0, len(lines) - 1), min_size=1).filter(lambda gone: gone != {len(lines) - 1}))
    log.keep([line for place, line in enumerate(lines) if place not in places])
    return {"checkpoint-missing", "checkpoints-absent"}


async def shuffle_file(log: Log, draw: Draw, rows: int) -> set[str]:
    lines = log.lines()
    log.keep(draw(st.permutations(lines).filter(lambda shuffled: shuffled != lines)))
    return {"older-state", "checkpoint-missing", "checkpoint-unlinked"}


async def repeat_lines(log: Log, draw: Draw, rows: int) -> set[str]:
    lines = log.lines()
    lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
    log.keep(lines)
    return {"older-state", "checkpoint-missing", "checkpoint-unlinked"}


WAYS: Final[tuple[Way, ...]] = (
    edit, edit, edit, delete, exchange, insert, cut_tail, compute_anew, bring_older_state_back, edit_seal, delete_seal,
    edit_file, shorten_file, shuffle_file, repeat_lines,
)  # fmt: skip


@pytest.fixture(scope="module")
def standing(clusters: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Log]]:
    """One log for all examples, and the loop that its connections live on."""
    cluster, folder = clusters("18"), tmp_path_factory.mktemp("tampering")
    cluster.create(DATABASE)
    with asyncio.Runner() as runner:
        opened = sealed_log(cluster.server.dsn(PROGRAM, DATABASE), cluster.server.dsn(OWNER, DATABASE), folder)
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))
    cluster.drop(DATABASE)


async def scenario(log: Log, data: st.DataObject) -> None:
    await log.reset()
    counts = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5), label="rows of each seal")
    await log.fill(*counts)
    await log.write(data.draw(st.integers(0, 1), label="unsealed rows"))
    assert await log.kinds() == set()
    way = data.draw(st.sampled_from(WAYS), label="way")
    must = await way(log, data.draw, sum(counts))
    kinds = await log.kinds()
    assert kinds & must, (way.__name__, kinds)


@settings(
    max_examples=int(os.environ.get("KJERNE_STORM", "40")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
@given(data=st.data())
def test_random_tampering_is_found(standing: tuple[asyncio.Runner, Log], data: st.DataObject) -> None:
    runner, log = standing
    runner.run(scenario(log, data))
