"""The register of organisations: which unit lies below which."""

from __future__ import annotations

import pytest

from kjerne.store import registers
from kjerne.store.registers import OrganisationRow

from .conftest import Desk

PARENT_BY_NUMBER = {
    "900000001": "",
    "900000002": "900000001",
    "900000003": "900000002",
    "900000004": "900000003",
    "900000005": "900000006",
    "900000006": "900000005",
    "900000008": "900000009",
}
"""A trust with three levels below it; two units that lie below each other; a unit of an owner who is not registered."""


@pytest.fixture
async def filled(desk: Desk) -> Desk:
    rows = [
        OrganisationRow(number, parent, "Prøvested", "hospital", "", "", "")
        for number, parent in PARENT_BY_NUMBER.items()
    ]
    async with desk.store.pool.acquire() as conn:
        await conn.execute("DELETE FROM organisation WHERE number = ANY($1::text[])", list(PARENT_BY_NUMBER))
        await registers.fill(conn, [], rows)
    return desk


async def test_a_place_has_the_units_above_and_below_it_at_any_depth(filled: Desk) -> None:
    pool = filled.store.pool
    assert await registers.around(pool, "900000001", "900000003") == ({"900000001", "900000002"}, {"900000004"})
    assert await registers.around(pool, "900000001", "") == (set(), {"900000002", "900000003", "900000004"})
    assert await registers.around(pool, "900000008", "") == ({"900000009"}, set())
    assert await registers.around(pool, "900000005", "") == ({"900000005", "900000006"},) * 2


@pytest.mark.parametrize(
    ("unit", "owner", "below"),
    [
        ("900000002", "900000001", True),
        ("900000004", "900000001", True),
        ("900000004", "900000003", True),
        ("900000008", "900000009", True),
        ("900000001", "900000002", False),
        ("900000002", "900000005", False),
        ("900000005", "900000001", False),
        ("900000007", "900000001", False),
        ("900000001", "", False),
    ],
    ids=[
        "the owner's unit", "three levels down", "the unit above", "of an owner without a row", "the other way around",
        "another owner's", "in a ring", "nobody registered it", "below nothing",
    ],
)  # fmt: skip
async def test_a_unit_lies_below_its_owner_at_any_depth(filled: Desk, unit: str, owner: str, below: bool) -> None:
    assert await registers.is_part_of(filled.store.pool, unit, owner) is below
