"""Written once, seen everywhere, carried abroad: from one system's allergy to a doctor in another country."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

import ips_packages
from handing import forget
from journeys.chromium import Site, tab
from journeys.test_health_link import made, unlock
from journeys.test_indicator import standing
from journeys.test_whole_story import log_in
from kjerne.fhir.validate import check
from kjerne.services.critical.indicator_words import words
from pages.fake import FakeHouse
from platform_fixture import Standing, Tree
from services.critical.records import ATC, allergy
from services.critical.test_indicator import asked, emptied
from services.critical.transfers import Journal, statuses
from services.test_standards_registered import NEED
from words import fresh

pytestmark = pytest.mark.browser
ABOUT = "citizen"


def summary_of(platform: Standing) -> Tree:
    answer = platform.get("Patient/$summary", as_=ABOUT, about=ABOUT, portal=True)
    assert answer.status == 200, answer.response.text
    return answer.tree


def test_what_one_system_registers_is_red_in_another_is_hers_to_read_and_goes_along_abroad(
    opened: Browser, platform: Standing
) -> None:
    where, name = Site(platform.url, FakeHouse), f"Stoff {fresh()}"  # type: ignore[arg-type]
    emptied(platform, ABOUT)
    forget(platform)
    assert asked(platform, ABOUT, **NEED).json()["status"] == 2, "nothing is registered yet"

    journal = Journal(platform, about=ABOUT)
    code = {"coding": [{"system": ATC, "code": "J01CA04", "display": name}]}
    assert statuses(journal.send(journal.put(allergy(platform, ABOUT, code=code), "allergy"))) == ["201"]

    with tab(opened, where) as other, standing(platform, ABOUT) as ehr:
        other.page.goto(ehr.url)
        expect(other.page.get_by_role("img", name=words("nb", 4))).to_be_visible()

    with tab(opened, where, 390) as at_home, tab(opened, where) as abroad:
        log_in(at_home, "me", platform.persona(ABOUT).person_name)
        at_home.goto("/me/critical")
        expect(at_home.page.get_by_role("heading", name=name)).to_be_visible()
        at_home.holds()

        whole = summary_of(platform)
        assert name in str(whole)
        assert check(whole, "Bundle") == []
        if ips_packages.FOLDER.exists():
            assert ips_packages.faults(whole) == []

        held, passcode = made(at_home, platform)
        abroad.page.goto(held)
        unlock(abroad, passcode)
        expect(abroad.page.get_by_role("article").filter(has_text=name).first).to_contain_text("J01CA04")
        abroad.holds()
    forget(platform)
    emptied(platform, ABOUT)
