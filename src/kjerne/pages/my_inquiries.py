"""The citizen says that something is wrong: a look she calls misuse, or a result to be corrected; in two steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import formats, words
from kjerne.pages.desk import Page
from kjerne.pages.house import LogRow
from kjerne.pages.reader import headings_of, person_of, rule_language
from kjerne.services.inquiries import desk
from kjerne.services.inquiries.desk import WHYS, Written
from kjerne.services.results.answers import Answer
from kjerne.services.results.points import Point
from kjerne.services.results.trends import Series
from kjerne.store.inquiries import Kind

SHOWN: Final[Mapping[str, Kind]] = {"misuse": "misuse", "correction": "correction"}


async def more(page: Page) -> Response:
    """The other doors of the citizen's own pages."""
    return page.render("me/more.html", title=page.say("me.more"), person=await person_of(page))


async def listed(page: Page) -> Response:
    """What she has sent, how far it has come, and the answers."""
    return page.render(
        "me/inquiries.html",
        title=page.say("inquiry.title"),
        person=await person_of(page),
        found=await page.house.inquiries(page.who, page.visit),
        sent=page.request.query_params.get("sent", "")[:9],
    )


async def form(page: Page) -> Response:
    """First step: what is wrong, and why she thinks so."""
    kind = await _opened(page)
    about = page.request.path_params["about"]
    return await _form(page, kind, {"look" if kind == "misuse" else "report": about}, None)


async def reach(page: Page) -> Response:
    """Second step: how to reach her, and what will be sent to whom."""
    typed, kind = page.checked(), await _opened(page)
    try:
        desk.checked(kind, Written(typed.get("why", ""), typed.get("text", "")))
    except Refusal as refusal:
        return await _form(page, kind, typed, refusal)
    return await _reach(page, kind, typed, None)


async def send(page: Page) -> Response:
    """Send it; the receipt stands over the list."""
    typed, kind = page.checked(fresh=True), _kind(page)
    written = Written(
        typed.get("why", ""), typed.get("text", ""), typed.get("reach", ""), typed.get("contact", "")
    )  # fmt: skip
    try:
        desk.checked(kind, written)
    except Refusal as refusal:
        step = _reach if refusal.where in ("reach", "contact") else _form
        return await step(page, kind, typed, refusal)
    about = await _about(page, kind, typed)
    if kind == "misuse":
        reference = await page.house.report_misuse(page.who, page.visit, typed.get("look", ""), about["about"], written)
    else:
        named = (typed["part"], "Observation") if typed.get("part") else (typed.get("report", ""), "DiagnosticReport")
        reference = await page.house.ask_correction(
            page.who, page.visit, named[1], named[0], about["about"], written
        )  # fmt: skip
    return page.go(f"/me/inquiries?sent={reference}")


async def _opened(page: Page) -> Kind:
    """As `_kind`; who may not send it is refused before she has written it."""
    kind = _kind(page)
    if not (await person_of(page)).asks:
        await page.house.must_ask(page.who, page.visit)
    return kind


def _kind(page: Page) -> Kind:
    kind = SHOWN.get(page.request.path_params["kind"])
    if kind is None:
        raise Refusal(404, "No such page.", where="page")
    return kind


async def _form(page: Page, kind: Kind, typed: Mapping[str, str], refusal: Refusal | None) -> Response:
    return page.render(
        "me/inquiry.html",
        title=page.say(f"inquiry.{kind}_title"),
        whys=WHYS[kind],
        **await _shared(page, kind, typed, refusal),
    )


async def _reach(page: Page, kind: Kind, typed: Mapping[str, str], refusal: Refusal | None) -> Response:
    return page.render(
        "me/inquiry_reach.html",
        title=page.say(f"inquiry.{kind}_title"),
        reaches=desk.REACHES,
        **await _shared(page, kind, typed, refusal),
    )


async def _shared(page: Page, kind: Kind, typed: Mapping[str, str], refusal: Refusal | None) -> dict[str, Any]:
    where = refusal.where if refusal else ""
    if refusal and not words.knows(f"inquiry.fault_{where}"):
        raise refusal
    return {
        "status": refusal.status if refusal else 200,
        "person": await person_of(page),
        "kind": kind,
        "typed": typed,
        "wrong": where,
        "fault": page.say(f"inquiry.fault_{where}") if refusal else "",
        **await _about(page, kind, typed),
    }


async def _about(page: Page, kind: Kind, typed: Mapping[str, str]) -> dict[str, Any]:
    """What it concerns: `about` is how she saw it, in words that go with it."""
    if kind == "misuse":
        row = await page.house.look(page.who, page.visit, rule_language(page), typed.get("look", ""))
        return {"about": _seen(row), "row": row, "answer": None, "points": (), "part": ""}
    report = typed.get("report", "")
    reading = await headings_of(page, lambda reading: [one for one in reading.answers if one.id == report])
    answer = reading.report(report)
    points = reading.points_of(answer.id)
    part = next(((series, point) for series, point in points if point.id == typed.get("part", "")), None)
    if typed.get("part") and part is None:
        raise Refusal(404, "No such result in this report.", where="report")
    about = _result(page, answer, part)
    return {"about": about, "row": None, "answer": answer, "points": points, "part": typed.get("part", "")}


def _seen(row: LogRow) -> str:
    told = (formats.moment(row.at, "nb"), row.who, row.organisation)
    return ", ".join(one for one in told if one)


def _result(page: Page, answer: Answer, part: tuple[Series, Point] | None) -> str:
    at = answer.when or answer.issued
    told = (
        part[0].name if part else "", answer.title or page.say(f"plain_kind.{answer.kind}"),
        formats.moment(at, "nb") if at else "", answer.performer,
    )  # fmt: skip
    return ", ".join(one for one in told if one)
