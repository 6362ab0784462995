"""The operator's exports: which ones wait, who asked for them on which ground, and one person's approval or refusal."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_name
from kjerne.pages.desk import Page
from kjerne.pages.live_exports import EXPORTS_SHOWN
from kjerne.store.exports import APPROVALS, LIFE, STATES

VERDICTS: Final = ("approve", "refuse")


async def listed(page: Page) -> Response:
    """Those that wait; others where they are asked for."""
    asked = page.request.query_params
    state = asked.get("state", "waiting")
    if state not in ("", *STATES):
        raise Refusal(400, "There is no such choice.", where="choice")
    skipped = _number(asked.get("after", "0"))
    found = await page.house.exports(page.who, state, skipped)
    return page.render(
        "operations/exports.html",
        title=page.say("exports.title"),
        found=found,
        states=STATES,
        state=state,
        onward=urlencode({"state": state, "after": skipped + EXPORTS_SHOWN}) if found.more else "",
        type_name=type_name,
        wanted=APPROVALS,
        life=LIFE,
    )


async def one(page: Page) -> Response:
    """One export, with what an approval of it does."""
    return await _one(page, None)


async def _one(page: Page, fault: Refusal | None) -> Response:
    number = _number(page.request.path_params["number"])
    found = await page.house.export(page.who, number)
    saved = page.request.query_params.get("saved", "")
    return page.render(
        "operations/export.html",
        status=fault.status if fault else 200,
        title=page.say("exports.one", number=number),
        found=found,
        export=found.export,
        last=found.export.missing <= 1,
        type_name=type_name,
        wanted=APPROVALS,
        life=LIFE,
        saved=saved if saved in VERDICTS else "",
        typed=page.form,
        fault=page.say("exports.fault_reason") if fault else "",
    )


async def decided(page: Page) -> Response:
    """Approve it or refuse it."""
    form = page.checked(fresh=True)
    number, verdict = _number(page.request.path_params["number"]), form.get("verdict", "")
    try:
        await page.house.decide_export(page.who, number, verdict, form.get("reason", ""))
    except Refusal as fault:
        if fault.where != "reason":
            raise
        return await _one(page, fault)
    return page.go(f"/operations/exports/{number}?saved={verdict}")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise Refusal(404, "No such page.", where="page")
    return int(text)
