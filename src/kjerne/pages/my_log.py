"""The citizen's log: who looked at what, when and why, as she asks for it, a page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, get_args
from urllib.parse import urlencode

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import LogRow
from kjerne.pages.my_house import LogPart
from kjerne.pages.reader import person_of, rule_language
from kjerne.policy.services import IN_USE
from kjerne.services.documents.model import SERVICE as DOCUMENTS
from kjerne.services.results.named import NAMED_TYPES, Named, with_names
from kjerne.services.results.values import OSLO, When
from kjerne.store.looks import Show, Wanted

SHOWS: Final[tuple[Show, ...]] = get_args(Show)
DOCUMENT: Final = "DocumentReference"
_ORDER: Final = (*NAMED_TYPES, DOCUMENT)
FEW_NAMES: Final = 3
"""So many names stand open beside a line; more are folded away."""
YEARS: Final = (1900, 2999)
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


async def log(page: Page) -> Response:
    """Who looked at what, when and why."""
    sent = page.request.query_params.multi_items()
    typed = {name: text for name, text in sent if name in _FIELDS and text}
    fault, found = "", LogPart(())
    try:
        _check_names([name for name, _ in sent])
        wanted = asked(typed)
    except Refusal as refusal:
        wanted, fault = Wanted(show="others"), page.say(f"log.fault_{refusal.where}")
    else:
        after = page.request.query_params.get("after", "")
        found = await page.house.log(page.who, page.visit, rule_language(page), wanted, after)
    names = await page.house.names_of(page.who, page.visit, [seen for row in found.rows for seen in row.seen])
    numbers = dict.fromkeys(seen.id for row in found.rows if row.service == DOCUMENTS for seen in row.seen)
    names = {**names, **await page.house.document_names(page.who, page.visit, list(numbers))}
    kept = {name: text for name, text in typed.items() if name != "show"}
    return page.render(
        "me/log.html",
        status=400 if fault else 200,
        title=page.say("me.log"),
        person=await person_of(page),
        looks=gathered(found.rows, names),
        few=FEW_NAMES,
        found=found,
        show=wanted.show,
        shows=SHOWS,
        typed=typed,
        kept=urlencode(kept),
        narrowed=bool(kept),
        fault=fault,
        onward=urlencode(typed | {"after": found.onward}) if found.onward else "",
    )


_FIELDS: Final = ("show", "from", "to", "organisation", "service")
_AROUND: Final = ("after", "lang")
"""What stands in an address of the log beside what is asked for."""


def _check_names(sent: Sequence[str]) -> None:
    """`Refusal` for a name that the log does not have, or that stands twice: one of the two would be left out in silence."""
    if len(set(sent)) < len(sent) or not {*_FIELDS, *_AROUND}.issuperset(sent):
        raise Refusal(400, "The log has no such choice, or has it once.", where="choice")


def asked(typed: Mapping[str, str]) -> Wanted:
    """What is asked for by an address; `Refusal` with the field that cannot be read. Days are Norwegian, both included."""
    show = typed.get("show", "others")
    if show not in SHOWS:
        raise Refusal(400, "There is no such choice.", where="choice")
    organisation, service = typed.get("organisation", ""), typed.get("service", "")
    if not (organisation == "" or (organisation.isascii() and organisation.isdigit() and len(organisation) == 9)):
        raise Refusal(400, "There is no such organisation.", where="choice")
    if service not in {"", *IN_USE}:
        raise Refusal(400, "There is no such service.", where="choice")
    since, last = _day(typed.get("from", "")), _day(typed.get("to", ""))
    if since and last and last < since:
        raise Refusal(400, "The period ends before it begins.", where="period")
    return Wanted(
        show=show,
        since=_midnight(since),
        until=_midnight(last + timedelta(days=1) if last else None),
        organisation=organisation,
        service=service,
    )


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "The day cannot be read.", where="day") from None
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise Refusal(400, "The day cannot be read.", where="day")
    return found


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), OSLO).astimezone(UTC) if day else None


@dataclass(frozen=True, slots=True)
class Which:
    """Records of one day (None: none is known), by name; one that is there several times with how many."""

    at: When | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Looks:
    """What one person did on one day for one reason, told once: `times` newest first, `row` the newest of them.

    `which` names what was seen, newest first; `nameless` more have a name that the reader may not know, or no longer.
    """

    row: LogRow
    times: tuple[datetime, ...]
    which: tuple[Which, ...] = ()
    nameless: int = 0

    @property
    def listed(self) -> int:
        """How many names there are."""
        return sum(len(one.names) for one in self.which)


def gathered(rows: Sequence[LogRow], names: Mapping[str, Named] = MappingProxyType({})) -> tuple[Looks, ...]:
    """The log as it is read: five pages of one visit are one line, and nothing that tells rows apart is lost."""
    found: dict[tuple[date, LogRow], list[LogRow]] = {}
    for row in rows:
        alike = replace(row, at=_ANY_TIME, handle="")
        found.setdefault((row.at.astimezone(OSLO).date(), alike), []).append(row)
    return tuple(_looks(alike, names) for alike in found.values())


def _looks(alike: Sequence[LogRow], names: Mapping[str, Named]) -> Looks:
    if alike[0].service == DOCUMENTS:
        # Which of them may have a name here only their sources know: those without one are in the count alone.
        ids = dict.fromkeys(one.id for row in alike for one in row.seen)
        documents = which((DOCUMENT, names[one]) for one in ids if one in names)
        return Looks(alike[0], tuple(row.at for row in alike), documents)
    seen = with_names(one for row in alike for one in row.seen)
    told = [(one.type, names[one.id]) for one in seen if one.id in names]
    # An order often has no words of its own beside those of its report.
    worded = which(pair for pair in told if pair[1].what)
    return Looks(alike[0], tuple(row.at for row in alike), worded, len(seen) - len(told))


def which(told: Iterable[tuple[str, Named]]) -> tuple[Which, ...]:
    """Names by day. A report, its order and its result may bear one name; they are told of once."""
    days: dict[tuple[date, str], When] = {}
    counts: dict[tuple[date, str], dict[str, Counter[str]]] = {}
    for type_, one in sorted(told, key=lambda pair: (_ORDER.index(pair[0]), pair[1].what)):
        key = (one.at.day, one.at.part) if one.at else (date.min, "")
        if one.at:
            days.setdefault(key, one.at)
        counts.setdefault(key, {}).setdefault(one.what, Counter())[type_] += 1
    return tuple(
        Which(days.get(key), tuple(_times(what, max(found.values())) for what, found in counts[key].items()))
        for key in sorted(counts, reverse=True)
    )


def _times(what: str, count: int) -> str:
    return f"{what} × {count}" if count > 1 else what
