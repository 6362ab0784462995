"""What a patient opens again: no news to a subscriber by being opened, and news as before once somebody writes it."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from services.test_standards import FHIR, observation
from services.test_standards_record import chosen
from subscribers import WHO, World, result, world

__all__ = ["world"]
PART = {"coding": [{"system": "http://kjerne.example/fhir/CodeSystem/content-kind", "code": "laboratory"}]}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1)])
def test_what_was_filed_while_a_part_was_restricted_is_no_news_on_the_day_that_it_is_opened(
    world: World, late: timedelta
) -> None:
    """Told at once, it would tell that it was shut (K90)."""
    world.subscribed("Observation", content="id-only")
    with chosen(world.platform, WHO, "restriction", "results", code=[PART]):
        hidden = result(world)
        world.platform.clock.move(late)
        assert world.told() == []
    world.platform.clock.move(late)
    assert world.told() == []
    rows = world.platform.rows("SELECT labels, unmarked = xid AS unmarked FROM record WHERE id = $1", UUID(hidden))
    assert [dict(row) for row in rows] == [{"labels": 0, "unmarked": True}]
    after = result(world)
    told = json.dumps(world.told())
    assert (after in told, hidden in told) == (True, False)
    changed = world.platform.client.call(
        "PUT", f"/fhir/R4/Observation/{hidden}", as_="lab", patient=world.platform.nin(WHO),
        body=json.dumps(observation() | {"id": hidden, "status": "amended"}).encode(),
        headers={"content-type": FHIR, "if-match": 'W/"1"'},
    )  # fmt: skip
    assert changed.status_code == 200, changed.text
    assert hidden in json.dumps(world.told()), "what is done to it now that it is open is news"


def test_what_was_filed_before_a_restriction_that_is_over_when_it_is_read_is_told(world: World) -> None:
    """While nobody read what is new a mark was put on and taken off: it was open when it was filed."""
    world.subscribed("Observation", content="id-only")
    world.platform.clock.move(timedelta(seconds=1))
    made = result(world)
    with chosen(world.platform, WHO, "restriction", "results", code=[PART]):
        pass
    assert made in json.dumps(world.told())
