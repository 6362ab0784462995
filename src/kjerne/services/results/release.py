"""When a result opens for the citizen: at once, or after the requester has had time to speak with her.

Two things delay it, and the later one counts. The rule by discipline (Volven 8202, the report's MsgDescr) is data; it
counts from the report's own date, so an old report that arrives late is open when it arrives. And the requester may
delay a single report by `NORU` (code system 9603, "utsatt tilgang") with the opening date as the code's original text.
The time is checked when the citizen reads; no job opens anything. Other codes of 9603 are labels that no time lifts: what
any version of a report withholds by them, one alone opens that says `N` (normal), the code of 9603 for it, and none by
silence. Of delays the newest that is asked for counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from kjerne.access import NO_LABEL, Label
from kjerne.registries.withholding import (
    DELAY_DAYS,
    DELAYED,
    NORMAL,
    UNDATED_DELAY_DAYS,
    asked_until,
    is_label_system,
    label_of,
    opening,
)
from kjerne.services.results.kith.chain import Versioned
from kjerne.services.results.kith.model import Code, Report

RESERVATION_PLACE: Final = "ServReq/Reservation"


def withheld(versions: Iterable[Versioned], reported_at: datetime) -> tuple[Label, datetime | None]:
    """What keeps a report from whom, and until when from the citizen; `reported_at` is its first version's issue date.

    Any version may withhold it, and a correction that leaves the reservation out does not take it back: what it corrected is
    still shown as a former value. A delay that is asked for anew takes the place of the one before: to say the day is to say
    it (law, K102). A version that says that nothing is withheld ends what those made before it asked for (K108), not what its
    discipline waits. Also what named another patient counts.
    """
    versions = list(versions)
    since = _lifted_at(versions)
    labels, rules, asked = NO_LABEL, list[datetime | None](), list[tuple[datetime, datetime]]()
    for version in versions:
        rules.append(_by_rule(version.report, reported_at))
        if since and version.generated_at < since:
            continue
        if own := labels_of(version.report):  # an enum's own `|` looks the sum up
            labels |= own
        if moment := _asked(version.report, version.generated_at):
            asked.append((version.generated_at, moment))
    return labels, _latest(*rules, max(asked)[1] if asked else None)


def ends(before: Iterable[Versioned], after: Iterable[Versioned], reported_at: datetime) -> bool:
    """Whether something that the versions `before` asked for may be over: since one says so, or another day is asked for."""
    after = list(after)
    if _lifted_at(after):
        return True
    then, now = withheld(before, reported_at)[1], withheld(after, reported_at)[1]
    return then is not None and (now is None or now < then)


def _lifted_at(versions: Iterable[Versioned]) -> datetime | None:
    """When the newest version was made that says that nothing is withheld."""
    return _latest(*(one.generated_at for one in versions if _lifts(one.report)))


def _lifts(report: Report) -> bool:
    """Whether it says `N`, and beside it nothing else of 9603, for any of its requests."""
    codes = {one.code.upper() for _, one in _reservations(report)}
    return codes == {NORMAL}


def opens_at(report: Report, reported_at: datetime, asked_at: datetime | None = None) -> datetime | None:
    """The moment the citizen may see it; None where it opens at once. `reported_at` is the first version's issue date.

    A delay without a date that can be read counts from when it was asked for (`asked_at`, this version's GenDate).
    """
    return _latest(_by_rule(report, reported_at), _asked(report, asked_at or reported_at))


def _by_rule(report: Report, reported_at: datetime) -> datetime | None:
    days = DELAY_DAYS.get(report.discipline.code.upper())
    return reported_at + timedelta(days=days) if days else None


def _asked(report: Report, asked_at: datetime) -> datetime | None:
    undated = asked_at + timedelta(days=UNDATED_DELAY_DAYS)
    found = (one for _, one in _reservations(report) if one.code.upper() == DELAYED)
    return _latest(*(opening(one.original) or undated for one in found))


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def check(report: Report) -> None:
    """`Refusal` 422 where a report that comes in asks to be delayed until a date that cannot be read."""
    for line, reservation in _reservations(report):
        if reservation.code.upper() == DELAYED:
            asked_until(reservation.original, f"{RESERVATION_PLACE} line {line}")


def labels_of(report: Report) -> Label:
    """What the requester's reservations withhold from whom; `Refusal` 422 for a code of 9603 that nobody knows."""
    labels = NO_LABEL
    for line, reservation in _reservations(report):
        if reservation.code.upper() != DELAYED:
            labels |= label_of(reservation.code, f"{RESERVATION_PLACE} line {line}")
    return labels


def _reservations(report: Report) -> Iterator[tuple[int, Code]]:
    """The reservations of code system 9603, each with the line of its request; of those without a system the ones that
    look like its codes (NOR...).

    The element's own code table (3108: R, T, U) says other things, and is no business of this.
    """
    for request in report.requests:
        for one in request.reservations:
            if is_label_system(one.system) if one.system else one.code.upper().startswith("NOR"):
                yield request.line, one
