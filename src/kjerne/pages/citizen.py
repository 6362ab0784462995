"""The citizen's pages: what is new, results in plain words, and her own choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages import attached, critical, paging, trend_data
from kjerne.pages.critical_house import in_force
from kjerne.pages.desk import Page
from kjerne.pages.house import LogRow, Visit
from kjerne.pages.reader import headings_of, person_of, report_of, rule_language, trend_of
from kjerne.pages.reading import Reading, read
from kjerne.policy.words import says
from kjerne.services.results import trends
from kjerne.store.looks import Wanted

CHOOSING: Final = ("self", "parent")
"""Whose choices stand on the first page; who stands in for another finds them behind its link, if at all."""
LOG_SHOWN: Final = 3
FRESH_SHOWN: Final = 3
YOUTH_WAITS: Final = "youth-without-consent"


async def _reading(page: Page) -> Reading:
    return read(await page.house.chart(page.who, page.visit))


async def home(page: Page) -> Response:
    """What is new, what is coming, who looked last. Of a youth without consent what is hers all the same."""
    person = await person_of(page)
    try:
        reading = await headings_of(page, lambda reading: reading.fresh(page.now)[:FRESH_SHOWN])
    except Denied as no:
        if no.denial.rule != YOUTH_WAITS:
            raise
        reason = says(no.denial.rule, rule_language(page)) or no.denial.says
        return page.render("me/home_youth.html", title=page.say("me.home"), person=person, reason=reason)
    choices = await page.house.choices(page.who, page.visit) if person.tie in CHOOSING else None
    log = await page.house.log(page.who, page.visit, rule_language(page), Wanted(show="seen"))
    return page.render(
        "me/home.html",
        title=page.say("me.home"),
        shelf=await critical.shelf(page, in_force, alone=True),
        reading=reading,
        person=person,
        people=await page.house.represented(page.who),
        fresh=reading.fresh(page.now),
        most=FRESH_SHOWN,
        others=_lookers(log.rows)[:LOG_SHOWN],
        untold=any(row.unnamed == "untold" for row in log.rows),
        choices=choices,
        opted_out=reading.chart.opted_out,
        taking_part=await page.house.sources(),
    )


async def results(page: Page) -> Response:
    """All results by theme, each with what it means."""
    reading, person = await _reading(page), await person_of(page)
    flagged = trends.flagged(reading.whole)
    show = "flagged" if page.request.query_params.get("show") == "flagged" else "all"
    table, part = paging.of_table(flagged if show == "flagged" else reading.whole, page.part)
    return page.render(
        "me/results.html",
        title=page.say("me.results") if person.tie == "self" else page.say("me.results_other", name=person.name),
        reading=reading,
        person=person,
        groups=table.groups,
        part=part,
        show=show,
        count=len(reading.whole.rows),
        outside=len(flagged.rows),
        taking_part=await page.house.sources(),
    )


async def trend(page: Page) -> Response:
    """One analysis over time, in plain words."""
    reading = await trend_of(page, page.request.path_params["series"], of_material=False)
    one = reading.one(page.request.path_params["series"])
    return page.render(
        "me/trend.html",
        title=one.name,
        person=await person_of(page),
        reading=reading,
        series=one,
        topic=reading.row(one.key).topic,
        apart=reading.kept_apart(one),
        part=paging.part(len(one.points), page.part),
        plot=trend_data.plot(one, page.reads_as),
        taking_part=await page.house.sources(),
    )


async def report(page: Page) -> Response:
    """One report as it was written, with plain words around it."""
    reading = await report_of(page, page.request.path_params["report"], beside_others=False)
    one = reading.report(page.request.path_params["report"])
    points = reading.points_of(one.id)
    part = paging.part(len(points), page.part)
    return page.render(
        "me/report.html",
        title=one.title or page.say(f"plain_kind.{one.kind}"),
        person=await person_of(page),
        reading=reading,
        answer=one,
        points=paging.cut(points, part),
        part=part,
        taking_part=await page.house.sources(),
    )


async def file(page: Page) -> Response:
    """A file that came with one of her reports."""
    named = page.request.path_params
    return attached.answer(await page.house.file(page.who, page.visit, named["report"], named["file"]))


async def former_file(page: Page) -> Response:
    """A file of one of her reports that another took the place of."""
    return attached.answer(
        await page.house.former_file(page.who, page.visit, *attached.former(page.request.path_params))
    )


def _lookers(rows: Sequence[LogRow]) -> list[LogRow]:
    """Each health worker who has seen something, once, by her newest look."""
    seen = [row for row in rows if row.given and row.by == "practitioner" and not row.wrote and _saw(row)]
    return list({(row.who, row.organisation): row for row in reversed(seen)}.values())[::-1]


def _saw(row: LogRow) -> bool:
    """Whether records were seen, by what this reader may be told: of one that has no name here too."""
    return bool(row.what) or row.unnamed in ("kept", "deleted", "anothers")


async def representation(page: Page) -> Response:
    """Whom she may act for, and who may act for her."""
    found = await page.house.representations(page.who, rule_language(page))
    return page.render("me/representation.html", title=page.say("me.representation"), found=found)


async def person(page: Page) -> Response:
    """Change between own record and a child's. The form is from the page of the one that was open."""
    form = page.checked()
    wanted = form.get("person", "")
    found = next((one for one in await page.house.represented(page.who) if page.handle(one.key) == wanted), None)
    if found is None:
        raise Refusal(403, "This login does not represent the person.", where="represented")
    return page.go("/me", session=page.with_visit(Visit(uuid4().hex, found.key, "PATRQT", page.now)))
