"""The open pages: the front door, hand-over to the login provider and back, log-out, and the language switch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, cast
from uuid import uuid4

from starlette.responses import RedirectResponse, Response

from kjerne.errors import Refusal
from kjerne.pages import launching, session, words
from kjerne.pages.desk import ENTRANCE, LANGUAGE_COOKIE, Page, drop_cookie, policy, put_cookie
from kjerne.pages.house import Visit
from kjerne.pages.login import Pending, To

PENDING_COOKIE: Final = "kjerne_login"
PENDING_MINUTES: Final = 10
HINT_COOKIE: Final = "kjerne_logout"
COOKIE_LIMIT: Final = 3_800
"""A longer cookie is dropped by browsers, name and all; the provider then asks whom to log out."""
_PLACES: Final = {"clinician": "/clinician", "me": "/me", "operations": "/operations"}


@dataclass(frozen=True, slots=True)
class Hint:
    """The ID token of one login, kept in a cookie of its own for the provider to know at log-out whom it is about."""

    session: str
    id_token: str


async def front(page: Page) -> Response:
    """Two doors, health personnel and citizen, and a small one for whoever runs the platform."""
    return page.render("front.html", title=page.say("front.title"))


async def login(page: Page) -> Response:
    """What happens now, and the way to the provider."""
    to = page.request.query_params.get("to", "")
    told = next((why for why in ("other", "ended") if why in page.request.query_params), "")
    return page.render("login.html", title=page.say("login.title"), to=to if to in _PLACES else "", told=told)


async def start(page: Page) -> Response:
    """Push the request to the provider and send the browser after it."""
    to = page.request.query_params.get("to", "")
    if to not in _PLACES:
        raise Refusal(400, "Unknown page to log in to.", where="to")
    address, pending = await page.desk.door.start(cast("To", to))
    answer = RedirectResponse(address, 303)
    answer.set_cookie(
        PENDING_COOKIE,
        page.desk.seal.seal("login", pending),
        max_age=PENDING_MINUTES * 60,
        httponly=True,
        samesite="lax",
        secure=page.desk.secure,
        path="/login",
    )
    return answer


async def back(page: Page) -> Response:
    """The browser is back from the provider: verify, know the person, begin a login."""
    pending = page.desk.seal.open("login", page.request.cookies.get(PENDING_COOKIE, ""), Pending)
    if pending is None or page.now - pending.started_at > timedelta(minutes=PENDING_MINUTES):
        raise Refusal(403, "No login was under way in this browser.", where="login")
    tokens = await page.desk.door.finish(pending, dict(page.request.query_params))
    who = await page.house.sign_in(tokens.claims, tokens.access_token)
    if ENTRANCE[who.kind] != pending.to:
        raise Refusal(403, "This login is for the other page.", where="other_kind")
    if page.session:
        # Nobody can log out of it any more once this browser holds another.
        await page.house.end_login(page.session.id, page.session.last)
    begun = session.begin(who, page.now)
    if who.kind == "citizen":
        own = (await page.house.represented(who))[0]
        begun = replace(begun, visit=Visit(uuid4().hex, own.key, "PATRQT", page.now))
    launched = who.kind == "practitioner" and launching.waits(page) is not None
    answer = RedirectResponse(launching.OPENED if launched else _PLACES[pending.to], 303)
    put_cookie(page.desk, answer, begun)
    answer.delete_cookie(PENDING_COOKIE, path="/login")
    hint = page.desk.seal.seal("hint", Hint(begun.id, tokens.id_token))
    if len(hint) <= COOKIE_LIMIT:
        answer.set_cookie(HINT_COOKIE, hint, httponly=True, samesite="strict", secure=page.desk.secure, path="/logout")
    return answer


async def logout(page: Page) -> Response:
    """End the login, wherever its cookie may lie, and send the browser on to end the provider's where there is a way to."""
    if page.session:
        page.checked()
        await page.house.end_login(page.session.id, page.session.last)
    hint = page.desk.seal.open("hint", page.request.cookies.get(HINT_COOKIE, ""), Hint)
    known = hint is not None and (page.session is None or hint.session == page.session.id)
    ending = await page.desk.door.end(hint.id_token if hint and known else "") if page.session or known else None
    answer = replace(page, session=None).render("logout.html", title=page.say("logout.title"), ending=ending)
    drop_cookie(page.desk, answer)
    answer.delete_cookie(HINT_COOKIE, path="/logout")
    if ending:
        # Only this page may post to the provider.
        answer.headers["content-security-policy"] = policy(form_target=ending.address)
    return answer


async def logged_out(page: Page) -> Response:
    """The browser is back from the provider, logged out at both."""
    return page.render("logout.html", title=page.say("logout.title"), ending=None)


async def language(page: Page) -> Response:
    """Keep the chosen language and go back to where the reader was."""
    wanted = page.request.query_params.get("to", "")
    path = page.request.query_params.get("back", "/")
    # Only a path of our own: "//host" and "/\\host" are other hosts to a browser.
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path
    answer = RedirectResponse(path if safe else "/", 303)
    if wanted in words.LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, wanted, max_age=365 * 86_400, samesite="lax", secure=page.desk.secure)
    return answer
