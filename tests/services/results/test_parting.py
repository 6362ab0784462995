"""What came under two numbers while they were linked, and the link was wrong: each has in the end what names it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kjerne.access import OPERATIONS, Caller
from kjerne.exchange import PatientRef
from kjerne.policy.services import kept_by_law
from kjerne.services.persons.linking import Linker
from kjerne.services.results.parting import Parting
from kjerne.services.standards import types_by_service

from .conftest import Ward
from .test_filing import NOON, Lab, new_lab

REASON: Final = "Meldt av registeret"
OPERATOR: Final = Caller("system", "desk", frozenset({OPERATIONS}), name="desk")


async def linked(lab: Lab) -> int:
    house = lab.ward.house
    linker = Linker(house.store, types_by_service(), kept_by_law(), Parting(house.store, house.digest).part)
    one, other = (PatientRef(digest=house.digest(lab.numbers[who])) for who in ("ann", "bea"))
    number, _ = await linker.link(lab.ward.admit(OPERATOR), OPERATOR, (one, other), REASON)
    return number


async def unlinked(lab: Lab, number: int) -> None:
    house = lab.ward.house
    linker = Linker(house.store, types_by_service(), kept_by_law(), Parting(house.store, house.digest).part)
    await linker.undo(lab.ward.admit(OPERATOR), OPERATOR, number, REASON)


FIRST: Final = ("ann", {"value": "31", "request": "Q1"})
CORRECTED: Final = ("bea", {"value": "32", "service": "M", "request": "Q1", "day": 3})
STORIES: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {
    "a correction under the other number": [FIRST, CORRECTED],
    "a correction under each": [FIRST, CORRECTED, ("ann", {"value": "33", "service": "M", "request": "Q1", "day": 4})],
    "two corrections under the other": [
        FIRST, CORRECTED, ("bea", {"value": "33", "service": "M", "request": "Q1", "day": 4}),
    ],
    "a cancellation under the other number": [FIRST, ("bea", {"service": "C", "request": "Q1", "day": 3})],
    "an addition under the other number": [
        FIRST, ("bea", {"value": "7", "service": "A", "request": "Q1", "result": "2", "day": 3}),
    ],
    "a report of each": [FIRST, ("bea", {"value": "12", "taken": NOON, "result": "7", "day": 3})],
    "the same sent again for the other": [FIRST, ("bea", {"value": "31", "request": "Q1", "day": 3})],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
async def test_the_end_is_as_if_the_wrong_link_had_never_been(ward: Ward, kith: Any, story: str) -> None:
    told = STORIES[story]
    lab = await new_lab(ward, kith)
    await lab.take(*(lab.version(who, **of) for who, of in told))
    end = [await lab.results("ann"), await lab.results("bea")]
    assert end[0] or end[1]
    for before in range(len(told)):
        for until in range(before + 1, len(told) + 1):
            lab = await new_lab(ward, kith)
            await lab.take(*(lab.version(who, **of) for who, of in told[:before]))
            number = await linked(lab)
            await lab.take(*(lab.version(who, **of) for who, of in told[before:until]))
            await unlinked(lab, number)
            await lab.take(*(lab.version(who, **of) for who, of in told[until:]))
            assert [await lab.results("ann"), await lab.results("bea")] == end, (before, until)


async def test_who_read_what_a_wrong_link_had_given_to_another_is_told(ward: Ward, kith: Any) -> None:
    lab = await new_lab(ward, kith)
    await lab.take(lab.version("ann", "31", request="Q1"))
    number = await linked(lab)
    await lab.take(lab.version("bea", "32", service="M", request="Q1", day=3))
    assert ("32", "2026-03-02T08:15", "31") in await lab.results("ann")
    await unlinked(lab, number)
    assert (await lab.results("ann"), await lab.results("bea")) == ([], [("32", "2026-03-02T08:15")])
    assert "withdrawn" in await lab.told()
