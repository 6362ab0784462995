"""The operator's pages: who takes part, opened, widened and closed in two steps, and the rejected messages of all senders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast, get_args
from urllib.parse import urlencode

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import words
from kjerne.pages.desk import Page
from kjerne.pages.live_operator import ROWS_SHOWN
from kjerne.policy.services import IN_USE
from kjerne.registries.card_words import say
from kjerne.services.critical.coverage import AGES, LEAST, STEP
from kjerne.services.participation.register import NAME_CHARACTERS, PHASES, Asked, Kind
from kjerne.services.results.values import OSLO
from kjerne.services.warnings.api import COUNTED_DAYS
from kjerne.services.warnings.matching import RULES
from kjerne.store.cards import Count
from kjerne.store.participation import Participation, Role, Wanted

_LINE: Final = re.compile(r"(?:^| )line (\d+)$")
STATES: Final = ("in-force", "coming", "ended")
FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "open": ("organisation", "service", "part", "areas", "phase", "since", "until", "basis"),
    "widen": ("areas", "phase", "until", "basis"),
    "close": ("at", "why"),
}
"""What the form of each change asks for."""
AT_ONCE: Final = timedelta(minutes=1)
"""What begins or ends within so long is told as now: the house looks at its clock after the page has."""
_FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "service": tuple(sorted(IN_USE)),
    "part": get_args(Role),
    "phase": PHASES,
    "state": STATES,
}


async def participants(page: Page) -> Response:
    """The register, newest first; whoever takes part now where nothing else is asked for."""
    asked = {"state": "in-force"} | dict(page.request.query_params)
    chosen = {name: asked[name] for name, known in _FILTERS.items() if asked.get(name) in known}
    name = asked.get("name", "").strip()
    if len(name) > NAME_CHARACTERS:
        raise Refusal(400, "A name is shorter.", where="choice")
    skipped = _number(asked.get("after", "0"))
    found = await page.house.participants(page.who, Wanted(**chosen, name=name), skipped)  # type: ignore[arg-type]
    kept = {"state": asked["state"] if asked["state"] in STATES else ""} | chosen | ({"name": name} if name else {})
    return page.render(
        "operations/participants.html",
        title=page.say("operations.participants"),
        found=found,
        filters=_FILTERS,
        chosen=kept,
        onward=urlencode(kept | {"after": skipped + ROWS_SHOWN}) if found.more else "",
    )


async def history(page: Page) -> Response:
    """One row, with what it was before and became."""
    number = _number(page.request.path_params["number"])
    found = await page.house.participation(page.who, number)
    saved = page.request.query_params.get("saved", "")
    return page.render(
        "operations/history.html",
        title=page.say("operations.history"),
        found=found,
        row=_row(found.rows, number),
        saved=saved if saved in FIELDS else "",
    )


async def open_form(page: Page) -> Response:
    """Who is taken in, where, since when and on which ground."""
    return await _form(page, Asked("open", {"service": "results", "part": "consumer", "phase": "pilot"}))


async def change_form(page: Page) -> Response:
    """What of a row is wider from now, or when it ends."""
    kind, number = page.request.path_params["kind"], _number(page.request.path_params["number"])
    if kind not in ("widen", "close"):
        raise Refusal(404, "No such page.", where="page")
    row = _row((await page.house.participation(page.who, number)).rows, number)
    fields = {"areas": " ".join(row.areas), "phase": row.phase, "until": _shown(row.until)}
    return await _form(page, Asked(cast("Kind", kind), fields if kind == "widen" else {}, number))


async def _form(page: Page, asked: Asked, refusal: Refusal | None = None) -> Response:
    """The form, with what was typed and why it cannot be saved."""
    found = await page.house.participation(page.who, asked.number) if asked.number else None
    row = _row(found.rows, asked.number) if found else None
    unchanged = {"until": _shown(row.until)} if row and asked.kind == "widen" else {}
    return page.render(
        f"operations/{asked.kind}.html",
        status=refusal.status if refusal else 200,
        title=page.say(f"operations.{asked.kind}"),
        kind=asked.kind,
        number=asked.number,
        typed=unchanged | dict(asked.fields),
        row=row,
        names=found.names if found else {},
        services=_FILTERS["service"],
        parts=_FILTERS["part"],
        phases=PHASES,
        fault=_fault(page, refusal) if refusal else "",
        wrong=refusal.where if refusal else "",
    )


async def preview(page: Page) -> Response:
    """What the change will do, before it does it."""
    asked = await _exactly(page, _asked(page.checked()))
    try:
        change = await page.house.plan_participation(page.who, asked)
    except Refusal as refusal:
        return await _again(page, asked, refusal)
    return page.render(
        "operations/preview.html",
        title=page.say(f"operations.{asked.kind}_effect"),
        kind=asked.kind,
        number=asked.number,
        fields=asked.fields,
        change=change,
        row=change.row,
        at_once=change.at - page.now < AT_ONCE,
    )


async def save(page: Page) -> Response:
    """Make the change, once its effect was shown."""
    asked = _asked(page.checked(fresh=True))
    try:
        number = await page.house.change_participation(page.who, asked)
    except Refusal as refusal:
        return await _again(page, asked, refusal)
    return page.go(f"/operations/participation/{number}?saved={asked.kind}")


async def rejected(page: Page) -> Response:
    """What could not be taken in, of all senders: who, when, and what is wrong where. Nothing of the content."""
    queue = await page.house.rejected(page.who, page.request.query_params.get("after", ""))
    return page.render(
        "operations/rejected.html", title=page.say("operations.rejected"), queue=queue, place_of=place_of
    )


def place_of(where: str) -> tuple[str, str]:
    """(element path, line) of a fault's place.

    >>> place_of("Message/MsgId line 4"), place_of("line 1"), place_of("body")
    (('Message/MsgId', '4'), ('', '1'), ('body', ''))
    """
    found = _LINE.search(where)
    return (where[: found.start()].strip(), found[1]) if found else (where, "")


async def log_state(page: Page) -> Response:
    """Whether the log is as it was sealed: figures, and nothing of what it says."""
    found = await page.house.log_state(page.who)
    tail, now = found.tail, page.now
    age = round((now - tail.oldest).total_seconds()) if tail.oldest else 0
    return page.render(
        "operations/log_state.html",
        title=page.say("seals.title"),
        tail=tail,
        behind=tail.is_behind(now),
        waited=max(0, age),
        last=found.comparisons[0] if found.comparisons else None,
        earlier=found.comparisons[1:],
    )


@dataclass(frozen=True, slots=True)
class Warned:
    """A rule by name: cards shown, how many of them interrupted, what became of them, and why they were overridden."""

    name: str
    shown: int
    interrupted: int
    accepted: int
    overridden: int
    reasons: tuple[tuple[str, int], ...]


async def warnings(page: Page) -> Response:
    """What became of the warnings of critical information, rule by rule; of nobody in particular."""
    counts = await page.house.warning_counts(page.who)
    rules = [_warned(rule, [one for one in counts if one.rule == rule], page.reads_as) for rule in RULES]
    return page.render(
        "operations/warnings.html",
        title=page.say("warned.title"),
        days=COUNTED_DAYS,
        rules=[one for one in rules if one.shown or one.accepted or one.overridden],
    )


async def coverage(page: Page) -> Response:
    """How far critical information reaches, by region and organisation; of nobody in particular."""
    return page.render(
        "operations/coverage.html",
        title=page.say("reach.title"),
        figures=await page.house.coverage(page.who),
        ages=[name for name, _ in AGES],
        least=LEAST,
        step=STEP,
    )


def _warned(rule: str, counts: Sequence[Count], language: str) -> Warned:
    def total(outcome: str, indicator: str = "") -> int:
        return sum(one.number for one in counts if one.outcome == outcome and indicator in ("", one.indicator))

    why = Counter[str]()
    for one in counts:
        if one.outcome == "overridden" and one.reason:
            why[say(language, f"reason.{one.reason}")] += one.number
    name, reasons = say(language, f"topic.{rule}"), tuple(why.most_common())
    return Warned(name, total("shown"), total("shown", "critical"), total("accepted"), total("overridden"), reasons)


def _asked(form: Mapping[str, str]) -> Asked:
    kind = form.get("kind", "")
    if kind not in FIELDS:
        raise Refusal(400, "Unknown change.", where="choice")
    known = cast("Kind", kind)
    fields = {name: form[name] for name in FIELDS[known] if name in form}
    return Asked(known, fields, _number(form.get("number", "0") or "0"))


async def _exactly(page: Page, asked: Asked) -> Asked:
    """A field for day and time has no fractions of a second: an end that stands as it was shown stays as it is."""
    if asked.kind != "widen" or not asked.fields.get("until"):
        return asked
    row = _row((await page.house.participation(page.who, asked.number)).rows, asked.number)
    try:
        typed = datetime.fromisoformat(asked.fields["until"]).isoformat(timespec="seconds")
    except ValueError:
        return asked  # the register says what is wrong with it
    if typed != _shown(row.until):
        return asked
    return replace(asked, fields={name: said for name, said in asked.fields.items() if name != "until"})


def _shown(until: datetime | None) -> str:
    """An end as its field shows it, in Norwegian time."""
    return until.astimezone(OSLO).replace(tzinfo=None).isoformat(timespec="seconds") if until else ""


async def _again(page: Page, asked: Asked, refusal: Refusal) -> Response:
    """A fault in what was typed is told on the form; another is a page of its own."""
    if not words.knows(f"operations.fault_{refusal.where}"):
        raise refusal
    return await _form(page, asked, refusal)


def _fault(page: Page, refusal: Refusal) -> str:
    return page.say(f"operations.fault_{refusal.where}")


def _row(rows: tuple[Participation, ...], number: int) -> Participation:
    return next(row for row in rows if row.number == number)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Refusal(404, "No such page.", where="page")
    return int(text)
