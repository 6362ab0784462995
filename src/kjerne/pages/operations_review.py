"""The operator's review of the log: readings that stand out, each opened for a reason, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages.desk import Page
from kjerne.pages.live_review import LINES_SHOWN
from kjerne.pages.oversight_house import ReviewLine
from kjerne.pages.reader import rule_language
from kjerne.policy import words as rule_words
from kjerne.registries.identifiers import id_without_numbers, without_numbers
from kjerne.services.oversight.review import LONGEST, SHOWN_KINDS, Chosen, Opened, Period
from kjerne.services.results.values import OSLO
from kjerne.store.verdicts import VERDICTS

STATES: Final = ("none", *VERDICTS)


@dataclass(frozen=True, slots=True)
class Days:
    """A period as it stands in fields and addresses: Norwegian days, both within it."""

    first: date
    last: date

    @property
    def period(self) -> Period:
        return Period(_midnight(self.first), _midnight(self.last + timedelta(days=1)))

    @property
    def query(self) -> dict[str, str]:
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}


async def listed(page: Page) -> Response:
    """What stands out and nobody has judged, of yesterday and today where no other days are asked for."""
    asked = page.request.query_params
    days, fault = _days(page, asked.get("from", ""), asked.get("to", ""))
    organisation, kind, state = asked.get("organisation", ""), asked.get("kind", ""), asked.get("state", "none")
    if kind not in ("", *SHOWN_KINDS) or state not in ("", *STATES) or not _is_number(organisation):
        raise Refusal(400, "There is no such choice.", where="choice")
    skipped = _count(asked.get("after", "0"))
    found = await page.house.review(page.who, days.period, Chosen(organisation, kind, state), skipped)
    chosen = days.query | {"organisation": organisation, "kind": kind, "state": state}
    saved = asked.get("saved", "")
    return page.render(
        "operations/review.html",
        status=400 if fault else 200,
        title=page.say("review.title"),
        found=found.listing,
        names=found.names,
        kinds=SHOWN_KINDS,
        states=STATES,
        chosen=chosen,
        days=urlencode(days.query),
        fault=fault,
        onward=urlencode(chosen | {"after": skipped + LINES_SHOWN}) if found.listing.more else "",
        saved=saved if saved in VERDICTS else "",
        reader=without_numbers,
    )


async def line(page: Page) -> Response:
    """One line, before it is opened: for what reason, or what came of it."""
    days = _asked_days(page, page.request.query_params.get("from", ""), page.request.query_params.get("to", ""))
    return _shown(page, days, await page.house.review_line(page.who, days.period, _number(page)))


async def opened(page: Page) -> Response:
    """Whom the reading was about; that it was opened, and why, stands in her log."""
    form = page.checked()
    days = _asked_days(page, form.get("from", ""), form.get("to", ""))
    try:
        found = await page.house.open_line(page.who, days.period, _number(page), form.get("reason", ""))
    except Denied as no:
        # Which of the reasons it was is told to nobody but the patient.
        raise Refusal(403, "This line is not opened to you.", where="line_shut", rule=no.denial.rule) from None
    except Refusal as fault:
        if fault.where != "reason":
            raise
        return _shown(page, days, await page.house.review_line(page.who, days.period, _number(page)), fault)
    return _shown(page, days, found)


async def judged(page: Page) -> Response:
    """Note what came of a line."""
    form = page.checked(fresh=True)
    days, verdict = _asked_days(page, form.get("from", ""), form.get("to", "")), form.get("verdict", "")
    number = _number(page)
    try:
        await page.house.note_verdict(page.who, days.period, number, verdict, _count(form.get("step", "")))
    except Refusal as fault:
        if fault.where != "verdict":
            raise
        return _shown(page, days, await page.house.review_line(page.who, days.period, number), fault)
    return page.go(f"/operations/readings?{urlencode(days.query | {'saved': verdict})}")


def _shown(page: Page, days: Days, found: ReviewLine, fault: Refusal | None = None) -> Response:
    return page.render(
        "operations/review_line.html",
        status=fault.status if fault else 200,
        title=page.say("review.line"),
        found=found,
        line=found.line,
        one=found.line.of,
        opened=found.opened,
        days=days,
        back=urlencode(days.query),
        verdicts=VERDICTS,
        typed=page.form,
        wrong=fault.where if fault else "",
        fault=page.say(f"review.fault_{fault.where}") if fault else "",
        step=found.history[-1].step if found.history else 0,
        says=_says(page, found.opened) if found.opened else "",
        reader=without_numbers,
        plain_id=id_without_numbers,
    )


def _says(page: Page, opened: Opened) -> str:
    return rule_words.says(opened.rule, rule_language(page)) or opened.says


def _days(page: Page, first: str, last: str) -> tuple[Days, str]:
    """The days that are asked for, or those that are shown without, with what is wrong."""
    today = page.now.astimezone(OSLO).date()
    usual = Days(today - timedelta(days=1), today)
    try:
        last_day = date.fromisoformat(last) if last else today
        first_day = date.fromisoformat(first) if first else last_day - timedelta(days=1)
        if not timedelta() <= last_day - first_day < LONGEST:
            raise ValueError
        return Days(first_day, last_day), ""
    except (ValueError, OverflowError):
        return usual, page.say("review.fault_days", days=LONGEST.days)


def _asked_days(page: Page, first: str, last: str) -> Days:
    days, fault = _days(page, first, last)
    if fault or not (first and last):
        raise Refusal(404, "No such page.", where="page")
    return days


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), OSLO)


def _number(page: Page) -> UUID:
    try:
        return UUID(page.request.path_params["number"])
    except ValueError:
        raise Refusal(404, "No such page.", where="page") from None


def _is_number(text: str) -> bool:
    return text.isascii() and (text == "" or text.isdigit()) and len(text) <= 12


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal(404, "No such page.", where="page")
    return int(text)
