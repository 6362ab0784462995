"""Who reads a page, about whom, and what of the record the page shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import Chart, Represented, Resource, RuleLanguage
from kjerne.pages.reading import Reading, read
from kjerne.pages.shown import OnPage, references_of, results_of
from kjerne.services.results.answers import Answer, name_of


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


async def reading_of(page: Page, stands: Callable[[Reading], OnPage]) -> Reading:
    """The reading of a page on which but these records of it stand: they are what the log names."""
    made: list[Reading] = []

    def shows(chart: Chart) -> OnPage:
        made[:] = [read(chart)]
        return stands(made[0])

    chart = await page.house.chart(page.who, page.visit, shows)
    return made[0] if made and made[0].chart is chart else read(chart)


async def report_of(page: Page, number: str, *, beside_others: bool) -> Reading:
    """The reading of one report's page; of one that is not there it shows nothing. `beside_others` where the others are listed by
    their headings."""

    def stands(reading: Reading) -> OnPage:
        answer = next((one for one in reading.answers if one.id == number), None)
        if answer is None:
            return OnPage()
        report, results = _of_report(reading, number)
        told = [one for one in reading.chart.observations if str(one.get("id", "")) in results]
        # Its requester is all that the page tells of what it was asked for by.
        asked = [report] if answer.requester else []
        ids = {number, *results} | references_of([*told, report], "performer") | references_of(told, "specimen")
        ids |= references_of(asked, "basedOn")
        ids |= references_of((one for one in reading.chart.requests if one.get("id") in ids), "requester")
        if not beside_others:
            return OnPage(frozenset(ids))
        others = [one for one in reading.headings if one.id != number]
        return OnPage(frozenset(ids), frozenset(one.id for one in others))

    return await reading_of(page, stands)


def _of_report(reading: Reading, number: str) -> tuple[Resource, frozenset[str]]:
    """A report, and the ids of the results that it tells."""
    # What no report names is read as one of its own (`answers.unreported`).
    alone = next((one for one in reading.chart.observations if one.get("id") == number), {})
    alone = alone | {"id": number, "result": [{"reference": f"Observation/{number}"}]}
    report = next((one for one in reading.chart.reports if one.get("id") == number), alone)
    led = results_of([report], reading.chart.observations)[number]
    return report, frozenset(led) | {point.id for _, point in reading.points_of(number)}


async def trend_of(page: Page, key: str, *, of_material: bool) -> Reading:
    """The reading of one analysis' page, which counts the results that are kept apart from it and says what those are of.
    `of_material` where it says that of its own too; else it tells of a specimen where a value hangs on it."""

    def stands(reading: Reading) -> OnPage:
        found = next((one for one in reading.series if one.key == key), None)
        shown = (found, *reading.kept_apart(found)) if found else ()
        ids = {point.id for one in shown for point in one.points}
        told = [one for one in reading.chart.observations if one.get("id") in ids]
        of = {
            point.id for one in shown for point in one.points
            if of_material or one is not found or point.asides or point.notes or point.mark
        }  # fmt: skip
        specimens = references_of((one for one in told if one.get("id") in of), "specimen")
        return OnPage(frozenset(ids) | references_of(told, "performer") | specimens)

    return await reading_of(page, stands)


async def headings_of(page: Page, which: Callable[[Reading], Sequence[Answer]]) -> Reading:
    """The reading of a page that tells of some reports what they are about: their headings, and their numbers by name and by
    how they lie. What else there is it counts at most."""

    def stands(reading: Reading) -> OnPage:
        ids = set[str]()
        for answer in which(reading):
            report, results = _of_report(reading, answer.id)
            ids |= {answer.id} | references_of([report], "performer")
            ids |= results if _tells_texts(reading, answer, report) else {p.id for _, p in reading.points_of(answer.id)}
        return OnPage(frozenset(ids))

    return await reading_of(page, stands)


def _tells_texts(reading: Reading, answer: Answer, report: Resource) -> bool:
    """Whether a heading is made of what its results say in text, as a count of what is outside or a name of what was examined is;
    else but numbers are told of, by their names and by how they lie."""
    named_by_results = answer.title != name_of(report) and not reading.gist(answer.id).names
    return named_by_results or bool(reading.gist(answer.id).others) or any(one.flag for one in answer.judged)
