"""The citizen's log: what it tells once and what it keeps apart, how it is narrowed, and read to its end."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from uuid import UUID

import pytest

from kjerne.errors import Refusal
from kjerne.pages import live_log, my_log
from kjerne.pages.house import LogRow
from kjerne.policy import insight
from kjerne.services.results.named import Named
from kjerne.services.results.values import OSLO, When
from kjerne.store.log_entry import NOBODYS, LogEntry, Origin, Seen, Unnamed
from kjerne.store.looks import Place, Wanted
from pages.browser import Browser, text
from pages.fake import FakeHouse

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LINE = LogEntry(
    at=AT, by="practitioner", who="Ola Hagen", role="LE", organisation="", point_of_care="", department="",
    place_withheld=False, given=True, action="search", service="results", purpose="TREAT", basis="", says="", law="",
    rule="gp", seen=(), acute=False, self_declared=False, mark="",
)  # fmt: skip
LOOK = LogRow(AT, "Ola Hagen", "LE", "Solbakken", "TREAT", "", (("Observation", 12),), "Fastlegen.", "§ 19")


def line(at: datetime, number: UUID = NOBODYS) -> LogEntry:
    return replace(LINE, at=at, origin=Origin(number=number))


def test_the_pages_of_one_visit_are_one_line_with_all_its_times() -> None:
    rows = [replace(LOOK, at=AT - timedelta(minutes=minute)) for minute in range(5)]
    (looks,) = my_log.gathered(rows)
    assert looks.row == rows[0]
    assert looks.times == tuple(row.at for row in rows)


def test_nothing_that_tells_two_looks_apart_is_lost() -> None:
    others = [
        replace(LOOK, who="Siri Vik"),
        replace(LOOK, purpose="ETREAT", acute=True),
        replace(LOOK, basis="SAMTYKKE"),
        replace(LOOK, what=(("Observation", 13),)),
        replace(LOOK, given=False),
        replace(LOOK, wrote=True),
        replace(LOOK, self_declared=True),
        replace(LOOK, at=AT - timedelta(days=1)),
    ]
    assert [looks.row for looks in my_log.gathered([LOOK, *others])] == [LOOK, *others]


def test_a_day_is_a_day_in_norway() -> None:
    before, after = datetime(2026, 11, 20, 22, 55, tzinfo=UTC), datetime(2026, 11, 20, 23, 5, tzinfo=UTC)
    assert len(my_log.gathered([replace(LOOK, at=after), replace(LOOK, at=before)])) == 2


def test_every_look_is_in_the_log_once() -> None:
    rows = [replace(LOOK, at=AT - timedelta(minutes=minute), who=f"Lege {minute % 3}") for minute in range(20)]
    told = [at for looks in my_log.gathered(rows) for at in looks.times]
    assert sorted(told) == sorted(row.at for row in rows)


def blood(name: str, day: int | None = 20, *, type_: str = "Observation", id_: str = "") -> tuple[Seen, Named]:
    at = When(date(2026, 11, day)) if day else None
    return Seen(type_, id_ or f"{type_}-{name}-{day}", 1), Named(name, at)


def named(*told: tuple[Seen, Named], unknown: int = 0) -> tuple[my_log.Looks, ...]:
    """The lines of one look at these records, some of which nobody may name."""
    others = tuple(Seen("Observation", f"unknown-{n}", 1) for n in range(unknown))
    rows = [replace(LOOK, seen=(*(seen for seen, _ in told), *others))]
    return my_log.gathered(rows, {seen.id: name for seen, name in told})


def test_what_was_seen_is_named_by_day_the_newest_first() -> None:
    (looks,) = named(blood("P-Natrium"), blood("P-Kalium"), blood("B-HbA1c", 22), blood("Ukjent dag", None), unknown=2)
    assert [(one.at and one.at.day.day, one.names) for one in looks.which] == [
        (22, ("B-HbA1c",)),
        (20, ("P-Kalium", "P-Natrium")),
        (None, ("Ukjent dag",)),
    ]
    assert (looks.listed, looks.nameless) == (4, 2)


def test_a_report_its_order_and_its_result_of_one_name_are_told_once_and_two_results_are_two() -> None:
    same = [blood("CT caput", type_=type_) for type_ in ("ServiceRequest", "Observation", "DiagnosticReport")]
    two = [blood("P-Glukose", id_=f"glucose-{n}") for n in range(2)]
    ((one,),) = [looks.which for looks in named(*same, *two)]
    assert one.names == ("CT caput", "P-Glukose × 2")


def test_what_has_no_words_of_its_own_is_none_that_the_reader_may_not_know() -> None:
    (looks,) = named(blood("", type_="ServiceRequest"), blood("Serum", type_="Specimen"), unknown=1)
    assert (looks.which, looks.nameless) == ((), 1)


def test_lines_that_are_one_name_what_each_of_them_saw_once() -> None:
    one, other = blood("P-Kalium"), blood("P-Natrium")
    rows = [replace(LOOK, seen=(one[0],)), replace(LOOK, seen=(other[0], one[0]))]
    (looks,) = my_log.gathered(rows, {seen.id: name for seen, name in (one, other)})
    assert [which.names for which in looks.which] == [("P-Kalium", "P-Natrium")]


@pytest.mark.parametrize(
    ("unnamed", "told", "is_last"),
    [
        ("kept", "Så noe som ikke kan navngis her, i prøvesvarene", True),
        ("deleted", "Så noe som siden er slettet, i prøvesvarene", True),
        ("anothers", "Så noe som ligger hos en annen, i prøvesvarene", True),
        ("untold", "Søkte eller slo opp, eller så navnet på en liste, i prøvesvarene", False),
        ("", "Søkte, eller så navnet på en liste, uten å få se prøvesvarene", False),
    ],
)
async def test_no_line_says_that_nothing_was_seen_where_something_was(
    browser: Browser, house: FakeHouse, unnamed: Unnamed, told: str, is_last: bool
) -> None:
    house.looked = (replace(LOOK, what=(), seen=(), unnamed=unnamed),)
    await browser.citizen()
    assert told in text(await browser.get("/me/log"))
    last = text(await browser.get("/me")).split("Sist sett av")[1]
    assert (LOOK.who in last) == is_last
    assert ("Ingen andre har sett" in last) == (unnamed == ""), "only where it is true"


async def test_an_emergency_is_marked_among_who_looked_last_and_a_refused_download_is_a_try(
    browser: Browser, house: FakeHouse
) -> None:
    house.looked = (
        replace(LOOK, basis="AKUTT", acute=True),
        replace(LOOK, what=(), given=False, took=True, by="representative", purpose="PWATRNY"),
    )
    await browser.citizen()
    assert "Akutt situasjon akutt" in text(await browser.get("/me")).split("Sist sett av")[1]
    log = text(await browser.get("/me/log?show=all"))
    assert "Prøvde å laste ned: prøvesvarene" in log and "På vegne av en annen" in log


async def test_few_names_stand_open_and_many_are_folded_away(browser: Browser, house: FakeHouse) -> None:
    told = [blood(name, id_=name) for name in ("A", "B", "C", "D")]
    house.names = {seen.id: name for seen, name in told}
    seen = tuple(seen for seen, _ in told)
    gone = Seen("Observation", "gone", 1)
    house.looked = (replace(LOOK, seen=(*seen[:3], gone)), replace(LOOK, seen=seen, at=AT - timedelta(days=1)))
    await browser.citizen()
    page = await browser.get("/me/log")
    few, many = page.text.split("log-row")[1:]
    assert "<details" not in few
    assert "20.11.2026 A, B, C Og ett til som ikke kan navngis her." in text(page)
    assert '<details class="which"><summary>Vis hvilke (4)</summary>' in many
    assert "20.11.2026 A, B, C, D" in text(page)


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ({"from": "23.11.2026"}, "day"),
        ({"to": "0001-01-01"}, "day"),
        ({"from": "2026-11-23", "to": "2026-11-22"}, "period"),
        ({"show": "everything"}, "choice"),
        ({"organisation": "Solbakken"}, "choice"),
        ({"service": "dreams"}, "choice"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(typed: dict[str, str], where: str) -> None:
    with pytest.raises(Refusal) as refusal:
        my_log.asked(typed)
    assert refusal.value.where == where


def test_a_period_is_of_norwegian_days_both_included() -> None:
    wanted = my_log.asked({"from": "2026-03-29", "to": "2026-03-29"})
    assert wanted.since == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert wanted.until == datetime(2026, 3, 29, 22, tzinfo=UTC), "the clock goes forward on that day"


def test_a_page_ends_between_two_days() -> None:
    lines = [line(AT - timedelta(hours=5 * number)) for number in range(12)]
    kept = live_log.whole_days(lines, 10)
    assert len(kept) < 10
    assert {one.at.astimezone(OSLO).date() for one in kept}.isdisjoint(
        one.at.astimezone(OSLO).date() for one in lines[len(kept) :]
    )
    assert live_log.whole_days(lines, 12) == lines
    busy = [line(AT - timedelta(seconds=number)) for number in range(12)]
    assert live_log.whole_days(busy, 10) == busy[:10], "one day that fills more than a page"


def test_a_place_in_the_log_is_read_back_and_what_is_none_is_refused() -> None:
    number = UUID(int=5)
    assert live_log.place_of(live_log.handle(line(AT, number))) == Place(AT, number)
    for told in ("", "1", "1.x", f"x.{number.hex}", f"-1.{number.hex}", f"{10**16 * 9}9.{number.hex}", f"1.{'0' * 40}"):
        with pytest.raises(Refusal):
            live_log.place_of(told)


def test_every_deed_beside_the_record_has_its_words() -> None:
    assert live_log.DEEDS.keys() == insight.DEEDS | {"ask", "choose", "erase"}, (
        "what the citizen asks for and chooses is her own deed, and what she chose deletes"
    )


async def test_the_log_is_narrowed_by_period_organisation_and_deed(browser: Browser, house: FakeHouse) -> None:
    await browser.citizen()
    page = await browser.get("/me/log?show=seen&from=2026-11-01&to=2026-11-20&organisation=100000024&service=results")
    assert house.asked[-1] == Wanted(
        datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 20, 23, tzinfo=UTC), "seen", "100000024", "results"
    )
    assert "Siri Vik" in text(page)
    assert "Ola Hagen" not in text(page)
    assert "Én hendelse · utvalg av loggen" in text(page)
    assert 'href="/me/log?show=refused&amp;from=2026-11-01&amp;' in page.text, "another deed keeps the period"


async def test_a_fault_in_what_is_asked_for_is_told_beside_it_and_shows_nothing(
    browser: Browser, house: FakeHouse
) -> None:
    await browser.citizen()
    asked = len(house.asked)
    page = await browser.get("/me/log?from=2026-11-23&to=2026-11-22")
    assert (page.status_code, len(house.asked)) == (400, asked)
    assert "Perioden slutter før den begynner." in text(page)
    assert "log-row" not in page.text
    assert 'value="2026-11-23"' in page.text, "what was typed stands there"


async def test_a_long_log_is_read_to_its_end_and_counted(browser: Browser, house: FakeHouse) -> None:
    house.looked = tuple(
        replace(LOOK, who=f"Lege {number}", at=AT - timedelta(days=number), handle=str(number)) for number in range(7)
    )
    house.log_page = 3
    await browser.citizen()
    page, met = await browser.get("/me/log"), []
    while True:
        met += re.findall(r"<strong>(Lege \d)</strong>", page.text)
        onward = re.search(r'href="(/me/log\?[^"]*after=[^"]+)"', page.text)
        if not onward:
            break
        assert f"Viser hendelse {len(met) - 2}–{len(met)} av 7" in text(page)
        page = await browser.get(unescape(onward[1]))
    assert met == [f"Lege {number}" for number in range(7)]
    assert "Viser hendelse 7–7 av 7" in text(page)
    assert "De nyeste" in text(page)


@pytest.mark.parametrize("query", ["from=2026-11-01&from=2026-11-02", "x=1", "show=all&show=seen", "until=2026-11-01"])
async def test_a_choice_that_the_log_does_not_have_or_has_twice_is_told_and_shows_nothing(
    browser: Browser, query: str
) -> None:
    await browser.citizen()
    page = await browser.get(f"/me/log?{query}")
    assert page.status_code == 400
    assert "Utvalget finnes ikke." in text(page)
    assert "log-row" not in page.text
