"""Documents of other institutions in the made-up house: three of two sources, one of which did not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

from documents_at_hand import HOME, code, entry
from kjerne.errors import Refusal
from kjerne.pages.documents_house import SHOWN, DocumentList, DocumentOpened, WantedDocuments
from kjerne.pages.house import Identity, Visit
from kjerne.services.documents.model import Part
from kjerne.services.documents.room import Document
from kjerne.services.documents.sorting import in_order
from kjerne.services.results.named import Named
from kjerne.xds import names
from pages.fake_critical import FakeCritical

AT = datetime(2026, 11, 27, 7, 10, tzinfo=UTC)
WITHHELD = (code("2.16.840.1.113883.5.25", "N"), code("9603", "NORN_FPB", "Nektet av hensyn til behandlingen"))


def listed(number: int) -> Document:
    """One of many documents; each third is withheld from the patient."""
    said = {"title": f"Epikrise nummer {number}", "created": f"202610{number:02d}103000", "home": HOME}
    marks = {"confidentiality": WITHHELD} if number % 3 == 0 else {}
    return Document(uuid5(UUID(int=0), str(number)), entry(number, **said, **marks), "sundvika", "Sundvika sykehus")


def chained() -> Document:
    """What the newest of them has replaced."""
    said = {"title": "Epikrise nummer 18 b", "created": "20261018120000", "status": names.DEPRECATED, "home": HOME}
    return Document(uuid5(UUID(int=0), "18 b"), entry(40, **said), "sundvika", "Sundvika sykehus")


@dataclass
class FakeDocuments(FakeCritical):
    """`listing` are the documents, `content` what each of them holds."""

    listing: list[Document] = field(default_factory=lambda: [listed(one) for one in range(1, 20)])
    content: bytes = b"Til poliklinikken.\n\nHenvises for vurdering.\n"

    async def documents(self, who: Identity, visit: Visit, wanted: WantedDocuments) -> DocumentList:
        former, (newest, second) = chained(), self.listing[:-3:-1]
        newest = replace(newest, relates=(("replaces", former.number), ("appends", second.number)))
        listing = [*self.listing[:-1], newest]
        rows = in_order(listing, wanted.sort, wanted.descending)
        parts = (
            Part("sundvika", "Sundvika sykehus", "100000008", None, AT), Part("nordvik", "Nordvik legekontor", "1", "late", AT),
            Part("vestre", "Vestre sykehus", "2", "away", left_out=2),
        )  # fmt: skip
        return DocumentList(
            (await self.critical(who, visit)).patient, tuple(rows[(wanted.page - 1) * SHOWN : wanted.page * SHOWN]), len(rows),
            len(rows), 2, parts, (("A00-1", "Epikriser og sammenfatninger"),), ("STIFTELSEN BETANIEN",),
            frozenset(one.number for one in rows[:1]), {one.number: one for one in (*listing, former)},
        )  # fmt: skip

    async def document_names(self, who: Identity, visit: Visit, numbers: Sequence[str]) -> Mapping[str, Named]:
        return {}

    async def document_opened(self, who: Identity, visit: Visit, number: UUID) -> DocumentOpened:
        for one in (*self.listing, chained()):
            if one.number == number:
                patient = (await self.critical(who, visit)).patient
                return DocumentOpened(patient, one, self.content, lambda numbers: "another" if numbers else "unsaid")
        raise Refusal(404, "There is no such document.", where="page")
