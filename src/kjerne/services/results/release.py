"""When a result opens for the citizen: at once, or after the requester has had time to speak with her.

Two things delay it, and the later one counts. The rule by discipline (Volven 8202, the report's MsgDescr) is data; it
counts from the report's own date, so an old report that arrives late is open when it arrives. And the requester may
delay a single report by `NORU` (code system 9603, "utsatt tilgang") with the opening date as the code's original text.
The time is checked when the citizen reads; no job opens anything.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kjerne.services.results.kith.model import Report

# Days after the report date. Findings that can change a life are met first by somebody who can explain them: tissue
# and cells (HIST, CYTO, PAT) and medical genetics (MGEN). HelsaMi's second category releases by itself after 14 days.
DELAY_DAYS: Final = {"HIST": 14, "CYTO": 14, "PAT": 14, "MGEN": 14}
DELAYED: Final = "NORU"
OSLO: Final = ZoneInfo("Europe/Oslo")


def opens_at(report: Report, reported_at: datetime) -> datetime | None:
    """The moment the citizen may see it; None where it opens at once. `reported_at` is the first version's issue date."""
    days = DELAY_DAYS.get(report.discipline.code.upper())
    by_rule = [reported_at + timedelta(days=days)] if days else []
    asked = [
        moment
        for request in report.requests
        for reservation in request.reservations
        if reservation.code.upper() == DELAYED and (moment := _midnight(reservation.original))
    ]
    return max((*by_rule, *asked), default=None)


def _midnight(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), OSLO)
    except ValueError:
        return None
