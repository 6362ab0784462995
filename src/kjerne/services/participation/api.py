"""The register of participation for operators' systems: read it, open, widen and close (`register`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.encode import encode
from kjerne.services.participation.register import (
    NAME_CHARACTERS,
    PHASES,
    Asked,
    Change,
    Kind,
    Register,
    organisation_of,
)
from kjerne.store import participation
from kjerne.store.participation import Participation, Role, Wanted
from kjerne.store.pool import Pool
from kjerne.store.registers import organisation_names

OPERATIONS: Final = "kjerne:operations"
FORM_LIMIT_BYTES: Final = 16_000
LISTED: Final = 200
STATES: Final = ("in-force", "coming", "ended")
_FILTERS: Final = ("service", "part", "phase", "organisation", "state", "name")


@dataclass(frozen=True)
class ParticipationApi:
    """The handlers."""

    register: Register
    pool: Pool

    def routes(self) -> list[Route]:
        base = "/participation"
        return [
            Route("GET", base, self.listed, OPERATIONS, "json"),
            Route("GET", f"{base}/{{number}}", self.one, OPERATIONS, "json"),
            Route("POST", base, self.opened, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{base}/{{number}}/widen", self.widened, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{base}/{{number}}/close", self.closed, OPERATIONS, "json", FORM_LIMIT_BYTES),
        ]

    async def listed(self, call: Call) -> Answer:
        """Rows, newest first, a page of them; filters by service, part, phase, organisation, state and name."""
        asked = dict(call.query)
        if not asked.keys() <= {*_FILTERS, "_after"} or len(asked) < len(call.query):
            raise Refusal(400, f"the register takes {', '.join(_FILTERS)} and _after, each once", where="query")
        skipped = _count(asked.pop("_after", "0"))
        async with self.pool.acquire() as conn:
            rows = await participation.listed(conn, wanted(asked, self.register.services), call.at, LISTED + 1, skipped)
        told: dict[str, Any] = {"participation": await named(self.pool, rows[:LISTED])}
        if len(rows) > LISTED:
            told["after"] = skipped + LISTED
        return _json(told)

    async def one(self, call: Call) -> Answer:
        """One row with what it was widened from and to, oldest first."""
        async with self.pool.acquire() as conn:
            rows = await participation.chain(conn, _number(call))
        if not rows:
            raise Refusal(404, "no row of the register has this number", where="number")
        return _json({"participation": await named(self.pool, rows)})

    async def opened(self, call: Call) -> Answer:
        """Takes an organisation in."""
        return await self._changed(call, "open", 0)

    async def widened(self, call: Call) -> Answer:
        """Ends a row and begins a wider one."""
        return await self._changed(call, "widen", _number(call))

    async def closed(self, call: Call) -> Answer:
        """Gives a row its end."""
        return await self._changed(call, "close", _number(call))

    async def _changed(self, call: Call, kind: str, number: int) -> Answer:
        asked = Asked(cast("Kind", kind), dict(call.form), number)
        number, change = await self.register.save(_caller(call), asked, call.at, call.correlation)
        return _json(told_of_change(number, change), 200 if kind == "close" else 201)


def wanted(asked: Mapping[str, str], services: Sequence[str]) -> Wanted:
    """Which rows are asked for, an empty filter being none; `Refusal` 400 for a value that no row can have."""
    known = {"service": services, "part": get_args(Role), "phase": PHASES, "state": STATES}
    for name, values in known.items():
        if asked.get(name) and asked[name] not in values:
            raise Refusal(400, f"{name} is one of {', '.join(values)}", where=name)
    if asked.get("organisation"):
        organisation_of(asked)
    if len(asked.get("name", "")) > NAME_CHARACTERS:
        raise Refusal(400, f"name is at most {NAME_CHARACTERS} characters", where="name")
    return Wanted(**asked)  # type: ignore[arg-type]


async def named(pool: Pool, rows: Sequence[Participation]) -> list[dict[str, Any]]:
    """The rows as JSON, each with the organisation's name where the register of organisations has it."""
    names = await organisation_names(pool, sorted({row.organisation for row in rows}))
    return [told_of(row, names.get(row.organisation, "")) for row in rows]


def told_of(row: Participation, name: str) -> dict[str, Any]:
    """A row as JSON; what is not said is left out."""
    told: dict[str, Any] = {
        "number": row.number,
        "organisation": row.organisation,
        "name": name,
        "service": row.service,
        "part": row.part,
        "areas": list(row.areas),
        "phase": row.phase,
        "since": row.since.isoformat(),
        "until": row.until.isoformat() if row.until else None,
        "basis": row.basis,
        "madeBy": row.made_by,
        "madeAt": row.made_at.isoformat(),
        "endedBy": row.ended_by,
        "endedAt": row.ended_at.isoformat() if row.ended_at else None,
        "endedWhy": row.ended_why,
        "widens": row.widens,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def told_of_change(number: int, change: Change) -> dict[str, Any]:
    """What a change did: the row by number, from when, and how many units of the register of organisations it reaches."""
    reach = change.reach
    covered: Mapping[str, int] = {"units": reach.units, "covered": reach.covered} if reach else {}
    return {"number": number, "change": change.kind, "at": change.at.isoformat(), **covered}


def _json(told: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, encode(dict(told)), "application/json")


def _number(call: Call) -> int:
    return _count(call.parameters["number"])


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Refusal(404, "no row of the register has this number", where="number")
    return int(text)


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "only a caller who is known changes the register")
    # No rule of the law is asked here, so who may not is told here: a citizen runs no platform, whatever her token holds.
    if call.caller.kind == "citizen":
        raise Refusal(403, "a citizen does not change the register", where="scope")
    return call.caller
