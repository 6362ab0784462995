"""Youth access in a real browser: what consent means is read before it is given; what is a youth's own without it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, tab
from journeys.test_me import looked_at, start
from kjerne.policy.reach import CLOSING

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_parent_reads_what_consent_means_gives_it_and_takes_it_back(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        it.page.get_by_role("link", name="Mer", exact=True).click()
        looked_at(it, script)
        it.page.get_by_role("link", name="Ungdomstilgang").click()
        expect(it.page.get_by_text("Du ser ingenting av dem.")).to_be_visible()
        expect(it.page.get_by_role("region", name="Ada Nordvik").get_by_role("button")).to_have_count(0)
        looked_at(it, script)
        it.page.get_by_role("button", name="Gi samtykke for Emil Nordvik").click()
        expect(it.page.get_by_role("status")).to_have_text("Samtykket er gitt og gjelder fra nå.")
        assert where.house.permitted
        looked_at(it, script)
        it.page.get_by_role("button", name="Trekk tilbake samtykket for Emil Nordvik").click()
        expect(it.page.get_by_text("Samtykke er ikke gitt.")).to_be_visible()
        looked_at(it, script)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_youth_without_consent_finds_what_is_hers(opened: Browser, where: Site, width: int) -> None:
    where.house.rules[1] = "youth-without-consent"
    where.house.can = CLOSING
    with tab(opened, where, width) as it:
        start(it)
        expect(it.page.get_by_role("region", name="Prøvesvarene dine")).to_contain_text("bare med samtykke")
        it.holds()
        it.page.get_by_role("main").get_by_role("link", name="Mine valg").click()
        expect(it.page.get_by_role("button", name="Se hva det betyr: Sperr prøvesvar")).to_be_visible()
        expect(it.page.get_by_role("button", name="Se hva det betyr: Reserver")).to_have_count(0)
        it.holds()
