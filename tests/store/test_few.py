"""The few records that bear a mark are looked for in the index of those few, however many others there are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from kjerne.store import pointing, spreading

from .conftest import Desk

_MANY = f"""
INSERT INTO record (patient, id, type, version, dictionary, at, date_from, tokens, body)
SELECT patient, gen_random_uuid(), CASE WHEN number % 21 = 0 THEN {pointing.REPORT} ELSE {pointing.OBSERVATION} END, 1, 0,
  now(), now(), '', $1 FROM unnest($2::bigint[]) AS p(patient), generate_series(1, 700) AS number"""


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from steps(inner)


@pytest.mark.parametrize(
    ("statement", "few"),
    [(pointing._MARKED, "record_taken_back"), (spreading._AT_ALL, "record_withheld")],
    ids=["taken back", "withheld"],
)
async def test_whether_a_patient_has_one_of_a_few_is_asked_of_their_index_alone(
    desk: Desk, owner_dsn: str, statement: str, few: str
) -> None:
    # As a table looks that grows: nothing of it is swept yet, and a plan made now holds until it is counted again.
    owner = await asyncpg.connect(owner_dsn)
    try:
        await owner.execute(_MANY, secrets.token_bytes(500), [await desk.person() for _ in range(12)])
        await owner.execute("ANALYZE record")
    finally:
        await owner.close()
    async with desk.store.pool.acquire() as conn:
        await conn.execute(f"PREPARE asked AS {statement}")
        (explained,) = json.loads(await conn.fetchval("EXPLAIN (FORMAT JSON) EXECUTE asked (NULL)"))
        await conn.execute("DEALLOCATE asked")
    scans = [one for one in steps(explained["Plan"]) if one.get("Relation Name") == "record" or "Index Name" in one]
    assert {one.get("Index Name", one["Node Type"]) for one in scans} == {few}
