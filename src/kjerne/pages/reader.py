"""Who reads a page, about whom, and what of the record the page shows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import Chart, Represented, RuleLanguage
from kjerne.pages.reading import Reading, read
from kjerne.pages.shown import results_of


async def person_of(page: Page) -> Represented:
    """The person whose record is open, as this login stands in for her."""
    people = await page.house.represented(page.who)
    found = next((one for one in people if one.key == page.visit.patient), None)
    if found is None:
        raise Refusal(403, "This login no longer represents the person.", where="represented")
    if found.tie in ("self", "parent"):
        return found
    # What a proxy or guardian may set is told by areas and scopes, which the tie alone does not say.
    return replace(found, chooses=bool(await page.house.may_choose(page.who, page.visit)))


def rule_language(page: Page) -> RuleLanguage:
    """The language of the law's words: bokmål for a reader of Northern Sámi."""
    return "nb" if page.language == "se" else page.language


async def reading_of(page: Page, ids: Callable[[Reading], Collection[str]]) -> Reading:
    """The reading of a page that shows but these records of it: they, and what is told of them, are what the log names."""
    made: list[Reading] = []

    def shows(chart: Chart) -> Collection[str]:
        made[:] = [read(chart)]
        return ids(made[0])

    chart = await page.house.chart(page.who, page.visit, shows)
    return made[0] if made and made[0].chart is chart else read(chart)


async def report_of(page: Page, number: str, *, beside_others: bool) -> Reading:
    """The reading of one report's page; of one that is not there it shows nothing. `beside_others` where all are listed with what
    each is about and how much of it is outside: then something of every result stands there."""

    def ids(reading: Reading) -> Collection[str]:
        chart = reading.chart
        if number not in {one.id for one in reading.answers}:
            return ()
        if beside_others:
            return {str(one["id"]) for one in (*chart.reports, *chart.observations)}
        # What no report names is read as one of its own (`answers.unreported`).
        alone = {"id": number, "result": [{"reference": f"Observation/{number}"}]}
        report = next((one for one in chart.reports if one.get("id") == number), alone)
        results = results_of([report], chart.observations)[number]
        return {number, *results, *(point.id for _, point in reading.points_of(number))}

    return await reading_of(page, ids)


async def trend_of(page: Page, key: str) -> Reading:
    """The reading of one analysis' page, which counts the results that are kept apart from it."""

    def ids(reading: Reading) -> Collection[str]:
        found = next((one for one in reading.series if one.key == key), None)
        shown = (found, *reading.kept_apart(found)) if found else ()
        return {point.id for one in shown for point in one.points}

    return await reading_of(page, ids)
