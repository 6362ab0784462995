"""What a browser carries between requests: a sealed cookie, and in each form a token bound to login and patient.

A login is its cookie and nothing else, so any host answers the next request; only that it was ended is kept on the
server, since a cookie can be copied before it is deleted. The cookie is AES-256-GCM under a key outside the database; it
lives 20 minutes from the last request and never longer than a working day. One login has one patient open
at a time (an attestation is deleted when the sender changes patient, trust.md 0.4), and a form says which one it was
shown for: a tab left open on another patient can change nothing.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kjerne.errors import Refusal
from kjerne.pages.house import Identity, Visit

IDLE_MINUTES: Final = 20
"""How long a login lives without a request: a desk in a ward is left open to the next person."""
DAY_HOURS: Final = 10
"""How long a login lives at all: one shift."""
FORM_MINUTES: Final = 120
STALE_MINUTES: Final = 10
"""When a page is too old to act on. `kjerne.css` shows it after the same time; a test holds the two together."""
_FIELD: Final = "token"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `visit` is the patient that is open now."""

    id: str
    identity: Identity
    made_at: datetime
    until: datetime
    visit: Visit | None = None

    @property
    def last(self) -> datetime:
        """When it ends however busy it is."""
        return self.made_at + timedelta(hours=DAY_HOURS)


@dataclass(frozen=True, slots=True)
class FormToken:
    """Which login, which visit and which patient a form was shown for, and when."""

    session: str
    visit: str
    patient: int
    shown_at: datetime


class Seal:
    """Seals values into text and opens them again; a changed, foreign or wrong-kind text opens to None."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, kind: str, value: object) -> str:
        """The value as URL-safe text. `kind` keeps a form token from being used as a cookie."""
        nonce = secrets.token_bytes(12)
        sealed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(value), kind.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, kind: str, text: str, of: type[T]) -> T | None:
        """What was sealed, or None."""
        try:
            raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            plain = self._cipher.decrypt(raw[:12], raw[12:], kind.encode())
            return msgspec.msgpack.decode(plain, type=of)
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return None


def begin(identity: Identity, now: datetime) -> Session:
    """A fresh login with a fresh id: an id from before the login is worth nothing after it."""
    return Session(secrets.token_urlsafe(12), identity, now, now + timedelta(minutes=IDLE_MINUTES))


def read(seal: Seal, cookie: str, now: datetime) -> Session | None:
    """The login of a cookie, prolonged by this request; None where it has ended by itself."""
    session = seal.open("session", cookie, Session) if cookie else None
    if session is None or now >= session.until:
        return None
    if now >= session.last:
        return None
    return replace(session, until=min(now + timedelta(minutes=IDLE_MINUTES), session.last))


def form_token(seal: Seal, session: Session, now: datetime) -> str:
    """What every form carries."""
    visit = session.visit
    return seal.seal("form", FormToken(session.id, visit.id if visit else "", visit.patient if visit else 0, now))


def check_form(seal: Seal, session: Session, form: Mapping[str, str], now: datetime, *, fresh: bool = False) -> None:
    """Refuse a post that this login, for this patient, was not shown the form for.

    `fresh` also refuses a form older than `STALE_MINUTES`: the page it stood on may no longer be true.
    """
    token = seal.open("form", form.get(_FIELD, ""), FormToken)
    if token is None or token.session != session.id or now - token.shown_at > timedelta(minutes=FORM_MINUTES):
        raise Refusal(403, "The form does not belong to this login.", code="forbidden", where="form")
    visit = session.visit
    if (token.visit, token.patient) != (visit.id if visit else "", visit.patient if visit else 0):
        raise Refusal(409, "The form was shown for another patient than the one that is open now.", where="patient")
    if fresh and now - token.shown_at > timedelta(minutes=STALE_MINUTES):
        raise Refusal(409, "The page was too old to act on.", where="stale")
