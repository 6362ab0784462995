"""Page links: sealed, one hour long, and worth nothing to anybody but the caller they were made for.

A cursor holds the search and the place where the next page begins; every page is a new `Grant` and a new audit row.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.store.keys import Sealer


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a search goes on: its address and pairs, the key of the last entry, and when the link dies."""

    place: str
    pairs: list[tuple[str, str]]
    after: list[Any]
    dies_at: datetime


class Unbound(NamedTuple):
    """In a grant's place, where what is searched is about no patient: the link is its caller's all the same."""

    caller: Caller
    at: datetime


def token_in(pairs: Iterable[tuple[str, str]]) -> str | None:
    """The token of a page link among a request's parameters; None where there is none. `Refusal` 400 for several, or an
    empty one: it would begin the search anew."""
    tokens = [value for name, value in pairs if name == "_cursor"]
    if len(tokens) > 1 or tokens == [""]:
        raise Refusal(400, "a page link has one _cursor, and it is not empty", where="_cursor")
    return tokens[0] if tokens else None


def alone(pairs: Pairs) -> str | None:
    """As `token_in`; `Refusal` 400 where anything stands beside it."""
    token = token_in(pairs)
    if token is not None and len(pairs) > 1:
        raise not_alone()
    return token


def not_alone() -> Refusal:
    return Refusal(400, "a page link stands alone; it holds the search it goes on with", where="_cursor")


class Cursors:
    """Makes and opens page links under the session key."""

    def __init__(self, key: bytes, minutes: int) -> None:
        self._sealer = Sealer(key)
        self._life = timedelta(minutes=minutes)

    def make(self, grant: Grant | Unbound, place: str, pairs: Pairs, after: list[Any]) -> str:
        """A token for the page after `after`, bound to caller, SMART scopes, patient, attestation and the search's address."""
        cursor = Cursor(place, list(pairs), after, grant.at + self._life)
        sealed = self._sealer.seal(msgspec.msgpack.encode(cursor), _bound_to(grant))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, token: str, grant: Grant | Unbound, place: str) -> Cursor:
        """Raises `Refusal` 400 for a link of another caller, patient, attestation or search, 410 for one that is old."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.msgpack.decode(self._sealer.open(sealed, _bound_to(grant)), type=Cursor)
        except (binascii.Error, ValueError, InvalidTag, msgspec.DecodeError):
            raise Refusal(
                400,
                "this page link was made for another caller, patient or attestation, or is not one of ours",
                where="_cursor",
                todo="Start the search again.",
            ) from None
        if cursor.place != place:
            raise Refusal(
                400, "this page link belongs to another search", where="_cursor", todo="Start the search again."
            )
        if cursor.dies_at <= grant.at:
            raise Refusal(
                410, "this page link has died", where="_cursor", todo="Start the search again.", code="expired"
            )
        return cursor


def _bound_to(grant: Grant | Unbound) -> bytes:
    caller = grant.caller
    decision = caller.attestation.decision_id if caller.attestation else ""
    parts = (
        caller.kind,
        caller.client,
        caller.hpr,
        caller.digest.hex(),
        *((str(grant.subject.patient), decision, grant.purpose) if isinstance(grant, Grant) else ("", "", "")),
        *(limit.scope for limit in caller.limits or ()),
    )
    return "\x1f".join(parts).encode()
