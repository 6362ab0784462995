"""The rejected queue and the withdrawn reports as the operator meets them, and the content of a sender's own messages.

A reason is sent in a form and never in an address, so nothing is opened by GET.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kjerne.access import OPERATIONS, Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.encode import encode
from kjerne.services.results import queue
from kjerne.services.results.intake import SCOPE, sender_of
from kjerne.services.results.opening import Opener, Opening, Traced, reason_of
from kjerne.store.house import Store

FORM_LIMIT_BYTES: Final = 200_000
"""A MsgId may be long, and urlencoded three times as long."""
CONTENT: Final = "application/octet-stream"
"""What was rejected is nobody's XML: it is saved, not shown."""


@dataclass(frozen=True)
class OpeningApi:
    """The handlers."""

    opener: Opener
    store: Store

    def routes(self) -> list[Route]:
        own, theirs = "/pps/in/rejected/{message}/content", "/pps/operations/rejected"
        return [
            Route("POST", own, self.own_content, SCOPE, "json", FORM_LIMIT_BYTES),
            Route("POST", "/pps/in/content", self.own_content, SCOPE, "json", FORM_LIMIT_BYTES),
            Route("GET", theirs, self.rejected, OPERATIONS, "json"),
            Route("POST", f"{theirs}/content", self.content, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", "/pps/operations/withdrawn", self.withdrawn, OPERATIONS, "json", FORM_LIMIT_BYTES),
        ]

    async def own_content(self, call: Call) -> Answer:
        """A rejected message of the caller's own, opened for a reason."""
        caller, form = _caller(call), dict(call.form)
        name = call.parameters.get("message", "") or _field(form, "message")
        return _bytes(await self.opener.content(call, caller, sender_of(caller), name, reason_of(form)))

    async def content(self, call: Call) -> Answer:
        """A rejected message of any sender, opened for a reason; also one that names nobody who is known."""
        form = dict(call.form)
        sender, name = _field(form, "sender"), _field(form, "message")
        return _bytes(await self.opener.content(call, _caller(call), sender, name, reason_of(form)))

    async def rejected(self, call: Call) -> Answer:
        """The rejected messages of all senders, page by page; nothing of their content."""
        return await queue.of_all(self.store, call)

    async def withdrawn(self, call: Call) -> Answer:
        """Who by name had opened the reports that a message withdrew from a wrong person, and when."""
        form = dict(call.form)
        sender, name, reason = _field(form, "sender"), _field(form, "message"), reason_of(form)
        traced = await self.opener.readers(call, sender, name, reason)
        told = {"sender": sender, "message": name, "withdrawn": [_report(one) for one in traced]}
        return Answer(200, encode(told), "application/json")


def _report(one: Traced) -> dict[str, object]:
    return {"withdrawnAt": one.at.isoformat(), "openedBy": [_opening(opening) for opening in one.opened]}


def _opening(one: Opening) -> dict[str, str]:
    return {
        "at": one.at.isoformat(),
        "kind": one.kind,
        "name": one.who,
        "role": one.role,
        "organisation": one.organisation,
        "purpose": one.purpose,
    }


def _bytes(raw: bytes) -> Answer:
    return Answer(200, raw, CONTENT, (("content-disposition", "attachment"),))


def _field(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise Refusal(400, f"the form has no {name}", where=name)
    return form[name]


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "only a caller who is known opens a message")
    return call.caller
