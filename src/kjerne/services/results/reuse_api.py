"""The "already done" question over the wire: asked before a test is ordered, and told what came of the answer.

`POST /pps/v2/already-done` with `code=system|code` answers FHIR Parameters; `POST /pps/v2/already-done/{number}` with
`outcome=followed` or `outcome=overridden&reason=...` says what was done with it. Counts are of nobody in particular.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.circumstances import SPOILED
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.search import Search
from kjerne.registries.naming import patient_of
from kjerne.services.results import reuse
from kjerne.services.results.api import SCOPE, SERVICE, basis_of, check_form, check_role
from kjerne.store import audit, deleted, followup, repeats
from kjerne.store.codec import Wrap
from kjerne.store.finding import Finder
from kjerne.store.pointing import reference_of
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Record

SPECIMEN_TYPE: Final = type_number("Specimen")
NAMED: Final[Mapping[reuse.Use, str]] = {"yes": "earlier", "read": "readFirst", "waiting": "waiting"}
"""Under which name the answer gives a result: no client takes what has to be read for what can be used."""
OUTCOMES: Final = ("followed", "overridden")
REASON_LIMIT_CHARACTERS: Final = 500
COUNTED_DAYS: Final = 90
COUNTED_MONTHS: Final = 12
COUNTING_TIME: Final = timedelta(days=1)
"""After a month is over, what was filed in it is counted within this time."""
FEWEST: Final = 5
"""A smaller count of repeats is not told."""
ASKED_AT_ONCE: Final = 40
"""Samples in one search for what was made of them."""
COUNTS_SCOPE: Final = "kjerne:operations"


def _all_earlier(answer: reuse.Answer) -> Sequence[reuse.Earlier]:
    return answer.earlier


@dataclass(frozen=True)
class Asker:
    """Asks under a grant and keeps count; used by the API and by the clinician's page."""

    pool: Pool
    wrap: Wrap
    finder: Finder
    parse: Callable[[str, Pairs, bool], Search]

    async def ask(
        self, grant: Grant, system: str, code: str, number: UUID | None = None,
        tells: Callable[[reuse.Answer], Sequence[reuse.Earlier]] = _all_earlier,
    ) -> tuple[UUID, reuse.Answer]:  # fmt: skip
        """The answer, and its number (one of its own where none is given); a yes is counted as shown.

        `tells`: which of the earlier results the caller passes on, all but where said; her log names those (law, K116).
        """
        interval = reuse.interval_of(system, code)
        within = interval.system if interval else system
        codes = (_escaped(one) for one in (interval.codes if interval else (code,)))
        wanted = ",".join(f"{_escaped(within)}|{one}" if within else one for one in codes)
        criteria = (
            ("code", wanted),
            ("status", ",".join(sorted(reuse.USABLE | reuse.UNFINISHED))),
            ("date:missing", "false"),
        )
        search = self.parse("Observation", criteria, False)
        number = number or uuid.uuid4()
        async with self.pool.acquire() as conn:
            # What is known of her newborn, or of a donor, says nothing about when she was tested.
            # Neither is a result that was taken back with its reports.
            own = replace(grant, hides=grant.hides | Label.NOT_THE_MOTHERS | Label.WITHDRAWN_WITH_REPORT)
            # Exactly what the answer names stands in the patient's log; what it leaves out was read by nobody.
            counts = _naming(system, code, grant.at, await self._spoiled(conn, own))
            told = partial(_told, tells, system, code, grant.at)
            records = await self.finder.newest(conn, own, search, reuse.EARLIER_LIMIT, counts, told)
            answer = reuse.answer(system, code, map(_tree, records), grant.at)
            if answer.verdict == "done":
                await followup.keep_shown(conn, grant, number, within, code)
        return number, answer

    async def _spoiled(self, conn: Connection, own: Grant) -> frozenset[UUID]:
        """The samples that are no good, or were taken back. Compared and never told, whatever the token's SMART scopes leave:
        they can only make a "done" a "due"."""
        await note(conn, own.once)
        unbound = replace(own, caller=replace(own.caller, limits=None))
        search = self.parse("Specimen", (("status", ",".join(sorted(SPOILED))),), False)
        async with conn.transaction():
            found = {id_ for _, _, id_ in await self.finder.matching(conn, unbound, search, "")}
            found |= await deleted.ids_of(conn, own, SPECIMEN_TYPE)
            made_of = sorted(found)
            while made_of:
                # What was made of a sample that is no good is no better.
                asked = ",".join(f"Specimen/{id_}" for id_ in made_of[:ASKED_AT_ONCE])
                search = self.parse("Specimen", (("parent", asked),), False)
                new = {id_ for _, _, id_ in await self.finder.matching(conn, unbound, search, "")} - found
                made_of = [*made_of[ASKED_AT_ONCE:], *sorted(new)]
                found |= new
            return frozenset(found)

    async def tell(self, grant: Grant, number: UUID, outcome: str, reason: str) -> None:
        """What was done with a shown answer; `Refusal` 400 where outcome or reason is missing."""
        if outcome not in OUTCOMES:
            raise Refusal(400, "outcome is followed or overridden", where="outcome")
        if outcome == "overridden" and not reason.strip():
            raise Refusal(400, "an override needs a reason", where="reason")
        if len(reason) > REASON_LIMIT_CHARACTERS:
            raise Refusal(400, f"a reason has at most {REASON_LIMIT_CHARACTERS} characters", where="reason")
        await self.keep(grant, number, outcome, reason)

    async def keep(self, grant: Grant, number: UUID, outcome: str, reason: str) -> None:
        """As `tell`, of what was looked at already; an override may have no reason where the standard lets it have none.

        Nothing is said of whether there was such an answer of hers: under a grant about nobody there is none, and what she has
        shut would be told by that (law, K132).
        """
        async with self.pool.acquire() as conn, conn.transaction():
            if grant.subject.keys:
                await followup.keep_outcome(conn, grant, self.wrap, number, outcome, reason)
            await audit.insert_explained(conn, audit.given(grant), f"already-done/{number}", "")


@dataclass(frozen=True)
class ReuseApi:
    """The handlers."""

    asker: Asker
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/pps/v2/already-done", self.ask, SCOPE, "fhir", 10_000),
            Route("POST", "/pps/v2/already-done/{number}", self.tell, SCOPE, "fhir", 10_000),
            Route("GET", "/pps/already-done-counts", self.counts, COUNTS_SCOPE, "json"),
        ]

    async def ask(self, call: Call) -> Answer:
        """Whether the analysis in `code` was done within its interval."""
        patient, basis = self._asked(call)
        system, _, code = dict(call.form).get("code", "").rpartition("|")
        if not code or len(call.form) != 1:
            raise Refusal(400, "say which analysis, as code=system|code and nothing else", where="code")

        async def use(grant: Grant) -> Answer:
            number, answer = await self.asker.ask(grant, system, code)
            return Answer(200, encode(_parameters(number, answer)))

        return await self._granted(call, patient, basis, use)

    async def tell(self, call: Call) -> Answer:
        """What was done with a shown answer."""
        patient, basis = self._asked(call)
        fields = dict(call.form)
        try:
            number = UUID(call.parameters["number"])
        except ValueError:
            raise Refusal(404, "there is no such answer", where="number") from None

        async def use(grant: Grant) -> Answer:
            await self.asker.tell(grant, number, fields.get("outcome", ""), fields.get("reason", ""))
            return Answer(204)

        return await self._granted(call, patient, basis, use)

    async def _granted(
        self, call: Call, patient: PatientRef, basis: str, use: Callable[[Grant], Awaitable[Answer]]
    ) -> Answer:
        """Under the law, which has the token's SMART scopes leave something of a search for observations."""
        try:
            return await granted(call.admit, patient, SERVICE, "search", use, basis=basis, piece="Observation.s")
        except Denied:
            smart.demand(call.caller, "Observation", "s")
            raise

    async def counts(self, call: Call) -> Answer:
        """Answers shown, followed and overridden by code in the last 90 days; and what was made again all the same.

        Repeats stand by analysis, month and organisation that asked, from months that are over, and none below
        `FEWEST`: two answers of the same day differ in nothing, and no small number points at somebody.
        """
        first, last = counted_months(call.at)
        async with self.asker.pool.acquire() as conn:
            rows = await followup.reuse_counts(conn, call.at - timedelta(days=COUNTED_DAYS))
            again = await repeats.counted(conn, first, last, FEWEST)
        listed = [{"system": row[0], "code": row[1], "outcome": row[2], "count": row[3]} for row in rows]
        made_again = [
            {
                "month": f"{one.month:%Y-%m}",
                "analysis": one.analysis,
                "organisation": one.organisation,
                "count": one.number,
            }
            for one in again
        ]
        told = {"days": COUNTED_DAYS, "counts": listed, "fewest": FEWEST, "repeats": made_again}
        return Answer(200, encode(told), "application/json")

    def _asked(self, call: Call) -> tuple[PatientRef, str]:
        """About whom and on which basis, from headers and a form that a search would be answered on."""
        patient, basis = patient_of(call, self.identify), basis_of(call)
        check_role(call)
        check_form(call)
        check_accepted(call)
        return patient, basis


def _tree(record: Record) -> dict[str, Any]:
    return decode(record.raw) | {"id": str(record.id), "meta": {"versionId": str(record.version)}}


def _told(
    tells: Callable[[reuse.Answer], Sequence[reuse.Earlier]], system: str, code: str, at: datetime, found: list[Record]
) -> list[Record]:
    """Of the results that an answer is made from, those that are told."""
    ids = {one.id for one in tells(reuse.answer(system, code, map(_tree, found), at))}
    return [record for record in found if str(record.id) in ids]


def _naming(system: str, code: str, at: datetime, spoiled: frozenset[UUID]) -> Callable[[Record], bool]:
    """Whether a result is named in the answer, asked of one after the other, newest first: of what waits only the newest of
    all is."""
    first = True

    def names(record: Record) -> bool:
        nonlocal first
        tree = _tree(record)
        if reference_of(tree.get("specimen")) in spoiled:
            return False
        found = reuse.answer(system, code, [tree], at).earlier
        named = bool(found) and (first or found[0].use != "waiting")
        first = first and not found
        return named

    return names


def counted_months(at: datetime) -> tuple[date, date]:
    """The months whose repeats are told at this moment: [first, last), the newest that are over and counted."""
    last = (at - COUNTING_TIME).date().replace(day=1)
    months = last.year * 12 + last.month - 1 - COUNTED_MONTHS
    return date(months // 12, months % 12 + 1, 1), last


def _escaped(text: str) -> str:
    r"""One value of a search, whatever it holds (R4 search.html#escaping)."""
    return re.sub(r"([\\,$|])", r"\\\1", text)


def _parameters(number: UUID, answer: reuse.Answer) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "verdict", "valueCode": answer.verdict},
        {"name": "number", "valueUuid": f"urn:uuid:{number}"},
    ]
    if answer.interval:
        parts.append({"name": "analysis", "valueString": answer.interval.name})
        parts.append({"name": "intervalDays", "valueInteger": answer.interval.days})
    if answer.again_from:
        parts.append({"name": "againFrom", "valueDate": answer.again_from.isoformat()})
    parts += [
        {"name": NAMED[earlier.use], "valueReference": {"reference": f"Observation/{earlier.id}"}}
        for earlier in answer.earlier
    ]
    return {"resourceType": "Parameters", "parameter": parts}
