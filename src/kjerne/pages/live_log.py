"""The citizen's log behind the pages: who has looked, a page at a time and as she asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.pages import session
from kjerne.pages.house import Identity, LogRow, RuleLanguage, Visit
from kjerne.pages.live import SERVICE
from kjerne.pages.live_desk import DeskPages
from kjerne.pages.my_house import LogPart
from kjerne.policy import insight
from kjerne.policy.access_log import AccessLog
from kjerne.services.documents.model import SERVICE as DOCUMENTS
from kjerne.services.results.named import Named, named, with_names
from kjerne.services.results.values import OSLO
from kjerne.store import audit, chains, summary_links
from kjerne.store.cursors import Cursors
from kjerne.store.log_entry import LogEntry, Seen
from kjerne.store.looks import Place, Wanted

ROWS_SHOWN: Final = 200
"""Rows of the log on one page; those that are alike are shown as one line."""
PART_MINUTES: Final = 60 * session.DAY_HOURS
"""How long one may read on from a part: as long as a login lives at all."""
LOG: Final = "/me/log"
Deed = Literal[
    "examined",
    "traced",
    "linked",
    "disclosed",
    "exported",
    "rechecked",
    "asked",
    "handled",
    "reviewed",
    "permitted",
    "chose",
    "subscribed",
    "attested",
    "met",
    "erased",
    "saw_choices",
    "made",
    "ended",
    "link_made",
    "links_seen",
    "link_ended",
    "link_opened",
]
DEEDS: Final[Mapping[str, Deed]] = {
    "examine": "examined", "trace": "traced", "link": "linked", "disclose": "disclosed", "export": "exported",
    "recheck": "rechecked",
    "ask": "asked", "handle": "handled", "review": "reviewed", "permit": "permitted",
    "choose": "chose", "subscribe": "subscribed", "attest": "attested", "erase": "erased",
}  # fmt: skip
OF_LINKS: Final[Mapping[str, Deed]] = {
    summary_links.MADE: "link_made", summary_links.LISTED: "links_seen", summary_links.REVOKED: "link_ended",
    summary_links.OPENED: "link_opened", summary_links.REFUSED: "link_opened",
}  # fmt: skip
"""By the rule that a row says: what is done with a copy that is handed out is told of by itself."""
CHOSEN: Final[Mapping[str, Deed]] = {"seen": "saw_choices", "made": "made", "ended": "ended"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class LogPages(DeskPages):
    """Implements the log of `pages.my_house.MyHouse`."""

    @property
    def access_log(self) -> AccessLog:
        return AccessLog(self.store)

    async def log(
        self, who: Identity, visit: Visit, language: RuleLanguage, wanted: Wanted, after: str = ""
    ) -> LogPart:
        """Who looked, newest first: a name, never a number; which kinds of records; on which ground."""
        links = Cursors(self.store.keys.derived("cursor"), PART_MINUTES)

        async def use(grant: Grant) -> LogPart:
            place, mark = _gone_on(links, grant, after) if after else (None, "")
            of_then = replace(wanted, mark=mark)
            found = await self.access_log.page(grant, of_then, ROWS_SHOWN + 1, place, language=language, choices=True)
            entries = whole_days(found.entries, ROWS_SHOWN)
            more = len(entries) < len(found.entries)
            onward = links.make(grant, LOG, (), [handle(entries[-1]), found.mark]) if more else ""
            return LogPart(
                rows=tuple(row_of(entry) for entry in entries),
                newer=found.newer,
                total=found.total,
                onward=onward,
                organisations=found.organisations,
                services=tuple(sorted(found.services)),
            )

        return await self.under(who, visit, "insight", use)

    async def names_of(self, who: Identity, visit: Visit, seen: Sequence[Seen]) -> Mapping[str, Named]:
        """What the records are called. Where the law opens the log and no record, none has a name, and nobody was refused."""
        wanted = with_names(seen)
        caller = await self.caller(who, visit)
        ref = PatientRef(key=visit.patient)
        if not wanted or not await self.door.would_open(caller, ref, SERVICE, "read"):
            return {}

        async def use(grant: Grant) -> Mapping[str, Named]:
            async with self.store.pool.acquire() as conn:
                return await named(conn, self.reader, grant, wanted)

        return await self.under(who, visit, "read", use)


def _gone_on(links: Cursors, grant: Grant, token: str) -> tuple[Place, str]:
    """Where a part of the log goes on, and the mark of the log that its first part was of; `Refusal` 404 where it is no place."""
    try:
        line, mark = links.open(token, grant, LOG).after
    except Refusal:
        raise _no_line() from None
    return place_of(line), mark


def whole_days(lines: Sequence[LogEntry], most: int) -> Sequence[LogEntry]:
    """At most so many lines, and no day (in Norway) in part: a visit that is told once is counted whole.

    A day alone of more lines than that is cut all the same.
    """
    if len(lines) <= most:
        return lines
    beyond = lines[most].at.astimezone(OSLO).date()
    kept = [line for line in lines[:most] if line.at.astimezone(OSLO).date() != beyond]
    return kept or lines[:most]


def handle(line: LogEntry) -> str:
    """A line's place in the log as it stands in an address or a form."""
    return f"{(line.at - _EPOCH) // _MICROSECOND}.{line.origin.number.hex}"


def place_of(text: str) -> Place:
    """What `handle` named; `Refusal` 404 where it is no place."""
    moment, _, number = text.partition(".")
    try:
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 17):
            raise ValueError
        return Place(_EPOCH + int(moment) * _MICROSECOND, UUID(hex=number))
    except (ValueError, OverflowError):
        raise _no_line() from None


def _no_line() -> Refusal:
    return Refusal(404, "There is no such line in the log.", where="look")


def row_of(entry: LogEntry) -> LogRow:
    """A line of the log as the page reads it."""
    return LogRow(
        at=entry.at,
        who=entry.who,
        role=entry.role,
        organisation=entry.organisation,
        purpose=entry.purpose,
        basis=entry.basis,
        what=_what(entry),
        says=entry.ground,
        law=entry.law,
        by=entry.by,
        wrote=entry.action in insight.WRITING,
        withdrew=entry.rule == chains.WITHDRAWN_RULE,
        given=entry.given,
        acute=entry.acute,
        self_declared=entry.self_declared,
        deed=_deed(entry),
        choice=entry.chosen.kind if entry.chosen else "",
        reason=entry.reason,
        handle=handle(entry),
        took=entry.action == "download",
        seen=entry.seen,
        service=entry.service,
        unnamed=entry.unnamed,
    )


def _deed(entry: LogEntry) -> Deed | Literal[""]:
    if entry.rule in (audit.MET, audit.MET_OPENED):
        return "met"
    if entry.rule in OF_LINKS:
        return OF_LINKS[entry.rule]
    if entry.given and entry.chosen:
        return CHOSEN[entry.chosen.deed]
    return DEEDS.get(entry.action, "")


def _what(entry: LogEntry) -> tuple[tuple[str, int], ...]:
    """The kinds of records that left, each with how many, whatever number of their versions."""
    told = {(_kind(entry.service, seen.type), seen.id) for seen in entry.seen}
    return tuple(sorted(Counter(kind for kind, _ in told).items()))


def _kind(service: str, type_: str) -> str:
    """What a record is called: a document of another institution is no summary from abroad, though both are DocumentReference."""
    return "Document" if service == DOCUMENTS and type_ == "DocumentReference" else type_
