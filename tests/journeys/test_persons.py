"""The operator's pages on persons in a real browser: two numbers linked, and a wrong link undone, each with its effect shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import WIDTHS, Site, Tab, tab
from journeys.test_me import looked_at
from journeys.test_operations import start
from pages.fake import NUMBERS

pytestmark = pytest.mark.browser

ONE, OTHER = list(NUMBERS)[:2]


def typed(it: Tab, one: str, other: str, why: str) -> None:
    it.page.get_by_label("Det ene nummeret").fill(one)
    it.page.get_by_label("Det andre nummeret").fill(other)
    it.page.get_by_label("Hvorfor").fill(why)
    it.page.get_by_role("button", name="Se hva det betyr").click()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_an_operator_links_two_numbers_knowing_what_it_does(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        it.page.get_by_role("link", name="Personnumre").click()
        expect(it.page.get_by_role("row").filter(has_text="De er to")).to_contain_text("Drift Driftsen")
        expect(it.page.get_by_role("link", name="Se kobling 6")).to_be_visible()
        expect(it.page.get_by_role("link", name="Skill: kobling 8")).to_have_count(0)
        looked_at(it, script)
        it.page.get_by_role("link", name="Knytt sammen to numre").click()
        looked_at(it, script)

        typed(it, ONE, ONE, "Samme person")
        expect(it.page.get_by_label("Det andre nummeret")).to_have_attribute("aria-invalid", "true")
        expect(it.page.get_by_text("Det andre nummeret kan ikke brukes.")).to_be_visible()
        expect(it.page.get_by_label("Hvorfor")).to_have_value("Samme person")
        looked_at(it, script)

        typed(it, ONE, OTHER, "Samme person")
        expect(it.page.get_by_text("Registeret sier ikke det samme om de to.")).to_be_visible()
        expect(it.page.get_by_text("gjelder fra nå for begge")).to_be_visible()
        shown = it.page.get_by_role("main").inner_text()
        assert ONE not in shown and OTHER not in shown and ONE not in it.page.url
        assert where.house.done == [], "nothing is linked before the effect was shown"
        looked_at(it, script)

        it.page.get_by_role("button", name="Knytt sammen").click()
        expect(it.page.get_by_role("status")).to_have_text("Numrene er knyttet sammen og gjelder samme person fra nå.")
        expect(it.page.get_by_role("link", name="Skill: kobling 8")).to_be_visible()
        assert where.house.done == [(ONE, OTHER)]
        assert ONE not in it.page.content() and OTHER not in it.page.content()
        looked_at(it, script)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_an_operator_undoes_a_wrong_link_once_she_has_read_what_was_shown_over_it(
    opened: Browser, where: Site, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        start(it)
        it.goto("/operations/persons")
        it.page.get_by_role("link", name="Skill: kobling 7").click()
        expect(it.page.get_by_role("heading", name="Kobling 7")).to_be_visible()
        expect(it.page.get_by_text("Fikk nytt nummer i fjor")).to_be_visible()
        looked_at(it, script)
        it.page.get_by_label("Hvorfor koblingen ses på eller oppheves").fill("De er to personer")
        it.page.get_by_role("button", name="Se hva som ble vist").click()
        expect(it.page.get_by_role("row").filter(has_text="Solbakken legesenter")).to_contain_text("2 resultater")
        assert where.house.done == [], "nothing is undone before she has read it"
        looked_at(it, script)
        it.page.get_by_role("link", name="Avbryt").click()
        expect(it.page.get_by_role("link", name="Skill: kobling 7")).to_be_visible()
        assert where.house.done == [], "nor where she leaves it"
        it.page.get_by_role("link", name="Skill: kobling 7").click()
        it.page.get_by_label("Hvorfor koblingen ses på eller oppheves").fill("De er to personer")
        it.page.get_by_role("button", name="Se hva som ble vist").click()
        it.page.get_by_role("button", name="Opphev koblingen").click()
        expect(it.page.get_by_role("status")).to_have_text("Koblingen er opphevet.")
        expect(it.page.get_by_role("row").filter(has_text="De er to personer")).to_be_visible()
        expect(it.page.get_by_role("link", name="Skill: kobling 7")).to_have_count(0)
        assert where.house.done == [("7", "De er to personer")]
        looked_at(it, script)


def test_an_undone_link_can_be_looked_at_and_not_undone_again(opened: Browser, where: Site) -> None:
    with tab(opened, where, 390) as it:
        start(it)
        it.goto("/operations/persons")
        it.page.get_by_role("link", name="Se kobling 6").click()
        expect(it.page.get_by_text("De er to")).to_be_visible()
        it.holds()
        it.goto("/operations/persons/5")
        expect(it.page.get_by_role("heading", level=1)).to_contain_text("finnes ikke")
        it.holds()


def test_two_numbers_are_linked_from_the_keyboard(opened: Browser, where: Site) -> None:
    with tab(opened, where) as it:
        start(it)
        it.goto("/operations/persons/link")
        it.page.get_by_label("Det ene nummeret").focus()
        for text in (ONE, OTHER, "Samme person"):
            it.page.keyboard.type(text)
            it.page.keyboard.press("Tab")
        it.page.keyboard.press("Enter")
        button = it.page.get_by_role("button", name="Knytt sammen")
        expect(button).to_be_visible()
        for _ in range(30):
            if button.evaluate("one => one === document.activeElement"):
                break
            it.page.keyboard.press("Tab")
        it.page.keyboard.press("Enter")
        expect(it.page.get_by_role("status")).to_contain_text("Numrene er knyttet sammen")
        assert where.house.done == [(ONE, OTHER)]
