"""Charts as SVG: no style the CSP would refuse, nothing unescaped, no line where no line is known."""

from __future__ import annotations

import json
import re

import pytest
from lxml import etree

from kjerne.pages import charts, trend_data
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


def troponin(*taken: str) -> Series:
    rows = [
        r.observation(str(place), "P-Troponin T", "N", at, value=r.quantity(str(12 + place), "ng/L"))
        for place, at in enumerate(taken)
    ]
    return trends.series(rows)[0]


def drawn_at(series: Series) -> tuple[list[float], list[str]]:
    """Where the points stand across, and what the axis below them says."""
    drawn = str(charts.trend(series, "nb", "Troponin"))
    dots = [float(x) for x in re.findall(r'class="dot" cx="([\d.]+)"', drawn)]
    return dots, re.findall(r'<text class="x"[^>]*>([^<]+)<', drawn)


def test_points_of_one_day_stand_apart_by_the_clock_on_an_axis_of_a_day() -> None:
    one_day = troponin(*(f"2026-11-24T{hour}:00:00+01:00" for hour in ("08", "09", "11")))
    (first, second, third), said = drawn_at(one_day)
    assert 2 * (second - first) == pytest.approx(third - second, abs=0.3)
    assert third - first < 100, "three hours are no development of a year"
    assert said == ["24.11. 00:00", "24.11. 06:00", "24.11. 12:00", "24.11. 18:00"]
    plotted = json.loads(trend_data.plot(one_day, "nb"))
    assert [later - plotted["times"][0] for later in plotted["times"]] == [0, 3600, 10800]
    assert plotted["labels"][0].startswith("24.11.2026 08:00: 12")


def test_an_axis_of_a_few_days_tells_each_time_once() -> None:
    taken = ("2026-11-22T08:00:00+01:00", "2026-11-22T16:00:00+01:00", "2026-11-24T08:00:00+01:00")
    _, said = drawn_at(troponin(*taken))
    assert said == ["22.11. 12:00", "23.11. 00:00", "23.11. 12:00", "24.11. 00:00"]
    _, days = drawn_at(troponin("2026-11-01", "2026-11-13"))
    assert days == ["01.11.", "04.11.", "07.11.", "10.11.", "13.11."]
    _, months = drawn_at(troponin("2026-01-01", "2026-11-13"))
    assert len(set(months)) == 5 and "2026" in months[0]


def test_an_axis_counts_hours_as_the_clock_shows_them_when_it_is_moved() -> None:
    _, said = drawn_at(troponin("2026-10-24T08:00:00+02:00", "2026-10-25T20:00:00+01:00"))
    assert said == ["24.10. 12:00", "25.10. 00:00", "25.10. 12:00"]


def test_a_date_without_a_time_never_stands_before_what_was_listed_before_it() -> None:
    series = troponin("2026-11-24", "2026-11-24T08:00:00+01:00", "2026-11-25")
    places = charts.places(charts.plotted(series))
    assert places == sorted(places)
    assert places[2] - places[0] == charts.DAY
