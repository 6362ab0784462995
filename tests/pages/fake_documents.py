"""Documents of other institutions in the made-up house: three of two sources, one of which did not answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from documents_at_hand import HOME, code, entry
from kjerne.access import Denial
from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages.documents_house import SHOWN, DocumentFile, DocumentList, DocumentOpened, WantedDocuments
from kjerne.pages.house import Identity, Visit
from kjerne.services.documents import free_text
from kjerne.services.documents.model import Part
from kjerne.services.documents.room import TOO_LARGE, Document
from kjerne.services.documents.sorting import in_order
from kjerne.services.results.named import Named
from kjerne.store.document_filters import FILTERS_LIMIT, Filter, Said
from kjerne.xds import names
from pages.fake_critical import FakeCritical

LARGE_BYTES = 24_000_000
AT = datetime(2026, 11, 27, 7, 10, tzinfo=UTC)
WITHHELD = (code("2.16.840.1.113883.5.25", "N"), code("9603", "NORN_FPB", "Nektet av hensyn til behandlingen"))


def listed(number: int, *, title: str = "", type_: str = "", size_bytes: int | None = None) -> Document:
    """One of many documents; each third is withheld from the patient."""
    said: dict[str, Any] = {"created": f"202610{number:02d}103000", "home": HOME, "size_bytes": size_bytes}
    said |= {"title": title or f"Epikrise nummer {number}"}
    said |= {"type_code": code("9602", "A03-9", type_)} if type_ else {}
    said |= {"confidentiality": WITHHELD} if number % 3 == 0 else {}
    return Document(uuid5(UUID(int=0), str(number)), entry(number, **said), "sundvika", "Sundvika sykehus")


def chained() -> Document:
    """What the newest of them has replaced."""
    said = {"title": "Epikrise nummer 18 b", "created": "20261018120000", "status": names.DEPRECATED, "home": HOME}
    return Document(uuid5(UUID(int=0), "18 b"), entry(40, **said), "sundvika", "Sundvika sykehus")


@dataclass
class FakeDocuments(FakeCritical):
    """`listing` are the documents, `content` what each of them holds."""

    listing: list[Document] = field(default_factory=lambda: [listed(one) for one in range(1, 20)])
    content: bytes = b"Til poliklinikken.\n\nHenvises for vurdering.\n"

    kept_filters: list[Filter] = field(default_factory=list)
    openings: list[UUID] = field(default_factory=list)
    """What was opened, as the log would have it."""
    shut: Denial | None = None
    """The patient's no to who opens a document, said since the list was shown."""

    async def documents(self, who: Identity, visit: Visit, wanted: WantedDocuments) -> DocumentList:
        former, (newest, second) = chained(), self.listing[:-3:-1]
        newest = replace(newest, relates=(("replaces", former.number), ("appends", second.number)))
        listing = [*self.listing[:-1], newest]
        fitting = [one for one in listing if free_text.tells(one.entry, free_text.words_of(wanted.text))]
        rows = in_order(fitting, wanted.sort, wanted.descending)
        parts = (
            Part("sundvika", "Sundvika sykehus", "100000008", None, AT), Part("nordvik", "Nordvik legekontor", "1", "late", AT),
            Part("vestre", "Vestre sykehus", "2", "away", left_out=2),
        )  # fmt: skip
        return DocumentList(
            (await self.critical(who, visit)).patient, tuple(rows[(wanted.page - 1) * SHOWN : wanted.page * SHOWN]), len(rows),
            len(listing), 2, parts, (("A00-1", "Epikriser og sammenfatninger"),), ("STIFTELSEN BETANIEN",),
            frozenset(one.number for one in rows[:1]), {one.number: one for one in (*listing, former)},
        )  # fmt: skip

    async def document_names(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Mapping[str, Named]:
        return {}

    async def document_opened(self, who: Identity, visit: Visit, number: UUID) -> DocumentOpened:
        for one in (*self.listing, chained()):
            if one.number == number:
                if self.shut:
                    raise Denied(self.shut)
                if one.entry.size_bytes == LARGE_BYTES:
                    raise Refusal(413, "the document is larger than is taken here", where=TOO_LARGE)
                self.openings.append(number)
                patient = (await self.critical(who, visit)).patient
                return DocumentOpened(patient, one, self.content, lambda numbers: "another" if numbers else "unsaid")
        raise Refusal(404, "There is no such document.", where="page")

    async def document_file(self, who: Identity, visit: Visit, number: UUID) -> DocumentFile:
        if number not in {one.number for one in self.listing}:
            raise Refusal(404, "There is no such document.", where="page")
        self.openings.append(number)
        return DocumentFile(2 * len(self.content), self.content, _pieces(self.content))

    async def document_filters(self, who: Identity) -> Sequence[Filter]:
        return self.kept_filters

    async def keep_document_filter(self, who: Identity, said: Said) -> None:
        if said.name in {one.said.name for one in self.kept_filters}:
            raise Refusal(409, "There is a filter of this name.", where="filter_named")
        if len(self.kept_filters) >= FILTERS_LIMIT:
            raise Refusal(409, "There are too many.", where="filter_many")
        self.kept_filters.append(Filter(uuid5(UUID(int=1), said.name), said))

    async def rename_document_filter(self, who: Identity, number: UUID, name: str) -> None:
        self._has(number)
        self.kept_filters = [
            msgspec.structs.replace(one, said=msgspec.structs.replace(one.said, name=name)) if one.number == number else one
            for one in self.kept_filters
        ]  # fmt: skip

    async def drop_document_filter(self, who: Identity, number: UUID) -> None:
        self._has(number)
        self.kept_filters = [one for one in self.kept_filters if one.number != number]

    def _has(self, number: UUID) -> None:
        if number not in {one.number for one in self.kept_filters}:
            raise Refusal(404, "There is no such filter.", where="filter_gone")


async def _pieces(content: bytes) -> AsyncGenerator[bytes]:
    for _ in range(2):
        yield content
