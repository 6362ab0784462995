"""Messages that somebody has looked, sent by SMTP: made from the log, one at a time, at least once.

A message holds no name, no place and nothing of health: that there was a look, and where to log in. Before each is sent
the law is asked whether its receiver may still choose for the patient: a parent whose child turns twelve hears no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlsplit

import structlog

from kjerne.access import Caller, Grant
from kjerne.clock import Clock
from kjerne.exchange import PatientRef
from kjerne.policy.insight import ACUTE_BASES, ACUTE_PURPOSES
from kjerne.policy.reach import may_be_told
from kjerne.policy.rules import decide
from kjerne.policy.table import RULES
from kjerne.settings import Settings
from kjerne.store import notifying, subjects
from kjerne.store.codec import PersonWrap
from kjerne.store.keys import Keys
from kjerne.store.notifying import Waiting
from kjerne.store.pool import Connection, Pool

log = structlog.get_logger("kjerne.notifying")

CLIENT: Final = "kjerne-notify"
AT_ONCE: Final = 100
FIRST_RETRY: Final = timedelta(minutes=1)
LONGEST_RETRY: Final = timedelta(hours=6)
GIVE_UP: Final = timedelta(days=3)
SMTP_SECONDS: Final = 20
SERVICE: Final = "results"
MARKED: Final = frozenset(rule.id for rule in RULES if rule.mark)

SUBJECT: Final[Mapping[str, str]] = {
    "nb": "Melding fra kjerne",
    "nn": "Melding frå kjerne",
    "en": "Message from kjerne",
}
TEXT: Final[Mapping[str, tuple[str, str]]] = {
    "nb": (
        "Noen har sett i opplysningene dine i kjerne. Logg inn for å se hvem og hvorfor: {url}",
        "Noen har sett i opplysningene til en du er foreldre til, i kjerne. Logg inn for å se hvem og hvorfor: {url}",
    ),
    "nn": (
        "Nokon har sett i opplysningane dine i kjerne. Logg inn for å sjå kven og kvifor: {url}",
        "Nokon har sett i opplysningane til ein du er forelder til, i kjerne. Logg inn for å sjå kven og kvifor: {url}",
    ),
    "en": (
        "Somebody has looked at your information in kjerne. Log in to see who and why: {url}",
        "Somebody has looked at the information of a child of yours in kjerne. Log in to see who and why: {url}",
    ),
}
"""Of oneself, and of a child."""


@dataclass(frozen=True)
class Post:
    """Hands one message to the operator's mail server."""

    settings: Settings

    def send(self, message: EmailMessage) -> None:
        """Raises `smtplib.SMTPException` or `OSError` where it was not taken."""
        own = self.settings
        with self._server() as server:
            if own.smtp_user:
                server.login(own.smtp_user, own.smtp_password.get_secret_value())
            server.send_message(message)

    def _server(self) -> smtplib.SMTP:
        own, context = self.settings, ssl.create_default_context()
        if own.smtp_tls == "tls":
            return smtplib.SMTP_SSL(own.smtp_host, own.smtp_port, timeout=SMTP_SECONDS, context=context)
        server = smtplib.SMTP(own.smtp_host, own.smtp_port, timeout=SMTP_SECONDS)
        if own.smtp_tls == "starttls":
            server.starttls(context=context)
        return server


class Notifier:
    """Makes the messages and sends them, when the clock says so (`kjerne.housekeeping`)."""

    def __init__(self, pool: Pool, clock: Clock, keys: Keys, settings: Settings, post: Post | None = None) -> None:
        self._pool = pool
        self._clock = clock
        self._wrap = PersonWrap(keys.derived("wrap"))
        self._settings = settings
        self._post = post or Post(settings)

    async def work(self) -> bool:
        """Reads the log on and sends what is due; whether there is more to do at once."""
        async with self._pool.acquire() as conn:
            looked = await notifying.derive(conn, self._clock.now(), MARKED, ACUTE_PURPOSES, ACUTE_BASES)
        for _ in range(AT_ONCE):
            if not await self._one():
                return looked >= notifying.ROWS_AT_ONCE
        return True

    async def _one(self) -> bool:
        async with self._pool.acquire() as conn:
            one = await notifying.next_due(conn, self._clock.now())
            if one is None:
                return False
            message = await self._message(conn, one)
            if message is None:
                await notifying.give_up(conn, one, self._clock.now())
        if message is not None:
            await self._sent(one, message)
        return True

    async def _message(self, conn: Connection, one: Waiting) -> EmailMessage | None:
        """The message, while the law lets its receiver choose for the patient."""
        now = self._clock.now()
        # As the citizen's pages make her caller: the law is asked about the person, not about a login.
        caller = Caller("citizen", CLIENT, frozenset({"kjerne:citizen"}), digest=one.digest, level=4)
        loaded = await subjects.load(conn, PatientRef(key=one.patient), caller, self._wrap)
        if loaded is None:
            return None
        subject = loaded[0]
        answer = decide(caller, subject, SERVICE, "choose", now=now)
        if not isinstance(answer, Grant) or not may_be_told(answer):
            return None
        address = notifying.opened(self._wrap, one.patient, one.owner, subject.wrapped[0], one.address)
        return composed(self._settings, one, address, own=one.owner in subject.keys)

    async def _sent(self, one: Waiting, message: EmailMessage) -> None:
        """Sends it with no connection held and no transaction open, and notes what became of it."""
        now, fault = self._clock.now(), None
        try:
            await asyncio.to_thread(self._post.send, message)
        except (smtplib.SMTPException, OSError) as error:
            log.warning("message not sent", kind=type(error).__name__, tries=one.tries + 1)
            fault = error
        async with self._pool.acquire() as conn:
            if fault is None:
                await notifying.sent(conn, one, now)
            elif _is_final(fault) or now - one.made_at > GIVE_UP:
                await notifying.give_up(conn, one, now)
            else:
                await notifying.again(conn, one, now + wait(one.tries))


def _is_final(error: Exception) -> bool:
    """Whether the server says that there is nobody at the address, and trying again is no use."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return False


def wait(tries: int) -> timedelta:
    """Doubling from a minute to six hours."""
    doubled: timedelta = FIRST_RETRY * 2 ** min(tries, 12)
    return min(LONGEST_RETRY, doubled)


def composed(settings: Settings, one: Waiting, address: str, *, own: bool) -> EmailMessage:
    """The message as it is sent. Its id is the same each time it is tried, so that a mailbox can tell a copy."""
    to = address if one.channel == "email" else f"{address.lstrip('+')}@{settings.sms_gateway}"
    language = one.language if one.language in TEXT else "nb"
    url = f"{settings.public_url or f'http://{settings.host}:{settings.port}'}/me/log"
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.smtp_from, to, SUBJECT[language]
    named = hashlib.sha256(f"{one.patient}:{one.owner}:{one.key}".encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{named}@{urlsplit(url).hostname}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(TEXT[language][0 if own else 1].format(url=url))
    return message
