"""The clinician's pages: choose a patient with purpose and ground, read her results, act on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, cast
from uuid import uuid4

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, Denied
from kjerne.pages import attached, critical, paging, trend_data
from kjerne.pages.critical_house import in_force
from kjerne.pages.desk import Page, outside, patiently, withheld
from kjerne.pages.house import BY_WORD_MINUTES, Basis, Purpose, Visit
from kjerne.pages.looked_up import AlreadyDone, Analysis
from kjerne.pages.reader import report_of, trend_of
from kjerne.pages.reading import COLUMN_LIMIT, PERIOD_DAYS, Reading, read
from kjerne.pages.session import STALE_MINUTES
from kjerne.pages.shown import ShownAnswer, ShownReport, digest_of
from kjerne.registries.wording import says_something
from kjerne.services.results import trends
from kjerne.services.results.answers import Answer
from kjerne.services.results.points import Point
from kjerne.services.results.trends import Series, Table

PURPOSES: Final = ("TREAT", "ETREAT", "COC", "BTG")
BASES: Final = ("", "SAMTYKKE", "AKUTT")
UNLOCKING: Final = ("SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT")
"""By which a lock is opened; the elevated ones open single records too, restricted here or at their source (K25)."""
REASON_LENGTH: Final = 8
"""Shortest reason in words that says anything; it is shown to the patient."""
PRINTED_DATES: Final = 5
"""Newest dates on the printed sheet, beside the newest result of each analysis."""
REASON_LIMIT: Final = 400
"""Longest reason: what the forms say too. It travels in the login's cookie."""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """A person key on its way through a form, sealed for one login."""

    session: str
    key: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What she asked to open and why, sealed for one login until she has confirmed it."""

    session: str
    patient: int
    purpose: Purpose
    basis: Basis
    reason: str
    at: datetime


async def choose(page: Page) -> Response:
    """Whom to open, why, and what waits: corrected results she has read, and answers to acknowledge."""
    why = await page.house.absence(page.who)
    return outside(page, why) if why else await _choose(page)


async def _choose(page: Page, fault: str = "", status: int = 200) -> Response:
    asked = page.request.query_params
    after = _after(page, asked.get("own", ""))
    own = await page.house.own_patients(page.who, after)
    waiting = await page.house.waiting(page.who, asked.get("waiting", ""))
    notices = await page.house.notices(page.who, asked.get("notices", ""))
    listed = (
        {p.key for p in own.rows} | {w.patient for w in waiting.rows} | {n.patient for n in notices.rows if n.patient}
    )
    return page.render(
        "clinician/choose.html",
        status=status,
        title=page.say("choose.title"),
        own=own,
        own_here=asked["own"] if after else "",
        own_next=page.desk.seal.seal("own", _key(page, own.last)) if own.last else "",
        waiting=waiting,
        notices=notices,
        sealed={key: _sealed(page, key) for key in listed},
        purposes=PURPOSES,
        bases=BASES,
        taking_part=await page.house.sources(),
        fault=fault,
        typed=page.form,
    )


def _sealed(page: Page, key: int) -> str:
    return page.desk.seal.seal("patient", _key(page, key))


def _key(page: Page, key: int) -> PatientKey:
    return PatientKey(_login(page), key)


def _login(page: Page) -> str:
    assert page.session is not None, "routed without a login"
    return page.session.id


def _after(page: Page, text: str) -> int:
    """After whom a part of her own list begins. Sealed otherwise than who can be opened: the law may not have named her."""
    found = page.desk.seal.open("own", text, PatientKey) if text else None
    return found.key if found and found == _key(page, found.key) else 0


async def open_patient(page: Page) -> Response:
    """Open one patient with a purpose; the one that was open before is closed by it. What she opens on her own word alone
    she confirms first, told what it means."""
    form = page.checked()
    purpose, basis, reason = form.get("purpose", ""), form.get("basis", ""), _reason(form)
    if purpose not in PURPOSES or basis not in BASES:
        return await _choose(page, page.say("choose.purpose_missing"), 400)
    if (purpose in ("BTG", "COC") or basis) and _is_no_reason(reason):
        return await _choose(page, page.say("choose.reason_missing"), 400)
    try:
        key = await _asked_for(page)
    except Refusal as refusal:
        if refusal.status >= 500:
            raise
        # 422: the number is one, and of somebody whom production does not take (law, K200).
        why = "choose.number_made_up" if refusal.status == 422 else "choose.number_wrong"
        return await _choose(page, page.say(why), 400)
    asked = Asked(_login(page), key, cast("Purpose", purpose), cast("Basis", basis), reason, page.now)
    if purpose != "BTG" and not basis:
        return _opened(page, asked)
    return page.render(
        "clinician/confirm.html",
        title=page.say(_confirming(asked)),
        asked=asked,
        heading=_confirming(asked),
        sealed=page.desk.seal.seal("asked", asked),
        number=form.get("number", "") if not form.get("patient", "") else "",
    )


def _confirming(asked: Asked) -> str:
    return f"confirm.{'BTG' if asked.purpose == 'BTG' else asked.basis}"


async def confirm(page: Page) -> Response:
    """The second step: she has read what it means, and opens."""
    form = page.checked(fresh=True)
    asked = page.desk.seal.open("asked", form.get("asked", ""), Asked)
    if asked is None or asked.session != _login(page):
        raise Refusal(403, "What was asked belongs to another login.", where="form")
    if page.now - asked.at > timedelta(minutes=STALE_MINUTES):
        raise Refusal(409, "What was declared is too old to act on.", where="stale")
    return _opened(page, asked)


def _opened(page: Page, asked: Asked) -> Response:
    """From when it was declared: to confirm it again makes nothing last longer."""
    until = asked.at + timedelta(minutes=BY_WORD_MINUTES) if asked.basis else None
    visit = Visit(uuid4().hex, asked.patient, asked.purpose, asked.at, asked.basis, until, asked.reason)
    return page.go(f"/clinician/v/{visit.id}", session=page.with_visit(visit))


def _is_no_reason(reason: str) -> bool:
    return len(reason) < REASON_LENGTH or not says_something(reason)


def _reason(form: Mapping[str, str]) -> str:
    """What she wrote as her reason, held to what an attestation may hold (Tillitsrammeverket, section 5.1)."""
    reason = CONTROL.sub(" ", form.get("reason", "")).strip()
    if len(reason) > REASON_LIMIT:
        raise Refusal(400, f"A reason has at most {REASON_LIMIT} characters.", where="reason")
    return reason


async def _asked_for(page: Page) -> int:
    if sealed := page.form.get("patient", ""):
        found = page.desk.seal.open("patient", sealed, PatientKey)
        if found is None or page.session is None or found.session != page.session.id:
            raise Refusal(403, "The patient was listed for another login.", where="form")
        return found.key
    return await page.house.find(page.who, page.form.get("number", "").replace(" ", ""))


async def close(page: Page) -> Response:
    """Close the patient: the attestation of this visit is not used again."""
    page.checked()
    if page.visit.launched:
        await page.house.end_launched(page.visit.launched)
    return page.go("/clinician", session=page.with_visit(None))


async def results(page: Page) -> Response:
    """The cumulative table, with what waits and the text answers beside it."""
    return await _results(page)


async def _results(
    page: Page, done: AlreadyDone | None = None, asked: str = "", fault: str = "", near: tuple[Analysis, ...] = ()
) -> Response:
    # Each may be refused or silent by itself, and the other is shown.
    reading = await _read_or_not(page)
    shelf = await critical.shelf(page)
    if not isinstance(reading, Reading):
        return await withheld(page, reading, shelf if shelf.chart or shelf.state == "silent" else None)
    wanted = page.request.query_params.get("period", "365")
    period = wanted if wanted in PERIOD_DAYS else "365"
    whole = reading.table(period, page.now)
    flagged = trends.flagged(whole)
    show = "flagged" if page.request.query_params.get("show") == "flagged" else "all"
    table, part = paging.of_table(flagged if show == "flagged" else whole, page.part)
    return page.render(
        "clinician/results.html",
        title=page.say("results.title"),
        shelf=shelf,
        reading=reading,
        as_shown={one.id: _as_shown(page, reading, one) for one in reading.unread},
        as_answered=page.desk.seal.seal("answer", ShownAnswer(_login(page), done.number, done.results)) if done else "",
        patient=reading.chart.patient,
        table=trends.newest(table, COLUMN_LIMIT),
        dates=len(table.columns),
        part=part,
        whole=whole,
        flagged=flagged,
        show=show,
        period=period,
        periods=tuple(PERIOD_DAYS),
        analyses=await page.house.analyses(),
        taking_part=await page.house.sources(),
        done=done,
        asked=asked,
        fault=fault,
        near=near,
    )


async def _read_or_not(page: Page) -> Reading | Refusal | Denied:
    """Her results, or why they are not shown. What is wrong with the reader's own login or request ends the page."""
    try:
        return await patiently(_reading(page))
    except Denied as no:
        return no
    except Refusal as no:
        if no.status < 500:
            raise
        return no


async def _reading(page: Page) -> Reading:
    return read(await page.house.chart(page.who, page.visit))


async def trend(page: Page) -> Response:
    """One analysis over time, with what was not joined to it and why."""
    reading = await trend_of(page, page.request.path_params["series"], of_material=True)
    one = reading.one(page.request.path_params["series"])
    return page.render(
        "clinician/trend.html",
        title=one.name,
        patient=reading.chart.patient,
        reading=reading,
        series=one,
        apart=reading.kept_apart(one),
        part=paging.part(len(one.points), page.part),
        plot=trend_data.plot(one, page.reads_as),
        taking_part=await page.house.sources(),
    )


async def report(page: Page) -> Response:
    """One report in full."""
    reading = await report_of(page, page.request.path_params["report"], beside_others=True)
    one = reading.report(page.request.path_params["report"])
    points = reading.points_of(one.id)
    part = paging.part(len(points), page.part)
    return page.render(
        "clinician/report.html",
        title=one.title or page.say(f"kind.{one.kind}"),
        patient=reading.chart.patient,
        reading=reading,
        as_shown={one.id: _as_shown(page, reading, one)},
        answer=one,
        points=paging.cut(points, part),
        part=part,
        taking_part=await page.house.sources(),
    )


async def file(page: Page) -> Response:
    """A file that came with a report: PDF and pictures are shown, others are handed over."""
    named = page.request.path_params
    return attached.answer(await page.house.file(page.who, page.visit, named["report"], named["file"]))


async def former_file(page: Page) -> Response:
    """A file that another took the place of."""
    return attached.answer(
        await page.house.former_file(page.who, page.visit, *attached.former(page.request.path_params))
    )


async def printout(page: Page) -> Response:
    """A sheet that can be handed over."""
    reading = await _reading(page)
    shelf = await critical.shelf(page, in_force)
    table, part = paging.of_table(reading.table("all", page.now), page.part)
    remarks = printed_remarks(table)
    return page.render(
        "clinician/print.html",
        title=page.say("print.title"),
        shelf=shelf,
        patient=reading.chart.patient,
        reading=reading,
        table=table,
        part=part,
        dates=PRINTED_DATES,
        remarks=remarks,
        numbers={point.id: number for number, (_, point) in enumerate(remarks, start=1)},
        taking_part=await page.house.sources(),
    )


def printed_remarks(table: Table) -> tuple[tuple[Series, Point], ...]:
    """Every result on the sheet that the laboratory has commented, in the order in which it is read."""
    shown = [(row, (row.series.latest, *chain.from_iterable(row.cells[:PRINTED_DATES]))) for row in table.rows]
    found = {point.id: (row.series, point) for row, on_sheet in shown for point in on_sheet if point.notes}
    return tuple(found.values())


async def acknowledge(page: Page) -> Response:
    """The requester has read a report and its results, in the versions that she was shown. Refused from a stale page."""
    form = page.checked(fresh=True)
    shown = page.desk.seal.open("report", form.get("report", ""), ShownReport)
    if shown is None or shown.session != _login(page):
        raise Refusal(403, "The report was shown to another login.", where="form")
    await page.house.acknowledge(page.who, page.visit, shown)
    return page.go(f"/clinician/v/{page.visit.id}")


def _as_shown(page: Page, reading: Reading, answer: Answer) -> str:
    """Which version of a report, and of its results, is on this page, for the form that says that it is read."""
    results = digest_of(reading.unread_results.get(answer.id, {}))
    return page.desk.seal.seal("report", ShownReport(_login(page), answer.id, answer.version, results))


async def already_done(page: Page) -> Response:
    """Has the analysis been done lately enough? A word that may mean several, or another, is answered with a choice."""
    form = page.checked()
    asked = form.get("asked", "").strip()
    known = await page.house.analyses()
    analysis = next((one for one in known if asked.casefold() in _called(one)), None)
    if analysis is not None:
        return await _results(page, await page.house.already_done(page.who, page.visit, analysis), asked)
    near = _near(known, asked)
    return await _results(page, asked=asked, fault=page.say("done.which" if near else "done.unknown"), near=near)


def _called(analysis: Analysis) -> set[str]:
    return {name.casefold() for name in (analysis.name, analysis.code, *analysis.also)}


def _near(known: tuple[Analysis, ...], asked: str) -> tuple[Analysis, ...]:
    """Those whose name has the word in it, or that the word has in it (`P-Kalium`). Never taken for what was meant."""
    wanted = asked.casefold()
    return tuple(
        one for one in known if len(wanted) > 1 and (wanted in one.name.casefold() or one.name.casefold() in wanted)
    )


async def answer_done(page: Page) -> Response:
    """She follows the answer or overrides it; an override says why."""
    form = page.checked()
    outcome, reason = form.get("outcome", ""), form.get("reason", "")
    shown = page.desk.seal.open("answer", form.get("shown", ""), ShownAnswer)
    if shown is None or shown.session != _login(page):
        raise Refusal(403, "The answer was shown to another login.", where="form")
    if outcome == "followed":
        await page.house.answer_reuse(page.who, page.visit, shown, "followed", "")
    elif outcome == "overridden" and reason:
        await page.house.answer_reuse(page.who, page.visit, shown, "overridden", reason)
    else:
        return await _results(page, fault=page.say("done.reason_missing"))
    return page.go(f"/clinician/v/{page.visit.id}?noted={outcome}#already-done")


async def lock(page: Page) -> Response:
    """Second step before a lock is opened: what is declared, and that the patient is told."""
    return await _lock(page)


async def _lock(page: Page, fault: str = "", status: int = 200) -> Response:
    patient = await page.house.patient(page.who, page.visit)
    return page.render(
        "clinician/unlock.html",
        status=status,
        title=page.say("unlock.title"),
        patient=patient,
        fault=fault,
        grounds=[one for one in UNLOCKING if one.startswith("FORHOYET") or not page.visit.basis],
    )


async def unlock(page: Page) -> Response:
    """Open the patient's lock on declared consent or emergency, for a limited time."""
    form = page.checked(fresh=True)
    basis, reason = form.get("basis", ""), _reason(form)
    if basis not in UNLOCKING or _is_no_reason(reason):
        return await _lock(page, page.say("unlock.missing"), 400)
    visit = replace(
        page.visit,
        id=uuid4().hex,
        basis=cast("Basis", basis),
        basis_until=page.now + timedelta(minutes=BY_WORD_MINUTES),
        reason=reason,
    )
    return page.go(f"/clinician/v/{visit.id}", session=page.with_visit(visit))


async def declare(page: Page) -> Response:
    """No register ties her to the patient: she states her need herself, and the patient sees that she did (ATT-48)."""
    form = page.checked(fresh=True)
    reason = _reason(form)
    if _is_no_reason(reason):
        raise Refusal(400, "A need that is stated must be stated in words.", where="declared")
    visit = replace(page.visit, id=uuid4().hex, opened_at=page.now, reason=reason, self_declared=True)
    return page.go(f"/clinician/v/{visit.id}", session=page.with_visit(visit))


async def see_notice(page: Page) -> Response:
    """A notice of a corrected or withdrawn result is read."""
    form = page.checked()
    await page.house.see_notice(page.who, form.get("number", ""))
    return page.go("/clinician")
