"""Documents of other institutions behind the pages: listed and opened by the room and under the law of the wire."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.pages.documents_house import SHOWN, DocumentFile, DocumentList, DocumentOpened, WantedDocuments
from kjerne.pages.house import Identity, Patient, Visit
from kjerne.pages.live_document_filters import DocumentFilterPages
from kjerne.reading import about, opening
from kjerne.services.documents import free_text
from kjerne.services.documents.model import SERVICE, Opened
from kjerne.services.documents.room import Document, Documents
from kjerne.services.documents.seeing import listed_by
from kjerne.services.documents.sorting import collated, in_order, institution, words
from kjerne.services.results.named import NAMED_LIMIT, Named
from kjerne.services.results.values import When
from kjerne.store import document_names


class DocumentPages(DocumentFilterPages):
    """Implements `pages.documents_house.DocumentsHouse`."""

    room: Documents

    async def documents(self, who: Identity, visit: Visit, wanted: WantedDocuments) -> DocumentList:
        """The row names every document of the list: what there is to choose from tells of those on other pages too."""

        async def use(grant: Grant) -> DocumentList:
            found = await self.room.find(grant, everybody=wanted.everybody)
            asked = free_text.words_of(wanted.text)
            fitting = [one for one in found.documents if _fits(one, wanted) and free_text.tells(one.entry, asked)]
            ordered = in_order(fitting, wanted.sort, wanted.descending)
            rows = ordered[(wanted.page - 1) * SHOWN : wanted.page * SHOWN]
            known = {one.number: one for one in (*found.documents, *found.former)}
            opened = await self.room.opened_before(grant, [*rows, *found.former])
            patient = await self._her(grant, visit)
            await self.room.show(grant, known.values())
            found.check_shown()
            return DocumentList(
                patient, tuple(rows), len(fitting), len(found.documents), found.locked, found.parts,
                _categories(found.documents), _institutions(found.documents), opened, known,
            )  # fmt: skip

        return await self.under(who, visit, "search", use, service=SERVICE)

    async def document_names(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Mapping[str, Named]:
        caller, ref = await self.caller(who, visit), PatientRef(key=visit.patient)
        if not numbers or not await self.door.would_open(caller, ref, SERVICE, "search"):
            return {}

        async def use(grant: Grant) -> Mapping[str, Named]:
            found = await self.room.names(grant, [UUID(one) for one in numbers[:NAMED_LIMIT]])
            return {str(number): Named(one.title or one.kind, _when(one.date)) for number, one in found.items()}

        return await self.under(who, visit, "search", use, service=SERVICE)

    async def sources_elsewhere(self, service: str, now: datetime) -> Sequence[str]:
        """Whom she can shut documents of, though nothing of theirs lies here. Where their register cannot be read her other
        choices stand open."""
        if service == SERVICE:
            with contextlib.suppress(Refusal):
                return await self.room.gateway.places(now)
        return ()

    async def document_opened(self, who: Identity, visit: Visit, number: UUID) -> DocumentOpened:
        async def use(grant: Grant) -> DocumentOpened:
            return await self._read_whole(grant, visit, *await self.room.open(grant, number, opening.LIMIT_BYTES))

        return await self.under(who, visit, "read", use, service=SERVICE)

    async def document_file(self, who: Identity, visit: Visit, number: UUID) -> DocumentFile | DocumentOpened:
        """Whom a large one names is not looked for: it is passed on piece by piece."""

        async def use(grant: Grant) -> DocumentFile | DocumentOpened:
            document, opened = await self.room.open(grant, number)
            if opened.size_bytes <= opening.LIMIT_BYTES:
                return await self._read_whole(grant, visit, document, opened)
            return DocumentFile(opened.size_bytes, opened.first, opened.pieces)

        return await self.under(who, visit, "read", use, service=SERVICE)

    async def _read_whole(self, grant: Grant, visit: Visit, document: Document, opened: Opened) -> DocumentOpened:
        try:
            raw = b"".join([piece async for piece in opened.pieces])
        finally:
            await opened.pieces.aclose()
        async with self.store.pool.acquire() as conn:
            hers = await document_names.numbers(conn, grant, self.room.numbers)
        compared = partial(about.compared, hers={one.value for one in hers})
        return DocumentOpened(await self._her(grant, visit), document, raw, compared)

    async def _her(self, grant: Grant, visit: Visit) -> Patient:
        async with self.store.pool.acquire() as conn:
            person = await self.person(conn, visit.patient)
            if grant.caller.kind != "practitioner":
                return person
            return replace(person, number=await self.store.people.number(conn, grant))


def _when(text: str) -> When | None:
    """A day as names keep it (`seeing.day_of`)."""
    try:
        day = date(int(text[:4]), int(text[4:6] or 1), int(text[6:8] or 1))
    except ValueError:
        return None
    return When(day, None, "" if len(text) >= 8 else "month" if len(text) >= 6 else "year")


def _fits(one: Document, wanted: WantedDocuments) -> bool:
    kind = one.entry.class_code.code if one.entry.class_code else ""
    return (
        (not wanted.category or kind == wanted.category)
        and (not wanted.institution or institution(one.entry) == wanted.institution)
        and (not wanted.since or _may_be_since(listed_by(one.entry), wanted.since))
    )


def _may_be_since(day: str, first: str) -> bool:
    """Whether a day may be in a period that begins on `first`: one that is not said, or a year or month of it, may."""
    return day >= first[: len(day)]


def _categories(documents: Sequence[Document]) -> tuple[tuple[str, str], ...]:
    """Code and words of each kind there is, by its words."""
    found = {one.entry.class_code.code: words(one.entry.class_code) for one in documents if one.entry.class_code}
    return tuple(sorted(found.items(), key=lambda pair: collated(pair[1])))


def _institutions(documents: Sequence[Document]) -> tuple[str, ...]:
    return tuple(sorted({institution(one.entry) for one in documents} - {""}, key=collated))
