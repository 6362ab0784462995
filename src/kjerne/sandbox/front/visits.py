"""What one browser has made here: tokens and calls, in this process's memory alone, under a cookie that names nobody.

A form carries what may stand in no address (a person number), and its answer is a redirect to what was made, by an id.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.sandbox.front.calling import Made
from kjerne.sandbox.front.tokens import Built

COOKIE: Final = "kjerne_sandbox"
VISITS_LIMIT: Final = 100
TOKENS_LIMIT: Final = 20
CALLS_LIMIT: Final = 30
"""With what is kept of each call, all browsers together stay under a gigabyte at the worst."""
IDLE: Final = timedelta(hours=8)
FORM_LIMIT_BYTES: Final = 200_000
FIELDS_LIMIT: Final = 100
T = TypeVar("T")


@dataclass
class Visit:
    """One browser's own; the newest of each last."""

    id: str
    seen_at: datetime
    tokens: dict[str, Built] = field(default_factory=dict, repr=False)
    calls: dict[str, Made] = field(default_factory=dict, repr=False)

    def keep_token(self, built: Built) -> str:
        """Its id here."""
        return _kept(self.tokens, built, TOKENS_LIMIT)

    def keep_call(self, made: Made) -> str:
        """Its id here."""
        return _kept(self.calls, made, CALLS_LIMIT)


class Visits:
    """All browsers' own; the one longest unseen gives way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, Visit] = {}

    def of(self, request: Request) -> Visit:
        """This browser's; a new one where it has none, which is kept once something is made in it."""
        now = self._clock.now()
        found = self._held.pop(request.cookies.get(COOKIE, ""), None)
        if found is None or now - found.seen_at > IDLE:
            return Visit(secrets.token_urlsafe(24), now)
        found.seen_at = now
        self._held[found.id] = found
        return found

    def gone_to(self, visit: Visit, path: str, *, secure: bool) -> Response:
        """A redirect to what was made, with the cookie that opens it."""
        self._held[visit.id] = visit
        while len(self._held) > VISITS_LIMIT:
            del self._held[next(iter(self._held))]
        answer = RedirectResponse(path, 303, {"cache-control": "no-store"})
        answer.set_cookie(COOKIE, visit.id, httponly=True, samesite="lax", secure=secure, path="/sandbox")
        return answer


def _kept(held: dict[str, T], value: T, limit: int) -> str:
    name = secrets.token_urlsafe(9)
    held[name] = value
    while len(held) > limit:
        del held[next(iter(held))]
    return name


async def posted(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours. `Refusal` where it comes from another site (403), or cannot be read (400, 413)."""
    origin = request.headers.get("origin", "")
    elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if elsewhere or (origin and origin.partition("://")[2] != request.headers.get("host", "")):
        raise Refusal(403, "the form was sent from another site", todo="Open the page here and send it again.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_LIMIT_BYTES:
            raise Refusal(413, f"the form is longer than {FORM_LIMIT_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="strict"))
    except ValueError:
        raise Refusal(400, "the form cannot be read") from None
