"""What is unusually long or still waits takes no room from the rest of the clinician's table, in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Locator

from journeys.chromium import Site, tab
from journeys.test_clinician import choose, start
from kjerne.pages.house import Chart, Identity, Visit
from pages import resources as r

pytestmark = pytest.mark.browser

AT, LATER = "2026-11-23T08:00:00+01:00", "2026-11-24T08:00:00+01:00"
DIGITS = "123456789012345678901234567890.123456"


def drawn(where: Site, *found: r.Resource) -> None:
    """These results beside the others of the made-up house."""
    before = where.house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        made = await before(who, visit)
        return replace(made, observations=(*made.observations, *found))

    where.house.chart = chart  # type: ignore[method-assign]


def box(found: Locator) -> dict[str, float]:
    sides = found.bounding_box()
    assert sides is not None, "it is not drawn"
    return {
        "left": sides["x"],
        "right": sides["x"] + sides["width"],
        "width": sides["width"],
        "height": sides["height"],
    }


def test_a_number_longer_than_any_measurement_takes_lines_and_no_dates(opened: Browser, where: Site) -> None:
    gone = r.change("withdrawn", LATER, valueQuantity=r.quantity(DIGITS, "mmol/L"))
    drawn(
        where,
        r.observation("long", "P-Lang", "", AT, value=r.quantity(DIGITS, "mmol/L")),
        r.observation("gone", "P-Borte", "", AT, status="cancelled", extension=(gone,)),
    )
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        for name in ("P-Lang", "P-Borte"):
            row = it.page.locator(".cumulative tbody tr").filter(has_text=name)
            assert DIGITS.replace(".", ",") in row.locator(".latest-cell .v").inner_text()
            assert box(row.locator(".latest-cell"))["width"] < 220, name
        it.holds()


def test_a_result_that_waits_takes_three_lines_at_most_under_its_date(opened: Browser, where: Site) -> None:
    drawn(where, r.absent("waits", "P-Venter", "", AT, "temp-unknown", status="registered"))
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        row = it.page.locator(".cumulative tbody tr").filter(has_text="P-Venter")
        assert box(row)["height"] < 90
        it.holds()


def test_the_newest_value_of_a_trend_ends_where_what_came_after_it_ends(opened: Browser, where: Site) -> None:
    gone = r.change("withdrawn", LATER, valueQuantity=r.quantity("99", "mg/L"))
    drawn(
        where,
        r.observation("stands", "P-Trukket", "NPU1", AT, value=r.quantity("3", "mg/L")),
        r.observation("gone", "P-Trukket", "NPU1", LATER, status="cancelled", extension=(gone,)),
    )
    with tab(opened, where) as it:
        start(it)
        choose(it, "Kari Nordvik")
        it.page.locator(".cumulative").get_by_role("link", name="P-Trukket").first.click()
        newest, newer = box(it.page.locator(".latest > .quiet")), box(it.page.locator(".latest > .newer"))
        assert abs(newest["right"] - newer["right"]) < 2
        it.holds()
