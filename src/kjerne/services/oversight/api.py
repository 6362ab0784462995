"""Oversight of the log for the data controller: readings by personnel that stand out, listed for an operator.

The list names practitioners and rows of the log and no patient, so it is no reading of a record; that it was made is in the
log all the same, as a row of the platform's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.encode import encode
from kjerne.registries.identifiers import id_without_numbers, without_numbers
from kjerne.services.oversight.review import LONGEST, Chosen, Line, Period, Reviewer
from kjerne.store.anomalies import Busy, Standing
from kjerne.store.house import Store

SCOPE: Final = "kjerne:operations"
LIST_LIMIT: Final = 500
"""Most readings in one answer; ask for a shorter time where there are more."""


@dataclass(frozen=True)
class OversightApi:
    """The handler."""

    store: Store

    def routes(self) -> list[Route]:
        return [Route("GET", "/oversight/anomalies", self.anomalies, SCOPE, "json")]

    async def anomalies(self, call: Call) -> Answer:
        """Readings that stand out in [since, until), by default the last day; the row that says so is durable first."""
        if call.caller is None:
            raise Refusal(401, "only a caller who is known reviews the log")
        period = _period(dict(call.query), call.at)
        found = await Reviewer(self.store).listed(
            call.caller, period, Chosen(), LIST_LIMIT, 0, call.at, call.correlation
        )
        told = {
            "since": period.since.isoformat(),
            "until": period.until.isoformat(),
            "readings": [_told(line) for line in found.readings],
            "further": found.more,
            "volume": [_told(line) for line in found.days],
        }
        return Answer(200, encode(told), "application/json")


def _told(line: Line) -> dict[str, object]:
    """A line, with the verdict that stands where there is one."""
    told = _volume(line.of) if isinstance(line.of, Busy) else _reading(line.of)
    if line.noted is None:
        return told
    noted = line.noted
    return told | {"verdict": {"says": noted.verdict, "at": noted.at.isoformat(), "author": noted.author}}


def _reading(one: Standing) -> dict[str, object]:
    return {
        "kinds": list(one.kinds),
        "row": str(one.row),
        "at": one.at.isoformat(),
        "practitioner": _practitioner(one.name, one.hpr, one.role),
        "organisation": one.organisation,
        "pointOfCare": one.point_of_care,
        "purpose": one.purpose,
        "basis": one.basis,
        "rule": one.rule,
        "decision": id_without_numbers(one.decision),
        "records": one.records,
    }


def _volume(one: Busy) -> dict[str, object]:
    return {
        "day": one.day.isoformat(),
        "practitioner": _practitioner(one.name, one.hpr, one.role),
        "organisation": one.organisation,
        "patients": one.patients,
        "usual": one.usual,
    }


def _practitioner(name: str, hpr: str, role: str) -> dict[str, str]:
    return {"name": without_numbers(name), "hpr": hpr, "role": role}


def _period(query: dict[str, str], now: datetime) -> Period:
    until = _moment(query, "until", now)
    since = _moment(query, "since", until - timedelta(days=1))
    if not timedelta() < until - since <= LONGEST:
        raise Refusal(400, f"a period is longer than nothing and at most {LONGEST.days} days", where="since")
    return Period(since, until)


def _moment(query: dict[str, str], name: str, otherwise: datetime) -> datetime:
    if not query.get(name):
        return otherwise
    try:
        given = datetime.fromisoformat(query[name])
    except ValueError:
        raise Refusal(400, "a time is written 2026-11-26 or 2026-11-26T12:00:00Z", where=name) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
