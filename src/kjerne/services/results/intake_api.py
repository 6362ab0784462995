"""`POST /pps/in`: a laboratory's message over HTTP, answered with Applikasjonskvittering; and the sender's rejected queue.

The HTTP status tells what the receipt tells: 200 accepted (also for one that came before), 4xx rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir import smart
from kjerne.fhir.encode import encode
from kjerne.services.results import queue
from kjerne.services.results.intake import SCOPE, Intake, Taken, sender_of
from kjerne.store import messages
from kjerne.store.house import Store

XML: Final = "application/xml"
TYPES: Final = ("application/xml", "text/xml", "application/octet-stream", "")
FILED: Final = (
    "DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole", "Binary", "ImagingStudy", "Media",
)  # fmt: skip
"""What a token's SMART scopes must leave whole for a message: the law asks for all that the service keeps (K26)."""


@dataclass(frozen=True)
class IntakeApi:
    """The handlers."""

    intake: Intake
    store: Store
    limit_bytes: int

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/pps/in", self.take, SCOPE, "json", self.limit_bytes, notes_proof=True),
            Route("GET", "/pps/in/rejected", self.rejected, SCOPE, "json"),
            Route("POST", "/pps/in/rejected", self.again, SCOPE, "json"),
            Route("POST", "/pps/in/rejected/{message}", self.again, SCOPE, "json"),
            Route("GET", "/pps/in/withdrawn", self.withdrawn, SCOPE, "json"),
        ]

    async def take(self, call: Call) -> Answer:
        """One message, whole or not at all."""
        media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in TYPES:
            raise Refusal(415, "a message is sent as application/xml", where="content-type")
        if not call.body:
            raise Refusal(400, "the body is empty", where="body", todo="Send the message as the body.")
        return _answer(call, await self._taken(call, call.body))

    async def _taken(self, call: Call, raw: bytes) -> Taken:
        # A message is filed whole, whatever types it becomes, and what it replaces is changed or goes.
        try:
            smart.demand_whole(_caller(call), FILED, "cud")
        except Refusal:
            await self.intake.refused(raw, call.admit)
            raise
        return await self.intake.take(raw, _caller(call), call.admit, call.correlation, call.once)

    async def rejected(self, call: Call) -> Answer:
        """The caller's own rejected messages: id, time, and where what is wrong; nothing of their content."""
        return await queue.of_sender(self.store, call, _sender(call))

    async def again(self, call: Call) -> Answer:
        """Runs a rejected message again, as it was sent: after a register was mended, say.

        A name that does not fit in a path ("/" in a MsgId) comes as `message` in the form or the query.
        """
        given = dict((*call.query, *call.form)).get("message", "")
        name = call.parameters.get("message", given)
        if not name:
            raise Refusal(400, "which message is to be run again is not said", where="message")
        async with self.store.pool.acquire() as conn:
            raw = await messages.content(conn, self.store.copies, _sender(call), name)
            receipt, faults = await messages.answered(conn, _sender(call), name)
        if raw is None:
            raise Refusal(404, "no rejected message of yours has this id", where="message")
        if not raw:
            # What is not kept is answered as it was: that nothing is filed here about the patient, and not why.
            return _answer(call, Taken(receipt, 0, 0, 403, faults))
        return _answer(call, await self._taken(call, raw))

    async def withdrawn(self, call: Call) -> Answer:
        """The caller's own reports that a corrected patient number moved, and where they had been opened meanwhile."""
        listed = [
            {
                "message": one.message,
                "withdrawnAt": one.at.isoformat(),
                "readers": sum(readers for _, _, readers in one.opened),
                "openedBy": [
                    {"organisation": organisation, "role": role, "readers": readers}
                    for organisation, role, readers in one.opened
                ],
            }
            for one in await self.intake.withdrawn(_caller(call))
        ]
        return Answer(200, encode({"sender": _sender(call), "withdrawn": listed}), "application/json")


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "a message needs a sender")
    return call.caller


def _sender(call: Call) -> str:
    return sender_of(_caller(call))


def _answer(call: Call, taken: Taken) -> Answer:
    """The receipt; for a sender that asks for JSON the same in four members."""
    if "application/json" not in call.headers.get("accept", ""):
        return Answer(taken.status, taken.receipt, XML)
    said = {
        "status": "accepted" if taken.accepted else "refused",
        "reason": "; ".join(
            f"{fault.says} ({fault.where})" if fault.where else fault.says for fault in taken.faults or taken.idle
        ),
        "reports": taken.reports,
        "observations": taken.observations,
        "duplicate": taken.duplicate,
    }
    return Answer(taken.status, encode(said), "application/json")
