"""Documents of other institutions on the clinician's pages and the citizen's: one list, how each source answered, our reader."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.fhir.dates import OSLO
from kjerne.pages import document_page, foreign
from kjerne.pages.desk import Page
from kjerne.pages.documents_house import SHOWN, DocumentList, DocumentOpened, WantedDocuments
from kjerne.pages.reader import person_of
from kjerne.reading import kinds
from kjerne.reading.about import Said
from kjerne.reading.words import said
from kjerne.registries.identifiers import numbers_in
from kjerne.services.documents.room import TOO_LARGE, Document
from kjerne.services.documents.seeing import DELAYED, LOCKED, listed_by, marks
from kjerne.services.documents.sorting import SORTS, department, institution, words

SAYS_WHY: Final = "source-"
"""What the rules of a refusal begin with that tell what a source did."""
AGAIN: Final = frozenset({"late", "away", "resting", "unable", "busy"})
"""Faults that may be over in a moment."""
_LETTERS: Final = frozenset({kinds.TEXT, kinds.RTF})
PERIODS: Final[Mapping[str, int]] = {"365": 365, "1825": 1825}
"""Days back that can be chosen; without one all."""
COLUMNS: Final = ("date", "name", "securityLabel", "category", "type", "department", "organization")
PAGE_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Beside:
    """Another document of the list, and what it and the one of the line are to each other."""

    how: str
    number: UUID
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list, in words: with what hangs together with it, and those that it has replaced, newest first."""

    number: UUID
    title: str
    day: date | None
    part: str
    category: str
    type: str
    department: str
    institution: str
    author: str
    source: str
    withheld: bool
    delayed: bool
    locked: bool
    opened: bool
    holds: bool
    beside: tuple[Beside, ...] = ()
    former: tuple[Row, ...] = ()


async def listed(page: Page) -> Response:
    """The list, newest first or as it is asked for."""
    wanted, asked = _wanted(page)
    found = await page.house.documents(page.who, page.visit, wanted)
    rows = _rows(found)
    pages = -(-found.total // SHOWN)
    return page.render(
        "clinician/documents.html", title=page.say("documents.title"), patient=found.patient, found=found, rows=rows,
        wanted=wanted, periods=tuple(PERIODS), period=asked.get("period", ""), columns=COLUMNS,
        sorted_by=lambda column: _address(asked, sort=_next(wanted, column)),
        at_page=lambda number: _address(asked, page=str(number)), pages=pages,
    )  # fmt: skip


async def mine(page: Page) -> Response:
    """The citizen's list, newest first and year by year: her own, or that of whom she stands in for."""
    wanted, asked = _wanted(page)
    found = await page.house.documents(page.who, page.visit, wanted)
    rows = _rows(found)
    person = await person_of(page)
    return page.render(
        "me/documents.html", title=page.say("documents.title"), person=person, found=found, wanted=wanted,
        years=[(year, list(each)) for year, each in groupby(rows, lambda row: row.day.year if row.day else None)],
        periods=tuple(PERIODS), period=asked.get("period", ""), narrowed=bool(asked), pages=-(-found.total // SHOWN),
        at_page=lambda number: _address(asked, page=str(number)),
    )  # fmt: skip


async def one(page: Page) -> Response:
    """One document, read by our own reader; what names another patient is told of and not shown."""
    return await _read(page, "clinician/document_opened.html")


async def my_document(page: Page) -> Response:
    """One of the citizen's, by the same reader."""
    return await _read(page, "me/document.html")


async def _read(page: Page, template: str) -> Response:
    try:
        number = UUID(page.request.path_params["document"])
    except ValueError:
        raise Refusal(404, "There is no such document.", where="page") from None
    try:
        opened = await page.house.document_opened(page.who, page.visit, number)
    except Refusal as refusal:
        if refusal.where != TOO_LARGE and not refusal.rule.startswith(SAYS_WHY):
            raise
        return _not_given(page, refusal)
    body, headers, fault, original, whose = Markup(), dict[str, str](), "", None, "unsaid"
    try:
        entry = opened.document.entry
        shown = await foreign.laid_out(page, opened.raw, entry.mime_type, title=entry.title)
    except Refusal as refusal:
        if refusal.where.partition("_")[0] != foreign.FAULTS:
            raise
        fault, original = _fault(page, refusal), document_page.original(opened.raw)
    else:
        whose = opened.compared(shown.numbers or await _written(opened.raw, shown.body, opened.compared))
        body, headers = (Markup(), {}) if whose == "another" else (shown.body, dict(shown.headers))
    answer = page.render(
        template, title=_title(page, opened), row=_row(opened.document, opened=True), body=body, fault=fault, original=original,
        whose=whose, patient=opened.patient, person=await person_of(page) if page.who.kind == "citizen" else None,
    )  # fmt: skip
    answer.headers.update(headers)
    return answer


def _not_given(page: Page, refusal: Refusal) -> Response:
    """Why a document is not shown, in the source's own terms, and the way back to the list."""
    fault = refusal.rule.removeprefix(SAYS_WHY)
    says = "documents.too_large" if refusal.where == TOO_LARGE else f"documents.fault_{fault}"
    return page.render(
        "clinician/document_not_given.html", status=refusal.status, title=page.say("documents.not_given"),
        says=page.say(says), is_too_large=refusal.where == TOO_LARGE, again=fault in AGAIN,
        listed=f"/clinician/v/{page.visit.id}/documents",
    )  # fmt: skip


async def _written(raw: bytes, body: Markup, compared: Callable[[Sequence[str]], Said]) -> Sequence[str]:
    """The person numbers of a letter without fields, text or RTF, which may name whoever wrote it, a relative, or the patient:
    hers where it is among them."""
    if kinds.kind_of(raw) not in _LETTERS:
        return ()
    found = sorted(await asyncio.to_thread(lambda: numbers_in(body.striptags())))
    return [one for one in found if compared([one]) == "same"] or found


def _title(page: Page, opened: DocumentOpened) -> str:
    return opened.document.entry.title or page.say("documents.untitled")


def _fault(page: Page, refusal: Refusal) -> str:
    told = page.say(f"document.fault_{refusal.where.partition('_')[2] or 'none'}")
    return " ".join(filter(None, (told, said(page.reads_as, f"broken.{refusal.says}", ""))))


def _wanted(page: Page) -> tuple[WantedDocuments, Mapping[str, str]]:
    """What the address asks for, and what of it goes on to other pages of the list."""
    asked = {name: value for name, value in page.request.query_params.items() if value}
    sort = asked.get("sort", "-date")
    column = sort.removeprefix("-")
    if column not in SORTS:
        raise Refusal(400, "There is no such order.", where="sort")
    place = asked.get("page", "1")
    if not (place.isascii() and place.isdigit() and len(place) < 6 and 1 <= int(place) <= PAGE_LIMIT):
        raise Refusal(400, "There is no such page of the list.", where="page")
    days = PERIODS.get(asked.get("period", ""))
    since = f"{page.now.astimezone(OSLO).date() - timedelta(days=days):%Y%m%d}" if days else ""
    wanted = WantedDocuments(
        column, sort.startswith("-"), asked.get("category", ""), asked.get("institution", ""), since, int(place)
    )
    kept: dict[str, str] = {
        name: asked[name] for name in ("category", "institution", "period", "sort") if name in asked
    }
    return wanted, kept


def _next(wanted: WantedDocuments, column: str) -> str:
    """The order that a column's head asks for: the other way where it is the one already; dates begin with the newest."""
    if wanted.sort == column:
        return column if wanted.descending else f"-{column}"
    return "-date" if column == "date" else column


def _address(asked: Mapping[str, str], **more: str) -> str:
    left = {name: value for name, value in {**asked, **more}.items() if value}
    return f"?{urlencode(left)}"


TURNED: Final[Mapping[str, str]] = {"appends": "appended", "transforms": "transformed", "signs": "signed"}
"""What one document is to another -> what that is to it. *Replaces* is told by the list of former ones."""


def _rows(found: DocumentList) -> list[Row]:
    """The lines of a page. What is said of two documents stands with both of them."""
    beside, former = defaultdict[UUID, list[Beside]](list), defaultdict[UUID, list[UUID]](list)
    for one in found.known.values():
        for kind, number in one.relates:
            if kind == "replaces":
                former[one.number].append(number)
                continue
            other = found.known[number]
            if one.holds and other.holds:
                beside[one.number].append(Beside(kind, number, other.entry.title))
                beside[number].append(Beside(TURNED[kind], one.number, one.entry.title))
            elif not other.holds:
                former[number].append(one.number)
    return [
        replace(
            _row(one, opened=one.number in found.opened), beside=tuple(beside[one.number]),
            former=tuple(_former(one, former, found)),
        )
        for one in found.rows
    ]  # fmt: skip


def _former(one: Document, steps: Mapping[UUID, Sequence[UUID]], found: DocumentList) -> list[Row]:
    """What a document has replaced, what those had, and what hung on them."""
    reached, left = dict[UUID, None](), [one.number]
    while left:
        new = [each for each in steps.get(left.pop(), ()) if each not in reached and not found.known[each].holds]
        reached.update(dict.fromkeys(new))
        left += new
    rows = [_row(found.known[each], opened=each in found.opened) for each in reached]
    return sorted(rows, key=lambda row: row.day or date.min, reverse=True)


def _row(one: Document, *, opened: bool) -> Row:
    """`part` is a day that is said by its month or year alone, as a page writes it."""
    entry, said = one.entry, marks(one.entry)
    author = next((each.person for each in entry.authors if each.person), None)
    day = listed_by(entry)
    return Row(
        one.number, entry.title, _day(day), "" if len(day) == 8 else ".".join(filter(None, (day[4:], day[:4]))),
        words(entry.class_code), words(entry.type_code), department(entry), institution(entry),
        f"{author.given} {author.family}".strip() if author else "", one.title, bool(said - {DELAYED}), said == {DELAYED},
        LOCKED in said, opened, one.holds,
    )  # fmt: skip


def _day(day: str) -> date | None:
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:8])) if len(day) == 8 else None
    except ValueError:
        return None
