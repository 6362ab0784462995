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
from kjerne.store import audit
from kjerne.store.anomalies import Busy, Standing, busy_days, standing_out
from kjerne.store.house import Store

SCOPE: Final = "kjerne:operations"
LONGEST: Final = timedelta(days=31)
LIST_LIMIT: Final = 500
"""Most readings in one answer; ask for a shorter time where there are more."""

RULE: Final = "log-reviewed"
LAW: Final = "pasientjournalloven § 22; personvernforordningen artikkel 32"
SAYS: Final = "Den som har ansvaret for loggen, gikk gjennom oppslag som skilte seg ut."


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
        since, until = _period(dict(call.query), call.at)
        row = audit.of_nobody(call.caller, "", "review", RULE, LAW, SAYS, call.at, call.correlation)
        async with self.store.pool.acquire() as conn, conn.transaction():
            found = await standing_out(conn, self.store.wrap, since, until, LIST_LIMIT + 1)
            busy = await busy_days(conn, since, until, LIST_LIMIT)
            await audit.insert_explained(conn, row, f"{since.isoformat()}/{until.isoformat()}", "")
        told = {
            "since": since.isoformat(),
            "until": until.isoformat(),
            "readings": [_reading(one) for one in found[:LIST_LIMIT]],
            "further": len(found) > LIST_LIMIT,
            "volume": [_volume(one) for one in busy],
        }
        return Answer(200, encode(told), "application/json")


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


def _period(query: dict[str, str], now: datetime) -> tuple[datetime, datetime]:
    until = _moment(query, "until", now)
    since = _moment(query, "since", until - timedelta(days=1))
    if not timedelta() < until - since <= LONGEST:
        raise Refusal(400, f"a period is longer than nothing and at most {LONGEST.days} days", where="since")
    return since, until


def _moment(query: dict[str, str], name: str, otherwise: datetime) -> datetime:
    if not query.get(name):
        return otherwise
    try:
        given = datetime.fromisoformat(query[name])
    except ValueError:
        raise Refusal(400, "a time is written 2026-11-26 or 2026-11-26T12:00:00Z", where=name) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
