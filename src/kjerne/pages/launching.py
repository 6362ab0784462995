"""A page that a clinician's own system opens: the browser comes with a code and its verifier, and reads at that patient.

Nothing of the patient stands in any address: the code is a text that nobody can guess, good once and for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from starlette.responses import RedirectResponse, Response

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import Visit
from kjerne.pages.smart_app import Launcher, Pending

COOKIE: Final = "kjerne_launch"
COOKIE_MINUTES: Final = 10
"""How long a login may take in between."""
SMART_COOKIE: Final = "kjerne_smart"
OPENED: Final = "/clinician/launched"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that waits in this browser for her login."""

    session: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WaitingPatient:
    """Who is open in an EHR that has launched the pages by SMART, and who has opened her there, where it is told."""

    patient: int
    hpr: str
    at: datetime


async def arrive(page: Page) -> Response:
    """The code is used up, and the session waits in this browser until she is logged in."""
    if _is_ahead(page):
        return Response(status_code=204)
    given = page.request.query_params
    code, verifier = given.get("code", ""), given.get("ehr_code_verifier", "")
    session = await page.house.use_code(code, verifier)
    if not session:
        raise Refusal(403, "The code was used before, is too old, or its verifier is another's.", where="launch")
    return _waiting(page, page.desk.seal.seal("launch", Waiting(session, page.now)))


def _is_ahead(page: Page) -> bool:
    """Whether something looks or fetches ahead of the reader: it uses no code up."""
    return page.request.method == "HEAD" or "prefetch" in page.request.headers.get("sec-purpose", "")


def waits(page: Page) -> Waiting | WaitingPatient | None:
    """What waits in this browser for her login."""
    cookie = page.request.cookies.get(COOKIE, "")
    found = page.desk.seal.open("launch", cookie, Waiting) or page.desk.seal.open("smart", cookie, WaitingPatient)
    return found if found is not None and page.now - found.at < timedelta(minutes=COOKIE_MINUTES) else None


async def opened(page: Page) -> Response:
    """She is logged in: the page opens at the patient, if it was opened for her."""
    waiting = waits(page)
    if waiting is None:
        return RedirectResponse("/clinician", 303)
    if isinstance(waiting, Waiting):
        visit = await page.house.open_launched(page.who, waiting.session)
    elif waiting.hpr and waiting.hpr != page.who.hpr:
        raise Refusal(403, "This login is not the one that is at work in the EHR.", where="launch_other")
    else:
        visit = Visit(uuid4().hex, waiting.patient, "TREAT", page.now)
    answer = page.go(f"/clinician/v/{visit.id}", session=page.with_visit(visit))
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def smart(page: Page) -> Response:
    """An EHR launches the pages by SMART: the browser is sent to its log-in, if it is registered."""
    given = page.request.query_params
    address, pending = await _launcher(page).begin(given.get("iss", ""), given.get("launch", ""))
    answer = RedirectResponse(address, 303)
    answer.set_cookie(
        SMART_COOKIE, page.desk.seal.seal("smart-pending", pending), max_age=COOKIE_MINUTES * 60, httponly=True,
        samesite="lax", secure=page.desk.secure, path="/clinician/smart",
    )  # fmt: skip
    return answer


async def smart_back(page: Page) -> Response:
    """The browser is back from the EHR, which tells who is open there."""
    pending = page.desk.seal.open("smart-pending", page.request.cookies.get(SMART_COOKIE, ""), Pending)
    if pending is None or page.now - pending.at > timedelta(minutes=COOKIE_MINUTES):
        raise Refusal(403, "No launch was under way in this browser.", where="smart_failed")
    found = await _launcher(page).finish(pending, dict(page.request.query_params))
    waiting = WaitingPatient(await page.house.person_key(found.number), found.hpr, page.now)
    answer = _waiting(page, page.desk.seal.seal("smart", waiting))
    answer.delete_cookie(SMART_COOKIE, path="/clinician/smart")
    return answer


def _launcher(page: Page) -> Launcher:
    if page.desk.launcher is None:
        raise Refusal(403, "No EHR launches the pages here.", where="smart")
    return page.desk.launcher


def _waiting(page: Page, sealed: str) -> Response:
    answer = RedirectResponse(OPENED, 303)
    answer.set_cookie(
        COOKIE, sealed, max_age=COOKIE_MINUTES * 60, httponly=True, samesite="lax", secure=page.desk.secure, path="/"
    )
    return answer


async def alive(page: Page) -> Response:
    """Whether the page still stands: a script asks, so that what her system closes does not stay on the screen."""
    del page
    return Response(status_code=204)
