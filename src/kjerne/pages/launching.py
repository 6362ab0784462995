"""A page that a clinician's own system opens: the browser comes with a code and its verifier, and reads at that patient.

Nothing of the patient stands in any address: the code is a text that nobody can guess, good once and for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.responses import RedirectResponse, Response

from kjerne.errors import Refusal
from kjerne.pages.desk import Page

COOKIE: Final = "kjerne_launch"
COOKIE_MINUTES: Final = 10
"""How long a login may take in between."""
OPENED: Final = "/clinician/launched"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that waits in this browser for her login."""

    session: str
    at: datetime


async def arrive(page: Page) -> Response:
    """The code is used up, and the session waits in this browser until she is logged in."""
    given = page.request.query_params
    code, verifier = given.get("code", ""), given.get("ehr_code_verifier", "")
    session = await page.house.use_code(code, verifier)
    if not session:
        raise Refusal(403, "The code was used before, is too old, or its verifier is another's.", where="launch")
    answer = RedirectResponse(OPENED, 303)
    answer.set_cookie(
        COOKIE, page.desk.seal.seal("launch", Waiting(session, page.now)), max_age=COOKIE_MINUTES * 60, httponly=True,
        samesite="lax", secure=page.desk.secure, path="/",
    )  # fmt: skip
    return answer


def waits(page: Page) -> str:
    """The session that waits in this browser; empty where none does."""
    found = page.desk.seal.open("launch", page.request.cookies.get(COOKIE, ""), Waiting)
    is_fresh = found is not None and page.now - found.at < timedelta(minutes=COOKIE_MINUTES)
    return found.session if found is not None and is_fresh else ""


async def opened(page: Page) -> Response:
    """She is logged in: the page opens at the patient, if it was opened for her."""
    session = waits(page)
    if not session:
        return RedirectResponse("/clinician", 303)
    visit = await page.house.open_launched(page.who, session)
    answer = page.go(f"/clinician/v/{visit.id}", session=page.with_visit(visit))
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def alive(page: Page) -> Response:
    """Whether the page still stands: a script asks, so that what her system closes does not stay on the screen."""
    del page
    return Response(status_code=204)
