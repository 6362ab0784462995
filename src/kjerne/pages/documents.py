"""Documents of other institutions on the clinician's pages and the citizen's: one list, how each source answered, our reader."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import Final
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response, StreamingResponse

from kjerne.errors import Refusal
from kjerne.pages import document_page, foreign
from kjerne.pages.desk import Page
from kjerne.pages.document_choice import (
    COLUMNS,
    FIRST,
    NAME_LIMIT,
    PERIODS,
    TEXT_LIMIT,
    Choice,
    asked_for,
    chosen_by,
    name_in,
    number_of,
    to_keep,
)
from kjerne.pages.documents_house import SHOWN, DocumentList, DocumentOpened
from kjerne.pages.house import Patient
from kjerne.pages.reader import person_of
from kjerne.reading import kinds, opening
from kjerne.reading.about import Said
from kjerne.reading.words import said
from kjerne.registries.identifiers import numbers_in
from kjerne.services.documents.room import TOO_LARGE, Document
from kjerne.services.documents.seeing import DELAYED, LOCKED, listed_by, marks
from kjerne.services.documents.sorting import author, department, institution, words
from kjerne.store.document_filters import FILTERS_LIMIT, Filter

SAYS_WHY: Final = "source-"
"""What the rules of a refusal begin with that tell what a source did."""
AGAIN: Final = frozenset({"late", "away", "resting", "unable", "busy"})
"""Faults that may be over in a moment."""
OPENED: Final[Mapping[str, str]] = {"practitioner": "clinician/document_opened.html", "citizen": "me/document.html"}
"""The page of a document, by who reads it."""
_LETTERS: Final = frozenset({kinds.TEXT, kinds.RTF})
SHOWN_MB: Final = opening.LIMIT_BYTES // 1_000_000
DEEDS: Final = frozenset({"choose", "keep", "rename", "drop"})
"""What a form of the list does: it chooses what is shown, or keeps, renames or deletes a filter."""


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


@dataclass(frozen=True, slots=True)
class Read:
    """A document as a page shows it. Where it cannot be read there is a `fault` and its `original`; `whose` says of the numbers
    that it names whether they are the patient's."""

    title: str
    row: Row
    patient: Patient
    body: Markup = field(repr=False)
    headers: Mapping[str, str]
    fault: str
    original: document_page.Original | None = field(repr=False)
    whose: str


@dataclass(frozen=True, slots=True)
class NotGiven:
    """Why a document is not shown: what its source did, or, where that is empty, that it is too large for a page. `again` says
    that this may be over in a moment."""

    number: UUID
    status: int
    says: str
    again: bool


async def listed(page: Page) -> Response:
    """The list, newest first or as it is asked for, and beside it the document that is chosen."""
    filters = await page.house.document_filters(page.who)
    return await _list(page, filters, asked_for(page, filters))


async def _list(page: Page, filters: Sequence[Filter], choice: Choice, fault: Refusal | None = None) -> Response:
    found = await page.house.documents(page.who, page.visit, choice.wanted)
    rows = _rows(found)
    chosen = choice.chosen
    if isinstance(chosen, str):
        chosen = rows[0 if chosen == FIRST else -1].number if rows else None
        choice = replace(choice, chosen=chosen)
    beside = await _read(page, chosen) if chosen else None
    at = next((place for place, row in enumerate(rows) if _is_in(chosen, row)), None)
    called = {one.said.category: one.said.category_name for one in filters} | dict(found.categories)
    answer = page.render(
        "clinician/documents.html", status=fault.status if fault else 200, title=page.say("documents.title"),
        patient=found.patient, found=found, rows=rows, choice=choice, wanted=choice.wanted, periods=tuple(PERIODS),
        columns=COLUMNS, pages=-(-found.total // SHOWN), filters=filters, called=called, beside=beside, at=at,
        limits=(TEXT_LIMIT, NAME_LIMIT, FILTERS_LIMIT), fault=fault.where if fault else "",
        saved=page.request.query_params.get("saved", ""), shown_mb=SHOWN_MB,
    )  # fmt: skip
    # A document that is chosen later comes into this page, and what it may hold is decided now (`document_page.headers`).
    answer.headers.update(document_page.framing())
    return answer


async def choose(page: Page) -> Response:
    """What is to be shown, in an address that has no word of what was typed; or something done with a filter of hers."""
    form = page.checked()
    deed = form.get("do", "")
    filters = await page.house.document_filters(page.who)
    choice: Choice | None = None
    try:
        if deed not in DEEDS:
            raise Refusal(400, "There is no such deed.", where="filter_other")
        choice = chosen_by(page, form)
        await _done(page, deed, choice)
    except Refusal as fault:
        if not fault.where.startswith("filter_"):
            raise
        return await _list(page, filters, choice or asked_for(page, filters), fault)
    address = choice.address(saved="" if deed == "choose" else deed).removesuffix("?")
    return page.go(f"/clinician/v/{page.visit.id}/documents{address}")


async def _done(page: Page, deed: str, choice: Choice) -> None:
    form, who = page.form, page.who
    if deed == "keep":
        await page.house.keep_document_filter(who, to_keep(form, choice))
    elif deed == "rename":
        await page.house.rename_document_filter(who, _filter(form), name_in(form))
    elif deed == "drop":
        await page.house.drop_document_filter(who, _filter(form))


def _filter(form: Mapping[str, str]) -> UUID:
    try:
        return UUID(form.get("filter", ""))
    except ValueError:
        raise Refusal(404, "There is no such filter.", where="filter_gone") from None


def _is_in(chosen: UUID | None, row: Row) -> bool:
    """Whether a line of the list is that of a document, or of one that replaced it."""
    return chosen is not None and chosen in (row.number, *(one.number for one in row.former))


async def mine(page: Page) -> Response:
    """The citizen's list, newest first and year by year: her own, or that of whom she stands in for."""
    choice = asked_for(page)
    wanted = choice.wanted
    found = await page.house.documents(page.who, page.visit, wanted)
    rows = _rows(found)
    person = await person_of(page)
    return page.render(
        "me/documents.html", title=page.say("documents.title"), person=person, found=found, wanted=wanted,
        years=[(year, list(each)) for year, each in groupby(rows, lambda row: row.day.year if row.day else None)],
        periods=tuple(PERIODS), period=choice.period, narrowed=choice.narrows, pages=-(-found.total // SHOWN),
        at_page=lambda number: choice.address(page=str(number)),
    )  # fmt: skip


async def one(page: Page) -> Response:
    """One document, read by our own reader; what names another patient is told of and not shown."""
    return await _alone(page, OPENED["practitioner"])


async def my_document(page: Page) -> Response:
    """One of the citizen's, by the same reader."""
    return await _alone(page, OPENED["citizen"])


async def _alone(page: Page, template: str) -> Response:
    return await _told(page, template, await _read(page, number_of(page.request.path_params["document"])))


async def _told(page: Page, template: str, read: Read | NotGiven) -> Response:
    person = await person_of(page) if page.who.kind == "citizen" else None
    if isinstance(read, NotGiven):
        template = "me/document_not_given.html" if person else "clinician/document_not_given.html"
        title = page.say("documents.not_given")
        return page.render(template, status=read.status, title=title, read=read, person=person, shown_mb=SHOWN_MB)
    answer = page.render(template, title=read.title, read=read, patient=read.patient, person=person)
    answer.headers.update(read.headers)
    return answer


async def file(page: Page) -> Response:
    """A document as it came, in pieces where it is large; one that a page can read and that names another patient is told of and
    not given. Its name is ours: a title may name the patient."""
    number = number_of(page.request.path_params["document"])
    try:
        kept = await page.house.document_file(page.who, page.visit, number)
    except Refusal as refusal:
        return await _told(page, "", _not_given(page, number, refusal))
    if isinstance(kept, DocumentOpened):
        read = await _shown(page, kept)
        if read.whose == "another":
            return await _told(page, OPENED[page.who.kind], read)
        name = document_page.name_of(kept.raw)
        return Response(kept.raw, media_type=kinds.UNKNOWN, headers=_to_keep(name))
    name = document_page.name_of(kept.first, whole=False)
    headers = {"content-length": str(kept.size_bytes), **_to_keep(name)}
    return StreamingResponse(kept.pieces, media_type=kinds.UNKNOWN, headers=headers)


def _to_keep(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


async def _read(page: Page, number: UUID) -> Read | NotGiven:
    """A document as a page shows it, alone or beside the list: opened, with its row in the log, and read. Raises what is no
    matter of this document alone."""
    try:
        opened = await page.house.document_opened(page.who, page.visit, number)
    except Refusal as refusal:
        return _not_given(page, number, refusal)
    return await _shown(page, opened)


async def _shown(page: Page, opened: DocumentOpened) -> Read:
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
    return Read(
        _title(page, opened), _row(opened.document, opened=True), opened.patient, body, headers, fault, original, whose
    )


def _not_given(page: Page, number: UUID, refusal: Refusal) -> NotGiven:
    """Why a document is not shown, in the source's own terms. Raises the refusal again where it is of something else."""
    if refusal.where != TOO_LARGE and not refusal.rule.startswith(SAYS_WHY):
        raise refusal
    fault = refusal.rule.removeprefix(SAYS_WHY)
    says = page.say(f"documents.fault_{fault}") if fault else ""
    return NotGiven(number, refusal.status, says, fault in AGAIN)


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
    day = listed_by(entry)
    return Row(
        one.number, entry.title, _day(day), "" if len(day) == 8 else ".".join(filter(None, (day[4:], day[:4]))),
        words(entry.class_code), words(entry.type_code), department(entry), institution(entry),
        author(entry), one.title, bool(said - {DELAYED, LOCKED}),
        said - {LOCKED} == {DELAYED}, LOCKED in said, opened, one.holds,
    )  # fmt: skip


def _day(day: str) -> date | None:
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:8])) if len(day) == 8 else None
    except ValueError:
        return None
