"""Whether a record of critical information holds at a moment: asked by icon, box, `/me`, cards, summary and comparison alike.

Sources: the value sets of R4 condition-clinical (where *remission* and *resolved* are kinds of *inactive*),
allergyintolerance-clinical, event-status (Procedure), device-statement-status and flag-status; kjernejournal's extension
KjValidUntil. What each means is decided once: K175, and the table in docs/critical-information.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from kjerne.fhir.cds_hooks import codings, objects, said
from kjerne.fhir.corrections import IN_ERROR
from kjerne.fhir.dates import LAST_DAY, MICROSECOND, OSLO, interval, local, period
from kjerne.registries.kj_profiles import BASE

Tree = Mapping[str, Any]
Standing = Literal["active", "over", "refuted", "not-done", "in-error"]
"""Whether an entry holds: it does, does no more, was never so, was never done, or should never have been written."""

VALID_UNTIL: Final = f"{BASE}KjValidUntil"
ENDED: Final = frozenset({"inactive", "remission", "resolved", "completed", "stopped"})
"""What a status or a clinical status says of what holds no more."""
NOT_DONE: Final = "not-done"
_HOLDING: Final = frozenset({"active", "recurrence", "relapse"})
_SO: Final = frozenset({"confirmed", "unconfirmed", "provisional", "differential"})
_DAY: Final = len("2026-01-01")


def standing(tree: Tree, now: datetime) -> Standing:
    """How a record stands; it may have any shape. What says both that it holds and that it does not is kept: it holds.

    >>> from datetime import UTC
    >>> standing({"resourceType": "Procedure", "status": "not-done"}, datetime(2026, 11, 27, tzinfo=UTC))
    'not-done'
    """
    status, verified = said(tree.get("status")), _codes(tree.get("verificationStatus"))
    if IN_ERROR in (status, *verified):
        return "in-error"
    if is_refuted(tree):
        return "refuted"
    if status == NOT_DONE:
        return "not-done"
    clinical = _codes(tree.get("clinicalStatus"))
    has_ended = status in ENDED or (clinical & ENDED and not clinical & _HOLDING)
    return "over" if has_ended or _has_abated(tree) or is_past(tree, now) or has_run_out(tree, now) else "active"


def is_refuted(tree: Tree) -> bool:
    """Whether it was looked into and is not so, and no other code says that it may be."""
    verified = _codes(tree.get("verificationStatus"))
    return "refuted" in verified and not verified & _SO


def is_past(tree: Tree, now: datetime) -> bool:
    """Whether KjValidUntil has passed, the last of several: the end of its day in Norway, of its month or of its year. What is no
    date ends nothing, and neither does another's extension of a like name."""
    return max(_ends(tree), default=now + MICROSECOND) <= now


def has_run_out(tree: Tree, now: datetime) -> bool:
    """Whether the period of a flag has ended."""
    spans = period(tree.get("period"))
    return spans is not None and spans[1] <= now


def last_day(text: str) -> str:
    """The last day in Norway of a date, as a form asks for one; empty for none.

    >>> last_day("2026"), last_day("2026-11"), last_day("2026-11-27T23:30:00Z")
    ('2026-12-31', '2026-11-30', '2026-11-28')
    """
    try:
        return f"{min(interval(text)[1] - MICROSECOND, LAST_DAY).astimezone(OSLO):%Y-%m-%d}"
    except ValueError:
        return ""


def _ends(tree: Tree) -> Iterator[datetime]:
    for one in objects(tree.get("extension")):
        if one.get("url") == VALID_UNTIL:
            text = said(one.get("valueDateTime")) or said(one.get("valueDate"))
            try:
                # A journal that writes days as moments writes midnight: what has a time holds until its day is over.
                yield interval(text)[1] if len(text) <= _DAY else interval(f"{local(text):%Y-%m-%d}")[1]
            except ValueError:
                continue


def _has_abated(tree: Tree) -> bool:
    return any(key.startswith("abatement") for key in tree)


def _codes(concept: Any) -> set[str]:
    return {code for _, code, _ in codings(concept)}
