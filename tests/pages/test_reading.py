"""A record too long to be drawn: what is here is told as a part, and what is not here is called neither empty nor text."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from re import DOTALL, findall, sub
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.validate import check
from kjerne.pages import charts, formats, reading, trend_data
from kjerne.pages.house import Chart, Identity, Visit
from kjerne.services.results.former import with_former
from kjerne.services.results.points import Point
from kjerne.wire import json as strict_json
from pages import resources as r
from pages.browser import Browser, text
from pages.fake import FakeHouse, patients


@pytest.fixture
async def cut(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> int:
    """The made-up house has fifty older results that are not drawn, and with them all of one report."""
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        found = await drawn(who, visit)
        gone = {
            ref["reference"].rpartition("/")[2]
            for report in found.reports
            if report["id"] == "rep-blood-1"
            for ref in report["result"]
        }
        kept = tuple(one for one in found.observations if one["id"] not in gone)
        return replace(found, observations=kept, whole=len(kept) + 50)

    monkeypatch.setattr(house, "chart", chart)
    return 50


@pytest.mark.parametrize("where", ["/me", "/me/results", "/me/report/rep-blood-4", "", "/print", "/report/rep-blood-4"])
async def test_every_page_of_results_says_how_many_of_them_are_here(
    browser: Browser, house: FakeHouse, cut: int, where: str
) -> None:
    if where.startswith("/me"):
        await browser.citizen()
        page = await browser.get(where)
    else:
        await browser.clinician()
        page = await browser.get(f"{(await browser.open('Kari Nordvik')).url.path}{where}")
    (told,) = findall(r"Bare de (\d+) nyeste av (\d+) resultater er med på disse sidene\.", text(page))
    assert int(told[1]) - int(told[0]) == cut


async def test_a_trend_calls_its_values_those_that_are_here(browser: Browser, cut: int) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    (key,) = findall(r'/trend/([0-9a-f]+)"[^>]*>B-HbA1c<', page.text)[:1]
    clinicians = text(await browser.get(f"{page.url.path}/trend/{key}"))
    await browser.citizen()
    for said in (clinicians, text(await browser.get(f"/me/trend/{key}"))):
        assert "Verdier som er med her" in said
        assert "Alle verdier" not in said
        assert "nyeste av" in said


async def test_a_report_whose_results_are_older_is_no_text_without_words(browser: Browser, cut: int) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    texts = page.text[page.text.index('id="texts"') :].partition("</section>")[0]
    assert "rep-blood-1" not in texts
    said = text(await browser.get(f"{page.url.path}/report/rep-blood-1"))
    assert "De kan være eldre enn dem som er med på disse sidene" in said
    assert "Svaret har ingen tekst" not in said


async def test_a_whole_record_is_told_as_whole(browser: Browser, house: FakeHouse) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    assert "er med på disse sidene" not in text(page)
    shown = reading.read(await house.chart(house.identities["clinician"], Visit("v", 1, "TREAT", house.clock.now())))
    assert shown.chart.whole == 0
    assert "rep-concluded" in {one.id for one in shown.texts}


LONG = "Pasienten har vært urolig og sovet lite den siste uken."


@pytest.fixture
def alone(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up house has results that no report names: a long text, one that was a number, and one without a value."""
    drawn = house.chart
    former = r.change("corrected", "2026-11-20T12:00:00+01:00", valueQuantity=r.quantity("317", "mg/L"))
    found = (
        r.observation("alone-1", "Notat om uro", "", "2026-11-19") | {"valueString": LONG},
        r.observation("alone-2", "Ble til tekst", "", "2026-11-18", text=f"{LONG} Igjen.", extension=(former,)),
        r.observation("alone-3", "Måling uten tall", "", "2026-11-17")
        | {"dataAbsentReason": {"text": "Røret var tomt"}},
    )

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        before = await drawn(who, visit)
        return replace(before, observations=(*before.observations, *found))

    monkeypatch.setattr(house, "chart", chart)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("kind", ["clinician", "citizen"])
async def test_a_result_that_no_report_names_is_on_the_pages(browser: Browser, kind: str) -> None:
    if kind == "citizen":
        await browser.citizen()
        page, root = await browser.get("/me/results"), "/me"
    else:
        await browser.clinician()
        page = await browser.open("Kari Nordvik")
        root = page.url.path
        assert LONG in text(await browser.get(f"{root}/print"))
    said = text(page)
    for told in ("Notat om uro", "Ble til tekst", "Måling uten tall", "uten verdi"):
        assert told in said, told
    assert LONG in text(await browser.get(f"{root}/report/alone-1"))
    became = text(await browser.get(f"{root}/report/alone-2"))
    assert "Igjen." in became
    assert "317 mg/L" in became


@pytest.fixture
def flagged(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of the made-up house has a newborn's glucose, flagged by its laboratory, and a finding in words."""
    at, drawn = "2026-11-23T08:00:00+01:00", house.chart
    found = (
        r.observation("low", "P-Glukose", "", at, value=r.quantity("1.4", "mmol/L"), low="2.6", high="6.0", flag="2",
                      extension=(r.focus("newborn"),)),
        r.observation("found", "Us-Chlamydia DNA", "", at, text="Påvist", flag="3"),
    )  # fmt: skip
    report = r.report("rep-flagged", "MBIO", "Mikrobiologi", at, ("low", "found"))

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        before = await drawn(who, visit)
        unread = before.unread | {"rep-flagged"}
        return replace(
            before, observations=(*before.observations, *found), reports=(*before.reports, report), unread=unread
        )

    monkeypatch.setattr(house, "chart", chart)


@pytest.mark.usefixtures("flagged")
async def test_a_flag_on_what_is_told_in_text_is_shown_and_counted(browser: Browser) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    for place in ("unread", "texts"):
        said = listed(page, place, "rep-flagged")
        assert said.count("1 utenfor") == 2, place
        assert "Noe gjelder nyfødt barn, ikke pasienten selv Glukose · 1 utenfor" in said, place
    for where in (f"{page.url.path}/report/rep-flagged", f"{page.url.path}/print"):
        said = text(await browser.get(where))
        assert "lav 1,4 mmol/L Ref. 2,6–6,0" in said, where
        assert "avvik Påvist" in said, where
    await browser.citizen()
    for where in ("/me", "/me/results"):
        card = carded(await browser.get(where), "rep-flagged")
        assert card.count("1 utenfor det vanlige") == 2, where
        assert "Noe gjelder nyfødt barn, ikke pasienten selv Glukose · 1 utenfor det vanlige" in card, where
    assert "lav 1,4 mmol/L Ref. 2,6–6,0" in text(await browser.get("/me/report/rep-flagged"))


def listed(page: httpx.Response, place: str, report: str) -> str:
    """What one row of a list of reports says."""
    part = page.text[page.text.index(f'id="{place}"') :].partition("</section>")[0].partition("</nav>")[0]
    (own,) = findall(rf'<li[^>]*><a[^>]*/report/{report}".*?</li>', part, DOTALL)
    return words(own)


def carded(page: httpx.Response, report: str) -> str:
    """What one card on the citizen's pages says."""
    (own,) = findall(rf'<a class="card" href="/me/report/{report}".*?</a>', page.text, DOTALL)
    return words(own)


def words(markup: str) -> str:
    return " ".join(sub(r"<[^>]+>", " ", markup).split())


@pytest.fixture
def newborns(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report about a newborn alone, both of its values flagged: on its mother, and she asked for it."""
    at, drawn = "2026-11-23T08:00:00+01:00", house.chart
    found = (
        r.observation("hb", "B-Hemoglobin", "", at, value=r.quantity("17.5", "g/dL"), low="11.7", high="15.3", flag="1",
                      extension=(r.focus("newborn"),)),
        r.observation("bil", "P-Bilirubin", "", at, value=r.quantity("412", "umol/L"), high="250",
                      extension=(r.focus("newborn"),)),
    )  # fmt: skip
    report = r.report("rep-newborn", "CLIN", "Medisinsk biokjemi", at, ("hb", "bil"))

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        before = await drawn(who, visit)
        unread = before.unread | {"rep-newborn"}
        return replace(
            before, observations=(*before.observations, *found), reports=(*before.reports, report), unread=unread
        )

    monkeypatch.setattr(house, "chart", chart)


CHILDS = "Medisinsk biokjemi Gjelder nyfødt barn, ikke pasienten selv Hemoglobin, Bilirubin · 2 utenfor"
"""The count stands behind the mark: it is the child's."""


@pytest.mark.usefixtures("newborns")
async def test_a_newborns_report_says_in_every_list_that_it_is_not_the_mothers(browser: Browser) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    beside = await browser.get(f"{page.url.path}/report/rep-blood-1")
    for place in ("unread", "texts"):
        assert CHILDS in listed(page, place, "rep-newborn"), place
        assert listed(page, place, "rep-newborn").count("utenfor") == 1, place
    told = listed(beside, "reports", "rep-newborn")
    assert CHILDS.partition(" Hemoglobin")[0] in told, (
        "a heading beside another says it too, and nothing of what was found"
    )
    assert "utenfor" not in told and "Hemoglobin" not in told
    await browser.citizen()
    for where in ("/me", "/me/results"):
        card = carded(await browser.get(where), "rep-newborn")
        assert card.count("utenfor det vanlige") == 1, where
        assert "ikke pasienten selv Hemoglobin, Bilirubin · 2 utenfor det vanlige" in card, where
        assert "Alt innenfor" not in card, where


@pytest.fixture
def awaited(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """She asked for a report of which only the sample was taken so far."""
    at, drawn = "2026-11-23T08:00:00+01:00", house.chart
    waits = r.absent("waits", "P-Kreatinin", "", at, "temp-unknown", status="registered")
    report = r.report("rep-awaited", "CLIN", "Medisinsk biokjemi", at, ("waits",), status="registered")

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        before = await drawn(who, visit)
        return replace(
            before, observations=(*before.observations, waits), reports=(*before.reports, report),
            unread=before.unread | {"rep-awaited"},
        )  # fmt: skip

    monkeypatch.setattr(house, "chart", chart)


@pytest.mark.usefixtures("awaited")
async def test_a_report_that_waits_for_its_answer_waits_for_no_acknowledgement(browser: Browser) -> None:
    await browser.clinician()
    page = await browser.open("Kari Nordvik")
    assert "/report/rep-awaited" not in page.text[page.text.index('id="unread"') :].partition("</section>")[0]
    assert "bestilt eller tatt, venter på svar" in text(page), "it is in the table"
    own = await browser.get(f"{page.url.path}/report/rep-awaited")
    assert own.status_code == 200
    assert f'action="{page.url.path}/acknowledge"' not in own.text
    beside = await browser.get(f"{page.url.path}/report/rep-blood-1")
    assert "venter på svar" in listed(beside, "reports", "rep-awaited")


NUMBERS = (
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][-+]?[0-3]?[0-9])?", fullmatch=True)
    | st.sampled_from(["1e64", "9" * 60 + "e64", "-1e-64", "0e-64"])
).map(lambda digits: msgspec.Raw(digits.encode()))  # fmt: skip
TIMES = st.sampled_from(
    ["2026", "2026-03", "2026-03-11", "0001", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60-14:00",
     "2026-03-11T08:15:00Z"]
)  # fmt: skip
WORDS = st.sampled_from(["1", "a\nb", "x" * 5_000]) | st.text("ab <>&{}\u0661", min_size=1, max_size=20)
AMOUNTS = st.fixed_dictionaries(
    {"value": NUMBERS}, optional={"unit": WORDS, "comparator": st.sampled_from(["<", ">="])}
)
CONCEPTS = st.fixed_dictionaries(
    {"text": WORDS},
    optional={"coding": st.lists(st.fixed_dictionaries({"code": st.just("a"), "display": WORDS}), min_size=1)},
)
SAMPLES = st.fixed_dictionaries(
    {"origin": AMOUNTS, "period": NUMBERS, "dimensions": st.integers(1, 3)},
    optional={"factor": NUMBERS, "data": st.sampled_from(["1 ? 3", "sNaN", "1e999999", "E U", "1e99 1"]) | WORDS},
)
VALUES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({name: inner})
    for name, inner in {
        "valueQuantity": AMOUNTS, "valueCodeableConcept": CONCEPTS, "valueString": WORDS, "valueBoolean": st.booleans(),
        "valueInteger": st.integers(-(2**31), 2**31 - 1), "valueSampledData": SAMPLES, "valueDateTime": TIMES,
        "valueRange": st.fixed_dictionaries({"low": AMOUNTS}, optional={"high": AMOUNTS}),
        "valueRatio": st.fixed_dictionaries({"numerator": AMOUNTS, "denominator": AMOUNTS}),
        "valueTime": st.sampled_from(["23:59:60", "00:00:00", "07:30:00.123"]),
        "valuePeriod": st.fixed_dictionaries({"start": TIMES}, optional={"end": TIMES}),
    }.items()
)  # fmt: skip


@st.composite
def versions(draw: st.DrawFn) -> list[bytes]:
    """Two versions of a result that somebody might send, as bytes."""
    made: list[bytes] = []
    for status in ("corrected", "final"):
        ends: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"low": AMOUNTS, "high": AMOUNTS}))
        parts = [{"code": {"text": "Del"}} | part for part in draw(st.lists(VALUES, max_size=2))]
        tree = {
            "resourceType": "Observation",
            "status": status,
            "code": {"text": "Noe"},
            "effectiveDateTime": draw(TIMES),
        }
        tree |= draw(VALUES) | {"referenceRange": [ends | {"text": "x"}]} | ({"component": parts} if parts else {})
        made.append(msgspec.json.encode(tree))
    return made


@given(st.lists(versions(), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_what_is_let_in_breaks_no_page_and_fills_none(sent: list[list[bytes]]) -> None:
    found = []
    for number, pair in enumerate(sent):
        with suppress(Refusal):
            trees = [strict_json.parse(raw) | {"id": str(number)} for raw in pair]
            right = [tree for tree in trees if not check(tree, "Observation")]
            found += [with_former(right[0], right[1:])] if right else []
    shown = reading.read(Chart(patients()[1], datetime(2026, 11, 23, tzinfo=UTC), observations=tuple(found)))
    for one in shown.series:
        written = [formats.span(point.range, "nb") for point in one.points]
        written += [formats.value(value, "nb") for point in one.points for value in _values(point)]
        assert max(map(len, written), default=0) <= 50_000
        assert charts.sparkline(one) is not None
        assert charts.trend(one, "nb", "x") is not None
        assert trend_data.plot(one, "nb")


def _values(point: Point) -> list[Any]:
    old = [point.old] if point.old else []
    return [point.value, *old, *(part.value for part in (*point.parts, *point.old_parts))]


@pytest.fixture
def ranged(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one analysis the newest result but one has a range of its own, and the one before it none."""
    drawn = house.chart

    def changed(one: r.Resource) -> r.Resource:
        own: Any = {"2": [{"low": {"value": Decimal("3.4")}, "high": {"value": Decimal("4.0")}}], "1": []}
        column = one["id"].rpartition("-")[2]
        if one["code"].get("text") != "P-Kalium" or column not in own:
            return one
        return {name: said for name, said in one.items() if name != "referenceRange"} | (
            {"referenceRange": own[column]} if own[column] else {}
        )

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        found = await drawn(who, visit)
        return replace(found, observations=tuple(changed(one) for one in found.observations))

    monkeypatch.setattr(house, "chart", chart)


@pytest.mark.parametrize("where", ["?period=all", "/print"])
async def test_a_result_with_another_range_than_its_row_shows_says_so_beside_its_value(
    browser: Browser, ranged: None, where: str
) -> None:
    await browser.clinician()
    page = await browser.get(f"{(await browser.open('Kari Nordvik')).url.path}{where}")
    rows = [one.partition("</tr>")[0] for one in page.text.split("<tr")]
    (row,) = [one for one in rows if 'scope="row"' in one and ">P-Kalium" in one]
    told = [" ".join(sub("<[^>]+>", " ", one).split()) for one in findall('own-range">(.*?)</td>', row, flags=DOTALL)]
    assert told[0] == "Egen referanse: Ref. 3,4–4,0"
    older = [] if where == "/print" else ["uten referanseområde"]  # five dates on paper
    assert told[1:] == older, "the others have the row's own"
