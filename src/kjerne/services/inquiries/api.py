"""Requests for correction as the source that sent the result in meets them: a list, one opened for a reason, an answer.

A source sees those that are routed to its own organisation and no other. It corrects by sending a correction, as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route, granted
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.services.inquiries.desk import Desk, Opened
from kjerne.store import inquiries, participation
from kjerne.store.house import Store
from kjerne.store.inquiries import STATUSES, Behind, Inquiry, Wanted

SCOPE: Final = "nhn:pps/provesvar-write"
SERVICE: Final = "results"
FORM_LIMIT_BYTES: Final = 16_000
LISTED: Final = 200


@dataclass(frozen=True)
class CorrectionsApi:
    """The handlers."""

    desk: Desk
    store: Store

    def routes(self) -> list[Route]:
        base = "/pps/in/corrections"
        return [
            Route("GET", base, self.listed, SCOPE, "json"),
            Route("POST", f"{base}/{{number}}", self.opened, SCOPE, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{base}/{{number}}/answer", self.answered, SCOPE, "json", FORM_LIMIT_BYTES),
        ]

    async def listed(self, call: Call) -> Answer:
        """Those routed to the caller's organisation, those that wait longest first; nothing of whom they are about."""
        asked = dict(call.query)
        if not asked.keys() <= {"status", "_after"} or len(asked) < len(call.query):
            raise Refusal(400, "the list takes status and _after, each once", where="query")
        if asked.get("status", "") not in ("", *STATUSES):
            raise Refusal(400, f"status is one of {', '.join(STATUSES)}", where="status")
        behind = Behind.parsed(asked["_after"]) if "_after" in asked else None
        wanted = Wanted("correction", asked.get("status", ""), _organisation(call))
        async with self.store.pool.acquire() as conn:
            if call.caller is None or not await participation.is_source(conn, call.caller, SERVICE, call.at):
                raise _takes_no_part()
            rows = await inquiries.listed(conn, wanted, LISTED + 1, behind)
        told: dict[str, Any] = {"corrections": [_told(row) for row in rows[:LISTED]]}
        if len(rows) > LISTED:
            told["after"] = str(Behind.of(rows[LISTED - 1]))
        return _json(told)

    async def opened(self, call: Call) -> Answer:
        """One with what the citizen wrote, for a `reason` that stands in her log."""
        held, reason = await self._held(call), dict(call.form).get("reason", "")

        async def use(grant: Grant) -> dict[str, Any]:
            async with self.store.pool.acquire() as conn:
                opened = await self.desk.opened(conn, grant, held, reason)
                number = await self.store.people.number(conn, grant)
            return _told(opened.inquiry) | _content(opened, number)

        return _json(await granted(call.admit, PatientRef(key=held.patient), SERVICE, "handle", use))

    async def answered(self, call: Call) -> Answer:
        """The next step: `status` under-way or answered, `answer`, and the `step` that was last seen."""
        held, form = await self._held(call), dict(call.form)
        step, by = _count(form.get("step", ""), "step"), await self._name(_organisation(call))

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn:
                await self.desk.moved(conn, grant, held, form.get("status", ""), form.get("answer", ""), by, step)

        await granted(call.admit, PatientRef(key=held.patient), SERVICE, "handle", use)
        return Answer(204)

    async def _held(self, call: Call) -> Inquiry:
        """`Refusal` 404 alike where there is none, where it is no correction, and where it is another's."""
        try:
            number = UUID(call.parameters["number"])
        except ValueError:
            raise _missing() from None
        async with self.store.pool.acquire() as conn:
            held = await inquiries.found(conn, number)
        if held is None or (held.kind, held.organisation) != ("correction", _organisation(call)):
            raise _missing()
        return held

    async def _name(self, organisation: str) -> str:
        return str(
            await self.store.pool.fetchval("SELECT name FROM organisation WHERE number = $1", organisation)
            or organisation
        )


def _told(one: Inquiry) -> dict[str, Any]:
    return {
        "number": str(one.number),
        "reference": one.reference,
        "receivedAt": one.made_at.isoformat(),
        "status": one.status,
        "step": one.step,
    }


def _content(opened: Opened, number: str) -> dict[str, Any]:
    told, record = opened.told, opened.inquiry.record
    assert record is not None, "a correction is of a record"
    return {
        "patient": number,
        "resource": f"{type_name(record.type)}/{record.id}",
        "version": record.version,
        "about": told.about,
        "why": told.why,
        "text": told.text,
        "reach": told.reach,
        "contact": told.contact,
        "steps": [
            {"at": step.at.isoformat(), "status": step.status, "by": step.made_by, "answer": step.answer}
            for step in opened.steps
        ],
    }


def _organisation(call: Call) -> str:
    if call.caller is None or not call.caller.organisation:
        raise Refusal(403, "the token names no organisation that could own a result", where="organisation")
    return call.caller.organisation


def _count(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal(400, "this is a number", where=where)
    return int(text)


def _takes_no_part() -> Refusal:
    """Of nobody in particular, as the law says it about each (`answerer-takes-no-part`)."""
    says = "your organisation takes no part as a source now; whoever runs the platform answers what waits"
    return Refusal(403, says, where="organisation", rule="answerer-takes-no-part")


def _missing() -> Refusal:
    return Refusal(404, "no request for correction of yours has this number", where="number")


def _json(told: Mapping[str, Any]) -> Answer:
    return Answer(200, encode(dict(told)), "application/json")
