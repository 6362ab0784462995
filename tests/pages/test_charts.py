"""Charts as SVG: no style the CSP would refuse, nothing unescaped, no line where no line is known."""

from __future__ import annotations

import re

from lxml import etree

from kjerne.pages import charts
from kjerne.services.results import trends
from kjerne.services.results.trends import Series
from pages import resources as r


def crp(*values: str) -> Series:
    rows = []
    for month, text in enumerate(values, 1):
        value = r.quantity(text.lstrip("<"), "mg/L", comparator="<" if "<" in text else "")
        rows.append(r.observation(str(month), "P-CRP", "NPU19748", f"2026-{month:02d}-01", value=value, high="5"))
    return trends.series(rows)[0]


def test_a_chart_carries_no_inline_style_and_is_well_formed() -> None:
    drawn = str(charts.trend(crp("3", "<1", "12", "4"), "nb", 'Navn <b>"og" & mer'))
    assert "style=" not in drawn
    root = etree.fromstring(drawn)
    assert root.get("aria-label") == 'Navn <b>"og" & mer'


def test_an_open_point_breaks_the_line() -> None:
    drawn = str(charts.trend(crp("3", "4", "<1", "12", "9"), "nb", "CRP"))
    lines = re.findall(r'<polyline class="line" points="([^"]+)"', drawn)
    assert [len(line.split()) for line in lines] == [2, 2]
    assert drawn.count('class="dot open"') == 1


def test_the_band_steps_with_each_points_own_range() -> None:
    rows = [
        r.observation("1", "P-Kreatinin", "N", "2026-01-01", value=r.quantity("70", "µmol/L"), low="45", high="90"),
        r.observation("2", "P-Kreatinin", "N", "2026-06-01", value=r.quantity("71", "µmol/L"), low="50", high="80"),
        r.observation("3", "P-Kreatinin", "N", "2026-09-01", value=r.quantity("72", "µmol/L")),
    ]
    drawn = str(charts.trend(trends.series(rows)[0], "nb", "Kreatinin"))
    heights = re.findall(r'<rect class="band"[^>]* height="([\d.]+)"', drawn)
    assert len(heights) == 2
    assert float(heights[0]) > float(heights[1])


def test_one_number_is_no_line() -> None:
    assert str(charts.sparkline(crp("3"))) == ""


def test_equal_values_on_one_day_still_draw() -> None:
    rows = [
        r.observation(str(n), "P-CRP", "N", f"2026-01-01T0{n}:00:00+01:00", value=r.quantity("0", "mg/L"))
        for n in (1, 2)
    ]
    assert "polyline" in str(charts.trend(trends.series(rows)[0], "nb", "CRP"))


def test_points_that_share_a_range_share_one_band() -> None:
    assert str(charts.trend(crp("3", "4", "12", "4"), "nb", "CRP")).count('class="band"') == 1


def test_a_flag_is_a_shape_and_a_word_as_well_as_a_colour() -> None:
    drawn = str(charts.trend(crp("3", "12"), "nb", "CRP"))
    high = re.search(r'<path class="dot high" d="M[\d.]+ [\d.]+m0-6 [^"]+"><title>([^<]+)</title>', drawn)
    assert high
    assert high[1] == "01.02.2026: 12 (høy)"
    assert drawn.count('<circle class="dot"') == 1


def test_an_open_point_stands_hollow_in_the_line_as_wide_as_a_word() -> None:
    drawn = str(charts.sparkline(crp("3", "4", "<1")))
    assert drawn.count('class="open"') == 1
    assert 'class="end' not in drawn, "its true place is not known, so it ends in no point"
