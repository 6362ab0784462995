"""The public door of SMART Health Links: who has a link and its passcode gets the encrypted copy, and nobody else hears anything.

Source: HL7 SMART Health Cards and Links 1.0.0 (STU 1), "Health Links Specification". There is no token: a link is opened by what
it carries, and under the law as of whoever made it, asked anew each time (docs/law.md, K151). An id that never was, one that is
over and one that was ended get the same answer. A browser of any site may ask, since the answer is worth nothing without the key.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, CONTROL, PUBLIC, Answer, Call, Pairs, Route, Stale, unsettled
from kjerne.services.health_links.payload import PATH, VIEWS, is_secret, new_secret, passcode_digest
from kjerne.store import summary_links
from kjerne.store.codec import Wrap
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader
from kjerne.store.summary_links import Content, Living, Opened, Try, Wrong

AT: Final = PATH + "/{id}"
FILE_AT: Final = PATH + "/file/{file}"
BODY_LIMIT_BYTES: Final = 10_000
RECIPIENT_MOST: Final = 200
PASSCODE_MOST: Final = 200
EMBEDDED_MOST: Final = 100_000
"""Characters of a file that stands in the manifest where the receiver names no limit; a longer one is fetched."""
JSON: Final = "application/json"
JOSE: Final = "application/jose"
ANYWHERE: Final[Pairs] = (("access-control-allow-origin", "*"),)
PREFLIGHT: Final[Pairs] = (
    *ANYWHERE, ("access-control-allow-methods", "POST"), ("access-control-allow-headers", "content-type"),
    ("access-control-max-age", "600"),
)  # fmt: skip
_json: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Asked:
    """What a receiver sent. `passcode` is None where it sent none, `embedded_most` where it names no limit. `views`: it is our
    own page, which knows the rendering that goes along with a copy; the specification has no such type of file."""

    recipient: str
    passcode: str | None
    embedded_most: int | None
    views: bool = False


@dataclass(frozen=True)
class HealthLinksApi:
    """The handlers. `as_maker` asks the law as of whoever made a link, without a trace; None where it says no. `key` is for what
    is kept of passcodes, `public_url` where files are fetched."""

    pool: Pool
    wrap: Wrap
    reader: Reader
    key: bytes
    public_url: str
    parse_json: Callable[[bytes], dict[str, Any]]
    as_maker: Callable[[Living, datetime, str], Awaitable[Grant | None]]

    def routes(self) -> list[Route]:
        return [
            Route("POST", AT, self.manifest, PUBLIC, "json", body_limit_bytes=BODY_LIMIT_BYTES),
            Route("OPTIONS", AT, self.preflight, PUBLIC, "json"),
            Route("GET", FILE_AT, self.file, PUBLIC, "json"),
        ]

    async def preflight(self, _: Call) -> Answer:
        """A browser asks whether a page of another site may ask."""
        return Answer(204, headers=PREFLIGHT)

    async def manifest(self, call: Call) -> Answer:
        """The files of a link. 401 with the tries that are left for a wrong passcode, 404 for every id that opens nothing, 429
        where it is opened too often."""
        try:
            asked = asked_in(call, self.parse_json)
        except Refusal as refused:
            refused.headers = (*refused.headers, *ANYWHERE)
            raise
        secret = call.parameters["id"]
        found = await self._tried(call, secret, asked) if is_secret(secret) else None
        if isinstance(found, Wrong):
            if found.busy_seconds:
                told = {"error": "the link was opened too often", "todo": "Wait, and try again."}
                return _answer(429, told, ("retry-after", str(found.busy_seconds)))
            left: dict[str, Any] = {"error": "the passcode is not right", "remainingAttempts": found.left}
            return _answer(401, left, ("www-authenticate", "Passcode"))
        if found is None:
            return _nothing()
        digest = summary_links.digest_of(secret)
        told_files = [
            await self._told(digest, place, one, asked, found, call.at)
            for place, one in enumerate(found.files)
            if asked.views or one.media_type != VIEWS
        ]
        return _answer(200, {"files": told_files})

    async def _tried(self, call: Call, secret: str, asked: Asked) -> Opened | Wrong | None:
        digest = summary_links.digest_of(secret)
        typed = None if asked.passcode is None else passcode_digest(self.key, secret, asked.passcode)
        one = Try(digest, typed, asked.recipient)
        for _ in range(ATTEMPTS):
            grant = await self._granted(call, digest)
            if grant is None:
                return None
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    return await summary_links.open_link(conn, grant, self.wrap, self.reader, one)
            except Stale:
                continue
        raise unsettled()

    async def _granted(self, call: Call, digest: bytes) -> Grant | None:
        living = await summary_links.living(self.pool, digest, call.at)
        if living is None:
            return None
        grant = await self.as_maker(living, call.at, call.correlation)
        if grant is None:
            await summary_links.end(self.pool, digest, call.at, "law")
        return grant

    async def _told(
        self, link: bytes, place: int, one: Content, asked: Asked, found: Opened, now: datetime
    ) -> dict[str, Any]:
        """A file as the manifest tells of it: inside where it is short enough, else by an address for one use."""
        told = {
            "contentType": one.media_type, "status": "finalized", "fhirVersion": "4.0.1",
            "lastUpdated": found.made_at.isoformat(timespec="seconds"),
        }  # fmt: skip
        if len(one.jwe) <= (EMBEDDED_MOST if asked.embedded_most is None else asked.embedded_most):
            return told | {"embedded": one.jwe}
        ticket = new_secret(secrets.token_bytes)
        async with self.pool.acquire() as conn:
            await summary_links.add_file(conn, summary_links.digest_of(ticket), link, place, now)
        return told | {"location": f"{self.public_url}{PATH}/file/{ticket}"}

    async def file(self, call: Call) -> Answer:
        """An encrypted file, once and soon after its link was opened; 404 for every other address."""
        ticket = call.parameters["file"]
        spent = None
        if is_secret(ticket):
            spent = await summary_links.spend(self.pool, summary_links.digest_of(ticket), call.at)
        if spent is None:
            return _nothing()
        for _ in range(ATTEMPTS):
            grant = await self._granted(call, spent[0])
            if grant is None:
                return _nothing()
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    found = await summary_links.file_of(conn, grant, self.wrap, self.reader, *spent)
            except Stale:
                continue
            return Answer(200, found.jwe.encode(), JOSE, ANYWHERE) if found else _nothing()
        raise unsettled()


def asked_in(call: Call, parse_json: Callable[[bytes], dict[str, Any]]) -> Asked:
    """What the body says; what it says beside that is passed over, as the specification wants. `Refusal` 400 or 415."""
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "a manifest is asked for in JSON", where="content-type", todo=f"Send {JSON}.")
    sent = parse_json(call.body)
    recipient = sent.get("recipient")
    who = " ".join(CONTROL.sub(" ", recipient).split()) if isinstance(recipient, str) else ""
    if not who:
        raise Refusal(400, "recipient is missing", where="recipient", todo="Say who opens the link.")
    if len(who) > RECIPIENT_MOST:
        raise Refusal(400, f"recipient is longer than {RECIPIENT_MOST} characters", where="recipient")
    passcode = sent.get("passcode")
    if passcode is not None and (not isinstance(passcode, str) or len(passcode) > PASSCODE_MOST):
        raise Refusal(400, f"passcode is a string of at most {PASSCODE_MOST} characters", where="passcode")
    most = sent.get("embeddedLengthMax")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        raise Refusal(400, "embeddedLengthMax is a number that is not negative", where="embeddedLengthMax")
    return Asked(who, passcode, most, sent.get("views") is True)


def _answer(status: int, told: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status, _json(told), JSON, (*ANYWHERE, *headers))


def _nothing() -> Answer:
    """The one answer to what opens nothing, whatever the reason."""
    told = {"error": "there is nothing to open here", "todo": "Ask for a new link."}
    return _answer(404, told)
