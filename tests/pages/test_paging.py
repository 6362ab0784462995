"""Long lists a part at a time: every row is in one part, and what is left out is counted and linked."""

from __future__ import annotations

from html import unescape
from re import DOTALL, findall, search

import pytest
from httpx import Response
from hypothesis import given
from hypothesis import strategies as st

from kjerne.pages import charts, clinician, paging
from kjerne.services.results import trends
from pages import resources as r
from pages.browser import Browser, text
from pages.fake import FakeHouse


def rows(count: int) -> trends.Table:
    found = [
        r.observation(str(n), f"P-{n:04}", f"NPU{n}", "2026-11-20", value=r.quantity("1", "g")) for n in range(count)
    ]
    return trends.cumulative(trends.series(found))


@given(st.integers(0, 2000))
def test_the_parts_of_a_list_hold_each_item_once(whole: int) -> None:
    items, seen, number = list(range(whole)), [], 1
    while number:
        shown = paging.part(whole, str(number))
        assert (shown.number, shown.before) == (number, number - 1)
        seen += paging.cut(items, shown)
        number = shown.after
    assert seen == items
    assert paging.part(whole, "").alone == (whole <= paging.ROWS)


@pytest.mark.parametrize("wanted", ["", "0", "-1", "x", "\u0663", "1e3", "9" * 40])
def test_a_part_that_is_no_number_is_the_first(wanted: str) -> None:
    assert paging.part(500, wanted).number == 1


def test_a_part_behind_the_last_is_the_last() -> None:
    assert (paging.part(401, "99").number, paging.part(401, "99").last) == (3, 401)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_parts_of_a_table_hold_each_row_once_under_its_group(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(paging, "ROWS", size)
    blood = [
        r.observation(f"b{n}", f"B-Hemoglobin {n}", f"N{n}", "2026-11-20", value=r.quantity("1", "g")) for n in (1, 2)
    ]
    urine = [
        r.observation(f"u{n}", f"U-Albumin {n}", f"M{n}", "2026-11-20", value=r.quantity("1", "g")) for n in (1, 2, 3)
    ]
    whole = trends.cumulative(trends.series([*blood, *urine]))
    parts = [paging.of_table(whole, str(number + 1))[0] for number in range(-(-5 // size))]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    for part in parts:
        assert all(
            row in next(g for g in whole.groups if g.key == group.key).rows
            for group in part.groups
            for row in group.rows
        )


def test_five_thousand_rows_are_made_in_step_with_their_number() -> None:
    table = rows(5000)
    assert len(table.rows) == 5000
    assert len(paging.of_table(table, "25")[0].rows) == paging.ROWS
    assert all(row.apart == () for row in table.rows)


async def test_every_analysis_is_reached_by_the_links_of_a_long_table(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    names = set(findall(r'class="first"><a[^>]*>([^<]+)<', page.text))
    monkeypatch.setattr(paging, "ROWS", 4)
    seen: set[str] = set()
    address = page.url.path
    while address:
        page = await browser.get(address)
        part = set(findall(r'class="first"><a[^>]*>([^<]+)<', page.text))
        assert part
        assert not part & seen
        seen |= part
        assert f"av {len(names)}" in text(page)
        after = findall(r'href="([^"]+)">Neste<', page.text)
        address = after[0].replace("&amp;", "&") if after else ""
    assert seen == names


@pytest.mark.parametrize("path", ["/me/results", "/me/report/rep-blood-4", "report/rep-blood-4", "print"])
async def test_a_long_page_says_what_part_it_shows(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(paging, "ROWS", 3)
    if path.startswith("/me"):
        await browser.citizen()
        page = await browser.get(f"{path}?part=2")
    else:
        await browser.clinician()
        page = await browser.get(f"{(await browser.open('Kari Nordvik')).url.path}/{path}?part=2")
    assert "Viser 4–6 av" in text(page)
    assert findall(r'part=1">Forrige<.*?part=3">Neste<', page.text, DOTALL)


async def test_of_many_results_of_one_moment_the_rest_is_counted_and_linked(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "IN_CELL", 2)
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    (more,) = findall(r'<span class="result"><a href="([^"]+/trend/[0-9a-f]+)">og 1 til<', page.text)
    assert "P-Glukose" in text(await browser.get(more))


async def test_dates_that_the_table_leaves_out_are_told_and_take_no_row_with_them(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    names = findall(r'class="first"><a[^>]*>([^<]+)<', page.text)
    monkeypatch.setattr(clinician, "COLUMN_LIMIT", 1)
    page = await browser.get(page.url.path)
    assert search(r"Tabellen viser de 1 nyeste av \d+ datoer", text(page))
    assert findall(r'class="first"><a[^>]*>([^<]+)<', page.text) == names


async def test_a_curve_of_very_many_points_says_that_it_shows_the_newest(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "DRAWN_MOST", 3)
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    (key,) = findall(r'/trend/([0-9a-f]+)"[^>]*>B-HbA1c<', page.text)[:1]
    assert "kurven viser de 3 nyeste verdiene" in text(await browser.get(f"{page.url.path}/trend/{key}"))


async def test_what_waits_beside_the_choice_of_patient_is_counted_and_reached_part_by_part(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Her own list goes on by a sealed place and is not counted (`test_live_lists`)."""

    def shown(page: Response, list_: str) -> list[str]:
        section = page.text[page.text.index(f'id="{list_}"') :].partition("</section>")[0]
        return findall(r'row-main"><strong>([^<]+)</strong><span>([^<]*)<', section)

    page = await browser.clinician()
    whole, beside = shown(page, "waiting"), shown(page, "own")
    assert len(whole) > 2
    monkeypatch.setattr(paging, "PEOPLE", 2)
    seen: list[str] = []
    address = "/clinician"
    while address:
        page = await browser.get(address)
        seen += (part := shown(page, "waiting"))
        assert 0 < len(part) <= 2
        assert shown(page, "own") == beside[:2], "the other list stays where it was"
        head = page.text[page.text.index('id="waiting"') :].partition("</h2>")[0]
        assert f'class="count">{len(whole)}<' in head
        after = findall(r'href="([^"]+waiting=\d+#waiting)">Neste<', page.text)
        address = unescape(after[0]) if after else ""
    assert seen == whole
    labels = findall(r'<nav class="parts" aria-label="([^"]+)"', page.text)
    assert len(set(labels)) == len(labels)


async def test_more_than_a_list_is_made_of_is_told(browser: Browser, house: FakeHouse) -> None:
    page = await browser.clinician()
    assert "Du har flere" not in text(page) and "Enda flere venter" not in text(page)
    house.beyond = True
    said = text(await browser.get("/clinician"))
    assert "Lista rommer ikke alle. Du har flere; finn dem med fødselsnummer." in said
    assert "Her er de 3 nyeste. Enda flere venter" in said
