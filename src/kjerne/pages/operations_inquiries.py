"""The operator's inquiries: a list of nobody in particular, each opened for a reason, set under way and answered."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages import words
from kjerne.pages.desk import Page
from kjerne.store.inquiries import STATUSES, Behind, Wanted

KINDS: Final = ("misuse", "correction")
ASKED: Final = frozenset({"kind", "status", "after", "saved"})


async def listed(page: Page) -> Response:
    """Those that wait longest first."""
    asked = page.request.query_params
    kind, status = asked.get("kind", ""), asked.get("status", "")
    if asked.keys() - ASKED:
        # One that is passed over would look as if it had been heard.
        raise Refusal(400, "There is no such choice.", where="choice")
    if kind not in ("", *KINDS) or status not in ("", *STATUSES):
        raise Refusal(400, "There is no such choice.", where="choice")
    found = await page.house.listed_inquiries(page.who, Wanted(kind, status), _behind(asked.get("after", "")))
    chosen = {"kind": kind, "status": status}
    return page.render(
        "operations/inquiries.html",
        title=page.say("inquiry.list"),
        found=found,
        kinds=KINDS,
        statuses=STATUSES,
        chosen=chosen,
        onward=urlencode(chosen | {"after": found.onward}) if found.onward else "",
        saved=asked.get("saved", "") if asked.get("saved", "") in STATUSES else "",
    )


async def ask(page: Page) -> Response:
    """Before one is opened: why."""
    return await _ask(page, None)


async def _ask(page: Page, refusal: Refusal | None) -> Response:
    found = await page.house.listed_inquiry(page.who, page.request.path_params["number"])
    return page.render(
        "operations/inquiry_ask.html",
        status=refusal.status if refusal else 200,
        title=page.say("inquiry.open"),
        one=found.rows[0],
        names=found.names,
        typed=page.form,
        fault=page.say(f"inquiry.fault_{refusal.where}") if refusal else "",
    )


async def opened(page: Page) -> Response:
    """One with what it says; that it was opened, and why, stands in the patient's log."""
    page.checked()
    return await _opened(page, None)


async def _opened(page: Page, refusal: Refusal | None) -> Response:
    number, reason = page.request.path_params["number"], page.form.get("reason", "")
    try:
        found = await page.house.open_inquiry(page.who, number, reason)
    except Refusal as fault:
        if fault.where != "reason":
            raise
        return await _ask(page, fault)
    return page.render(
        "operations/inquiry.html",
        status=refusal.status if refusal else 200,
        title=page.say("inquiry.one", reference=found.opened.inquiry.reference),
        found=found,
        one=found.opened.inquiry,
        told=found.opened.told,
        look=found.opened.look,
        reason=reason,
        typed=page.form,
        fault=page.say(f"inquiry.fault_{refusal.where}") if refusal else "",
    )


async def answer(page: Page) -> Response:
    """Set it under way, or answer it."""
    form = page.checked(fresh=True)
    number, status = page.request.path_params["number"], form.get("status", "")
    try:
        await page.house.answer_inquiry(page.who, number, status, form.get("answer", ""), _count(form.get("step", "")))
    except Refusal as refusal:
        if not words.knows(f"inquiry.fault_{refusal.where}"):
            raise
        return await _opened(page, refusal)
    return page.go(f"/operations/inquiries?saved={status}")


def _behind(text: str) -> Behind | None:
    try:
        return Behind.parsed(text) if text else None
    except Refusal:
        raise Refusal(404, "No such page.", where="page") from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal(404, "No such page.", where="page")
    return int(text)
