"""Links between person numbers for operators' systems: compare, link, list, look what was shown, undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kjerne.access import OPERATIONS, Caller
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.registries.naming import identified
from kjerne.services.persons.linking import LISTED, Compared, Linker, Meanwhile
from kjerne.store.linking import Link

BASE: Final = "/persons/links"
FORM_LIMIT_BYTES: Final = 4_000
DIGITS: Final = 16


@dataclass(frozen=True)
class PersonsApi:
    """The handlers. `identify` makes a reference from a person number."""

    linker: Linker
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        one = f"{BASE}/{{number}}"
        return [
            Route("GET", BASE, self.listed, OPERATIONS, "json"),
            Route("POST", BASE, self.link, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{BASE}/compare", self.compare, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{one}/shown", self.shown, OPERATIONS, "json", FORM_LIMIT_BYTES),
            Route("POST", f"{one}/undo", self.undo, OPERATIONS, "json", FORM_LIMIT_BYTES),
        ]

    async def listed(self, call: Call) -> Answer:
        """The history, newest first: when, by whom and why; of whom nobody is told."""
        asked = dict(call.query)
        if not asked.keys() <= {"_before"} or len(asked) < len(call.query):
            raise Refusal(400, "the history takes _before, once", where="query")
        rows = await self.linker.history(_instant(asked["_before"]) if "_before" in asked else None)
        told: dict[str, Any] = {"links": [told_of(row) for row in rows]}
        if len(rows) == LISTED:
            told["before"] = rows[-1].at.isoformat()
        return _json(told)

    async def compare(self, call: Call) -> Answer:
        """What the register says of `one` and `other`, without saying what it is."""
        found = await self.linker.compare(call.admit, self._pair(call), dict(call.form).get("reason", ""))
        return _json(told_of_pair(found))

    async def link(self, call: Call) -> Answer:
        """`one` and `other` are the same human from now."""
        pair, reason = self._pair(call), dict(call.form).get("reason", "")
        number, found = await self.linker.link(call.admit, _caller(call), pair, reason)
        return _json({"number": number, **told_of_pair(found)}, 201)

    async def shown(self, call: Call) -> Answer:
        """What was shown over a link."""
        number = number_of(call.parameters["number"])
        found = await self.linker.meanwhile(call.admit, number, dict(call.form).get("reason", ""))
        return _json(told_of_meanwhile(found))

    async def undo(self, call: Call) -> Answer:
        """The two are two again; what was shown meanwhile."""
        number = number_of(call.parameters["number"])
        found = await self.linker.undo(call.admit, _caller(call), number, dict(call.form).get("reason", ""))
        return _json(told_of_meanwhile(found))

    def _pair(self, call: Call) -> tuple[PatientRef, PatientRef]:
        if call.query:
            raise Refusal(400, "person numbers stand in the form, never in the address", where="query")
        fields = dict(call.form)
        return identified(self.identify, fields.get("one", ""), "one"), identified(
            self.identify, fields.get("other", ""), "other"
        )


def number_of(text: str) -> int:
    """A link's number; `Refusal` 404 where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise Refusal(404, "no link has this number", where="number")
    return int(text)


def told_of(row: Link) -> dict[str, Any]:
    """A link as JSON, without whom it links."""
    told = {
        "number": row.number,
        "at": row.at.isoformat(),
        "madeBy": row.made_by,
        "reason": row.reason,
        "undoneAt": row.undone_at.isoformat() if row.undone_at else "",
        "undoneBy": row.undone_by,
        "undoneWhy": row.undone_why,
    }
    return {name: value for name, value in told.items() if value != ""}


def told_of_pair(found: Compared) -> dict[str, Any]:
    return {"birthDate": found.birth_date, "sex": found.sex, "linked": found.linked}


def told_of_meanwhile(found: Meanwhile) -> dict[str, Any]:
    """A link and the looks over it as JSON."""
    looks = [
        {
            "at": one.at.isoformat(),
            "kind": one.kind,
            "role": one.role,
            "organisation": one.organisation,
            "purpose": one.purpose,
            "records": {type_name(type_): count for type_, count in one.types},
        }
        for one in found.looks
    ]
    return {**told_of(found.link), "joinedOtherwise": found.joined, "shown": looks, "more": found.more}


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "_before is an instant", where="_before") from None
    if at.tzinfo is None:
        raise Refusal(400, "_before is an instant with its zone", where="_before")
    return at


def _caller(call: Call) -> Caller:
    if call.caller is None:
        raise Refusal(401, "a link needs an author")
    return call.caller


def _json(told: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, encode(dict(told)), "application/json")
