"""What the results and report pages show: every result of a moment, every report, and why a version is not known."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from re import DOTALL, findall, search

import httpx
import pytest

from kjerne.pages.house import Chart, Identity, Visit
from pages import resources as r
from pages.browser import Browser, later, text
from pages.fake import HEMOLYSED, STALE_SAMPLE, WRONG_SAMPLE, FakeHouse


async def opened(browser: Browser) -> httpx.Response:
    await browser.clinician()
    return await browser.open("Kari Nordvik")


def row(page: httpx.Response, name: str) -> str:
    found = search(rf"<tr>\s*<th scope=\"row\" class=\"first\"><a[^>]*>{name}</a>.*?</tr>", page.text, DOTALL)
    assert found, name
    return found[0]


async def test_results_of_one_moment_stand_on_lines_of_their_own_and_colour_the_cell(browser: Browser) -> None:
    glucose = row(await opened(browser), "P-Glukose")
    (cell,) = findall(r"<td class=\"num high\">(.*?)</td>", glucose, DOTALL)
    results = cell.split('<span class="result">')[1:]
    assert len(results) == 3
    assert sum("høy" in one for one in results) == 1
    assert all("rettet" in one for one in results)


async def test_the_printed_sheet_keeps_results_of_one_moment_apart(browser: Browser) -> None:
    page = await opened(browser)
    assert (await browser.get(f"{page.url.path}/print")).text.count('<span class="result">') > 3


async def test_the_latest_result_is_the_newest_version(browser: Browser) -> None:
    glucose = row(await opened(browser), "P-Glukose")
    latest = search(r"latest-cell[^>]*>(.*?)</td>", glucose, DOTALL)
    assert latest
    assert "5,0" in latest[1]
    assert "7,9" not in latest[1]


async def test_a_corrected_result_without_its_old_value_says_why(browser: Browser) -> None:
    assert "Første versjon er ikke mottatt." in unescape(row(await opened(browser), "P-Glukose"))


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("rep-concluded", ("Konklusjon", "Ingen tegn til demyelinisering.")),
        ("rep-cancelled", ("trukket", "Svaret er trukket tilbake.", "Prøven var merket med feil person.")),
        ("rep-headless", ("Første versjon er ikke mottatt.", "ikke kjent her")),
    ],
)
async def test_a_report_is_read_in_full_by_clinician_and_citizen(
    browser: Browser, report: str, says: tuple[str, ...]
) -> None:
    page = await opened(browser)
    as_clinician = text(await browser.get(f"{page.url.path}/report/{report}"))
    await browser.citizen()
    as_citizen = text(await browser.get(f"/me/report/{report}"))
    for words in says:
        assert words in as_clinician
        assert words in as_citizen


async def test_reports_without_results_are_listed_for_clinician_and_citizen(browser: Browser) -> None:
    page = await opened(browser)
    await browser.citizen()
    listed = await browser.get("/me/results")
    for report in ("rep-concluded", "rep-cancelled"):
        assert f"/report/{report}" in page.text
        assert f"/report/{report}" in listed.text


async def test_rows_kept_apart_show_why_under_the_name(browser: Browser) -> None:
    page = await opened(browser)
    everything = await browser.get(f"{page.url.path}?period=all")
    assert '<span class="sub">mmol/L</span>' in everything.text
    assert '<span class="sub">g/dL</span>' in everything.text


async def test_the_table_says_how_many_dates_it_has(browser: Browser) -> None:
    page = await opened(browser)
    assert "datoer, flere til høyre" in text(page)


@pytest.mark.parametrize("to", ["clinician", "me"])
async def test_each_file_of_a_report_is_linked_or_said_why_not(browser: Browser, to: str) -> None:
    root = (await opened(browser)).url.path if to == "clinician" else (await browser.citizen()).url.path
    page = await browser.get(f"{root}/report/rep-concluded")
    said = text(page)
    for part in ("Nøkkelbilder Bilde (PNG) · 1 kB", "Rådata", "kan ikke vises her", "fulgte ikke med svaret"):
        assert part in said
    links = findall(r'<a class="ds-button"[^>]* href="([^"]+/file/[^"]+)"', page.text)
    assert len(links) == 5, "what another took the place of too"
    for link in links:
        file = await browser.get(link)
        assert file.status_code == 200
        assert file.headers["cache-control"] == "no-store"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in file.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("nb", "Beskrivelse med bilder Byttet ut eller tatt bort 22.05.2026 09:14 Åpne det som sto før"),
        ("nn", "Beskrivelse med bilder Bytt ut eller teke bort 22.05.2026 09:14 Opne det som stod før"),
        ("en", "Beskrivelse med bilder Replaced or removed 22 May 2026 09:14 Open what was there before"),
    ],
)
@pytest.mark.parametrize("to", ["clinician", "me"])
async def test_a_file_that_was_replaced_is_told_with_the_time_and_led_to(
    browser: Browser, to: str, language: str, says: str
) -> None:
    root = (await opened(browser)).url.path if to == "clinician" else (await browser.citizen()).url.path
    await browser.get(f"/language?to={language}&back=/")
    page = await browser.get(f"{root}/report/rep-concluded")
    assert says in text(page)
    assert '<span class="mark corrected">' in page.text.partition("</h1>")[0]
    report, file, version = r.FORMER_FILE
    link = f"{root}/report/{report}/file/{file}/former"
    assert f'href="{link}/{version}"' in page.text
    assert (await browser.get(f"{link}/{version}")).content == r.FILES["b-pdf"]
    for wrong in ("2", "x", "1" * 10):
        assert (await browser.get(f"{link}/{wrong}")).status_code == 404


async def test_a_file_is_reached_through_its_own_report_alone(browser: Browser) -> None:
    root = (await opened(browser)).url.path
    for path in ("rep-ct/file/b-png", "rep-concluded/file/other", "other/file/b-png"):
        answer = await browser.get(f"{root}/report/{path}")
        assert answer.status_code == 404
        assert "Vedlegget finnes ikke" in text(answer)


async def test_a_flag_of_ours_is_explained_where_it_stands_and_nowhere_else(browser: Browser) -> None:
    root = (await opened(browser)).url.path
    ours = "beregnet av kjerne ut fra laboratoriets referanseområde"
    assert ours in text(await browser.get(f"{root}/report/rep-blood-4")), "ferritin has no flag of the laboratory's"
    assert ours not in text(await browser.get(f"{root}/report/rep-blood-2"))


async def test_the_laboratorys_comment_stands_behind_its_mark_in_the_table_and_needs_no_script(
    browser: Browser,
) -> None:
    page = await opened(browser)
    for name, said in (("P-CA 19-9", STALE_SAMPLE), ("P-Natrium", WRONG_SAMPLE)):
        cells = findall(r"<td[^>]*>(.*?)</td>", row(page, name), DOTALL)
        held = [cell for cell in cells if said in unescape(cell)]
        assert held, name
        for cell in held:
            assert search(r"<details[^>]*><summary>kommentar</summary>.*?</details>", cell, DOTALL)


@pytest.mark.parametrize("path", ["/me/results", "/me/report/rep-comment", "print", "report/rep-comment"])
async def test_a_comment_stands_in_full_where_results_are_read(browser: Browser, path: str) -> None:
    if path.startswith("/me"):
        await browser.citizen()
        page = await browser.get(path)
    else:
        page = await browser.get(f"{(await opened(browser)).url.path}/{path}")
    said = [STALE_SAMPLE] if path == "/me/results" else [STALE_SAMPLE, WRONG_SAMPLE]
    assert 'class="remark"' not in page.text
    for words in said:
        assert words in text(page)


async def test_the_printed_sheet_tells_columns_of_one_day_apart_by_the_clock(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = house.chart
    taken = ("2026-11-18T08:00:00+01:00", "2026-11-19T08:15:00+01:00", "2026-11-19T14:30:00+01:00")
    found = [
        r.observation(f"t{place}", "P-Troponin T", "NPU27501", at, value=r.quantity(f"{place + 8}", "ng/L"))
        for place, at in enumerate(taken)
    ]

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=tuple(found), reports=())

    monkeypatch.setattr(house, "chart", chart)
    sheet = await browser.get(f"{(await opened(browser)).url.path}/print")
    headings = findall(r'<th scope="col" class="num">(.*?)</th>', sheet.text)
    assert headings[-3:] == ["19.11.2026 14:30", "19.11.2026 08:15", "18.11.2026"]
    assert '<td class="num">19.11.2026 14:30</td>' in sheet.text


async def test_a_number_on_the_printed_sheet_leads_to_the_comment_under_it(browser: Browser) -> None:
    page = await browser.get(f"{(await opened(browser)).url.path}/print")
    listed = findall(r"<li><strong[^>]*>(.*?)</strong>", page.text)
    numbers = findall(r'remark-number"><span class="sr">kommentar </span>(\d+)</sup>', page.text)
    assert set(numbers) == {str(n + 1) for n in range(len(listed))}
    assert {"P-CA 19-9", "P-Natrium"} <= set(listed)


@pytest.mark.parametrize("path", ["results", "print", "report/rep-empty", "/me/results", "/me/report/rep-empty"])
async def test_a_result_without_a_value_is_named_with_its_comment_on_every_page(browser: Browser, path: str) -> None:
    root = (await opened(browser)).url.path
    if path.startswith("/me"):
        await browser.citizen()
    said = text(await browser.get(path if path.startswith("/me") else f"{root}/{path}".removesuffix("/results")))
    for words in ("Fosfat", "uten verdi", HEMOLYSED):
        assert words in said
    if "rep-empty" not in path:
        assert search("Troponin T.*venter på svar", said)


async def test_the_latest_is_the_one_that_stands_and_a_withdrawn_newer_one_is_still_seen(browser: Browser) -> None:
    page = await opened(browser)
    cholesterol = row(page, "P-Kolesterol")
    latest = search(r"latest-cell[^>]*>(.*?)</td>", cholesterol, DOTALL)
    assert latest
    assert "5,1" in latest[1]
    assert search(r"<del>2,9</del>.*?trukket", cholesterol, DOTALL)
    key = search(r"/trend/([0-9a-f]+)", cholesterol)
    assert key
    assert search(
        r"P-Kolesterol .*?5,1 mmol/L 02\.09\.2026 09:05 22\.11\.2026 2,9 trukket",
        text(await browser.get(f"{page.url.path}/trend/{key[1]}")),
    )
    await browser.citizen()
    assert "Nyeste svar, 2. september 2026 5,1 mmol/L" in text(await browser.get(f"/me/trend/{key[1]}"))
    assert "22. november 2026: 2,9 Laboratoriet har trukket svaret tilbake" in text(await browser.get("/me/results"))


@pytest.mark.parametrize("to", ["clinician", "me"])
async def test_what_was_corrected_or_taken_back_in_a_resistance_table_is_still_seen(browser: Browser, to: str) -> None:
    root = (await opened(browser)).url.path if to == "clinician" else (await browser.citizen()).url.path
    page = await browser.get(f"{root}/report/rep-isolate")
    grid = unescape(search(r"<table class=\"plain sir\">.*?</table>", page.text, DOTALL)[0])  # type: ignore[index]
    said = " ".join(findall(r"[^\s<>]+(?=[^<>]*<)", grid.replace("</", " </")))
    assert search(r"Klebsiella før rettelsen: E\. coli rettet", said)
    assert search(r"Ampicillin R Resistent før rettelsen: S Sensitiv rettet Kontrollert med ny metode", said)
    assert search(r"Mecillinam S Sensitiv trukket", said)
    assert search(
        r"<del>\s*<span class=\"sir-level\">S</span> Sensitiv\s*</del>\s*<span class=\"mark withdrawn\">", grid
    )
    assert search(r"Trimetoprim S Sensitiv$", said.strip())


async def test_the_limit_itself_is_not_told_to_be_inside_and_our_flag_is_marked_as_ours(browser: Browser) -> None:
    troponin = row(await opened(browser), "P-Troponin T")
    assert search(r'class="flag high ours".*?>14<', troponin, DOTALL)
    await browser.citizen()
    said = text(await browser.get("/me/results"))
    assert search(r"Troponin T Hjertemuskelen 14 ng/L Høyere enn det vanlige \(beregnet av kjerne\)", said)


@pytest.mark.parametrize("path", ["results", "print", "report/rep-renamed", "/me/results", "/me/report/rep-renamed"])
async def test_a_corrected_analysis_says_on_every_page_what_it_was_and_what_it_became(
    browser: Browser, path: str
) -> None:
    root = (await opened(browser)).url.path
    if path == "/me/results":
        await browser.citizen()
        said = text(await browser.get(path))
        assert "CRP Tegn på betennelse 38 mg/L" in said, "the one that stands is the newest"
        return
    if path.startswith("/me"):
        await browser.citizen()
    said = text(await browser.get(path if path.startswith("/me") else f"{root}/{path}".removesuffix("/results")))
    assert search(r"P-CRP.*88.*rettet til B-Leukocytter", said)
    assert "før rettelsen: P-CRP 88 mg/L rettet" in said


async def test_a_notice_says_in_sentences_what_she_saw_and_what_it_is_now(browser: Browser) -> None:
    await browser.clinician()
    said = text(await browser.get("/clinician"))
    for sentence in (
        "P-Kalium rettet Du så 5,9 mmol/L 14.11.2026. Svaret er nå 4,6 mmol/L .",
        "P-Troponin T trukket Du så 48 ng/L 14.11.2026. Svaret er trukket tilbake.",
        "P-Fosfat rettet Du så 0,4 mmol/L 14.11.2026. Svaret har nå ingen verdi ( ikke utført ).",
        "P-Natrium rettet Svaret hadde ingen verdi da du så det 14.11.2026. Det er nå 140 mmol/L .",
        "P-CRP ikke gjentatt Du så 0,4 mg/L 14.11.2026. Det står ikke i den nyeste versjonen av svaret.",
        "P-Urat rettet Svaret sto ikke i den nyeste versjonen da du så det 14.11.2026. Nå er det med igjen: 0,4 mg/L .",
        "CT thorax rettet Du så Ingen brudd. 14.11.2026. Svaret er nå Brudd i ribben.",
        "Blodtrykk rettet Du så Systolisk 151 mmHg 14.11.2026. Svaret er nå Systolisk 141 mmHg .",
    ):
        assert sentence in said
    page = (await browser.get("/clinician")).text
    assert "Brudd i ribben.</ins>." not in page
    assert "<del>0,4 mmol/L</del>" in page
    assert "<del>0,4 mg/L</del>" not in page, "what was left out was not taken back"


async def test_a_notice_names_the_analysis_it_was(browser: Browser) -> None:
    said = text(await browser.clinician())
    assert "B-Leukocytter rettet Du så P-CRP 88 mg/L 14.11.2026. Svaret er nå 8,8 10⁹/L" in said


async def test_a_correction_that_left_the_value_alone_says_nothing_of_an_unknown_one(browser: Browser) -> None:
    sodium = row(await opened(browser), "P-Natrium")
    assert search(
        r">140</span></span><span class=\"under\"><span class=\"mark corrected\">rettet</span></span>", sodium
    )
    assert "lost" not in sodium


@pytest.mark.parametrize("to", ["clinician", "me"])
async def test_a_report_without_a_name_is_titled_by_its_discipline(browser: Browser, to: str) -> None:
    root = (await opened(browser)).url.path if to == "clinician" else (await browser.citizen()).url.path
    page = await browser.get(f"{root}/report/rep-empty")
    assert ">Medisinsk biokjemi" in page.text
    assert "CLIN" not in text(page)


@pytest.mark.parametrize("value", [r.quantity("5.0", "mmol/L"), None], ids=["with its value", "never answered"])
async def test_a_result_that_a_correction_left_out_is_marked_where_the_citizen_reads_it(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch, value: r.Resource | None
) -> None:
    left_out = r.change("not-repeated", "2026-11-21T12:00:00+01:00")
    at = "2026-11-20T08:00:00+01:00"
    one = (
        r.observation("left", "P-Fosfat", "NPU03096", at, value=value, low="0.8", high="5.5", extension=(left_out,))
        if value
        else r.absent("left", "P-Fosfat", "NPU03096", at, "temp-unknown", status="cancelled")
        | {"extension": [left_out]}
    )
    report = r.report("rep-left", "CLIN", "Klinisk biokjemi", at, ("left",), status="amended")
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=(one,), reports=(report,))

    monkeypatch.setattr(house, "chart", chart)
    await browser.citizen()
    page = await browser.get("/me/results")
    says = "Laboratoriet har siden sendt svaret uten dette resultatet."
    assert text(page).count(says) == 1
    (trend,) = set(findall(r'href="(/me/trend/[^"]+)"', page.text))
    assert says in text(await browser.get(trend))
    assert "ikke gjentatt" in text(await browser.get("/me/report/rep-left"))


async def test_a_preliminary_result_that_was_left_out_is_struck_and_not_told_as_taken_back(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = r.change("not-repeated", "2026-11-21T12:00:00+01:00", valueQuantity=r.quantity("6.8", "mmol/L"))
    at = "2026-11-20T08:00:00+01:00"
    one = r.absent("left", "P-Fosfat", "NPU03096", at, "not-performed", status="cancelled", extension=(left_out,))
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=(one,), reports=())

    monkeypatch.setattr(house, "chart", chart)
    await browser.citizen()
    page = await browser.get("/me/results")
    assert "Laboratoriet har siden sendt svaret uten dette resultatet." in text(page)
    assert "<del>6,8" in page.text and "trukket" not in text(page)
    staff = await opened(browser)
    row = text(staff)[text(staff).index("P-Fosfat") :][:200]
    assert search(r"6,8 .*ikke gjentatt", row) and "trukket" not in row


async def test_what_was_left_out_after_the_newest_that_stands_is_marked_beside_it(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = r.change("not-repeated", "2026-11-21T12:00:00+01:00")
    stands = r.observation(
        "stands", "P-Fosfat", "NPU03096", "2026-11-19T08:00:00+01:00", value=r.quantity("1", "mmol/L")
    )
    waited = r.absent("left", "P-Fosfat", "NPU03096", "2026-11-20T08:00:00+01:00", "temp-unknown", status="cancelled")
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        found = await drawn(who, visit)
        return replace(found, observations=(stands, waited | {"extension": [left_out]}), reports=())

    monkeypatch.setattr(house, "chart", chart)
    await browser.citizen()
    assert text(await browser.get("/me/results")).count("Laboratoriet har siden sendt svaret uten dette") == 1


@pytest.mark.parametrize("reader", ["clinician", "citizen"])
async def test_a_report_names_the_sources_that_take_part(browser: Browser, house: FakeHouse, reader: str) -> None:
    if reader == "clinician":
        path = f"{(await opened(browser)).url.path}/report/rep-blood-4"
    else:
        await browser.citizen()
        path = "/me/report/rep-blood-4"
    said = text(await browser.get(path))
    sources = await house.sources()
    assert "2 kilder deltar i prøvesvar, 1 i utprøving" in said
    assert len(sources) == 2 and all(f"{one.name} " in said.partition("2 kilder")[2] for one in sources)


BY_FHIR = (
    "1:64", "nei", "200–350", "4 målinger, −2 – 3", "07:30", "oktober 2026", "14.11.2026 – 16.11.2026",
    "Systolisk", "151 mmHg", "Diastolisk", "84 mmHg",
)  # fmt: skip


async def test_every_kind_of_value_and_each_part_is_shown_to_clinician_and_citizen(browser: Browser) -> None:
    page = await opened(browser)
    sheet = await browser.get(f"{page.url.path}/print")
    report = await browser.get(f"{page.url.path}/report/rep-fhir")
    pressure = row(page, "Blodtrykk")
    assert "151 mmHg" in unescape(pressure) and "høy" in pressure
    await browser.citizen()
    own, own_report = await browser.get("/me/results"), await browser.get("/me/report/rep-fhir")
    for shown in (page, sheet, report, own, own_report):
        for said in BY_FHIR:
            assert said in text(shown), (shown.url, said)


async def test_of_several_values_the_one_that_was_corrected_is_still_seen(browser: Browser) -> None:
    page = await opened(browser)
    assert "før rettelsen: Systolisk 160 mmHg" in text(page)
    await browser.citizen()
    trend = search(
        r'href="(/me/trend/\w+)"[^>]*><span[^>]*><span[^>]*>Blodtrykk', (await browser.get("/me/results")).text
    )
    assert trend
    assert "Før rettelsen sto det: Systolisk 160 mmHg" in text(await browser.get(trend[1]))


async def test_the_legend_of_a_trend_explains_the_shapes_that_are_in_it(browser: Browser) -> None:
    page = await opened(browser)
    legends = {}
    for name in ("P-Glukose", "P-Kolesterol"):
        key = search(r"/trend/([0-9a-f]+)", row(page, name))
        assert key
        shown = await browser.get(f"{page.url.path}/trend/{key[1]}")
        legend = search(r"<figcaption>(.*?)</figcaption>", shown.text, DOTALL)
        assert legend
        legends[name] = set(findall(r'<span class="flag (\w+)">', legend[1]))
    assert legends == {"P-Glukose": {"high"}, "P-Kolesterol": set()}


async def test_where_only_the_period_is_empty_nothing_says_that_there_are_no_analyses(
    browser: Browser, house: FakeHouse
) -> None:
    later(house, 60 * 24 * 365 * 3)
    page = await opened(browser)
    assert "Ingen målte verdier i denne perioden. Vis alle" in text(page)
    assert "Alle analyser" not in text(page)
    assert "Alle analyser" in text(await browser.get(f"{page.url.path}?period=all"))


async def test_earlier_values_that_are_not_shown_say_how_many_are_outside_and_lead_to_the_trend(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = house.chart
    older = tuple(
        r.observation(
            f"hba1c-{number}", "B-HbA1c", "NPU27300", f"2023-0{number}-10T08:00:00+01:00",
            value=r.quantity("60" if number < 3 else "40", "mmol/mol"), flag="1" if number < 3 else "",
        )
        for number in range(1, 6)
    )  # fmt: skip

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        found = await drawn(who, visit)
        return replace(found, observations=(*found.observations, *older))

    monkeypatch.setattr(house, "chart", chart)
    page = await opened(browser)
    page = await browser.get(f"{page.url.path}?period=all")
    more = search(r'<a class="stack-more" href="([^"]+)">og 5 til, 2 utenfor</a>', page.text)
    assert more
    assert "B-HbA1c" in text(await browser.get(more[1]))


async def test_a_date_in_a_list_says_what_it_is_of_and_is_the_samples_where_that_is_known(browser: Browser) -> None:
    page = await opened(browser)
    desk, report = await browser.get("/clinician"), await browser.get(f"{page.url.path}/report/rep-urine")
    await browser.citizen()
    home = await browser.get("/me")
    lists = {
        "desk": (desk, r'<span class="quiet num">([^<]*\d{4})</span></span></button>'),
        "unread": (page, r'<li class="unread">.*?</strong><span>([^<]*\d{4})'),
        "texts": (page, r'<strong>[^<]*</strong><span><span class="num">([^<]*)</span> ·'),
        "reports": (
            report,
            r'</strong>(?:<span class="of-other">.*?</span></span>)?<span><span class="num">([^<]*\d{4})',
        ),
        "home": (home, r'<span class="card-date">([^<]*)</span>'),
    }
    for name, (shown, where) in lists.items():
        dates = findall(where, shown.text, DOTALL)
        assert dates, name
        for date in dates:
            assert date.startswith("sendt " if name == "desk" else ("tatt ", "sendt ", "uten dato")), (name, date)


async def test_beside_a_report_stand_few_others_and_the_rest_unfolds_where_it_is_one_of_them(browser: Browser) -> None:
    page = await opened(browser)
    first = await browser.get(f"{page.url.path}/report/rep-blood-3")
    listed = findall(r'href="[^"]*/report/([^"]+)"', first.text[first.text.index('aria-labelledby="reports"') :])
    assert len(listed) > 6
    for report, unfolded in ((listed[0], False), (listed[-1], True)):
        shown = await browser.get(f"{page.url.path}/report/{report}")
        assert ('<details class="more" open>' in shown.text) is unfolded


async def test_how_much_grew_is_told_as_the_laboratory_wrote_it(browser: Browser) -> None:
    page = await opened(browser)
    assert "Mengde >100.000 pr.ml." in text(await browser.get(f"{page.url.path}/report/rep-urine"))


async def test_a_line_that_was_emptied_does_not_read_as_if_the_growth_below_were_withdrawn(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = "2026-11-20T08:00:00+01:00"
    emptied = r.observation("empty", "Anaerob blodkultur", "", at, status="cancelled")
    culture = r.observation("root", "Anaerob blodkultur", "", at, members=("growth",))
    growth = r.observation("growth", "Funn", "", at, text="Staphylococcus aureus", members=("s1", "s2", "mic"))
    mic = r.observation("mic", "Penicillin G (MIC)", "", at, text="0.125")
    tested = (r.susceptibility("s1", "Ampicillin", "R", at), r.susceptibility("s2", "Mecillinam", "S", at))
    report = r.report("rep-culture", "MBIO", "Mikrobiologi", at, ("empty", "root"))
    told = [emptied, culture, growth, mic, *tested]
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=tuple(told), reports=(report,))

    monkeypatch.setattr(house, "chart", chart)
    page = await opened(browser)
    said = text(await browser.get(f"{page.url.path}/report/rep-culture"))
    assert "En tidligere svarlinje uten verdi er trukket tilbake. Funnet under resistensbestemmelsen gjelder." in said
    assert "Penicillin G (MIC) 0,125" in said
    assert "R: resistent." in said and "MIC eller sone" not in said, "no number stands behind any letter"
    told[-1] = r.susceptibility("s2", "Mecillinam", "S", at, "0.25")
    said = text(await browser.get(f"{page.url.path}/report/rep-culture"))
    assert "Sensitiv 0,25" in said and "Tallet er MIC eller sone." in said


ADDED: r.Resource = {"url": "http://kjerne.example/fhir/StructureDefinition/addition", "valueBoolean": True}


async def test_an_added_number_and_an_added_text_are_marked_on_every_page(
    browser: Browser, house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = "2026-11-20T08:00:00+01:00"
    number = r.observation("n", "P-Fosfat", "NPU03096", at, value=r.quantity("5.0", "mmol/L"), extension=(ADDED,))
    words = r.observation("t", "CT thorax", "SRM0AA", at, text="Skjelettet er uten anmerkning.", extension=(ADDED,))
    reports = (
        r.report("rep-number", "CLIN", "Klinisk biokjemi", at, ("n",)),
        r.report("rep-text", "RTG", "CT thorax", at, ("t",)),
    )
    drawn = house.chart

    async def chart(who: Identity, visit: Visit, _: object = None) -> Chart:
        return replace(await drawn(who, visit), observations=(number, words), reports=reports)

    monkeypatch.setattr(house, "chart", chart)
    page = await opened(browser)
    assert '<span class="mark added">tillegg</span>' in row(page, "P-Fosfat")
    assert search(r"CT thorax.{0,80}?tillegg.*P-Fosfat", text(page))
    assert search(r"uten anmerkning\. tillegg", text(await browser.get(f"{page.url.path}/report/rep-text")))
    await browser.citizen()
    mine = text(await browser.get("/me/results"))
    assert mine.count("Laboratoriet sendte det som et tillegg til svaret.") == 1
    assert "CT thorax" in mine
