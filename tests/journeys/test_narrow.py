"""A long name, unit or word on a narrow screen: it is broken, and the page never scrolls sideways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import kjerne.pages
from journeys.chromium import Site, tab
from kjerne.pages.house import Chart, Identity, Visit
from pages import resources as r

STATIC = Path(kjerne.pages.__file__).parent / "static"
LONG = "milligrampermilliliterkroppsoverflateareal" * 3
STACK = (
    '<ul class="stack"><li class="stack-row"><a class="stack-name" href="#">{0}</a><span class="stack-value"><span class="cell">'
    '<span class="v text">{0}</span><span class="unit">{0}</span></span><span class="under lost">prøven var uegnet</span></span>'
    '<span class="stack-range">{0}</span></li></ul>'
)
LATEST = (
    '<h1>{0}</h1><p class="latest"><span class="cell"><span class="v">1</span></span><span class="unit">{0}</span></p>'
)
PLAIN = (
    '<ul class="plain-rows"><li><a class="plain-row"><span class="plain-name">{0}</span>'
    '<span class="plain-value">{0}</span></a></li></ul>'
)


@pytest.mark.parametrize("shape", [STACK, LATEST, PLAIN], ids=["table", "trend", "hers"])
def test_what_is_long_is_broken(opened: Browser, shape: str) -> None:
    styles = "".join((STATIC / name).read_text("utf-8") for name in ("kjerne.css", "me.css"))
    page = opened.new_page(viewport={"width": 390, "height": 800})
    page.set_content(f"<style>{styles}</style><main>{shape.format(LONG)}</main>")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if shape is STACK:
        unit, mark = page.locator(".unit").bounding_box(), page.locator(".lost").bounding_box()
        assert unit and mark and mark["y"] >= unit["y"] + unit["height"]
    page.close()


CORRECTED = (
    '<td class="num"><span class="cell"><span class="v">180<span class="value-parts"><span class="value-part">'
    '<span class="value-part-name">Ytterligere svar</span> <span class="value-part-said num">110 mmHg</span> '
    '<span class="quiet">Ref. 60–90</span></span></span></span></span><span class="under"><del>P-Magnesium 120 mmHg</del> '
    '<span class="aside"><del>merket lav</del></span> <span class="aside"><del>referanseområde 0,71–0,94</del></span> '
    '<span class="aside"><del>tatt 21.11.2026 08:00</del></span> <span class="aside"><del>materiale Serum</del></span> '
    '<span class="mark corrected">rettet</span></span></td>'
)


@pytest.mark.parametrize("table", ["cumulative", "plain printed"])
def test_a_corrected_result_with_its_circumstances_takes_lines_and_not_the_width_of_all_rows(
    opened: Browser, table: str
) -> None:
    page = opened.new_page(viewport={"width": 703, "height": 800})
    cells = CORRECTED + "<td>0,4–2,0</td>" * 12
    page.set_content(
        f"<style>{(STATIC / 'kjerne.css').read_text('utf-8')}</style><table class='{table}'><tr>{cells}</tr></table>"
    )
    cell = page.locator("td").first.bounding_box()
    assert cell and cell["width"] < 200
    page.close()


def test_a_result_of_several_values_is_whole_on_a_phone_and_its_name_too(
    opened: Browser, where: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, drawn = "2026-11-20T08:00:00+01:00", where.house.chart
    found = r.observation("bp", "Blodtrykk", "", at, value=r.quantity("180", "mmHg"), low="90", high="140")
    found["component"] = [{"code": {"text": "Ytterligere svar"}, "valueQuantity": r.quantity("110", "mmHg")}]
    report = r.report("rep-bp", "CLIN", "Biokjemi", at, ("bp",))

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=(found,), reports=(report,))

    monkeypatch.setattr(where.house, "chart", chart)
    with tab(opened, where, 390) as it:
        it.goto("/login/start?to=me")
        it.goto("/me/report/rep-bp")
        it.holds()
        table = it.page.locator(".scroll:has(.measured)")
        assert table.evaluate("it => it.scrollWidth <= it.clientWidth")
        assert it.page.evaluate(BROKEN.replace(".sir th", ".measured th a")) == []
        it.goto("/me/results")
        assert "180 mmHg Ytterligere svar 110 mmHg" in " ".join(
            it.page.locator(".plain-value").first.inner_text().split()
        )
        paper = it.page.locator("p.on-paper", has_text="Kari Nordvik")
        assert not paper.is_visible()
        it.page.emulate_media(media="print")
        for path in (
            "/me/results",
            "/me/report/rep-bp",
            it.page.locator(".plain-row").first.get_attribute("href") or "",
        ):
            it.goto(path)
            assert paper.is_visible(), path


BROKEN = """() => [...document.querySelectorAll('.sir th, .sir .tested, .sir .tested *, .sir i')].flatMap((cell) =>
    [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).flatMap((node) =>
        [...node.data.matchAll(/[^\\s-]+/g)].filter((word) => {
            const place = document.createRange();
            place.setStart(node, word.index);
            place.setEnd(node, word.index + word[0].length);
            return place.getClientRects().length > 1;
        }).map((word) => word[0])))"""
"""The words of a resistance table that stand on more than one line."""
DRUGS = ("Ciprofloksacin", "Trimetoprim-sulfametoksazol")


def test_a_former_mic_is_struck_out_with_its_letter(
    opened: Browser, where: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, drawn = "2026-11-20T08:00:00+01:00", where.house.chart
    growth, ampicillin, *_ = r.corrected_culture(at)
    ampicillin["extension"][0]["extension"][-1]["valueCodeableConcept"]["text"] = "2 mg/L"
    report = r.report("rep-culture", "MBIO", "Mikrobiologi", at, ("g",))

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=(growth, ampicillin), reports=(report,))

    monkeypatch.setattr(where.house, "chart", chart)
    with tab(opened, where) as it:
        it.goto("/login/start?to=me")
        it.goto("/me/report/rep-culture")
        former = it.page.locator(".sir del .num", has_text="2 mg/L")
        # A line through an element reaches what stands in its lines, and no block inside it.
        assert former.evaluate("it => getComputedStyle(it).display") == "inline"


def cultured(*names: str) -> tuple[r.Resource, ...]:
    """What grew, each with its susceptibilities, and the report of it last."""
    at, found = "2026-11-20T08:00:00+01:00", []
    for name in names:
        tested = [r.susceptibility(f"{name[:2]}{drug[:2]}", drug, "R", at, "0.25 mg/L") for drug in DRUGS]
        members = tuple(one["id"] for one in tested)
        found += [r.observation(name[:2], "U-Bakterier", "", at, text=name, members=members), *tested]
    return (*found, r.report("rep-culture", "MBIO", "Mikrobiologi", at, tuple(name[:2] for name in names)))


@pytest.mark.parametrize(("names", "follows"), [(2, False), (4, True)])
def test_organisms_side_by_side_break_no_word_and_a_shadow_says_that_more_follow(
    opened: Browser, where: Site, monkeypatch: pytest.MonkeyPatch, names: int, follows: bool
) -> None:
    *found, report = cultured(
        *("Escherichia coli", "Klebsiella pneumoniae", "Staphylococcus aureus", "Candida")[:names]
    )
    drawn = where.house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=tuple(found), reports=(report,))

    monkeypatch.setattr(where.house, "chart", chart)
    with tab(opened, where, 360) as it:
        it.goto("/login/start?to=me")
        it.goto("/me/report/rep-culture")
        it.holds()
        table = it.page.locator(".organisms > .scroll")
        assert table.evaluate("it => it.scrollWidth > it.clientWidth") is follows
        assert table.evaluate("it => getComputedStyle(it).backgroundAttachment") == "local, scroll"
        assert it.page.evaluate(BROKEN) == []
