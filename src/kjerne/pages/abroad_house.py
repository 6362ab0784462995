"""What the pages ask of the house about patient summaries from abroad, and the plain values that cross it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from kjerne.services.critical.abroad.settling import Deed, Opened
from kjerne.services.critical.drafts import Draft
from kjerne.store.abroad import Held
from kjerne.store.transfers import Origin

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, Patient, Visit


class Seen(NamedTuple):
    """An entry of a document as a login was shown it."""

    document: UUID
    place: int
    tag: str


@dataclass(frozen=True, slots=True)
class AbroadShelf:
    """The documents that are kept of a patient. `may` are the kinds that the reader may register, `names` of organisations."""

    patient: Patient
    documents: tuple[Held, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    may: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AbroadChart:
    """One document beside what is registered."""

    patient: Patient
    opened: Opened
    names: Mapping[str, str] = field(default_factory=dict)
    may: frozenset[str] = frozenset()
    origins: Mapping[tuple[str, int], Origin] = field(default_factory=dict)
    """Where a version of what is registered was sent from, by id and version."""


class AbroadHouse(Protocol):
    """The doors to them."""

    async def abroad(self, who: Identity, visit: Visit) -> AbroadShelf:
        """All that are kept, under the law of critical information. `Denied`."""
        ...

    async def bring_abroad(
        self, who: Identity, visit: Visit, raw: bytes, country: str, confirmed: frozenset[str]
    ) -> UUID:  # fmt: skip
        """Keeps a document; its number. `Refusal` 409 with what must be confirmed, 422 where it is refused."""
        ...

    async def abroad_opened(
        self, who: Identity, visit: Visit, number: UUID, *, tells_beside: bool = True
    ) -> AbroadChart:  # fmt: skip
        """One of them with its entries; `tells_beside` where the page shows what is here beside them. `Refusal` 404, 410."""
        ...

    async def abroad_content(self, who: Identity, visit: Visit, number: UUID) -> tuple[Held, bytes]:
        """The bytes of one as they came. `Refusal` 404, 410."""
        ...

    async def settle_abroad(
        self, who: Identity, visit: Visit, seen: Seen, deed: Deed, *, record: str = "", reason: str = "",
        draft: Draft | None = None,
    ) -> str:  # fmt: skip
        """Settles an entry as it was seen; the id of what was taken in. `Refusal` as of the national address."""
        ...

    async def take_back_abroad(self, who: Identity, visit: Visit, number: UUID, reason: str) -> None:
        """It was brought by mistake. `Refusal` 404, 410, 422."""
        ...
